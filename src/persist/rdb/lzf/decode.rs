//! Decompression, into the chunks of a bitmap or into plain bytes.

use std::io::Read;

use super::{LEAST_COPY, MOST_LITERALS, WINDOW};
use crate::bits::Bitmap;
use crate::persist::rdb::{Error, input::Input};

/// The most bytes that say one thing: so many that follow as they are, and one in front.
const MOST_TOKEN: usize = MOST_LITERALS + 1;

const PAGE: usize = WINDOW;

/// How far back a copy may begin to be looked at for being a run.
const SHORT: usize = 16;

const TOO_LONG: &str = "a compressed string is longer than announced";
const TOO_SHORT: &str = "a compressed string is shorter than announced";
const BEFORE_START: &str = "a compressed string copies from before its start";

/// Where decompressed bytes go.
pub trait Target {
    /// How many there are.
    fn len(&self) -> u64;
    fn literal(&mut self, bytes: &[u8]);
    /// Copies from `back` bytes back, which is at least 1 and not more than there are.
    fn copy(&mut self, back: usize, len: usize);
}

/// Decompresses the next `compressed` bytes of the input, which must come to `len` bytes.
pub fn decompress<R: Read>(
    input: &mut Input<R>,
    compressed: u64,
    len: u64,
    target: &mut impl Target,
) -> Result<(), Error> {
    let mut left = compressed;
    while left > 0 {
        input.ensure(left.min(MOST_TOKEN as u64) as usize)?;
        let here = left.min(input.ready().len() as u64) as usize;
        let bytes = &input.ready()[..here];
        // Up to where the last token might be cut, except at the end, where a cut is an error.
        let safe = if here as u64 == left {
            here
        } else {
            here - (MOST_TOKEN - 1)
        };
        let mut at = 0;
        let mut wrong = None;
        while at < safe {
            match token(&bytes[at..], len, target) {
                Ok(used) => at += used,
                Err(what) => {
                    wrong = Some(what);
                    break;
                }
            }
        }
        input.consume(at);
        if let Some(what) = wrong {
            return input.corrupt(what);
        }
        left -= at as u64;
    }
    if target.len() < len {
        return input.corrupt(TOO_SHORT);
    }
    Ok(())
}

/// Does what the first token says, and tells how many bytes it has.
#[inline]
fn token(bytes: &[u8], len: u64, target: &mut impl Target) -> Result<usize, &'static str> {
    const CUT: &str = "a compressed string ends in the middle of a copy";
    let first = usize::from(bytes[0]);
    let room = len - target.len();
    if first < MOST_LITERALS {
        let literal = bytes.get(1..first + 2).ok_or(CUT)?;
        if literal.len() as u64 > room {
            return Err(TOO_LONG);
        }
        target.literal(literal);
        return Ok(literal.len() + 1);
    }
    let (copied, low, used) = match first >> 5 {
        7 => (
            usize::from(*bytes.get(1).ok_or(CUT)?) + LEAST_COPY + 6,
            bytes.get(2).ok_or(CUT)?,
            3,
        ),
        short => (short + LEAST_COPY - 1, bytes.get(1).ok_or(CUT)?, 2),
    };
    let back = ((first & 31) << 8 | usize::from(*low)) + 1;
    if copied as u64 > room {
        return Err(TOO_LONG);
    }
    if back as u64 > target.len() {
        return Err(BEFORE_START);
    }
    target.copy(back, copied);
    Ok(used)
}

impl Target for Vec<u8> {
    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }

    fn literal(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn copy(&mut self, back: usize, len: usize) {
        let start = Vec::len(self) - back;
        if back == 1 {
            self.resize(start + 1 + len, self[start]);
        } else if back >= len {
            self.extend_from_within(start..start + len);
        } else {
            (start..start + len).for_each(|at| self.push(self[at]));
        }
    }
}

/// A bitmap that grows page by page at its end. Runs of equal bytes are counted, not written, until something else comes.
pub struct Pages<'r> {
    bitmap: Bitmap,
    /// Asked before every [`ASK`]th page that is written down whether there is room for more.
    room: &'r mut dyn FnMut() -> bool,
    written: usize,
    /// There was none: nothing is kept any more.
    full: bool,
    /// The page before the one being filled, and that one.
    pages: Box<[u8; 2 * PAGE]>,
    /// How many bytes are in the whole pages so far, and how many in the one being filled.
    whole: u64,
    filled: usize,
    /// What comes after that: a byte, and how often.
    run: (u8, u64),
}

/// Pages that come to a mebibyte.
const ASK: usize = (1 << 20) / PAGE;

impl<'r> Pages<'r> {
    pub fn new(room: &'r mut dyn FnMut() -> bool) -> Self {
        Self {
            bitmap: Bitmap::new(),
            room,
            written: 0,
            full: false,
            pages: vec![0; 2 * PAGE]
                .into_boxed_slice()
                .try_into()
                .expect("two pages"),
            whole: 0,
            filled: 0,
            run: (0, 0),
        }
    }

    /// The bitmap, if there was room for it.
    pub fn finish(mut self) -> Option<Bitmap> {
        self.end_run();
        if self.full {
            return None;
        }
        self.bitmap
            .write(self.whole, &self.pages[PAGE..][..self.filled]);
        self.bitmap.grow(self.whole + self.filled as u64);
        Some(self.bitmap)
    }

    /// Whether a page may be written down.
    fn has_room(&mut self) -> bool {
        self.written += 1;
        if !self.full && self.written.is_multiple_of(ASK) && !(self.room)() {
            self.full = true;
            self.bitmap = Bitmap::new();
        }
        !self.full
    }

    /// Writes the page down if it is full.
    fn turn(&mut self) {
        if self.filled == PAGE {
            if self.has_room() {
                self.bitmap.write(self.whole, &self.pages[PAGE..]);
            }
            self.pages.copy_within(PAGE.., 0);
            self.whole += PAGE as u64;
            self.filled = 0;
        }
    }

    fn end_run(&mut self) {
        let (byte, mut len) = self.run;
        self.run.1 = 0;
        while len > 0 {
            if self.filled == 0 && len >= PAGE as u64 {
                len -= self.whole_pages(byte, len);
                continue;
            }
            let here = len.min((PAGE - self.filled) as u64) as usize;
            self.pages[PAGE + self.filled..][..here].fill(byte);
            self.filled += here;
            len -= here as u64;
            self.turn();
        }
    }

    /// Writes down as many whole pages as `len` bytes are, and tells how many bytes these have.
    fn whole_pages(&mut self, byte: u8, len: u64) -> u64 {
        let end = self.whole + len / PAGE as u64 * PAGE as u64;
        self.pages[..PAGE].fill(byte);
        if byte == 0 {
            if !self.full {
                self.bitmap.grow(end);
            }
        } else {
            for at in (self.whole..end).step_by(PAGE) {
                if self.has_room() {
                    self.bitmap.write(at, &self.pages[..PAGE]);
                }
            }
        }
        let written = end - self.whole;
        self.whole = end;
        written
    }
}

impl Target for Pages<'_> {
    #[inline]
    fn len(&self) -> u64 {
        self.whole + self.filled as u64 + self.run.1
    }

    fn literal(&mut self, mut bytes: &[u8]) {
        self.end_run();
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PAGE - self.filled));
            self.pages[PAGE + self.filled..][..now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
            self.turn();
        }
    }

    #[inline]
    fn copy(&mut self, back: usize, len: usize) {
        if back as u64 <= self.run.1 {
            self.run.1 += len as u64;
            return;
        }
        self.copy_bytes(back, len);
    }
}

impl Pages<'_> {
    fn copy_bytes(&mut self, back: usize, mut len: usize) {
        self.end_run();
        let end = PAGE + self.filled;
        if back <= SHORT && len > SHORT {
            let byte = self.pages[end - 1];
            if self.pages[end - back..end].iter().all(|b| *b == byte) {
                self.run = (byte, len as u64);
                return;
            }
        }
        while len > 0 {
            let here = len.min(PAGE - self.filled);
            let to = PAGE + self.filled;
            if back >= here {
                self.pages.copy_within(to - back..to - back + here, to);
            } else {
                (to..to + here).for_each(|at| self.pages[at] = self.pages[at - back]);
            }
            self.filled += here;
            len -= here;
            self.turn();
        }
    }
}
