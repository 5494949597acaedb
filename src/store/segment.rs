//! A run of the hash order: up to about nine hundred entries, kept sorted by fingerprint in one open table.
//!
//! Linear probing where a colliding entry never stands before one with a smaller fingerprint. An entry's home grows with
//! its fingerprint, so the whole array is in hash order, gaps aside, which gives three things at once: a walk in an
//! order that does not depend on the table's size (SCAN), splitting and merging without hashing or sorting, and a
//! search for an absent key that ends as soon as it has gone too far.
//!
//! ```text
//! fingerprints  [ 0x03..  0x05..  EMPTY   0x2b..  0x2c..  0x2c..  EMPTY ...  | slack ]
//! entries       [   *       *      none     *       *       *      none ...  |       ]
//! ```
//!
//! A home is a multiplication and a shift, so the number of slots need not be a power of two: a segment grows by about a
//! fifth (the steps in which the allocator's sizes grow) and its load stays between 0.7 and 0.875, about 15 bytes a key.
//! The slack is for entries pushed past the last home: the table does not wrap around, which would break its order.
//!
//! Fingerprints stand apart from the entries so that a probe reads one cache line of them, and an entry's memory only
//! where all 32 bits agree.

use super::entry::Entry;
use super::prefetch::prefetch;

/// Marks an empty slot: larger than any fingerprint, so that a search stops there by itself.
const EMPTY: u32 = u32::MAX;

/// The largest fingerprint: [`EMPTY`] is taken.
pub(super) const LAST_FINGERPRINT: u32 = EMPTY - 1;

/// Slots of a fresh segment, and of a segment that should be split rather than grow. Both are allocator sizes, as is
/// each step between them, for fingerprints and for entries.
const MIN_SLOTS: usize = 8;
pub(super) const MAX_SLOTS: usize = 1024;

/// Two neighbours are joined when they have no more entries than this between them: a quarter of what one can hold, so
/// that a few inserts and deletes around the limit do not split and join in turns.
pub(super) const JOIN_LEN: usize = most(MAX_SLOTS) / 4;

/// Entries whose memory is asked for together before a snapshot copies them.
const COPY_BATCH: usize = 16;

/// The most entries that so many slots take.
const fn most(slots: usize) -> usize {
    slots - slots / 8
}

/// Slots at the end that are nobody's home: enough for what is pushed past the last one at full load, in all but one
/// segment of a hundred, which grows a little early. A segment larger than it should be holds equal fingerprints without
/// end, and gets room for all of them behind one home.
const fn slack(slots: usize) -> usize {
    if slots > 96 && slots <= MAX_SLOTS {
        24
    } else {
        slots / 4
    }
}

/// The step above: four to each doubling.
fn next_size(slots: usize) -> usize {
    slots + (1 << (slots.ilog2() - 2))
}

pub(super) struct Segment {
    fingerprints: Box<[u32]>,
    entries: Box<[Option<Entry>]>,
    /// The smallest fingerprint that belongs here: `depth` leading bits that all of them share, then zeros.
    first: u32,
    depth: u8,
    len: u32,
    /// The last snapshot that has taken what it is to find here.
    taken: u32,
    /// No entry goes before this (Unix ms); it may be earlier than any, and is made exact by [`Segment::remove_due`].
    soonest: i64,
}

impl Segment {
    /// An empty segment for every fingerprint.
    pub fn new() -> Self {
        Self::with(0, 0, 0, Vec::new())
    }

    /// A segment of these entries, which are in order, with room for more.
    fn with(first: u32, depth: u8, taken: u32, entries: Vec<(u32, Entry)>) -> Self {
        let mut slots = MIN_SLOTS;
        while most(slots) < entries.len() + entries.len() / 16 + 1 {
            slots = next_size(slots);
        }
        let soonest = entries
            .iter()
            .filter_map(|(_, entry)| entry.expires_at())
            .min();
        let mut new = Self {
            fingerprints: Box::default(),
            entries: Box::default(),
            first,
            depth,
            len: entries.len() as u32,
            taken,
            soonest: soonest.unwrap_or(i64::MAX),
        };
        new.lay_out(slots, entries);
        new
    }

    /// Puts the entries, which are in order, each as near its home as it can be, in `slots` slots or the next size that
    /// takes them all.
    fn lay_out(&mut self, mut slots: usize, entries: Vec<(u32, Entry)>) {
        let fits = |slots: usize| {
            let mut free = 0;
            entries.iter().all(|(fingerprint, _)| {
                free = home(*fingerprint, self.depth, slots).max(free) + 1;
                free <= slots
            })
        };
        while !fits(slots) {
            slots = next_size(slots);
        }
        self.fingerprints = vec![EMPTY; slots].into();
        self.entries = (0..slots).map(|_| None).collect();
        let mut free = 0;
        for (fingerprint, entry) in entries {
            let at = self.home(fingerprint).max(free);
            self.fingerprints[at] = fingerprint;
            self.entries[at] = Some(entry);
            free = at + 1;
        }
    }

    fn take_entries(&mut self) -> Vec<(u32, Entry)> {
        let mut taken = Vec::with_capacity(self.len());
        taken.extend(
            self.fingerprints
                .iter()
                .zip(&mut self.entries)
                .filter_map(|(fingerprint, slot)| Some((*fingerprint, slot.take()?))),
        );
        taken
    }

    #[inline]
    fn home(&self, fingerprint: u32) -> usize {
        home(fingerprint, self.depth, self.fingerprints.len())
    }

    pub fn first(&self) -> u32 {
        self.first
    }

    pub fn depth(&self) -> u8 {
        self.depth
    }

    pub fn len(&self) -> usize {
        self.len as usize
    }

    pub fn slots(&self) -> usize {
        self.fingerprints.len()
    }

    /// The smallest fingerprint beyond those that belong here.
    pub fn end(&self) -> u64 {
        u64::from(self.first) + (1 << (32 - u32::from(self.depth)))
    }

    pub fn soonest(&self) -> i64 {
        self.soonest
    }

    /// The slot that holds `key`.
    #[inline]
    pub fn find(&self, fingerprint: u32, key: &[u8]) -> Option<usize> {
        let mut at = self.home(fingerprint);
        prefetch(self.entries.as_ptr().wrapping_add(at)); // it is near, and comes while the fingerprints do
        while *self.fingerprints.get(at)? < fingerprint {
            at += 1;
        }
        while *self.fingerprints.get(at)? == fingerprint {
            if self.entries[at]
                .as_ref()
                .is_some_and(|entry| entry.key() == key)
            {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// Asks for the slots where a search for this fingerprint begins.
    #[inline]
    pub fn prefetch_slots(&self, fingerprint: u32) {
        let home = self.home(fingerprint);
        prefetch(&raw const self.fingerprints[home]);
        prefetch(&raw const self.entries[home]);
    }

    /// Asks for the entry that has this fingerprint, if one has.
    #[inline]
    pub fn prefetch_entry(&self, fingerprint: u32) {
        let home = self.home(fingerprint);
        let steps = self.fingerprints[home..]
            .iter()
            .take_while(|here| **here < fingerprint)
            .count();
        if self.fingerprints.get(home + steps) == Some(&fingerprint) {
            self.entry(home + steps).prefetch();
        }
    }

    /// The entry in a slot that [`Segment::find`] or [`Segment::insert`] named.
    #[inline]
    pub fn entry(&self, at: usize) -> &Entry {
        self.entries[at]
            .as_ref()
            .expect("a slot that was found is taken")
    }

    /// As [`Segment::entry`]. Its expiry is not to be changed here, but by [`Segment::set_expiry`], which keeps the soonest.
    #[inline]
    pub fn entry_mut(&mut self, at: usize) -> &mut Entry {
        self.entries[at]
            .as_mut()
            .expect("a slot that was found is taken")
    }

    /// Adds an entry whose key is not there, and says in which slot. Gives it back if the segment is too full.
    pub fn insert(&mut self, fingerprint: u32, entry: Entry) -> Result<usize, Entry> {
        debug_assert!(fingerprint <= LAST_FINGERPRINT && self.covers(fingerprint));
        if self.len() >= most(self.slots()) {
            return Err(entry);
        }
        let mut at = self.home(fingerprint);
        while self
            .fingerprints
            .get(at)
            .is_some_and(|here| *here <= fingerprint)
        {
            at += 1;
        }
        // From here on everything moves up one slot, as far as the next gap.
        let Some(gap) = (at..self.slots()).find(|&slot| self.fingerprints[slot] == EMPTY) else {
            return Err(entry);
        };
        self.fingerprints.copy_within(at..gap, at + 1);
        self.fingerprints[at] = fingerprint;
        self.entries[at..=gap].rotate_right(1);
        self.len += 1;
        self.note_expiry(entry.expires_at());
        self.entries[at] = Some(entry);
        Ok(at)
    }

    /// Takes an entry out. What stands behind it away from home moves down, so no marks are left behind.
    pub fn remove(&mut self, at: usize) -> Entry {
        let removed = self.entries[at]
            .take()
            .expect("a slot that was found is taken");
        let moves = |slot: &usize| {
            self.fingerprints[*slot] != EMPTY && self.home(self.fingerprints[*slot]) < *slot
        };
        let end = at + 1 + (at + 1..self.slots()).take_while(moves).count();
        self.fingerprints.copy_within(at + 1..end, at);
        self.fingerprints[end - 1] = EMPTY;
        self.entries[at..end].rotate_left(1);
        self.len -= 1;
        removed
    }

    /// Puts another entry of the same key in that slot.
    pub fn exchange(&mut self, at: usize, entry: Entry) -> Entry {
        self.note_expiry(entry.expires_at());
        std::mem::replace(self.entry_mut(at), entry)
    }

    /// Sets, moves or removes the expiry of the entry in that slot.
    pub fn set_expiry(&mut self, at: usize, expires_at: Option<i64>) {
        self.note_expiry(expires_at);
        self.entry_mut(at).set_expiry(expires_at);
    }

    fn note_expiry(&mut self, expires_at: Option<i64>) {
        self.soonest = self.soonest.min(expires_at.unwrap_or(i64::MAX));
    }

    /// Removes every entry whose time has come, and learns the soonest that is left.
    pub fn remove_due(&mut self, now: i64, gone: &mut impl FnMut(Entry)) {
        let mut soonest = i64::MAX;
        let mut at = 0;
        while at < self.slots() {
            match self.entries[at].as_ref().and_then(Entry::expires_at) {
                Some(expires_at) if expires_at <= now => gone(self.remove(at)), // the next one may have moved here
                expires_at => {
                    soonest = soonest.min(expires_at.unwrap_or(i64::MAX));
                    at += 1;
                }
            }
        }
        self.soonest = soonest;
    }

    /// The entries from a fingerprint on, in hash order.
    pub fn iter_from(&self, fingerprint: u32) -> impl Iterator<Item = (u32, &Entry)> {
        let start = if fingerprint <= self.first {
            0
        } else {
            self.home(fingerprint)
        };
        let slots = self.fingerprints[start..]
            .iter()
            .zip(&self.entries[start..]);
        slots
            .filter_map(|(here, entry)| Some((*here, entry.as_ref()?)))
            .skip_while(move |(here, _)| *here < fingerprint)
    }

    /// Whether a snapshot is still to take what it is to find here.
    #[inline]
    pub fn awaits(&self, snapshot: u32) -> bool {
        self.taken != snapshot
    }

    /// Copies to `into` what a snapshot is to find here, which is then taken: the entries that are not fresh. None is fresh
    /// any more.
    pub fn take_for(&mut self, snapshot: u32, into: &mut Vec<Entry>) {
        self.taken = snapshot;
        into.reserve(self.len());
        let mut slots = &mut self.entries[..];
        while !slots.is_empty() {
            let (batch, rest) = slots.split_at_mut(slots.len().min(COPY_BATCH));
            batch.iter().flatten().for_each(Entry::prefetch);
            for entry in batch.iter_mut().flatten() {
                if entry.is_fresh() {
                    entry.set_fresh(false);
                } else {
                    into.push(entry.copy());
                }
            }
            slots = rest;
        }
    }

    /// The next larger size.
    pub fn grow(&mut self) {
        let entries = self.take_entries();
        self.lay_out(next_size(self.slots()), entries);
    }

    /// Whether three quarters of the slots are empty, and giving some back is possible.
    pub fn is_sparse(&self) -> bool {
        self.slots() > MIN_SLOTS && self.len() < self.slots() / 4
    }

    /// The size that suits what is there, twice over: right after a shrink neither growth nor another shrink is near.
    pub fn shrink(&mut self) {
        let entries = self.take_entries();
        let mut slots = MIN_SLOTS;
        while slots < entries.len() * 2 {
            slots = next_size(slots);
        }
        self.lay_out(slots, entries);
    }

    /// Whether a fingerprint begins with this segment's bits.
    pub fn covers(&self, fingerprint: u32) -> bool {
        leading(fingerprint, self.depth) == self.first
    }

    /// Divides the entries by the next bit of the fingerprint: the lower half stays, the upper is returned.
    pub fn split(&mut self) -> Self {
        let upper_first = self.first | (1 << 31 >> self.depth);
        let mut lower = self.take_entries();
        let upper =
            lower.split_off(lower.partition_point(|(fingerprint, _)| *fingerprint < upper_first));
        let depth = self.depth + 1;
        *self = Self::with(self.first, depth, self.taken, lower);
        Self::with(upper_first, depth, self.taken, upper)
    }

    /// Undoes [`Segment::split`]. A snapshot that runs has taken both or neither.
    pub fn join(&mut self, mut upper: Self) {
        debug_assert!(
            self.depth == upper.depth && upper.first == self.first | (1 << 31 >> (self.depth - 1))
        );
        let mut entries = self.take_entries();
        entries.append(&mut upper.take_entries());
        *self = Self::with(self.first, self.depth - 1, self.taken, entries);
    }

    /// Bytes allocated for the slots; entries count for themselves.
    pub fn heap_bytes(&self) -> usize {
        self.slots() * (size_of::<u32>() + size_of::<Option<Entry>>())
    }

    /// The invariant. Panics where it does not hold.
    #[cfg(test)]
    pub fn check(&self) {
        assert_eq!(self.fingerprints.len(), self.entries.len());
        assert_eq!(leading(self.first, self.depth), self.first);
        let mut before: Option<(usize, u32)> = None;
        let mut len = 0;
        for (at, (fingerprint, entry)) in self.fingerprints.iter().zip(&self.entries).enumerate() {
            assert_eq!(*fingerprint == EMPTY, entry.is_none(), "slot {at}");
            let Some(entry) = entry else { continue };
            assert!(self.covers(*fingerprint), "slot {at} belongs elsewhere");
            let home = self.home(*fingerprint);
            assert!(home <= at, "slot {at} stands before its home {home}");
            assert!(
                home < self.slots() - slack(self.slots()),
                "slot {at} has its home in the slack"
            );
            if let Some((slot, smaller)) = before {
                assert!(
                    smaller <= *fingerprint,
                    "slots {slot} and {at} are out of order"
                );
            }
            let reached = before.map_or(0, |(slot, _)| slot + 1);
            assert!(
                home == at || reached == at,
                "a gap between home {home} and slot {at}"
            );
            before = Some((at, *fingerprint));
            len += 1;
            if let Some(expires_at) = entry.expires_at() {
                assert!(
                    self.soonest <= expires_at,
                    "slot {at} goes before the soonest"
                );
            }
        }
        assert_eq!(self.len(), len);
        assert!(self.len() <= most(self.slots()));
    }
}

/// Where an entry would stand if it were alone.
#[inline]
fn home(fingerprint: u32, depth: u8, slots: usize) -> usize {
    // The bits below the segment's own, as a fraction of the homes.
    let within = fingerprint.unbounded_shl(depth.into());
    ((u64::from(within) * (slots - slack(slots)) as u64) >> 32) as usize
}

/// The leading bits alone.
pub(super) fn leading(fingerprint: u32, bits: u8) -> u32 {
    fingerprint & !u32::MAX.unbounded_shr(bits.into())
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
