//! The real disk.

use std::any::Any;
use std::fs;
use std::io::{self, Read, Write};
#[cfg(target_os = "linux")]
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

#[cfg(target_os = "linux")]
use rustix::fs::{Advice, fadvise};

use super::{File, Media};

/// The file system of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Media for Disk {
    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let file = fs::File::open(path)?;
        let len = file.metadata()?.len();
        Ok((Box::new(file), len))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        // Not truncated on opening, which cannot be combined with appending.
        let file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)?;
        file.set_len(0)?;
        Ok(Arc::new(file))
    }

    fn append(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            result => result,
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(path)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// By a lock on the directory itself: no file is left behind, a read-only directory can be claimed too, and the system
    /// takes the lock back from a process that dies.
    fn claim(&self, dir: &Path) -> io::Result<Box<dyn Any + Send>> {
        let handle = fs::File::open(dir)?;
        match handle.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(io::Error::new(
                    io::ErrorKind::WouldBlock,
                    format!("another server uses the directory {}", dir.display()),
                ));
            }
            // Some network file systems lock no directories; that is no reason not to serve.
            Err(fs::TryLockError::Error(error)) => tracing::warn!(
                "Can't lock the directory {} against other servers: {error}",
                dir.display()
            ),
        }
        Ok(Box::new(handle))
    }
}

impl File for fs::File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        loop {
            match Write::write(&mut file, bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    // Linux writes what is to be forgotten, and forgets none of what it has not written yet. Redis gives the same hint.
    #[cfg(target_os = "linux")]
    fn begin_sync(&self, at: u64, len: u64) {
        if let Err(error) = fadvise(self, at, NonZeroU64::new(len), Advice::DontNeed) {
            tracing::debug!("The disk can't begin early: {error}");
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data() // the length is data here: it is synced too
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}
