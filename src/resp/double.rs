//! The text of a floating point number in a reply.

/// `value` as Redis writes a double: `3.141`, `100000`, `1e+19`, `1.5e-7`, `inf`, `nan`.
///
/// A whole number that fits 64 bits is written as one, so minus zero is `0`. Otherwise the digits are the fewest that
/// read back as the same number, laid out as Redis does: plain while few zeros have to be added, with an exponent
/// beyond. (Redis finds digits with Grisu2, which in about one number of a thousand gives one or two too many.)
pub fn text(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 {
            "inf".into()
        } else {
            "-inf".into()
        };
    }
    const WHOLE: f64 = (1u64 << 63) as f64;
    if value.fract() == 0.0 && -WHOLE < value && value < WHOLE {
        return (value as i64).to_string();
    }

    // `1.234e-4`: the digits, and the power of ten of the first.
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let first: i32 = exponent.parse().unwrap_or(0);
    let count = digits.len() as i32;
    let last = first - (count - 1); // the power of ten of the last digit

    let sign = if value < 0.0 { "-" } else { "" };
    if last >= 0 && first < count + 7 {
        let zeros = "0".repeat(last as usize);
        return format!("{sign}{digits}{zeros}");
    }
    if last < 0 && (last > -7 || first.abs() < 4) {
        return if first < 0 {
            let zeros = "0".repeat((-first - 1) as usize);
            format!("{sign}0.{zeros}{digits}")
        } else {
            let (whole, part) = digits.split_at(first as usize + 1);
            format!("{sign}{whole}.{part}")
        };
    }
    let (head, tail) = digits.split_at(1);
    let point = if tail.is_empty() { "" } else { "." };
    format!("{sign}{head}{point}{tail}e{first:+}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::text;

    /// What Redis 8.2.3 answered to ZSCORE after HELLO 3.
    #[test]
    #[expect(clippy::approx_constant, reason = "the number Redis sends here")]
    fn doubles_are_laid_out_as_redis_lays_them_out() {
        let observed: &[(f64, &str)] = &[
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.0, "-1"),
            (3.141, "3.141"),
            (0.1, "0.1"),
            (1e5, "100000"),
            (1e7, "10000000"),
            (1e8, "100000000"),
            (12345678.0, "12345678"),
            (1e15, "1000000000000000"),
            (1e18, "1000000000000000000"),
            (1e19, "1e+19"),
            (1e22, "1e+22"),
            (1.5e20, "1.5e+20"),
            (1.5e21, "1.5e+21"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (0.00001, "0.00001"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (1e-8, "1e-8"),
            (1.5e-5, "0.000015"),
            (1.5e-6, "1.5e-6"),
            (1.5e-8, "1.5e-8"),
            (1.234567e-5, "1.234567e-5"),
            (1.2345678e-7, "1.2345678e-7"),
            (1e300, "1e+300"),
            (-1e300, "-1e+300"),
            (1e-300, "1e-300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (4294967296.0, "4294967296"),
            (9007199254740993.0, "9007199254740992"),
            (0.30000000000000004, "0.30000000000000004"),
            (100.5, "100.5"),
            (1234567.125, "1234567.125"),
            (2.5e-3, "0.0025"),
            (9e-5, "0.00009"),
            (1.25e-4, "0.000125"),
            (1234e-7, "1.234e-4"),
        ];
        for (value, expected) in observed {
            assert_eq!(text(*value), *expected, "{value:?}");
        }
        assert_eq!(text(f64::NAN), "nan");
    }

    proptest! {
        #[test]
        fn the_text_reads_back_as_the_number(value in any::<f64>()) {
            prop_assert_eq!(text(value).parse::<f64>().unwrap(), value);
        }
    }
}
