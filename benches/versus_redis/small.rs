//! Short requests on many keys: what a request costs is sockets, parsing and looking up.

use crate::load::{Load, append};
use crate::race::{Ask, ROUNDS, Request, Row, Scene};
use crate::support::Random;

const KEYS: u64 = 1_000_000;
const GROWING: usize = 4_000_000;

const DEPTHS: [usize; 3] = [1, 10, 100];
const CONNECTIONS: [usize; 3] = [1, 50, 1000];

pub fn scenes() -> Vec<Scene> {
    let bits: &[(&str, Request, usize)] = &[
        ("GETBIT on 1 M keys", getbit, 1),
        ("SETBIT on 1 M keys", setbit, 1),
        ("BITPOS on 1 M keys", bitpos, 1),
    ];
    let strings: &[(&str, Request, usize)] = &[
        ("SET of 64 bytes", set, 1),
        ("GET of 64 bytes", get, 2),
        ("SET of 1 byte and SETBIT regrowing it to 64", regrow, 2),
        ("MULTI of ten SETBITs", multi, 22),
    ];
    let tiny: &[(&str, Request, usize)] = &[("BITOP XOR of ten 50-byte keys", xor, 1)];
    let growing = Row {
        requests: GROWING,
        rounds: 3,
        ..row("SETBIT growing 4 M keys from 1 byte to 64", grow, 1, 50, 10)
    };
    let mut bits = scene(million_keys, bits, true);
    // Some below ten thousand, so that those to both servers fit into the usual limit of 20,000 files.
    bits.rows
        .push(row("GETBIT on 1 M keys", getbit, 1, 9_900, 1));
    vec![
        bits,
        scene(million_values, strings, false),
        scene(ten_keys, tiny, false),
        Scene {
            fill: |_| {},
            rows: vec![growing],
        },
    ]
}

/// Every request at every depth with every number of connections.
fn scene(fill: fn(&mut Load), requests: &[(&str, Request, usize)], even: bool) -> Scene {
    let mut rows = Vec::new();
    for &(name, request, lines) in requests {
        for connections in CONNECTIONS {
            for depth in DEPTHS {
                let row = row(name, request, lines, connections, depth);
                rows.push(Row { even, ..row });
            }
        }
    }
    Scene { fill, rows }
}

fn row(name: &str, request: Request, lines: usize, connections: usize, depth: usize) -> Row {
    // Some tens of milliseconds: a pipeline's cost is mostly its own, and a request of many parts counts as many.
    let parts = lines.div_ceil(2);
    Row {
        name: name.into(),
        connections,
        depth,
        requests: match depth {
            1 => 3000,
            10 => 15_000,
            _ => 40_000,
        } / parts,
        request,
        lines,
        rounds: ROUNDS,
        check: &[],
        even: false,
    }
}

fn key(number: u64) -> String {
    format!("user:{number:011}")
}

/// A value of 64 bytes.
fn value(number: u64) -> String {
    format!("{number:064}")
}

/// Sends what `each` appends for every key, a thousand at a time.
fn for_each_key(load: &mut Load, mut each: impl FnMut(u64, &mut Vec<u8>)) {
    const BATCH: u64 = 1000;
    for first in (0..KEYS).step_by(BATCH as usize) {
        let mut requests = Vec::new();
        (first..first + BATCH).for_each(|number| each(number, &mut requests));
        load.pipeline(&requests, BATCH as usize);
    }
}

/// Of one byte, one bit of each set.
fn million_keys(load: &mut Load) {
    let mut noise = Random::new(3);
    for_each_key(load, |number, requests| {
        let bit = noise.below(8);
        Ask::say(requests, &format!("SETBIT {} {bit} 1", key(number)));
    });
}

fn million_values(load: &mut Load) {
    for_each_key(load, |number, requests| {
        Ask::say(requests, &format!("SET {} {}", key(number), value(number)));
    });
}

fn ten_keys(load: &mut Load) {
    for source in 0..10u8 {
        load.ask(&[b"SET", format!("source:{source}").as_bytes(), &[source; 50]]);
    }
}

fn getbit(ask: &mut Ask, requests: &mut Vec<u8>) {
    let key = key(ask.own(KEYS));
    append(requests, &[b"GETBIT", key.as_bytes(), b"5"]);
}

fn setbit(ask: &mut Ask, requests: &mut Vec<u8>) {
    let key = key(ask.own(KEYS));
    let (bit, on) = (ask.noise.below(8), ask.noise.below(2));
    Ask::say(requests, &format!("SETBIT {key} {bit} {on}"));
}

/// A key of one byte with one bit set, found; so the reply is never -1.
fn bitpos(ask: &mut Ask, requests: &mut Vec<u8>) {
    let key = key(ask.own(KEYS));
    append(requests, &[b"BITPOS", key.as_bytes(), b"0"]);
}

fn set(ask: &mut Ask, requests: &mut Vec<u8>) {
    let number = ask.own(KEYS);
    let value = value(ask.noise.below(KEYS));
    append(
        requests,
        &[b"SET", key(number).as_bytes(), value.as_bytes()],
    );
}

fn get(ask: &mut Ask, requests: &mut Vec<u8>) {
    let key = key(ask.own(KEYS));
    append(requests, &[b"GET", key.as_bytes()]);
}

fn regrow(ask: &mut Ask, requests: &mut Vec<u8>) {
    let key = key(ask.own(KEYS));
    Ask::say(requests, &format!("SET {key} x"));
    Ask::say(requests, &format!("SETBIT {key} 511 1"));
}

fn multi(ask: &mut Ask, requests: &mut Vec<u8>) {
    Ask::say(requests, "MULTI");
    (0..10).for_each(|_| setbit(ask, requests));
    Ask::say(requests, "EXEC");
}

fn xor(_: &mut Ask, requests: &mut Vec<u8>) {
    Ask::say(
        requests,
        "BITOP XOR dest source:0 source:1 source:2 source:3 source:4 source:5 source:6 source:7 source:8 source:9",
    );
}

/// One key after another, a few bytes longer in each round.
fn grow(ask: &mut Ask, requests: &mut Vec<u8>) {
    const BYTES: [usize; 4] = [1, 8, 24, 64];
    let key = key(ask.number as u64);
    let bit = BYTES[ask.round] * 8 - 1 - ask.number % 8;
    Ask::say(requests, &format!("SETBIT {key} {bit} 1"));
}
