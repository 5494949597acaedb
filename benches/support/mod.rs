//! What the benchmarks share: a clock that counts this thread's own time, random data, a line of the report.
//!
//! A benchmark here knows its answers: what is timed is checked, so a wrong result never becomes a good number.

// Each benchmark uses a part of this.
#![allow(dead_code)]

use std::fmt::Display;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// SplitMix64: the same sequence on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}

/// The time this thread has spent on a CPU. The kernel keeps it; it is good to some microseconds, so what is timed by it
/// has to take milliseconds.
pub fn cpu_time() -> Duration {
    std::thread::yield_now(); // so that the kernel brings its account up to date
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(
        stat.split(' ')
            .next()
            .and_then(|ns| ns.parse().ok())
            .expect("nanoseconds"),
    )
}

/// One run of `work`, `times` over, on the CPU clock.
pub fn timed<R>(times: u32, mut work: impl FnMut() -> R) -> Duration {
    let start = cpu_time();
    for _ in 0..times {
        black_box(work());
    }
    (cpu_time() - start) / times
}

/// The best of five runs of at least 40 ms each, for one `work`.
pub fn best<R>(mut work: impl FnMut() -> R) -> Duration {
    let once = Instant::now();
    black_box(work());
    let times = (40_000_000 / once.elapsed().as_nanos().max(1)).clamp(1, 10_000_000) as u32;
    (0..5)
        .map(|_| timed(times, &mut work))
        .min()
        .expect("five runs")
}

/// One line: what, the measured value, what it should reach, and whether it does.
pub fn report(what: impl Display, value: f64, unit: &str, reach: Option<f64>) {
    let verdict = match reach {
        None => String::new(),
        Some(reach) if value <= reach => format!("   reach {reach} {unit}: yes"),
        Some(reach) => format!("   reach {reach} {unit}: NO"),
    };
    println!("{what:<66} {value:>12.3} {unit:<3}{verdict}");
}

pub fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

/// A flat bitmap of `bits` bits, `ones` of them one (fewer where two fall on the same place).
pub fn scattered(bits: u64, ones: u64, seed: u64) -> Vec<u8> {
    let mut noise = Random(seed);
    let mut bytes = vec![0; bits.div_ceil(8) as usize];
    for _ in 0..ones {
        let bit = noise.below(bits);
        bytes[(bit / 8) as usize] |= 0x80 >> (bit % 8);
    }
    bytes
}
