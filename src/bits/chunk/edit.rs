//! Changing a chunk: in place where its form has room, else through the gate.

use std::ops::Range;

use super::gate::{from_bytes, from_page, from_positions, from_runs};
use super::{
    CHUNK_BYTES, Form, Slot, Tag, array, array_of, bits_of, check, flat, form, get, packed, read,
    runs, to_page,
};

/// Sets or clears the bit at `at` and returns what it was.
pub fn set(slot: &mut Slot, at: u16, on: bool) -> bool {
    let old = match slot.tag() {
        // The search that answers is also the one that finds the place.
        Tag::Array => return set_in_array(slot, at, on),
        Tag::Packed => return set_in_packed(slot, at, on),
        Tag::Page if !slot.is_shared() && slot.head().patience > 0 => {
            return set_in_page(slot, at, on);
        }
        _ => get(slot, at),
    };
    if old != on && !flip_in_place(slot, at, on) {
        flip_through_gate(slot, at);
    }
    old
}

fn set_in_array(slot: &mut Slot, at: u16, on: bool) -> bool {
    let len = slot.present_ones() as usize;
    slot.prefetch_tail(2 * array::near(len, usize::from(at)), 7);
    let place = array::search(&slot.tail()[..len], at);
    if place.is_ok() == on {
        return on;
    }
    if !may_change(slot) || (on && len == slot.tail::<u16>().len()) {
        flip_through_gate(slot, at);
        return !on;
    }
    match place {
        Ok(index) => array::remove(slot.tail_mut(), len, index),
        Err(index) => array::insert(slot.tail_mut(), len, index, at),
    }
    slot.head_mut().len = if on { len + 1 } else { len - 1 } as u16;
    changed(slot, on);
    !on
}

fn set_in_packed(slot: &mut Slot, at: u16, on: bool) -> bool {
    // Where the kept byte should be, and what may have to move: asked for now, while the mask is still on its way. With
    // this a random SETBIT in 1 G bits takes 311 ns at 2.5 % (645 before) and 607 at 10 % (886); arrays, below, 184 at
    // 0.5 % (387). (Xeon, family 6 model 167, a loaded virtual machine, 2026-11-21. All of it is waiting for memory: in
    // the second-level cache each takes 20 to 60 ns.)
    let expected = (slot.head().len as usize * usize::from(at)) >> 16;
    slot.prefetch_tail(packed::FIXED + expected, 12);
    let (byte, bit) = (usize::from(at / 8), 0x80 >> (at % 8));
    let place = packed::Packed::of(slot).place(byte);
    if (place.byte & bit != 0) == on {
        return on;
    }
    if may_change(slot) && packed::put(slot, byte, &place, place.byte ^ bit).is_some() {
        changed(slot, on);
    } else {
        flip_through_gate(slot, at);
    }
    !on
}

/// Without a branch on the old bit: half the guesses would be wrong, and each would end the looking ahead that hides
/// the wait for memory from one SETBIT to the next.
fn set_in_page(slot: &mut Slot, at: u16, on: bool) -> bool {
    let byte = &mut slot.page_mut().0[usize::from(at / 8)];
    let shift = 7 - at % 8;
    let old = (*byte >> shift) & 1 == 1;
    *byte = (*byte & !(1 << shift)) | (u8::from(on) << shift);
    let ones = slot.present_ones() + u32::from(on) - u32::from(old);
    slot.head_mut().patience -= u8::from(old != on);
    if ones == 0 {
        *slot = Slot::ABSENT;
    } else {
        slot.set_ones(ones);
    }
    old
}

/// Whether the chunk may be changed in place: then its block is its own afterwards.
fn may_change(slot: &mut Slot) -> bool {
    slot.make_unique();
    slot.head().patience > 0
}

/// Notes that a bit has been set, or cleared, in place.
fn changed(slot: &mut Slot, on: bool) {
    slot.head_mut().patience -= 1;
    let ones = slot.present_ones();
    if on {
        slot.set_ones(ones + 1);
    } else if ones > 1 {
        slot.set_ones(ones - 1);
    } else {
        *slot = Slot::ABSENT;
    }
}

/// Sets, or clears, a bit that is not so yet. False where the chunk must pass the gate, and then nothing is changed.
fn flip_in_place(slot: &mut Slot, at: u16, on: bool) -> bool {
    let tag = slot.tag();
    if !matches!(tag, Tag::Runs | Tag::Bytes | Tag::Page) || !may_change(slot) {
        return false;
    }
    let (len, byte) = (slot.head().len as usize, usize::from(at / 8));
    match tag {
        Tag::Runs => match runs::flip(slot.tail_mut(), len, at) {
            Some(new) => slot.head_mut().len = new as u16,
            None => return false,
        },
        Tag::Page => slot.page_mut().0[byte] ^= 0x80 >> (at % 8),
        _ => match slot.tail_mut::<u8>().get_mut(byte) {
            Some(held) => {
                *held ^= 0x80 >> (at % 8);
                slot.head_mut().len = len.max(byte + 1) as u16;
            }
            None => return false,
        },
    }
    changed(slot, on);
    true
}

fn flip_through_gate(slot: &mut Slot, at: u16) {
    *slot = flipped(slot, at);
    debug_check(slot);
}

/// The checker, in debug builds, after every change that is not a small one in place.
fn debug_check(slot: &Slot) {
    if cfg!(debug_assertions) {
        check(slot);
    }
}

/// The chunk with the bit at `at` changed to what it was not, in whichever form the gate says.
fn flipped(slot: &Slot, at: u16) -> Slot {
    let held = held(slot);
    match form(slot) {
        Form::Absent => Slot::few(&[at]),
        Form::Array(ones) => match array::search(&ones, at) {
            Ok(index) => from_positions(&[&ones[..index], &ones[index + 1..]].concat(), held),
            Err(index) => from_positions(&[&ones[..index], &[at], &ones[index..]].concat(), held),
        },
        Form::Runs(list) => {
            let mut new = [&list[..], &[[0; 2]]].concat();
            let len = runs::flip(&mut new, list.len(), at).expect("room for one more");
            from_runs(&new[..len], held)
        }
        Form::Packed(_) | Form::Bytes(_) => {
            let mut page = to_page(slot);
            page.0[usize::from(at / 8)] ^= 0x80 >> (at % 8);
            from_page(page, held)
        }
    }
}

/// Sets or clears the bits `bits`, at least one.
pub fn fill(slot: &mut Slot, bits: Range<u32>, on: bool) {
    let (first, last) = (bits.start as u16, (bits.end - 1) as u16);
    *slot = match form(slot) {
        Form::Absent if !on => return,
        Form::Absent => Slot::run(first, last),
        Form::Runs(list) if on => from_runs(&runs::add(&list, first, last), held(slot)),
        Form::Runs(list) => from_runs(&runs::remove(&list, first, last), held(slot)),
        Form::Array(ones) if !on => {
            let kept = ones.iter().filter(|one| !(first..=last).contains(*one));
            from_positions(&kept.copied().collect::<Vec<_>>(), held(slot))
        }
        Form::Array(_) | Form::Packed(_) | Form::Bytes(_) => {
            let mut page = to_page(slot);
            flat::fill(&mut page.0, bits.start.into()..bits.end.into(), on);
            from_page(page, held(slot))
        }
    };
    debug_check(slot);
}

/// The form that the gate may let the chunk keep.
fn held(slot: &Slot) -> Option<Tag> {
    match slot.tag() {
        Tag::Absent | Tag::Few | Tag::Run => None,
        tag => Some(tag),
    }
}

/// Overwrites the bytes from `at` on; `at + bytes.len()` is at most 8192, and there is at least one.
pub fn write(slot: &mut Slot, at: usize, bytes: &[u8]) {
    write_unchecked(slot, at, bytes);
    debug_check(slot);
}

fn write_unchecked(slot: &mut Slot, at: usize, bytes: &[u8]) {
    let (tag, end) = (slot.tag(), at + bytes.len());
    if bytes.len() == CHUNK_BYTES || (tag == Tag::Absent && at == 0) {
        *slot = from_bytes(bytes);
        return;
    }
    let room = match tag {
        Tag::Bytes => slot.tail::<u8>().len(),
        Tag::Page => CHUNK_BYTES,
        _ => 0,
    };
    if end <= room && slot.head().patience > 0 {
        overwrite(slot, at, bytes);
        return;
    }
    if bytes.len() <= FEW_BYTES && tag != Tag::Page {
        if tag == Tag::Array {
            let old = array::places(array_of(slot), &bits_of(at, bytes.len()));
            return write_in_array(slot, at, bytes, old);
        }
        return put_each(slot, at, bytes);
    }
    let mut page = to_page(slot);
    page.0[at..end].copy_from_slice(bytes);
    *slot = from_page(page, held(slot));
}

/// Reads the `len` bytes from `at` on into the start of `window`, has `change` change them there, and writes them where it
/// says that it did. `at + len` is at most 8192, and `len` at least one.
#[inline]
pub fn rewrite<const N: usize>(
    slot: &mut Slot,
    at: usize,
    len: usize,
    window: &mut [u8; N],
    change: impl FnOnce(&mut [u8; N]) -> bool,
) {
    if slot.tag() == Tag::Array && len <= FEW_BYTES {
        // The search that reads is also the one that finds the place.
        let ones = array_of(slot);
        let old = array::places(ones, &bits_of(at, len));
        window[..len].fill(0);
        array::show(&ones[old.clone()], at, window);
        if change(window) {
            write_in_array(slot, at, &window[..len], old);
            debug_check(slot);
        }
        return;
    }
    read(slot, at, &mut window[..len]);
    if change(window) {
        write(slot, at, &window[..len]);
    }
}

/// Writes a few bytes into an array, the ones of which are now at `old`.
#[inline]
fn write_in_array(slot: &mut Slot, at: usize, bytes: &[u8], old: Range<usize>) {
    if !splice(slot, at, bytes, old) {
        put_each(slot, at, bytes);
    }
}

fn put_each(slot: &mut Slot, at: usize, bytes: &[u8]) {
    (at..)
        .zip(bytes)
        .for_each(|(at, byte)| put(slot, at, *byte));
}

/// So few bytes are written in place into what is not plain: a field of BITFIELD. By way of a page it took 9 microseconds,
/// the same as setting a hundred bits one by one.
const FEW_BYTES: usize = 9;

/// [`write`] in an array with room for it: the ones of the bytes that were, at `old`, and those that are to be stand side by
/// side.
fn splice(slot: &mut Slot, at: usize, bytes: &[u8], old: Range<usize>) -> bool {
    let mut new = [0; FEW_BYTES * 8];
    let mut count = 0;
    for (byte, bits) in (at..).zip(bytes) {
        // Without a branch: a random byte's bits would be guessed wrong half the time.
        for bit in 0..8 {
            new[count] = (byte * 8 + bit) as u16;
            count += usize::from(bits >> (7 - bit) & 1);
        }
    }
    let len = slot.present_ones() as usize;
    let changes = (old.len() + count) as u8;
    if len - old.len() + count == 0 || !may_change(slot) || slot.head().patience < changes {
        return false;
    }
    let Some(len) = array::splice(slot.tail_mut(), len, old, &new[..count]) else {
        return false;
    };
    slot.head_mut().len = len as u16;
    slot.head_mut().patience -= changes;
    slot.set_ones(len as u32);
    true
}

/// [`write`] of one byte.
fn put(slot: &mut Slot, at: usize, byte: u8) {
    if slot.tag() == Tag::Packed && put_in_packed(slot, at, byte) {
        return;
    }
    let mut old = [0];
    read(slot, at, &mut old);
    let differ = old[0] ^ byte;
    for bit in (0..8).filter(|bit| differ & (0x80 >> bit) != 0) {
        set(slot, (at * 8 + bit) as u16, byte & (0x80 >> bit) != 0);
    }
}

/// [`put`] in a packed chunk, if it has the room and remains one.
fn put_in_packed(slot: &mut Slot, at: usize, byte: u8) -> bool {
    let place = packed::Packed::of(slot).place(at);
    if place.byte == byte {
        return true;
    }
    let ones = slot.present_ones() + byte.count_ones() - place.byte.count_ones();
    if ones == 0 || !may_change(slot) || packed::put(slot, at, &place, byte).is_none() {
        return false;
    }
    slot.head_mut().patience -= 1;
    slot.set_ones(ones);
    true
}

/// [`write`] in plain bytes that have the room.
fn overwrite(slot: &mut Slot, at: usize, bytes: &[u8]) {
    slot.make_unique();
    let end = at + bytes.len();
    let ones = slot.present_ones();
    let held = match slot.tag() {
        Tag::Page => &mut slot.page_mut().0[at..end],
        _ => {
            let len = slot.head().len.max(end as u16);
            slot.head_mut().len = len;
            &mut slot.tail_mut::<u8>()[at..end]
        }
    };
    let ones_in = |bytes: &[u8]| flat::count(bytes, 0..u64::MAX) as u32;
    let before = ones_in(held);
    held.copy_from_slice(bytes);
    slot.head_mut().patience -= 1;
    match ones + ones_in(bytes) - before {
        0 => *slot = Slot::ABSENT,
        ones => slot.set_ones(ones),
    }
}
