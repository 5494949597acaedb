//! The disk's verbs, as few as durability needs: [`Media`].
//!
//! [`Disk`] is the real one. [`Memory`] is a disk for tests, which forgets what was not synced when its power goes,
//! and fails when told to.
//!
//! What a file holds is safe once [`File::sync`] has returned; that it is there under its name, once
//! [`Media::sync_dir`] has returned for its directory. Neither implies the other. Renaming replaces the target at once or
//! not at all. When a sync fails, what was to be synced may be lost even if the next sync succeeds: Linux marks the pages
//! clean. So whoever sees a sync fail writes the data again, to another file.

mod disk;
pub mod memory;

use std::any::Any;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

pub use disk::Disk;
pub use memory::Memory;

/// A place for files. Paths are as the operating system takes them.
pub trait Media: fmt::Debug + Send + Sync {
    /// Opens a file to read it from its start, and says how long it is now, in bytes.
    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)>;

    /// An empty file to write, in place of whatever had the name.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// A file to write on at its end; made if it is not there.
    fn append(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Gives a file another name, in place of whatever had that name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file away.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory. One that is there already is no error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes safe which names the directory holds.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// The length of a file in bytes; `None` where there is none.
    fn len(&self, path: &Path) -> io::Result<Option<u64>>;

    /// Keeps a directory from others that ask the same, until what is returned is dropped or the process ends, however it
    /// does. A disk that only one process can see has nothing to do.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where another has it.
    fn claim(&self, _dir: &Path) -> io::Result<Box<dyn Any + Send>> {
        Ok(Box::new(()))
    }

    /// The whole of a file that is known to be short.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path)?.0.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A file open for writing. Everything written goes to its end. Two threads may use it at once: one writes, the other
/// syncs.
pub trait File: fmt::Debug + Send + Sync {
    /// Adds bytes at the end and says how many: at least one, unless none were given, and not always all.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Lets the disk begin with `len` bytes that were written at `at`, and waits for nothing. A hint: the file is no safer
    /// for it, but the next sync is shorter. A disk that can't begin early does nothing.
    fn begin_sync(&self, _at: u64, _len: u64) {}

    /// Makes safe all that was written before the call.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file to this length in bytes, which is not more than it has.
    fn truncate(&self, len: u64) -> io::Result<()>;
}

/// So that a file is written by `write!`, `BufWriter` and their like.
impl Write for &dyn File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        File::write(*self, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // nothing is held back
    }
}

/// The directory that a path names a file in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

/// Writes a file so that under its name there is at any moment the old content or the new, whole, whatever happens.
///
/// `fill` writes to `temporary`, a name in the same directory, which is synced and then renamed to `path`. The new
/// content is safe when this returns.
///
/// # Errors
/// Whatever `fill` or the disk says. The temporary file is then removed if it can be.
pub fn write_whole<E: From<io::Error>>(
    media: &dyn Media,
    path: &Path,
    temporary: &Path,
    fill: impl FnOnce(&dyn File) -> Result<(), E>,
) -> Result<(), E> {
    let written = (|| {
        let file = media.create(temporary)?;
        fill(&*file)?;
        file.sync()?;
        Ok(media.rename(temporary, path)?)
    })();
    if let Err(error) = written {
        // What went wrong first is what matters; a disk that fails may refuse this too.
        let _ = media.remove(temporary);
        return Err(error);
    }
    Ok(media.sync_dir(parent(path))?)
}

#[cfg(test)]
mod tests;
