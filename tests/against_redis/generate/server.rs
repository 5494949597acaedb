//! Transactions, the connection, and the server.

use super::{COMMANDS, Generator, words};
use crate::wire::Words;

impl Generator {
    pub(super) fn multi(&mut self) -> Words {
        words!["MULTI"]
    }

    pub(super) fn exec(&mut self) -> Words {
        words!["EXEC"]
    }

    pub(super) fn discard(&mut self) -> Words {
        words!["DISCARD"]
    }

    pub(super) fn watch(&mut self) -> Words {
        self.many_keys("WATCH")
    }

    pub(super) fn unwatch(&mut self) -> Words {
        words!["UNWATCH"]
    }

    pub(super) fn select(&mut self) -> Words {
        let database = match self.random.below(12) {
            0 => self.any("16 -1 15 2147483648 9223372036854775808").into(),
            1 => self.not_integer(),
            _ => self.small_number(0, 2),
        };
        if self.random.once_in(4) {
            return words!["SWAPDB", self.small_number(0, 2), database];
        }
        words!["SELECT", database]
    }

    pub(super) fn hello(&mut self) -> Words {
        match self.random.below(8) {
            0 => words!["HELLO"],
            1 => words!["HELLO", self.garbage()],
            2 => words!["HELLO", "3", self.option("SETNAME"), self.small_value()],
            3 => words!["RESET"],
            _ => words!["HELLO", self.any("2 3")],
        }
    }

    pub(super) fn connection(&mut self) -> Words {
        match self.random.below(10) {
            0 => words!["PING"],
            1 => words!["PING", self.small_value()],
            2 => words!["ECHO", self.small_value()],
            3 => words!["CLIENT", self.option("SETNAME"), self.small_value()],
            4 => words!["CLIENT", self.option("GETNAME")],
            5 => words![
                "CLIENT",
                self.option("SETINFO"),
                self.option("LIB-NAME LIB-VER OTHER"),
                self.small_value()
            ],
            6 => words!["CLIENT", self.option("ID INFO")],
            7 => words![
                "CLIENT",
                self.option("NO-EVICT NO-TOUCH"),
                self.option("ON OFF MAYBE")
            ],
            8 => words!["AUTH", "password"],
            _ => words!["AUTH", "default", "password"],
        }
    }

    pub(super) fn server(&mut self) -> Words {
        match self.random.below(8) {
            0 => words!["TIME"],
            1 => words!["ROLE"],
            2 => words!["WAIT", "0", self.any("0 10 -1 x")],
            3 => words!["MEMORY", "USAGE", self.key()],
            4 => words!["DEBUG", "DIGEST-VALUE", self.key(), self.key()],
            5 => words!["RANDOMKEY"],
            6 => words!["DEBUG", "STRINGMATCH-LEN", "200", "a*b"],
            _ => words!["DBSIZE"],
        }
    }

    pub(super) fn flush(&mut self) -> Words {
        let mut words = words![self.any("FLUSHDB FLUSHDB FLUSHDB FLUSHALL")];
        if self.random.percent(30) {
            words.push(self.option("SYNC ASYNC NEVER"));
        }
        words
    }

    pub(super) fn getkeys(&mut self) -> Words {
        let about = COMMANDS[self.random.below(COMMANDS.len() as u64) as usize].1(self);
        let mut words = words!["COMMAND", self.option("GETKEYS GETKEYS GETKEYSANDFLAGS")];
        words.extend(about);
        words
    }

    pub(super) fn unknown(&mut self) -> Words {
        match self.random.below(4) {
            0 => words![
                self.option("OBJECT CLIENT COMMAND CONFIG MEMORY DEBUG"),
                "NOSUCHTHING",
                self.garbage()
            ],
            1 => words![self.any("SETBIT2 GETBIT2 X SET\r\nBIT bit-count \x01\x02")],
            _ => {
                let mut words = words!["NOSUCHCOMMAND"];
                for _ in 0..self.random.below(6) {
                    words.push(self.small_value());
                }
                words
            }
        }
    }
}
