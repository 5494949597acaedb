//! `maxmemory-clients`: what all connections hold together is kept under it, by closing those that hold most.
//!
//! A connection says what it holds whenever that changed by more than a little, into one sum. Only where the sum exceeds
//! the limit are the connections looked at one by one. With no limit, nothing is reckoned at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::client::ClientInfo;
use super::{Client, World};
use crate::stats::Counter;

/// Changes smaller than this, in bytes, are not told.
const STEP: usize = 4096;

/// What a connection holds that has nothing to read and nothing to send.
const BASE: usize = size_of::<Client>() + size_of::<ClientInfo>();

/// What all connections hold, beside [`BASE`] for each, in bytes.
#[derive(Default)]
pub struct Burden {
    sum: AtomicUsize,
    /// One thread closes connections at a time.
    closing: Mutex<()>,
}

impl World {
    /// To be called when a connection's buffers may have changed, with how many bytes they hold now. The connection may be
    /// told to close by this.
    #[inline]
    pub fn weigh(&self, info: &ClientInfo, buffers: impl FnOnce() -> usize) {
        match self.config.maxmemory_clients() {
            0 => {}
            limit => self.weigh_below(info, buffers(), limit),
        }
    }

    fn weigh_below(&self, info: &ClientInfo, buffers: usize, limit: u64) {
        let held = buffers + info.kept_bytes();
        let told = info.burden.load(Ordering::Relaxed);
        // One that is about to close was taken out of the sum already.
        if held.abs_diff(told) < STEP || info.is_closing() {
            return;
        }
        let told = info.burden.swap(held, Ordering::Relaxed);
        self.burden
            .sum
            .fetch_add(held.wrapping_sub(told), Ordering::Relaxed);
        if self.clients_hold() > limit {
            self.close_heaviest(limit);
        }
    }

    /// What all connections hold, in bytes.
    fn clients_hold(&self) -> u64 {
        (self.burden.sum.load(Ordering::Relaxed) + self.clients.len() * BASE) as u64
    }

    /// Forgets what a connection held that is gone.
    pub(super) fn unburden(&self, info: &ClientInfo) {
        let told = info.burden.swap(0, Ordering::Relaxed);
        self.burden.sum.fetch_sub(told, Ordering::Relaxed);
    }

    /// Closes the connections that hold most until the others hold less than `limit`.
    fn close_heaviest(&self, limit: u64) {
        let _one = self.burden.closing.lock();
        let mut all: Vec<Arc<ClientInfo>> = self.clients.list();
        all.retain(|info| !info.is_closing() && !info.no_evict.load(Ordering::Relaxed));
        all.sort_by_cached_key(|info| info.burden.load(Ordering::Relaxed));
        while self.clients_hold() > limit
            && let Some(info) = all.pop()
        {
            tracing::info!(
                "Evicting client {}, which holds {} bytes",
                info.addr,
                info.burden.load(Ordering::Relaxed) + BASE
            );
            self.stats.count(Counter::EvictedClients);
            self.unburden(&info);
            info.close();
        }
    }
}
