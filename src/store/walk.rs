//! What concerns a database as a whole: counting, walking, picking, emptying, exchanging.

use super::keyspace::{Access, SHARDS};
use super::shard::Shard;
use super::table::Table;
use super::{EntryRef, Locked};

/// How often a random pick may hit a key whose time has come before the first living one is taken instead.
const PICKS: usize = 32;

impl Locked<'_> {
    /// How many keys a database holds, those whose time has come but which are not yet removed included, as in Redis.
    /// Needs no lock: outside one it is the sum of moments a little apart.
    pub fn key_count(&self, db: usize) -> usize {
        self.each_table(db, Table::len).sum()
    }

    /// How many keys of a database have an expiry. As [`Locked::key_count`].
    pub fn expiry_count(&self, db: usize) -> usize {
        self.each_table(db, Table::expiring).sum()
    }

    /// How long keys with an expiry have left on average, in milliseconds; 0 if there are none. As [`Locked::key_count`].
    pub fn average_ttl(&self, db: usize) -> i64 {
        let (count, sum) = self
            .each_table(db, |table| (table.expiring() as i128, table.expiry_sum()))
            .fold((0, 0), |total, shard| {
                (total.0 + shard.0, total.1 + shard.1)
            });
        match count {
            0 => 0,
            _ => i64::try_from(sum / count - i128::from(self.now()))
                .unwrap_or(i64::MAX)
                .max(0),
        }
    }

    /// Bytes allocated for finding a database's keys; the keys' own are [`EntryRef::cost`]. As [`Locked::key_count`].
    pub fn table_bytes(&self, db: usize) -> usize {
        self.each_table(db, Table::heap_bytes).sum()
    }

    fn each_table<R>(&self, db: usize, f: impl Fn(&Table) -> R) -> impl Iterator<Item = R> {
        (0..SHARDS).filter_map(move |at| self.with_shard(at, |shard| shard.table(db).map(&f)))
    }

    /// Reads one shard: through the lock that is held, or, where nothing at all is held, through one of the moment.
    fn with_shard<R>(&self, at: usize, f: impl FnOnce(&Shard) -> R) -> R {
        if self.holds_nothing() {
            f(self.keyspace().lock(at, Access::Read).shard())
        } else {
            f(self.shard(at))
        }
    }

    /// Walks a database in hash order from `cursor` (0 to begin), calling `found` for about `count` keys, and returns
    /// the cursor to go on from, 0 at the end. A key that is there from the first call to the last is found at least
    /// once, whatever is added, removed or moved meanwhile.
    ///
    /// A cursor is a position in hash order, 40 bits of it, and keys of one position are always found together. So it stays
    /// meaningful for ever, whatever becomes of the tables, and a made-up one is as good as any.
    ///
    /// Works under [`Keyspace::lock_all`](super::Keyspace::lock_all), and under
    /// [`Keyspace::lock_none`](super::Keyspace::lock_none), where it holds one shard at a time.
    pub fn scan(
        &self,
        db: usize,
        cursor: u64,
        count: usize,
        mut found: impl FnMut(&[u8], EntryRef<'_>),
    ) -> u64 {
        let mut seen = 0;
        let mut from = cursor as u32;
        let first = usize::try_from(cursor >> 32).unwrap_or(SHARDS);
        for at in first..SHARDS {
            let next = self.with_shard(at, |shard| {
                let mut last = None;
                for (fingerprint, entry) in shard.table(db)?.iter_from(from) {
                    if seen >= count && last != Some(fingerprint) {
                        return Some((at as u64) << 32 | u64::from(fingerprint));
                    }
                    (seen, last) = (seen + 1, Some(fingerprint));
                    if !entry.is_due(self.moment()) {
                        found(entry.key(), EntryRef::new(entry, self.moment()));
                    }
                }
                None
            });
            if let Some(next) = next {
                return next;
            }
            from = 0;
        }
        0
    }

    /// A key picked at random, each as likely as any other; `None` if the database is empty.
    pub fn random_key(&self, db: usize) -> Option<Box<[u8]>> {
        for _ in 0..PICKS {
            let total = self.key_count(db) as u64;
            // Multiply and shift: as even as the numbers are, and no division.
            let mut skip =
                ((u128::from(self.keyspace().random()) * u128::from(total)) >> 64) as usize;
            for at in 0..SHARDS {
                let len = self.with_shard(at, |shard| shard.table(db).map_or(0, Table::len));
                if skip >= len {
                    skip -= len;
                    continue;
                }
                let alive = |shard: &Shard| {
                    let entry = shard.table(db)?.nth(skip)?;
                    (!entry.is_due(self.moment())).then(|| entry.key().into())
                };
                match self.with_shard(at, alive) {
                    None => break, // it is due, or without locks the shard may have changed: pick again
                    key => return key,
                }
            }
        }
        let mut first = None;
        let mut cursor = 0;
        loop {
            cursor = self.scan(db, cursor, 1, |key, _| {
                first.get_or_insert_with(|| key.into());
            });
            if first.is_some() || cursor == 0 {
                return first;
            }
        }
    }

    /// Empties a database. What was in it is returned, to be dropped where that delays nobody. All shards must be held
    /// for writing. Watchers of keys that existed are told.
    pub fn flush(&mut self, db: usize) -> Garbage {
        let keyspace = self.keyspace();
        let flush = |at| {
            self.shard_mut(at)
                .flush(db, |key| keyspace.spot(key).fingerprint)
        };
        Garbage {
            _tables: (0..SHARDS).map(flush).collect(),
        }
    }

    /// Exchanges two databases. All shards must be held for writing. Watchers of keys that exist in either are told.
    pub fn swap(&mut self, a: usize, b: usize) {
        let keyspace = self.keyspace();
        for at in 0..SHARDS {
            self.shard_mut(at)
                .swap(a, b, |key| keyspace.spot(key).fingerprint);
        }
    }
}

/// Keys and values on their way out. Dropping it frees them, which may take long.
pub struct Garbage {
    _tables: Vec<Table>,
}
