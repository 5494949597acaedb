//! A sorted list of runs of ones.

use std::ops::Range;

use super::{Profile, Run, bits_of, flat};

/// The index of the first run that ends at `at` or later.
#[inline]
fn seek(runs: &[Run], at: u32) -> usize {
    runs.partition_point(|[_, last]| u32::from(*last) < at)
}

#[inline]
pub fn contains(runs: &[Run], at: u16) -> bool {
    runs.get(seek(runs, u32::from(at)))
        .is_some_and(|[first, _]| *first <= at)
}

/// How long a run is within `bits`.
#[inline]
fn overlap([first, last]: Run, bits: &Range<u32>) -> u32 {
    (u32::from(last) + 1)
        .min(bits.end)
        .saturating_sub(u32::from(first).max(bits.start))
}

pub fn count(runs: &[Run], bits: Range<u32>) -> u32 {
    runs[seek(runs, bits.start)..]
        .iter()
        .take_while(|[first, _]| u32::from(*first) < bits.end)
        .map(|run| overlap(*run, &bits))
        .sum()
}

/// Where the one is that has `rank` ones before it.
pub fn select(runs: &[Run], rank: u32) -> Option<u32> {
    let mut left = rank;
    for [first, last] in runs.iter().map(|run| run.map(u32::from)) {
        if left <= last - first {
            return Some(first + left);
        }
        left -= last - first + 1;
    }
    None
}

/// The ones inside `bits`.
pub fn within(runs: &[Run], bits: &Range<u32>) -> impl Iterator<Item = u32> {
    let Range { start, end } = *bits;
    runs[seek(runs, start)..]
        .iter()
        .flat_map(move |[first, last]| {
            u32::from(*first).max(start)..(u32::from(*last) + 1).min(end)
        })
}

/// The runs with the ones from `first` to `last` added.
pub fn add(runs: &[Run], mut first: u16, mut last: u16) -> Vec<Run> {
    let mut new = Vec::with_capacity(runs.len() + 1);
    let before = runs.partition_point(|[_, end]| u32::from(*end) + 1 < u32::from(first));
    let after = runs.partition_point(|[start, _]| u32::from(*start) <= u32::from(last) + 1);
    if before < after {
        first = first.min(runs[before][0]);
        last = last.max(runs[after - 1][1]);
    }
    new.extend_from_slice(&runs[..before]);
    new.push([first, last]);
    new.extend_from_slice(&runs[after..]);
    new
}

/// The runs without the ones from `first` to `last`.
pub fn remove(runs: &[Run], first: u16, last: u16) -> Vec<Run> {
    let mut new = Vec::with_capacity(runs.len() + 1);
    for &[start, end] in runs {
        if start < first {
            new.push([start, end.min(first - 1)]);
        }
        if end > last {
            new.push([start.max(last + 1), end]);
        }
    }
    new
}

/// The first bit equal to `bit` from `start` on; may be past the chunk's end when looking for a zero.
pub fn find(runs: &[Run], bit: bool, start: u32) -> Option<u32> {
    match runs.get(seek(runs, start)) {
        Some([first, _]) if bit => Some(u32::from(*first).max(start)),
        Some([first, last]) if u32::from(*first) <= start => Some(u32::from(*last) + 1),
        _ => (!bit).then_some(start),
    }
}

/// Sets the ones that lie in the bytes from `at` on. `into` must be zeros where they are not.
pub fn read(runs: &[Run], at: usize, into: &mut [u8]) {
    let window = bits_of(at, into.len());
    for [first, last] in &runs[seek(runs, window.start)..] {
        let (start, end) = (
            u32::from(*first).max(window.start),
            (u32::from(*last) + 1).min(window.end),
        );
        if start >= end {
            break;
        }
        let bits = u64::from(start - window.start)..u64::from(end - window.start);
        flat::fill(into, bits, true);
    }
}

pub fn profile(runs: &[Run]) -> Profile {
    let mut profile = Profile {
        runs: runs.len() as u32,
        ..Profile::default()
    };
    let mut counted = 0; // bytes before this one are in `nonzero`
    for [first, last] in runs.iter().map(|run| run.map(u32::from)) {
        profile.ones += last - first + 1;
        profile.nonzero += (last / 8 + 1).saturating_sub(counted.max(first / 8));
        profile.full += ((last + 1) / 8).saturating_sub(first.div_ceil(8));
        counted = last / 8 + 1;
        profile.end = counted;
    }
    profile
}

/// Changes the bit at `at` to what it was not, in the list that is the first `len` of `runs`, and returns its new
/// length. None where it has no room, and then nothing is changed.
pub fn flip(runs: &mut [Run], len: usize, at: u16) -> Option<usize> {
    let index = seek(&runs[..len], u32::from(at));
    match runs[..len].get(index).copied() {
        Some([first, last]) if first <= at => match (first == at, last == at) {
            (true, true) => {
                runs.copy_within(index + 1..len, index);
                return Some(len - 1);
            }
            (true, false) => runs[index][0] += 1,
            (false, true) => runs[index][1] -= 1,
            (false, false) => {
                make_room(runs, len, index)?;
                runs[index][1] = at - 1;
                runs[index + 1][0] = at + 1;
                return Some(len + 1);
            }
        },
        next => {
            let after = next.is_some_and(|[first, _]| first - 1 == at);
            let before = index > 0 && runs[index - 1][1] + 1 == at;
            match (before, after) {
                (true, true) => {
                    runs[index - 1][1] = runs[index][1];
                    runs.copy_within(index + 1..len, index);
                    return Some(len - 1);
                }
                (true, false) => runs[index - 1][1] = at,
                (false, true) => runs[index][0] = at,
                (false, false) => {
                    make_room(runs, len, index)?;
                    runs[index] = [at, at];
                    return Some(len + 1);
                }
            }
        }
    }
    Some(len)
}

/// Moves the items from `index` on up by one; the item there is doubled.
fn make_room(runs: &mut [Run], len: usize, index: usize) -> Option<()> {
    (len < runs.len()).then(|| runs.copy_within(index..len, index + 1))?;
    if index == len {
        runs[index] = [0, 0];
    }
    Some(())
}

/// Puts the runs of a page into `runs`, which has room for exactly as many.
pub fn extract(page: &[u8], runs: &mut [Run]) {
    let (mut index, mut inside, mut before) = (0, false, 0);
    for (word, base) in page.as_chunks::<8>().0.iter().zip((0..).step_by(64)) {
        let word = u64::from_be_bytes(*word);
        // Ones where a bit differs from the bit before it: in turn the start of a run and the first zero after it.
        let mut edges = word ^ (word >> 1 | before << 63);
        before = word;
        while edges != 0 {
            let edge = base + edges.leading_zeros();
            edges &= !(1 << 63 >> edges.leading_zeros());
            if inside {
                runs[index][1] = (edge - 1) as u16;
                index += 1;
            } else {
                runs[index][0] = edge as u16;
            }
            inside = !inside;
        }
    }
    if inside {
        runs[index][1] = u16::MAX;
    }
}

/// Puts the ones of the runs into `ones`, which has room for exactly as many.
pub fn positions(runs: &[Run], ones: &mut [u16]) {
    let all = runs.iter().flat_map(|[first, last]| *first..=*last);
    ones.iter_mut().zip(all).for_each(|(to, one)| *to = one);
}

/// The runs of zeros between, before and after the runs.
pub fn complement(runs: &[Run]) -> Vec<Run> {
    let mut zeros = Vec::with_capacity(runs.len() + 1);
    let mut next = 0;
    for [first, last] in runs.iter().map(|run| run.map(u32::from)) {
        if next < first {
            zeros.push([next as u16, (first - 1) as u16]);
        }
        next = last + 1;
    }
    if next <= u32::from(u16::MAX) {
        zeros.push([next as u16, u16::MAX]);
    }
    zeros
}
