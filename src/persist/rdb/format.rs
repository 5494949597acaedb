//! The layout of an RDB file, and the numbers in it.
//!
//! ```text
//! file      "REDIS" version in four digits
//!           AUX name value, any number
//!           for each database with keys:
//!             SELECTDB length, RESIZEDB length length (keys, and those that expire)
//!             for each key:
//!               [EXPIRETIME_MS i64 le | EXPIRETIME i32 le] [IDLE length | FREQ u8] type key value
//!           EOF checksum u64 le, 0 where there is none (since version 5)
//!
//! length    00vvvvvv                     6 bits
//!           01vvvvvv vvvvvvvv            14 bits
//!           10000000 u32 be
//!           10000001 u64 be
//!           11eeeeee                     in front of a string: not a length but an encoding
//!
//! string    length bytes
//!           11000000 i8                  the decimal digits of the integer
//!           11000001 i16 le
//!           11000010 i32 le
//!           11000011 length length lzf   compressed length, length, LZF
//! ```
//!
//! Names, types and keys are strings; so is a value of type 0. Other types' values are described in `skip`. The format
//! has no specification besides what Redis reads and writes.

/// What files begin with.
pub const MAGIC: &[u8; 5] = b"REDIS";

/// The version of the files and payloads written here: that of Redis 7.0.
pub const WRITTEN: u16 = 10;

/// The newest version read: that of Redis 8.2.
pub const NEWEST: u16 = 12;

/// The first version that ends with a checksum.
pub const CHECKSUM_SINCE: u16 = 5;

/// What stands where a key's type would be.
pub mod opcode {
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION2: u8 = 245;
    pub const FUNCTION_PRE_GA: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQ: u8 = 249;
    pub const AUX: u8 = 250;
    pub const RESIZEDB: u8 = 251;
    pub const EXPIRETIME_MS: u8 = 252;
    pub const EXPIRETIME: u8 = 253;
    pub const SELECTDB: u8 = 254;
    pub const EOF: u8 = 255;
}

/// The type of a value that is a string.
pub const STRING: u8 = 0;

/// The first byte of a length, or of an encoded string.
pub mod length {
    pub const BITS_14: u8 = 0b0100_0000;
    pub const BITS_32: u8 = 0b1000_0000;
    pub const BITS_64: u8 = 0b1000_0001;
    pub const INT8: u8 = 0b1100_0000;
    pub const INT16: u8 = 0b1100_0001;
    pub const INT32: u8 = 0b1100_0010;
    pub const LZF: u8 = 0b1100_0011;
}

/// The longest string that is not worth compressing, in bytes, as Redis has it.
pub const LZF_MIN: u64 = 20;

/// The longest string there can be, in bytes: offsets of bits have 63.
pub const LONGEST: u64 = 1 << 60;
