//! The section of sizes: how many strings of each database are how long, in powers of two.
//!
//! Redis counts along with every command. Here keys are looked at when somebody asks (see [`Walk`]), and where the time does
//! not reach all of a database, what was found is scaled up; a database that it does not reach at all is left out.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use super::super::Context;
use super::Page;
use super::walk::{Walk, scaled};

/// How long keys are looked at.
const PATIENCE: Duration = Duration::from_millis(1);

/// Empty strings, and those from each power of two on to the next.
const CLASSES: usize = 1 + u64::BITS as usize;

pub(super) fn sizes(cx: &Context<'_>, page: &mut Page) {
    let walk = Walk::new(PATIENCE);
    for db in 0..cx.world.keyspace.databases() {
        let (mut classes, mut looked_at) = ([0; CLASSES], 0);
        let walked = walk.look(cx, db, |entry| {
            classes[class(entry.view().len())] += 1;
            looked_at += 1;
        });
        let all = match walked {
            ControlFlow::Continue(()) => looked_at,
            ControlFlow::Break(()) => cx.keys().key_count(db) as u64,
        };
        let mut line = String::new();
        for (class, &strings) in classes.iter().enumerate() {
            if strings > 0 {
                let comma = if line.is_empty() { "" } else { "," };
                let strings = scaled(strings, looked_at, all);
                // Writing to a string cannot fail.
                let _ = write!(line, "{comma}{}={strings}", label(class));
            }
        }
        if !line.is_empty() {
            page.field(&format!("db{db}_distrib_strings_sizes"), line);
        }
        if walked.is_break() {
            break;
        }
    }
}

/// The class of a length in bytes.
fn class(len: u64) -> usize {
    len.checked_ilog2().map_or(0, |log| 1 + log as usize)
}

/// The least length of a class, as `16`, `2K` or `512M`.
fn label(class: usize) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    match class.checked_sub(1) {
        None => "0".to_owned(),
        Some(log) => format!("{}{}", 1 << (log % 10), UNITS[log / 10]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::session::Session;
    use super::*;

    #[test]
    fn lengths_are_told_by_database_in_powers_of_two() {
        let mut db = Session::alone();
        assert_eq!(db.say("INFO keysizes"), "$12\r\n# Keysizes\r\n\r\n");
        for (key, len) in [0, 1, 2, 3, 4, 17, 1023, 1024, 3 << 20]
            .into_iter()
            .enumerate()
        {
            db.ask(["SET", &key.to_string(), &"x".repeat(len)]);
        }
        db.say("SETBIT bits 4294967295 1");
        db.say("SELECT 3");
        db.say("SET k abcd");
        let page = db.say("INFO keysizes");
        let lines: Vec<&str> = page.lines().skip(2).collect();
        assert_eq!(
            lines[..2],
            [
                "db0_distrib_strings_sizes:0=1,1=1,2=2,4=1,16=1,512=1,1K=1,2M=1,512M=1",
                "db3_distrib_strings_sizes:4=1"
            ],
            "{page}"
        );
    }

    #[test]
    fn every_length_has_a_label() {
        assert_eq!(label(class(u64::MAX)), "8E");
        assert_eq!(label(class((1 << 30) - 1)), "512M");
        assert_eq!(label(class(1 << 30)), "1G");
    }

    /// Scaled up from a part where it takes too long, the sum is near what it is.
    #[test]
    fn many_keys_are_estimated() {
        let mut db = Session::alone();
        const KEYS: u64 = 150_000;
        for n in 0..KEYS {
            db.ask(["SET", &format!("k{n}"), "abcde"]);
        }
        let page = db.say("INFO keysizes");
        let told = page
            .lines()
            .find_map(|line| line.strip_prefix("db0_distrib_strings_sizes:4="));
        let told: u64 = told.expect("one class").parse().expect("a number");
        assert!((KEYS..KEYS + 100).contains(&told), "{told}");
    }
}
