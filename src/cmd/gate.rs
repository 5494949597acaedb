//! What keeps commands from running for the moment: data that is still being loaded, a disk that takes nothing.

use std::sync::atomic::{AtomicU8, Ordering};

use super::{Client, CmdError, Command, Flags, World};

/// A reason to refuse commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bar {
    /// The data is being loaded: what is not marked `loading` has to wait.
    Loading = 1,
    /// The last background save failed: no changes, if the settings want it so.
    SaveFailed = 2,
    /// The server saves for the last time: what is changed now would be lost.
    Closing = 4,
}

/// The reasons there are. Nearly always none, which costs a command one look.
#[derive(Default)]
pub struct Gate(AtomicU8);

impl Gate {
    /// Lowers or lifts a bar.
    pub fn set(&self, bar: Bar, down: bool) {
        if down {
            self.0.fetch_or(bar as u8, Ordering::SeqCst);
        } else {
            self.0.fetch_and(!(bar as u8), Ordering::SeqCst);
        }
    }

    pub fn is_down(&self, bar: Bar) -> bool {
        self.0.load(Ordering::Relaxed) & bar as u8 != 0
    }

    /// Whether there is no reason.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Why a command may not run now.
    #[inline]
    pub(super) fn check(
        &self,
        world: &World,
        client: &Client,
        command: &Command,
    ) -> Result<(), CmdError> {
        if self.is_open() && !world.log.is_troubled() {
            return Ok(());
        }
        self.check_bars(world, client, command)
    }

    #[cold]
    fn check_bars(
        &self,
        world: &World,
        client: &Client,
        command: &Command,
    ) -> Result<(), CmdError> {
        let flagged = |flag| {
            command.flags.contains(flag)
                || (command.name == "exec"
                    && (client.queue.as_ref()).is_some_and(|queue| queue.contains(flag)))
        };
        let config = &world.config;
        let changes = flagged(Flags::WRITE);
        if self.is_down(Bar::SaveFailed)
            // PING too, so that who only watches the server learns of it.
            && (changes || command.name == "ping")
            && config.stop_writes_on_bgsave_error()
            && !config.save_points().is_empty()
        {
            return Err(CmdError::other(
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                 Commands that may modify the data set are disabled, because this instance is configured to report \
                 errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the \
                 Redis logs for details about the RDB error.",
            ));
        }
        if (changes || command.name == "ping")
            && let Some(trouble) = world.log.trouble()
        {
            return Err(CmdError::other(format!(
                "MISCONF Errors writing to the AOF file: {trouble}"
            )));
        }
        if self.is_down(Bar::Closing) && changes {
            return Err(CmdError::other("ERR The server is shutting down"));
        }
        let waits = !command.flags.contains(Flags::LOADING)
            || (command.name == "exec"
                && (client.queue.as_ref()).is_some_and(|queue| queue.lacks(Flags::LOADING)));
        if self.is_down(Bar::Loading) && waits {
            return Err(CmdError::other(
                "LOADING Redis is loading the dataset in memory",
            ));
        }
        Ok(())
    }
}
