//! Requests on long bitmaps: what a request costs is bits.

use crate::load::{Load, append};
use crate::race::{Ask, ROUNDS, Request, Row, Scene};
use crate::support::scattered;

const DAY: u64 = 100_000_000;
const BILLION: u64 = 1_000_000_000;

/// One-byte counters in 800 M bits.
const COUNTERS: u64 = 100_000_000;

pub fn scenes() -> Vec<Scene> {
    let mut fields = Vec::new();
    let kinds: [(&str, Request); 3] = [("INCRBY", incrby), ("GET", field_get), ("SET", field_set)];
    for (kind, request) in kinds {
        for (depth, connections) in [(1, 50), (10, 1), (10, 50), (100, 50)] {
            let requests = 3000 * (1 + depth / 10);
            let name = format!("BITFIELD {kind} of u8 in 800 M bits");
            fields.push(row(&name, request, (depth, connections), requests, 2));
        }
    }
    vec![
        Scene {
            fill: |load| set(load, "k", &scattered(DAY, DAY / 50, 1)),
            rows: vec![
                one(
                    "BITCOUNT of random byte ranges of 100 M bits, 2 M of them ones",
                    ranges::<DAY>,
                    10,
                    100,
                ),
                one(
                    "BITPOS of the first one of 100 M bits, near",
                    |_, to| Ask::say(to, "BITPOS k 1"),
                    10,
                    10_000,
                ),
            ],
        },
        Scene {
            fill: |load| set(load, "k", &scattered(BILLION, BILLION / 50, 1)),
            rows: vec![
                one(
                    "BITCOUNT of random byte ranges of 1 G bits, 20 M of them ones",
                    ranges::<BILLION>,
                    10,
                    20,
                ),
                one(
                    "BITCOUNT of all of it",
                    |_, to| Ask::say(to, "BITCOUNT k"),
                    10,
                    10,
                ),
            ],
        },
        Scene {
            fill: |load| drop(load.ask(&[b"SETBIT", b"k", b"99999999", b"1"])),
            rows: vec![one(
                "BITPOS of the only one of 100 M bits, at the end",
                |_, to| Ask::say(to, "BITPOS k 1"),
                10,
                100,
            )],
        },
        Scene {
            fill: |load| set(load, "k", &scattered(COUNTERS * 8, COUNTERS / 10, 7)),
            rows: fields,
        },
        Scene {
            fill: |load| days(load, 2),
            rows: bitops("2 % ones"),
        },
        Scene {
            fill: |load| days(load, 69),
            rows: bitops("half ones"),
        },
        Scene {
            fill: |_| {},
            rows: vec![Row {
                lines: 2,
                ..one(
                    "SETBIT 4294967295 on a missing key, and DEL",
                    |_, to| {
                        Ask::say(to, "SETBIT k 4294967295 1");
                        Ask::say(to, "DEL k");
                    },
                    1,
                    1,
                )
            }],
        },
    ]
}

fn row(
    name: &str,
    request: Request,
    (depth, connections): (usize, usize),
    requests: usize,
    lines: usize,
) -> Row {
    Row {
        name: name.into(),
        connections,
        depth,
        requests,
        request,
        lines,
        rounds: ROUNDS,
        check: &[],
        even: false,
    }
}

/// A row of one connection, whose replies are integers.
fn one(name: &str, request: Request, depth: usize, requests: usize) -> Row {
    row(name, request, (depth, 1), requests, 1)
}

fn set(load: &mut Load, key: &str, value: &[u8]) {
    assert_eq!(load.ask(&[b"SET", key.as_bytes(), value]), b"OK");
}

/// Seven bitmaps. `percent` is how many ones are thrown at each: 69 % of its length leave half of it ones.
fn days(load: &mut Load, percent: u64) {
    for day in 0..7 {
        let bytes = scattered(DAY, DAY * percent / 100, day);
        set(load, &format!("day:{day}"), &bytes);
    }
}

fn bitops(ones: &str) -> Vec<Row> {
    let kinds: [(&str, Request); 6] = [
        ("AND of two", |_, to| {
            Ask::say(to, "BITOP AND dest day:0 day:1")
        }),
        ("OR of two", |_, to| {
            Ask::say(to, "BITOP OR dest day:0 day:1")
        }),
        ("XOR of two", |_, to| {
            Ask::say(to, "BITOP XOR dest day:0 day:1")
        }),
        ("NOT of one", |_, to| Ask::say(to, "BITOP NOT dest day:0")),
        ("ONE of two", |_, to| {
            Ask::say(to, "BITOP ONE dest day:0 day:1")
        }),
        ("OR of seven, and BITCOUNT", |_, to| {
            Ask::say(
                to,
                "BITOP OR dest day:0 day:1 day:2 day:3 day:4 day:5 day:6",
            );
            Ask::say(to, "BITCOUNT dest");
        }),
    ];
    let rows = kinds.into_iter().map(|(kind, request)| Row {
        lines: 1 + usize::from(kind.contains("BITCOUNT")),
        check: &["BITCOUNT", "dest"],
        ..one(
            &format!("BITOP {kind} of 100 M bits, {ones}"),
            request,
            1,
            3,
        )
    });
    rows.collect()
}

fn ranges<const BITS: u64>(ask: &mut Ask, requests: &mut Vec<u8>) {
    let (a, b) = (ask.noise.below(BITS / 8), ask.noise.below(BITS / 8));
    let (start, end) = (a.min(b).to_string(), a.max(b).to_string());
    append(
        requests,
        &[b"BITCOUNT", b"k", start.as_bytes(), end.as_bytes()],
    );
}

fn incrby(ask: &mut Ask, requests: &mut Vec<u8>) {
    let counter = ask.own(COUNTERS);
    Ask::say(requests, &format!("BITFIELD k INCRBY u8 #{counter} 1"));
}

fn field_get(ask: &mut Ask, requests: &mut Vec<u8>) {
    let counter = ask.own(COUNTERS);
    Ask::say(requests, &format!("BITFIELD k GET u8 #{counter}"));
}

fn field_set(ask: &mut Ask, requests: &mut Vec<u8>) {
    let (counter, value) = (ask.own(COUNTERS), ask.noise.below(256));
    Ask::say(requests, &format!("BITFIELD k SET u8 #{counter} {value}"));
}
