//! Plans of many keys, and many threads with plans.

use super::*;

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
                        3 => assert_eq!(sweep(keyspace), 0),
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
