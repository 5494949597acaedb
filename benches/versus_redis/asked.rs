//! What people have asked for: the way it is done today on Redis, and the command there is here.
//!
//! A figure is the time on the clock until the client has its answer, its own loops included, as some of these ways leave
//! most of the work to it. The client is this program, so its loops are about as quick as loops get; in a scripting language
//! they take tens of times as long. Both ways give a number that tells whether they found the same. Beside it stand the
//! server's part, as CPU time, and what came over the network.

use std::path::Path;
use std::time::Instant;

use crate::load::{Load, append};
use crate::server::Server;
use crate::short;
use crate::support::{Random, scattered, wanted};

const ROUNDS: usize = 7;
const DAY: u64 = 100_000_000;

struct Row {
    name: &'static str,
    fill: fn(&mut Load),
    /// On Redis.
    today: fn(&mut Load, usize) -> u64,
    /// On bitmapd, in the same round.
    asked: fn(&mut Load, usize) -> u64,
}

#[rustfmt::skip] // read by column
const ROWS: &[Row] = &[
    Row { name: "asked: users of seven days, 2 % ones: BITOP, BITCOUNT, DEL, against BITOPCARD", fill: |load| week(load, 2), today: union_today, asked: union },
    Row { name: "asked: users of seven days, half ones: the same", fill: |load| week(load, 69), today: union_today, asked: union },
    Row { name: "asked: users of both of two days, 2 % ones: the same", fill: |load| week(load, 2), today: both_today, asked: both },
    Row { name: "asked: all 2 M positions of 100 M bits: GET and a loop, against BITSCAN", fill: one_day, today: positions_today, asked: positions },
    Row { name: "asked: the next 1,000 users: GET and a loop, against BITSCAN", fill: one_day, today: next_today, asked: next },
    Row { name: "asked: the median user: GET and a loop, against BITSELECT", fill: one_day, today: median_today, asked: median },
    Row { name: "asked: 1,000 random bits: pipelined SETBIT, against SETBITS", fill: one_day, today: bits_today, asked: bits },
    Row { name: "asked: a range of 100,000 bits: pipelined SETBIT, against SETBITRANGE", fill: one_day, today: range_today, asked: range },
];

pub fn print(redis: &Path) {
    let rows: Vec<&Row> = ROWS.iter().filter(|row| wanted(row.name)).collect();
    if rows.is_empty() {
        return;
    }
    println!(
        "\n| until the client has it, µs | bitmapd | Redis | ratio | server, CPU µs | Redis | ratio | received, kB | Redis |"
    );
    println!("|{}", "---|".repeat(9));
    for row in rows {
        let servers = [env!("CARGO_BIN_EXE_bitmapd").as_ref(), redis].map(Server::start);
        let [mut ours, mut theirs] = servers.each_ref().map(Server::connect);
        (row.fill)(&mut ours);
        (row.fill)(&mut theirs);
        let mut figures = [const { Vec::new() }; 2];
        for round in 0..=ROUNDS {
            let (ours, answer) = cost(&servers[0], &mut ours, |load| (row.asked)(load, round));
            let (theirs, same) = cost(&servers[1], &mut theirs, |load| (row.today)(load, round));
            assert_eq!(answer, same, "{}: different answers", row.name);
            figures[0].push(ours);
            figures[1].push(theirs);
        }
        let [ours, theirs] = figures.map(medians);
        let cell = |at: usize| format!("{} | {}", short(ours[at]), short(theirs[at]));
        println!(
            "| {} | {} | {} | {} | {} | {} |",
            row.name,
            cell(0),
            short(theirs[0] / ours[0]),
            cell(1),
            short(theirs[1] / ours[1]),
            cell(2),
        );
    }
}

/// What one answer took: microseconds on the clock, microseconds of the server's CPU, kilobytes received.
type Cost = [f64; 3];

fn cost(server: &Server, load: &mut Load, run: impl FnOnce(&mut Load) -> u64) -> (Cost, u64) {
    let before = (server.cpu_ns(), load.received);
    let start = Instant::now();
    let answer = run(load);
    let took = start.elapsed().as_secs_f64() * 1e6;
    let cpu = (server.cpu_ns() - before.0) as f64 / 1e3;
    let received = (load.received - before.1) as f64 / 1e3;
    ([took, cpu, received], answer)
}

fn medians(mut costs: Vec<Cost>) -> Cost {
    costs.remove(0); // it warmed caches and memory
    std::array::from_fn(|at| {
        let mut figures: Vec<f64> = costs.iter().map(|cost| cost[at]).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    })
}

fn set(load: &mut Load, key: &str, value: &[u8]) {
    assert_eq!(load.ask(&[b"SET", key.as_bytes(), value]), b"OK");
}

fn week(load: &mut Load, percent: u64) {
    for day in 0..7 {
        let bytes = scattered(DAY, DAY * percent / 100, day);
        set(load, &format!("day:{day}"), &bytes);
    }
}

fn one_day(load: &mut Load) {
    set(load, "day", &scattered(DAY, DAY / 50, 1));
}

fn say(load: &mut Load, words: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
    load.ask(&words)
}

fn number(reply: Vec<u8>) -> u64 {
    let text = String::from_utf8(reply).expect("digits");
    text.parse().expect("a number")
}

/// By way of a temporary key.
fn counted_today(load: &mut Load, op: &str, days: &str) -> u64 {
    say(load, &format!("BITOP {op} temporary {days}"));
    let count = number(say(load, "BITCOUNT temporary"));
    say(load, "DEL temporary");
    count
}

const WEEK: &str = "day:0 day:1 day:2 day:3 day:4 day:5 day:6";

fn union_today(load: &mut Load, _: usize) -> u64 {
    counted_today(load, "OR", WEEK)
}

fn union(load: &mut Load, _: usize) -> u64 {
    number(say(load, &format!("BITOPCARD OR 7 {WEEK}")))
}

fn both_today(load: &mut Load, _: usize) -> u64 {
    counted_today(load, "AND", "day:0 day:1")
}

fn both(load: &mut Load, _: usize) -> u64 {
    number(say(load, "BITOPCARD AND 2 day:0 day:1"))
}

/// The positions of the ones of a string from `from` on.
fn ones(string: &[u8], from: u64) -> impl Iterator<Item = u64> {
    let first = (from / 8) as usize;
    let bytes = string[first..].iter().zip((from / 8 * 8..).step_by(8));
    let bytes = bytes.filter(|(byte, _)| **byte != 0);
    let bits = bytes.flat_map(|(byte, at)| {
        (0..8)
            .filter(move |bit| byte & (0x80 >> bit) != 0)
            .map(move |bit| at + bit)
    });
    bits.skip_while(move |at| *at < from)
}

fn sum(positions: impl Iterator<Item = u64>) -> u64 {
    positions.fold(0, u64::wrapping_add)
}

fn positions_today(load: &mut Load, _: usize) -> u64 {
    sum(ones(&say(load, "GET day"), 0))
}

/// One page of BITSCAN: the next cursor, and the positions' sum.
fn page(load: &mut Load, cursor: u64, count: u64) -> (u64, u64) {
    say(load, &format!("BITSCAN day {cursor} COUNT {count}"));
    let cursor = number(load.reply());
    let len = number(load.reply());
    (cursor, load.sum(len as usize))
}

fn positions(load: &mut Load, _: usize) -> u64 {
    let (mut cursor, mut all) = (0, 0u64);
    loop {
        let (next, sum) = page(load, cursor, 100_000);
        all = all.wrapping_add(sum);
        cursor = next;
        if cursor == 0 {
            return all;
        }
    }
}

/// After this user.
fn user(round: usize) -> u64 {
    Random::new(round as u64).below(DAY * 9 / 10)
}

fn next_today(load: &mut Load, round: usize) -> u64 {
    let string = say(load, "GET day");
    sum(ones(&string, user(round)).take(1000))
}

fn next(load: &mut Load, round: usize) -> u64 {
    page(load, user(round), 1000).1
}

fn median_today(load: &mut Load, _: usize) -> u64 {
    let string = say(load, "GET day");
    let count: u64 = string.iter().map(|byte| u64::from(byte.count_ones())).sum();
    ones(&string, 0)
        .nth(count as usize / 2)
        .expect("half of them")
}

fn median(load: &mut Load, _: usize) -> u64 {
    let count = number(say(load, "BITCOUNT day"));
    say(load, &format!("BITSELECT day {}", count / 2));
    number(load.reply())
}

/// A thousand offsets, other ones in each round.
fn offsets(round: usize) -> impl Iterator<Item = u64> {
    let mut noise = Random::new(100 + round as u64);
    (0..1000).map(move |_| noise.below(DAY))
}

/// How many of these bits were not one, by a SETBIT each.
fn setbits(load: &mut Load, offsets: impl Iterator<Item = u64>) -> u64 {
    let mut requests = Vec::new();
    let mut count = 0;
    for offset in offsets {
        append(
            &mut requests,
            &[b"SETBIT", b"day", offset.to_string().as_bytes(), b"1"],
        );
        count += 1;
    }
    count as u64 - load.pipeline(&requests, count)
}

fn bits_today(load: &mut Load, round: usize) -> u64 {
    setbits(load, offsets(round))
}

fn bits(load: &mut Load, round: usize) -> u64 {
    let offsets: String = offsets(round).map(|offset| format!(" {offset}")).collect();
    number(say(load, &format!("SETBITS day 1{offsets}")))
}

/// The first of a hundred thousand bits, other ones in each round.
fn start(round: usize) -> u64 {
    round as u64 * 10_000_000 + 777
}

fn range_today(load: &mut Load, round: usize) -> u64 {
    let starts = (start(round)..start(round) + 100_000).step_by(1000);
    starts.map(|start| setbits(load, start..start + 1000)).sum()
}

fn range(load: &mut Load, round: usize) -> u64 {
    let (start, end) = (start(round), start(round) + 99_999);
    number(say(load, &format!("SETBITRANGE day {start} {end} 1")))
}
