//! Every byte of a small file, and of a payload, changed or missing.

use super::tests::{Key, keys, read_all, write_all};
use super::{Options, dump, restore};
use crate::store::Value;

/// Keys with every encoding, in few bytes.
fn small() -> Vec<Key> {
    let mut keys = keys();
    keys.retain(|key| key.name.len() < 100);
    keys.iter_mut().for_each(|key| key.value.truncate(700));
    keys.dedup_by(|a, b| a.value == b.value);
    keys
}

/// Every change of one bit, and all bits of a byte.
fn changes(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).flat_map(move |at| {
        let masks = (0..8).map(|bit| 1 << bit).chain([0xff]);
        masks.map(move |mask| {
            let mut changed = bytes.to_vec();
            changed[at] ^= mask;
            (at, changed)
        })
    })
}

#[test]
fn a_file_with_any_byte_changed_is_refused() {
    let file = write_all(&small(), Options::default());
    assert!(file.len() < 20_000, "{}", file.len());
    for (at, changed) in changes(&file) {
        let (_, result) = read_all(&changed[..], true);
        assert!(result.is_err(), "byte {at}: {:02x}", changed[at]);
    }
}

/// Without a checksum a change may pass for another key or value; but nothing panics, hangs or fills the memory.
#[test]
fn a_file_without_a_checksum_is_read_or_refused_whatever_is_changed() {
    for compression in [true, false] {
        let options = Options {
            compression,
            checksum: false,
        };
        let file = write_all(&small(), options);
        let (mut read, mut refused) = (0, 0);
        for (_, changed) in changes(&file) {
            match read_all(&changed[..], true).1 {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
        assert!(
            read > 100 && refused > 100,
            "{read} read, {refused} refused"
        );
    }
}

#[test]
fn a_file_that_is_cut_anywhere_gives_the_first_keys_and_an_error() {
    for compression in [true, false] {
        let options = Options {
            compression,
            checksum: true,
        };
        let keys = small();
        let file = write_all(&keys, options);
        let mut most = 0;
        for len in 0..file.len() {
            let (read, result) = read_all(&file[..len], true);
            let error = result.unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("it ends at byte {len}, ")),
                "cut at {len}: {error}"
            );
            assert_eq!(read, keys[..read.len()], "cut at {len}");
            assert!(read.len() >= most, "a longer file gives no fewer keys");
            most = read.len();
        }
        assert_eq!(most, keys.len());
    }
}

#[test]
fn a_payload_with_any_byte_changed_or_missing_is_refused() {
    for Key { value, .. } in small() {
        let payload = dump(Value::set(&value).view(), true);
        for (at, changed) in changes(&payload) {
            restore(&changed, &mut || true, |_| ())
                .expect_err(&format!("byte {at} of {payload:02x?}"));
        }
        for len in 0..payload.len() {
            restore(&payload[..len], &mut || true, |_| ()).expect_err("it is cut");
        }
    }
}
