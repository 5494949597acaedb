//! How long single writes wait, and how much memory is added, while a background save runs under full write load: on
//! bitmapd and on the real Redis.
//!
//! ```text
//! REDIS_REFERENCE=/path/to/redis-server cargo bench --bench saving [-- KEYS [MEGABYTES]]
//! ```
//!
//! Twice each: `KEYS` small keys (10 million), then dense bitmaps of 512 MB, `MEGABYTES` in all (1024). One client pipelines
//! SETBITs of random keys or bits, fifty at a time, as fast as they are answered; two others time SETBITs one by one, first
//! for some seconds without a save, then until the save ends. Memory is what the processes hold resident at most while it
//! runs, beyond what they held before; for Redis, which saves in a child, what the two do not share (rdb_last_cow_size).
//!
//! The timed clients come before everything else that wants a core (`chrt --fifo`), and the one that writes most comes last
//! (`--idle`): in life they would be on other machines.
//!
//! With 4,000,000 keys and 512 MB on two cores (`-- 4000000 512`): the longest of 57,041 single writes beside a save of the keys
//! took 11.1 ms (4.2 without a save), of 67,676 beside a save of the bitmap 5.2 ms (4.5); Redis, whose saves are another
//! process's, 8.2 and 8.6 ms. The saves took 0.8 and 2.3 s, Redis's 4.2 and 4.0; memory grew by 1 and 354 MB, Redis's by 308
//! and 1. 99 of 100 writes were answered in 0.1 and 1 ms. In three more runs the longest took 4.6 to 5.4 and 6.3 to 8.5 ms, in
//! earlier ones 14 beside a gigabyte, 19 beside 10,000,000 keys, and 3 to 19 with no save at all.

#[path = "versus_redis/load.rs"]
#[allow(dead_code, reason = "shared with a program that uses all of it")]
mod load;
#[path = "versus_redis/server.rs"]
#[allow(dead_code, reason = "as above")]
mod server;
mod support;

use std::env;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use load::{Load, append};
use server::Server;
use support::{Random, reference, schedule};

/// Bytes of one dense bitmap.
const DENSE: u64 = 512 << 20;

/// Requests that the load sends together.
const DEPTH: usize = 50;

/// How long is timed without a save.
const QUIET: Duration = Duration::from_secs(3);

/// What is held, and so what is written to.
#[derive(Clone, Copy)]
enum Data {
    Small(u64),
    Dense(u64),
}

impl Data {
    fn fill(self, server: &Server) {
        let mut load = server.connect();
        match self {
            Data::Small(keys) => {
                load.ask(&[
                    b"DEBUG",
                    b"POPULATE",
                    keys.to_string().as_bytes(),
                    b"key",
                    b"16",
                ]);
            }
            Data::Dense(bitmaps) => {
                let mut noise = Random::new(1);
                let block: Vec<u8> = (0..(1 << 20) / 8)
                    .flat_map(|_| noise.next().to_ne_bytes())
                    .collect();
                for bitmap in 0..bitmaps {
                    let key = format!("dense:{bitmap}");
                    for at in (0..DENSE).step_by(block.len()) {
                        let at = at.to_string();
                        load.ask(&[b"SETRANGE", key.as_bytes(), at.as_bytes(), &block]);
                    }
                }
            }
        }
    }

    /// A bit of it: the key and the offset.
    fn pick(self, noise: &mut Random) -> (String, String) {
        match self {
            Data::Small(keys) => (format!("key:{}", noise.below(keys)), "7".into()),
            Data::Dense(bitmaps) => (
                format!("dense:{}", noise.below(bitmaps)),
                noise.below(DENSE * 8).to_string(),
            ),
        }
    }
}

fn main() {
    let numbers: Vec<u64> = env::args().filter_map(|word| word.parse().ok()).collect();
    let keys = numbers.first().copied().unwrap_or(10_000_000);
    let bitmaps = numbers.get(1).copied().unwrap_or(1024) / (DENSE >> 20);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let all = format!("0-{}", cores - 1);
    println!(
        "microseconds                       requests      p50      p99    p99.9       max   seconds    before MB    added MB  pipelined"
    );
    let ours = Path::new(env!("CARGO_BIN_EXE_bitmapd")).to_owned();
    for (name, data) in [
        ("small", Data::Small(keys)),
        ("dense", Data::Dense(bitmaps)),
    ] {
        for (server, binary) in [("bitmapd", Some(ours.clone())), ("Redis", reference())] {
            let Some(binary) = binary else {
                println!(
                    "{server}: none to compare with; run tests/run once, or set REDIS_REFERENCE"
                );
                continue;
            };
            run(
                &format!("{server}, {name}"),
                &Server::start_on(&all, &binary, &[]),
                data,
            );
        }
    }
}

fn run(name: &str, server: &Server, data: Data) {
    data.fill(server);
    let saving = AtomicBool::new(false);
    let stop = AtomicBool::new(false);
    let pipelined = AtomicU64::new(0);
    thread::scope(|scope| {
        let (saving, stop, pipelined) = (&saving, &stop, &pipelined);
        scope.spawn(move || {
            schedule("--idle", 0);
            pipeline(&mut server.connect(), data, stop, pipelined);
        });
        let timed: Vec<_> = (0..2)
            .map(|seed| {
                scope.spawn(move || {
                    schedule("--fifo", 1);
                    time(&mut server.connect(), data, seed, saving, stop)
                })
            })
            .collect();
        thread::sleep(QUIET);
        let before = server.resident();
        pipelined.store(0, Ordering::Relaxed);
        saving.store(true, Ordering::Relaxed);
        let start = Instant::now();
        let mut control = server.connect();
        control.ask(&[b"BGSAVE"]);
        let mut most = before;
        while field(&mut control, "rdb_bgsave_in_progress") != 0 {
            most = most.max(server.resident());
            thread::sleep(Duration::from_millis(5));
        }
        let took = start.elapsed();
        let written = pipelined.load(Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        let added = (most - before).max(field(&mut control, "rdb_last_cow_size"));
        let ok = control.ask(&[b"INFO", b"persistence"]);
        assert!(String::from_utf8_lossy(&ok).contains("rdb_last_bgsave_status:ok"));
        let (mut quiet, mut busy) = (Vec::new(), Vec::new());
        for client in timed {
            let (a, b) = client.join().expect("a client that finishes");
            quiet.extend(a);
            busy.extend(b);
        }
        report(&format!("{name}, without a save"), quiet, String::new());
        let mb = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let rest = format!(
            "{:>9.1} {:>12.0} {:>11.0} {written:>10}",
            took.as_secs_f64(),
            mb(before),
            mb(added)
        );
        report(&format!("{name}, saving"), busy, rest);
    });
}

fn pipeline(load: &mut Load, data: Data, stop: &AtomicBool, done: &AtomicU64) {
    let mut noise = Random::new(77);
    while !stop.load(Ordering::Relaxed) {
        let mut requests = Vec::new();
        for _ in 0..DEPTH {
            let (key, bit) = data.pick(&mut noise);
            append(
                &mut requests,
                &[b"SETBIT", key.as_bytes(), bit.as_bytes(), b"1"],
            );
        }
        load.pipeline(&requests, DEPTH);
        done.fetch_add(DEPTH as u64, Ordering::Relaxed);
    }
}

/// Latencies in nanoseconds of SETBITs that began before the save, and of those that began after.
fn time(
    load: &mut Load,
    data: Data,
    seed: u64,
    saving: &AtomicBool,
    stop: &AtomicBool,
) -> (Vec<u64>, Vec<u64>) {
    let mut noise = Random::new(seed);
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let (key, bit) = data.pick(&mut noise);
        let into = if saving.load(Ordering::Relaxed) {
            &mut busy
        } else {
            &mut quiet
        };
        let start = Instant::now();
        load.ask(&[b"SETBIT", key.as_bytes(), bit.as_bytes(), b"0"]);
        into.push(start.elapsed().as_nanos() as u64);
    }
    (quiet, busy)
}

fn field(load: &mut Load, name: &str) -> u64 {
    let info = load.ask(&[b"INFO", b"persistence"]);
    let info = String::from_utf8_lossy(&info);
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("INFO persistence has no {name}"))
}

fn report(name: &str, mut latencies: Vec<u64>, rest: String) {
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies[index.min(latencies.len() - 1)] as f64 / 1000.0
    };
    println!(
        "{name:<32} {:>10} {:>8.0} {:>8.0} {:>8.0} {:>9.0} {rest}",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
    );
}
