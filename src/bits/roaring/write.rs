//! From chunks to containers, one at a time: nobody holds a whole serialization.

use super::{ARRAY, FEW, Kind, PART, PLAIN, WITH_RUNS};
use crate::bits::slot::{CHUNK_BYTES, Slot};
use crate::bits::{Bitmap, View, chunk, tree};

/// The most ones that are serialized. Most can be shared parts of a long range, which take no memory here, but there.
pub const MOST_ONES: u64 = 1 << 38;

/// A serialization, to be read from any place. Containers have whichever form is smallest, as after CRoaring's
/// `run_optimize`, so equal bitmaps have equal serializations.
pub struct Portable {
    bitmap: Bitmap,
    /// In order; each begins where the one before it ends.
    pieces: Vec<Piece>,
    len: u64,
}

struct Piece {
    at: u64,
    what: What,
}

enum What {
    Header(Box<[u8]>),
    Container { index: u64, kind: Kind },
}

/// What is known of a container before it is written.
struct Plan {
    index: u64,
    ones: u32,
    kind: Kind,
    len: u32,
}

impl Plan {
    fn of(index: u64, slot: &Slot) -> Self {
        let ones = slot.chunk_ones();
        let (plain, len) = if ones <= ARRAY {
            (Kind::Array, 2 * ones)
        } else {
            (Kind::Bits, CHUNK_BYTES as u32)
        };
        let as_runs = 2 + 4 * chunk::count_runs(slot);
        let (kind, len) = if as_runs < len || (as_runs == len && plain == Kind::Array) {
            (Kind::Runs, as_runs)
        } else {
            (plain, len)
        };
        Self {
            index,
            ones,
            kind,
            len,
        }
    }
}

impl Portable {
    /// None where the string has more than [`MOST_ONES`] ones.
    pub fn of(string: View<'_>) -> Option<Self> {
        if string.ones() > MOST_ONES {
            return None;
        }
        let bitmap = match string {
            View::Flat(bytes) => Bitmap::from_bytes(bytes),
            View::Chunked(bitmap) => bitmap.clone(),
        };
        let mut plans = Vec::new();
        let root = bitmap.root();
        let add = &mut |index, slot: &Slot| plans.push(Plan::of(index, slot));
        tree::each_chunk(root, tree::height(root), 0, &(0..u64::MAX), add);

        let mut portable = Self {
            bitmap,
            pieces: Vec::with_capacity(plans.len() + 1),
            len: 0,
        };
        let wide = plans.last().is_some_and(|last| last.index >> PART != 0);
        let parts: Vec<&[Plan]> = plans
            .chunk_by(|a, b| a.index >> PART == b.index >> PART)
            .collect();
        if wide {
            portable.push_header((parts.len() as u64).to_le_bytes().to_vec());
            for part in parts {
                let high = (part[0].index >> PART) as u32;
                portable.push_part(high.to_le_bytes().to_vec(), part);
            }
        } else {
            portable.push_part(Vec::new(), &plans);
        }
        Some(portable)
    }

    /// Appends a bitmap of 32 bits behind what `header` already holds.
    fn push_part(&mut self, mut header: Vec<u8>, plans: &[Plan]) {
        let before = header.len();
        let has_runs = plans.iter().any(|plan| plan.kind == Kind::Runs);
        if has_runs {
            header.extend(WITH_RUNS.to_le_bytes());
            header.extend((plans.len() as u16).wrapping_sub(1).to_le_bytes());
            header.extend(plans.chunks(8).map(|eight| {
                let bits = eight
                    .iter()
                    .zip(0..)
                    .map(|(plan, bit)| u8::from(plan.kind == Kind::Runs) << bit);
                bits.sum::<u8>()
            }));
        } else {
            header.extend(PLAIN.to_le_bytes());
            header.extend((plans.len() as u32).to_le_bytes());
        }
        for plan in plans {
            header.extend((plan.index as u16).to_le_bytes());
            header.extend(((plan.ones - 1) as u16).to_le_bytes());
        }
        if !has_runs || plans.len() >= FEW {
            let mut at = (header.len() - before + 4 * plans.len()) as u32;
            for plan in plans {
                header.extend(at.to_le_bytes());
                at += plan.len;
            }
        }
        self.push_header(header);
        for &Plan {
            index, kind, len, ..
        } in plans
        {
            self.push(What::Container { index, kind }, len.into());
        }
    }

    fn push_header(&mut self, header: Vec<u8>) {
        let len = header.len() as u64;
        self.push(What::Header(header.into()), len);
    }

    fn push(&mut self, what: What, len: u64) {
        self.pieces.push(Piece { at: self.len, what });
        self.len += len;
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the bytes from `at` on, all of them within the length.
    pub fn read(&self, at: u64, into: &mut [u8]) {
        let mut container = Vec::new();
        let mut done = 0; // of `into`
        let first = self.pieces.partition_point(|piece| piece.at <= at) - 1;
        for piece in &self.pieces[first..] {
            if done == into.len() {
                break;
            }
            let bytes: &[u8] = match &piece.what {
                What::Header(bytes) => bytes,
                What::Container { index, kind } => {
                    container.clear();
                    let slot = tree::chunk_at(self.bitmap.root(), *index);
                    write(slot, *kind, &mut container);
                    &container
                }
            };
            let bytes = &bytes[(at + done as u64 - piece.at) as usize..];
            let len = bytes.len().min(into.len() - done);
            into[done..done + len].copy_from_slice(&bytes[..len]);
            done += len;
        }
    }
}

/// Appends a container.
fn write(slot: &Slot, kind: Kind, to: &mut Vec<u8>) {
    match kind {
        Kind::Array => {
            let ones = chunk::to_positions(slot);
            to.extend(ones.iter().flat_map(|one| one.to_le_bytes()));
        }
        Kind::Bits => {
            let mut page = [0; CHUNK_BYTES];
            chunk::read(slot, 0, &mut page);
            to.extend(page.iter().map(|byte| byte.reverse_bits()));
        }
        Kind::Runs => {
            let runs = chunk::to_runs(slot);
            to.extend((runs.len() as u16).to_le_bytes());
            for [first, last] in runs {
                to.extend(first.to_le_bytes());
                to.extend((last - first).to_le_bytes());
            }
        }
    }
}
