//! Many bits at once: SETBITS, GETBITS, SETBITRANGE.

use std::ops::Range;

use super::bitmap::{OffsetLimit, bit_offset, take_bit_value};
use super::ceiling::{self, CHUNK};
use super::{Args, CmdError, CmdResult, Context, aside, bitlog};
use crate::number::parse_i64;
use crate::resp::{Integers, Reply};

/// More bits than this are read off the locks: each may wait for memory.
const LONG: usize = 10_000;

const CHUNK_BITS: u64 = 1 << 16;

/// What a chunk of ones only takes in memory, and what leads to it.
const FULL_CHUNK: u64 = 64;

/// Reads offsets to the end of the arguments.
fn take_offsets(cx: &Context<'_>, args: Args<'_>) -> Result<Vec<u64>, CmdError> {
    let limit = OffsetLimit::of(cx);
    args.rest()
        .map(|offset| limit.judge(parse_i64(offset)))
        .collect()
}

/// `SETBITS key value offset [offset ...]`: sets the bits to one value, and replies how many were not so before.
///
/// A string too short to hold them all grows, also for 0, as with SETBIT. One that is named twice changes once.
pub(super) fn setbits(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let on = take_bit_value(&mut args)?;
    let request = args.request();
    let offsets = take_offsets(cx, args)?;
    cx.expect(request, |cx| {
        let (len, ones) = size_of(cx, key);
        let end = offsets.iter().max().map_or(0, |last| last / 8 + 1);
        let new = offsets.len() as u64;
        (new * CHUNK).min(ceiling::most_bytes(len.max(end), ones.saturating_add(new)))
    })?;

    let (mut entry, created) = cx.edit_or_create(key);
    let before = entry.view().len();
    let changed = entry.set_bits(&offsets, on);
    if created || changed > 0 || entry.view().len() > before {
        cx.changed("setbit", key);
        cx.log_as(|say| bitlog::bits(say, key, &offsets, on));
    }
    Ok(Reply::Integer(changed as i64))
}

/// `GETBITS key offset [offset ...]`: each bit; 0 past the end and for a missing key.
pub(super) fn getbits(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let key = args.take()?;
    let offsets = take_offsets(cx, args)?;
    let (key, long) = (std::iter::once(key), offsets.len() > LONG);
    let bits: Integers = aside::look(cx, request, key, long, |_, views| {
        let bits = offsets.iter().map(|offset| views[0].get(*offset));
        bits.map(u64::from).collect()
    });
    Ok(Reply::Integers(bits))
}

/// `SETBITRANGE key start end value`: sets all bits from start to end to one value, and replies how many were not so
/// before.
///
/// Both ends are included, and count back from the end of the string when negative, as in BITCOUNT with BIT; but past
/// the end the string grows to hold them, also for 0. Ends in the wrong order mean no bits, and then no key is made.
pub(super) fn setbitrange(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let ends = [args.take_i64()?, args.take_i64()?];
    for end in ends {
        bit_offset(cx, Some(end.max(0)))?;
    }
    let on = take_bit_value(&mut args)?;

    cx.expect(args.request(), |cx| {
        let bits = resolve(ends, size_of(cx, key).0);
        bits.map_or(0, |bits| {
            2 * CHUNK + (bits.end - bits.start) / CHUNK_BITS * FULL_CHUNK
        })
    })?;
    let len = cx.peek(key).map_or(0, |entry| entry.view().len());
    let Some(bits) = resolve(ends, len) else {
        return Ok(Reply::Integer(0));
    };
    let (mut entry, created) = cx.edit_or_create(key);
    let changed = entry.set_range(bits.clone(), on);
    let expires_at = entry.as_ref().expires_at();
    if created || changed > 0 || entry.view().len() > len {
        cx.changed("setbit", key);
        cx.log_as(|say| bitlog::range(say, key, bits, on, expires_at));
    }
    Ok(Reply::Integer(changed as i64))
}

/// Length in bytes and number of ones.
fn size_of(cx: &Context<'_>, key: &[u8]) -> (u64, u64) {
    cx.peek(key)
        .map_or((0, 0), |entry| (entry.view().len(), entry.view().ones()))
}

/// The bits meant by two ends in a string of `len` bytes. Only a negative end is pulled to the edge of the string.
fn resolve([start, end]: [i64; 2], len: u64) -> Option<Range<u64>> {
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let bits = i128::from(len) * 8;
    let from_end = |back: i64| (i128::from(back) + bits).max(0);
    let start = match start {
        0.. => start.into(),
        back => from_end(back),
    };
    let end = match end {
        0.. => end.into(),
        back => from_end(back).min(bits - 1),
    };
    (start <= end).then(|| start as u64..end as u64 + 1)
}

#[cfg(test)]
#[path = "bitmany_tests.rs"]
mod tests;
