//! What a string is made of, from its first byte to its last: what is written to files without ever being laid out flat.

use super::Bitmap;
use super::View;
use super::chunk::{self, Form};
use super::slot::{CHUNK_BYTES, Slot};
use super::tree;

/// A stretch of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// So many bytes, at least one, that are all 00 or all ff.
    Fill(u8, u64),
    /// At least one byte and at most 8192.
    Bytes(&'a [u8]),
}

impl Bitmap {
    /// Shows all of the string, piece by piece. Costs what its memory costs to read, however long it is.
    pub fn each_piece(&self, show: &mut dyn FnMut(Piece<'_>)) {
        let mut teller = Teller {
            told: 0,
            len: self.len(),
            show,
        };
        let all = 0..self.len().div_ceil(CHUNK_BYTES as u64);
        let mut page = [0; CHUNK_BYTES];
        let root = self.root();
        tree::each_chunk(root, tree::height(root), 0, &all, &mut |index, slot| {
            teller.chunk(index * CHUNK_BYTES as u64, slot, &mut page);
        });
        teller.zeros_until(self.len());
    }
}

impl View<'_> {
    /// As [`Bitmap::each_piece`].
    pub fn each_piece(&self, show: &mut dyn FnMut(Piece<'_>)) {
        match self {
            View::Flat(bytes) => bytes
                .chunks(CHUNK_BYTES)
                .for_each(|bytes| show(Piece::Bytes(bytes))),
            View::Chunked(bitmap) => bitmap.each_piece(show),
        }
    }
}

struct Teller<'s> {
    /// The bytes before this one have been shown.
    told: u64,
    /// The string's length: a page may reach past it.
    len: u64,
    show: &'s mut dyn FnMut(Piece<'_>),
}

impl Teller<'_> {
    fn zeros_until(&mut self, at: u64) {
        if at > self.told {
            (self.show)(Piece::Fill(0, at - self.told));
            self.told = at;
        }
    }

    fn full(&mut self, at: u64, len: u64) {
        self.zeros_until(at);
        (self.show)(Piece::Fill(0xff, len));
        self.told = at + len;
    }

    fn bytes(&mut self, at: u64, bytes: &[u8]) {
        let inside = bytes.len().min((self.len - at) as usize);
        if inside > 0 {
            self.zeros_until(at);
            (self.show)(Piece::Bytes(&bytes[..inside]));
            self.told = at + inside as u64;
        }
    }

    /// The chunk that begins at byte `at`.
    fn chunk(&mut self, at: u64, slot: &Slot, page: &mut [u8; CHUNK_BYTES]) {
        match chunk::form(slot) {
            Form::Absent => {}
            Form::Array(ones) => self.runs(at, ones.iter().map(|one| [*one, *one])),
            Form::Runs(runs) => self.runs(at, runs.iter().copied()),
            Form::Bytes(bytes) => self.bytes(at, bytes),
            Form::Packed(packed) => {
                packed.paint(page);
                self.bytes(at, page);
            }
        }
    }

    /// The chunk that begins at byte `at` and has these runs of ones, in order.
    fn runs(&mut self, at: u64, runs: impl Iterator<Item = [u16; 2]>) {
        // The byte whose bits are being gathered, and those it has: neighbouring runs may share one.
        let (mut here, mut byte) = (0, 0);
        for [first, last] in runs {
            let (start, end) = (u64::from(first / 8), u64::from(last / 8));
            let (head, tail) = (0xff >> (first % 8), 0xff << (7 - last % 8));
            if start != here {
                self.byte(at + here, byte);
                (here, byte) = (start, 0);
            }
            if start == end {
                byte |= head & tail;
                continue;
            }
            self.byte(at + start, byte | head);
            if end - start > 1 {
                self.full(at + start + 1, end - start - 1);
            }
            (here, byte) = (end, tail);
        }
        self.byte(at + here, byte);
    }

    fn byte(&mut self, at: u64, byte: u8) {
        match byte {
            0 => {}
            0xff => self.full(at, 1),
            byte => self.bytes(at, &[byte]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::oracle;

    fn told(view: View<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        view.each_piece(&mut |piece| match piece {
            Piece::Fill(byte, len) => {
                assert!(len > 0 && (byte == 0 || byte == 0xff));
                bytes.resize(bytes.len() + len as usize, byte);
            }
            Piece::Bytes(more) => {
                assert!((1..=CHUNK_BYTES).contains(&more.len()));
                bytes.extend_from_slice(more);
            }
        });
        bytes
    }

    #[test]
    fn the_pieces_of_every_form_are_the_string() {
        let mut strings = oracle::short_strings();
        strings.extend([1, 5000, 8191, 8192, 8193, 30_000].map(oracle::noise));
        for gap in [1, 7, 8, 9, 300, 70_000] {
            let mut sparse = vec![0u8; 40_001];
            let mut runs = sparse.clone();
            for bit in (0..sparse.len() * 8).step_by(gap) {
                sparse[bit / 8] |= 0x80 >> (bit % 8);
                if bit / gap % 3 != 0 {
                    let end = (bit + gap - 1).min(runs.len() * 8);
                    (bit..end).for_each(|bit| runs[bit / 8] |= 0x80 >> (bit % 8));
                }
            }
            strings.extend([sparse, runs]);
        }
        strings.push([vec![0; 20_000], vec![0xff; 20_000], vec![0; 9000]].concat());
        for bytes in strings {
            assert_eq!(told(View::Flat(&bytes)), bytes);
            let bitmap = Bitmap::from_bytes(&bytes);
            assert_eq!(told(View::Chunked(&bitmap)), bytes, "{bitmap:?}");
        }
    }

    #[test]
    fn a_string_of_half_a_gigabyte_is_a_few_pieces() {
        let mut bitmap = Bitmap::new();
        bitmap.set(1 << 31, true);
        bitmap.grow(1 << 29);
        let mut pieces = Vec::new();
        bitmap.each_piece(&mut |piece| pieces.push(format!("{piece:?}")));
        let after = (1 << 29) - (1 << 28) - 1;
        let expected = [
            format!("Fill(0, {})", 1 << 28),
            "Bytes([128])".into(),
            format!("Fill(0, {after})"),
        ];
        assert_eq!(pieces, expected);
    }
}
