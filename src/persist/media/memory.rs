//! A disk in memory, for tests: it loses its power where it is told to, and fails as it is told to.
//!
//! It is as unhelpful as the promises in [`super`] allow. Without a sync of its own, a file loses all or any part of what
//! was added to it, and a directory any of its changes, in any combination. A sync that failed has thrown away what it
//! should have made safe, and later ones do not bring it back.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{File, Media, parent};

/// A disk in memory. A clone is the same disk.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

/// What a disk is asked to do, where it can be told to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    Open,
    /// Creating a file, opening one to append, making a directory.
    Create,
    Write,
    Sync,
    Truncate,
    Rename,
    Remove,
    SyncDir,
}

impl Verb {
    /// What a file system mounted read-only refuses.
    pub const CHANGES: [Self; 5] = [
        Self::Create,
        Self::Write,
        Self::Truncate,
        Self::Rename,
        Self::Remove,
    ];
}

/// What a power loss does to all that is not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All of it is gone.
    All,
    /// Some of it is gone, and files end anywhere within what was added: which and where follows from the number.
    Some(u64),
    /// Nothing is gone, as when only the process was killed.
    Nothing,
}

#[derive(Default)]
struct State {
    files: Vec<Content>,
    /// Which file a name stands for, or that it is a directory.
    names: BTreeMap<PathBuf, Entry>,
    safe_names: BTreeMap<PathBuf, Entry>,
    /// Changes of names since their directory was synced, in order.
    unsafe_changes: Vec<Change>,
    /// Verbs that change something, so far.
    done: u64,
    power_ends_at: Option<u64>,
    faults: Vec<(Verb, i32)>,
    /// Bytes that still fit.
    room: Option<u64>,
    /// How long a write takes.
    delay: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    File(usize),
    Dir,
}

/// A change of names: all of it happens, or nothing.
#[derive(Clone)]
struct Change(Vec<(PathBuf, Option<Entry>)>);

#[derive(Clone, Default)]
struct Content {
    bytes: Vec<u8>,
    safe: Vec<u8>,
    /// A sync failed: nothing more will ever be safe.
    broken: bool,
}

impl Memory {
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of times so far that something was changed or synced.
    pub fn verbs(&self) -> u64 {
        self.state().done
    }

    /// Lets the power go at the verb with this number (the first is 0): that verb has no effect and fails, as does all
    /// that comes after.
    pub fn cut_power_at(&self, verb: u64) {
        self.state().power_ends_at = Some(verb);
    }

    /// The disk as it is found when the power is back.
    pub fn after_power_loss(&self, loss: Loss) -> Self {
        let state = self.state();
        let mut dice = Dice(match loss {
            Loss::Some(number) => number,
            Loss::All | Loss::Nothing => 0,
        });
        let mut names = state.safe_names.clone();
        for change in &state.unsafe_changes {
            let happened = match loss {
                Loss::All => false,
                Loss::Some(_) => dice.below(2) == 1,
                Loss::Nothing => true,
            };
            if happened {
                change.apply(&mut names);
            }
        }
        let survive = |content: &Content| {
            let bytes = match loss {
                Loss::All => content.safe.clone(),
                Loss::Nothing => content.bytes.clone(),
                Loss::Some(_) => dice.torn(content),
            };
            Content {
                safe: bytes.clone(),
                bytes,
                broken: false,
            }
        };
        let state = State {
            files: state.files.iter().map(survive).collect(),
            safe_names: names.clone(),
            names,
            ..State::default()
        };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Makes these verbs fail with this error number (`ENOSPC` is 28, `EIO` 5, `EROFS` 30) until [`Memory::heal`].
    pub fn fail(&self, verbs: &[Verb], errno: i32) {
        let faults = verbs.iter().map(|verb| (*verb, errno));
        self.state().faults.extend(faults);
    }

    /// Lets only so many more bytes be written, until [`Memory::heal`].
    pub fn leave_room(&self, bytes: u64) {
        self.state().room = Some(bytes);
    }

    /// Makes each write take so long, whatever it writes.
    pub fn slow_down(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Ends all failing, and makes room.
    pub fn heal(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.room = None;
    }

    /// Puts a file there, safely.
    pub fn put(&self, path: impl AsRef<Path>, bytes: &[u8]) {
        let mut state = self.state();
        let entry = Entry::File(state.files.len());
        state.files.push(Content {
            bytes: bytes.to_vec(),
            safe: bytes.to_vec(),
            broken: false,
        });
        let path = path.as_ref().to_path_buf();
        state.names.insert(path.clone(), entry);
        state.safe_names.insert(path, entry);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Begins a verb: fails where it is to fail.
    fn begin(&mut self, verb: Verb) -> io::Result<()> {
        if verb != Verb::Open {
            self.done += 1;
        }
        if self.power_ends_at.is_some_and(|end| self.done > end) {
            return Err(io::Error::other("the power is off"));
        }
        match self.faults.iter().find(|(faulty, _)| *faulty == verb) {
            Some((_, errno)) => Err(io::Error::from_raw_os_error(*errno)),
            None => Ok(()),
        }
    }

    fn file(&self, path: &Path) -> io::Result<Option<usize>> {
        match self.names.get(path) {
            Some(Entry::File(file)) => Ok(Some(*file)),
            Some(Entry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Ok(None),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.unsafe_changes.push(change);
    }

    /// A file of this name, new unless it is there.
    fn ensure(&mut self, path: &Path) -> io::Result<usize> {
        if let Some(file) = self.file(path)? {
            return Ok(file);
        }
        let dir = parent(path);
        if !self.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.files.push(Content::default());
        let file = self.files.len() - 1;
        self.change(Change(vec![(path.to_path_buf(), Some(Entry::File(file)))]));
        Ok(file)
    }

    /// Directories of one name, where tests begin, need not be made.
    fn is_dir(&self, path: &Path) -> bool {
        self.names.get(path) == Some(&Entry::Dir)
            || parent(path) == Path::new(".")
            || path.parent() == Some(Path::new("/"))
            || path.parent().is_none()
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Entry>) {
        for (name, entry) in &self.0 {
            match entry {
                Some(entry) => names.insert(name.clone(), *entry),
                None => names.remove(name),
            };
        }
    }

    fn is_in(&self, dir: &Path) -> bool {
        self.0.iter().any(|(name, _)| parent(name) == dir)
    }
}

impl Media for Memory {
    fn open(&self, path: &Path) -> io::Result<(Box<dyn Read + Send>, u64)> {
        let mut state = self.state();
        state.begin(Verb::Open)?;
        let file = state.file(path)?.ok_or(io::ErrorKind::NotFound)?;
        let bytes = state.files[file].bytes.clone();
        let len = bytes.len() as u64;
        Ok((Box::new(io::Cursor::new(bytes)), len))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.begin(Verb::Create)?;
        let file = state.ensure(path)?;
        state.files[file].bytes.clear();
        Ok(self.handle(file))
    }

    fn append(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        state.begin(Verb::Create)?;
        let file = state.ensure(path)?;
        Ok(self.handle(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Verb::Rename)?;
        let entry = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        if from != to {
            state.change(Change(vec![
                (from.to_path_buf(), None),
                (to.to_path_buf(), Some(entry)),
            ]));
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Verb::Remove)?;
        state.file(path)?.ok_or(io::ErrorKind::NotFound)?;
        state.change(Change(vec![(path.to_path_buf(), None)]));
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Verb::Create)?;
        match state.names.get(path) {
            Some(Entry::Dir) => {}
            Some(Entry::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None => state.change(Change(vec![(path.to_path_buf(), Some(Entry::Dir))])),
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Verb::SyncDir)?;
        let State {
            unsafe_changes,
            safe_names,
            ..
        } = &mut *state;
        unsafe_changes.retain(|change| {
            let synced = change.is_in(path);
            if synced {
                change.apply(safe_names);
            }
            !synced
        });
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin(Verb::Open)?;
        if !state.is_dir(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = state.names.keys().filter(|name| parent(name) == path);
        Ok(inside
            .filter_map(|name| Some(name.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    fn len(&self, path: &Path) -> io::Result<Option<u64>> {
        let mut state = self.state();
        state.begin(Verb::Open)?;
        let file = state.file(path)?;
        Ok(file.map(|file| state.files[file].bytes.len() as u64))
    }
}

impl Memory {
    fn handle(&self, file: usize) -> Arc<dyn File> {
        Arc::new(Handle {
            disk: self.clone(),
            file,
        })
    }
}

/// A file of a [`Memory`], which it keeps alive also when it has no name any more.
#[derive(Debug)]
struct Handle {
    disk: Memory,
    file: usize,
}

impl File for Handle {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let delay = self.disk.state().delay;
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        let mut state = self.disk.state();
        state.begin(Verb::Write)?;
        let fits = match &mut state.room {
            None => bytes.len(),
            Some(0) if !bytes.is_empty() => return Err(io::ErrorKind::StorageFull.into()),
            Some(room) => {
                let fits = bytes
                    .len()
                    .min(usize::try_from(*room).unwrap_or(usize::MAX));
                *room -= fits as u64;
                fits
            }
        };
        state.files[self.file]
            .bytes
            .extend_from_slice(&bytes[..fits]);
        Ok(fits)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let begun = state.begin(Verb::Sync);
        let content = &mut state.files[self.file];
        content.broken |= begun.is_err();
        begun?;
        if !content.broken {
            content.safe.clone_from(&content.bytes);
        }
        Ok(())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Verb::Truncate)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        state.files[self.file].bytes.truncate(len);
        Ok(())
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({:?})", self.state().names.keys())
    }
}

/// Numbers that look random and follow from a first one: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    /// What is safe, and any part of what was added since; of a file that was cut or begun anew, one or the other.
    fn torn(&mut self, content: &Content) -> Vec<u8> {
        let Content { bytes, safe, .. } = content;
        if !bytes.starts_with(safe) {
            return if self.below(2) == 0 { bytes } else { safe }.clone();
        }
        let kept = safe.len() as u64 + self.below((bytes.len() - safe.len()) as u64 + 1);
        bytes[..kept as usize].to_vec()
    }
}
