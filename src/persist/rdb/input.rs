//! Bytes on their way in: a buffer that counts and sums what is taken from it.

use std::io::Read;

use crc_fast::Digest;

use super::format::length;
use super::{Error, checksum};

/// What the buffer holds, and so the most that can be had in one piece.
pub(super) const ROOM: usize = 64 * 1024;

/// The bytes of a source, in order. Reads ahead; see [`Input::into_rest`].
pub(super) struct Input<R> {
    source: R,
    buffer: Box<[u8]>,
    /// What is read and not taken yet.
    start: usize,
    end: usize,
    /// Where the source's byte at `buffer[0]` is.
    base: u64,
    /// The bytes before this one are in the sum.
    summed: usize,
    sum: Digest,
    /// What is being read, for the message if it ends here.
    pub within: &'static str,
}

/// A length, or how a string is encoded instead.
pub(super) enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<R: Read> Input<R> {
    pub fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; ROOM].into(),
            start: 0,
            end: 0,
            base: 0,
            summed: 0,
            sum: checksum(),
            within: "its header",
        }
    }

    /// How many bytes have been taken.
    pub fn at(&self) -> u64 {
        self.base + self.start as u64
    }

    pub fn corrupt<T>(&self, what: &'static str) -> Result<T, Error> {
        Err(Error::Corrupt {
            at: self.at(),
            what,
        })
    }

    /// The checksum of all that has been taken.
    pub fn sum(&mut self) -> u64 {
        self.add_to_sum();
        self.sum.finalize()
    }

    fn add_to_sum(&mut self) {
        self.sum.update(&self.buffer[self.summed..self.start]);
        self.summed = self.start;
    }

    /// Reads until `len` bytes, at most [`ROOM`], are there to be taken.
    #[inline]
    pub fn ensure(&mut self, len: usize) -> Result<(), Error> {
        if self.end - self.start < len {
            self.refill(len)?;
        }
        Ok(())
    }

    #[cold]
    fn refill(&mut self, len: usize) -> Result<(), Error> {
        assert!(len <= ROOM);
        self.add_to_sum();
        self.buffer.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        (self.start, self.summed) = (0, 0);
        while self.end < len {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    return Err(Error::Truncated {
                        at: self.base + self.end as u64,
                        within: self.within,
                    });
                }
                Ok(more) => self.end += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let at = self.base + self.end as u64;
                    return Err(Error::Read { at, error });
                }
            }
        }
        Ok(())
    }

    /// What is there to be taken.
    #[inline]
    pub fn ready(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes bytes that [`Input::ready`] showed.
    #[inline]
    pub fn consume(&mut self, len: usize) {
        debug_assert!(len <= self.end - self.start);
        self.start += len;
    }

    /// The next bytes, at most [`ROOM`].
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&[u8], Error> {
        self.ensure(len)?;
        self.start += len;
        Ok(&self.buffer[self.start - len..self.start])
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        Ok(*self.take(N)?.first_chunk().expect("as many as asked for"))
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, Error> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Takes any number of bytes, a buffer at a time.
    pub fn each(&mut self, len: u64, mut show: impl FnMut(&[u8])) -> Result<(), Error> {
        let mut left = len;
        while left > 0 {
            let piece = left.min(ROOM as u64);
            show(self.take(piece as usize)?);
            left -= piece;
        }
        Ok(())
    }

    pub fn skip(&mut self, len: u64) -> Result<(), Error> {
        self.each(len, |_| {})
    }

    pub fn length_or_encoding(&mut self) -> Result<Length, Error> {
        let first = self.byte()?;
        Ok(match first >> 6 {
            0 => Length::Plain(u64::from(first)),
            1 => {
                let low = self.byte()?;
                Length::Plain(u64::from(first & !length::BITS_14) << 8 | u64::from(low))
            }
            2 if first == length::BITS_32 => {
                Length::Plain(u32::from_be_bytes(self.array()?).into())
            }
            2 if first == length::BITS_64 => Length::Plain(u64::from_be_bytes(self.array()?)),
            2 => return self.corrupt("no length begins so"),
            _ => Length::Encoded(first),
        })
    }

    pub fn length(&mut self) -> Result<u64, Error> {
        match self.length_or_encoding()? {
            Length::Plain(len) => Ok(len),
            Length::Encoded(_) => self.corrupt("a string stands where a length should"),
        }
    }

    /// What was read ahead, and the source with what follows.
    pub fn into_rest(self) -> (Vec<u8>, R) {
        (self.buffer[self.start..self.end].to_vec(), self.source)
    }
}
