//! The bit engine: strings of bytes whose bits are set, counted, searched and combined.
//!
//! Bit 0 is the most significant bit of byte 0, as in Redis. A string grows by being written to, the new bytes are
//! zeros, and it never shrinks. Offsets go up to 2^63-1, so a string is at most 2^60 bytes long.
//!
//! Nothing here knows of keys, commands, clocks, disks or sockets.

mod bitmap;
mod chunk;
mod combine;
pub mod field;
pub mod flat;
pub mod kernel;
mod slot;
pub mod span;
mod tree;
mod view;

pub use bitmap::{Bitmap, Shape};
pub use combine::{Op, combine};
pub use view::View;

#[cfg(test)]
#[path = "../../tests/support/oracle.rs"]
pub(crate) mod oracle;
