//! SETBIT from fifty connections, one request at a time each, under every `appendfsync` and without a log.

use std::path::Path;

use crate::load::append;
use crate::server::{CORE, LOAD_CORE, Server, pin_thread};
use crate::support::Random;
use crate::swarm::{Script, Swarm};

const CONNECTIONS: usize = 50;

/// Rounds that count. One goes before them.
const ROUNDS: usize = 7;

/// Requests of a round where the table is to be filled well.
pub const REQUESTS: usize = 100_000;

/// Under `always` a request waits for the disk, and a round would take minutes.
const FEWER: usize = 4;

/// The settings, the first of which the others are held against.
const SETTINGS: [(&str, &[&str]); 4] = [
    ("no log", &["--appendonly", "no"]),
    ("no", &["--appendonly", "yes", "--appendfsync", "no"]),
    (
        "everysec",
        &["--appendonly", "yes", "--appendfsync", "everysec"],
    ),
    (
        "always",
        &["--appendonly", "yes", "--appendfsync", "always"],
    ),
];

/// One server under one setting, and what its rounds came to.
struct Subject {
    server: Server,
    swarm: Swarm,
    requests: usize,
    /// Requests a second; one for each round.
    speed: Vec<f64>,
    /// CPU time of the server for a request, in microseconds; one for each round.
    cpu: Vec<f64>,
}

impl Subject {
    fn start(binary: &Path, flags: &[&str], requests: usize) -> Self {
        let flags = [flags, &["--auto-aof-rewrite-percentage", "0"]].concat();
        let server = Server::start_on(&CORE.to_string(), binary, &flags);
        Self {
            swarm: Swarm::open(server.port(), CONNECTIONS),
            server,
            requests,
            speed: Vec::new(),
            cpu: Vec::new(),
        }
    }

    fn run(&mut self, round: usize) -> u64 {
        let script = script(self.requests, round);
        let before = self.server.cpu_ns();
        let result = self.swarm.run(&script);
        let cpu_ns = self.server.cpu_ns() - before;
        if round > 0 {
            self.speed.push(self.requests as f64 / result.seconds);
            self.cpu.push(cpu_ns as f64 / 1e3 / self.requests as f64);
        }
        result.sum
    }
}

/// Random bits of 64 keys, half of which the request changes; each connection has keys of its own, so that what is answered
/// does not depend on whose request comes first.
fn script(requests: usize, round: usize) -> Script {
    let pipelines = (0..CONNECTIONS).map(|connection| {
        let mut noise = Random::new((round * CONNECTIONS + connection) as u64);
        let request = |_| {
            let key = format!("bits:{connection}:{}", noise.below(64));
            let (bit, on) = (noise.below(100_000), noise.below(2));
            let (bit, on) = (bit.to_string(), on.to_string());
            let mut request = Vec::new();
            let words = [
                b"SETBIT".as_slice(),
                key.as_bytes(),
                bit.as_bytes(),
                on.as_bytes(),
            ];
            append(&mut request, &words);
            request
        };
        (0..requests / CONNECTIONS).map(request).collect()
    });
    Script {
        pipelines: pipelines.collect(),
        lines: 1,
    }
}

/// The one in the middle.
fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The median of what the rounds of one come to beside the same rounds of another.
fn beside(one: &[f64], other: &[f64]) -> f64 {
    median(one.iter().zip(other).map(|(one, other)| one / other))
}

/// Runs all settings on both servers in turn, round by round, and prints the table: medians of the rounds, and of the
/// ratios within a round.
pub fn print(redis: &Path, requests: usize) {
    pin_thread(LOAD_CORE);
    let ours: &Path = env!("CARGO_BIN_EXE_bitmapd").as_ref();
    let mut subjects: Vec<[Subject; 2]> = SETTINGS
        .iter()
        .map(|(name, flags)| {
            let requests = match *name {
                "always" => requests / FEWER,
                _ => requests,
            };
            [ours, redis].map(|binary| Subject::start(binary, flags, requests))
        })
        .collect();
    for round in 0..=ROUNDS {
        for ([ours, theirs], (name, _)) in subjects.iter_mut().zip(SETTINGS) {
            let sums = [ours.run(round), theirs.run(round)];
            assert_eq!(sums[0], sums[1], "{name}: both answer the same");
        }
    }
    println!(
        "| SETBIT, {CONNECTIONS} connections; appendfsync | requests/s | Redis | ratio | CPU, us | Redis | ratio | speed of no log | Redis |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let [our_best, their_best] = &subjects[0];
    for ([ours, theirs], (name, _)) in subjects.iter().zip(SETTINGS) {
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            median(ours.speed.iter().copied()),
            median(theirs.speed.iter().copied()),
            beside(&ours.speed, &theirs.speed),
            median(ours.cpu.iter().copied()),
            median(theirs.cpu.iter().copied()),
            beside(&ours.cpu, &theirs.cpu),
            beside(&ours.speed, &our_best.speed),
            beside(&theirs.speed, &their_best.speed),
        );
    }
}
