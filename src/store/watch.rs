//! WATCH: a mark that is set when any of the keys it was registered for changes.

use std::collections::HashMap;
use std::sync::Arc;
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

/// The keys of one shard that somebody watches, by database. Nearly always empty.
#[derive(Default)]
pub(super) struct Watchers(Vec<Watched>);

/// Of one database: by key, the marks to set.
type Watched = HashMap<Box<[u8]>, Vec<Arc<Watch>>>;

impl Watchers {
    pub fn add(&mut self, db: usize, key: &[u8], watch: &Arc<Watch>) {
        if self.0.len() <= db {
            self.0.resize_with(db + 1, HashMap::new);
        }
        self.0[db]
            .entry(key.into())
            .or_default()
            .push(Arc::clone(watch));
    }

    pub fn remove(&mut self, db: usize, key: &[u8], watch: &Arc<Watch>) {
        let Some(keys) = self.0.get_mut(db) else {
            return;
        };
        let Some(watching) = keys.get_mut(key) else {
            return;
        };
        watching.retain(|other| !Arc::ptr_eq(other, watch));
        if watching.is_empty() {
            keys.remove(key);
        }
        if self.0.iter().all(HashMap::is_empty) {
            self.0 = Vec::new();
        }
    }

    /// Sets the marks of whoever watches `key`.
    #[inline]
    pub fn touch(&self, db: usize, key: &[u8]) {
        if let Some(keys) = self.0.get(db) {
            keys.get(key)
                .into_iter()
                .flatten()
                .for_each(|watch| watch.touch());
        }
    }

    /// Sets the marks of whoever watches a key of the database for which `changed` is true.
    pub fn touch_where(&self, db: usize, changed: impl Fn(&[u8]) -> bool) {
        for (key, watching) in self.0.get(db).into_iter().flatten() {
            if changed(key) {
                watching.iter().for_each(|watch| watch.touch());
            }
        }
    }
}
