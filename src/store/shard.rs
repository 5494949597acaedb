//! What is behind one lock: the keys whose hashes begin alike, of every database, and who watches them.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::clock::Moment;
use super::departure::{Departures, Why};
use super::entry::Entry;
use super::table::{Place, Table};
use super::watch::Watchers;

pub(super) struct Shard {
    /// By database, up to the last that was ever used here. Database 0, which nearly everybody uses alone, lies beside the
    /// lock: one cache line less on the way to a key.
    tables: SmallVec<[Table; 1]>,
    /// Tables that were emptied before a snapshot had taken what it is to find in them.
    emptied: Vec<Table>,
    pub watchers: Watchers,
    /// Who is told of keys that go by themselves; all shards share it.
    departures: Arc<Departures>,
}

impl Shard {
    /// An empty shard, with database 0, which nearly everybody uses, laid out: some 80 KB for all shards at the start,
    /// rather than three hundred bytes more for each of the first keys.
    pub fn new(departures: Arc<Departures>) -> Self {
        Self {
            tables: smallvec![Table::ready()],
            emptied: Vec::new(),
            watchers: Watchers::default(),
            departures,
        }
    }

    /// The keys of a database, `None` where it never had any here.
    #[inline]
    pub fn table(&self, db: usize) -> Option<&Table> {
        self.tables.get(db)
    }

    /// The keys of every database.
    pub fn tables(&self) -> impl Iterator<Item = (usize, &Table)> {
        self.tables.iter().enumerate()
    }

    /// The keys of a database.
    #[inline]
    pub fn table_mut(&mut self, db: usize) -> &mut Table {
        if self.tables.len() <= db {
            self.tables.reserve_exact(db + 1 - self.tables.len());
            self.tables.resize_with(db + 1, Table::default);
        }
        &mut self.tables[db]
    }

    /// The entry of a key, unless its time has come.
    #[inline]
    pub fn find(
        &self,
        db: usize,
        fingerprint: u32,
        key: &[u8],
        moment: &Moment<'_>,
    ) -> Option<&Entry> {
        let entry = self.table(db)?.get(fingerprint, key)?;
        (!entry.is_due(moment)).then_some(entry)
    }

    /// Where the entry of a key is. One whose time has come is removed, and whoever wants to know is told.
    #[inline]
    pub fn find_alive(
        &mut self,
        db: usize,
        fingerprint: u32,
        key: &[u8],
        moment: &Moment<'_>,
    ) -> Option<Place> {
        let table = self.tables.get_mut(db)?;
        let place = table.find(fingerprint, key)?;
        if table.entry(place).is_due(moment) {
            table.remove(place);
            self.watchers.touch(db, key);
            self.departures.tell(db, key, Why::Expired);
            return None;
        }
        Some(place)
    }

    /// Removes entries whose time has come, of all databases, until `limit` are removed or all are; tells whoever wants
    /// to know, and hands them to `gone`. Says whether all are removed.
    pub fn remove_due(&mut self, now: i64, limit: usize, mut gone: impl FnMut(Entry)) -> bool {
        let mut removed = 0;
        for (db, table) in self.tables.iter_mut().enumerate() {
            if table.soonest() > now {
                continue;
            }
            let all = table.remove_due(now, limit - removed, |entry| {
                self.watchers.touch(db, entry.key());
                self.departures.tell(db, entry.key(), Why::Expired);
                removed += 1;
                gone(entry);
            });
            if !all || removed >= limit {
                return false;
            }
        }
        true
    }

    /// Takes a key out to make room, if it is there, and, with `volatile`, only if it expires. Whoever wants to know is
    /// told.
    pub fn evict(
        &mut self,
        db: usize,
        fingerprint: u32,
        key: &[u8],
        moment: &Moment<'_>,
        volatile: bool,
    ) -> Option<Entry> {
        let place = self.find_alive(db, fingerprint, key, moment)?;
        let table = self.table_mut(db);
        if volatile && table.entry(place).expires_at().is_none() {
            return None;
        }
        let entry = table.remove(place);
        self.watchers.touch(db, key);
        self.departures.tell(db, key, Why::Evicted);
        Some(entry)
    }

    /// Whether some entry's time may have come.
    pub fn has_due(&self, now: i64) -> bool {
        self.tables.iter().any(|table| table.soonest() <= now)
    }

    /// Empties a database. Whoever watches a key that was there is told. What a snapshot is still to find stays with it.
    pub fn flush(&mut self, db: usize, fingerprint: impl Fn(&[u8]) -> u32) -> Table {
        let empty = if db == 0 {
            Table::ready()
        } else {
            Table::default()
        };
        let table = std::mem::replace(self.table_mut(db), empty);
        self.watchers
            .touch_where(db, |key| table.find(fingerprint(key), key).is_some());
        if table.marked_as().is_some() {
            self.emptied.push(table);
            return Table::default();
        }
        table
    }

    /// From now on, what is here is what a snapshot is to find.
    pub fn mark(&mut self, snapshot: u32) {
        for (db, table) in self.tables.iter_mut().enumerate() {
            table.mark(snapshot, db);
        }
    }

    /// The table that was database `db` at the mark, if a snapshot has not taken all of it.
    pub fn marked(&mut self, db: usize) -> Option<&mut Table> {
        self.tables
            .iter_mut()
            .find(|table| table.marked_as() == Some(db))
    }

    /// As [`Shard::marked`], where it has been emptied since. It is nobody else's any more.
    pub fn marked_and_emptied(&mut self, db: usize) -> Option<Table> {
        let at = self
            .emptied
            .iter()
            .position(|table| table.marked_as() == Some(db))?;
        Some(self.emptied.swap_remove(at))
    }

    /// Exchanges two databases. Whoever watches a key that is there in either is told.
    pub fn swap(&mut self, a: usize, b: usize, fingerprint: impl Fn(&[u8]) -> u32) {
        self.table_mut(a.max(b));
        self.tables.swap(a, b);
        for db in [a, b] {
            self.watchers.touch_where(db, |key| {
                let fingerprint = fingerprint(key);
                [a, b]
                    .iter()
                    .any(|&side| self.tables[side].find(fingerprint, key).is_some())
            });
        }
    }
}
