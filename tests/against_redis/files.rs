//! The files themselves: Redis 8.2.3 and 7.0 open what is written here, and what they write is read here, key by key and
//! byte by byte. So with single values, by DUMP and RESTORE.
//!
//! Redis 7.0 is Debian's, of which `redis-tools`, where redis-cli comes from, has all: its redis-check-rdb is the server
//! under another name. Where that is missing the tests say so, except in CI, where they fail.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bitmapd::bits::{Bitmap, View};
use bitmapd::persist::rdb::{Facts, Hint, Item, Options, Reader, Writer};

use crate::pair::{Server, reference};
use crate::wire::{Connection, Node};

/// A key, all of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub db: u64,
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    pub expires_at: Option<i64>,
}

/// Bitmaps of every kind, integers and texts, in several databases.
fn keys() -> Vec<Key> {
    let mut state = 7u64;
    let mut noise = |len: usize| -> Vec<u8> {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(|_| next()).collect()
    };
    let bits = |len: usize, gap: usize, run: usize| {
        let mut bytes = vec![0u8; len];
        for bit in (0..len * 8).filter(|bit| bit % gap < run) {
            bytes[bit / 8] |= 0x80 >> (bit % 8);
        }
        bytes
    };
    let mut values: Vec<Vec<u8>> = [
        "",
        "0",
        "-1",
        "127",
        "-129",
        "32767",
        "32768",
        "2147483647",
        "-2147483648",
        "2147483648",
        "9223372036854775807",
        "-9223372036854775808",
        "012",
        "1.5",
        " 1",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    values.extend([1, 20, 21, 44, 63, 64, 16_383, 16_384, 100_000].map(|len| vec![b'x'; len]));
    values.extend([30, 8191, 8192, 8193, 300_000].map(&mut noise));
    for (gap, run) in [
        (2, 1),
        (9, 1),
        (100, 3),
        (1000, 500),
        (77_777, 1),
        (300_000, 200_000),
    ] {
        values.push(bits(400_000, gap, run));
    }
    values.push(b"a text that says the same again and again, ".repeat(2000));
    values.push(
        [
            vec![0; 5_000_000],
            vec![1],
            vec![0xff; 100_000],
            vec![0; 100_000],
        ]
        .concat(),
    );
    let name = |at: usize| match at {
        3 => noise(40),
        5 => b"123456".to_vec(),
        7 => b"long ".repeat(100),
        _ => format!("key {at}").into_bytes(),
    };
    let names: Vec<_> = (0..values.len()).map(name).collect();
    let mut keys: Vec<Key> = names
        .into_iter()
        .zip(values)
        .enumerate()
        .map(|(at, (name, value))| Key {
            db: [0, 1, 9, 15][at % 4],
            name,
            value,
            expires_at: (at % 3 == 1).then_some(4_000_000_000_000 + at as i64),
        })
        .collect();
    keys.sort();
    keys
}

fn write(keys: &[Key], options: Options) -> Vec<u8> {
    let facts = Facts {
        redis_version: "8.2.3",
        created: 1_790_000_000,
        used_memory: 1,
        aof_base: false,
    };
    let mut writer = Writer::new(Vec::new(), options, &facts).expect("memory");
    let mut db = None;
    for (at, key) in keys.iter().enumerate() {
        if db != Some(key.db) {
            db = Some(key.db);
            writer.database(key.db as usize, 1, 0).expect("memory");
        }
        let hint = [Hint::None, Hint::Idle(100), Hint::Frequency(7)][at % 3];
        let bitmap = Bitmap::from_bytes(&key.value);
        let view = match key.value.len() {
            0..=128 => View::Flat(&key.value),
            _ => View::Chunked(&bitmap),
        };
        writer
            .entry(&key.name, view, key.expires_at, hint)
            .expect("memory");
    }
    writer.finish().expect("memory")
}

/// The keys of a file, in order; hints; and what was passed over.
fn read(path: &Path) -> (Vec<Key>, Vec<Hint>, String) {
    let mut reader = Reader::new(File::open(path).expect("a file"), true).expect("a header");
    let (mut keys, mut hints, mut now) = (Vec::new(), Vec::new(), 0);
    while let Some(item) = reader.next_item().unwrap_or_else(|error| panic!("{error}")) {
        match item {
            Item::Database(db) => now = db,
            Item::Entry {
                key,
                value,
                expires_at,
                hint,
            } => {
                hints.push(hint);
                keys.push(Key {
                    db: now,
                    name: key.to_vec(),
                    value: value.view().to_vec(),
                    expires_at,
                });
            }
            Item::Fact(..) | Item::Sizes { .. } => {}
        }
    }
    keys.sort();
    (keys, hints, reader.passed_over().to_string())
}

/// The servers there are, by name.
pub fn servers() -> Vec<(&'static str, PathBuf)> {
    let mut servers = Vec::new();
    match reference() {
        Some(binary) => servers.push(("Redis 8.2.3", binary)),
        None => crate::say("SKIPPED, no Redis 8.2.3 here to exchange files with"),
    }
    let debian = Path::new("/usr/bin/redis-check-rdb");
    if debian.exists() {
        // Which of its programs it is depends on the name it is called by.
        let name = format!("redis-server-7-{}", std::process::id());
        let link = env::temp_dir().join(name);
        if !link.exists() {
            symlink(debian, &link).expect("a link");
        }
        servers.push(("Redis 7.0", link));
    } else {
        assert!(env::var_os("CI").is_none(), "in CI, redis-tools is there");
        crate::say("SKIPPED, no Redis 7.0 here to exchange files with: it comes with redis-tools");
    }
    servers
}

pub fn select(connection: &mut Connection, db: u64) {
    let reply = connection.ask(&[b"SELECT", db.to_string().as_bytes()]);
    assert_eq!(reply.expect("a reply").string(), "OK");
}

pub fn ask(connection: &mut Connection, words: &[&[u8]]) -> Node {
    connection.ask(words).expect("a reply")
}

pub fn says_as(connection: &mut Connection, keys: &[Key], name: &str) {
    for key in keys {
        select(connection, key.db);
        let value = ask(connection, &[b"GET", &key.name]);
        assert!(value.bytes() == key.value, "{name}: {:?}", key.name);
        let expires_at = ask(connection, &[b"PEXPIRETIME", &key.name]).integer();
        assert_eq!(
            expires_at,
            Some(key.expires_at.unwrap_or(-1)),
            "{name}: {:?}",
            key.name
        );
    }
    let held: i64 = (0..16)
        .map(|db| {
            select(connection, db);
            ask(connection, &[b"DBSIZE"]).integer().expect("a number")
        })
        .sum();
    assert_eq!(held, keys.len() as i64, "{name} has no other keys");
}

/// Copies what a server keeps in its directory.
pub fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let from = entry.expect("an entry").path();
        let to = to.join(from.file_name().expect("a name"));
        if from.is_dir() {
            fs::create_dir_all(&to).expect("a directory");
            copy(&from, &to);
        } else {
            fs::copy(&from, to).expect("room on the disk");
        }
    }
}

/// Waits until a server has logged something.
pub fn wait_for(server: &Server, text: &str) {
    let logged = (0..1000).any(|_| {
        thread::sleep(Duration::from_millis(20));
        server.log().contains(text)
    });
    assert!(logged, "not in the log: {text}\n{}", server.log());
}

#[test]
fn redis_opens_files_written_here() {
    let keys = keys();
    for (name, binary) in servers() {
        for (compression, checksum) in [(true, true), (false, true), (true, false)] {
            let file = write(
                &keys,
                Options {
                    compression,
                    checksum,
                },
            );
            let server = Server::start_with(&binary, &[], |directory| {
                fs::write(directory.join("dump.rdb"), &file).expect("room on the disk");
            });
            says_as(&mut server.connect(), &keys, name);
        }
    }
}

#[test]
fn files_written_by_redis_are_read_here() {
    let keys = keys();
    for (name, binary) in servers() {
        for (policy, compression) in [
            ("noeviction", "no"),
            ("allkeys-lru", "yes"),
            ("allkeys-lfu", "yes"),
        ] {
            let flags = [
                "--maxmemory-policy",
                policy,
                "--rdbcompression",
                compression,
            ];
            let server = Server::start_with(&binary, &flags, |_| ());
            let mut connection = server.connect();
            for key in &keys {
                select(&mut connection, key.db);
                ask(&mut connection, &[b"SET", &key.name, &key.value]);
                if let Some(at) = key.expires_at {
                    ask(
                        &mut connection,
                        &[b"PEXPIREAT", &key.name, at.to_string().as_bytes()],
                    );
                }
            }
            assert_eq!(ask(&mut connection, &[b"SAVE"]).string(), "OK");
            let (read, hints, passed_over) = read(&server.directory().join("dump.rdb"));
            assert!(read == keys, "{name}, {policy}");
            assert_eq!(passed_over, "");
            let kind = |hint: &Hint| match hint {
                Hint::None => "noeviction",
                Hint::Idle(_) => "allkeys-lru",
                Hint::Frequency(_) => "allkeys-lfu",
            };
            assert!(
                hints.iter().all(|hint| kind(hint) == policy),
                "{name}, {policy}"
            );
        }
    }
}

/// Where the policy goes by it, and nowhere else, and in a saved file as in the base of a log.
#[test]
fn redis_reads_from_our_files_how_keys_were_used() {
    let ours = Path::new(env!("CARGO_BIN_EXE_bitmapd"));
    for (name, binary) in servers() {
        for (policy, at_least) in [
            ("volatile-lru", 70_000),
            ("allkeys-lfu", 77),
            ("allkeys-random", 0),
        ] {
            let flags = [
                "--maxmemory-policy",
                policy,
                "--lfu-decay-time",
                "0",
                "--appendonly",
                "yes",
            ];
            let server = Server::start_with(ours, &flags, |_| ());
            let mut here = server.connect();
            ask(&mut here, &[b"SET", b"k", b"v"]);
            let payload = ask(&mut here, &[b"DUMP", b"k"]).bytes().to_vec();
            let (hint, question): (_, &[u8]) = match policy {
                "allkeys-lfu" => ("FREQ 77", b"FREQ"),
                _ => ("IDLETIME 70000", b"IDLETIME"),
            };
            let restore: [&[u8]; 5] = [b"RESTORE", b"k", b"0", &payload, b"REPLACE"];
            let hint = hint.split(' ').map(str::as_bytes);
            let restore: Vec<&[u8]> = restore.into_iter().chain(hint).collect();
            assert_eq!(ask(&mut here, &restore).string(), "OK");
            assert_eq!(ask(&mut here, &[b"SAVE"]).string(), "OK");
            assert!(!ask(&mut here, &[b"BGREWRITEAOF"]).is_error());
            wait_for(&server, "AOF rewrite finished successfully");
            for appendonly in ["no", "yes"] {
                let flags = [&flags[..5], &[appendonly][..]].concat();
                let redis = Server::start_with(&binary, &flags, |directory| {
                    copy(server.directory(), directory);
                });
                let question = [b"OBJECT".as_slice(), question, b"k"];
                let said = ask(&mut redis.connect(), &question).integer();
                let said = said.unwrap_or_else(|| panic!("{name}, {policy}: it says no number"));
                let range = at_least..at_least + 60; // seconds: far less than what was set
                assert!(
                    range.contains(&said),
                    "{name}, {policy}, appendonly {appendonly}: {said}"
                );
            }
        }
    }
}

/// Small and large ones of each type, which are written in different ways.
#[test]
fn values_of_other_types_are_passed_over() {
    for (name, binary) in servers() {
        let server = Server::start_with(&binary, &[], |_| ());
        let mut connection = server.connect();
        let types = [
            ("RPUSH list", "e"),
            ("SADD set", "member"),
            ("SADD numbers", ""),
            ("ZADD zset 1.5", "m"),
            ("HSET hash field", "v"),
        ];
        let mut expected = "1 function library, 2 hashes, 2 lists, 4 sets, 2 sorted sets, 1 stream";
        for (start, prefix) in types {
            for (size, items) in [("small", 3), ("large", 2000)] {
                let mut words: Vec<Vec<u8>> = start
                    .split(' ')
                    .map(|word| word.as_bytes().to_vec())
                    .collect();
                words[1].extend_from_slice(size.as_bytes());
                for item in 0..items {
                    let mut command = words.clone();
                    if start.starts_with("HSET") {
                        command[2].extend_from_slice(item.to_string().as_bytes());
                    }
                    command.push(format!("{prefix}{item}").into_bytes());
                    let command: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
                    ask(&mut connection, &command);
                }
            }
        }
        for line in [
            "XADD stream 1-1 field value",
            "XADD stream 1-2 field value",
            "XGROUP CREATE stream group 0",
            "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream >",
            "SET string value",
        ] {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            assert!(!ask(&mut connection, &words).is_error(), "{name}: {line}");
        }
        let library = b"#!lua name=mylib\nredis.register_function('f', function() return 1 end)";
        ask(&mut connection, &[b"FUNCTION", b"LOAD", library]);
        if name == "Redis 8.2.3" {
            ask(
                &mut connection,
                &[
                    b"HPEXPIRE",
                    b"hashsmall",
                    b"9000000",
                    b"FIELDS",
                    b"1",
                    b"field1",
                ],
            );
            ask(
                &mut connection,
                &[
                    b"HPEXPIRE",
                    b"hashlarge",
                    b"9000000",
                    b"FIELDS",
                    b"1",
                    b"field1",
                ],
            );
            let vector = ask(
                &mut connection,
                &[b"VADD", b"vector", b"VALUES", b"2", b"1", b"2", b"name"],
            );
            if !vector.is_error() {
                expected = "1 function library, 2 hashes, 2 lists, 1 module value, 4 sets, 2 sorted sets, 1 stream";
            }
        }
        assert_eq!(ask(&mut connection, &[b"SAVE"]).string(), "OK");
        let (keys, _, passed_over) = read(&server.directory().join("dump.rdb"));
        assert_eq!(passed_over, expected, "{name}");
        assert_eq!(keys.len(), 1, "{name}");
        assert_eq!(keys[0].value, b"value");
    }
}

#[test]
fn payloads_go_to_redis_and_come_back() {
    let keys = keys();
    let ours = Server::start_with(env!("CARGO_BIN_EXE_bitmapd").as_ref(), &[], |_| ());
    let mut here = ours.connect();
    for (name, binary) in servers() {
        let redis = Server::start_with(&binary, &[], |_| ());
        let mut there = redis.connect();
        for key in &keys {
            let Key {
                name: of, value, ..
            } = key;
            let carry = |from: &mut Connection, to: &mut Connection, way: &str| {
                ask(from, &[b"FLUSHALL"]);
                ask(to, &[b"FLUSHALL"]);
                ask(from, &[b"SET", of, value]);
                let payload = ask(from, &[b"DUMP", of]);
                let restored = ask(to, &[b"RESTORE", of, b"0", payload.bytes()]);
                assert_eq!(restored.string(), "OK", "{way} {name}: {of:?}");
                assert!(
                    ask(to, &[b"GET", of]).bytes() == value,
                    "{way} {name}: {of:?}"
                );
            };
            carry(&mut here, &mut there, "to");
            carry(&mut there, &mut here, "from");
        }
    }
}
