//! A sorted array of the positions of ones.

use std::ops::Range;

use super::{Profile, Run, bits_of};

/// Where `at` is, or would be put.
///
/// Looks first around the place where it would be if the ones were spread evenly, which most are evenly enough for: there it
/// is found without a branch that could be guessed wrong, in cache lines that [`near`] names before the search begins.
#[inline]
pub fn search(ones: &[u16], at: u16) -> Result<usize, usize> {
    let low = near(ones.len(), usize::from(at));
    let index = match ones[low..].first_chunk::<NEAR>() {
        None => below(ones, at),
        Some(window) => {
            let count = below(window, at);
            let ends_inside = count < NEAR || low + NEAR == ones.len();
            if ends_inside && (count > 0 || low == 0) {
                low + count
            } else {
                search_far(ones, low, at)
            }
        }
    };
    match ones.get(index) {
        Some(one) if *one == at => Ok(index),
        _ => Err(index),
    }
}

/// So many are looked at together: 32 on either side of the expected place, where 32 is twice the standard deviation of the
/// place in an array of a thousand random ones.
const NEAR: usize = 64;

/// From where on [`search`] looks for the position `at` among so many ones.
#[inline]
pub fn near(ones: usize, at: usize) -> usize {
    let guess = (at * ones) >> 16;
    guess
        .saturating_sub(NEAR / 2)
        .min(ones.saturating_sub(NEAR))
}

/// How many are below `at`: of a window's length, the compiler counts them in vectors.
#[inline]
fn below(ones: &[u16], at: u16) -> usize {
    let count: u16 = ones.iter().map(|one| u16::from(*one < at)).sum();
    usize::from(count)
}

/// How many ones are below `at`, looking ever farther from index `from`, and halving what lies between.
#[cold]
fn search_far(ones: &[u16], from: usize, at: u16) -> usize {
    let (mut low, mut high, mut step) = (from, from, NEAR);
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
    low + ones[low..high].partition_point(|one| *one < at)
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
    let first = rank(ones, bits.start);
    let last = if bits.len() <= SHORT {
        let here = ones[first..].iter();
        first + here.take_while(|one| u32::from(**one) < bits.end).count()
    } else {
        rank(ones, bits.end)
    };
    first..last.max(first)
}

/// The end of so few bits is found by going there: a field of BITFIELD.
const SHORT: usize = 72;

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
    show(within(ones, &bits_of(at, into.len())), at, into);
}

/// Sets these ones, all of which lie in the bytes from `at` on.
#[inline]
pub fn show(ones: &[u16], at: usize, into: &mut [u8]) {
    for one in ones {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_is_found_however_the_ones_are_spread() {
        let evenly = |count: u32| (0..count).map(|at| (at * 65_536 / count) as u16).collect();
        let mut lists: Vec<Vec<u16>> = [0, 1, 63, 64, 65, 127, 128, 1000, 4000].map(evenly).into();
        let at_an_end = |len: u16| [(0..len).collect(), (u16::MAX - len..=u16::MAX).collect()];
        lists.extend([64, 65, 300, 2000].into_iter().flat_map(at_an_end));
        lists.push((0..500).chain(65_036..=u16::MAX).collect());
        lists.push((32_000..33_000).collect());
        for ones in lists {
            for at in 0..=u16::MAX {
                assert_eq!(search(&ones, at), ones.binary_search(&at), "{at} {ones:?}");
            }
            for (start, len) in (0..65_000)
                .step_by(997)
                .zip([1, 8, 72, 73, 500].iter().cycle())
            {
                let bits = start..start + len;
                let inside = ones.iter().filter(|one| bits.contains(&u32::from(**one)));
                assert!(within(&ones, &bits).iter().eq(inside), "{bits:?} {ones:?}");
            }
        }
    }
}
