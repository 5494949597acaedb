//! How much memory the process uses: asked of the allocator and of the system.

use std::cell::Cell;
use std::fs;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use tikv_jemalloc_ctl::thread::ThreadLocal;
use tikv_jemalloc_ctl::{Access, AsName, arenas, epoch, stats, thread};

/// Remembers the most memory ever in use.
pub struct Footprint {
    /// Bytes in use when the server was made.
    startup: u64,
    peak: AtomicU64,
    /// When that was, in milliseconds since the Unix epoch.
    peak_ms: AtomicI64,
}

/// Memory at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// In use by the program.
    pub used: u64,
    /// In pages that hold something in use.
    pub active: u64,
    /// In pages the allocator has from the system.
    pub resident: u64,
    /// Held by the process as the system counts it.
    pub rss: u64,
    /// In use when the server was made.
    pub startup: u64,
    /// The most ever in use, and when, in milliseconds since the Unix epoch.
    pub peak: u64,
    pub peak_ms: i64,
}

impl Footprint {
    pub(super) fn new() -> Self {
        Self {
            startup: allocated(),
            peak: AtomicU64::new(0),
            peak_ms: AtomicI64::new(0),
        }
    }

    /// What is in use now. Takes some microseconds.
    pub(super) fn read(&self, now_ms: i64) -> Memory {
        let used = allocated();
        if self.peak.fetch_max(used, Ordering::Relaxed) < used {
            self.peak_ms.store(now_ms, Ordering::Relaxed);
        }
        let resident = or_zero(stats::resident::read());
        Memory {
            used,
            active: or_zero(stats::active::read()),
            resident,
            rss: rss().unwrap_or(resident),
            startup: self.startup,
            peak: self.peak.load(Ordering::Relaxed),
            peak_ms: self.peak_ms.load(Ordering::Relaxed),
        }
    }
}

/// Bytes in use when the allocator was last asked, and all that threads have taken since, less what they gave back.
static USED: AtomicI64 = AtomicI64::new(0);

/// When that was, in microseconds since the first time.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// What a thread takes before it adds it to [`USED`], in bytes: so little that a few threads do not exceed a limit by
/// much, and so much that they seldom meet there.
const STEP: i64 = 16 * 1024;

/// Microseconds for which an answer of the allocator is good enough: it takes some ten to give.
const FRESH: u64 = 1000;

thread_local! {
    static MINE: Option<Mine> = Mine::new();
}

/// What one thread took and gave back, as the allocator counts it beside each allocation.
struct Mine {
    taken: ThreadLocal<u64>,
    given_back: ThreadLocal<u64>,
    /// The difference when it was last added to [`USED`].
    told: Cell<u64>,
}

impl Mine {
    /// `None` where the allocator does not count.
    fn new() -> Option<Self> {
        let (taken, given_back) = (
            thread::allocatedp::read().ok()?,
            thread::deallocatedp::read().ok()?,
        );
        let told = Cell::new(taken.get().wrapping_sub(given_back.get()));
        Some(Self {
            taken,
            given_back,
            told,
        })
    }

    /// What is not yet in [`USED`].
    #[inline]
    fn untold(&self) -> i64 {
        let held = self.taken.get().wrapping_sub(self.given_back.get());
        held.wrapping_sub(self.told.get()) as i64
    }

    /// Says that it is there now.
    fn tell(&self) {
        let held = self.taken.get().wrapping_sub(self.given_back.get());
        self.told.set(held);
    }
}

/// Bytes in use: exact to within [`STEP`] for each other thread, and a few nanoseconds away. Every tenth of a second, when
/// somebody reads [`Footprint`], the errors that may have come together are gone.
#[inline]
pub(super) fn used() -> u64 {
    let untold = MINE.with(|mine| {
        let Some(mine) = mine else { return 0 };
        let untold = mine.untold();
        if untold.abs() < STEP {
            return untold;
        }
        mine.tell();
        USED.fetch_add(untold, Ordering::Relaxed);
        0
    });
    (USED.load(Ordering::Relaxed) + untold).max(0) as u64
}

/// Bytes in use as they were at most a tenth of a second ago: for guesses, at the price of reading a number that hardly ever
/// changes.
#[inline]
pub(super) fn lately() -> u64 {
    USED.load(Ordering::Relaxed).max(0) as u64
}

/// Asks the allocator again for [`used`], unless somebody did a moment ago. Whether it was asked.
pub(super) fn refresh() -> bool {
    let asked = ASKED.load(Ordering::Relaxed);
    if now().saturating_sub(asked) < FRESH {
        return false;
    }
    allocated();
    true
}

/// Microseconds since the first call.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_micros() as u64 + FRESH
}

/// Bytes in use, exactly. The allocator's counters move only when told that time has passed, and count what threads keep at
/// hand for their next allocations as given out, a few hundred kilobytes that nothing is stored in.
fn allocated() -> u64 {
    /// All arenas together: jemalloc's `MALLCTL_ARENAS_ALL`.
    const AT_HAND: &[u8] = b"stats.arenas.4096.tcache_bytes\0";
    if epoch::advance().is_err() {
        return 0;
    }
    let given_out = or_zero(stats::allocated::read());
    let used = given_out.saturating_sub(or_zero(Access::<usize>::read(AT_HAND.name())));
    USED.store(used as i64, Ordering::Relaxed);
    ASKED.store(now(), Ordering::Relaxed);
    MINE.with(|mine| mine.as_ref().map(Mine::tell));
    used
}

/// A statistic that the allocator was built without counts as zero.
fn or_zero(bytes: Result<usize, tikv_jemalloc_ctl::Error>) -> u64 {
    bytes.map_or(0, |bytes| bytes as u64)
}

/// The process's memory as the system counts it; `None` where it does not tell.
fn rss() -> Option<u64> {
    kilobytes("/proc/self/status", "VmRSS:")
}

/// All memory of the machine; `None` where it does not tell.
pub(super) fn total_system() -> Option<u64> {
    kilobytes("/proc/meminfo", "MemTotal:")
}

/// The value of a line `name  123 kB`, in bytes.
fn kilobytes(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(number * 1024)
}

/// Gives pages that hold nothing back to the system: for an instant, they may stay unused for no time at all.
pub(super) fn purge() -> Result<(), tikv_jemalloc_ctl::Error> {
    for arena in 0..arenas::narenas::read()? {
        for kind in ["dirty", "muzzy"] {
            let name = format!("arena.{arena}.{kind}_decay_ms\0");
            // An arena that was never used has nothing to give, and says so by an error.
            if let Ok(before) = Access::<isize>::update(name.as_bytes().name(), 0) {
                Access::<isize>::write(name.as_bytes().name(), before)?;
            }
        }
    }
    Ok(())
}

/// The allocator's own report.
pub(super) fn report() -> Result<String, std::io::Error> {
    let mut report = Vec::new();
    tikv_jemalloc_ctl::stats_print::stats_print(
        &mut report,
        tikv_jemalloc_ctl::stats_print::Options::default(),
    )?;
    Ok(String::from_utf8_lossy(&report).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_how_much_there_is() {
        let total = total_system().expect("it is told");
        assert!(rss().is_some_and(|rss| 0 < rss && rss < total));
    }

    #[test]
    fn the_peak_is_never_below_what_is_in_use() {
        let footprint = Footprint::new();
        let memory = footprint.read(5);
        assert!(memory.peak >= memory.used);
        assert!(memory.resident >= memory.active && memory.active >= memory.used);
    }

    #[test]
    fn what_this_thread_takes_is_seen_at_once() {
        const MUCH: usize = 64 << 20; // more than all other tests
        allocated();
        let before = used();
        let held: Vec<u8> = Vec::with_capacity(MUCH);
        let with = used();
        drop(held);
        let after = used();
        assert!(with > before + MUCH as u64 / 2, "{before} {with}");
        assert!(after < with - MUCH as u64 / 2, "{with} {after}");
    }

    #[test]
    fn purging_works() {
        purge().expect("the allocator can");
    }
}
