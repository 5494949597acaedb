//! The gate: the one place that picks a chunk's form.
//!
//! A chunk comes here when it is made whole (a write, a BITOP), when it has no room for one more item, and after 255
//! changes in place. The smallest form wins, by the size of its block; but a chunk that has a form keeps it until
//! another is smaller by a sixteenth. So a bit that is set and cleared in turn cannot convert a chunk twice, and a look
//! (some hundred nanoseconds) is a small part of what the changes before it cost.

use super::{CHUNK_BYTES, Form, Page, Profile, Run, Slot, Tag, array, form, packed, runs};
use crate::bits::kernel::kernels;
use crate::bits::slot::tail_for;

/// The longest tail of plain bytes that is not better held as a whole page.
const MOST_BYTES: usize = 7168 - 16;

/// The longest packed chunk that is not better held as a page. From 6 % of ones on, what packing still saves is not
/// worth the bytes that each new one moves: a bit of a billion, 10 to 20 % of them ones, is set in 210 instead of 340 to
/// 400 ns, and read in 80 instead of 100 to 117 (2026-11-21, Xeon). Roaring holds such a chunk as a page, too.
const MOST_PACKED: usize = 5120;

/// What a form takes for such a chunk; None where it cannot hold it.
fn cost(tag: Tag, profile: &Profile) -> Option<usize> {
    let Profile {
        ones, runs, end, ..
    } = *profile;
    let (ones, runs, end) = (ones as usize, runs as usize, end as usize);
    match tag {
        Tag::Few => (ones <= 2).then_some(0),
        Tag::Run => (runs == 1).then_some(0),
        // An eighth more than it takes, for what it costs in time: its loops branch at every one.
        Tag::Array => Some(tail_for(2 * ones) * 9 / 8),
        Tag::Runs => Some(tail_for(4 * runs)),
        Tag::Packed => {
            let len = packed::FIXED + packed::kept(profile).0;
            (len <= MOST_PACKED).then(|| tail_for(len))
        }
        Tag::Bytes => (end <= MOST_BYTES).then(|| tail_for(end)),
        Tag::Page => Some(CHUNK_BYTES + 16),
        Tag::Absent | Tag::Node => None,
    }
}

/// In the order of preference among equals: what is cheapest to change comes first.
const FORMS: [Tag; 7] = [
    Tag::Few,
    Tag::Run,
    Tag::Page,
    Tag::Bytes,
    Tag::Array,
    Tag::Runs,
    Tag::Packed,
];

/// The form for a chunk with such a profile that has the form `held` now, if any.
pub fn choose(profile: &Profile, held: Option<Tag>) -> Tag {
    let offers = FORMS
        .into_iter()
        .filter_map(|tag| Some((tag, cost(tag, profile)?)));
    let (best, least) = offers
        .min_by_key(|(_, cost)| *cost)
        .expect("a page holds anything");
    match held.and_then(|held| Some((held, cost(held, profile)?))) {
        Some((held, cost)) if least + cost / 16 >= cost => held,
        _ => best,
    }
}

/// A page to make a chunk on. The chunk takes the page away only where it is to be a page, so one desk serves many.
pub struct Desk(Option<Box<Page>>);

impl Desk {
    pub const fn new() -> Self {
        Self(None)
    }

    /// The page on the desk; whatever was left there, or zeros.
    pub fn page(&mut self) -> &mut Page {
        self.0.get_or_insert_with(Page::zeroed)
    }

    pub fn put(&mut self, page: Box<Page>) {
        self.0 = Some(page);
    }

    /// A chunk of the page's bytes, which have so many ones. Where they are few, and where the page is plainly noise,
    /// the road is shorter.
    pub fn settle_counted(&mut self, ones: u32) -> Slot {
        let mut few = [0; 64];
        match few.get_mut(..ones as usize) {
            Some([]) => Slot::ABSENT,
            Some(few) => {
                kernels().positions(&self.page().0, few);
                from_positions(few, None)
            }
            None if is_noise(self.page()) => {
                Slot::page_block(self.0.take().expect("the page just looked at"), ones)
            }
            None => self.settle(None),
        }
    }

    /// A chunk of the page's bytes, in the form `held` or a better one.
    pub fn settle(&mut self, held: Option<Tag>) -> Slot {
        let page = &self.page().0;
        let profile = kernels().profile(page);
        if profile.ones == 0 {
            return Slot::ABSENT;
        }
        let ones = profile.ones as usize;
        match choose(&profile, held) {
            Tag::Few => {
                let mut few = [0; 2];
                kernels().positions(page, &mut few[..ones]);
                Slot::few(&few[..ones])
            }
            Tag::Array => block(Tag::Array, &profile, ones, |to| {
                kernels().positions(page, to)
            }),
            tag @ (Tag::Run | Tag::Runs) => run_form(tag, &profile, |to| runs::extract(page, to)),
            Tag::Packed => packed::pack(page, &profile),
            Tag::Bytes => {
                let end = profile.end as usize;
                block(Tag::Bytes, &profile, end, |to: &mut [u8]| {
                    to.copy_from_slice(&page[..end])
                })
            }
            Tag::Page => Slot::page_block(
                self.0.take().expect("the page just looked at"),
                profile.ones,
            ),
            Tag::Absent | Tag::Node => unreachable!("never chosen"),
        }
    }
}

/// Whether so few of the page's bytes are 00 or ff that only plain bytes can be its form, by a sample of one in sixteen.
///
/// Lists of runs and kept bytes are shorter than a page only where at least a quarter of its bytes are 00 or ff. A page
/// that hides them from the sample is held plain, until changes bring it here again.
fn is_noise(page: &Page) -> bool {
    const EVERY: usize = 1024;
    const LOOKED_AT: usize = 64;
    let mut even = 0;
    for stretch in page.0.chunks_exact(EVERY) {
        // Eight bits a block, so that the compiler counts sixteen bytes at a time.
        let mut here = 0u8;
        for byte in &stretch[..LOOKED_AT] {
            here += u8::from(byte.wrapping_add(1) <= 1);
        }
        even += usize::from(here);
    }
    even < CHUNK_BYTES / EVERY * LOOKED_AT / 8
}

/// A chunk of these bytes, at most 8192; those that are missing are zeros.
pub fn from_bytes(bytes: &[u8]) -> Slot {
    let mut page = Page::zeroed();
    page.0[..bytes.len()].copy_from_slice(bytes);
    from_page(page, None)
}

/// A chunk of the page's bytes, in the form `held` or a better one.
pub fn from_page(page: Box<Page>, held: Option<Tag>) -> Slot {
    Desk(Some(page)).settle(held)
}

/// All the other bits of a chunk, where its form tells them as shortly as its own.
pub fn complement(slot: &Slot) -> Option<Slot> {
    match form(slot) {
        Form::Absent => Some(Slot::run(0, u16::MAX)),
        Form::Runs(list) => Some(from_runs(&runs::complement(&list), None)),
        Form::Packed(_) => Some(packed::complement(slot)),
        Form::Array(_) | Form::Bytes(_) => None,
    }
}

/// A chunk of these ones, in the form `held` or a better one.
pub fn from_positions(ones: &[u16], held: Option<Tag>) -> Slot {
    let profile = array::profile(ones);
    if ones.is_empty() {
        return Slot::ABSENT;
    }
    match choose(&profile, held) {
        Tag::Few => Slot::few(ones),
        Tag::Array => block(Tag::Array, &profile, ones.len(), |to| {
            to.copy_from_slice(ones)
        }),
        tag @ (Tag::Run | Tag::Runs) => run_form(tag, &profile, |to| array::runs(ones, to)),
        _ => {
            let mut page = Page::zeroed();
            array::read(ones, 0, &mut page.0);
            from_page(page, held)
        }
    }
}

/// A chunk of these runs, in the form `held` or a better one.
pub fn from_runs(list: &[Run], held: Option<Tag>) -> Slot {
    let profile = runs::profile(list);
    if list.is_empty() {
        return Slot::ABSENT;
    }
    match choose(&profile, held) {
        tag @ (Tag::Run | Tag::Runs) => run_form(tag, &profile, |to| to.copy_from_slice(list)),
        Tag::Array => block(Tag::Array, &profile, profile.ones as usize, |to| {
            runs::positions(list, to)
        }),
        _ => {
            let mut page = Page::zeroed();
            runs::read(list, 0, &mut page.0);
            from_page(page, held)
        }
    }
}

fn run_form(tag: Tag, profile: &Profile, put: impl FnOnce(&mut [Run])) -> Slot {
    if tag == Tag::Runs {
        return block(Tag::Runs, profile, profile.runs as usize, put);
    }
    let mut only = [[0; 2]];
    put(&mut only);
    let [[first, last]] = only;
    Slot::run(first, last)
}

/// A block of `len` items that `put` fills in.
fn block<T: crate::bits::slot::Plain>(
    tag: Tag,
    profile: &Profile,
    len: usize,
    put: impl FnOnce(&mut [T]),
) -> Slot {
    let mut slot = Slot::block(tag, profile.ones, len * size_of::<T>());
    slot.head_mut().len = len as u16;
    put(&mut slot.tail_mut()[..len]);
    slot
}
