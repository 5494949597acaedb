//! LZF, the compression of strings in RDB files: quick, simple, and bound to the last 8 KiB.
//!
//! ```text
//! 000vvvvv                     v + 1 bytes follow as they are
//! lllvvvvv vvvvvvvv            copy l + 2 bytes (l is 1 to 6) from v + 1 bytes back
//! 111vvvvv llllllll vvvvvvvv   copy l + 9 bytes from v + 1 bytes back
//! ```
//!
//! A copy may reach into what it has just written, so that a byte and a copy from one back are a run. At most 264 bytes
//! come of three, which makes 6 MB of half a gigabyte of zeros.
//!
//! The format is Marc Lehmann's liblzf, which Redis carries; the code is not.

mod decode;
mod encode;

pub use decode::{Pages, decompress};
pub use encode::{Encoder, Sink};

/// The most bytes that follow as they are.
const MOST_LITERALS: usize = 32;

/// The fewest and the most bytes of a copy.
const LEAST_COPY: usize = 3;
const MOST_COPY: usize = 264;

/// How far back a copy may begin.
const WINDOW: usize = 8192;

#[cfg(test)]
mod tests;
