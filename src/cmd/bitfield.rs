//! BITFIELD and BITFIELD_RO: a string as an array of integers of any width, at any bit.
//!
//! The whole command is read before its first step runs, so an error anywhere means that nothing happened.

use std::sync::atomic::Ordering;

use smallvec::SmallVec;

use super::bitmap::bit_offset;
use super::ceiling::{self, CHUNK};
use super::{Args, CmdError, CmdResult, Context};
use crate::bits::View;
use crate::bits::field::{self, Overflow, Width};
use crate::number::parse_i64;
use crate::resp::{Reply, Request};
use crate::store::{Access, Look};
use crate::words::until_nul;

/// One step: a field, and what is done to it.
struct Step {
    at: u64,
    width: Width,
    action: Action,
}

/// Mostly one.
type Steps = SmallVec<[Step; 2]>;

enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

impl Step {
    /// The bit after the field's last.
    fn end(&self) -> u64 {
        self.at + self.width.bits()
    }

    fn is_read(&self) -> bool {
        matches!(self.action, Action::Get)
    }

    /// What becomes of a field that was `old`, and what is replied; None where OVERFLOW FAIL stores nothing.
    fn apply(&self, old: i64) -> Option<(i64, i64)> {
        Some(match self.action {
            Action::Get => (old, old),
            Action::Set(value, overflow) => (self.width.fit(value, overflow)?, old),
            Action::Add(by, overflow) => {
                let sum = self.width.add(old, by, overflow)?;
                (sum, sum)
            }
        })
    }
}

/// `BITFIELD key [GET type offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET type offset value | INCRBY type offset
/// increment> ...]`: reads and changes fields, one reply for each.
///
/// SET replies the old value, INCRBY the new one, and nil says that OVERFLOW FAIL stored nothing. If any step writes,
/// the string first grows to hold every field that is to be written, even if all of them fail then. If none does, no
/// key is created and what lies past the end reads as zero.
pub(super) fn bitfield(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let steps = take_steps(cx, args)?;
    let writes = || steps.iter().filter(|step| !step.is_read());
    match writes().map(Step::end).max() {
        None => Ok(read(cx, key, &steps)),
        Some(end) => {
            cx.expect(args.request(), |cx| {
                let len = cx.peek(key).map_or(0, |entry| entry.view().len());
                let chunks = 2 * writes().count() as u64; // each of which may have to be copied
                (chunks * CHUNK).min(ceiling::most_bytes(len.max(end.div_ceil(8)), u64::MAX))
            })?;
            Ok(change(cx, key, &steps, end))
        }
    }
}

/// `BITFIELD_RO key [GET type offset ...]`
pub(super) fn bitfield_ro(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let steps = take_steps(cx, args)?;
    if !steps.iter().all(Step::is_read) {
        return Err(CmdError::other(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    Ok(read(cx, key, &steps))
}

/// Runs steps of which none writes.
fn read(cx: &Context<'_>, key: &[u8], steps: &[Step]) -> Reply {
    let view = cx.view(key).unwrap_or(View::Flat(&[]));
    let values = steps
        .iter()
        .map(|step| Some(field::get(view, step.at, step.width)));
    Reply::Fields(values.collect())
}

/// Runs steps of which the one that writes farthest ends before bit `end`.
fn change(cx: &mut Context<'_>, key: &[u8], steps: &[Step], end: u64) -> Reply {
    let len = end.div_ceil(8);
    let (mut entry, _) = cx.edit_or_create(key);
    let grows = len > entry.view().len();
    if grows {
        entry.grow(len);
    }

    let mut changes = 0;
    let replies = steps.iter().map(|step| {
        if step.is_read() {
            return Some(field::get(entry.view(), step.at, step.width));
        }
        let mut reply = None;
        entry.update_field(step.at, step.width, |old| {
            let (new, answer) = step.apply(old)?;
            changes += u64::from(grows || new != old);
            reply = Some(answer);
            Some(new)
        });
        reply
    });
    let replies = Reply::Fields(replies.collect());

    if changes > 0 {
        cx.changed("setbit", key);
        // To who counts them, each step is a change.
        cx.world.changes.fetch_add(changes - 1, Ordering::Relaxed);
    }
    replies
}

/// Reads the steps, to the end of the arguments. An OVERFLOW holds for all steps after it.
fn take_steps(cx: &Context<'_>, mut args: Args<'_>) -> Result<Steps, CmdError> {
    let mut steps = Steps::new();
    let mut overflow = Overflow::Wrap;
    while !args.is_empty() {
        if args.take_word("GET") {
            steps.push(take_step(cx, &mut args, 2, |_| Ok(Action::Get))?);
        } else if args.take_word("SET") {
            steps.push(take_step(cx, &mut args, 3, |args| {
                Ok(Action::Set(args.take_i64()?, overflow))
            })?);
        } else if args.take_word("INCRBY") {
            steps.push(take_step(cx, &mut args, 3, |args| {
                Ok(Action::Add(args.take_i64()?, overflow))
            })?);
        } else if args.take_word("OVERFLOW") && !args.is_empty() {
            overflow = take_overflow(&mut args)?;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    Ok(steps)
}

/// Reads the type and the offset, and what `action` reads after them. All its `len` words have to be there before any of
/// them is judged.
fn take_step<'a>(
    cx: &Context<'_>,
    args: &mut Args<'a>,
    len: usize,
    action: impl FnOnce(&mut Args<'a>) -> Result<Action, CmdError>,
) -> Result<Step, CmdError> {
    if args.len() < len {
        return Err(CmdError::Syntax);
    }
    let width = width(args.take()?).ok_or(CmdError::other(
        "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
    ))?;
    Ok(Step {
        at: take_offset(cx, args, width)?,
        width,
        action: action(args)?,
    })
}

/// `i1` to `i64`, `u1` to `u63`.
fn width(text: &[u8]) -> Option<Width> {
    let (sign, bits) = until_nul(text).split_first()?;
    let bits = u64::try_from(parse_i64(bits)?).ok()?;
    match sign {
        b'i' => Width::signed(bits),
        b'u' => Width::unsigned(bits),
        _ => None,
    }
}

/// Reads `offset`, in bits, or `#index`, in fields of this width.
fn take_offset(cx: &Context<'_>, args: &mut Args<'_>, width: Width) -> Result<u64, CmdError> {
    bit_offset(cx, offset(args.take()?, width))
}

fn offset(text: &[u8], width: Width) -> Option<i64> {
    match text.strip_prefix(b"#") {
        None => parse_i64(text),
        // An index that overflows comes round to some offset or other, in Redis too.
        Some(index) => parse_i64(index).map(|index| index.wrapping_mul(width.bits() as i64)),
    }
}

/// Where the field of the first step begins, unless that is an OVERFLOW.
pub(super) fn bit(request: Request<'_>) -> Option<Look> {
    let width = width(request.get(3)?)?;
    let at = u64::try_from(offset(request.get(4)?, width)?).ok()?;
    let access = match request.get(2)?.eq_ignore_ascii_case(b"GET") {
        true => Access::Read,
        false => Access::Write,
    };
    Some((at, access))
}

fn take_overflow(args: &mut Args<'_>) -> Result<Overflow, CmdError> {
    if args.take_word("WRAP") {
        Ok(Overflow::Wrap)
    } else if args.take_word("SAT") {
        Ok(Overflow::Sat)
    } else if args.take_word("FAIL") {
        Ok(Overflow::Fail)
    } else {
        Err(CmdError::other("ERR Invalid OVERFLOW type specified"))
    }
}

#[cfg(test)]
#[path = "bitfield_tests.rs"]
mod tests;
