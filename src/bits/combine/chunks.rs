//! One chunk of a BITOP: through lists where the sources are so short that pages would cost more, else through a page.

use std::cmp::Ordering;

use super::Op;
use crate::bits::chunk::{self, Form};
use crate::bits::kernel::{MOST_OPERANDS, Operand, kernels};
use crate::bits::slot::{CHUNK_BITS, CHUNK_BYTES, Page, Slot, Tag};

/// The most positions that are merged as lists. A page costs about a microsecond however little it holds, a position in a list
/// about two nanoseconds an operand.
const SHORT: usize = 256;

/// Combines chunks, and keeps the pages it works in from one to the next.
pub struct Chunks {
    result: chunk::Desk,
    /// Sources that are neither plain nor packed, painted.
    painted: Vec<Box<Page>>,
}

impl Chunks {
    pub fn new() -> Self {
        Self {
            result: chunk::Desk::new(),
            painted: Vec::new(),
        }
    }

    /// `op` (not NOT) over chunks that are not absent, at least two.
    pub fn combine(&mut self, op: Op, sources: &[&Slot]) -> Slot {
        if let Some(ones) = by_lists(op, sources) {
            return chunk::from_positions(&ones, None);
        }
        let ones = self.fold(op, sources);
        self.result.settle_counted(ones)
    }

    /// The number of ones of [`Self::combine`].
    pub fn count(&mut self, op: Op, sources: &[&Slot]) -> u32 {
        match by_lists(op, sources) {
            Some(ones) => ones.len() as u32,
            None => self.fold(op, sources),
        }
    }

    /// The first `bits` bits of the complement.
    pub fn not(&mut self, source: &Slot, bits: u64) -> Slot {
        if bits == CHUNK_BITS
            && let Some(complement) = chunk::complement(source)
        {
            return complement;
        }
        let ones = self.fold(Op::Not, &[source]);
        if bits == CHUNK_BITS {
            return self.result.settle_counted(ones);
        }
        self.result.page().0[(bits / 8) as usize..].fill(0);
        self.result.settle(None)
    }

    /// Puts `op` over the sources on the desk, and returns the number of ones.
    fn fold(&mut self, op: Op, sources: &[&Slot]) -> u32 {
        if sources.len() <= MOST_OPERANDS {
            return fold(
                op,
                &mut self.result.page().0,
                None,
                sources,
                &mut self.painted,
            );
        }
        let mut result = Page::zeroed();
        fold_many(op, &mut result, sources, &mut self.painted);
        let ones = kernels().popcount(&result.0) as u32;
        self.result.put(result);
        ones
    }
}

/// `op` over a first operand that is a page, if given, and the sources.
fn fold(
    op: Op,
    into: &mut [u8; CHUNK_BYTES],
    first: Option<&Page>,
    sources: &[&Slot],
    painted: &mut Vec<Box<Page>>,
) -> u32 {
    let is_painted = |form: &Form<'_>| match form {
        Form::Packed(_) => false,
        Form::Bytes(bytes) => bytes.len() < CHUNK_BYTES,
        Form::Absent | Form::Array(_) | Form::Runs(_) => true,
    };
    let to_paint = sources
        .iter()
        .filter(|source| is_painted(&chunk::form(source)));
    for (used, source) in to_paint.enumerate() {
        if used == painted.len() {
            painted.push(Page::zeroed());
        }
        chunk::paint(source, &mut painted[used].0);
    }
    let mut operands = [Operand::Page(&[0; CHUNK_BYTES]); MOST_OPERANDS];
    let mut painted = painted.iter();
    let mut len = 0;
    let first = first.map(|page| Operand::Page(&page.0));
    let rest = sources.iter().map(|source| match chunk::form(source) {
        Form::Packed(packed) => Operand::Packed {
            masks: packed.masks,
            bytes: packed.bytes,
            fill: packed.fill,
        },
        Form::Bytes(bytes) if bytes.len() == CHUNK_BYTES => {
            Operand::Page(bytes.try_into().expect("a whole page"))
        }
        _ => Operand::Page(&painted.next().expect("a page for each").0),
    });
    for operand in first.into_iter().chain(rest) {
        operands[len] = operand;
        len += 1;
    }
    kernels().fold(op, into, &operands[..len])
}

/// `op` over more sources than one pass takes: in groups.
fn fold_many(op: Op, into: &mut Box<Page>, sources: &[&Slot], painted: &mut Vec<Box<Page>>) {
    let (x, ys) = sources.split_first().expect("at least one source");
    let mut other = Page::zeroed();
    match op {
        Op::And | Op::Or | Op::Xor | Op::Diff => {
            let (group, rest) = sources.split_at(sources.len().min(MOST_OPERANDS));
            fold(op, &mut into.0, None, group, painted);
            for group in rest.chunks(MOST_OPERANDS - 1) {
                fold(op, &mut other.0, Some(into), group, painted);
                std::mem::swap(into, &mut other);
            }
        }
        Op::Diff1 | Op::AndOr => {
            // Both ask of the Ys only whether any has the bit; with Y first, Diff1 is Diff and AndOr is And.
            fold_many(Op::Or, &mut other, ys, painted);
            let op = if op == Op::Diff1 { Op::Diff } else { Op::And };
            fold(op, &mut into.0, Some(&other), &[x], painted);
        }
        Op::One => {
            // `into` is what exactly one source so far has, `any` what at least one has.
            let (mut any, mut group_any, mut group_one) =
                (Page::zeroed(), Page::zeroed(), Page::zeroed());
            for group in sources.chunks(MOST_OPERANDS) {
                fold(Op::One, &mut group_one.0, None, group, painted);
                fold(Op::Or, &mut group_any.0, None, group, painted);
                for at in 0..CHUNK_BYTES {
                    into.0[at] = into.0[at] & !group_any.0[at] | group_one.0[at] & !any.0[at];
                    any.0[at] |= group_any.0[at];
                }
            }
        }
        Op::Not => unreachable!("has one source"),
    }
}

/// The result as positions, where that is less work than a page.
fn by_lists(op: Op, sources: &[&Slot]) -> Option<Vec<u16>> {
    let is_list = |slot: &&&Slot| matches!(slot.tag(), Tag::Few | Tag::Array);
    let ones = |slot: &&Slot| slot.present_ones() as usize;
    let (x, ys) = sources.split_first()?;
    // The result lies within one source: ask the others for each of its ones.
    let within = match op {
        Op::And => sources.iter().filter(is_list).min_by_key(|slot| ones(slot)),
        Op::Diff | Op::AndOr => Some(x).filter(is_list),
        _ => None,
    };
    if let Some(within) = within.filter(|slot| ones(slot) * ys.len() <= SHORT / 4) {
        let others = || sources.iter().filter(|slot| !slot.same(within));
        let mut list = positions(within);
        list.retain(|at| match op {
            Op::And => others().all(|slot| chunk::get(slot, *at)),
            Op::Diff => !ys.iter().any(|y| chunk::get(y, *at)),
            _ => ys.iter().any(|y| chunk::get(y, *at)),
        });
        return Some(list);
    }
    if !sources.iter().all(|slot| is_list(&slot)) || sources.iter().map(ones).sum::<usize>() > SHORT
    {
        return None;
    }
    let (x, ys) = (positions(x), ys.iter().map(|y| positions(y)));
    Some(match op {
        Op::And => ys.fold(x, |x, y| merge(&x, &y, |x, y| x && y)),
        Op::Or => ys.fold(x, |x, y| merge(&x, &y, |x, y| x || y)),
        Op::Xor => ys.fold(x, |x, y| merge(&x, &y, |x, y| x != y)),
        Op::Diff => ys.fold(x, |x, y| merge(&x, &y, |x, y| x && !y)),
        Op::Diff1 => merge(
            &x,
            &ys.fold(Vec::new(), |all, y| merge(&all, &y, |a, b| a || b)),
            |x, y| !x && y,
        ),
        Op::AndOr => merge(
            &x,
            &ys.fold(Vec::new(), |all, y| merge(&all, &y, |a, b| a || b)),
            |x, y| x && y,
        ),
        Op::One => {
            let mut twice = Vec::new();
            let any = ys.fold(x, |any, y| {
                twice = merge(&twice, &merge(&any, &y, |a, b| a && b), |a, b| a || b);
                merge(&any, &y, |a, b| a || b)
            });
            merge(&any, &twice, |any, twice| any && !twice)
        }
        Op::Not => unreachable!("has its own road"),
    })
}

fn positions(slot: &Slot) -> Vec<u16> {
    match chunk::form(slot) {
        Form::Array(ones) => ones.to_vec(),
        _ => unreachable!("asked of lists only"),
    }
}

/// The positions in either list of which `keep` says so, told whether they are in the first and in the second.
fn merge(a: &[u16], b: &[u16], keep: impl Fn(bool, bool) -> bool) -> Vec<u16> {
    let mut result = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    loop {
        let (at, in_a, in_b) = match (a.get(i), b.get(j)) {
            (None, None) => return result,
            (Some(x), None) => (*x, true, false),
            (None, Some(y)) => (*y, false, true),
            (Some(x), Some(y)) => match x.cmp(y) {
                Ordering::Less => (*x, true, false),
                Ordering::Equal => (*x, true, true),
                Ordering::Greater => (*y, false, true),
            },
        };
        i += usize::from(in_a);
        j += usize::from(in_b);
        if keep(in_a, in_b) {
            result.push(at);
        }
    }
}
