//! The directory: chunks in order of their index, under a shallow tree of nodes that sum what is below them.
//!
//! A slot of *height* 0 is a chunk; one of height h is a node whose up to 256 children have height h - 1, so it covers
//! 256^h chunks. Every function takes the height of the slot it is given, and positions relative to the slot's start. An absent slot
//! may stand at any height. Six levels reach 2^63 bits.

pub(super) mod fill;
pub(super) mod node;

use std::ops::Range;

use super::chunk;
use super::slot::{CHUNK_BITS, NodeParts, Slot, Tag};

/// What is found where nothing is.
static ABSENT: Slot = Slot::ABSENT;

/// The height of a root.
#[inline]
pub fn height(root: &Slot) -> u32 {
    if root.tag() == Tag::Node {
        u32::from(root.head().extra) + 1
    } else {
        0
    }
}

/// The least height that covers the chunk at `index`.
pub fn height_for(index: u64) -> u32 {
    (u64::BITS - index.leading_zeros()).div_ceil(8)
}

/// The bits that a child of a slot of this height covers, as a shift.
#[inline]
fn child_shift(height: u32) -> u32 {
    CHUNK_BITS.trailing_zeros() + 8 * (height - 1)
}

/// The bits that a slot of this height covers; for the highest, the most that a number tells.
#[inline]
pub fn span(height: u32) -> u64 {
    CHUNK_BITS
        .checked_shl(8 * height)
        .filter(|bits| *bits != 0)
        .unwrap_or(u64::MAX)
}

/// Where the child with this key starts in a slot of this height.
#[inline]
pub fn start(height: u32, key: u8) -> u64 {
    u64::from(key) << child_shift(height)
}

/// Whether every bit that the slot covers is one.
pub fn is_full(slot: &Slot, height: u32) -> bool {
    match slot.tag() {
        Tag::Absent => false,
        Tag::Node => slot.head().len == 256 && ones(slot) == 1 << (child_shift(height) + 8),
        _ => u64::from(slot.present_ones()) == CHUNK_BITS,
    }
}

/// The ones below a slot of any height.
pub fn ones(slot: &Slot) -> u64 {
    match slot.tag() {
        Tag::Node => node::ones_below(slot, 0..usize::from(slot.head().len)),
        _ => u64::from(slot.chunk_ones()),
    }
}

/// The chunk at `index`.
#[inline]
pub fn chunk_at(root: &Slot, index: u64) -> &Slot {
    let (mut slot, mut height) = (root, height(root));
    if index >> (8 * height) != 0 {
        return &ABSENT;
    }
    while height > 0 {
        height -= 1;
        match node::child(slot, (index >> (8 * height)) as u8) {
            Some(child) => slot = child,
            None => return &ABSENT,
        }
    }
    slot
}

/// Makes the slot `height` high, by nodes of one child above it.
pub fn raise(slot: &mut Slot, height: u32) {
    if slot.is_absent() {
        return;
    }
    for level in self::height(slot)..height {
        let sum = ones(slot);
        *slot = node::build(
            level as u8,
            vec![(0, std::mem::replace(slot, Slot::ABSENT), sum)],
        );
    }
}

/// Undoes [`raise`] as far as can be, so that equal bitmaps have roots of equal height.
pub fn lower(root: &mut Slot) {
    while root.tag() == Tag::Node && root.node_parts().keys == [0] {
        let child = root.node_parts().children[0].clone();
        *root = child;
    }
}

/// Lets `change` change the chunk at `index`, and corrects the sums above it.
pub fn update<R>(root: &mut Slot, index: u64, change: impl FnOnce(&mut Slot) -> R) -> R {
    let had = self::height(root);
    let height = had.max(height_for(index));
    raise(root, height);
    let (result, delta) = update_below(root, height, index, change);
    if delta < 0 || height > had {
        lower(root);
    }
    result
}

fn update_below<R>(
    slot: &mut Slot,
    height: u32,
    index: u64,
    change: impl FnOnce(&mut Slot) -> R,
) -> (R, i64) {
    if height == 0 {
        let before = slot.chunk_ones();
        let result = change(slot);
        return (result, i64::from(slot.chunk_ones()) - i64::from(before));
    }
    let (level, key) = (height - 1, (index >> (8 * (height - 1))) as u8);
    slot.make_unique();
    let place = if slot.is_absent() {
        Err(0)
    } else {
        node::seek(slot.node_parts().keys, key)
    };
    match place {
        Ok(at) => {
            let parts = slot.node_parts_mut();
            let child = &mut parts.children[at];
            let (result, delta) = update_below(child, level, index, change);
            if level > 0 {
                parts.sums[at] = parts.sums[at].wrapping_add_signed(delta);
            }
            if child.is_absent() {
                node::remove(slot, at);
                if slot.head().len == 0 {
                    *slot = Slot::ABSENT;
                }
            }
            (result, delta)
        }
        Err(at) => {
            let mut child = Slot::ABSENT;
            let (result, delta) = update_below(&mut child, level, index, change);
            if !child.is_absent() {
                let item = (key, child, delta as u64);
                if slot.is_absent() {
                    *slot = node::build(level as u8, vec![item]);
                } else {
                    node::insert(slot, at, item);
                }
            }
            (result, delta)
        }
    }
}

/// The part of `bits` that lies in the child with this key, relative to the child.
fn within(bits: &Range<u64>, key: u8, shift: u32) -> Range<u64> {
    let start = u64::from(key) << shift;
    let clamp = |at: u64| at.saturating_sub(start).min(1 << shift);
    clamp(bits.start)..clamp(bits.end)
}

/// The ones among the bits `bits`, which the slot covers.
pub fn count(slot: &Slot, height: u32, bits: Range<u64>) -> u64 {
    if slot.is_absent() || bits.start >= bits.end {
        return 0;
    }
    if height == 0 {
        return u64::from(chunk::count(slot, bits.start as u32..bits.end as u32));
    }
    let NodeParts { children, keys, .. } = slot.node_parts();
    let shift = child_shift(height);
    let (first, last) = ((bits.start >> shift) as u8, ((bits.end - 1) >> shift) as u8);
    let mut start = node::seek(keys, first).unwrap_or_else(|at| at);
    let mut end = node::seek(keys, last).map_or_else(|at| at, |at| at + 1);
    let mut total = 0;
    // What is partly inside is at most the first and the last child.
    if start < end && within(&bits, keys[start], shift) != (0..1 << shift) {
        total += count(
            &children[start],
            height - 1,
            within(&bits, keys[start], shift),
        );
        start += 1;
    }
    if start < end && within(&bits, keys[end - 1], shift) != (0..1 << shift) {
        end -= 1;
        total += count(&children[end], height - 1, within(&bits, keys[end], shift));
    }
    total + node::ones_below(slot, start..end)
}

/// The first bit equal to `bit` among the bits `bits`, which the slot covers.
pub fn find(slot: &Slot, height: u32, bit: bool, bits: Range<u64>) -> Option<u64> {
    if bits.start >= bits.end {
        return None;
    }
    if slot.is_absent() {
        return (!bit).then_some(bits.start);
    }
    if height == 0 {
        return chunk::find(slot, bit, bits.start as u32..bits.end as u32).map(u64::from);
    }
    let NodeParts { children, keys, .. } = slot.node_parts();
    let shift = child_shift(height);
    let first = (bits.start >> shift) as u8;
    let start = node::seek(keys, first).unwrap_or_else(|at| at);
    let mut expected = u64::from(first);
    for (key, child) in keys[start..].iter().zip(&children[start..]) {
        if !bit && u64::from(*key) != expected {
            break; // at a child that is not there
        }
        expected = u64::from(*key) + 1;
        if !bit && is_full(child, height - 1) {
            continue;
        }
        if let Some(found) = find(child, height - 1, bit, within(&bits, *key, shift)) {
            return Some((u64::from(*key) << shift) + found);
        }
        if expected << shift >= bits.end {
            return None;
        }
    }
    let hole = (expected << shift).max(bits.start);
    (!bit && hole < bits.end).then_some(hole)
}

/// Where the one is that has `rank` ones before it.
pub fn select(root: &Slot, rank: u64) -> Option<u64> {
    let (mut slot, mut height, mut before, mut left) = (root, height(root), 0, rank);
    while height > 0 {
        let NodeParts {
            children,
            sums,
            keys,
        } = slot.node_parts();
        height -= 1;
        let mut at = 0;
        loop {
            let below = match height {
                0 => u64::from(children.get(at)?.present_ones()),
                _ => *sums.get(at)?,
            };
            if left < below {
                break;
            }
            left -= below;
            at += 1;
        }
        before += u64::from(keys[at]) << child_shift(height + 1);
        slot = &children[at];
    }
    (left < u64::from(slot.chunk_ones()))
        .then(|| before + u64::from(chunk::select(slot, left as u32)))
}

/// Shows every chunk that is there with its index, in order, those in `indexes` only.
pub fn each_chunk<'a>(
    slot: &'a Slot,
    height: u32,
    base: u64,
    indexes: &Range<u64>,
    show: &mut impl FnMut(u64, &'a Slot),
) {
    if slot.is_absent() || base >= indexes.end || base + ((1 << (8 * height)) - 1) < indexes.start {
        return;
    }
    if height == 0 {
        return show(base, slot);
    }
    let NodeParts { children, keys, .. } = slot.node_parts();
    let first = (indexes.start.saturating_sub(base) >> (8 * (height - 1))) as u8;
    let first = node::seek(keys, first).unwrap_or_else(|at| at);
    for (key, child) in keys[first..].iter().zip(&children[first..]) {
        let base = base + (u64::from(*key) << (8 * (height - 1)));
        if base >= indexes.end {
            break;
        }
        each_chunk(child, height - 1, base, indexes, show);
    }
}

/// Shows every node and chunk; of neighbours that share their memory, the first.
///
/// Without that, what NOT makes of a long empty string, full nodes within full nodes, would be walked for years.
pub fn each_slot(slot: &Slot, show: &mut impl FnMut(&Slot)) {
    show(slot);
    if slot.tag() == Tag::Node {
        let children = slot.node_parts().children;
        (0..children.len())
            .filter(|at| !repeats(children, *at))
            .for_each(|at| each_slot(&children[at], show));
    }
}

/// Whether this child is its left neighbour again.
fn repeats(children: &[Slot], at: usize) -> bool {
    at > 0 && children[at].tag() == Tag::Node && children[at].same(&children[at - 1])
}

/// Whether two slots of equal height have the same ones.
pub fn equal(a: &Slot, b: &Slot) -> bool {
    if a.same(b) {
        return true;
    }
    match (a.tag() == Tag::Node, b.tag() == Tag::Node) {
        (false, false) => chunk::equal(a, b),
        (true, true) => {
            let (a, b) = (a.node_parts(), b.node_parts());
            a.keys == b.keys
                && a.sums == b.sums
                && (0..a.children.len())
                    .filter(|at| !(repeats(a.children, *at) && repeats(b.children, *at)))
                    .all(|at| equal(&a.children[at], &b.children[at]))
        }
        _ => false,
    }
}

/// Panics where the directory is not as it must be, and [checks](chunk::check) every chunk.
///
/// Keys ascend, no child is absent, sums are true, and levels go down by one.
pub fn check(slot: &Slot, height: u32) {
    if height == 0 || slot.is_absent() {
        assert_ne!(slot.tag(), Tag::Node, "a chunk at height 0");
        return chunk::check(slot);
    }
    assert_eq!(slot.tag(), Tag::Node, "a node above height 0");
    assert_eq!(
        u32::from(slot.head().extra),
        height - 1,
        "levels go down by one"
    );
    let NodeParts {
        children,
        sums,
        keys,
    } = slot.node_parts();
    assert!(
        !keys.is_empty() && keys.is_sorted_by(|a, b| a < b),
        "keys ascend"
    );
    assert!(children.len() <= slot.node_room());
    for (at, child) in children.iter().enumerate() {
        assert!(!child.is_absent(), "no child is absent");
        assert!(height == 1 || sums[at] == ones(child), "sums are true");
        if !repeats(children, at) {
            check(child, height - 1);
        }
    }
}
