//! Plays `scripts/*.redis`: one command a line, as one would type it into redis-cli. A new file gets its name in `scripts!`.
//!
//! - A line starting with `#` is a comment. An empty line starts afresh: both servers flushed, new connections.
//! - `2> COMMAND` sends on a second connection (and so on, up to 9).
//! - `!sleep MILLISECONDS` waits, for keys to expire.
//! - `!flags WORDS` at the top of a file starts both servers with these flags as well; `''` is an empty one.
//! - `"\xff\n"` are bytes, `'as it is'` is text; `<10000*ab>` is a word of 10,000 times `ab`.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::pair::{Pair, Server};
use crate::play::{Step, compare_keyspaces};
use crate::rules;
use crate::wire::{Connection, Node, Words, line_of, multibulk};

/// One test for each script.
macro_rules! scripts {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            agrees(stringify!($name), include_str!(concat!("scripts/", stringify!($name), ".redis")));
        })*
    };
}

scripts!(
    acl,
    admin,
    bitmaps,
    connection,
    dump,
    keys,
    maxmemory,
    renamed,
    slow,
    strings,
    transactions,
    unknown
);

fn agrees(name: &str, text: &str) {
    let flags: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("!flags "))
        .flat_map(str::split_whitespace)
        .map(|word| if word == "''" { "" } else { word })
        .collect();
    let Some(pair) = Pair::start(&flags) else {
        return;
    };
    let mut wrong = Vec::new();
    let lines = play_script(&pair, name, text, &mut wrong);
    crate::say(&format!(
        "{lines} commands of the script {name}, {} differences",
        wrong.len()
    ));
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    pair.end_in_peace();
}

/// The two ends of one scripted connection, and the commands queued since its MULTI.
type Seat = (Connection, Connection, Vec<Words>);

fn play_script(pair: &Pair, name: &str, text: &str, wrong: &mut Vec<String>) -> usize {
    let mut seats: BTreeMap<usize, Seat> = BTreeMap::new();
    let mut played = 0;
    for (number, line) in text
        .lines()
        .chain([""])
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
    {
        if line.is_empty() {
            if !seats.is_empty()
                && let Some(difference) = compare_keyspaces(pair, 0)
            {
                wrong.push(format!(
                    "{name}:{number}: at the end of the paragraph, {}",
                    difference.told
                ));
            }
            seats.clear();
            start_afresh(&pair.redis);
            start_afresh(&pair.ours);
            continue;
        }
        if line.starts_with('#') || line.starts_with("!flags ") {
            continue;
        }
        if let Some(time) = line.strip_prefix("!sleep ") {
            sleep(Duration::from_millis(time.parse().expect("milliseconds")));
            continue;
        }
        let (seat, command) = match line.split_once("> ") {
            Some((seat, command)) if seat.len() == 1 => {
                (seat.parse().expect("a connection's number"), command)
            }
            _ => (1, line),
        };
        let words =
            words_of(command).unwrap_or_else(|why| panic!("{name}.redis:{number}: {why}: {line}"));
        let (redis, ours, queued) = seats
            .entry(seat)
            .or_insert_with(|| (pair.redis.connect(), pair.ours.connect(), Vec::new()));
        let request = multibulk(&words);
        redis.send(&request).expect("Redis listens");
        let reply = redis.receive().expect("Redis answers");
        let our_reply = ours.send(&request).and_then(|()| ours.receive());
        played += 1;
        let step = Step {
            connection: seat,
            inline: false,
            words,
        };
        match our_reply {
            Ok(our_reply) if rules::alike(&step.words, queued, &reply, &our_reply) => {}
            Ok(our_reply) => wrong.push(format!(
                "{name}.redis:{number}: {}\n  Redis {}  ours  {}",
                line_of(&step.words),
                indented(&reply),
                indented(&our_reply)
            )),
            Err(error) => {
                wrong.push(format!(
                    "{name}:{number}: {}: our server: {error}",
                    line_of(&step.words)
                ));
                seats.clear();
                continue;
            }
        }
        if reply == b"+QUEUED\r\n" {
            queued.push(step.words);
        } else if ["MULTI", "EXEC", "DISCARD"]
            .iter()
            .any(|name| rules::name_is(&step.words, name))
        {
            queued.clear();
        }
    }
    played
}

/// Flushes, and waits until the connections of the last paragraph are gone, and this one's too: CLIENT LIST would count
/// them, and a server of several threads may look after one that was closed when it has answered another already.
pub fn start_afresh(server: &Server) {
    let mut connection = server.connect();
    // A server that cannot even flush will be seen to differ by the next line.
    let _ = connection.ask(&[b"FLUSHALL"]);
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match connection.ask(&[b"CLIENT", b"LIST"]) {
            Ok(list) if list.string().lines().count() > 1 => {
                assert!(Instant::now() < deadline, "left over:\n{}", list.string());
                sleep(Duration::from_millis(2));
            }
            _ => break,
        }
    }
    let _ = connection.finish();
}

fn indented(reply: &[u8]) -> String {
    Node::parse(reply)
        .to_string()
        .trim_end()
        .replace('\n', "\n        ")
        + "\n"
}

/// Splits a line into words as redis-cli does, plus the repeats described above.
pub fn words_of(line: &str) -> Result<Words, &'static str> {
    let bytes = line.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b' ' => at += 1,
            b'"' => {
                let (word, used) = double_quoted(&bytes[at + 1..])?;
                words.push(word);
                at += 1 + used;
            }
            b'\'' => {
                let length = line[at + 1..].find('\'').ok_or("a quote is not closed")?;
                words.push(bytes[at + 1..at + 1 + length].to_vec());
                at += length + 2;
            }
            _ => {
                let length = line[at..].find(' ').unwrap_or(line.len() - at);
                words.push(repeated(&line[at..at + length]));
                at += length;
            }
        }
    }
    Ok(words)
}

/// `<3*ab>` is `ababab`; anything else is itself.
fn repeated(word: &str) -> Vec<u8> {
    let repeat = || {
        let (count, text) = word.strip_prefix('<')?.strip_suffix('>')?.split_once('*')?;
        Some(text.repeat(count.parse().ok()?).into_bytes())
    };
    repeat().unwrap_or_else(|| word.as_bytes().to_vec())
}

/// The word up to the closing quote, and how many bytes it took with the quote.
fn double_quoted(bytes: &[u8]) -> Result<(Vec<u8>, usize), &'static str> {
    let mut word = Vec::new();
    let mut at = 0;
    loop {
        let byte = *bytes.get(at).ok_or("a quote is not closed")?;
        at += 1;
        match byte {
            b'"' => return Ok((word, at)),
            b'\\' => {
                let escaped = *bytes.get(at).ok_or("a quote is not closed")?;
                at += 1;
                match escaped {
                    b'x' => {
                        let digits = bytes.get(at..at + 2).ok_or("two hex digits are needed")?;
                        let digits =
                            std::str::from_utf8(digits).map_err(|_| "two hex digits are needed")?;
                        word.push(
                            u8::from_str_radix(digits, 16)
                                .map_err(|_| "two hex digits are needed")?,
                        );
                        at += 2;
                    }
                    b'n' => word.push(b'\n'),
                    b'r' => word.push(b'\r'),
                    b't' => word.push(b'\t'),
                    other => word.push(other),
                }
            }
            _ => word.push(byte),
        }
    }
}

#[test]
fn a_script_line_is_split_as_redis_cli_splits_it() {
    let words = words_of(r#"SET "a b\x00\"" 'c "d' <3*ab> """#).unwrap();
    assert_eq!(words, [&b"SET"[..], b"a b\0\"", b"c \"d", b"ababab", b""]);
    assert!(words_of("GET \"a").is_err());
}
