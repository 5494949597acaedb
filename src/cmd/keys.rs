//! Keys as such: COPY, DEL, EXISTS, KEYS, MOVE, RANDOMKEY, RENAME, RENAMENX, SCAN, TOUCH, TYPE, UNLINK.
//!
//! What a key holds does not matter here: a value goes from one name to another as it is, and a copy shares its chunks
//! until one of the two changes.

use super::connection::take_db;
use super::{Args, CmdError, CmdResult, Context};
use crate::glob;
use crate::resp::Reply;

/// `COPY source destination [DB index] [REPLACE]`: 1 if it was copied, its expiry with it.
///
/// 0 where there is no source, or where there is a destination and not REPLACE.
pub(super) fn copy(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (source, destination) = (args.take()?, args.take()?);
    let (mut db, mut replace) = (cx.client.db, false);
    while !args.is_empty() {
        if args.take_word("REPLACE") {
            replace = true;
        } else if args.take_word("DB") {
            let index = args.take()?;
            db = take_db(cx, index)?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if db == cx.client.db && source == destination {
        return Err(CmdError::SameObject);
    }

    let Some(entry) = cx.read(source) else {
        return Ok(Reply::Integer(0));
    };
    let overwrites = cx.keys().get(db, destination).is_some();
    if !replace && overwrites {
        return Ok(Reply::Integer(0));
    }
    let (value, expires_at) = (entry.value(), entry.expires_at());
    cx.keys_mut().delete(db, destination); // a new key, which nobody has accessed yet
    cx.keys_mut().put(db, destination, value, expires_at);
    cx.notify_new(db, destination);
    cx.changed_in(db, "copy_to", destination);
    if overwrites {
        cx.notify_overwritten(db, destination);
    }
    Ok(Reply::Integer(1))
}

/// `DEL key [key ...]`: how many there were.
pub(super) fn del(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let mut deleted = 0;
    for key in args.rest() {
        if cx.delete(key) {
            cx.changed("del", key);
            deleted += 1;
        }
    }
    Ok(Reply::Integer(deleted))
}

/// `UNLINK key [key ...]`: as DEL, which here also frees long values when nobody waits for it any more.
pub(super) fn unlink(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    del(cx, args)
}

/// `EXISTS key [key ...]`: how many are there; one named twice counts twice.
pub(super) fn exists(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let there = args.rest().filter(|key| cx.look(key).is_some()).count();
    Ok(Reply::Integer(there as i64))
}

/// `TOUCH key [key ...]`: counts as an access of each, also under CLIENT NO-TOUCH. How many are there.
pub(super) fn touch(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let touched = args.rest().filter_map(|key| cx.look(key));
    let there = touched.inspect(|entry| entry.touch()).count();
    Ok(Reply::Integer(there as i64))
}

/// `TYPE key`: `string`, as there is nothing else, or `none`.
pub(super) fn r#type(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let there = cx.look(args.take()?).is_some();
    let name = if there { STRING } else { "none" };
    Ok(Reply::Simple(name.into()))
}

/// The one type of value there is, as TYPE and SCAN name it.
const STRING: &str = "string";

/// `MOVE key db`: 1 if it went to the other database, with its expiry; 0 if it is not here, or already there.
pub(super) fn r#move(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let to = take_db(cx, args.take()?)?;
    let from = cx.client.db;
    if to == from {
        return Err(CmdError::SameObject);
    }

    if cx.edit(key).is_none() || cx.keys().get(to, key).is_some() {
        return Ok(Reply::Integer(0));
    }
    let Some(moved) = cx.remove(key) else {
        return Ok(Reply::Integer(0));
    };
    cx.keys_mut().put(to, key, moved.value, moved.expires_at);
    cx.notify_new(to, key);
    cx.left(from, "move_from", key);
    cx.changed_in(to, "move_to", key);
    Ok(Reply::Integer(1))
}

/// `RENAME key newkey`: whatever `newkey` was, it is now what `key` was, expiry included.
pub(super) fn rename(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    rename_if(cx, args, |_| true)?;
    Ok(Reply::Ok)
}

/// `RENAMENX key newkey`: as RENAME, unless there is a `newkey` already; 1 if it was renamed.
pub(super) fn renamenx(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let renamed = rename_if(cx, args, |newkey_exists| !newkey_exists)?;
    Ok(Reply::Integer(renamed.into()))
}

/// Renames if `allowed` says so, told whether the new name is taken. A key's own name is, and changes nothing.
fn rename_if(
    cx: &mut Context<'_>,
    mut args: Args<'_>,
    allowed: fn(bool) -> bool,
) -> Result<bool, CmdError> {
    let (from, to) = (args.take()?, args.take()?);
    if cx.edit(from).is_none() {
        return Err(CmdError::NoSuchKey);
    }
    let overwrites = cx.peek(to).is_some();
    if from == to || !allowed(overwrites) {
        return Ok(false);
    }
    let moved = cx.remove(from).ok_or(CmdError::NoSuchKey)?;
    cx.delete(to); // a new key, which nobody has accessed yet
    let db = cx.client.db;
    cx.keys_mut().put(db, to, moved.value, moved.expires_at);
    cx.notify_new(db, to);
    cx.left(db, "rename_from", from);
    cx.changed("rename_to", to);
    if overwrites {
        cx.notify_overwritten(db, to);
    }
    Ok(true)
}

/// `RANDOMKEY`: any key, nil if there is none.
pub(super) fn randomkey(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let key = cx.keys().random_key(cx.client.db);
    Ok(key.map_or(Reply::Null, |key| Reply::bulk(&*key)))
}

/// `KEYS pattern`: every key that matches.
pub(super) fn keys(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let pattern = Pattern::new(args.take()?);
    let mut found = Vec::new();
    cx.keys().scan(cx.client.db, 0, usize::MAX, |key, _| {
        if pattern.admits(key) {
            found.push(Reply::bulk(key));
        }
    });
    Ok(Reply::Array(found))
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`: some keys, and the cursor to ask for more with; "0" begins and
/// ends.
///
/// About `count` keys are looked at, whether or not they match; a key may come twice, and one that is there from the
/// first call to the last comes at least once.
pub(super) fn scan(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let cursor = parse_cursor(args.take()?).ok_or_else(|| CmdError::other("ERR invalid cursor"))?;
    let (mut pattern, mut count, mut of_type) = (None, 10, true);
    while !args.is_empty() {
        if args.take_word("COUNT") {
            let wanted = args.take_i64()?;
            count = usize::try_from(wanted)
                .ok()
                .filter(|&wanted| wanted > 0)
                .ok_or(CmdError::Syntax)?;
        } else if args.take_word("MATCH") {
            pattern = Some(Pattern::new(args.take()?));
        } else if args.take_word("TYPE") {
            of_type = args.take_word(STRING);
            if !of_type {
                args.take()?;
            }
        } else if args.take_word("NOVALUES") {
            return Err(CmdError::other(
                "ERR NOVALUES option can only be used in HSCAN",
            ));
        } else {
            return Err(CmdError::Syntax);
        }
    }

    let mut found = Vec::new();
    let next = cx.keys().scan(cx.client.db, cursor, count, |key, _| {
        if of_type && pattern.as_ref().is_none_or(|pattern| pattern.admits(key)) {
            found.push(Reply::bulk(key));
        }
    });
    Ok(Reply::Array(vec![
        Reply::bulk(next.to_string()),
        Reply::Array(found),
    ]))
}

/// Which keys are asked for.
struct Pattern<'a>(Option<&'a [u8]>);

impl<'a> Pattern<'a> {
    fn new(pattern: &'a [u8]) -> Self {
        // A lone star means all, the empty key too, which a star does not match.
        Self((pattern != b"*").then_some(pattern))
    }

    fn admits(&self, key: &[u8]) -> bool {
        self.0.is_none_or(|pattern| glob::matches(pattern, key))
    }
}

/// Reads a cursor as loosely as Redis does, which is as `strtoull` does: space before it, a sign and leading zeros are
/// all right, a NUL ends it, and a negative number counts back from 2^64. Only a plain negative one is refused.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    if matches!(crate::number::parse_i64(text), Some(..0)) {
        return None;
    }
    let end = text.iter().position(|&byte| byte == 0);
    let text = &text[..end.unwrap_or(text.len())];
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let (negative, digits) = match &text[start..] {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    if !digits.first()?.is_ascii_digit() {
        return None; // `parse` would take another sign
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative {
        number.wrapping_neg()
    } else {
        number
    })
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
