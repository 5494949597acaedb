//! Asking for the memory that keys will be looked up in, before they are: what the lookups would wait for then overlaps.
//!
//! Nothing is promised and nothing waits: a shard that somebody writes to is passed over.

use smallvec::SmallVec;

use super::keyspace::Spot;
use super::prefetch::prefetch;
use super::{Access, Keyspace};
use crate::bits::View;

/// Keys whose memory is asked for together: about as many cache misses as a core can have under way, two for each.
const STEP: usize = 16;

/// Not even as many are mostly there at once from connections that send one by one, and room for more would only be cleared.
const FEW: usize = 4;

/// A bit that will be looked at or changed.
pub type Look = (u64, Access);

/// A key that will be looked up, and what tells which bit of its value.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<B = Option<Look>> {
    db: usize,
    spot: Spot,
    bit: B,
}

impl Keyspace {
    /// What will be looked up in database `db`: the key, and what tells a bit of its value, which is asked only where there
    /// are so many that the bit makes a difference. Together with others, [`Self::prefetch`] asks for it.
    #[inline]
    pub fn ahead<B>(&self, db: usize, key: &[u8], bit: B) -> Ahead<B> {
        let spot = self.spot(key);
        prefetch(&raw const self.shards()[spot.shard]);
        Ahead { db, spot, bit }
    }

    /// Asks for all that looking these up will read; `bit` says which bit of its value will be looked at in each, if any.
    #[inline]
    pub fn prefetch<B: Copy>(
        &self,
        keys: impl IntoIterator<Item = Ahead<B>>,
        bit: impl Fn(B) -> Option<Look>,
    ) {
        let mut step = SmallVec::<[_; STEP]>::new();
        for key in keys {
            step.push(key);
            if step.len() == STEP {
                self.prefetch_step::<B, STEP>(&step, &bit);
                step.clear();
            }
        }
        match step.len() {
            0 => {}
            1..=FEW => self.prefetch_step::<B, FEW>(&step, bit),
            _ => self.prefetch_step::<B, STEP>(&step, bit),
        }
    }

    #[inline]
    fn prefetch_step<B: Copy, const MOST: usize>(
        &self,
        keys: &[Ahead<B>],
        bit: impl Fn(B) -> Option<Look>,
    ) {
        // The shared locks are held over all steps. They close no circle, since none of them is waited for.
        let mut shards = [const { None }; MOST];
        for (to, key) in shards.iter_mut().zip(keys) {
            *to = self.shards()[key.spot.shard].0.try_read();
        }
        let mut segments = [None; MOST];
        for ((to, key), shard) in segments.iter_mut().zip(keys).zip(&shards) {
            let table = shard.as_ref().and_then(|shard| shard.table(key.db));
            *to = table.and_then(|table| table.segment(key.spot.fingerprint));
            if let Some(segment) = to {
                segment.prefetch_line(key.spot.fingerprint);
            }
        }
        let mut entries = [None; MOST];
        for ((to, key), segment) in entries.iter_mut().zip(keys).zip(segments) {
            *to = segment.and_then(|segment| segment.likely(key.spot.fingerprint));
            if let Some(entry) = to {
                entry.prefetch();
            }
        }
        let mut bits = SmallVec::<[_; MOST]>::new();
        for (key, entry) in keys.iter().zip(entries) {
            let Some(entry) = entry else { continue };
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
    }
}
