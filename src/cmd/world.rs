//! What all connections share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::aside::Cores;
use super::burden::Burden;
use super::calls::Calls;
use super::footprint::Footprint;
use super::gate::Gate;
use super::guard::guard;
use super::latency::Spikes;
use super::loading::Loading;
use super::log::Logs;
use super::notify::Notifier;
use super::pause::Pause;
use super::pubsub::Broker;
use super::saves::Saves;
use super::slowlog::SlowLog;
use super::{Acl, Ceiling, Clients, Names};
use crate::bits::Bitmap;
use crate::config::Config;
use crate::persist::aof::Log;
use crate::persist::media::{Disk, Media};
use crate::priority::step_back;
use crate::stats::Stats;
use crate::store::departure::Departed;
use crate::store::{Clock, Keyspace};

/// The server as commands see it.
pub struct World {
    pub config: Arc<Config>,
    pub stats: Arc<Stats>,
    pub keyspace: Keyspace,
    pub clients: Clients,
    /// Who listens to channels, to events of keys, and to commands.
    pub broker: Arc<Broker>,
    /// What the commands are called.
    pub names: Names,
    /// Who may do what.
    pub acl: Acl,
    /// Publishes what happens to keys.
    pub notifier: Arc<Notifier>,
    /// Changes of keys since the start.
    pub changes: AtomicU64,
    /// Forty hexadecimal digits, new at every start.
    pub run_id: String,
    /// When the server started, in milliseconds since the Unix epoch.
    pub started_ms: i64,
    /// How often each command ran.
    pub calls: Calls,
    /// The last commands that took long.
    pub slowlog: SlowLog,
    /// Moments in which something took long.
    pub spikes: Spikes,
    /// CLIENT PAUSE.
    pub pause: Pause,
    /// How much memory the process uses, and the most it ever did.
    pub footprint: Footprint,
    /// Keeps that under `maxmemory`.
    pub ceiling: Arc<Ceiling>,
    /// What all connections hold.
    pub(super) burden: Burden,
    /// Keys that are freed in the background.
    pub lazyfree: Arc<LazyFree>,
    /// What keeps commands from running.
    pub gate: Arc<Gate>,
    /// Reading one back.
    pub loading: Loading,
    /// Saving to a file.
    pub saves: Arc<Saves>,
    /// What DEBUG turned off.
    pub paused: Paused,
    /// Keys that had expired when the counters were last reset.
    expired_before: AtomicU64,
    aside: OnceLock<Aside>,
    /// The append-only log.
    pub log: Arc<Log>,
    /// What long pieces of work share.
    pub(super) cores: Cores,
    /// What came of rewriting it.
    pub logs: Logs,
    /// The disk.
    pub media: Arc<dyn Media>,
}

/// A thread is started to free more bytes than this: some hundred chunks, which take about as long.
pub(super) const LONG_TO_FREE: u64 = 1 << 20;

/// Keys whose memory is given back on a thread of its own.
pub struct LazyFree {
    /// Keys not yet freed.
    pub pending: AtomicU64,
    /// Keys freed since the start or the last reset.
    pub freed: AtomicU64,
    /// Bytes that were evicted and are not yet freed.
    pub(super) leaving: AtomicU64,
    stats: Arc<Stats>,
}

impl LazyFree {
    fn new(stats: Arc<Stats>) -> Self {
        Self {
            pending: AtomicU64::new(0),
            freed: AtomicU64::new(0),
            leaving: AtomicU64::new(0),
            stats,
        }
    }

    /// As [`LazyFree::free`] of one key, which was evicted because of its `bytes`.
    pub(super) fn free_evicted<T: Send + 'static>(self: &Arc<Self>, garbage: T, bytes: u64) {
        self.leaving.fetch_add(bytes, Ordering::Relaxed);
        self.free((garbage, Leaving(Arc::clone(self), bytes)), 1);
    }

    /// Drops what `keys` keys held, on a thread of its own; on this one where the system has no more threads.
    pub(super) fn free<T: Send + 'static>(self: &Arc<Self>, garbage: T, keys: u64) {
        self.pending.fetch_add(keys, Ordering::Relaxed);
        let counts = Arc::clone(self);
        let thread = std::thread::Builder::new().name("lazyfree".into());
        let freeing = thread.spawn(move || {
            step_back();
            guard(&counts.stats, "freeing memory", || drop(garbage));
            counts.done(keys);
        });
        if let Err(error) = freeing {
            tracing::warn!("No thread to free memory on: {error}");
            self.done(keys);
        }
    }

    fn done(&self, keys: u64) {
        self.freed.fetch_add(keys, Ordering::Relaxed);
        self.pending.fetch_sub(keys, Ordering::Relaxed);
    }
}

/// Bytes on their way out, until it is dropped.
struct Leaving(Arc<LazyFree>, u64);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leaving.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// Background work that DEBUG can hold still.
#[derive(Default)]
pub struct Paused {
    /// DEBUG SET-ACTIVE-EXPIRE 0: expired keys are removed only when somebody asks for them.
    pub expiry: AtomicBool,
    /// DEBUG PAUSE-CRON 1: nothing periodic happens at all.
    pub cron: AtomicBool,
}

impl Paused {
    /// Whether the expiry sweep must not run now.
    pub fn sweep(&self) -> bool {
        self.expiry.load(Ordering::Relaxed) || self.cron.load(Ordering::Relaxed)
    }
}

/// Runs what it is given, and returns when that is done: where it holds up no other connection.
pub type Aside = Box<dyn Fn(&mut (dyn FnMut() + Send)) + Send + Sync>;

impl World {
    pub fn new(config: Arc<Config>, stats: Arc<Stats>, clock: Clock) -> Self {
        Self::on(Arc::new(Disk), config, stats, clock)
    }

    /// As [`World::new`], with another disk.
    pub fn on(media: Arc<dyn Media>, config: Arc<Config>, stats: Arc<Stats>, clock: Clock) -> Self {
        let gate = Arc::<Gate>::default();
        let saves = Saves::new(
            Arc::clone(&media),
            Arc::clone(&config),
            Arc::clone(&gate),
            clock.clone(),
        );
        let broker = Broker::new(&config, Arc::clone(&stats));
        let calls = Calls::new(&config);
        let notifier = Notifier::new(&config, Arc::clone(&broker));
        let log = Arc::<Log>::default();
        let keyspace = Keyspace::new(config.databases(), clock.clone());
        keyspace.on_departure(departures(&log, &notifier));
        let ceiling = Arc::default();
        let lazyfree = Arc::new(LazyFree::new(Arc::clone(&stats)));
        Ceiling::follow_settings(&ceiling, &config, keyspace.tracking());
        Self {
            keyspace,
            acl: Acl::new(&config),
            config,
            stats,
            clients: Clients::default(),
            names: Names::default(),
            broker,
            notifier,
            changes: AtomicU64::new(0),
            run_id: run_id(),
            started_ms: clock.now_ms(),
            calls,
            slowlog: SlowLog::default(),
            spikes: Spikes::default(),
            pause: Pause::default(),
            footprint: Footprint::new(),
            ceiling,
            burden: Burden::default(),
            lazyfree,
            gate,
            loading: Loading::default(),
            saves: Arc::new(saves),
            paused: Paused::default(),
            expired_before: AtomicU64::new(0),
            aside: OnceLock::new(),
            log,
            cores: Cores::default(),
            logs: Logs::default(),
            media,
        }
    }

    /// Keys removed because their time had come, since the start or the last reset.
    pub fn expired_keys(&self) -> u64 {
        let before = self.expired_before.load(Ordering::Relaxed);
        self.keyspace.expired_keys().saturating_sub(before)
    }

    /// CONFIG RESETSTAT: all that INFO counts starts from zero.
    pub fn reset_stats(&self) {
        self.stats.reset();
        self.calls.reset();
        self.lazyfree.freed.store(0, Ordering::Relaxed);
        self.ceiling.reset();
        let expired = self.keyspace.expired_keys();
        self.expired_before.store(expired, Ordering::Relaxed);
    }

    /// Samples what INFO shows as rates and peaks. To be called about ten times a second, with the milliseconds since any
    /// fixed moment.
    pub fn sample(&self, elapsed_ms: u64) {
        self.stats.sample(elapsed_ms);
        self.footprint.read(self.keyspace.clock().now_ms());
    }

    /// Says where long work runs; until then, on the caller's thread. Only the first call counts.
    pub fn set_aside(&self, aside: Aside) {
        let _ = self.aside.set(aside); // a second server on the same world runs it the same way
    }

    /// Runs long work, with no lock held, where it holds up no other connection.
    pub(super) fn aside(&self, work: &mut (dyn FnMut() + Send)) {
        match self.aside.get() {
            Some(aside) => aside(work),
            None => work(),
        }
    }

    /// Frees bitmaps, with no lock held: those that take long on another thread.
    #[inline]
    pub(super) fn free(&self, garbage: Vec<Bitmap>) {
        if !garbage.is_empty() {
            self.free_some(garbage);
        }
    }

    #[cold]
    fn free_some(&self, garbage: Vec<Bitmap>) {
        if garbage.iter().map(weight).sum::<u64>() > LONG_TO_FREE {
            self.lazyfree.free(garbage, 0);
        }
    }
}

/// About how many bytes a bitmap holds: two a one, never more than the string has.
fn weight(bitmap: &Bitmap) -> u64 {
    bitmap.len().min(bitmap.ones().saturating_mul(2))
}

/// Who is told of keys that go by themselves: the log, to which they are as good as deleted, and who listens to events.
fn departures(log: &Arc<Log>, notifier: &Arc<Notifier>) -> Departed {
    let (log, notifier) = (Arc::clone(log), Arc::clone(notifier));
    Box::new(move |db, key, why| {
        if log.feed.is_on() {
            log.feed.log(db, [b"DEL".as_slice(), key].into_iter());
        }
        notifier.departed(db, key, why);
    })
}

/// Forty random hexadecimal digits, from the hasher keys that the standard library seeds from the system.
fn run_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    let mut id: String = (0..3u8)
        .map(|part| format!("{:016x}", RandomState::new().hash_one(part)))
        .collect();
    id.truncate(40);
    id
}
