//! Strings as numbers: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.
//!
//! A missing key counts as 0. The expiry stays.

use std::borrow::Cow;

use super::long_double::{self, LongDouble};
use super::{Args, CmdError, CmdResult, Context};
use crate::bits::View;
use crate::number::parse_i64;
use crate::resp::Reply;
use crate::store::{Encoding, Value};

/// The longest decimal integer of 64 bits, sign included, in bytes.
const INTEGER_MAX: usize = 20;

/// `INCR key`
pub(super) fn incr(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    add(cx, args.take()?, 1)
}

/// `DECR key`
pub(super) fn decr(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    add(cx, args.take()?, -1)
}

/// `INCRBY key increment`
pub(super) fn incrby(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (key, by) = (args.take()?, args.take_i64()?);
    add(cx, key, by)
}

/// `DECRBY key decrement`: the smallest integer has no opposite and is refused.
pub(super) fn decrby(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (key, by) = (args.take()?, args.take_i64()?);
    let by = by
        .checked_neg()
        .ok_or(CmdError::other("ERR decrement would overflow"))?;
    add(cx, key, by)
}

/// Adds to the integer at `key` and replies the sum.
fn add(cx: &mut Context<'_>, key: &[u8], by: i64) -> CmdResult {
    let old = match cx.edit(key) {
        None => 0,
        Some(entry) => text_of(entry.view(), INTEGER_MAX)
            .and_then(|text| parse_i64(&text))
            .ok_or(CmdError::NotAnInteger)?,
    };
    let sum = old
        .checked_add(by)
        .ok_or(CmdError::other("ERR increment or decrement would overflow"))?;
    replace(cx, key, Value::set(sum.to_string().as_bytes()));
    cx.changed("incrby", key);
    Ok(Reply::Integer(sum))
}

/// `INCRBYFLOAT key increment`: adds in 80 bits, and replies the sum with at most 17 digits after the point.
///
/// What is stored is that text, so a whole number is an integer to INCR. OBJECT ENCODING tells it from one all the same.
pub(super) fn incrbyfloat(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (key, by) = (args.take()?, args.take()?);
    let old = match cx.edit(key) {
        None => LongDouble::ZERO,
        Some(entry) => text_of(entry.view(), long_double::TEXT_MAX)
            .and_then(|text| LongDouble::parse(&text))
            .ok_or(CmdError::NotAFloat)?,
    };
    let by = LongDouble::parse(by).ok_or(CmdError::NotAFloat)?;
    let sum = old.add(by).ok_or(CmdError::other(
        "ERR increment would produce NaN or Infinity",
    ))?;
    let text = sum.text();
    let value = match Value::set(text.as_bytes()) {
        Value::Flat(bytes, Encoding::Int) => Value::Flat(bytes, Encoding::Embstr),
        value => value,
    };
    replace(cx, key, value);
    cx.changed("incrbyfloat", key);
    cx.log_as(|say| say(&[b"SET", key, text.as_bytes(), b"KEEPTTL"]));
    Ok(Reply::bulk(text))
}

/// Stores what a number became, keeping the expiry. Looking the number up was the access.
fn replace(cx: &mut Context<'_>, key: &[u8], value: Value) {
    let db = cx.client.db;
    if let Some(mut entry) = cx.keys_mut().get_mut(db, key) {
        entry.replace(value);
    } else {
        cx.put(key, value, None);
    }
}

/// The bytes of a string, unless it is longer than any number: the bytes of a long bitmap are not to be built.
fn text_of(view: View<'_>, max: usize) -> Option<Cow<'_, [u8]>> {
    match view {
        View::Flat(bytes) => Some(bytes.into()),
        View::Chunked(bitmap) if bitmap.len() <= max as u64 => Some(view.to_vec().into()),
        View::Chunked(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;
    use super::super::testing::{changes_of, encoding, expires_at, session_at};

    const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range\r\n";

    #[test]
    fn integers_are_counted_up_and_down() {
        let mut db = Session::alone();
        assert_eq!(db.say("INCR k"), ":1\r\n");
        assert_eq!(db.say("INCRBY k 41"), ":42\r\n");
        assert_eq!(db.say("DECR k"), ":41\r\n");
        assert_eq!(db.say("DECRBY k 50"), ":-9\r\n");
        assert_eq!(db.say("GET k"), "$2\r\n-9\r\n");
        assert_eq!(encoding(&db, "k"), "int");
        assert_eq!(changes_of(&mut db, "INCRBY k 0"), 1);
        db.say("SETRANGE k 0 17");
        assert_eq!(encoding(&db, "k"), "raw");
        assert_eq!(db.say("INCR k"), ":18\r\n");
        assert_eq!(encoding(&db, "k"), "int");
    }

    #[test]
    fn a_sum_past_64_bits_changes_nothing() {
        let mut db = Session::alone();
        const OVERFLOW: &str = "-ERR increment or decrement would overflow\r\n";
        db.say("SET k 9223372036854775807");
        assert_eq!(db.say("INCR k"), OVERFLOW);
        assert_eq!(db.say("INCRBY k 9223372036854775807"), OVERFLOW);
        assert_eq!(db.say("DECRBY k -1"), OVERFLOW);
        assert_eq!(db.say("GET k"), "$19\r\n9223372036854775807\r\n");
        db.say("SET k -9223372036854775808");
        assert_eq!(db.say("DECR k"), OVERFLOW);
        assert_eq!(
            db.say("DECRBY k -9223372036854775808"),
            "-ERR decrement would overflow\r\n"
        );
        assert_eq!(db.say("INCRBY k 9223372036854775808"), NOT_AN_INTEGER);
    }

    #[test]
    fn only_what_is_written_as_an_integer_is_counted() {
        let mut db = Session::alone();
        for value in ["", " 1", "01", "+1", "1.0", "x", "111111111111111111111"] {
            db.ask(["SET", "k", value]);
            assert_eq!(db.say("INCR k"), NOT_AN_INTEGER, "{value:?}");
        }
        db.say("SETBIT long 100000 1");
        assert_eq!(db.say("INCR long"), NOT_AN_INTEGER);
        assert_eq!(
            db.say("INCRBYFLOAT long 1"),
            "-ERR value is not a valid float\r\n"
        );
    }

    #[test]
    fn floats_are_added_in_80_bits_and_stored_as_text() {
        let mut db = Session::alone();
        assert_eq!(db.say("INCRBYFLOAT k 0.1"), "$3\r\n0.1\r\n");
        assert_eq!(db.say("INCRBYFLOAT k 0.2"), "$3\r\n0.3\r\n");
        assert_eq!(db.say("INCRBYFLOAT k 6.7e0"), "$1\r\n7\r\n");
        assert_eq!(encoding(&db, "k"), "embstr");
        assert_eq!(db.say("INCR k"), ":8\r\n");
        assert_eq!(changes_of(&mut db, "INCRBYFLOAT k 0"), 1);
        assert_eq!(
            db.say("INCRBYFLOAT k inf"),
            "-ERR increment would produce NaN or Infinity\r\n"
        );
        assert_eq!(
            db.say("INCRBYFLOAT k 1e"),
            "-ERR value is not a valid float\r\n"
        );
        assert_eq!(db.say("GET k"), "$1\r\n8\r\n");
        db.say("INCRBYFLOAT k 1e50");
        assert_eq!(encoding(&db, "k"), "raw");
        assert_eq!(db.say("STRLEN k"), ":51\r\n");
    }

    #[test]
    fn counting_keeps_the_time() {
        let (mut db, _) = session_at(1000);
        for line in ["INCR k", "DECRBY k 5", "INCRBYFLOAT k 1.5"] {
            db.say("SET k 1 PX 50");
            db.say(line);
            assert_eq!(expires_at(&db, "k"), Some(1050), "{line}");
        }
    }
}
