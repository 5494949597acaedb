//! The bit engine: strings of bytes whose bits are set, counted, searched and combined.
//!
//! Bit 0 is the most significant bit of byte 0, as in Redis. A string grows by being written to, the new bytes are
//! zeros, and it never shrinks. Offsets go up to 2^63-1, so a string is at most 2^60 bytes long.
//!
//! Nothing here knows of keys, commands, clocks, disks or sockets.
//!
//! From the outside in:
//!
//! - [`View`]: a string to read, plain or compressed; [`Bitmap`]: one in chunks; [`combine()`]: BITOP;
//! - [`Piece`]: what a string is made of, for whoever writes it down;
//! - `flat`, `span`, `field`: plain bytes, ranges as clients write them, BITFIELD integers;
//! - `tree`: the directory of chunks; `chunk`: 65,536 bits in the smallest of six forms, and the gate that picks it;
//! - `roaring`: what other programs read and write;
//! - `slot`: the eight bytes that own a node or a chunk, and all the memory handling; `kernel`: the inner loops.
//!
//! Roads not taken. *Sorted arrays up to 4096 ones*, as in Roaring: between 1.5 % and 10 % of ones they are larger than
//! packed bytes, each SETBIT moves half of one, and merging two is a mispredicted branch a one (BITOP OR of two 100 M-bit
//! bitmaps at 2 %: 5.2 ms by arrays, 2.7 ms packed). *A header before a whole page*: 8192 bytes and a header take 10,240
//! of the allocator. *A run count in every chunk*, for the gate to see at each change: the gate looks when a
//! block is full or after 255 changes instead, and a look costs a quarter of a microsecond.

mod bitmap;
mod chunk;
mod combine;
pub mod field;
pub mod flat;
pub mod kernel;
mod pieces;
mod roaring;
mod slot;
pub mod span;
mod tree;
mod view;

pub use bitmap::{Bitmap, Shape};
pub use combine::{Op, SHORT, combine, combine_on, combine_short, count_combined};
pub use pieces::Piece;
pub use roaring::{MOST_ONES, Portable, Refused, parse as parse_portable};
pub use slot::size_class;
pub use view::View;

#[cfg(test)]
#[path = "../../tests/support/oracle.rs"]
pub(crate) mod oracle;
