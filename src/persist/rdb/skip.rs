//! Over the values of types that are not held here, to name them and to find what comes after.
//!
//! ```text
//! list, set              length, strings
//! hash                   length, fields and values in turn
//! sorted set             length, members (strings) and scores in turn; a score is 8 bytes, or in the older type a
//!                        length byte and digits, where 253, 254 and 255 stand for themselves
//! hash with expiries     i64 soonest (not before 7.4), length, for each: length expiry, field, value
//! quicklist              length, for each: length kind (not before 7.0), string
//! module value           length id, then pairs of a length and what it announces, until 0
//! stream                 see `stream`
//! the packed types       a string
//! ```

use std::io::Read;

use super::Error;
use super::format::length;
use super::input::{Input, Length};

/// The types of values, as their keys are announced. Type 0 is a string.
mod kind {
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET_2: u8 = 5;
    pub const MODULE: u8 = 7;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
    pub const HASH_EXPIRIES_RC: u8 = 22;
    pub const HASH_LISTPACK_EXPIRIES_RC: u8 = 23;
    pub const HASH_EXPIRIES: u8 = 24;
    pub const HASH_LISTPACK_EXPIRIES: u8 = 25;
}

/// What a person calls the type, in the singular; `None` where it is not known, or cannot be walked over.
pub fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        kind::LIST | kind::LIST_ZIPLIST | kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => "list",
        kind::SET | kind::SET_INTSET | kind::SET_LISTPACK => "set",
        kind::ZSET | kind::ZSET_2 | kind::ZSET_ZIPLIST | kind::ZSET_LISTPACK => "sorted set",
        kind::HASH
        | kind::HASH_ZIPMAP
        | kind::HASH_ZIPLIST
        | kind::HASH_LISTPACK
        | kind::HASH_EXPIRIES_RC
        | kind::HASH_LISTPACK_EXPIRIES_RC
        | kind::HASH_EXPIRIES
        | kind::HASH_LISTPACK_EXPIRIES => "hash",
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => "stream",
        kind::MODULE => "module value",
        _ => return None,
    })
}

/// Passes over a value of a type that has a [`name`].
pub fn skip<R: Read>(input: &mut Input<R>, kind: u8) -> Result<(), Error> {
    match kind {
        kind::LIST | kind::SET | kind::LIST_QUICKLIST => each(input, string),
        kind::HASH => each(input, |input| {
            string(input)?;
            string(input)
        }),
        kind::ZSET => each(input, |input| {
            string(input)?;
            match input.byte()? {
                253.. => Ok(()),
                digits => input.skip(digits.into()),
            }
        }),
        kind::ZSET_2 => each(input, |input| {
            string(input)?;
            input.skip(8)
        }),
        kind::LIST_QUICKLIST_2 => each(input, |input| {
            input.length()?;
            string(input)
        }),
        kind::HASH_EXPIRIES | kind::HASH_EXPIRIES_RC => {
            if kind == kind::HASH_EXPIRIES {
                input.skip(8)?;
            }
            each(input, |input| {
                input.length()?;
                string(input)?;
                string(input)
            })
        }
        kind::HASH_LISTPACK_EXPIRIES => {
            input.skip(8)?;
            string(input)
        }
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => stream(input, kind),
        kind::MODULE => module(input),
        _ => string(input),
    }
}

/// As many as a length says.
fn each<R: Read>(
    input: &mut Input<R>,
    mut item: impl FnMut(&mut Input<R>) -> Result<(), Error>,
) -> Result<(), Error> {
    let len = input.length()?;
    (0..len).try_for_each(|_| item(input))
}

fn lengths<R: Read>(input: &mut Input<R>, number: usize) -> Result<(), Error> {
    (0..number).try_for_each(|_| input.length().map(drop))
}

pub fn string<R: Read>(input: &mut Input<R>) -> Result<(), Error> {
    match input.length_or_encoding()? {
        Length::Plain(len) => input.skip(len),
        Length::Encoded(length::INT8) => input.skip(1),
        Length::Encoded(length::INT16) => input.skip(2),
        Length::Encoded(length::INT32) => input.skip(4),
        Length::Encoded(length::LZF) => {
            let compressed = input.length()?;
            input.length()?;
            input.skip(compressed)
        }
        Length::Encoded(_) => input.corrupt("no string is encoded so"),
    }
}

/// ```text
/// length, for each: string master id, string listpack
/// length entries, id last, [since 2: id first, id greatest deleted, length entries ever]
/// length, for each group: string name, id last, [since 2: length entries read]
///   length, for each pending: 16 bytes id, 8 bytes time, length deliveries
///   length, for each consumer: string name, 8 bytes time, [since 3: 8 bytes time]
///     length, for each pending: 16 bytes id
/// ```
/// An id in lengths is two of them.
fn stream<R: Read>(input: &mut Input<R>, kind: u8) -> Result<(), Error> {
    let (second, third) = (kind >= kind::STREAM_2, kind >= kind::STREAM_3);
    each(input, |input| {
        string(input)?;
        string(input)
    })?;
    lengths(input, if second { 8 } else { 3 })?;
    each(input, |input| {
        string(input)?;
        lengths(input, if second { 3 } else { 2 })?;
        each(input, |input| {
            input.skip(16 + 8)?;
            lengths(input, 1)
        })?;
        each(input, |input| {
            string(input)?;
            input.skip(if third { 16 } else { 8 })?;
            each(input, |input| input.skip(16))
        })
    })
}

/// A value of a module, or what a module wrote for itself, which begins with a pair that says when.
pub fn module<R: Read>(input: &mut Input<R>) -> Result<(), Error> {
    input.length()?;
    loop {
        match input.length()? {
            0 => return Ok(()),
            1 | 2 => lengths(input, 1)?,
            3 => input.skip(4)?,
            4 => input.skip(8)?,
            5 => string(input)?,
            _ => return input.corrupt("a module's value cannot be followed"),
        }
    }
}
