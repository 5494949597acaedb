//! The bit engine by itself: the work and the memory that the README promises, on data made on the spot.
//!
//! ```text
//! cargo bench --bench chunks                  everything (about a minute)
//! cargo bench --bench chunks -- bitop set     the parts whose names contain one of the words
//! BITMAPD_REALDATA=dir cargo bench --bench chunks -- realdata
//! ```
//!
//! `BITMAPD_REALDATA` names a directory of unpacked data sets: one folder a set, one file a bitmap, the positions of the
//! ones in ascending order separated by commas. `BITMAPD_KERNELS` picks the kernels, as the setting of the server does.
//!
//! Kept from 2026-11-21, AVX-512, a virtual Xeon (family 6 model 167, 2 cores), nothing else running:
//!
//! ```text
//! count of a random range of 1 G bits            0.91 us              BITOP AND 2 x 100 M bits, 2 %     1.0 ms
//! find the only one of 100 M                     0.02 us              OR, XOR, ONE, 2 %                 1.9 to 2.0 ms
//! set, below 2.5 %, and above 6 %                93 to 294 ns         AND, OR, XOR, ONE, dense          1.6 to 1.7 ms
//! set, about 5 %                                 403 ns               NOT, 2 % and dense                0.45, 1.2 ms
//! get                                            3 to 86 ns           OR of 7, dense                    5.7 to 6.5 ms
//! 30 ones over 37 M: 440 B a bitmap; census-income 0.88, census-income_srt 0.95 of Roaring's portable size
//! ```
//!
//! For what memory allows: a plain loop over flat arrays in one piece takes 1.25 ms for XOR of two dense 100 M bits and
//! 5.6 to 6.7 ms for OR of seven, and reads 87 MB at 18 GB/s (4.9 ms). So OR of seven cannot be much faster on one core.
//! On two threads (`-- threads`) a BITOP of two dense bitmaps of 4 G bits is 1.5 to 1.95 times as fast as on one, 1.7 in the
//! middle, and counting what it would give 1.75 times; half of such a BITOP is the kernel's, making pages for the result.
//! With huge pages (`_RJEM_MALLOC_CONF=thp:always`) the first BITOP into a new key is twice as fast, the rest alike.

mod support;

use std::time::{Duration, Instant};

use bitmapd::bits::{Bitmap, Op, View, combine, combine_on, count_combined, kernel};
use support::{Random, best, cpu_time, micros, report, wanted};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let kernels = kernel::select(std::env::var("BITMAPD_KERNELS").ok().as_deref())
        .expect("a set of this CPU");
    println!("kernels: {}", kernels.name());
    let parts: [(&str, fn()); 8] = [
        ("far bit", far_bit),
        ("bitop", bitop),
        ("threads", threads),
        ("count and find", count_and_find),
        ("set and get", set_and_get),
        ("small", small),
        ("dense", dense),
        ("realdata", realdata),
    ];
    for (name, part) in parts {
        if wanted(name) {
            println!("\n{name}");
            part();
        }
    }
}

/// Plain bytes with each bit set with a probability of `per_mille` thousandths.
fn random_bytes(bits: u64, per_mille: u64, random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0u8; bits.div_ceil(8) as usize];
    if per_mille == 500 {
        bytes
            .chunks_mut(8)
            .for_each(|chunk| chunk.copy_from_slice(&random.next().to_be_bytes()[..chunk.len()]));
    } else {
        for _ in 0..bits * per_mille / 1000 {
            let bit = random.below(bits);
            bytes[(bit / 8) as usize] |= 0x80 >> (bit % 8);
        }
    }
    bytes
}

fn ones_of(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.map(|byte| u64::from(byte.count_ones())).sum()
}

fn far_bit() {
    let time = best(|| {
        let mut bitmap = Bitmap::new();
        bitmap.set((1 << 32) - 1, true);
        assert_eq!(bitmap.ones(), 1);
        bitmap
    });
    let mut bitmap = Bitmap::new();
    bitmap.set((1 << 32) - 1, true);
    report("one bit at 2^32-1: time", micros(time), "us", Some(20.0));
    report(
        "one bit at 2^32-1: memory",
        bitmap.heap_bytes() as f64,
        "B",
        Some(1024.0),
    );
    let mut bitmap = Bitmap::new();
    bitmap.set(1 << 60, true);
    report(
        "one bit at 2^60: memory",
        bitmap.heap_bytes() as f64,
        "B",
        None,
    );
}

const DAY: u64 = 100_000_000;

fn bitop() {
    let mut random = Random::new(1);
    for (name, per_mille, and_reach) in [("2 %", 20, Some(500.0)), ("dense", 500, None)] {
        let days: Vec<Vec<u8>> = (0..7)
            .map(|_| random_bytes(DAY, per_mille, &mut random))
            .collect();
        let bitmaps: Vec<Bitmap> = days.iter().map(|day| Bitmap::from_bytes(day)).collect();
        let views: Vec<View<'_>> = bitmaps.iter().map(View::Chunked).collect();
        let pairs = || days[0].iter().zip(&days[1]);
        for (op, sources, want, reach) in [
            (Op::And, 2, ones_of(pairs().map(|(a, b)| a & b)), and_reach),
            (
                Op::Or,
                2,
                ones_of(pairs().map(|(a, b)| a | b)),
                Some(1500.0),
            ),
            (
                Op::Xor,
                2,
                ones_of(pairs().map(|(a, b)| a ^ b)),
                Some(1500.0),
            ),
            (
                Op::One,
                2,
                ones_of(pairs().map(|(a, b)| a ^ b)),
                Some(1500.0),
            ),
            (Op::Diff, 2, ones_of(pairs().map(|(a, b)| a & !b)), None),
            (
                Op::Not,
                1,
                ones_of(days[0].iter().map(|a| !a)),
                Some(1500.0),
            ),
            (
                Op::Or,
                7,
                ones_of(
                    (0..days[0].len()).map(|at| days.iter().fold(0, |byte, day| byte | day[at])),
                ),
                None,
            ),
        ] {
            let mut result = Bitmap::new();
            let time = best(|| {
                result = combine(op, &views[..sources]);
                assert_eq!(result.ones(), want);
            });
            report(
                format!("{op:?} of {sources} x 100 M bits, {name}, then count"),
                micros(time),
                "us",
                reach,
            );
        }
    }
}

/// Two dense operands of 4 G bits, by one thread and by two. The time on the clock, not that of the processor.
fn threads() {
    const BITS: u64 = 4_000_000_000;
    let mut random = Random::new(6);
    let operands: Vec<Bitmap> = (0..2)
        .map(|_| {
            let mut bitmap = Bitmap::new();
            for at in (0..BITS / 8).step_by(1 << 24) {
                let bits = (BITS - at * 8).min(1 << 27);
                bitmap.write(at, &random_bytes(bits, 500, &mut random));
            }
            bitmap
        })
        .collect();
    let views: Vec<View<'_>> = operands.iter().map(View::Chunked).collect();
    let both = operands[0].ones() + operands[1].ones();
    let xor = |and: u64| both - 2 * and;
    let and = count_combined(Op::And, &views, u64::MAX, 1);
    two_threads("count of XOR", |threads| {
        let start = Instant::now();
        let got = count_combined(Op::Xor, &views, u64::MAX, threads);
        let took = start.elapsed();
        assert_eq!(got, xor(and));
        took
    });
    // Into memory that a result before it had, as in a server that has run for a while. Freeing that one is not counted:
    // the server does it where nobody waits.
    two_threads("XOR", |threads| {
        let start = Instant::now();
        let got = combine_on(threads, Op::Xor, &views);
        let took = start.elapsed();
        assert_eq!(got.ones(), xor(and));
        took
    });
}

/// Prints how long `run` takes on one thread and on two, asked in turn, and the ratio; medians of seven rounds.
fn two_threads(what: &str, run: impl Fn(usize) -> Duration) {
    let rounds: Vec<[f64; 2]> = (0..7)
        .map(|_| [1, 2].map(|threads| run(threads).as_secs_f64() * 1e3))
        .collect();
    let median = |of: &dyn Fn(&[f64; 2]) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let name = format!("{what} of 2 x 4 G bits, dense");
    report(
        format!("{name}: one thread"),
        median(&|it| it[0]),
        "ms",
        None,
    );
    report(
        format!("{name}: two threads"),
        median(&|it| it[1]),
        "ms",
        None,
    );
    println!(
        "  {name}: two threads are {:.2} times one",
        median(&|it| it[0] / it[1])
    );
}

fn count_and_find() {
    let mut random = Random::new(2);
    let bits = 1_000_000_000;
    let bytes = random_bytes(bits, 20, &mut random);
    let mut ones_before = vec![0u32];
    for chunk in bytes.chunks(1000) {
        ones_before.push(ones_before.last().unwrap() + ones_of(chunk.iter().copied()) as u32);
    }
    let bitmap = Bitmap::from_bytes(&bytes);
    println!("{:?}", bitmap.shape());
    let ranges: Vec<(u64, u64)> = (0..100_000)
        .map(|_| (random.below(bits / 8000), random.below(bits / 8000)))
        .map(|(a, b)| (a.min(b), a.max(b)))
        .collect();
    let mut turn = ranges.iter().cycle();
    let time = best(|| {
        let (start, end) = turn.next().unwrap();
        let got = bitmap.count(start * 8000..end * 8000);
        assert_eq!(
            got,
            u64::from(ones_before[*end as usize] - ones_before[*start as usize])
        );
    });
    report(
        "count of a random range of 1 G bits, 20 M ones",
        micros(time),
        "us",
        Some(1.0),
    );
    let time = best(|| assert_eq!(bitmap.ones(), u64::from(*ones_before.last().unwrap())));
    report("count of the whole", micros(time), "us", Some(1.0));

    let mut only = Bitmap::new();
    only.set(99_999_999, true);
    let time = best(|| assert_eq!(only.find(true, 0..u64::MAX), Some(99_999_999)));
    report(
        "find the only one, at 99,999,999",
        micros(time),
        "us",
        Some(1.0),
    );
    let full = combine(
        Op::Not,
        &[View::Chunked(&{
            let mut zeros = Bitmap::new();
            zeros.grow(12_500_000);
            zeros.set(99_999_998, true);
            zeros
        })],
    );
    let time = best(|| assert_eq!(full.find(false, 0..u64::MAX), Some(99_999_998)));
    report(
        "find the only zero, at 99,999,998",
        micros(time),
        "us",
        Some(1.0),
    );
}

/// A million sets and as many gets at each of these densities, in millionths. Each million changes a chunk 65 times, so
/// what the gate does now and then is in the average.
const DENSITIES: [u64; 14] = [
    0, 100, 500, 2000, 5000, 8000, 12_000, 16_000, 25_000, 50_000, 100_000, 200_000, 300_000,
    500_000,
];

fn set_and_get() {
    let bits = 1_000_000_000;
    let mut random = Random::new(3);
    let mut model = vec![0u8; bits as usize / 8];
    let mut ones = 0u64;
    let (mut worst_set, mut worst_get) = (0f64, 0f64);
    let flag = |bit: u64| 0x80u8 >> (bit % 8);
    for density in DENSITIES {
        while ones < bits / 1_000_000 * density {
            let bit = random.below(bits);
            ones += u64::from(model[(bit / 8) as usize] & flag(bit) == 0);
            model[(bit / 8) as usize] |= flag(bit);
        }
        let mut bitmap = Bitmap::from_bytes(&model);
        let batch: Vec<u64> = (0..1_000_000).map(|_| random.below(bits)).collect();
        let start = cpu_time();
        let got: u64 = batch.iter().map(|bit| u64::from(bitmap.get(*bit))).sum();
        let get = (cpu_time() - start).as_nanos() as f64 / batch.len() as f64;
        assert_eq!(
            got,
            batch
                .iter()
                .filter(|bit| model[(**bit / 8) as usize] & flag(**bit) != 0)
                .count() as u64
        );
        let start = cpu_time();
        let old: u64 = batch
            .iter()
            .map(|bit| u64::from(bitmap.set(*bit, true)))
            .sum();
        let set = (cpu_time() - start).as_nanos() as f64 / batch.len() as f64;
        assert_eq!(bitmap.ones(), ones + batch.len() as u64 - old);
        let start = cpu_time();
        batch
            .iter()
            .for_each(|bit| model[(bit / 8) as usize] |= flag(*bit));
        let flat = (cpu_time() - start).as_nanos() as f64 / batch.len() as f64;
        ones = bitmap.ones();
        (worst_set, worst_get) = (worst_set.max(set), worst_get.max(get));
        println!(
            "  from {:8.4} %: set {set:6.1} ns, get {get:6.1} ns (a plain byte in 125 MB {flat:5.1}), {:6.1} MB",
            density as f64 / 1e4,
            bitmap.heap_bytes() as f64 / 1e6
        );
    }
    report(
        "set a random bit of 1 G, empty to 50 %: the slowest million",
        worst_set,
        "ns",
        Some(250.0),
    );
    report(
        "get a random bit of 1 G, the same: the slowest million",
        worst_get,
        "ns",
        Some(60.0),
    );
}

fn small() {
    let mut random = Random::new(4);
    let count = 10_000;
    let bitmaps: Vec<Bitmap> = (0..count)
        .map(|_| {
            let mut bitmap = Bitmap::new();
            (0..30).for_each(|_| _ = bitmap.set(random.below(37_000_000), true));
            bitmap
        })
        .collect();
    let heap: usize = bitmaps
        .iter()
        .map(|bitmap| bitmap.heap_bytes() + size_of::<Bitmap>())
        .sum();
    report(
        "30 ones over 37 M positions: memory of a bitmap",
        heap as f64 / count as f64,
        "B",
        Some(600.0),
    );
    let time = best(|| {
        let mut bitmap = Bitmap::new();
        (0..30).for_each(|_| _ = bitmap.set(random.below(37_000_000), true));
        bitmap
    });
    report(
        "30 ones over 37 M positions: time of a SETBIT",
        micros(time) / 30.0 * 1000.0,
        "ns",
        None,
    );
    let mut most = 0;
    for _ in 0..count {
        let mut bitmap = Bitmap::new();
        bitmap.set(random.below(65_536), true);
        most = most.max(bitmap.heap_bytes());
    }
    report(
        "one bit below 65,536: memory besides the 16 bytes",
        most as f64,
        "B",
        Some(32.0),
    );
    for len in [130, 300, 500, 1000, 4000] {
        let text: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        let heap = Bitmap::from_bytes(&text).heap_bytes() as f64;
        report(
            format!("{len} bytes of text: memory over its length"),
            heap / len as f64,
            "",
            None,
        );
    }
}

fn dense() {
    let mut random = Random::new(5);
    let bytes = random_bytes(DAY, 500, &mut random);
    let mut bitmap = Bitmap::new();
    let time = best(|| bitmap = Bitmap::from_bytes(&bytes));
    assert!(View::Chunked(&bitmap) == View::Flat(&bytes));
    report("12.5 MB of noise, from bytes", micros(time), "us", None);
    report(
        "12.5 MB of noise: memory over flat",
        bitmap.heap_bytes() as f64 / bytes.len() as f64,
        "",
        Some(1.03),
    );
    let mut into = vec![0; bytes.len()];
    let time = best(|| bitmap.read(0, &mut into));
    assert!(into == bytes);
    report("12.5 MB of noise, read back", micros(time), "us", None);
    let time = best(|| bitmap.clone());
    report("12.5 MB of noise, copied", micros(time), "us", None);
}

fn realdata() {
    let Ok(dir) = std::env::var("BITMAPD_REALDATA") else {
        println!("skipped: BITMAPD_REALDATA is not set");
        return;
    };
    let mut sets: Vec<_> = std::fs::read_dir(dir)
        .expect("a directory")
        .map(|entry| entry.unwrap().path())
        .collect();
    sets.sort();
    for set in sets {
        let name = set.file_name().unwrap().to_string_lossy().into_owned();
        let lists: Vec<Vec<u64>> = std::fs::read_dir(&set)
            .expect("a folder a set")
            .map(|file| {
                let text = std::fs::read_to_string(file.unwrap().path()).expect("text");
                text.trim()
                    .split(',')
                    .map(|one| one.trim().parse().expect("a position"))
                    .collect()
            })
            .collect();
        let ones: usize = lists.iter().map(Vec::len).sum();
        let start = Instant::now();
        let bitmaps: Vec<Bitmap> = lists
            .iter()
            .map(|list| {
                let mut bitmap = Bitmap::new();
                list.iter().for_each(|one| _ = bitmap.set(*one, true));
                bitmap
            })
            .collect();
        let time = start.elapsed().as_nanos() as f64 / ones as f64;
        for (bitmap, list) in bitmaps.iter().zip(&lists) {
            assert_eq!(bitmap.ones(), list.len() as u64);
        }
        let heap: usize = bitmaps
            .iter()
            .map(|bitmap| bitmap.heap_bytes() + size_of::<Bitmap>())
            .sum();
        let flat: u64 = bitmaps.iter().map(Bitmap::len).sum();
        let roaring: u64 = lists.iter().map(|list| portable_roaring(list)).sum();
        let chunks: usize = lists
            .iter()
            .map(|list| list.chunk_by(|a, b| a >> 16 == b >> 16).count())
            .sum();
        println!(
            "  {name}: {} bitmaps, {ones} ones, {chunks} chunks, flat {flat} B, Roaring {roaring} B",
            lists.len()
        );
        let reach = roaring as f64 * 1.2;
        report(
            format!("{name}: memory, set bit by bit"),
            heap as f64,
            "B",
            Some(reach),
        );
        report(
            format!("{name}: memory over Roaring's"),
            heap as f64 / roaring as f64,
            "",
            Some(1.2),
        );
        report(format!("{name}: time of a SETBIT"), time, "ns", None);
        let views: Vec<View<'_>> = bitmaps.iter().map(View::Chunked).collect();
        report(
            format!("{name}: OR of all"),
            micros(best(|| combine(Op::Or, &views))),
            "us",
            None,
        );
        let pairs = best(|| {
            views
                .windows(2)
                .map(|pair| combine(Op::And, pair).ones())
                .sum::<u64>()
        });
        report(
            format!("{name}: AND of each with the next, counted"),
            micros(pairs),
            "us",
            None,
        );
    }
}

/// The size of these ones in Roaring's portable format with runs optimised.
fn portable_roaring(list: &[u64]) -> u64 {
    let (mut size, mut chunks, mut any_run) = (0, 0u64, false);
    for chunk in list.chunk_by(|a, b| a >> 16 == b >> 16) {
        let runs = chunk.chunk_by(|a, b| a + 1 == *b).count() as u64;
        let plain = (2 * chunk.len() as u64).min(8192);
        any_run |= 2 + 4 * runs < plain;
        size += plain.min(2 + 4 * runs);
        chunks += 1;
    }
    let header = if any_run { 4 + chunks.div_ceil(8) } else { 8 };
    let offsets = if any_run && chunks < 4 { 0 } else { 4 * chunks };
    size + header + 4 * chunks + offsets
}
