//! The portable serialization of Roaring bitmaps, which CRoaring, pyroaring, Java, Go, Spark and Druid read and write.
//!
//! Source: <https://github.com/RoaringBitmap/RoaringFormatSpec>. All integers are little-endian.
//!
//! ```text
//! 32 bits   without runs   u32 12346   u32 containers
//!           with runs      u16 12347   u16 containers - 1   1 bit a container: is it runs?   (to a whole byte)
//!           a container    u16 bits 16 to 31 of its positions   u16 ones - 1
//!           a container    u32 where it starts, from here    (with runs and fewer than 4 containers: not there)
//!           a container    array   up to 4096 ones   u16 each one
//!                          bits    more ones         8192 bytes, the first bit in the lowest
//!                          runs                      u16 runs   each: u16 first one, u16 ones after it
//!
//! 64 bits   u64 parts   a part: u32 bits 32 to 63 of its positions, and the rest as above
//! ```
//!
//! A container is what is a chunk here, and position n is bit n of a string. Bytes have their bits the other way round.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Refused, parse};
pub use write::{MOST_ONES, Portable};

/// What a bitmap without runs begins with.
const PLAIN: u32 = 12_346;

/// What a bitmap with runs begins with: the lower half of a word.
const WITH_RUNS: u16 = 12_347;

/// Bitmaps with runs tell where containers start if there are so many.
const FEW: usize = 4;

/// The most ones in an array.
const ARRAY: u32 = 4096;

/// The chunks that one bitmap of 32 bits has room for, as a shift.
const PART: u32 = 16;

/// The form of a container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Array,
    Bits,
    Runs,
}
