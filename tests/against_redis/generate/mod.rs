//! Random rounds of commands: every command the two servers share, with the values where mistakes live.
//!
//! A round depends on its seed alone, never on a reply, so it can be played again and cut short. To add a command, write
//! a method that makes one, in the file of its family, and give it a line in [`COMMANDS`].
//!
//! Kept out on purpose: times that could run out during a round, values that take both servers a second each (hundreds
//! of megabytes; those have scripts), and commands that close the connection or the server.

mod bitmaps;
mod keys;
mod server;
mod strings;
mod values;

use crate::play::{CONNECTIONS, Step};
use crate::random::Random;
use crate::wire::Words;

/// A request from anything that turns into bytes: `words!["SETBIT", key, "7", "1"]`.
macro_rules! words {
    ($($word:expr),* $(,)?) => { vec![$(Vec::<u8>::from($word)),*] };
}
use words;

type Make = fn(&mut Generator) -> Words;

/// Weight, and how to make one.
#[rustfmt::skip] // read by family
const COMMANDS: &[(u64, Make)] = &[
    // Bitmaps, the heart of it.
    (90, Generator::setbit), (50, Generator::getbit), (60, Generator::bitcount), (60, Generator::bitpos),
    (70, Generator::bitop), (60, Generator::bitfield), (20, Generator::bitfield_ro),
    // Strings.
    (60, Generator::set), (20, Generator::set_bitmap), (25, Generator::get), (10, Generator::getrange),
    (14, Generator::setrange), (10, Generator::append), (10, Generator::strlen), (12, Generator::increments),
    (8, Generator::incrbyfloat), (8, Generator::several), (8, Generator::getex), (6, Generator::old_sets),
    (5, Generator::lcs),
    // Keys.
    (14, Generator::del), (10, Generator::expire), (14, Generator::times), (10, Generator::copy), (8, Generator::rename),
    (6, Generator::exists), (6, Generator::object), (5, Generator::keys), (3, Generator::scan), (4, Generator::moves),
    (3, Generator::kind),
    // Transactions.
    (8, Generator::multi), (25, Generator::exec), (1, Generator::discard), (8, Generator::watch), (2, Generator::unwatch),
    // The connection and the server.
    (5, Generator::select), (2, Generator::hello), (5, Generator::connection), (4, Generator::server),
    (1, Generator::flush), (3, Generator::getkeys), (3, Generator::unknown),
];

/// Commands that take a time, where a wrong word must not be a small number: 7 milliseconds would have passed on one server
/// and not yet on the other.
const TIMED: &[&str] = &["SET", "GETEX", "SETEX", "PSETEX", "EXPIRE", "PEXPIRE"];

/// Commands never spoiled: WAIT for any other count of replicas waits for ever, SCAN in several steps shows each server's
/// own order, and for AUTH see `rules.rs`.
const EXACT: &[&str] = &["WAIT", "SCAN", "AUTH"];

pub struct Generator {
    random: Random,
}

/// The steps of the round with this seed.
pub fn round(seed: u64, length: usize) -> Vec<Step> {
    let mut generator = Generator {
        random: Random::new(seed),
    };
    let mut connection = 0;
    // Each connection speaks one protocol from the start; HELLO and RESET change it now and then.
    let greetings: Vec<Step> = (0..CONNECTIONS)
        .map(|connection| {
            let words = words!["HELLO", generator.any("2 3")];
            Step {
                connection,
                inline: false,
                words,
            }
        })
        .collect();
    let steps = (CONNECTIONS..length).map(|_| {
        if generator.random.once_in(12) {
            connection = generator.random.below(CONNECTIONS as u64) as usize;
        }
        let words = generator.command();
        let words = generator.spoil(words);
        // Lines over 64 KiB are refused inline, and quoting makes them up to four times as long.
        let short = words.iter().map(Vec::len).sum::<usize>() < 10_000;
        let inline = short && generator.random.once_in(25);
        Step {
            connection,
            inline,
            words,
        }
    });
    greetings.into_iter().chain(steps).collect()
}

impl Generator {
    fn command(&mut self) -> Words {
        let total = COMMANDS.iter().map(|(weight, _)| weight).sum();
        let mut ticket = self.random.below(total);
        for (weight, make) in COMMANDS {
            match ticket.checked_sub(*weight) {
                Some(rest) => ticket = rest,
                None => return make(self),
            }
        }
        unreachable!("the ticket is below the total")
    }

    /// Now and then: another case, a word too few, too many, or wrong.
    fn spoil(&mut self, mut words: Words) -> Words {
        let is = |names: &[&str]| names.iter().any(|name| words[0] == name.as_bytes());
        let (exact, timed) = (is(EXACT), is(TIMED));
        if !exact && self.random.once_in(40) {
            let wrong = if timed {
                self.not_integer()
            } else {
                self.garbage()
            };
            let at = 1 + self.random.below(words.len() as u64) as usize;
            match self.random.below(4) {
                0 if words.len() > 1 => drop(words.pop()),
                1 => words.push(wrong),
                2 if at < words.len() => words[at] = wrong,
                _ => words.insert(at, wrong),
            }
        }
        if self.random.once_in(5) {
            words[0] = self.any_case(&words[0].clone());
        }
        words
    }
}
