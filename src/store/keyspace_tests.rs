use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::store::entry::{Content, Entry};
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

/// Removes all that is due and says how many there were.
fn sweep(keyspace: &Keyspace) -> usize {
    let swept = keyspace.sweep(usize::MAX);
    assert!(swept.all);
    swept.removed
}

#[test]
fn a_key_that_is_set_after_its_time_has_expired_all_the_same() {
    let (keyspace, time) = keyspace();
    set(&keyspace, 0, b"key", b"old", Some(1_000_010));
    time.store(1_000_010, Ordering::Relaxed);
    set(&keyspace, 0, b"key", b"new", None);
    assert_eq!(keyspace.expired_keys(), 1);
    assert_eq!(get(&keyspace, 0, b"key").as_deref(), Some(&b"new"[..]));
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
    assert_eq!(sweep(&keyspace), 0);
    assert_eq!(counts(), (3000, 1500));
    time.store(1_001_001, Ordering::Relaxed);
    // In pieces: each call goes on where the last ended, and goes little above its limit.
    let mut removed = 0;
    for piece in 1.. {
        let swept = keyspace.sweep(50);
        removed += swept.removed;
        assert!(swept.removed < 50 + SWEEP_STEP, "{swept:?}");
        if swept.all {
            assert!(piece > 1);
            break;
        }
    }
    assert_eq!((removed, sweep(&keyspace)), (501, 0));
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
        assert_eq!(sweep(keyspace), 1);
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
        |k: &Keyspace| assert_eq!(sweep(k), 0),
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

/// Were a page to end between keys of one position, the rest of them would be lost to the next page.
#[test]
fn keys_at_one_position_are_found_together() {
    let (keyspace, _) = keyspace();
    let mut locked = keyspace.lock_all(Access::Write);
    for name in 0..30u8 {
        let entry = Entry::new(&[name], None, 0, Content::Flat(b"v", Encoding::Raw));
        locked
            .shard_mut(7)
            .table_mut(0)
            .insert(u32::from(name / 10) * 1_000_000, entry);
    }
    drop(locked);
    let (mut pages, mut cursor) = (Vec::new(), 0);
    loop {
        let mut page = Vec::new();
        cursor = keyspace
            .lock_none()
            .scan(0, cursor, 1, |key, _| page.push(key[0] / 10));
        pages.push(page);
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(pages, [[0; 10], [1; 10], [2; 10]]);
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

#[path = "plan_tests.rs"]
mod plans;

#[test]
fn asking_ahead_changes_nothing_and_waits_for_nobody() {
    let (keyspace, _) = keyspace();
    let names: Vec<_> = (0..1000u32).map(u32::to_le_bytes).collect();
    for name in &names[..500] {
        set(&keyspace, 0, name, name, None);
    }
    let held = keyspace.lock_all(Access::Write);
    let ahead = |db, name: &[u8; 4], bit| keyspace.ahead(db, name, bit);
    let bit = Some((7, Access::Write));
    let keys: Vec<_> = names.iter().map(|name| ahead(0, name, bit)).collect();
    keyspace.prefetch(&keys, |bit| bit);
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
        for bit in [None, bit] {
            let keys = names[..count].iter().map(|name| ahead(db, name, bit));
            keyspace.prefetch(&keys.collect::<Vec<_>>(), |bit| bit);
        }
    }
    drop(keyspace.lock_all(Access::Write)); // every shared lock was given back
    for (at, name) in names.iter().enumerate() {
        assert_eq!(get(&keyspace, 0, name).is_some(), at < 500);
    }
}

#[test]
fn keys_that_go_by_themselves_are_told_of_once_each() {
    let (keyspace, time) = keyspace();
    let gone = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let told = Arc::clone(&gone);
    assert!(keyspace.on_departure(Box::new(move |db, key, why| {
        told.lock().push((db, key.to_vec(), why));
    })));
    assert!(!keyspace.on_departure(Box::new(|_, _, _| unreachable!("only the first is told"))));

    for (db, key) in [(0, b"asked"), (1, b"swept"), (2, b"set__")] {
        set(&keyspace, db, key, b"old", Some(1_000_010));
    }
    set(&keyspace, 0, b"removed", b"old", Some(1_000_020));
    assert!(write(&keyspace, b"removed").delete(0, b"removed"));
    time.store(1_000_010, Ordering::Relaxed);
    assert!(
        get(&keyspace, 0, b"asked").is_none(),
        "absent, and still there"
    );
    assert!(gone.lock().is_empty());
    assert!(write(&keyspace, b"asked").get_mut(0, b"asked").is_none());
    set(&keyspace, 2, b"set__", b"new", None);
    assert_eq!(sweep(&keyspace), 1);
    let expected = [(0, b"asked"), (2, b"set__"), (1, b"swept")]
        .map(|(db, key)| (db, key.to_vec(), crate::store::Why::Expired));
    assert_eq!(*gone.lock(), expected);
}
