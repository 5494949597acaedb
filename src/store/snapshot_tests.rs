use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;

use super::*;
use crate::store::keyspace::Access;
use crate::store::{Clock, Keyspace, Value};

type Contents = BTreeMap<(usize, Vec<u8>), (Vec<u8>, Option<i64>)>;

const DATABASES: usize = 3;

/// A pseudo-random sequence (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * u128::from(end)) >> 64) as u64
    }
}

fn contents(keyspace: &Keyspace) -> Contents {
    let locked = keyspace.lock_none();
    let mut all = Contents::new();
    for db in 0..DATABASES {
        locked.scan(db, 0, usize::MAX, |key, entry| {
            let held = (entry.view().to_vec(), entry.expires_at());
            all.insert((db, key.to_vec()), held);
        });
    }
    all
}

/// Adds a piece to what was found before. Nothing is found twice.
fn collect(piece: &Piece, into: &mut Contents) {
    for saved in piece.entries() {
        let held = (saved.view().to_vec(), saved.expires_at());
        let twice = into.insert((piece.db, saved.key().to_vec()), held);
        assert!(twice.is_none(), "{:?} twice", saved.key());
    }
}

fn mark(keyspace: &Keyspace) -> Snapshot {
    let mut all = keyspace.lock_all(Access::Write);
    all.snapshot().expect("none runs")
}

/// One change of one kind or another; `keys` is how many different ones there are.
fn change(keyspace: &Keyspace, time: &AtomicI64, random: &mut Random, keys: u64) {
    let db = random.below(DATABASES as u64) as usize;
    let key = format!("key:{}", random.below(keys)).into_bytes();
    let key = &key[..];
    let now = time.load(Ordering::Relaxed);
    let mut locked = keyspace.lock_key(key, Access::Write);
    match random.below(1000) {
        0..300 => {
            let value = random.below(u64::MAX).to_string();
            let until = (random.below(4) == 0).then(|| now + 1 + random.below(500) as i64);
            locked.put_bytes(db, key, value.as_bytes(), until);
        }
        300..450 => {
            let (mut entry, _) = locked.get_or_create(db, key);
            entry.set_bit(random.below(2_000), true);
        }
        450..500 => {
            let (mut entry, _) = locked.get_or_create(db, key);
            entry.set_bit(random.below(300_000), random.below(2) == 0);
        }
        500..800 => {
            locked.delete(db, key);
        }
        800..900 => {
            if let Some(mut entry) = locked.get_mut(db, key) {
                let until = (random.below(2) == 0).then(|| now + 1 + random.below(500) as i64);
                entry.set_expiry(until);
            }
        }
        900..950 => {
            if let Some(mut entry) = locked.get_mut(db, key) {
                entry.replace(Value::raw(&vec![b'r'; random.below(300) as usize]));
            }
        }
        950..970 => {
            time.fetch_add(random.below(20) as i64, Ordering::Relaxed);
        }
        970..997 => {
            drop(locked);
            keyspace.sweep(random.below(50) as usize);
        }
        997..999 => {
            drop(locked);
            let to = random.below(DATABASES as u64) as usize;
            keyspace.lock_all(Access::Write).swap(db, to);
        }
        _ => {
            drop(locked);
            drop(keyspace.lock_all(Access::Write).flush(db));
        }
    }
}

/// Runs `pieces` of snapshots against changes and compares each with what there was at its mark.
fn race(seed: u64, keys: u64, prepare: u64, between: u64) {
    let time = Arc::new(AtomicI64::new(1_000_000));
    let keyspace = Keyspace::new(DATABASES, Clock::Manual(Arc::clone(&time)));
    let mut random = Random(seed);
    for _ in 0..prepare {
        change(&keyspace, &time, &mut random, keys);
    }
    for round in 0..4 {
        let mut expected = contents(&keyspace);
        let mut snapshot = mark(&keyspace);
        assert!(keyspace.lock_all(Access::Write).snapshot().is_none());
        assert!(snapshot.keys() >= expected.len() as u64);
        let mut found = Contents::new();
        if round == 2 {
            found.extend(expected.clone()); // given up: only that the next one is right matters
            snapshot.next();
            for _ in 0..100 {
                change(&keyspace, &time, &mut random, keys);
            }
        } else {
            loop {
                for _ in 0..random.below(between) {
                    change(&keyspace, &time, &mut random, keys);
                }
                let Some(piece) = snapshot.next() else { break };
                collect(&piece, &mut found);
            }
        }
        drop(snapshot);
        let now = time.load(Ordering::Relaxed);
        for side in [&mut expected, &mut found] {
            side.retain(|_, (_, until)| until.is_none_or(|at| at > now));
        }
        assert_eq!(found, expected, "seed {seed}, round {round}");
        check(&keyspace);
    }
}

/// No table has a snapshot's business left, and all are as they should be.
fn check(keyspace: &Keyspace) {
    for shard in keyspace.shards().iter() {
        let mut shard = shard.0.write();
        for db in 0..DATABASES {
            assert!(shard.marked(db).is_none() && shard.marked_and_emptied(db).is_none());
            if let Some(table) = shard.table(db) {
                table.check();
            }
        }
    }
}

#[test]
fn a_snapshot_is_what_there_was_at_its_mark_whatever_happens_meanwhile() {
    for seed in 0..30 {
        race(seed, 2_000, 3_000, 12); // many shards, some keys each
    }
    race(100, 10, 100, 30);
}

/// Tables that split, join and double while a snapshot passes: many keys of one shard, all added, then all removed.
#[test]
fn a_snapshot_passes_tables_that_grow_and_shrink() {
    let keyspace = Keyspace::new(DATABASES, Clock::Manual(Arc::new(AtomicI64::new(0))));
    let keys: Vec<Vec<u8>> = (0..)
        .map(|n: u32| n.to_string().into_bytes())
        .filter(|key| keyspace.spot(key).shard == 7)
        .take(6_000)
        .collect();
    let mut random = Random(5);
    let (first, rest) = keys.split_at(3_000);
    let set = |key: &[u8], value: &[u8]| {
        keyspace
            .lock_key(key, Access::Write)
            .put_bytes(0, key, value, None);
    };
    first.iter().for_each(|key| set(key, b"old"));
    for steps in [0, 1, 2, 3, 5] {
        let expected = contents(&keyspace);
        let mut snapshot = mark(&keyspace);
        let mut found = Contents::new();
        let mut step = |found: &mut Contents| {
            if let Some(piece) = snapshot.next() {
                collect(&piece, found);
            }
        };
        (0..steps).for_each(|_| step(&mut found));
        rest.iter().for_each(|key| set(key, b"new"));
        step(&mut found);
        for key in &keys {
            match random.below(50) {
                0 => set(key, b"kept"),
                _ => drop(keyspace.lock_key(key, Access::Write).delete(0, key)),
            }
        }
        step(&mut found);
        first.iter().for_each(|key| set(key, b"old"));
        snapshot.for_each(|piece| collect(&piece, &mut found));
        assert_eq!(found, expected, "after {steps} steps");
        check(&keyspace);
    }
}

#[test]
fn sizes_are_those_at_the_mark() {
    let keyspace = Keyspace::new(4, Clock::default());
    let put = |db, key: &[u8], until| {
        keyspace
            .lock_key(key, Access::Write)
            .put_bytes(db, key, b"v", until);
    };
    put(0, b"a", None);
    put(2, b"a", None);
    put(2, b"b", Some(i64::MAX));
    let snapshot = mark(&keyspace);
    put(3, b"later", None);
    let size = |keys, expiring| Size { keys, expiring };
    assert_eq!(snapshot.sizes(), [size(1, 0), size(0, 0), size(2, 1)]);
    assert_eq!(snapshot.keys(), 3);
    assert_eq!(
        snapshot.map(|piece| piece.db).collect::<Vec<_>>(),
        [0, 2, 2]
    );
}

/// Threads that write while another takes snapshots: each key is written with ascending numbers, and whoever holds all
/// locks at the mark sees the same numbers as the snapshot finds.
#[test]
fn a_snapshot_among_threads_that_write_is_of_one_instant() {
    let keyspace = Keyspace::new(1, Clock::default());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (keyspace, stop) = (&keyspace, &stop);
            scope.spawn(move || {
                let mut random = Random(writer);
                for number in 0u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let key = random.below(5_000).to_string();
                    let mut locked = keyspace.lock_key(key.as_bytes(), Access::Write);
                    locked.put_bytes(0, key.as_bytes(), number.to_string().as_bytes(), None);
                    if number % 3 == 0 {
                        locked.delete(0, key.as_bytes());
                    }
                }
            });
        }
        for _ in 0..20 {
            let mut expected = Contents::new();
            let mut all = keyspace.lock_all(Access::Write);
            all.scan(0, 0, usize::MAX, |key, entry| {
                expected.insert((0, key.to_vec()), (entry.view().to_vec(), None));
            });
            let snapshot = all.snapshot().expect("none runs");
            drop(all);
            let mut found = Contents::new();
            snapshot.for_each(|piece| collect(&piece, &mut found));
            assert_eq!(found, expected);
        }
        stop.store(true, Ordering::Relaxed);
    });
    check(&keyspace);
}
