//! What the benchmarks share: a clock that counts this thread's own time, random data, a line of the report.
//!
//! A benchmark here knows its answers: what is timed is checked, so a wrong result never becomes a good number.

// Each benchmark uses a part of this.
#![allow(dead_code)]

#[path = "../../tests/support/random.rs"]
mod random;

use std::fmt::Display;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::unistd::gettid;

pub use random::Random;

/// The words on the command line that are no options.
pub fn words() -> Vec<String> {
    let words = std::env::args().skip(1);
    words.filter(|word| !word.starts_with('-')).collect()
}

/// Whether something of this name is to be run: all is where there are no [`words`], else what contains one of them.
pub fn wanted(name: &str) -> bool {
    let words = words();
    words.is_empty() || words.iter().any(|word| name.contains(word.as_str()))
}

/// The real Redis: the one the environment names, or the one that tests/run has fetched.
pub fn reference() -> Option<PathBuf> {
    if let Some(binary) = std::env::var_os("REDIS_REFERENCE") {
        return Some(binary.into());
    }
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.tools/reference/redis-server");
    fetched.is_file().then_some(fetched)
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
    let mut noise = Random::new(seed);
    let mut bytes = vec![0; bits.div_ceil(8) as usize];
    for _ in 0..ones {
        let bit = noise.below(bits);
        bytes[(bit / 8) as usize] |= 0x80 >> (bit % 8);
    }
    bytes
}

/// Has the system's scheduler treat the calling thread by another policy.
pub fn schedule(policy: &str, priority: u32) {
    let mut chrt = Command::new("chrt");
    chrt.args([
        policy,
        "--pid",
        &priority.to_string(),
        &gettid().to_string(),
    ]);
    if !chrt.status().is_ok_and(|status| status.success()) {
        eprintln!("a thread of the load could not be scheduled by {policy}");
    }
}
