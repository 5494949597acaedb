//! bitmapd: a Redis-compatible server for bitmaps.
//!
//! Each floor below imports itself and the floors above it in this list, never one below:
//!
//! 0. `config`, `stats`: every setting, every counter; under them `glob`, `number` and `words`: patterns, integers and
//!    words as Redis reads them; and `priority`: threads that step back.
//! 1. `bits`, `resp`: the bit engine; the wire. Neither knows the other.
//! 2. `store`: keys and values, with no input or output.
//! 3. `persist`: what outlives the process: the disk, RDB and AOF files.
//! 4. `cmd`: what each command means.
//! 5. `server`: sockets, timers and signals; the only floor that names tokio.

pub mod config;
pub mod glob;
pub mod number;
pub mod priority;
pub mod stats;
pub mod words;

pub mod bits;
pub mod resp;

pub mod store;

pub mod persist;

pub mod cmd;
pub mod server;
