//! How often each command ran, for how long, and how often it was refused or failed: INFO's `commandstats`.
//!
//! Kept as [`crate::stats`] keeps its counters: a stripe for each thread, made when it first counts, summed when somebody
//! asks; and a baseline in place of a reset.
//!
//! Calls are counted all, but of short commands only one in sixteen is timed and stands for the others: reading the clock
//! before and after costs about a sixth of a SETBIT (65 ns of 400, measured in process on a busy machine).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use super::Command;
use super::table::{self, TABLE};
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
struct Row([AtomicU64; COLUMNS]);

const COLUMNS: usize = 5;
const CALLS: usize = 0;
/// Calls that were timed, and how long they took.
const TIMED: usize = 1;
const NANOSECONDS: usize = 2;
const REFUSED: usize = 3;
const FAILED: usize = 4;

/// Of this many calls of a short command, one is timed.
const SAMPLE: u64 = 16;

/// A command that takes longer than this on average, in nanoseconds, is timed at every call.
const LONG: u64 = 10_000;

impl Row {
    /// Adds to a column. The row must be of this thread's `stripe`.
    fn add(&self, stripe: usize, column: usize, n: u64) {
        stats::add(stripe, &self.0[column], n);
    }

    fn get(&self, column: usize) -> u64 {
        self.0[column].load(Ordering::Relaxed)
    }

    /// Starts the clock if the next call is to be timed.
    fn start(&self) -> Option<Instant> {
        let before = self.get(CALLS);
        let timed = before < SAMPLE
            || before.is_multiple_of(SAMPLE)
            || self.get(NANOSECONDS) > self.get(TIMED).saturating_mul(LONG);
        timed.then(Instant::now)
    }
}

/// A call that is running.
pub(super) struct Running<'a> {
    row: &'a Row,
    stripe: usize,
    started: Option<Instant>,
}

impl Running<'_> {
    /// It answered, perhaps with an error. Only now it counts, so that CONFIG RESETSTAT does not forget itself.
    pub(super) fn end(self, failed: bool) {
        self.row.add(self.stripe, CALLS, 1);
        if let Some(started) = self.started {
            self.row.add(self.stripe, TIMED, 1);
            self.row
                .add(self.stripe, NANOSECONDS, nanoseconds(started.elapsed()));
        }
        if failed {
            self.row.add(self.stripe, FAILED, 1);
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The tallies of all commands.
pub struct Calls {
    stripes: [OnceLock<Box<[Row]>>; stats::STRIPES],
    /// The sums at the last reset.
    baseline: Box<[Row]>,
}

impl Calls {
    pub(super) fn new() -> Self {
        Self {
            stripes: std::array::from_fn(|_| OnceLock::new()),
            baseline: rows(),
        }
    }

    /// A command begins to run.
    pub(super) fn start(&self, command: &'static Command) -> Running<'_> {
        let (stripe, row) = self.row(command);
        Running {
            row,
            stripe,
            started: row.start(),
        }
    }

    /// A command was not let run.
    pub(super) fn refused(&self, command: &'static Command) {
        let (stripe, row) = self.row(command);
        row.add(stripe, REFUSED, 1);
    }

    /// This thread's row for a command, and its stripe.
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

    fn sum(&self, at: usize, column: usize) -> u64 {
        self.stripes
            .iter()
            .filter_map(OnceLock::get)
            .map(|rows| rows[at].get(column))
            .sum()
    }

    pub(super) fn reset(&self) {
        for (at, row) in self.baseline.iter().enumerate() {
            for (column, cell) in row.0.iter().enumerate() {
                cell.store(self.sum(at, column), Ordering::Relaxed);
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
pub(super) fn place(command: &'static Command) -> usize {
    let address = |command: &'static Command| std::ptr::from_ref(command).addr();
    let offset = address(command).wrapping_sub(TABLE.as_ptr().addr());
    let at = offset / size_of::<Command>();
    if at < TABLE.len() {
        return at;
    }
    static SUBCOMMANDS: LazyLock<Vec<(usize, usize)>> = LazyLock::new(|| {
        let subcommands = TABLE.iter().flat_map(|command| command.subcommands);
        let mut places: Vec<_> = subcommands
            .map(|command| std::ptr::from_ref(command).addr())
            .zip(TABLE.len()..)
            .collect();
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
        let run = |time| {
            let started = row.start();
            row.add(stripe, CALLS, 1);
            if started.is_some() {
                row.add(stripe, TIMED, 1);
                row.add(stripe, NANOSECONDS, time);
            }
            started.is_some()
        };
        let timed = (0..1600).filter(|_| run(100)).count();
        assert_eq!(timed, 16 + 99);
        assert!(run(1_000_000_000), "the next sixteenth");
        assert!(
            (0..10).all(|_| run(1_000_000_000)),
            "long on average by now"
        );
        assert_eq!(row.get(CALLS), 1600 + 11);
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
