//! A file of the keyspace, back into the keyspace.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::media::Media;
use super::rdb::{self, Hint, Item, Kinds, Loaded, Reader};

/// How often a long load says in the log how far it is.
const REPORT: Duration = Duration::from_secs(2);

/// Says so in the log, from time to time.
pub struct Reports(Instant);

impl Default for Reports {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Reports {
    /// `count` is how many `what` (in the plural) there have been so far. Asks for the time, so not to be called for each.
    pub fn tell(&mut self, progress: &Progress, count: u64, what: &str) {
        if self.0.elapsed() >= REPORT {
            self.0 = Instant::now();
            let (read, total) = progress.bytes();
            let percent = read * 100 / total.max(1);
            tracing::info!("Loading: {percent}%, {count} {what} so far");
        }
    }
}

/// How far a load is, for others to see.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    read: AtomicU64,
}

impl Progress {
    /// Bytes read so far, and bytes in all.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.read.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }

    /// A new load begins, of so many bytes.
    pub fn begin(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
    }

    pub fn reach(&self, read: u64) {
        self.read.store(read, Ordering::Relaxed);
    }
}

/// A key out of a file.
#[derive(Debug)]
pub struct Entry<'r> {
    /// Its database, which may be any number.
    pub db: u64,
    pub key: &'r [u8],
    pub value: Loaded<'r>,
    /// In milliseconds since the Unix epoch. May have passed.
    pub expires_at: Option<i64>,
    pub hint: Hint,
}

/// Why a file was not loaded, or not to its end.
#[derive(Debug, Error)]
pub enum Failure<E> {
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Format(#[from] rdb::Error),
    /// What whoever was given the entries had against one.
    #[error(transparent)]
    Refused(E),
}

/// Reads a file and gives its keys to `keep`, in order. Returns what else it holds, which is passed over.
///
/// # Errors
/// What the disk says, what is wrong with the file, or what `keep` says; keys before that have been given to `keep`.
pub fn load<E>(
    media: &dyn Media,
    path: &Path,
    checksum: bool,
    progress: &Progress,
    keep: impl FnMut(Entry<'_>) -> Result<(), E>,
) -> Result<Kinds, Failure<E>> {
    let (source, len) = media.open(path)?;
    progress.begin(len);
    let mut reader = Reader::new(source, checksum)?;
    read(&mut reader, progress, keep)?;
    Ok(reader.passed_over().clone())
}

/// As [`load`], from a reader. Where there are other files to load after this one, `progress` has begun with the bytes of
/// all.
///
/// # Errors
/// As [`load`].
pub fn read<R: Read, E>(
    reader: &mut Reader<R>,
    progress: &Progress,
    mut keep: impl FnMut(Entry<'_>) -> Result<(), E>,
) -> Result<(), Failure<E>> {
    let mut db = 0;
    let mut keys: u64 = 0;
    let mut reports = Reports::default();
    while let Some(item) = reader.next_item()? {
        match item {
            Item::Database(index) => db = index,
            Item::Fact(name, value) => report_fact(name, value),
            Item::Sizes { .. } => {} // the tables grow without a pause, so there is nothing to prepare
            Item::Entry {
                key,
                value,
                expires_at,
                hint,
            } => {
                let entry = Entry {
                    db,
                    key,
                    value,
                    expires_at,
                    hint,
                };
                keep(entry).map_err(Failure::Refused)?;
                keys += 1;
            }
        }
        progress.reach(reader.at());
        if keys.is_multiple_of(1024) {
            reports.tell(progress, keys, "keys");
        }
    }
    Ok(())
}

/// Says in the log what a file tells about its making.
fn report_fact(name: &[u8], value: &[u8]) {
    let value = String::from_utf8_lossy(value);
    match name {
        b"redis-ver" => tracing::info!("Loading RDB produced by version {value}"),
        b"used-mem" => {
            if let Ok(bytes) = value.parse::<u64>() {
                let mb = bytes as f64 / f64::from(1 << 20);
                tracing::info!("RDB memory usage when created {mb:.2} Mb");
            }
        }
        _ => {}
    }
}
