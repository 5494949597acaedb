use super::super::session::Session;
use super::super::testing::{changes_of, encoding, expires_at, session_at};
use crate::bits::oracle::{self, Random};

/// The string of key `k` as bits, and SETBITRANGE's rule for its ends.
#[derive(Default)]
struct Model(Vec<bool>);

impl Model {
    fn set(&mut self, bits: impl Iterator<Item = usize>, on: bool) -> usize {
        bits.filter(|bit| {
            let len = self.0.len().max((bit + 1).next_multiple_of(8));
            self.0.resize(len, false);
            std::mem::replace(&mut self.0[*bit], on) != on
        })
        .count()
    }

    fn range(&self, start: i64, end: i64) -> std::ops::Range<usize> {
        let len = self.0.len() as i64;
        if start < 0 && end < 0 && start > end {
            return 0..0;
        }
        let start = if start < 0 {
            (start + len).max(0)
        } else {
            start
        };
        let end = if end < 0 {
            (end + len).max(0).min(len - 1)
        } else {
            end
        };
        start as usize..(end + 1).max(start) as usize
    }
}

fn get(db: &mut Session) -> Vec<u8> {
    let reply = db.ask(["GETRANGE", "k", "0", "-1"]);
    let line = reply.iter().position(|&b| b == b'\n').expect("a line") + 1;
    reply[line..reply.len() - 2].to_vec()
}

#[test]
fn any_bits_and_ranges_are_set_as_one_by_one() {
    let mut random = Random::new(7);
    for round in 0..60 {
        // Values held flat, and ones in chunks.
        let limit = if round % 2 == 0 { 900 } else { 200_000 };
        let (mut db, mut model) = (Session::alone(), Model::default());
        for _ in 0..20 {
            let on = random.below(2);
            let len = model.0.len() as i64;
            if random.below(2) == 0 {
                let mut end = || match random.below(5) {
                    0 => -(random.below(len as u64 + 20) as i64) - 1,
                    1 => random.below(limit / 65_536 + 1) as i64 * 65_536 - 3,
                    _ => random.below(limit) as i64,
                };
                let (start, end) = (end(), end());
                let changed = model.set(model.range(start, end), on == 1);
                let line = format!("SETBITRANGE k {start} {end} {on}");
                assert_eq!(
                    db.say(&line),
                    format!(":{changed}\r\n"),
                    "{line}, {len} bits"
                );
            } else {
                let offsets: Vec<u64> =
                    (0..=random.below(9)).map(|_| random.below(limit)).collect();
                let words: String = offsets.iter().map(|offset| format!(" {offset}")).collect();
                let before = format!("GETBITS k{words}");
                let bits = offsets
                    .iter()
                    .map(|offset| model.0.get(*offset as usize) == Some(&true));
                let bits: String = bits.map(|bit| format!(":{}\r\n", u8::from(bit))).collect();
                assert_eq!(db.say(&before), format!("*{}\r\n{bits}", offsets.len()));
                let changed = model.set(offsets.iter().map(|offset| *offset as usize), on == 1);
                let line = format!("SETBITS k {on}{words}");
                assert_eq!(
                    db.say(&line),
                    format!(":{changed}\r\n"),
                    "{line}, {len} bits"
                );
            }
            assert!(get(&mut db) == oracle::bytes(&model.0));
        }
    }
}

#[test]
fn changes_are_counted_once_and_keys_keep_their_time() {
    let (mut db, _) = session_at(1000);
    assert_eq!(changes_of(&mut db, "SETBITS k 1 1 2 3"), 1);
    assert_eq!(changes_of(&mut db, "SETBITS k 1 3 2"), 0);
    assert_eq!(
        changes_of(&mut db, "SETBITS k 0 100"),
        1,
        "the string grows"
    );
    assert_eq!(changes_of(&mut db, "SETBITRANGE k 1 3 1"), 0);
    assert_eq!(
        changes_of(&mut db, "SETBITRANGE k 100 110 0"),
        1,
        "the string grows"
    );
    assert_eq!(changes_of(&mut db, "SETBITRANGE k 5 4 1"), 0);
    assert_eq!(db.say("STRLEN k"), ":14\r\n");
    assert_eq!(changes_of(&mut db, "SETBITRANGE none 5 4 1"), 0);
    assert_eq!(changes_of(&mut db, "SETBITRANGE none -5 -1 1"), 0);
    assert_eq!(encoding(&db, "none"), "none");
    assert_eq!(changes_of(&mut db, "SETBITRANGE none -5 6 0"), 1);
    assert_eq!(encoding(&db, "none"), "raw");
    db.say("SET n 12 PX 50");
    db.say("SETBITRANGE n 0 3 1");
    assert_eq!(
        (encoding(&db, "n"), expires_at(&db, "n")),
        ("raw", Some(1050))
    );
}

#[test]
fn arguments_are_judged_from_left_to_right_before_the_key() {
    let mut db = Session::alone();
    for (line, error) in [
        ("SETBITS k 2 x", "bit is not an integer or out of range"),
        (
            "SETBITS k 1 5 x",
            "bit offset is not an integer or out of range",
        ),
        (
            "SETBITS k 1 5 4294967296",
            "bit offset is not an integer or out of range",
        ),
        (
            "SETBITS k 1 -1",
            "bit offset is not an integer or out of range",
        ),
        (
            "SETBITS k 1",
            "wrong number of arguments for 'setbits' command",
        ),
        (
            "GETBITS k",
            "wrong number of arguments for 'getbits' command",
        ),
        (
            "GETBITS k 1 x",
            "bit offset is not an integer or out of range",
        ),
        (
            "SETBITRANGE k x 5 9",
            "value is not an integer or out of range",
        ),
        (
            "SETBITRANGE k 0 5x 1",
            "value is not an integer or out of range",
        ),
        (
            "SETBITRANGE k 0 4294967296 1",
            "bit offset is not an integer or out of range",
        ),
        (
            "SETBITRANGE k 4294967296 0 1",
            "bit offset is not an integer or out of range",
        ),
        (
            "SETBITRANGE k 0 5 2",
            "bit is not an integer or out of range",
        ),
        (
            "SETBITRANGE k 0 5",
            "wrong number of arguments for 'setbitrange' command",
        ),
        (
            "SETBITRANGE k 0 5 1 1",
            "wrong number of arguments for 'setbitrange' command",
        ),
    ] {
        assert_eq!(db.say(line), format!("-ERR {error}\r\n"), "{line}");
    }
    assert_eq!(encoding(&db, "k"), "none");
}

#[test]
fn the_longest_range_is_set_and_cleared_at_once() {
    let mut db = Session::alone();
    assert_eq!(db.say("SETBITRANGE k 0 4294967295 1"), ":4294967296\r\n");
    assert_eq!(db.say("BITCOUNT k"), ":4294967296\r\n");
    assert_eq!(db.say("SETBITRANGE k 1000 -1001 0"), ":4294965296\r\n");
    assert_eq!(db.say("BITCOUNT k"), ":2000\r\n");
    assert_eq!(db.say("STRLEN k"), ":536870912\r\n");
}
