//! How long a single GETBIT takes while other clients do the heaviest things there are, on bitmapd and on the real Redis.
//!
//! ```text
//! REDIS_REFERENCE=/path/to/redis-server cargo bench --bench tails [-- SECONDS [BITS [KEYS]]] [BITOP] [GET] [FLUSHDB] [SCAN]
//! cargo bench --bench tails -- [SECONDS [BITS]] OWN
//! cargo bench --bench tails -- [SECONDS [BITS]] [BITOPCARD] [BITEXPORT] [BITSCAN] [SETBITRANGE] [BITIMPORT] [GETBITS] [SETBITS]
//! ```
//!
//! All at once: BITOP over two dense bitmaps of `BITS` bits (2^32), GET of a 512 MB value, FLUSHDB ASYNC of `KEYS` keys (a
//! million) and their filling, SCAN over as many. Four clients meanwhile send one GETBIT after another, a millisecond
//! apart, to keys of their own. Named alone, only those heavy commands run. What is printed are the percentiles, and the histogram behind them.
//!
//! The longest of the commands that Redis does not have run where they are named, or all of them at once for `OWN`, on
//! bitmapd alone: BITOPCARD over the two dense bitmaps, BITEXPORT of one, BITSCAN of one in pages of a million, SETBITRANGE
//! over all of another, BITIMPORT with OR of what an eighth of one is as a serialization, GETBITS and SETBITS of 100,000
//! random offsets.
//!
//! Server and load share all cores, while in life the clients would be on other machines. So the threads of the heavy
//! clients run only where nothing else wants to (`chrt --idle`), and those that measure before all others (`chrt --fifo`,
//! which takes privileges; without them their figures hold the system's scheduler too, and this says so), and what a
//! heavy client receives it does not keep: half a gigabyte of memory for each reply of GET costs more of the machine than the
//! reply. What is left of the load shows in the rounds without it.

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

/// Clients whose requests are timed.
const TIMED: u64 = 4;

/// Their keys.
const KEYS: u64 = 100_000;

/// Between two requests of one client.
const PAUSE: Duration = Duration::from_millis(1);

fn main() {
    let numbers: Vec<u64> = env::args().filter_map(|word| word.parse().ok()).collect();
    let time = Duration::from_secs(numbers.first().copied().unwrap_or(10));
    let size = Size {
        bits: numbers.get(1).copied().unwrap_or(1 << 32),
        keys: numbers.get(2).copied().unwrap_or(1_000_000),
    };
    let named = |name: &str| env::args().any(|word| word == name);
    let some = |heavy: &[(&str, Heavy)], all: bool| -> Vec<Heavy> {
        let wanted = heavy.iter().filter(|(name, _)| all || named(name));
        wanted.map(|(_, work)| *work).collect()
    };
    let own = some(&OWN, named("OWN"));
    let mut both = some(&BOTH, false);
    if own.is_empty() && both.is_empty() {
        both = some(&BOTH, true);
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let cores = format!("0-{}", cores - 1);

    let ours = Path::new(env!("CARGO_BIN_EXE_bitmapd")).to_owned();
    let servers = [
        ("bitmapd", Some(ours), [both.clone(), own].concat()),
        ("Redis", reference(), both),
    ];
    let mut columns = Vec::new();
    for (name, binary, heavy) in servers {
        if heavy.is_empty() {
            continue;
        }
        let Some(binary) = binary else {
            println!("{name}: none to compare with; run tests/run once, or set REDIS_REFERENCE");
            continue;
        };
        let server = Server::start_on(&cores, &binary, &[]);
        fill(&server, size);
        columns.push((format!("{name}, alone"), measure(&server, time, size, &[])));
        columns.push((
            format!("{name}, in company"),
            measure(&server, time, size, &heavy),
        ));
    }
    report(&columns);
}

/// How much there is to do.
#[derive(Clone, Copy)]
struct Size {
    /// Of each operand of BITOP.
    bits: u64,
    /// Keys that are flushed, and keys that are scanned.
    keys: u64,
}

/// Works until told to stop, counting what it did.
type Heavy = fn(&mut Load, Size, &AtomicBool, &AtomicU64);

const BOTH: [(&str, Heavy); 4] = [
    ("BITOP", bitop),
    ("GET", get),
    ("FLUSHDB", flush),
    ("SCAN", scan),
];

/// Commands that Redis does not have.
const OWN: [(&str, Heavy); 7] = [
    ("BITOPCARD", bitopcard),
    ("BITEXPORT", bitexport),
    ("BITSCAN", bitscan),
    ("SETBITRANGE", setbitrange),
    ("BITIMPORT", bitimport),
    ("GETBITS", getbits),
    ("SETBITS", setbits),
];

fn fill(server: &Server, size: Size) {
    let mut load = server.connect();
    let mut noise = Random::new(1);
    for key in [b"dense:a", b"dense:b"] {
        let bytes: Vec<u8> = (0..size.bits / 64)
            .flat_map(|_| noise.next().to_ne_bytes())
            .collect();
        load.ask(&[b"SET", key, &bytes]);
    }
    load.ask(&[b"SETBIT", b"long", b"4294967295", b"1"]);
    many(&mut load, "bit", KEYS);
    load.ask(&[b"SELECT", b"1"]);
    many(&mut load, "scanned", size.keys);
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

fn bitop(load: &mut Load, _: Size, stop: &AtomicBool, done: &AtomicU64) {
    again(load, stop, done, |load| {
        load.ask(&[b"BITOP", b"XOR", b"dense:c", b"dense:a", b"dense:b"]);
    });
}

fn get(load: &mut Load, _: Size, stop: &AtomicBool, done: &AtomicU64) {
    let mut request = Vec::new();
    append(&mut request, &[b"GET", b"long"]);
    again(load, stop, done, |load| {
        load.send(&request);
        load.pass();
    });
}

fn flush(load: &mut Load, size: Size, stop: &AtomicBool, done: &AtomicU64) {
    load.ask(&[b"SELECT", b"2"]);
    again(load, stop, done, |load| {
        many(load, "flushed", size.keys);
        load.ask(&[b"FLUSHDB", b"ASYNC"]);
    });
}

fn scan(load: &mut Load, _: Size, stop: &AtomicBool, done: &AtomicU64) {
    load.ask(&[b"SELECT", b"1"]);
    let mut cursor = b"0".to_vec();
    again(load, stop, done, |load| {
        assert_eq!(load.ask(&[b"SCAN", &cursor, b"COUNT", b"1000"]), b"2");
        cursor = load.reply();
        (0..length(load)).for_each(|_| drop(load.reply()));
    });
}

/// The length of the array that comes next.
fn length(load: &mut Load) -> usize {
    let text = String::from_utf8(load.reply()).ok();
    text.and_then(|n| n.parse().ok()).expect("a length")
}

/// Asks one thing after another.
fn again(load: &mut Load, stop: &AtomicBool, done: &AtomicU64, mut ask: impl FnMut(&mut Load)) {
    while !stop.load(Ordering::Relaxed) {
        ask(load);
        done.fetch_add(1, Ordering::Relaxed);
    }
}

fn bitopcard(load: &mut Load, _: Size, stop: &AtomicBool, done: &AtomicU64) {
    again(load, stop, done, |load| {
        load.ask(&[b"BITOPCARD", b"XOR", b"2", b"dense:a", b"dense:b"]);
    });
}

fn bitexport(load: &mut Load, _: Size, stop: &AtomicBool, done: &AtomicU64) {
    again(load, stop, done, |load| {
        load.ask(&[b"BITEXPORT", b"dense:a"]);
    });
}

fn bitscan(load: &mut Load, _: Size, stop: &AtomicBool, done: &AtomicU64) {
    let mut cursor = b"0".to_vec();
    again(load, stop, done, |load| {
        load.ask(&[b"BITSCAN", b"dense:b", &cursor, b"COUNT", b"1000000"]);
        cursor = load.reply();
        let positions = length(load);
        load.sum(positions);
    });
}

fn setbitrange(load: &mut Load, size: Size, stop: &AtomicBool, done: &AtomicU64) {
    let last = (size.bits - 1).to_string();
    again(load, stop, done, |load| {
        load.ask(&[b"COPY", b"dense:a", b"range", b"REPLACE"]);
        load.ask(&[b"SETBITRANGE", b"range", b"1", last.as_bytes(), b"1"]);
    });
}

fn bitimport(load: &mut Load, size: Size, stop: &AtomicBool, done: &AtomicU64) {
    let last = (size.bits / 64).to_string();
    let part = load.ask(&[b"GETRANGE", b"dense:b", b"0", last.as_bytes()]);
    load.ask(&[b"SET", b"part", &part]);
    let blob = load.ask(&[b"BITEXPORT", b"part"]);
    again(load, stop, done, |load| {
        load.ask(&[b"BITIMPORT", b"imported", &blob, b"OR"]);
    });
}

fn getbits(load: &mut Load, size: Size, stop: &AtomicBool, done: &AtomicU64) {
    many_offsets(load, size, stop, done, &[b"GETBITS", b"dense:a"]);
}

fn setbits(load: &mut Load, size: Size, stop: &AtomicBool, done: &AtomicU64) {
    load.ask(&[b"COPY", b"dense:a", b"bits"]);
    many_offsets(load, size, stop, done, &[b"SETBITS", b"bits", b"1"]);
}

/// A hundred thousand random offsets behind these words; ten such requests in turn.
fn many_offsets(load: &mut Load, size: Size, stop: &AtomicBool, done: &AtomicU64, words: &[&[u8]]) {
    let mut noise = Random::new(7);
    let requests: Vec<Vec<u8>> = (0..10)
        .map(|_| {
            let offsets: Vec<String> = (0..100_000)
                .map(|_| noise.below(size.bits).to_string())
                .collect();
            let offsets = offsets.iter().map(String::as_bytes);
            let words: Vec<&[u8]> = words.iter().copied().chain(offsets).collect();
            let mut request = Vec::new();
            append(&mut request, &words);
            request
        })
        .collect();
    let mut requests = requests.iter().cycle();
    again(load, stop, done, |load| {
        load.send(requests.next().expect("there is no end"));
        let reply = load.reply();
        if words[0] == b"GETBITS" {
            let bits = String::from_utf8(reply).ok().and_then(|n| n.parse().ok());
            load.sum(bits.expect("a length"));
        }
    });
}

/// Times single GETBITs while `heavy` runs. Returns the latencies in nanoseconds, sorted, and how many heavy commands ran.
fn measure(server: &Server, time: Duration, size: Size, heavy: &[Heavy]) -> Measured {
    let stop = AtomicBool::new(false);
    let done: Vec<AtomicU64> = heavy.iter().map(|_| AtomicU64::new(0)).collect();
    let mut latencies = thread::scope(|scope| {
        for (work, done) in heavy.iter().zip(&done) {
            let (mut load, stop) = (server.connect(), &stop);
            scope.spawn(move || {
                schedule("--idle", 0);
                work(&mut load, size, stop, done);
            });
        }
        thread::sleep(Duration::from_millis(200)); // until all are at it
        let timed: Vec<_> = (0..TIMED)
            .map(|seed| {
                let mut load = server.connect();
                scope.spawn(move || {
                    schedule("--fifo", 1);
                    let mut noise = Random::new(seed);
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
    Measured {
        latencies,
        heavy: done
            .iter()
            .map(|done| done.load(Ordering::Relaxed))
            .collect(),
    }
}

/// What some seconds came to.
struct Measured {
    /// Nanoseconds, sorted.
    latencies: Vec<u64>,
    /// How many heavy commands of each kind ran.
    heavy: Vec<u64>,
}

impl Measured {
    /// The latency that such a share of requests stays within, in microseconds.
    fn at(&self, share: f64) -> f64 {
        let index = (self.latencies.len() as f64 * share) as usize;
        self.latencies[index.min(self.latencies.len() - 1)] as f64 / 1000.0
    }

    /// How many requests took from one time to another, in microseconds.
    fn between(&self, from: u64, to: u64) -> usize {
        let below = |us: u64| self.latencies.partition_point(|ns| *ns < us * 1000);
        below(to) - below(from)
    }
}

fn report(columns: &[(String, Measured)]) {
    let line = |title: &str, cell: &dyn Fn(&Measured) -> String| {
        let cells: Vec<String> = columns.iter().map(|(_, measured)| cell(measured)).collect();
        println!("| {title} | {} |", cells.join(" | "));
    };
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    println!("| GETBIT, µs | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    for (title, share) in [
        ("p50", 0.5),
        ("p90", 0.9),
        ("p99", 0.99),
        ("p99.9", 0.999),
        ("max", 1.0),
    ] {
        line(title, &|measured| format!("{:.0}", measured.at(share)));
    }
    line("requests", &|measured| measured.latencies.len().to_string());
    let mut from = 0;
    let slowest = columns
        .iter()
        .map(|(_, measured)| measured.at(1.0) as u64)
        .max();
    for to in (6..40).map(|power| 1 << power) {
        line(&format!("{from} to {to} µs"), &|measured| {
            measured.between(from, to).to_string()
        });
        from = to;
        if Some(to) > slowest {
            break;
        }
    }
    line("heavy commands", &|measured| {
        format!("{:?}", measured.heavy)
    });
}
