//! A run of the hash order: up to about nine hundred entries, kept sorted by fingerprint in one open table.
//!
//! Linear probing where a colliding entry never stands before one with a smaller fingerprint. An entry's home grows with
//! its fingerprint, so the whole array is in hash order, gaps aside, which gives three things at once: a walk in an
//! order that does not depend on the table's size (SCAN), splitting and merging without hashing or sorting, and a
//! search for an absent key that ends as soon as it has gone too far.
//!
//! ```text
//! line 0                                  line 1                                 ...   slack
//! [ 0x03.. 0x05.. 0x07.. EMPTY  EMPTY  ]  [ 0x2b.. 0x2c.. 0x2c.. 0x2d.. 0x2f.. ] ...  [      ]
//! [   *      *      *     none   none  ]  [   *      *      *      *      *    ] ...  [      ]
//! ```
//!
//! Five slots, fingerprints and entries, make a cache line, and the home of an entry is the start of a line. So a look-up
//! mostly waits for memory twice: for one line here, and for the entry, whose memory is read only where all 32 bits
//! agree. With the fingerprints in an array of their own it was three times, and a GETBIT on a million keys, from fifty
//! connections, took the server 12.6 µs instead of 9.6, or 2.2 instead of 1.5 in pipelines of ten (redis-benchmark, both
//! servers in turn on a busy machine; most of such a wait is for the page tables).
//!
//! A home is a multiplication and a shift, so the number of lines need not be a power of two: a segment grows by about a
//! fifth (the steps in which the allocator's sizes grow) and its load stays between 0.7 and 0.875, about 16 bytes a key.
//! The slack is for entries pushed past the last home: the table does not wrap around, which would break its order.

use super::entry::Entry;
use super::prefetch::prefetch;

/// Marks an empty slot: larger than any fingerprint, so that a search stops there by itself.
const EMPTY: u32 = u32::MAX;

/// The largest fingerprint: [`EMPTY`] is taken.
pub(super) const LAST_FINGERPRINT: u32 = EMPTY - 1;

/// Slots in one line.
const LINE: usize = 5;

/// Lines of a fresh segment, and of a segment that should be split rather than grow. Both are allocator sizes, as is each
/// step between them.
const MIN_LINES: usize = 2;
const MAX_LINES: usize = 192;

/// Slots of a segment that should be split rather than grow.
pub(super) const MAX_SLOTS: usize = MAX_LINES * LINE;

/// Two neighbours are joined when they have no more entries than this between them: a quarter of what one can hold, so
/// that a few inserts and deletes around the limit do not split and join in turns.
pub(super) const JOIN_LEN: usize = most(MAX_SLOTS) / 4;

/// Lines for whose entries' memory is asked together before a snapshot copies them.
const COPY_BATCH: usize = 3;

/// The most entries that so many slots take.
const fn most(slots: usize) -> usize {
    slots - slots / 8
}

/// Lines at the end that are nobody's home: enough for what is pushed past the last one at full load, in all but one
/// segment of a hundred, which grows a little early. A segment larger than it should be holds equal fingerprints without
/// end, and gets room for all of them behind one home.
const fn slack(lines: usize) -> usize {
    if lines > 20 && lines <= MAX_LINES {
        5
    } else {
        lines.div_ceil(4)
    }
}

/// The step above: four to each doubling, as far as there are so many.
fn next_size(lines: usize) -> usize {
    lines + ((1 << lines.ilog2()) / 4).max(1)
}

/// The slots of one cache line, each with a fingerprint and its entry.
#[repr(C, align(64))]
struct Line {
    entries: [Option<Entry>; LINE],
    fingerprints: [u32; LINE],
}

const _: () = assert!(size_of::<Line>() == 64 || size_of::<usize>() < 8);

impl Line {
    const EMPTY: Self = Self {
        entries: [const { None }; LINE],
        fingerprints: [EMPTY; LINE],
    };

    /// How many fingerprints here are smaller, which is the slot where a search goes on. Counted without branches, which a
    /// processor would guess wrong every other time.
    #[inline]
    fn below(&self, fingerprint: u32) -> usize {
        let smaller = |here: &u32| usize::from(*here < fingerprint);
        self.fingerprints.iter().map(smaller).sum()
    }
}

pub(super) struct Segment {
    lines: Box<[Line]>,
    /// How many of the lines are the home of some fingerprint: those before the slack.
    homes: u32,
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
        let mut lines = MIN_LINES;
        while most(lines * LINE) < entries.len() + entries.len() / 16 + 1 {
            lines = next_size(lines);
        }
        let soonest = entries
            .iter()
            .filter_map(|(_, entry)| entry.expires_at())
            .min();
        let mut new = Self {
            lines: Box::default(),
            homes: 0,
            first,
            depth,
            len: entries.len() as u32,
            taken,
            soonest: soonest.unwrap_or(i64::MAX),
        };
        new.lay_out(lines, entries);
        new
    }

    /// Puts the entries, which are in order, each as near its home as it can be, in so many lines or the next size that
    /// takes them all.
    fn lay_out(&mut self, mut lines: usize, entries: Vec<(u32, Entry)>) {
        let fits = |lines: usize| {
            let mut free = 0;
            entries.iter().all(|(fingerprint, _)| {
                let home = home(*fingerprint, self.depth, lines - slack(lines));
                free = (home * LINE).max(free) + 1;
                free <= lines * LINE
            })
        };
        while !fits(lines) {
            lines = next_size(lines);
        }
        self.lines = (0..lines).map(|_| Line::EMPTY).collect();
        self.homes = (lines - slack(lines)) as u32;
        let mut free = 0;
        for (fingerprint, entry) in entries {
            let at = self.home(fingerprint).max(free);
            self.put(at, fingerprint, Some(entry));
            free = at + 1;
        }
    }

    fn take_entries(&mut self) -> Vec<(u32, Entry)> {
        let mut taken = Vec::with_capacity(self.len());
        for line in &mut self.lines {
            let slots = line.fingerprints.iter().zip(&mut line.entries);
            taken
                .extend(slots.filter_map(|(fingerprint, slot)| Some((*fingerprint, slot.take()?))));
        }
        taken
    }

    /// The line where an entry with this fingerprint would stand if it were alone.
    #[inline]
    fn home_line(&self, fingerprint: u32) -> usize {
        home(fingerprint, self.depth, self.homes as usize)
    }

    /// The first slot of that line.
    #[inline]
    fn home(&self, fingerprint: u32) -> usize {
        self.home_line(fingerprint) * LINE
    }

    #[inline]
    fn fingerprint(&self, at: usize) -> u32 {
        self.lines[at / LINE].fingerprints[at % LINE]
    }

    #[inline]
    fn slot(&self, at: usize) -> Option<&Entry> {
        self.lines[at / LINE].entries[at % LINE].as_ref()
    }

    #[inline]
    fn slot_mut(&mut self, at: usize) -> &mut Option<Entry> {
        &mut self.lines[at / LINE].entries[at % LINE]
    }

    fn put(&mut self, at: usize, fingerprint: u32, entry: Option<Entry>) {
        let line = &mut self.lines[at / LINE];
        line.fingerprints[at % LINE] = fingerprint;
        line.entries[at % LINE] = entry;
    }

    /// Moves what is in one slot to another, which is empty.
    fn shift(&mut self, from: usize, to: usize) {
        let (fingerprint, entry) = (self.fingerprint(from), self.slot_mut(from).take());
        self.put(from, EMPTY, None);
        self.put(to, fingerprint, entry);
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
        self.lines.len() * LINE
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
        let (line, slot, _) = self.locate(fingerprint, key)?;
        Some(line * LINE + slot)
    }

    /// The entry of `key`.
    #[inline]
    pub fn get(&self, fingerprint: u32, key: &[u8]) -> Option<&Entry> {
        let (.., entry) = self.locate(fingerprint, key)?;
        Some(entry)
    }

    /// The line, the slot in it and the entry of `key`.
    #[inline]
    fn locate(&self, fingerprint: u32, key: &[u8]) -> Option<(usize, usize, &Entry)> {
        for at in self.home_line(fingerprint).. {
            let line = self.lines.get(at)?;
            for slot in line.below(fingerprint)..LINE {
                if line.fingerprints[slot] != fingerprint {
                    return None;
                }
                let entry = line.entries[slot].as_ref();
                if let Some(entry) = entry.filter(|entry| entry.is_of(key)) {
                    return Some((at, slot, entry));
                }
            }
        }
        None
    }

    /// Asks for the line where a search for this fingerprint begins, and for the next one if it belongs to the upper half at
    /// home there, many of which are pushed on: a search that goes on waits for that line as long as for the first. (Of 123 ns,
    /// a GETBIT in a pipeline on a million keys, this saves 9; asking for the next one always, 8.)
    #[inline]
    pub fn prefetch_line(&self, fingerprint: u32) {
        let place = place(fingerprint, self.depth, self.homes as usize);
        prefetch(&raw const self.lines[(place >> 32) as usize]);
        prefetch(&raw const self.lines[((place + (1 << 31)) >> 32) as usize]);
    }

    /// The first entry that has this fingerprint, which is nearly always the only one.
    #[inline]
    pub fn likely(&self, fingerprint: u32) -> Option<&Entry> {
        let mut near = self.lines[self.home_line(fingerprint)..].iter();
        let (line, slot) = near.find_map(|line| {
            let slot = line.below(fingerprint);
            (slot < LINE).then_some((line, slot))
        })?;
        let entry = line.entries[slot].as_ref();
        entry.filter(|_| line.fingerprints[slot] == fingerprint)
    }

    /// The entry in a slot that [`Segment::find`] or [`Segment::insert`] named.
    #[inline]
    pub fn entry(&self, at: usize) -> &Entry {
        self.slot(at).expect("a slot that was found is taken")
    }

    /// As [`Segment::entry`]. Its expiry is not to be changed here, but by [`Segment::set_expiry`], which keeps the soonest.
    #[inline]
    pub fn entry_mut(&mut self, at: usize) -> &mut Entry {
        self.slot_mut(at)
            .as_mut()
            .expect("a slot that was found is taken")
    }

    /// Adds an entry whose key is not there, and says in which slot. Gives it back if the segment is too full.
    pub fn insert(&mut self, fingerprint: u32, entry: Entry) -> Result<usize, Entry> {
        debug_assert!(fingerprint <= LAST_FINGERPRINT && self.covers(fingerprint));
        if self.len() >= most(self.slots()) {
            return Err(entry);
        }
        let slots = self.home(fingerprint)..self.slots();
        let Some(at) = slots
            .clone()
            .find(|&slot| self.fingerprint(slot) > fingerprint)
        else {
            return Err(entry);
        };
        // From here on everything moves up one slot, as far as the next gap.
        let Some(gap) = (at..slots.end).find(|&slot| self.fingerprint(slot) == EMPTY) else {
            return Err(entry);
        };
        (at..gap).rev().for_each(|slot| self.shift(slot, slot + 1));
        self.len += 1;
        self.note_expiry(entry.expires_at());
        self.put(at, fingerprint, Some(entry));
        Ok(at)
    }

    /// Takes an entry out. What stands behind it away from home moves down, so no marks are left behind.
    pub fn remove(&mut self, at: usize) -> Entry {
        let removed = self
            .slot_mut(at)
            .take()
            .expect("a slot that was found is taken");
        self.put(at, EMPTY, None);
        for slot in at + 1..self.slots() {
            let fingerprint = self.fingerprint(slot);
            if fingerprint == EMPTY || self.home(fingerprint) == slot {
                break;
            }
            self.shift(slot, slot - 1);
        }
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
            match self.slot(at).and_then(Entry::expires_at) {
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
        self.lines[start / LINE..]
            .iter()
            .flat_map(|line| line.fingerprints.iter().zip(&line.entries))
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
        for batch in self.lines.chunks_mut(COPY_BATCH) {
            let entries = || batch.iter().flat_map(|line| &line.entries).flatten();
            entries().for_each(Entry::prefetch);
            entries().for_each(Entry::prefetch_end);
            let entries = batch.iter_mut().flat_map(|line| &mut line.entries);
            for entry in entries.flatten() {
                if entry.is_fresh() {
                    entry.set_fresh(false);
                } else {
                    into.push(entry.copy());
                }
            }
        }
    }

    /// The next larger size.
    pub fn grow(&mut self) {
        let entries = self.take_entries();
        self.lay_out(next_size(self.lines.len()), entries);
    }

    /// Whether three quarters of the slots are empty, and giving some back is possible.
    pub fn is_sparse(&self) -> bool {
        self.lines.len() > MIN_LINES && self.len() < self.slots() / 4
    }

    /// The size that suits what is there, twice over: right after a shrink neither growth nor another shrink is near.
    pub fn shrink(&mut self) {
        let entries = self.take_entries();
        let mut lines = MIN_LINES;
        while lines * LINE < entries.len() * 2 {
            lines = next_size(lines);
        }
        self.lay_out(lines, entries);
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
        size_of_val(&*self.lines)
    }

    /// The invariant. Panics where it does not hold.
    #[cfg(test)]
    pub fn check(&self) {
        assert_eq!(leading(self.first, self.depth), self.first);
        let mut before: Option<(usize, u32)> = None;
        let mut len = 0;
        for at in 0..self.slots() {
            let (fingerprint, entry) = (self.fingerprint(at), self.slot(at));
            assert_eq!(fingerprint == EMPTY, entry.is_none(), "slot {at}");
            let Some(entry) = entry else { continue };
            assert!(self.covers(fingerprint), "slot {at} belongs elsewhere");
            let home = self.home(fingerprint);
            assert!(home <= at, "slot {at} stands before its home {home}");
            assert!(
                home < (self.lines.len() - slack(self.lines.len())) * LINE,
                "slot {at} has its home in the slack"
            );
            if let Some((slot, smaller)) = before {
                assert!(
                    smaller <= fingerprint,
                    "slots {slot} and {at} are out of order"
                );
            }
            let reached = before.map_or(0, |(slot, _)| slot + 1);
            assert!(
                home == at || reached == at,
                "a gap between home {home} and slot {at}"
            );
            before = Some((at, fingerprint));
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

/// The line, of so many that are homes, where an entry would stand if it were alone.
#[inline]
fn home(fingerprint: u32, depth: u8, homes: usize) -> usize {
    (place(fingerprint, depth, homes) >> 32) as usize
}

/// That line in the upper half, and in the lower how far behind the smallest fingerprint at home there it is.
#[inline]
fn place(fingerprint: u32, depth: u8, homes: usize) -> u64 {
    // The bits below the segment's own, as a fraction of the homes.
    let within = fingerprint.unbounded_shl(depth.into());
    u64::from(within) * homes as u64
}

/// The leading bits alone.
pub(super) fn leading(fingerprint: u32, bits: u8) -> u32 {
    fingerprint & !u32::MAX.unbounded_shr(bits.into())
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
