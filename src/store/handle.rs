//! One entry of a locked key: to read ([`EntryRef`]), to change ([`EntryMut`]), or taken out ([`Removed`]).

use std::ops::Range;

use super::clock::Moment;
use super::entry::{Content, Entry, Held};
use super::table::{Place, Table};
use super::value::Expiry;
use super::{Encoding, Value};
use crate::bits::field::{self, Width};
use crate::bits::{Bitmap, View, flat};

/// What a key costs in the tables: a fifth of a cache line, at four slots to every three keys.
const SLOT_BYTES: usize = 64 * 4 / (5 * 3);

/// Ranges of more bits than this may cover so much that freeing it takes long; keeping it for a while costs a copy of
/// the chunks at its edges.
const LONG_RANGE: u64 = 1 << 24;

/// A key's entry, to read.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    entry: &'a Entry,
    moment: &'a Moment<'a>,
}

impl<'a> EntryRef<'a> {
    #[inline]
    pub(super) fn new(entry: &'a Entry, moment: &'a Moment<'a>) -> Self {
        Self { entry, moment }
    }

    /// The bytes, in whichever form they are held.
    #[inline]
    pub fn view(&self) -> View<'a> {
        self.entry.view()
    }

    pub fn encoding(&self) -> Encoding {
        self.entry.encoding()
    }

    /// When the key goes, in milliseconds since the Unix epoch.
    pub fn expires_at(&self) -> Option<i64> {
        self.entry.expires_at()
    }

    /// A copy of the value, which shares its chunks.
    pub fn value(&self) -> Value {
        self.entry.value()
    }

    /// Seconds since the last access.
    pub fn idle_seconds(&self) -> u32 {
        self.moment.idle_seconds(self.entry.accessed())
    }

    /// How often it was accessed, on Redis's scale from 0 to 255. Means something where [`Tracking`](super::Tracking) keeps
    /// frequencies.
    pub fn frequency(&self) -> u8 {
        self.moment.frequency(self.entry.accessed())
    }

    /// Counts this as an access. What would not change the word writes nothing (by time, all reads of one second but the
    /// first), so that cores reading one hot key do not take its cache line from each other.
    #[inline(always)]
    pub fn touch(&self) {
        let before = self.entry.accessed();
        let now = self.moment.used(before);
        if before != now {
            self.entry.set_accessed(now);
        }
    }

    /// Bytes the key costs: entry, key, value and its share of the table.
    pub fn cost(&self) -> usize {
        self.entry.heap_bytes() + SLOT_BYTES
    }
}

/// A key's entry, to change. Every change of the bytes makes the encoding raw, as in Redis.
pub struct EntryMut<'a> {
    table: &'a mut Table,
    place: Place,
    moment: &'a Moment<'a>,
    /// Where bitmaps go that are replaced: freed once the locks are released.
    replaced: &'a mut Vec<Bitmap>,
}

impl<'a> EntryMut<'a> {
    #[inline]
    pub(super) fn new(
        table: &'a mut Table,
        place: Place,
        moment: &'a Moment<'a>,
        replaced: &'a mut Vec<Bitmap>,
    ) -> Self {
        Self {
            table,
            place,
            moment,
            replaced,
        }
    }

    /// The same entry, to read.
    pub fn as_ref(&self) -> EntryRef<'_> {
        EntryRef::new(self.table.entry(self.place), self.moment)
    }

    /// The bytes, in whichever form they are held.
    pub fn view(&self) -> View<'_> {
        self.table.entry(self.place).view()
    }

    /// Sets one bit, growing the string as SETBIT does (for 0 too). Returns the old bit.
    pub fn set_bit(&mut self, bit: u64, on: bool) -> bool {
        match self.hold((bit / 8).saturating_add(1)) {
            Held::Flat(bytes) => flat::set(bytes, bit, on),
            Held::Bitmap(bitmap) => bitmap.set(bit, on),
        }
    }

    /// [`Self::set_bit`] of each of these bits, at least one. Returns how many were not so before.
    pub fn set_bits(&mut self, bits: &[u64], on: bool) -> u64 {
        let last = bits.iter().max().expect("at least one bit");
        match self.hold((last / 8).saturating_add(1)) {
            Held::Flat(bytes) => {
                let changes = bits.iter().filter(|bit| flat::set(bytes, **bit, on) != on);
                changes.count() as u64
            }
            Held::Bitmap(bitmap) => bitmap.set_each(bits, on),
        }
    }

    /// Sets or clears every bit of `bits`, growing the string to hold them, also to clear them. Returns how many were not
    /// so before.
    pub fn set_range(&mut self, bits: Range<u64>, on: bool) -> u64 {
        if bits.is_empty() {
            return 0;
        }
        if bits.end - bits.start > LONG_RANGE
            && let View::Chunked(bitmap) = self.view()
        {
            // What the range covers is freed once the locks are released.
            let before = bitmap.clone();
            self.replaced.push(before);
        }
        match self.hold(bits.end.div_ceil(8)) {
            Held::Flat(bytes) => {
                let ones = flat::count(bytes, bits.clone());
                let covered = bits.end - bits.start;
                flat::fill(bytes, bits, on);
                if on { covered - ones } else { ones }
            }
            Held::Bitmap(bitmap) => bitmap.set_range(bits, on),
        }
    }

    /// Stores what `change` makes of the field at bit `at`, as [`field::update`] does.
    pub fn update_field(&mut self, at: u64, width: Width, change: impl FnOnce(i64) -> Option<i64>) {
        match self.hold((at + width.bits()).div_ceil(8)) {
            Held::Flat(bytes) => field::update_flat(bytes, at, width, change),
            Held::Bitmap(bitmap) => field::update(bitmap, at, width, change),
        }
    }

    /// Overwrites the bytes from `at` on, growing the string, zero filled, as SETRANGE does.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        match self.hold(at.saturating_add(bytes.len() as u64)) {
            Held::Flat(flat) => flat[at as usize..][..bytes.len()].copy_from_slice(bytes),
            Held::Bitmap(bitmap) => bitmap.write(at, bytes),
        }
    }

    /// Zero-extends the string to at least `len` bytes.
    pub fn grow(&mut self, len: u64) {
        if let Held::Bitmap(bitmap) = self.hold(len) {
            bitmap.grow(len);
        }
    }

    /// The value, raw, in a form that can be `len` bytes long; plain bytes are that long already.
    fn hold(&mut self, len: u64) -> Held<'_> {
        self.table.entry_mut(self.place).grow(len)
    }

    /// Replaces the value and keeps the expiry (SET KEEPTTL, INCR, BITFIELD on the whole value).
    pub fn replace(&mut self, mut value: Value) {
        let entry = self.table.entry_mut(self.place);
        let expiry = Expiry::together(entry.expires_at());
        let content = Content::take(&mut value).under(entry.key(), expiry);
        self.replaced.extend(entry.replace(content));
    }

    /// Sets, moves or (`None`) removes the expiry: absolute, in milliseconds since the Unix epoch.
    pub fn set_expiry(&mut self, expires_at: Option<i64>) {
        self.table.set_expiry(self.place, expires_at);
    }

    /// Makes it an entry that was last used so many seconds ago (RESTORE, a file). Does nothing of the kind where
    /// [`Tracking`](super::Tracking) keeps frequencies.
    pub fn set_idle(&mut self, seconds: u32) {
        let word = self.moment.idle_since(seconds);
        self.table.entry_mut(self.place).set_accessed(word);
    }

    /// Makes it an entry that is used so often, on Redis's scale from 0 to 255. Does nothing of the kind where
    /// [`Tracking`](super::Tracking) keeps times.
    pub fn set_frequency(&mut self, counter: u8) {
        let word = self.moment.used_so_often(counter);
        self.table.entry_mut(self.place).set_accessed(word);
    }
}

/// What [`Locked::remove`](super::Locked::remove) took out.
pub struct Removed {
    pub value: Value,
    /// Absolute, in milliseconds since the Unix epoch.
    pub expires_at: Option<i64>,
}
