//! Loading at the start: from the data directory into an empty keyspace.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use thiserror::Error;

use super::gate::Bar;
use super::{World, log};
use crate::persist::aof;
use crate::persist::load::{self, Entry, Failure, Progress};
use crate::persist::rdb::{Hint, Kinds, Loaded};
use crate::persist::save;
use crate::store::{Access, Value};

/// What is known of the load under way, or the last one.
#[derive(Default)]
pub struct Loading {
    pub progress: Progress,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_ms: AtomicI64,
    /// Keys taken.
    pub keys: AtomicU64,
    /// Keys left out because their time had come.
    pub expired: AtomicU64,
}

impl Loading {
    /// A load of so many bytes begins at that millisecond since the Unix epoch.
    pub(super) fn begin(&self, now_ms: i64, bytes: u64) {
        self.progress.begin(bytes);
        self.started_ms.store(now_ms, Ordering::Relaxed);
        self.keys.store(0, Ordering::Relaxed);
        self.expired.store(0, Ordering::Relaxed);
    }
}

/// Why a server does not start with what is in its directory.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("Fatal error loading the DB from {}: {failure}. Exiting.", .path.display())]
    File {
        path: PathBuf,
        failure: Failure<String>,
    },
    #[error(
        "{} holds {kinds} besides strings, and bitmapd keeps strings only. With the setting 'rdb-skip-unsupported yes' it \
         takes the strings and leaves the file as it is. Exiting.", .path.display()
    )]
    Unsupported { path: PathBuf, kinds: Kinds },
    #[error("Fatal error loading the append only file: {0}. Exiting.")]
    Replay(#[from] aof::load::LoadError),
    #[error("Can't open or create the append-only file: {0}. Exiting.")]
    Log(save::Failure),
}

/// Which keys a load takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// The keyspace is empty, and a key that comes twice an error.
    No,
    /// A key that is there already is replaced.
    Replace,
}

/// Loads what the settings say is in the data directory. Commands that are not marked `loading` have been refused from
/// before the first client came (see [`Gate`](super::Gate)) to the end of this, if it succeeds.
///
/// # Errors
/// Where there is a file that cannot be taken as a whole. The keyspace then holds part of it.
pub fn load(world: &Arc<World>) -> Result<(), LoadError> {
    if world.config.appendonly() {
        // As in Redis the log is all there is, then: a dump file beside it is not looked at, even where there is no log yet.
        if !log::load(world)? && is_there(world, &world.saves.file())? {
            tracing::warn!(
                "There is no AOF and 'appendonly' is yes, so {} is not loaded. To take it over, start with 'appendonly no' \
                 and then turn it on by CONFIG SET.",
                world.saves.file().display()
            );
        }
        return log::begin(world).map_err(LoadError::Log);
    }
    let saves = &world.saves;
    let original = saves.file();
    // Beside the original, and newer: what was saved after the strings alone had been taken.
    let strings = saves.strings_file();
    if world.config.rdb_skip_unsupported() && is_there(world, &strings)? {
        tracing::warn!(
            "Loading {} and not {}: it was saved after the strings of the latter had been taken. Remove it to begin \
             anew.",
            strings.display(),
            original.display()
        );
        saves.spare_original();
        return load_file(world, &strings, Merge::No).map(drop);
    }
    if !is_there(world, &original)? {
        return Ok(());
    }
    let passed_over = load_file(world, &original, Merge::No)?;
    if !passed_over.is_empty() {
        tracing::warn!(
            "{} also holds {passed_over}, which were passed over. That file is never overwritten: saves go to {}.",
            original.display(),
            strings.display()
        );
        saves.spare_original();
    }
    Ok(())
}

fn is_there(world: &World, path: &Path) -> Result<bool, LoadError> {
    match world.media.len(path) {
        Ok(len) => Ok(len.is_some()),
        Err(error) => Err(LoadError::File {
            path: path.to_owned(),
            failure: error.into(),
        }),
    }
}

/// Loads one file. Returns what it holds besides strings, where the settings allow that.
pub(super) fn load_file(world: &World, path: &Path, merge: Merge) -> Result<Kinds, LoadError> {
    let began = Instant::now();
    let loading = &world.loading;
    let now = world.keyspace.clock().now_ms();
    loading.begin(now, 0);
    let checksum = world.config.rdbchecksum();
    let progress = &loading.progress;
    let passed_over = load::load(&*world.media, path, checksum, progress, |entry| {
        if entry.expires_at.is_some_and(|at| at <= now) {
            loading.expired.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        take(world, entry, merge)
    })
    .map_err(|failure| LoadError::File {
        path: path.to_owned(),
        failure,
    })?;
    tracing::info!(
        "Done loading RDB, keys loaded: {}, keys expired: {}.",
        loading.keys.load(Ordering::Relaxed),
        loading.expired.load(Ordering::Relaxed)
    );
    if !passed_over.is_empty() && !world.config.rdb_skip_unsupported() {
        return Err(LoadError::Unsupported {
            path: path.to_owned(),
            kinds: passed_over,
        });
    }
    tracing::info!(
        "DB loaded from disk: {:.3} seconds",
        began.elapsed().as_secs_f64()
    );
    Ok(passed_over)
}

/// Takes a key out of a file, with its expiry and what is known of its use.
///
/// # Errors
/// Where there is no such database, or the key is there and must not be.
pub(super) fn take(world: &World, entry: Entry<'_>, merge: Merge) -> Result<(), String> {
    world.loading.keys.fetch_add(1, Ordering::Relaxed);
    let databases = world.keyspace.databases();
    let db = usize::try_from(entry.db)
        .ok()
        .filter(|&db| db < databases)
        .ok_or_else(|| format!("it has a database {}, and there are {databases}", entry.db))?;
    let key = entry.key;
    let mut locked = world.keyspace.lock_key(key, Access::Write);
    if merge == Merge::No && locked.get(db, key).is_some() {
        return Err(format!("it has the key '{}' twice", key.escape_ascii()));
    }
    match entry.value {
        Loaded::Bytes(bytes) => locked.put_bytes(db, key, bytes, entry.expires_at),
        Loaded::Bitmap(bitmap) => locked.put(db, key, Value::from(bitmap), entry.expires_at),
    }
    if entry.hint != Hint::None
        && let Some(mut placed) = locked.get_mut(db, key)
    {
        match entry.hint {
            Hint::None => {}
            Hint::Idle(seconds) => placed.set_idle(u32::try_from(seconds).unwrap_or(u32::MAX)),
            Hint::Frequency(counter) => placed.set_frequency(counter),
        }
    }
    Ok(())
}

/// Refuses what has to wait for the data, from when it is made until it is dropped.
pub(super) struct Closed<'a>(&'a World);

impl<'a> Closed<'a> {
    pub fn new(world: &'a World) -> Self {
        world.gate.set(Bar::Loading, true);
        Self(world)
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.gate.set(Bar::Loading, false);
    }
}
