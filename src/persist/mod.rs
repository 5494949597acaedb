//! What outlives the process: files in Redis's own formats.
//!
//! Bytes, values and the disk. This floor must not know commands, replies, clients or sockets; where something has to
//! be run (a log that is read back), it is handed a closure. Nor does it start threads or read settings: whoever calls
//! says what is wanted and where it runs.
//!
//! - [`aof`]: the log of every command that changed something.
//! - [`save`]: the keyspace to a file, from a snapshot.
//! - [`load`]: and back.
//! - [`media`]: the disk's verbs; the real disk, and one in memory that loses power and fails when a test says so.
//! - [`rdb`]: the keyspace in one file, read and written; and one value, for DUMP and RESTORE.

pub mod aof;
pub mod load;
pub mod media;
pub mod rdb;
pub mod save;
