use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::Mutex;

use super::*;
use crate::store::{Access, Clock, Why};

fn keyspace() -> (Keyspace, Arc<AtomicI64>) {
    let hands = Arc::new(AtomicI64::new(1_000_000));
    (Keyspace::new(3, Clock::Manual(Arc::clone(&hands))), hands)
}

fn put(keyspace: &Keyspace, db: usize, key: &str, expires_at: Option<i64>) {
    let key = key.as_bytes();
    let mut locked = keyspace.lock_key(key, Access::Write);
    locked.put(db, key, Value::raw(b"v"), expires_at);
}

fn is_there(keyspace: &Keyspace, db: usize, key: &str) -> bool {
    let locked = keyspace.lock_key(key.as_bytes(), Access::Read);
    locked.get(db, key.as_bytes()).is_some()
}

fn count(keyspace: &Keyspace, db: usize) -> usize {
    keyspace.lock_none().key_count(db)
}

/// Evicts until nothing is left that may go; how many went.
fn drain(keyspace: &Keyspace, policy: MaxmemoryPolicy) -> usize {
    let mut pool = Pool::default();
    std::iter::from_fn(|| keyspace.evict(policy, 5, &mut pool)).count()
}

#[test]
fn every_policy_takes_all_that_may_go_and_nothing_else() {
    for (policy, expected) in [
        (MaxmemoryPolicy::AllkeysLru, 601),
        (MaxmemoryPolicy::AllkeysLfu, 601),
        (MaxmemoryPolicy::AllkeysRandom, 601),
        (MaxmemoryPolicy::VolatileLru, 201),
        (MaxmemoryPolicy::VolatileLfu, 201),
        (MaxmemoryPolicy::VolatileRandom, 201),
        (MaxmemoryPolicy::VolatileTtl, 201),
        (MaxmemoryPolicy::NoEviction, 0),
    ] {
        let (keyspace, _) = keyspace();
        for n in 0..200 {
            put(&keyspace, 0, &format!("stays:{n}"), None);
            put(&keyspace, 0, &format!("goes:{n}"), Some(2_000_000 + n));
            put(&keyspace, 2, &format!("other:{n}"), None);
        }
        put(&keyspace, 1, "alone", Some(2_000_000));
        assert_eq!(drain(&keyspace, policy), expected, "{policy:?}");
        let left: usize = (0..3).map(|db| count(&keyspace, db)).sum();
        assert_eq!(left, 601 - expected, "{policy:?}");
        if policy.only_volatile() {
            assert!((0..200).all(|n| is_there(&keyspace, 0, &format!("stays:{n}"))));
        }
    }
}

/// One key in 20,000 may go: it is found, though hardly any look at random would hit it.
#[test]
fn a_rare_key_with_an_expiry_is_found() {
    let (keyspace, _) = keyspace();
    for n in 0..20_000 {
        put(&keyspace, 0, &format!("{n}"), None);
    }
    put(&keyspace, 0, "rare", Some(2_000_000));
    assert_eq!(drain(&keyspace, MaxmemoryPolicy::VolatileLru), 1);
    assert!(!is_there(&keyspace, 0, "rare"));
}

/// Of ten groups of keys used one after the other, evicting half takes nearly all of the old half.
#[test]
fn those_go_that_were_not_used_for_longest_that_are_used_least_or_expire_soonest() {
    const GROUP: usize = 200;
    for policy in [
        MaxmemoryPolicy::AllkeysLru,
        MaxmemoryPolicy::AllkeysLfu,
        MaxmemoryPolicy::VolatileTtl,
    ] {
        let (keyspace, hands) = keyspace();
        if policy.by_frequency() {
            keyspace.tracking().by_frequency(0, 0);
        }
        let name = |group, n| format!("{group}:{n}");
        for group in 0..10 {
            hands.fetch_add(10_000, Ordering::Relaxed);
            for n in 0..GROUP {
                let key = name(group, n);
                put(&keyspace, 0, &key, Some(9_000_000 + group as i64 * 1000));
                let locked = keyspace.lock_key(key.as_bytes(), Access::Read);
                let entry = locked.get(0, key.as_bytes()).expect("it was just set");
                (0..group * 10).for_each(|_| entry.touch());
            }
        }
        let mut pool = Pool::default();
        for _ in 0..5 * GROUP {
            assert!(keyspace.evict(policy, 5, &mut pool).is_some());
        }
        let left = |groups: std::ops::Range<usize>| {
            groups
                .flat_map(|group| (0..GROUP).map(move |n| name(group, n)))
                .filter(|key| is_there(&keyspace, 0, key))
                .count()
        };
        let (old, new) = (left(0..5), left(5..10));
        assert_eq!(old + new, 5 * GROUP, "{policy:?}");
        assert!(old < GROUP, "{policy:?}: {old} of the old half were left");
        assert_eq!(left(9..10), GROUP, "{policy:?}: one of the newest went");
    }
}

#[test]
fn whoever_wants_to_know_is_told() {
    let (keyspace, _) = keyspace();
    let told = Arc::new(Mutex::new(BTreeSet::new()));
    let into = Arc::clone(&told);
    assert!(keyspace.on_departure(Box::new(move |db, key, why| {
        assert_eq!(why, Why::Evicted);
        into.lock().insert((db, key.to_vec()));
    })));
    put(&keyspace, 0, "a", None);
    put(&keyspace, 2, "b", None);
    let watch = Arc::default();
    keyspace
        .lock_key(b"a", Access::Write)
        .watch(0, b"a", &watch);
    assert_eq!(drain(&keyspace, MaxmemoryPolicy::AllkeysRandom), 2);
    assert!(watch.is_touched());
    assert_eq!(
        *told.lock(),
        BTreeSet::from([(0, b"a".to_vec()), (2, b"b".to_vec())])
    );
}

#[test]
fn the_pool_keeps_the_best() {
    let mut pool = Pool::default();
    for score in [5, 3, 9, 1, 7].into_iter().chain(10..40) {
        pool.offer(score, 0, &score.to_le_bytes());
    }
    pool.offer(2, 0, b"too low");
    pool.offer(50, 0, &39u64.to_le_bytes());
    let scores: Vec<u64> = pool.candidates.iter().map(|held| held.score).collect();
    let best: Vec<u64> = (24..39).chain([50]).collect();
    assert_eq!(scores, best);
}
