//! The bytes of a chunk that differ from a fill of 00 or ff, and masks that say where they are.
//!
//! ```text
//! tail of the block:  masks   128 x u64   bit i of mask b is one: byte 64 b + i is kept
//!                     starts  128 x u16   how many bytes are kept before block b
//!                     bytes               the kept bytes, in order; none equals the fill
//! ```
//!
//! A set bit of a mask and its byte meet by counting the ones below it, so one byte is found in three steps, and 64 are
//! put in their places by one `vpexpandb`.

use std::ops::Range;

use super::{CHUNK_BYTES, Profile, Slot, Tag};
use crate::bits::kernel::{BLOCKS, kernels};

/// What masks and starts take.
pub const FIXED: usize = BLOCKS * (size_of::<u64>() + size_of::<u16>());

#[derive(Clone, Copy)]
pub(in crate::bits) struct Packed<'a> {
    pub masks: &'a [u64; BLOCKS],
    pub starts: &'a [u16; BLOCKS],
    pub bytes: &'a [u8],
    pub fill: u8,
}

const WORDS: &str = "a packed chunk's tail holds its masks and starts";

impl<'a> Packed<'a> {
    #[inline]
    pub fn of(slot: &'a Slot) -> Self {
        Self {
            masks: slot.tail::<u64>().first_chunk().expect(WORDS),
            starts: slot.tail::<u16>()[BLOCKS * 4..].first_chunk().expect(WORDS),
            bytes: &slot.tail::<u8>()[FIXED..][..slot.head().len as usize],
            fill: slot.head().extra,
        }
    }

    /// Where byte `at` is or would be among the kept ones, and whether it is.
    #[inline]
    fn locate(&self, at: usize) -> (usize, bool) {
        let (mask, below) = (self.masks[at / 64], (1 << (at % 64)) - 1);
        let index = usize::from(self.starts[at / 64]) + (mask & below).count_ones() as usize;
        (index, mask >> (at % 64) & 1 == 1)
    }

    /// How many bytes before `at`, at most 8192, are kept.
    #[inline]
    fn rank(&self, at: usize) -> usize {
        if at == CHUNK_BYTES {
            self.bytes.len()
        } else {
            self.locate(at).0
        }
    }

    #[inline]
    fn byte(&self, at: usize) -> u8 {
        match self.locate(at) {
            (index, true) => self.bytes[index],
            (_, false) => self.fill,
        }
    }

    #[inline]
    pub fn place(&self, at: usize) -> Place {
        let (index, kept) = self.locate(at);
        let byte = if kept { self.bytes[index] } else { self.fill };
        Place { index, kept, byte }
    }

    #[inline]
    pub fn contains(&self, at: u16) -> bool {
        self.byte(usize::from(at / 8)) & (0x80 >> (at % 8)) != 0
    }

    pub fn count(&self, bits: Range<u32>) -> u32 {
        if bits.start >= bits.end {
            return 0;
        }
        let (first, last) = (bits.start as usize / 8, (bits.end - 1) as usize / 8);
        let (head, tail) = (0xff >> (bits.start % 8), 0xff << (7 - (bits.end - 1) % 8));
        if first == last {
            return (self.byte(first) & head & tail).count_ones();
        }
        let kept = self.rank(first + 1)..self.rank(last);
        let filled = (last - first - 1 - kept.len()) as u32 * self.fill.count_ones();
        let inner = kernels().popcount(&self.bytes[kept]) as u32 + filled;
        inner + (self.byte(first) & head).count_ones() + (self.byte(last) & tail).count_ones()
    }

    /// The first bit equal to `bit` from `start` on.
    pub fn find(&self, bit: bool, start: u32) -> Option<u32> {
        let flip = if bit { 0 } else { 0xff };
        let at =
            |index: usize, byte: u8| (byte != 0).then(|| index as u32 * 8 + byte.leading_zeros());
        let first = start as usize / 8;
        if first >= CHUNK_BYTES {
            return None;
        }
        if let Some(found) = at(first, (self.byte(first) ^ flip) & 0xff >> (start % 8)) {
            return Some(found);
        }
        (first + 1..CHUNK_BYTES).find_map(|index| at(index, self.byte(index) ^ flip))
    }

    /// Copies the bytes from `at` on.
    pub fn read(&self, at: usize, into: &mut [u8]) {
        into.iter_mut()
            .zip(at..)
            .for_each(|(byte, at)| *byte = self.byte(at));
    }

    pub fn paint(&self, page: &mut [u8; CHUNK_BYTES]) {
        kernels().expand(self.masks, self.bytes, self.fill, page);
    }
}

/// A packed chunk of a page's bytes.
pub fn pack(page: &[u8; CHUNK_BYTES], profile: &Profile) -> Slot {
    let (kept, fill) = kept(profile);
    let mut slot = Slot::block(Tag::Packed, profile.ones, FIXED + kept);
    slot.head_mut().extra = fill;
    slot.head_mut().len = kept as u16;
    let mut masks = [0; BLOCKS];
    kernels().compress(
        page,
        fill,
        &mut masks,
        &mut slot.tail_mut()[FIXED..][..kept],
    );
    slot.tail_mut()[..BLOCKS].copy_from_slice(&masks);
    let mut start = 0;
    for (to, mask) in slot.tail_mut()[BLOCKS * 4..].iter_mut().zip(masks) {
        *to = start;
        start += mask.count_ones() as u16;
    }
    slot
}

/// How many bytes are kept, by the better fill.
pub fn kept(profile: &Profile) -> (usize, u8) {
    let nonfull = CHUNK_BYTES as u32 - profile.full;
    if nonfull < profile.nonzero {
        (nonfull as usize, 0xff)
    } else {
        (profile.nonzero as usize, 0)
    }
}

/// Where a byte is: its index among the kept ones or where it would be put, whether it is kept, and what it is.
pub struct Place {
    index: usize,
    kept: bool,
    pub byte: u8,
}

/// Makes the byte at `at`, whose place that is, another than it was. None where there is no room, and then nothing is
/// changed.
pub fn put(slot: &mut Slot, at: usize, place: &Place, byte: u8) -> Option<()> {
    let (len, fill) = (slot.head().len as usize, slot.head().extra);
    let index = place.index;
    let bytes = &mut slot.tail_mut::<u8>()[FIXED..];
    if place.kept {
        bytes[index] = byte;
        if byte == fill {
            bytes.copy_within(index + 1..len, index);
            shift(slot, at, u16::wrapping_sub);
        }
    } else {
        if len == bytes.len() {
            return None;
        }
        bytes.copy_within(index..len, index + 1);
        bytes[index] = byte;
        shift(slot, at, u16::wrapping_add);
    }
    Some(())
}

/// Notes that one byte more, or less, is kept: this one.
fn shift(slot: &mut Slot, byte: usize, by: fn(u16, u16) -> u16) {
    slot.tail_mut::<u64>()[byte / 64] ^= 1 << (byte % 64);
    for start in &mut slot.tail_mut::<u16>()[BLOCKS * 4..BLOCKS * 5][byte / 64 + 1..] {
        *start = by(*start, 1);
    }
    let head = slot.head_mut();
    head.len = by(head.len, 1);
}

/// All the other bits of a packed chunk.
pub fn complement(slot: &Slot) -> Slot {
    let mut new = slot.clone();
    new.make_unique();
    let len = new.head().len as usize;
    new.head_mut().extra ^= 0xff;
    new.tail_mut::<u8>()[FIXED..][..len]
        .iter_mut()
        .for_each(|byte| *byte ^= 0xff);
    new.set_ones(CHUNK_BYTES as u32 * 8 - slot.present_ones());
    new
}
