use super::super::session::Session;
use super::super::testing::{changes_of, encoding, expires_at, session_at};

/// The reply's elements, nil as `-`.
fn run(db: &mut Session, line: &str) -> String {
    let reply = db.say(line);
    assert!(reply.starts_with('*'), "{line}: {reply}");
    let values = reply.split("\r\n").skip(1).map(|value| match value {
        "$-1" => "-",
        value => value.trim_start_matches(':'),
    });
    values.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

#[test]
fn fields_are_set_read_and_counted_up() {
    let mut db = Session::alone();
    for (line, want) in [
        ("BITFIELD k INCRBY i5 100 1 GET u4 0", "1 0"),
        ("BITFIELD s SET i8 #0 100 SET i8 #1 200", "0 0"),
        ("BITFIELD s GET i8 0 GET i8 #1 GET u8 8", "100 -56 200"),
        (
            "BITFIELD m SET i8 0 10 SET i8 64 10 INCRBY i8 10 99900",
            "0 0 60",
        ),
        ("BITFIELD p SET u5 7 23", "0"),
        ("BITFIELD k", ""),
        ("BITFIELD_RO s GET i8 16", "0"),
        ("BITFIELD_RO s GET i8 #1 OVERFLOW FAIL GET i8 #0", "-56 100"),
    ] {
        assert_eq!(run(&mut db, line), want, "{line}");
    }
    assert_eq!(db.ask(["GET", "p"]), b"$2\r\n\x01\x70\r\n");
}

#[test]
fn overflow_holds_for_the_steps_after_it() {
    let mut db = Session::alone();
    let line = "BITFIELD k incrby u2 100 1 OVERFLOW SAT incrby u2 102 1";
    for want in ["1 1", "2 2", "3 3", "0 3"] {
        assert_eq!(run(&mut db, line), want);
    }
    for (line, want) in [
        ("BITFIELD k OVERFLOW FAIL INCRBY u2 102 1 GET u2 102", "- 3"),
        (
            "BITFIELD k OVERFLOW FAIL SET u8 0 -1 OVERFLOW SAT SET u8 0 -1 GET u8 0",
            "- 0 255",
        ),
        (
            "BITFIELD k SET i8 0 300 GET i8 0 OVERFLOW sat SET i8 0 300 GET i8 0 OVERFLOW fail SET i8 0 300",
            "-1 44 44 127 -",
        ),
        (
            "BITFIELD k SET u8 0 100 INCRBY u8 0 257 INCRBY u8 0 255 OVERFLOW SAT INCRBY u8 0 257 INCRBY u8 0 -257",
            "127 101 100 255 0",
        ),
    ] {
        assert_eq!(run(&mut db, line), want, "{line}");
    }
}

#[test]
fn an_error_anywhere_means_that_nothing_happened() {
    let mut db = Session::alone();
    const TYPE: &str = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.";
    const OFFSET: &str = "ERR bit offset is not an integer or out of range";
    const SYNTAX: &str = "ERR syntax error";
    for (steps, error) in [
        ("SET u8 0 1 GET", SYNTAX),
        ("SET u8 0 1 GET u8", SYNTAX),
        ("SET u8 0 1 SET u65 0", SYNTAX),
        ("SET u8 0 1 OVERFLOW", SYNTAX),
        ("SET u8 0 1 COUNT u8 0", SYNTAX),
        (
            "SET u8 0 1 OVERFLOW no",
            "ERR Invalid OVERFLOW type specified",
        ),
        ("SET u8 0 1 GET u64 0", TYPE),
        ("SET u8 0 1 GET i65 0", TYPE),
        ("SET u8 0 1 GET i0 0", TYPE),
        ("SET u8 0 1 GET I8 0", TYPE),
        ("SET u8 0 1 GET u08 0", TYPE),
        ("SET u8 0 1 GET u -1", TYPE),
        ("SET u8 0 1 GET  0", TYPE),
        ("SET u8 0 1 SET u8 -1 x", OFFSET),
        ("SET u8 0 1 GET u8 4294967296", OFFSET),
        ("SET u8 0 1 GET u8 #536870912", OFFSET),
        ("SET u8 0 1 GET u8 #", OFFSET),
        ("SET u8 0 1 GET u8 #-1", OFFSET),
        ("SET u8 0 1 GET u8 ##1", OFFSET),
        (
            "SET u8 0 1 SET u8 0 x",
            "ERR value is not an integer or out of range",
        ),
    ] {
        for name in ["BITFIELD", "BITFIELD_RO"] {
            let line = format!("{name} k {steps}");
            assert_eq!(db.say(&line), format!("-{error}\r\n"), "{line}");
        }
    }
    assert_eq!(
        db.say("BITFIELD_RO k GET u8 0 INCRBY u8 0 1"),
        "-ERR BITFIELD_RO only supports the GET subcommand\r\n"
    );
    assert_eq!(encoding(&db, "k"), "none");
}

#[test]
fn the_type_ends_where_c_would_see_its_end() {
    let mut db = Session::alone();
    db.say("SET k a");
    let reply = db.ask([b"BITFIELD".as_slice(), b"k", b"get\0", b"u8\0x", b"0"]);
    assert_eq!(reply, b"*1\r\n:97\r\n");
}

#[test]
fn reading_neither_creates_nor_grows() {
    let mut db = Session::alone();
    assert_eq!(run(&mut db, "BITFIELD k GET u8 4294967295"), "0");
    assert_eq!(encoding(&db, "k"), "none");
    db.say("SET k 1");
    assert_eq!(run(&mut db, "BITFIELD k GET u8 0 GET u16 0"), "49 12544");
    assert_eq!(encoding(&db, "k"), "int");
    assert_eq!(db.say("STRLEN k"), ":1\r\n");
}

#[test]
fn the_string_grows_to_the_farthest_write_even_if_that_fails() {
    let mut db = Session::alone();
    let line = "BITFIELD k OVERFLOW FAIL SET u8 20 300";
    assert_eq!(changes_of(&mut db, line), 0);
    assert_eq!(db.say("STRLEN k"), ":4\r\n");
    assert_eq!(run(&mut db, "BITFIELD k GET u8 999 SET u1 32 0"), "0 0");
    assert_eq!(db.say("STRLEN k"), ":5\r\n");
    assert_eq!(run(&mut db, "BITFIELD k SET u8 4294967295 255"), "0");
    assert_eq!(db.say("STRLEN k"), ":536870913\r\n");
    assert_eq!(run(&mut db, "BITFIELD k GET u8 4294967295"), "255");
    assert_eq!(db.say("BITCOUNT k"), ":8\r\n");
}

#[test]
fn each_step_that_changes_something_counts_and_the_time_stays() {
    let (mut db, _) = session_at(1000);
    db.say("SET k 5 PX 50");
    let line = "BITFIELD k OVERFLOW FAIL SET u8 0 300";
    assert_eq!(changes_of(&mut db, line), 0);
    assert_eq!(encoding(&db, "k"), "raw");
    for (line, want) in [
        ("BITFIELD k SET u8 0 1 SET u8 0 1 INCRBY u8 0 0", 1),
        ("BITFIELD k SET u8 0 1 GET u8 0", 0),
        ("BITFIELD k INCRBY u8 0 1 INCRBY u8 0 1", 2),
        ("BITFIELD k SET u8 8 0 SET u8 0 3 GET u8 0", 2),
    ] {
        assert_eq!(changes_of(&mut db, line), want, "{line}");
    }
    assert_eq!(expires_at(&db, "k"), Some(1050));
}

#[test]
fn long_and_short_strings_hold_the_same_fields() {
    let mut db = Session::alone();
    for at in [1020u64, 1021, 1023, 65_530, 65_535, 524_280, 1 << 31] {
        for width in ["i1", "u7", "i33", "u63", "i64"] {
            let line = format!(
                "BITFIELD k SET {width} {at} -1 GET {width} {at} GET u1 {}",
                at - 1
            );
            let got = run(&mut db, &line);
            let want = match width {
                "u7" => "127",
                "u63" => "9223372036854775807",
                _ => "-1",
            };
            assert_eq!(got, format!("0 {want} 0"), "{line}");
            assert_eq!(
                run(&mut db, &format!("BITFIELD k SET {width} {at} 0")),
                want
            );
        }
    }
    assert_eq!(db.say("BITCOUNT k"), ":0\r\n");
}
