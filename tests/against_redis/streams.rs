//! Plays `streams/*.redis`, scripts in which connections receive what they did not ask for, and compares everything that
//! each connection receives, as one stream of bytes.
//!
//! The lines are those of `scripts.rs`. Each waits for its own reply, and the next one follows; what the other connections
//! receive meanwhile is theirs. Where a command has no reply (`CLIENT REPLY OFF`), a `~` in front of the line says so.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::pair::{Pair, Server};
use crate::scripts::{start_afresh, words_of};
use crate::wire::{Connection, Node, multibulk, reply_length};
use crate::{generate, play};

/// One test for each script.
macro_rules! streams {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            agrees(stringify!($name), include_str!(concat!("streams/", stringify!($name), ".redis")));
        })*
    };
}

streams!(events, monitor, pause, pubsub);

/// How long both servers have to send the last of what they are going to.
const SETTLE: Duration = Duration::from_secs(5);

/// How long nothing more may come from ours once all that came from Redis is there.
const QUIET: Duration = Duration::from_millis(20);

/// Random commands, and all the events that come of them.
#[test]
fn random_rounds_have_the_same_events() {
    const ROUNDS: u64 = 20;
    let Some(pair) = Pair::start(&[]) else { return };
    let seed = crate::from_environment("AGAINST_REDIS_SEED", 1);
    for server in [&pair.redis, &pair.ours] {
        let words: [&[u8]; 4] = [b"CONFIG", b"SET", b"notify-keyspace-events", b"KEAnom"];
        server.connect().ask(&words).expect("a server that listens");
    }
    let mut heard = 0;
    for seed in seed..seed + ROUNDS {
        let listen = |server: &Server| {
            let mut connection = server.connect();
            let asked = connection.ask(&[b"PSUBSCRIBE", b"__key*"]);
            asked.expect("a server that listens");
            BTreeMap::from([(1, connection)])
        };
        let (mut redis, mut ours) = (listen(&pair.redis), listen(&pair.ours));
        let mut steps = generate::round(seed, crate::ROUND);
        // BITCOUNT with a start alone is an answer here and an error in Redis, so only here is its key looked for.
        steps.retain(|step| {
            !(step.words.len() == 3 && step.words[0].eq_ignore_ascii_case(b"bitcount"))
        });
        if let Some(difference) = play::play(&pair, &steps) {
            panic!("seed {seed}: {}", difference.told);
        }
        for connection in redis.values_mut().chain(ours.values_mut()) {
            connection.listen(QUIET).expect("a server that goes on");
        }
        let mut wrong = Vec::new();
        heard += compare(&format!("seed {seed}"), redis, ours, &mut wrong);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    assert!(heard > 100_000, "only {heard} bytes of events");
    pair.end_in_peace();
}

fn agrees(name: &str, text: &str) {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut wrong = Vec::new();
    let mut at = 1;
    for paragraph in text.split("\n\n") {
        let (redis, ours) = (play(&pair.redis, paragraph), play(&pair.ours, paragraph));
        compare(&format!("{name}.redis:{at}"), redis, ours, &mut wrong);
        at += paragraph.lines().count() + 1;
    }
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    pair.end_in_peace();
}

/// Plays a paragraph to one server. The connections, with all they received so far.
fn play(server: &Server, paragraph: &str) -> BTreeMap<usize, Connection> {
    start_afresh(server);
    let mut seats: BTreeMap<usize, Connection> = BTreeMap::new();
    for line in paragraph.lines().map(str::trim) {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some(time) = line.strip_prefix("!sleep ") {
            sleep(Duration::from_millis(time.parse().expect("milliseconds")));
            continue;
        }
        let (silent, line) = match line.strip_prefix('~') {
            Some(line) => (true, line),
            None => (false, line),
        };
        let (seat, command) = match line.split_once("> ") {
            Some((seat, command)) if seat.len() == 1 => {
                (seat.parse().expect("a connection's number"), command)
            }
            _ => (1, line),
        };
        let words = words_of(command).unwrap_or_else(|why| panic!("{why}: {line}"));
        let connection = seats.entry(seat).or_insert_with(|| server.connect());
        let before = answers(connection.received());
        connection
            .send(&multibulk(&words))
            .expect("a server that listens");
        let deadline = Instant::now() + SETTLE;
        while !silent && answers(connection.received()) == before && Instant::now() < deadline {
            if connection.listen(SETTLE).is_err() {
                break; // closed, and so will the other server's be
            }
        }
    }
    for connection in seats.values_mut() {
        // An error is a connection that was closed; what it received before counts.
        let _ = connection.listen(QUIET);
    }
    seats
}

/// How many of the replies in `bytes` are not messages of others.
fn answers(mut bytes: &[u8]) -> usize {
    const MESSAGES: [&[u8]; 3] = [b"message", b"pmessage", b"smessage"];
    let mut count = 0;
    while let Some(length) = reply_length(bytes) {
        let (reply, rest) = bytes.split_at(length);
        let node = Node::parse(reply);
        let is_message = node
            .items
            .first()
            .is_some_and(|first| MESSAGES.contains(&first.bytes()));
        let is_monitored = reply.starts_with(b"+1") && reply.contains(&b'[');
        count += usize::from(!is_message && !is_monitored);
        bytes = rest;
    }
    count
}

/// Compares what each connection received, and returns how many bytes that was in all.
fn compare(
    place: &str,
    mut redis: BTreeMap<usize, Connection>,
    mut ours: BTreeMap<usize, Connection>,
    wrong: &mut Vec<String>,
) -> usize {
    for (seat, redis) in &mut redis {
        let ours = ours.get_mut(seat).expect("the same connections");
        let deadline = Instant::now() + SETTLE;
        loop {
            let (a, b) = (plain(redis.received()), plain(ours.received()));
            if a == b {
                break;
            }
            let slower = if a.len() < b.len() {
                &mut *redis
            } else {
                &mut *ours
            };
            if Instant::now() > deadline || slower.listen(SETTLE / 50).is_err() {
                let at = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
                wrong.push(format!(
                    "{place}, connection {seat}, at {at}\n  Redis: {}\n  ours:  {}",
                    around(&a, at),
                    around(&b, at)
                ));
                break;
            }
        }
    }
    ours.values()
        .map(|connection| connection.received().len())
        .sum()
}

/// Some of a stream, from shortly before `at` on.
fn around(text: &str, at: usize) -> &str {
    let start = at.saturating_sub(200);
    &text[start..text.len().min(at + 400)]
}

/// What HELLO says of the module that comes with Redis 8.
const MODULES: &str = r"*1\r\n%4\r\n$4\r\nname\r\n$9\r\nvectorset\r\n$3\r\nver\r\n:1\r\n$4\r\npath\r\n$0\r\n\r\n$4\r\nargs\r\n*0\r\n";

/// What was received, escaped, with clocks and ports taken out.
fn plain(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    let mut plain = String::new();
    // HELLO: the id, and a module of Redis's own.
    let text = text.replace(MODULES, "*0\\r\\n");
    let mut rest = text.as_str();
    while let Some(at) = rest.find("127.0.0.1:").map(|at| at + "127.0.0.1:".len()) {
        plain += &rest[..at];
        rest = rest[at..].trim_start_matches(|c: char| c.is_ascii_digit());
    }
    plain += rest;
    if let Some((before, after)) = plain.split_once(r"$2\r\nid\r\n:") {
        plain = before.to_owned() + "ID" + after.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    // MONITOR: `+1700000000.123456 [0 ...`.
    plain
        .split("\\r\\n")
        .map(|line| match line.split_once(" [") {
            Some((time, rest)) if time.starts_with("+1") => format!("+TIME [{rest}"),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\\r\\n")
}
