//! What the handlers' tests look at besides replies.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::World;
use super::session::Session;
use crate::persist::media::Memory;
use crate::store::{Access, Clock};

/// A session on a world of its own whose clock stands at `now_ms` until it is moved.
pub(super) fn session_at(now_ms: i64) -> (Session, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(now_ms));
    (session_on(&Memory::new(), &clock), clock)
}

/// A session on a world of its own, with this disk and this clock.
pub(super) fn session_on(disk: &Memory, clock: &Arc<AtomicI64>) -> Session {
    let world = World::on(
        Arc::new(disk.clone()),
        Arc::new(Session::settings()),
        Arc::default(),
        Clock::Manual(Arc::clone(clock)),
    );
    Session::new(Arc::new(world))
}

/// What OBJECT ENCODING would answer for a key of database 0; `none` for a missing key.
pub(super) fn encoding(db: &Session, key: &str) -> &'static str {
    let world = db.world();
    let keys = world.keyspace.lock_key(key.as_bytes(), Access::Read);
    keys.get(0, key.as_bytes())
        .map_or("none", |entry| entry.encoding().name())
}

/// When a key of database 0 goes, in milliseconds since the Unix epoch.
pub(super) fn expires_at(db: &Session, key: &str) -> Option<i64> {
    let world = db.world();
    let keys = world.keyspace.lock_key(key.as_bytes(), Access::Read);
    keys.get(0, key.as_bytes())?.expires_at()
}

/// How many changes `line` is counted as.
pub(super) fn changes_of(db: &mut Session, line: &str) -> u64 {
    let world = db.world();
    let before = world.changes.load(Ordering::Relaxed);
    db.say(line);
    world.changes.load(Ordering::Relaxed) - before
}

/// The server's allocator, so that tests see memory counted.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
