//! Numbers as only the configuration writes them: memory sizes with units, and octal.

/// Reads a memory size in bytes: digits, then nothing or one of `b k kb m mb g gb` in any case.
///
/// The short units are decimal (1k is 1000), the long ones binary (1kb is 1024). No digits at all are zero, as in Redis.
/// Sizes past `u64::MAX` are read as `u64::MAX`, which every setting's range then refuses.
pub(crate) fn memory(text: &[u8]) -> Option<u64> {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let digit = |sum: u64, digit: &u8| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    };
    Some(digits.iter().fold(0, digit).saturating_mul(factor))
}

/// Writes a size in the largest binary unit that divides it, as CONFIG REWRITE does: `1gb`, `1536`.
pub(crate) fn format_memory(bytes: u64) -> String {
    for (shift, unit) in [(30, "gb"), (20, "mb"), (10, "kb")] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Reads a number as C's `strtoll` reads a whole word: an optional sign, then digits in `radix`. An empty word is zero,
/// and a number too long for `i64` is its nearest end.
pub(crate) fn lenient(text: &[u8], radix: u32) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() && !text.is_empty() {
        return None;
    }
    let mut sum: i64 = 0;
    for &byte in digits {
        let digit = i64::from(char::from(byte).to_digit(radix)?);
        let digit = if negative { -digit } else { digit };
        sum = sum.saturating_mul(i64::from(radix)).saturating_add(digit);
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_units_are_decimal_when_short_and_binary_when_long() {
        let cases: &[(&str, Option<u64>)] = &[
            ("", Some(0)),
            ("kb", Some(0)),
            ("007", Some(7)),
            ("1b", Some(1)),
            ("1k", Some(1000)),
            ("1Kb", Some(1024)),
            ("1m", Some(1_000_000)),
            ("1MB", Some(1 << 20)),
            ("2g", Some(2_000_000_000)),
            ("2gb", Some(2 << 30)),
            ("99999999999gb", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("-1", None),
            ("1.5mb", None),
            ("1 mb", None),
            ("1tb", None),
            ("+1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(memory(text.as_bytes()), *expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_written_in_their_largest_unit() {
        for (bytes, text) in [
            (0, "0"),
            (1, "1"),
            (1024, "1kb"),
            (1536, "1536"),
            (3 << 20, "3mb"),
            (5 << 30, "5gb"),
        ] {
            assert_eq!(format_memory(bytes), text);
            assert_eq!(memory(text.as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn lenient_numbers_read_like_strtoll() {
        assert_eq!(lenient(b"+60", 10), Some(60));
        assert_eq!(lenient(b"-5", 10), Some(-5));
        assert_eq!(lenient(b"", 10), Some(0));
        assert_eq!(lenient(b"755", 8), Some(0o755));
        assert_eq!(lenient(b"9", 8), None);
        assert_eq!(lenient(b"-", 10), None);
        assert_eq!(lenient(b"5x", 10), None);
        assert_eq!(lenient(b"99999999999999999999", 10), Some(i64::MAX));
    }
}
