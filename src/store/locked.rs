//! Keys that are locked, and what can be done with each.

use std::sync::Arc;

use parking_lot::{RwLockReadGuard, RwLockWriteGuard};

use super::ahead::Found;
use super::clock::Moment;
use super::entry::{Content, Entry};
use super::keyspace::{Ranked, Shards, Spot};
use super::shard::Shard;
use super::value::Expiry;
use super::{Encoding, EntryMut, EntryRef, Keyspace, Removed, Value, Watch};
use crate::bits::Bitmap;

pub(super) enum Guard<'a> {
    Read(RwLockReadGuard<'a, Shard>),
    Write(RwLockWriteGuard<'a, Shard>),
}

impl Guard<'_> {
    #[inline]
    pub fn shard(&self) -> &Shard {
        match self {
            Guard::Read(shard) => shard,
            Guard::Write(shard) => shard,
        }
    }
}

/// The shards that are held. One is by far the most common, and needs no list.
enum Guards<'a> {
    None,
    One((usize, Guard<'a>)),
    /// Somebody else holds the lock, and has looked a key up.
    Lent(&'a Found<'a>),
    /// Apart, so that one is quickly moved.
    Many(Box<Many<'a>>),
}

/// Guards in the order of the set.
struct Many<'a> {
    shards: Ranked,
    guards: Vec<Guard<'a>>,
}

impl Many<'_> {
    fn place(&self, shard: usize) -> usize {
        self.shards.rank(shard).expect(UNPLANNED)
    }
}

const UNPLANNED: &str = "the plan names every key";
const SHARED: &str = "a change under a shared lock";

impl<'a> Guards<'a> {
    #[inline(always)]
    fn shard(&self, at: usize) -> &Shard {
        match self {
            Guards::One((shard, guard)) if *shard == at => guard.shard(),
            Guards::Lent(found) if found.at == at => found.shard,
            Guards::Many(many) => many.guards[many.place(at)].shard(),
            _ => panic!("{UNPLANNED}"),
        }
    }

    #[inline]
    fn shard_mut(&mut self, at: usize) -> &mut Shard {
        let guard = match self {
            Guards::One((shard, guard)) if *shard == at => guard,
            Guards::Many(many) => {
                let place = many.place(at);
                &mut many.guards[place]
            }
            Guards::Lent(_) => panic!("{SHARED}"),
            _ => panic!("{UNPLANNED}"),
        };
        match guard {
            Guard::Read(_) => panic!("{SHARED}"),
            Guard::Write(shard) => shard,
        }
    }
}

/// Keys that are locked, at one moment: [`Locked::now`] does not move while the locks are held.
///
/// A key whose time has come is absent, whether or not it has been removed yet. Asking for a key whose shard is not
/// held, or for changes where the lock is shared, is a bug in the caller's plan and panics.
pub struct Locked<'a> {
    keyspace: &'a Keyspace,
    moment: Moment<'a>,
    guards: Guards<'a>,
    /// Bitmaps that were replaced. Declared after the guards, so dropped after them: freeing a large one takes
    /// milliseconds, for which nobody should wait.
    replaced: Vec<Bitmap>,
}

impl<'a> Locked<'a> {
    #[inline]
    fn new(keyspace: &'a Keyspace, guards: Guards<'a>) -> Self {
        Self {
            keyspace,
            // Read after the locks are held: waiting must not make a key seem alive longer than it is.
            moment: Moment::new(keyspace.clock(), keyspace.tracking())
                .timeless(keyspace.is_timeless()),
            guards,
            replaced: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn none(keyspace: &'a Keyspace) -> Self {
        Self::new(keyspace, Guards::None)
    }

    #[inline]
    pub(super) fn one(keyspace: &'a Keyspace, held: (usize, Guard<'a>)) -> Self {
        Self::new(keyspace, Guards::One(held))
    }

    /// Has a key that is locked elsewhere, and found already, in place of what it had. The moment stays.
    #[inline]
    pub fn borrow(&mut self, found: &'a Found<'a>) {
        match &mut self.guards {
            Guards::Lent(before) => *before = found,
            others => *others = Guards::Lent(found),
        }
    }

    /// Locks the shards of a set one after the other.
    pub(super) fn many(
        keyspace: &'a Keyspace,
        shards: Shards,
        lock: impl FnMut(usize) -> Guard<'a>,
    ) -> Self {
        let mut guards = Vec::with_capacity(shards.len());
        guards.extend(shards.iter().map(lock));
        let shards = Ranked::new(shards);
        Self::new(keyspace, Guards::Many(Box::new(Many { shards, guards })))
    }

    /// Releases the locks. The bitmaps that were replaced under them are left for the caller to free.
    #[inline(always)]
    pub fn release(self) -> Vec<Bitmap> {
        self.replaced
    }

    /// Whether the lock is somebody else's ([`Locked::borrow`]), and not given back when this is dropped.
    pub fn is_borrowed(&self) -> bool {
        matches!(self.guards, Guards::Lent(_))
    }

    /// Milliseconds since the Unix epoch, read once while the locks are held.
    pub fn now(&self) -> i64 {
        self.moment.ms()
    }

    pub(super) fn moment(&self) -> &Moment<'a> {
        &self.moment
    }

    pub(super) fn keyspace(&self) -> &'a Keyspace {
        self.keyspace
    }

    pub(super) fn holds_nothing(&self) -> bool {
        matches!(self.guards, Guards::None)
    }

    pub(super) fn shard(&self, at: usize) -> &Shard {
        self.guards.shard(at)
    }

    pub(super) fn shard_mut(&mut self, at: usize) -> &mut Shard {
        self.guards.shard_mut(at)
    }

    /// Looks a key up. Does not count as an access; see [`EntryRef::touch`].
    #[inline(always)]
    pub fn get(&self, db: usize, key: &[u8]) -> Option<EntryRef<'_>> {
        let entry = match &self.guards {
            Guards::Lent(found) if let Some(entry) = found.get(db, key) => {
                entry.filter(|entry| !entry.is_due(&self.moment))
            }
            _ => self.find(db, key),
        };
        Some(EntryRef::new(entry?, &self.moment))
    }

    /// Looks a key up where it lies.
    #[inline(never)]
    fn find(&self, db: usize, key: &[u8]) -> Option<&Entry> {
        let Spot { shard, fingerprint } = self.keyspace.spot(key);
        let shard = self.guards.shard(shard);
        shard.find(db, fingerprint, key, &self.moment)
    }

    /// Looks a key up to change it. One whose time has come is removed first.
    #[inline]
    pub fn get_mut(&mut self, db: usize, key: &[u8]) -> Option<EntryMut<'_>> {
        let Spot { shard, fingerprint } = self.keyspace.spot(key);
        let shard = self.guards.shard_mut(shard);
        let place = shard.find_alive(db, fingerprint, key, &self.moment)?;
        Some(EntryMut::new(
            shard.table_mut(db),
            place,
            &self.moment,
            &mut self.replaced,
        ))
    }

    /// The key's entry, made as an empty raw string where there is none. The flag says whether it was made.
    pub fn get_or_create(&mut self, db: usize, key: &[u8]) -> (EntryMut<'_>, bool) {
        let Spot { shard, fingerprint } = self.keyspace.spot(key);
        let shard = self.guards.shard_mut(shard);
        let found = shard.find_alive(db, fingerprint, key, &self.moment);
        let table = shard.table_mut(db);
        let place = found.unwrap_or_else(|| {
            let empty = Content::Flat(&[], Encoding::Raw);
            table.insert(
                fingerprint,
                Entry::new(key, None, self.moment.fresh(), empty),
            )
        });
        (
            EntryMut::new(table, place, &self.moment, &mut self.replaced),
            found.is_none(),
        )
    }

    /// Stores a value under a key, whatever was there; for what was, this is one more access. `expires_at` is absolute, in milliseconds; `None` is for ever.
    pub fn put(&mut self, db: usize, key: &[u8], mut value: Value, expires_at: Option<i64>) {
        let content = Content::take(&mut value).under(key, Expiry::together(expires_at));
        self.put_content(db, key, content, expires_at);
    }

    /// Stores a string set as a whole (SET), whose expiry comes after it: as [`Locked::put`] of [`Value::set`], without
    /// building the value first.
    pub fn put_bytes(&mut self, db: usize, key: &[u8], bytes: &[u8], expires_at: Option<i64>) {
        let content =
            Content::new(bytes, Encoding::of(bytes)).under(key, Expiry::after(expires_at));
        self.put_content(db, key, content, expires_at);
    }

    /// Stores a string that was built by a command, for ever: as [`Locked::put`] of [`Value::raw`], without building the
    /// value first.
    pub fn put_raw(&mut self, db: usize, key: &[u8], bytes: &[u8]) {
        let content = Content::new(bytes, Encoding::Raw).under(key, Expiry::None);
        self.put_content(db, key, content, None);
    }

    fn put_content(
        &mut self,
        db: usize,
        key: &[u8],
        content: Content<'_>,
        expires_at: Option<i64>,
    ) {
        let Spot { shard, fingerprint } = self.keyspace.spot(key);
        let shard = self.guards.shard_mut(shard);
        let found = shard.find_alive(db, fingerprint, key, &self.moment);
        let table = shard.table_mut(db);
        match found {
            None => {
                table.insert(
                    fingerprint,
                    Entry::new(key, expires_at, self.moment.fresh(), content),
                );
            }
            // With an expiry before and after, or without both times, the entry may stay where it is.
            Some(place) if table.entry(place).expires_at().is_some() == expires_at.is_some() => {
                table.set_expiry(place, expires_at);
                let entry = table.entry_mut(place);
                entry.set_accessed(self.moment.used(entry.accessed()));
                self.replaced.extend(entry.replace(content));
            }
            Some(place) => {
                let accessed = self.moment.used(table.entry(place).accessed());
                let new = Entry::new(key, expires_at, accessed, content);
                if let Value::Bitmap(old) = table.exchange(place, new).into_value() {
                    self.replaced.push(old);
                }
            }
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, db: usize, key: &[u8]) -> Option<Removed> {
        let Spot { shard, fingerprint } = self.keyspace.spot(key);
        let shard = self.guards.shard_mut(shard);
        let place = shard.find_alive(db, fingerprint, key, &self.moment)?;
        let entry = shard.table_mut(db).remove(place);
        Some(Removed {
            expires_at: entry.expires_at(),
            value: entry.into_value(),
        })
    }

    /// Takes a key out and frees what it held, a bitmap once the locks are released. Whether it was there.
    pub fn delete(&mut self, db: usize, key: &[u8]) -> bool {
        let removed = self.remove(db, key);
        let was_there = removed.is_some();
        if let Some(Removed {
            value: Value::Bitmap(bitmap),
            ..
        }) = removed
        {
            self.replaced.push(bitmap);
        }
        was_there
    }

    /// Tells whoever watches `key` that it changed.
    pub fn touch_watchers(&mut self, db: usize, key: &[u8]) {
        let spot = self.keyspace.spot(key);
        self.guards.shard_mut(spot.shard).watchers.touch(db, key);
    }

    /// From now on, a change of `key` sets `watch`. The key must be held for writing.
    pub fn watch(&mut self, db: usize, key: &[u8], watch: &Arc<Watch>) {
        self.shard_without_due(db, key).watchers.add(db, key, watch);
    }

    /// Undoes [`Locked::watch`]. Should the key's time have come since, it is removed now, which is a change: whoever needs
    /// to know whether anything changed unwatches first and then reads the mark.
    pub fn unwatch(&mut self, db: usize, key: &[u8], watch: &Arc<Watch>) {
        self.shard_without_due(db, key)
            .watchers
            .remove(db, key, watch);
    }

    /// A key whose time has come is removed, so that its removal cannot be taken for a change that came later, or missed.
    fn shard_without_due(&mut self, db: usize, key: &[u8]) -> &mut Shard {
        let Spot { shard, fingerprint } = self.keyspace.spot(key);
        let shard = self.guards.shard_mut(shard);
        shard.find_alive(db, fingerprint, key, &self.moment);
        shard
    }
}
