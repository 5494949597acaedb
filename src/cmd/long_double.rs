//! The `long double` of x86-64, in which Redis keeps what INCRBYFLOAT adds: 64 bits of significand, 15 of exponent.
//!
//! Numbers are read as C's `strtold` reads them, and written as `printf("%.17Lf")` without the zeros at the end.

use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round, StatusAnd};

/// Redis reads numbers shorter than this, in bytes.
pub(super) const TEXT_MAX: usize = 5 * 1024;

/// Digits kept after the point.
const FRACTION: usize = 17;
const FRACTION_UNIT: u128 = 10u128.pow(FRACTION as u32);

/// An 80-bit number; infinite perhaps, but not NaN.
#[derive(Clone, Copy)]
pub(super) struct LongDouble(X87DoubleExtended);

impl LongDouble {
    pub const ZERO: Self = Self(X87DoubleExtended::ZERO);

    /// Reads a decimal or hexadecimal number, with or without an exponent, or an infinity.
    ///
    /// Nothing may stand before or after it. One that is too large, or so small that it would be read as zero, is
    /// refused, as are NaNs.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() >= TEXT_MAX {
            return None;
        }
        let text = str::from_utf8(text).ok()?;
        let magnitude = text.strip_prefix(['+', '-']).unwrap_or(text);
        if ["inf", "infinity"]
            .iter()
            .any(|word| magnitude.eq_ignore_ascii_case(word))
        {
            let negative = text.starts_with('-');
            let infinity = X87DoubleExtended::INFINITY;
            return Some(Self(if negative { -infinity } else { infinity }));
        }

        // The library knows names of its own for what is no number, wants an exponent where C does not (hexadecimal),
        // and takes an empty one where C does not (decimal).
        if !magnitude.starts_with(|first: char| first == '.' || first.is_ascii_digit()) {
            return None;
        }
        let hexadecimal = magnitude.starts_with("0x") || magnitude.starts_with("0X");
        let read = if hexadecimal && !magnitude.contains(['p', 'P']) {
            X87DoubleExtended::from_str_r(&format!("{text}p0"), Round::NearestTiesToEven)
        } else if !hexadecimal && magnitude.ends_with(['e', 'E', '+', '-']) {
            return None;
        } else {
            X87DoubleExtended::from_str_r(text, Round::NearestTiesToEven)
        };
        let StatusAnd { status, value } = read.ok()?;
        let vanished = value.is_zero() && !status.is_empty();
        (!vanished && !value.is_infinite()).then_some(Self(value))
    }

    /// The sum, rounded to even; `None` where it is no finite number.
    pub fn add(self, other: Self) -> Option<Self> {
        let sum = (self.0 + other.0).value;
        sum.is_finite().then_some(Self(sum))
    }

    /// The number with at most 17 digits after the point, rounded to even, and no zeros at the end. Minus zero is `0`.
    pub fn text(self) -> String {
        const EXPONENT_BIAS: i32 = 16_383;
        const SIGNIFICAND_BITS: i32 = 64;
        let bits = self.0.to_bits();
        let significand = bits as u64;
        let exponent = ((bits >> SIGNIFICAND_BITS) & 0x7fff) as i32;
        // The number is `significand * 2^scale`. The smallest ones share the exponent 1.
        let scale = exponent.max(1) - EXPONENT_BIAS - (SIGNIFICAND_BITS - 1);

        let digits = match u32::try_from(scale) {
            Ok(shift) => whole(significand, shift),
            Err(_) => fixed(significand, scale.unsigned_abs()),
        };
        if self.0.is_negative() && digits != "0" {
            format!("-{digits}")
        } else {
            digits
        }
    }
}

/// `significand / 2^shift`.
fn fixed(significand: u64, shift: u32) -> String {
    // Below 2^121, so that whatever 128 places or more would leave is nothing.
    let scaled = u128::from(significand) * FRACTION_UNIT;
    let kept = scaled.checked_shr(shift).unwrap_or(0);
    let lost = scaled - kept.checked_shl(shift).unwrap_or(0);
    let half = 1u128.checked_shl(shift - 1).unwrap_or(u128::MAX);
    let up = lost > half || (lost == half && kept % 2 == 1);
    let rounded = kept + u128::from(up);

    let (whole, fraction) = (rounded / FRACTION_UNIT, rounded % FRACTION_UNIT);
    let text = format!("{whole}.{fraction:0FRACTION$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `significand * 2^shift`, which may have thousands of digits.
fn whole(significand: u64, mut shift: u32) -> String {
    /// Digits in a limb: two limbs hold any significand, and a limb shifted by 32 bits fits 64.
    const LIMB_DIGITS: usize = 9;
    const LIMB: u64 = 10u64.pow(LIMB_DIGITS as u32);

    let mut limbs = vec![
        significand % LIMB,
        significand / LIMB % LIMB,
        significand / LIMB / LIMB,
    ];
    while shift > 0 {
        let step = shift.min(32);
        shift -= step;
        let mut carry = 0;
        for limb in &mut limbs {
            let shifted = (*limb << step) + carry;
            *limb = shifted % LIMB;
            carry = shifted / LIMB;
        }
        while carry > 0 {
            limbs.push(carry % LIMB);
            carry /= LIMB;
        }
    }

    let digits: String = limbs
        .iter()
        .rev()
        .map(|limb| format!("{limb:0LIMB_DIGITS$}"))
        .collect();
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0" } else { digits }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let (a, b) = (
            LongDouble::parse(a.as_bytes())?,
            LongDouble::parse(b.as_bytes())?,
        );
        a.add(b).map(LongDouble::text)
    }

    /// What Redis 8.2.3 answered to SET and INCRBYFLOAT.
    #[test]
    fn sums_are_those_of_redis() {
        for (a, b, want) in [
            ("0.1", "0.2", "0.3"),
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("0", "0x1p3", "8"),
            ("8", "0x.8", "8.5"),
            ("8.5", "0X1.", "9.5"),
            ("3", "+.5", "3.5"),
            ("11", "5.", "16"),
            ("0", "-0", "0"),
            ("0", "-0.000000000000000001", "0"),
            ("1e19", "1", "10000000000000000001"),
            ("1e20", "1", "100000000000000000000"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("-1", "1e-17", "-0.99999999999999999"),
            ("3", "1.000000000000000005", "4.00000000000000001"),
            ("1e-4950", "0", "0"),
            ("0e99999999999999999999", "7", "7"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(want), "{a} + {b}");
        }
        let largest = sum("1e4932", "0").expect("a finite number");
        assert_eq!(largest.len(), 4933);
        assert!(
            largest.starts_with("1000000000000000000006018949387963891323837774254533114773785041")
        );
    }

    #[test]
    fn what_strtold_would_not_read_whole_is_no_number() {
        for text in [
            "",
            " 1",
            "1 ",
            "\t1",
            "1\0",
            "+",
            "-",
            ".",
            "+.",
            "--1",
            "+-1",
            "1,5",
            "1_0",
            "1e",
            "1e+",
            "1e-",
            "e5",
            "0x",
            "0x.",
            "0x1p",
            "0x1p+",
            "0xg",
            "nan",
            "-nan",
            "nan(1)",
            "snan",
            "in",
            "infi",
            "infinity1",
            "abc",
            "1e5000",
            "-1e5000",
            "1e-5000",
            "1e-4951",
            "0x1p99999",
            "0x1p-99999",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "٣",
        ] {
            assert!(LongDouble::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        let long = |len| format!("0.{}", "1".repeat(len - 2));
        assert!(LongDouble::parse(long(TEXT_MAX - 1).as_bytes()).is_some());
        assert!(LongDouble::parse(long(TEXT_MAX).as_bytes()).is_none());
    }

    #[test]
    fn infinities_are_read_but_no_sum_is_one() {
        for (a, b) in [
            ("inf", "1"),
            ("-Infinity", "1"),
            ("INF", "-inf"),
            ("1.1e4932", "1.1e4932"),
        ] {
            assert_eq!(sum(a, b), None, "{a} + {b}");
        }
        assert!(LongDouble::parse(b"+iNf").is_some());
    }
}
