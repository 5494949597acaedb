//! The append-only log: Redis 8.2.3 and 7.0 replay what is logged here, the commands Redis does not have among it, and
//! what they log, and rewrite, is replayed here.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::files::{Key, ask, copy, says_as, select, servers, wait_for};
use crate::pair::{Pair, Server, reference};
use crate::wire::Connection;

const OURS: &str = env!("CARGO_BIN_EXE_bitmapd");

const LOGGED: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// What both servers know, with expiries of every kind.
const COMMANDS: &str = "\
SET plain value
SET until v PXAT 4000000000000
SET relative v EX 1000000
SET gone v PX 1
SETEX seconds 1000000 v
GETEX until PERSIST
EXPIRE plain 1000000
INCRBYFLOAT float 1.5
INCRBY int 7
SET kept v EX 1000000
SET kept w KEEPTTL
SETBIT far 3000000 1
SETBIT near 7 1
BITFIELD field SET u8 0 255 INCRBY i5 100 1
BITOP OR both near far
BITOP NOT not near
APPEND text one
SETRANGE text 5 two
MSET a 1 b 2
MSETNX a 1 new 2
GETDEL b
RENAME a renamed
COPY renamed copied
MOVE copied 1
MULTI
SET in transaction
SETBIT in 3 1
EXEC
SELECT 3
SET other database
SELECT 0
DEL int";

/// What Redis has no words for.
const OWN: &str = "\
SETBITS many 1 5 70 900 70000 9000000
SETBITS many 0 5 6
SETBITRANGE short 3 77 1
SETBITRANGE long 5 20000003 1
SETBITRANGE long 1000001 19999990 0
SETBITRANGE far 100 2000000 1
SETBITRANGE near 0 5 1
SETBITRANGE empty 9 9 0
MULTI
SETBITRANGE within 1000 8000000 1
SETBITS within 0 1001 1002
EXEC";

fn run(connection: &mut Connection, lines: &str) {
    for line in lines.lines() {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let said = ask(connection, &words);
        assert!(!said.is_error(), "{line}: {}", said.string());
    }
}

/// Merges a serialization of some bits into other bits, in every way.
fn import(connection: &mut Connection) {
    run(connection, "SETBITS some 1 3 70000 80000");
    let blob = ask(connection, &[b"BITEXPORT", b"some"]).bytes().to_vec();
    for mode in ["REPLACE", "AND", "OR", "XOR", "DIFF"] {
        let key = format!("import {mode}");
        run(connection, &format!("SETBIT other{mode} 3 1"));
        ask(
            connection,
            &[b"SETBITS", key.as_bytes(), b"1", b"3", b"9", b"200000"],
        );
        let said = ask(
            connection,
            &[b"BITIMPORT", key.as_bytes(), &blob, mode.as_bytes()],
        );
        assert!(!said.is_error(), "{mode}: {}", said.string());
    }
    assert!(!ask(connection, &[b"BITIMPORT", b"fresh", &blob]).is_error());
}

/// All keys, as a server gives them.
fn keys_of(connection: &mut Connection) -> Vec<Key> {
    let mut keys = Vec::new();
    for db in 0..16 {
        select(connection, db);
        let names: Vec<Vec<u8>> = ask(connection, &[b"KEYS", b"*"])
            .items
            .iter()
            .map(|name| name.bytes().to_vec())
            .collect();
        for name in names {
            let value = ask(connection, &[b"GET", &name]).bytes().to_vec();
            let at = ask(connection, &[b"PEXPIRETIME", &name]).integer();
            keys.push(Key {
                db,
                name,
                value,
                expires_at: at.filter(|at| *at >= 0),
            });
        }
    }
    select(connection, 0);
    keys
}

fn after<'s>(server: &'s Server) -> impl FnOnce(&Path) + 's {
    |directory| copy(server.directory(), directory)
}

#[test]
fn logs_go_to_redis_and_come_back() {
    for (name, redis) in servers() {
        let ours = Server::start_with(Path::new(OURS), &LOGGED, |_| ());
        let mut connection = ours.connect();
        run(&mut connection, COMMANDS);
        run(&mut connection, OWN);
        import(&mut connection);
        thread::sleep(Duration::from_millis(300)); // one key's time comes
        let keys = keys_of(&mut connection);
        assert!(keys.len() > 30, "{}", keys.len());

        let theirs = Server::start_with(&redis, &LOGGED, after(&ours));
        drop(ours);
        let mut connection = theirs.connect();
        says_as(&mut connection, &keys, name);
        // Rewritten by Redis, with more behind it.
        select(&mut connection, 0);
        run(&mut connection, "BGREWRITEAOF");
        wait_for(&theirs, "AOF rewrite finished successfully");
        run(&mut connection, COMMANDS);
        thread::sleep(Duration::from_millis(300));
        let keys = keys_of(&mut connection);

        let ours = Server::start_with(Path::new(OURS), &LOGGED, after(&theirs));
        says_as(&mut ours.connect(), &keys, "bitmapd");
    }
}

/// Commands whose words in the log are not those that came, or that log nothing, or something else as well. `wait` lets
/// times come; expiry in the background is turned off, so that it is the next command that finds a key gone.
const PROPAGATED: &str = include_str!("logs/propagated.txt");

/// The commands of a log. Times that are near, which differ between two servers, become `<soon>`.
fn commands(mut log: &[u8]) -> Vec<String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let now = now.as_millis() as i64;
    let line = |log: &mut &[u8]| {
        let end = log
            .windows(2)
            .position(|end| end == b"\r\n")
            .expect("a line");
        let line = String::from_utf8_lossy(&log[1..end]).into_owned();
        *log = &log[end + 2..];
        line
    };
    let mut commands = Vec::new();
    while !log.is_empty() {
        let words: Vec<String> = (0..line(&mut log).parse().expect("a number"))
            .map(|_| {
                let len: usize = line(&mut log).parse().expect("a length");
                let word = log[..len].escape_ascii().to_string();
                log = &log[len + 2..];
                match word.parse::<i64>() {
                    Ok(at) if (at - now).abs() < 500_000 => "<soon>".into(),
                    _ => word,
                }
            })
            .collect();
        commands.push(words.join(" "));
    }
    commands
}

/// The same commands give the same log, byte by byte but for times that depend on when they came.
#[test]
fn what_is_logged_is_what_redis_logs() {
    let flags = [&LOGGED[..], &["--maxmemory-policy", "allkeys-lfu"]].concat();
    let Some(pair) = Pair::start(&flags) else {
        return;
    };
    let mut servers = [&pair.redis, &pair.ours].map(|server| (server, server.connect(), 0));
    for (_, connection, _) in &mut servers {
        run(connection, "DEBUG SET-ACTIVE-EXPIRE 0");
    }
    let mut number = 0;
    for line in PROPAGATED.lines().filter(|line| !line.starts_with('#')) {
        if line == "wait" {
            thread::sleep(Duration::from_millis(20));
            continue;
        }
        let logged = servers.each_mut().map(|(server, connection, read)| {
            for command in line.split(" ; ") {
                let words: Vec<Vec<u8>> = command.split(' ').map(unescape).collect();
                let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
                ask(connection, &words);
            }
            let file = "appendonlydir/appendonly.aof.1.incr.aof";
            let log = fs::read(server.directory().join(file)).expect("a log");
            let new = commands(&log[*read..]);
            *read = log.len();
            new
        });
        assert_eq!(logged[1], logged[0], "{line}");
        number += logged[0].len();
    }
    assert!(number > 100, "{number} commands were logged");
    pair.end_in_peace();
}

/// `""` is nothing, and `\\xNN` a byte.
fn unescape(word: &str) -> Vec<u8> {
    let mut parts = word.trim_matches('"').split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

/// The files of a log, and its list, after a start on one of the kind that Redis 6 kept.
#[test]
fn an_old_log_of_one_file_is_taken_over_as_redis_does() {
    let Some(redis) = reference() else {
        return; // the tests above say so
    };
    let old = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    let taken = [&redis, Path::new(OURS)].map(|binary| {
        let server = Server::start_with(binary, &LOGGED, |directory| {
            fs::write(directory.join("appendonly.aof"), old).expect("room on the disk");
        });
        let mut connection = server.connect();
        assert_eq!(ask(&mut connection, &[b"GET", b"k"]).bytes(), b"v");
        assert_eq!(ask(&mut connection, &[b"SET", b"k", b"w"]).string(), "OK");
        assert!(!server.directory().join("appendonly.aof").exists());
        let log = server.directory().join("appendonlydir");
        let files = fs::read_dir(&log).expect("a directory");
        let mut files: Vec<_> = files
            .map(|file| file.expect("an entry").path())
            .map(|path| {
                let bytes = fs::read(&path).expect("a file");
                let text = String::from_utf8_lossy(&bytes).replace(" startoffset 0", "");
                (path.file_name().expect("a name").to_owned(), text)
            })
            .collect();
        files.sort();
        files
    });
    assert_eq!(taken[1], taken[0]);
    assert_eq!(taken[0].len(), 3);
}

/// A log holds commands by their own names, so it is read under any others; one of Redis holds what clients called them.
#[test]
fn logs_are_replayed_whatever_commands_are_called() {
    const RENAMED: &str = "\
put a 1 EX 1000000
put b 2
SB b 9 1
SETBIT b two
expire-me b 1000000
M
put c 3
SB c 90 1
EX
get-rid a";
    let flags: Vec<&str> = "--rename-command SET put --rename-command SETBIT SB --rename-command APPEND SETBIT \
                            --rename-command EXPIRE expire-me --rename-command MULTI M --rename-command EXEC EX \
                            --rename-command DEL get-rid"
        .split_whitespace()
        .chain(LOGGED)
        .collect();
    for (name, redis) in servers() {
        let ours = Server::start_with(Path::new(OURS), &flags, |_| ());
        let mut connection = ours.connect();
        run(&mut connection, RENAMED);
        let keys = keys_of(&mut connection);
        assert_eq!(keys.len(), 2);
        let theirs = Server::start_with(&redis, &LOGGED, after(&ours));
        says_as(&mut theirs.connect(), &keys, name);
        let again = Server::start_with(Path::new(OURS), &flags, after(&ours));
        says_as(&mut again.connect(), &keys, "bitmapd, with the same names");
        let plain = Server::start_with(Path::new(OURS), &LOGGED, after(&again));
        says_as(&mut plain.connect(), &keys, "bitmapd, with the usual names");
    }
    // Redis itself cannot read this, since it looks for SET, and for MULTI, by the names they no longer have.
    let renamed = [
        "--rename-command",
        "SETBIT",
        "SB",
        "--rename-command",
        "SET",
        "put",
    ];
    let flags = [renamed.as_slice(), &LOGGED].concat();
    for (_, redis) in servers() {
        let theirs = Server::start_with(&redis, &flags, |_| ());
        let mut connection = theirs.connect();
        run(&mut connection, "put a 1 EX 1000000\nput b 2\nSB b 9 1");
        let keys = keys_of(&mut connection);
        let ours = Server::start_with(Path::new(OURS), &flags, after(&theirs));
        says_as(&mut ours.connect(), &keys, "bitmapd");
    }
}
