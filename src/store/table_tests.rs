use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::entry::Content;
use crate::store::value::Encoding;

fn entry(key: &[u8], expires_at: Option<i64>) -> Entry {
    Entry::new(key, expires_at, 0, Content::Flat(&[], Encoding::Raw))
}

/// Scrambles, so that small numbers spread like fingerprints, or not, to crowd them.
fn fingerprint(name: u32, crowded: bool) -> u32 {
    if crowded {
        name % 5 * 0x1000_0000
    } else {
        name.wrapping_mul(0x9e37_79b9) & 0xffff_fffe
    }
}

/// A table and what should be in it.
struct Pair {
    table: Table,
    model: BTreeMap<u32, Option<i64>>,
    crowded: bool,
}

impl Pair {
    fn new(crowded: bool) -> Self {
        Self {
            table: Table::default(),
            model: BTreeMap::new(),
            crowded,
        }
    }

    fn place(&self, name: u32) -> Option<Place> {
        self.table
            .find(fingerprint(name, self.crowded), &name.to_le_bytes())
    }

    fn insert(&mut self, name: u32, expires_at: Option<i64>) {
        let new = entry(&name.to_le_bytes(), expires_at);
        match self.place(name) {
            Some(place) => drop(self.table.exchange(place, new)),
            None => {
                let place = self.table.insert(fingerprint(name, self.crowded), new);
                assert_eq!(self.table.entry(place).key(), name.to_le_bytes());
            }
        }
        self.model.insert(name, expires_at);
    }

    fn remove(&mut self, name: u32) {
        let place = self.place(name);
        assert_eq!(place.is_some(), self.model.remove(&name).is_some());
        if let Some(place) = place {
            assert_eq!(self.table.remove(place).key(), name.to_le_bytes());
        }
    }

    fn expire(&mut self, name: u32, expires_at: Option<i64>) {
        if let Some(place) = self.place(name) {
            self.table.set_expiry(place, expires_at);
            self.model.insert(name, expires_at);
        }
    }

    fn sweep(&mut self, now: i64) {
        let due: Vec<u32> = self
            .model
            .iter()
            .filter(|(_, at)| at.is_some_and(|at| at <= now))
            .map(|(name, _)| *name)
            .collect();
        let mut gone = Vec::new();
        while !self
            .table
            .remove_due(now, 10, |entry| gone.push(name_of(&entry)))
        {}
        gone.sort_unstable();
        assert_eq!(gone, due);
        self.model
            .retain(|name, _| due.binary_search(name).is_err());
    }

    fn check(&self) {
        self.table.check();
        let mut held: Vec<_> = self
            .table
            .iter_from(0)
            .map(|(_, entry)| (name_of(entry), entry.expires_at()))
            .collect();
        held.sort_unstable();
        assert!(
            held.into_iter()
                .eq(self.model.iter().map(|(name, at)| (*name, *at)))
        );
    }
}

fn name_of(entry: &Entry) -> u32 {
    u32::from_le_bytes(entry.key().try_into().expect("four bytes"))
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u32, Option<i64>),
    InsertMany(u32, u32),
    Remove(u32),
    RemoveMany(u32, u32),
    Expire(u32, Option<i64>),
    Sweep(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..6000u32;
    let time = || prop::option::of(0..100i64);
    prop_oneof![
        (name(), time()).prop_map(|(name, at)| Step::Insert(name, at)),
        (name(), 0..3000u32).prop_map(|(name, count)| Step::InsertMany(name, count)),
        name().prop_map(Step::Remove),
        (name(), 0..4000u32).prop_map(|(name, count)| Step::RemoveMany(name, count)),
        (name(), time()).prop_map(|(name, at)| Step::Expire(name, at)),
        (0..100i64).prop_map(Step::Sweep),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Against an ordered map, with every invariant looked at after each step.
    #[test]
    fn a_table_holds_what_a_map_would(steps in prop::collection::vec(step(), 1..40), crowded in prop::bool::weighted(0.1)) {
        let mut pair = Pair::new(crowded);
        for step in steps {
            match step {
                Step::Insert(name, at) => pair.insert(name, at),
                Step::InsertMany(name, count) => {
                    (name..name + count).for_each(|name| pair.insert(name, (name % 7 == 0).then_some(i64::from(name % 100))));
                }
                Step::Remove(name) => pair.remove(name),
                Step::RemoveMany(name, count) => (name..name + count).for_each(|name| pair.remove(name)),
                Step::Expire(name, at) => pair.expire(name, at),
                Step::Sweep(now) => pair.sweep(now),
            }
            pair.check();
        }
    }
}

/// Single steps around every change of shape on the way up and down, the invariant looked at after each.
#[test]
fn every_insert_and_every_remove_keeps_the_invariant() {
    let mut pair = Pair::new(false);
    for name in 0..2500 {
        pair.insert(name, None);
        pair.table.check();
    }
    assert!(pair.table.segments.len() >= 3);
    for name in (0..2500).rev() {
        pair.remove(name);
        pair.table.check();
    }
    pair.check();
    assert_eq!(
        (pair.table.segments.len(), pair.table.directory.len()),
        (1, 1)
    );
}

#[test]
fn memory_comes_back_after_mass_deletion_in_any_order() {
    type Order = fn(&Table) -> Vec<u32>;
    let by_name: Order = |table| {
        let mut names: Vec<u32> = table
            .iter_from(0)
            .map(|(_, entry)| name_of(entry))
            .collect();
        names.sort_unstable();
        names
    };
    let by_hash: Order = |table| {
        table
            .iter_from(0)
            .map(|(_, entry)| name_of(entry))
            .collect()
    };
    for order in [by_name, by_hash] {
        let mut pair = Pair::new(false);
        (0..50_000).for_each(|name| pair.insert(name, None));
        let full = pair.table.heap_bytes();
        assert!(full <= 50_000 * 18, "{full}");
        for name in order(&pair.table).into_iter().skip(500) {
            pair.remove(name);
        }
        pair.check();
        let left = pair.table.heap_bytes();
        assert!(left <= full / 20, "{left} of {full}");
    }
}

/// What SCAN promises: a key that stays is seen, whatever comes, goes, splits and joins between two calls.
#[test]
fn a_walk_in_pieces_misses_nothing_that_stays() {
    for churn in [0, 1, 10, 300] {
        let mut pair = Pair::new(false);
        (0..5000).for_each(|name| pair.insert(name, None));
        let (mut from, mut seen, mut next) = (0, Vec::new(), 5000);
        let mut calls = 0u32;
        loop {
            let mut last = None;
            let mut resume = None;
            for (taken, (fingerprint, entry)) in pair.table.iter_from(from).enumerate() {
                assert!(fingerprint >= from);
                if taken >= 10 && last != Some(fingerprint) {
                    resume = Some(fingerprint);
                    break;
                }
                last = Some(fingerprint);
                seen.push(name_of(entry));
            }
            let Some(resume) = resume else { break };
            from = resume;
            calls += 1;
            // Grow for a while, then shrink below what it was: names that are multiples of 7 stay.
            for _ in 0..churn {
                if (calls / 100).is_multiple_of(2) {
                    pair.insert(next, None);
                    next += 1;
                } else {
                    next -= 1;
                    if next % 7 != 0 {
                        pair.remove(next);
                    }
                }
            }
        }
        pair.table.check();
        seen.sort_unstable();
        let stayed = (0..5000).filter(|name| name % 7 == 0);
        for name in stayed {
            assert!(
                seen.binary_search(&name).is_ok(),
                "{name} was missed, churn {churn}"
            );
        }
        assert!(churn > 0 || seen.len() == 5000);
    }
}

/// A hash that does not spread must cost time in one segment, not memory in the directory.
#[test]
fn equal_fingerprints_do_not_make_the_directory_grow() {
    let mut table = Table::default();
    for name in 0..3000u32 {
        table.insert(0x1234_5678, entry(&name.to_le_bytes(), None));
    }
    table.check();
    assert!(table.directory.len() <= MAX_SPREAD * 2 * table.segments.len());
    for name in 0..3000u32 {
        assert!(table.find(0x1234_5678, &name.to_le_bytes()).is_some());
    }
}
