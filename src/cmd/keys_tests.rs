use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use super::super::session::Session;
use super::super::testing::{changes_of, encoding, expires_at, session_at};
use super::parse_cursor;

/// The keys that a whole SCAN finds, asked with these options.
fn scan_all(db: &mut Session, options: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut cursor = String::from("0");
    loop {
        let reply = db.say(&format!("SCAN {cursor}{options}"));
        let mut lines = reply
            .split("\r\n")
            .filter(|line| !line.starts_with(['$', '*']));
        cursor = lines.next().unwrap().into();
        found.extend(lines.filter(|line| !line.is_empty()).map(String::from));
        if cursor == "0" {
            return found;
        }
    }
}

#[test]
fn del_counts_the_keys_that_were_there_each_once() {
    let mut db = Session::alone();
    db.say("MSET a 1 b 2 c 3");
    assert_eq!(db.say("EXISTS a a b nope"), ":3\r\n");
    assert_eq!(changes_of(&mut db, "DEL a a nope"), 1);
    assert_eq!(db.say("UNLINK b c nope"), ":2\r\n");
    assert_eq!(db.say("EXISTS a b c"), ":0\r\n");
}

#[test]
fn rename_takes_value_and_expiry_along_and_is_one_change() {
    let (mut db, _) = session_at(1_000);
    db.say("SET a 12 PXAT 5000");
    db.say("SET b old");
    assert_eq!(changes_of(&mut db, "RENAME a b"), 1);
    assert_eq!(
        (encoding(&db, "b"), expires_at(&db, "b")),
        ("int", Some(5000))
    );
    assert_eq!(db.say("EXISTS a"), ":0\r\n");
    db.say("SET c new");
    db.say("RENAME c b");
    assert_eq!(expires_at(&db, "b"), None);
}

#[test]
fn rename_to_itself_changes_nothing_but_wants_the_key() {
    let mut db = Session::alone();
    assert_eq!(db.say("RENAME a a"), "-ERR no such key\r\n");
    assert_eq!(db.say("RENAMENX a b"), "-ERR no such key\r\n");
    db.say("SET a 1");
    assert_eq!(changes_of(&mut db, "RENAME a a"), 0);
    assert_eq!(db.say("RENAME a a"), "+OK\r\n");
    assert_eq!(db.say("RENAMENX a a"), ":0\r\n");
}

#[test]
fn renamenx_leaves_a_key_that_is_there() {
    let mut db = Session::alone();
    db.say("MSET a 1 b 2");
    assert_eq!(db.say("RENAMENX a b"), ":0\r\n");
    assert_eq!(db.say("RENAMENX a c"), ":1\r\n");
    assert_eq!(db.say("MGET a b c"), "*3\r\n$-1\r\n$1\r\n2\r\n$1\r\n1\r\n");
}

#[test]
fn a_copy_is_independent_of_its_source_however_long_it_is() {
    let mut db = Session::alone();
    db.say("SETBIT a 4000000 1");
    assert_eq!(db.say("COPY a b"), ":1\r\n");
    db.say("SETBIT a 0 1");
    db.say("SETBIT b 8 1");
    assert_eq!(db.say("BITCOUNT a"), ":2\r\n");
    assert_eq!(db.say("BITPOS b 1"), ":8\r\n");
    assert_eq!(db.say("COPY a b"), ":0\r\n");
    assert_eq!(db.say("COPY a b REPLACE"), ":1\r\n");
    assert_eq!(db.say("BITPOS b 1"), ":0\r\n");
}

#[test]
fn copy_and_move_reach_other_databases() {
    let (mut db, _) = session_at(1_000);
    db.say("SET a 1 PXAT 9000");
    assert_eq!(db.say("COPY a a DB 3"), ":1\r\n");
    assert_eq!(db.say("MOVE a 3"), ":0\r\n");
    assert_eq!(db.say("MOVE a 4"), ":1\r\n");
    assert_eq!(db.say("MOVE a 5"), ":0\r\n");
    for index in [3, 4] {
        db.say(&format!("SELECT {index}"));
        assert_eq!(db.say("PEXPIRETIME a"), ":9000\r\n");
    }
}

#[test]
fn a_key_whose_time_has_come_is_no_obstacle_and_no_source() {
    let (mut db, clock) = session_at(1_000);
    db.say("SET a 1");
    db.say("SET b 2 PXAT 2000");
    db.say("COPY b b DB 1");
    clock.store(2_000, Ordering::Relaxed);
    assert_eq!(db.say("COPY b c"), ":0\r\n");
    assert_eq!(db.say("MOVE b 2"), ":0\r\n");
    assert_eq!(db.say("RENAME b c"), "-ERR no such key\r\n");
    assert_eq!(db.say("RENAMENX a b"), ":1\r\n");
    assert_eq!(db.say("MOVE b 1"), ":1\r\n");
}

#[test]
fn databases_are_named_as_strictly_as_redis_wants_them() {
    let mut db = Session::alone();
    db.say("SET a 1");
    let range = "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n";
    for (number, error) in [
        ("x", "-ERR value is not an integer or out of range\r\n"),
        ("01", "-ERR value is not an integer or out of range\r\n"),
        ("16", "-ERR DB index is out of range\r\n"),
        ("-1", "-ERR DB index is out of range\r\n"),
        ("2147483648", range),
    ] {
        assert_eq!(db.say(&format!("MOVE nope {number}")), error, "{number}");
        assert_eq!(
            db.say(&format!("COPY nope a DB {number}")),
            error,
            "{number}"
        );
        assert_eq!(db.say(&format!("SELECT {number}")), error, "{number}");
    }
    let same = "-ERR source and destination objects are the same\r\n";
    assert_eq!(db.say("MOVE nope 0"), same);
    assert_eq!(db.say("COPY nope nope DB 0"), same);
    assert_eq!(db.say("COPY a b DB"), "-ERR syntax error\r\n");
    assert_eq!(db.say("COPY a b FOO"), "-ERR syntax error\r\n");
}

#[test]
fn a_scan_finds_every_key_whatever_the_count() {
    let mut db = Session::alone();
    let names: BTreeSet<String> = (0..500).map(|i| format!("key:{i}")).collect();
    for name in &names {
        db.say(&format!("SET {name} 1"));
    }
    for options in ["", " COUNT 1", " COUNT 7", " COUNT 100000", " TYPE string"] {
        assert_eq!(scan_all(&mut db, options), names, "{options}");
    }
    assert!(scan_all(&mut db, " TYPE list").is_empty());
    assert_eq!(scan_all(&mut db, " MATCH key:4?9 COUNT 50").len(), 10);
}

#[test]
fn a_scan_with_a_small_count_looks_at_few_keys() {
    let mut db = Session::alone();
    for i in 0..200 {
        db.say(&format!("SET {i} 1"));
    }
    let reply = db.say("SCAN 0 COUNT 5");
    let found = reply.matches("\r\n$").count() - 1;
    assert!((1..=10).contains(&found), "{reply:?}");
}

#[test]
fn scan_judges_its_arguments_in_order() {
    let mut db = Session::alone();
    let cursor = "-ERR invalid cursor\r\n";
    let syntax = "-ERR syntax error\r\n";
    for (arguments, error) in [
        ("x", cursor),
        ("x FOO", cursor),
        ("0 FOO", syntax),
        ("0 MATCH", syntax),
        ("0 COUNT", syntax),
        ("0 COUNT 0", syntax),
        ("0 COUNT -1", syntax),
        (
            "0 COUNT x",
            "-ERR value is not an integer or out of range\r\n",
        ),
        ("0 TYPE", syntax),
        (
            "0 NOVALUES",
            "-ERR NOVALUES option can only be used in HSCAN\r\n",
        ),
    ] {
        assert_eq!(db.say(&format!("SCAN {arguments}")), error, "{arguments}");
    }
}

#[test]
fn cursors_are_read_as_strtoull_reads_them() {
    for (text, cursor) in [
        ("0", Some(0)),
        ("007", Some(7)),
        (" \t\x0b+7", Some(7)),
        ("7\0x", Some(7)),
        (" -1", Some(u64::MAX)),
        ("-01", Some(u64::MAX)),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-1", None),
        ("", None),
        (" ", None),
        ("\x007", None),
        ("7 ", None),
        ("7x", None),
        ("+-7", None),
        ("++7", None),
        ("-", None),
    ] {
        assert_eq!(parse_cursor(text.as_bytes()), cursor, "{text:?}");
    }
}

#[test]
fn a_lone_star_matches_even_the_empty_key() {
    let mut db = Session::alone();
    db.ask(["SET", "", "1"]);
    assert_eq!(db.say("KEYS *"), "*1\r\n$0\r\n\r\n");
    assert_eq!(db.say("KEYS **"), "*0\r\n");
    assert_eq!(
        db.say("SCAN 0 MATCH *"),
        "*2\r\n$1\r\n0\r\n*1\r\n$0\r\n\r\n"
    );
    assert_eq!(db.say("RANDOMKEY"), "$0\r\n\r\n");
    db.say("SELECT 1");
    assert_eq!(db.say("RANDOMKEY"), "$-1\r\n");
}

#[test]
fn touch_counts_as_an_access_even_where_reading_does_not() {
    let (mut db, clock) = session_at(1_000);
    db.say("SET k 1");
    clock.store(61_000, Ordering::Relaxed);
    db.say("CLIENT NO-TOUCH ON");
    for line in ["GET k", "EXISTS k", "TYPE k", "TTL k", "PERSIST k"] {
        db.say(line);
        assert_eq!(db.say("OBJECT IDLETIME k"), ":60\r\n", "{line}");
    }
    assert_eq!(db.say("TOUCH k k nope"), ":2\r\n");
    assert_eq!(db.say("OBJECT IDLETIME k"), ":0\r\n");
    clock.store(121_000, Ordering::Relaxed);
    db.say("CLIENT NO-TOUCH OFF");
    for line in ["EXISTS k", "TYPE k", "TTL k", "OBJECT ENCODING k"] {
        db.say(line);
        assert_eq!(db.say("OBJECT IDLETIME k"), ":60\r\n", "{line}");
    }
    db.say("PERSIST k");
    assert_eq!(db.say("OBJECT IDLETIME k"), ":0\r\n");
}
