//! From a command's `start end [BYTE | BIT]` to a half-open range of bits.
//!
//! Both ends are included in what the client writes, and count from the end of the string when negative. BITCOUNT (and
//! GETRANGE, in bytes) and BITPOS read the same three words by rules that differ in one place; both are here.

use std::ops::Range;

/// What `start` and `end` are numbers of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    #[default]
    Byte,
    Bit,
}

/// `start end [BYTE | BIT]` as the client gave them: both ends included, negative ones counted from the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: i64,
    pub end: i64,
    pub unit: Unit,
}

impl Span {
    /// Everything: what a command means when it gives no range.
    pub const WHOLE: Self = Self {
        start: 0,
        end: -1,
        unit: Unit::Byte,
    };

    pub const fn new(start: i64, end: i64, unit: Unit) -> Self {
        Self { start, end, unit }
    }

    /// The bits meant in a string of `len` bytes, by the rule of BITCOUNT and GETRANGE.
    ///
    /// Two negative ends in the wrong order mean nothing at all, before either is pulled to the edge of the string:
    /// `-1 -1000` of a short string is empty, not its first byte.
    pub fn resolve(self, len: u64) -> Range<u64> {
        if self.start < 0 && self.end < 0 && self.start > self.end {
            return 0..0;
        }
        self.resolve_for_search(len)
    }

    /// The bits meant in a string of `len` bytes, by the rule of BITPOS: each end is pulled to the edge of the string
    /// first, so `-1 -1000` of a one-byte string is that byte.
    pub fn resolve_for_search(self, len: u64) -> Range<u64> {
        let width = match self.unit {
            Unit::Byte => 8,
            Unit::Bit => 1,
        };
        // In 128 bits, because the bits of the longest string (2^63) are one more than an i64 holds.
        let units = i128::from(len) * 8 / width;
        let from_start = |index: i64| {
            if index < 0 {
                (i128::from(index) + units).max(0)
            } else {
                i128::from(index)
            }
        };
        let start = from_start(self.start);
        let end = from_start(self.end).min(units - 1) + 1;
        if start >= end {
            return 0..0;
        }
        (start * width) as u64..(end * width) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::{flat, oracle};

    fn bitcount(text: &[u8], start: i64, end: i64, unit: Unit) -> u64 {
        flat::count(text, Span::new(start, end, unit).resolve(text.len() as u64))
    }

    fn bitpos(text: &[u8], bit: bool, start: i64, end: i64, unit: Unit) -> Option<u64> {
        flat::find(
            text,
            bit,
            Span::new(start, end, unit).resolve_for_search(text.len() as u64),
        )
    }

    #[test]
    fn bitcount_of_foobar_is_what_redis_says() {
        for (start, end, want) in [
            (0, -1, 26),
            (10, 14, 4),
            (3, 14, 7),
            (3, 29, 16),
            (10, -34, 4),
            (3, -34, 7),
            (3, -19, 16),
            (-2, 1, 0),
            (0, 1000, 26),
            (5, 30, 17),
        ] {
            assert_eq!(
                bitcount(b"foobar", start, end, Unit::Bit),
                want,
                "{start} {end} BIT"
            );
        }
        assert_eq!(bitcount(b"foobar", 0, 0, Unit::Byte), 4);
        assert_eq!(bitcount(b"foobar", 1, 1, Unit::Byte), 6);
        assert_eq!(bitcount(b"__PPxxxxxxxxxxxxxxxxRR__", 2, -3, Unit::Byte), 74);
        assert_eq!(bitcount(b"ab", 1, -1, Unit::Byte), 3);
    }

    #[test]
    fn two_negative_ends_in_the_wrong_order_are_empty_to_bitcount_and_the_first_byte_to_bitpos() {
        let span = Span::new(-1000, -2000, Unit::Byte);
        assert_eq!(span.resolve(3), 0..0);
        assert_eq!(span.resolve_for_search(3), 0..8);
    }

    #[test]
    fn bitpos_of_short_strings_is_what_redis_says() {
        for (bit, start, end, unit, want) in [
            (false, 1, -1, Unit::Byte, Some(16)),
            (false, 2, -1, Unit::Byte, Some(16)),
            (false, 2, 200, Unit::Byte, Some(16)),
            (false, 1, 1, Unit::Byte, None),
            (false, 8, 8, Unit::Bit, None),
            (true, 1, -1, Unit::Byte, Some(8)),
            (true, 2, 200, Unit::Byte, None),
            (true, 8, 8, Unit::Bit, Some(8)),
        ] {
            assert_eq!(
                bitpos(b"\x00\xff\x00", bit, start, end, unit),
                want,
                "{bit} {start} {end} {unit:?}"
            );
        }
    }

    #[test]
    fn ends_at_the_limits_of_an_integer_neither_overflow_nor_leave_the_string() {
        let longest = 1 << 60;
        for start in [i64::MIN, -1, 0, 1, i64::MAX] {
            for end in [i64::MIN, -1, 0, 1, i64::MAX] {
                for unit in [Unit::Byte, Unit::Bit] {
                    for len in [0, 1, 3, longest] {
                        let span = Span::new(start, end, unit);
                        for bits in [span.resolve(len), span.resolve_for_search(len)] {
                            assert!(
                                bits.start <= bits.end && bits.end <= len * 8,
                                "{span:?} of {len} is {bits:?}"
                            );
                        }
                    }
                }
            }
        }
        assert_eq!(Span::WHOLE.resolve(longest), 0..1 << 63);
    }

    #[test]
    fn every_span_of_every_short_string_agrees_with_the_oracle() {
        for bytes in oracle::short_strings() {
            for (unit, width) in [(Unit::Byte, 8), (Unit::Bit, 1)] {
                let edge = (bytes.len() * 8 / width) as i64 + 2;
                for start in -edge..=edge {
                    for end in -edge..=edge {
                        assert_eq!(
                            bitcount(&bytes, start, end, unit),
                            oracle::bitcount(&bytes, start, end, width as i64),
                            "{bytes:02x?} {start} {end} {unit:?}"
                        );
                    }
                }
            }
        }
    }
}
