//! Asking for the memory that keys will be looked up in, before they are: what the lookups would wait for then overlaps.
//!
//! Nothing is promised and nothing waits: a shard that somebody writes to is passed over.

use smallvec::SmallVec;

use super::Keyspace;
use super::keyspace::Spot;
use crate::bits::View;

/// Keys whose memory is asked for together: about as many cache misses as a core can have under way, two for each.
const STEP: usize = 16;

/// A key that will be looked up.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    db: usize,
    spot: Spot,
    /// The bit of its value, where one is named.
    bit: Option<u64>,
}

impl Keyspace {
    /// Asks for all that looking these keys up will read, and for that of one bit of each value, where one is named. `db`
    /// is the database they will be looked up in.
    pub fn prefetch<'k>(&self, db: usize, keys: impl IntoIterator<Item = (&'k [u8], Option<u64>)>) {
        let keys = keys.into_iter();
        let mut ahead = keys.map(|(key, bit)| self.ahead(db, key, bit));
        loop {
            let step: SmallVec<[Ahead; STEP]> = ahead.by_ref().take(STEP).collect();
            self.prefetch_step(&step, true);
            if step.len() < STEP {
                return;
            }
        }
    }

    /// Asks for the first of what looking a key up will read. Once that may have come, [`Self::prefetch_rest`] asks for
    /// the rest.
    pub fn prefetch_first(&self, db: usize, key: &[u8], bit: Option<u64>) -> Ahead {
        let ahead = self.ahead(db, key, bit);
        let Spot { shard, fingerprint } = ahead.spot;
        if let Some(shard) = self.shards()[shard].0.try_read()
            && let Some(segment) = shard.table(db).and_then(|table| table.segment(fingerprint))
        {
            segment.prefetch_line(fingerprint);
        }
        ahead
    }

    /// Asks for what looking up these keys will read after the first.
    pub fn prefetch_rest(&self, keys: &[Ahead]) {
        keys.chunks(STEP)
            .for_each(|step| self.prefetch_step(step, false));
    }

    fn ahead(&self, db: usize, key: &[u8], bit: Option<u64>) -> Ahead {
        let spot = self.spot(key);
        Ahead { db, spot, bit }
    }

    fn prefetch_step(&self, keys: &[Ahead], first: bool) {
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
        if first {
            segments().for_each(|(key, segment)| segment.prefetch_line(key.spot.fingerprint));
        }
        let entries = segments().filter_map(|(key, segment)| {
            let entry = segment.likely(key.spot.fingerprint)?;
            entry.prefetch();
            Some((entry, key.bit?))
        });
        let with_bits: SmallVec<[_; STEP]> = entries.collect();
        for (entry, bit) in with_bits {
            if let View::Chunked(bitmap) = entry.view() {
                bitmap.prefetch(bit);
            }
        }
    }
}
