//! What happens with nobody asking: keys whose time has come are removed, others where memory is short, clients that
//! sleep are closed, rates are taken, what changed is saved.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::Shared;
use crate::{
    cmd::{self, Room},
    stats::Counter,
};

/// Keys that the expiry sweep removes before it lets other tasks of its worker run: about a millisecond's work.
const SWEEP_KEYS: usize = 2000;

/// How long work that panicked rests before it begins anew.
const REST: Duration = Duration::from_millis(100);

/// Does `work`, which has no end, in the background. A panic in it is logged and counted, and it begins anew.
pub(super) async fn forever<F>(shared: Arc<Shared>, work: fn(Arc<Shared>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    while let Err(error) = tokio::spawn(work(Arc::clone(&shared))).await {
        if !error.is_panic() {
            return; // the server ends
        }
        shared.world.stats.count(Counter::Panics);
        tracing::error!("Background work panicked ({error}); it begins anew");
        tokio::time::sleep(REST).await;
    }
}

/// Removes expired keys, `hz` rounds a second.
pub(super) async fn sweep(shared: Arc<Shared>) {
    loop {
        let hz = shared.world.config.hz().max(1);
        tokio::time::sleep(Duration::from_millis(1000 / u64::from(hz))).await;
        if !shared.world.paused.sweep() && !cmd::is_paused(&shared.world) {
            while !shared.world.keyspace.sweep(SWEEP_KEYS).all {
                shared.world.stats.count(Counter::ExpireTimeCaps);
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Evicts keys whenever a command had to leave off doing so, a short time at once, until `maxmemory` is kept.
pub(super) async fn evict(shared: Arc<Shared>) {
    let needed = Arc::clone(&shared.evict_needed);
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

/// Rewrites the log when that is due.
pub(super) async fn tend_log(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if !shared.world.paused.cron.load(Ordering::Relaxed) {
            // It waits for the disk where a rewrite begins.
            tokio::task::block_in_place(|| cmd::tend_log(&shared.world));
        }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::{cmd::World, config::Config, store::Clock};

    #[tokio::test]
    async fn work_that_panics_begins_anew_and_is_counted() {
        static BEGUN: AtomicUsize = AtomicUsize::new(0);
        async fn work(_: Arc<Shared>) {
            if BEGUN.fetch_add(1, Ordering::Relaxed) < 2 {
                panic!("this panic is part of a test");
            }
        }
        let world = World::new(Arc::new(Config::new()), Arc::default(), Clock::System);
        let shared = Arc::new(Shared::new(Arc::new(world)));
        forever(Arc::clone(&shared), work).await;
        assert_eq!(BEGUN.load(Ordering::Relaxed), 3);
        assert_eq!(shared.world.stats.get(Counter::Panics), 2);
    }
}
