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
    pub(super) fn under(self, key_len: usize, value_len: usize, expiry: Expiry) -> Self {
        const LINE: usize = 64;
        const HEADER: usize = 16;
        let bare = HEADER + (key_len + 3) + (value_len + 4);
        // A key of 32 bytes or more has two bytes around it that are not reckoned. If they are what does not fit, the
        // allocator gives the next size, which has room for an expiry that comes later.
        let spare = key_len >= 32 && bare > LINE - 2;
        let size = match expiry {
            Expiry::Together => bare + 8,
            Expiry::After if !spare => bare + 8,
            Expiry::After | Expiry::None => bare,
        };
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

/// How a value comes by its expiry, which decides whether Redis still finds room for both beside the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    None,
    /// With the value: RENAME, COPY, SET KEEPTTL.
    Together,
    /// Once the value is there: EXPIRE, SET EX.
    After,
}

impl Expiry {
    pub fn together(expires_at: Option<i64>) -> Self {
        expires_at.map_or(Expiry::None, |_| Expiry::Together)
    }

    pub fn after(expires_at: Option<i64>) -> Self {
        expires_at.map_or(Expiry::None, |_| Expiry::After)
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

    #[test]
    fn encodings_are_those_redis_would_answer() {
        assert_eq!(Value::set(b"12").encoding(), Encoding::Int);
        assert_eq!(Value::set(b"012").encoding(), Encoding::Embstr);
        assert_eq!(Value::set(&[b'x'; 44]).encoding(), Encoding::Embstr);
        assert_eq!(Value::set(&[b'x'; 45]).encoding(), Encoding::Raw);
        assert_eq!(Value::raw(b"12").encoding(), Encoding::Raw);
    }

    /// What Redis 8.2.3 answered for values of 0, 1, 2, ... bytes: `e` is embstr.
    #[test]
    fn a_short_string_is_raw_where_it_does_not_fit_a_line_with_its_key() {
        for (key_len, expiry, answers) in [
            (31, Expiry::None, "eeeeeeeeeee.."),
            (31, Expiry::After, "eee.........."),
            (31, Expiry::Together, "eee.........."),
            (32, Expiry::None, "eeeeeeeeee..."),
            (32, Expiry::After, "ee......ee..."),
            (32, Expiry::Together, "ee..........."),
            (33, Expiry::None, "eeeeeeeee...."),
            (33, Expiry::After, "e......ee...."),
            (33, Expiry::Together, "e............"),
            (40, Expiry::None, "ee..........."),
            (40, Expiry::After, "ee..........."),
            (40, Expiry::Together, "............."),
        ] {
            let ours: String = (0..answers.len())
                .map(|len| match Encoding::Embstr.under(key_len, len, expiry) {
                    Encoding::Embstr => 'e',
                    _ => '.',
                })
                .collect();
            assert_eq!(ours, answers, "{key_len} {expiry:?}");
        }
        assert_eq!(
            Encoding::Int.under(1000, 20, Expiry::Together),
            Encoding::Int
        );
    }
}
