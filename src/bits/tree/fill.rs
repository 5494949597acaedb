//! Long ranges of ones and of zeros, laid over the directory without a look at what they cover.

use std::mem;
use std::ops::Range;

use super::node::{self, Item};
use super::{child_shift, height, height_for, lower, ones, raise, span, within};
use crate::bits::chunk;
use crate::bits::slot::{CHUNK_BITS, Slot, Tag};

/// Full slots of every height used so far. Any number of places share them.
pub struct Full(Vec<Slot>);

impl Full {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// All ones. The 256 children of a full node are one and the same, so even 2^60 full bytes take a few kilobytes.
    pub fn at(&mut self, height: u32) -> Slot {
        while self.0.len() <= height as usize {
            let next = match self.0.last() {
                None => Slot::run(0, u16::MAX),
                Some(child) => {
                    let (level, sum) = (self.0.len() as u8 - 1, span(self.0.len() as u32 - 1));
                    let children = (0..=u8::MAX).map(|key| (key, child.clone(), sum));
                    node::build(level, children.collect())
                }
            };
            self.0.push(next);
        }
        self.0[height as usize].clone()
    }
}

/// Sets or clears the bits `bits`, at least one.
pub fn fill(root: &mut Slot, bits: Range<u64>, on: bool) {
    let reach = height_for((bits.end - 1) / CHUNK_BITS);
    let top = if on {
        height(root).max(reach)
    } else {
        height(root)
    };
    raise(root, top);
    let covered = bits.start.min(span(top))..bits.end.min(span(top));
    if !covered.is_empty() {
        fill_below(root, top, covered, on, &mut Full::new());
    }
    lower(root);
}

fn fill_below(slot: &mut Slot, height: u32, bits: Range<u64>, on: bool, full: &mut Full) {
    if bits == (0..span(height)) {
        *slot = if on { full.at(height) } else { Slot::ABSENT };
        return;
    }
    if slot.is_absent() && !on {
        return;
    }
    if height == 0 {
        return chunk::fill(slot, bits.start as u32..bits.end as u32, on);
    }
    let shift = child_shift(height);
    let (first, last) = ((bits.start >> shift) as u8, ((bits.end - 1) >> shift) as u8);
    let mut old = children_of(slot).into_iter().peekable();
    let mut new: Vec<Item> = Vec::new();
    while let Some(item) = old.next_if(|(key, ..)| *key < first) {
        new.push(item);
    }
    for key in first..=last {
        let mut child = old
            .next_if(|(here, ..)| *here == key)
            .map_or(Slot::ABSENT, |(_, child, _)| child);
        let inner = within(&bits, key, shift);
        let whole = on && inner == (0..span(height - 1));
        fill_below(&mut child, height - 1, inner, on, full);
        if !child.is_absent() {
            let sum = if whole {
                span(height - 1)
            } else {
                ones(&child)
            };
            new.push((key, child, sum));
        }
    }
    new.extend(old);
    *slot = node::build((height - 1) as u8, new);
}

/// Takes a node's children out of it, and leaves it absent.
fn children_of(slot: &mut Slot) -> Vec<Item> {
    if slot.tag() != Tag::Node {
        return Vec::new();
    }
    slot.make_unique();
    let len = usize::from(slot.head().len);
    let parts = slot.node_parts_mut();
    let children = parts.children[..len].iter_mut().zip(&parts.keys[..len]);
    let items = children
        .enumerate()
        .map(|(at, (child, key))| {
            // A leaf's sums are in the slots.
            let sum = parts.sums.get(at).copied().unwrap_or_default();
            (*key, mem::replace(child, Slot::ABSENT), sum)
        })
        .collect();
    *slot = Slot::ABSENT;
    items
}
