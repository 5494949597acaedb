//! Every set this CPU can run, against the oracle.

use super::*;
use crate::bits::oracle;

#[test]
fn every_set_counts_like_the_oracle_at_every_length_and_offset() {
    let noise = oracle::noise(400);
    for set in available() {
        for len in 0..=300 {
            for offset in 0..64 {
                let bytes = &noise[offset..offset + len];
                assert_eq!(
                    set.popcount(bytes),
                    oracle::popcount(bytes),
                    "{set:?} len {len} offset {offset}"
                );
            }
        }
    }
}

#[test]
fn every_set_finds_the_first_other_byte_at_every_length_and_place() {
    for set in available() {
        for fill in [0, 0xff, 0xa5] {
            for len in 0..=300 {
                let mut bytes = vec![fill; len];
                assert_eq!(set.find_not(&bytes, fill), None, "{set:?} len {len}");
                for at in (0..len).rev() {
                    bytes[at] = !fill;
                    assert_eq!(set.find_not(&bytes, fill), Some(at), "{set:?} len {len}");
                }
            }
        }
    }
}

/// Pages of every kind there are loops for: empty, full, one bit, sparse, dense, mostly ones, runs, a short start.
fn pages() -> Vec<[u8; PAGE_BYTES]> {
    let mut random = oracle::Random::new(7);
    let mut pages = vec![
        [0; PAGE_BYTES],
        [0xff; PAGE_BYTES],
        [0x55; PAGE_BYTES],
        [1; PAGE_BYTES],
    ];
    for at in [0, 1, 7, 8, 63, 64, 511, 512, 4095, 8190, 8191] {
        let mut page = [0; PAGE_BYTES];
        page[at] = 0x18;
        pages.push(page);
        pages.push(page.map(|byte| !byte));
    }
    for percent in [1, 5, 30, 80, 99] {
        let page = std::array::from_fn(|_| {
            if random.below(100) < percent {
                random.next() as u8
            } else {
                0
            }
        });
        pages.push(page);
        pages.push(page.map(|byte| !byte));
    }
    for longest in [3, 100, 3000] {
        let mut byte = 0;
        let mut left = 0;
        pages.push(std::array::from_fn(|_| {
            if left == 0 {
                (byte, left) = (!byte, random.below(longest) + 1);
            }
            left -= 1;
            byte
        }));
    }
    pages
}

#[test]
fn every_set_profiles_like_the_oracle() {
    for page in pages() {
        let bits = oracle::bits(&page);
        let want = Profile {
            ones: oracle::popcount(&page) as u32,
            runs: (0..bits.len())
                .filter(|at| bits[*at] && (*at == 0 || !bits[at - 1]))
                .count() as u32,
            nonzero: page.iter().filter(|byte| **byte != 0).count() as u32,
            full: page.iter().filter(|byte| **byte == 0xff).count() as u32,
            end: page
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |at| at as u32 + 1),
        };
        for set in available() {
            assert_eq!(set.profile(&page), want, "{set:?}");
        }
    }
}

#[test]
fn every_set_lists_positions_like_the_oracle() {
    for page in pages() {
        let want: Vec<u16> = (0..=u16::MAX)
            .zip(oracle::bits(&page))
            .filter(|(_, bit)| *bit)
            .map(|(at, _)| at)
            .collect();
        for set in available() {
            let mut got = vec![0; want.len()];
            set.positions(&page, &mut got);
            assert_eq!(got, want, "{set:?}");
        }
    }
}

/// A page's masks and kept bytes.
fn packed(page: &[u8; PAGE_BYTES], fill: u8) -> ([u64; BLOCKS], Vec<u8>) {
    let mut masks = [0; BLOCKS];
    let kept: Vec<usize> = (0..PAGE_BYTES).filter(|at| page[*at] != fill).collect();
    kept.iter().for_each(|at| masks[at / 64] |= 1 << (at % 64));
    (masks, kept.iter().map(|at| page[*at]).collect())
}

#[test]
fn every_set_compresses_and_expands() {
    for page in pages() {
        for fill in [0, 0xff] {
            let (masks, bytes) = packed(&page, fill);
            for set in available() {
                let (mut got_masks, mut got_bytes) = ([7; BLOCKS], vec![7; bytes.len()]);
                set.compress(&page, fill, &mut got_masks, &mut got_bytes);
                assert_eq!(
                    (got_masks, &got_bytes),
                    (masks, &bytes),
                    "{set:?} fill {fill}"
                );
                let mut got = [7; PAGE_BYTES];
                set.expand(&masks, &bytes, fill, &mut got);
                assert!(got == page, "{set:?} fill {fill}");
            }
        }
    }
}

#[test]
fn every_set_folds_like_the_oracle() {
    let pages = pages();
    let packs: Vec<_> = pages
        .iter()
        .map(|page| [0, 0xff].map(|fill| (fill, packed(page, fill))))
        .collect();
    let mut random = oracle::Random::new(11);
    for (op, counts) in [(Op::Not, vec![1])]
        .into_iter()
        .chain(Op::BINARY.map(|op| (op, vec![1, 2, 2, 2, 2, 3, 16])))
    {
        for count in counts {
            let chosen: Vec<(usize, u64)> = (0..count)
                .map(|_| (random.below(pages.len() as u64) as usize, random.below(3)))
                .collect();
            let operands: Vec<Operand<'_>> = chosen
                .iter()
                .map(|(page, form)| match packs[*page].get(*form as usize) {
                    None => Operand::Page(&pages[*page]),
                    Some((fill, (masks, bytes))) => Operand::Packed {
                        masks,
                        bytes,
                        fill: *fill,
                    },
                })
                .collect();
            let want = op.by_oracle(
                &chosen
                    .iter()
                    .map(|(page, _)| &pages[*page][..])
                    .collect::<Vec<_>>(),
            );
            for set in available() {
                let mut got = [7; PAGE_BYTES];
                let ones = set.fold(op, &mut got, &operands);
                assert!(got[..] == want, "{set:?} {op:?} {chosen:?}");
                assert_eq!(
                    u64::from(ones),
                    oracle::popcount(&want),
                    "{set:?} {op:?} {chosen:?}"
                );
            }
        }
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_names_there_are() {
    assert_eq!(select(Some("abacus")).unwrap_err(), UnknownKernels);
    assert!(UnknownKernels.to_string().contains("scalar"));
}
