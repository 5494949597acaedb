//! Looking up many keys at once: what each look-up would wait for then overlaps with what the others wait for.
//!
//! A look-up waits for memory mostly twice: for a line of a table, and for the entry that the line names. Here the lines of
//! several keys are asked for before the first is read, and their entries before the first is looked at.
//!
//! Whoever is going to look keys up for whatever purpose calls [`Keyspace::prefetch`], and finds them near. Whoever only reads
//! keeps what was found, and the shared locks with it ([`Shared`]), and need not look again.
//!
//! Nothing here waits for a lock: a shard that somebody writes to is passed over. Whoever holds a [`Shared`] must not wait for
//! one either, or two might wait for each other.

use arrayvec::ArrayVec;
use parking_lot::RwLockReadGuard;

use super::entry::Entry;
use super::keyspace::Spot;
use super::prefetch::prefetch;
use super::segment::Segment;
use super::shard::Shard;
use super::{Access, Keyspace};
use crate::bits::View;

/// Keys that are looked up together: about as many cache misses as a core can have under way.
pub const TOGETHER: usize = 16;

/// A bit that will be looked at or changed.
pub type Look = (u64, Access);

/// A key that will be looked up, and what tells which bit of its value.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<B = Option<Look>> {
    db: usize,
    spot: Spot,
    bit: B,
}

/// The shards of some keys, [`TOGETHER`] at most, those that were to be had, locked for reading.
///
/// All locks are taken before the first line is asked for: a locked instruction waits for the reads before it, and for the
/// translation of the addresses asked for. Between them, asking takes 9 ns a key longer (of 130, a GETBIT in a pipeline on a
/// million keys). Asking for each key some keys ahead, while those in front of it are read, takes 30 ns longer: one address is
/// translated at a time then.
pub struct Shared<'a>(ArrayVec<Option<RwLockReadGuard<'a, Shard>>, TOGETHER>);

/// What looks like the entry of each key, in the segment where it would be; of another key, should their fingerprints agree.
pub struct Likely<'a>(ArrayVec<Option<(&'a Segment, &'a Entry)>, TOGETHER>);

/// A key that was looked up in one database, and what was found, under a lock that is held elsewhere.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    pub(super) shard: &'a Shard,
    /// Which shard that is.
    pub(super) at: usize,
    db: usize,
    key: &'a [u8],
    entry: Option<&'a Entry>,
}

impl Keyspace {
    /// What will be looked up in database `db`: the key, and what tells a bit of its value, which is asked only where there
    /// are so many that the bit makes a difference.
    #[inline]
    pub fn ahead<B>(&self, db: usize, key: &[u8], bit: B) -> Ahead<B> {
        let spot = self.spot(key);
        prefetch(&raw const self.shards()[spot.shard]);
        Ahead { db, spot, bit }
    }

    /// Asks for all that looking these up will read; `bit` says which bit of its value will be looked at in each, if any.
    #[inline]
    pub fn prefetch<B: Copy>(&self, keys: &[Ahead<B>], bit: impl Fn(B) -> Option<Look>) {
        for step in keys.chunks(TOGETHER) {
            self.share(step).look_up(step, &bit);
        }
    }

    /// Locks the shards of these keys for reading, those that nobody writes to.
    #[inline]
    pub fn share<B>(&self, keys: &[Ahead<B>]) -> Shared<'_> {
        let mut shards = ArrayVec::new();
        for key in keys {
            shards.push(self.shards()[key.spot.shard].0.try_read());
        }
        Shared(shards)
    }
}

impl Shared<'_> {
    /// Whether all are locked.
    #[inline]
    pub fn are_all(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    /// Looks up the keys whose shards these are, as far as may be without the keys themselves, and asks for what reading their
    /// values will read; `bit` says which bit of each will be looked at, if any.
    #[inline]
    pub fn look_up<B: Copy>(
        &self,
        keys: &[Ahead<B>],
        bit: impl Fn(B) -> Option<Look>,
    ) -> Likely<'_> {
        let mut segments = ArrayVec::<_, TOGETHER>::new();
        for (key, shard) in keys.iter().zip(&self.0) {
            let table = shard.as_ref().and_then(|shard| shard.table(key.db));
            let segment = table.and_then(|table| table.segment(key.spot.fingerprint));
            if let Some(segment) = segment {
                segment.prefetch_line(key.spot.fingerprint);
            }
            segments.push(segment);
        }
        let mut likely = ArrayVec::<_, TOGETHER>::new();
        for (key, segment) in keys.iter().zip(segments) {
            let found = segment.and_then(|it| Some((it, it.likely(key.spot.fingerprint)?)));
            if let Some((_, entry)) = found {
                entry.prefetch();
            }
            likely.push(found);
        }
        let mut bits = ArrayVec::<_, TOGETHER>::new();
        for (key, likely) in keys.iter().zip(&likely) {
            let Some((_, entry)) = likely else { continue };
            entry.prefetch_end();
            if let View::Chunked(bitmap) = entry.view()
                && let Some((bit, access)) = bit(key.bit)
            {
                bits.push((bitmap.ahead(bit), access == Access::Write));
            }
        }
        for (bit, changes) in bits {
            bit.prefetch(changes);
        }
        Likely(likely)
    }

    /// What there is under the keys whose shards these are, all of them locked.
    ///
    /// # Panics
    /// If one of them is not.
    #[inline]
    pub fn find<'s, B>(
        &'s self,
        ahead: &[Ahead<B>],
        keys: &[&'s [u8]],
        likely: &Likely<'s>,
    ) -> ArrayVec<Found<'s>, TOGETHER> {
        let mut all = ArrayVec::new();
        for (((ahead, &key), shard), likely) in ahead.iter().zip(keys).zip(&self.0).zip(&likely.0) {
            let entry = likely.and_then(|(segment, entry)| match entry.is_of(key) {
                true => Some(entry),
                false => segment.get(ahead.spot.fingerprint, key),
            });
            all.push(Found {
                shard: shard.as_ref().expect("it is locked"),
                at: ahead.spot.shard,
                db: ahead.db,
                key,
                entry,
            });
        }
        all
    }
}

impl<'a> Found<'a> {
    /// What was found, if this is the very key that was looked up.
    #[inline(always)]
    pub(super) fn get(&self, db: usize, key: &[u8]) -> Option<Option<&'a Entry>> {
        (std::ptr::eq(key, self.key) && db == self.db).then_some(self.entry)
    }
}
