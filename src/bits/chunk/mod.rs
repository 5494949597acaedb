//! A chunk: 65,536 bits in whichever form is smallest.
//!
//! | form | what it is | cost beyond the slot |
//! |---|---|---|
//! | absent | no ones | nothing |
//! | few, run | one or two positions, or one run, in the slot itself | nothing |
//! | array | sorted positions | 2 bytes a one |
//! | runs | sorted runs of ones | 4 bytes a run |
//! | packed | the bytes that differ from a fill of 00 or ff, under masks | 1280 bytes, and 1 a byte kept |
//! | bytes, page | plain bytes, up to the last that is not 00 | 1 byte a byte |
//!
//! Arrays, runs and plain bytes are Roaring's containers. Packed is not: between 1.5 % and 20 % of ones (or of zeros) it
//! is the smallest, down to 0.57 of what a sorted array or plain bytes take (at 6 %), and its loops move whole bytes,
//! which vectors do, where merging sorted arrays is a guessed branch a one.
//!
//! [`gate`] picks the form; [`check`] states what holds of each. To add a form: a tag, a file beside `array.rs`, an arm
//! in [`Form`] and one in the gate.
//!
//! [`check`]: check::check

mod array;
mod check;
mod edit;
mod gate;
mod packed;
mod runs;

use std::ops::{Deref, Range};

use super::flat;
use super::kernel::{Profile, kernels};
use super::slot::{CHUNK_BITS, CHUNK_BYTES, Page, Slot, Tag};

pub(super) use check::check;
pub(super) use edit::{fill, rewrite, set, write};
pub(super) use gate::{Desk, complement, from_bytes, from_positions, from_runs};
pub(super) use packed::Packed;

/// A run of ones: its first and its last position.
type Run = [u16; 2];

/// What a chunk's slot holds, to be read.
pub(super) enum Form<'a> {
    Absent,
    /// Sorted positions, at least one.
    Array(Items<'a, u16, 2>),
    /// Sorted runs, no two of which touch, at least one.
    Runs(Items<'a, Run, 1>),
    Packed(Packed<'a>),
    /// The bytes up to some point after which all are zeros.
    Bytes(&'a [u8]),
}

/// A list that lies in a block, or is so short that the slot held it.
pub(super) enum Items<'a, T, const N: usize> {
    Inline([T; N], usize),
    Block(&'a [T]),
}

impl<T, const N: usize> Deref for Items<'_, T, N> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Items::Inline(items, len) => &items[..*len],
            Items::Block(items) => items,
        }
    }
}

#[inline]
pub(super) fn form(slot: &Slot) -> Form<'_> {
    match slot.tag() {
        Tag::Absent => Form::Absent,
        Tag::Few => Form::Array(Items::Inline(
            slot.few_positions(),
            slot.present_ones() as usize,
        )),
        Tag::Run => Form::Runs(Items::Inline([slot.run_ends()], 1)),
        // Counted by the slot: the search in it begins while the head is on its way.
        Tag::Array => Form::Array(Items::Block(array_of(slot))),
        Tag::Runs => Form::Runs(Items::Block(&slot.tail()[..slot.head().len as usize])),
        Tag::Packed => Form::Packed(Packed::of(slot)),
        Tag::Bytes => Form::Bytes(&slot.tail()[..slot.head().len as usize]),
        Tag::Page => Form::Bytes(&slot.page().0),
        Tag::Node => unreachable!("a node is not a chunk"),
    }
}

/// The positions in an array.
#[inline]
fn array_of(slot: &Slot) -> &[u16] {
    &slot.tail()[..slot.present_ones() as usize]
}

/// The bits of the `len` bytes from `at` on.
#[inline]
fn bits_of(at: usize, len: usize) -> Range<u32> {
    at as u32 * 8..(at + len) as u32 * 8
}

/// So many cache lines are asked for at most where what they hold may have to move. Fields of random bytes are stored in
/// arrays of 820 ones (`BITFIELD INCRBY` in `benches/versus_redis`, depth 100) in 0.85 µs a request with this, in 0.98 with
/// two lines.
const MOVED_LINES: usize = 16;

/// Asks for the memory that looking at the bit `at` will read, and for what has to move if it `changes`.
#[inline]
pub(super) fn prefetch(slot: &Slot, at: u16, changes: bool) {
    let at = usize::from(at);
    match slot.tag() {
        Tag::Absent | Tag::Few | Tag::Run | Tag::Node => {}
        Tag::Page => slot.prefetch_page(at / 8),
        tag => {
            slot.prefetch_head();
            match tag {
                Tag::Array => {
                    let len = slot.present_ones() as usize;
                    let near = array::near(len, at);
                    let lines = if changes { 2 + (len - near) / 32 } else { 3 };
                    slot.prefetch_tail(2 * near, lines.min(MOVED_LINES));
                }
                Tag::Packed => slot.prefetch_tail(at / 512 * size_of::<u64>(), 1),
                Tag::Bytes => slot.prefetch_tail(at / 8, 1),
                _ => slot.prefetch_tail(0, 2),
            }
        }
    }
}

/// The bit at `at`.
#[inline]
pub(super) fn get(slot: &Slot, at: u16) -> bool {
    match form(slot) {
        Form::Absent => false,
        Form::Array(ones) => array::contains(&ones, at),
        Form::Runs(runs) => runs::contains(&runs, at),
        Form::Packed(packed) => packed.contains(at),
        Form::Bytes(bytes) => flat::get(bytes, u64::from(at)),
    }
}

/// The ones among the bits `bits`, whose end is at most 65,536.
pub(super) fn count(slot: &Slot, bits: Range<u32>) -> u32 {
    if bits.start == 0 && u64::from(bits.end) == CHUNK_BITS {
        return slot.chunk_ones();
    }
    if bits.len() > CHUNK_BITS as usize / 2 {
        // What is left out is the shorter way.
        let after = bits.end..CHUNK_BITS as u32;
        return slot.chunk_ones() - count(slot, 0..bits.start) - count(slot, after);
    }
    match form(slot) {
        Form::Absent => 0,
        Form::Array(ones) => array::count(&ones, bits),
        Form::Runs(runs) => runs::count(&runs, bits),
        Form::Packed(packed) => packed.count(bits),
        Form::Bytes(bytes) => flat::count(bytes, u64::from(bits.start)..u64::from(bits.end)) as u32,
    }
}

/// The first bit equal to `bit` among the bits `bits`, whose end is at most 65,536.
pub(super) fn find(slot: &Slot, bit: bool, bits: Range<u32>) -> Option<u32> {
    let Range { start, end } = bits;
    let found = match form(slot) {
        Form::Absent => (!bit).then_some(start),
        Form::Array(ones) => array::find(&ones, bit, start),
        Form::Runs(runs) => runs::find(&runs, bit, start),
        Form::Packed(packed) => packed.find(bit, start),
        Form::Bytes(bytes) => flat::find(bytes, bit, u64::from(start)..u64::from(end))
            .map(|at| at as u32)
            .or_else(|| (!bit).then_some(start.max(bytes.len() as u32 * 8))),
    };
    found.filter(|at| *at < end)
}

/// Where the one is that has `rank` ones before it; the chunk has more ones than that.
pub(super) fn select(slot: &Slot, rank: u32) -> u32 {
    const PROMISE: &str = "a rank below the number of ones";
    match form(slot) {
        Form::Absent => unreachable!("{PROMISE}"),
        Form::Array(ones) => u32::from(ones[rank as usize]),
        Form::Runs(runs) => runs::select(&runs, rank).expect(PROMISE),
        Form::Packed(_) => {
            on_page(slot, |page| flat::select(page, rank.into())).expect(PROMISE) as u32
        }
        Form::Bytes(bytes) => flat::select(bytes, rank.into()).expect(PROMISE) as u32,
    }
}

/// Appends the bits equal to `bit` among the bits `bits`, in order and each with `base` added, until `into` is `most`
/// long.
pub(super) fn positions(
    slot: &Slot,
    bit: bool,
    bits: Range<u32>,
    base: u64,
    most: usize,
    into: &mut Vec<u64>,
) {
    let wide = u64::from(bits.start)..u64::from(bits.end);
    let room = most.saturating_sub(into.len());
    match form(slot) {
        Form::Array(ones) if bit => {
            let ones = array::within(&ones, &bits).iter();
            into.extend(ones.take(room).map(|one| base + u64::from(*one)));
        }
        Form::Absent | Form::Runs(_) => {
            let list = match form(slot) {
                Form::Runs(list) if bit => list.to_vec(),
                Form::Runs(list) => runs::complement(&list),
                _ if bit => return,
                _ => vec![[0, u16::MAX]],
            };
            let ones = runs::within(&list, &bits);
            into.extend(ones.take(room).map(|one| base + u64::from(one)));
        }
        Form::Bytes(bytes) if bytes.len() == CHUNK_BYTES => {
            flat::positions(bytes, bit, wide, base, most, into);
        }
        Form::Array(_) | Form::Packed(_) | Form::Bytes(_) => {
            on_page(slot, |page| {
                flat::positions(page, bit, wide, base, most, into)
            });
        }
    }
}

/// The number of runs of ones.
pub(super) fn count_runs(slot: &Slot) -> u32 {
    match form(slot) {
        Form::Absent => 0,
        Form::Array(ones) => array::profile(&ones).runs,
        Form::Runs(runs) => runs.len() as u32,
        Form::Packed(_) | Form::Bytes(_) => on_page(slot, |page| kernels().profile(page).runs),
    }
}

/// The runs of ones, in order.
pub(super) fn to_runs(slot: &Slot) -> Vec<Run> {
    let mut list = vec![[0; 2]; count_runs(slot) as usize];
    match form(slot) {
        Form::Absent => {}
        Form::Array(ones) => array::runs(&ones, &mut list),
        Form::Runs(runs) => list.copy_from_slice(&runs),
        Form::Packed(_) | Form::Bytes(_) => on_page(slot, |page| runs::extract(page, &mut list)),
    }
    list
}

/// The positions of the ones, in order.
pub(super) fn to_positions(slot: &Slot) -> Vec<u16> {
    let mut list = vec![0; slot.chunk_ones() as usize];
    match form(slot) {
        Form::Absent => {}
        Form::Array(ones) => list.copy_from_slice(&ones),
        Form::Runs(runs) => runs::positions(&runs, &mut list),
        Form::Packed(_) | Form::Bytes(_) => {
            on_page(slot, |page| kernels().positions(page, &mut list))
        }
    }
    list
}

/// Lets `look` look at the chunk's bytes.
fn on_page<R>(slot: &Slot, look: impl FnOnce(&[u8; CHUNK_BYTES]) -> R) -> R {
    let mut page = Page([0; CHUNK_BYTES]);
    paint(slot, &mut page.0);
    look(&page.0)
}

/// Copies the bytes from `at` on; `at + into.len()` is at most 8192.
pub(super) fn read(slot: &Slot, at: usize, into: &mut [u8]) {
    match form(slot) {
        Form::Absent => into.fill(0),
        Form::Bytes(bytes) => {
            let from = at.min(bytes.len());
            let len = into.len().min(bytes.len() - from);
            into[..len].copy_from_slice(&bytes[from..from + len]);
            into[len..].fill(0);
        }
        Form::Packed(packed) => match <&mut [u8; CHUNK_BYTES]>::try_from(&mut *into) {
            Ok(page) => packed.paint(page),
            Err(_) => packed.read(at, into),
        },
        Form::Array(ones) => {
            into.fill(0);
            array::read(&ones, at, into);
        }
        Form::Runs(runs) => {
            into.fill(0);
            runs::read(&runs, at, into);
        }
    }
}

/// Writes the chunk's bytes over whatever is in `page`.
pub(super) fn paint(slot: &Slot, page: &mut [u8; CHUNK_BYTES]) {
    read(slot, 0, page);
}

/// The chunk's bytes, newly allocated.
fn to_page(slot: &Slot) -> Box<Page> {
    let mut page = Page::zeroed();
    paint(slot, &mut page.0);
    page
}

/// Whether two chunks have the same ones.
pub(super) fn equal(a: &Slot, b: &Slot) -> bool {
    if a.same(b) {
        return true;
    }
    if a.chunk_ones() != b.chunk_ones() {
        return false;
    }
    match (form(a), form(b)) {
        (Form::Array(a), Form::Array(b)) => *a == *b,
        (Form::Runs(a), Form::Runs(b)) => *a == *b,
        _ => to_page(a).0 == to_page(b).0,
    }
}
