//! The bit operations on a plain byte slice: what a short value is, and what the dense parts of a [`Bitmap`] use.
//!
//! [`Bitmap`]: super::Bitmap

use std::ops::Range;

use super::kernel::kernels;

/// The bit at `bit`; false past the end.
#[inline]
pub fn get(bytes: &[u8], bit: u64) -> bool {
    usize::try_from(bit / 8)
        .ok()
        .and_then(|at| bytes.get(at))
        .is_some_and(|byte| byte & mask(bit) != 0)
}

/// Sets or clears the bit at `bit` and returns what it was.
///
/// Panics when `bit` is past the end: a slice does not grow.
#[inline]
pub fn set(bytes: &mut [u8], bit: u64, on: bool) -> bool {
    let byte = &mut bytes[usize::try_from(bit / 8).expect("a bit inside a slice")];
    let old = *byte & mask(bit) != 0;
    *byte = if on {
        *byte | mask(bit)
    } else {
        *byte & !mask(bit)
    };
    old
}

/// The number of ones in `bits`, which is clamped to the slice.
pub fn count(bytes: &[u8], bits: Range<u64>) -> u64 {
    let Some(edges) = Edges::of(bytes, &bits) else {
        return 0;
    };
    let Edges {
        first,
        last,
        head,
        tail,
    } = edges;
    if first == last {
        return u64::from((bytes[first] & head & tail).count_ones());
    }
    let inner = kernels().popcount(&bytes[first + 1..last]);
    inner
        + u64::from((bytes[first] & head).count_ones())
        + u64::from((bytes[last] & tail).count_ones())
}

/// The first bit equal to `bit` inside `bits`, which is clamped to the slice.
pub fn find(bytes: &[u8], bit: bool, bits: Range<u64>) -> Option<u64> {
    let Edges {
        first,
        last,
        head,
        tail,
    } = Edges::of(bytes, &bits)?;
    // Looking for a zero is looking for a one in the complement.
    let flip = if bit { 0 } else { 0xff };
    let at = |index: usize, byte: u8| {
        (byte != 0).then(|| index as u64 * 8 + u64::from(byte.leading_zeros()))
    };
    if first == last {
        return at(first, (bytes[first] ^ flip) & head & tail);
    }
    at(first, (bytes[first] ^ flip) & head)
        .or_else(|| {
            let index = first + 1 + kernels().find_not(&bytes[first + 1..last], flip)?;
            at(index, bytes[index] ^ flip)
        })
        .or_else(|| at(last, (bytes[last] ^ flip) & tail))
}

/// Where the one is that has `rank` ones before it.
pub fn select(bytes: &[u8], rank: u64) -> Option<u64> {
    let mut left = rank;
    for at in 0..bytes.len().div_ceil(8) {
        let mut word = word(bytes, at);
        let ones = u64::from(word.count_ones());
        if left < ones {
            (0..left).for_each(|_| word &= !first_one(word));
            return Some(at as u64 * 64 + u64::from(word.leading_zeros()));
        }
        left -= ones;
    }
    None
}

/// Appends the bits equal to `bit` inside `bits`, which is clamped to the slice, in order and each with `base` added,
/// until `into` is `most` long.
pub fn positions(
    bytes: &[u8],
    bit: bool,
    bits: Range<u64>,
    base: u64,
    most: usize,
    into: &mut Vec<u64>,
) {
    let flip = if bit { 0 } else { u64::MAX };
    let end = bits.end.min(bytes.len() as u64 * 8);
    let mut at = bits.start;
    while at < end && into.len() < most {
        let start = at / 64 * 64;
        let mut word = (word(bytes, (at / 64) as usize) ^ flip) & (u64::MAX >> (at % 64));
        if end - start < 64 {
            word &= !(u64::MAX >> (end - start));
        }
        while word != 0 && into.len() < most {
            into.push(base + start + u64::from(word.leading_zeros()));
            word &= !first_one(word);
        }
        at = start + 64;
    }
}

/// Sets or clears every bit of `bits`, which is clamped to the slice.
pub fn fill(bytes: &mut [u8], bits: Range<u64>, on: bool) {
    let Some(edges) = Edges::of(bytes, &bits) else {
        return;
    };
    let Edges {
        first,
        last,
        head,
        tail,
    } = edges;
    let mut paint = |at: usize, mask: u8| match on {
        true => bytes[at] |= mask,
        false => bytes[at] &= !mask,
    };
    if first == last {
        paint(first, head & tail);
    } else {
        paint(first, head);
        paint(last, tail);
        bytes[first + 1..last].fill(if on { 0xff } else { 0 });
    }
}

/// The 64 bits from `at` words on, the first bit the highest; zeros past the end.
#[inline]
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes[at * 8..].first_chunk() {
        Some(eight) => u64::from_be_bytes(*eight),
        None => {
            let mut eight = [0; 8];
            let rest = &bytes[at * 8..];
            eight[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(eight)
        }
    }
}

/// The highest one of a word that has one.
#[inline]
fn first_one(word: u64) -> u64 {
    1 << 63 >> word.leading_zeros()
}

/// The mask of `bit` within its byte: bit 0 is the most significant.
#[inline]
const fn mask(bit: u64) -> u8 {
    0x80 >> (bit % 8)
}

/// A non-empty range of bits as its first and last byte, each with the mask of the bits that count there.
struct Edges {
    first: usize,
    last: usize,
    head: u8,
    tail: u8,
}

impl Edges {
    fn of(bytes: &[u8], bits: &Range<u64>) -> Option<Self> {
        let end = bits.end.min(bytes.len() as u64 * 8);
        // Both ends lie inside the slice from here on, so they fit a usize.
        (bits.start < end).then(|| Self {
            first: (bits.start / 8) as usize,
            last: ((end - 1) / 8) as usize,
            head: 0xff >> (bits.start % 8),
            tail: 0xff << (7 - (end - 1) % 8),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::oracle;

    #[test]
    fn every_range_of_short_slices_agrees_with_the_oracle() {
        for bytes in oracle::short_strings() {
            let len = bytes.len() as u64 * 8;
            for start in 0..=len + 3 {
                for end in 0..=len + 3 {
                    assert_eq!(
                        count(&bytes, start..end),
                        oracle::count(&bytes, start..end),
                        "{bytes:02x?} {start}..{end}"
                    );
                    for bit in [false, true] {
                        assert_eq!(
                            find(&bytes, bit, start..end),
                            oracle::find(&bytes, bit, start..end),
                            "{bytes:02x?} {bit} {start}..{end}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn long_slices_agree_with_the_oracle_on_spread_ranges() {
        let noise = oracle::noise(5000);
        let mut zeros = vec![0; 5000];
        zeros[3777] = 4;
        let mut ones = vec![0xff; 5000];
        ones[4099] = 0xfb;
        for bytes in [noise, zeros, ones] {
            for start in (0..40_000).step_by(2777) {
                for end in [start + 1, start + 300, 39_999, 40_000, u64::MAX] {
                    assert_eq!(
                        count(&bytes, start..end),
                        oracle::count(&bytes, start..end),
                        "{start}..{end}"
                    );
                    for bit in [false, true] {
                        assert_eq!(
                            find(&bytes, bit, start..end),
                            oracle::find(&bytes, bit, start..end),
                            "{start}..{end}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn bits_are_listed_selected_and_filled_as_the_oracle_says() {
        let noise = oracle::noise(40);
        let strings = oracle::short_strings();
        let strings = strings.iter().step_by(7).chain([&noise]);
        for bytes in strings {
            let bits = oracle::bits(bytes);
            let len = bits.len() as u64;
            let every = |bit: bool| {
                (0..)
                    .zip(&bits)
                    .filter(move |(_, is)| **is == bit)
                    .map(|(at, _)| at)
            };
            let ones: Vec<u64> = every(true).collect();
            for rank in 0..ones.len() + 2 {
                assert_eq!(
                    select(bytes, rank as u64),
                    ones.get(rank).copied(),
                    "{bytes:02x?} {rank}"
                );
            }
            let step = 1 + bytes.len();
            for start in (0..=len + 3).step_by(step) {
                for end in (start..=len + 3).step_by(step) {
                    for bit in [false, true] {
                        let all: Vec<u64> =
                            every(bit).filter(|at| (start..end).contains(at)).collect();
                        for most in [0, 1, 5, usize::MAX] {
                            let mut got = Vec::new();
                            positions(bytes, bit, start..end, 0, most, &mut got);
                            assert_eq!(
                                got,
                                all[..all.len().min(most)],
                                "{bytes:02x?} {bit} {start}..{end} {most}"
                            );
                        }
                        let mut filled = bytes.clone();
                        fill(&mut filled, start..end, bit);
                        let want: Vec<bool> = (0..)
                            .zip(&bits)
                            .map(|(at, was)| {
                                if (start..end).contains(&at) {
                                    bit
                                } else {
                                    *was
                                }
                            })
                            .collect();
                        assert_eq!(
                            oracle::bits(&filled),
                            want,
                            "{bytes:02x?} {bit} {start}..{end}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn set_returns_the_old_bit_and_get_sees_the_new() {
        let mut bytes = [0u8; 3];
        for bit in 0..24 {
            assert!(!set(&mut bytes, bit, true));
            assert!(get(&bytes, bit));
            assert!(set(&mut bytes, bit, true));
        }
        assert_eq!(bytes, [0xff; 3]);
        assert!(set(&mut bytes, 8, false));
        assert_eq!(bytes, [0xff, 0x7f, 0xff]);
        assert!(!get(&bytes, 24) && !get(&bytes, u64::MAX));
    }
}
