//! Everything as it was at one instant, read piece by piece while it goes on changing.
//!
//! Nothing is copied at the mark: every shard is told, under all locks, that a snapshot runs, which takes some
//! microseconds. From then on whoever changes a key that the snapshot has not reached yet first copies that one entry for it,
//! bitmaps by sharing their chunks. The snapshot itself walks the hash order and copies a segment at a time, about a
//! thousand entries, each under its shard's lock for some tens of microseconds. So it takes memory for what is rewritten
//! while it runs and for one segment, and holds nobody up.
//!
//! The first design copied a whole segment before the first write to it. Under random writes that is the whole keyspace
//! in the first tenth of a second: 10 million small keys came to half as much memory again.
//!
//! What is rewritten is known by one bit in each entry ("fresh": not what the snapshot is to find), which is cleared when
//! the snapshot takes the segment. Which segments it has taken is known by its number, kept in each; so nothing needs to be
//! reset at the mark or at the end. A segment that splits passes the number on, two that join are brought to the same
//! one before. An emptied database goes to the snapshot as a whole, an exchanged one remembers which it was.

use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::entry::Entry;
use super::keyspace::{Cell, SHARDS};
use super::table::Table;
use super::{Keyspace, Locked, Tracking};
use crate::bits::View;
use parking_lot::RwLockWriteGuard;

/// Which snapshots there are.
#[derive(Default)]
pub(super) struct Marks {
    /// Whether one runs.
    running: AtomicBool,
    /// The number of the last one. It would come round after four billion, when a segment that nothing has changed since
    /// seems taken already.
    last: AtomicU32,
}

/// How much a database held at the mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub keys: u64,
    /// Those of the keys that have an expiry.
    pub expiring: u64,
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.keys += other.keys;
        self.expiring += other.expiring;
    }
}

/// Everything as it was when [`Locked::snapshot`] was called: an iterator of [`Piece`]s, ascending by database. What had
/// expired by then may be there or not.
///
/// Dropped before its end, it still walks to it, since every entry must be told that the snapshot is over.
pub struct Snapshot {
    shards: Arc<[Cell]>,
    marks: Arc<Marks>,
    use_at: UseAt,
    /// By database, up to the last that holds anything.
    sizes: Vec<Size>,
    /// Where to go on: database, shard, fingerprint.
    db: usize,
    shard: usize,
    from: u64,
    /// A table of that database and shard that was emptied since the mark, to be taken next.
    emptied: Option<Table>,
}

impl Marks {
    /// Whether a snapshot runs, and holds what was there at its mark.
    pub fn running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }
}

impl Locked<'_> {
    /// Marks this instant and returns what there is at it. All shards must be held for writing; what else is to happen at
    /// the same instant can be done before they are let go. `None` while another snapshot has not been dropped.
    pub fn snapshot(&mut self) -> Option<Snapshot> {
        let keyspace = self.keyspace();
        let marks = keyspace.marks();
        if marks.running.swap(true, Ordering::Acquire) {
            return None;
        }
        let number = marks.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut sizes = vec![Size::default(); keyspace.databases()];
        for at in 0..SHARDS {
            let shard = self.shard_mut(at);
            shard.mark(number);
            for (db, size) in sizes.iter_mut().enumerate() {
                *size += shard.table(db).map_or(Size::default(), Table::size);
            }
        }
        while sizes.pop_if(|size| size.keys == 0).is_some() {}
        Some(Snapshot {
            shards: Arc::clone(keyspace.shards()),
            marks: Arc::clone(marks),
            use_at: UseAt {
                tracking: Arc::clone(keyspace.tracking()),
                seconds: self.moment().seconds(),
            },
            sizes,
            db: 0,
            shard: 0,
            from: 0,
            emptied: None,
        })
    }
}

impl Keyspace {
    /// Whether a snapshot has not been dropped yet, so that there can be no other. What is removed meanwhile it may still
    /// hold.
    pub fn has_snapshot(&self) -> bool {
        self.marks().running()
    }
}

impl Snapshot {
    /// How much each database held, from number 0 up to the last that held anything.
    pub fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    /// How many keys there are in all.
    pub fn keys(&self) -> u64 {
        self.sizes.iter().map(|size| size.keys).sum()
    }

    /// Takes the next entries of the database and the shard where it stands; `false` if there are none left.
    fn take(&mut self, into: &mut Vec<Entry>) -> bool {
        let next = match &mut self.emptied {
            Some(table) => table.take_from(self.from, into),
            None => {
                let mut shard = self.shards[self.shard].0.write();
                let next = match shard.marked(self.db) {
                    Some(table) => table.take_from(self.from, into),
                    None => {
                        self.emptied = shard.marked_and_emptied(self.db);
                        self.emptied.as_ref().map(|_| self.from)
                    }
                };
                RwLockWriteGuard::unlock_fair(shard);
                next
            }
        };
        self.from = next.unwrap_or(0);
        next.is_some()
    }
}

impl Iterator for Snapshot {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        while self.db < self.sizes.len() {
            let mut entries = Vec::new();
            let more = self.take(&mut entries);
            let db = self.db;
            if !more {
                self.emptied = None;
                self.shard += 1;
                if self.shard == SHARDS {
                    (self.db, self.shard) = (db + 1, 0);
                }
            }
            if !entries.is_empty() {
                return Some(Piece {
                    db,
                    entries,
                    use_at: self.use_at.clone(),
                });
            }
        }
        None
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        while self.next().is_some() {}
        self.marks.running.store(false, Ordering::Release);
    }
}

/// Some entries of one database.
pub struct Piece {
    /// Its number at the mark.
    pub db: usize,
    entries: Vec<Entry>,
    use_at: UseAt,
}

/// What access words come to at the second of the mark.
#[derive(Clone)]
struct UseAt {
    tracking: Arc<Tracking>,
    seconds: u32,
}

impl Piece {
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Saved<'_>> {
        self.entries.iter().map(|entry| Saved {
            entry,
            use_at: &self.use_at,
        })
    }
}

/// A key with its value, as they were at the mark.
#[derive(Clone, Copy)]
pub struct Saved<'a> {
    entry: &'a Entry,
    use_at: &'a UseAt,
}

impl<'a> Saved<'a> {
    pub fn key(&self) -> &'a [u8] {
        self.entry.key()
    }

    pub fn view(&self) -> View<'a> {
        self.entry.view()
    }

    /// When the key goes, in milliseconds since the Unix epoch.
    pub fn expires_at(&self) -> Option<i64> {
        self.entry.expires_at()
    }

    /// Seconds since the last access, at the mark.
    pub fn idle_seconds(&self) -> u32 {
        let UseAt { tracking, seconds } = self.use_at;
        tracking.idle_seconds(self.entry.accessed(), *seconds)
    }

    /// How often it was accessed, on Redis's scale from 0 to 255, at the mark.
    pub fn frequency(&self) -> u8 {
        let UseAt { tracking, seconds } = self.use_at;
        tracking.frequency(self.entry.accessed(), *seconds)
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
