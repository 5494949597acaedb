//! Each inner loop of each set this CPU has, on one page (8 KiB) in the first-level cache, checked against the portable
//! set.
//!
//! `cargo bench --bench kernels`

mod support;

use bitmapd::bits::Op;
use bitmapd::bits::kernel::{BLOCKS, Kernels, Operand, PAGE_BYTES, available};
use support::{Random, best, report};

struct Input {
    page: [u8; PAGE_BYTES],
    masks: [u64; BLOCKS],
    bytes: Vec<u8>,
}

fn input(per_mille: u64, random: &mut Random) -> Input {
    let mut page = [0; PAGE_BYTES];
    for _ in 0..65_536 * per_mille / 1000 {
        let bit = random.below(65_536) as usize;
        page[bit / 8] |= 0x80 >> (bit % 8);
    }
    let mut masks = [0; BLOCKS];
    let mut bytes = vec![0; page.iter().filter(|byte| **byte != 0).count()];
    portable().compress(&page, 0, &mut masks, &mut bytes);
    Input { page, masks, bytes }
}

fn portable() -> &'static Kernels {
    available()
        .last()
        .expect("the portable set is always there")
}

fn main() {
    let mut random = Random::new(9);
    for per_mille in [20, 700] {
        let [a, b] = [input(per_mille, &mut random), input(per_mille, &mut random)];
        println!("\nones: {} %; nanoseconds a page", per_mille as f64 / 10.0);
        for set in available() {
            let name = set.name();
            let line = |what: &str, time: std::time::Duration| {
                report(
                    format!("{name:<8} {what}"),
                    time.as_nanos() as f64,
                    "ns",
                    None,
                );
            };
            let ones = portable().popcount(&a.page);
            line("popcount", best(|| assert_eq!(set.popcount(&a.page), ones)));
            let zeros = [0; PAGE_BYTES];
            line(
                "find_not, in vain",
                best(|| assert_eq!(set.find_not(&zeros, 0), None)),
            );
            let profile = portable().profile(&a.page);
            line(
                "profile",
                best(|| assert_eq!(set.profile(&a.page), profile)),
            );
            let (mut want, mut got) = (vec![0; ones as usize], vec![0; ones as usize]);
            portable().positions(&a.page, &mut want);
            line("positions", best(|| set.positions(&a.page, &mut got)));
            assert_eq!(got, want);
            let mut page = [0; PAGE_BYTES];
            line(
                "expand",
                best(|| set.expand(&a.masks, &a.bytes, 0, &mut page)),
            );
            assert!(page == a.page);
            let (mut masks, mut bytes) = ([0; BLOCKS], vec![0; a.bytes.len()]);
            line(
                "compress",
                best(|| set.compress(&a.page, 0, &mut masks, &mut bytes)),
            );
            assert_eq!((masks, &bytes), (a.masks, &a.bytes));
            for op in [Op::And, Op::One] {
                let plain = [Operand::Page(&a.page), Operand::Page(&b.page)];
                let packed = [&a, &b].map(|i| Operand::Packed {
                    masks: &i.masks,
                    bytes: &i.bytes,
                    fill: 0,
                });
                let ones = portable().fold(op, &mut page, &plain);
                line(
                    &format!("{op:?} of 2 pages"),
                    best(|| assert_eq!(set.fold(op, &mut page, &plain), ones)),
                );
                line(
                    &format!("{op:?} of 2 packed"),
                    best(|| assert_eq!(set.fold(op, &mut page, &packed), ones)),
                );
                let seven = [
                    plain[0], plain[1], plain[0], plain[1], plain[0], plain[1], plain[0],
                ];
                line(
                    &format!("{op:?} of 7 pages"),
                    best(|| set.fold(op, &mut page, &seven)),
                );
            }
        }
    }
}
