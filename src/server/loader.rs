//! Loading the data at the start, on a thread of its own, while clients are told to wait.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinHandle;

use super::ListenError;
use crate::cmd::{self, Bar, LoadError, World};

/// How long clients are kept waiting at the door rather than told that the data is being loaded.
const MOMENT: Duration = Duration::from_millis(200);

/// Why a server ended otherwise than by being stopped.
#[derive(Debug, Error)]
pub enum ServeError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        ListenError::from(error).into()
    }
}

/// The load under way, if it has not ended.
pub(super) struct Loader(Option<JoinHandle<Result<(), LoadError>>>);

impl Loader {
    /// Begins. Until it has succeeded, the world refuses what needs the data.
    pub fn start(world: &Arc<World>) -> Self {
        world.gate.set(Bar::Loading, true);
        let world = Arc::clone(world);
        Self(Some(tokio::task::spawn_blocking(move || {
            cmd::load(&world)?;
            world.gate.set(Bar::Loading, false);
            Ok(())
        })))
    }

    /// Waits until it has ended, but not for long.
    pub async fn wait_a_moment(&mut self) -> Result<(), LoadError> {
        match tokio::time::timeout(MOMENT, self.wait()).await {
            Ok(result) => result,
            Err(_still_loading) => Ok(()),
        }
    }

    /// Waits until it has ended. Can be given up and called again.
    pub async fn wait(&mut self) -> Result<(), LoadError> {
        let Some(thread) = &mut self.0 else {
            return Ok(());
        };
        let result = thread.await.expect("loading does not panic");
        self.0 = None;
        result
    }
}
