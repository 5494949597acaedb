//! A sorted array of the positions of ones.

use std::ops::Range;

use super::{Profile, Run};

/// Where `at` is, or would be put.
///
/// Looks first where it would be if the ones were spread evenly, then ever farther from there. Most arrays are spread
/// evenly enough that it is in the first cache line or the next, where halving the whole array waits for four lines in turn.
#[inline]
pub fn search(ones: &[u16], at: u16) -> Result<usize, usize> {
    const STEP: usize = 16;
    let guess = guess(ones.len(), usize::from(at));
    let (mut low, mut high, mut step) = (guess, guess, STEP);
    while high < ones.len() && ones[high] < at {
        low = high;
        high += step;
        step *= 2;
    }
    while low > 0 && ones[low] > at {
        high = low;
        low = low.saturating_sub(step);
        step *= 2;
    }
    let high = ones.len().min(high + 1);
    ones[low..high]
        .binary_search(&at)
        .map(|index| low + index)
        .map_err(|index| low + index)
}

/// Where the position `at` would be among so many ones that are spread evenly.
#[inline]
pub fn guess(ones: usize, at: usize) -> usize {
    (at * ones) >> 16
}

#[inline]
pub fn contains(ones: &[u16], at: u16) -> bool {
    search(ones, at).is_ok()
}

/// The number of positions before `at`.
#[inline]
fn rank(ones: &[u16], at: u32) -> usize {
    match u16::try_from(at) {
        Ok(at) => search(ones, at).unwrap_or_else(|index| index),
        Err(_) => ones.len(),
    }
}

pub fn count(ones: &[u16], bits: Range<u32>) -> u32 {
    rank(ones, bits.end).saturating_sub(rank(ones, bits.start)) as u32
}

/// The positions inside `bits`.
pub fn within<'a>(ones: &'a [u16], bits: &Range<u32>) -> &'a [u16] {
    &ones[places(ones, bits)]
}

/// Where the positions inside `bits` stand.
pub fn places(ones: &[u16], bits: &Range<u32>) -> Range<usize> {
    let (first, last) = (rank(ones, bits.start), rank(ones, bits.end));
    first..last.max(first)
}

/// The first bit equal to `bit` from `start` on; may be past the chunk's end when looking for a zero.
pub fn find(ones: &[u16], bit: bool, start: u32) -> Option<u32> {
    let rest = &ones[rank(ones, start)..];
    if bit {
        return rest.first().map(|one| u32::from(*one));
    }
    let solid = rest
        .iter()
        .zip(start..)
        .take_while(|(one, at)| u32::from(**one) == *at)
        .count();
    Some(start + solid as u32)
}

/// Sets the ones that lie in the bytes from `at` on. `into` must be zeros where they are not.
pub fn read(ones: &[u16], at: usize, into: &mut [u8]) {
    for one in within(ones, &(at as u32 * 8..(at + into.len()) as u32 * 8)) {
        into[usize::from(one / 8) - at] |= 0x80 >> (one % 8);
    }
}

pub fn profile(ones: &[u16]) -> Profile {
    let (mut runs, mut nonzero, mut full) = (0, 0, 0);
    let (mut next, mut byte, mut in_byte) = (u32::MAX, u32::MAX, 0);
    for one in ones.iter().map(|one| u32::from(*one)) {
        runs += u32::from(one != next);
        next = one + 1;
        let same = one / 8 == byte;
        nonzero += u32::from(!same);
        in_byte = if same { in_byte + 1 } else { 1 };
        full += u32::from(in_byte == 8);
        byte = one / 8;
    }
    let end = ones.last().map_or(0, |last| u32::from(last / 8) + 1);
    Profile {
        ones: ones.len() as u32,
        runs,
        nonzero,
        full,
        end,
    }
}

/// Puts `at` in at `index`, where [`search`] says it belongs. There is room after the first `len` of `ones`.
#[inline]
pub fn insert(ones: &mut [u16], len: usize, index: usize, at: u16) {
    ones.copy_within(index..len, index + 1);
    ones[index] = at;
}

/// Puts `new` in the place of `old`, where they belong among the first `len` of `ones`, and says how many there are then.
/// Nothing is done where there is no room.
pub fn splice(ones: &mut [u16], len: usize, old: Range<usize>, new: &[u16]) -> Option<usize> {
    let moved = old.start + new.len();
    let total = len - old.len() + new.len();
    if total > ones.len() {
        return None;
    }
    ones.copy_within(old.end..len, moved);
    ones[old.start..moved].copy_from_slice(new);
    Some(total)
}

/// Takes the position at `index` out of the first `len` of `ones`.
#[inline]
pub fn remove(ones: &mut [u16], len: usize, index: usize) {
    ones.copy_within(index + 1..len, index);
}

/// Puts the runs of the positions into `runs`, which has room for exactly as many.
pub fn runs(ones: &[u16], runs: &mut [Run]) {
    let mut runs = runs.iter_mut();
    let mut current: Option<&mut Run> = None;
    for one in ones {
        match current.as_deref_mut() {
            Some([_, last]) if *last + 1 == *one => *last = *one,
            _ => {
                current = runs.next();
                if let Some(run) = current.as_deref_mut() {
                    *run = [*one, *one];
                }
            }
        }
    }
}
