//! An array of integers, encoded where it is collected.
//!
//! There may be a million of them, found by a thread beside those that serve connections. As bytes they leave as they
//! are, so the connection's own thread has nothing left to do with each. They are the same bytes in both versions of the
//! protocol.

use bytes::Bytes;

/// What is written of a number in one go: its last digits, from a table's worth of divisions.
const LOW: u64 = 10_000;

/// An array of integers that are not negative, up to 2^63-1 each, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Integers {
    len: usize,
    /// `:<n>\r\n` for each.
    encoded: Vec<u8>,
}

impl Integers {
    pub const fn new() -> Self {
        Self {
            len: 0,
            encoded: Vec::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them as they are sent, without the array's header.
    pub(super) fn into_encoded(self) -> Bytes {
        self.encoded.into()
    }
}

impl Extend<u64> for Integers {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, numbers: I) {
        let mut line = Line::default();
        for n in numbers {
            debug_assert!(n < 1 << 63);
            self.len += 1;
            line.write(n, &mut self.encoded);
        }
    }
}

impl FromIterator<u64> for Integers {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut integers = Self::new();
        integers.extend(numbers);
        integers
    }
}

/// The number written last, of which the next one mostly has all but the last digits: positions come in order.
#[derive(Default)]
struct Line {
    /// What is above the last four digits, and not 0.
    high: u64,
    /// `:` and the digits of `high`, then room for the rest of the line.
    text: [u8; 32],
    /// Where the last four digits begin.
    at: usize,
}

impl Line {
    #[inline]
    fn write(&mut self, n: u64, to: &mut Vec<u8>) {
        if n < 10 {
            to.extend_from_slice(&[b':', b'0' + n as u8, b'\r', b'\n']);
            return;
        }
        if n < LOW {
            to.push(b':');
            let digits = four(n as u32);
            let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
            to.extend_from_slice(&digits[zeros..]);
            to.extend_from_slice(b"\r\n");
            return;
        }
        if n / LOW != self.high {
            self.raise(n / LOW);
        }
        let end = self.at + 6;
        self.text[self.at..self.at + 4].copy_from_slice(&four((n % LOW) as u32));
        self.text[self.at + 4..end].copy_from_slice(b"\r\n");
        // The whole array and then less: a length that the compiler knows is no call.
        let start = to.len();
        to.extend_from_slice(&self.text);
        to.truncate(start + end);
    }

    fn raise(&mut self, high: u64) {
        let digits = high.to_string();
        self.high = high;
        self.at = 1 + digits.len();
        self.text[0] = b':';
        self.text[1..self.at].copy_from_slice(digits.as_bytes());
    }
}

/// The four digits of a number below 10,000.
#[inline]
fn four(n: u32) -> [u8; 4] {
    let digit = |n: u32| b'0' + (n % 10) as u8;
    [digit(n / 1000), digit(n / 100), digit(n / 10), digit(n)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_written_as_its_decimal_digits() {
        let edges = (0..63).flat_map(|power| {
            let at = 1u64 << power;
            [at - 1, at, at + 1]
        });
        let tens = (0..19).flat_map(|power| {
            let at = 10u64.pow(power);
            [at - 1, at, at + 1, 9 * at]
        });
        // Ascending, where one line leads to the next, and the other way round.
        let mut numbers: Vec<u64> = (0..30_000).chain(edges).chain(tens).collect();
        numbers.push(i64::MAX as u64);
        for _ in 0..2 {
            let want: String = numbers.iter().map(|n| format!(":{n}\r\n")).collect();
            let integers: Integers = numbers.iter().copied().collect();
            assert_eq!(integers.len(), numbers.len());
            assert!(integers.into_encoded() == want.as_bytes());
            numbers.reverse();
        }
    }

    #[test]
    fn more_may_follow() {
        let mut integers = Integers::new();
        assert!(integers.is_empty());
        integers.extend([7, 123_456]);
        integers.extend([123_457]);
        assert_eq!(integers.len(), 3);
        assert_eq!(
            integers.into_encoded(),
            &b":7\r\n:123456\r\n:123457\r\n"[..]
        );
    }
}
