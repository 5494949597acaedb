//! How often each command ran, for how long, and how often it was refused or failed: INFO's `commandstats` and
//! `latencystats`, LATENCY HISTOGRAM; and which calls took too long (SLOWLOG, LATENCY).
//!
//! Kept as [`crate::stats`] keeps its counters: a stripe for each thread, made when it first counts, summed when somebody
//! asks; and a baseline in place of a reset.
//!
//! Calls are counted all, but of short commands only one in sixteen is timed, and one in sixty-four once there were many, and
//! stands for those since the one timed before: reading the clock before and after costs about a sixth of a SETBIT (65 ns of
//! 400, measured in process on a busy machine). Short reads that came together are timed together.
//!
//! None that takes too long is missed for that. A limit of less than ten milliseconds has all calls timed. Under a longer
//! one, the default, the calls between two samples are watched with the system's coarse clock, which moves every few
//! milliseconds and costs a sixth as much to read; for one that is caught that way, the time told may be off by a tick.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use super::Command;
use super::latency::histogram::{Counts, Histogram};
use super::table::{self, TABLE};
use crate::config::Config;
use crate::stats;

/// What is known of one command since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Times it ran.
    pub calls: u64,
    /// Time it ran, in nanoseconds, as far as the calls that were timed tell.
    pub nanoseconds: u64,
    /// Times it was refused before it ran: wrong arity, no permission.
    pub refused: u64,
    /// Times it ran and answered with an error.
    pub failed: u64,
}

/// One thread's share of what is counted of a command.
#[derive(Default)]
struct Row {
    columns: [AtomicU64; COLUMNS],
    /// Made when a call is timed for the first time, while `latency-tracking` is on.
    times: OnceLock<Box<Histogram>>,
}

const COLUMNS: usize = 5;
const CALLS: usize = 0;
/// Calls that were timed or that another one stands for, and how long they took.
const TIMED: usize = 1;
const NANOSECONDS: usize = 2;
const REFUSED: usize = 3;
const FAILED: usize = 4;

/// The first so many calls are timed, and then one of as many,
const SAMPLE: u64 = 16;
/// until there were so many,
const OFTEN: u64 = 4096;
/// and from then on one of so many.
const OFTEN_SAMPLE: u64 = 64;

/// A command that takes longer than this on average, in nanoseconds, is timed at every call.
const LONG: u64 = 10_000;

/// Limits below this, in nanoseconds, are watched with the exact clock: ticks of the coarse one may be 10 ms.
const FINE: u64 = 10_000_000;

/// No call is too long.
const NEVER: u64 = u64::MAX;

/// Where the coarse clock stood when the command before ended, for the next that begins right then.
#[derive(Clone, Copy, Default)]
pub struct Lap(Option<u64>);

/// Where a clock stood when a call began.
enum Started {
    /// Nobody asks.
    Unknown,
    Exactly(Instant),
    /// By the coarse clock, in nanoseconds.
    About(u64),
}

impl Started {
    /// Nanoseconds since then, and what the next call may know of the clock.
    #[inline]
    fn elapsed(&self) -> (Option<u64>, Lap) {
        match self {
            Started::Unknown => (None, Lap(None)),
            Started::Exactly(started) => (Some(nanoseconds(started.elapsed())), Lap(None)),
            Started::About(started) => {
                let now = coarse_now();
                (Some(now.saturating_sub(*started)), Lap(Some(now)))
            }
        }
    }
}

/// The coarse clock, in nanoseconds since any fixed moment.
#[inline]
fn coarse_now() -> u64 {
    #[cfg(target_os = "linux")]
    const COARSE: ClockId = ClockId::CLOCK_MONOTONIC_COARSE;
    #[cfg(not(target_os = "linux"))]
    const COARSE: ClockId = ClockId::CLOCK_MONOTONIC;
    // It cannot fail for a clock that exists.
    clock_gettime(COARSE).map_or(0, |now| {
        now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
    })
}

impl Row {
    /// Adds to a column. The row must be of this thread's `stripe`.
    fn add(&self, stripe: usize, column: usize, n: u64) {
        stats::add(stripe, &self.columns[column], n);
    }

    fn get(&self, column: usize) -> u64 {
        self.columns[column].load(Ordering::Relaxed)
    }

    /// Starts the clock that the next call needs, if any.
    #[inline]
    fn start(&self, limit: u64, lap: Lap) -> Started {
        let (before, timed) = (self.get(CALLS), self.get(TIMED));
        let sample = match before {
            0..SAMPLE => 0,
            SAMPLE..OFTEN => SAMPLE,
            OFTEN.. => OFTEN_SAMPLE,
        };
        let sampled =
            before + 1 >= timed + sample || self.get(NANOSECONDS) > timed.saturating_mul(LONG);
        if sampled || limit < FINE {
            Started::Exactly(Instant::now())
        } else if limit < NEVER {
            Started::About(lap.0.unwrap_or_else(coarse_now))
        } else {
            Started::Unknown
        }
    }

    /// Counts a call that was timed, for all since the one before.
    #[cold]
    fn time(&self, stripe: usize, took: u64, tracking: bool) {
        let calls = self.get(CALLS).saturating_sub(self.get(TIMED)).max(1);
        self.add(stripe, TIMED, calls);
        self.add(stripe, NANOSECONDS, took.saturating_mul(calls));
        if tracking {
            let times = self.times.get_or_init(Default::default);
            times.add(stripe, took, calls);
        }
    }
}

/// A call that is running, or several of one command, one after the other.
pub(super) struct Running<'a> {
    calls: &'a Calls,
    row: &'a Row,
    stripe: usize,
    started: Started,
}

impl Running<'_> {
    /// So many calls were answered, some of them perhaps with an error. Only now they count, so that CONFIG RESETSTAT does not
    /// forget itself. How long they took, if that was too long.
    #[inline]
    pub(super) fn end(self, count: u64, failed: u64, lap: &mut Lap) -> Option<Duration> {
        let Self {
            calls,
            row,
            stripe,
            started,
        } = self;
        row.add(stripe, CALLS, count);
        if failed > 0 {
            row.add(stripe, FAILED, failed);
        }
        let (took, next) = started.elapsed();
        *lap = next;
        let took = took?;
        if matches!(started, Started::Exactly(_)) {
            let tracking = calls.watch.tracking.load(Ordering::Relaxed);
            row.time(stripe, took / count.max(1), tracking);
        }
        let too_long = took >= calls.watch.limit.load(Ordering::Relaxed);
        too_long.then(|| Duration::from_nanos(took))
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The tallies of all commands.
pub struct Calls {
    watch: Arc<Watch>,
    stripes: [OnceLock<Box<[Row]>>; stats::STRIPES],
    /// The sums at the last reset.
    baseline: Box<[Row]>,
}

/// What the settings ask for.
struct Watch {
    /// From how many nanoseconds on a call takes too long, whoever wants to know.
    limit: AtomicU64,
    /// Whether times are kept apart by length, for percentiles.
    tracking: AtomicBool,
}

impl Watch {
    fn new(config: &Config) -> Arc<Self> {
        let watch = Arc::new(Self {
            limit: AtomicU64::new(NEVER),
            tracking: AtomicBool::new(true),
        });
        watch.read(config);
        for setting in [
            "latency-monitor-threshold",
            "latency-tracking",
            "slowlog-log-slower-than",
        ] {
            let watch = Arc::clone(&watch);
            config.on_change(setting, move |config| {
                watch.read(config);
                Ok(())
            });
        }
        watch
    }

    fn read(&self, config: &Config) {
        let slow = config.slowlog_log_slower_than();
        let spike = config.latency_monitor_threshold();
        let limits = [slow, spike].into_iter().flatten().map(nanoseconds);
        self.limit
            .store(limits.min().unwrap_or(NEVER), Ordering::Relaxed);
        self.tracking
            .store(config.latency_tracking(), Ordering::Relaxed);
    }
}

impl Calls {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            watch: Watch::new(config),
            stripes: std::array::from_fn(|_| OnceLock::new()),
            baseline: rows(),
        }
    }

    /// Whether every call has to be timed by itself.
    #[inline]
    pub(super) fn times_each(&self) -> bool {
        self.watch.limit.load(Ordering::Relaxed) < FINE
    }

    /// A command begins to run.
    #[inline]
    pub(super) fn start(&self, command: &'static Command, lap: Lap) -> Running<'_> {
        let (stripe, row) = self.row(command);
        Running {
            calls: self,
            row,
            stripe,
            started: row.start(self.watch.limit.load(Ordering::Relaxed), lap),
        }
    }

    /// A command was not let run.
    pub(super) fn refused(&self, command: &'static Command) {
        let (stripe, row) = self.row(command);
        row.add(stripe, REFUSED, 1);
    }

    /// This thread's row for a command, and its stripe.
    #[inline]
    fn row(&self, command: &'static Command) -> (usize, &Row) {
        let stripe = stats::stripe();
        let rows = self.stripes[stripe].get_or_init(rows);
        (stripe, &rows[place(command)])
    }

    /// The commands that were called or refused, in the table's order.
    pub(super) fn tallies(&self) -> Vec<(&'static Command, Tally)> {
        table::all()
            .map(|command| {
                let at = place(command);
                let since_reset = |column: usize| {
                    let before = self.baseline[at].get(column);
                    self.sum(at, column).saturating_sub(before)
                };
                let (calls, timed) = (since_reset(CALLS), since_reset(TIMED));
                let each = since_reset(NANOSECONDS) as f64 / timed.max(1) as f64;
                let tally = Tally {
                    calls,
                    nanoseconds: (each * calls as f64) as u64,
                    refused: since_reset(REFUSED),
                    failed: since_reset(FAILED),
                };
                (command, tally)
            })
            .filter(|(_, tally)| *tally != Tally::default())
            .collect()
    }

    /// How long the calls of a command took that were timed since the last reset; nothing if there were none.
    pub(super) fn times(&self, command: &'static Command) -> Option<Counts> {
        let at = place(command);
        let before = self.baseline[at].times.get().map(|times| &**times);
        let counts = Counts::sum(self.histograms(at), before);
        (counts.calls() > 0).then_some(counts)
    }

    fn histograms(&self, at: usize) -> impl Iterator<Item = &Histogram> {
        let rows = self.stripes.iter().filter_map(OnceLock::get);
        rows.filter_map(move |rows| rows[at].times.get().map(|times| &**times))
    }

    fn sum(&self, at: usize, column: usize) -> u64 {
        self.stripes
            .iter()
            .filter_map(OnceLock::get)
            .map(|rows| rows[at].get(column))
            .sum()
    }

    pub(super) fn reset(&self) {
        for (at, row) in self.baseline.iter().enumerate() {
            for (column, cell) in row.columns.iter().enumerate() {
                cell.store(self.sum(at, column), Ordering::Relaxed);
            }
            if self.histograms(at).next().is_some() {
                let times = row.times.get_or_init(Default::default);
                times.set(&Counts::sum(self.histograms(at), None));
            }
        }
    }
}

/// A row for each command.
fn rows() -> Box<[Row]> {
    (0..table::all().count()).map(|_| Row::default()).collect()
}

/// A command's number: its place in the table, and for subcommands, after the whole table.
///
/// Found by where the row lies in memory, which for all but subcommands is a subtraction; asked on every request.
#[inline]
pub(super) fn place(command: &'static Command) -> usize {
    let offset = address(command).wrapping_sub(TABLE.as_ptr().addr());
    let at = offset / size_of::<Command>();
    if at < TABLE.len() {
        return at;
    }
    place_behind(command)
}

fn address(command: &'static Command) -> usize {
    std::ptr::from_ref(command).addr()
}

/// The number of a subcommand.
fn place_behind(command: &'static Command) -> usize {
    static SUBCOMMANDS: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
        let subcommands = TABLE.iter().flat_map(|command| command.subcommands);
        let mut places: Vec<_> = subcommands.map(address).zip(TABLE.len()..).collect();
        places.sort_unstable();
        places
    });
    let found = SUBCOMMANDS.binary_search_by_key(&address(command), |(address, _)| *address);
    SUBCOMMANDS[found.expect("every command is in the table")].1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::session::Session;
    use super::*;

    #[test]
    fn every_command_has_a_place_of_its_own() {
        let places: BTreeSet<usize> = table::all().map(place).collect();
        assert!(places.into_iter().eq(0..table::all().count()));
    }

    #[test]
    fn short_commands_are_timed_now_and_then_and_long_ones_always() {
        let (stripe, row) = (stats::stripe(), Row::default());
        let run = |limit, time| {
            let started = row.start(limit, Lap(None));
            row.add(stripe, CALLS, 1);
            if matches!(started, Started::Exactly(_)) {
                row.time(stripe, time, true);
            }
            started
        };
        let exact = |started: &Started| matches!(started, Started::Exactly(_));
        let timed = |count: u64| (0..count).filter(|_| exact(&run(NEVER, 100))).count();
        assert_eq!(timed(1599), 16 + 98);
        let times = Counts::sum(row.times.get().into_iter().map(|times| &**times), None);
        assert_eq!(
            (times.calls(), row.get(TIMED)),
            (1584, 1584),
            "to the last sample"
        );
        assert_eq!(timed(OFTEN - 1599), 1 + (OFTEN - 1600) as usize / 16);
        assert_eq!(timed(64 * 10), 10, "one of so many, where there are many");
        assert_eq!(timed(63), 0);
        let before = row.get(CALLS);
        assert!(exact(&run(NEVER, 1_000_000_000)), "the next of them");
        assert_eq!(row.get(TIMED), before + 1);
        assert!(
            (0..10).all(|_| exact(&run(NEVER, 1_000_000_000))),
            "long on average by now"
        );
        assert_eq!(row.get(CALLS), before + 11);
    }

    #[test]
    fn while_somebody_asks_for_long_calls_none_is_unwatched() {
        let row = Row::default();
        (0..20).for_each(|_| row.add(stats::stripe(), CALLS, 1));
        (0..20).for_each(|_| row.add(stats::stripe(), TIMED, 1));
        assert!(matches!(row.start(NEVER, Lap(None)), Started::Unknown));
        assert!(matches!(row.start(FINE, Lap(None)), Started::About(_)));
        assert!(matches!(row.start(FINE, Lap(Some(7))), Started::About(7)));
        assert!(matches!(
            row.start(FINE - 1, Lap(None)),
            Started::Exactly(_)
        ));
    }

    #[test]
    fn calls_refusals_and_failures_are_counted_until_a_reset() {
        let mut db = Session::alone();
        db.say("SETBIT k 1 1");
        db.say("SETBIT k 1 7");
        db.say("SETBIT k");
        db.say("MULTI");
        db.say("SETBIT k 1 1");
        db.say("EXEC");
        let world = db.world();
        let tally = |name| {
            let tallies = world.calls.tallies();
            let found = tallies
                .into_iter()
                .find(|(command, _)| command.name == name);
            found.map(|(_, tally)| (tally.calls, tally.refused, tally.failed))
        };
        assert_eq!(tally("setbit"), Some((3, 1, 1)));
        assert_eq!(tally("exec"), Some((1, 0, 0)));
        assert_eq!(tally("getbit"), None);
        db.say("CONFIG RESETSTAT");
        assert_eq!(tally("setbit"), None);
        assert_eq!(tally("config|resetstat"), Some((1, 0, 0)));
    }
}
