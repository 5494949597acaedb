//! From a command's name to its row, in a few nanoseconds: the first thing that happens to every request.
//!
//! A hash table laid out by the compiler, with linear probing. The hash reads the first and the last bytes of the name,
//! eight at most of each, with the bit set that tells lower case from upper. Names that collide sit in neighbouring
//! slots, and the whole name is compared in the end.

use super::command::Command;
use super::table::TABLE;

/// Slots, a power of two: at most half of them are taken, so that a name nobody knows is soon found out.
const SLOTS: usize = 1024;

const EMPTY: u16 = u16::MAX;

/// Indices into [`TABLE`].
static INDEX: [u16; SLOTS] = index();

const fn index() -> [u16; SLOTS] {
    assert!(TABLE.len() * 2 <= SLOTS, "double SLOTS");
    let mut slots = [EMPTY; SLOTS];
    let mut row = 0;
    while row < TABLE.len() {
        let mut slot = home(TABLE[row].name.as_bytes());
        while slots[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        slots[slot] = row as u16;
        row += 1;
    }
    slots
}

/// The row of this name, in any case of letters.
#[inline]
pub fn find(name: &[u8]) -> Option<&'static Command> {
    let mut slot = home(name);
    loop {
        let command = TABLE.get(usize::from(INDEX[slot]))?;
        if command.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(command);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// Where to look for a name first.
#[inline]
const fn home(name: &[u8]) -> usize {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    let (first, last) = match name {
        [] => (0, 0),
        [only] => (*only as u64, 0),
        [a, b] => (*a as u64, *b as u64),
        [a, b, c] => (u16::from_le_bytes([*a, *b]) as u64, *c as u64),
        _ => match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                (Some(first), Some(last)) => (
                    u32::from_le_bytes(*first) as u64,
                    u32::from_le_bytes(*last) as u64,
                ),
                _ => unreachable!(),
            },
        },
    };
    // Two odd numbers without a pattern; the products' high bits depend on every bit of the name's ends.
    let mixed = (first | LOWER).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (last | LOWER).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        ^ ((name.len() as u64) << 56);
    (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_in_any_case_of_letters() {
        assert!(SLOTS.is_power_of_two() && home(b"anything") < SLOTS);
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
            let at = INDEX
                .iter()
                .position(|&index| {
                    TABLE
                        .get(usize::from(index))
                        .is_some_and(|found| found.name == row.name)
                })
                .expect("every row has a slot");
            let steps = (at + SLOTS - home(row.name.as_bytes())) % SLOTS;
            assert!(
                steps <= 8,
                "{} is {steps} slots from where it is looked for",
                row.name
            );
        }
    }
}
