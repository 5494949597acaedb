//! The loop of BITOP, written once: any operator, any number of operands, any width of vector.
//!
//! ```text
//! for each block of 64 bytes:
//!     a = the first operand's block;  b = 0
//!     for each other operand's block x:  step(a, b, x)
//!     into the page: finish(a, b)
//! ```
//!
//! `b` is what an operator has to remember besides `a`: the union of the others, or what was seen twice.

use super::{BLOCKS, PAGE_BYTES};
use crate::bits::Op;

/// A page as [`fold`] takes it: its bytes, or what of them differs from a fill (see `Kernels::expand`).
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    Page(&'a [u8; PAGE_BYTES]),
    Packed {
        masks: &'a [u64; BLOCKS],
        bytes: &'a [u8],
        fill: u8,
    },
}

/// 64 bytes in registers.
pub(super) trait Block: Copy {
    fn zero() -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// `self & !other`.
    fn and_not(self, other: Self) -> Self;
    fn not(self) -> Self;
    fn load(bytes: &[u8; 64]) -> Self;
    /// The first bytes of `bytes` where the mask has a one, `fill` elsewhere. Panics where there are too few.
    fn expand(mask: u64, bytes: &[u8], fill: u8) -> Self;
    fn store(self, into: &mut [u8; 64]);
    /// A sum of one bits over many blocks.
    type Count: Copy;
    fn no_count() -> Self::Count;
    fn count(self, sum: Self::Count) -> Self::Count;
    fn total(sum: Self::Count) -> u32;
}

/// One operator. A trait and not a pair of closures, because closures cannot be told to be inlined, and one that is not
/// is compiled without the features of its caller.
trait Rule {
    fn step<B: Block>(a: B, b: B, x: B) -> (B, B);
    fn finish<B: Block>(a: B, b: B) -> B;
}

macro_rules! rule {
    ($name:ident, ($a:ident, $b:ident, $x:ident) => $step:expr, $finish:expr) => {
        struct $name;
        impl Rule for $name {
            #[inline(always)]
            fn step<B: Block>($a: B, $b: B, $x: B) -> (B, B) {
                $step
            }
            #[inline(always)]
            fn finish<B: Block>($a: B, $b: B) -> B {
                // Some operators have no need of `b`.
                let _ = $b;
                $finish
            }
        }
    };
}

rule!(And, (a, b, x) => (a.and(x), b), a);
rule!(Or, (a, b, x) => (a.or(x), b), a);
rule!(Xor, (a, b, x) => (a.xor(x), b), a);
rule!(Diff, (a, b, x) => (a, b.or(x)), a.and_not(b));
rule!(Diff1, (a, b, x) => (a, b.or(x)), b.and_not(a));
rule!(AndOr, (a, b, x) => (a, b.or(x)), a.and(b));
rule!(One, (a, b, x) => (a.or(x), b.or(a.and(x))), a.and_not(b));
// NOT has one operand, so its step is never taken.
rule!(Not, (a, b, x) => (a, b.or(x)), a.not());

/// `op` over the operands, into the page; the number of ones. To be inlined where the features of `B` are enabled.
#[inline(always)]
pub(super) fn fold<B: Block>(op: Op, page: &mut [u8; PAGE_BYTES], operands: &[Operand<'_>]) -> u32 {
    match op {
        Op::And => each_block::<B, And>(page, operands),
        Op::Or => each_block::<B, Or>(page, operands),
        Op::Xor => each_block::<B, Xor>(page, operands),
        Op::Not => each_block::<B, Not>(page, operands),
        Op::Diff => each_block::<B, Diff>(page, operands),
        Op::Diff1 => each_block::<B, Diff1>(page, operands),
        Op::AndOr => each_block::<B, AndOr>(page, operands),
        Op::One => each_block::<B, One>(page, operands),
    }
}

#[inline(always)]
fn each_block<B: Block, R: Rule>(page: &mut [u8; PAGE_BYTES], operands: &[Operand<'_>]) -> u32 {
    let mut taken = [0; super::MOST_OPERANDS];
    let mut sum = B::no_count();
    // Two operands, as most have, stay in registers.
    if let [x, y] = operands {
        let (mut from_x, mut from_y) = (0, 0);
        for (at, into) in page.as_chunks_mut::<64>().0.iter_mut().enumerate() {
            let (a, b) = R::step::<B>(
                load(x, at, &mut from_x),
                B::zero(),
                load(y, at, &mut from_y),
            );
            let block = R::finish(a, b);
            sum = block.count(sum);
            block.store(into);
        }
        return B::total(sum);
    }
    for (at, into) in page.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let (mut a, mut b) = (load(&operands[0], at, &mut taken[0]), B::zero());
        for (operand, taken) in operands.iter().zip(&mut taken).skip(1) {
            (a, b) = R::step::<B>(a, b, load(operand, at, taken));
        }
        let block = R::finish(a, b);
        sum = block.count(sum);
        block.store(into);
    }
    B::total(sum)
}

/// A block of an operand, of whose kept bytes so many are taken already.
#[inline(always)]
fn load<B: Block>(operand: &Operand<'_>, at: usize, taken: &mut usize) -> B {
    match operand {
        Operand::Page(page) => B::load(&page.as_chunks::<64>().0[at]),
        Operand::Packed { masks, bytes, fill } => {
            let from = *taken;
            *taken += masks[at].count_ones() as usize;
            B::expand(masks[at], &bytes[from..], *fill)
        }
    }
}
