use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::super::session::Session;
use super::super::testing::session_at;
use crate::bits::oracle::Random;
use crate::store::Access;

/// The bytes of a request.
fn encode(line: &str) -> Vec<u8> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

fn pipe(db: &mut Session, lines: &[String]) -> String {
    let bytes: Vec<u8> = lines.iter().flat_map(|line| encode(line)).collect();
    String::from_utf8_lossy(&db.pipe(&bytes)).into_owned()
}

/// A short read mostly, often wrong, sometimes something else.
fn any_line(random: &mut Random, rare: u64) -> String {
    let key = [
        "a",
        "b",
        "long",
        "sparse",
        "going",
        "none",
        "a-key-of-more-than-thirty-two-bytes-in-all",
    ][random.below(7) as usize];
    let n = random.below(20);
    if random.below(rare) == 0 {
        return match random.below(14) {
            0 => format!("SETBIT {key} {n} 1"),
            1 => format!("DEL {key}"),
            2 => format!("APPEND {key} {n}"),
            3 => format!("BITOP OR {key} a sparse"),
            4 => format!("SETBIT sparse {} 1", n * 100_000),
            5 => format!("SELECT {}", n % 2),
            6 => "MULTI".into(),
            7 => "EXEC".into(),
            8 => "CLIENT REPLY SKIP".into(),
            9 => "HELLO 3".into(),
            10 => "nonsense".into(),
            11 => format!("PEXPIREAT {key} {}", 2000 + n),
            12 => format!("WATCH {key}"),
            _ => "PING".into(),
        };
    }
    match random.below(9) {
        0 => format!("GET {key}"),
        1 => format!("STRLEN {key}"),
        2 => format!("PTTL {key}"),
        3 => format!("TYPE {key}"),
        4 => format!("BITFIELD_RO {key} GET u8 {n}"),
        5 => format!("GETBIT {key} {}", n * 100_000),
        6 => format!("GETBIT {key} -1"),
        7 => format!("GETBIT {key}"),
        _ => format!("GETBIT {key} {n}"),
    }
}

#[test]
fn what_comes_together_is_answered_and_counted_as_what_comes_one_by_one() {
    let ((mut together, time), (mut alone, time_too)) = (session_at(1000), session_at(1000));
    for db in [&mut together, &mut alone] {
        db.say("SET going away PXAT 2000");
        db.say(&format!("SET long {}", "x".repeat(500)));
    }
    let mut random = Random::new(3);
    for round in 0..3000 {
        if round == 1500 {
            time.store(2010, Ordering::Relaxed);
            time_too.store(2010, Ordering::Relaxed);
        }
        let rare = [1, 4, 1000][round % 3];
        let lines: Vec<String> = (0..=random.below(40))
            .map(|_| any_line(&mut random, rare))
            .collect();
        let replies = pipe(&mut together, &lines);
        let expected: String = lines.iter().map(|line| alone.say(line)).collect();
        assert_eq!(replies, expected, "{lines:?}");
    }
    let counts = |db: &mut Session| {
        for line in ["EXEC", "CLIENT REPLY ON"] {
            db.say(line);
        }
        let info = db.say("INFO stats commandstats errorstats keyspace");
        let fields = [
            "total_commands_processed",
            "keyspace_",
            "total_error_replies",
            "cmdstat_",
            "errorstat_",
            "db",
        ];
        let lines = info
            .lines()
            .filter(|line| fields.iter().any(|field| line.starts_with(field)));
        let timeless = |line: &str| match line.split_once(",usec=") {
            Some((calls, rest)) => format!(
                "{calls} {}",
                rest.split_once(",rejected").map_or("", |(_, rest)| rest)
            ),
            None => line.to_owned(),
        };
        lines.map(timeless).collect::<Vec<_>>()
    };
    assert_eq!(counts(&mut together), counts(&mut alone));
}

#[test]
fn reads_that_come_together_wait_for_a_writer_and_not_for_each_other() {
    let mut db = Session::alone();
    let lines: Vec<String> = (0..16).map(|at| format!("GETBIT key:{at} 7")).collect();
    for at in 0..16 {
        db.say(&format!("SETBIT key:{at} 7 1"));
    }
    let world = db.world();
    let held = world.keyspace.lock_key(b"key:9", Access::Write);
    let reader = thread::spawn(move || pipe(&mut db, &lines));
    thread::sleep(Duration::from_millis(50));
    assert!(!reader.is_finished());
    // Whoever needs one of the other keys has it: the reader holds none of them while it waits.
    for at in (0..16).filter(|at| *at != 9) {
        let key = format!("key:{at}");
        let spot = |key: &[u8]| world.keyspace.same_shard(key, b"key:9");
        if !spot(key.as_bytes()) {
            drop(world.keyspace.lock_key(key.as_bytes(), Access::Write));
        }
    }
    drop(held);
    assert_eq!(reader.join().unwrap(), ":1\r\n".repeat(16));
}

#[test]
fn readers_and_writers_of_many_keys_never_wait_in_a_circle() {
    const ROUNDS: u64 = 2000;
    let world = Session::alone().world();
    thread::scope(|scope| {
        for seed in 0..4 {
            let mut db = Session::new(world.clone());
            scope.spawn(move || {
                let mut random = Random::new(seed);
                let mut key = || format!("key:{}", random.below(40));
                for _ in 0..ROUNDS {
                    if seed % 2 == 0 {
                        let lines: Vec<String> =
                            (0..16).map(|_| format!("GETBIT {} 7", key())).collect();
                        assert_eq!(pipe(&mut db, &lines).matches(':').count(), 16);
                    } else {
                        let (a, b, c) = (key(), key(), key());
                        let lines = [
                            format!("SETBIT {a} 7 1"),
                            format!("BITOP OR {a} {b} {c}"),
                            format!("GETBIT {b} 7"),
                        ];
                        assert_eq!(pipe(&mut db, &lines).matches(':').count(), 3);
                    }
                }
            });
        }
    });
}

#[test]
fn whoever_wants_to_know_of_each_command_is_told_of_each() {
    let mut db = Session::alone();
    let lines: Vec<String> = (0..10).map(|at| format!("GETBIT k {at}")).collect();
    db.say("CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 100");
    db.say("SLOWLOG RESET");
    pipe(&mut db, &lines);
    assert_eq!(db.say("SLOWLOG LEN"), ":11\r\n", "and RESET itself");

    db.say("CONFIG SET slowlog-log-slower-than -1");
    let mut monitor = Session::new(db.world());
    monitor.say("MONITOR");
    pipe(&mut db, &lines);
    assert_eq!(monitor.say("PING").matches("\"GETBIT\" \"k\"").count(), 10);
}

#[test]
fn what_takes_long_is_not_run_under_the_locks_of_others() {
    let mut db = Session::alone();
    db.say("SETBIT k 4294967295 1");
    let offsets = " 4294967295".repeat(200_000);
    let ops = " GET u1 4294967295".repeat(1000);
    let lines = [
        format!("GETBITS k{offsets}"),
        "GETBIT k 4294967295".into(),
        format!("BITFIELD_RO k{ops}"),
    ];
    let replies = pipe(&mut db, &lines);
    assert_eq!(replies.matches(":1\r\n").count(), 200_000 + 1 + 1000);
}

#[test]
fn nobody_reads_together_what_the_rules_forbid() {
    let mut db = Session::alone();
    for line in [
        "SETBIT mine 7 1",
        "SETBIT yours 7 1",
        "ACL SETUSER u on nopass ~mine +@all",
        "AUTH u any",
    ] {
        db.say(line);
    }
    let lines = ["mine", "yours", "mine"].map(|key| format!("GETBIT {key} 7"));
    let replies = pipe(&mut db, &lines);
    assert!(
        replies.starts_with(":1\r\n-NOPERM") && replies.ends_with("\r\n:1\r\n"),
        "{replies}"
    );
}

#[test]
fn names_that_are_taken_for_the_same_are() {
    let names = [
        "GET",
        "SET",
        "GETBIT",
        "SETBIT",
        "getbit",
        "BITFIELD_RO",
        "BITFIELD_Ro",
        "BITPOS",
    ];
    let long = ["abcdefghijklmnopq", "abcdefghXjklmnopq"]; // the same at both ends
    for a in names.iter().chain(&long) {
        for b in names.iter().chain(&long) {
            let same = super::is_same(a.as_bytes(), b.as_bytes());
            assert_eq!(same, a == b, "{a} {b}");
        }
    }
}
