//! Against the `roaring` crate, which writes and reads the same format.

use proptest::prelude::*;
use roaring::{RoaringBitmap, RoaringTreemap};

use super::*;
use crate::bits::{Bitmap, View, oracle};

const NO_LIMIT: u64 = u64::MAX;

fn export(bitmap: &Bitmap) -> Vec<u8> {
    let portable = Portable::of(View::Chunked(bitmap)).expect("not so many ones");
    let mut bytes = vec![0; portable.len() as usize];
    portable.read(0, &mut bytes);
    // From any place, in pieces of any length.
    for (at, len) in [(0, 1), (3, 6), (9000, 20_000), (bytes.len() / 2, 8192)] {
        let at = at.min(bytes.len());
        let mut piece = vec![0; len.min(bytes.len() - at)];
        if !piece.is_empty() {
            portable.read(at as u64, &mut piece);
        }
        assert!(piece == bytes[at..at + piece.len()], "{at}, {len}");
    }
    bytes
}

fn ones(bitmap: &Bitmap) -> Vec<u64> {
    let mut ones = Vec::new();
    bitmap.positions(true, 0..u64::MAX, usize::MAX, &mut ones);
    ones
}

/// Chunks of every form, as many as asked for, `step` chunks apart.
fn mixed(seed: u64, chunks: u64, step: u64) -> Bitmap {
    let mut random = oracle::Random::new(seed);
    let mut bitmap = Bitmap::new();
    for base in (0..chunks).map(|index| (index * step) << 16) {
        match random.below(6) {
            0 => _ = bitmap.set(base + random.below(65_536), true),
            1 => _ = bitmap.set_range(base..base + 65_536, true),
            2 => bitmap.write(base / 8, &oracle::noise(8192)),
            3 => {
                (0..100).for_each(|_| {
                    let at = base + random.below(65_000);
                    bitmap.set_range(at..at + random.below(500), true);
                });
            }
            kind => {
                let many = if kind == 4 {
                    random.below(600)
                } else {
                    3900 + random.below(500)
                };
                (0..many).for_each(|_| _ = bitmap.set(base + random.below(65_536), true));
            }
        }
    }
    bitmap
}

#[test]
fn others_read_what_is_written_and_write_what_is_read() {
    for chunks in [0, 1, 2, 3, 4, 5, 9, 40] {
        for seed in 0..4 {
            let bitmap = mixed(seed, chunks, 1 + seed);
            let blob = export(&bitmap);
            let mut theirs = RoaringBitmap::deserialize_from(&blob[..]).expect("it is valid");
            assert!(theirs.iter().map(u64::from).eq(ones(&bitmap)));
            assert_eq!(theirs.len(), bitmap.ones());
            assert_eq!(
                parse(&blob, NO_LIMIT).map(|read| ones(&read)),
                Ok(ones(&bitmap))
            );

            theirs.remove_run_compression();
            let mut plain = Vec::new();
            theirs.serialize_into(&mut plain).expect("memory takes it");
            let read = parse(&plain, NO_LIMIT).expect("theirs is valid");
            read.check();
            assert_eq!(ones(&read), ones(&bitmap));
            assert_eq!(read.len(), bitmap.len().min(read.len()));
            assert_eq!(
                read.len(),
                ones(&bitmap).last().map_or(0, |last| last / 8 + 1)
            );
        }
    }
}

#[test]
fn offsets_past_32_bits_take_the_format_of_64() {
    for seed in 0..4 {
        let bitmap = mixed(seed, 12, 30_000 << seed);
        let blob = export(&bitmap);
        let theirs = RoaringTreemap::deserialize_from(&blob[..]).expect("it is valid");
        assert!(theirs.iter().eq(ones(&bitmap)));
        assert_eq!(
            parse(&blob, NO_LIMIT).map(|read| ones(&read)),
            Ok(ones(&bitmap))
        );
        let mut again = Vec::new();
        theirs.serialize_into(&mut again).expect("memory takes it");
        assert_eq!(
            parse(&again, NO_LIMIT).map(|read| ones(&read)),
            Ok(ones(&bitmap))
        );
    }
    let mut far = Bitmap::new();
    far.set((1 << 63) - 1, true);
    assert_eq!(parse(&export(&far), NO_LIMIT), Ok(far));
}

#[test]
fn numbers_of_parts_that_look_like_a_cookie_are_told_from_one() {
    for parts in [12_346u64, 12_347, 12_347 + (2 << 16)] {
        let mut bitmap = Bitmap::new();
        for part in 0..parts {
            bitmap.set(part << 32 | 5, true);
        }
        let blob = export(&bitmap);
        assert_eq!(blob[..8], parts.to_le_bytes());
        assert_eq!(parse(&blob, NO_LIMIT), Ok(bitmap));
    }
    assert_eq!(export(&Bitmap::new()), [0x3a, 0x30, 0, 0, 0, 0, 0, 0]);
    assert_eq!(parse(&[0; 8], NO_LIMIT), Ok(Bitmap::new()), "no parts");
}

#[test]
fn ones_beyond_the_limit_are_refused() {
    let mut bitmap = Bitmap::new();
    bitmap.set(99, true);
    let blob = export(&bitmap);
    assert_eq!(parse(&blob, 99), Err(Refused::TooFar));
    assert_eq!(parse(&blob, 100), Ok(bitmap));
    let mut wide = 1u64.to_le_bytes().to_vec();
    wide.extend([0xff; 4]);
    wide.extend(&blob);
    assert_eq!(parse(&wide, NO_LIMIT), Err(Refused::TooFar), "past 2^63");
}

#[test]
fn a_range_without_end_is_not_written_out() {
    let mut bitmap = Bitmap::new();
    bitmap.set_range(0..1 << 62, true);
    assert!(Portable::of(View::Chunked(&bitmap)).is_none());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let mut bitmap = Bitmap::new();
    bitmap.set_range(10..30_000, true);
    bitmap.set(70_000, true);
    bitmap.set(70_007, true);
    let blob = export(&bitmap);
    // With runs, two containers, so no places: cookie 4, flags 1, heads 8, runs 6, array 4.
    assert_eq!(blob.len(), 23);
    let with = |changes: &[(usize, u8)]| {
        let mut blob = blob.clone();
        changes.iter().for_each(|(at, byte)| blob[*at] = *byte);
        parse(&blob, NO_LIMIT).map(|read| ones(&read).len())
    };
    let wrong = |at, why| Err(Refused::Malformed { at, why });
    assert_eq!(with(&[]), Ok(29_992));
    assert_eq!(with(&[(0, 0)]), wrong(0, "no bitmap begins so"));
    assert_eq!(with(&[(2, 9)]), wrong(6, "the end comes too early"));
    assert_eq!(with(&[(9, 0)]), wrong(19, "containers are not in order"));
    assert_eq!(
        with(&[(7, 0)]),
        wrong(19, "another number of ones than was said")
    );
    assert_eq!(
        with(&[(16, 0xff), (18, 0xff)]),
        wrong(19, "a run that is too long")
    );
    assert_eq!(with(&[(21, 0)]), wrong(23, "positions are not in order"));
    let mut longer = blob.clone();
    longer.push(0);
    assert_eq!(
        parse(&longer, NO_LIMIT).map(|_| 0),
        wrong(23, "more than a bitmap")
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes changed and cut off at random places: whatever is still read is a sound bitmap.
    #[test]
    fn no_blob_does_harm(
        seed in 0..50u64,
        far in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        head in prop::option::of(any::<[u8; 8]>()),
    ) {
        let mut blob = export(&mixed(seed, 1 + seed % 6, if far { 40_000 } else { 1 }));
        for (at, byte) in changes {
            // Headers more often than what they are about.
            let at = at.index(if byte % 2 == 0 { blob.len() } else { blob.len().min(60) });
            blob[at] = byte;
        }
        if let Some(head) = head {
            blob[..8].copy_from_slice(&head);
        }
        if let Some(cut) = cut {
            blob.truncate(cut.index(blob.len()));
        }
        if let Ok(read) = parse(&blob, NO_LIMIT) {
            read.check();
            prop_assert_eq!(parse(&export(&read), NO_LIMIT), Ok(read));
        }
    }
}
