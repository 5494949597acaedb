//! [`Bitmap`]: a growable string of bytes in chunks of 8 KiB, of which those that are all zeros take no memory.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::flat;

/// 65,536 bits.
pub(super) const CHUNK_BYTES: usize = 8192;
const CHUNK_BITS: u64 = CHUNK_BYTES as u64 * 8;

/// A chunk that has a one somewhere: its bytes, up to the last that was written.
type Chunk = Arc<Vec<u8>>;

/// A growable string of bytes. A clone is a pointer; whoever writes first copies what it writes to.
#[derive(Clone, Default)]
pub struct Bitmap {
    len: u64,
    chunks: Option<Arc<BTreeMap<u64, Chunk>>>,
}

impl Bitmap {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut bitmap = Self::new();
        bitmap.write(0, bytes);
        bitmap
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of ones.
    pub fn ones(&self) -> u64 {
        self.chunks()
            .map(|(_, bytes)| flat::count(bytes, 0..CHUNK_BITS))
            .sum()
    }

    /// The bit at `bit`; false past the end.
    pub fn get(&self, bit: u64) -> bool {
        self.chunk(bit / CHUNK_BITS)
            .is_some_and(|bytes| flat::get(bytes, bit % CHUNK_BITS))
    }

    /// Sets or clears the bit at `bit` and returns what it was. The string grows to hold it, also to clear it.
    ///
    /// `bit` is at most 2^63-1.
    pub fn set(&mut self, bit: u64, on: bool) -> bool {
        debug_assert!(bit < 1 << 63);
        let old = self.get(bit);
        self.grow(bit / 8 + 1);
        if old != on {
            let mut byte = [0];
            self.read(bit / 8, &mut byte);
            flat::set(&mut byte, bit % 8, on);
            self.write(bit / 8, &byte);
        }
        old
    }

    /// The number of ones in `bits`, which is clamped to the string.
    pub fn count(&self, bits: Range<u64>) -> u64 {
        self.chunks()
            .map(|(index, bytes)| {
                let from = index * CHUNK_BITS;
                flat::count(
                    bytes,
                    bits.start.saturating_sub(from)..bits.end.saturating_sub(from),
                )
            })
            .sum()
    }

    /// The first bit equal to `bit` inside `bits`, which is clamped to the string.
    pub fn find(&self, bit: bool, bits: Range<u64>) -> Option<u64> {
        let end = bits.end.min(self.len * 8);
        let mut at = bits.start;
        while at < end {
            let from = at / CHUNK_BITS * CHUNK_BITS;
            let next = (from + CHUNK_BITS).min(end);
            match self.chunk(from / CHUNK_BITS) {
                Some(bytes) => {
                    if let Some(found) = flat::find(bytes, bit, at - from..next - from) {
                        return Some(from + found);
                    }
                    let held = from + bytes.len() as u64 * 8;
                    if !bit && held < next {
                        return Some(held.max(at));
                    }
                }
                None if bit => {}
                None => return Some(at),
            }
            at = next;
        }
        None
    }

    /// Copies the bytes from `at` on; zeros past the end.
    pub fn read(&self, at: u64, into: &mut [u8]) {
        into.fill(0);
        let mut done = 0;
        while done < into.len() {
            let Some(from) = at.checked_add(done as u64) else {
                return;
            };
            let (index, inner) = (
                from / CHUNK_BYTES as u64,
                (from % CHUNK_BYTES as u64) as usize,
            );
            let take = (CHUNK_BYTES - inner).min(into.len() - done);
            if let Some(held) = self.chunk(index).and_then(|bytes| bytes.get(inner..)) {
                let held = &held[..take.min(held.len())];
                into[done..done + held.len()].copy_from_slice(held);
            }
            done += take;
        }
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
        let mut done = 0;
        while done < bytes.len() {
            let from = at + done as u64;
            let (index, inner) = (
                from / CHUNK_BYTES as u64,
                (from % CHUNK_BYTES as u64) as usize,
            );
            let piece = &bytes[done..][..(CHUNK_BYTES - inner).min(bytes.len() - done)];
            done += piece.len();
            let chunks = Arc::make_mut(self.chunks.get_or_insert_default());
            if !chunks.contains_key(&index) && piece.iter().all(|byte| *byte == 0) {
                continue;
            }
            let chunk = Arc::make_mut(chunks.entry(index).or_default());
            if chunk.len() < inner + piece.len() {
                chunk.resize(inner + piece.len(), 0);
            }
            chunk[inner..inner + piece.len()].copy_from_slice(piece);
            if chunk.iter().all(|byte| *byte == 0) {
                chunks.remove(&index);
            }
        }
    }

    /// Adds zeros at the end until the string is at least `len` bytes long; `len` is at most 2^60.
    pub fn grow(&mut self, len: u64) {
        debug_assert!(len <= 1 << 60);
        self.len = self.len.max(len);
    }

    /// The bytes allocated for it; parts shared with other bitmaps are counted whole.
    pub fn heap_bytes(&self) -> usize {
        self.chunks().map(|(_, bytes)| bytes.capacity() + 64).sum()
    }

    /// Whether the two are one string in memory, neither written to since it was cloned from the other. Cheap.
    pub fn same(&self, other: &Self) -> bool {
        let root = |bitmap: &Self| bitmap.chunks.as_ref().map(Arc::as_ptr);
        self.len == other.len && root(self) == root(other)
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

    fn chunks(&self) -> impl Iterator<Item = (u64, &Chunk)> {
        self.chunks
            .iter()
            .flat_map(|chunks| chunks.iter())
            .map(|(index, chunk)| (*index, chunk))
    }

    fn chunk(&self, index: u64) -> Option<&Chunk> {
        self.chunks.as_ref()?.get(&index)
    }
}

/// By content.
impl PartialEq for Bitmap {
    fn eq(&self, other: &Self) -> bool {
        let trimmed =
            |bytes: &Chunk| bytes.len() - bytes.iter().rev().take_while(|byte| **byte == 0).count();
        self.len == other.len
            && self
                .chunks()
                .map(|(index, bytes)| (index, &bytes[..trimmed(bytes)]))
                .eq(other
                    .chunks()
                    .map(|(index, bytes)| (index, &bytes[..trimmed(bytes)])))
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
