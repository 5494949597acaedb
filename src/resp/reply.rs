//! What a command answers, before it is bytes.

use std::{borrow::Cow, fmt, ops::Deref};

use bytes::Bytes;
use smallvec::SmallVec;

use super::Integers;

/// What BITFIELD answers.
pub type Fields = SmallVec<[Option<i64>; 2]>;

/// Which of the two forms of the protocol a client asked for with HELLO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// What every client starts with.
    #[default]
    Resp2,
    /// With its own types for nulls, booleans, doubles, maps and sets.
    Resp3,
}

/// One answer. RESP2 has fewer types: what it lacks is sent as the type named beside each.
#[derive(Debug)]
pub enum Reply {
    /// `+OK`.
    Ok,
    /// A short text, without line ends: `+QUEUED`.
    Simple(Cow<'static, str>),
    /// An error: its code, a space, its text. Line ends in it are sent as spaces, other bytes as they are.
    Error(Blob),
    /// A signed 64-bit integer.
    Integer(i64),
    /// A byte string.
    Bulk(Blob),
    /// A byte string too long to copy now.
    Stream(Box<dyn Source>),
    /// No value (RESP2: the null bulk string).
    Null,
    /// No array: an EXEC given up (RESP2: the null array; RESP3 has one null).
    NullArray,
    /// Replies in order.
    Array(Vec<Reply>),
    /// An array of integers, where there may be a million.
    Integers(Integers),
    /// An array of integers, nil where there is none. A few need no allocation.
    Fields(Fields),
    /// Pairs in order (RESP2: one array of both).
    Map(Vec<(Reply, Reply)>),
    /// Replies without order or repetition (RESP2: an array).
    Set(Vec<Reply>),
    /// A floating point number (RESP2: its text as a bulk string).
    Double(f64),
    /// True or false (RESP2: 1 or 0).
    Boolean(bool),
    /// An integer of any size, as decimal digits (RESP2: a bulk string).
    BigNumber(Cow<'static, str>),
    /// A text and what it is written in, `txt` or `mkd` (RESP2: a bulk string of the text alone).
    Verbatim { format: [u8; 3], text: String },
    /// Something the client did not ask for just now (RESP2: an array).
    Push(Vec<Reply>),
    /// A reply with something said about it that the client may ignore (RESP2: the reply alone).
    Attributed {
        attributes: Vec<(Reply, Reply)>,
        reply: Box<Reply>,
    },
    /// A reply with something else behind it that is no part of it, such as a [`Reply::Push`].
    Followed(Box<[Reply; 2]>),
    /// Nothing is sent.
    None,
}

impl Reply {
    /// A bulk string.
    pub fn bulk(bytes: impl Into<Blob>) -> Self {
        Self::Bulk(bytes.into())
    }

    /// An error of this code and text.
    pub fn error(text: impl Into<Blob>) -> Self {
        Self::Error(text.into())
    }

    /// Whether it is an error. One inside an array does not count.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

/// A byte string that is produced piece by piece while it is sent. It must not change meanwhile.
pub trait Source: Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> u64;

    /// Whether there are no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes `at..at + into.len()`, all of them within the length.
    fn read(&self, at: u64, into: &mut [u8]);
}

impl fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({} bytes)", self.len())
    }
}

/// Bytes of a reply: short ones held in place, longer ones shared.
#[derive(Clone)]
pub struct Blob(Held);

/// The longest byte string held in place: with its length and its tag it fills 72 bytes, and the usual 64-byte value fits.
const INLINE: usize = 70;

#[derive(Clone)]
enum Held {
    Inline { len: u8, bytes: [u8; INLINE] },
    Shared(Bytes),
}

impl Blob {
    /// The bytes as a shared buffer, if that is how they are held: taking it again costs no copy.
    pub(super) fn into_shared(self) -> Result<Bytes, Self> {
        match self.0 {
            Held::Shared(bytes) => Ok(bytes),
            Held::Inline { .. } => Err(self),
        }
    }

    fn inline(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; INLINE];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        Some(Self(Held::Inline {
            len: u8::try_from(from.len()).ok()?,
            bytes,
        }))
    }
}

impl Deref for Blob {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Held::Shared(bytes) => bytes,
        }
    }
}

impl From<&[u8]> for Blob {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        Self::inline(bytes).unwrap_or_else(|| Self(Held::Shared(Bytes::copy_from_slice(bytes))))
    }
}

impl From<Bytes> for Blob {
    fn from(bytes: Bytes) -> Self {
        Self::inline(&bytes).unwrap_or(Self(Held::Shared(bytes)))
    }
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Self {
        Self::inline(&bytes).unwrap_or_else(|| Self(Held::Shared(bytes.into())))
    }
}

impl From<&str> for Blob {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}

impl From<String> for Blob {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl<const N: usize> From<&[u8; N]> for Blob {
    fn from(bytes: &[u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Blob {}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 64;
        match self.get(..SHOWN) {
            Some(start) => write!(f, "\"{}\"... ({} bytes)", start.escape_ascii(), self.len()),
            None => write!(f, "\"{}\"", self.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_the_bytes_it_was_made_of_whatever_their_length() {
        for len in 0..200 {
            let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
            assert_eq!(*Blob::from(bytes.as_slice()), *bytes);
            assert_eq!(*Blob::from(bytes.clone()), *bytes);
            assert_eq!(*Blob::from(Bytes::from(bytes.clone())), *bytes);
            assert_eq!(Blob::from(bytes).into_shared().is_ok(), len > INLINE);
        }
    }

    #[test]
    fn a_reply_stays_within_a_cache_line_and_a_half() {
        assert!(size_of::<Blob>() <= 72, "{}", size_of::<Blob>());
        assert!(size_of::<Reply>() <= 80, "{}", size_of::<Reply>());
    }
}
