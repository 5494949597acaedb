//! What all connections share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

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
    aside: OnceLock<Aside>,
}

/// Runs what it is given, and returns when that is done: where it holds up no other connection.
pub type Aside = Box<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

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
            aside: OnceLock::new(),
        }
    }

    /// Says where long work runs; until then, on the caller's thread. Only the first call counts.
    pub fn set_aside(&self, aside: Aside) {
        let _ = self.aside.set(aside); // a second server on the same world runs it the same way
    }

    /// Runs long work, with no lock held, where it holds up no other connection.
    pub(super) fn aside(&self, work: &mut dyn FnMut()) {
        match self.aside.get() {
            Some(aside) => aside(work),
            None => work(),
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
