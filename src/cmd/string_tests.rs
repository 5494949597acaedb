use super::super::session::Session;
use super::super::testing::{changes_of, encoding, expires_at, session_at};

const TOO_LONG: &str = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";

#[test]
fn get_answers_the_value_or_nil_however_long_it_is() {
    let mut db = Session::alone();
    assert_eq!(db.say("GET k"), "$-1\r\n");
    assert_eq!(db.say("STRLEN k"), ":0\r\n");
    for len in [0, 1, 70, 71, 128, 129, 40_000] {
        let value: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
        db.ask([b"SET".as_slice(), b"k", &value]);
        let mut want = format!("${len}\r\n").into_bytes();
        want.extend_from_slice(&value);
        want.extend_from_slice(b"\r\n");
        assert_eq!(db.ask(["GET", "k"]), want, "{len} bytes");
        assert_eq!(db.say("STRLEN k"), format!(":{len}\r\n"));
    }
}

#[test]
fn getdel_and_getset_answer_the_old_value() {
    let mut db = Session::alone();
    assert_eq!(db.say("GETSET k 1"), "$-1\r\n");
    assert_eq!(db.say("GETSET k 2"), "$1\r\n1\r\n");
    assert_eq!(encoding(&db, "k"), "int");
    assert_eq!(db.say("GETDEL k"), "$1\r\n2\r\n");
    assert_eq!(changes_of(&mut db, "GETDEL k"), 0);
    assert_eq!(db.say("GETDEL k"), "$-1\r\n");
}

#[test]
fn getrange_takes_both_ends_in_and_counts_negative_ones_from_the_end() {
    let mut db = Session::alone();
    db.say("SET k foobar");
    for (start, end, want) in [
        (0, -1, "foobar"),
        (1, 3, "oob"),
        (-3, -1, "bar"),
        (-100, 2, "foo"),
        (3, 100, "bar"),
        (6, 7, ""),
        (4, 3, ""),
        (-1, -100, ""),
        (-100, -99, "f"),
        (0, -100, "f"),
        (i64::MIN, i64::MAX, "foobar"),
    ] {
        for name in ["GETRANGE", "SUBSTR"] {
            assert_eq!(
                db.say(&format!("{name} k {start} {end}")),
                format!("${}\r\n{want}\r\n", want.len()),
                "{start} {end}"
            );
        }
    }
    assert_eq!(db.say("GETRANGE missing 0 -1"), "$0\r\n\r\n");
    assert_eq!(
        db.say("GETRANGE missing 0 x"),
        "-ERR value is not an integer or out of range\r\n"
    );
}

#[test]
fn append_to_a_missing_key_sets_it_and_to_another_makes_it_raw() {
    let mut db = Session::alone();
    assert_eq!(db.say("APPEND k 12"), ":2\r\n");
    assert_eq!(encoding(&db, "k"), "int");
    assert_eq!(changes_of(&mut db, "APPEND k "), 1);
    assert_eq!(encoding(&db, "k"), "raw");
    assert_eq!(db.say("APPEND k 3"), ":3\r\n");
    assert_eq!(db.say("GET k"), "$3\r\n123\r\n");
}

#[test]
fn setrange_fills_up_with_zeros_and_writes_nothing_where_there_is_nothing_to_write() {
    let mut db = Session::alone();
    assert_eq!(changes_of(&mut db, "SETRANGE k 9 "), 0);
    assert_eq!(encoding(&db, "k"), "none");
    assert_eq!(db.say("SETRANGE k 3 ab"), ":5\r\n");
    assert_eq!(db.say("GET k"), "$5\r\n\0\0\0ab\r\n");
    db.say("SET k 5");
    assert_eq!(db.say("SETRANGE k 4294967295 "), ":1\r\n");
    assert_eq!(encoding(&db, "k"), "int");
    assert_eq!(changes_of(&mut db, "SETRANGE k 0 5"), 1);
    assert_eq!(encoding(&db, "k"), "raw");
    assert_eq!(db.say("SETRANGE k -1 "), "-ERR offset is out of range\r\n");
}

#[test]
fn no_string_grows_past_the_longest_bulk() {
    let mut db = Session::alone();
    assert_eq!(db.say("SETRANGE k 536870912 x"), TOO_LONG);
    assert_eq!(db.say(&format!("SETRANGE k {} x", i64::MAX)), TOO_LONG);
    assert_eq!(db.say("GET k"), "$-1\r\n");
    assert_eq!(db.say("SETRANGE k 536870911 x"), ":536870912\r\n");
    assert_eq!(db.say("APPEND k y"), TOO_LONG);
    assert_eq!(db.say("APPEND k "), ":536870912\r\n");
    assert_eq!(db.say("GETRANGE k -2 -1"), "$2\r\n\0x\r\n");
}

#[test]
fn many_keys_are_set_and_read_at_once() {
    let mut db = Session::alone();
    assert_eq!(db.say("MSET a 1 b x a 2"), "+OK\r\n");
    assert_eq!(db.say("MGET a c b"), "*3\r\n$1\r\n2\r\n$-1\r\n$1\r\nx\r\n");
    assert_eq!(db.say("MSETNX c 1 b 1"), ":0\r\n");
    assert_eq!(db.say("GET c"), "$-1\r\n");
    assert_eq!(changes_of(&mut db, "MSETNX c 1 d 1 c 2"), 3);
    assert_eq!(db.say("GET c"), "$1\r\n2\r\n");
    for name in ["MSET", "MSETNX"] {
        assert_eq!(
            db.say(&format!("{name} a 1 b")),
            format!(
                "-ERR wrong number of arguments for '{}' command\r\n",
                name.to_lowercase()
            )
        );
    }
}

#[test]
fn setting_as_a_whole_removes_the_time_and_changing_a_part_keeps_it() {
    let (mut db, _) = session_at(1000);
    for (line, kept) in [
        ("GETSET k 1", false),
        ("MSET k 1", false),
        ("APPEND k 1", true),
        ("SETRANGE k 0 1", true),
        ("SETBIT k 100 1", true),
    ] {
        db.say("SET k 0 PX 50");
        db.say(line);
        assert_eq!(expires_at(&db, "k"), kept.then_some(1050), "{line}");
    }
}
