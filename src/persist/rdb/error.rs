//! What can be wrong with a file, and where.

use std::collections::BTreeMap;
use std::{fmt, io};

/// Why a file, or a payload, cannot be read. Places are bytes from its start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("reading on from byte {at}: {error}")]
    Read { at: u64, error: io::Error },
    #[error("it ends at byte {at}, in the middle of {within}")]
    Truncated { at: u64, within: &'static str },
    #[error("there is no room for a string in it")]
    Room,
    #[error("it does not begin as RDB files do")]
    Signature,
    #[error("RDB version {0} is not one of 1 to 12")]
    Version(String),
    #[error("at byte {at}: {what}")]
    Corrupt { at: u64, what: &'static str },
    #[error("at byte {at}: values of type {kind} are not known")]
    Type { at: u64, kind: u8 },
    #[error(
        "the checksum at byte {at} is {found:016x}, but that of all before it is {computed:016x}"
    )]
    Checksum { at: u64, found: u64, computed: u64 },
}

/// How many things of which kinds were passed over, because only strings are held here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kinds(BTreeMap<&'static str, u64>);

impl Kinds {
    pub(super) fn count(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `12 hashes, 3 lists`.
impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, number)) in self.0.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            let plural = match (number, kind.ends_with("sh")) {
                (1, _) => "",
                (_, true) => "es",
                (_, false) => "s",
            };
            write!(f, "{comma}{number} {kind}{plural}")?;
        }
        Ok(())
    }
}
