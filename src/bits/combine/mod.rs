//! BITOP: one string out of any number.
//!
//! The directories are walked together. Wherever the sources that are absent or full settle the result, it is absent,
//! full, or a pointer to a source's own node or chunk; what is left is done chunk by chunk, all sources in one pass. Large
//! ones may be shared among threads, sixteen million bits at a time.

mod chunks;
mod count;
mod rules;
mod short;
mod threads;

use std::ops::ControlFlow;

use super::slot::{CHUNK_BITS, CHUNK_BYTES, NodeParts, Slot};
use super::tree::fill::Full;
use super::tree::{self, node};
use super::{Bitmap, View};

pub use count::count_combined;
pub use short::{SHORT, combine_short};

use chunks::Chunks;
use rules::Settled;
use threads::Place;

/// A bitwise operator over sources X, Y1, Y2 and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// In all of them.
    And,
    /// In at least one.
    Or,
    /// In an odd number of them.
    Xor,
    /// Not in X, the only source.
    Not,
    /// In X and in no Y.
    Diff,
    /// In some Y but not in X.
    Diff1,
    /// In X and in some Y.
    AndOr,
    /// In exactly one of them.
    One,
}

/// `op` over `sources`, each padded with zeros to the longest, whose length the result has.
///
/// Panics when [`Op::Not`] is given other than one source.
pub fn combine(op: Op, sources: &[View<'_>]) -> Bitmap {
    combine_on(1, op, sources)
}

/// [`combine`] on up to so many threads, this one among them. Only what is worth it is shared.
pub fn combine_on(threads: usize, op: Op, sources: &[View<'_>]) -> Bitmap {
    assert!(op != Op::Not || sources.len() == 1, "NOT has one source");
    if let Some(bytes) = combine_short(op, sources.iter().copied(), &mut [0; SHORT]) {
        return Bitmap::from_bytes(bytes);
    }
    let Roots {
        len,
        height,
        slots: roots,
    } = Roots::of(op, sources);
    if len == 0 {
        return Bitmap::new();
    }
    let bits = if op == Op::Not { len * 8 } else { 0 };
    let mut run = Run::new(threads, bits);
    let root = run.combine(op, height, 0, &mut roots.iter().collect());
    Bitmap::from_root(len, root)
}

/// Sources as slots of one height, each with a reference of its own.
struct Roots {
    /// Bytes of the longest.
    len: u64,
    height: u32,
    slots: Vec<Slot>,
}

impl Roots {
    fn of(op: Op, sources: &[View<'_>]) -> Self {
        assert!(op != Op::Not || sources.len() == 1, "NOT has one source");
        let len = sources.iter().map(View::len).max().unwrap_or(0);
        let mut slots: Vec<Slot> = sources
            .iter()
            .map(|source| match source {
                View::Flat(bytes) => Bitmap::from_bytes(bytes).root().clone(),
                View::Chunked(bitmap) => bitmap.root().clone(),
            })
            .collect();
        let covering = match (op, len) {
            (Op::Not, 1..) => tree::height_for((len - 1) / CHUNK_BYTES as u64),
            _ => 0,
        };
        let height = slots.iter().map(tree::height).fold(covering, u32::max);
        slots.iter_mut().for_each(|root| tree::raise(root, height));
        Self { len, height, slots }
    }
}

/// Shows every key that some of these nodes have, with the children they have there.
fn each_place<'a>(
    nodes: &[&'a Slot],
    mut show: impl FnMut(u8, &mut Vec<&'a Slot>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let parts: Vec<NodeParts<'a>> = nodes.iter().map(|node| node.node_parts()).collect();
    let mut places = vec![0; parts.len()];
    let mut children = Vec::with_capacity(parts.len());
    let next_key = |places: &[usize]| {
        parts
            .iter()
            .zip(places)
            .filter_map(|(node, at)| node.keys.get(*at))
            .min()
    };
    while let Some(key) = next_key(&places) {
        children.clear();
        for (node, place) in parts.iter().zip(&mut places) {
            let here = node.keys.get(*place) == Some(key);
            children.push(if here {
                &node.children[*place]
            } else {
                &ABSENT
            });
            *place += usize::from(here);
            // 1155 to 785 ns a chunk for AND of sparse noise that is in no cache (2026-11-21, a loaded Xeon).
            if let Some(next) = node.children.get(*place) {
                next.prefetch();
            }
        }
        show(*key, &mut children)?;
    }
    ControlFlow::Continue(())
}

/// One call of [`combine`], or a thread's part of it.
struct Run {
    threads: usize,
    /// How long the result of NOT is; the others have no ones past their sources'.
    bits: u64,
    chunks: Chunks,
    full: Full,
}

impl Run {
    fn new(threads: usize, bits: u64) -> Self {
        Self {
            threads,
            bits,
            chunks: Chunks::new(),
            full: Full::new(),
        }
    }

    /// `op` over slots of equal height, at least one, that begin at bit `base`. Leaves in `sources` what it likes.
    fn combine(&mut self, op: Op, height: u32, base: u64, sources: &mut Vec<&Slot>) -> Slot {
        if op == Op::Not {
            return self.not(height, base, sources[0]);
        }
        let op = match rules::settle(op, height, sources) {
            Settled::Absent => return Slot::ABSENT,
            Settled::Same(slot) => return slot.clone(),
            Settled::Compute(op) => op,
        };
        if height == 0 {
            return self.chunks.combine(op, sources);
        }
        if threads::worth(self.threads, height, sources) {
            return self.combine_shared(op, height, base, threads::places(sources));
        }
        let mut items = Vec::new();
        let _whole = each_place(sources, |key, children| {
            let child = self.combine(op, height - 1, base + tree::start(height, key), children);
            push(&mut items, key, child);
            ControlFlow::Continue(())
        });
        node::build((height - 1) as u8, items)
    }

    /// `op` over the children at these places, on several threads.
    fn combine_shared(&self, op: Op, height: u32, base: u64, places: Vec<Place<'_>>) -> Slot {
        let parts = threads::share(self.threads, &places, |places| {
            let mut run = Self::new(1, self.bits);
            let mut items = Vec::new();
            for (key, children) in places {
                let base = base + tree::start(height, *key);
                let child = run.combine(op, height - 1, base, &mut children.clone());
                push(&mut items, *key, child);
            }
            items
        });
        let mut items = parts.into_iter().flatten().collect::<Vec<_>>();
        items.sort_unstable_by_key(|(key, ..)| *key);
        node::build((height - 1) as u8, items)
    }

    /// The complement, as far as the result is long.
    fn not(&mut self, height: u32, base: u64, source: &Slot) -> Slot {
        let left = self.bits.saturating_sub(base);
        let span = tree::span(height);
        if left == 0 || (left >= span && tree::is_full(source, height)) {
            return Slot::ABSENT;
        }
        if left >= span && source.is_absent() {
            return self.full.at(height);
        }
        if height == 0 {
            return self.chunks.not(source, left.min(CHUNK_BITS));
        }
        let last = ((left.min(span) - 1) / tree::start(height, 1)) as u8;
        let child = |key| match source.is_absent() {
            true => &ABSENT,
            false => node::child(source, key).unwrap_or(&ABSENT),
        };
        if threads::worth(self.threads, height, &[source]) {
            let places = (0..=last).map(|key| (key, vec![child(key)]));
            return self.combine_shared(Op::Not, height, base, places.collect());
        }
        let mut items = Vec::new();
        for key in 0..=last {
            let not = self.not(height - 1, base + tree::start(height, key), child(key));
            push(&mut items, key, not);
        }
        node::build((height - 1) as u8, items)
    }
}

static ABSENT: Slot = Slot::ABSENT;

fn push(items: &mut Vec<node::Item>, key: u8, child: Slot) {
    if !child.is_absent() {
        let sum = tree::ones(&child);
        items.push((key, child, sum));
    }
}

#[cfg(test)]
mod tests;
