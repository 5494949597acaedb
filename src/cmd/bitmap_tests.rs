use super::super::session::Session;
use super::super::testing::{changes_of, encoding, expires_at, session_at};
use crate::bits::oracle;

const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range\r\n";
const SYNTAX: &str = "-ERR syntax error\r\n";
const OFFSET: &str = "-ERR bit offset is not an integer or out of range\r\n";

/// The two units, each with its width in bits.
const UNITS: [(&str, i64); 2] = [("BYTE", 8), ("BIT", 1)];

fn session_with(value: &[u8]) -> Session {
    let mut db = Session::alone();
    db.ask([b"SET", b"k".as_slice(), value]);
    db
}

fn integer(db: &mut Session, line: &str) -> i64 {
    let reply = db.say(line);
    let number = reply
        .strip_prefix(':')
        .map(|reply| reply.trim_end().parse());
    match number {
        Some(Ok(number)) => number,
        _ => panic!("{line}: {reply}"),
    }
}

/// BITPOS by its rules: a missing end is the end of the string, with zeros behind it.
fn bitpos(bytes: &[u8], bit: bool, start: i64, end: Option<i64>, width: i64) -> i64 {
    let len = bytes.len() as i64 * 8 / width;
    let clamp = |index: i64| {
        if index < 0 {
            (index + len).max(0)
        } else {
            index
        }
    };
    let (first, last) = (clamp(start), clamp(end.unwrap_or(-1)).min(len - 1));
    if first > last {
        return -1;
    }
    let bits = (first * width) as u64..((last + 1) * width) as u64;
    match oracle::find(bytes, bit, bits) {
        Some(at) => at as i64,
        None if !bit && end.is_none() => bytes.len() as i64 * 8,
        None => -1,
    }
}

/// Strings of up to two bytes, and one in nine of those of three: the spans of one such are thousands.
fn some_short_strings() -> impl Iterator<Item = Vec<u8>> {
    let strings = oracle::short_strings().into_iter().enumerate();
    strings
        .filter(|(at, string)| string.len() < 3 || at % 9 == 0)
        .map(|(_, string)| string)
}

#[test]
fn every_span_of_short_strings_is_counted_and_searched_as_the_oracle_does() {
    for value in some_short_strings() {
        let mut db = session_with(&value);
        for (unit, width) in UNITS {
            let edge = value.len() as i64 * 8 / width + 2;
            for start in -edge..=edge {
                for end in -edge..=edge {
                    assert_eq!(
                        integer(&mut db, &format!("BITCOUNT k {start} {end} {unit}")),
                        oracle::bitcount(&value, start, end, width) as i64,
                        "{value:02x?} {start} {end} {unit}"
                    );
                    let bit = (start + end) % 2 == 0;
                    assert_eq!(
                        integer(
                            &mut db,
                            &format!("BITPOS k {} {start} {end} {unit}", u8::from(bit))
                        ),
                        bitpos(&value, bit, start, Some(end), width),
                        "{value:02x?} {bit} {start} {end} {unit}"
                    );
                }
            }
        }
    }
}

#[test]
fn without_an_end_the_search_for_a_zero_goes_on_behind_the_string() {
    for value in oracle::short_strings() {
        let mut db = session_with(&value);
        let edge = value.len() as i64 + 2;
        for bit in [false, true] {
            let name = u8::from(bit);
            assert_eq!(
                integer(&mut db, &format!("BITPOS k {name}")),
                bitpos(&value, bit, 0, None, 8),
                "{value:02x?} {bit}"
            );
            for start in -edge..=edge {
                assert_eq!(
                    integer(&mut db, &format!("BITPOS k {name} {start}")),
                    bitpos(&value, bit, start, None, 8),
                    "{value:02x?} {bit} {start}"
                );
            }
        }
    }
}

#[test]
fn a_missing_key_has_no_ones_and_a_zero_at_its_start() {
    let mut db = Session::alone();
    for (line, want) in [
        ("BITCOUNT k", 0),
        ("BITCOUNT k 0 -1 BIT", 0),
        ("BITPOS k 1", -1),
        ("BITPOS k 0", 0),
        ("BITPOS k 0 5 -1", 0),
        ("GETBIT k 4294967295", 0),
    ] {
        assert_eq!(integer(&mut db, line), want, "{line}");
    }
    db.ask(["SET", "k", ""]);
    assert_eq!(integer(&mut db, "BITPOS k 0"), -1);
    assert_eq!(integer(&mut db, "BITPOS k 1"), -1);
}

#[test]
fn arguments_are_judged_in_redis_s_order() {
    let mut db = Session::alone();
    for (line, want) in [
        ("BITCOUNT k x", NOT_AN_INTEGER),
        ("BITCOUNT k 0 1 BITS", SYNTAX),
        ("BITCOUNT k x y BITS", NOT_AN_INTEGER),
        ("BITCOUNT k 0 x", NOT_AN_INTEGER),
        ("BITCOUNT k 0 1 BIT BIT", SYNTAX),
        ("BITPOS k 2 x", "-ERR The bit argument must be 1 or 0.\r\n"),
        ("BITPOS k x", NOT_AN_INTEGER),
        ("BITPOS k 1 x", NOT_AN_INTEGER),
        ("BITPOS k 1 0 BIT", NOT_AN_INTEGER),
        ("BITPOS k 1 0 x BITS", SYNTAX),
        ("BITPOS k 1 x x BITS", NOT_AN_INTEGER),
        ("BITPOS k 1 0 1 BIT 1", SYNTAX),
        ("SETBIT k -1 9", OFFSET),
        ("SETBIT k 4294967296 1", OFFSET),
        ("SETBIT k 01 1", OFFSET),
        (
            "SETBIT k 0 2",
            "-ERR bit is not an integer or out of range\r\n",
        ),
        ("GETBIT k 4294967296", OFFSET),
        ("GETBIT k x", OFFSET),
    ] {
        assert_eq!(db.say(line), want, "{line}");
    }
    assert_eq!(encoding(&db, "k"), "none");
    assert_eq!(integer(&mut db, "BITCOUNT k 0 -1 byte"), 0);
}

#[test]
fn setbit_answers_the_old_bit_and_getbit_the_new_one() {
    for value in oracle::short_strings() {
        let mut db = session_with(&value);
        let mut bits = oracle::bits(&value);
        for at in (0..bits.len() + 12).rev() {
            for on in [true, false, true] {
                let was = bits.get(at).copied().unwrap_or(false);
                if bits.len() <= at {
                    bits.resize(at / 8 * 8 + 8, false);
                }
                bits[at] = on;
                let line = format!("SETBIT k {at} {}", u8::from(on));
                assert_eq!(integer(&mut db, &line), was.into(), "{value:02x?} {line}");
                assert_eq!(integer(&mut db, &format!("GETBIT k {at}")), on.into());
            }
        }
        let whole = db.ask(["GETRANGE", "k", "0", "-1"]);
        assert!(
            whole.ends_with(&[&oracle::bytes(&bits)[..], b"\r\n"].concat()),
            "{value:02x?} became {whole:02x?}"
        );
    }
}

#[test]
fn a_bit_that_changes_or_grows_the_string_counts() {
    let (mut db, _) = session_at(1000);
    db.say("SET k 1 PX 50");
    for (line, changes) in [
        ("SETBIT k 7 1", 0),
        ("SETBIT k 7 0", 1),
        ("SETBIT k 8 0", 1),
        ("SETBIT k 15 0", 0),
        ("SETBIT k 1600 0", 1),
        ("SETBIT new 0 0", 1),
    ] {
        assert_eq!(changes_of(&mut db, line), changes, "{line}");
        assert_eq!(encoding(&db, "k"), "raw", "{line}");
    }
    assert_eq!(expires_at(&db, "k"), Some(1050));
    assert_eq!(integer(&mut db, "STRLEN k"), 201);
    assert_eq!(db.say("GET new"), "$1\r\n\0\r\n");
}

#[test]
fn the_last_bit_there_may_be_costs_no_more_than_another() {
    let mut db = Session::alone();
    assert_eq!(integer(&mut db, "SETBIT k 4294967295 1"), 0);
    for (line, want) in [
        ("STRLEN k", 536_870_912),
        ("BITCOUNT k", 1),
        ("BITPOS k 1", 4_294_967_295),
        ("BITPOS k 0", 0),
        ("BITPOS k 0 536870911", 4_294_967_288),
        ("BITPOS k 0 -1 -1 BIT", -1),
        ("GETBIT k 4294967295", 1),
    ] {
        assert_eq!(integer(&mut db, line), want, "{line}");
    }
}
