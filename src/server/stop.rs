//! The end of the server: who may ask for it, and how it is passed on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::Shared;
use crate::cmd::{Farewell, may_end};
use crate::config::ShutdownFlags;

/// Ends a server from outside, as SHUTDOWN NOSAVE would. Cheap to clone.
#[derive(Clone)]
pub struct Stopper(Arc<watch::Sender<bool>>);

impl Stopper {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Asks the server to end. It answers what it has read, then goes.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether it has been asked to.
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is asked to.
    pub(super) async fn stopped(&self) {
        // The sender is alive as long as `self` is, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|&stopped| stopped).await;
    }
}

/// Turns SIGTERM and SIGINT into a stop, after saving if that is wanted; where it fails, the server goes on. A second
/// SIGINT meanwhile ends the process at once. SIGHUP, which a closing terminal sends,
/// is ignored.
pub(super) async fn heed_signals(shared: Arc<Shared>) {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut terminate), Ok(mut interrupt), Ok(_hangup)) = signals else {
        tracing::warn!(
            "Could not listen for signals: SIGTERM will end the server without a farewell"
        );
        return;
    };
    let ending = Arc::new(AtomicBool::new(false));
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        if ending.swap(true, Ordering::Relaxed) {
            if name == "SIGTERM" {
                continue;
            }
            tracing::warn!("You insist... exiting now.");
            std::process::exit(1);
        }
        tracing::info!("Received {name} scheduling shutdown...");
        let config = &shared.world.config;
        let flags = match name {
            "SIGINT" => config.shutdown_on_sigint(),
            _ => config.shutdown_on_sigterm(),
        };
        let (shared, ending) = (Arc::clone(&shared), Arc::clone(&ending));
        tokio::task::spawn_blocking(move || {
            if may_end(&shared.world, farewell(flags)) {
                shared.stopper.stop();
            } else {
                ending.store(false, Ordering::Relaxed);
            }
        });
    }
}

fn farewell(flags: ShutdownFlags) -> Farewell {
    Farewell {
        save: (flags.save || flags.nosave).then_some(flags.save),
        force: flags.force,
    }
}
