//! Time, as keys see it: handed in, so that a test can hold it still or move it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use super::Tracking;

/// Where the keyspace reads the time.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The machine's wall clock.
    #[default]
    System,
    /// A hand-set clock, for tests: milliseconds since the Unix epoch.
    Manual(Arc<AtomicI64>),
}

/// The second that the system's clock showed when it was last read. On a line of its own: every core reads it with every
/// request, and it changes once a second.
static LAST_SECOND: LastSecond = LastSecond(AtomicU32::new(0));

#[repr(align(128))]
struct LastSecond(AtomicU32);

impl Clock {
    /// Milliseconds since the Unix epoch; negative before it.
    pub fn now_ms(&self) -> i64 {
        self.read(|| match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        })
    }

    /// As [`Clock::now_ms`], up to a tick of the system ago, which is ten milliseconds at most: a fifth of the time to read.
    #[inline]
    pub fn about_now_ms(&self) -> i64 {
        #[cfg(target_os = "linux")]
        const COARSE: ClockId = ClockId::CLOCK_REALTIME_COARSE;
        #[cfg(not(target_os = "linux"))]
        const COARSE: ClockId = ClockId::CLOCK_REALTIME;
        self.read(|| {
            // It cannot fail for a clock that exists.
            clock_gettime(COARSE).map_or(0, |now| now.tv_sec() * 1000 + now.tv_nsec() / 1_000_000)
        })
    }

    #[inline]
    fn read(&self, system: impl FnOnce() -> i64) -> i64 {
        match self {
            Clock::System => {
                let now = system();
                let second = seconds(now);
                if LAST_SECOND.0.load(Ordering::Relaxed) != second {
                    LAST_SECOND.0.store(second, Ordering::Relaxed);
                }
                now
            }
            Clock::Manual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Seconds since the Unix epoch, cut to 32 bits, as they were when anybody last called [`Clock::now_ms`]. Reading the
    /// system's clock takes 20 ns, a sixth of a pipelined GETBIT, which needs to know only the second of its access. The
    /// server reads the clock whenever a client's bytes arrive.
    fn recent_seconds(&self) -> u32 {
        match self {
            Clock::System => LAST_SECOND.0.load(Ordering::Relaxed),
            Clock::Manual(_) => seconds(self.now_ms()),
        }
    }
}

/// Seconds since the Unix epoch, cut to 32 bits.
fn seconds(ms: i64) -> u32 {
    (ms / 1000) as u32
}

/// One moment, which does not move: read from the clock when somebody first asks for it, and mostly nobody does, since
/// few keys expire.
pub(super) struct Moment<'a> {
    clock: &'a Clock,
    tracking: &'a Tracking,
    /// Nothing is past its time.
    timeless: bool,
    ms: Cell<Option<i64>>,
}

impl<'a> Moment<'a> {
    pub fn new(clock: &'a Clock, tracking: &'a Tracking) -> Self {
        Self {
            clock,
            tracking,
            timeless: false,
            ms: Cell::new(None),
        }
    }

    /// The same moment, at which nothing is past its time.
    pub fn timeless(self, timeless: bool) -> Self {
        Self { timeless, ..self }
    }

    /// Whether what goes at `ms` milliseconds since the Unix epoch is gone.
    #[inline]
    pub fn is_past(&self, ms: i64) -> bool {
        ms <= self.ms() && !self.timeless
    }

    /// Milliseconds since the Unix epoch.
    #[inline]
    pub fn ms(&self) -> i64 {
        self.ms.get().unwrap_or_else(|| {
            let now = self.clock.now_ms();
            self.ms.set(Some(now));
            now
        })
    }

    /// The access word of an entry that is made now.
    #[inline]
    pub fn fresh(&self) -> u32 {
        self.tracking.fresh(self.seconds())
    }

    /// What becomes of an access word by an access now.
    #[inline]
    pub fn used(&self, word: u32) -> u32 {
        self.tracking.used(word, self.seconds())
    }

    /// The access word of an entry that was last used so many seconds ago.
    pub fn idle_since(&self, idle: u32) -> u32 {
        self.tracking.idle_since(idle, self.seconds())
    }

    /// The access word of an entry whose counter stands so now.
    pub fn used_so_often(&self, counter: u8) -> u32 {
        self.tracking.used_so_often(counter, self.seconds())
    }

    /// Seconds since the last access.
    pub fn idle_seconds(&self, word: u32) -> u32 {
        self.tracking.idle_seconds(word, self.seconds())
    }

    /// How often there were accesses, on a scale of its own from 0 to 255.
    pub fn frequency(&self, word: u32) -> u8 {
        self.tracking.frequency(word, self.seconds())
    }

    /// Seconds since the Unix epoch, cut to 32 bits, at most a moment old.
    #[inline]
    pub fn seconds(&self) -> u32 {
        self.ms
            .get()
            .map_or_else(|| self.clock.recent_seconds(), seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_does_not_move() {
        let hands = Arc::new(AtomicI64::new(5000));
        let clock = Clock::Manual(Arc::clone(&hands));
        let tracking = Tracking::default();
        let moment = Moment::new(&clock, &tracking);
        assert_eq!(moment.seconds(), 5);
        assert_eq!(moment.ms(), 5000);
        hands.store(9000, Ordering::Relaxed);
        assert_eq!((moment.ms(), moment.seconds()), (5000, 5));
        assert_eq!(Moment::new(&clock, &tracking).seconds(), 9);
    }

    #[test]
    fn reading_the_system_clock_sets_the_recent_second() {
        let now = Clock::System.now_ms();
        let second = Moment::new(&Clock::System, &Tracking::default()).seconds();
        assert!(second.wrapping_sub(seconds(now)) <= 1, "{second} {now}"); // other tests read the clock too
    }
}
