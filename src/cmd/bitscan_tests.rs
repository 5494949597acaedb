use super::super::session::Session;
use super::{LONG_PAGE, PAGE_MAX};
use crate::bits::oracle::{self, Random};
use crate::store::{Access, Value};

fn session_with(value: &[u8]) -> Session {
    let db = Session::alone();
    db.world()
        .keyspace
        .lock_key(b"k", Access::Write)
        .put(0, b"k", Value::raw(value), None);
    db
}

/// The cursor and the positions of one page.
fn page(db: &mut Session, line: &str) -> (u64, Vec<u64>) {
    let reply = db.say(line);
    let mut lines = reply.split("\r\n").skip(2); // an array of two, of which the first is so long
    let cursor = lines.next().and_then(|line| line.parse().ok());
    let positions = lines.skip(1).filter(|line| !line.is_empty());
    let positions = positions.map(|line| line[1..].parse().expect("a position"));
    (
        cursor.unwrap_or_else(|| panic!("{line}: {reply}")),
        positions.collect(),
    )
}

/// All pages, none longer than `count`.
fn pages(db: &mut Session, count: usize, options: &str) -> Vec<u64> {
    let (mut cursor, mut all) = (0, Vec::new());
    loop {
        let (next, mut page) = page(db, &format!("BITSCAN k {cursor} COUNT {count}{options}"));
        assert!(page.len() == count || next == 0, "a short page is the last");
        assert!(page.len() <= count);
        all.append(&mut page);
        cursor = next;
        if cursor == 0 {
            return all;
        }
    }
}

#[test]
fn pages_of_any_length_show_every_bit_of_the_range_once_and_in_order() {
    let mut random = Random::new(3);
    let noise = oracle::noise(60_000);
    let sparse: Vec<u8> = noise
        .iter()
        .map(|byte| if *byte < 3 { *byte } else { 0 })
        .collect();
    let full = vec![0xff; 20_000];
    for value in [&noise[..50], &noise[..9000], &sparse, &full] {
        let mut db = session_with(value);
        let bits = oracle::bits(value);
        for bit in [false, true] {
            for round in 0..12 {
                let mut end = |edge: i64| match round {
                    0 => edge,
                    _ => random.below(bits.len() as u64 * 2) as i64 - bits.len() as i64,
                };
                let (start, end) = (end(0), end(-1));
                let count = 1 + random.below(3 * bits.len() as u64) as usize;
                let place = |at: i64| if at < 0 { at + bits.len() as i64 } else { at };
                let inside = place(start)..=place(end).min(bits.len() as i64 - 1);
                let none = start < 0 && end < 0 && start > end;
                let want = (0..)
                    .zip(&bits)
                    .filter(|(at, is)| **is == bit && !none && inside.contains(at));
                let want: Vec<u64> = want.map(|(at, _)| at as u64).collect();
                let bit = u8::from(bit);
                let got = pages(&mut db, count, &format!(" BIT {bit} RANGE {start} {end}"));
                assert!(got == want, "BIT {bit} RANGE {start} {end} COUNT {count}");
            }
        }
    }
}

#[test]
fn a_page_has_ten_positions_and_ends_where_there_are_no_more() {
    let mut db = session_with(&[0xff, 0xc0]);
    assert_eq!(page(&mut db, "BITSCAN k 0"), (0, (0..10).collect()));
    assert_eq!(page(&mut db, "BITSCAN k 0 COUNT 9"), (9, (0..9).collect()));
    assert_eq!(page(&mut db, "BITSCAN k 9 count 9"), (0, vec![9]));
    assert_eq!(page(&mut db, "BITSCAN k 10"), (0, vec![]));
    assert_eq!(page(&mut db, "BITSCAN k 18446744073709551615"), (0, vec![]));
    assert_eq!(page(&mut db, "BITSCAN k 0 BIT 0"), (0, (10..16).collect()));
    assert_eq!(page(&mut db, "BITSCAN missing 0"), (0, vec![]));
    assert_eq!(
        page(&mut db, "BITSCAN missing 0 BIT 0 RANGE -5 5"),
        (0, vec![])
    );
    assert_eq!(
        db.say("BITSCAN k 0 COUNT 1"),
        "*2\r\n$1\r\n1\r\n*1\r\n:0\r\n"
    );
}

#[test]
fn bits_that_stay_are_seen_once_whatever_else_changes() {
    let mut db = Session::alone();
    let stay: Vec<u64> = (0..3000).map(|at| at * 97).collect();
    for at in &stay {
        db.say(&format!("SETBIT k {at} 1"));
    }
    let (mut random, mut cursor, mut seen) = (Random::new(5), 0, Vec::new());
    loop {
        let (next, page) = page(&mut db, &format!("BITSCAN k {cursor} COUNT 50"));
        seen.extend(page.into_iter().filter(|at| at % 97 == 0));
        for _ in 0..20 {
            let other = random.below(3000) * 97 + 1 + random.below(96);
            db.say(&format!("SETBIT k {other} {}", random.below(2)));
        }
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, stay);
}

#[test]
fn a_page_has_an_end_however_much_is_asked_for() {
    let mut db = Session::alone();
    db.say("SETBITRANGE k 0 3000000 1");
    let (cursor, first) = page(&mut db, "BITSCAN k 0 COUNT 9223372036854775807");
    assert_eq!((cursor, first.len()), (PAGE_MAX as u64, PAGE_MAX));
    let (_, last) = page(
        &mut db,
        &format!("BITSCAN k 2990000 COUNT {}", LONG_PAGE + 1),
    );
    assert!(last.into_iter().eq(2_990_000..=3_000_000));
}

#[test]
fn ones_are_selected_by_rank_from_both_ends() {
    let noise = oracle::noise(40_000);
    for value in [&noise[..100], &noise[..]] {
        let mut db = session_with(value);
        let bits = (0..).zip(oracle::bits(value));
        let ones: Vec<i64> = bits.filter(|(_, bit)| *bit).map(|(at, _)| at).collect();
        let len = ones.len() as i64;
        for rank in (-len - 2..len + 2).step_by(1 + ones.len() / 300) {
            let place = if rank < 0 { rank + len } else { rank };
            let want = usize::try_from(place)
                .ok()
                .and_then(|place| ones.get(place));
            let want = want.map_or("$-1\r\n".into(), |at| format!(":{at}\r\n"));
            assert_eq!(
                db.say(&format!("BITSELECT k {rank}")),
                format!("*1\r\n{want}"),
                "{rank}"
            );
        }
    }
    let mut db = session_with(&[0x81]);
    assert_eq!(
        db.say("BITSELECT k 0 -1 2 -3 9223372036854775807 -9223372036854775808"),
        "*6\r\n:0\r\n:7\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"
    );
    assert_eq!(db.say("BITSELECT missing 0 -1"), "*2\r\n$-1\r\n$-1\r\n");
}

#[test]
fn what_is_not_understood_is_refused_before_the_key_is_looked_at() {
    let mut db = Session::alone();
    for (line, error) in [
        (
            "BITSCAN k",
            "wrong number of arguments for 'bitscan' command",
        ),
        ("BITSCAN k x", "invalid cursor"),
        ("BITSCAN k -1", "invalid cursor"),
        ("BITSCAN k +1", "invalid cursor"),
        ("BITSCAN k 18446744073709551616", "invalid cursor"),
        ("BITSCAN k 0 COUNT", "syntax error"),
        ("BITSCAN k 0 COUNT 0", "syntax error"),
        (
            "BITSCAN k 0 COUNT x",
            "value is not an integer or out of range",
        ),
        ("BITSCAN k 0 BIT 2", "The bit argument must be 1 or 0."),
        (
            "BITSCAN k 0 BIT x",
            "value is not an integer or out of range",
        ),
        ("BITSCAN k 0 RANGE 0", "syntax error"),
        (
            "BITSCAN k 0 RANGE 0 x",
            "value is not an integer or out of range",
        ),
        ("BITSCAN k 0 MATCH x", "syntax error"),
        (
            "BITSELECT k",
            "wrong number of arguments for 'bitselect' command",
        ),
        ("BITSELECT k 0 x", "value is not an integer or out of range"),
    ] {
        assert_eq!(db.say(line), format!("-ERR {error}\r\n"), "{line}");
    }
}
