//! The append-only log: every command that changed something, in the order in which it did.
//!
//! - [`feed`]: from the commands that run to one buffer; [`encode`] says how they look.
//! - [`writer`]: from the buffer to the disk, and what a failing disk means.
//! - [`manifest`]: which files are the log; [`files`] keeps them.
//! - [`rewrite`]: the log made short again, from what is in memory.
//! - [`load`]: the log read back at the start; [`replay`] reads one file of commands.
//!
//! # Why nothing is lost in between
//!
//! A new file of commands begins at one instant of the whole keyspace, marked under all locks. Everything before goes to
//! the old file, which is synced; only then is the new one on the list; only then is anything written to it. So at any moment
//! every file but the last is whole, and the last is whole but for its end.

pub mod encode;
pub mod feed;
pub mod files;
pub mod load;
pub mod manifest;
pub mod replay;
pub mod rewrite;
pub mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};

use super::media::File;
pub use feed::{Feed, Open};
pub use files::Files;
pub use writer::Writer;

/// When what is written is synced (`appendfsync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Policy {
    /// Once a second.
    EverySecond,
    /// Before the reply to the command that wrote.
    Always,
    /// When the system likes.
    No,
}

/// The log of one server, there whether or not it is kept.
#[derive(Default)]
pub struct Log {
    pub feed: Feed,
    policy: AtomicU8,
    /// `no-appendfsync-on-rewrite`.
    rest_on_rewrite: AtomicBool,
    rewriting: AtomicBool,
    /// What is logged goes to a file that is not on the list yet, since its base is still to be written.
    unlisted: AtomicBool,
    stopping: AtomicBool,
    troubled: AtomicBool,
    /// Bytes of the file that is written to.
    size: AtomicU64,
    /// Bytes of the other files of the log.
    other_size: AtomicU64,
    /// Bytes of all of them after the last rewrite, or at the start.
    base_size: AtomicU64,
    state: Mutex<State>,
    /// Tells that the writer has gone on to the next file, or met trouble.
    turned: Condvar,
}

#[derive(Default)]
struct State {
    /// What the writer goes on to at the cut.
    next: Next,
    /// How often it went on.
    turns: u64,
    trouble: Option<String>,
}

#[derive(Default)]
enum Next {
    /// No file: the log is turned off.
    #[default]
    Nothing,
    /// A file that is put on the list first.
    Listed(Arc<Files>, manifest::File, Arc<dyn File>),
    /// A file that will be on the list together with its base.
    Unlisted(Arc<dyn File>),
}

impl Log {
    fn policy(&self) -> Policy {
        match self.policy.load(Ordering::Relaxed) {
            0 => Policy::EverySecond,
            1 => Policy::Always,
            _ => Policy::No,
        }
    }

    /// Says when what is written is synced. Holds for what is written from now on.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(policy as u8, Ordering::Relaxed);
        self.feed.set_waits(policy == Policy::Always);
    }

    /// `no-appendfsync-on-rewrite`: whether nothing is synced while a rewrite keeps the disk busy.
    pub fn set_rest_on_rewrite(&self, rest: bool) {
        self.rest_on_rewrite.store(rest, Ordering::Relaxed);
    }

    /// `aof-timestamp-enabled`.
    pub fn set_stamps(&self, on: bool) {
        self.feed.set_stamps(on);
    }

    fn spares_syncs(&self) -> bool {
        self.rest_on_rewrite.load(Ordering::Relaxed) && self.is_rewriting()
    }

    /// Whether a rewrite is under way.
    pub fn is_rewriting(&self) -> bool {
        self.rewriting.load(Ordering::Relaxed)
    }

    /// Whether the rewrite under way is to make the first base of a log that was turned on. Until then a restart finds
    /// none of what is logged.
    pub fn is_beginning(&self) -> bool {
        self.is_rewriting() && self.unlisted.load(Ordering::Relaxed)
    }

    /// Bytes of the whole log.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed) + self.other_size.load(Ordering::Relaxed)
    }

    /// Bytes of the whole log when it was last rewritten, or read.
    pub fn base_size(&self) -> u64 {
        self.base_size.load(Ordering::Relaxed)
    }

    /// Why the log cannot be written at the moment, in the system's words. Commands that write are to be refused then.
    #[inline]
    pub fn trouble(&self) -> Option<String> {
        if !self.is_troubled() {
            return None;
        }
        self.state.lock().trouble.clone()
    }

    /// Whether there is any [`Log::trouble`].
    #[inline]
    pub fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed)
    }

    fn set_trouble(&self, error: Option<&io::Error>) {
        let mut state = self.state.lock();
        state.trouble = error.map(text_of);
        self.troubled.store(error.is_some(), Ordering::Relaxed);
        self.turned.notify_all();
    }

    /// Keeps the log from now on, in the last file of the list, of `len` bytes. Returns who writes it: [`Writer::run`] is to
    /// run on a thread of its own. Nobody else may use the keyspace yet.
    pub fn keep(self: &Arc<Self>, files: &Files, file: Arc<dyn File>, len: u64) -> Writer {
        let all = files.size().unwrap_or(len);
        self.size.store(len, Ordering::Relaxed);
        self.other_size
            .store(all.saturating_sub(len), Ordering::Relaxed);
        self.base_size.store(all, Ordering::Relaxed);
        self.feed.turn_on();
        Writer::new(Arc::clone(self), Some(writer::Out::new(file, len)))
    }

    /// Who writes the log once it is turned on.
    pub fn idle(self: &Arc<Self>) -> Writer {
        Writer::new(Arc::clone(self), None)
    }

    /// Keeps no log any more (CONFIG SET appendonly no). What was appended is written and synced first.
    pub fn turn_off(&self) {
        self.feed.turn_off();
        self.state.lock().next = Next::Nothing;
        self.feed.cut();
    }

    /// Lets the writer bring everything to the disk and end. Nothing is appended any more.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.feed.call();
        let _state = self.state.lock(); // or who is about to wait would miss it
        self.turned.notify_all();
    }

    fn stops(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// What the writer goes on to.
    fn next_file(&self) -> io::Result<Option<Arc<dyn File>>> {
        let mut state = self.state.lock();
        let file = match &state.next {
            Next::Nothing => None,
            Next::Unlisted(file) => Some(Arc::clone(file)),
            Next::Listed(files, info, file) => {
                files.change_list(|list| list.add_incremental(info.clone()))?;
                Some(Arc::clone(file))
            }
        };
        state.next = Next::Nothing;
        state.turns += 1;
        let size = self.size.swap(0, Ordering::Relaxed);
        self.other_size.fetch_add(size, Ordering::Relaxed);
        self.turned.notify_all();
        Ok(file)
    }
}

/// The system's words for an error, without its number.
fn text_of(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}
