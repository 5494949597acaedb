//! BITFIELD integers: 1 to 64 bits, signed or not, at any bit offset, most significant bit first.
//!
//! Every value fits an `i64`: the widest unsigned field is 63 bits, which is why the command has no `u64`.

use super::{Bitmap, View};

/// The type of a field: `i1` to `i64`, `u1` to `u63`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    signed: bool,
    bits: u8,
}

/// What becomes of a value that does not fit its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// Keep the low bits.
    #[default]
    Wrap,
    /// Keep the nearest value that fits.
    Sat,
    /// Store nothing.
    Fail,
}

impl Width {
    /// `i<bits>`: 1 to 64.
    pub const fn signed(bits: u64) -> Option<Self> {
        match bits {
            1..=64 => Some(Self {
                signed: true,
                bits: bits as u8,
            }),
            _ => None,
        }
    }

    /// `u<bits>`: 1 to 63.
    pub const fn unsigned(bits: u64) -> Option<Self> {
        match bits {
            1..=63 => Some(Self {
                signed: false,
                bits: bits as u8,
            }),
            _ => None,
        }
    }

    pub const fn is_signed(self) -> bool {
        self.signed
    }

    /// How many bits a field takes.
    pub const fn bits(self) -> u64 {
        self.bits as u64
    }

    /// The smallest value a field holds.
    pub const fn min(self) -> i64 {
        if self.signed {
            i64::MIN >> (64 - self.bits)
        } else {
            0
        }
    }

    /// The largest value a field holds.
    pub const fn max(self) -> i64 {
        if self.signed {
            i64::MAX >> (64 - self.bits)
        } else {
            i64::MAX >> (63 - self.bits)
        }
    }

    /// What `SET value` stores; None where it must not be stored.
    ///
    /// To an unsigned field a negative value is the huge number with the same 64 bits, so saturating pulls it down to
    /// the maximum, not up to zero. To a signed field a value so far below the range that `max - value` leaves 64 bits
    /// saturates to the maximum too: Redis subtracts in 64 bits and takes it for a value above the range.
    pub fn fit(self, value: i64, overflow: Overflow) -> Option<i64> {
        let mistaken = self.signed && self.bits < 64 && self.max().checked_sub(value).is_none();
        if mistaken && overflow == Overflow::Sat {
            return Some(self.max());
        }
        let value = if self.signed {
            i128::from(value)
        } else {
            i128::from(value as u64)
        };
        self.hold(value, overflow)
    }

    /// What `INCRBY by` stores over `old`, a value of this width; None where it must not be stored.
    pub fn add(self, old: i64, by: i64, overflow: Overflow) -> Option<i64> {
        self.hold(i128::from(old) + i128::from(by), overflow)
    }

    fn hold(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = (i128::from(self.min()), i128::from(self.max()));
        if (min..=max).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.decode(value as u64)),
            Overflow::Sat => Some(value.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }

    /// The value whose low bits are the field; what is above them is ignored.
    const fn decode(self, raw: u64) -> i64 {
        let shifted = raw << (64 - self.bits);
        if self.signed {
            (shifted as i64) >> (64 - self.bits)
        } else {
            (shifted >> (64 - self.bits)) as i64
        }
    }
}

/// The field at bit `at`; bits past the end of the string read as zero.
pub fn get(view: View<'_>, at: u64, width: Width) -> i64 {
    let mut window = [0; WINDOW];
    view.read(at / 8, &mut window[..span_bytes(at, width)]);
    field_in(&window, at, width)
}

/// Stores the low bits of what `change` makes of the field at bit `at`, and changes no other bit; nothing where it makes
/// None of it, or the same. The string grows to hold the field in any case.
pub fn update(bitmap: &mut Bitmap, at: u64, width: Width, change: impl FnOnce(i64) -> Option<i64>) {
    bitmap.grow((at + width.bits()).div_ceil(8));
    let len = span_bytes(at, width);
    bitmap.rewrite(at / 8, len, &mut [0; WINDOW], |window| {
        change_in(window, at, width, change)
    });
}

/// [`update`] on a slice. Panics where the field does not lie inside: a slice does not grow.
pub fn update_flat(
    slice: &mut [u8],
    at: u64,
    width: Width,
    change: impl FnOnce(i64) -> Option<i64>,
) {
    let from = usize::try_from(at / 8).expect("a field inside a slice");
    let bytes = &mut slice[from..from + span_bytes(at, width)];
    let mut window = [0; WINDOW];
    window[..bytes.len()].copy_from_slice(bytes);
    if change_in(&mut window, at, width, change) {
        bytes.copy_from_slice(&window[..bytes.len()]);
    }
}

/// Puts what `change` makes of the field in place of it, if that is another value; whether it was.
#[inline]
fn change_in(
    window: &mut [u8; WINDOW],
    at: u64,
    width: Width,
    change: impl FnOnce(i64) -> Option<i64>,
) -> bool {
    let old = field_in(window, at, width);
    let new = change(old).filter(|new| *new != old);
    if let Some(new) = new {
        put_in(window, at, width, new as u64);
    }
    new.is_some()
}

/// The field in a window that starts at its first byte. A word holds nearly all, and takes a fifth of the time of two.
#[inline]
fn field_in(window: &[u8; WINDOW], at: u64, width: Width) -> i64 {
    let end = at % 8 + width.bits();
    width.decode(match window.first_chunk() {
        Some(word) if end <= 64 => u64::from_be_bytes(*word) >> (64 - end),
        _ => (u128::from_be_bytes(*window) >> (128 - end)) as u64,
    })
}

/// Puts the low bits of `new` in place of the field.
#[inline]
fn put_in(window: &mut [u8; WINDOW], at: u64, width: Width, new: u64) {
    let end = at % 8 + width.bits();
    let field = u64::MAX >> (64 - width.bits());
    match window.first_chunk_mut() {
        Some(word) if end <= 64 => {
            let (shift, bits) = (64 - end, u64::from_be_bytes(*word));
            *word = (bits & !(field << shift) | (new & field) << shift).to_be_bytes();
        }
        _ => {
            let (shift, bits) = (128 - end, u128::from_be_bytes(*window));
            let (field, new) = (u128::from(field) << shift, u128::from(new & field) << shift);
            *window = (bits & !field | new).to_be_bytes();
        }
    }
}

/// A field and its neighbours span at most 9 bytes (7 bits, then 64); a window of 16 holds any field whole.
const WINDOW: usize = 16;

fn span_bytes(at: u64, width: Width) -> usize {
    (at % 8 + width.bits()).div_ceil(8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::oracle;

    const U8: Width = Width::unsigned(8).unwrap();
    const I8: Width = Width::signed(8).unwrap();

    fn every_width() -> impl Iterator<Item = Width> {
        (1..=64)
            .filter_map(Width::signed)
            .chain((1..=63).filter_map(Width::unsigned))
    }

    #[test]
    fn only_the_widths_of_the_command_exist() {
        assert!(Width::signed(0).is_none() && Width::signed(65).is_none());
        assert!(Width::unsigned(0).is_none() && Width::unsigned(64).is_none());
        let ends = |width: Option<Width>| width.map(|width| (width.min(), width.max()));
        assert_eq!(ends(Width::signed(64)), Some((i64::MIN, i64::MAX)));
        assert_eq!(ends(Width::signed(1)), Some((-1, 0)));
        assert_eq!(ends(Width::unsigned(63)), Some((0, i64::MAX)));
        assert_eq!(ends(Width::unsigned(1)), Some((0, 1)));
    }

    #[test]
    fn values_that_do_not_fit_follow_the_overflow_rule() {
        use Overflow::{Fail, Sat, Wrap};
        let set = |width: Width, value| [Wrap, Sat, Fail].map(|rule| width.fit(value, rule));
        assert_eq!(set(U8, -1), [Some(255), Some(255), None]);
        assert_eq!(set(I8, 300), [Some(44), Some(127), None]);
        assert_eq!(set(I8, -129), [Some(127), Some(-128), None]);
        assert_eq!(set(I8, -128), [Some(-128); 3]);
        let i63s = Width::signed(63).unwrap();
        assert_eq!(
            set(i63s, i64::MIN),
            [Some(0), Some(i64::MAX >> 1), None],
            "as Redis has it"
        );
        assert_eq!(set(I8, i64::MIN + 128)[1], Some(-128));
        assert_eq!(set(I8, i64::MIN + 127)[1], Some(127));
        let add = |width: Width, old, by| [Wrap, Sat, Fail].map(|rule| width.add(old, by, rule));
        assert_eq!(add(U8, 100, 257), [Some(101), Some(255), None]);
        assert_eq!(add(U8, 255, -256), [Some(255), Some(0), None]);
        assert_eq!(add(I8, 100, 257), [Some(101), Some(127), None]);
        assert_eq!(add(I8, -100, -255), [Some(-99), Some(-128), None]);
        let i64s = Width::signed(64).unwrap();
        assert_eq!(
            add(i64s, i64::MAX, 1),
            [Some(i64::MIN), Some(i64::MAX), None]
        );
        assert_eq!(
            add(i64s, i64::MIN, -1),
            [Some(i64::MAX), Some(i64::MIN), None]
        );
    }

    #[test]
    fn every_width_at_every_offset_reads_back_and_leaves_its_neighbours() {
        let noise = oracle::noise(32);
        for width in every_width() {
            for at in 0..100 {
                for value in [0, 1, -1, width.min(), width.max(), 0x5a5a_5a5a_5a5a_5a5a] {
                    let mut bytes = noise.clone();
                    update_flat(&mut bytes, at, width, |_| Some(value));
                    assert_eq!(
                        get(View::Flat(&bytes), at, width),
                        width.decode(value as u64),
                        "{width:?} at {at}"
                    );
                    let (before, after) = (oracle::bits(&noise), oracle::bits(&bytes));
                    let field = at as usize..(at + width.bits()) as usize;
                    assert_eq!(
                        before[..field.start],
                        after[..field.start],
                        "{width:?} at {at}"
                    );
                    assert_eq!(before[field.end..], after[field.end..], "{width:?} at {at}");
                }
            }
        }
    }

    #[test]
    fn fields_across_chunk_edges_agree_with_flat_ones() {
        let edge = 65_536;
        for width in every_width() {
            for at in edge - 70..edge + 3 {
                let mut bitmap = Bitmap::from_bytes(&oracle::noise(8300));
                let mut bytes = oracle::noise(8300);
                update(&mut bitmap, at, width, |_| Some(width.max()));
                update_flat(&mut bytes, at, width, |_| Some(width.max()));
                assert_eq!(
                    View::Chunked(&bitmap),
                    View::Flat(&bytes),
                    "{width:?} at {at}"
                );
                assert_eq!(get(View::Chunked(&bitmap), at, width), width.max());
            }
        }
    }

    #[test]
    fn a_field_past_the_end_reads_zero_and_a_stored_one_grows_the_string_to_its_last_byte() {
        let mut bitmap = Bitmap::new();
        assert_eq!(get(View::Chunked(&bitmap), 1000, I8), 0);
        update(&mut bitmap, 1001, I8, |_| None);
        assert_eq!(bitmap.len(), 127);
        update(&mut bitmap, 7, Width::unsigned(5).unwrap(), |_| Some(23));
        assert_eq!(bitmap.len(), 127);
        let mut head = [0; 2];
        bitmap.read(0, &mut head);
        assert_eq!(head, [0x01, 0x70]);
    }
}
