//! The log made short again: a base that holds what the keyspace held at one instant, and after it only what came since.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::files::Files;
use super::{Log, Next, encode, manifest};
use crate::bits::View;
use crate::persist::media::{self, File};
use crate::persist::save::{Failure, Progress};
use crate::store::Snapshot;
use crate::store::snapshot::Piece;

/// Bytes of a long value that are written at once.
const PIECE: usize = 64 << 10;

/// A rewrite under way. Dropped before its end, the log goes on with the files it has.
pub struct Rewrite {
    log: Arc<Log>,
    files: Arc<Files>,
    next: Option<manifest::File>,
    file: Option<Arc<dyn File>>,
    /// The log is being turned on: its files are put on the list when the base is there, all at once.
    begins: bool,
    /// How often the writer had gone on to another file at the mark.
    turns: u64,
}

impl Log {
    /// Prepares a rewrite. With `keep`, commands go to a new file from [`Rewrite::mark`] on, and the log is turned on if it is
    /// off; without, it is the base alone that is written.
    ///
    /// # Errors
    /// If the new file cannot be made; `AlreadyExists` (and nothing done) while another rewrite is under way.
    pub fn prepare_rewrite(
        self: &Arc<Self>,
        files: &Arc<Files>,
        keep: bool,
    ) -> io::Result<Rewrite> {
        if self.rewriting.swap(true, Ordering::Relaxed) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut rewrite = Rewrite {
            log: Arc::clone(self),
            files: Arc::clone(files),
            next: None,
            file: None,
            begins: !self.feed.is_on() || self.unlisted.load(Ordering::Relaxed),
            turns: 0,
        };
        files.make_dir()?;
        if keep {
            let next = files.list().next_incremental(&files.name);
            rewrite.file = Some(files.create(&next)?);
            tracing::info!("Creating AOF incr file {} on background rewrite", next.name);
            rewrite.next = Some(next);
        }
        Ok(rewrite)
    }
}

impl Drop for Rewrite {
    fn drop(&mut self) {
        self.log.rewriting.store(false, Ordering::Relaxed);
    }
}

impl Rewrite {
    /// What changes from now on is in the new file, what changed before will be in the base. All keys must be locked for
    /// writing, and the snapshot taken under the same locks.
    pub fn mark(&mut self) {
        let (Some(next), Some(file)) = (&self.next, &self.file) else {
            return;
        };
        let mut state = self.log.state.lock();
        let file = Arc::clone(file);
        state.next = if self.begins {
            Next::Unlisted(file)
        } else {
            Next::Listed(Arc::clone(&self.files), next.clone(), file)
        };
        self.turns = state.turns;
        drop(state);
        self.log.unlisted.store(self.begins, Ordering::Relaxed);
        self.log.feed.cut();
        self.log.feed.turn_on();
    }

    /// Writes the base with `write` and puts it in place of all that came before the mark. `rdb` is its format; `temporary` a
    /// name in the log's directory.
    ///
    /// # Errors
    /// Whatever the disk or `write` says, and if the log was turned off meanwhile. The log then goes on with the files it has.
    pub fn finish(
        self,
        rdb: bool,
        temporary: &str,
        write: impl FnOnce(&dyn File) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let files = &*self.files;
        let base = files.list().next_base(&files.name, rdb);
        let path = files.path(&base.name);
        media::write_whole(&*files.media, &path, &files.path(temporary), write)?;
        tracing::info!(
            "Renamed the temporary AOF base file {temporary} into {}",
            base.name
        );
        self.wait_for_the_writer()?;
        let from = self.next.as_ref().map_or(u64::MAX, |next| next.seq);
        files.change_list(|list| {
            list.replace_base(base, from);
            if let Some(next) = self.next.as_ref().filter(|_| self.begins) {
                list.add_incremental(next.clone());
            }
        })?;
        if self.next.is_some() {
            self.log.unlisted.store(false, Ordering::Relaxed);
        }
        if let Err(error) = files.delete_history() {
            tracing::warn!("Failed to update the AOF manifest: {error}");
        }
        let log = &self.log;
        let all = files.size()?;
        log.base_size.store(all, Ordering::Relaxed);
        let current = log.size.load(Ordering::Relaxed);
        log.other_size
            .store(all.saturating_sub(current), Ordering::Relaxed);
        Ok(())
    }

    /// Waits until the old file is whole and on the disk, and the new one in use.
    fn wait_for_the_writer(&self) -> io::Result<()> {
        if self.next.is_none() {
            return Ok(());
        }
        let mut state = self.log.state.lock();
        while state.turns == self.turns {
            if let Some(trouble) = &state.trouble {
                return Err(io::Error::other(trouble.clone()));
            }
            if self.log.stops() {
                return Err(io::Error::other("the server ends"));
            }
            self.log.turned.wait(&mut state);
        }
        if !self.log.feed.is_on() {
            return Err(io::Error::other("the log was turned off"));
        }
        Ok(())
    }
}

/// Writes a base as commands (`aof-use-rdb-preamble no`): SET for each key, and PEXPIREAT where it expires.
///
/// # Errors
/// What the disk says, or that it was stopped.
pub fn write_commands(
    file: &dyn File,
    snapshot: &mut Snapshot,
    progress: &Progress,
) -> Result<(), Failure> {
    let pieces = progress.count(snapshot);
    progress.watch(file, |file| {
        write_pieces(BufWriter::with_capacity(PIECE, file), pieces)
    })
}

fn write_pieces(mut out: impl Write, pieces: impl Iterator<Item = Piece>) -> io::Result<()> {
    let (mut db, mut line) = (None, Vec::new());
    for piece in pieces {
        line.clear();
        if db != Some(piece.db) {
            encode::select(&mut line, piece.db);
            db = Some(piece.db);
        }
        for entry in piece.entries() {
            encode::set(&mut line, entry.key(), entry.view().len());
            out.write_all(&line)?;
            write_view(&mut out, entry.view())?;
            out.write_all(b"\r\n")?;
            line.clear();
            if let Some(at) = entry.expires_at() {
                let at = at.to_string();
                let words = [b"PEXPIREAT".as_slice(), entry.key(), at.as_bytes()];
                encode::command(&mut line, words.into_iter());
            }
        }
        out.write_all(&line)?;
    }
    out.flush()
}

/// The bytes of a value, a piece at a time.
fn write_view(out: &mut impl Write, view: View<'_>) -> io::Result<()> {
    if let View::Flat(bytes) = view {
        return out.write_all(bytes);
    }
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < view.len() {
        let len = (view.len() - at).min(PIECE as u64) as usize;
        view.read(at, &mut piece[..len]);
        out.write_all(&piece[..len])?;
        at += len as u64;
    }
    Ok(())
}
