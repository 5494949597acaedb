//! A string to read, in whichever form its owner holds it.

use std::fmt;
use std::ops::Range;

use super::{Bitmap, flat};

/// A string as its bytes or as a [`Bitmap`]; the same questions are asked of both.
#[derive(Clone, Copy)]
pub enum View<'a> {
    Flat(&'a [u8]),
    Chunked(&'a Bitmap),
}

impl View<'_> {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            View::Flat(bytes) => bytes.len() as u64,
            View::Chunked(bitmap) => bitmap.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of ones.
    pub fn ones(&self) -> u64 {
        match self {
            View::Flat(bytes) => flat::count(bytes, 0..u64::MAX),
            View::Chunked(bitmap) => bitmap.ones(),
        }
    }

    /// The bit at `bit`; false past the end.
    pub fn get(&self, bit: u64) -> bool {
        match self {
            View::Flat(bytes) => flat::get(bytes, bit),
            View::Chunked(bitmap) => bitmap.get(bit),
        }
    }

    /// The number of ones in `bits`, which is clamped to the string.
    pub fn count(&self, bits: Range<u64>) -> u64 {
        match self {
            View::Flat(bytes) => flat::count(bytes, bits),
            View::Chunked(bitmap) => bitmap.count(bits),
        }
    }

    /// The first bit equal to `bit` inside `bits`, which is clamped to the string.
    pub fn find(&self, bit: bool, bits: Range<u64>) -> Option<u64> {
        match self {
            View::Flat(bytes) => flat::find(bytes, bit, bits),
            View::Chunked(bitmap) => bitmap.find(bit, bits),
        }
    }

    /// Where the one is that has `rank` ones before it.
    pub fn select(&self, rank: u64) -> Option<u64> {
        match self {
            View::Flat(bytes) => flat::select(bytes, rank),
            View::Chunked(bitmap) => bitmap.select(rank),
        }
    }

    /// Appends the bits equal to `bit` inside `bits`, which is clamped to the string, in order, until `into` is `most`
    /// long.
    pub fn positions(&self, bit: bool, bits: Range<u64>, most: usize, into: &mut Vec<u64>) {
        match self {
            View::Flat(bytes) => flat::positions(bytes, bit, bits, 0, most, into),
            View::Chunked(bitmap) => bitmap.positions(bit, bits, most, into),
        }
    }

    /// Copies the bytes from `at` on; zeros past the end.
    pub fn read(&self, at: u64, into: &mut [u8]) {
        match self {
            View::Flat(bytes) => {
                let from = bytes.len().min(usize::try_from(at).unwrap_or(usize::MAX));
                let len = into.len().min(bytes.len() - from);
                into[..len].copy_from_slice(&bytes[from..from + len]);
                into[len..].fill(0);
            }
            View::Chunked(bitmap) => bitmap.read(at, into),
        }
    }

    /// The whole string as bytes: for short strings and tests, since a long one takes its whole length in memory.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len()).expect("a string that fits in memory")];
        self.read(0, &mut bytes);
        bytes
    }
}

/// Short: a string may be gigabytes.
impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            View::Flat(bytes) if bytes.len() <= 16 => write!(f, "Flat({bytes:02x?})"),
            View::Flat(bytes) => write!(f, "Flat({} bytes, {} ones)", bytes.len(), self.ones()),
            View::Chunked(bitmap) => write!(f, "Chunked({bitmap:?})"),
        }
    }
}

/// By content, whatever the form.
impl PartialEq for View<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (View::Flat(a), View::Flat(b)) => a == b,
            (View::Chunked(a), View::Chunked(b)) => a == b,
            (View::Flat(bytes), View::Chunked(bitmap))
            | (View::Chunked(bitmap), View::Flat(bytes)) => bitmap.eq_bytes(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::oracle;

    #[test]
    fn both_forms_answer_alike() {
        for bytes in [
            oracle::noise(0),
            oracle::noise(1),
            oracle::noise(500),
            oracle::noise(20_000),
        ] {
            let bitmap = Bitmap::from_bytes(&bytes);
            let (flat, chunked) = (View::Flat(&bytes), View::Chunked(&bitmap));
            assert_eq!(flat, chunked);
            assert_eq!(flat.len(), chunked.len());
            assert_eq!(flat.is_empty(), chunked.is_empty());
            assert_eq!(flat.ones(), chunked.ones());
            assert_eq!(chunked.to_vec(), bytes);
            for at in [0, 1, 499, 500, 8191, 8192, 19_999, u64::MAX] {
                let (mut a, mut b) = ([7; 9], [7; 9]);
                flat.read(at, &mut a);
                chunked.read(at, &mut b);
                assert_eq!(a, b, "read at {at}");
                assert_eq!(flat.get(at), chunked.get(at));
                assert_eq!(
                    flat.count(at..at.saturating_add(99)),
                    chunked.count(at..at.saturating_add(99))
                );
                assert_eq!(
                    flat.find(false, at..u64::MAX),
                    chunked.find(false, at..u64::MAX)
                );
            }
        }
    }

    #[test]
    fn equality_sees_every_byte_and_the_length() {
        let bytes = oracle::noise(9000);
        let bitmap = Bitmap::from_bytes(&bytes);
        for at in [0, 4000, 8191, 8192, 8999] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(View::Flat(&other), View::Chunked(&bitmap), "byte {at}");
            assert_ne!(Bitmap::from_bytes(&other), bitmap, "byte {at}");
        }
        assert_ne!(View::Flat(&bytes[..8999]), View::Chunked(&bitmap));
        assert_ne!(View::Flat(&[0]), View::Chunked(&Bitmap::new()));
    }
}
