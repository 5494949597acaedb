//! The string commands, SET to LCS.

use super::values::is_small;
use super::{Generator, words};
use crate::wire::Words;

/// Amounts for INCRBYFLOAT at the edges of what is read as a number, and just past them.
#[rustfmt::skip] // a list
const FLOATS: &[&str] = &[
    "nan", "inf", "-inf", "infinity", "1e308", "1e-10", "5.0e3", "0x1p3", " 1", "1 ", "", "1e5000", "abc", "-0", "0.1", "0.2", "1e17",
    "1.17549435e-38", "3.40282347e+38", "123456789.123456789", "+1.5", ".5", "5.", "1_0",
];

impl Generator {
    pub(super) fn set(&mut self) -> Words {
        let key = self.key();
        let value = self.value_for(&key);
        let mut words = words!["SET", key, value];
        if self.random.percent(15) {
            words.push(self.option("NX XX"));
        }
        if self.random.percent(15) {
            words.push(self.option("GET"));
        }
        if self.random.percent(8) {
            words.push(self.option("KEEPTTL"));
        }
        if self.random.percent(20) {
            words.extend(self.expiry_option());
        }
        if self.random.once_in(60) {
            words.push(self.garbage());
        }
        words
    }

    pub(super) fn set_bitmap(&mut self) -> Words {
        words!["SET", self.bit_key(), self.bitmap_value()]
    }

    pub(super) fn get(&mut self) -> Words {
        let key = self.key();
        match self.random.below(8) {
            0 => words!["GETDEL", key],
            1 => {
                let value = self.value_for(&key);
                words!["GETSET", key, value]
            }
            _ => words!["GET", key],
        }
    }

    pub(super) fn getrange(&mut self) -> Words {
        words![
            self.any("GETRANGE SUBSTR"),
            self.key(),
            self.index(),
            self.index()
        ]
    }

    pub(super) fn setrange(&mut self) -> Words {
        let key = self.key();
        let value = self.value_for(&key);
        let offset = match self.random.below(30) {
            0 => self
                .any("-1 536870912 9223372036854775807 -9223372036854775808")
                .into(),
            1 => self.not_integer(),
            _ if is_small(&key) => self.small_number(0, 120),
            2..=6 => self.any("8190 8191 8192 8193 16383 16384").into(),
            _ => self.small_number(0, 20_000),
        };
        words!["SETRANGE", key, offset, value]
    }

    pub(super) fn append(&mut self) -> Words {
        let key = self.key();
        let value = self.value_for(&key);
        // Small values stay small: a long row of APPENDs must not make LCS slow.
        let name = if is_small(&key) && self.random.percent(30) {
            "SET"
        } else {
            "APPEND"
        };
        words![name, key, value]
    }

    pub(super) fn strlen(&mut self) -> Words {
        words!["STRLEN", self.key()]
    }

    pub(super) fn increments(&mut self) -> Words {
        let key = self.small_key();
        if self.random.percent(50) {
            return words![self.any("INCR DECR"), key];
        }
        let amount = match self.random.below(8) {
            0 => self
                .any("9223372036854775807 -9223372036854775808 -9223372036854775807")
                .into(),
            1 => self.not_integer(),
            _ => self.small_number(-5000, 5000),
        };
        words![self.any("INCRBY DECRBY"), key, amount]
    }

    pub(super) fn incrbyfloat(&mut self) -> Words {
        let amount = match self.random.below(6) {
            0 => (*self.random.pick(FLOATS)).into(),
            1 => self.not_integer(),
            2 => format!(
                "{}e{}",
                self.random.within(-999, 999),
                self.random.within(-12, 12)
            )
            .into(),
            _ => format!(
                "{}.{}",
                self.random.within(-1000, 1000),
                self.random.below(1_000_000)
            )
            .into(),
        };
        words!["INCRBYFLOAT", self.small_key(), amount]
    }

    pub(super) fn several(&mut self) -> Words {
        let name = self.any("MGET MGET MSET MSET MSETNX");
        let mut words = words![name];
        for _ in 0..1 + self.random.below(5) {
            let key = self.key();
            words.push(key.clone());
            if name != "MGET" {
                words.push(self.value_for(&key));
            }
        }
        words
    }

    pub(super) fn getex(&mut self) -> Words {
        let mut words = words!["GETEX", self.key()];
        match self.random.below(6) {
            0 => words.push(self.option("PERSIST")),
            1 => {}
            2 => words.extend(words![self.option("PERSIST"), self.option("EX"), "2000"]),
            _ => words.extend(self.expiry_option()),
        }
        words
    }

    pub(super) fn old_sets(&mut self) -> Words {
        let key = self.key();
        let value = self.value_for(&key);
        match self.random.below(3) {
            0 => words!["SETNX", key, value],
            1 => words!["SETEX", key, self.seconds_from_now(), value],
            _ => words!["PSETEX", key, self.milliseconds_from_now(), value],
        }
    }

    pub(super) fn lcs(&mut self) -> Words {
        let mut words = words!["LCS", self.small_key(), self.small_key()];
        if self.random.percent(20) {
            words.push(self.option("LEN"));
        }
        if self.random.percent(50) {
            words.push(self.option("IDX"));
        }
        if self.random.percent(40) {
            let length = if self.random.once_in(8) {
                self.not_integer()
            } else {
                self.small_number(-2, 5)
            };
            words.extend([self.option("MINMATCHLEN"), length]);
        }
        if self.random.percent(40) {
            words.push(self.option("WITHMATCHLEN"));
        }
        words
    }
}
