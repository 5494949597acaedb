//! The portable set, and the definition of right for the others.

use super::fold::{Block, Operand, fold as fold_blocks};
use super::{BLOCKS, Kernels, PAGE_BYTES, Profile};
use crate::bits::Op;

pub(super) static KERNELS: Kernels = PORTABLE;

/// The set again, for others to take what they do not do better.
pub(super) const PORTABLE: Kernels = Kernels {
    name: "scalar",
    popcount,
    find_not,
    profile,
    positions,
    expand,
    compress,
    fold,
};

#[inline(always)]
pub(super) fn popcount(bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    let words: u64 = words
        .iter()
        .map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()))
        .sum();
    words
        + tail
            .iter()
            .map(|byte| u64::from(byte.count_ones()))
            .sum::<u64>()
}

#[inline(always)]
pub(super) fn find_not(bytes: &[u8], fill: u8) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<8>();
    let skipped = words.iter().take_while(|word| **word == [fill; 8]).count();
    let rest = if skipped == words.len() {
        tail
    } else {
        &bytes[skipped * 8..]
    };
    rest.iter()
        .position(|byte| *byte != fill)
        .map(|at| skipped * 8 + at)
}

/// The most significant bit of every byte that is not zero.
#[inline(always)]
fn nonzero_bytes(word: u64) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x7f; 8]);
    (((word & LOW) + LOW) | word) & !LOW
}

#[inline(always)]
pub(super) fn profile(page: &[u8; PAGE_BYTES]) -> Profile {
    let mut profile = Profile::default();
    let mut before = 0;
    let mut last = None;
    for (at, word) in page.as_chunks::<8>().0.iter().enumerate() {
        let word = u64::from_be_bytes(*word);
        profile.ones += word.count_ones();
        profile.runs += (word & !(word >> 1 | before << 63)).count_ones();
        profile.nonzero += nonzero_bytes(word).count_ones();
        profile.full += 8 - nonzero_bytes(!word).count_ones();
        before = word;
        last = if word == 0 { last } else { Some((at, word)) };
    }
    profile.end = last.map_or(0, |(at, word)| {
        at as u32 * 8 + 8 - word.trailing_zeros() / 8
    });
    profile
}

#[inline(always)]
pub(super) fn positions(page: &[u8; PAGE_BYTES], ones: &mut [u16]) {
    let mut index = 0;
    for (word, base) in page.as_chunks::<8>().0.iter().zip((0..).step_by(64)) {
        let mut word = u64::from_be_bytes(*word);
        while word != 0 {
            let zeros = word.leading_zeros();
            ones[index] = base + zeros as u16;
            index += 1;
            word &= !(1 << 63 >> zeros);
        }
    }
    assert_eq!(index, ones.len());
}

#[inline(always)]
pub(super) fn expand(masks: &[u64; BLOCKS], bytes: &[u8], fill: u8, page: &mut [u8; PAGE_BYTES]) {
    let mut rest = bytes;
    for (into, mask) in page.as_chunks_mut::<64>().0.iter_mut().zip(masks) {
        expand_block(*mask, rest, fill, into);
        rest = &rest[mask.count_ones() as usize..];
    }
    assert!(rest.is_empty());
}

#[inline(always)]
pub(super) fn expand_block(mask: u64, bytes: &[u8], fill: u8, into: &mut [u8; 64]) {
    *into = [fill; 64];
    let mut left = mask;
    for byte in &bytes[..mask.count_ones() as usize] {
        into[left.trailing_zeros() as usize] = *byte;
        left &= left - 1;
    }
}

#[inline(always)]
pub(super) fn compress(
    page: &[u8; PAGE_BYTES],
    fill: u8,
    masks: &mut [u64; BLOCKS],
    bytes: &mut [u8],
) {
    let mut index = 0;
    for (block, mask) in page.as_chunks::<64>().0.iter().zip(masks) {
        *mask = 0;
        for (at, byte) in block.iter().enumerate() {
            if *byte != fill {
                *mask |= 1 << at;
                bytes[index] = *byte;
                index += 1;
            }
        }
    }
    assert_eq!(index, bytes.len());
}

pub(super) fn fold(op: Op, page: &mut [u8; PAGE_BYTES], operands: &[Operand<'_>]) -> u32 {
    fold_blocks::<Words>(op, page, operands)
}

/// Eight words; where wider vectors are enabled the compiler makes them of these.
#[derive(Clone, Copy)]
struct Words([u64; 8]);

impl Words {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Block for Words {
    type Count = u32;

    #[inline(always)]
    fn zero() -> Self {
        Self([0; 8])
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self.zip(other, |a, b| a ^ b)
    }

    #[inline(always)]
    fn and_not(self, other: Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    #[inline(always)]
    fn not(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    #[inline(always)]
    fn load(bytes: &[u8; 64]) -> Self {
        let words = bytes.as_chunks::<8>().0;
        Self(std::array::from_fn(|i| u64::from_ne_bytes(words[i])))
    }

    #[inline(always)]
    fn expand(mask: u64, bytes: &[u8], fill: u8) -> Self {
        let mut block = [0; 64];
        expand_block(mask, bytes, fill, &mut block);
        Self::load(&block)
    }

    #[inline(always)]
    fn store(self, into: &mut [u8; 64]) {
        for (into, word) in into.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *into = word.to_ne_bytes();
        }
    }

    #[inline(always)]
    fn no_count() -> u32 {
        0
    }

    #[inline(always)]
    fn count(self, sum: u32) -> u32 {
        sum + self.0.iter().map(|word| word.count_ones()).sum::<u32>()
    }

    #[inline(always)]
    fn total(sum: u32) -> u32 {
        sum
    }
}
