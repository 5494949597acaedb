//! What the answers should be, in the fewest words that are plainly right. Never optimise this file.
//!
//! std only: tests of several floors include it by path.

// Each test crate that includes this file uses a part of it.
#![allow(dead_code)]

#[path = "random.rs"]
mod random;

use std::ops::Range;

pub use random::Random;

/// Every bit of `bytes`, the most significant of byte 0 first.
pub fn bits(bytes: &[u8]) -> Vec<bool> {
    bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |i| (byte >> i) & 1 == 1))
        .collect()
}

/// The bytes whose bits are `bits`; the last is filled with zeros.
pub fn bytes(bits: &[bool]) -> Vec<u8> {
    bits.chunks(8)
        .map(|eight| {
            (0..8).fold(0, |byte, i| {
                byte << 1 | u8::from(eight.get(i) == Some(&true))
            })
        })
        .collect()
}

pub fn popcount(bytes: &[u8]) -> u64 {
    bits(bytes).into_iter().filter(|&bit| bit).count() as u64
}

/// The ones among the bits `range` of `bytes`, as far as it has them.
pub fn count(bytes: &[u8], range: Range<u64>) -> u64 {
    (0..)
        .zip(bits(bytes))
        .filter(|(at, bit)| range.contains(at) && *bit)
        .count() as u64
}

/// The first bit equal to `wanted` among the bits `range` of `bytes`, as far as it has them.
pub fn find(bytes: &[u8], wanted: bool, range: Range<u64>) -> Option<u64> {
    (0..)
        .zip(bits(bytes))
        .find(|(at, bit)| range.contains(at) && *bit == wanted)
        .map(|(at, _)| at)
}

/// BITCOUNT of a range given as the command gives it, in units of `width` bits.
pub fn bitcount(bytes: &[u8], start: i64, end: i64, width: i64) -> u64 {
    let len = bytes.len() as i64 * 8 / width;
    if start < 0 && end < 0 && start > end {
        return 0;
    }
    let clamp = |index: i64| {
        if index < 0 {
            (index + len).max(0)
        } else {
            index
        }
    };
    let (start, end) = (clamp(start), clamp(end));
    (0..)
        .zip(bits(bytes))
        .filter(|&(at, bit)| bit && start <= at / width && at / width <= end)
        .count() as u64
}

/// The result of a BITOP, bit by bit: `rule` gets the first source's bit and how many of the others are one.
pub fn combine(sources: &[&[u8]], rule: impl Fn(bool, usize) -> bool) -> Vec<u8> {
    let sources: Vec<Vec<bool>> = sources.iter().map(|source| bits(source)).collect();
    let len = sources.iter().map(Vec::len).max().unwrap_or(0);
    let bit = |source: &Vec<bool>, at: usize| source.get(at) == Some(&true);
    let result: Vec<bool> = (0..len)
        .map(|at| {
            rule(
                bit(&sources[0], at),
                sources[1..].iter().filter(|source| bit(source, at)).count(),
            )
        })
        .collect();
    bytes(&result)
}

/// "" and every string of 1 to 3 bytes of 00, ff, 80, 01 and a5.
pub fn short_strings() -> Vec<Vec<u8>> {
    let mut all = vec![vec![]];
    let mut longest = all.clone();
    for _ in 0..3 {
        longest = longest
            .iter()
            .flat_map(|string| {
                [0x00, 0xff, 0x80, 0x01, 0xa5].map(|byte| [&string[..], &[byte]].concat())
            })
            .collect();
        all.extend(longest.clone());
    }
    all
}

/// The same `len` random-looking bytes at every call.
pub fn noise(len: usize) -> Vec<u8> {
    let mut random = Random::new(0x5eed);
    (0..len).map(|_| random.next() as u8).collect()
}
