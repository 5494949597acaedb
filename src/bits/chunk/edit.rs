//! Changing a chunk: in place where its form has room, else through the gate.

use super::gate::{from_bytes, from_page, from_positions, from_runs};
use super::{CHUNK_BYTES, Form, Page, Slot, Tag, array, flat, form, get, packed, paint, runs};

/// Sets or clears the bit at `at` and returns what it was.
pub fn set(slot: &mut Slot, at: u16, on: bool) -> bool {
    let old = get(slot, at);
    if old != on && !flip_in_place(slot, at) {
        *slot = flipped(slot, at);
    }
    old
}

/// Changes the bit at `at` to what it was not. False where the chunk must pass the gate, and then nothing is changed.
fn flip_in_place(slot: &mut Slot, at: u16) -> bool {
    let tag = slot.tag();
    if matches!(tag, Tag::Absent | Tag::Few | Tag::Run) || slot.head().patience == 0 {
        return false;
    }
    slot.make_unique();
    let (ones, len) = (slot.present_ones(), slot.head().len as usize);
    let on = match tag {
        Tag::Array => {
            let Some(new) = array::flip(slot.tail_mut(), len, at) else {
                return false;
            };
            slot.head_mut().len = new as u16;
            new > len
        }
        Tag::Runs => {
            let on = !runs::contains(&slot.tail()[..len], at);
            let Some(new) = runs::flip(slot.tail_mut(), len, at) else {
                return false;
            };
            slot.head_mut().len = new as u16;
            on
        }
        Tag::Packed => {
            let on = !packed::Packed::of(slot).contains(at);
            if packed::flip(slot, at).is_none() {
                return false;
            }
            on
        }
        Tag::Bytes => {
            let byte = usize::from(at / 8);
            let Some(held) = slot.tail_mut::<u8>().get_mut(byte) else {
                return false;
            };
            let on = flip_in_byte(held, at);
            slot.head_mut().len = len.max(byte + 1) as u16;
            on
        }
        Tag::Page => flip_in_byte(&mut slot.page_mut().0[usize::from(at / 8)], at),
        Tag::Absent | Tag::Few | Tag::Run | Tag::Node => unreachable!("has no block of bits"),
    };
    slot.head_mut().patience -= 1;
    if on {
        slot.set_ones(ones + 1);
    } else if ones > 1 {
        slot.set_ones(ones - 1);
    } else {
        *slot = Slot::ABSENT;
    }
    true
}

/// Changes the bit at `at`, which lies in `byte`, and returns what it is now.
fn flip_in_byte(byte: &mut u8, at: u16) -> bool {
    *byte ^= 0x80 >> (at % 8);
    *byte & (0x80 >> (at % 8)) != 0
}

/// The chunk with the bit at `at` changed to what it was not, in whichever form the gate says.
fn flipped(slot: &Slot, at: u16) -> Slot {
    let held = match slot.tag() {
        Tag::Absent => return Slot::few(&[at]),
        Tag::Few | Tag::Run => None,
        tag => Some(tag),
    };
    match form(slot) {
        Form::Array(ones) => {
            let mut new = [&ones[..], &[0]].concat();
            let len = array::flip(&mut new, ones.len(), at).expect("room for one more");
            from_positions(&new[..len], held)
        }
        Form::Runs(list) => {
            let mut new = [&list[..], &[[0; 2]]].concat();
            let len = runs::flip(&mut new, list.len(), at).expect("room for one more");
            from_runs(&new[..len], held)
        }
        Form::Absent | Form::Packed(_) | Form::Bytes(_) => {
            let mut page = Page::zeroed();
            paint(slot, &mut page.0);
            page.0[usize::from(at / 8)] ^= 0x80 >> (at % 8);
            from_page(page, held)
        }
    }
}

/// Overwrites the bytes from `at` on; `at + bytes.len()` is at most 8192, and there is at least one.
pub fn write(slot: &mut Slot, at: usize, bytes: &[u8]) {
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
    let held = matches!(
        tag,
        Tag::Array | Tag::Runs | Tag::Packed | Tag::Bytes | Tag::Page
    )
    .then_some(tag);
    let mut page = Page::zeroed();
    paint(slot, &mut page.0);
    page.0[at..end].copy_from_slice(bytes);
    *slot = from_page(page, held);
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
