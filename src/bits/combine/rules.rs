//! What absent, full and equal sources settle without a look at a single bit.

use super::Op;
use crate::bits::slot::Slot;
use crate::bits::tree;

/// What is left to do.
pub enum Settled<'a> {
    Absent,
    /// The result is this source.
    Same(&'a Slot),
    /// This operator over these sources, at least two, none absent.
    Compute(Op, Vec<&'a Slot>),
}

/// `op` (not NOT) over slots of this height, at least one.
pub fn settle<'a>(op: Op, height: u32, sources: &[&'a Slot]) -> Settled<'a> {
    let (x, ys) = sources.split_first().expect("at least one source");
    let full = |slot: &&'a Slot| tree::is_full(slot, height);
    let present = |slots: &[&'a Slot]| {
        slots
            .iter()
            .copied()
            .filter(|slot| !slot.is_absent())
            .collect::<Vec<_>>()
    };
    let same_as_x = |slot: &&'a Slot| slot.same(x);
    match op {
        Op::And if sources.iter().any(|source| source.is_absent()) => Settled::Absent,
        Op::And => {
            let mut some = sources.to_vec();
            some.retain(|source| !full(source));
            some.dedup_by(|a, b| a.same(b));
            few_or(op, some, x)
        }
        Op::Or => {
            let mut some = present(sources);
            if let Some(full) = some.iter().copied().find(full) {
                return Settled::Same(full);
            }
            some.dedup_by(|a, b| a.same(b));
            few(op, some)
        }
        Op::Xor => match *present(sources) {
            [a, b] if a.same(b) => Settled::Absent,
            ref some => few(op, some.to_vec()),
        },
        Op::One => few(op, present(sources)),
        Op::Diff if x.is_absent() || ys.iter().any(|y| full(y) || same_as_x(y)) => Settled::Absent,
        Op::Diff => few(op, with_x(x, present(ys))),
        Op::Diff1 if x.is_absent() => settle_ys(Op::Or, height, ys),
        Op::Diff1 => match present(ys) {
            some if some.is_empty() || full(x) || some.iter().all(same_as_x) => Settled::Absent,
            some => Settled::Compute(op, with_x(x, some)),
        },
        Op::AndOr => match present(ys) {
            some if some.is_empty() || x.is_absent() => Settled::Absent,
            some if some.iter().any(|y| full(y) || same_as_x(y)) => Settled::Same(x),
            _ if full(x) => settle_ys(Op::Or, height, ys),
            some => Settled::Compute(op, with_x(x, some)),
        },
        Op::Not => unreachable!("has its own road"),
    }
}

fn settle_ys<'a>(op: Op, height: u32, ys: &[&'a Slot]) -> Settled<'a> {
    if ys.is_empty() {
        Settled::Absent
    } else {
        settle(op, height, ys)
    }
}

fn with_x<'a>(x: &'a Slot, mut ys: Vec<&'a Slot>) -> Vec<&'a Slot> {
    ys.insert(0, x);
    ys
}

/// For operators to which absent sources mean nothing, and of which one source alone is the result.
fn few(op: Op, some: Vec<&Slot>) -> Settled<'_> {
    match *some {
        [] => Settled::Absent,
        [only] => Settled::Same(only),
        _ => Settled::Compute(op, some),
    }
}

/// As [`few`], where no source that is left means that the result is `all`.
fn few_or<'a>(op: Op, some: Vec<&'a Slot>, all: &'a Slot) -> Settled<'a> {
    if some.is_empty() {
        Settled::Same(all)
    } else {
        few(op, some)
    }
}
