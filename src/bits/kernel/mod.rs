//! The inner loops, one set per CPU family, chosen once at start.
//!
//! To add a family: write a file with the functions of `scalar.rs`, give it a `detect`, list it in [`available`]. The
//! tests below and `benches/kernels.rs` walk `available`, so they need no edit.

mod scalar;

use std::fmt;
use std::sync::OnceLock;

/// One complete set of inner loops.
///
/// A `&'static Kernels` comes only from [`available`], which lists a set after seeing that the CPU has its features.
/// So holding one is the proof that calling it is sound, and the methods below are the only place that leans on it.
pub struct Kernels {
    name: &'static str,
    popcount: unsafe fn(&[u8]) -> u64,
    find_not: unsafe fn(&[u8], u8) -> Option<usize>,
}

impl Kernels {
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The number of one bits in `bytes`, of any length and alignment.
    #[inline]
    pub fn popcount(&self, bytes: &[u8]) -> u64 {
        // SAFETY: `self` came from `available`, so this CPU has every feature the loop was compiled for.
        unsafe { (self.popcount)(bytes) }
    }

    /// The index of the first byte that is not `fill`.
    #[inline]
    pub fn find_not(&self, bytes: &[u8], fill: u8) -> Option<usize> {
        // SAFETY: as in `popcount`.
        unsafe { (self.find_not)(bytes, fill) }
    }
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Every set this CPU can run, fastest first; the portable one is always there, and last.
pub fn available() -> Vec<&'static Kernels> {
    vec![&scalar::KERNELS]
}

/// A name that no set on this CPU has.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownKernels;

impl fmt::Display for UnknownKernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = available().iter().map(|set| set.name()).collect();
        write!(
            f,
            "no such kernels on this CPU; it can run {}",
            names.join(", ")
        )
    }
}

impl std::error::Error for UnknownKernels {}

static CHOSEN: OnceLock<&'static Kernels> = OnceLock::new();

/// Fixes the set for this process: the one named, or the fastest. The first call, or the first use, decides; the set
/// in use is returned.
pub fn select(name: Option<&str>) -> Result<&'static Kernels, UnknownKernels> {
    let sets = available();
    let set = match name {
        None => sets[0],
        Some(name) => *sets
            .iter()
            .find(|set| set.name == name)
            .ok_or(UnknownKernels)?,
    };
    Ok(CHOSEN.get_or_init(|| set))
}

/// The set in use; the fastest, where nobody called [`select`].
#[inline]
pub fn kernels() -> &'static Kernels {
    CHOSEN.get_or_init(|| available()[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::oracle;

    #[test]
    fn every_set_counts_like_the_oracle_at_every_length_and_offset() {
        let noise = oracle::noise(400);
        for set in available() {
            for len in 0..=300 {
                for offset in 0..64 {
                    let bytes = &noise[offset..offset + len];
                    assert_eq!(
                        set.popcount(bytes),
                        oracle::popcount(bytes),
                        "{set:?} len {len} offset {offset}"
                    );
                }
            }
        }
    }

    #[test]
    fn every_set_finds_the_first_other_byte_at_every_length_and_place() {
        for set in available() {
            for fill in [0, 0xff, 0xa5] {
                for len in 0..=300 {
                    let mut bytes = vec![fill; len];
                    assert_eq!(set.find_not(&bytes, fill), None, "{set:?} len {len}");
                    for at in (0..len).rev() {
                        bytes[at] = !fill;
                        assert_eq!(set.find_not(&bytes, fill), Some(at), "{set:?} len {len}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_names_there_are() {
        assert_eq!(select(Some("abacus")).unwrap_err(), UnknownKernels);
        assert!(UnknownKernels.to_string().contains("scalar"));
    }
}
