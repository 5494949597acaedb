//! The portable set, and the definition of right for the others.

use super::Kernels;

pub(super) static KERNELS: Kernels = Kernels {
    name: "scalar",
    popcount,
    find_not,
};

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
