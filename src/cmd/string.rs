//! The string commands that neither count nor set a time: GET and GETRANGE, APPEND and SETRANGE, and those that take
//! several keys. SET and its relatives are in `set`, numbers in `counter`.
//!
//! A string and a bitmap are one thing, and it may be much longer than what is in it: nothing here builds the bytes of
//! a long one.

use super::{Args, CmdError, CmdResult, Context, bulk};
use crate::bits::span::{Span, Unit};
use crate::resp::Reply;

/// `GET key`: the value, or nil.
pub(super) fn get(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    Ok(cx.view(key).map_or(Reply::Null, bulk::whole))
}

/// `GETDEL key`: the value, or nil; the key is gone.
pub(super) fn getdel(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let value = cx.view(key).map(bulk::whole);
    if value.is_some() {
        cx.remove(key);
        cx.changed("del", key);
        cx.log_as(|say| say(&[b"DEL", key]));
    }
    Ok(value.unwrap_or(Reply::Null))
}

/// `GETSET key value`: sets the key, for ever, and replies what it was, or nil.
pub(super) fn getset(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (key, value) = (args.take()?, args.take()?);
    let old = cx.view(key).map_or(Reply::Null, bulk::whole);
    cx.put_bytes(key, value, None);
    cx.changed("set", key);
    cx.log_as(|say| say(&[b"SET", key, value]));
    Ok(old)
}

/// `STRLEN key`: the length in bytes, 0 for a missing key.
pub(super) fn strlen(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let len = cx.view(key).map_or(0, |bytes| bytes.len());
    Ok(Reply::Integer(len as i64))
}

/// `GETRANGE key start end`: the bytes from `start` to `end`, both included, both counted from the end when negative.
///
/// What lies outside the string is left out; a missing key is an empty string.
pub(super) fn getrange(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let span = Span::new(args.take_i64()?, args.take_i64()?, Unit::Byte);
    Ok(cx.view(key).map_or(Reply::bulk(""), |bytes| {
        let bits = span.resolve(bytes.len());
        bulk::piece(bytes, bits.start / 8..bits.end / 8)
    }))
}

/// `SUBSTR key start end`: GETRANGE's first name.
pub(super) fn substr(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    getrange(cx, args)
}

/// `APPEND key value`: adds bytes at the end, and replies the length.
///
/// Adding nothing is a change all the same. A missing key is set to the value, as SET would.
pub(super) fn append(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (key, value) = (args.take()?, args.take()?);
    let old = cx.edit(key).map(|entry| entry.view().len());
    let len = old.unwrap_or(0) + value.len() as u64;
    match old {
        None => cx.put_bytes(key, value, None),
        Some(end) => {
            cx.check_length(len)?;
            let db = cx.client.db;
            cx.keys_mut().get_or_create(db, key).0.write(end, value);
        }
    }
    cx.changed("append", key);
    Ok(Reply::Integer(len as i64))
}

/// `SETRANGE key offset value`: overwrites the bytes from `offset` on, and replies the length.
///
/// A string too short for it is filled up with zeros. Writing nothing changes nothing and creates no key.
pub(super) fn setrange(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let offset = u64::try_from(args.take_i64()?)
        .map_err(|_| CmdError::other("ERR offset is out of range"))?;
    let value = args.take()?;
    if value.is_empty() {
        let len = cx.edit(key).map_or(0, |entry| entry.view().len());
        return Ok(Reply::Integer(len as i64));
    }
    cx.check_length(offset + value.len() as u64)?;

    let (mut entry, _) = cx.edit_or_create(key);
    entry.write(offset, value);
    let len = entry.view().len();
    cx.changed("setrange", key);
    Ok(Reply::Integer(len as i64))
}

/// `MGET key [key ...]`: each value, or nil.
pub(super) fn mget(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let values = args
        .rest()
        .map(|key| cx.view(key).map_or(Reply::Null, bulk::whole));
    Ok(Reply::Array(values.collect()))
}

/// `MSET key value [key value ...]`: sets all of them, for ever. A key named twice has its last value.
pub(super) fn mset(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    pairs_only(cx, &args)?;
    set_pairs(cx, args)?;
    Ok(Reply::Ok)
}

/// `MSETNX key value [key value ...]`: as MSET, but sets none where one of them exists. Replies 1 or 0.
pub(super) fn msetnx(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    pairs_only(cx, &args)?;
    if args.rest().step_by(2).any(|key| cx.edit(key).is_some()) {
        return Ok(Reply::Integer(0));
    }
    set_pairs(cx, args)?;
    Ok(Reply::Integer(1))
}

fn pairs_only(cx: &Context<'_>, args: &Args<'_>) -> Result<(), CmdError> {
    if args.len().is_multiple_of(2) {
        Ok(())
    } else {
        Err(CmdError::Arity(cx.command.name))
    }
}

fn set_pairs(cx: &mut Context<'_>, mut args: Args<'_>) -> Result<(), CmdError> {
    /// What a key and a short value need besides their own bytes, which were counted when they arrived.
    const PAIR: u64 = 64;
    cx.expect(args.request(), |_| args.len() as u64 / 2 * PAIR)?;
    while !args.is_empty() {
        let (key, value) = (args.take()?, args.take()?);
        cx.put_bytes(key, value, None);
        cx.changed("set", key);
    }
    Ok(())
}

#[cfg(test)]
#[path = "string_tests.rs"]
mod tests;
