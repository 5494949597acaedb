//! Commands about keys, whatever they hold.

use super::{Generator, words};
use crate::wire::Words;

impl Generator {
    pub(super) fn many_keys(&mut self, name: &str) -> Words {
        let mut words = words![name];
        for _ in 0..1 + self.random.below(4) {
            words.push(self.key());
        }
        words
    }

    pub(super) fn del(&mut self) -> Words {
        let name = self.any("DEL DEL UNLINK");
        self.many_keys(name)
    }

    pub(super) fn exists(&mut self) -> Words {
        let name = self.any("EXISTS TOUCH");
        self.many_keys(name)
    }

    pub(super) fn expire(&mut self) -> Words {
        let key = self.key();
        // A moment long gone deletes the key at once, on both.
        let moment = if self.random.once_in(12) {
            self.random.within(-5, 1_000_000_000)
        } else {
            self.moment_ahead()
        };
        let mut words = match self.random.below(4) {
            0 => words!["EXPIRE", key, self.seconds_from_now()],
            1 => words!["PEXPIRE", key, self.milliseconds_from_now()],
            2 => words!["EXPIREAT", key, moment.to_string()],
            _ => words!["PEXPIREAT", key, (moment * 1000 + 3).to_string()],
        };
        for _ in 0..self.random.below(5).saturating_sub(2) {
            words.push(self.option("NX XX GT LT"));
        }
        words
    }

    pub(super) fn times(&mut self) -> Words {
        words![
            self.any("TTL PTTL EXPIRETIME PEXPIRETIME PERSIST"),
            self.key()
        ]
    }

    pub(super) fn copy(&mut self) -> Words {
        let (from, to) = self.two_keys();
        let mut words = words!["COPY", from, to];
        if self.random.percent(30) {
            let database = if self.random.once_in(10) {
                self.garbage()
            } else {
                self.small_number(0, 3)
            };
            words.extend([self.option("DB"), database]);
        }
        if self.random.percent(50) {
            words.push(self.option("REPLACE"));
        }
        words
    }

    pub(super) fn rename(&mut self) -> Words {
        let (from, to) = self.two_keys();
        words![self.any("RENAME RENAMENX"), from, to]
    }

    pub(super) fn moves(&mut self) -> Words {
        let database = match self.random.below(12) {
            0 => self.any("16 -1 9223372036854775807").into(),
            1 => self.not_integer(),
            _ => self.small_number(0, 2),
        };
        words!["MOVE", self.key(), database]
    }

    pub(super) fn kind(&mut self) -> Words {
        words!["TYPE", self.key()]
    }

    pub(super) fn object(&mut self) -> Words {
        let about = self.option("ENCODING ENCODING ENCODING REFCOUNT IDLETIME FREQ NOPE");
        words!["OBJECT", about, self.key()]
    }

    pub(super) fn keys(&mut self) -> Words {
        words![
            "KEYS",
            self.any(
                r"* s? b* [sb]1 [^b]* s[1-3] \s1 *1* ? [ b[ s[3-1] **2 s1 [a- \ *\ [\s]1 with*"
            )
        ]
    }

    /// The whole keyspace in one step; scans in several have a test of their own.
    pub(super) fn scan(&mut self) -> Words {
        let mut words = words!["SCAN", "0", "COUNT", "1000000"];
        match self.random.below(6) {
            0 => words.extend(words![self.option("MATCH"), "b*"]),
            1 => words.extend([self.option("TYPE"), self.option("string list bitmap hash")]),
            2 => words.extend(words![
                self.option("MATCH"),
                "*1",
                self.option("TYPE"),
                "string"
            ]),
            3 => words[3] = self.any("0 -1 abc").into(),
            4 => words[1] = self.any("abc -1 0x").into(),
            _ => {}
        }
        words
    }
}
