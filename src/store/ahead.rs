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

/// A bit that will be looked at or changed.
pub type Look = (u64, Access);

/// A key that will be looked up.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    db: usize,
    spot: Spot,
    /// The bit of its value, where one is named, and what for.
    bit: Option<Look>,
}

impl Keyspace {
    /// What will be looked up in database `db`: the key, and one bit of its value, where one is named. Together with others,
    /// [`Self::prefetch`] asks for it.
    pub fn ahead(&self, db: usize, key: &[u8], bit: Option<Look>) -> Ahead {
        let spot = self.spot(key);
        prefetch(&raw const self.shards()[spot.shard]);
        Ahead { db, spot, bit }
    }

    /// Asks for all that looking these up will read.
    pub fn prefetch(&self, keys: impl IntoIterator<Item = Ahead>) {
        let mut keys = keys.into_iter();
        loop {
            let step: SmallVec<[Ahead; STEP]> = keys.by_ref().take(STEP).collect();
            self.prefetch_step(&step);
            if step.len() < STEP {
                return;
            }
        }
    }

    fn prefetch_step(&self, keys: &[Ahead]) {
        // The shared locks are held over all steps. They close no circle, since none of them is waited for.
        let shards = keys
            .iter()
            .map(|key| self.shards()[key.spot.shard].0.try_read());
        let shards: SmallVec<[_; STEP]> = shards.collect();
        let segments = || {
            keys.iter().zip(&shards).filter_map(|(key, shard)| {
                let table = shard.as_ref()?.table(key.db)?;
                Some((key, table.segment(key.spot.fingerprint)?))
            })
        };
        segments().for_each(|(key, segment)| segment.prefetch_line(key.spot.fingerprint));
        let entries = segments().filter_map(|(key, segment)| {
            let entry = segment.likely(key.spot.fingerprint)?;
            entry.prefetch();
            Some((entry, key.bit?))
        });
        let with_bits: SmallVec<[_; STEP]> = entries.collect();
        let bits = with_bits.iter().filter_map(|(entry, (bit, access))| {
            let View::Chunked(bitmap) = entry.view() else {
                return None;
            };
            Some((bitmap.ahead(*bit), *access == Access::Write))
        });
        let bits: SmallVec<[_; STEP]> = bits.collect();
        bits.iter()
            .for_each(|(bit, changes)| bit.prefetch(*changes));
    }
}
