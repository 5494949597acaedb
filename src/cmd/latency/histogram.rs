//! How long calls took, as counts of calls by time.
//!
//! Times are sorted into buckets whose width is a sixteenth of the power of two they are in, so a time read back is at most
//! 7 % too long:
//!
//! ```text
//! ns      0 1 2 ... 15 | 16 17 ... 31 | 32 34 ... 62 | 64 68 ... 124 | ... up to 2^34 ns, 17 seconds
//! width   1            | 1            | 2            | 4             |
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use crate::stats;

/// Buckets for each power of two, as a power of two.
const FINE: u32 = 4;
const STEPS: usize = 1 << FINE;

/// Times of this many bits and more are all in the last bucket.
const MOST_BITS: u32 = 34;

const BUCKETS: usize = (MOST_BITS - FINE + 1) as usize * STEPS;

/// Counts of one command's calls by their time, written by one thread or few.
pub(in crate::cmd) struct Histogram([AtomicU64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Histogram {
    /// Counts `calls` calls that took so long. It must be of this thread's `stripe`.
    pub(in crate::cmd) fn add(&self, stripe: usize, nanoseconds: u64, calls: u64) {
        stats::add(stripe, &self.0[bucket(nanoseconds)], calls);
    }

    fn get(&self, at: usize) -> u64 {
        self.0[at].load(Ordering::Relaxed)
    }

    /// Replaces what is counted.
    pub(in crate::cmd) fn set(&self, counts: &Counts) {
        for (cell, count) in self.0.iter().zip(&counts.0) {
            cell.store(*count, Ordering::Relaxed);
        }
    }
}

/// The same in one place, to be read.
#[derive(Clone)]
pub(in crate::cmd) struct Counts(Box<[u64]>);

impl Counts {
    /// The sum of several histograms, without what `before` had.
    pub(in crate::cmd) fn sum<'a>(
        parts: impl Iterator<Item = &'a Histogram>,
        before: Option<&Histogram>,
    ) -> Self {
        let mut counts = vec![0u64; BUCKETS];
        for part in parts {
            for (at, count) in counts.iter_mut().enumerate() {
                *count += part.get(at);
            }
        }
        if let Some(before) = before {
            for (at, count) in counts.iter_mut().enumerate() {
                *count = count.saturating_sub(before.get(at));
            }
        }
        Self(counts.into())
    }

    /// How many calls there are.
    pub(in crate::cmd) fn calls(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time, in nanoseconds, that `percent` of the calls did not exceed.
    pub(in crate::cmd) fn percentile(&self, percent: f64) -> u64 {
        let wanted = (self.calls() as f64 * percent / 100.0).round().max(1.0) as u64;
        let mut seen = 0;
        let at = self.0.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        at.map_or(0, longest)
    }

    /// Calls that took less than 1024 ns, 2048 ns and so on: each limit in microseconds as Redis writes it, with the count,
    /// where that is more than for the limit before.
    pub(in crate::cmd) fn doubling(&self) -> Vec<(u64, u64)> {
        let mut seen = 0;
        let mut all = Vec::new();
        let mut from = 0;
        for bits in 10..=MOST_BITS {
            let to = if bits == MOST_BITS {
                BUCKETS
            } else {
                bucket(1 << bits)
            };
            let count: u64 = self.0[from..to].iter().sum();
            from = to;
            if count > 0 {
                seen += count;
                // Redis sorts by 128 buckets a power of two, and shows the end of the bucket that the limit is in.
                let limit = 1u64 << bits;
                all.push(((limit + limit / 128 - 1) / 1000, seen));
            }
        }
        all
    }
}

/// Where a time is counted.
fn bucket(nanoseconds: u64) -> usize {
    let bits = u64::BITS - nanoseconds.leading_zeros();
    if bits > MOST_BITS {
        return BUCKETS - 1;
    }
    let octave = bits.saturating_sub(FINE + 1);
    // The leading one moves the count on by a whole row, but in the first two rows, which have the same width.
    octave as usize * STEPS + (nanoseconds >> octave) as usize
}

/// The longest time that is counted there.
fn longest(at: usize) -> u64 {
    let octave = (at / STEPS).saturating_sub(1);
    let step = (at - octave * STEPS) as u64;
    ((step + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_a_bucket_that_is_no_wider_than_it_should_be() {
        let mut last = 0;
        for bits in 0..=MOST_BITS {
            for nanoseconds in [
                (1u64 << bits) - 1,
                1 << bits,
                (1 << bits) + 1,
                3 << bits >> 1,
            ] {
                let at = bucket(nanoseconds);
                assert!(at < BUCKETS);
                if nanoseconds < 1 << MOST_BITS {
                    let end = longest(at);
                    assert!(end >= nanoseconds, "{nanoseconds} is past {end}");
                    assert!(
                        end - nanoseconds <= nanoseconds / 16,
                        "{nanoseconds} as {end}"
                    );
                }
            }
        }
        for nanoseconds in 0..5000 {
            assert!(bucket(nanoseconds) >= last);
            last = bucket(nanoseconds);
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_and_limits_are_those_of_the_times_counted() {
        let histogram = Histogram::default();
        let stripe = stats::stripe();
        for micros in 1..=100 {
            histogram.add(stripe, micros * 1000, 10);
        }
        let counts = Counts::sum([&histogram].into_iter(), None);
        assert_eq!(counts.calls(), 1000);
        for percent in [1.0, 50.0, 99.0, 100.0] {
            let time = counts.percentile(percent) as f64 / 1000.0;
            assert!(
                (percent..percent * 1.07).contains(&time),
                "{percent}: {time}"
            );
        }
        assert_eq!(
            counts.doubling(),
            [
                (1, 10),
                (2, 20),
                (4, 40),
                (8, 80),
                (16, 160),
                (33, 320),
                (66, 650),
                (132, 1000)
            ]
        );
        histogram.add(stripe, 5, 1);
        let later = Counts::sum([&histogram].into_iter(), None);
        histogram.set(&later);
        assert_eq!(
            Counts::sum([&histogram].into_iter(), Some(&histogram)).calls(),
            0
        );
    }
}
