//! What the log holds of the commands that Redis does not have: commands that it has, so that Redis can read the log.
//!
//! Long ranges and imports go through a key that is there only between MULTI and EXEC: a string of ones is a cleared bit
//! and a BITOP NOT, and BITOP combines it with the value, so a range of gigabits takes some hundred bytes of log.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::OnceLock;

/// Takes one command.
pub(super) type Say<'s> = &'s mut dyn FnMut(&[&[u8]]);

/// The longest stretch of bytes that is written out.
const SHORT: u64 = 256;

/// The widest unsigned field of BITFIELD.
const WIDEST: u64 = 63;

/// These bits of `key` were set, or cleared.
pub(super) fn bits(say: Say<'_>, key: &[u8], offsets: &[u64], on: bool) {
    let fields = offsets.iter().map(|offset| *offset..offset + 1);
    fill(say, key, fields, on);
}

/// These bits of `key`, at least one, were set, or cleared. `expires_at` is when the key goes.
pub(super) fn range(say: Say<'_>, key: &[u8], bits: Range<u64>, on: bool, expires_at: Option<i64>) {
    let whole = bits.start.next_multiple_of(8)..bits.end / 8 * 8;
    if bits.end - bits.start <= WIDEST || whole.is_empty() {
        return fill(say, key, [bits].into_iter(), on);
    }
    let bytes = whole.start / 8..whole.end / 8;
    if bytes.end - bytes.start <= SHORT {
        let ones = [if on { 0xff } else { 0 }; SHORT as usize];
        let stretch = &ones[..(bytes.end - bytes.start) as usize];
        say(&[
            b"SETRANGE",
            key,
            bytes.start.to_string().as_bytes(),
            stretch,
        ]);
    } else {
        let [mask, before] = [temporary(key, "mask"), temporary(key, "before")];
        let ones = |say: &mut dyn FnMut(&[&[u8]]), name: &[u8], bytes: u64| {
            let last = (bytes * 8 - 1).to_string();
            say(&[b"SETBIT", name, last.as_bytes(), b"0"]);
            say(&[b"BITOP", b"NOT", name, name]);
        };
        ones(say, &mask, bytes.end);
        if bytes.start > 0 {
            ones(say, &before, bytes.start);
            say(&[b"BITOP", b"XOR", &mask, &mask, &before]);
        }
        let op: &[u8] = if on { b"OR" } else { b"DIFF" };
        combined(say, key, op, &mask, expires_at);
        say(&[b"DEL", &mask, &before]);
    }
    let edges = [bits.start..whole.start, whole.end..bits.end];
    fill(
        say,
        key,
        edges.into_iter().filter(|edge| !edge.is_empty()),
        on,
    );
}

/// `payload`, as DUMP gives it, was combined with `key` by the operator, or (`None`) has become its value.
pub(super) fn import(
    say: Say<'_>,
    key: &[u8],
    op: Option<&str>,
    payload: &[u8],
    expires_at: Option<i64>,
) {
    let Some(op) = op else {
        return say(&[b"RESTORE", key, b"0", payload, b"REPLACE"]);
    };
    let other = temporary(key, "other");
    say(&[b"RESTORE", &other, b"0", payload]);
    combined(say, key, op.as_bytes(), &other, expires_at);
    say(&[b"DEL", &other]);
}

/// `BITOP op key key with`, which keeps the key's expiry. `with` is a temporary key, and may change.
fn combined(say: Say<'_>, key: &[u8], op: &[u8], with: &[u8], expires_at: Option<i64>) {
    if op == b"DIFF" {
        // In words that Redis had before 8.2: what both have, taken out of the key.
        say(&[b"BITOP", b"AND", with, key, with]);
        say(&[b"BITOP", b"XOR", key, key, with]);
    } else {
        say(&[b"BITOP", op, key, key, with]);
    }
    if let Some(at) = expires_at {
        say(&[b"PEXPIREAT", key, at.to_string().as_bytes()]);
    }
}

/// Fields of at most [`WIDEST`] bits, all ones or all zeros, in one BITFIELD.
fn fill(say: Say<'_>, key: &[u8], fields: impl Iterator<Item = Range<u64>>, on: bool) {
    let numbers: Vec<[String; 3]> = fields
        .flat_map(|Range { start, end }| {
            (start..end).step_by(WIDEST as usize).map(move |at| {
                let width = (end - at).min(WIDEST);
                let value = if on { (1u64 << width) - 1 } else { 0 };
                [format!("u{width}"), at.to_string(), value.to_string()]
            })
        })
        .collect();
    if numbers.is_empty() {
        return;
    }
    let mut words: Vec<&[u8]> = vec![b"BITFIELD", key];
    for field in &numbers {
        words.push(b"SET");
        words.extend(field.iter().map(String::as_bytes));
    }
    say(&words);
}

/// A key that nobody else has: its name holds 128 bits that this process alone knows.
fn temporary(key: &[u8], what: &str) -> Vec<u8> {
    static SECRET: OnceLock<String> = OnceLock::new();
    let secret = SECRET.get_or_init(|| {
        let part = |n: u8| RandomState::new().hash_one(n);
        format!("{:016x}{:016x}", part(0), part(1))
    });
    [key, b":", what.as_bytes(), b":", secret.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;
    use super::super::testing::expires_at;
    use super::*;
    use crate::bits::oracle::{self, Random};

    /// Runs what the log would hold, in a world that was the same before.
    fn replay(db: &mut Session, log: impl FnOnce(Say<'_>)) {
        log(&mut |words| {
            let reply = db.ask(words);
            assert_ne!(reply[0], b'-', "{}", reply.escape_ascii());
        });
    }

    fn both(value: &[u8]) -> [Session; 2] {
        [(); 2].map(|()| {
            let mut db = Session::alone();
            if !value.is_empty() {
                db.ask([b"SET", b"k".as_slice(), value, b"PXAT", b"99999999999999"]);
            }
            db
        })
    }

    /// The same value and expiry, and no key besides.
    fn assert_alike([ours, replayed]: &mut [Session; 2], what: &str) {
        assert!(
            ours.ask(["GET", "k"]) == replayed.ask(["GET", "k"]),
            "{what}"
        );
        assert_eq!(expires_at(ours, "k"), expires_at(replayed, "k"), "{what}");
        assert_eq!(ours.say("DBSIZE"), replayed.say("DBSIZE"), "{what}");
    }

    #[test]
    fn the_log_of_a_range_sets_the_same_bits() {
        let mut random = Random::new(11);
        let noise = oracle::noise(3000);
        let lengths = [
            1, 7, 8, 9, 62, 63, 64, 65, 127, 128, 2000, 2048, 2049, 2100, 9000, 70_000,
        ];
        for value in [&noise[..0], &noise[..20], &noise] {
            for len in lengths {
                for start in [0, 3, 8, random.below(30_000)] {
                    for on in [false, true] {
                        let mut dbs = both(value);
                        let line =
                            format!("SETBITRANGE k {start} {} {}", start + len - 1, u8::from(on));
                        dbs[0].say(&line);
                        let at = expires_at(&dbs[0], "k");
                        replay(&mut dbs[1], |say| {
                            range(say, b"k", start..start + len, on, at)
                        });
                        assert_alike(&mut dbs, &line);
                    }
                }
            }
        }
    }

    #[test]
    fn the_log_of_a_long_range_is_short() {
        let (mut bytes, mut commands) = (0, 0);
        range(
            &mut |words| {
                bytes += words.iter().map(|word| word.len()).sum::<usize>();
                commands += 1;
            },
            b"k",
            5..4_294_967_290,
            true,
            None,
        );
        assert!(
            bytes < 1000 && commands < 10,
            "{bytes} bytes, {commands} commands"
        );
    }

    #[test]
    fn the_log_of_many_bits_is_one_command() {
        for on in [false, true] {
            let mut dbs = both(&oracle::noise(50));
            dbs[0].say(&format!("SETBITS k {} 900 3 3 17", u8::from(on)));
            let mut said = 0;
            replay(&mut dbs[1], |say| {
                bits(
                    &mut |words| {
                        said += 1;
                        say(words)
                    },
                    b"k",
                    &[900, 3, 3, 17],
                    on,
                );
            });
            assert_eq!(said, 1);
            assert_alike(&mut dbs, "SETBITS");
        }
    }
}
