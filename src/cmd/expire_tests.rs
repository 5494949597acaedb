use std::sync::atomic::Ordering;

use super::super::testing::{changes_of, expires_at, session_at};

const NOW: i64 = 1_700_000_000_123;

#[test]
fn each_form_sets_and_tells_the_same_moment() {
    let (mut db, _) = session_at(NOW);
    db.say("SET k 1");
    for (line, at) in [
        ("EXPIRE k 100", NOW + 100_000),
        ("PEXPIRE k 1500", NOW + 1_500),
        ("EXPIREAT k 1700000100", 1_700_000_100_000),
        ("PEXPIREAT k 1700000100001", 1_700_000_100_001),
        ("PEXPIREAT k 9223372036854775807", i64::MAX),
    ] {
        assert_eq!(db.say(line), ":1\r\n", "{line}");
        assert_eq!(expires_at(&db, "k"), Some(at), "{line}");
        let rounded = |time: i64| (i128::from(time) + 500) / 1000;
        for (question, answer) in [
            ("PEXPIRETIME", at.into()),
            ("PTTL", (at - NOW).into()),
            ("EXPIRETIME", rounded(at)),
            ("TTL", rounded(at - NOW)),
        ] {
            let said = db.say(&format!("{question} k"));
            assert_eq!(said, format!(":{answer}\r\n"), "{line}, {question}");
        }
    }
}

#[test]
fn a_key_without_expiry_and_a_missing_key_answer_minus_one_and_two() {
    let (mut db, _) = session_at(NOW);
    db.say("SET k 1");
    for question in ["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"] {
        assert_eq!(db.say(&format!("{question} k")), ":-1\r\n");
        assert_eq!(db.say(&format!("{question} nope")), ":-2\r\n");
    }
    assert_eq!(db.say("PERSIST k"), ":0\r\n");
    assert_eq!(db.say("PERSIST nope"), ":0\r\n");
    assert_eq!(db.say("EXPIRE nope 10"), ":0\r\n");
}

#[test]
fn a_time_that_is_not_in_the_future_deletes() {
    let (mut db, _) = session_at(NOW);
    for line in [
        "EXPIRE k 0",
        "EXPIRE k -1",
        "PEXPIRE k -9223372036854775808",
        "EXPIREAT k 1",
        "PEXPIREAT k -5",
        "PEXPIREAT k 1700000000123",
    ] {
        db.say("SET k 1");
        assert_eq!(changes_of(&mut db, line), 1, "{line}");
        assert_eq!(db.say("EXISTS k"), ":0\r\n", "{line}");
    }
}

#[test]
fn a_key_goes_when_its_time_has_come() {
    let (mut db, clock) = session_at(NOW);
    db.say("SET k 1");
    db.say("PEXPIRE k 10");
    clock.store(NOW + 9, Ordering::Relaxed);
    assert_eq!(db.say("PTTL k"), ":1\r\n");
    clock.store(NOW + 10, Ordering::Relaxed);
    assert_eq!(db.say("PTTL k"), ":-2\r\n");
    assert_eq!(db.say("EXPIRE k 10"), ":0\r\n");
}

#[test]
fn persist_takes_the_expiry_back() {
    let (mut db, _) = session_at(NOW);
    db.say("SET k 1 EX 10");
    assert_eq!(changes_of(&mut db, "PERSIST k"), 1);
    assert_eq!(changes_of(&mut db, "PERSIST k"), 0);
    assert_eq!(db.say("TTL k"), ":-1\r\n");
}

/// Every condition, with no expiry before, an earlier one, the same and a later one. `+` sets, `-` does not.
#[test]
fn conditions_treat_no_expiry_as_one_in_the_far_future() {
    let (mut db, _) = session_at(NOW);
    for (condition, none, earlier, same, later) in [
        ("", '+', '+', '+', '+'),
        (" NX", '+', '-', '-', '-'),
        (" XX", '-', '+', '+', '+'),
        (" GT", '-', '+', '-', '-'),
        (" LT", '+', '-', '-', '+'),
        (" XX GT", '-', '+', '-', '-'),
        (" LT XX", '-', '-', '-', '+'),
        (" nx NX", '+', '-', '-', '-'),
    ] {
        for (before, expected) in [
            ("", none),
            (" EX 10", earlier),
            (" EX 20", same),
            (" EX 30", later),
        ] {
            db.say(&format!("SET k 1{before}"));
            let said = db.say(&format!("EXPIRE k 20{condition}"));
            let set = if expected == '+' { ":1\r\n" } else { ":0\r\n" };
            assert_eq!(said, set, "{condition} after{before}");
        }
    }
}

#[test]
fn a_condition_holds_before_a_past_time_deletes() {
    let (mut db, _) = session_at(NOW);
    db.say("SET k 1 EX 100");
    assert_eq!(db.say("EXPIREAT k 1 GT"), ":0\r\n");
    assert_eq!(db.say("EXISTS k"), ":1\r\n");
    assert_eq!(db.say("EXPIREAT k 1 LT"), ":1\r\n");
    assert_eq!(db.say("EXISTS k"), ":0\r\n");
}

#[test]
fn options_are_judged_before_the_number_and_the_number_before_the_key() {
    let (mut db, _) = session_at(NOW);
    let together = "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n";
    let overflow = "-ERR invalid expire time in 'expire' command\r\n";
    for (line, error) in [
        ("EXPIRE nope x FOO", "-ERR Unsupported option FOO\r\n"),
        ("EXPIRE nope 1 NX XX FOO", "-ERR Unsupported option FOO\r\n"),
        ("EXPIRE nope x NX XX", together),
        ("EXPIRE nope 1 GT NX", together),
        ("EXPIRE nope 1 NX LT", together),
        (
            "EXPIRE nope 1 GT LT",
            "-ERR GT and LT options at the same time are not compatible\r\n",
        ),
        (
            "EXPIRE nope x",
            "-ERR value is not an integer or out of range\r\n",
        ),
        (
            "EXPIRE nope 1.5",
            "-ERR value is not an integer or out of range\r\n",
        ),
        ("EXPIRE nope 9223372036854775807", overflow),
        ("EXPIRE nope 9223372036854775", overflow),
        ("EXPIRE nope -9223372036854776", overflow),
        (
            "PEXPIRE nope 9223372036854775807",
            "-ERR invalid expire time in 'pexpire' command\r\n",
        ),
        (
            "EXPIREAT nope 9223372036854775807",
            "-ERR invalid expire time in 'expireat' command\r\n",
        ),
        (
            "EXPIRE nope",
            "-ERR wrong number of arguments for 'expire' command\r\n",
        ),
    ] {
        assert_eq!(db.say(line), error, "{line}");
    }
}
