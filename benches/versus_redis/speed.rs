//! How long commands take.

use crate::load::{Load, append, scattered};
use crate::server::Server;
use crate::support::Random;
use crate::{Outcome, Row};

const ROUNDS: usize = 9;
const DAY: u64 = 100_000_000;
const BILLION: u64 = 1_000_000_000;

#[rustfmt::skip] // read by column
pub const ROWS: &[Row] = &[
    Row { name: "BITCOUNT, random byte ranges of 1 G bits with 20 M ones, depth 10", unit: "µs", run: bitcount_ranges },
    Row { name: "BITCOUNT, all of 1 G bits with 20 M ones, depth 10", unit: "µs", run: bitcount_whole },
    Row { name: "BITPOS, the only one of 100 M bits at the end, depth 10", unit: "µs", run: bitpos_far },
    Row { name: "BITOP AND, two of 100 M bits, 2 % ones", unit: "µs", run: |server| bitop(server, "AND", 2, 2) },
    Row { name: "BITOP OR, two of 100 M bits, 2 % ones", unit: "µs", run: |server| bitop(server, "OR", 2, 2) },
    Row { name: "BITOP XOR, two of 100 M bits, 2 % ones", unit: "µs", run: |server| bitop(server, "XOR", 2, 2) },
    Row { name: "BITOP NOT, one of 100 M bits, 2 % ones", unit: "µs", run: |server| bitop(server, "NOT", 1, 2) },
    Row { name: "BITOP ONE, two of 100 M bits, 2 % ones", unit: "µs", run: |server| bitop(server, "ONE", 2, 2) },
    Row { name: "BITOP AND, two of 100 M bits, half ones", unit: "µs", run: |server| bitop(server, "AND", 2, 69) },
    Row { name: "BITOP OR, two of 100 M bits, half ones", unit: "µs", run: |server| bitop(server, "OR", 2, 69) },
    Row { name: "BITOP XOR, two of 100 M bits, half ones", unit: "µs", run: |server| bitop(server, "XOR", 2, 69) },
    Row { name: "BITOP NOT, one of 100 M bits, half ones", unit: "µs", run: |server| bitop(server, "NOT", 1, 69) },
    Row { name: "BITOP ONE, two of 100 M bits, half ones", unit: "µs", run: |server| bitop(server, "ONE", 2, 69) },
    Row { name: "BITOP OR of seven days of 100 M bits, half ones, and BITCOUNT", unit: "µs", run: seven_days },
    Row { name: "SETBIT 4294967295 on a missing key", unit: "µs", run: setbit_far },
    Row { name: "GETBIT on 1 M keys, depth 1", unit: "µs", run: |server| getbit(server, 1) },
    Row { name: "GETBIT on 1 M keys, depth 10", unit: "µs", run: |server| getbit(server, 10) },
    Row { name: "GETBIT on 1 M keys, depth 100", unit: "µs", run: |server| getbit(server, 100) },
    Row { name: "SETBIT on 1 M keys, depth 1", unit: "µs", run: |server| setbit(server, 1) },
    Row { name: "SETBIT on 1 M keys, depth 10", unit: "µs", run: |server| setbit(server, 10) },
    Row { name: "SETBIT on 1 M keys, depth 100", unit: "µs", run: |server| setbit(server, 100) },
];

/// The median, over some rounds, of the server's CPU time for each of `count` requests, in microseconds.
fn timed(server: &Server, count: usize, mut round: impl FnMut()) -> f64 {
    round(); // not measured: it warms the caches, and the memory that the results take
    let mut figures: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let before = server.cpu_ns();
            round();
            (server.cpu_ns() - before) as f64 / 1000.0 / count as f64
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    figures[ROUNDS / 2]
}

/// Sends `count` requests, `depth` at a time, again and again; the answer is the sum of what they returned.
fn pipelined(
    server: &Server,
    load: &mut Load,
    count: usize,
    depth: usize,
    mut request: impl FnMut(&mut Vec<u8>),
) -> Outcome {
    let mut sum = 0u64;
    let mut batches: Vec<Vec<u8>> = Vec::new();
    for _ in 0..count / depth {
        let mut batch = Vec::new();
        (0..depth).for_each(|_| request(&mut batch));
        batches.push(batch);
    }
    let figure = timed(server, count, || {
        for batch in &batches {
            sum = sum.wrapping_add(load.pipeline(batch, depth));
        }
    });
    Outcome {
        figure,
        answer: sum.to_le_bytes().into(),
    }
}

fn set(load: &mut Load, key: &str, value: &[u8]) {
    assert_eq!(load.ask(&[b"SET", key.as_bytes(), value]), b"OK");
}

fn bitcount_ranges(server: &Server) -> Outcome {
    let mut load = server.connect();
    set(&mut load, "k", &scattered(BILLION, BILLION / 50, 1));
    let mut noise = Random(2);
    pipelined(server, &mut load, 40, 10, |batch| {
        let (a, b) = (noise.below(BILLION / 8), noise.below(BILLION / 8));
        let (start, end) = (a.min(b).to_string(), a.max(b).to_string());
        append(
            batch,
            &[b"BITCOUNT", b"k", start.as_bytes(), end.as_bytes()],
        );
    })
}

fn bitcount_whole(server: &Server) -> Outcome {
    let mut load = server.connect();
    set(&mut load, "k", &scattered(BILLION, BILLION / 50, 1));
    pipelined(server, &mut load, 40, 10, |batch| {
        append(batch, &[b"BITCOUNT", b"k"]);
    })
}

fn bitpos_far(server: &Server) -> Outcome {
    let mut load = server.connect();
    load.ask(&[b"SETBIT", b"k", (DAY - 1).to_string().as_bytes(), b"1"]);
    pipelined(server, &mut load, 100, 10, |batch| {
        append(batch, &[b"BITPOS", b"k", b"1"]);
    })
}

/// `percent` is how many ones are thrown at the bitmap: 69 % of its length leave half of it ones.
fn bitop(server: &Server, op: &str, sources: u64, percent: u64) -> Outcome {
    let mut load = server.connect();
    let keys: Vec<String> = (0..sources)
        .map(|source| format!("source:{source}"))
        .collect();
    for (seed, key) in keys.iter().enumerate() {
        set(
            &mut load,
            key,
            &scattered(DAY, DAY * percent / 100, seed as u64),
        );
    }
    let mut words: Vec<&[u8]> = vec![b"BITOP", op.as_bytes(), b"dest"];
    words.extend(keys.iter().map(|key| key.as_bytes()));
    let figure = timed(server, 1, || {
        load.ask(&words);
    });
    Outcome {
        figure,
        answer: load.ask(&[b"BITCOUNT", b"dest"]),
    }
}

fn seven_days(server: &Server) -> Outcome {
    let mut load = server.connect();
    let days: Vec<String> = (0..7).map(|day| format!("day:{day}")).collect();
    for (seed, day) in days.iter().enumerate() {
        set(&mut load, day, &scattered(DAY, DAY * 69 / 100, seed as u64));
    }
    let mut words: Vec<&[u8]> = vec![b"BITOP", b"OR", b"week"];
    words.extend(days.iter().map(|day| day.as_bytes()));
    let mut answer = Vec::new();
    let figure = timed(server, 1, || {
        load.ask(&words);
        answer = load.ask(&[b"BITCOUNT", b"week"]);
    });
    Outcome { figure, answer }
}

fn setbit_far(server: &Server) -> Outcome {
    let mut load = server.connect();
    let mut figures: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            load.ask(&[b"DEL", b"k"]);
            let before = server.cpu_ns();
            load.ask(&[b"SETBIT", b"k", b"4294967295", b"1"]);
            (server.cpu_ns() - before) as f64 / 1000.0
        })
        .collect();
    figures.sort_by(f64::total_cmp);
    Outcome {
        figure: figures[ROUNDS / 2],
        answer: load.ask(&[b"BITCOUNT", b"k"]),
    }
}

/// A million keys of one byte, one bit of each set.
fn million_keys(load: &mut Load) {
    let mut noise = Random(3);
    for batch in 0..1000u64 {
        let mut requests = Vec::new();
        for key in 0..1000 {
            let key = format!("user:{:011}", batch * 1000 + key);
            let bit = noise.below(8).to_string();
            append(
                &mut requests,
                &[b"SETBIT", key.as_bytes(), bit.as_bytes(), b"1"],
            );
        }
        load.pipeline(&requests, 1000);
    }
}

fn getbit(server: &Server, depth: usize) -> Outcome {
    let mut load = server.connect();
    million_keys(&mut load);
    let mut noise = Random(4);
    pipelined(server, &mut load, 20_000, depth, |batch| {
        let key = format!("user:{:011}", noise.below(1_000_000));
        append(batch, &[b"GETBIT", key.as_bytes(), b"5"]);
    })
}

fn setbit(server: &Server, depth: usize) -> Outcome {
    let mut load = server.connect();
    million_keys(&mut load);
    let mut noise = Random(5);
    pipelined(server, &mut load, 20_000, depth, |batch| {
        let key = format!("user:{:011}", noise.below(1_000_000));
        let (bit, on) = (noise.below(8).to_string(), noise.below(2).to_string());
        append(
            batch,
            &[b"SETBIT", key.as_bytes(), bit.as_bytes(), on.as_bytes()],
        );
    })
}
