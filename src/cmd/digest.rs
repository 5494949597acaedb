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
