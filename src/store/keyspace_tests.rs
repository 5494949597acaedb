use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::store::{Encoding, Value, Watch};

/// A keyspace of four databases whose clock stands at 1,000,000 ms until it is moved.
fn keyspace() -> (Keyspace, Arc<AtomicI64>) {
    let time = Arc::new(AtomicI64::new(1_000_000));
    (Keyspace::new(4, Clock::Manual(Arc::clone(&time))), time)
}

fn write<'a>(keyspace: &'a Keyspace, key: &[u8]) -> Locked<'a> {
    keyspace.lock_key(key, Access::Write)
}

fn set(keyspace: &Keyspace, db: usize, key: &[u8], value: &[u8], expires_at: Option<i64>) {
    write(keyspace, key).put_bytes(db, key, value, expires_at);
}

fn get(keyspace: &Keyspace, db: usize, key: &[u8]) -> Option<Vec<u8>> {
    keyspace
        .lock_key(key, Access::Read)
        .get(db, key)
        .map(|entry| entry.view().to_vec())
}

#[test]
fn a_key_is_stored_changed_and_taken_out() {
    let (keyspace, _) = keyspace();
    let key = b"key";
    let mut locked = write(&keyspace, key);
    assert!(locked.get_mut(0, key).is_none());
    let (mut entry, created) = locked.get_or_create(0, key);
    assert!(created && entry.view().is_empty());
    assert!(!entry.set_bit(7, true));
    assert!(entry.set_bit(7, true));
    entry.write(2, b"xy");
    assert_eq!(entry.view().to_vec(), b"\x01\0xy");
    assert_eq!(entry.as_ref().encoding(), Encoding::Raw);
    assert!(!entry.set_bit(70_000, false));
    assert_eq!(entry.view().len(), 8751);
    assert!(!locked.get_or_create(0, key).1);

    locked.put(0, key, Value::set(b"12"), Some(1_000_500));
    let entry = locked.get(0, key).expect("just stored");
    assert_eq!(
        (entry.encoding(), entry.expires_at()),
        (Encoding::Int, Some(1_000_500))
    );
    assert!(locked.get(1, key).is_none());
    let removed = locked.remove(0, key).expect("it was there");
    assert_eq!(
        (removed.value.view().to_vec(), removed.expires_at),
        (b"12".to_vec(), Some(1_000_500))
    );
    assert!(!locked.delete(0, key));
}

#[test]
fn any_value_may_follow_any_other() {
    let (keyspace, _) = keyspace();
    let long = vec![b'x'; 5000];
    let values: [&[u8]; 5] = [b"", b"1", b"a string", &[7; 128], &long];
    for old in values {
        for new in values {
            for (before, after) in [
                (None, None),
                (None, Some(2_000_000)),
                (Some(2_000_000), None),
                (Some(2_000_000), Some(3_000_000)),
            ] {
                set(&keyspace, 0, b"k", old, before);
                set(&keyspace, 0, b"k", new, after);
                let locked = keyspace.lock_key(b"k", Access::Read);
                let entry = locked.get(0, b"k").expect("just stored");
                assert_eq!(
                    (entry.view().to_vec(), entry.expires_at()),
                    (new.to_vec(), after)
                );
                assert_eq!(entry.encoding(), Encoding::of(new));
                assert_eq!(locked.expiry_count_here(), usize::from(after.is_some()));
            }
        }
    }
}

impl Locked<'_> {
    /// The expiries of the one shard that `b"k"` is in.
    fn expiry_count_here(&self) -> usize {
        let shard = self.keyspace().spot(b"k").shard;
        self.shard(shard)
            .table(0)
            .map_or(0, |table| table.expiring())
    }
}

#[test]
fn a_key_is_gone_from_the_millisecond_it_expires_in() {
    let (keyspace, time) = keyspace();
    set(&keyspace, 0, b"k", b"v", Some(1_000_100));
    time.store(1_000_099, Ordering::Relaxed);
    assert!(get(&keyspace, 0, b"k").is_some());
    time.store(1_000_100, Ordering::Relaxed);
    assert!(get(&keyspace, 0, b"k").is_none());
    assert_eq!(
        (keyspace.lock_none().key_count(0), keyspace.expired_keys()),
        (1, 0)
    );
    assert!(write(&keyspace, b"k").get_mut(0, b"k").is_none());
    assert_eq!(
        (keyspace.lock_none().key_count(0), keyspace.expired_keys()),
        (0, 1)
    );
}

#[test]
fn the_sweep_removes_exactly_what_is_due_in_every_database() {
    let (keyspace, time) = keyspace();
    for name in 0..3000i64 {
        let key = name.to_le_bytes();
        set(
            &keyspace,
            (name % 3) as usize,
            &key,
            b"v",
            (name % 2 == 0).then_some(1_000_001 + name),
        );
    }
    let counts = || {
        let locked = keyspace.lock_none();
        (0..3)
            .map(|db| (locked.key_count(db), locked.expiry_count(db)))
            .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    assert_eq!(keyspace.sweep(SHARDS), 0);
    assert_eq!(counts(), (3000, 1500));
    time.store(1_001_001, Ordering::Relaxed);
    // In pieces: each call goes on where the last ended.
    let removed: usize = (0..4).map(|_| keyspace.sweep(SHARDS / 4)).sum();
    assert_eq!((removed, keyspace.sweep(SHARDS)), (501, 0));
    assert_eq!(counts(), (2499, 999));
    assert_eq!(keyspace.expired_keys(), 501);
    for name in 0..3000i64 {
        let there = get(&keyspace, (name % 3) as usize, &name.to_le_bytes()).is_some();
        assert_eq!(there, name % 2 == 1 || name > 1000, "{name}");
    }
    // Those left: 1002, 1004, ..., 2998, each with 1,000,001 more.
    let average = (1002 + 2998) / 2 + 1_000_001 - 1_001_001;
    let averages: Vec<_> = (0..3)
        .map(|db| keyspace.lock_none().average_ttl(db))
        .collect();
    assert!(
        averages.iter().all(|ttl| (ttl - average).abs() <= 2),
        "{averages:?} near {average}"
    );
    assert_eq!(keyspace.lock_none().average_ttl(3), 0);
}

#[test]
fn a_watch_is_set_by_a_change_an_expiry_a_flush_or_a_swap_and_by_nothing_else() {
    type Deed = fn(&Keyspace, &AtomicI64);
    fn sweep_later(keyspace: &Keyspace, time: &AtomicI64) {
        time.store(1_000_050, Ordering::Relaxed);
        assert_eq!(keyspace.sweep(SHARDS), 1);
    }
    let deeds: [(Deed, bool); 11] = [
        (|_, _| (), false),
        (|k, _| write(k, b"k").touch_watchers(0, b"k"), true),
        (|k, _| write(k, b"k").touch_watchers(1, b"k"), false),
        (|k, _| write(k, b"other").touch_watchers(0, b"other"), false),
        (|_, time| time.store(1_000_050, Ordering::Relaxed), true), // expired, and nobody has noticed yet
        (sweep_later, true),
        (|k, _| drop(k.lock_all(Access::Write).flush(0)), true),
        (|k, _| drop(k.lock_all(Access::Write).flush(1)), false),
        (|k, _| k.lock_all(Access::Write).swap(0, 1), true),
        (|k, _| k.lock_all(Access::Write).swap(2, 0), true),
        (|k, _| k.lock_all(Access::Write).swap(1, 2), false),
    ];
    for (at, (deed, touches)) in deeds.into_iter().enumerate() {
        let (keyspace, time) = keyspace();
        set(&keyspace, 0, b"k", b"v", Some(1_000_050));
        let watch = Arc::new(Watch::default());
        write(&keyspace, b"k").watch(0, b"k", &watch);
        deed(&keyspace, &time);
        write(&keyspace, b"k").unwatch(0, b"k", &watch);
        assert_eq!(watch.is_touched(), touches, "deed {at}");
        assert_eq!(Arc::strong_count(&watch), 1, "deed {at}");
    }
}

/// A key that was already due when it was watched is as good as absent, so its removal changes nothing.
#[test]
fn a_watch_on_a_key_that_was_already_due_is_not_set_by_its_removal() {
    let (keyspace, time) = keyspace();
    for deed in [
        |k: &Keyspace| assert_eq!(k.sweep(SHARDS), 0),
        |k: &Keyspace| drop(k.lock_all(Access::Write).flush(0)),
    ] {
        set(&keyspace, 0, b"k", b"v", Some(time.load(Ordering::Relaxed)));
        let watch = Arc::new(Watch::default());
        write(&keyspace, b"k").watch(0, b"k", &watch);
        deed(&keyspace);
        write(&keyspace, b"k").unwatch(0, b"k", &watch);
        assert!(!watch.is_touched());
    }
}

#[test]
fn databases_are_flushed_and_exchanged_whole() {
    let (keyspace, _) = keyspace();
    for name in 0..1000u32 {
        set(
            &keyspace,
            (name % 2) as usize,
            &name.to_le_bytes(),
            b"v",
            None,
        );
    }
    keyspace.lock_all(Access::Write).swap(0, 3);
    for name in 0..1000u32 {
        assert!(
            get(
                &keyspace,
                if name % 2 == 0 { 3 } else { 1 },
                &name.to_le_bytes()
            )
            .is_some()
        );
    }
    drop(keyspace.lock_all(Access::Write).flush(3));
    let locked = keyspace.lock_all(Access::Read);
    assert_eq!(
        (0..4).map(|db| locked.key_count(db)).collect::<Vec<_>>(),
        [0, 500, 0, 0]
    );
}

#[test]
fn a_scan_in_pieces_finds_every_living_key_once_in_a_keyspace_at_rest() {
    let (keyspace, time) = keyspace();
    for name in 0..20_000u32 {
        set(
            &keyspace,
            2,
            &name.to_le_bytes(),
            b"v",
            (name % 10 == 0).then_some(1_000_001),
        );
    }
    time.store(1_000_001, Ordering::Relaxed);
    for count in [1, 10, 1000, usize::MAX] {
        let (mut seen, mut cursor) = (BTreeSet::new(), 0);
        loop {
            cursor = keyspace.lock_none().scan(2, cursor, count, |key, _| {
                assert!(seen.insert(key.to_vec()), "twice")
            });
            assert!(cursor < 1 << 40);
            if cursor == 0 {
                break;
            }
        }
        assert_eq!(seen.len(), 18_000, "count {count}");
    }
    assert_eq!(
        keyspace
            .lock_none()
            .scan(2, u64::MAX, 10, |_, _| panic!("past the end")),
        0
    );
}

#[test]
fn random_keys_are_alive_and_evenly_picked() {
    let (keyspace, time) = keyspace();
    assert_eq!(keyspace.lock_none().random_key(0), None);
    for name in 0..100u32 {
        set(
            &keyspace,
            0,
            &name.to_le_bytes(),
            b"v",
            (name >= 50).then_some(1_000_001),
        );
    }
    time.store(1_000_001, Ordering::Relaxed);
    let mut picked: BTreeMap<Box<[u8]>, u32> = BTreeMap::new();
    for _ in 0..20_000 {
        *picked
            .entry(
                keyspace
                    .lock_all(Access::Read)
                    .random_key(0)
                    .expect("fifty live"),
            )
            .or_default() += 1;
    }
    // 400 each on average, with a standard deviation of 20.
    assert_eq!(picked.len(), 50);
    assert!(
        picked.values().all(|count| (280..520).contains(count)),
        "{picked:?}"
    );
    // One living key among many that are due is still found.
    for name in 0..49u32 {
        write(&keyspace, &name.to_le_bytes()).delete(0, &name.to_le_bytes());
    }
    for name in 100..5000u32 {
        set(&keyspace, 0, &name.to_le_bytes(), b"v", Some(1_000_001));
    }
    assert_eq!(
        keyspace.lock_none().random_key(0).as_deref(),
        Some(&49u32.to_le_bytes()[..])
    );
}

#[test]
fn the_plan_takes_each_shard_once_and_as_strongly_as_any_key_needs() {
    let (keyspace, _) = keyspace();
    let names: Vec<_> = (0..600u32).map(u32::to_le_bytes).collect();
    let plan = names.iter().enumerate().map(|(at, key)| {
        (
            &key[..],
            if at % 3 == 0 {
                Access::Write
            } else {
                Access::Read
            },
        )
    });
    let mut locked =
        keyspace.lock_keys(plan.chain(names.iter().map(|key| (&key[..], Access::Read))));
    for (at, key) in names.iter().enumerate() {
        if at % 3 == 0 {
            locked.put_bytes(0, key, b"v", None);
        }
        assert_eq!(locked.get(0, key).is_some(), at % 3 == 0);
    }
}

#[test]
#[should_panic(expected = "a change under a shared lock")]
fn a_change_under_a_shared_lock_is_refused() {
    let (keyspace, _) = keyspace();
    keyspace
        .lock_key(b"k", Access::Read)
        .put_bytes(0, b"k", b"v", None);
}

#[test]
#[should_panic(expected = "the plan names every key")]
fn a_key_outside_the_plan_is_refused() {
    let (keyspace, _) = keyspace();
    let planned = keyspace.spot(b"k").shard;
    let other = (0..1000u32)
        .map(u32::to_le_bytes)
        .find(|key| keyspace.spot(key).shard != planned);
    keyspace
        .lock_key(b"k", Access::Read)
        .get(0, &other.expect("one of a thousand"));
}

/// Threads that move units between keys, in plans of every kind and overlap. Whatever is done under one plan is seen as a
/// whole under any other, and nobody waits for ever.
#[test]
fn plans_of_every_kind_run_beside_each_other() {
    const KEYS: u32 = 40;
    const EACH: u64 = 1000;
    let (keyspace, _) = keyspace();
    let read = |locked: &Locked<'_>, key: &[u8]| {
        let bytes = locked.get(0, key).expect("never removed").view().to_vec();
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    };
    let keys: Vec<[u8; 4]> = (0..KEYS).map(u32::to_le_bytes).collect();
    for key in &keys {
        set(&keyspace, 0, key, &EACH.to_le_bytes(), None);
    }
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (keyspace, keys) = (&keyspace, &keys);
            scope.spawn(move || {
                let mut state = thread + 1;
                let mut pick = |of: usize| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    (state >> 33) as usize % of
                };
                for _ in 0..3000 {
                    match pick(16) {
                        0 => {
                            let locked = keyspace.lock_all(Access::Read);
                            assert_eq!(
                                keys.iter().map(|key| read(&locked, key)).sum::<u64>(),
                                EACH * u64::from(KEYS)
                            );
                        }
                        1 => drop(keyspace.lock_all(Access::Write)),
                        2 => drop(keyspace.lock_none().scan(0, 0, 5, |_, _| ())),
                        3 => drop(keyspace.sweep(64)),
                        _ => {
                            let mut plan: HashMap<&[u8], u64> = HashMap::new();
                            let (from, to) = (pick(keys.len()), pick(keys.len()));
                            let seen = pick(keys.len());
                            let mut locked = keyspace.lock_keys([
                                (&keys[from][..], Access::Write),
                                (&keys[seen][..], Access::Read),
                                (&keys[to][..], Access::Write),
                            ]);
                            read(&locked, &keys[seen]);
                            for (key, change) in [(&keys[from], u64::MAX), (&keys[to], 1)] {
                                let now = plan.entry(key).or_insert_with(|| read(&locked, key));
                                *now = now.wrapping_add(change);
                            }
                            for (key, units) in plan {
                                locked.put_bytes(0, key, &units.to_le_bytes(), None);
                            }
                        }
                    }
                }
            });
        }
    });
    let locked = keyspace.lock_all(Access::Read);
    assert_eq!(
        keys.iter().map(|key| read(&locked, key)).sum::<u64>(),
        EACH * u64::from(KEYS)
    );
}

/// SCAN's promise with other threads at work: keys that stay are all found.
#[test]
fn a_scan_beside_writers_misses_nothing_that_stays() {
    let (keyspace, _) = keyspace();
    for name in 0..5000u32 {
        set(&keyspace, 0, &name.to_le_bytes(), b"v", None);
    }
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for name in 5000..60_000u32 {
                    set(&keyspace, 0, &name.to_le_bytes(), b"v", None);
                }
                for name in 5000..60_000u32 {
                    write(&keyspace, &name.to_le_bytes()).delete(0, &name.to_le_bytes());
                }
            }
        });
        for _ in 0..5 {
            let (mut seen, mut cursor) = (vec![false; 5000], 0);
            loop {
                cursor = keyspace.lock_none().scan(0, cursor, 10, |key, _| {
                    let name = u32::from_le_bytes(key.try_into().expect("four bytes"));
                    if let Some(seen) = seen.get_mut(name as usize) {
                        *seen = true;
                    }
                });
                if cursor == 0 {
                    break;
                }
            }
            assert!(seen.iter().all(|seen| *seen));
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn asking_ahead_changes_nothing_and_waits_for_nobody() {
    let (keyspace, _) = keyspace();
    let names: Vec<_> = (0..1000u32).map(u32::to_le_bytes).collect();
    for name in &names[..500] {
        set(&keyspace, 0, name, name, None);
    }
    let held = keyspace.lock_all(Access::Write);
    keyspace.prefetch(0, names.iter().map(|name| &name[..]));
    drop(held);
    for (db, count) in [
        (0, 0),
        (0, 1),
        (0, 16),
        (0, 17),
        (0, 1000),
        (3, 50),
        (usize::MAX, 50),
    ] {
        keyspace.prefetch(db, names[..count].iter().map(|name| &name[..]));
    }
    drop(keyspace.lock_all(Access::Write)); // every shared lock was given back
    for (at, name) in names.iter().enumerate() {
        assert_eq!(get(&keyspace, 0, name).is_some(), at < 500);
    }
}
