//! Keys and values: what is stored under which name, in which database, until when.
//!
//! Synchronous and in memory. It must not know commands, replies, sockets or disks; it is handed its clock.
//!
//! Seen from above:
//! - [`keyspace`]: which shard a key lives in, how any set of keys is locked, the sweep of what is due.
//! - [`locked`]: what can be done with the keys that are locked; [`walk`]: and with whole databases.
//! - [`evict`]: which key goes when memory is short.
//! - [`handle`]: one entry, to read or to change.
//! - [`value`]: a Redis string outside the keyspace, short and flat or a compressed bitmap.
//! - [`watch`]: who wants to know that a key changed; [`departure`]: and that keys went by themselves.
//! - [`snapshot`]: everything as it was at one instant, read while it goes on changing.
//! - [`clock`]: what time it is; [`Tracking`]: what an entry remembers of its accesses.
//!
//! Inside, each holding the next: a `shard` behind one lock has a `table` for each database, made of `segment`s of about
//! a thousand keys in hash order, and a key with its value is an `entry`, one allocation.

mod ahead;
pub mod clock;
pub mod departure;
mod entry;
pub mod evict;
pub mod handle;
pub mod keyspace;
pub mod locked;
mod prefetch;
mod segment;
mod shard;
pub mod snapshot;
mod table;
mod tracking;
pub mod value;
pub mod walk;
pub mod watch;

pub use ahead::{Ahead, Found, Likely, Look, Shared, TOGETHER};
pub use clock::Clock;
pub use departure::Why;
pub use handle::{EntryMut, EntryRef, Removed};
pub use keyspace::{Access, Keyspace, Swept};
pub use locked::Locked;
pub use snapshot::Snapshot;
pub use tracking::Tracking;
pub use value::{Encoding, Value};
pub use walk::Garbage;
pub use watch::Watch;
