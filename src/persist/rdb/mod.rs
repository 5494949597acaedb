//! RDB: the keyspace in one file, as Redis writes it, and the same bytes for one value (DUMP).
//!
//! Both directions stream: neither needs memory for more than a few pages of a value, and a sparse bitmap is compressed
//! from its chunks and decompressed into them.
//!
//! - `format`: the layout drawn, and its numbers; `lzf`: the compression of strings;
//! - [`Writer`], over `output`: version 10, which Redis 7.0 and later read;
//! - [`Reader`], over `input`: versions 1 to 12; `skip` walks over the values of other types, to name them;
//! - [`dump`] and [`restore`]: one value.

mod error;
mod format;
mod input;
mod lzf;
mod output;
mod payload;
mod reader;
mod skip;
mod writer;

pub use error::{Error, Kinds};
pub use format::{NEWEST, WRITTEN};
pub use payload::{Refused, dump, restore};
pub use reader::{Item, Loaded, Reader};
pub use writer::{Facts, Hint, Options, Writer};

#[cfg(test)]
mod flips;
#[cfg(test)]
mod tests;

use crc_fast::{CrcAlgorithm, Digest};

/// The checksum of files and payloads: CRC-64 with the polynomial that the catalogue of CRCs names after Redis, all else
/// zero and reflected.
fn checksum() -> Digest {
    Digest::new(CrcAlgorithm::Crc64Redis)
}
