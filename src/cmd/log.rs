//! The append-only log as the server sees it: read back at the start, kept, turned on and off, rewritten.
//!
//! [`Logs`] is what came of rewrites. The files and the thread that writes are `crate::persist::aof`'s; this is where
//! settings, commands and the keyspace meet them. BGREWRITEAOF and WAITAOF are here too.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::guard::guard;
use super::loading::{self, Merge};
use super::session::Session;
use super::{Args, Bar, CmdError, CmdResult, Context, Flow, Synced, Wait, World, footprint};
use crate::config::AppendFsync;
use crate::number::parse_i64;
use crate::persist::aof::load::{self, LoadError, Target};
use crate::persist::aof::rewrite::write_commands;
use crate::persist::aof::{Files, Policy, Writer};
use crate::persist::load::{Entry, Reports, read};
use crate::persist::media::File;
use crate::persist::rdb::{Kinds, Reader};
use crate::persist::save::{self, Failure, Form, Progress};
use crate::priority::step_back;
use crate::resp::{Output, Reply, Request};
use crate::store::{Access, Snapshot};

/// Rewrites that fail one after the other before the next one waits.
const FAILURES: u32 = 3;

/// How often [`cancel`] looks whether the rewrite is over.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// The longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Errors of replayed commands that are written to the server's log, each.
const ERRORS_SHOWN: u64 = 10;

/// What the server knows of its log besides the log itself.
#[derive(Default)]
pub struct Logs {
    /// What came of rewrites.
    pub rewrites: Arc<Mutex<Rewrites>>,
    /// Where the log is, once that has been looked up.
    files: Mutex<Option<Arc<Files>>>,
    /// The thread that writes, once it was needed.
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What came of rewrites, and what is due.
#[derive(Default)]
pub struct Rewrites {
    /// One is to begin as soon as nothing is in the way.
    pub scheduled: bool,
    /// When the one under way began.
    pub since: Option<Instant>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// How long the last one took.
    pub took: Option<Duration>,
    /// The last one failed.
    pub failed: bool,
    /// How many were begun.
    pub count: u64,
    /// How many failed since one last succeeded.
    pub failures: u32,
    /// No automatic one before this.
    not_before: Option<Instant>,
}

impl Rewrites {
    fn ended(&mut self, result: &Result<(), Failure>) {
        self.took = self.since.take().map(|since| since.elapsed());
        if let Err(Failure::Stopped) = result {
            return; // which says nothing about how the next will go
        }
        let ok = result.is_ok();
        self.failed = !ok;
        self.failures = if ok { 0 } else { self.failures + 1 };
        // A minute after the third failure, and twice as long after each one more.
        self.not_before = (self.failures >= FAILURES).then(|| {
            let doubled = 1u64 << (self.failures - FAILURES).min(16);
            Instant::now()
                + Duration::from_secs(60)
                    .saturating_mul(doubled as u32)
                    .min(LONGEST_WAIT)
        });
    }
}

/// Why no rewrite begins now.
#[derive(Debug)]
enum Busy {
    /// One is under way.
    Rewriting,
    /// The keyspace is being saved, or read for something else.
    Saving,
    Disk(io::Error),
}

/// Loads the log into the keyspace, which is empty and used by nobody. `false` if there is none, and so nothing to load.
///
/// # Errors
/// If the log is damaged or holds what this server does not know.
pub(super) fn load(world: &Arc<World>) -> Result<bool, loading::LoadError> {
    let config = &world.config;
    // Only looked for where it counts: damage in it is no reason not to start from the log itself.
    let strings = match config.rdb_skip_unsupported() {
        true => Some(find(world, &strings_dirname(world))?),
        false => None,
    };
    let files = if let Some(strings) = strings.filter(Files::exists) {
        tracing::warn!(
            "Loading the AOF in {} and not the one in {}: it was begun after the strings of the latter had been taken. \
             Remove it to begin anew.",
            strings.dir.display(),
            config.dir().join(config.appenddirname()).display()
        );
        world.saves.spare_original();
        strings
    } else {
        let media = Arc::clone(&world.media);
        let (dirname, name) = (config.appenddirname(), config.appendfilename());
        load::take_over(media, &config.dir(), &dirname, &name)?
    };
    let files = Arc::new(files);
    *world.logs.files.lock() = Some(Arc::clone(&files));
    if !files.exists() {
        return Ok(false);
    }
    let began = Instant::now();
    let io = |error| LoadError::Io {
        path: files.dir.clone(),
        error,
    };
    let bytes = files.size().map_err(io)?;
    world.loading.begin(world.keyspace.clock().now_ms(), bytes);
    let mut replayer = Replayer::new(world);
    let loaded = files
        .load(config.aof_load_truncated(), &mut replayer)
        .map_err(|error| replayer.explain(error))?;
    if replayer.errors > 0 {
        tracing::warn!(
            "{} commands of the AOF answered with an error",
            replayer.errors
        );
    }
    if replayer.passed_over.is_empty() {
        files.mend(&loaded)?;
    } else {
        let strings = find(world, &strings_dirname(world))?;
        tracing::warn!(
            "The AOF in {} also holds {}, which were passed over. It is left as it is: from now on the log is in {}.",
            files.dir.display(),
            replayer.passed_over,
            strings.dir.display()
        );
        *world.logs.files.lock() = Some(Arc::new(strings));
        world.saves.spare_original();
    }
    drop(replayer);
    world.reset_stats();
    tracing::info!(
        "DB loaded from append only file: {:.3} seconds ({} commands)",
        began.elapsed().as_secs_f64(),
        loaded.commands
    );
    Ok(true)
}

/// The directory for a log that goes on after the strings alone were taken from another (`rdb-skip-unsupported`).
fn strings_dirname(world: &World) -> String {
    format!("{}.strings", world.config.appenddirname())
}

fn find(world: &World, dirname: &str) -> Result<Files, LoadError> {
    let media = Arc::clone(&world.media);
    let config = &world.config;
    load::find(media, &config.dir(), dirname, &config.appendfilename())
}

/// Keeps the log from now on, after [`load`]. Nobody uses the keyspace yet.
///
/// # Errors
/// Whatever the disk says.
pub(super) fn begin(world: &Arc<World>) -> Result<(), Failure> {
    heed_settings(world);
    let files = files_of(world)?;
    let base = Base::of(world);
    let snapshot = world.keyspace.lock_all(Access::Write).snapshot();
    let snapshot = snapshot.ok_or(io::Error::from(io::ErrorKind::ResourceBusy))?;
    let mut snapshot = Some(snapshot);
    let (file, len) = files.begin(base.rdb.is_some(), |file| match snapshot.take() {
        Some(mut snapshot) => base.write(file, &mut snapshot, &Progress::default()),
        None => Ok(()),
    })?;
    let writer = world.log.keep(&files, file, len);
    start_writer(world, writer);
    Ok(())
}

/// Brings everything to the disk and closes the log. Nothing may be changed any more.
pub fn end(world: &World) {
    let Some(writer) = world.logs.writer.lock().take() else {
        return;
    };
    if world.log.feed.is_on() {
        tracing::info!("Calling fsync() on the AOF file.");
    }
    world.log.stop();
    let _ = writer.join(); // a panic in it has been told
}

/// Ends the rewrite under way, if there is one, and waits until it has: nothing is left of it, and the log goes on with the
/// files it has.
pub(super) fn cancel(world: &World) {
    while world.log.is_rewriting() {
        // Anew each time: it may have begun just now.
        world.logs.rewrites.lock().progress.stop();
        thread::sleep(LOOK_AGAIN);
    }
}

/// Begins what is due: a rewrite that was scheduled, or one that the growth of the log asks for. To be called about ten
/// times a second.
pub fn tick(world: &World) {
    let log = &world.log;
    if log.is_rewriting() || world.keyspace.has_snapshot() || world.gate.is_down(Bar::Closing) {
        return;
    }
    let scheduled = world.logs.rewrites.lock().scheduled;
    if scheduled || grown(world) {
        match start(world) {
            Ok(()) => {}
            Err(Busy::Disk(error)) => {
                tracing::warn!("Can't rewrite the append only file: {error}");
                world.logs.rewrites.lock().ended(&Err(error.into()));
            }
            Err(Busy::Rewriting | Busy::Saving) => {}
        }
    }
}

/// Whether the log has grown as much since it was last rewritten as the settings allow.
fn grown(world: &World) -> bool {
    let (log, config) = (&world.log, &world.config);
    let percentage = config.auto_aof_rewrite_percentage();
    let (size, base) = (log.size(), log.base_size().max(1));
    if !log.feed.is_on() || percentage == 0 || size < config.auto_aof_rewrite_min_size() {
        return false;
    }
    let waits = world
        .logs
        .rewrites
        .lock()
        .not_before
        .is_some_and(|until| until > Instant::now());
    let growth = (size * 100 / base).saturating_sub(100);
    let due = growth >= percentage && !waits;
    if due {
        tracing::info!("Starting automatic rewriting of AOF on {growth}% growth");
    }
    due
}

/// Does what the settings say now. No key may be locked.
pub(super) fn follow_settings(world: &World) {
    heed_settings(world);
    let (wanted, on) = (world.config.appendonly(), world.log.feed.is_on());
    if wanted && !on {
        world.logs.rewrites.lock().scheduled = true;
        tick(world);
    } else if !wanted && on {
        world.log.turn_off();
        world.logs.rewrites.lock().progress.stop(); // what it writes is of no use any more
        world.logs.rewrites.lock().scheduled = false;
    }
}

fn heed_settings(world: &World) {
    let (log, config) = (&world.log, &world.config);
    log.set_policy(match config.appendfsync() {
        AppendFsync::Always => Policy::Always,
        AppendFsync::EverySecond => Policy::EverySecond,
        AppendFsync::No => Policy::No,
    });
    log.set_rest_on_rewrite(config.no_appendfsync_on_rewrite());
    log.set_stamps(config.aof_timestamp_enabled());
}

/// Where the log is.
fn files_of(world: &World) -> io::Result<Arc<Files>> {
    let mut files = world.logs.files.lock();
    if let Some(files) = &*files {
        return Ok(Arc::clone(files));
    }
    let mut found = find(world, &world.config.appenddirname()).map_err(io::Error::other)?;
    if found.exists() && world.config.rdb_skip_unsupported() {
        // What else it holds nobody has looked at, and it would be replaced.
        found = find(world, &strings_dirname(world)).map_err(io::Error::other)?;
    }
    Ok(Arc::clone(files.insert(Arc::new(found))))
}

/// Starts the thread that writes, unless there is one.
fn start_writer(world: &World, writer: Writer) {
    let mut thread = world.logs.writer.lock();
    if thread.is_none() {
        let stats = Arc::clone(&world.stats);
        let spawned = thread::Builder::new()
            .name("aof".into())
            .spawn(move || guard(&stats, "writing the AOF", || writer.run()));
        *thread = Some(spawned.expect("the system has a thread for the log"));
    }
}

/// Begins a rewrite. No key may be locked.
fn start(world: &World) -> Result<(), Busy> {
    let log = &world.log;
    let keep = world.config.appendonly();
    if world.keyspace.has_snapshot() || world.gate.is_down(Bar::Closing) {
        return Err(Busy::Saving);
    }
    let files = files_of(world).map_err(Busy::Disk)?;
    let mut rewrite = log
        .prepare_rewrite(&files, keep)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Busy::Rewriting,
            _ => Busy::Disk(error),
        })?;
    let in_steps = world.config.aof_rewrite_incremental_fsync();
    let progress = Arc::new(Progress::new(in_steps));
    world.logs.rewrites.lock().progress = Arc::clone(&progress);
    if keep {
        start_writer(world, log.idle());
    }
    let mut snapshot = {
        let mut keys = world.keyspace.lock_all(Access::Write);
        let snapshot = keys.snapshot().ok_or(Busy::Saving)?;
        rewrite.mark();
        snapshot
    };
    let began = Instant::now();
    {
        let mut rewrites = world.logs.rewrites.lock();
        rewrites.since = Some(began);
        rewrites.scheduled = false;
        rewrites.count += 1;
    }
    let base = Base::of(world);
    let temporary = format!("{}bg-{}.aof", load::TEMPORARY_BASE, std::process::id());
    let rewrites = Arc::clone(&world.logs.rewrites);
    let stats = Arc::clone(&world.stats);
    let run = move || {
        step_back();
        let rdb = base.rdb.is_some();
        // The snapshot goes with the closure: others can be taken as soon as the base is written.
        let write = move |file: &dyn File| base.write(file, &mut snapshot, &progress);
        let mut result = Err(Failure::Disk(io::Error::other("a panic")));
        guard(&stats, "rewriting the AOF", || {
            result = rewrite.finish(rdb, &temporary, write);
        });
        match &result {
            Ok(()) => tracing::info!("Background AOF rewrite finished successfully"),
            Err(Failure::Stopped) => tracing::warn!("Background AOF rewrite was stopped"),
            Err(error) => tracing::warn!("Background AOF rewrite failed: {error}"),
        }
        rewrites.lock().ended(&result);
    };
    match thread::Builder::new().name("aof-rewrite".into()).spawn(run) {
        Ok(_) => {
            tracing::info!("Background append only file rewriting started");
            Ok(())
        }
        Err(error) => {
            // What was to be run, and so the result, is gone with it.
            let failure = Failure::Disk(error.kind().into());
            world.logs.rewrites.lock().ended(&Err(failure));
            Err(Busy::Disk(error))
        }
    }
}

/// How a base is written.
struct Base {
    /// As RDB (`aof-use-rdb-preamble`), and how; otherwise as commands.
    rdb: Option<Form>,
}

impl Base {
    fn of(world: &World) -> Self {
        let as_rdb = world.config.aof_use_rdb_preamble();
        Self {
            rdb: as_rdb.then(|| world.saves.form(footprint::used(), true)),
        }
    }

    fn write(
        &self,
        file: &dyn File,
        snapshot: &mut Snapshot,
        progress: &Progress,
    ) -> Result<(), Failure> {
        match &self.rdb {
            Some(form) => save::write(file, snapshot, form, progress),
            None => write_commands(file, snapshot, progress),
        }
    }
}

/// Reads the commands of a log into a world.
struct Replayer {
    session: Session,
    out: Output,
    errors: u64,
    /// What the base holds besides strings.
    passed_over: Kinds,
    reports: Reports,
}

impl Replayer {
    fn new(world: &Arc<World>) -> Self {
        world.keyspace.set_timeless(true);
        let mut session = Session::new(Arc::clone(world));
        session.replay();
        Self {
            session,
            out: Output::new(),
            errors: 0,
            passed_over: Kinds::default(),
            reports: Reports::default(),
        }
    }

    /// What to say of an error.
    fn explain(&self, error: LoadError) -> loading::LoadError {
        match error {
            LoadError::Base { path, .. } if !self.passed_over.is_empty() => {
                loading::LoadError::Unsupported {
                    path,
                    kinds: self.passed_over.clone(),
                }
            }
            other => other.into(),
        }
    }
}

impl Drop for Replayer {
    fn drop(&mut self) {
        self.session.world().keyspace.set_timeless(false);
    }
}

impl Target for Replayer {
    fn command(&mut self, request: Request<'_>) -> Result<(), String> {
        let named = self.session.named(request);
        let command = named.resolve(request).map_err(|error| error.to_string())?;
        self.session.execute(named, request, &mut self.out);
        let reply = self.out.chunk();
        if reply.first() == Some(&b'-') {
            let text = reply.escape_ascii().to_string();
            if matches!(command.name, "select" | "multi" | "exec") {
                return Err(text);
            }
            self.errors += 1;
            if self.errors <= ERRORS_SHOWN {
                tracing::warn!("A command of the AOF answers with an error: {text}");
            }
        }
        self.out = Output::new();
        Ok(())
    }

    fn rdb(&mut self, source: &mut dyn io::Read) -> Result<(u64, Vec<u8>), String> {
        let world = self.session.world();
        let checked = world.config.rdbchecksum();
        let mut reader = Reader::new(source, checked).map_err(|error| error.to_string())?;
        // What is past its time stays: later commands found it alive, or removed it.
        let take = |entry: Entry<'_>| loading::take(&world, entry, Merge::No);
        read(&mut reader, &world.loading.progress, take).map_err(|error| error.to_string())?;
        self.passed_over = reader.passed_over().clone();
        if !self.passed_over.is_empty() && !world.config.rdb_skip_unsupported() {
            return Err("it does not hold strings only".into());
        }
        Ok((reader.at(), reader.into_rest().0))
    }

    fn progress(&mut self, bytes: u64, commands: u64) {
        let world = self.session.world();
        let progress = &world.loading.progress;
        progress.reach(bytes);
        self.reports.tell(progress, commands, "commands");
    }
}

/// `BGREWRITEAOF`: makes the log short again, in the background. Where a save is under way, once that is over.
pub(super) fn bgrewriteaof(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let logs = &cx.world.logs;
    let scheduled = || {
        logs.rewrites.lock().scheduled = true;
        Ok(Reply::Simple(
            "Background append only file rewriting scheduled".into(),
        ))
    };
    if cx.world.log.is_rewriting() {
        return Err(CmdError::other(
            "ERR Background append only file rewriting already in progress",
        ));
    }
    if cx.in_exec {
        return scheduled();
    }
    let mut started = Ok(());
    cx.world.aside(&mut || started = start(cx.world));
    match started {
        Ok(()) => Ok(Reply::Simple(
            "Background append only file rewriting started".into(),
        )),
        Err(Busy::Saving) => scheduled(),
        Err(Busy::Rewriting) => Err(CmdError::other(
            "ERR Background append only file rewriting already in progress",
        )),
        Err(Busy::Disk(error)) => {
            tracing::warn!("Can't rewrite the append only file: {error}");
            Err(CmdError::other(
                "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
            ))
        }
    }
}

/// `WAITAOF numlocal numreplicas timeout`: waits until what this client wrote is synced here (`numlocal` 1) and by so many
/// replicas, or for `timeout` milliseconds (0: for ever), and replies where it is. There are no replicas.
pub(super) fn waitaof(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let range = CmdError::other("ERR value is out of range, value must between 0 and 1");
    let local = match args.take_i64()? {
        0 => false,
        1 => true,
        _ => return Err(range),
    };
    let replicas = parse_i64(args.take()?).filter(|&count| count >= 0);
    let replicas = replicas.ok_or(CmdError::other(
        "ERR value is out of range, must be positive",
    ))?;
    let timeout_ms = super::admin::take_timeout(cx, &mut args)?;
    if local && !cx.world.config.appendonly() {
        return Err(CmdError::other(
            "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    let feed = &cx.world.log.feed;
    let position = cx.client.logged;
    let is_local = feed.is_on() && feed.synced() >= position;
    let reply = |local: bool| Reply::Array(vec![Reply::Integer(local.into()), Reply::Integer(0)]);
    if (is_local || !local) && replicas == 0 || cx.in_exec {
        return Ok(reply(is_local));
    }
    cx.flow = Flow::Wait(Box::new(Wait {
        timeout_ms,
        reply: reply(is_local),
        synced: (!is_local && feed.is_on()).then(|| Synced {
            position,
            reply: reply(true),
            is_enough: replicas == 0,
        }),
    }));
    Ok(Reply::None)
}

#[cfg(test)]
#[path = "log_damage_tests.rs"]
mod damage_tests;
#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
