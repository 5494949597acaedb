//! From a serialization to a bitmap. Anybody may have made it, so nothing in it is believed: every length is held against
//! what is left of it before anything is allocated, and what is built takes about the memory that it took.

use std::fmt;

use super::{ARRAY, FEW, Kind, PART, PLAIN, WITH_RUNS};
use crate::bits::slot::{CHUNK_BITS, CHUNK_BYTES, Slot};
use crate::bits::{Bitmap, chunk, tree};

/// Why a serialization is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It is none, by what is found at this byte.
    Malformed { at: usize, why: &'static str },
    /// It has a one beyond the limit.
    TooFar,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { at, why } => write!(f, "{why} at byte {at}"),
            Self::TooFar => write!(f, "a position beyond the limit"),
        }
    }
}

/// The bitmap that `blob` is the serialization of, in 32 bits or in 64. Its string ends with the byte of the last one.
///
/// Ones have to be below `limit`.
pub fn parse(blob: &[u8], limit: u64) -> Result<Bitmap, Refused> {
    let narrow = parse_as(blob, limit, |parser| parser.part(0));
    let Err(refused @ Refused::Malformed { .. }) = narrow else {
        return narrow;
    };
    // The number of parts, below 2^32, and the two ways to begin a bitmap of 32 bits look alike where it is 12,346 or
    // ends in 12,347; then whichever is well-formed is meant.
    let wide = parse_as(blob, limit, Parser::parts);
    let begins_narrow = [PLAIN as u16, WITH_RUNS].map(u16::to_le_bytes);
    match wide {
        Err(Refused::Malformed { .. })
            if begins_narrow.iter().any(|word| blob.starts_with(word)) =>
        {
            Err(refused)
        }
        wide => wide,
    }
}

fn parse_as<'b>(
    blob: &'b [u8],
    limit: u64,
    body: impl FnOnce(&mut Parser<'b>) -> Result<(), Refused>,
) -> Result<Bitmap, Refused> {
    let mut parser = Parser {
        blob,
        at: 0,
        limit,
        root: Slot::ABSENT,
        end: 0,
    };
    body(&mut parser)?;
    if parser.at < blob.len() {
        return Err(parser.malformed("more than a bitmap"));
    }
    Ok(Bitmap::from_root(parser.end.div_ceil(8), parser.root))
}

struct Parser<'b> {
    blob: &'b [u8],
    /// Bytes read.
    at: usize,
    limit: u64,
    root: Slot,
    /// The bit after the last one so far.
    end: u64,
}

impl<'b> Parser<'b> {
    fn malformed(&self, why: &'static str) -> Refused {
        Refused::Malformed { at: self.at, why }
    }

    fn bytes(&mut self, len: usize) -> Result<&'b [u8], Refused> {
        let rest = &self.blob[self.at..];
        let taken = rest
            .get(..len)
            .ok_or(self.malformed("the end comes too early"))?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        Ok(*self
            .bytes(N)?
            .first_chunk()
            .expect("as many as were asked for"))
    }

    fn u16(&mut self) -> Result<u16, Refused> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, Refused> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// The parts of a bitmap of 64 bits.
    fn parts(&mut self) -> Result<(), Refused> {
        let parts = u64::from_le_bytes(self.array()?);
        if parts > 1 << 32 {
            return Err(Refused::Malformed {
                at: 0,
                why: "no bitmap begins so",
            });
        }
        let mut next = 0;
        for _ in 0..parts {
            let high = u64::from(self.u32()?);
            if high < next {
                return Err(self.malformed("parts are not in order"));
            }
            next = high + 1;
            self.part(high)?;
        }
        Ok(())
    }

    /// A bitmap of 32 bits, whose positions have these bits above.
    fn part(&mut self, high: u64) -> Result<(), Refused> {
        let start = self.at;
        let cookie = self.u32()?;
        let mut is_runs: Option<&[u8]> = None;
        let containers = if cookie == PLAIN {
            self.u32()? as usize
        } else if cookie as u16 == WITH_RUNS {
            let containers = (cookie >> 16) as usize + 1;
            is_runs = Some(self.bytes(containers.div_ceil(8))?);
            containers
        } else {
            self.at = start;
            return Err(self.malformed("no bitmap begins so"));
        };
        if containers > 1 << PART {
            return Err(self.malformed("too many containers"));
        }
        let heads = self.bytes(4 * containers)?;
        let tells_places = is_runs.is_none() || containers >= FEW;
        let places = self.bytes(if tells_places { 4 * containers } else { 0 })?;
        let mut places = places
            .as_chunks()
            .0
            .iter()
            .map(|place| u32::from_le_bytes(*place));
        let mut next = 0;
        for (index, [low, lower, ones, upper]) in heads.as_chunks().0.iter().enumerate() {
            let key = u16::from_le_bytes([*low, *lower]);
            let ones = u32::from(u16::from_le_bytes([*ones, *upper])) + 1;
            if u32::from(key) < next {
                return Err(self.malformed("containers are not in order"));
            }
            next = u32::from(key) + 1;
            if places
                .next()
                .is_some_and(|place| place as usize != self.at - start)
            {
                return Err(self.malformed("a container that is said to be elsewhere"));
            }
            let kind = match is_runs {
                Some(bits) if bits[index / 8] >> (index % 8) & 1 == 1 => Kind::Runs,
                _ if ones <= ARRAY => Kind::Array,
                _ => Kind::Bits,
            };
            let slot = self.container(kind, ones)?;
            self.push(high << PART | u64::from(key), slot)?;
        }
        Ok(())
    }

    fn container(&mut self, kind: Kind, ones: u32) -> Result<Slot, Refused> {
        let slot = match kind {
            Kind::Array => {
                let bytes = self.bytes(2 * ones as usize)?.as_chunks().0;
                let list: Vec<u16> = bytes.iter().map(|one| u16::from_le_bytes(*one)).collect();
                if !list.is_sorted_by(|a, b| a < b) {
                    return Err(self.malformed("positions are not in order"));
                }
                chunk::from_positions(&list, None)
            }
            Kind::Bits => {
                let bytes = self.bytes(CHUNK_BYTES)?;
                let bytes: Vec<u8> = bytes.iter().map(|byte| byte.reverse_bits()).collect();
                chunk::from_bytes(&bytes)
            }
            Kind::Runs => self.runs()?,
        };
        if slot.chunk_ones() != ones {
            return Err(self.malformed("another number of ones than was said"));
        }
        Ok(slot)
    }

    fn runs(&mut self) -> Result<Slot, Refused> {
        let runs = usize::from(self.u16()?);
        let bytes = self.bytes(4 * runs)?.as_chunks().0;
        let mut list: Vec<[u16; 2]> = Vec::with_capacity(runs);
        for [low, high, more_low, more_high] in bytes {
            let first = u16::from_le_bytes([*low, *high]);
            let last = first
                .checked_add(u16::from_le_bytes([*more_low, *more_high]))
                .ok_or(self.malformed("a run that is too long"))?;
            match list.last_mut() {
                Some([_, before]) if *before >= first => {
                    return Err(self.malformed("runs are not in order"));
                }
                // Two that touch are one here.
                Some([_, before]) if *before + 1 == first => *before = last,
                _ => list.push([first, last]),
            }
        }
        Ok(chunk::from_runs(&list, None))
    }

    fn push(&mut self, index: u64, slot: Slot) -> Result<(), Refused> {
        // Chunks reach as far as there are offsets.
        if index >= (1 << 63) / CHUNK_BITS {
            return Err(Refused::TooFar);
        }
        let last = chunk::select(&slot, slot.chunk_ones() - 1);
        self.end = index * CHUNK_BITS + u64::from(last) + 1;
        if self.end > self.limit {
            return Err(Refused::TooFar);
        }
        tree::update(&mut self.root, index, |place| *place = slot);
        Ok(())
    }
}
