//! What happens with nobody asking: keys whose time has come are removed, others where memory is short, clients that
//! sleep are closed, rates are taken, what changed is saved.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::Shared;
use crate::{
    cmd::{self, Room},
    stats::Counter,
};

/// Keys that the expiry sweep removes before it lets other tasks of its worker run: about a millisecond's work.
const SWEEP_KEYS: usize = 2000;

/// Removes expired keys, `hz` rounds a second.
pub(super) async fn sweep(shared: Arc<Shared>) {
    loop {
        let hz = shared.world.config.hz().max(1);
        tokio::time::sleep(Duration::from_millis(1000 / u64::from(hz))).await;
        if !shared.world.paused.sweep() {
            while !shared.world.keyspace.sweep(SWEEP_KEYS).all {
                shared.world.stats.count(Counter::ExpireTimeCaps);
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Evicts keys whenever a command had to leave off doing so, a short time at once, until `maxmemory` is kept.
pub(super) async fn evict(shared: Arc<Shared>) {
    let needed = Arc::new(Notify::new());
    let wake = Arc::clone(&needed);
    shared
        .world
        .ceiling
        .set_wake(Box::new(move || wake.notify_one()));
    loop {
        while shared.world.evict() == Room::Soon {
            tokio::task::yield_now().await;
        }
        needed.notified().await;
    }
}

/// Takes the samples behind INFO's rates and peaks, ten a second.
pub(super) async fn sample(shared: Arc<Shared>) {
    let start = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if !shared.world.paused.cron.load(Ordering::Relaxed) {
            let elapsed = start.elapsed().as_millis();
            shared
                .world
                .sample(u64::try_from(elapsed).unwrap_or(u64::MAX));
        }
    }
}

/// Starts the saves that are due.
pub(super) async fn save(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if !shared.world.paused.cron.load(Ordering::Relaxed) {
            cmd::tick(&shared.world);
        }
    }
}

/// Closes clients that have been silent for longer than `timeout` seconds (0: none).
pub(super) async fn close_idle(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if shared.world.paused.cron.load(Ordering::Relaxed) {
            continue;
        }
        let Some(timeout) = shared.world.config.timeout() else {
            continue;
        };
        let timeout_ms = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        let now = shared.world.keyspace.clock().now_ms();
        for client in shared.world.clients.list() {
            if client.is_subscribed() || client.is_monitor() {
                continue; // they listen, and may be silent for ever
            }
            let silent_ms = now - client.active_ms.load(Ordering::Relaxed);
            if silent_ms >= timeout_ms + 1000 {
                tracing::debug!("Closing idle client {}", client.addr);
                client.close();
            }
        }
    }
}
