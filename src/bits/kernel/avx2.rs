//! AVX2, with the bit instructions that came with it (every x86-64 server since 2013).
//!
//! Population count by table, 32 bytes a step:
//!
//! ```text
//! count(byte) = TABLE[byte & 15] + TABLE[byte >> 4]
//! ```
//!
//! `shuffle` looks up 32 nibbles at once. `sad` then adds the byte counts (at most 8 each) into four 64-bit lanes at
//! every step, so no byte lane can overflow however long the input is.
//!
//! There is no byte expand or compress before AVX-512, so kept bytes are put in their places one by one. (By `pdep` and
//! shuffles it could be had eight at a time.)

use std::arch::x86_64::*;

use super::fold::{Block, Operand, fold as fold_blocks};
use super::{BLOCKS, Kernels, PAGE_BYTES, Profile, scalar};
use crate::bits::Op;

/// `Some` where the CPU can run every function of this file, and only there.
pub(super) fn detect() -> Option<&'static Kernels> {
    let has = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2");
    has.then_some(&KERNELS)
}

static KERNELS: Kernels = Kernels {
    name: "avx2",
    popcount,
    find_not,
    profile,
    positions,
    expand,
    compress,
    fold,
};

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: 32 readable bytes, and `loadu` asks for no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// The number of ones in each group of eight bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn ones(v: __m256i) -> __m256i {
    let table = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    ));
    let low = _mm256_set1_epi8(0x0f);
    let lo = _mm256_shuffle_epi8(table, _mm256_and_si256(v, low));
    let hi = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(v), low));
    _mm256_sad_epu8(_mm256_add_epi8(lo, hi), _mm256_setzero_si256())
}

#[inline]
#[target_feature(enable = "avx2")]
fn total(lanes: __m256i) -> u64 {
    let counted = _mm256_extract_epi64::<0>(lanes)
        + _mm256_extract_epi64::<1>(lanes)
        + _mm256_extract_epi64::<2>(lanes)
        + _mm256_extract_epi64::<3>(lanes);
    counted as u64
}

#[target_feature(enable = "avx2,popcnt")]
fn popcount(bytes: &[u8]) -> u64 {
    let mut lanes = _mm256_setzero_si256();
    let (blocks, tail) = bytes.as_chunks::<32>();
    for block in blocks {
        lanes = _mm256_add_epi64(lanes, ones(load(block)));
    }
    total(lanes) + scalar::popcount(tail)
}

#[target_feature(enable = "avx2")]
fn find_not(bytes: &[u8], fill: u8) -> Option<usize> {
    let fills = _mm256_set1_epi8(fill as i8);
    let (blocks, tail) = bytes.as_chunks::<32>();
    for (at, block) in blocks.iter().enumerate() {
        let other = !_mm256_movemask_epi8(_mm256_cmpeq_epi8(load(block), fills));
        if other != 0 {
            return Some(at * 32 + other.trailing_zeros() as usize);
        }
    }
    scalar::find_not(tail, fill).map(|at| blocks.len() * 32 + at)
}

/// As in AVX-512; the words one lane up come from a permutation and a blend, and the double shift is two.
#[target_feature(enable = "avx2,lzcnt")]
fn profile(page: &[u8; PAGE_BYTES]) -> Profile {
    let swap = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8,
    ));
    let zero = _mm256_setzero_si256();
    let (mut counted, mut runs, mut end) = (zero, zero, 0);
    let (mut nonzero, mut full) = (0, 0);
    let mut before = zero; // the last word of the half block before, in the lowest lane
    // Byte lanes hold the counts of up to 255 half blocks; there are 256.
    for (stretch, half_blocks) in page.as_chunks::<32>().0.chunks(128).enumerate() {
        let (mut nonzero_bytes, mut full_bytes) = (zero, zero);
        for (at, half_block) in half_blocks.iter().enumerate() {
            let v = load(half_block);
            let words = _mm256_shuffle_epi8(v, swap);
            let up = _mm256_permute4x64_epi64::<0b10_01_00_11>(words); // 3, 0, 1, 2
            let words_before = _mm256_blend_epi32::<0b0000_0011>(up, before);
            before = up;
            let shifted = _mm256_or_si256(
                _mm256_srli_epi64::<1>(words),
                _mm256_slli_epi64::<63>(words_before),
            );
            counted = _mm256_add_epi64(counted, ones(v));
            runs = _mm256_add_epi64(runs, ones(_mm256_andnot_si256(shifted, words)));
            nonzero_bytes = _mm256_add_epi8(nonzero_bytes, _mm256_min_epu8(v, _mm256_set1_epi8(1)));
            full_bytes = _mm256_add_epi8(full_bytes, _mm256_subs_epu8(v, _mm256_set1_epi8(-2)));
            let kept = !_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, zero)) as u32;
            end = if kept == 0 {
                end
            } else {
                (stretch * 128 + at + 1) as u32 * 32 - kept.leading_zeros()
            };
        }
        nonzero += total(_mm256_sad_epu8(nonzero_bytes, zero)) as u32;
        full += total(_mm256_sad_epu8(full_bytes, zero)) as u32;
    }
    Profile {
        ones: total(counted) as u32,
        runs: total(runs) as u32,
        nonzero,
        full,
        end,
    }
}

#[target_feature(enable = "avx2,lzcnt,bmi1,bmi2")]
fn positions(page: &[u8; PAGE_BYTES], ones: &mut [u16]) {
    scalar::positions(page, ones);
}

#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn expand(masks: &[u64; BLOCKS], bytes: &[u8], fill: u8, page: &mut [u8; PAGE_BYTES]) {
    scalar::expand(masks, bytes, fill, page);
}

#[target_feature(enable = "avx2,bmi1,bmi2")]
fn compress(page: &[u8; PAGE_BYTES], fill: u8, masks: &mut [u64; BLOCKS], bytes: &mut [u8]) {
    let fills = _mm256_set1_epi8(fill as i8);
    let mut index = 0;
    for (block, mask) in page.as_chunks::<64>().0.iter().zip(masks) {
        let [first, second] = block.as_chunks::<32>().0 else {
            unreachable!("64 bytes")
        };
        let same = [first, second]
            .map(|half| _mm256_movemask_epi8(_mm256_cmpeq_epi8(load(half), fills)) as u32);
        *mask = !(u64::from(same[1]) << 32 | u64::from(same[0]));
        let mut left = *mask;
        while left != 0 {
            bytes[index] = block[left.trailing_zeros() as usize];
            index += 1;
            left &= left - 1;
        }
    }
    assert_eq!(index, bytes.len());
}

#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn fold(op: Op, page: &mut [u8; PAGE_BYTES], operands: &[Operand<'_>]) -> u32 {
    fold_blocks::<Halves>(op, page, operands)
}

/// A block as two registers.
#[derive(Clone, Copy)]
struct Halves(__m256i, __m256i);

// SAFETY, for every call below: `Halves` are made and used by `fold` only, into which these are inlined and which the
// table gives out only where the CPU has the features.
impl Block for Halves {
    type Count = __m256i;

    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: as said above; so for each that follows.
        unsafe { Self(_mm256_setzero_si256(), _mm256_setzero_si256()) }
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see `zero`.
        unsafe {
            Self(
                _mm256_and_si256(self.0, other.0),
                _mm256_and_si256(self.1, other.1),
            )
        }
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see `zero`.
        unsafe {
            Self(
                _mm256_or_si256(self.0, other.0),
                _mm256_or_si256(self.1, other.1),
            )
        }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: see `zero`.
        unsafe {
            Self(
                _mm256_xor_si256(self.0, other.0),
                _mm256_xor_si256(self.1, other.1),
            )
        }
    }

    #[inline(always)]
    fn and_not(self, other: Self) -> Self {
        // SAFETY: see `zero`.
        unsafe {
            Self(
                _mm256_andnot_si256(other.0, self.0),
                _mm256_andnot_si256(other.1, self.1),
            )
        }
    }

    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: see `zero`.
        unsafe { Self(_mm256_set1_epi8(-1), _mm256_set1_epi8(-1)).xor(self) }
    }

    #[inline(always)]
    fn load(bytes: &[u8; 64]) -> Self {
        let [first, second] = bytes.as_chunks::<32>().0 else {
            unreachable!("64 bytes")
        };
        // SAFETY: see `zero`.
        unsafe { Self(load(first), load(second)) }
    }

    #[inline(always)]
    fn expand(mask: u64, bytes: &[u8], fill: u8) -> Self {
        let mut block = [0; 64];
        scalar::expand_block(mask, bytes, fill, &mut block);
        Self::load(&block)
    }

    #[inline(always)]
    fn store(self, into: &mut [u8; 64]) {
        // SAFETY: see `zero`; 64 writable bytes, and `storeu` asks for no alignment.
        unsafe {
            _mm256_storeu_si256(into.as_mut_ptr().cast(), self.0);
            _mm256_storeu_si256(into.as_mut_ptr().add(32).cast(), self.1);
        }
    }

    #[inline(always)]
    fn no_count() -> __m256i {
        Self::zero().0
    }

    #[inline(always)]
    fn count(self, sum: __m256i) -> __m256i {
        // SAFETY: see `zero`.
        unsafe { _mm256_add_epi64(sum, _mm256_add_epi64(ones(self.0), ones(self.1))) }
    }

    #[inline(always)]
    fn total(sum: __m256i) -> u32 {
        // SAFETY: see `zero`.
        unsafe { total(sum) as u32 }
    }
}
