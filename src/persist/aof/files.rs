//! The log's directory: its list of files, and what is done with them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::manifest::{self, Manifest};
use crate::persist::media::{self, File, Media};

/// Where a log is kept.
pub struct Files {
    pub media: Arc<dyn Media>,
    /// The directory (`appenddirname` in `dir`).
    pub dir: PathBuf,
    /// What the names of the files begin with (`appendfilename`).
    pub name: String,
    /// The list as it stands on the disk.
    list: Mutex<Manifest>,
}

impl Files {
    pub fn new(media: Arc<dyn Media>, dir: PathBuf, name: String, list: Manifest) -> Self {
        Self {
            media,
            dir,
            name,
            list: Mutex::new(list),
        }
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// A copy of the list.
    pub fn list(&self) -> Manifest {
        self.list.lock().clone()
    }

    /// Makes a directory for the log, if there is none, and makes it last.
    pub fn make_dir(&self) -> io::Result<()> {
        self.media.create_dir(&self.dir)?;
        self.media.sync_dir(media::parent(&self.dir))
    }

    /// Makes an empty file of the log. It lasts, but is not on the list.
    pub fn create(&self, file: &manifest::File) -> io::Result<Arc<dyn File>> {
        let path = self.path(&file.name);
        // A failed beginning may have left one, to which the writer still writes.
        if self.media.len(&path)?.is_some() {
            self.media.remove(&path)?;
        }
        let made = self.media.create(&path)?;
        made.sync()?;
        self.media.sync_dir(&self.dir)?;
        Ok(made)
    }

    /// Changes the list, on the disk first. If that fails, it stays as it was.
    pub fn change_list(&self, change: impl FnOnce(&mut Manifest)) -> io::Result<()> {
        let mut list = self.list.lock();
        let mut new = list.clone();
        change(&mut new);
        save_list(&*self.media, &self.dir, &self.name, &new)?;
        *list = new;
        Ok(())
    }

    /// Deletes the files that are history. What cannot be deleted stays on the list and is tried again next time.
    pub fn delete_history(&self) -> io::Result<()> {
        let history = self.list().history;
        if history.is_empty() {
            return Ok(());
        }
        let mut kept = Vec::new();
        for file in history {
            match self.media.remove(&self.path(&file.name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!("Failed to remove the history file {}: {error}", file.name);
                    kept.push(file);
                }
                _ => tracing::info!("Removed the history file {}", file.name),
            }
        }
        self.change_list(|list| list.history = kept)
    }

    /// The bytes of all files that are the log.
    pub fn size(&self) -> io::Result<u64> {
        let mut size = 0;
        for file in self.list().files() {
            size += self.media.len(&self.path(&file.name))?.unwrap_or(0);
        }
        Ok(size)
    }
}

/// Replaces the list on the disk.
pub fn save_list(media: &dyn Media, dir: &Path, name: &str, list: &Manifest) -> io::Result<()> {
    let path = dir.join(manifest::file_name(name));
    let temporary = dir.join(format!("temp-{}", manifest::file_name(name)));
    media::write_whole(media, &path, &temporary, |file| {
        write_all(file, list.text().as_bytes())
    })
}

/// Writes all of `bytes`.
pub fn write_all(mut file: &dyn File, bytes: &[u8]) -> io::Result<()> {
    io::Write::write_all(&mut file, bytes)
}
