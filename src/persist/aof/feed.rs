//! What happens, in the order in which it happens, on its way to the disk.
//!
//! Commands are appended while the keys that they changed are locked, so the order of the log is the order of the changes,
//! key by key. Nothing here touches the disk: the bytes wait in one buffer for the writer's thread to take them.
//!
//! # Blocks
//!
//! What one command or one transaction does is appended in one piece, between MULTI and EXEC where it is more than one
//! command, so that no other connection's commands come between and a log that ends early holds all of it or nothing. Until
//! then it is gathered in a buffer of the thread it runs on: a command and all that it causes, keys that turn out to be
//! past their time among it, happen on one thread.
//!
//! # Positions
//!
//! A position counts the bytes appended since the process started, whatever files they went to. A connection that has to
//! wait for the disk waits until [`Feed::synced`] has reached the position where its commands ended.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::encode;

/// Bytes that may wait to be written before commands have to wait for room: what a slow disk may cost in memory.
const ROOM: usize = 64 << 20;

/// Bytes that make the writer begin although it was to wait for more.
const PLENTY: usize = 1 << 20;

/// A larger buffer is given back once it has been written.
const KEPT: usize = 4 << 20;

/// What the server's threads share with the thread that writes.
#[derive(Default)]
pub struct Feed {
    on: AtomicBool,
    /// Replies wait for the disk.
    waits: AtomicBool,
    /// `aof-timestamp-enabled`.
    stamps: AtomicBool,
    /// More than [`ROOM`] bytes wait.
    full: AtomicBool,
    pending: Mutex<Pending>,
    /// Tells the writer that there is something to do.
    work: Condvar,
    /// Tells commands that there is room again.
    room: Condvar,
    end: AtomicU64,
    synced: AtomicU64,
    /// Who is to be woken when `synced` reaches the position.
    waiting: Mutex<Vec<(u64, Waker)>>,
    /// The Unix second that the log was last told of.
    stamped: AtomicI64,
}

/// What is not yet written.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// The database in which a command after the last byte would run; `None` where that is not said yet.
    db: Option<usize>,
    /// The position from which on everything goes to the next file.
    cut: Option<u64>,
    /// The writer sleeps until it is told.
    asleep: bool,
    /// Somebody wants the writer to look at something other than bytes.
    called: bool,
}

/// Commands that are to be appended together.
#[derive(Default)]
struct Block {
    open: bool,
    bytes: Vec<u8>,
    commands: usize,
    /// The databases of the first and the last command.
    first_db: usize,
    last_db: usize,
}

impl Block {
    fn push<'w>(&mut self, db: usize, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        if self.commands == 0 {
            self.first_db = db;
        } else if self.last_db != db {
            encode::select(&mut self.bytes, db);
        }
        self.last_db = db;
        self.commands += 1;
        encode::command(&mut self.bytes, words);
    }

    fn clear(&mut self) {
        self.open = false;
        self.commands = 0;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
    }
}

thread_local! {
    /// What the command that runs on this thread has to log so far.
    static BLOCK: RefCell<Block> = RefCell::default();
}

/// A block that is being filled. Dropped (a handler panicked) it is appended too: what was done is done.
pub struct Open<'a> {
    feed: &'a Feed,
}

impl Open<'_> {
    /// Appends the block, if there is anything in it. Returns the position after it, then.
    pub fn commit(self) -> Option<u64> {
        let end = self.append();
        std::mem::forget(self);
        end
    }

    fn append(&self) -> Option<u64> {
        BLOCK.with_borrow_mut(|block| {
            let end = (block.commands > 0).then(|| self.feed.append(block));
            block.clear();
            end
        })
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.append();
    }
}

/// What the writer takes.
pub(super) struct Batch {
    /// For the file that is open.
    pub bytes: Vec<u8>,
    /// The position after them.
    pub end: u64,
    /// The next file begins here.
    pub cut: bool,
}

impl Feed {
    /// Whether there is a log. Steady while a key is locked.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// From here on, what this thread logs goes into one block. The keys it is about are locked until it is committed.
    pub fn open(&self) -> Open<'_> {
        BLOCK.with_borrow_mut(|block| {
            block.clear();
            block.open = true;
        });
        Open { feed: self }
    }

    /// Logs a command of database `db`: into this thread's block, or by itself where none is open.
    pub fn log<'w>(&self, db: usize, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        BLOCK.with_borrow_mut(|block| {
            block.push(db, words);
            if !block.open {
                self.append(block);
                block.clear();
            }
        });
    }

    fn append(&self, block: &Block) -> u64 {
        let mut pending = self.pending.lock();
        let start = pending.bytes.len();
        self.stamp(&mut pending.bytes);
        if block.commands > 1 {
            encode::command(&mut pending.bytes, [b"MULTI".as_slice()].into_iter());
        }
        if pending.db != Some(block.first_db) {
            encode::select(&mut pending.bytes, block.first_db);
        }
        pending.bytes.extend_from_slice(&block.bytes);
        if block.commands > 1 {
            encode::command(&mut pending.bytes, [b"EXEC".as_slice()].into_iter());
        }
        pending.db = Some(block.last_db);
        let len = pending.bytes.len();
        let end = self.end.load(Ordering::Relaxed) + (len - start) as u64;
        self.end.store(end, Ordering::Release);
        if len > ROOM {
            self.full.store(true, Ordering::Relaxed);
        }
        // Where replies wait, whoever waits wakes the writer, once for all the commands that came together.
        let waits = self.waits.load(Ordering::Relaxed);
        if pending.asleep && !waits || len > PLENTY && start <= PLENTY {
            self.wake(&mut pending);
        }
        end
    }

    /// `#TS:<Unix second>`, once a second, where the setting wants it.
    fn stamp(&self, bytes: &mut Vec<u8>) {
        if !self.stamps.load(Ordering::Relaxed) {
            return;
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() as i64);
        if self.stamped.swap(now, Ordering::Relaxed) < now {
            bytes.extend_from_slice(format!("#TS:{now}\r\n").as_bytes());
        }
    }

    /// Before a command that writes, with nothing locked: waits while too much waits for the disk.
    #[inline]
    pub fn wait_for_room(&self) {
        if self.full.load(Ordering::Relaxed) {
            self.wait_while_full();
        }
    }

    #[cold]
    fn wait_while_full(&self) {
        let mut pending = self.pending.lock();
        while pending.bytes.len() > ROOM && self.is_on() {
            self.wake(&mut pending);
            self.room.wait(&mut pending);
        }
    }

    /// The position after everything appended so far.
    #[inline]
    pub fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// The position up to which everything is on the disk.
    #[inline]
    pub fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Whether replies have to wait for the disk.
    #[inline]
    pub fn replies_wait(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// Whether everything up to `position` is on the disk. If not, `waker` is woken when it is, and the disk is set to work.
    pub fn poll_synced(&self, position: u64, waker: &Waker) -> bool {
        if self.synced() >= position {
            return true;
        }
        {
            let mut waiting = self.waiting.lock();
            if self.synced() >= position {
                return true;
            }
            waiting.push((position, waker.clone()));
        }
        let mut pending = self.pending.lock();
        if pending.asleep {
            self.wake(&mut pending);
        }
        false
    }

    /// Bytes that wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.pending.lock().bytes.len()
    }

    fn wake(&self, pending: &mut Pending) {
        pending.asleep = false;
        self.work.notify_one();
    }
}

/// The writer's side.
impl Feed {
    /// There is a log from now on.
    pub(super) fn turn_on(&self) {
        self.on.store(true, Ordering::Relaxed);
    }

    /// There is no log any more. What was appended is still to be written.
    pub(super) fn turn_off(&self) {
        self.on.store(false, Ordering::Relaxed);
        self.room.notify_all();
    }

    /// What is appended from now on goes to the next file.
    pub(super) fn cut(&self) {
        let mut pending = self.pending.lock();
        pending.cut = Some(self.end());
        pending.db = None;
        self.stamped.store(0, Ordering::Relaxed);
        self.wake(&mut pending);
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        let pending = self.pending.lock();
        pending.bytes.is_empty() && pending.cut.is_none()
    }

    pub(super) fn set_stamps(&self, on: bool) {
        self.stamps.store(on, Ordering::Relaxed);
    }

    /// Says whether replies are to wait for the disk.
    pub(super) fn set_waits(&self, wait: bool) {
        self.waits.store(wait, Ordering::Relaxed);
        self.call();
    }

    /// Wakes the writer, whatever there is to write.
    pub(super) fn call(&self) {
        let mut pending = self.pending.lock();
        pending.called = true;
        self.wake(&mut pending);
    }

    /// Waits until there is something to write, or somebody calls, or `timeout` is over.
    pub(super) fn wait_for_work(&self, timeout: Option<Duration>) {
        let mut pending = self.pending.lock();
        if pending.bytes.is_empty() && pending.cut.is_none() && !pending.called {
            self.sleep(&mut pending, timeout);
        }
        pending.called = false;
    }

    /// Waits for more to write, until `timeout` is over, plenty is there, or somebody calls.
    pub(super) fn wait_for_more(&self, timeout: Duration) {
        let mut pending = self.pending.lock();
        if pending.bytes.len() < PLENTY && !pending.called {
            // Not marked as asleep: one more command is no reason to wake.
            self.work.wait_for(&mut pending, timeout);
        }
    }

    /// Waits until somebody calls, or `timeout` is over.
    pub(super) fn wait_for_call(&self, timeout: Duration) {
        let mut pending = self.pending.lock();
        if !pending.called {
            self.work.wait_for(&mut pending, timeout);
        }
        pending.called = false;
    }

    fn sleep(&self, pending: &mut MutexGuard<'_, Pending>, timeout: Option<Duration>) {
        pending.asleep = true;
        match timeout {
            Some(timeout) => {
                self.work.wait_for(pending, timeout);
            }
            None => self.work.wait(pending),
        }
        pending.asleep = false;
    }

    /// Takes what there is to write, up to the cut if there is one. `spare` is an empty buffer to go on with.
    pub(super) fn take(&self, spare: Vec<u8>) -> Batch {
        let mut pending = self.pending.lock();
        let end = self.end();
        let after = pending.cut.take().map(|at| (end - at) as usize);
        let mut bytes = std::mem::replace(&mut pending.bytes, spare);
        let mut taken = end;
        if let Some(after) = after {
            let keep = bytes.len() - after;
            pending.bytes.extend_from_slice(&bytes[keep..]);
            bytes.truncate(keep);
            taken -= after as u64;
        }
        if self.full.load(Ordering::Relaxed) && pending.bytes.len() <= ROOM {
            self.full.store(false, Ordering::Relaxed);
            self.room.notify_all();
        }
        Batch {
            bytes,
            end: taken,
            cut: after.is_some(),
        }
    }

    /// Everything up to `position` is on the disk: wakes who waited for that, and says how many did.
    pub(super) fn publish(&self, position: u64) -> usize {
        self.synced.fetch_max(position, Ordering::Release);
        let mut waiting = self.waiting.lock();
        let mut due = Vec::new();
        waiting.retain_mut(|(wanted, waker)| {
            let is_due = *wanted <= position;
            if is_due {
                due.push(std::mem::replace(waker, Waker::noop().clone()));
            }
            !is_due
        });
        drop(waiting);
        let woken = due.len();
        due.into_iter().for_each(Waker::wake);
        woken
    }

    /// Empties a buffer that was written, to be used again.
    pub(super) fn reuse(mut buffer: Vec<u8>) -> Vec<u8> {
        buffer.clear();
        if buffer.capacity() > KEPT {
            buffer = Vec::new();
        }
        buffer
    }
}
