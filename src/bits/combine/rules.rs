//! What absent, full and equal sources settle without a look at a single bit.

use super::Op;
use crate::bits::slot::Slot;
use crate::bits::tree;

/// What is left to do.
pub enum Settled<'a> {
    Absent,
    /// The result is this source.
    Same(&'a Slot),
    /// This operator over the sources that are left, at least two, none absent.
    Compute(Op),
}

/// `op` (not NOT) over slots of this height, at least one. Sources that mean nothing to the result are taken out.
pub fn settle<'a>(op: Op, height: u32, sources: &mut Vec<&'a Slot>) -> Settled<'a> {
    let x = sources[0];
    let full = |slot: &Slot| tree::is_full(slot, height);
    let decides = |slot: &&'a Slot| full(slot) || slot.same(x);
    match op {
        Op::And if sources.iter().any(|source| source.is_absent()) => Settled::Absent,
        Op::And => {
            sources.retain(|source| !full(source));
            sources.dedup_by(|a, b| a.same(b));
            if sources.is_empty() {
                Settled::Same(x)
            } else {
                left(op, sources)
            }
        }
        Op::Or => {
            keep_present(sources);
            if let Some(full) = sources.iter().find(|source| full(source)) {
                return Settled::Same(full);
            }
            sources.dedup_by(|a, b| a.same(b));
            left(op, sources)
        }
        Op::Xor | Op::One => {
            keep_present(sources);
            if let [a, b] = sources[..]
                && a.same(b)
            {
                return Settled::Absent;
            }
            // Two full ones cancel out, or leave nothing that only one has. Where they stand for 2^40 bytes, walking
            // them would take for ever.
            let whole = sources.iter().filter(|source| full(source)).count();
            if whole >= 2 && op == Op::One {
                return Settled::Absent;
            }
            let mut cancelled = whole / 2 * 2;
            sources.retain(|source| {
                let cancels = cancelled > 0 && full(source);
                cancelled -= usize::from(cancels);
                !cancels
            });
            left(op, sources)
        }
        Op::Diff if x.is_absent() || sources[1..].iter().any(decides) => Settled::Absent,
        Op::Diff => {
            keep_present(sources);
            left(op, sources)
        }
        Op::Diff1 if x.is_absent() => settle_ys(height, sources),
        Op::Diff1 => {
            keep_present(sources);
            if full(x) || sources[1..].iter().all(|y| y.same(x)) {
                Settled::Absent
            } else {
                Settled::Compute(op)
            }
        }
        Op::AndOr if x.is_absent() => Settled::Absent,
        Op::AndOr => {
            keep_present(sources);
            match sources[1..] {
                [] => Settled::Absent,
                ref ys if ys.iter().any(decides) => Settled::Same(x),
                _ if full(x) => settle_ys(height, sources),
                _ => Settled::Compute(op),
            }
        }
        Op::Not => unreachable!("has its own road"),
    }
}

fn keep_present(sources: &mut Vec<&Slot>) {
    sources.retain(|source| !source.is_absent());
}

/// All that is in some Y.
fn settle_ys<'a>(height: u32, sources: &mut Vec<&'a Slot>) -> Settled<'a> {
    sources.remove(0);
    if sources.is_empty() {
        Settled::Absent
    } else {
        settle(Op::Or, height, sources)
    }
}

/// For operators to which absent sources mean nothing, and of which one source alone is the result.
fn left<'a>(op: Op, sources: &[&'a Slot]) -> Settled<'a> {
    match *sources {
        [] => Settled::Absent,
        [only] => Settled::Same(only),
        _ => Settled::Compute(op),
    }
}
