//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Clients;
use crate::config::Config;
use crate::stats::Stats;
use crate::store::{Clock, Keyspace};

/// The server as commands see it.
pub struct World {
    pub config: Arc<Config>,
    pub stats: Arc<Stats>,
    pub keyspace: Keyspace,
    pub clients: Clients,
    /// Changes of keys since the last save (INFO's rdb_changes_since_last_save).
    pub changes: AtomicU64,
    /// Forty hexadecimal digits, new at every start.
    pub run_id: String,
    /// When the server started, in milliseconds since the Unix epoch.
    pub started_ms: i64,
}

impl World {
    pub fn new(config: Arc<Config>, stats: Arc<Stats>, clock: Clock) -> Self {
        Self {
            keyspace: Keyspace::new(config.databases(), clock.clone()),
            config,
            stats,
            clients: Clients::default(),
            changes: AtomicU64::new(0),
            run_id: run_id(),
            started_ms: clock.now_ms(),
        }
    }
}

/// Forty random hexadecimal digits, from the hasher keys that the standard library seeds from the system.
fn run_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    let mut id: String = (0..3u8)
        .map(|part| format!("{:016x}", RandomState::new().hash_one(part)))
        .collect();
    id.truncate(40);
    id
}
