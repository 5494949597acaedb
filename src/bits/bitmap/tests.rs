//! Every operation against a plain vector of bytes.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::bits::field::{self, Width};
use crate::bits::{View, flat, oracle};

/// One call that changes a bitmap.
#[derive(Debug, Clone)]
enum Change {
    Set(u64, bool),
    /// So many bits all over a chunk.
    Sprinkle(u64, u64, bool),
    /// So many bits in a row.
    Stretch(u64, u64, bool),
    Range(Range<u64>, bool),
    Write(u64, Bytes),
    /// A field at this bit, so wide, and what it is to hold.
    Field(u64, u64, i64),
    Grow(u64),
    Clone,
}

/// Cases in the suite, where the build has no optimiser; `BITS_SOAK` runs as many as it says.
const LIMIT: u64 = 5 * CHUNK_BITS;

/// Positions near chunk edges more often than elsewhere.
fn position() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => 0..LIMIT,
        2 => (0..5u64, 0..20u64).prop_map(|(chunk, off)| (chunk * CHUNK_BITS + off).saturating_sub(10)),
        1 => 0..64u64,
    ]
}

fn range() -> impl Strategy<Value = Range<u64>> {
    (position(), position()).prop_map(|(start, end)| start..end)
}

/// Bytes of one kind, said in few words so that a failing case can be read.
#[derive(Debug, Clone)]
struct Bytes {
    len: usize,
    kind: Kind,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Same(u8),
    /// Random bytes, one in so many; the others are zeros.
    Noise(u64),
    /// The same, and the others are ones.
    Holes(u64),
    /// Stretches of zeros and of ones, so many bits long at most.
    Runs(u64),
}

fn bytes() -> impl Strategy<Value = Bytes> {
    let len = prop_oneof![3 => 0..300usize, 2 => 0..9000usize, 1 => 8190..20_000usize, 1 => Just(CHUNK_BYTES)];
    let kind = prop_oneof![
        prop_oneof![Just(0u8), Just(0xff), any::<u8>()].prop_map(Kind::Same),
        prop_oneof![Just(1u64), 2..10u64, 10..500u64, 500..5000u64].prop_map(Kind::Noise),
        prop_oneof![2..10u64, 10..500u64, 500..5000u64].prop_map(Kind::Holes),
        (2..20_000u64).prop_map(Kind::Runs),
    ];
    (len, kind, any::<u64>()).prop_map(|(len, kind, seed)| Bytes { len, kind, seed })
}

impl Bytes {
    fn make(&self) -> Vec<u8> {
        let mut random = oracle::Random::new(self.seed);
        let mut some = |one_in: u64, other: u8| {
            (0..self.len)
                .map(|_| {
                    if random.below(one_in) == 0 {
                        random.next() as u8
                    } else {
                        other
                    }
                })
                .collect()
        };
        match self.kind {
            Kind::Same(byte) => vec![byte; self.len],
            Kind::Noise(one_in) => some(one_in, 0),
            Kind::Holes(one_in) => some(one_in, 0xff),
            Kind::Runs(longest) => {
                let mut bits = Vec::new();
                while bits.len() < self.len * 8 {
                    let on = random.below(2) == 0;
                    bits.extend((0..=random.below(longest)).map(|_| on));
                }
                oracle::bytes(&bits[..self.len * 8])
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (position(), any::<bool>()).prop_map(|(bit, on)| Change::Set(bit, on)),
        2 => (position(), 0..600u64, any::<bool>()).prop_map(|(bit, many, on)| Change::Sprinkle(bit, many, on)),
        2 => (position(), 0..600u64, any::<bool>()).prop_map(|(bit, many, on)| Change::Stretch(bit, many, on)),
        3 => (range(), any::<bool>()).prop_map(|(range, on)| Change::Range(range, on)),
        4 => (position(), bytes()).prop_map(|(bit, bytes)| Change::Write(bit / 8, bytes)),
        3 => (position(), 1..=64u64, any::<i64>()).prop_map(|(bit, wide, value)| Change::Field(bit, wide, value)),
        1 => position().prop_map(|bit| Change::Grow(bit / 8)),
        1 => Just(Change::Clone),
    ]
}

fn set(bit: u64, on: bool, bitmap: &mut Bitmap, model: &mut Vec<u8>) {
    model.resize(model.len().max((bit / 8 + 1) as usize), 0);
    assert_eq!(bitmap.set(bit, on), flat::set(model, bit, on), "bit {bit}");
}

fn apply(change: &Change, bitmap: &mut Bitmap, model: &mut Vec<u8>) {
    match change {
        Change::Set(bit, on) => set(*bit, *on, bitmap, model),
        Change::Sprinkle(seed, many, on) => {
            let mut random = oracle::Random::new(*seed);
            let chunk = random.below(5) * CHUNK_BITS;
            (0..*many).for_each(|_| set(chunk + random.below(CHUNK_BITS), *on, bitmap, model));
        }
        Change::Stretch(from, many, on) => {
            (*from..from + many).for_each(|bit| set(bit, *on, bitmap, model))
        }
        Change::Range(bits, on) => {
            let bits = bits.start..bits.end.max(bits.start);
            if !bits.is_empty() {
                model.resize(model.len().max(bits.end.div_ceil(8) as usize), 0);
            }
            let ones = flat::count(model, bits.clone());
            let changed = if *on {
                bits.end - bits.start - ones
            } else {
                ones
            };
            flat::fill(model, bits.clone(), *on);
            assert_eq!(bitmap.set_range(bits, *on), changed);
        }
        Change::Write(at, bytes) => {
            let bytes = bytes.make();
            if !bytes.is_empty() {
                let at = *at as usize;
                model.resize(model.len().max(at + bytes.len()), 0);
                model[at..at + bytes.len()].copy_from_slice(&bytes);
            }
            bitmap.write(*at, &bytes);
        }
        Change::Field(bit, wide, value) => {
            let width = Width::signed(*wide).expect("a width");
            model.resize(model.len().max((bit + wide).div_ceil(8) as usize), 0);
            let new = (value % 7 != 0).then_some(*value);
            let (mut flat, mut chunked) = (0, 0);
            field::update_flat(model, *bit, width, |old| (flat = old, new).1);
            field::update(bitmap, *bit, width, |old| (chunked = old, new).1);
            assert_eq!(flat, chunked, "{wide} bits at {bit}");
        }
        Change::Grow(len) => {
            model.resize(model.len().max(*len as usize), 0);
            bitmap.grow(*len);
        }
        Change::Clone => {
            let clone = bitmap.clone();
            assert!(clone.same(bitmap));
            *bitmap = clone;
        }
    }
}

proptest! {
    // 256 cases, or as many as PROPTEST_CASES says: that is the soak.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_leave_what_they_leave_in_a_vector(
        changes in prop::collection::vec(change(), 1..12),
        ranges in prop::collection::vec(range(), 8),
    ) {
        let (mut bitmap, mut model) = (Bitmap::new(), Vec::new());
        let mut versions = Vec::new();
        for change in &changes {
            versions.push((bitmap.clone(), model.clone()));
            apply(change, &mut bitmap, &mut model);
            bitmap.check();
            let flat = View::Flat(&model);
            prop_assert_eq!(View::Chunked(&bitmap), flat);
            prop_assert_eq!(bitmap.ones(), flat.ones());
            for range in &ranges {
                prop_assert_eq!(bitmap.count(range.clone()), flat.count(range.clone()), "{:?}", range);
                for bit in [false, true] {
                    prop_assert_eq!(bitmap.find(bit, range.clone()), flat.find(bit, range.clone()), "{:?}", range);
                }
                prop_assert_eq!(bitmap.get(range.start), flat.get(range.start));
                prop_assert_eq!(bitmap.select(range.start), flat.select(range.start), "{:?}", range);
            }
            for (range, most) in ranges.iter().zip([0, 1, 7, 500, 70_000, 200_000, 1 << 20, usize::MAX]) {
                for bit in [false, true] {
                    let (mut got, mut want) = (Vec::new(), Vec::new());
                    bitmap.positions(bit, range.clone(), most, &mut got);
                    flat.positions(bit, range.clone(), most, &mut want);
                    prop_assert!(got == want, "{} bits of {:?}, {} at most", bit, range, most);
                }
            }
        }
        // Nothing written to a clone was seen by the one it was cloned from.
        for (bitmap, model) in &versions {
            prop_assert_eq!(View::Chunked(bitmap), View::Flat(model));
        }
    }
}

#[test]
fn a_bitmap_is_two_words() {
    assert_eq!(size_of::<Bitmap>(), 16);
}

#[test]
fn the_farthest_bit_is_as_good_as_any() {
    let far = (1 << 63) - 1;
    let mut bitmap = Bitmap::new();
    assert!(!bitmap.set(far, true));
    assert!(bitmap.get(far) && !bitmap.get(far - 1));
    assert_eq!(bitmap.len(), 1 << 60);
    assert_eq!(bitmap.ones(), 1);
    assert_eq!(bitmap.count(far - 5..u64::MAX), 1);
    assert_eq!(bitmap.find(false, far..u64::MAX), None);
    assert_eq!(bitmap.find(true, far..u64::MAX), Some(far));
    assert!(bitmap.set(far, false));
    assert_eq!((bitmap.ones(), bitmap.len()), (0, 1 << 60));
}

#[test]
fn ranges_of_any_length_are_set_and_cleared_in_no_time() {
    let end = 1 << 63;
    let mut bitmap = Bitmap::new();
    bitmap.set(77, true);
    assert_eq!(bitmap.set_range(5..end, true), end - 6);
    bitmap.check();
    assert_eq!((bitmap.len(), bitmap.ones()), (1 << 60, end - 5));
    assert_eq!(bitmap.find(false, 5..u64::MAX), None);
    assert_eq!(bitmap.select(1 << 40), Some((1 << 40) + 5));
    assert_eq!(
        bitmap.set_range(1 << 20..end - (1 << 20), false),
        end - (1 << 21)
    );
    bitmap.check();
    assert_eq!(bitmap.ones(), (1 << 21) - 5);
    assert_eq!(bitmap.select((1 << 20) - 5), Some(end - (1 << 20)));
    assert_eq!(bitmap.select((1 << 21) - 5), None);
    let mut found = Vec::new();
    bitmap.positions(true, (1 << 20) - 2..u64::MAX, 4, &mut found);
    assert_eq!(
        found,
        [
            (1 << 20) - 2,
            (1 << 20) - 1,
            end - (1 << 20),
            end - (1 << 20) + 1
        ]
    );
    assert_eq!(bitmap.set_range(0..end, false), (1 << 21) - 5);
    assert_eq!(bitmap.heap_bytes(), 0);
    // Past the end zeros are written too.
    let mut short = Bitmap::new();
    assert_eq!((short.set_range(3..100, false), short.len()), (0, 13));
    assert_eq!((short.set_range(900..900, true), short.len()), (0, 13));
}

#[test]
fn clearing_a_bit_past_the_end_grows_the_string_with_zeros() {
    let mut bitmap = Bitmap::new();
    assert!(!bitmap.set(100, false));
    assert_eq!((bitmap.len(), bitmap.ones()), (13, 0));
    bitmap.write(5, b"");
    bitmap.write(500, b"");
    assert_eq!(bitmap.len(), 13);
}

#[test]
fn readers_on_many_threads_see_what_was_there_when_they_took_it() {
    fn shared<T: Send + Sync>() {}
    shared::<Bitmap>();
    let mut bitmap = Bitmap::from_bytes(&oracle::noise(100_000));
    let ones = bitmap.ones();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let taken = bitmap.clone();
            scope.spawn(move || {
                for turn in 0..200 {
                    let mut own = taken.clone();
                    own.set((turn * 4 + thread) * 997, turn % 2 == 0);
                    assert_eq!(taken.ones(), ones);
                    assert_eq!(
                        taken.count(0..400_000) + taken.count(400_000..800_000),
                        ones
                    );
                }
            });
        }
        (0..800_000)
            .step_by(101)
            .for_each(|bit| _ = bitmap.set(bit, false));
    });
    bitmap.check();
    assert_eq!(bitmap.find(true, 0..1), None);
}

/// A bit at the edge between two forms, set and cleared in turn, must not convert the chunk at each turn.
#[test]
fn a_toggling_bit_does_not_convert_a_chunk_back_and_forth() {
    for ones in [2, 8, 500, 900, 1000, 1024, 1200, 2000, 8000, 20_000] {
        let mut random = oracle::Random::new(ones);
        let mut bitmap = Bitmap::new();
        (0..ones).for_each(|_| _ = bitmap.set(random.below(65_535), true));
        let mut conversions = 0;
        for turn in 0..1000 {
            let before = bitmap.shape();
            bitmap.set(65_535, turn % 2 == 0);
            let after = bitmap.shape();
            conversions += u32::from(
                (before.few, before.array, before.packed) != (after.few, after.array, after.packed),
            );
        }
        assert!(
            conversions <= 10,
            "{conversions} conversions at {ones} ones"
        );
    }
}

#[test]
fn memory_follows_the_ones() {
    let mut random = oracle::Random::new(4);
    let mut far = Bitmap::new();
    far.set((1 << 32) - 1, true);
    assert!(far.heap_bytes() < 1024);
    for _ in 0..100 {
        let mut one = Bitmap::new();
        one.set(random.below(65_536), true);
        assert_eq!(one.heap_bytes(), 0);
        let mut thirty = Bitmap::new();
        (0..30).for_each(|_| _ = thirty.set(random.below(37_000_000), true));
        assert!(
            size_of::<Bitmap>() + thirty.heap_bytes() <= 30 * 16 + 120 - 80,
            "{:?}",
            thirty.shape()
        );
    }
    let dense = Bitmap::from_bytes(&oracle::noise(1 << 20));
    assert!(
        dense.heap_bytes() * 100 <= (1 << 20) * 103,
        "{:?}",
        dense.shape()
    );
    let text = Bitmap::from_bytes(&oracle::noise(500));
    assert!(text.heap_bytes() <= 640, "{:?}", text.shape());
    let mut full = Bitmap::new();
    full.write(0, &vec![0xff; 1 << 20]);
    assert!(full.heap_bytes() <= 2048, "{:?}", full.shape());
}
