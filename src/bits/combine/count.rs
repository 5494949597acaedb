//! BITOPCARD: the number of ones that a combination would have.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::chunks::Chunks;
use super::rules::{self, Settled};
use super::{Op, Roots, each_place, threads};
use crate::bits::View;
use crate::bits::slot::Slot;
use crate::bits::tree;

/// The number of ones of [`combine`](super::combine), without making it; `most`, as soon as it has so many. Runs on up
/// to so many threads, this one among them.
///
/// Panics when [`Op::Not`] is given other than one source.
pub fn count_combined(op: Op, sources: &[View<'_>], most: u64, threads: usize) -> u64 {
    if let (Op::Not, [source]) = (op, sources) {
        return (source.len() * 8 - source.ones()).min(most);
    }
    let Roots { height, slots, .. } = Roots::of(op, sources);
    let counted = AtomicU64::new(0);
    if !slots.is_empty() {
        let mut run = Run::new(threads, most, &counted);
        let _stopped = run.count(op, height, &mut slots.iter().collect());
        run.publish();
    }
    counted.into_inner().min(most)
}

/// One call of [`count_combined`], or a thread's part of it.
struct Run<'c> {
    threads: usize,
    most: u64,
    chunks: Chunks,
    /// Ones counted that the other threads do not know of.
    own: u64,
    /// Ones counted by all.
    counted: &'c AtomicU64,
}

impl<'c> Run<'c> {
    fn new(threads: usize, most: u64, counted: &'c AtomicU64) -> Self {
        Self {
            threads,
            most,
            chunks: Chunks::new(),
            own: 0,
            counted,
        }
    }

    fn publish(&mut self) {
        self.counted.fetch_add(self.own, Ordering::Relaxed);
        self.own = 0;
    }

    /// Counts these, and stops where they are enough.
    fn add(&mut self, ones: u64) -> ControlFlow<()> {
        self.own += ones;
        if self.counted.load(Ordering::Relaxed) + self.own >= self.most {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Counts `op` over slots of equal height, at least one. Leaves in `sources` what it likes.
    fn count(&mut self, op: Op, height: u32, sources: &mut Vec<&Slot>) -> ControlFlow<()> {
        let op = match rules::settle(op, height, sources) {
            Settled::Absent => return ControlFlow::Continue(()),
            Settled::Same(slot) => return self.add(tree::ones(slot)),
            Settled::Compute(op) => op,
        };
        if height == 0 {
            let ones = self.chunks.count(op, sources);
            return self.add(ones.into());
        }
        if !threads::worth(self.threads, height, sources) {
            return each_place(sources, |_, children| self.count(op, height - 1, children));
        }
        let (most, counted) = (self.most, self.counted);
        threads::share(self.threads, &threads::places(sources), |mut places| {
            let mut run = Self::new(1, most, counted);
            let _stopped = Iterator::try_for_each(&mut places, |(_, children)| {
                run.count(op, height - 1, &mut children.clone())?;
                run.publish();
                ControlFlow::Continue(())
            });
            run.publish();
        });
        self.add(0)
    }
}
