//! NEON, which every 64-bit ARM has. The compiler uses it for the portable loops already; population count is written
//! out because the portable one becomes a horizontal addition a word.
//!
//! `cnt` counts the ones of 16 bytes; two pairwise widening additions bring them to 32-bit lanes, which 2^32 / 32 steps
//! cannot overflow.

use std::arch::aarch64::*;

use super::{Kernels, scalar};

pub(super) fn detect() -> Option<&'static Kernels> {
    Some(&KERNELS)
}

static KERNELS: Kernels = Kernels {
    name: "neon",
    popcount,
    ..scalar::PORTABLE
};

#[target_feature(enable = "neon")]
fn popcount(bytes: &[u8]) -> u64 {
    let (blocks, tail) = bytes.as_chunks::<16>();
    let mut total = scalar::popcount(tail);
    // A stretch whose sums fit their lanes, however long the input is.
    for stretch in blocks.chunks(1 << 24) {
        let mut lanes = vdupq_n_u32(0);
        for block in stretch {
            // SAFETY: 16 readable bytes, and the load asks for no alignment.
            let v = unsafe { vld1q_u8(block.as_ptr()) };
            lanes = vpadalq_u16(lanes, vpaddlq_u8(vcntq_u8(v)));
        }
        total += vaddlvq_u32(lanes);
    }
    total
}
