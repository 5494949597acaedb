//! One key with its value, in one allocation.
//!
//! ```text
//!  offset  bytes  what                   there if
//!  0       4      access word            always; written under a shared lock
//!  4       2      length of the key      always; 0 if LONG_KEY
//!  6       1      length of the value    always; 0 if BITMAP
//!  7       1      flags                  always
//!  8       8      length of the key      LONG_KEY
//!          8      expiry, Unix ms        EXPIRES
//!          16     bits::Bitmap           BITMAP
//!          n      the key
//!          0-128  the value's bytes      not BITMAP
//! ```
//!
//! The allocation is rounded up to 16 bytes, so a short value often grows where it is.
//!
//! Why raw memory: what a safe layout costs is most of a small key. A `struct { key: Box<[u8]>, value: Value,
//! expires_at: Option<i64>, accessed: AtomicU32 }` takes 64 bytes and two more allocations, so a 16-byte key with a
//! 1-byte value comes to 64 + 16 + 8 bytes and the table's slot. Drawn as above it takes 25, which the allocator serves
//! from its 32-byte class, and one cache miss instead of three. `benches/keyspace.rs` measures both kinds of key.
//!
//! Outside [`raw`], where the memory is read and written, everything in this file is safe code.

use std::mem;
use std::sync::atomic::Ordering;

use super::clock::Moment;
use super::value::{Encoding, Expiry, FLAT_MAX, Value};
use crate::bits::{Bitmap, View, size_class};
use crate::words::is_same;
use raw::{Allocation, Shape};

#[path = "entry_raw.rs"]
mod raw;

/// A value on its way into an entry.
pub(super) enum Content<'a> {
    /// At most [`FLAT_MAX`] bytes.
    Flat(&'a [u8], Encoding),
    Bitmap(Bitmap),
}

impl<'a> Content<'a> {
    /// The bytes in the form an entry keeps for their length.
    pub fn new(bytes: &'a [u8], encoding: Encoding) -> Self {
        if bytes.len() <= FLAT_MAX {
            Content::Flat(bytes, encoding)
        } else {
            Content::Bitmap(Bitmap::from_bytes(bytes))
        }
    }

    /// The content as it is once it stands under `key`.
    pub fn under(self, key: &[u8], expiry: Expiry) -> Self {
        match self {
            Content::Flat(bytes, encoding) => {
                Content::Flat(bytes, encoding.under(key.len(), bytes.len(), expiry))
            }
            bitmap => bitmap,
        }
    }

    /// The value in the form an entry keeps. A bitmap is taken out of `value`, which is then empty.
    pub fn take(value: &'a mut Value) -> Self {
        match value {
            Value::Flat(bytes, encoding) => Content::new(bytes, *encoding),
            Value::Bitmap(bitmap) => Content::Bitmap(mem::take(bitmap)),
        }
    }
}

/// A key, its value, its expiry and when it was last used: eight bytes here, the rest behind them.
pub(super) struct Entry(Allocation);

impl Entry {
    /// `expires_at` is absolute, in milliseconds since the Unix epoch; `accessed` is the access word to begin with.
    pub fn new(key: &[u8], expires_at: Option<i64>, accessed: u32, content: Content<'_>) -> Self {
        let (value_len, bitmap) = match &content {
            Content::Flat(bytes, _) => (bytes.len(), false),
            Content::Bitmap(_) => (0, true),
        };
        let shape = Shape {
            key_len: key.len(),
            value_len,
            expires: expires_at.is_some(),
            bitmap,
        };
        let mut new = Allocation::new(shape, key);
        new.accessed().store(accessed, Ordering::Relaxed);
        if let Some(at) = expires_at {
            *new.expiry_mut().expect("the shape has one") = at;
        }
        match content {
            Content::Flat(bytes, encoding) => {
                new.flat_mut()
                    .expect("the shape has one")
                    .copy_from_slice(bytes);
                new.set_encoding(encoding);
            }
            Content::Bitmap(bitmap) => {
                *new.bitmap_mut().expect("the shape has one") = bitmap;
                new.set_encoding(Encoding::Raw);
            }
        }
        Self(new)
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        self.0.key()
    }

    /// Whether it is the entry of `key`.
    #[inline]
    pub fn is_of(&self, key: &[u8]) -> bool {
        is_same(self.key(), key)
    }

    /// Asks for the beginning of its memory, ahead of its use: all of most entries.
    #[inline]
    pub fn prefetch(&self) {
        self.0.prefetch();
    }

    /// Asks for the end of its memory, when the beginning is there.
    #[inline]
    pub fn prefetch_end(&self) {
        self.0.prefetch_end();
    }

    /// The value, in whichever form it is held.
    #[inline]
    pub fn view(&self) -> View<'_> {
        match self.0.bitmap() {
            Some(bitmap) => View::Chunked(bitmap),
            None => View::Flat(self.0.flat()),
        }
    }

    pub fn encoding(&self) -> Encoding {
        self.0.encoding()
    }

    /// When the key goes, in milliseconds since the Unix epoch.
    #[inline]
    pub fn expires_at(&self) -> Option<i64> {
        self.0.expiry()
    }

    /// Whether its time has come. The time is read only if the entry has one.
    #[inline]
    pub fn is_due(&self, moment: &Moment<'_>) -> bool {
        self.expires_at().is_some_and(|at| moment.is_past(at))
    }

    /// The access word: what it means is the business of whoever asks for it.
    pub fn accessed(&self) -> u32 {
        self.0.accessed().load(Ordering::Relaxed)
    }

    pub fn set_accessed(&self, word: u32) {
        self.0.accessed().store(word, Ordering::Relaxed);
    }

    /// A copy of the value; a bitmap shares its chunks.
    pub fn value(&self) -> Value {
        match self.0.bitmap() {
            Some(bitmap) => Value::Bitmap(bitmap.clone()),
            None => Value::Flat(self.0.flat().into(), self.encoding()),
        }
    }

    /// The value alone.
    pub fn into_value(mut self) -> Value {
        match self.0.bitmap_mut() {
            Some(bitmap) => Value::Bitmap(mem::take(bitmap)),
            None => Value::Flat(self.0.flat().into(), self.encoding()),
        }
    }

    /// Bytes allocated for the key and the value, those behind a bitmap included.
    pub fn heap_bytes(&self) -> usize {
        size_class(self.0.shape().size()) + self.0.bitmap().map_or(0, Bitmap::heap_bytes)
    }

    /// Another entry of the same content; a bitmap shares its chunks.
    pub fn copy(&self) -> Self {
        let content = match self.0.bitmap() {
            Some(bitmap) => Content::Bitmap(bitmap.clone()),
            None => Content::Flat(self.0.flat(), self.encoding()),
        };
        Self::new(self.key(), self.expires_at(), self.accessed(), content)
    }

    /// Whether the entry is not, or is no longer, what a snapshot that runs is to find: it came or changed after the mark.
    pub fn is_fresh(&self) -> bool {
        self.0.is_fresh()
    }

    pub fn set_fresh(&mut self, fresh: bool) {
        self.0.set_fresh(fresh);
    }

    /// The same key in memory of another shape.
    fn remade(&self, expires_at: Option<i64>, content: Content<'_>) -> Self {
        let mut new = Self::new(self.key(), expires_at, self.accessed(), content);
        new.set_fresh(self.is_fresh());
        new
    }

    /// Sets, moves or removes the expiry.
    pub fn set_expiry(&mut self, expires_at: Option<i64>) {
        match (self.0.expiry_mut(), expires_at) {
            (Some(held), Some(at)) => *held = at,
            (None, None) => {}
            _ => {
                let content = match self.0.bitmap_mut().map(mem::take) {
                    Some(bitmap) => Content::Bitmap(bitmap),
                    None => Content::Flat(self.0.flat(), self.encoding()),
                };
                let content = content.under(self.key(), Expiry::after(expires_at));
                *self = self.remade(expires_at, content);
            }
        }
    }

    /// Replaces the value; key, expiry and access word stay. Returns the bitmap that was there, which may take long to
    /// free.
    pub fn replace(&mut self, content: Content<'_>) -> Option<Bitmap> {
        let old = self.0.bitmap_mut().map(mem::take);
        match content {
            Content::Bitmap(new) if old.is_some() => *self.0.bitmap_mut().expect("just seen") = new,
            Content::Flat(new, encoding) if self.0.resize_in_place(new.len()) => {
                self.0
                    .flat_mut()
                    .expect("not a bitmap")
                    .copy_from_slice(new);
                self.0.set_encoding(encoding);
            }
            content => *self = self.remade(self.expires_at(), content),
        }
        old
    }

    /// Makes the string at least `len` bytes long, zero filled, and raw, and hands out the form it is then held in.
    ///
    /// A short string that outgrows [`FLAT_MAX`] becomes a bitmap. It is not extended by that: a bitmap does so itself, and
    /// better together with the change that is about to come.
    pub fn grow(&mut self, len: u64) -> Held<'_> {
        if self.0.bitmap().is_none() {
            let old = self.0.flat().len();
            if len > FLAT_MAX as u64 {
                let bitmap = Bitmap::from_bytes(self.0.flat());
                self.replace(Content::Bitmap(bitmap));
            } else if len as usize > old && !self.0.resize_in_place(len as usize) {
                let mut bytes = [0; FLAT_MAX];
                bytes[..old].copy_from_slice(self.0.flat());
                self.replace(Content::Flat(&bytes[..len as usize], Encoding::Raw));
            }
            self.0.set_encoding(Encoding::Raw);
        }
        if self.0.bitmap().is_some() {
            Held::Bitmap(self.0.bitmap_mut().expect("just seen"))
        } else {
            Held::Flat(self.0.flat_mut().expect("not a bitmap"))
        }
    }
}

/// A value where it is held, to change it there.
pub(super) enum Held<'a> {
    Flat(&'a mut [u8]),
    Bitmap(&'a mut Bitmap),
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
