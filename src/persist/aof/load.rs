//! The log read back at the start of the server.

use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::files::{self, Files};
use super::manifest::{self, BadManifest, Manifest};
use super::replay::{ReplayError, Replayed, replay};
use crate::persist::media::{self, File, Media};
use crate::persist::save::Failure;
use crate::resp::Request;

/// What the names of bases that are being written begin with, Redis's among them.
pub const TEMPORARY_BASE: &str = "temp-rewriteaof-";

/// What an RDB file begins with.
const RDB_MAGIC: &[u8] = b"REDIS";

/// Bytes read after which the target is told again.
const TELLING: u64 = 1 << 20;

/// Why a log cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}: {error}", path.display())]
    Manifest { path: PathBuf, error: BadManifest },
    #[error("the AOF manifest names {}, which is not there", path.display())]
    Missing { path: PathBuf },
    #[error(
        "bad file format reading the append only file {}: {error}. Make a backup of your AOF file, then use \
         redis-check-aof --fix <filename.manifest>",
        path.display()
    )]
    Damaged { path: PathBuf, error: ReplayError },
    #[error(
        "unexpected end of file reading the append only file {}: it is good up to offset {good} of {len}. Either make a \
         backup of it and use redis-check-aof --fix <filename.manifest>, or set 'aof-load-truncated' to yes and start \
         again",
        path.display()
    )]
    Truncated { path: PathBuf, good: u64, len: u64 },
    #[error("the append only file {} is not the last one and has no end: it is good up to offset {good} of {len}", path.display())]
    TruncatedInTheMiddle { path: PathBuf, good: u64, len: u64 },
    #[error("the RDB part of {}: {error}", path.display())]
    Base { path: PathBuf, error: String },
}

/// What a log is read into.
pub trait Target {
    /// Runs one command.
    fn command(&mut self, request: Request<'_>) -> Result<(), String>;

    /// Loads an RDB file from its start. Returns its length, and what was read past its end.
    fn rdb(&mut self, source: &mut dyn Read) -> Result<(u64, Vec<u8>), String>;

    /// So many bytes of the log have been read, and so many commands run.
    fn progress(&mut self, bytes: u64, commands: u64);
}

/// What a whole log came to.
#[derive(Debug)]
pub struct Loaded {
    pub commands: u64,
    torn: Option<Torn>,
}

/// A last file whose end is missing.
#[derive(Debug)]
struct Torn {
    name: String,
    good: u64,
    len: u64,
}

/// Finds the log called `name` in the directory `dirname` of `root`. The list is empty where there is none.
///
/// # Errors
/// If the list is damaged, or the disk fails.
pub fn find(
    media: Arc<dyn Media>,
    root: &Path,
    dirname: &str,
    name: &str,
) -> Result<Files, LoadError> {
    let dir = root.join(dirname);
    let list = read_list(&*media, &dir, name)?.unwrap_or_default();
    Ok(Files::new(media, dir, name.to_owned(), list))
}

/// The list of the log called `name`, if there is one in `dir`.
fn read_list(media: &dyn Media, dir: &Path, name: &str) -> Result<Option<Manifest>, LoadError> {
    let path = dir.join(manifest::file_name(name));
    let read = || {
        let is_there = media.len(&path)?.is_some();
        is_there.then(|| media.read(&path)).transpose()
    };
    match read() {
        Ok(None) => Ok(None),
        Ok(Some(text)) => match Manifest::parse(&text) {
            Ok(list) => Ok(Some(list)),
            Err(error) => Err(LoadError::Manifest { path, error }),
        },
        Err(error) => Err(LoadError::Io { path, error }),
    }
}

/// As [`find`], and moves a log of Redis 6, which is one file in `root`, to where it belongs.
///
/// # Errors
/// If the list is damaged, or the disk fails.
pub fn take_over(
    media: Arc<dyn Media>,
    root: &Path,
    dirname: &str,
    name: &str,
) -> Result<Files, LoadError> {
    let dir = root.join(dirname);
    let old = root.join(name);
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| LoadError::Io { path, error }
    };
    let is_there = |path: &Path| Ok(media.len(path).map_err(io(path))?.is_some());
    let list = read_list(&*media, &dir, name)?;
    let single = Manifest::of_single_file(name);
    // Also where moving it was begun: the list is written before the file is moved.
    let moves = match &list {
        None => is_there(&old)?,
        Some(list) => *list == single && !is_there(&dir.join(name))? && is_there(&old)?,
    };
    if moves {
        tracing::info!("Moving the old-style AOF {name} into {dirname}");
        (|| {
            media.create_dir(&dir)?;
            media.sync_dir(media::parent(&dir))?;
            files::save_list(&*media, &dir, name, &single)?;
            media.rename(&old, &dir.join(name))?;
            media.sync_dir(&dir)?;
            media.sync_dir(root)
        })()
        .map_err(io(&old))?;
        return Ok(Files::new(media, dir, name.to_owned(), single));
    }
    Ok(Files::new(
        media,
        dir,
        name.to_owned(),
        list.unwrap_or_default(),
    ))
}

impl Files {
    /// Whether there is a log to load.
    pub fn exists(&self) -> bool {
        self.list().files().next().is_some()
    }

    /// Reads the whole log into `target`. With `torn`, the last file may be without its end (`aof-load-truncated`); before
    /// anything is appended to it, it is to be cut ([`Files::mend`]).
    ///
    /// # Errors
    /// If a file is missing, damaged or without its end, or the disk fails. What came before has been loaded.
    pub fn load(&self, torn: bool, target: &mut dyn Target) -> Result<Loaded, LoadError> {
        let list = self.list();
        let last = list.files().last();
        for file in list.files() {
            let path = self.path(&file.name);
            if self.len_of(&path)?.is_none() {
                return Err(LoadError::Missing { path });
            }
        }
        let mut loaded = Loaded {
            commands: 0,
            torn: None,
        };
        let mut before = 0;
        for file in list.files() {
            let path = self.path(&file.name);
            let began = Instant::now();
            let done = self.load_file(&path, (before, loaded.commands), target)?;
            loaded.commands += done.commands;
            before += done.len;
            target.progress(before, loaded.commands);
            tracing::info!(
                "DB loaded from {} file {}: {:.3} seconds",
                if Some(file) == list.base.as_ref() {
                    "base"
                } else {
                    "incr"
                },
                file.name,
                began.elapsed().as_secs_f64()
            );
            if done.good == done.len {
                continue;
            }
            let Replayed { good, len, .. } = done;
            if Some(file) != last {
                return Err(LoadError::TruncatedInTheMiddle { path, good, len });
            }
            if !torn {
                return Err(LoadError::Truncated { path, good, len });
            }
            tracing::warn!(
                "!!! Warning: short read while loading the AOF file {} !!!",
                file.name
            );
            tracing::warn!(
                "AOF {} loaded anyway because aof-load-truncated is enabled",
                file.name
            );
            loaded.torn = Some(Torn {
                name: file.name.clone(),
                good,
                len,
            });
        }
        Ok(loaded)
    }

    /// Cuts off what is not whole at the end of what was loaded, so that it can be gone on with.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub fn mend(&self, loaded: &Loaded) -> Result<(), LoadError> {
        let Some(Torn { name, good, len }) = &loaded.torn else {
            return Ok(());
        };
        tracing::warn!("Truncating the AOF {name} at offset {good} (of {len})");
        self.cut(&self.path(name), *good)
    }

    /// Reads one file; `before` are the bytes and the commands of others that have been read.
    fn load_file(
        &self,
        path: &Path,
        before: (u64, u64),
        target: &mut dyn Target,
    ) -> Result<Replayed, LoadError> {
        let io = |error| LoadError::Io {
            path: path.to_owned(),
            error,
        };
        let (mut source, _) = self.media.open(path).map_err(io)?;
        let mut start = Vec::new();
        let mut head = Read::take(&mut source, RDB_MAGIC.len() as u64);
        head.read_to_end(&mut start).map_err(io)?;
        let is_rdb = start == RDB_MAGIC;
        let mut source: Box<dyn Read> = Box::new(Cursor::new(start).chain(source));
        let mut begun = 0;
        if is_rdb {
            let (len, rest) = target.rdb(&mut source).map_err(|error| LoadError::Base {
                path: path.to_owned(),
                error,
            })?;
            begun = len;
            source = Box::new(Cursor::new(rest).chain(source));
        }
        let (mut bytes, mut commands) = before;
        let mut told = bytes;
        replay(&mut source, begun, &mut |offset, request| {
            target.command(request)?;
            (bytes, commands) = (before.0 + offset, commands + 1);
            if commands.is_multiple_of(1024) || bytes - told > TELLING {
                told = bytes;
                target.progress(bytes, commands);
            }
            Ok(())
        })
        .map_err(|error| LoadError::Damaged {
            path: path.to_owned(),
            error,
        })
    }

    fn cut(&self, path: &Path, len: u64) -> Result<(), LoadError> {
        let cut = || {
            let file = self.media.append(path)?;
            file.truncate(len)?;
            file.sync()
        };
        cut().map_err(|error| LoadError::Io {
            path: path.to_owned(),
            error,
        })
    }

    fn len_of(&self, path: &Path) -> Result<Option<u64>, LoadError> {
        self.media.len(path).map_err(|error| LoadError::Io {
            path: path.to_owned(),
            error,
        })
    }

    /// Opens the file that new commands go to, and says how long it is. Where there is no log yet, its base is written first,
    /// by `write_base` and as RDB if `rdb`; where there is no file of commands, one is begun.
    pub fn begin(
        &self,
        rdb: bool,
        write_base: impl FnOnce(&dyn File) -> Result<(), Failure>,
    ) -> Result<(Arc<dyn File>, u64), Failure> {
        self.make_dir()?;
        self.delete_history()?;
        // What a rewrite left that did not live to its end.
        for name in self.media.list(&self.dir)? {
            if name.starts_with(TEMPORARY_BASE) {
                self.media.remove(&self.path(&name))?;
            }
        }
        let list = self.list();
        if let Some(last) = list.incremental.last() {
            let path = self.path(&last.name);
            let len = self.media.len(&path)?.unwrap_or(0);
            return Ok((self.media.append(&path)?, len));
        }
        let base = list.base.is_none().then(|| list.next_base(&self.name, rdb));
        if let Some(base) = &base {
            tracing::info!("Creating AOF base file {} on server start", base.name);
            let temporary = self.path(&format!("temp-{}", base.name));
            media::write_whole(&*self.media, &self.path(&base.name), &temporary, write_base)?;
        }
        let next = list.next_incremental(&self.name);
        tracing::info!("Creating AOF incr file {} on server start", next.name);
        let file = self.create(&next)?;
        self.change_list(|list| {
            if let Some(base) = base {
                list.replace_base(base, 0);
            }
            list.add_incremental(next);
        })?;
        Ok((file, 0))
    }
}
