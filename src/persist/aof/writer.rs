//! Brings the log to the disk, on a thread of its own.
//!
//! # One sync for all that wait
//!
//! Under `always` the writer takes whatever has gathered, writes it, syncs it, and wakes every connection whose commands
//! were in it; what comes meanwhile is the next round. Under `everysec` it writes a few hundred times a second at most and
//! syncs once. Commands wait only where the disk is so slow that too much has gathered ([`Feed::wait_for_room`]).
//!
//! # When the disk fails
//!
//! What is not synced is kept in memory. After a failed write the file is cut back to what was whole before; after a failed
//! sync, to what was synced before, since Linux forgets what it could not write and lets the next sync succeed. Then all of it
//! is written again, until it works. Meanwhile commands that write are refused ([`Log::trouble`]), and who waits for the
//! disk goes on waiting: it is not told that its change is safe, nor that it is lost.
//!
//! [`Feed::wait_for_room`]: super::Feed::wait_for_room

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::feed::Feed;
use super::{Log, Policy};
use crate::persist::media::File;

/// How long bytes gather before they are written, where nobody waits for them.
const GATHER: Duration = Duration::from_millis(5);

/// From how many connections on those that wait for one sync are given a moment to gather for the next.
const COMPANY: usize = 4;

/// The longest such moment.
const MOMENT: Duration = Duration::from_millis(1);

/// How often what is written is synced under `everysec`.
const SECOND: Duration = Duration::from_secs(1);

/// How long until a failed write is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Bytes not synced that make a sync due before its time: they are held in memory too.
const UNSYNCED: usize = 32 << 20;

/// The file that is written to.
pub(super) struct Out {
    file: Arc<dyn File>,
    /// Its bytes that are certainly on the disk.
    synced_len: u64,
    /// What comes after those.
    kept: Vec<u8>,
    /// How much of `kept` is in the file.
    written: usize,
    /// Whether bytes may be in the file past those.
    torn: bool,
    /// Whether `synced_len` counts bytes that the system was trusted with and that were not synced since.
    trusted: bool,
}

impl Out {
    /// Goes on at the end of a file of `len` bytes, all of which are synced.
    pub fn new(file: Arc<dyn File>, len: u64) -> Self {
        Self {
            file,
            synced_len: len,
            kept: Vec::new(),
            written: 0,
            torn: false,
            trusted: false,
        }
    }

    /// Whether all that was added is certainly on the disk.
    fn is_synced(&self) -> bool {
        self.kept.is_empty() && !self.trusted
    }

    /// Adds what is to be written next, and returns a buffer to gather more in.
    fn add(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        if self.kept.is_empty() {
            std::mem::replace(&mut self.kept, bytes)
        } else {
            self.kept.extend_from_slice(&bytes);
            bytes
        }
    }

    /// The bytes in the file that are whole.
    fn len(&self) -> u64 {
        self.synced_len + self.written as u64
    }

    /// Writes what is not in the file. If not all of it goes in, none does: no command is to be there in part.
    fn write(&mut self) -> io::Result<()> {
        self.mend()?;
        let mut at = self.written;
        while at < self.kept.len() {
            self.torn = true;
            match self.file.write(&self.kept[at..]) {
                Ok(count) if count > 0 => at += count,
                other => {
                    // Should this fail too, it is done before the next write, or when the log is read.
                    let _ = self.mend();
                    return Err(other.err().unwrap_or(io::ErrorKind::WriteZero.into()));
                }
            }
        }
        self.written = at;
        self.torn = false;
        Ok(())
    }

    /// Cuts off what is in the file past what is known to be.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.truncate(self.len())?;
            self.torn = false;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Err(error) = self.file.sync() {
            self.written = 0;
            self.torn = true;
            return Err(error);
        }
        self.trusted = false;
        self.settle();
        Ok(())
    }

    /// Leaves it to the system when what is written reaches the disk.
    fn trust(&mut self) {
        self.trusted |= self.written > 0;
        self.settle();
    }

    /// What is written needs to be held no longer.
    fn settle(&mut self) {
        self.synced_len += self.written as u64;
        self.kept = if self.written == self.kept.len() {
            Feed::reuse(std::mem::take(&mut self.kept))
        } else {
            self.kept.split_off(self.written)
        };
        self.written = 0;
    }
}

/// The thread's own part of the log.
pub struct Writer {
    log: Arc<Log>,
    /// `None` while there is no log.
    out: Option<Out>,
    /// The position after what has been taken.
    end: u64,
    /// All that is to go to `out` has been taken; the next file comes after it.
    turning: bool,
    synced_at: Instant,
    spare: Vec<u8>,
    /// Whether the last try failed.
    failing: bool,
    /// How long the last sync took, and how many connections waited for it.
    last: (Duration, usize),
}

impl Writer {
    pub(super) fn new(log: Arc<Log>, out: Option<Out>) -> Self {
        Self {
            log,
            out,
            end: 0,
            turning: false,
            synced_at: Instant::now(),
            spare: Vec::new(),
            failing: false,
            last: (Duration::ZERO, 0),
        }
    }

    /// Writes until the log is told to stop; then everything is on the disk, unless it fails.
    pub fn run(mut self) {
        loop {
            let stops = self.log.stops();
            if self.failing {
                if stops {
                    return;
                }
                self.log.feed.wait_for_call(RETRY);
            } else if !stops {
                self.log.feed.wait_for_work(self.patience());
                match self.log.policy() {
                    Policy::Always => self.let_others_join(),
                    _ => self.log.feed.wait_for_more(GATHER),
                }
            }
            self.turn();
            if stops && !self.failing && self.log.feed.is_empty() {
                self.sync_all();
                return;
            }
        }
    }

    /// Under `always`: whoever waited for the last sync has just been answered, and mostly sends the next command at once. If
    /// there were several, a moment is given to all of them, or they would part into those who wait for this sync and those
    /// who wait for the next, and each sync would serve half of them.
    fn let_others_join(&self) {
        let (took, waited) = self.last;
        if waited >= COMPANY {
            thread::sleep((took / 2).min(MOMENT));
        }
    }

    /// How long to sleep while nothing comes.
    fn patience(&self) -> Option<Duration> {
        let unsynced = self.out.as_ref().is_some_and(|out| !out.is_synced());
        match self.log.policy() {
            Policy::EverySecond if unsynced => {
                Some(SECOND.saturating_sub(self.synced_at.elapsed()).max(GATHER))
            }
            // Expired keys are logged and nobody waits for them.
            Policy::Always => Some(SECOND),
            Policy::EverySecond | Policy::No => None,
        }
    }

    /// Brings what there is to the disk, as far as the policy asks for now.
    pub fn turn(&mut self) {
        let result = self.try_turn();
        self.report(result);
    }

    /// As [`Writer::turn`], whatever the policy.
    pub fn sync_all(&mut self) {
        let result = self.try_turn().and_then(|()| self.sync());
        self.report(result);
    }

    fn try_turn(&mut self) -> io::Result<()> {
        loop {
            if !self.turning {
                self.take();
            }
            let Some(out) = &mut self.out else {
                self.log.feed.publish(self.end);
                if !self.turning {
                    return Ok(());
                }
                self.turn_over()?;
                continue;
            };
            out.write()?;
            self.log.size.store(out.len(), Ordering::Relaxed);
            let due = match self.log.policy() {
                Policy::Always => true,
                Policy::EverySecond => {
                    self.synced_at.elapsed() >= SECOND || out.kept.len() > UNSYNCED
                }
                Policy::No => false,
            };
            if self.turning || due && !self.log.spares_syncs() {
                self.sync()?;
            } else if self.log.policy() != Policy::EverySecond || self.log.spares_syncs() {
                // The settings trust the system with it from here on.
                out.trust();
                self.log.feed.publish(self.end);
            }
            if !self.turning {
                return Ok(());
            }
            self.turn_over()?;
        }
    }

    fn take(&mut self) {
        let batch = self.log.feed.take(std::mem::take(&mut self.spare));
        self.turning = batch.cut;
        self.end = batch.end;
        self.spare = Feed::reuse(match &mut self.out {
            Some(out) => out.add(batch.bytes),
            // Appended while the log was being turned off: it goes nowhere.
            None => batch.bytes,
        });
    }

    fn sync(&mut self) -> io::Result<()> {
        let start = Instant::now();
        if let Some(out) = &mut self.out
            && !out.is_synced()
        {
            out.sync()?;
        }
        self.synced_at = Instant::now();
        let waited = self.log.feed.publish(self.end);
        self.last = (self.synced_at - start, waited);
        Ok(())
    }

    /// Goes on in the next file, once the list has it, or in none.
    fn turn_over(&mut self) -> io::Result<()> {
        self.out = self.log.next_file()?.map(|file| Out::new(file, 0));
        self.turning = false;
        Ok(())
    }

    fn report(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) if self.failing => {
                self.failing = false;
                self.log.set_trouble(None);
                tracing::warn!("AOF write error looks solved. The server can write again.");
            }
            Ok(()) => {}
            Err(error) => {
                if !self.failing {
                    tracing::warn!("Error writing to the AOF file: {error}");
                }
                self.failing = true;
                self.log.set_trouble(Some(&error));
            }
        }
    }
}

/// Commands that write are refused from then on where the thread panicked: what they change would be acknowledged and
/// never written.
impl Drop for Writer {
    fn drop(&mut self) {
        if thread::panicking() {
            let error = io::Error::other("the thread that writes it has panicked");
            self.log.set_trouble(Some(&error));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[derive(Debug)]
    struct Broken;

    impl File for Broken {
        fn write(&self, _: &[u8]) -> io::Result<usize> {
            panic!("this panic is part of a test");
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }

        fn truncate(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn after_a_panic_of_the_writer_the_log_is_troubled() {
        let log = Arc::new(Log::default());
        let mut writer = Writer::new(Arc::clone(&log), Some(Out::new(Arc::new(Broken), 0)));
        log.feed.turn_on();
        log.feed.log(0, [b"FLUSHALL".as_slice()].into_iter());
        assert!(!log.is_troubled());
        let turn = catch_unwind(AssertUnwindSafe(move || writer.turn()));
        assert!(turn.is_err() && log.is_troubled());
    }
}
