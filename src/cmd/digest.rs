//! Signatures of keys and values, the same as Redis's, so that one command tells whether two servers hold the same.
//!
//! The algorithm is that of Redis's debug.c. A digest is 20 bytes, zeros at first, and takes things in in two ways:
//!
//! ```text
//! xor(x):  digest ^= sha1(x)             order does not matter
//! mix(x):  xor(x), digest = sha1(digest)  order matters
//!
//! value:    mix(type), mix(bytes), and if it expires xor("!!expire!!")
//! key:      zeros, mix(key), value
//! all:      for each database with keys: mix(number), then for each key xor(key's digest)
//! ```
//!
//! Numbers are 32 bits, most significant byte first. The type of a string is 0.

use std::fmt;

use sha1::{Digest as _, Sha1};

use crate::bits::View;
use crate::store::{EntryRef, Locked};

/// How many bytes of a value are looked at at a time: a long bitmap is never built whole.
const PIECE: usize = 64 * 1024;

/// Shown as forty hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest([u8; 20]);

impl Digest {
    fn xor_raw(&mut self, other: &[u8]) {
        for (byte, with) in self.0.iter_mut().zip(other) {
            *byte ^= with;
        }
    }

    fn xor(&mut self, bytes: &[u8]) {
        self.xor_raw(&Sha1::digest(bytes));
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.stir();
    }

    fn mix_view(&mut self, view: View<'_>) {
        let mut sha = Sha1::new();
        let mut piece = vec![0; PIECE.min(usize::try_from(view.len()).unwrap_or(PIECE))];
        let mut at = 0;
        while at < view.len() {
            let len = (view.len() - at).min(piece.len() as u64);
            let piece = &mut piece[..len as usize];
            view.read(at, piece);
            sha.update(piece);
            at += len;
        }
        self.xor_raw(&sha.finalize());
        self.stir();
    }

    fn stir(&mut self) {
        self.0 = Sha1::digest(self.0).into();
    }

    fn take_value(&mut self, entry: EntryRef<'_>) {
        const STRING: u32 = 0;
        self.mix(&STRING.to_be_bytes());
        self.mix_view(entry.view());
        if entry.expires_at().is_some() {
            self.xor(b"!!expire!!");
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The signature of one value and whether it expires.
pub(super) fn of_value(entry: EntryRef<'_>) -> Digest {
    let mut digest = Digest::default();
    digest.take_value(entry);
    digest
}

/// The signature of all databases, which must be locked.
pub(super) fn of_everything(keys: &Locked<'_>, databases: usize) -> Digest {
    let mut all = Digest::default();
    for db in (0..databases).filter(|&db| keys.key_count(db) > 0) {
        all.mix(&(db as u32).to_be_bytes());
        let mut cursor = 0;
        loop {
            cursor = keys.scan(db, cursor, usize::MAX, |key, entry| {
                let mut one = Digest::default();
                one.mix(key);
                one.take_value(entry);
                all.xor(&one.0);
            });
            if cursor == 0 {
                break;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Access, Clock, Keyspace, Value};

    /// What Redis 8.2.3 answers for these keys.
    #[test]
    fn digests_are_those_of_redis() {
        let keyspace = Keyspace::new(16, Clock::System);
        let mut keys = keyspace.lock_all(Access::Write);
        let empty = of_everything(&keys, 16).to_string();
        assert_eq!(empty, "0".repeat(40));
        let later = keys.now() + 1_000_000;
        keys.put_bytes(0, b"k", b"v", None);
        keys.put_bytes(0, b"i", b"123", None);
        keys.put_bytes(0, b"e", b"x", Some(later));
        let mut bitmap = crate::bits::Bitmap::new();
        bitmap.set(100_000, true);
        keys.put(0, b"b", Value::from(bitmap), None);
        keys.put_bytes(5, b"k", b"\x00\xff", None);
        for (db, key, digest) in [
            (0, "k", "d79ee9fe5d5ad902d7f6620efc3b07b75ddd742f"),
            (0, "i", "89f7f51b707418f666d5b45e053bd5bbbf82ac2b"),
            (0, "e", "0745672cb1bf060476eedeb8a28f5ffe1ff5a2be"),
            (0, "b", "f5e2ac9cbedfc03ac6fc4816791e7b60941f1b57"),
            (5, "k", "d65039c9cacd9d9ec4694829bfe23fe1ca4f3740"),
        ] {
            let entry = keys.get(db, key.as_bytes()).expect("it is there");
            assert_eq!(of_value(entry).to_string(), digest, "{key}");
        }
        let all = of_everything(&keys, 16).to_string();
        assert_eq!(all, "02de2f018d50bd23d5b1b321c25d41a928e21e8f");
    }
}
