//! Keys that go without anybody having asked for it, and who wants to hear of it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a key went by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its time had come.
    Expired,
    /// Its memory was needed.
    Evicted,
}

/// Told of each key that goes by itself: database, key, reason. It runs under the exclusive lock of the key's shard, after
/// the key is out, so what it records stands in the order in which things happened; it must lock nothing that anybody
/// holds while asking for a key.
pub type Departed = Box<dyn Fn(usize, &[u8], Why) + Send + Sync>;

/// Who is told, if anybody; and how many there were, which can be read whatever is locked.
#[derive(Default)]
pub(super) struct Departures {
    told: OnceLock<Departed>,
    expired: AtomicU64,
}

impl Departures {
    /// Only the first call counts. Says whether this was it.
    pub fn set(&self, departed: Departed) -> bool {
        self.told.set(departed).is_ok()
    }

    #[inline]
    pub fn tell(&self, db: usize, key: &[u8], why: Why) {
        if why == Why::Expired {
            self.expired.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(departed) = self.told.get() {
            departed(db, key, why);
        }
    }

    /// Keys that went because their time had come, since start.
    pub fn expired(&self) -> u64 {
        self.expired.load(Ordering::Relaxed)
    }
}
