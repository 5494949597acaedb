//! The access word of an entry: when it was last used, or how often.
//!
//! ```text
//! by time        seconds since the Unix epoch, cut to 32 bits; below 0xff00_0000 until the year 2105
//! by frequency   0xff in the high byte, then when it was last counted, in minutes cut to 16 bits, then a counter of 8
//! ```
//!
//! The counter is Redis's (its `evict.c`, "LFU"): it grows with the logarithm of the number of accesses, and shrinks with
//! time. The high byte tells one kind of word from the other, so that after a change of `maxmemory-policy` an old word is
//! not taken for what it is not: a time becomes a counter as a new key's, and a counter is as old as its minutes say.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// The counter of a new entry: above those that were not used for long, so that it has time to be used.
const NEW: u8 = 5;

/// The high byte of a word by frequency.
const FREQUENCY: u32 = 0xff << 24;

/// Which of the two is kept, for all entries. One number, since every access reads it: 0 by time; else [`ON`], the log
/// factor above bit 31, and the minutes of decay below.
#[derive(Default)]
pub struct Tracking(AtomicU64);

const ON: u64 = 1 << 63;

impl Tracking {
    /// From now on entries know when they were last used.
    pub fn by_time(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// From now on entries know how often they were used. The counter grows the slower the higher the factor is, and loses
    /// one for every so many minutes, never if 0. Both are below 2^31.
    pub fn by_frequency(&self, log_factor: u32, decay_minutes: u32) {
        let low = |n: u32| u64::from(n & 0x7fff_ffff);
        let all = ON | low(log_factor) << 31 | low(decay_minutes);
        self.0.store(all, Ordering::Relaxed);
    }

    /// The factor and the minutes, where frequencies are kept.
    #[inline]
    fn rules(&self) -> Option<(u64, u32)> {
        let all = self.0.load(Ordering::Relaxed);
        (all != 0).then_some(((all & !ON) >> 31, (all & 0x7fff_ffff) as u32))
    }

    /// The word of an entry made at that second.
    #[inline]
    pub(super) fn fresh(&self, seconds: u32) -> u32 {
        match self.rules() {
            None => seconds,
            Some(_) => frequency_word(minutes(seconds), NEW),
        }
    }

    /// What becomes of a word by an access at that second.
    #[inline]
    pub(super) fn used(&self, word: u32, seconds: u32) -> u32 {
        match self.rules() {
            None => seconds,
            Some((factor, decay)) => {
                let counter = counter_at(word, seconds, decay);
                frequency_word(minutes(seconds), grown(counter, factor))
            }
        }
    }

    /// The word of an entry that was last used so many seconds before that second. A counter is a new entry's.
    pub(super) fn idle_since(&self, idle: u32, seconds: u32) -> u32 {
        match self.rules() {
            None => seconds.saturating_sub(idle),
            Some(_) => self.fresh(seconds),
        }
    }

    /// The word of an entry whose counter stands so at that second. A time is a new entry's.
    pub(super) fn used_so_often(&self, counter: u8, seconds: u32) -> u32 {
        match self.rules() {
            None => self.fresh(seconds),
            Some(_) => frequency_word(minutes(seconds), counter),
        }
    }

    /// Seconds since the last access; of a counter only to the minute.
    pub(super) fn idle_seconds(&self, word: u32, seconds: u32) -> u32 {
        if is_frequency(word) {
            return u32::from(minutes(seconds).wrapping_sub(minutes_of(word))) * 60;
        }
        let idle = seconds.wrapping_sub(word);
        // Another reader may have come from a later moment.
        if idle > u32::MAX / 2 { 0 } else { idle }
    }

    /// The counter as it stands now.
    pub(super) fn frequency(&self, word: u32, seconds: u32) -> u8 {
        let decay = self.rules().map_or(0, |(_, decay)| decay);
        counter_at(word, seconds, decay)
    }
}

fn is_frequency(word: u32) -> bool {
    word & FREQUENCY == FREQUENCY
}

fn frequency_word(minutes: u16, counter: u8) -> u32 {
    FREQUENCY | u32::from(minutes) << 8 | u32::from(counter)
}

fn minutes(seconds: u32) -> u16 {
    (seconds / 60) as u16
}

fn minutes_of(word: u32) -> u16 {
    (word >> 8) as u16
}

/// The counter less one for each `decay` minutes since it was last changed.
fn counter_at(word: u32, seconds: u32, decay: u32) -> u8 {
    if !is_frequency(word) {
        return NEW;
    }
    let passed = u32::from(minutes(seconds).wrapping_sub(minutes_of(word)));
    let lost = passed.checked_div(decay).unwrap_or(0);
    (word as u8).saturating_sub(lost.min(255) as u8)
}

/// One more, with a probability of 1 in `1 + factor * (counter - NEW)`.
fn grown(counter: u8, factor: u64) -> u8 {
    let odds = 1 + factor * u64::from(counter.saturating_sub(NEW));
    if (u128::from(random()) * u128::from(odds)) >> 64 == 0 {
        counter.saturating_add(1)
    } else {
        counter
    }
}

/// Any number, from a generator that every thread has to itself (Marsaglia's xorshift64).
pub(super) fn random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0) | 1);
    }
    let mut state = STATE.get();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    STATE.set(state);
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_as_they_are() {
        let tracking = Tracking::default();
        let word = tracking.fresh(1000);
        assert_eq!(tracking.idle_seconds(word, 1007), 7);
        assert_eq!(tracking.idle_seconds(word, 999), 0);
        assert_eq!(tracking.used(word, 1007), 1007);
    }

    #[test]
    fn counters_grow_with_use_and_shrink_with_time() {
        let tracking = Tracking::default();
        tracking.by_frequency(0, 2);
        let mut word = tracking.fresh(600);
        assert_eq!(tracking.frequency(word, 600), 5);
        for counter in 6..=255 {
            word = tracking.used(word, 600);
            assert_eq!(tracking.frequency(word, 600), counter);
        }
        word = tracking.used(word, 600);
        assert_eq!(tracking.frequency(word, 600), 255);
        assert_eq!(tracking.frequency(word, 600 + 119), 255);
        assert_eq!(tracking.frequency(word, 600 + 240), 253);
        assert_eq!(tracking.frequency(word, 600 + 60 * 2 * 300), 0);
        tracking.by_frequency(0, 0);
        assert_eq!(tracking.frequency(word, 600 + 60 * 2 * 300), 255);
    }

    /// The table in Redis's redis.conf: with a factor of 10, about 10 after 100 hits, 18 after 1,000, 142 after 100,000.
    #[test]
    fn a_factor_slows_growth_as_documented() {
        let tracking = Tracking::default();
        tracking.by_frequency(10, 1);
        // Within six deviations of chance (1.5, 2.2 and 7): never, in practice, by bad luck.
        for (hits, from, to) in [(100, 5, 20), (1000, 7, 32), (100_000, 100, 185)] {
            let word = (0..hits).fold(tracking.fresh(0), |word, _| tracking.used(word, 0));
            let counter = tracking.frequency(word, 0);
            assert!((from..=to).contains(&counter), "{hits} hits: {counter}");
        }
        tracking.by_frequency(0x7fff_ffff, 0x7fff_ffff);
        let word = (0..1000).fold(tracking.fresh(0), |word, _| tracking.used(word, 0));
        assert_eq!(tracking.frequency(word, u32::MAX), 6);
    }

    #[test]
    fn words_of_the_other_kind_are_understood() {
        let tracking = Tracking::default();
        let time = tracking.fresh(6000);
        tracking.by_frequency(0, 1);
        assert_eq!(tracking.frequency(time, 9000), NEW);
        let counter = tracking.used(time, 9000);
        assert_eq!(tracking.frequency(counter, 9000), NEW + 1);
        tracking.by_time();
        assert_eq!(tracking.idle_seconds(counter, 9000 + 125), 120);
    }
}
