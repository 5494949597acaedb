//! WATCH: a mark that is set when any of the keys it was registered for changes.

use std::sync::atomic::{AtomicBool, Ordering};

/// One connection's mark. Registered with each key it watches; set by whoever changes one of them.
#[derive(Debug, Default)]
pub struct Watch {
    touched: AtomicBool,
}

impl Watch {
    /// Says that a watched key changed. Called under the exclusive lock of the key's shard.
    pub fn touch(&self) {
        self.touched.store(true, Ordering::Relaxed);
    }

    /// Whether a watched key changed. Exact only while the shards of the watched keys are locked.
    pub fn is_touched(&self) -> bool {
        self.touched.load(Ordering::Relaxed)
    }
}
