//! `maxmemory`, judged by what the allocator counts: in a process of its own, where nothing else takes memory.

use std::sync::Arc;

use bitmapd::cmd::session::Session;
use bitmapd::stats::Counter;
use bitmapd::store::Access;
use parking_lot::Mutex;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// One test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/// Bytes in use.
fn used(db: &mut Session) -> u64 {
    let page = db.say("INFO memory");
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.expect("INFO says it").parse().expect("a number")
}

/// Allows so many bytes more than are in use now.
fn allow(db: &mut Session, more: u64) {
    let limit = used(db) + more;
    assert_eq!(db.say(&format!("CONFIG SET maxmemory {limit}")), "+OK\r\n");
}

/// Refused before they grow: not one of these commands fits, whatever is in use besides.
#[test]
fn what_would_exceed_the_limit_by_its_result_is_refused() {
    let _alone = ALONE.lock();
    let mut db = Session::alone();
    let noise: Vec<u8> = (0..64u32 << 20)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    db.ask([b"SET".as_slice(), b"noise", &noise]);
    drop(noise);
    allow(&mut db, 48 << 20);
    let peak = used(&mut db);
    assert_eq!(db.say("BITOP NOT other noise"), OOM);
    assert_eq!(db.say("BITOP XOR noise noise noise noise"), OOM);
    let steps: String = (0..20_000)
        .map(|n| format!(" SET u1 {} 1", n * 65_536))
        .collect();
    assert_eq!(db.say(&format!("BITFIELD f{steps}")), OOM);
    assert_eq!(db.say("EXISTS other f"), ":0\r\n");
    assert!(used(&mut db) < peak + (32 << 20));
    // What needs little is not refused.
    assert_eq!(db.say("COPY noise other"), ":1\r\n");
    assert_eq!(db.say("SETBIT other 0 1"), ":0\r\n");
    db.say("SETBIT far 4294967295 1");
    assert_eq!(db.say("BITOP NOT not-far far"), ":536870912\r\n");
    // Within a transaction too.
    db.say("MULTI");
    db.say("SETBIT other 0 0");
    db.say("BITOP NOT other noise");
    db.say("GETBIT other 0");
    assert_eq!(db.say("EXEC"), format!("*3\r\n:1\r\n{OOM}:0\r\n"));
}

/// What a payload comes to is seen while it is read, and a blob's size when it arrives.
#[test]
fn restored_and_imported_values_are_refused_before_they_exceed_the_limit() {
    let _alone = ALONE.lock();
    let mut db = Session::alone();
    // Bytes that compress well and no chunk of which is a run.
    db.ask([b"SET".as_slice(), b"pattern", &[0xaa; 64 << 20]]);
    let dumped = bulk(db.ask(["DUMP", "pattern"]));
    assert!(dumped.len() < 2 << 20, "{}", dumped.len());
    let spread: String = (0..3000).map(|n| format!(" {}", n * 65_536)).collect();
    db.say(&format!("SETBITS spread 1{spread}"));
    let blob = bulk(db.ask(["BITEXPORT", "spread"]));
    db.say("SETBIT far 4294967295 1");
    let sparse = bulk(db.ask(["DUMP", "far"]));
    db.say("COPY pattern shared");
    allow(&mut db, 16 << 20);
    let before = used(&mut db);
    let restore = [b"RESTORE".as_slice(), b"r", b"0", &dumped];
    assert_eq!(db.ask(restore), OOM.as_bytes());
    assert!(used(&mut db) < before + (4 << 20));
    // Small chunks merged into large ones that are shared: each would be copied.
    let import = [b"BITIMPORT".as_slice(), b"shared", &blob, b"OR"];
    assert_eq!(db.ask(import), OOM.as_bytes());
    assert_eq!(db.say(&format!("SETBITS shared 1{spread}")), OOM);
    assert!(used(&mut db) < before + (4 << 20));
    assert_eq!(db.say("EXISTS r"), ":0\r\n");
    // What is far and sparse needs little.
    assert_eq!(
        db.ask([b"RESTORE".as_slice(), b"s", b"0", &sparse]),
        b"+OK\r\n"
    );
    assert_eq!(db.say("STRLEN s"), ":536870912\r\n");
    let import = [b"BITIMPORT".as_slice(), b"i", &blob];
    assert_eq!(db.ask(import), b":3000\r\n");
    // Where keys may go, they do.
    db.say("CONFIG SET maxmemory-policy allkeys-lru");
    db.say("DEL shared");
    assert_eq!(db.ask(restore), b"+OK\r\n");
    assert_eq!(db.say("EXISTS pattern r"), ":1\r\n");
}

/// What a bulk reply holds.
fn bulk(reply: Vec<u8>) -> Vec<u8> {
    let start = reply
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a bulk");
    reply[start + 1..reply.len() - 2].to_vec()
}

/// As many keys go as without it, though they are freed later.
#[test]
fn keys_that_are_freed_in_the_background_count_as_gone() {
    let _alone = ALONE.lock();
    let mut db = Session::alone();
    db.say("CONFIG SET maxmemory-policy allkeys-lru lazyfree-lazy-eviction yes");
    for n in 0..8u32 {
        let noise: Vec<u8> = (0..8u32 << 20)
            .map(|at| ((at ^ n).wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        db.ask([b"SET".as_slice(), format!("old:{n}").as_bytes(), &noise]);
    }
    let limit = used(&mut db) - (20 << 20);
    db.say(&format!("CONFIG SET maxmemory {limit}"));
    assert_eq!(db.say("SET small v"), "+OK\r\n");
    assert_eq!(db.say("DBSIZE"), ":6\r\n", "three of eight went");
    let world = db.world();
    let freed = || {
        world
            .lazyfree
            .freed
            .load(std::sync::atomic::Ordering::Relaxed)
            == 3
    };
    let waited = (0..1000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        freed()
    });
    assert!(waited && used(&mut db) <= limit + (1 << 20));
}

#[test]
fn keys_go_for_a_result_that_needs_their_room() {
    let _alone = ALONE.lock();
    let mut db = Session::alone();
    db.say("CONFIG SET maxmemory-policy volatile-ttl");
    let noise = |seed: u32| -> Vec<u8> {
        (0..16u32 << 20)
            .map(|at| ((at ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect()
    };
    for n in 1..=8u32 {
        let key = format!("old:{n}");
        db.ask([b"SET".as_slice(), key.as_bytes(), &noise(n), b"EX", b"1000"]);
    }
    db.ask([b"SET".as_slice(), b"kept", &noise(0)]);
    allow(&mut db, 1 << 20);
    assert_eq!(db.say("BITOP NOT kept2 kept"), ":16777216\r\n");
    assert_eq!(db.say("EXISTS kept kept2"), ":2\r\n");
    let evicted = db.world().stats.get(Counter::EvictedKeys);
    assert!((1..8).contains(&evicted), "{evicted}");
}

/// What a snapshot holds is not freed by evicting it; only as much goes as has to.
#[test]
fn a_snapshot_does_not_empty_the_keyspace() {
    let _alone = ALONE.lock();
    let mut db = Session::alone();
    db.say("CONFIG SET maxmemory-policy allkeys-lru");
    let noise: Vec<u8> = (0..1u32 << 20).map(|at| ((at * 7) >> 3) as u8).collect();
    for n in 0..64 {
        let key = format!("key:{n}");
        db.ask([b"SET".as_slice(), key.as_bytes(), &noise]);
    }
    allow(&mut db, 4 << 20);
    let world = db.world();
    let snapshot = world.keyspace.lock_all(Access::Write).snapshot();
    for n in 0..16 {
        let key = format!("new:{n}");
        let reply = db.ask([b"SET".as_slice(), key.as_bytes(), &noise]);
        assert_eq!(reply, b"+OK\r\n");
    }
    let evicted = world.stats.get(Counter::EvictedKeys);
    assert!((8..=24).contains(&evicted), "{evicted}");
    assert!(
        !db.say("INFO memory")
            .contains("mem_not_counted_for_evict:0")
    );
    drop(snapshot);
    assert!(
        db.say("INFO memory")
            .contains("mem_not_counted_for_evict:0")
    );
    assert!(used(&mut db) <= world.config.maxmemory() + (4 << 20));
}

#[test]
fn many_threads_evicting_at_once_keep_below_the_limit() {
    let _alone = ALONE.lock();
    let mut db = Session::alone();
    db.say("CONFIG SET maxmemory-policy allkeys-lru");
    allow(&mut db, 2 << 20);
    let world = db.world();
    let limit = world.config.maxmemory();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let world = Arc::clone(&world);
            scope.spawn(move || {
                let mut db = Session::new(world);
                for n in 0..20_000 {
                    let reply = db.say(&format!("SETRANGE {writer}:{n} 900 x"));
                    assert_eq!(reply, ":901\r\n");
                }
            });
        }
    });
    assert!(world.stats.get(Counter::EvictedKeys) > 1000);
    let used = used(&mut db);
    assert!(used < limit + (1 << 20), "{used} of {limit}");
}
