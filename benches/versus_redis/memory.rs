//! What values cost.

use std::env;
use std::fs;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::Duration;

use crate::load::{Load, append};
use crate::server::Server;
use crate::short;
use crate::support::{Random, wanted};
use crate::swarm::{Script, Swarm};

/// One line of the table.
struct Row {
    name: &'static str,
    unit: &'static str,
    /// Fills a new and empty server, and returns the figure (smaller is better) and what was answered.
    run: fn(&Server) -> Outcome,
}

/// What a row came to on one server.
struct Outcome {
    figure: f64,
    /// A reply, or a digest of the keys: both servers must have given the same.
    answer: Vec<u8>,
}

/// Runs the wanted rows and prints them.
pub fn print(redis: &Path) {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| wanted(row.name)).collect();
    if rows.is_empty() {
        return;
    }
    println!("\n| memory | bitmapd | Redis | ratio |\n|---|---|---|---|");
    for row in rows {
        let servers = [env!("CARGO_BIN_EXE_bitmapd").as_ref(), redis];
        // Both at once: what they hold does not depend on how quickly they got it.
        let [ours, theirs] = thread::scope(|scope| {
            let runs = servers.map(|server| scope.spawn(|| (row.run)(&Server::start(server))));
            runs.map(|run| run.join().expect("a row that ends"))
        });
        assert!(
            ours.answer == theirs.answer,
            "{}: different answers",
            row.name
        );
        println!(
            "| {}, {} | {} | {} | {} |",
            row.name,
            row.unit,
            short(ours.figure),
            short(theirs.figure),
            short(theirs.figure / ours.figure),
        );
    }
}

#[rustfmt::skip] // read by column
const ROWS: &[Row] = &[
    Row { name: "memory: one bit at 4294967295", unit: "bytes", run: one_far_bit },
    Row { name: "memory: real data of REALDATA, by SETBIT", unit: "bytes", run: real_data },
    Row { name: "memory: 200 bitmaps of 30 ones over 37 M positions", unit: "bytes a one", run: few_ones },
    Row { name: "memory: 50 M random bits, by SET", unit: "bytes", run: dense },
    Row { name: "memory: 1 M 16-byte keys of one byte, by SETBIT", unit: "resident bytes a key", run: tiny },
    Row { name: "memory: 1 M keys, one bit each below 65,536", unit: "resident bytes a key", run: one_bit_each },
    Row { name: "memory: 4 M 16-byte keys of 64 bytes, by SET", unit: "resident bytes a key", run: set_64 },
    Row { name: "memory: 9,900 connections that wait", unit: "resident bytes each", run: waiting },
    Row { name: "memory: 4 M 16-byte keys grown to 64 bytes by SETBIT", unit: "resident bytes a key", run: grown_64 },
];

/// What `fill` adds to `used_memory`.
fn used(server: &Server, fill: impl FnOnce(&mut Load)) -> f64 {
    let mut load = server.connect();
    // What a connection and its first commands take once is not the values'.
    for _ in 0..100 {
        load.ask(&[b"SETBIT", b"warm", b"0", b"1"]);
        load.ask(&[b"DEL", b"warm"]);
        server.used_memory();
    }
    let before = server.used_memory();
    fill(&mut load);
    server.used_memory() as f64 - before as f64
}

/// What `fill` adds to resident memory, once the allocator has had its ten seconds to return what it holds free.
fn resident(server: &Server, fill: impl FnOnce(&mut Load)) -> f64 {
    let mut load = server.connect();
    let before = server.resident();
    fill(&mut load);
    sleep(Duration::from_secs(12));
    server.resident() as f64 - before as f64
}

/// The keyspace as a digest, which both servers compute alike.
fn digest(server: &Server, figure: f64) -> Outcome {
    Outcome {
        figure,
        answer: server.connect().ask(&[b"DEBUG", b"DIGEST"]),
    }
}

/// Sends what `each` appends for every number below `count`, a thousand at a time.
fn batches(load: &mut Load, count: u64, mut each: impl FnMut(u64, &mut Vec<u8>)) {
    const BATCH: u64 = 1000;
    for batch in 0..count.div_ceil(BATCH) {
        let numbers = batch * BATCH..count.min((batch + 1) * BATCH);
        let mut requests = Vec::new();
        let len = numbers.clone().count();
        numbers.for_each(|number| each(number, &mut requests));
        load.pipeline(&requests, len);
    }
}

fn setbit(requests: &mut Vec<u8>, key: &str, bit: u64) {
    append(
        requests,
        &[b"SETBIT", key.as_bytes(), bit.to_string().as_bytes(), b"1"],
    );
}

/// By MEMORY USAGE: so little does not show in the whole.
fn one_far_bit(server: &Server) -> Outcome {
    let mut load = server.connect();
    load.ask(&[b"SETBIT", b"k", b"4294967295", b"1"]);
    let usage = load.ask(&[b"MEMORY", b"USAGE", b"k"]);
    let usage = std::str::from_utf8(&usage).ok();
    Outcome {
        figure: usage
            .and_then(|usage| usage.parse().ok())
            .expect("a number of bytes"),
        answer: load.ask(&[b"BITPOS", b"k", b"1"]),
    }
}

fn real_data(server: &Server) -> Outcome {
    let Some(directory) = env::var_os("REALDATA") else {
        return Outcome {
            figure: f64::NAN,
            answer: Vec::new(),
        };
    };
    let mut files: Vec<_> = fs::read_dir(directory)
        .expect("REALDATA is a directory")
        .map(|file| file.expect("a readable directory").path())
        .collect();
    files.sort();
    let figure = used(server, |load| {
        for file in &files {
            let key = file.display().to_string();
            let text = fs::read_to_string(file).expect("a readable file");
            let positions: Vec<u64> = text
                .trim()
                .split(',')
                .map(|position| position.trim().parse().expect("a position"))
                .collect();
            batches(load, positions.len() as u64, |at, requests| {
                setbit(requests, &key, positions[at as usize]);
            });
        }
    });
    digest(server, figure)
}

fn few_ones(server: &Server) -> Outcome {
    const BITMAPS: u64 = 200;
    const ONES: u64 = 30;
    let mut noise = Random::new(1);
    let figure = used(server, |load| {
        batches(load, BITMAPS * ONES, |at, requests| {
            let key = format!("spread:{}", at / ONES);
            setbit(requests, &key, noise.below(37_000_000));
        });
    });
    digest(server, figure / (BITMAPS * ONES) as f64)
}

fn dense(server: &Server) -> Outcome {
    let mut noise = Random::new(2);
    let bytes: Vec<u8> = (0..50_000_000 / 64)
        .flat_map(|_| noise.below(u64::MAX).to_le_bytes())
        .collect();
    let figure = used(server, |load| {
        load.ask(&[b"SET", b"k", &bytes]);
    });
    let answer = server.connect().ask(&[b"BITCOUNT", b"k"]);
    Outcome { figure, answer }
}

fn tiny(server: &Server) -> Outcome {
    const KEYS: u64 = 1_000_000;
    let mut noise = Random::new(3);
    let figure = resident(server, |load| {
        batches(load, KEYS, |key, requests| {
            setbit(requests, &format!("user:{key:011}"), noise.below(8));
        });
    });
    digest(server, figure / KEYS as f64)
}

fn one_bit_each(server: &Server) -> Outcome {
    const KEYS: u64 = 1_000_000;
    let mut noise = Random::new(4);
    let figure = resident(server, |load| {
        batches(load, KEYS, |key, requests| {
            setbit(requests, &format!("user:{key:011}"), noise.below(65_536));
        });
    });
    Outcome {
        figure: figure / KEYS as f64,
        answer: server
            .connect()
            .ask(&[b"BITPOS", b"user:00000999999", b"1"]),
    }
}

const MANY: u64 = 4_000_000;

/// Connections that have each asked something, and wait. What the system keeps for them is not the server's.
fn waiting(server: &Server) -> Outcome {
    const CONNECTIONS: usize = 9_900; // to each of two servers, of the usual 20,000 files
    let mut request = Vec::new();
    append(&mut request, &[b"SETBIT", b"k", b"7", b"1"]);
    let script = Script {
        pipelines: vec![vec![request]; CONNECTIONS],
        lines: 1,
    };
    let mut swarm = None;
    let figure = resident(server, |_| {
        let swarm = swarm.insert(Swarm::open(server.port(), CONNECTIONS));
        swarm.run(&script);
    });
    Outcome {
        figure: figure / CONNECTIONS as f64,
        answer: swarm
            .expect("it was opened")
            .run(&script)
            .sum
            .to_le_bytes()
            .into(),
    }
}

fn set_64(server: &Server) -> Outcome {
    let figure = resident(server, |load| {
        batches(load, MANY, |key, requests| {
            let value = format!("{key:064}");
            append(
                requests,
                &[
                    b"SET",
                    format!("user:{key:011}").as_bytes(),
                    value.as_bytes(),
                ],
            );
        });
    });
    Outcome {
        figure: figure / MANY as f64,
        answer: server.connect().ask(&[b"GET", b"user:00003999999"]),
    }
}

fn grown_64(server: &Server) -> Outcome {
    let figure = resident(server, |load| {
        for byte in [0, 7, 15, 31, 47, 63] {
            batches(load, MANY, |key, requests| {
                setbit(requests, &format!("user:{key:011}"), byte * 8 + key % 8);
            });
        }
    });
    Outcome {
        figure: figure / MANY as f64,
        answer: server.connect().ask(&[b"GET", b"user:00003999999"]),
    }
}
