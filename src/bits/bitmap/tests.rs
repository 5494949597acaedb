//! Every operation against a plain vector of bytes.

use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::bits::View;

/// One call that changes a bitmap.
#[derive(Debug, Clone)]
enum Change {
    Set(u64, bool),
    Write(u64, Vec<u8>),
    Grow(u64),
    Clone,
}

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

/// Bytes of one kind for a while: holes, full stretches, sparse and dense noise.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (1..12_000usize).prop_map(|len| vec![0; len]),
        (1..12_000usize).prop_map(|len| vec![0xff; len]),
        (1..12_000usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(prop_oneof![30 => Just(0u8), 1 => any::<u8>()], 0..9000),
    ];
    prop::collection::vec(piece, 0..3).prop_map(|pieces| pieces.concat())
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (position(), any::<bool>()).prop_map(|(bit, on)| Change::Set(bit, on)),
        2 => (position(), bytes()).prop_map(|(bit, bytes)| Change::Write(bit / 8, bytes)),
        1 => position().prop_map(|bit| Change::Grow(bit / 8)),
        1 => Just(Change::Clone),
    ]
}

fn apply(change: &Change, bitmap: &mut Bitmap, model: &mut Vec<u8>) {
    match change {
        Change::Set(bit, on) => {
            model.resize(model.len().max((bit / 8 + 1) as usize), 0);
            assert_eq!(
                bitmap.set(*bit, *on),
                flat::set(model, *bit, *on),
                "{change:?}"
            );
        }
        Change::Write(at, bytes) => {
            if !bytes.is_empty() {
                let at = *at as usize;
                model.resize(model.len().max(at + bytes.len()), 0);
                model[at..at + bytes.len()].copy_from_slice(bytes);
            }
            bitmap.write(*at, bytes);
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
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

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
            let flat = View::Flat(&model);
            prop_assert_eq!(View::Chunked(&bitmap), flat);
            prop_assert_eq!(bitmap.ones(), flat.ones());
            for range in &ranges {
                prop_assert_eq!(bitmap.count(range.clone()), flat.count(range.clone()), "{:?}", range);
                for bit in [false, true] {
                    prop_assert_eq!(bitmap.find(bit, range.clone()), flat.find(bit, range.clone()), "{:?}", range);
                }
                prop_assert_eq!(bitmap.get(range.start), flat.get(range.start));
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
fn clearing_a_bit_past_the_end_grows_the_string_with_zeros() {
    let mut bitmap = Bitmap::new();
    assert!(!bitmap.set(100, false));
    assert_eq!((bitmap.len(), bitmap.ones()), (13, 0));
    bitmap.write(5, b"");
    bitmap.write(500, b"");
    assert_eq!(bitmap.len(), 13);
}
