//! AVX-512 with VBMI2 (bytes compressed and expanded under a mask) and VPOPCNTDQ (population count): Intel since Ice
//! Lake, AMD since Zen 4.
//!
//! Three steps carry most of it:
//!
//! ```text
//! ones of a block      vpopcntq, added up in eight 64-bit lanes
//! a packed block       load the next 64 kept bytes; vpexpandb under the block's mask, over the fill
//! starts of runs       words w in bit order (bytes swapped): w & !(w >> 1 | last bit of the word before << 63);
//!                      the words before are the same words moved up by one lane (valignq), the rest is one vpshrdq
//! ```
//!
//! Bytes that are 00 or ff are counted in byte lanes, which 128 blocks cannot overflow: `min(v, 1)` is one unless the
//! byte is 00, and `v - 254`, saturating at 0, is one only for ff.
//!
//! Nanoseconds for a page of 8 KiB in cache (Xeon, family 6 model 167, 2026-11-21), AVX-512 / AVX2 / portable:
//! population count 52 / 175 / 567, profile 258 / 676 / 4341, expand at 2 % of ones 121 / 833 / 701, AND of two pages
//! with count 138 / 252 / 598, of two packed pages 329 / 2226 / 2862. `cargo bench --bench kernels` prints them all.

use std::arch::x86_64::*;

use super::fold::{Block, Operand, fold as fold_blocks};
use super::{BLOCKS, Kernels, PAGE_BYTES, Profile};
use crate::bits::Op;

/// `Some` where the CPU can run every function of this file, and only there.
pub(super) fn detect() -> Option<&'static Kernels> {
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2");
    has.then_some(&KERNELS)
}

static KERNELS: Kernels = Kernels {
    name: "avx512",
    popcount,
    find_not,
    profile,
    positions,
    expand,
    compress,
    fold,
};

/// The lowest `len` bits, of 64.
#[inline(always)]
fn low(len: usize) -> u64 {
    if len >= 64 { u64::MAX } else { (1 << len) - 1 }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: 64 readable bytes, and `loadu` asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// The first up to 64 of `bytes`, zeros after them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_some(bytes: &[u8]) -> __m512i {
    match bytes.first_chunk() {
        Some(block) => load(block),
        // SAFETY: the mask keeps the load within `bytes`; lanes outside it are not touched.
        None => unsafe { _mm512_maskz_loadu_epi8(low(bytes.len()), bytes.as_ptr().cast()) },
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(v: __m512i, into: &mut [u8; 64]) {
    // SAFETY: 64 writable bytes, and `storeu` asks for no alignment.
    unsafe { _mm512_storeu_si512(into.as_mut_ptr().cast(), v) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vpopcntdq")]
fn popcount(bytes: &[u8]) -> u64 {
    let (blocks, tail) = bytes.as_chunks::<64>();
    // Two sums, so that an addition need not wait for the one before.
    let (mut even, mut odd) = (_mm512_setzero_si512(), _mm512_popcnt_epi64(load_some(tail)));
    let (pairs, last) = blocks.as_chunks::<2>();
    for [a, b] in pairs {
        even = _mm512_add_epi64(even, _mm512_popcnt_epi64(load(a)));
        odd = _mm512_add_epi64(odd, _mm512_popcnt_epi64(load(b)));
    }
    for block in last {
        even = _mm512_add_epi64(even, _mm512_popcnt_epi64(load(block)));
    }
    _mm512_reduce_add_epi64(_mm512_add_epi64(even, odd)) as u64
}

#[target_feature(enable = "avx512f,avx512bw")]
fn find_not(bytes: &[u8], fill: u8) -> Option<usize> {
    let fills = _mm512_set1_epi8(fill as i8);
    let (blocks, tail) = bytes.as_chunks::<64>();
    for (at, block) in blocks.iter().enumerate() {
        let other = _mm512_cmpneq_epi8_mask(load(block), fills);
        if other != 0 {
            return Some(at * 64 + other.trailing_zeros() as usize);
        }
    }
    let other = _mm512_cmpneq_epi8_mask(load_some(tail), fills) & low(tail.len());
    (other != 0).then(|| blocks.len() * 64 + other.trailing_zeros() as usize)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx512vpopcntdq")]
fn profile(page: &[u8; PAGE_BYTES]) -> Profile {
    let swap = _mm512_broadcast_i32x4(_mm_setr_epi8(
        7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8,
    ));
    let zero = _mm512_setzero_si512();
    let (mut ones, mut runs, mut nonzero, mut full) = (zero, zero, zero, zero);
    let (mut before, mut end) = (zero, 0);
    for (at, block) in page.as_chunks::<64>().0.iter().enumerate() {
        let v = load(block);
        let words = _mm512_shuffle_epi8(v, swap);
        let shifted = _mm512_shrdi_epi64::<1>(words, _mm512_alignr_epi64::<7>(words, before));
        before = words;
        ones = _mm512_add_epi64(ones, _mm512_popcnt_epi64(v));
        runs = _mm512_add_epi64(
            runs,
            _mm512_popcnt_epi64(_mm512_andnot_si512(shifted, words)),
        );
        nonzero = _mm512_add_epi8(nonzero, _mm512_min_epu8(v, _mm512_set1_epi8(1)));
        full = _mm512_add_epi8(full, _mm512_subs_epu8(v, _mm512_set1_epi8(-2)));
        let kept = _mm512_test_epi8_mask(v, v);
        end = if kept == 0 {
            end
        } else {
            at as u32 * 64 + 64 - kept.leading_zeros()
        };
    }
    let bytes = |lanes| _mm512_reduce_add_epi64(_mm512_sad_epu8(lanes, zero)) as u32;
    Profile {
        ones: _mm512_reduce_add_epi64(ones) as u32,
        runs: _mm512_reduce_add_epi64(runs) as u32,
        nonzero: bytes(nonzero),
        full: bytes(full),
        end,
    }
}

/// In two steps, because a branch on whether a block has a one is a guess: first a mask of the blocks that have, then
/// only those.
#[target_feature(enable = "avx512f,avx512bw,bmi1,bmi2,lzcnt,popcnt")]
fn positions(page: &[u8; PAGE_BYTES], ones: &mut [u16]) {
    let mut index = 0;
    let blocks = page.as_chunks::<64>().0;
    for (half, blocks) in blocks.chunks(64).enumerate() {
        let mut some = 0u64;
        for (at, block) in blocks.iter().enumerate() {
            let v = load(block);
            some |= u64::from(_mm512_test_epi64_mask(v, v) != 0) << at;
        }
        while some != 0 {
            let block = &blocks[some.trailing_zeros() as usize];
            let base = (half * 64 + some.trailing_zeros() as usize) * 512;
            some &= some - 1;
            let v = load(block);
            let mut words = _mm512_test_epi64_mask(v, v);
            while words != 0 {
                let at = words.trailing_zeros() as usize;
                words &= words - 1;
                let mut word = u64::from_be_bytes(block.as_chunks::<8>().0[at]);
                while word != 0 {
                    let zeros = word.leading_zeros();
                    ones[index] = (base + at * 64) as u16 + zeros as u16;
                    index += 1;
                    word ^= 1 << 63 >> zeros;
                }
            }
        }
    }
    assert_eq!(index, ones.len());
}

/// The first bytes of `bytes` where the mask has ones, `fill` elsewhere.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
fn expand_block(mask: u64, bytes: &[u8], fill: u8) -> __m512i {
    assert!(mask.count_ones() as usize <= bytes.len());
    _mm512_mask_expand_epi8(_mm512_set1_epi8(fill as i8), mask, load_some(bytes))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
fn expand(masks: &[u64; BLOCKS], bytes: &[u8], fill: u8, page: &mut [u8; PAGE_BYTES]) {
    let mut from = 0;
    for (into, mask) in page.as_chunks_mut::<64>().0.iter_mut().zip(masks) {
        store(expand_block(*mask, &bytes[from..], fill), into);
        from += mask.count_ones() as usize;
    }
    assert_eq!(from, bytes.len());
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,popcnt")]
fn compress(page: &[u8; PAGE_BYTES], fill: u8, masks: &mut [u64; BLOCKS], bytes: &mut [u8]) {
    let fills = _mm512_set1_epi8(fill as i8);
    let mut from = 0;
    for (block, mask) in page.as_chunks::<64>().0.iter().zip(masks) {
        let v = load(block);
        *mask = _mm512_cmpneq_epi8_mask(v, fills);
        let kept = mask.count_ones() as usize;
        let v = _mm512_maskz_compress_epi8(*mask, v);
        let rest = &mut bytes[from..];
        match rest.first_chunk_mut() {
            // What is written after the kept bytes is written over by the next block.
            Some(into) => store(v, into),
            None => {
                assert!(kept <= rest.len());
                // SAFETY: the mask keeps the store within `rest`.
                unsafe { _mm512_mask_storeu_epi8(rest.as_mut_ptr().cast(), low(kept), v) }
            }
        }
        from += kept;
    }
    assert_eq!(from, bytes.len());
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi2,avx512vpopcntdq,popcnt")]
fn fold(op: Op, page: &mut [u8; PAGE_BYTES], operands: &[Operand<'_>]) -> u32 {
    fold_blocks::<Vector>(op, page, operands)
}

/// A block as one register.
#[derive(Clone, Copy)]
struct Vector(__m512i);

// SAFETY, for every call below: a `Vector` is made and used by `fold` only, into which these are inlined and which the
// table gives out only where the CPU has the features.
impl Block for Vector {
    type Count = __m512i;

    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: as said above; so for each that follows.
        unsafe { Self(_mm512_setzero_si512()) }
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: see `zero`.
        unsafe { Self(_mm512_and_si512(self.0, other.0)) }
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: see `zero`.
        unsafe { Self(_mm512_or_si512(self.0, other.0)) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: see `zero`.
        unsafe { Self(_mm512_xor_si512(self.0, other.0)) }
    }

    #[inline(always)]
    fn and_not(self, other: Self) -> Self {
        // SAFETY: see `zero`.
        unsafe { Self(_mm512_andnot_si512(other.0, self.0)) }
    }

    #[inline(always)]
    fn not(self) -> Self {
        // SAFETY: see `zero`.
        unsafe { Self(_mm512_xor_si512(self.0, _mm512_set1_epi8(-1))) }
    }

    #[inline(always)]
    fn load(bytes: &[u8; 64]) -> Self {
        // SAFETY: see `zero`.
        unsafe { Self(load(bytes)) }
    }

    #[inline(always)]
    fn expand(mask: u64, bytes: &[u8], fill: u8) -> Self {
        // SAFETY: see `zero`.
        unsafe { Self(expand_block(mask, bytes, fill)) }
    }

    #[inline(always)]
    fn store(self, into: &mut [u8; 64]) {
        // SAFETY: see `zero`.
        unsafe { store(self.0, into) }
    }

    #[inline(always)]
    fn no_count() -> __m512i {
        Self::zero().0
    }

    #[inline(always)]
    fn count(self, sum: __m512i) -> __m512i {
        // SAFETY: see `zero`.
        unsafe { _mm512_add_epi64(sum, _mm512_popcnt_epi64(self.0)) }
    }

    #[inline(always)]
    fn total(sum: __m512i) -> u32 {
        // SAFETY: see `zero`.
        unsafe { _mm512_reduce_add_epi64(sum) as u32 }
    }
}
