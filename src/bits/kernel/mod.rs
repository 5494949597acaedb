//! The inner loops, one set per CPU family, chosen once at start.
//!
//! To add a family: write a file with the functions of `scalar.rs`, give it a `detect`, list it in [`available`]. The
//! tests below and `benches/kernels.rs` walk `available`, so they need no edit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod fold;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::OnceLock;

pub use fold::Operand;

use super::Op;

/// The bytes of a page, the unit most loops work on: 65,536 bits.
pub const PAGE_BYTES: usize = 8192;

/// A page in blocks of 64 bytes, the unit of a packed page's masks.
pub const BLOCKS: usize = PAGE_BYTES / 64;

/// The most operands that [`Kernels::fold`] takes at once.
pub const MOST_OPERANDS: usize = 16;

/// What decides how some bytes are best held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Profile {
    /// One bits.
    pub ones: u32,
    /// Runs of one bits.
    pub runs: u32,
    /// Bytes that are not 00.
    pub nonzero: u32,
    /// Bytes that are ff.
    pub full: u32,
    /// Bytes up to and with the last that is not 00.
    pub end: u32,
}

/// One complete set of inner loops.
///
/// A `&'static Kernels` comes only from [`available`], which lists a set after seeing that the CPU has its features.
/// So holding one is the proof that calling it is sound, and the methods below are the only place that leans on it.
pub struct Kernels {
    name: &'static str,
    popcount: unsafe fn(&[u8]) -> u64,
    find_not: unsafe fn(&[u8], u8) -> Option<usize>,
    profile: unsafe fn(&[u8; PAGE_BYTES]) -> Profile,
    positions: unsafe fn(&[u8; PAGE_BYTES], &mut [u16]),
    expand: unsafe fn(&[u64; BLOCKS], &[u8], u8, &mut [u8; PAGE_BYTES]),
    compress: unsafe fn(&[u8; PAGE_BYTES], u8, &mut [u64; BLOCKS], &mut [u8]),
    fold: unsafe fn(Op, &mut [u8; PAGE_BYTES], &[Operand<'_>]) -> u32,
}

// SAFETY, for every call below: `self` came from `available`, so this CPU has every feature that the loop was compiled
// for; that is all a loop asks. What it is given are references, and it checks what it indexes.
impl Kernels {
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The number of one bits in `bytes`, of any length and alignment.
    #[inline]
    pub fn popcount(&self, bytes: &[u8]) -> u64 {
        // SAFETY: as said above.
        unsafe { (self.popcount)(bytes) }
    }

    /// The index of the first byte that is not `fill`.
    #[inline]
    pub fn find_not(&self, bytes: &[u8], fill: u8) -> Option<usize> {
        // SAFETY: as said above.
        unsafe { (self.find_not)(bytes, fill) }
    }

    /// What there is to know of a page.
    #[inline]
    pub fn profile(&self, page: &[u8; PAGE_BYTES]) -> Profile {
        // SAFETY: as said above.
        unsafe { (self.profile)(page) }
    }

    /// Puts the positions of the ones, in order, into `ones`. Panics unless there are exactly as many.
    #[inline]
    pub fn positions(&self, page: &[u8; PAGE_BYTES], ones: &mut [u16]) {
        // SAFETY: as said above.
        unsafe { (self.positions)(page, ones) }
    }

    /// Fills `page` with `fill`, then puts `bytes` one after the other where the masks have a one: bit i of mask b is
    /// byte 64 b + i. Panics unless there are as many bytes as ones.
    #[inline]
    pub fn expand(
        &self,
        masks: &[u64; BLOCKS],
        bytes: &[u8],
        fill: u8,
        page: &mut [u8; PAGE_BYTES],
    ) {
        // SAFETY: as said above.
        unsafe { (self.expand)(masks, bytes, fill, page) }
    }

    /// The opposite of [`Self::expand`]: sets the masks of the bytes that are not `fill`, and puts these into `bytes`.
    /// Panics unless there are exactly as many.
    #[inline]
    pub fn compress(
        &self,
        page: &[u8; PAGE_BYTES],
        fill: u8,
        masks: &mut [u64; BLOCKS],
        bytes: &mut [u8],
    ) {
        // SAFETY: as said above.
        unsafe { (self.compress)(page, fill, masks, bytes) }
    }

    /// Puts `op` over the operands, at least one and at most [`MOST_OPERANDS`], into `page` in one pass, and returns
    /// the number of ones.
    #[inline]
    pub fn fold(&self, op: Op, page: &mut [u8; PAGE_BYTES], operands: &[Operand<'_>]) -> u32 {
        assert!((1..=MOST_OPERANDS).contains(&operands.len()));
        // SAFETY: as said above.
        unsafe { (self.fold)(op, page, operands) }
    }
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Every set this CPU can run, fastest first; the portable one is always there, and last.
pub fn available() -> Vec<&'static Kernels> {
    let mut sets: Vec<&'static Kernels> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        sets.extend(avx512::detect());
        sets.extend(avx2::detect());
    }
    #[cfg(target_arch = "aarch64")]
    sets.extend(neon::detect());
    sets.push(&scalar::KERNELS);
    sets
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
