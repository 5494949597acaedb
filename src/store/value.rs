//! A Redis string: short and flat, or a compressed bitmap.

use crate::bits::{Bitmap, View};
use crate::number::parse_i64;

/// The longest value kept as plain bytes, in bytes. Longer ones are bitmaps.
pub const FLAT_MAX: usize = 128;

/// The longest string that Redis would keep in one allocation with its header, in bytes (OBJECT ENCODING).
const EMBSTR_MAX: usize = 44;

/// What OBJECT ENCODING answers. It describes how Redis would hold the value, not how it is held here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A decimal integer that fits 64 bits.
    Int,
    /// A short string, never modified since it was set.
    Embstr,
    /// Anything else.
    Raw,
}

impl Encoding {
    /// The encoding Redis picks for a string that is set as a whole.
    pub fn of(bytes: &[u8]) -> Self {
        if parse_i64(bytes).is_some() {
            Encoding::Int
        } else if bytes.len() <= EMBSTR_MAX {
            Encoding::Embstr
        } else {
            Encoding::Raw
        }
    }

    /// What becomes of it under a key of `key_len` bytes. Redis holds a short string, its key and its expiry in one cache
    /// line, each with a few bytes around it; what does not fit there is raw from then on, and stays so.
    pub(super) fn under(self, key_len: usize, value_len: usize, expires: bool) -> Self {
        const LINE: usize = 64;
        const HEADER: usize = 16;
        let bare = HEADER + (key_len + 3) + (value_len + 4);
        // A key of 32 bytes or more has two bytes around it that are not reckoned. If they are what does not fit, the
        // allocator gives the next size, which has room for the expiry too.
        let spare = key_len >= 32 && bare > LINE - 2;
        let expiry = if expires && !spare { 8 } else { 0 };
        let size = bare + expiry;
        match self {
            Encoding::Embstr if size > LINE => Encoding::Raw,
            other => other,
        }
    }

    /// The name OBJECT ENCODING answers with.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
        }
    }
}

/// A value outside the keyspace: about to be stored, or just taken out.
#[derive(Clone, Debug)]
pub enum Value {
    /// At most [`FLAT_MAX`] bytes.
    Flat(Box<[u8]>, Encoding),
    Bitmap(Bitmap),
}

impl Value {
    /// A string set as a whole: SET, GETSET, MSET.
    pub fn set(bytes: &[u8]) -> Self {
        Self::with_encoding(bytes, Encoding::of(bytes))
    }

    /// A string that was built by modification: always raw.
    pub fn raw(bytes: &[u8]) -> Self {
        Self::with_encoding(bytes, Encoding::Raw)
    }

    fn with_encoding(bytes: &[u8], encoding: Encoding) -> Self {
        if bytes.len() <= FLAT_MAX {
            Value::Flat(bytes.into(), encoding)
        } else {
            Value::Bitmap(Bitmap::from_bytes(bytes))
        }
    }

    /// The bytes, in whichever form they are held.
    pub fn view(&self) -> View<'_> {
        match self {
            Value::Flat(bytes, _) => View::Flat(bytes),
            Value::Bitmap(bitmap) => View::Chunked(bitmap),
        }
    }

    pub fn encoding(&self) -> Encoding {
        match self {
            Value::Flat(_, encoding) => *encoding,
            Value::Bitmap(_) => Encoding::Raw,
        }
    }
}

impl From<Bitmap> for Value {
    fn from(bitmap: Bitmap) -> Self {
        match usize::try_from(bitmap.len()) {
            Ok(len) if len <= FLAT_MAX => {
                let mut bytes = vec![0; len];
                bitmap.read(0, &mut bytes);
                Value::Flat(bytes.into(), Encoding::Raw)
            }
            _ => Value::Bitmap(bitmap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Redis 8.2.3 answers for keys of these lengths, without and with an expiry.
    #[test]
    fn short_strings_share_their_room_with_key_and_expiry() {
        let fits = |key_len, expires| -> Vec<usize> {
            let stays =
                |len: &usize| Encoding::Embstr.under(key_len, *len, expires) == Encoding::Embstr;
            (0..60).filter(stays).collect()
        };
        for (key_len, without, with) in [(0, 41, 33), (1, 40, 32), (20, 21, 13), (31, 10, 2)] {
            assert!(
                fits(key_len, false).into_iter().eq(0..=without),
                "{key_len}"
            );
            assert!(fits(key_len, true).into_iter().eq(0..=with), "{key_len}");
        }
        for (key_len, without, with) in [
            (32, 9, &[0, 1, 8, 9][..]),
            (33, 8, &[0, 7, 8]),
            (36, 5, &[4, 5]),
            (40, 1, &[0, 1]),
            (41, 0, &[0]),
        ] {
            assert!(
                fits(key_len, false).into_iter().eq(0..=without),
                "{key_len}"
            );
            assert_eq!(fits(key_len, true), with, "{key_len}");
        }
        assert!(fits(42, false).is_empty() && fits(42, true).is_empty());
        assert_eq!(Encoding::Int.under(1000, 20, true), Encoding::Int);
    }

    #[test]
    fn encodings_are_those_redis_would_answer() {
        assert_eq!(Value::set(b"12").encoding(), Encoding::Int);
        assert_eq!(Value::set(b"012").encoding(), Encoding::Embstr);
        assert_eq!(Value::set(&[b'x'; 44]).encoding(), Encoding::Embstr);
        assert_eq!(Value::set(&[b'x'; 45]).encoding(), Encoding::Raw);
        assert_eq!(Value::raw(b"12").encoding(), Encoding::Raw);
    }

    /// What Redis 8.2.3 answered for the longest values that were still `embstr`, and one byte more.
    #[test]
    fn a_short_string_is_raw_where_it_does_not_fit_a_line_with_its_key() {
        for (key_len, longest, longest_expiring) in
            [(0, 41, 33), (1, 40, 32), (10, 31, 23), (33, 8, 0)]
        {
            for (expires, longest) in [(false, longest), (true, longest_expiring)] {
                let under = |len| Encoding::Embstr.under(key_len, len, expires);
                assert_eq!(under(longest), Encoding::Embstr, "{key_len} {expires}");
                assert_eq!(under(longest + 1), Encoding::Raw, "{key_len} {expires}");
            }
        }
        assert_eq!(Encoding::Int.under(1000, 20, true), Encoding::Int);
    }
}
