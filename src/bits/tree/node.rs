//! One node of the directory: up to 256 children in key order, in a block sized to them.
//!
//! ```text
//! head    len: children   extra: level, 0 where the children are chunks
//! tail    slots   8 bytes each
//!         sums    8 bytes each: the ones below a child. Not in a leaf, whose slots tell it.
//!         keys    1 byte each
//! ```

use std::mem;

use crate::bits::slot::{NodeParts, Slot, Tag, node_unit, tail_for};

/// A child to be: its key, slot and number of ones.
pub type Item = (u8, Slot, u64);

/// A node of these children, in key order; absent where there are none.
pub fn build(level: u8, items: Vec<Item>) -> Slot {
    if items.is_empty() {
        return Slot::ABSENT;
    }
    let mut node = empty(level, items.len());
    node.head_mut().len = items.len() as u16;
    let parts = node.node_parts_mut();
    for (at, (key, child, sum)) in items.into_iter().enumerate() {
        parts.children[at] = child;
        parts.keys[at] = key;
        if level > 0 {
            parts.sums[at] = sum;
        }
    }
    node
}

fn empty(level: u8, room: usize) -> Slot {
    let mut node = Slot::block(Tag::Node, 0, room * node_unit(level));
    node.head_mut().extra = level;
    node
}

/// Where the child with this key is, or where it would be put.
#[inline]
pub fn seek(keys: &[u8], key: u8) -> Result<usize, usize> {
    // Where no chunk is absent, as in most dense bitmaps, a key is its own index.
    if keys.get(usize::from(key)) == Some(&key) {
        return Ok(usize::from(key));
    }
    keys.binary_search(&key)
}

#[inline]
pub fn child(node: &Slot, key: u8) -> Option<&Slot> {
    let NodeParts { children, keys, .. } = node.node_parts();
    seek(keys, key).ok().map(|at| &children[at])
}

/// The ones below the children `range`.
#[inline]
pub fn ones_below(node: &Slot, range: std::ops::Range<usize>) -> u64 {
    let NodeParts { children, sums, .. } = node.node_parts();
    if node.head().extra > 0 {
        sums[range].iter().sum()
    } else {
        children[range]
            .iter()
            .map(|chunk| u64::from(chunk.present_ones()))
            .sum()
    }
}

/// Puts a child that is not absent at index `at`. The node is not shared.
pub fn insert(node: &mut Slot, at: usize, (key, child, sum): Item) {
    let (len, level) = (usize::from(node.head().len), node.head().extra);
    if len == node.node_room() {
        resize(node, len + 1);
    }
    node.head_mut().len += 1;
    let parts = node.node_parts_mut();
    parts.children[len] = child;
    parts.children[at..=len].rotate_right(1);
    parts.keys.copy_within(at..len, at + 1);
    parts.keys[at] = key;
    if level > 0 {
        parts.sums.copy_within(at..len, at + 1);
        parts.sums[at] = sum;
    }
}

/// Takes the child at index `at` out. The node is not shared; it may be empty afterwards.
pub fn remove(node: &mut Slot, at: usize) {
    let (len, level) = (usize::from(node.head().len), node.head().extra);
    let parts = node.node_parts_mut();
    parts.children[at] = Slot::ABSENT;
    parts.children[at..len].rotate_left(1);
    parts.keys.copy_within(at + 1..len, at);
    if level > 0 {
        parts.sums.copy_within(at + 1..len, at);
    }
    node.head_mut().len -= 1;
    let held = node.heap_bytes() - size_of::<crate::bits::slot::Head>();
    if tail_for((len - 1) * node_unit(level)) * 2 <= held && len > 1 {
        resize(node, len - 1);
    }
}

/// Moves the children to a block with room for `room` of them.
fn resize(node: &mut Slot, room: usize) {
    let (len, level) = (node.head().len, node.head().extra);
    let mut new = empty(level, room);
    new.head_mut().len = len;
    let (from, to, len) = (
        node.node_parts_mut(),
        new.node_parts_mut(),
        usize::from(len),
    );
    for (to, from) in to.children.iter_mut().zip(&mut from.children[..len]) {
        *to = mem::replace(from, Slot::ABSENT);
    }
    to.keys[..len].copy_from_slice(&from.keys[..len]);
    if level > 0 {
        to.sums[..len].copy_from_slice(&from.sums[..len]);
    }
    *node = new;
}
