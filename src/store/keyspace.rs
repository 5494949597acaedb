//! The keyspace: which shard a key lives in, and how any set of keys is locked.
//!
//! A key's hash picks its shard, and a shard holds its keys of every database, so moving a key between databases stays
//! under one lock. Whoever needs several keys names them all at once and gets their shards in ascending order: two such
//! locks can wait for each other but never in a circle.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Clock, Encoding, Value, Watch, value::FLAT_MAX};
use crate::bits::{Bitmap, View, flat};

/// Shards, a power of two. Many more than cores, so that two busy keys seldom meet in one.
const SHARDS: usize = 256;

/// Whether a lock is shared with other readers or exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Read,
    Write,
}

/// Every key of every database.
pub struct Keyspace {
    shards: Box<[RwLock<Shard>]>,
    hasher: RandomState,
    clock: Clock,
    databases: usize,
    expired: AtomicU64,
}

/// Keys with their hash in front, so in hash order.
type Table = BTreeMap<(u64, Box<[u8]>), Entry>;

/// Who watches which key of which database.
type Watchers = HashMap<(usize, Box<[u8]>), Vec<Arc<Watch>>>;

struct Shard {
    tables: Vec<Table>,
    watchers: Watchers,
}

struct Entry {
    value: Value,
    /// Absolute, in milliseconds since the Unix epoch.
    expires_at: Option<i64>,
    /// Seconds since the Unix epoch, cut to 32 bits; written under a shared lock.
    accessed: AtomicU32,
}

impl Keyspace {
    pub fn new(databases: usize, clock: Clock) -> Self {
        let shard = || Shard {
            tables: (0..databases).map(|_| BTreeMap::new()).collect(),
            watchers: HashMap::new(),
        };
        Self {
            shards: (0..SHARDS).map(|_| RwLock::new(shard())).collect(),
            hasher: RandomState::new(),
            clock,
            databases,
            expired: AtomicU64::new(0),
        }
    }

    pub fn databases(&self) -> usize {
        self.databases
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Keys removed because their time had come, since start.
    pub fn expired_keys(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }

    /// Nothing is locked: for commands that touch no key, and for walks that lock shard by shard ([`Locked::scan`]).
    pub fn lock_none(&self) -> Locked<'_> {
        Locked {
            keyspace: self,
            now: self.clock.now_ms(),
            guards: Vec::new(),
        }
    }

    /// Locks the shard of one key.
    pub fn lock_key(&self, key: &[u8], access: Access) -> Locked<'_> {
        self.lock([(self.shard_of(self.hash(key)), access)])
    }

    /// Locks the shards of `keys`, each as strongly as its strongest use asks for.
    pub fn lock_keys<'k>(&self, keys: impl IntoIterator<Item = (&'k [u8], Access)>) -> Locked<'_> {
        let mut wanted: BTreeMap<usize, Access> = BTreeMap::new();
        for (key, access) in keys {
            let held = wanted
                .entry(self.shard_of(self.hash(key)))
                .or_insert(access);
            *held = (*held).max(access);
        }
        self.lock(wanted)
    }

    /// Locks everything, for commands about the whole keyspace.
    pub fn lock_all(&self, access: Access) -> Locked<'_> {
        self.lock((0..SHARDS).map(|shard| (shard, access)))
    }

    fn lock(&self, shards: impl IntoIterator<Item = (usize, Access)>) -> Locked<'_> {
        let guards = shards
            .into_iter()
            .map(|(at, access)| match access {
                Access::Read => (at, Guard::Read(self.shards[at].read())),
                Access::Write => (at, Guard::Write(self.shards[at].write())),
            })
            .collect();
        // Read after the locks are held: waiting must not make a key seem alive longer than it is.
        Locked {
            keyspace: self,
            now: self.clock.now_ms(),
            guards,
        }
    }

    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    fn shard_of(&self, hash: u64) -> usize {
        (hash >> (64 - SHARDS.trailing_zeros())) as usize
    }

    /// Removes keys whose time has come, looking at no more than `budget` shards. Returns how many were removed.
    pub fn sweep(&self, budget: usize) -> usize {
        let now = self.clock.now_ms();
        let mut removed = 0;
        for shard in self.shards.iter().take(budget) {
            let mut shard = shard.write();
            let Shard { tables, watchers } = &mut *shard;
            for (db, table) in tables.iter_mut().enumerate() {
                table.retain(|(_, key), entry| {
                    let due = entry.expires_at.is_some_and(|at| at <= now);
                    if due {
                        removed += 1;
                        touch(watchers, db, key);
                    }
                    !due
                });
            }
        }
        self.expired.fetch_add(removed as u64, Ordering::Relaxed);
        removed
    }
}

fn touch(watchers: &Watchers, db: usize, key: &[u8]) {
    if watchers.is_empty() {
        return;
    }
    for watch in watchers.get(&(db, key.into())).into_iter().flatten() {
        watch.touch();
    }
}

enum Guard<'a> {
    Read(RwLockReadGuard<'a, Shard>),
    Write(RwLockWriteGuard<'a, Shard>),
}

/// Keys that are locked, at one moment: [`Locked::now`] does not move while the locks are held.
///
/// A key whose time has come is absent, whether or not it has been removed yet. Asking for a key whose shard is not
/// held, or for changes where the lock is shared, is a bug in the caller's plan and panics.
pub struct Locked<'a> {
    keyspace: &'a Keyspace,
    now: i64,
    guards: Vec<(usize, Guard<'a>)>,
}

impl<'a> Locked<'a> {
    /// Milliseconds since the Unix epoch, read once when the locks were taken.
    pub fn now(&self) -> i64 {
        self.now
    }

    fn shard(&self, at: usize) -> &Shard {
        let held = self
            .guards
            .binary_search_by_key(&at, |(held, _)| *held)
            .expect("the plan names every key");
        match &self.guards[held].1 {
            Guard::Read(shard) => shard,
            Guard::Write(shard) => shard,
        }
    }

    fn shard_mut(&mut self, at: usize) -> &mut Shard {
        let held = self
            .guards
            .binary_search_by_key(&at, |(held, _)| *held)
            .expect("the plan names every key");
        match &mut self.guards[held].1 {
            Guard::Read(_) => panic!("a change under a shared lock"),
            Guard::Write(shard) => shard,
        }
    }

    /// Looks a key up. Does not count as an access; see [`EntryRef::touch`].
    pub fn get(&self, db: usize, key: &[u8]) -> Option<EntryRef<'_>> {
        let hash = self.keyspace.hash(key);
        let entry = self.shard(self.keyspace.shard_of(hash)).tables[db].get(&(hash, key.into()))?;
        if entry.expires_at.is_some_and(|at| at <= self.now) {
            return None;
        }
        Some(EntryRef {
            entry,
            now: self.now,
        })
    }

    /// Looks a key up to change it. One whose time has come is removed first.
    pub fn get_mut(&mut self, db: usize, key: &[u8]) -> Option<EntryMut<'_>> {
        self.remove_if_due(db, key);
        let (now, hash) = (self.now, self.keyspace.hash(key));
        let at = self.keyspace.shard_of(hash);
        let entry = self.shard_mut(at).tables[db].get_mut(&(hash, key.into()))?;
        Some(EntryMut { entry, now })
    }

    /// The key's entry, made as an empty raw string where there is none. The flag says whether it was made.
    pub fn get_or_create(&mut self, db: usize, key: &[u8]) -> (EntryMut<'_>, bool) {
        self.remove_if_due(db, key);
        let (now, hash) = (self.now, self.keyspace.hash(key));
        let at = self.keyspace.shard_of(hash);
        let mut created = false;
        let entry = self.shard_mut(at).tables[db]
            .entry((hash, key.into()))
            .or_insert_with(|| {
                created = true;
                Entry {
                    value: Value::raw(b""),
                    expires_at: None,
                    accessed: AtomicU32::new(seconds(now)),
                }
            });
        (EntryMut { entry, now }, created)
    }

    /// Stores a value under a key, whatever was there. `expires_at` is absolute, in milliseconds; `None` is for ever.
    pub fn put(&mut self, db: usize, key: &[u8], value: Value, expires_at: Option<i64>) {
        let (now, hash) = (self.now, self.keyspace.hash(key));
        let at = self.keyspace.shard_of(hash);
        let entry = Entry {
            value,
            expires_at,
            accessed: AtomicU32::new(seconds(now)),
        };
        self.shard_mut(at).tables[db].insert((hash, key.into()), entry);
    }

    /// Stores a string set as a whole (SET): as [`Locked::put`] of [`Value::set`], without building the value first.
    pub fn put_bytes(&mut self, db: usize, key: &[u8], bytes: &[u8], expires_at: Option<i64>) {
        self.put(db, key, Value::set(bytes), expires_at);
    }

    /// Takes a key out.
    pub fn remove(&mut self, db: usize, key: &[u8]) -> Option<Removed> {
        self.remove_if_due(db, key);
        let hash = self.keyspace.hash(key);
        let at = self.keyspace.shard_of(hash);
        let entry = self.shard_mut(at).tables[db].remove(&(hash, key.into()))?;
        Some(Removed {
            value: entry.value,
            expires_at: entry.expires_at,
        })
    }

    fn remove_if_due(&mut self, db: usize, key: &[u8]) {
        let (now, hash) = (self.now, self.keyspace.hash(key));
        let at = self.keyspace.shard_of(hash);
        let shard = self.shard_mut(at);
        let place = (hash, key.into());
        if shard.tables[db]
            .get(&place)
            .is_some_and(|entry| entry.expires_at.is_some_and(|at| at <= now))
        {
            shard.tables[db].remove(&place);
            touch(&shard.watchers, db, key);
            self.keyspace.expired.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tells whoever watches `key` that it changed.
    pub fn touch_watchers(&mut self, db: usize, key: &[u8]) {
        let at = self.keyspace.shard_of(self.keyspace.hash(key));
        touch(&self.shard(at).watchers, db, key);
    }

    /// From now on, a change of `key` sets `watch`. The key must be held for writing.
    pub fn watch(&mut self, db: usize, key: &[u8], watch: &Arc<Watch>) {
        let at = self.keyspace.shard_of(self.keyspace.hash(key));
        self.shard_mut(at)
            .watchers
            .entry((db, key.into()))
            .or_default()
            .push(Arc::clone(watch));
    }

    /// Undoes [`Locked::watch`].
    pub fn unwatch(&mut self, db: usize, key: &[u8], watch: &Arc<Watch>) {
        let at = self.keyspace.shard_of(self.keyspace.hash(key));
        let watchers = &mut self.shard_mut(at).watchers;
        let place = (db, key.into());
        if let Some(watching) = watchers.get_mut(&place) {
            watching.retain(|other| !Arc::ptr_eq(other, watch));
            if watching.is_empty() {
                watchers.remove(&place);
            }
        }
    }

    /// How many keys a database holds, those whose time has come but which are not yet removed included, as in Redis.
    /// Needs no lock: outside one it is the sum of moments a little apart.
    pub fn key_count(&self, db: usize) -> usize {
        self.each_shard(|shard| shard.tables[db].len()).sum()
    }

    /// How many keys of a database have an expiry. As [`Locked::key_count`].
    pub fn expiry_count(&self, db: usize) -> usize {
        self.each_shard(|shard| {
            shard.tables[db]
                .values()
                .filter(|entry| entry.expires_at.is_some())
                .count()
        })
        .sum()
    }

    fn each_shard<R>(&self, mut f: impl FnMut(&Shard) -> R) -> impl Iterator<Item = R> {
        (0..SHARDS).map(move |at| self.with_shard(at, &mut f))
    }

    /// Reads one shard: through the lock that is held, or, where nothing at all is held, through one of the moment.
    fn with_shard<R>(&self, at: usize, f: impl FnOnce(&Shard) -> R) -> R {
        if self.guards.is_empty() {
            f(&self.keyspace.shards[at].read())
        } else {
            f(self.shard(at))
        }
    }

    /// Walks a database in hash order from `cursor` (0 to begin), calling `found` for about `count` keys, and returns
    /// the cursor to go on from, 0 at the end. A key that is there from the first call to the last is found at least
    /// once, whatever is added, removed or moved meanwhile.
    ///
    /// Works under [`Keyspace::lock_all`], and under [`Keyspace::lock_none`], where it holds one shard at a time.
    pub fn scan(
        &self,
        db: usize,
        cursor: u64,
        count: usize,
        mut found: impl FnMut(&[u8], EntryRef<'_>),
    ) -> u64 {
        let mut seen = 0;
        let mut from = cursor;
        for at in self.keyspace.shard_of(cursor)..SHARDS {
            let next = self.with_shard(at, |shard| {
                let start: (u64, Box<[u8]>) = (from, Box::default());
                let mut last = None;
                for ((hash, key), entry) in
                    shard.tables[db].range((Bound::Included(start), Bound::Unbounded))
                {
                    if seen >= count && last != Some(*hash) {
                        return Some(*hash);
                    }
                    (seen, last) = (seen + 1, Some(*hash));
                    if entry.expires_at.is_none_or(|at| at > self.now) {
                        found(
                            key,
                            EntryRef {
                                entry,
                                now: self.now,
                            },
                        );
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

    /// A key picked at random, `None` if the database is empty.
    pub fn random_key(&self, db: usize) -> Option<Box<[u8]>> {
        let total = self.key_count(db);
        let mut skip = self.keyspace.hash(&self.now.to_le_bytes()) as usize % total.max(1);
        for at in 0..SHARDS {
            let picked = self.with_shard(at, |shard| {
                let len = shard.tables[db].len();
                if skip < len {
                    return shard.tables[db]
                        .keys()
                        .nth(skip)
                        .map(|(_, key)| key.clone());
                }
                skip -= len;
                None
            });
            if picked.is_some() {
                return picked;
            }
        }
        None
    }

    /// Empties a database. What was in it is returned, to be dropped where that delays nobody. All shards must be held
    /// for writing. Watchers of keys that existed are told.
    pub fn flush(&mut self, db: usize) -> Garbage {
        let mut garbage = Vec::new();
        for at in 0..SHARDS {
            let shard = self.shard_mut(at);
            for (_, key) in shard.tables[db].keys() {
                touch(&shard.watchers, db, key);
            }
            garbage.push(std::mem::take(&mut shard.tables[db]));
        }
        Garbage { _tables: garbage }
    }

    /// Exchanges two databases. All shards must be held for writing. Watchers of keys that exist in either are told.
    pub fn swap(&mut self, a: usize, b: usize) {
        for at in 0..SHARDS {
            let shard = self.shard_mut(at);
            for (db, table) in [
                (a, &shard.tables[a]),
                (a, &shard.tables[b]),
                (b, &shard.tables[a]),
                (b, &shard.tables[b]),
            ] {
                for (_, key) in table.keys() {
                    touch(&shard.watchers, db, key);
                }
            }
            shard.tables.swap(a, b);
        }
    }
}

/// Keys and values on their way out. Dropping it frees them, which may take long.
pub struct Garbage {
    _tables: Vec<Table>,
}

/// What [`Locked::remove`] took out.
pub struct Removed {
    pub value: Value,
    /// Absolute, in milliseconds since the Unix epoch.
    pub expires_at: Option<i64>,
}

fn seconds(ms: i64) -> u32 {
    (ms / 1000) as u32
}

/// A key's entry, to read.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    entry: &'a Entry,
    now: i64,
}

impl<'a> EntryRef<'a> {
    pub fn view(&self) -> View<'a> {
        self.entry.value.view()
    }

    pub fn encoding(&self) -> Encoding {
        self.entry.value.encoding()
    }

    /// When the key goes, in milliseconds since the Unix epoch.
    pub fn expires_at(&self) -> Option<i64> {
        self.entry.expires_at
    }

    /// A copy of the value, which shares its chunks.
    pub fn value(&self) -> Value {
        self.entry.value.clone()
    }

    /// Seconds since the last access.
    pub fn idle_seconds(&self) -> u32 {
        seconds(self.now).wrapping_sub(self.entry.accessed.load(Ordering::Relaxed))
    }

    /// Counts this as an access (OBJECT IDLETIME).
    pub fn touch(&self) {
        self.entry
            .accessed
            .store(seconds(self.now), Ordering::Relaxed);
    }

    /// Bytes the key costs: entry, key, value and its share of the table.
    pub fn cost(&self) -> usize {
        let heap = match &self.entry.value {
            Value::Flat(bytes, _) => bytes.len(),
            Value::Bitmap(bitmap) => bitmap.heap_bytes(),
        };
        size_of::<Entry>() + heap
    }
}

/// A key's entry, to change. Every change of the bytes makes the encoding raw, as in Redis.
pub struct EntryMut<'a> {
    entry: &'a mut Entry,
    now: i64,
}

impl EntryMut<'_> {
    /// The same entry, to read.
    pub fn as_ref(&self) -> EntryRef<'_> {
        EntryRef {
            entry: self.entry,
            now: self.now,
        }
    }

    pub fn view(&self) -> View<'_> {
        self.entry.value.view()
    }

    /// Sets one bit, growing the string as SETBIT does (for 0 too). Returns the old bit.
    pub fn set_bit(&mut self, bit: u64, on: bool) -> bool {
        self.change(
            (bit / 8).saturating_add(1),
            |bytes| flat::set(bytes, bit, on),
            |bitmap| bitmap.set(bit, on),
        )
    }

    /// Overwrites the bytes from `at` on, growing the string, zero filled, as SETRANGE does.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        let end = at.saturating_add(bytes.len() as u64);
        self.change(
            end,
            |flat| flat[at as usize..][..bytes.len()].copy_from_slice(bytes),
            |bitmap| bitmap.write(at, bytes),
        );
    }

    /// Zero-extends the string to at least `len` bytes.
    pub fn grow(&mut self, len: u64) {
        self.change(len, |_| (), |bitmap| bitmap.grow(len));
    }

    /// Runs one of the two with at least `len` bytes there, whichever fits how the value is held then.
    fn change<R>(
        &mut self,
        len: u64,
        flat: impl FnOnce(&mut [u8]) -> R,
        chunked: impl FnOnce(&mut Bitmap) -> R,
    ) -> R {
        if let Value::Flat(bytes, _) = &mut self.entry.value {
            let mut owned = std::mem::take(bytes).into_vec();
            if len <= FLAT_MAX as u64 {
                owned.resize(owned.len().max(len as usize), 0);
                let result = flat(&mut owned);
                self.entry.value = Value::Flat(owned.into(), Encoding::Raw);
                return result;
            }
            self.entry.value = Value::Bitmap(Bitmap::from_bytes(&owned));
        }
        match &mut self.entry.value {
            Value::Bitmap(bitmap) => chunked(bitmap),
            Value::Flat(..) => unreachable!("made a bitmap above"),
        }
    }

    /// Replaces the value and keeps the expiry (SET KEEPTTL, INCR, BITFIELD on the whole value).
    pub fn replace(&mut self, value: Value) {
        self.entry.value = value;
    }

    /// Sets, moves or (`None`) removes the expiry: absolute, in milliseconds since the Unix epoch.
    pub fn set_expiry(&mut self, expires_at: Option<i64>) {
        self.entry.expires_at = expires_at;
    }
}
