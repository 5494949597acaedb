//! One database's keys within one shard: segments of the hash order, found through a directory (extendible hashing).
//!
//! The leading bits of a fingerprint pick a slot of the directory, and that a segment. A segment with fewer bits of its own
//! than the directory has stands in several slots. One that is full at its largest size splits in two by its next bit,
//! so no insert moves more entries than one segment holds; should it already use all the directory's bits, the directory
//! doubles, which copies four bytes for every few hundred keys.

use std::ops::ControlFlow;

use super::entry::Entry;
use super::segment::{JOIN_LEN, MAX_SLOTS, Segment};
use super::snapshot::Size;

/// The directory has at most so many slots to a segment. Fingerprints from a good hash stay far below; if ever many were
/// equal, splitting would not separate them, and their segment grows instead.
const MAX_SPREAD: usize = 16;

/// What a snapshot that runs is to find in a table.
///
/// At the mark it is everything. From then on, each entry is copied to `old` just before it changes for the first time, and
/// is fresh after that, as are entries that are added; so what the snapshot is to find is always `old` and, in segments it
/// has not taken yet, whatever is not fresh. So each write copies at most the one key that it writes, and a copied bitmap
/// shares its chunks.
struct Capture {
    snapshot: u32,
    /// The table's database at the mark; SWAPDB may have moved it since.
    db: usize,
    old: Vec<Entry>,
}

/// Keys of one database, in one shard.
pub(super) struct Table {
    /// `1 << bits` indices into `segments`, in hash order; nothing before the first key.
    directory: Vec<u32>,
    bits: u8,
    segments: Vec<Segment>,
    len: usize,
    expiring: usize,
    /// Of all expiries (Unix ms), to tell their average.
    expiry_sum: i128,
    /// No entry goes before this (Unix ms); it may be earlier than any.
    soonest: i64,
    /// There while a snapshot has not taken all of the table.
    capture: Option<Box<Capture>>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            directory: Vec::new(),
            bits: 0,
            segments: Vec::new(),
            len: 0,
            expiring: 0,
            expiry_sum: 0,
            soonest: i64::MAX,
            capture: None,
        }
    }
}

/// Where an entry is, until the next insert or remove.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    segment: usize,
    slot: usize,
}

impl Table {
    /// How many keys there are, those whose time has come included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many keys have an expiry.
    pub fn expiring(&self) -> usize {
        self.expiring
    }

    /// How many keys there are, and how many have an expiry.
    pub fn size(&self) -> Size {
        Size {
            keys: self.len as u64,
            expiring: self.expiring as u64,
        }
    }

    /// The sum of all expiries, in milliseconds since the Unix epoch.
    pub fn expiry_sum(&self) -> i128 {
        self.expiry_sum
    }

    /// A time before which no key goes.
    pub fn soonest(&self) -> i64 {
        self.soonest
    }

    #[inline]
    fn slot_of(&self, fingerprint: u32) -> usize {
        fingerprint.unbounded_shr(32 - u32::from(self.bits)) as usize
    }

    /// Which segment would hold such a key, if there is any. Of one alone nothing else is asked: its first line is needed
    /// soonest.
    #[inline]
    fn segment_of(&self, fingerprint: u32) -> usize {
        match self.bits {
            0 => 0,
            _ => self.directory[self.slot_of(fingerprint)] as usize,
        }
    }

    /// The segment that would hold such a key.
    #[inline]
    pub fn segment(&self, fingerprint: u32) -> Option<&Segment> {
        self.segments.get(self.segment_of(fingerprint))
    }

    #[inline]
    pub fn find(&self, fingerprint: u32, key: &[u8]) -> Option<Place> {
        let segment = self.segment_of(fingerprint);
        let slot = self.segments.get(segment)?.find(fingerprint, key)?;
        Some(Place { segment, slot })
    }

    /// The entry of a key.
    #[inline]
    pub fn get(&self, fingerprint: u32, key: &[u8]) -> Option<&Entry> {
        self.segment(fingerprint)?.get(fingerprint, key)
    }

    #[inline]
    pub fn entry(&self, place: Place) -> &Entry {
        self.segments[place.segment].entry(place.slot)
    }

    /// The entry, to change its value; for the expiry there is [`Table::set_expiry`].
    #[inline]
    pub fn entry_mut(&mut self, place: Place) -> &mut Entry {
        self.keep(place);
        self.segments[place.segment].entry_mut(place.slot)
    }

    /// An empty table whose first segment is made already.
    pub fn ready() -> Self {
        let mut table = Self::default();
        table.open();
        table
    }

    /// Makes the first segment, and room for no other: most tables of a small keyspace never have a second.
    fn open(&mut self) {
        self.segments.reserve_exact(1);
        self.segments.push(Segment::new());
        self.directory.reserve_exact(1);
        self.directory.push(0);
    }

    /// Adds an entry whose key is not there.
    pub fn insert(&mut self, fingerprint: u32, mut entry: Entry) -> Place {
        self.len += 1;
        self.count_expiry(None, entry.expires_at());
        if self.segments.is_empty() {
            self.open();
        }
        loop {
            let segment = self.segment_of(fingerprint);
            entry.set_fresh(self.awaits(segment));
            match self.segments[segment].insert(fingerprint, entry) {
                Ok(slot) => return Place { segment, slot },
                Err(refused) => entry = refused,
            }
            self.make_room(segment);
        }
    }

    /// Takes an entry out.
    pub fn remove(&mut self, place: Place) -> Entry {
        self.keep(place);
        let removed = self.segments[place.segment].remove(place.slot);
        self.len -= 1;
        self.count_expiry(removed.expires_at(), None);
        self.give_back(place.segment);
        removed
    }

    /// Puts another entry of the same key in its place.
    pub fn exchange(&mut self, place: Place, mut entry: Entry) -> Entry {
        self.keep(place);
        entry.set_fresh(self.awaits(place.segment));
        self.count_expiry(self.entry(place).expires_at(), entry.expires_at());
        self.segments[place.segment].exchange(place.slot, entry)
    }

    /// Sets, moves or removes an entry's expiry.
    pub fn set_expiry(&mut self, place: Place, expires_at: Option<i64>) {
        self.keep(place);
        self.count_expiry(self.entry(place).expires_at(), expires_at);
        self.segments[place.segment].set_expiry(place.slot, expires_at);
    }

    fn count_expiry(&mut self, old: Option<i64>, new: Option<i64>) {
        if let Some(at) = old {
            self.expiring -= 1;
            self.expiry_sum -= i128::from(at);
        }
        if let Some(at) = new {
            self.expiring += 1;
            self.expiry_sum += i128::from(at);
            self.soonest = self.soonest.min(at);
        }
    }

    /// The entries from a fingerprint on, in hash order.
    pub fn iter_from(&self, fingerprint: u32) -> impl Iterator<Item = (u32, &Entry)> {
        self.segments_from(fingerprint)
            .flat_map(move |segment| segment.iter_from(fingerprint))
    }

    /// The segments in hash order, from the one of this fingerprint on.
    fn segments_from(&self, fingerprint: u32) -> impl Iterator<Item = &Segment> {
        let mut slot = self.slot_of(fingerprint);
        std::iter::from_fn(move || {
            let segment = &self.segments[*self.directory.get(slot)? as usize];
            slot = self.slot_of(segment.first()) + self.width(segment);
            Some(segment)
        })
    }

    /// Hands entries to `look` in hash order, from a fingerprint on and then from the start, until it has had enough or
    /// all were seen. With `expiring`, only entries that expire, and no more of them after `most` others were passed over;
    /// segments without any cost a glance.
    pub fn sample(
        &self,
        fingerprint: u32,
        expiring: bool,
        most: usize,
        mut look: impl FnMut(&Entry) -> ControlFlow<()>,
    ) {
        let ahead = self.segments_from(fingerprint);
        let ahead = ahead.map(|segment| (segment, fingerprint..=u32::MAX));
        let behind = self.segments_from(0);
        let behind = behind
            .take_while(|segment| segment.first() < fingerprint)
            .map(|segment| (segment, 0..=fingerprint.saturating_sub(1)));
        let mut passed_over = 0;
        for (segment, range) in ahead.chain(behind) {
            if expiring && segment.soonest() == i64::MAX {
                continue;
            }
            for (at, entry) in segment.iter_from(*range.start()) {
                if at > *range.end() {
                    break;
                }
                if expiring && entry.expires_at().is_none() {
                    passed_over += 1;
                    if passed_over > most {
                        return;
                    }
                } else if look(entry).is_break() {
                    return;
                }
            }
        }
    }

    /// The `n`th entry in an order that does not change while nothing is added or removed.
    pub fn nth(&self, mut n: usize) -> Option<&Entry> {
        for segment in &self.segments {
            if n < segment.len() {
                return segment.iter_from(0).nth(n).map(|(_, entry)| entry);
            }
            n -= segment.len();
        }
        None
    }

    /// Removes entries whose time has come, segment by segment, and stops once `limit` are removed or all are. Says
    /// whether all are. Segments without such entries are not looked at. A snapshot that runs does not find them any more:
    /// whoever reads it would leave them out.
    pub fn remove_due(&mut self, now: i64, limit: usize, mut gone: impl FnMut(Entry)) -> bool {
        let mut removed = 0;
        let mut at = 0;
        while at < self.segments.len() {
            if removed >= limit {
                return false;
            }
            if self.segments[at].soonest() > now {
                at += 1;
                continue;
            }
            let mut sum = 0;
            let before = self.segments[at].len();
            self.segments[at].remove_due(now, &mut |entry| {
                sum += i128::from(entry.expires_at().expect("it was due"));
                gone(entry);
            });
            let count = before - self.segments[at].len();
            removed += count;
            self.len -= count;
            self.expiring -= count;
            self.expiry_sum -= sum;
            // A join moves segments about. Those that were done are not due any more and cost a glance.
            at = if self.give_back(at) { 0 } else { at + 1 };
        }
        self.soonest = self
            .segments
            .iter()
            .map(Segment::soonest)
            .min()
            .unwrap_or(i64::MAX);
        true
    }

    /// Makes a segment that refused an entry larger, or two.
    fn make_room(&mut self, at: usize) {
        let segment = &self.segments[at];
        let doubles = segment.depth() == self.bits;
        let may_split =
            !doubles || self.directory.len() * 2 <= MAX_SPREAD * (self.segments.len() + 1);
        if self.segments[at].slots() < MAX_SLOTS || !may_split {
            self.segments[at].grow();
            return;
        }
        if doubles {
            self.directory = self
                .directory
                .iter()
                .flat_map(|&segment| [segment, segment])
                .collect();
            self.bits += 1;
        }
        let upper = self.segments[at].split();
        self.segments.push(upper);
        self.point_at(self.segments.len() - 1);
    }

    /// Makes a segment that lost entries smaller, or one with its neighbour, if it became much too large. Says whether it
    /// joined any.
    fn give_back(&mut self, mut at: usize) -> bool {
        if !self.segments[at].is_sparse() {
            return false;
        }
        let mut joined = false;
        while let Some(sibling) = self.sibling(at)
            && self.segments[at].len() + self.segments[sibling].len() <= JOIN_LEN
        {
            if self.awaits(at) != self.awaits(sibling) {
                self.take_early(at);
                self.take_early(sibling);
            }
            at = self.join(at, sibling);
            joined = true;
        }
        if self.segments[at].is_sparse() {
            self.segments[at].shrink();
        }
        joined
    }

    /// The segment it would make a whole with.
    fn sibling(&self, at: usize) -> Option<usize> {
        let segment = &self.segments[at];
        let bit = 1 << 31 >> segment.depth().checked_sub(1)?;
        let sibling = self.segment_of(segment.first() ^ bit);
        (self.segments[sibling].depth() == segment.depth()).then_some(sibling)
    }

    /// Makes one segment of two siblings and says where it is.
    fn join(&mut self, a: usize, b: usize) -> usize {
        let (lower, upper) = if self.segments[a].first() < self.segments[b].first() {
            (a, b)
        } else {
            (b, a)
        };
        let removed = self.segments.swap_remove(upper);
        if self.segments.len() < self.segments.capacity() / 4 {
            self.segments.shrink_to(self.segments.len() * 2);
        }
        let last = self.segments.len();
        let lower = if lower == last { upper } else { lower };
        if upper < last {
            self.point_at(upper); // the one that was last
        }
        self.segments[lower].join(removed);
        self.point_at(lower);
        while self.bits > 0
            && self
                .directory
                .chunks_exact(2)
                .all(|pair| pair[0] == pair[1])
        {
            self.directory = self.directory.iter().copied().step_by(2).collect();
            self.bits -= 1;
        }
        lower
    }

    /// From now on, what is here is what a snapshot is to find as database `db`, until it has taken it all.
    pub fn mark(&mut self, snapshot: u32, db: usize) {
        debug_assert!(self.capture.is_none(), "one snapshot at a time");
        if self.len > 0 {
            self.capture = Some(Box::new(Capture {
                snapshot,
                db,
                old: Vec::new(),
            }));
        }
    }

    /// The database under which a snapshot has something to take here.
    pub fn marked_as(&self) -> Option<usize> {
        self.capture.as_ref().map(|capture| capture.db)
    }

    /// To be called before an entry changes or goes: copies it if a snapshot is to find it as it was.
    #[inline]
    fn keep(&mut self, place: Place) {
        if self.capture.is_some() {
            self.keep_old(place);
        }
    }

    #[cold]
    fn keep_old(&mut self, place: Place) {
        let capture = self.capture.as_mut().expect("just seen");
        let segment = &mut self.segments[place.segment];
        if segment.awaits(capture.snapshot) && !segment.entry(place.slot).is_fresh() {
            capture.old.push(segment.entry(place.slot).copy());
            segment.entry_mut(place.slot).set_fresh(true);
        }
    }

    /// Whether a snapshot is still to take what it is to find in a segment.
    #[inline]
    fn awaits(&self, segment: usize) -> bool {
        match &self.capture {
            None => false,
            Some(capture) => self.segments[segment].awaits(capture.snapshot),
        }
    }

    /// Takes for the snapshot what it is to find in a segment, before it gets there itself.
    fn take_early(&mut self, at: usize) {
        if self.awaits(at) {
            let capture = self.capture.as_mut().expect("it is awaited");
            self.segments[at].take_for(capture.snapshot, &mut capture.old);
        }
    }

    /// Moves to `into` what a snapshot is to find from a fingerprint on, of one segment at most, and what was copied since
    /// it last asked. Says from where to go on; `None` if nothing is left.
    pub fn take_from(&mut self, from: u64, into: &mut Vec<Entry>) -> Option<u64> {
        let next = self.next_awaiting(from);
        let capture = self.capture.as_mut()?;
        into.append(&mut capture.old);
        let Some(at) = next else {
            self.capture = None;
            return None;
        };
        self.segments[at].take_for(capture.snapshot, into);
        Some(self.segments[at].end())
    }

    fn next_awaiting(&self, mut from: u64) -> Option<usize> {
        while let Ok(fingerprint) = u32::try_from(from) {
            let at = *self.directory.get(self.slot_of(fingerprint))? as usize;
            if self.awaits(at) {
                return Some(at);
            }
            from = self.segments[at].end();
        }
        None
    }

    /// How many slots of the directory name a segment.
    fn width(&self, segment: &Segment) -> usize {
        1 << (self.bits - segment.depth())
    }

    /// Makes the directory name a segment in all its slots.
    fn point_at(&mut self, at: usize) {
        let segment = &self.segments[at];
        let start = self.slot_of(segment.first());
        let end = start + self.width(segment);
        self.directory[start..end].fill(at as u32);
    }

    /// Bytes allocated for finding entries; entries count for themselves.
    pub fn heap_bytes(&self) -> usize {
        self.directory.capacity() * size_of::<u32>()
            + self.segments.capacity() * size_of::<Segment>()
            + self.segments.iter().map(Segment::heap_bytes).sum::<usize>()
    }

    /// The invariant. Panics where it does not hold.
    #[cfg(test)]
    pub fn check(&self) {
        if self.segments.is_empty() {
            assert!(self.directory.is_empty() && self.bits == 0);
        } else {
            assert_eq!(self.directory.len(), 1 << self.bits);
        }
        for (at, segment) in self.segments.iter().enumerate() {
            segment.check();
            assert!(segment.depth() <= self.bits);
            assert!(segment.soonest() >= self.soonest);
            let start = self.slot_of(segment.first());
            for (slot, named) in self.directory.iter().enumerate() {
                let inside = (start..start + self.width(segment)).contains(&slot);
                assert_eq!(
                    *named as usize == at,
                    inside,
                    "directory slot {slot}, segment {at}"
                );
            }
        }
        let entries = || {
            self.segments
                .iter()
                .flat_map(|segment| segment.iter_from(0).map(|(_, entry)| entry))
        };
        assert_eq!(self.len, entries().count());
        for (at, segment) in self.segments.iter().enumerate() {
            let fresh = segment.iter_from(0).any(|(_, entry)| entry.is_fresh());
            assert!(!fresh || self.awaits(at), "segment {at} has fresh entries");
        }
        assert_eq!(
            self.expiring,
            entries()
                .filter(|entry| entry.expires_at().is_some())
                .count()
        );
        assert_eq!(
            self.expiry_sum,
            entries()
                .filter_map(Entry::expires_at)
                .map(i128::from)
                .sum::<i128>()
        );
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
