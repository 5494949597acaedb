//! [`Bitmap`]: a growable string of bytes in chunks of 8 KiB, each in whichever form is smallest.

use std::fmt;
use std::ops::Range;

use super::slot::{CHUNK_BITS, CHUNK_BYTES, Slot, Tag};
use super::{chunk, tree};

/// The bytes of a chunk, as lengths are counted.
const STEP: u64 = CHUNK_BYTES as u64;

/// A growable string of bytes. A clone is a pointer; whoever writes first copies what it writes to, and no more.
///
/// Nothing in it changes behind a `&Bitmap`, so any number of threads may read one.
#[derive(Clone)]
pub struct Bitmap {
    len: u64,
    root: Slot,
}

impl Default for Bitmap {
    fn default() -> Self {
        Self::new()
    }
}

impl Bitmap {
    pub const fn new() -> Self {
        Self {
            len: 0,
            root: Slot::ABSENT,
        }
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bitmap = Self::new();
        bitmap.write(0, bytes);
        bitmap
    }

    /// A bitmap of `len` bytes over this directory, which has no ones past them.
    pub(super) fn from_root(len: u64, mut root: Slot) -> Self {
        tree::lower(&mut root);
        let bitmap = Self { len, root };
        bitmap.debug_check();
        bitmap
    }

    pub(super) fn root(&self) -> &Slot {
        &self.root
    }

    /// Length in bytes.
    #[inline]
    pub fn len(&self) -> u64 {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of ones.
    pub fn ones(&self) -> u64 {
        tree::ones(&self.root)
    }

    /// The bit at `bit`; false past the end.
    #[inline]
    pub fn get(&self, bit: u64) -> bool {
        chunk::get(
            tree::chunk_at(&self.root, bit / CHUNK_BITS),
            (bit % CHUNK_BITS) as u16,
        )
    }

    /// The chunk of the bit `bit`, whose slot is asked for: of many bits, all are on their way before the first is needed.
    #[inline]
    pub fn ahead(&self, bit: u64) -> Ahead<'_> {
        let slot = tree::chunk_at(&self.root, bit / CHUNK_BITS);
        slot.prefetch_itself();
        let at = (bit % CHUNK_BITS) as u16;
        Ahead { slot, at }
    }

    /// Sets or clears the bit at `bit` and returns what it was. The string grows to hold it, also to clear it.
    ///
    /// `bit` is at most 2^63-1.
    pub fn set(&mut self, bit: u64, on: bool) -> bool {
        debug_assert!(bit < 1 << 63);
        self.grow(bit / 8 + 1);
        if self.root.is_shared() && self.get(bit) == on {
            return on; // with nothing copied
        }
        tree::update(&mut self.root, bit / CHUNK_BITS, |slot| {
            chunk::set(slot, (bit % CHUNK_BITS) as u16, on)
        })
    }

    /// [`Self::set`] of each of these bits. Returns how many were not so before.
    ///
    /// Those that follow one another in one chunk share the way to it.
    pub fn set_each(&mut self, bits: &[u64], on: bool) -> u64 {
        let Some(last) = bits.iter().max() else {
            return 0;
        };
        debug_assert!(*last < 1 << 63);
        self.grow(last / 8 + 1);
        let mut changed = 0;
        for here in bits.chunk_by(|a, b| a / CHUNK_BITS == b / CHUNK_BITS) {
            if self.root.is_shared() && here.iter().all(|bit| self.get(*bit) == on) {
                continue; // with nothing copied
            }
            changed += tree::update(&mut self.root, here[0] / CHUNK_BITS, |slot| {
                let set = |bit: &&u64| chunk::set(slot, (**bit % CHUNK_BITS) as u16, on) != on;
                here.iter().filter(set).count() as u64
            });
        }
        changed
    }

    /// The number of ones in `bits`, which is clamped to the string.
    pub fn count(&self, bits: Range<u64>) -> u64 {
        let end = bits.end.min(self.len * 8);
        if bits.start == 0 && end == self.len * 8 {
            return self.ones();
        }
        let (height, bits) = self.covered(bits.start..end);
        tree::count(&self.root, height, bits)
    }

    /// The first bit equal to `bit` inside `bits`, which is clamped to the string.
    pub fn find(&self, bit: bool, bits: Range<u64>) -> Option<u64> {
        let end = bits.end.min(self.len * 8);
        let (height, covered) = self.covered(bits.start..end);
        let beyond = covered.end.max(bits.start);
        // What the directory does not cover is zeros.
        tree::find(&self.root, height, bit, covered).or((!bit && beyond < end).then_some(beyond))
    }

    /// The height of the root, and the part of `bits` that it covers.
    fn covered(&self, bits: Range<u64>) -> (u32, Range<u64>) {
        let height = tree::height(&self.root);
        let most = tree::span(height);
        (height, bits.start.min(most)..bits.end.min(most))
    }

    /// Where the one is that has `rank` ones before it.
    pub fn select(&self, rank: u64) -> Option<u64> {
        tree::select(&self.root, rank)
    }

    /// Appends the bits equal to `bit` inside `bits`, which is clamped to the string, in order, until `into` is `most`
    /// long. What lies between them costs next to nothing, however far they are apart.
    pub fn positions(&self, bit: bool, bits: Range<u64>, most: usize, into: &mut Vec<u64>) {
        let end = bits.end.min(self.len * 8);
        let mut at = bits.start;
        while into.len() < most
            && let Some(first) = self.find(bit, at..end)
        {
            let index = first / CHUNK_BITS;
            let base = index * CHUNK_BITS;
            let inner = (first - base) as u32..(end - base).min(CHUNK_BITS) as u32;
            let slot = tree::chunk_at(&self.root, index);
            chunk::positions(slot, bit, inner, base, most, into);
            at = base + CHUNK_BITS;
        }
    }

    /// Sets or clears every bit of `bits`, and returns how many were not so before. The string grows to hold them, also
    /// to clear them; no bits do not grow it. The work is that of a few chunks, however many are covered.
    ///
    /// `bits.end` is at most 2^63.
    pub fn set_range(&mut self, bits: Range<u64>, on: bool) -> u64 {
        if bits.is_empty() {
            return 0;
        }
        self.grow(bits.end.div_ceil(8));
        let ones = self.count(bits.clone());
        let changed = if on {
            bits.end - bits.start - ones
        } else {
            ones
        };
        if changed > 0 {
            tree::fill::fill(&mut self.root, bits, on);
            self.debug_check();
        }
        changed
    }

    /// Copies the bytes from `at` on; zeros past the end.
    pub fn read(&self, at: u64, into: &mut [u8]) {
        let Some(end) = at.checked_add(into.len() as u64) else {
            // No string is so long; what lies below the limit still counts.
            let (below, above) = into.split_at_mut((u64::MAX - at) as usize);
            above.fill(0);
            return self.read(at, below);
        };
        if at / STEP == end.saturating_sub(1) / STEP {
            let slot = tree::chunk_at(&self.root, at / STEP);
            return chunk::read(slot, (at % STEP) as usize, into);
        }
        let mut done = 0; // of `into`
        tree::each_chunk(
            &self.root,
            tree::height(&self.root),
            0,
            &(at / STEP..end.div_ceil(STEP)),
            &mut |index, slot| {
                let (first, last) = (at.max(index * STEP), end.min((index + 1) * STEP));
                let here = (first - at) as usize..(last - at) as usize;
                into[done..here.start].fill(0);
                done = here.end;
                chunk::read(slot, (first % STEP) as usize, &mut into[here]);
            },
        );
        into[done..].fill(0);
    }

    /// Overwrites the bytes from `at` on, first growing the string with zeros to hold them. Writing nothing does not
    /// grow it.
    ///
    /// `at + bytes.len()` is at most 2^60.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.grow(at + bytes.len() as u64);
        let (mut at, mut rest) = (at, bytes);
        while !rest.is_empty() {
            let inner = (at % STEP) as usize;
            let (piece, more) = rest.split_at(rest.len().min(CHUNK_BYTES - inner));
            tree::update(&mut self.root, at / STEP, |slot| {
                chunk::write(slot, inner, piece)
            });
            at += piece.len() as u64;
            rest = more;
        }
    }

    /// Reads the `len` bytes from `at` on, at least one, into the start of `window`, has `change` change them there, and
    /// writes them where it says that it did: on one way to them, if they lie in one chunk. They are inside the string.
    pub fn rewrite<const N: usize>(
        &mut self,
        at: u64,
        len: usize,
        window: &mut [u8; N],
        change: impl FnOnce(&mut [u8; N]) -> bool,
    ) {
        debug_assert!(len > 0 && at + len as u64 <= self.len);
        let inner = (at % STEP) as usize;
        // What is shared is not copied to read it.
        if self.root.is_shared() || inner + len > CHUNK_BYTES {
            self.read(at, &mut window[..len]);
            if change(window) {
                self.write(at, &window[..len]);
            }
            return;
        }
        tree::update(&mut self.root, at / STEP, |slot| {
            chunk::rewrite(slot, inner, len, window, change);
        });
    }

    /// Adds zeros at the end until the string is at least `len` bytes long; `len` is at most 2^60.
    #[inline]
    pub fn grow(&mut self, len: u64) {
        debug_assert!(len <= 1 << 60);
        self.len = self.len.max(len);
    }

    /// The bytes allocated for it, in the allocator's size classes; parts shared with other bitmaps are counted whole.
    pub fn heap_bytes(&self) -> usize {
        let mut bytes = 0;
        tree::each_slot(&self.root, &mut |slot| bytes += slot.heap_bytes());
        bytes
    }

    /// How it is held now.
    pub fn shape(&self) -> Shape {
        let mut shape = Shape {
            flat_bytes: self.len,
            ..Shape::default()
        };
        tree::each_slot(&self.root, &mut |slot| {
            shape.heap_bytes += slot.heap_bytes() as u64;
            let form = match slot.tag() {
                Tag::Absent => return,
                Tag::Few => &mut shape.few,
                Tag::Run => &mut shape.run,
                Tag::Array => &mut shape.array,
                Tag::Runs => &mut shape.runs,
                Tag::Packed => &mut shape.packed,
                Tag::Bytes | Tag::Page => &mut shape.bytes,
                Tag::Node => &mut shape.nodes,
            };
            *form += 1;
        });
        shape
    }

    /// Whether the two are one string in memory, neither written to since it was cloned from the other. Cheap. Strings
    /// so short of ones that they have no memory are the same when they are equal.
    pub fn same(&self, other: &Self) -> bool {
        self.len == other.len && self.root.same(&other.root)
    }

    pub(super) fn eq_bytes(&self, bytes: &[u8]) -> bool {
        let mut piece = [0; CHUNK_BYTES];
        self.len == bytes.len() as u64
            && bytes
                .chunks(CHUNK_BYTES)
                .zip((0..).step_by(CHUNK_BYTES))
                .all(|(want, at)| {
                    self.read(at, &mut piece[..want.len()]);
                    piece[..want.len()] == *want
                })
    }

    /// Panics where something is not as it must be: see [`tree::check`]; and no one lies past the end, and the root is
    /// no higher than it has to be.
    pub fn check(&self) {
        let height = tree::height(&self.root);
        tree::check(&self.root, height);
        assert!(
            self.root.tag() != Tag::Node || self.root.node_parts().keys != [0],
            "the root is no higher than need be"
        );
        let end = self.covered(self.len * 8..u64::MAX).1;
        assert_eq!(
            tree::find(&self.root, height, true, end),
            None,
            "no one lies past the end"
        );
    }

    /// [`Self::check`] in debug builds, where it is short enough to be done after each whole operation.
    fn debug_check(&self) {
        if cfg!(debug_assertions) && self.len < 64 * STEP {
            self.check();
        }
    }
}

/// A bit that is going to be looked at or changed.
#[derive(Clone, Copy)]
pub struct Ahead<'a> {
    slot: &'a Slot,
    at: u16,
}

impl Ahead<'_> {
    /// Asks for the memory that looking at it, or changing it, will read.
    #[inline]
    pub fn prefetch(&self, changes: bool) {
        chunk::prefetch(self.slot, self.at, changes);
    }
}

/// How a bitmap is held: how many chunks are in which form, and what they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Chunks of one or two ones, held in their slot.
    pub few: u64,
    /// Chunks of one run, held in their slot; a full chunk is one.
    pub run: u64,
    pub array: u64,
    pub runs: u64,
    pub packed: u64,
    pub bytes: u64,
    /// Nodes of the directory.
    pub nodes: u64,
    /// What is allocated.
    pub heap_bytes: u64,
    /// What the plain string takes: its length.
    pub flat_bytes: u64,
}

/// By content.
impl PartialEq for Bitmap {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && tree::equal(&self.root, &other.root)
    }
}

impl Eq for Bitmap {}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitmap({} bytes, {} ones)", self.len, self.ones())
    }
}

#[cfg(test)]
mod tests;
