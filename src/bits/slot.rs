//! [`Slot`]: eight bytes that own a chunk or a node of the directory, and all the memory handling of the engine.
//!
//! ```text
//!  63        48 47        32 31        16 15     4 3  0
//! +------------+------------+------------+--------+----+
//! | ones - 1   | second one | first one  |        | 1  |  Few: one or two ones, no memory besides the slot
//! | ones - 1   |            | first one  |        | 2  |  Run: all its ones in one run, as in a full chunk
//! | ones - 1   | address of a block, a multiple of 16 | t  |  the other forms of a chunk
//! | 0          | address of a block                  | 8  |  Node: up to 256 slots
//! | 0                                                     |  Absent: no ones
//! +-------------------------------------------------------+
//! ```
//!
//! A block is a head of 16 bytes and a tail that fills the allocator's size class. It is counted, and shared until
//! somebody writes: a clone of a slot is a pointer.
//!
//! Why by hand and not `Arc` with `Vec`s: the engine is measured by its bytes a one. `Arc<Chunk>` with a `Vec` inside
//! takes 40 bytes of bookkeeping a chunk and a second allocation; this takes 16 in one. A bitmap of 30 ones over 37
//! million positions has 30 chunks, and they cost 9 bytes each here and no allocation of their own.
//!
//! # The duties
//!
//! All `unsafe` of the engine outside the kernels is in this file. Each block leans on these:
//!
//! 1. A slot whose tag is a block's tag holds the address of a live [`Head`], given out by [`Slot::block`], and owns one
//!    of its `refs`. Only `block`, `clone` and `drop` make or unmake such slots.
//! 2. The tail is `tail_bytes` long, starts 16 bytes after the head's address and is initialised from the start (zeros),
//!    so any of it may be read as integers of any size, and as `Slot`s in a node, where zeros are absent slots.
//! 3. Writing needs `&mut Slot` and `refs == 1`. No other slot then points to the block, and none can appear, because
//!    making one takes a reference to this very slot. Every `*_mut` asserts it.
//! 4. The tail of a `Page` starts with the address of a `Box<Page>` that the block owns; only `page_block` and `drop`
//!    touch it. The tail of a `Node` starts with slots that the block owns.
//! 5. Addresses fit 48 bits. Linux gives a process no others unless it asks for them; `block` asserts it.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::mem;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use super::kernel::PAGE_BYTES;

/// The bytes of one chunk: 65,536 bits.
pub(super) const CHUNK_BYTES: usize = PAGE_BYTES;
pub(super) const CHUNK_BITS: u64 = CHUNK_BYTES as u64 * 8;

/// A chunk's bytes, all of them, aligned for the widest vectors.
#[derive(Clone)]
#[repr(C, align(64))]
pub(super) struct Page(pub [u8; CHUNK_BYTES]);

impl Page {
    pub fn zeroed() -> Box<Self> {
        // SAFETY: zeros are bytes.
        unsafe { Box::<Self>::new_zeroed().assume_init() }
    }
}

/// What a slot holds. The numbers are its lowest four bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Absent = 0,
    Few = 1,
    Run = 2,
    /// Sorted positions: `u16`s.
    Array = 3,
    /// Sorted runs: pairs of `u16`s, first and last position.
    Runs = 4,
    /// Masks of 64 bytes and the bytes in them.
    Packed = 5,
    /// The chunk's first bytes; those after them are zeros.
    Bytes = 6,
    /// The chunk's bytes in an allocation of their own, because 8192 is a size class and 8192 and a head is not.
    Page = 7,
    Node = 8,
}

/// The start of every block. What `len` and `extra` mean is the business of the form.
#[repr(C, align(16))]
pub(super) struct Head {
    refs: AtomicU32,
    tail_bytes: u32,
    /// How many items of the tail are in use: positions, runs, bytes or children.
    pub len: u16,
    /// Changes left until the gate looks at the chunk again.
    pub patience: u8,
    /// A packed chunk's fill; a node's level.
    pub extra: u8,
}

const HEAD: usize = size_of::<Head>();

/// Types that the tail of a block may be read as: no padding, and every pattern of bits is a value.
///
/// # Safety
///
/// As said; and the alignment is at most that of a head.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: integers, and an array of them, are that.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for [u16; 2] {}

#[repr(transparent)]
pub(super) struct Slot(u64);

// SAFETY: what a slot points to is shared only for reading (duty 3), and its count is atomic.
unsafe impl Send for Slot {}
// SAFETY: as above; `&Slot` gives out nothing that writes, besides the count.
unsafe impl Sync for Slot {}

impl Slot {
    pub const ABSENT: Self = Self(0);

    /// A chunk of one or two ones, in order.
    pub fn few(positions: &[u16]) -> Self {
        match *positions {
            [one] => Self(u64::from(one) << 16 | Tag::Few as u64),
            [one, two] => {
                debug_assert!(one < two);
                Self(1 << 48 | u64::from(two) << 32 | u64::from(one) << 16 | Tag::Few as u64)
            }
            _ => unreachable!("one or two"),
        }
    }

    /// A chunk whose ones are those from `first` to `last`.
    pub fn run(first: u16, last: u16) -> Self {
        debug_assert!(first <= last);
        Self(u64::from(last - first) << 48 | u64::from(first) << 16 | Tag::Run as u64)
    }

    /// A new block with a tail of at least `tail` bytes, all zeros, holding `ones` ones.
    pub fn block(tag: Tag, ones: u32, tail: usize) -> Self {
        let size = size_class(HEAD + tail);
        let layout = Layout::from_size_align(size, align_of::<Head>()).expect("a small block");
        // SAFETY: the size is not zero.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(head) = NonNull::new(memory.cast::<Head>()) else {
            handle_alloc_error(layout)
        };
        let start = Head {
            refs: AtomicU32::new(1),
            tail_bytes: (size - HEAD) as u32,
            len: 0,
            patience: u8::MAX,
            extra: 0,
        };
        // SAFETY: freshly allocated, large enough and aligned for a head.
        unsafe { head.write(start) };
        let address = head.as_ptr().expose_provenance() as u64;
        assert!(
            address >> 48 == 0 && address & 15 == 0,
            "an address of 48 bits, aligned"
        );
        let mut slot = Self(address | tag as u64);
        if tag != Tag::Node {
            slot.set_ones(ones);
        }
        slot
    }

    /// A chunk of these bytes.
    pub fn page_block(page: Box<Page>, ones: u32) -> Self {
        let mut slot = Self::block(Tag::Page, ones, size_of::<u64>());
        slot.tail_mut::<u64>()[0] = Box::into_raw(page).expose_provenance() as u64;
        slot
    }

    #[inline]
    pub fn tag(&self) -> Tag {
        match self.0 & 15 {
            0 => Tag::Absent,
            1 => Tag::Few,
            2 => Tag::Run,
            3 => Tag::Array,
            4 => Tag::Runs,
            5 => Tag::Packed,
            6 => Tag::Bytes,
            7 => Tag::Page,
            8 => Tag::Node,
            _ => unreachable!("no such tag is ever stored"),
        }
    }

    #[inline]
    pub fn is_absent(&self) -> bool {
        self.0 == 0
    }

    /// Whether both are the same memory, or the same few ones. Equal content elsewhere in memory is not the same.
    #[inline]
    pub fn same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The ones of a chunk that is not absent, 1 to 65,536.
    #[inline]
    pub fn present_ones(&self) -> u32 {
        (self.0 >> 48) as u32 + 1
    }

    /// The ones of a chunk.
    #[inline]
    pub fn chunk_ones(&self) -> u32 {
        if self.is_absent() {
            0
        } else {
            self.present_ones()
        }
    }

    /// Notes how many ones a chunk's block has now, 1 to 65,536.
    #[inline]
    pub fn set_ones(&mut self, ones: u32) {
        debug_assert!((1..=1 << 16).contains(&ones) && self.is_block());
        self.0 = self.0 << 16 >> 16 | u64::from(ones - 1) << 48;
    }

    /// The positions in a `Few`, of which the first `present_ones` count.
    #[inline]
    pub fn few_positions(&self) -> [u16; 2] {
        debug_assert_eq!(self.tag(), Tag::Few);
        [(self.0 >> 16) as u16, (self.0 >> 32) as u16]
    }

    /// First and last position of a `Run`.
    #[inline]
    pub fn run_ends(&self) -> [u16; 2] {
        debug_assert_eq!(self.tag(), Tag::Run);
        let first = (self.0 >> 16) as u16;
        [first, first + (self.0 >> 48) as u16]
    }

    #[inline]
    fn is_block(&self) -> bool {
        self.0 & 15 >= Tag::Array as u64
    }

    #[inline]
    fn address(&self) -> NonNull<Head> {
        assert!(self.is_block());
        let address = (self.0 << 16 >> 16 & !15) as usize;
        // SAFETY: the slot is a block, so this is the address of a live head (duty 1), which is not null.
        unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(address)) }
    }

    #[inline]
    pub fn head(&self) -> &Head {
        // SAFETY: duty 1.
        unsafe { self.address().as_ref() }
    }

    #[inline]
    pub fn head_mut(&mut self) -> &mut Head {
        assert!(!self.is_shared());
        // SAFETY: duties 1 and 3.
        unsafe { self.address().as_mut() }
    }

    /// Whether another slot points to this one's block too.
    #[inline]
    pub fn is_shared(&self) -> bool {
        // Acquire: whoever let go of the block did its reading before.
        self.is_block() && self.head().refs.load(Ordering::Acquire) != 1
    }

    /// The whole tail, in use or not.
    #[inline]
    pub fn tail<T: Plain>(&self) -> &[T] {
        let head = self.address();
        // SAFETY: duty 2; `T` is plain and the tail aligned for it.
        unsafe {
            let bytes = head.as_ref().tail_bytes as usize;
            slice::from_raw_parts(head.add(1).cast::<T>().as_ptr(), bytes / size_of::<T>())
        }
    }

    /// As [`Self::tail`], to write. Panics where the block is shared.
    #[inline]
    pub fn tail_mut<T: Plain>(&mut self) -> &mut [T] {
        assert!(!self.is_shared());
        let head = self.address();
        // SAFETY: duties 2 and 3; `T` is plain and the tail aligned for it.
        unsafe {
            let bytes = head.as_ref().tail_bytes as usize;
            slice::from_raw_parts_mut(head.add(1).cast::<T>().as_ptr(), bytes / size_of::<T>())
        }
    }

    /// The bytes of a `Page`.
    #[inline]
    pub fn page(&self) -> &Page {
        assert_eq!(self.tag(), Tag::Page);
        // SAFETY: duty 4.
        unsafe { &*self.page_address() }
    }

    /// As [`Self::page`], to write. Panics where the block is shared.
    #[inline]
    pub fn page_mut(&mut self) -> &mut Page {
        assert!(self.tag() == Tag::Page && !self.is_shared());
        // SAFETY: duties 3 and 4: who owns the block alone owns the page alone.
        unsafe { &mut *self.page_address() }
    }

    #[inline]
    fn page_address(&self) -> *mut Page {
        ptr::with_exposed_provenance_mut(self.tail::<u64>()[0] as usize)
    }

    /// Asks for the memory of a chunk that is going to be read from its start: the first lines of each 4 KiB page, from
    /// where the CPU goes on by itself.
    #[inline]
    pub fn prefetch(&self) {
        match self.tag() {
            Tag::Absent | Tag::Few | Tag::Run | Tag::Node => {}
            Tag::Page => {
                let page = self.page_address().cast::<u8>();
                prefetch_lines(page, 8);
                prefetch_lines(page.wrapping_add(CHUNK_BYTES / 2), 8);
            }
            _ => prefetch_lines(self.address().as_ptr().cast(), 8),
        }
    }

    /// Asks for the slot, not for what it points to.
    #[inline]
    pub fn prefetch_itself(&self) {
        prefetch_lines(ptr::from_ref(self).cast(), 1);
    }

    /// Asks for a block's head.
    #[inline]
    pub fn prefetch_head(&self) {
        prefetch_lines(self.address().as_ptr().cast(), 1);
    }

    /// Asks for byte `at` of a `Page`, and waits for where it lies.
    #[inline]
    pub fn prefetch_page(&self, at: usize) {
        prefetch_lines(self.page_address().cast::<u8>().wrapping_add(at), 1);
    }

    /// Asks for some lines of a block's tail from byte `from` on, which need not lie in it.
    #[inline]
    pub fn prefetch_tail(&self, from: usize, lines: usize) {
        prefetch_lines(
            self.address()
                .as_ptr()
                .cast::<u8>()
                .wrapping_add(HEAD + from),
            lines,
        );
    }

    /// How many children a node has room for.
    #[inline]
    pub fn node_room(&self) -> usize {
        let head = self.head();
        let tail = head.tail_bytes as usize;
        // Divided by a constant each: by a variable takes longer than all else on the way to a child.
        let room = match head.extra {
            0 => tail / const { node_unit(0) },
            _ => tail / const { node_unit(1) },
        };
        room.min(256)
    }

    /// A node's children, their sums (of inner nodes; a leaf's are in the slots) and their keys, each in key order.
    #[inline]
    pub fn node_parts(&self) -> NodeParts<'_> {
        assert_eq!(self.tag(), Tag::Node);
        let (len, room, start) = (self.head().len as usize, self.node_room(), self.address());
        let sums = if self.head().extra > 0 { room } else { 0 };
        // SAFETY: duty 2: the three parts lie one after the other in the tail, which has `room` times the size of a
        // unit, are as aligned as they need to be, and the slots among them are absent or the node's own (duty 4).
        unsafe {
            let tail = start.add(1).cast::<Slot>();
            NodeParts {
                children: slice::from_raw_parts(tail.as_ptr(), len),
                sums: slice::from_raw_parts(tail.add(room).cast().as_ptr(), len.min(sums)),
                keys: slice::from_raw_parts(tail.add(room + sums).cast().as_ptr(), len),
            }
        }
    }

    /// A node's whole room to write, beyond its `len` too. Panics where the block is shared.
    #[inline]
    pub fn node_parts_mut(&mut self) -> NodePartsMut<'_> {
        assert!(self.tag() == Tag::Node && !self.is_shared());
        let (room, start) = (self.node_room(), self.address());
        let sums = if self.head().extra > 0 { room } else { 0 };
        // SAFETY: as in `node_parts`, and duty 3; the parts do not overlap.
        unsafe {
            let tail = start.add(1).cast::<Slot>();
            NodePartsMut {
                children: slice::from_raw_parts_mut(tail.as_ptr(), room),
                sums: slice::from_raw_parts_mut(tail.add(room).cast().as_ptr(), sums),
                keys: slice::from_raw_parts_mut(tail.add(room + sums).cast().as_ptr(), room),
            }
        }
    }

    /// Copies the block where others hold it too, so that it may be written.
    #[inline]
    pub fn make_unique(&mut self) {
        if self.is_shared() {
            self.copy();
        }
    }

    /// Takes a block of its own, a copy of the one that it shares.
    #[cold]
    fn copy(&mut self) {
        let head = self.head();
        let (len, patience, extra) = (head.len, head.patience, head.extra);
        let mut copy = match self.tag() {
            Tag::Page => Self::page_block(Box::new(self.page().clone()), self.present_ones()),
            Tag::Node => {
                let mut copy = Self::block(Tag::Node, 0, len as usize * node_unit(extra));
                copy.head_mut().extra = extra; // first: it decides where the parts are
                let (from, to) = (self.node_parts(), copy.node_parts_mut());
                to.children
                    .iter_mut()
                    .zip(from.children)
                    .for_each(|(to, from)| *to = from.clone());
                to.sums
                    .iter_mut()
                    .zip(from.sums)
                    .for_each(|(to, from)| *to = *from);
                to.keys
                    .iter_mut()
                    .zip(from.keys)
                    .for_each(|(to, from)| *to = *from);
                copy
            }
            tag => {
                let tail = self.tail::<u8>();
                let mut copy = Self::block(tag, self.present_ones(), tail.len());
                copy.tail_mut().copy_from_slice(tail);
                copy
            }
        };
        let head = copy.head_mut();
        (head.len, head.patience, head.extra) = (len, patience, extra);
        *self = copy;
    }

    /// The bytes allocated for this slot's own block, without its children.
    pub fn heap_bytes(&self) -> usize {
        match self.tag() {
            Tag::Absent | Tag::Few | Tag::Run => 0,
            Tag::Page => HEAD + self.head().tail_bytes as usize + CHUNK_BYTES,
            _ => HEAD + self.head().tail_bytes as usize,
        }
    }
}

#[inline]
fn prefetch_lines(start: *const u8, lines: usize) {
    for line in 0..lines {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint; it reads nothing, and any address may be given.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * 64).cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (start, line);
    }
}

pub(super) struct NodeParts<'a> {
    pub children: &'a [Slot],
    pub sums: &'a [u64],
    pub keys: &'a [u8],
}

pub(super) struct NodePartsMut<'a> {
    pub children: &'a mut [Slot],
    pub sums: &'a mut [u64],
    pub keys: &'a mut [u8],
}

/// What one child takes in the tail of a node: slot and key, and in an inner node the sum.
pub(super) const fn node_unit(level: u8) -> usize {
    if level > 0 { 17 } else { 9 }
}

/// The tail a block gets when `tail` bytes are asked for.
pub(super) fn tail_for(tail: usize) -> usize {
    size_class(HEAD + tail) - HEAD
}

/// The size that jemalloc rounds `bytes` up to, so that a block uses all of what it costs: steps of 16 up to 128, then
/// four steps to each doubling.
pub fn size_class(bytes: usize) -> usize {
    if bytes <= 128 {
        return bytes.next_multiple_of(16);
    }
    bytes.next_multiple_of(bytes.next_power_of_two() / 8)
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        if self.is_block() {
            // Relaxed: a new reference comes from one that is there and stays there, as in `Arc`.
            let refs = self.head().refs.fetch_add(1, Ordering::Relaxed);
            // Four billion slots of eight bytes: only leaked ones could come so far, and then a wrap would free what
            // is in use.
            if refs > u32::MAX / 2 {
                std::process::abort();
            }
        }
        Self(self.0)
    }
}

impl Drop for Slot {
    #[inline]
    fn drop(&mut self) {
        if self.is_block() {
            self.release();
        }
    }
}

impl Slot {
    fn release(&mut self) {
        // Release, and the fence: what others read from the block comes before it is freed, as in `Arc`.
        if self.head().refs.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        fence(Ordering::Acquire);
        let head = self.address();
        match self.tag() {
            // SAFETY: duty 4, and this was the last reference to the block.
            Tag::Page => drop(unsafe { Box::from_raw(self.page_address()) }),
            Tag::Node => {
                let (room, children) = (self.node_room(), head);
                for at in 0..room {
                    // SAFETY: duty 4, and this was the last reference; each is taken once.
                    drop(unsafe {
                        mem::replace(
                            children.add(1).cast::<Slot>().add(at).as_mut(),
                            Slot::ABSENT,
                        )
                    });
                }
            }
            _ => {}
        }
        // SAFETY: allocated by `block` with this layout; nothing points to it any more.
        unsafe {
            let size = HEAD + head.as_ref().tail_bytes as usize;
            dealloc(
                head.as_ptr().cast(),
                Layout::from_size_align_unchecked(size, align_of::<Head>()),
            );
        }
    }
}
