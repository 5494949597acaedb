//! What is tried.

use std::sync::Arc;

use bitmapd::bits::{Bitmap, View};
use bitmapd::cmd::World;
use bitmapd::cmd::session::Session;
use bitmapd::config::Config;
use bitmapd::persist::rdb;
use bitmapd::resp::{Limits, Output, Parser, Reply, Source, Version};
use bitmapd::store::Clock;
use crc_fast::{CrcAlgorithm, Digest};
use tikv_jemalloc_ctl::thread;

use crate::{fuzz, reply};

/// The requests in `bytes`, fed to a parser in pieces, and the error that ended them.
fn requests_of(bytes: &[u8], limits: &Limits, piece: usize) -> (Vec<Vec<Vec<u8>>>, Option<String>) {
    let (mut parser, mut found) = (Parser::new(), Vec::new());
    let (mut start, mut end) = (0, 0);
    loop {
        match parser.next(&bytes[start..end], limits) {
            Ok(Some(request)) => found.push(request.iter().map(<[u8]>::to_vec).collect()),
            Ok(None) => {
                start += parser.release();
                let most = 1024 + 64 * bytes.len();
                assert!(parser.heap_bytes() <= most, "{} bytes", parser.heap_bytes());
                if end == bytes.len() {
                    return (found, None);
                }
                end = bytes.len().min(end + piece);
            }
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

/// Requests mean the same however they are split.
#[test]
fn requests() {
    let words = [
        "*1\r\n",
        "$4\r\nPING\r\n",
        "*-1\r\n",
        "*0\r\n",
        "\r\n",
        "$-1\r\n",
        "PING",
        "\"",
        "'",
        "\\x0a",
    ];
    fuzz("requests", &words, |bytes| {
        for authenticated in [true, false] {
            let limits = Limits {
                max_bulk: 1 << 20,
                authenticated,
                ..Limits::default()
            };
            let whole = requests_of(bytes, &limits, bytes.len().max(1));
            for piece in [1, 7] {
                assert_eq!(requests_of(bytes, &limits, piece), whole, "by {piece}");
            }
        }
    });
}

/// A value that is read as it is sent.
struct Zeros(u64);

impl Source for Zeros {
    fn len(&self) -> u64 {
        self.0
    }
    fn read(&self, _: u64, into: &mut [u8]) {
        into.fill(0);
    }
}

/// A reply that the bytes describe, and which bytes are left. Every kind of reply can come out.
fn reply_from<'b>(bytes: &'b [u8], depth: usize) -> (Reply, &'b [u8]) {
    let Some((&kind, rest)) = bytes.split_first() else {
        return (Reply::Null, bytes);
    };
    let len = usize::from(rest.first().copied().unwrap_or(0) % 70).min(rest.len());
    let (text, after) = rest.split_at(len);
    let words = || String::from_utf8_lossy(text).replace(['\r', '\n'], " ");
    let digits = || -> String {
        text.iter()
            .map(|byte| char::from(b'0' + byte % 10))
            .collect()
    };
    let several = |mut rest: &'b [u8], count: usize| {
        let mut all = Vec::new();
        for _ in 0..if depth < 5 { count } else { 0 } {
            let (reply, after) = reply_from(rest, depth + 1);
            all.push(reply);
            rest = after;
        }
        (all, rest)
    };
    let pairs = |all: Vec<Reply>| {
        let mut all = all.into_iter();
        let mut pairs = Vec::new();
        while let (Some(name), Some(value)) = (all.next(), all.next()) {
            pairs.push((name, value));
        }
        pairs
    };
    let number = text.iter().fold(0i64, |n, &byte| n << 8 | i64::from(byte));
    match kind % 18 {
        0 => (Reply::Ok, rest),
        1 => (Reply::Simple(words().into()), after),
        2 => (Reply::Error(text.to_vec().into()), after),
        3 => (Reply::Integer(number), after),
        4 => (Reply::Bulk(text.to_vec().into()), after),
        5 => (
            Reply::Stream(Box::new(Zeros(number.unsigned_abs() % 100_000))),
            after,
        ),
        6 => (Reply::NullArray, rest),
        7 => (Reply::Double(f64::from_bits(number as u64)), after),
        8 => (Reply::Boolean(len % 2 == 0), rest),
        9 => (Reply::BigNumber(format!("-1{}", digits()).into()), after),
        10 => {
            let (format, text) = (*b"txt", String::from_utf8_lossy(text).into_owned());
            (Reply::Verbatim { format, text }, after)
        }
        11 => {
            let (all, rest) = several(rest, len % 8);
            (Reply::Array(all), rest)
        }
        12 => {
            let (all, rest) = several(rest, len % 8 * 2);
            (Reply::Map(pairs(all)), rest)
        }
        13 => {
            let (all, rest) = several(rest, len % 8);
            (Reply::Set(all), rest)
        }
        14 => {
            let (all, rest) = several(rest, len % 8);
            (Reply::Push(all), rest)
        }
        _ => (Reply::Null, rest),
    }
}

/// Every reply is one value, in both versions, and as long as was said.
#[test]
fn replies() {
    fuzz(
        "replies",
        &["\x0b\x03", "\x0c\x02", "\x05\x02\x40\x40"],
        |bytes| {
            for version in [Version::Resp2, Version::Resp3] {
                let (reply, _) = reply_from(bytes, 0);
                let mut out = Output::new();
                out.push(reply, version);
                let piece = bytes.len() % 13 + 1;
                let sent = reply::drain(&mut out, piece * piece);
                assert_eq!(reply::count(&sent, version), 1, "{}", sent.escape_ascii());
            }
        },
    );
}

/// A world where strings are short, so that no reply is long.
fn world() -> Arc<World> {
    let config = Config::new();
    config
        .set(&[(b"proto-max-bulk-len", b"1mb")], true)
        .unwrap_or_else(|error| panic!("{error}"));
    Arc::new(World::new(Arc::new(config), Arc::default(), Clock::System))
}

fn words_of(line: &[u8]) -> Vec<&[u8]> {
    line.split(|&byte| byte == b' ').collect()
}

/// BITFIELD: a refused one changed nothing, another has a reply for every step.
#[test]
fn bitfield() {
    let words = [
        "GET", "SET", "INCRBY", "OVERFLOW", "WRAP", "SAT", "FAIL", "i8", "u63", "i64", "u1", "#3",
        " ",
    ];
    let mut db = Session::new(world());
    let mut runs = 0;
    fuzz("bitfield", &words, |bytes| {
        let steps = words_of(bytes);
        let facts = |db: &mut Session| [db.say("STRLEN k"), db.say("BITCOUNT k")];
        let before = facts(&mut db);
        let request = [&b"BITFIELD"[..], b"k"].into_iter().chain(steps);
        let said = db.ask(request);
        reply::count(&said, Version::Resp2);
        if said[0] == b'-' {
            assert_eq!(facts(&mut db), before);
        }
        runs += 1;
        if runs % 1000 == 0 {
            db.say("FLUSHALL");
        }
    });
}

/// What a command of this name would do to the machine or to the test itself.
fn is_harmless(words: &[&[u8]]) -> bool {
    const LEFT_OUT: &[&[u8]] = &[
        b"shutdown",
        b"debug",
        b"config",
        b"save",
        b"bgsave",
        b"bgrewriteaof",
        b"acl",
        b"client",
        b"wait",
        b"waitaof",
    ];
    let name = words[0].to_ascii_lowercase();
    !LEFT_OUT.contains(&&name[..])
}

/// Whole conversations, a command a line, each answered with one well-formed reply (or several where it subscribes).
#[test]
fn commands() {
    let words: Vec<&str> = bitmapd::cmd::table::all()
        .map(|command| command.name)
        .chain([
            "\n", " ", "k", "BIT", "BYTE", "AND", "NOT", "EX", "NX", "GET", "COUNT", "MATCH", "*",
            "REPLACE",
        ])
        .collect();
    let world = world();
    let mut runs = 0;
    fuzz("commands", &words, |bytes| {
        let mut db = Session::new(Arc::clone(&world));
        let mut version = Version::Resp2;
        for line in bytes.split(|&byte| byte == b'\n') {
            let words = words_of(line);
            if !is_harmless(&words) {
                continue;
            }
            let said = db.ask(&words);
            if words[0].eq_ignore_ascii_case(b"hello") || words[0].eq_ignore_ascii_case(b"reset") {
                version = Version::Resp3; // or 2, of which it is a part
            }
            reply::count(&said, version);
            if words[0].eq_ignore_ascii_case(b"exec") {
                version = Version::Resp3; // there may have been a HELLO in it
            }
        }
        runs += 1;
        if runs % 1000 == 0 {
            Session::new(Arc::clone(&world)).say("FLUSHALL");
        }
    });
}

/// redis.conf: whatever is taken can be shown, and what is shown can be set again.
#[test]
fn settings() {
    let config = Config::new();
    let names = config.get(&[b"*".as_slice()]);
    let names: Vec<String> = names
        .iter()
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    let mut words: Vec<&str> = names.iter().map(String::as_str).collect();
    words.extend([
        "\n", "\"", "\\xff", "yes", "no", "1gb", "50%", "user", "save 1 1", "#",
    ]);
    fuzz("settings", &words, |bytes| {
        // Lines that would read or make files or change where the process stands are somebody else's test.
        let text: String = String::from_utf8_lossy(bytes)
            .lines()
            .filter(|line| {
                let line = line.to_lowercase();
                !["include", "dir", "logfile"]
                    .iter()
                    .any(|word| line.contains(word))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let mut config = Config::new();
        if config.load_text(&text).is_err() {
            return;
        }
        let shown = config.get(&[b"*".as_slice()]);
        assert_eq!(shown.len(), names.len());
    });
}

/// ACL rules: what ACL LIST says of a user makes the same user again.
#[test]
fn acl() {
    let words = [
        "on",
        "off",
        "nopass",
        ">p",
        "<p",
        "~*",
        "%R~k",
        "%W~k",
        "&ch",
        "+@all",
        "-@write",
        "+get",
        "-set",
        "+config|get",
        "(",
        ")",
        "(+get ~a)",
        "clearselectors",
        "reset",
        "resetkeys",
        "allkeys",
        "nocommands",
        "#",
        "!",
        "%RW~x",
        " ",
    ];
    let mut db = Session::new(world());
    let line_of = |db: &mut Session, name: &str| {
        let listed = db.ask(["ACL", "LIST"]);
        let start = format!("user {name} ");
        listed
            .split(|&byte| byte == b'\n')
            .find_map(|line| line.strip_prefix(start.as_bytes()))
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec())
    };
    fuzz("acl", &words, |bytes| {
        // Line ends would need more than this test to find the end of a line.
        let bytes: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|byte| !b"\r\n".contains(byte))
            .collect();
        let rules = words_of(&bytes).into_iter();
        let said = db.ask([&b"ACL"[..], b"SETUSER", b"one"].into_iter().chain(rules));
        reply::count(&said, Version::Resp2);
        // A pattern may hold a parenthesis, but where it ends in one it cannot be told from a selector's, in Redis neither.
        let clear = |line: &Vec<u8>| {
            let words = words_of(line);
            let all = |bracket| line.iter().filter(|byte| **byte == bracket).count();
            let selectors = words.iter().filter(|word| word.starts_with(b"(")).count();
            all(b'(') == selectors && all(b')') == selectors
        };
        if let Some(line) = line_of(&mut db, "one").filter(clear) {
            let rules = words_of(&line).into_iter();
            let again = db.ask(
                [&b"ACL"[..], b"SETUSER", b"two", b"reset"]
                    .into_iter()
                    .chain(rules),
            );
            assert_eq!(again, b"+OK\r\n", "{}", again.escape_ascii());
            let same = line_of(&mut db, "two").expect("it was just made");
            assert_eq!(
                same,
                line,
                "{} and {}",
                same.escape_ascii(),
                line.escape_ascii()
            );
        }
        reply::count(&db.ask(["ACL", "GETUSER", "one"]), Version::Resp2);
        db.ask(["ACL", "DELUSER", "one", "two"]);
    });
}

/// Runs `read`, which must not take much memory for so few bytes: what LZF unfolds, but nothing for what is announced.
fn frugally<R>(len: usize, read: impl FnOnce() -> R) -> R {
    let taken = || thread::allocatedp::read().expect("it is counted").get();
    let before = taken();
    let result = read();
    let most = (1 << 20) + 1000 * len as u64;
    assert!(taken() - before < most, "{} bytes", taken() - before);
    result
}

type Entry = (Vec<u8>, Bitmap, Option<i64>);

/// Key, value and expiry of every entry of a file, if it can be read to its end.
fn entries_of(file: &[u8]) -> Option<Vec<Entry>> {
    let mut reader = rdb::Reader::new(file, false).ok()?;
    let mut entries = Vec::new();
    while let Some(item) = reader.next_item().ok()? {
        if let rdb::Item::Entry {
            key,
            value,
            expires_at,
            ..
        } = item
        {
            entries.push((key.to_vec(), bitmap_of(value), expires_at));
        }
    }
    Some(entries)
}

fn bitmap_of(loaded: rdb::Loaded<'_>) -> Bitmap {
    match loaded {
        rdb::Loaded::Bytes(bytes) => Bitmap::from_bytes(bytes),
        rdb::Loaded::Bitmap(bitmap) => bitmap,
    }
}

/// RDB files: what can be read is the same after it was written again.
#[test]
fn rdb_files() {
    let words = [
        "REDIS0011",
        "REDIS0010",
        "\u{fa}",
        "\x00",
        "\x03abc",
        "\x05",
    ];
    fuzz("rdb", &words, |bytes| {
        let Some(entries) = frugally(bytes.len(), || entries_of(bytes)) else {
            return;
        };
        let options = rdb::Options {
            compression: bytes.len() % 2 == 0,
            checksum: true,
        };
        let facts = rdb::Facts {
            redis_version: "8.2.3",
            created: 0,
            used_memory: 0,
            aof_base: false,
        };
        let mut writer = rdb::Writer::new(Vec::new(), options, &facts).expect("memory takes it");
        for (key, value, expires_at) in &entries {
            let view = View::Chunked(value);
            writer
                .entry(key, view, *expires_at, rdb::Hint::None)
                .expect("memory takes it");
        }
        let file = writer.finish().expect("memory takes it");
        assert!(entries_of(&file).as_ref() == Some(&entries));
    });
}

/// What RESTORE takes, with a footer that is right: a value that is taken is the same after DUMP.
#[test]
fn payloads() {
    fuzz(
        "payload",
        &["\x00", "\u{c3}", "\u{80}", "\u{81}", "\u{c0}"],
        |bytes| {
            let mut payload = bytes.to_vec();
            payload.extend_from_slice(&11u16.to_le_bytes());
            let mut sum = Digest::new(CrcAlgorithm::Crc64Redis);
            sum.update(&payload);
            payload.extend_from_slice(&sum.finalize().to_le_bytes());
            let restored = frugally(bytes.len(), || {
                rdb::restore(&payload, &mut || true, bitmap_of)
            });
            let Ok(value) = restored else { return };
            let again = rdb::dump(View::Chunked(&value), bytes.len() % 2 == 0);
            assert!(rdb::restore(&again, &mut || true, bitmap_of) == Ok(value));
        },
    );
}
