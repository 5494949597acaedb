//! `maxmemory`: nothing grows where more than that would be in use, unless keys can go for it.
//!
//! Every command passes [`admit`] before it runs. What it may add without being asked again is small: a bit needs a chunk,
//! and a value that the client sent was counted when it arrived. A command whose result may be much larger than its
//! request asks [`Context::expect`] first, so that none exceeds the limit by the size of its result.
//!
//! Evicting takes no longer than Redis lets it, a fraction of a millisecond each time (`maxmemory-eviction-tenacity`); what
//! remains to be done then, the server does in the background, and meanwhile commands go on.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use super::world::LONG_TO_FREE;
use super::{Client, CmdError, Command, Context, Flags, World, footprint, pause};
use crate::config::{Config, MaxmemoryPolicy};
use crate::resp::Request;
use crate::stats::Counter;
use crate::store::evict::{Evicted, Pool};
use crate::store::{Keyspace, Tracking, Value};

/// Growth that needs no asking: a chunk and what leads to it, twice over.
const SMALL: u64 = 32 * 1024;

/// How far the commands of one transaction may exceed the limit together before those left of them are refused.
const TRANSACTION: u64 = 1 << 20;

/// Bitmaps longer than this are freed where that holds up no other connection.
const LONG: u64 = 16 << 20;

/// A chunk that is made or copied, and what leads to it.
pub(super) const CHUNK: u64 = 8192 + 512;

/// Keeps what is in use under `maxmemory`.
#[derive(Default)]
pub struct Ceiling {
    /// One thread evicts at a time.
    pool: Mutex<Chosen>,
    /// Since when eviction has not kept up, in milliseconds since the Unix epoch; 0 while it does.
    behind_since_ms: AtomicI64,
    /// How long it did not, before that, in milliseconds.
    behind_ms: AtomicI64,
    /// Bytes that were evicted but that a snapshot holds until its end. Were they counted, everything would be evicted, and
    /// to no use.
    retained: AtomicU64,
    /// Starts eviction in the background.
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// The keys chosen to go, and the policy that chose them.
#[derive(Default)]
struct Chosen {
    policy: Option<MaxmemoryPolicy>,
    pool: Pool,
}

/// Whether there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Enough,
    /// Not yet: keys are on their way out.
    Soon,
    /// Nor will there be: nothing is left that may go.
    None,
}

impl Ceiling {
    /// Says what starts [`World::evict`] in the background. Only the first call counts.
    pub fn set_wake(&self, wake: Box<dyn Fn() + Send + Sync>) {
        let _ = self.wake.set(wake); // a second server on the same world is woken by the first's
    }

    /// Has entries remember what the policy asks for, and has keys evicted when less memory is allowed, from now on.
    pub(super) fn follow_settings(this: &Arc<Self>, config: &Config, tracking: &Arc<Tracking>) {
        track(config, tracking);
        for name in ["maxmemory-policy", "lfu-log-factor", "lfu-decay-time"] {
            let tracking = Arc::clone(tracking);
            config.on_change(name, move |config| {
                track(config, &tracking);
                Ok(())
            });
        }
        for name in ["maxmemory", "maxmemory-policy"] {
            let ceiling = Arc::clone(this);
            config.on_change(name, move |config| {
                let (limit, used) = (config.maxmemory(), footprint::used());
                if limit != 0 && used > limit {
                    tracing::warn!(
                        "{used} bytes are in use, more than maxmemory allows ({limit}): keys will be evicted, or commands \
                         that need memory refused, as maxmemory-policy says."
                    );
                    ceiling.wake();
                }
                Ok(())
            });
        }
    }

    /// Starts eviction in the background.
    fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }

    /// How long eviction has not kept up, in milliseconds: in all, and since it last did.
    pub(super) fn behind(&self, now_ms: i64) -> (i64, i64) {
        let current = match self.behind_since_ms.load(Ordering::Relaxed) {
            0 => 0,
            since => (now_ms - since).max(0),
        };
        (self.behind_ms.load(Ordering::Relaxed) + current, current)
    }

    fn note(&self, keyspace: &Keyspace, room: Room) {
        let since = self.behind_since_ms.load(Ordering::Relaxed);
        if room == Room::Enough && since != 0 {
            let now = keyspace.clock().now_ms();
            if self.behind_since_ms.swap(0, Ordering::Relaxed) != 0 {
                self.behind_ms
                    .fetch_add((now - since).max(0), Ordering::Relaxed);
            }
        } else if room != Room::Enough && since == 0 {
            let now = keyspace.clock().now_ms().max(1);
            self.behind_since_ms.store(now, Ordering::Relaxed);
        }
    }

    /// Bytes in use that eviction cannot change.
    pub(super) fn not_counted(&self, keyspace: &Keyspace) -> u64 {
        let retained = self.retained.load(Ordering::Relaxed);
        if retained != 0 && !keyspace.has_snapshot() {
            self.retained.store(0, Ordering::Relaxed);
            return 0;
        }
        retained
    }

    /// CONFIG RESETSTAT.
    pub(super) fn reset(&self) {
        self.behind_ms.store(0, Ordering::Relaxed);
    }
}

fn track(config: &Config, tracking: &Tracking) {
    if config.maxmemory_policy().by_frequency() {
        tracking.by_frequency(config.lfu_log_factor(), config.lfu_decay_time());
    } else {
        tracking.by_time();
    }
}

/// Whether `command` may run, or be queued, given what memory is in use. Makes room if it can. Nothing may be locked.
#[inline]
pub(super) fn admit(
    world: &World,
    client: &Client,
    command: &'static Command,
) -> Result<(), CmdError> {
    match world.config.maxmemory() {
        0 => Ok(()),
        limit => admit_below(world, client, command, limit),
    }
}

fn admit_below(
    world: &World,
    client: &Client,
    command: &'static Command,
    limit: u64,
) -> Result<(), CmdError> {
    let grows = command.flags.contains(Flags::DENYOOM)
        || (command.name == "exec" && client.queue.as_ref().is_some_and(|queue| queue.grows));
    // Who only reads does not wait for another connection that is evicting.
    match make_room(world, limit, 0, grows) {
        Room::None if grows => Err(CmdError::OutOfMemory),
        _ => Ok(()),
    }
}

impl World {
    /// Evicts for a moment, if more is in use than `maxmemory` allows.
    pub fn evict(&self) -> Room {
        match self.config.maxmemory() {
            0 => Room::Enough,
            limit => make_room(self, limit, 0, true),
        }
    }
}

impl World {
    /// Whether no more is in use than `maxmemory` allows.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        let limit = self.config.maxmemory();
        limit == 0 || self.fits(0, limit)
    }

    /// Whether `extra` bytes more keep what is in use below `limit`.
    #[inline]
    fn fits(&self, extra: u64, limit: u64) -> bool {
        let fits = || {
            let not_counted = self.ceiling.not_counted(&self.keyspace);
            let leaving = self.lazyfree.leaving.load(Ordering::Relaxed);
            let not_counted = not_counted.saturating_add(leaving);
            footprint::used().saturating_add(extra) <= limit.saturating_add(not_counted)
        };
        fits() || (footprint::refresh() && fits())
    }
}

impl World {
    /// Whether what is being made may grow on. To be asked every mebibyte or so by who cannot say before how large it will
    /// be; keys go for it, where nothing is `locked`.
    pub(super) fn may_grow(&self, locked: bool) -> bool {
        let limit = self.config.maxmemory();
        if limit == 0 || self.fits(0, limit) {
            return true;
        }
        let mut room = if locked { Room::None } else { Room::Soon };
        while room == Room::Soon {
            room = make_room(self, limit, 0, true);
        }
        room == Room::Enough
    }
}

/// Makes room for `extra` bytes below `limit`, in a limited time. Unless told to `wait`, leaves it to whoever is at it.
fn make_room(world: &World, limit: u64, extra: u64, wait: bool) -> Room {
    let pool = || match wait {
        true => Some(world.ceiling.pool.lock()),
        false => world.ceiling.pool.try_lock(),
    };
    if world.fits(extra, limit) {
        world.ceiling.note(&world.keyspace, Room::Enough);
        return Room::Enough;
    }
    if pause::is_on(world) {
        return Room::Enough; // as in Redis: nothing goes during a pause, nor is anything refused
    }
    let room = if world.config.maxmemory_policy() == MaxmemoryPolicy::NoEviction || extra > limit {
        Room::None
    } else if let Some(chosen) = pool() {
        evict_until(world, chosen, extra, limit)
    } else {
        Room::Soon
    };
    world.ceiling.note(&world.keyspace, room);
    room
}

fn evict_until(world: &World, mut chosen: MutexGuard<'_, Chosen>, extra: u64, limit: u64) -> Room {
    let policy = world.config.maxmemory_policy();
    let samples = world.config.maxmemory_samples() as usize;
    let patience = patience(world.config.maxmemory_eviction_tenacity());
    let Chosen {
        policy: chosen_by,
        pool,
    } = &mut *chosen;
    if *chosen_by != Some(policy) {
        *chosen_by = Some(policy);
        pool.clear();
    }
    let start = Instant::now();
    while !world.fits(extra, limit) {
        if patience.is_some_and(|patience| start.elapsed() > patience) {
            world.ceiling.wake();
            return Room::Soon;
        }
        // This thread may have been held up since it read the limit, and keys must not go for one that is no more. Who
        // changed it had the new one looked at.
        if world.config.maxmemory() != limit {
            return Room::Enough;
        }
        let Some(evicted) = world.keyspace.evict(policy, samples, pool) else {
            return Room::None;
        };
        world.stats.count(Counter::EvictedKeys);
        free(world, evicted);
    }
    Room::Enough
}

fn free(world: &World, evicted: Evicted) {
    let kept = world.keyspace.has_snapshot();
    let (cost, before) = match kept {
        true => (evicted.cost() as u64, footprint::used()),
        false => (0, 0),
    };
    let lazily = !kept && world.config.lazyfree_lazy_eviction();
    let bytes = if lazily { evicted.cost() as u64 } else { 0 };
    match evicted.into_value() {
        value if bytes > LONG_TO_FREE => world.lazyfree.free_evicted(value, bytes),
        Value::Bitmap(bitmap) if bitmap.len() > LONG => {
            let mut bitmap = Some(bitmap);
            world.aside(&mut || drop(bitmap.take()));
        }
        value => drop(value),
    }
    if kept {
        let freed = before.saturating_sub(footprint::used());
        let retained = cost.saturating_sub(freed);
        world
            .ceiling
            .retained
            .fetch_add(retained, Ordering::Relaxed);
    }
}

/// How long one eviction may take, as in Redis: in steps of 50 microseconds to 500, then 15 % more each step, then without
/// end.
fn patience(tenacity: u32) -> Option<Duration> {
    match tenacity {
        0..=10 => Some(Duration::from_micros(50 * u64::from(tenacity))),
        11..=99 => {
            let steps = tenacity as i32 - 10;
            Some(Duration::from_micros((500.0 * 1.15f64.powi(steps)) as u64))
        }
        _ => None,
    }
}

impl Context<'_> {
    /// To be asked by a command that may need many more bytes than its request has, before it takes them: `bytes` reckons
    /// how many, rather too high than too low, and only if there is a limit. Where there is not enough room, keys go, and
    /// then what was looked up before may be gone; inside a transaction, which keeps its locks, none do. What a log holds
    /// is never refused.
    ///
    /// # Errors
    /// [`CmdError::OutOfMemory`] if there is not enough room.
    pub(super) fn expect(
        &mut self,
        request: Request<'_>,
        bytes: impl FnOnce(&Self) -> u64,
    ) -> Result<(), CmdError> {
        let limit = self.world.config.maxmemory();
        if limit == 0 || self.client.replays {
            return Ok(());
        }
        let bytes = bytes(self);
        if bytes <= SMALL || self.world.fits(bytes, limit) {
            return Ok(());
        }
        if self.in_exec || bytes > limit {
            return Err(CmdError::OutOfMemory);
        }
        let mut room = Room::Soon;
        while room == Room::Soon {
            self.unlocked(request, |world| {
                room = make_room(world, limit, bytes, true);
            });
        }
        match room {
            Room::None => Err(CmdError::OutOfMemory),
            _ => Ok(()),
        }
    }

    /// Refuses a command of a transaction if those before it made far more be in use than may be.
    pub(super) fn admit_in_exec(&self, command: &Command) -> Result<(), CmdError> {
        let limit = self.world.config.maxmemory();
        if limit == 0 || self.client.replays || !command.flags.contains(Flags::DENYOOM) {
            return Ok(());
        }
        if self.world.fits(0, limit.saturating_add(TRANSACTION)) {
            Ok(())
        } else {
            Err(CmdError::OutOfMemory)
        }
    }
}

/// The most bytes that a bitmap of this length and so many ones takes: two a one at worst as positions, four as runs, or as
/// plain bytes, and what leads to a chunk.
pub(super) fn most_bytes(len: u64, ones: u64) -> u64 {
    const CHUNK: u64 = 8192;
    let plain = len.saturating_add(len / 64);
    let chunks = ones.min(len / CHUNK + 1);
    plain.min(
        ones.saturating_mul(4)
            .saturating_add(chunks.saturating_mul(64)),
    )
}

#[cfg(test)]
#[path = "ceiling_tests.rs"]
mod tests;
