//! How long a single GETBIT takes while other clients do the heaviest things there are, on bitmapd and on the real Redis.
//!
//! ```text
//! REDIS_REFERENCE=/path/to/redis-server cargo bench --bench tails [-- SECONDS [BITS]]
//! ```
//!
//! All at once: BITOP over two dense bitmaps of `BITS` bits (2^30), GET of a 512 MB value, FLUSHDB ASYNC of a hundred
//! thousand keys and their filling, SCAN over a million. Four clients meanwhile send one GETBIT after another, a
//! millisecond apart, to keys of their own. Servers and load share all cores, so a figure holds what the system's
//! scheduler makes of it too; the same rounds without the heavy clients show how much that is.

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
use server::{Server, reference};
use support::Random;

/// Clients whose requests are timed.
const TIMED: u64 = 4;

/// Their keys.
const KEYS: u64 = 100_000;

/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(1);

fn main() {
    let numbers: Vec<u64> = env::args().filter_map(|word| word.parse().ok()).collect();
    let time = Duration::from_secs(numbers.first().copied().unwrap_or(10));
    let bits = numbers.get(1).copied().unwrap_or(1 << 30);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let all = format!("0-{}", cores - 1);

    println!(
        "microseconds            requests      p50      p90      p99    p99.9       max   heavy commands"
    );
    let ours = Path::new(env!("CARGO_BIN_EXE_bitmapd")).to_owned();
    let servers = [("bitmapd", Some(ours)), ("Redis", reference())];
    for (name, binary) in servers {
        let Some(binary) = binary else {
            println!("{name}: none to compare with; run tests/run once, or set REDIS_REFERENCE");
            continue;
        };
        let server = Server::start_on(&all, &binary);
        fill(&server, bits);
        report(&format!("{name}, alone"), measure(&server, time, &[]));
        let heavy: &[Heavy] = &[bitop, get, flush, scan];
        report(
            &format!("{name}, in company"),
            measure(&server, time, heavy),
        );
    }
}

/// Works until told to stop, counting what it did.
type Heavy = fn(&mut Load, &AtomicBool, &AtomicU64);

fn fill(server: &Server, bits: u64) {
    let mut load = server.connect();
    let mut noise = Random(1);
    for key in [b"dense:a", b"dense:b"] {
        let bytes: Vec<u8> = (0..bits / 64)
            .flat_map(|_| noise.next().to_ne_bytes())
            .collect();
        load.ask(&[b"SET", key, &bytes]);
    }
    load.ask(&[b"SETBIT", b"long", b"4294967295", b"1"]);
    many(&mut load, "bit", KEYS);
    load.ask(&[b"SELECT", b"1"]);
    many(&mut load, "scanned", 1_000_000);
}

/// Sets one bit in each of so many keys.
fn many(load: &mut Load, name: &str, keys: u64) {
    const STEP: u64 = 1000;
    for from in (0..keys).step_by(STEP as usize) {
        let mut requests = Vec::new();
        for key in from..from + STEP {
            append(
                &mut requests,
                &[b"SETBIT", format!("{name}:{key}").as_bytes(), b"7", b"1"],
            );
        }
        load.pipeline(&requests, STEP as usize);
    }
}

fn bitop(load: &mut Load, stop: &AtomicBool, done: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        load.ask(&[b"BITOP", b"XOR", b"dense:c", b"dense:a", b"dense:b"]);
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn get(load: &mut Load, stop: &AtomicBool, done: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        load.ask(&[b"GET", b"long"]);
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn flush(load: &mut Load, stop: &AtomicBool, done: &AtomicU64) {
    load.ask(&[b"SELECT", b"2"]);
    while !stop.load(Ordering::Relaxed) {
        many(load, "flushed", 100_000);
        load.ask(&[b"FLUSHDB", b"ASYNC"]);
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn scan(load: &mut Load, stop: &AtomicBool, done: &AtomicU64) {
    load.ask(&[b"SELECT", b"1"]);
    let mut cursor = b"0".to_vec();
    while !stop.load(Ordering::Relaxed) {
        let mut request = Vec::new();
        append(&mut request, &[b"SCAN", &cursor, b"COUNT", b"1000"]);
        load.send(&request);
        assert_eq!(load.reply(), b"2");
        cursor = load.reply();
        let keys = String::from_utf8(load.reply())
            .ok()
            .and_then(|n| n.parse().ok());
        (0..keys.expect("a length")).for_each(|_: u64| drop(load.reply()));
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Times single GETBITs while `heavy` runs. Returns the latencies in nanoseconds, sorted, and how many heavy commands ran.
fn measure(server: &Server, time: Duration, heavy: &[Heavy]) -> (Vec<u64>, Vec<u64>) {
    let stop = AtomicBool::new(false);
    let done: Vec<AtomicU64> = heavy.iter().map(|_| AtomicU64::new(0)).collect();
    let mut latencies = thread::scope(|scope| {
        for (work, done) in heavy.iter().zip(&done) {
            let (mut load, stop) = (server.connect(), &stop);
            scope.spawn(move || work(&mut load, stop, done));
        }
        thread::sleep(Duration::from_millis(200)); // until all are at it
        let timed: Vec<_> = (0..TIMED)
            .map(|seed| {
                let mut load = server.connect();
                scope.spawn(move || {
                    let mut noise = Random(seed);
                    let mut latencies = Vec::new();
                    let end = Instant::now() + time;
                    while Instant::now() < end {
                        let key = format!("bit:{}", noise.below(KEYS));
                        let start = Instant::now();
                        let reply = load.ask(&[b"GETBIT", key.as_bytes(), b"7"]);
                        latencies.push(start.elapsed().as_nanos() as u64);
                        assert_eq!(reply, b"1");
                        thread::sleep(PAUSE);
                    }
                    latencies
                })
            })
            .collect();
        let latencies: Vec<u64> = timed
            .into_iter()
            .flat_map(|client| client.join().expect("a client that finishes"))
            .collect();
        stop.store(true, Ordering::Relaxed);
        latencies
    });
    latencies.sort_unstable();
    (
        latencies,
        done.iter()
            .map(|done| done.load(Ordering::Relaxed))
            .collect(),
    )
}

fn report(name: &str, (latencies, done): (Vec<u64>, Vec<u64>)) {
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies[index.min(latencies.len() - 1)] as f64 / 1000.0
    };
    println!(
        "{name:<22} {:>9} {:>8.0} {:>8.0} {:>8.0} {:>8.0} {:>9.0}   {done:?}",
        latencies.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0),
    );
}
