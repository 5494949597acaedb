//! Saving the keyspace to its file: what runs, what came of it, what is due.
//!
//! [`Saves`] outlives any one command: a background save holds it, and through it says how it ended. The handlers are in
//! [`save`](super::save); the server calls [`tick`] about ten times a second, which starts what the save points or BGSAVE
//! SCHEDULE ask for.

use std::any::Any;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::gate::{Bar, Gate};
use super::guard::guard;
use super::{World, log};
use crate::config::{Config, MaxmemoryPolicy, REDIS_VERSION};
use crate::persist::media::Media;
use crate::persist::rdb::{Facts, Options};
use crate::persist::save::{self, Failure, Form, Hints, Progress, Target};
use crate::priority::step_back;
use crate::store::{Access, Clock, Snapshot};

/// How long after a background save that failed the next may begin by itself.
const RETRY_MS: i64 = 5_000;

/// How often a save that waits for another snapshot looks whether it is over.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The saves of one server.
pub struct Saves {
    media: Arc<dyn Media>,
    config: Arc<Config>,
    gate: Arc<Gate>,
    clock: Clock,
    state: Mutex<State>,
    /// Told when a save has ended.
    ended: Condvar,
    /// Changes of keys that the last save that succeeded holds, of those counted since the start.
    saved_changes: AtomicU64,
}

struct State {
    running: Option<Running>,
    /// BGSAVE SCHEDULE asked for one.
    scheduled: bool,
    /// When a background save was last begun, in milliseconds since the Unix epoch.
    tried_ms: i64,
    last: Last,
    /// The file to save to where it is not `dbfilename`.
    instead: Option<PathBuf>,
    /// The directory that no other server may save to, and what keeps them out.
    claim: Option<(PathBuf, Box<dyn Any + Send>)>,
}

/// A save that is under way.
#[derive(Clone)]
pub struct Running {
    pub progress: Arc<Progress>,
    pub since: Instant,
    /// BGSAVE rather than SAVE.
    background: bool,
}

/// What came of saving so far.
#[derive(Clone, Copy, Debug)]
pub struct Last {
    /// When the last one that succeeded ended, or the server started, in milliseconds since the Unix epoch.
    pub saved_ms: i64,
    /// Whether the last one in the background succeeded.
    pub ok: bool,
    /// How long that took.
    pub took: Option<Duration>,
    /// How many succeeded.
    pub saves: u64,
}

/// Why no save begins now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// One is under way.
    Saving,
    /// The log is being rewritten.
    Rewriting,
}

impl Saves {
    pub(super) fn new(
        media: Arc<dyn Media>,
        config: Arc<Config>,
        gate: Arc<Gate>,
        clock: Clock,
    ) -> Self {
        let saved_ms = clock.now_ms();
        Self {
            media,
            config,
            gate,
            clock,
            state: Mutex::new(State {
                running: None,
                scheduled: false,
                tried_ms: 0,
                last: Last {
                    saved_ms,
                    ok: true,
                    took: None,
                    saves: 0,
                },
                instead: None,
                claim: None,
            }),
            ended: Condvar::new(),
            saved_changes: AtomicU64::new(0),
        }
    }

    /// What came of saving so far.
    pub fn last(&self) -> Last {
        self.state.lock().last
    }

    /// The save that is under way, if it is one in the background.
    pub fn in_background(&self) -> Option<Running> {
        let state = self.state.lock();
        state.running.clone().filter(|running| running.background)
    }

    /// Whether BGSAVE SCHEDULE waits for its turn.
    pub fn is_scheduled(&self) -> bool {
        self.state.lock().scheduled
    }

    /// To begin a save in the background as soon as nothing else is in the way.
    pub(super) fn schedule(&self) {
        self.state.lock().scheduled = true;
    }

    /// From now on saves go to [`Saves::strings_file`] and not to `dbfilename`, which may hold what must not be overwritten.
    pub(super) fn spare_original(&self) {
        self.state.lock().instead = Some(self.strings_file());
    }

    /// The file for strings that were taken from one that holds other types too.
    pub(super) fn strings_file(&self) -> PathBuf {
        let original = self.config.dir().join(self.config.dbfilename());
        original.with_extension("strings.rdb")
    }

    /// Where the next save goes.
    pub(super) fn file(&self) -> PathBuf {
        let instead = self.state.lock().instead.clone();
        instead.unwrap_or_else(|| self.config.dir().join(self.config.dbfilename()))
    }

    /// How a file is to be made now, of a keyspace that takes so many bytes.
    pub(super) fn form(&self, used_memory: u64, aof_base: bool) -> Form {
        Form {
            options: Options {
                compression: self.config.rdbcompression(),
                checksum: self.config.rdbchecksum(),
            },
            facts: Facts {
                redis_version: REDIS_VERSION,
                created: self.clock.now_ms() / 1000,
                used_memory,
                aof_base,
            },
            hints: match self.config.maxmemory_policy() {
                MaxmemoryPolicy::VolatileLru | MaxmemoryPolicy::AllkeysLru => Hints::Idle,
                MaxmemoryPolicy::VolatileLfu | MaxmemoryPolicy::AllkeysLfu => Hints::Frequency,
                _ => Hints::None,
            },
        }
    }

    /// Keeps other servers from the data directory. One that is claimed already costs a comparison.
    ///
    /// # Errors
    /// Where another server uses the directory, or it is not there.
    pub fn claim_directory(&self) -> io::Result<()> {
        let dir = self.config.dir();
        let mut state = self.state.lock();
        if (state.claim.as_ref()).is_none_or(|(claimed, _)| *claimed != dir) {
            state.claim = Some((dir.clone(), self.media.claim(&dir)?));
        }
        Ok(())
    }

    /// Ends the save in the background, if one is under way, and waits until it has: nothing is left of it.
    pub(super) fn cancel(&self) {
        let mut state = self.state.lock();
        state.scheduled = false;
        while let Some(running) = &state.running {
            if running.background {
                running.progress.stop();
            }
            self.ended.wait(&mut state);
        }
    }

    /// Takes the turn for a save.
    fn reserve(&self, background: bool) -> Result<Arc<Progress>, Busy> {
        let mut state = self.state.lock();
        if state.running.is_some() {
            return Err(Busy::Saving);
        }
        let progress = Arc::new(Progress::new(self.config.rdb_save_incremental_fsync()));
        state.running = Some(Running {
            progress: Arc::clone(&progress),
            since: Instant::now(),
            background,
        });
        if background {
            state.tried_ms = self.clock.now_ms();
        }
        Ok(progress)
    }

    fn release(&self) {
        self.state.lock().running = None;
        self.ended.notify_all();
    }
}

/// A save that has its snapshot. It gives its turn back when it is run, or dropped.
struct Job {
    saves: Arc<Saves>,
    snapshot: Option<Snapshot>,
    progress: Arc<Progress>,
    /// Changes counted at the mark.
    changes: u64,
    /// Bytes in use then.
    used_memory: u64,
    /// How it went; a job that nobody ran has failed.
    outcome: Result<(), Failure>,
}

impl Job {
    /// Marks the instant that is saved. No lock may be held.
    fn mark(world: &World, background: bool) -> Result<Self, Busy> {
        let progress = world.saves.reserve(background)?;
        let mut all = world.keyspace.lock_all(Access::Write);
        let Some(snapshot) = all.snapshot() else {
            drop(all);
            world.saves.release();
            return Err(Busy::Rewriting);
        };
        let changes = world.changes.load(Ordering::Relaxed);
        drop(all);
        Ok(Self {
            saves: Arc::clone(&world.saves),
            snapshot: Some(snapshot),
            progress,
            changes,
            used_memory: world.footprint.read(world.keyspace.clock().now_ms()).used,
            outcome: Err(Failure::Disk(io::Error::other("no thread to save on"))),
        })
    }

    fn run(mut self) -> bool {
        self.outcome = self.write();
        match &self.outcome {
            Ok(()) => tracing::info!("DB saved on disk"),
            Err(Failure::Stopped) => tracing::info!("Saving was given up"),
            Err(Failure::Disk(error)) => {
                tracing::warn!("Write error while saving DB to the disk: {error}");
            }
        }
        self.outcome.is_ok()
    }

    fn write(&mut self) -> Result<(), Failure> {
        let Some(snapshot) = &mut self.snapshot else {
            return Ok(());
        };
        let config = &self.saves.config;
        self.saves.claim_directory()?;
        let target = Target {
            media: &*self.saves.media,
            path: &self.saves.file(),
            temporary: &config
                .dir()
                .join(format!("temp-{}.rdb", std::process::id())),
            form: self.saves.form(self.used_memory, false),
        };
        save::save(snapshot, &target, &self.progress)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.snapshot = None; // the next save can begin as soon as this one is over
        let saves = &self.saves;
        let mut state = saves.state.lock();
        let Some(running) = state.running.take() else {
            return;
        };
        let last = &mut state.last;
        let took = running.since.elapsed();
        match &self.outcome {
            Ok(()) => {
                saves.saved_changes.store(self.changes, Ordering::Relaxed);
                last.saved_ms = saves.clock.now_ms();
                last.ok = true;
                last.saves += 1;
                saves.gate.set(Bar::SaveFailed, false);
            }
            Err(Failure::Disk(_)) if running.background => {
                last.ok = false;
                saves.gate.set(Bar::SaveFailed, true);
            }
            Err(_) => {}
        }
        if running.background {
            last.took = Some(took);
            match &self.outcome {
                Ok(()) => tracing::info!("Background saving terminated with success"),
                Err(Failure::Stopped) => tracing::warn!("Background saving was stopped"),
                Err(Failure::Disk(_)) => tracing::warn!("Background saving error"),
            }
        }
        saves.ended.notify_all();
    }
}

/// Begins a save on a thread of its own. No lock may be held.
pub(super) fn in_background(world: &World) -> Result<(), Busy> {
    let job = Job::mark(world, true)?;
    let keys = job.snapshot.as_ref().map_or(0, Snapshot::keys);
    tracing::info!("Background saving started: {keys} keys");
    let thread = std::thread::Builder::new().name("save".into());
    let stats = Arc::clone(&world.stats);
    let run = move || {
        step_back();
        guard(&stats, "saving", || {
            job.run();
        })
    };
    if let Err(error) = thread.spawn(run) {
        tracing::warn!("Can't save in background: {error}"); // the job has noted that it failed
    }
    Ok(())
}

/// Saves, and returns when that is done: whether it succeeded. Others go on meanwhile. No lock may be held.
pub(super) fn now(world: &World) -> Result<bool, Busy> {
    loop {
        match Job::mark(world, false) {
            Ok(job) => return Ok(job.run()),
            Err(Busy::Saving) => return Err(Busy::Saving),
            Err(Busy::Rewriting) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

/// Starts the save that is due, if one is and nothing is in the way. To be called about ten times a second.
pub fn tick(world: &World) {
    let saves = &world.saves;
    if world.keyspace.has_snapshot()
        || world.gate.is_down(Bar::Loading)
        || world.gate.is_down(Bar::Closing)
    {
        return;
    }
    let now = saves.clock.now_ms();
    let (scheduled, last) = {
        let state = saves.state.lock();
        if state.running.is_some() || (!state.last.ok && now - state.tried_ms <= RETRY_MS) {
            return;
        }
        (state.scheduled, state.last)
    };
    let changes = world.unsaved_changes();
    let idle_seconds = u64::try_from((now - last.saved_ms) / 1000).unwrap_or(0);
    let points = saves.config.save_points();
    let due = points
        .iter()
        .find(|point| changes >= point.changes && idle_seconds > point.seconds);
    if let Some(point) = due {
        tracing::info!(
            "{} changes in {} seconds. Saving...",
            point.changes,
            point.seconds
        );
    }
    if (due.is_some() || scheduled) && in_background(world).is_ok() {
        saves.state.lock().scheduled = false;
    }
}

/// What a shutdown does about saving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Farewell {
    /// Whether to save: by default if there are save points.
    pub save: Option<bool>,
    /// Whether to end even if saving fails.
    pub force: bool,
}

/// Does what has to be done before the server ends, and says whether it may: it may not while what it holds cannot be
/// saved and should be. No lock may be held.
pub fn may_end(world: &World, farewell: Farewell) -> bool {
    tracing::info!("User requested shutdown...");
    world.saves.cancel();
    if world.log.is_beginning() {
        if !farewell.force {
            tracing::warn!("Writing initial AOF, can't exit.");
            return refused();
        }
        tracing::warn!("Writing initial AOF. Exit anyway.");
    }
    let by_default = || !world.config.save_points().is_empty() && !world.gate.is_down(Bar::Loading);
    let saves = farewell.save.unwrap_or_else(by_default);
    world.gate.set(Bar::Closing, saves);
    log::cancel(world);
    if !saves {
        return true;
    }
    loop {
        tracing::info!("Saving the final RDB snapshot before exiting.");
        let saved = loop {
            match now(world) {
                Ok(saved) => break saved,
                Err(_) => world.saves.cancel(), // one began just now
            }
        };
        if !saved {
            if farewell.force {
                tracing::warn!("Error trying to save the DB. Exit anyway.");
                return true;
            }
            tracing::warn!("Error trying to save the DB, can't exit.");
            world.gate.set(Bar::Closing, false);
            return refused();
        }
        // Commands that had passed the gate before it closed may have changed something after the mark.
        let _all = world.keyspace.lock_all(Access::Read);
        if world.unsaved_changes() == 0 {
            return true;
        }
    }
}

fn refused() -> bool {
    tracing::warn!("Errors trying to shut down the server. Check the logs for more information.");
    false
}

/// FLUSHALL's part: what is being saved is gone, and where there are save points the file must not bring it back. No lock
/// may be held.
pub(super) fn after_flushall(world: &World) {
    world.saves.cancel();
    if !world.config.save_points().is_empty() {
        let _ = now(world); // what went wrong is in the log, and nothing more comes of it, as in Redis
    }
}

impl World {
    /// Changes of keys since the last save.
    pub fn unsaved_changes(&self) -> u64 {
        let changes = self.changes.load(Ordering::Relaxed);
        changes.saturating_sub(self.saves.saved_changes.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
#[path = "saves_tests.rs"]
mod tests;
