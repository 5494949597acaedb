//! Keys looked at for a section of INFO, a while long and no longer.

use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::super::Context;
use crate::store::EntryRef;

/// So few keys of a database are looked at from the first on. The step that ends a round might look at some twice.
const FEW: usize = 4096;

/// Keys looked at under one lock.
const STEP: usize = 16;

/// Time to look at keys, of as many databases as it lasts for.
pub(super) struct Walk {
    start: Instant,
    patience: Duration,
    random: RandomState,
}

impl Walk {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            start: Instant::now(),
            patience,
            random: RandomState::new(),
        }
    }

    /// Looks at keys of a database from a random place of the hash order on and round to it, each few under their
    /// shard's lock for an instant. Breaks where the time is over.
    pub(super) fn look(
        &self,
        cx: &Context<'_>,
        db: usize,
        mut found: impl FnMut(EntryRef<'_>),
    ) -> ControlFlow<()> {
        let place = match cx.keys().key_count(db) {
            0 => return ControlFlow::Continue(()),
            1..=FEW => 0,
            _ => self.random.hash_one(db) >> 24, // a cursor is 40 bits
        };
        let mut walk = |mut cursor: u64, end: u64| {
            loop {
                cursor = cx.keys().scan(db, cursor, STEP, |_, entry| found(entry));
                if cursor == 0 || cursor >= end {
                    return ControlFlow::Continue(());
                }
                if self.start.elapsed() > self.patience {
                    return ControlFlow::Break(());
                }
            }
        };
        walk(place, u64::MAX)?;
        if place > 0 {
            walk(0, place)?;
        }
        ControlFlow::Continue(())
    }
}

/// What `n` of the `looked_at` keys means for `all` of them.
pub(super) fn scaled(n: u64, looked_at: u64, all: u64) -> u64 {
    match looked_at {
        // Keys may have come meanwhile.
        keys if keys >= all => n,
        0 => 0,
        keys => (u128::from(n) * u128::from(all) / u128::from(keys)) as u64,
    }
}
