use std::sync::atomic::Ordering;

use super::super::session::Session;
use super::super::testing::{changes_of, encoding, expires_at, session_at};

const NOW: i64 = 1_700_000_000_123;

#[test]
fn set_stores_the_value_as_redis_would_encode_it() {
    let mut db = Session::alone();
    for (value, want) in [
        ("12".to_owned(), "int"),
        ("-9223372036854775808".to_owned(), "int"),
        ("9223372036854775808".to_owned(), "embstr"),
        ("x".repeat(40), "embstr"),
        ("x".repeat(41), "raw"),
    ] {
        assert_eq!(db.say(&format!("SET k {value}")), "+OK\r\n");
        assert_eq!(encoding(&db, "k"), want, "{value}");
    }
}

/// Redis 8.2 keeps key, value and expiry together while they fit 64 bytes.
#[test]
fn a_longer_key_or_a_time_leaves_less_room_beside_it() {
    let mut db = Session::alone();
    let value = "x".repeat(33);
    db.say(&format!("MSET k {value} longkey89 {value}"));
    assert_eq!(encoding(&db, "k"), "embstr");
    assert_eq!(encoding(&db, "longkey89"), "raw");
    db.say("GETEX k EX 100");
    assert_eq!(encoding(&db, "k"), "raw");
    db.say("GETEX k PERSIST");
    assert_eq!(encoding(&db, "k"), "raw");
    db.say(&format!("SET k {} EX 100", "x".repeat(32)));
    assert_eq!(encoding(&db, "k"), "embstr");
    db.say("SETEX k 100 5");
    assert_eq!(encoding(&db, "k"), "int");
}

#[test]
fn conditions_decide_whether_set_stores() {
    let mut db = Session::alone();
    assert_eq!(db.say("SET k 1 XX"), "$-1\r\n");
    assert_eq!(db.say("SET k 1 nx"), "+OK\r\n");
    assert_eq!(db.say("SET k 2 NX"), "$-1\r\n");
    assert_eq!(db.say("SET k 2 NX GET"), "$1\r\n1\r\n");
    assert_eq!(db.say("SET k 3 XX GET"), "$1\r\n1\r\n");
    assert_eq!(db.say("SET k 4 GET"), "$1\r\n3\r\n");
    assert_eq!(db.say("SET new 4 GET"), "$-1\r\n");
    assert_eq!(db.say("GET new"), "$1\r\n4\r\n");
    assert_eq!(changes_of(&mut db, "SET k 5 NX EX 10"), 0);
    assert_eq!(changes_of(&mut db, "SET k 5 XX EX 10"), 1);
    assert_eq!(db.say("SETNX k 6"), ":0\r\n");
    assert_eq!(db.say("SETNX other 6"), ":1\r\n");
}

#[test]
fn the_time_is_said_in_four_ways_kept_or_dropped() {
    let (mut db, _) = session_at(NOW);
    for (line, want) in [
        ("SET k v EX 10", Some(NOW + 10_000)),
        ("SET k v PX 10", Some(NOW + 10)),
        ("SET k v EXAT 1800000000", Some(1_800_000_000_000)),
        ("SET k v PXAT 1800000000001", Some(1_800_000_000_001)),
        ("SET k w KEEPTTL", Some(1_800_000_000_001)),
        ("SETEX k 3 v", Some(NOW + 3000)),
        ("PSETEX k 3 v", Some(NOW + 3)),
        ("SET k v EX 10 EX 20", Some(NOW + 20_000)),
        ("SET k v", None),
        ("SET k v KEEPTTL KEEPTTL", None),
        ("SET k v PXAT 9223372036854775807", Some(i64::MAX)),
    ] {
        assert_eq!(db.say(line), "+OK\r\n");
        assert_eq!(expires_at(&db, "k"), want, "{line}");
    }
}

#[test]
fn a_moment_that_has_passed_sets_the_key_and_it_is_gone() {
    let (mut db, clock) = session_at(NOW);
    assert_eq!(changes_of(&mut db, "SET k v EXAT 1"), 1);
    assert_eq!(db.say("GET k"), "$-1\r\n");
    assert_eq!(db.say("SET k v PX 5"), "+OK\r\n");
    clock.fetch_add(5, Ordering::Relaxed);
    assert_eq!(db.say("SET k w NX"), "+OK\r\n");
}

#[test]
fn options_that_contradict_each_other_are_a_syntax_error() {
    let mut db = Session::alone();
    db.say("SET k v");
    for line in [
        "SET k v NX XX",
        "SET k v EX 1 PX 1",
        "SET k v EX 1 KEEPTTL",
        "SET k v KEEPTTL PXAT 1",
        "SET k v EX",
        "SET k v PERSIST",
        "SET k v 1",
        "GETEX k NX",
        "GETEX k KEEPTTL",
        "GETEX k GET",
        "GETEX k EX 1 PERSIST",
        "GETEX k PERSIST EX 1",
        "GETEX k EXAT 1 PXAT 1",
        "GETEX k PX",
    ] {
        assert_eq!(db.say(line), "-ERR syntax error\r\n", "{line}");
    }
}

#[test]
fn a_time_below_one_or_past_the_clock_is_refused_by_name() {
    let (mut db, _) = session_at(NOW);
    db.say("SET k v");
    for line in [
        "SET k w EX 0",
        "SET k w PXAT -1",
        "SET k w NX GET EX 0",
        "SET k w EX 9223372036854775807",
        "SET k w EX 9223372036854775",
        "SET k w PX 9223372036854775807",
        "SET k w EXAT 9223372036854776",
        "SETEX k 0 w",
        "PSETEX k -1 w",
        "GETEX k EX 0",
        "GETEX k EXAT -5",
    ] {
        let name = line.split(' ').next().unwrap().to_lowercase();
        assert_eq!(
            db.say(line),
            format!("-ERR invalid expire time in '{name}' command\r\n"),
            "{line}"
        );
    }
    for line in ["SET k w EX x", "SETEX k 1.0 w", "GETEX k PX x"] {
        assert_eq!(
            db.say(line),
            "-ERR value is not an integer or out of range\r\n",
            "{line}"
        );
    }
    assert_eq!(db.say("GET k"), "$1\r\nv\r\n");
}

#[test]
fn getex_sets_moves_and_removes_the_time() {
    let (mut db, _) = session_at(NOW);
    assert_eq!(db.say("GETEX missing EX 0"), "$-1\r\n");
    db.say("SET k v");
    assert_eq!(changes_of(&mut db, "GETEX k"), 0);
    assert_eq!(changes_of(&mut db, "GETEX k PERSIST"), 0);
    assert_eq!(db.say("GETEX k EX 7"), "$1\r\nv\r\n");
    assert_eq!(expires_at(&db, "k"), Some(NOW + 7000));
    assert_eq!(changes_of(&mut db, "GETEX k"), 0);
    assert_eq!(expires_at(&db, "k"), Some(NOW + 7000));
    assert_eq!(changes_of(&mut db, "GETEX k PERSIST"), 1);
    assert_eq!(expires_at(&db, "k"), None);
    assert_eq!(changes_of(&mut db, "GETEX k PXAT 1800000000000"), 1);
    assert_eq!(db.say("GETEX k EXAT 1"), "$1\r\nv\r\n");
    assert_eq!(db.say("GET k"), "$-1\r\n");
}

#[test]
fn a_watched_key_that_is_set_to_what_it_was_stops_exec() {
    let mut mine = Session::alone();
    let mut other = Session::new(mine.world());
    mine.say("SET k v");
    mine.say("WATCH k");
    other.say("SET k v");
    mine.say("MULTI");
    mine.say("GET k");
    assert_eq!(mine.say("EXEC"), "*-1\r\n");
}
