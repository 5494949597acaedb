//! From a command's name to its row, in a few nanoseconds: the first thing that happens to every request.
//!
//! A hash table laid out by the compiler, with linear probing. A name is hashed and compared as two numbers, its first and
//! its last eight bytes, with the bit set that tells lower case from upper. The two are the whole of a name of up to
//! sixteen letters; where they are not, the names are compared byte by byte as well.

use super::command::Command;
use super::table::TABLE;

/// Slots, a power of two: at most half of them are taken, so that a name nobody knows is soon found out.
const SLOTS: usize = 1024;

static INDEX: [Slot; SLOTS] = index();

#[derive(Clone, Copy)]
struct Slot {
    ends: Ends,
    /// Length of the name; [`Slot::EMPTY`] has one that no name has.
    len: usize,
    /// Index into [`TABLE`].
    row: u16,
    /// Whether a name of this length with these ends is this name.
    exact: bool,
}

impl Slot {
    const EMPTY: Self = Self {
        ends: Ends { first: 0, last: 0 },
        len: usize::MAX,
        row: 0,
        exact: false,
    };

    const fn is_empty(&self) -> bool {
        self.len == usize::MAX
    }
}

const fn index() -> [Slot; SLOTS] {
    assert!(TABLE.len() * 2 <= SLOTS, "double SLOTS");
    let mut slots = [Slot::EMPTY; SLOTS];
    let mut row = 0;
    while row < TABLE.len() {
        let name = TABLE[row].name.as_bytes();
        let ends = Ends::of(name);
        let mut slot = ends.home(name.len());
        while !slots[slot].is_empty() {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = Slot {
            ends,
            len: name.len(),
            row: row as u16,
            exact: name.len() <= 16 && are_letters(name),
        };
        row += 1;
    }
    slots
}

const fn are_letters(mut name: &[u8]) -> bool {
    while let [first, rest @ ..] = name {
        if !first.is_ascii_lowercase() {
            return false;
        }
        name = rest;
    }
    true
}

/// The row of this name, in any case of letters.
#[inline]
pub fn find(name: &[u8]) -> Option<&'static Command> {
    let ends = Ends::of(name);
    let mut at = ends.home(name.len());
    loop {
        let slot = &INDEX[at];
        if slot.is_empty() {
            return None;
        }
        if slot.ends.first == ends.first && slot.ends.last == ends.last && slot.len == name.len() {
            let command = &TABLE[usize::from(slot.row)];
            if slot.exact || command.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(command);
            }
        }
        at = (at + 1) % SLOTS;
    }
}

/// The first and the last bytes of a name, up to eight of each, which overlap in a short one; letters in lower case.
#[derive(Clone, Copy)]
struct Ends {
    first: u64,
    last: u64,
}

impl Ends {
    #[inline]
    const fn of(name: &[u8]) -> Self {
        const LOWER: u64 = 0x2020_2020_2020_2020;
        let (first, last) = match name {
            [] => (0, 0),
            [a] => (*a as u64, 0),
            [a, b] => (*a as u64, *b as u64),
            [a, b, c] => (u16::from_le_bytes([*a, *b]) as u64, *c as u64),
            _ => match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
                (Some(first), Some(last)) => {
                    (u64::from_le_bytes(*first), u64::from_le_bytes(*last))
                }
                _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                    (Some(first), Some(last)) => (
                        u32::from_le_bytes(*first) as u64,
                        u32::from_le_bytes(*last) as u64,
                    ),
                    _ => unreachable!(),
                },
            },
        };
        Self {
            first: first | LOWER,
            last: last | LOWER,
        }
    }

    /// Where to look for a name of these ends and this length first.
    #[inline]
    const fn home(self, len: usize) -> usize {
        // Two odd numbers without a pattern: the product's high bits depend on every bit of both ends.
        let mixed = self.first ^ self.last.wrapping_mul(0xc2b2_ae3d_27d4_eb4f) ^ len as u64;
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - SLOTS.trailing_zeros())) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_in_any_case_of_letters() {
        assert!(SLOTS.is_power_of_two());
        for row in TABLE {
            let mixed: String = row
                .name
                .char_indices()
                .map(|(i, c)| {
                    if i % 2 == 0 {
                        c.to_ascii_uppercase()
                    } else {
                        c
                    }
                })
                .collect();
            for name in [row.name.to_owned(), row.name.to_uppercase(), mixed] {
                let found = find(name.as_bytes()).unwrap_or_else(|| panic!("{name} is not found"));
                assert_eq!(found.name, row.name);
            }
        }
    }

    #[test]
    fn what_is_no_command_is_not_found() {
        for row in TABLE {
            let longer = format!("{}x", row.name);
            let shorter = &row.name[1..];
            for name in [longer.as_str(), shorter] {
                assert_eq!(
                    find(name.as_bytes()).map(|found| found.name),
                    TABLE
                        .iter()
                        .map(|row| row.name)
                        .find(|known| *known == name),
                );
            }
        }
        for name in [
            &b""[..],
            b"bitfield\x7fro",
            b"\0",
            b"get\0",
            b"GETBI\x14",
            b"\xff\xff\xff\xff",
            &[b'g'; 1000],
        ] {
            assert!(find(name).is_none(), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn no_name_is_looked_for_long() {
        for row in TABLE {
            let name = row.name.as_bytes();
            let at = INDEX
                .iter()
                .position(|slot| !slot.is_empty() && TABLE[usize::from(slot.row)].name == row.name)
                .expect("every row has a slot");
            let home = Ends::of(name).home(name.len());
            let steps = (at + SLOTS - home) % SLOTS;
            assert!(
                steps <= 8,
                "{} is {steps} slots from where it is looked for",
                row.name
            );
        }
    }
}
