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
//! The other loops are the portable ones again: inlined here, the compiler makes them of these instructions. There is
//! no byte expand or compress before AVX-512; by `pdep` and shuffles it could be had eight bytes at a time.

use std::arch::x86_64::*;

use super::fold::{Operand, fold as fold_blocks};
use super::scalar::{self, Words};
use super::{BLOCKS, Kernels, PAGE_BYTES, Profile};
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

#[target_feature(enable = "avx2,popcnt")]
fn popcount(bytes: &[u8]) -> u64 {
    let table = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
    ));
    let low = _mm256_set1_epi8(0x0f);
    let zero = _mm256_setzero_si256();
    let mut lanes = zero;
    let (blocks, tail) = bytes.as_chunks::<32>();
    for block in blocks {
        let v = load(block);
        let lo = _mm256_shuffle_epi8(table, _mm256_and_si256(v, low));
        let hi = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(v), low));
        lanes = _mm256_add_epi64(lanes, _mm256_sad_epu8(_mm256_add_epi8(lo, hi), zero));
    }
    let counted = _mm256_extract_epi64::<0>(lanes)
        + _mm256_extract_epi64::<1>(lanes)
        + _mm256_extract_epi64::<2>(lanes)
        + _mm256_extract_epi64::<3>(lanes);
    counted as u64 + scalar::popcount(tail)
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

#[target_feature(enable = "avx2,popcnt,bmi1,bmi2")]
fn profile(page: &[u8; PAGE_BYTES]) -> Profile {
    scalar::profile(page)
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
    fold_blocks::<Words>(op, page, operands)
}
