//! SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP, BITFIELD, BITFIELD_RO.

use super::values::is_small;
use super::{Generator, words};
use crate::wire::Words;

impl Generator {
    pub(super) fn setbit(&mut self) -> Words {
        let key = self.key();
        let offset = match self.random.below(40) {
            0 => self
                .any("4294967296 -1 9223372036854775807 18446744073709551616")
                .into(),
            1 => self.not_integer(),
            _ => self.write_offset(&key).to_string().into(),
        };
        let value = match self.random.below(40) {
            0 => self.any("2 -1 10").into(),
            1 => self.not_integer(),
            2..=12 => "0".into(),
            _ => "1".into(),
        };
        words!["SETBIT", key, offset, value]
    }

    pub(super) fn getbit(&mut self) -> Words {
        let key = self.key();
        let offset = self.read_offset(&key);
        words!["GETBIT", key, offset]
    }

    fn unit(&mut self) -> Vec<u8> {
        if self.random.once_in(20) {
            self.garbage()
        } else {
            self.option("BYTE BIT")
        }
    }

    pub(super) fn bitcount(&mut self) -> Words {
        let mut words = words!["BITCOUNT", self.key()];
        if self.random.percent(85) {
            words.extend([self.index(), self.index()]);
            if self.random.percent(60) {
                words.push(self.unit());
            }
        }
        words
    }

    pub(super) fn bitpos(&mut self) -> Words {
        let bit = match self.random.below(25) {
            0 => self.any("2 -1").into(),
            1 => self.not_integer(),
            _ => self.any("0 1").into(),
        };
        let mut words = words!["BITPOS", self.key(), bit];
        let more = self.random.below(4);
        for _ in 0..more.min(2) {
            words.push(self.index());
        }
        if more == 3 {
            words.push(self.unit());
        }
        words
    }

    pub(super) fn bitop(&mut self) -> Words {
        let operation = match self.random.below(60) {
            0 => self.garbage(),
            _ => self.option("AND OR XOR NOT DIFF DIFF1 ANDOR ONE"),
        };
        let lonely = operation.eq_ignore_ascii_case(b"NOT") && !self.random.once_in(15);
        let sources = match self.random.below(20) {
            _ if lonely => 1,
            0 => 16,
            1 => 17,
            2 => 1 + self.random.below(20),
            3..=6 => 1,
            _ => 1 + self.random.below(4),
        };
        let mut words = words!["BITOP", operation, self.bit_key()];
        for _ in 0..sources {
            words.push(if self.random.once_in(10) {
                self.small_key()
            } else {
                self.bit_key()
            });
        }
        words
    }

    fn bitfield_type(&mut self) -> Vec<u8> {
        match self.random.below(30) {
            0 => self
                .any("u64 i65 i0 u0 u01 I8 U8 8 u i-1 u8x u63\0x")
                .into(),
            1..=4 => self.any("i1 u1 i64 u63 i63 u62 i8 u8 i16 u32").into(),
            _ if self.random.percent(50) => format!("u{}", self.random.within(1, 63)).into(),
            _ => format!("i{}", self.random.within(1, 64)).into(),
        }
    }

    fn bitfield_offset(&mut self, key: &[u8], writes: bool) -> Vec<u8> {
        match self.random.below(40) {
            0 => self
                .any("#-1 # #abc -1 4294967296 #9223372036854775807 ##1")
                .into(),
            1 => self.not_integer(),
            2 if !writes => self
                .any("4294967295 4294967232 #67108863 #536870911")
                .into(),
            3..=10 if !is_small(key) => format!("#{}", self.random.below(200)).into(),
            _ => self.write_offset(key).to_string().into(),
        }
    }

    fn bitfield_number(&mut self) -> Vec<u8> {
        match self.random.below(12) {
            0 => self
                .any("9223372036854775807 -9223372036854775808 4294967295 4294967296")
                .into(),
            1 if self.random.once_in(4) => self.not_integer(),
            2..=4 => (self.random.next() as i64).to_string().into(),
            5 | 6 => self.small_number(-70_000, 70_000),
            _ => self.small_number(-300, 300),
        }
    }

    pub(super) fn bitfield(&mut self) -> Words {
        let key = self.key();
        let mut words = words!["BITFIELD", key.clone()];
        for _ in 0..self.random.below(6) {
            match self.random.below(10) {
                0 | 1 if self.random.once_in(30) => {
                    words.extend([self.option("OVERFLOW"), self.garbage()])
                }
                0 | 1 => words.extend([self.option("OVERFLOW"), self.option("WRAP SAT FAIL")]),
                2..=4 => words.extend([
                    self.option("GET"),
                    self.bitfield_type(),
                    self.bitfield_offset(&key, false),
                ]),
                _ => {
                    words.extend([self.option("SET INCRBY"), self.bitfield_type()]);
                    words.extend([self.bitfield_offset(&key, true), self.bitfield_number()]);
                }
            }
        }
        words
    }

    pub(super) fn bitfield_ro(&mut self) -> Words {
        let key = self.key();
        let mut words = words!["BITFIELD_RO", key.clone()];
        for _ in 0..self.random.below(4) {
            match self.random.below(20) {
                0 => words.extend(words![self.option("SET"), self.bitfield_type(), "0", "1"]),
                1 => words.extend([self.option("OVERFLOW"), self.option("WRAP SAT FAIL")]),
                _ => words.extend([
                    self.option("GET"),
                    self.bitfield_type(),
                    self.bitfield_offset(&key, false),
                ]),
            }
        }
        words
    }
}
