//! The end of the server: who may ask for it, and how it is passed on.

use std::sync::Arc;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// Ends a server from outside, as SIGTERM would. Cheap to clone.
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

/// Turns SIGTERM and SIGINT into a stop. A second SIGINT ends the process at once. SIGHUP, which a closing terminal sends,
/// is ignored.
pub(super) async fn heed_signals(stopper: Stopper) {
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
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        if stopper.is_stopped() && name == "SIGINT" {
            tracing::warn!("You insist... exiting now.");
            std::process::exit(1);
        }
        tracing::info!("Received {name} scheduling shutdown...");
        stopper.stop();
    }
}
