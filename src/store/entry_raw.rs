//! The memory of an [`Entry`](super::Entry): the only file of the store that says `unsafe`.
//!
//! What every block below leans on, together "the invariant": an [`Allocation`] owns, alone, one live allocation of
//! `shape().layout()` whose header describes the shape it was made for, and every part of that shape is initialised.
//! [`Allocation::new`] establishes it, and only [`Allocation::resize_in_place`] changes a header's shape afterwards.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::AtomicU32;

use crate::bits::Bitmap;
use crate::store::prefetch::prefetch;
use crate::store::value::{Encoding, FLAT_MAX};

const LONG_KEY: u8 = 1;
const EXPIRES: u8 = 1 << 1;
const BITMAP: u8 = 1 << 2;
const ENCODING_AT: u8 = 3;
const ENCODING: u8 = 0b11 << ENCODING_AT;
const FRESH: u8 = 1 << 5;

#[repr(C)]
struct Header {
    accessed: AtomicU32,
    key_len: u16,
    value_len: u8,
    flags: u8,
}

const _: () = {
    assert!(size_of::<Header>() == 8);
    assert!(size_of::<Bitmap>() == 16);
    assert!(align_of::<Bitmap>() <= 8);
    assert!(FLAT_MAX <= u8::MAX as usize);
    // An entry is handed between threads and read by many: so must be all it holds.
    const fn shared<T: Send + Sync>() {}
    shared::<Bitmap>();
};

/// What an allocation holds, which says where each part is and how large the whole is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    pub key_len: usize,
    /// 0 for a bitmap.
    pub value_len: usize,
    pub expires: bool,
    pub bitmap: bool,
}

impl Shape {
    const fn is_long(&self) -> bool {
        self.key_len > u16::MAX as usize
    }

    const fn expiry_at(&self) -> usize {
        size_of::<Header>() + size_of::<u64>() * self.is_long() as usize
    }

    const fn bitmap_at(&self) -> usize {
        self.expiry_at() + size_of::<i64>() * self.expires as usize
    }

    const fn key_at(&self) -> usize {
        self.bitmap_at() + size_of::<Bitmap>() * self.bitmap as usize
    }

    const fn value_at(&self) -> usize {
        self.key_at() + self.key_len
    }

    /// Bytes asked of the allocator.
    pub fn size(&self) -> usize {
        (self.value_at() + self.value_len).next_multiple_of(16)
    }

    fn layout(&self) -> Layout {
        Layout::from_size_align(self.size(), align_of::<u64>())
            .expect("a key is far shorter than the address space")
    }
}

/// Memory drawn as the head of [`entry`](super) says.
pub struct Allocation(NonNull<Header>);

// SAFETY: the allocation is owned alone, and what it holds (integers, bytes, a `Bitmap`) is `Send`; see the assertion above.
unsafe impl Send for Allocation {}
// SAFETY: through a shared reference only the atomic access word changes, and what is read is `Sync`; as above.
unsafe impl Sync for Allocation {}

impl Allocation {
    /// An allocation of that shape with its key, an expiry of 0, an empty bitmap, or a value of zeros.
    ///
    /// Panics if the shape is not the key's, or its value is longer than [`FLAT_MAX`] or there beside a bitmap.
    pub fn new(shape: Shape, key: &[u8]) -> Self {
        assert!(
            shape.key_len == key.len()
                && shape.value_len <= if shape.bitmap { 0 } else { FLAT_MAX }
        );
        let layout = shape.layout();
        let flags = [
            (LONG_KEY, shape.is_long()),
            (EXPIRES, shape.expires),
            (BITMAP, shape.bitmap),
        ];
        let flags = flags
            .iter()
            .filter(|(_, has)| *has)
            .map(|(flag, _)| flag)
            .sum();
        let header = Header {
            accessed: AtomicU32::new(0),
            key_len: if shape.is_long() {
                0
            } else {
                shape.key_len as u16
            },
            value_len: shape.value_len as u8,
            flags,
        };
        // SAFETY:
        // - `alloc`: the layout is at least 16 bytes.
        // - The writes: every offset comes from `shape`, whose parts lie one after the other inside `layout`; those of 8-byte
        //   types are multiples of 8 because everything before the key is, and the allocation is aligned to 8.
        // - They initialise every part of the shape, which is the invariant.
        unsafe {
            let Some(memory) = NonNull::new(alloc(layout)) else {
                handle_alloc_error(layout)
            };
            memory.cast::<Header>().write(header);
            if shape.is_long() {
                memory
                    .add(size_of::<Header>())
                    .cast::<u64>()
                    .write(shape.key_len as u64);
            }
            if shape.expires {
                memory.add(shape.expiry_at()).cast::<i64>().write(0);
            }
            if shape.bitmap {
                memory
                    .add(shape.bitmap_at())
                    .cast::<Bitmap>()
                    .write(Bitmap::default());
            }
            memory
                .add(shape.key_at())
                .copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            memory.add(shape.value_at()).write_bytes(0, shape.value_len);
            Self(memory.cast())
        }
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: by the invariant a header is there; it changes only through `&mut self`, its atomic aside.
        unsafe { self.0.as_ref() }
    }

    /// Asks for the header, and for what stands in the same cache line behind it.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(self.0.as_ptr());
    }

    /// Asks for the last cache line, if it is not the first. Reads the header.
    #[inline]
    pub fn prefetch_end(&self) {
        const LINE: usize = 64;
        let first = self.0.as_ptr().addr();
        let last = first + self.shape().size() - 1;
        if last / LINE != first / LINE {
            prefetch(self.0.as_ptr().with_addr(last));
        }
    }

    #[inline]
    pub fn shape(&self) -> Shape {
        let Header {
            key_len,
            value_len,
            flags,
            ..
        } = *self.header();
        let key_len = if flags & LONG_KEY == 0 {
            usize::from(key_len)
        } else {
            // SAFETY: by the invariant, with `LONG_KEY` an aligned length follows the header.
            unsafe { self.at::<u64>(size_of::<Header>()).read() as usize }
        };
        Shape {
            key_len,
            value_len: value_len.into(),
            expires: flags & EXPIRES != 0,
            bitmap: flags & BITMAP != 0,
        }
    }

    /// The address of a part.
    ///
    /// # Safety
    /// `offset` is at most the size of the allocation.
    #[inline]
    unsafe fn at<T>(&self, offset: usize) -> NonNull<T> {
        // SAFETY: inside the allocation or at its end, says the caller. The pointer is still that of the whole
        // allocation, as `alloc` gave it, never one narrowed to the header.
        unsafe { self.0.cast::<u8>().add(offset).cast() }
    }

    pub fn accessed(&self) -> &AtomicU32 {
        &self.header().accessed
    }

    #[inline]
    pub fn key(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: by the invariant `key_len` initialised bytes are there; nothing changes them while the entry lives.
        unsafe { slice::from_raw_parts(self.at(shape.key_at()).as_ptr(), shape.key_len) }
    }

    /// The value's bytes; none if it is a bitmap.
    #[inline]
    pub fn flat(&self) -> &[u8] {
        let shape = self.shape();
        // SAFETY: by the invariant `value_len` initialised bytes are there (0 beside a bitmap), changed only through
        // `&mut self`.
        unsafe { slice::from_raw_parts(self.at(shape.value_at()).as_ptr(), shape.value_len) }
    }

    pub fn flat_mut(&mut self) -> Option<&mut [u8]> {
        let shape = self.shape();
        // SAFETY: as in `flat`, and `&mut self` makes the borrow the only one.
        (!shape.bitmap).then(|| unsafe {
            slice::from_raw_parts_mut(self.at(shape.value_at()).as_ptr(), shape.value_len)
        })
    }

    #[inline]
    pub fn bitmap(&self) -> Option<&Bitmap> {
        let shape = self.shape();
        // SAFETY: by the invariant, with the flag an aligned bitmap is there, changed only through `&mut self`.
        shape
            .bitmap
            .then(|| unsafe { self.at(shape.bitmap_at()).as_ref() })
    }

    pub fn bitmap_mut(&mut self) -> Option<&mut Bitmap> {
        let shape = self.shape();
        // SAFETY: as in `bitmap`, and `&mut self` makes the borrow the only one.
        shape
            .bitmap
            .then(|| unsafe { self.at(shape.bitmap_at()).as_mut() })
    }

    #[inline]
    pub fn expiry(&self) -> Option<i64> {
        let shape = self.shape();
        // SAFETY: by the invariant, with the flag an aligned integer is there.
        shape
            .expires
            .then(|| unsafe { self.at(shape.expiry_at()).read() })
    }

    pub fn expiry_mut(&mut self) -> Option<&mut i64> {
        let shape = self.shape();
        // SAFETY: as in `expiry`, and `&mut self` makes the borrow the only one.
        shape
            .expires
            .then(|| unsafe { self.at(shape.expiry_at()).as_mut() })
    }

    pub fn encoding(&self) -> Encoding {
        match (self.header().flags & ENCODING) >> ENCODING_AT {
            0 => Encoding::Raw,
            1 => Encoding::Embstr,
            _ => Encoding::Int,
        }
    }

    pub fn set_encoding(&mut self, encoding: Encoding) {
        let code = match encoding {
            Encoding::Raw => 0,
            Encoding::Embstr => 1,
            Encoding::Int => 2,
        };
        // SAFETY: as in `header`, and `&mut self` makes the borrow the only one.
        let header = unsafe { self.0.as_mut() };
        header.flags = (header.flags & !ENCODING) | (code << ENCODING_AT);
    }

    pub fn is_fresh(&self) -> bool {
        self.header().flags & FRESH != 0
    }

    pub fn set_fresh(&mut self, fresh: bool) {
        // SAFETY: as in `header`, and `&mut self` makes the borrow the only one.
        let header = unsafe { self.0.as_mut() };
        header.flags = (header.flags & !FRESH) | if fresh { FRESH } else { 0 };
    }

    /// Makes the value `len` bytes long, new ones zero, if the memory that is there suits the new length exactly as it
    /// did the old. `false` (and no change) if not, or if the value is a bitmap.
    pub fn resize_in_place(&mut self, len: usize) -> bool {
        let old = self.shape();
        let new = Shape {
            value_len: len,
            ..old
        };
        if old.bitmap || len > FLAT_MAX || new.size() != old.size() {
            return false;
        }
        // SAFETY:
        // - The value is the last part and the rounded size stays, so the bytes from the old end to the new one are inside
        //   the allocation, and its layout is still the shape's.
        // - New bytes are initialised before the header says that they are there.
        // - `&mut self` makes the borrow of the header the only one.
        unsafe {
            let grown = len.saturating_sub(old.value_len);
            self.at::<u8>(old.value_at() + old.value_len.min(len))
                .write_bytes(0, grown);
            self.0.as_mut().value_len = len as u8;
        }
        true
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        let shape = self.shape();
        // SAFETY: by the invariant the bitmap, if the shape has one, is initialised, and nobody will look at it again; the
        // allocation came from `alloc` with this very layout, which no change of shape has altered.
        unsafe {
            if shape.bitmap {
                self.at::<Bitmap>(shape.bitmap_at()).drop_in_place();
            }
            dealloc(self.0.cast().as_ptr(), shape.layout());
        }
    }
}
