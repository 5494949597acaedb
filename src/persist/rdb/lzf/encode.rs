//! Compression, from pieces.

use super::{LEAST_COPY, MOST_COPY, MOST_LITERALS};
use crate::bits::{Piece, View};

/// Where compressed bytes go.
pub trait Sink {
    fn put(&mut self, bytes: &[u8]);

    /// These three bytes, so many times.
    fn repeat(&mut self, token: [u8; 3], times: u64);
}

/// Positions of groups of three bytes within a page, by their hash; 0 is none, and others are one too many.
type Seen = [u16; 1 << SEEN_BITS];
const SEEN_BITS: u32 = 12;

/// How many fruitless looks in a row make the next one a byte further away.
const PATIENCE: usize = 32;

/// Compresses a string that is given in pieces.
///
/// A run of equal bytes becomes copies from one back, straight from its length. Within a piece of other bytes, each
/// position is looked up among those before it by a hash of its three bytes; where that fails for long, the bytes are
/// taken to be noise, and ever fewer of them are looked at.
pub struct Encoder<S> {
    sink: S,
    /// Bytes that follow as they are, not yet handed on.
    literals: [u8; MOST_LITERALS],
    held: usize,
    /// The last byte of all, the run below not counted.
    last: Option<u8>,
    /// A run not yet handed on: the byte, and how often.
    run: (u8, u64),
    seen: Box<Seen>,
}

impl<S: Sink> Encoder<S> {
    pub fn new(sink: S) -> Self {
        Self {
            sink,
            literals: [0; MOST_LITERALS],
            held: 0,
            last: None,
            run: (0, 0),
            seen: Box::new([0; 1 << SEEN_BITS]),
        }
    }

    /// Compresses all of `view`.
    pub fn string(mut self, view: View<'_>) -> S {
        view.each_piece(&mut |piece| self.piece(piece));
        self.end_run();
        self.flush();
        self.sink
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Fill(byte, len) if self.run.0 == byte => self.run.1 += len,
            Piece::Fill(byte, len) => {
                self.end_run();
                self.run = (byte, len);
            }
            Piece::Bytes(bytes) => {
                self.end_run();
                self.bytes(bytes);
                self.last = bytes.last().copied();
            }
        }
    }

    fn end_run(&mut self) {
        let (byte, mut len) = self.run;
        if len == 0 {
            return;
        }
        self.run.1 = 0;
        if self.last != Some(byte) {
            self.literal(&[byte]);
            self.last = Some(byte);
            len -= 1;
        }
        let (most, rest) = (len / MOST_COPY as u64, len as usize % MOST_COPY);
        if most > 0 {
            self.flush();
            let (token, _) = copy(1, MOST_COPY);
            self.sink.repeat(token, most);
        }
        if rest >= LEAST_COPY {
            self.copy(1, rest);
        } else {
            self.literal(&[byte; LEAST_COPY][..rest]);
        }
    }

    /// At most 8192 bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        let (mut at, mut done, mut misses) = (0, 0, 0);
        if bytes.len() > LEAST_COPY {
            self.seen.fill(0);
        }
        while at + LEAST_COPY < bytes.len() {
            let slot = &mut self.seen[hash(&bytes[at..])];
            let before = usize::from(*slot);
            *slot = at as u16 + 1;
            if before == 0 || bytes[before - 1..][..LEAST_COPY] != bytes[at..][..LEAST_COPY] {
                misses += 1;
                at += 1 + misses / PATIENCE;
                continue;
            }
            let before = before - 1;
            let len = common(&bytes[before..], &bytes[at..]).min(MOST_COPY);
            self.literal(&bytes[done..at]);
            self.copy(at - before, len);
            at += len;
            (done, misses) = (at, 0);
            if at + LEAST_COPY < bytes.len() {
                self.seen[hash(&bytes[at - 1..])] = at as u16;
            }
        }
        self.literal(&bytes[done..]);
    }

    fn literal(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(MOST_LITERALS - self.held));
            self.literals[self.held..][..now.len()].copy_from_slice(now);
            self.held += now.len();
            bytes = later;
            if self.held == MOST_LITERALS {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        if self.held > 0 {
            self.sink.put(&[self.held as u8 - 1]);
            self.sink.put(&self.literals[..self.held]);
            self.held = 0;
        }
    }

    fn copy(&mut self, back: usize, len: usize) {
        self.flush();
        let (token, used) = copy(back, len);
        self.sink.put(&token[..used]);
    }
}

/// A copy, in as many bytes as said.
fn copy(back: usize, len: usize) -> ([u8; 3], usize) {
    let (back, len) = (back - 1, len - 2);
    let (high, low) = ((back >> 8) as u8, back as u8);
    if len < 7 {
        ([(len as u8) << 5 | high, low, 0], 2)
    } else {
        ([7 << 5 | high, (len - 7) as u8, low], 3)
    }
}

/// Of the first three bytes.
fn hash(bytes: &[u8]) -> usize {
    let three = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
    (three.wrapping_mul(0x9e37_79b1) >> (32 - SEEN_BITS)) as usize
}

/// How many bytes the two have in common at their start.
fn common(a: &[u8], b: &[u8]) -> usize {
    let (wide_a, wide_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let wide = wide_a
        .iter()
        .zip(wide_b)
        .take_while(|(a, b)| a == b)
        .count()
        * 8;
    let rest = a[wide..].iter().zip(&b[wide..]);
    wide + rest.take_while(|(a, b)| a == b).count()
}
