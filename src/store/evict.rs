//! Which key goes when memory is short: chosen among a few taken at random, as Redis chooses (its `evict.c`).
//!
//! Walking all keys for the one that was not used for longest is out of the question, and so is a list in order of use,
//! which every read would have to change. Instead each round looks at some keys at random and keeps the best of all rounds in
//! a small pool. The first in the pool is then nearly always among the oldest few of a hundred.
//!
//! A random place in the hash order is as good as random keys: what stands next to each other there has nothing in common
//! but the hash.

use std::ops::ControlFlow;

use super::clock::Moment;
use super::entry::Entry;
use super::keyspace::{Access, SHARDS, Spot};
use super::locked::Guard;
use super::tracking::random;
use super::{Keyspace, Value};
use crate::config::MaxmemoryPolicy;

/// Keys that are remembered as the best to go.
const POOL: usize = 16;

/// Keys without an expiry that are passed over in one table, in search of one with it: more than a segment has.
const PASSED_OVER: usize = 1024;

/// Rounds of choosing in which others may take every chosen key away before it is given up.
const ROUNDS: usize = 16;

/// The keys that were best to go among all that were looked at, the very best last.
#[derive(Default)]
pub struct Pool {
    candidates: Vec<Candidate>,
}

struct Candidate {
    /// The higher, the sooner it goes.
    score: u64,
    db: usize,
    key: Box<[u8]>,
}

impl Pool {
    /// Remembers a key, if it is better than the worst that is remembered.
    fn offer(&mut self, score: u64, db: usize, key: &[u8]) {
        let known = |candidate: &Candidate| candidate.db == db && *candidate.key == *key;
        if let Some(at) = self.candidates.iter().position(known) {
            self.candidates.remove(at); // its score may have changed since
        } else if self.candidates.len() == POOL {
            if score <= self.candidates[0].score {
                return;
            }
            self.candidates.remove(0);
        }
        let at = self
            .candidates
            .partition_point(|candidate| candidate.score < score);
        let key = key.into();
        self.candidates.insert(at, Candidate { score, db, key });
    }

    /// Forgets what was chosen by another policy.
    pub fn clear(&mut self) {
        self.candidates.clear();
    }
}

/// A key that was evicted. Dropping it frees its memory, which takes long if the value is large.
pub struct Evicted(Entry);

impl Evicted {
    /// Bytes that were allocated for it, parts that others share included.
    pub fn cost(&self) -> usize {
        self.0.heap_bytes()
    }

    /// The value alone.
    pub fn into_value(self) -> Value {
        self.0.into_value()
    }
}

impl Keyspace {
    /// Takes one key out by this policy, looking at about `samples` keys of each database; tells whoever wants to know.
    /// `None` if there is no key that may go. Nothing may be locked.
    pub fn evict(
        &self,
        policy: MaxmemoryPolicy,
        samples: usize,
        pool: &mut Pool,
    ) -> Option<Evicted> {
        let picker = Picker {
            keyspace: self,
            policy,
            moment: Moment::new(self.clock(), self.tracking()),
        };
        for _ in 0..ROUNDS {
            let found = match policy {
                MaxmemoryPolicy::NoEviction => false,
                MaxmemoryPolicy::AllkeysRandom | MaxmemoryPolicy::VolatileRandom => {
                    pool.clear();
                    picker.look(1, &mut |db, entry| pool.offer(random(), db, entry.key()))
                }
                _ => picker.look(samples, &mut |db, entry| {
                    pool.offer(picker.score(entry), db, entry.key());
                }),
            };
            if !found {
                return None;
            }
            while let Some(Candidate { db, key, .. }) = pool.candidates.pop() {
                if let Some(entry) = picker.take(db, &key) {
                    return Some(Evicted(entry));
                }
            }
        }
        None
    }
}

/// One search for a key to evict.
struct Picker<'a> {
    keyspace: &'a Keyspace,
    policy: MaxmemoryPolicy,
    moment: Moment<'a>,
}

impl Picker<'_> {
    /// Hands about `samples` keys of each database to `found`, from a random place on. Says whether there were any.
    fn look(&self, samples: usize, found: &mut dyn FnMut(usize, &Entry)) -> bool {
        // An expiry is where the tables say that there is none only for a moment; then all keys are looked at.
        self.look_at_most(samples, PASSED_OVER, found)
            || (self.policy.only_volatile() && self.look_at_most(samples, usize::MAX, found))
    }

    fn look_at_most(
        &self,
        samples: usize,
        passed_over: usize,
        found: &mut dyn FnMut(usize, &Entry),
    ) -> bool {
        let volatile = self.policy.only_volatile();
        let start = random() as usize % SHARDS;
        let mut all = 0;
        for at in 0..SHARDS {
            let guard = self.keyspace.lock((start + at) % SHARDS, Access::Read);
            for (db, table) in guard.shard().tables() {
                let eligible = if volatile {
                    table.expiring()
                } else {
                    table.len()
                };
                if eligible == 0 {
                    continue;
                }
                let mut count = 0;
                table.sample(random() as u32, volatile, passed_over, |entry| {
                    found(db, entry);
                    count += 1;
                    if count < samples.min(eligible) {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                });
                all += count;
            }
            if all >= samples {
                break;
            }
        }
        all > 0
    }

    /// The higher, the sooner a key should go.
    fn score(&self, entry: &Entry) -> u64 {
        match self.policy {
            MaxmemoryPolicy::VolatileTtl => {
                let at = entry.expires_at().unwrap_or(i64::MAX);
                u64::MAX - at.max(0) as u64
            }
            policy if policy.by_frequency() => {
                u64::from(u8::MAX - self.moment.frequency(entry.accessed()))
            }
            _ => u64::from(self.moment.idle_seconds(entry.accessed())),
        }
    }

    /// Takes a key out, if it is still there and may go.
    fn take(&self, db: usize, key: &[u8]) -> Option<Entry> {
        let Spot { shard, fingerprint } = self.keyspace.spot(key);
        let Guard::Write(mut shard) = self.keyspace.lock(shard, Access::Write) else {
            return None;
        };
        let volatile = self.policy.only_volatile();
        shard.evict(db, fingerprint, key, &self.moment, volatile)
    }
}

#[cfg(test)]
#[path = "evict_tests.rs"]
mod tests;
