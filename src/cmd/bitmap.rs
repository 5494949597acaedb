//! The bitmap commands of one key: SETBIT, GETBIT, BITCOUNT, BITPOS.
//!
//! Each handler reads its arguments to the end, then looks at keys, then replies. The bits themselves are
//! `crate::bits`; nothing here shifts or masks.

use super::{Args, CmdError, CmdResult, Context};
use crate::bits::span::{Span, Unit};
use crate::number::parse_i64;
use crate::resp::{Reply, Request};
use crate::store::{Access, Look};

/// How far bit offsets go.
#[derive(Clone, Copy)]
pub(super) struct OffsetLimit {
    bytes: u64,
}

impl OffsetLimit {
    /// `proto-max-bulk-len`, even where the command only reads.
    #[inline]
    pub(super) fn of(cx: &Context<'_>) -> Self {
        let bytes = if cx.client.replays {
            i64::MAX as u64
        } else {
            cx.world.config.proto_max_bulk_len()
        };
        Self { bytes }
    }

    /// Judges an offset.
    #[inline]
    pub(super) fn judge(self, offset: Option<i64>) -> Result<u64, CmdError> {
        offset
            .and_then(|offset| u64::try_from(offset).ok())
            .filter(|offset| offset / 8 < self.bytes)
            .ok_or(CmdError::BitOffset)
    }
}

#[inline(always)]
pub(super) fn bit_offset(cx: &Context<'_>, offset: Option<i64>) -> Result<u64, CmdError> {
    OffsetLimit::of(cx).judge(offset)
}

#[inline(always)]
pub(super) fn take_offset(cx: &Context<'_>, args: &mut Args<'_>) -> Result<u64, CmdError> {
    bit_offset(cx, parse_i64(args.take()?))
}

/// Reads `BYTE` or `BIT`.
fn take_unit(args: &mut Args<'_>) -> Result<Unit, CmdError> {
    if args.take_word("BIT") {
        Ok(Unit::Bit)
    } else if args.take_word("BYTE") {
        Ok(Unit::Byte)
    } else {
        Err(CmdError::Syntax)
    }
}

/// Reads what bits are to be set to.
pub(super) fn take_bit_value(args: &mut Args<'_>) -> Result<bool, CmdError> {
    match parse_i64(args.take()?) {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(CmdError::BitValue),
    }
}

/// `SETBIT key offset value`: sets one bit, and replies what it was.
///
/// A string too short to hold the bit grows, also for a 0. Setting a bit to what it already is, inside the string, is
/// no change; the encoding becomes raw all the same.
pub(super) fn setbit(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let offset = take_offset(cx, &mut args)?;
    let on = take_bit_value(&mut args)?;

    let (mut entry, created) = cx.edit_or_create(key);
    let grows = created || offset / 8 >= entry.view().len();
    let was = entry.set_bit(offset, on);
    if grows || was != on {
        cx.changed("setbit", key);
    }
    Ok(Reply::Integer(was.into()))
}

/// The bit that GETBIT looks at.
pub(super) fn bit_read(request: Request<'_>) -> Option<Look> {
    Some((bit(request)?, Access::Read))
}

/// The bit that SETBIT looks at.
pub(super) fn bit_set(request: Request<'_>) -> Option<Look> {
    Some((bit(request)?, Access::Write))
}

fn bit(request: Request<'_>) -> Option<u64> {
    u64::try_from(parse_i64(request.get(2)?)?).ok()
}

/// `GETBIT key offset`: one bit; 0 past the end and for a missing key.
pub(super) fn getbit(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let offset = take_offset(cx, &mut args)?;
    let bit = cx.view(key).is_some_and(|bytes| bytes.get(offset));
    Ok(Reply::Integer(bit.into()))
}

/// `BITCOUNT key [start [end [BYTE | BIT]]]`: how many bits are one.
///
/// Both ends are included, and count back from the end of the string when negative; ends outside the string are pulled
/// to its edge. A start alone, which Redis calls a syntax error, goes to the end of the string as in Valkey. Arguments are judged before the key, so a bad range is reported even for a missing key.
pub(super) fn bitcount(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    // Anything after the unit is judged before the numbers are.
    if args.len() > 3 {
        return Err(CmdError::Syntax);
    }
    let span = match args.is_empty() {
        true => None,
        false => {
            let start = args.take_i64()?;
            let end = if args.is_empty() {
                -1
            } else {
                args.take_i64()?
            };
            let unit = if args.is_empty() {
                Unit::Byte
            } else {
                take_unit(&mut args)?
            };
            Some(Span { start, end, unit })
        }
    };

    let count = cx.view(key).map_or(0, |bytes| match span {
        None => bytes.ones(),
        Some(span) => bytes.count(span.resolve(bytes.len())),
    });
    Ok(Reply::Integer(count as i64))
}

/// Reads which bits are looked for.
pub(super) fn take_bit_sought(args: &mut Args<'_>) -> Result<bool, CmdError> {
    match args.take_i64()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(CmdError::BitArgument),
    }
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`: where the first such bit is, -1 if there is none.
///
/// Looking for a 0 without naming an end, the string is thought to go on in zeros for ever: a string of ones answers
/// its length in bits. A missing key is zeros too; an empty range has nothing in it.
pub(super) fn bitpos(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let bit = take_bit_sought(&mut args)?;
    if args.len() > 3 {
        return Err(CmdError::Syntax);
    }
    let start = if args.is_empty() { 0 } else { args.take_i64()? };
    let ends = !args.is_empty();
    // The unit is judged before the end that stands in front of it.
    let unit = match args.rest().nth(1) {
        Some(_) => {
            let mut unit = args;
            unit.take()?;
            take_unit(&mut unit)?
        }
        None => Unit::Byte,
    };
    let end = if ends { args.take_i64()? } else { -1 };

    let Some(bytes) = cx.view(key) else {
        return Ok(Reply::Integer(if bit { -1 } else { 0 }));
    };
    let range = Span { start, end, unit }.resolve_for_search(bytes.len());
    if range.is_empty() {
        return Ok(Reply::Integer(-1));
    }
    let found = match bytes.find(bit, range) {
        Some(at) => at as i64,
        None if !bit && !ends => bytes.len() as i64 * 8,
        None => -1,
    };
    Ok(Reply::Integer(found))
}

#[cfg(test)]
#[path = "bitmap_tests.rs"]
mod tests;
