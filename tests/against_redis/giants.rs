//! Bitmaps of tens of megabytes with few ones far apart, runs across chunk edges, and dense islands: the sizes at which an
//! index above the chunks is at work. Few commands, since Redis counts and combines every byte.

use crate::pair::Pair;
use crate::random::Random;
use crate::spans::{agree, words};
use crate::wire::Words;

/// Positions are below this; 32 MiB in Redis.
const BITS: u64 = 1 << 28;
const CHUNK: u64 = 1 << 16;
const KEYS: [&[u8]; 4] = [b"one", b"two", b"three", b"four"];

/// A position anywhere, at the edge of a chunk, or at the edge of 256 chunks.
fn position(random: &mut Random) -> u64 {
    let edge = match random.below(3) {
        0 => return random.below(BITS),
        1 => random.below(BITS / CHUNK) * CHUNK,
        _ => random.below(BITS / CHUNK / 256) * CHUNK * 256,
    };
    (edge + random.below(5)).saturating_sub(2)
}

fn request(random: &mut Random) -> Words {
    let key = random.pick(&KEYS);
    let at = position(random).to_string();
    let end = position(random).to_string();
    let byte = (position(random) / 8).to_string();
    let bit = if random.percent(50) { "1" } else { "0" };
    let line: &[&[u8]] = match random.below(16) {
        0..=2 => &[b"SETBIT", key, at.as_bytes(), bit.as_bytes()],
        3 => &[b"GETBIT", key, at.as_bytes()],
        4 => &[b"BITCOUNT", key],
        5 | 6 => &[b"BITCOUNT", key, at.as_bytes(), end.as_bytes(), b"BIT"],
        7 | 8 => &[
            b"BITPOS",
            key,
            bit.as_bytes(),
            at.as_bytes(),
            end.as_bytes(),
            b"BIT",
        ],
        9 => &[b"BITPOS", key, bit.as_bytes(), byte.as_bytes()],
        10 => &[
            b"BITFIELD",
            key,
            b"INCRBY",
            b"u17",
            at.as_bytes(),
            b"77777",
            b"GET",
            b"i64",
            end.as_bytes(),
        ],
        11 | 12 => {
            let length = 1 + random.below(20_000) as usize;
            let bytes = match random.below(3) {
                0 => vec![0xff; length],
                1 => vec![0; length],
                _ => random.bytes(length),
            };
            return words(&[b"SETRANGE", key, byte.as_bytes(), &bytes]);
        }
        13 => {
            let end = (byte.parse::<u64>().expect("a number") + random.below(20_000)).to_string();
            return words(&[b"GETRANGE", key, byte.as_bytes(), end.as_bytes()]);
        }
        _ => return bitop(random),
    };
    words(line)
}

/// Into a key of its own or over one of the sources.
fn bitop(random: &mut Random) -> Words {
    let operation = random.pick(&["AND", "OR", "XOR", "DIFF", "DIFF1", "ANDOR", "ONE", "NOT"]);
    let into = random.pick(&[KEYS[0], KEYS[3], b"result", b"result"]);
    let mut request = words(&[b"BITOP", operation.as_bytes(), into]);
    let sources = if operation == "NOT" {
        1
    } else {
        2 + random.below(3) as usize
    };
    let first = random.below(4) as usize;
    request.extend((0..sources).map(|at| KEYS[(first + at) % KEYS.len()].to_vec()));
    request
}

#[test]
fn bits_far_apart() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut random = Random::new(crate::from_environment("AGAINST_REDIS_SEED", 1));
    let count = crate::from_environment("AGAINST_REDIS_COMMANDS", 20_000) / 200;
    let mut requests: Vec<Words> = (0..count.clamp(100, 5_000))
        .map(|_| request(&mut random))
        .collect();
    requests.push(words(&[b"DEBUG", b"DIGEST"]));
    agree(&pair, "commands on bits far apart", &requests);
    pair.end_in_peace();
}
