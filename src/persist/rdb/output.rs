//! Bytes on their way out: a buffer that counts and sums what passes, and the encoding of lengths and strings.

use std::io::{self, Write};

use crc_fast::Digest;

use super::checksum;
use super::format::{LZF_MIN, length};
use super::lzf::{Encoder, Sink};
use crate::bits::{Piece, View};
use crate::number::parse_i64;

/// What is gathered before it is written.
const ROOM: usize = 64 * 1024;

/// The most compressed bytes that are kept until it is known whether compressing pays. Longer strings are compressed
/// twice, once to know how long they become.
const KEEP: usize = 8 * 1024 * 1024;

/// The longest text of an integer that is stored as one: `-2147483648`.
const INT_TEXT: u64 = 11;

pub(super) struct Output<W> {
    sink: W,
    buffer: Vec<u8>,
    /// What has left the buffer.
    written: u64,
    /// The checksum of that, where one is wanted.
    sum: Option<Digest>,
}

impl<W: Write> Output<W> {
    pub fn new(sink: W, summed: bool) -> Self {
        Self {
            sink,
            buffer: Vec::with_capacity(ROOM),
            written: 0,
            sum: summed.then(checksum),
        }
    }

    /// How many bytes have been put.
    pub fn len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// The checksum of all that was put; 0 where none is wanted.
    pub fn sum(&mut self) -> io::Result<u64> {
        self.flush()?;
        Ok(self.sum.as_ref().map_or(0, Digest::finalize))
    }

    pub fn flush(&mut self) -> io::Result<()> {
        if let Some(sum) = &mut self.sum {
            sum.update(&self.buffer);
        }
        self.sink.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    pub fn into_sink(self) -> W {
        self.sink
    }

    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= ROOM {
            self.flush()?;
        }
        Ok(())
    }

    pub fn length(&mut self, len: u64) -> io::Result<()> {
        if len < 1 << 6 {
            self.put(&[len as u8])
        } else if len < 1 << 14 {
            self.put(&[length::BITS_14 | (len >> 8) as u8, len as u8])
        } else if let Ok(len) = u32::try_from(len) {
            self.put(&[length::BITS_32])?;
            self.put(&len.to_be_bytes())
        } else {
            self.put(&[length::BITS_64])?;
            self.put(&len.to_be_bytes())
        }
    }

    /// A string, in the shortest of its encodings; compressed only where that is allowed.
    pub fn string(&mut self, view: View<'_>, compress: bool) -> io::Result<()> {
        if let Some(int) = short_integer(view) {
            return self.integer(int);
        }
        if compress && view.len() > LZF_MIN && self.compressed(view)? {
            return Ok(());
        }
        self.length(view.len())?;
        if let View::Flat(bytes) = view {
            return self.put(bytes);
        }
        let mut result = Ok(());
        view.each_piece(&mut |piece| {
            if result.is_ok() {
                result = match piece {
                    Piece::Bytes(bytes) => self.put(bytes),
                    Piece::Fill(byte, len) => self.fill(&[byte], len),
                };
            }
        });
        result
    }

    fn integer(&mut self, int: i32) -> io::Result<()> {
        if let Ok(int) = i8::try_from(int) {
            self.put(&[length::INT8, int as u8])
        } else if let Ok(int) = i16::try_from(int) {
            self.put(&[length::INT16])?;
            self.put(&int.to_le_bytes())
        } else {
            self.put(&[length::INT32])?;
            self.put(&int.to_le_bytes())
        }
    }

    /// Puts the string compressed, if that is at least four bytes shorter; else nothing.
    fn compressed(&mut self, view: View<'_>) -> io::Result<bool> {
        let Kept { bytes, len } = Encoder::new(Kept::default()).string(view);
        if len + 4 > view.len() {
            return Ok(false);
        }
        self.put(&[length::LZF])?;
        self.length(len)?;
        self.length(view.len())?;
        if bytes.len() as u64 == len {
            self.put(&bytes)?;
        } else {
            drop(bytes);
            let straight = Encoder::new(Straight {
                output: self,
                result: Ok(()),
            });
            straight.string(view).result?;
        }
        Ok(true)
    }

    /// The same bytes over and over.
    fn fill(&mut self, bytes: &[u8], times: u64) -> io::Result<()> {
        let at_once = (ROOM / bytes.len()) as u64;
        let pattern = bytes.repeat(times.min(at_once) as usize);
        let mut left = times;
        while left > 0 {
            let now = left.min(at_once);
            self.put(&pattern[..now as usize * bytes.len()])?;
            left -= now;
        }
        Ok(())
    }
}

/// The integer that the string is the text of, if it has at most 32 bits.
fn short_integer(view: View<'_>) -> Option<i32> {
    if view.len() > INT_TEXT {
        return None;
    }
    let mut text = [0; INT_TEXT as usize];
    let text = &mut text[..view.len() as usize];
    view.read(0, text);
    parse_i64(text)?.try_into().ok()
}

/// Counts compressed bytes, and keeps them while they are few.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    len: u64,
}

impl Sink for Kept {
    fn put(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if self.len <= KEEP as u64 {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn repeat(&mut self, token: [u8; 3], times: u64) {
        self.len += times * 3;
        if self.len <= KEEP as u64 {
            let start = self.bytes.len();
            self.bytes.resize(start + times as usize * 3, 0);
            for group in self.bytes[start..].as_chunks_mut::<3>().0 {
                *group = token;
            }
        }
    }
}

/// Hands compressed bytes on; after an error, nothing.
struct Straight<'o, W> {
    output: &'o mut Output<W>,
    result: io::Result<()>,
}

impl<W: Write> Sink for Straight<'_, W> {
    fn put(&mut self, bytes: &[u8]) {
        if self.result.is_ok() {
            self.result = self.output.put(bytes);
        }
    }

    fn repeat(&mut self, token: [u8; 3], times: u64) {
        if self.result.is_ok() {
            self.result = self.output.fill(&token, times);
        }
    }
}
