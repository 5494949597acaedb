//! Mixed commands for a long time: does the memory stay what it was?
//!
//! Runs the program, has clients send random commands of every family to it, and prints what it holds twenty times. The
//! keys are as many from beginning to end, and so should be the memory: the mean of the last quarter is held to that of the
//! second. Fails if it grew by more than a tenth.
//!
//! ```text
//! cargo bench --bench soak                     20 seconds
//! SOAK_SECONDS=1800 cargo bench --bench soak   half an hour
//! ```
//!
//! Half an hour on two cores (2026-11-21, builds and benchmarks beside it): 410 million requests, 21.1 MB in the second quarter
//! and 22.6 in the last, of which what was allocated was 3 MB throughout; the rest is what the allocator keeps.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

#[path = "../tests/support/random.rs"]
mod random;

use random::Random;

/// Clients at once.
const CLIENTS: u64 = 4;

/// Keys there may be.
const KEYS: u64 = 2000;

/// Requests in one pipeline.
const PIPELINE: usize = 32;

/// How often the memory is looked at.
const LOOKS: u32 = 20;

struct Server(Child);

impl Server {
    /// Bytes the process holds.
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes
            .expect("it is told")
            .parse::<u64>()
            .expect("a number")
            * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().expect("it ran");
        self.0.wait().expect("it ended");
    }
}

/// One request, at random.
fn request(random: &mut Random) -> String {
    let key = format!("key:{}", random.below(KEYS));
    let other = format!("key:{}", random.below(KEYS));
    let bit = match random.below(50) {
        0 => random.below(1 << 32),
        1..10 => random.below(1 << 22),
        _ => random.below(1 << 17),
    };
    match random.below(40) {
        0..12 => format!("SETBIT {key} {bit} {}", random.below(2)),
        12..18 => format!("GETBIT {key} {bit}"),
        18 | 19 => format!("BITCOUNT {key}"),
        20 => format!("BITPOS {key} 1 {}", random.below(1000)),
        21 => format!(
            "BITOP {} {key} {other} {key}",
            ["AND", "OR", "XOR", "ONE"][random.below(4) as usize]
        ),
        22 | 23 => format!(
            "BITFIELD {key} SET u13 {} 77 INCRBY i9 #5 3",
            bit % (1 << 22)
        ),
        24..27 => format!(
            "SET {key} {:x>len$} EX 60",
            "",
            len = random.below(3000) as usize
        ),
        27 => format!("APPEND {key} {}", random.below(1_000_000)),
        28 => format!("SETRANGE {key} {} abc", random.below(100_000)),
        29 => format!("GETRANGE {key} 0 100"),
        30..35 => format!("DEL {key}"),
        35 => format!("EXPIRE {key} {}", random.below(30)),
        36 => format!("COPY {key} {other} REPLACE"),
        37 => format!("RENAME {key} {other}"),
        38 => format!("MULTI\r\nSETBIT {key} 5 1\r\nGETBIT {other} 5\r\nEXEC"),
        _ => "INFO memory".into(),
    }
}

/// Reads one reply.
fn reply(from: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    from.read_line(&mut line).expect("a reply");
    let number = || line[1..].trim_end().parse::<i64>().expect("a number");
    match line.as_bytes()[0] {
        b'$' if number() >= 0 => {
            let mut bytes = vec![0; number() as usize + 2];
            from.read_exact(&mut bytes).expect("the rest");
        }
        b'*' => (0..number()).for_each(|_| reply(from)),
        _ => {}
    }
}

fn client(port: u16, seed: u64, over: &AtomicBool, requests: &AtomicU64) {
    let mut random = Random::new(seed);
    while !over.load(Ordering::Relaxed) {
        // Connections come and go.
        let mut to = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        let mut from = BufReader::new(to.try_clone().expect("another handle"));
        for _ in 0..200 {
            let batch: String = (0..PIPELINE)
                .map(|_| request(&mut random) + "\r\n")
                .collect();
            to.write_all(batch.as_bytes()).expect("the server reads");
            let lines = batch.matches("\r\n").count();
            (0..lines).for_each(|_| reply(&mut from));
            requests.fetch_add(lines as u64, Ordering::Relaxed);
            if over.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

fn main() {
    let seconds = env::var("SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(20));
    let port = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    let server = Server(
        Command::new(env!("CARGO_BIN_EXE_bitmapd"))
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts"),
    );
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        sleep(Duration::from_millis(10));
    }

    let (over, requests) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut resident = Vec::new();
    scope(|scope| {
        for seed in 0..CLIENTS {
            let (over, requests) = (&over, &requests);
            scope.spawn(move || client(port, seed, over, requests));
        }
        let start = Instant::now();
        for look in 1..=LOOKS {
            sleep((time * look / LOOKS).saturating_sub(start.elapsed()));
            resident.push(server.resident());
            println!(
                "{:>6} s {:>12} requests {:>8.1} MB",
                start.elapsed().as_secs(),
                requests.load(Ordering::Relaxed),
                server.resident() as f64 / 1e6
            );
        }
        over.store(true, Ordering::Relaxed);
    });

    let mean = |looks: &[u64]| looks.iter().sum::<u64>() as f64 / looks.len() as f64;
    let (before, after) = (mean(&resident[5..10]), mean(&resident[15..]));
    println!(
        "second quarter {:.1} MB, last {:.1} MB",
        before / 1e6,
        after / 1e6
    );
    assert!(after < before * 1.1, "the memory grew");
}
