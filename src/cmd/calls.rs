//! How often each command ran, for how long, and how often it was refused or failed: INFO's `commandstats`.
//!
//! Kept as [`crate::stats`] keeps its counters: a stripe for each thread, made when it first counts, summed when somebody
//! asks; and a baseline in place of a reset.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use super::Command;
use super::table::{self, TABLE};
use crate::stats;

/// What is known of one command since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Times it ran.
    pub calls: u64,
    /// Time it ran, in nanoseconds.
    pub nanoseconds: u64,
    /// Times it was refused before it ran: wrong arity, no permission.
    pub refused: u64,
    /// Times it ran and answered with an error.
    pub failed: u64,
}

/// One thread's share of a [`Tally`].
#[derive(Default)]
struct Row([AtomicU64; 4]);

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

    /// A command ran and answered.
    pub(super) fn ran(&self, command: &'static Command, took: Duration, failed: bool) {
        self.add(command, [1, took.as_nanos() as u64, 0, u64::from(failed)]);
    }

    /// A command was not let run.
    pub(super) fn refused(&self, command: &'static Command) {
        self.add(command, [0, 0, 1, 0]);
    }

    fn add(&self, command: &'static Command, tally: [u64; 4]) {
        let stripe = stats::stripe();
        let row = &self.stripes[stripe].get_or_init(rows)[place(command)];
        for (cell, n) in row.0.iter().zip(tally) {
            if n > 0 {
                stats::add(stripe, cell, n);
            }
        }
    }

    /// The commands that were called or refused, in the table's order.
    pub(super) fn tallies(&self) -> Vec<(&'static Command, Tally)> {
        table::all()
            .map(|command| {
                let at = place(command);
                let [calls, nanoseconds, refused, failed] = std::array::from_fn(|column| {
                    let before = self.baseline[at].0[column].load(Ordering::Relaxed);
                    self.sum(at, column).saturating_sub(before)
                });
                let tally = Tally {
                    calls,
                    nanoseconds,
                    refused,
                    failed,
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
            .map(|rows| rows[at].0[column].load(Ordering::Relaxed))
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
fn place(command: &'static Command) -> usize {
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
