//! What is compressed comes back, and whatever comes in is decompressed as the format says or refused.

use std::io::Cursor;

use super::{Encoder, Pages, Sink, decompress};
use crate::bits::{Bitmap, View, oracle};
use crate::persist::rdb::Error;
use crate::persist::rdb::input::Input;

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn repeat(&mut self, token: [u8; 3], times: u64) {
        (0..times).for_each(|_| self.extend_from_slice(&token));
    }
}

fn compress(view: View<'_>) -> Vec<u8> {
    Encoder::new(Vec::new()).string(view)
}

/// The format, word for word.
fn naive(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        let (high, low) = (usize::from(first >> 5), usize::from(first & 31));
        if high == 0 {
            out.extend_from_slice(rest.get(..=low)?);
            bytes = &rest[low + 1..];
        } else {
            let (copied, rest) = match high {
                7 => (usize::from(*rest.first()?) + 9, &rest[1..]),
                _ => (high + 2, rest),
            };
            let back = (low << 8 | usize::from(*rest.first()?)) + 1;
            for _ in 0..copied {
                out.push(*out.get(out.len().checked_sub(back)?)?);
            }
            bytes = &rest[1..];
        }
    }
    Some(out)
}

fn both_ways(compressed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut flat = Vec::new();
    let input = |bytes: &[u8]| Input::new(Cursor::new(bytes.to_vec()));
    let size = compressed.len() as u64;
    let into_bytes = decompress(&mut input(compressed), size, len as u64, &mut flat);
    let mut room = || true;
    let mut pages = Pages::new(&mut room);
    let into_pages = decompress(&mut input(compressed), size, len as u64, &mut pages);
    assert_eq!(into_bytes.is_ok(), into_pages.is_ok());
    if let Err(error) = into_bytes {
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        return None;
    }
    let bitmap = pages.finish().expect("there was room");
    bitmap.check();
    assert_eq!(bitmap, Bitmap::from_bytes(&flat));
    Some(flat)
}

#[test]
fn what_is_compressed_comes_back() {
    let mut strings = oracle::short_strings();
    strings.extend([1, 31, 32, 33, 64, 5000, 8192, 20_000].map(oracle::noise));
    for (gap, len) in [
        (1, 9000),
        (3, 9000),
        (9, 40_000),
        (300, 40_000),
        (70_000, 99_999),
    ] {
        let mut bytes = vec![0u8; len];
        (0..len * 8)
            .step_by(gap)
            .for_each(|bit| bytes[bit / 8] |= 0x80 >> (bit % 8));
        strings.push(bytes.iter().map(|byte| !byte).collect());
        strings.push(bytes);
    }
    for len in [
        1, 2, 3, 4, 263, 264, 265, 266, 267, 268, 528, 529, 8191, 8192, 8193, 16_385,
    ] {
        for byte in [0, 0xff, 7] {
            strings.push(vec![byte; len]);
            strings.push([&[1, 2, 3][..], &vec![byte; len], &[byte ^ 1]].concat());
        }
    }
    strings.push(b"the quick brown fox jumps over the lazy dog, the quick brown fox. ".repeat(300));
    for bytes in strings {
        let bitmap = Bitmap::from_bytes(&bytes);
        for view in [View::Flat(&bytes), View::Chunked(&bitmap)] {
            let compressed = compress(view);
            assert_eq!(naive(&compressed).as_deref(), Some(&bytes[..]), "{view:?}");
            assert_eq!(
                both_ways(&compressed, bytes.len()).as_deref(),
                Some(&bytes[..]),
                "{view:?}"
            );
        }
    }
}

#[test]
fn what_can_be_said_shortly_is() {
    let long = b"the quick brown fox jumps over the lazy dog. ".repeat(100);
    assert!(compress(View::Flat(&long)).len() < 100);
    assert!(compress(View::Flat(&[7; 2640])).len() < 40);
    let noise = oracle::noise(8192);
    assert!(compress(View::Flat(&noise)).len() <= 8192 + 8192 / 32 + 1);
}

/// Every token, and every mistake, among random ones.
#[test]
fn any_bytes_are_decompressed_as_the_format_says_or_refused() {
    let noise = oracle::noise(400_000);
    let (mut whole, mut refused) = (0, 0);
    for (case, bytes) in noise.chunks(40).enumerate() {
        let mut compressed = Vec::new();
        for pair in bytes.chunks(2).take(1 + case % 20) {
            match pair[0] % 4 {
                0 => {
                    let len = usize::from(pair[1] % 4);
                    compressed.push(len as u8);
                    compressed.extend_from_slice(&bytes[..=len]);
                }
                1 => compressed.extend([7 << 5, pair[1], pair[0] % 3]),
                2 => compressed.extend([(pair[1] % 7 + 1) << 5, pair[0] % 9]),
                _ => compressed.extend([7 << 5, pair[1], pair[1] / 8]),
            }
        }
        let expected = naive(&compressed);
        let len = expected.as_ref().map_or(case % 50, Vec::len);
        *(if expected.is_some() {
            &mut whole
        } else {
            &mut refused
        }) += 1;
        assert_eq!(both_ways(&compressed, len), expected, "{compressed:?}");
        assert_eq!(both_ways(&compressed, len + 1), None);
    }
    assert!(
        whole > 100 && refused > 100,
        "{whole} whole, {refused} refused"
    );
}

#[test]
fn half_a_gigabyte_with_one_bit_takes_neither_its_memory_nor_its_time() {
    let mut bitmap = Bitmap::new();
    bitmap.set(4_294_967_295, true);
    bitmap.set(1_000_000_007, true);
    let compressed = compress(View::Chunked(&bitmap));
    assert!(compressed.len() < 6_200_000);
    let mut room = || true;
    let mut pages = Pages::new(&mut room);
    let size = compressed.len() as u64;
    let mut input = Input::new(Cursor::new(compressed));
    decompress(&mut input, size, 1 << 29, &mut pages).unwrap();
    assert_eq!(pages.finish(), Some(bitmap));
}
