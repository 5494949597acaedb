//! The keyspace: which shard a key lives in, and how any set of keys is locked.
//!
//! A key's hash picks its shard, and a shard holds its keys of every database, so moving a key between databases stays
//! under one lock. Whoever needs several keys names them all at once and gets their shards in ascending order: two such
//! locks can wait for each other but never in a circle.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use parking_lot::{RwLock, RwLockWriteGuard};

use super::departure::{Departed, Departures};
use super::locked::Guard;
use super::segment::LAST_FINGERPRINT;
use super::shard::Shard;
use super::snapshot::Marks;
use super::{Clock, Locked, Tracking};

/// Shards, a power of two. Many more than cores, so that two busy keys seldom meet in one.
pub(super) const SHARDS: usize = 256;

/// Entries that the sweep removes before it lets others at the shard: a few hundred microseconds at most.
const SWEEP_STEP: usize = 256;

/// How often a shard's lock is tried before its own way to wait begins, some two microseconds in all: longer than nearly all
/// commands hold it. That way begins with giving the core to whoever else wants it, and long work, which steps back for all
/// others, then had it for a whole tick of the scheduler, 4 ms: with one hot key on two cores beside a save, hundreds of
/// times a second.
const SPINS: usize = 50;

/// Whether a lock is shared with other readers or exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Read,
    Write,
}

/// Every key of every database.
pub struct Keyspace {
    shards: Arc<[Cell]>,
    hash: Hash,
    clock: Clock,
    databases: usize,
    tracking: Arc<Tracking>,
    departures: Arc<Departures>,
    marks: Arc<Marks>,
    /// The shard where the next sweep begins.
    sweep_from: AtomicUsize,
    /// Counts up; scrambled, it picks random keys.
    random: AtomicU64,
    /// No key is past its time.
    timeless: AtomicBool,
}

/// A shard on cache lines of its own (two: the processor fetches them in pairs), so that a lock taken on one core does
/// not slow its neighbour's on another.
#[repr(align(128))]
pub(super) struct Cell(pub RwLock<Shard>);

/// What one call of [`Keyspace::sweep`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many keys were removed.
    pub removed: usize,
    /// Whether that is all; if not, the limit was reached and more may be due.
    pub all: bool,
}

/// Where a key's hash puts it: the shard, then the place in that shard's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub shard: usize,
    pub fingerprint: u32,
}

/// A set of shards.
#[derive(Clone, Copy, Default)]
pub(super) struct Shards([u64; SHARDS / 64]);

impl Shards {
    pub const ALL: Self = Self([u64::MAX; SHARDS / 64]);

    fn insert(&mut self, shard: usize) {
        self.0[shard / 64] |= 1 << (shard % 64);
    }

    #[inline]
    pub fn contains(&self, shard: usize) -> bool {
        self.0[shard / 64] >> (shard % 64) & 1 == 1
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(at, mut word)| {
            std::iter::from_fn(move || {
                let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
                word &= word - 1;
                Some(at * 64 + bit)
            })
        })
    }
}

/// A set of shards that does not change, with the sums that say how many of them come before one.
pub(super) struct Ranked {
    set: Shards,
    /// How many there are before each word's.
    before: [u8; SHARDS / 64],
}

impl Ranked {
    pub fn new(set: Shards) -> Self {
        let (mut before, mut sum) = ([0; SHARDS / 64], 0u8);
        for (before, word) in before.iter_mut().zip(set.0) {
            *before = sum;
            sum = sum.wrapping_add(word.count_ones() as u8); // at most 192 before the last
        }
        Self { set, before }
    }

    /// How many are before `shard`, if it is one of them.
    #[inline]
    pub fn rank(&self, shard: usize) -> Option<usize> {
        let below = self.set.0[shard / 64] & ((1 << (shard % 64)) - 1);
        self.set
            .contains(shard)
            .then(|| usize::from(self.before[shard / 64]) + below.count_ones() as usize)
    }
}

impl Keyspace {
    /// An empty keyspace of so many databases, numbered from 0.
    pub fn new(databases: usize, clock: Clock) -> Self {
        let departures = Arc::new(Departures::default());
        let cell = || Cell(RwLock::new(Shard::new(Arc::clone(&departures))));
        let random = RandomState::new(); // the standard library's way to the system's randomness
        Self {
            shards: (0..SHARDS).map(|_| cell()).collect(),
            hash: Hash::new(random.hash_one(0), random.hash_one(1)),
            clock,
            databases,
            tracking: Arc::default(),
            departures,
            marks: Arc::default(),
            sweep_from: AtomicUsize::new(0),
            random: AtomicU64::new(random.hash_one(2)),
            timeless: AtomicBool::new(false),
        }
    }

    pub fn databases(&self) -> usize {
        self.databases
    }

    /// Lets no key go because its time has come, until told otherwise: while a log is read back, whose later commands found
    /// the key alive or removed it. Holds for what is locked from now on, and for sweeps.
    pub fn set_timeless(&self, timeless: bool) {
        self.timeless.store(timeless, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn is_timeless(&self) -> bool {
        self.timeless.load(Ordering::Relaxed)
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Says who is told of keys that go by themselves, from now on and for good: a second call has no effect, and says so by
    /// `false`.
    pub fn on_departure(&self, departed: Departed) -> bool {
        self.departures.set(departed)
    }

    /// What entries remember of their accesses: at first, the time of the last.
    pub fn tracking(&self) -> &Arc<Tracking> {
        &self.tracking
    }

    /// Keys removed because their time had come, since start. Takes no lock: INFO asks also inside a transaction.
    pub fn expired_keys(&self) -> u64 {
        self.departures.expired()
    }

    /// Nothing is locked: for commands that touch no key, and for walks that lock shard by shard ([`Locked::scan`]).
    pub fn lock_none(&self) -> Locked<'_> {
        Locked::none(self)
    }

    /// Locks the shard of one key.
    #[inline]
    pub fn lock_key(&self, key: &[u8], access: Access) -> Locked<'_> {
        let shard = self.spot(key).shard;
        Locked::one(self, (shard, self.lock(shard, access)))
    }

    /// Locks the shards of `keys`, each as strongly as its strongest use asks for.
    pub fn lock_keys<'k>(&self, keys: impl IntoIterator<Item = (&'k [u8], Access)>) -> Locked<'_> {
        let (mut shards, mut written) = (Shards::default(), Shards::default());
        // Not by `for`: a chain of iterators that is run from inside becomes plain loops.
        keys.into_iter().for_each(|(key, access)| {
            let shard = self.spot(key).shard;
            shards.insert(shard);
            if access == Access::Write {
                written.insert(shard);
            }
        });
        let lock = |shard| match written.contains(shard) {
            true => self.lock(shard, Access::Write),
            false => self.lock(shard, Access::Read),
        };
        let mut ascending = shards.iter();
        match (ascending.next(), ascending.next()) {
            (None, _) => self.lock_none(),
            (Some(only), None) => Locked::one(self, (only, lock(only))),
            _ => Locked::many(self, shards, lock),
        }
    }

    /// Locks everything, for commands about the whole keyspace.
    pub fn lock_all(&self, access: Access) -> Locked<'_> {
        Locked::many(self, Shards::ALL, |shard| self.lock(shard, access))
    }

    pub(super) fn shards(&self) -> &Arc<[Cell]> {
        &self.shards
    }

    pub(super) fn marks(&self) -> &Arc<Marks> {
        &self.marks
    }

    #[inline]
    pub(super) fn lock(&self, shard: usize, access: Access) -> Guard<'_> {
        let shard = &self.shards[shard].0;
        match try_lock(shard, access) {
            Some(guard) => guard,
            None => lock_busy(shard, access),
        }
    }

    #[inline(always)]
    pub(super) fn spot(&self, key: &[u8]) -> Spot {
        let hash = self.hash.of(key);
        Spot {
            shard: (hash >> (64 - SHARDS.trailing_zeros())) as usize,
            fingerprint: ((hash >> (32 - SHARDS.trailing_zeros())) as u32).min(LAST_FINGERPRINT),
        }
    }

    /// Whether two keys are behind one lock.
    #[cfg(test)]
    pub(crate) fn same_shard(&self, a: &[u8], b: &[u8]) -> bool {
        self.spot(a).shard == self.spot(b).shard
    }

    /// Removes keys whose time has come, in all databases, and stops after about `limit` of them; the next call then goes
    /// on from there.
    ///
    /// A shard with nothing due costs a glance under a shared lock, and so do its segments with nothing due. One with much
    /// due is let go of between steps, and what was removed is freed outside the lock.
    pub fn sweep(&self, limit: usize) -> Swept {
        if self.is_timeless() {
            return Swept {
                removed: 0,
                all: true,
            };
        }
        let now = self.clock.now_ms();
        let from = self.sweep_from.load(Ordering::Relaxed);
        let mut removed = 0;
        for shard in (from..from + SHARDS).map(|shard| shard % SHARDS) {
            let lock = &self.shards[shard].0;
            let mut all = !lock.read().has_due(now);
            while !all {
                if removed >= limit {
                    self.sweep_from.store(shard, Ordering::Relaxed);
                    return Swept {
                        removed,
                        all: false,
                    };
                }
                let mut garbage = Vec::new();
                let mut held = lock.write();
                all = held.remove_due(now, SWEEP_STEP, |entry| garbage.push(entry));
                RwLockWriteGuard::unlock_fair(held);
                removed += garbage.len();
            }
        }
        Swept { removed, all: true }
    }

    /// A number that nobody can foresee well enough to matter; not for secrets.
    pub(super) fn random(&self) -> u64 {
        let count = self.random.fetch_add(1, Ordering::Relaxed);
        self.hash.of(&count.to_le_bytes())
    }
}

#[inline]
fn try_lock(shard: &RwLock<Shard>, access: Access) -> Option<Guard<'_>> {
    match access {
        Access::Read => shard.try_read().map(Guard::Read),
        Access::Write => shard.try_write().map(Guard::Write),
    }
}

#[cold]
fn lock_busy(shard: &RwLock<Shard>, access: Access) -> Guard<'_> {
    for _ in 0..SPINS {
        std::hint::spin_loop();
        if let Some(guard) = try_lock(shard, access) {
            return guard;
        }
    }
    match access {
        Access::Read => Guard::Read(shard.read()),
        Access::Write => Guard::Write(shard.write()),
    }
}

/// The keyed hash of keys.
///
/// foldhash, seeded from the system: 1.4 ns for a 16-byte key and 4.7 ns for one of 100 bytes on the machine this was
/// written on (Xeon, AVX-512), where ahash took 1.5 and 6.0, and SipHash 1-3 7.7 and 21. A request hashes its key at
/// least twice (to lock, to look up), so SipHash would take a sixth of what a pipelined GETBIT may cost. SipHash is the
/// stronger where an attacker sees hashes or times them closely. Here the seed is new with each start, only the order of
/// SCAN tells anything about hashes, and equal ones slow one segment of one shard.
struct Hash {
    seed: u64,
    shared: SharedSeed,
}

impl Hash {
    fn new(seed: u64, shared: u64) -> Self {
        Self {
            seed,
            shared: SharedSeed::from_u64(shared),
        }
    }

    #[inline]
    fn of(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        hasher.finish()
    }
}

#[cfg(test)]
#[path = "keyspace_tests.rs"]
mod tests;
