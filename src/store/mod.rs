//! Keys and values: what is stored under which name, in which database, until when.
//!
//! Synchronous and in memory. It must not know commands, replies, sockets or disks; it is handed its clock.
//!
//! - [`value`]: a Redis string, short and flat or a compressed bitmap.
//! - [`keyspace`]: which shard a key lives in, and how any set of keys is locked.
//! - [`watch`]: who wants to know that a key changed.
//! - [`clock`]: what time it is.

pub mod clock;
pub mod keyspace;
pub mod value;
pub mod watch;

pub use clock::Clock;
pub use keyspace::{Access, EntryMut, EntryRef, Keyspace, Locked, Removed};
pub use value::{Encoding, Value};
pub use watch::Watch;
