//! Every span of short strings, in both units: BITCOUNT, BITPOS, GETRANGE; BITOP over all lengths around the edges of words
//! and chunks; BITFIELD of every width; and the digits of INCRBYFLOAT.

use crate::pair::Pair;
use crate::random::Random;
use crate::wire::{Node, Words, line_of, multibulk};

/// Sends everything to both in bursts and fails with the first few replies that differ.
pub fn agree(pair: &Pair, what: &str, requests: &[Words]) {
    let (mut redis, mut ours) = (pair.redis.connect(), pair.ours.connect());
    let mut wrong = Vec::new();
    let mut left = requests;
    while !left.is_empty() {
        // Written while nobody reads the replies, so a burst must fit the sockets' buffers.
        let mut bytes = Vec::new();
        let count = left.iter().take(200).take_while(|words| {
            let room = bytes.len() < 32 * 1024;
            bytes.extend(room.then(|| multibulk(words)).into_iter().flatten());
            room
        });
        let burst;
        (burst, left) = left.split_at(count.count());
        redis.send(&bytes).expect("Redis listens");
        ours.send(&bytes).expect("our server listens");
        for words in burst {
            let reply = redis.receive().expect("Redis answers");
            let our_reply = ours
                .receive()
                .unwrap_or_else(|error| panic!("{}: {error}", line_of(words)));
            if reply != our_reply {
                wrong.push(format!(
                    "{}\n  Redis {}  ours  {}",
                    line_of(words),
                    Node::parse(&reply),
                    Node::parse(&our_reply)
                ));
            }
        }
    }
    crate::say(&format!(
        "{} {what}, {} differences",
        requests.len(),
        wrong.len()
    ));
    assert!(
        wrong.is_empty(),
        "{} differences, the first of them:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("")
    );
}

pub fn words(line: &[&[u8]]) -> Words {
    line.iter().map(|word| word.to_vec()).collect()
}

fn text(number: i64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn short_strings() -> Vec<Vec<u8>> {
    let bytes = [0x00, 0xff, 0x80, 0x01, 0xa5];
    let mut strings: Vec<Vec<u8>> = vec![vec![]];
    strings.extend(bytes.map(|a| vec![a]));
    strings.extend(bytes.iter().flat_map(|a| bytes.map(|b| vec![*a, b])));
    strings.extend([
        vec![0xff, 0xf0, 0x00],
        vec![0x00, 0xff, 0x00],
        vec![0xff; 3],
        vec![0; 3],
        vec![0xa5, 0x00, 0x01],
    ]);
    strings
}

#[test]
fn every_span_of_every_short_string() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut requests = Vec::new();
    for string in short_strings() {
        requests.push(words(&[b"SET", b"k", &string]));
        requests.push(words(&[b"BITCOUNT", b"k"]));
        let bytes = string.len() as i64 + 2;
        for start in -bytes..=bytes {
            for end in -bytes..=bytes {
                requests.push(vec![
                    b"BITCOUNT".into(),
                    b"k".into(),
                    text(start),
                    text(end),
                ]);
                requests.push(vec![
                    b"GETRANGE".into(),
                    b"k".into(),
                    text(start),
                    text(end),
                ]);
                for bit in ["0", "1"] {
                    requests.push(vec![
                        b"BITPOS".into(),
                        b"k".into(),
                        bit.into(),
                        text(start),
                        text(end),
                        b"byte".into(),
                    ]);
                }
            }
            for bit in ["0", "1"] {
                requests.push(vec![b"BITPOS".into(), b"k".into(), bit.into(), text(start)]);
            }
        }
        for bit in ["0", "1"] {
            requests.push(words(&[b"BITPOS", b"k", bit.as_bytes()]));
            requests.push(words(&[b"BITPOS", b"missing", bit.as_bytes()]));
        }
    }
    agree(&pair, "spans in bytes", &requests);
    pair.end_in_peace();
}

#[test]
fn every_span_in_bits() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut requests = Vec::new();
    for string in [
        &b"\xa5"[..],
        b"\xff\x00",
        b"\x00\xff\x80",
        b"\xff\xff\xff",
        b"foo",
        b"",
    ] {
        requests.push(words(&[b"SET", b"k", string]));
        let bits = 8 * string.len() as i64 + 2;
        for start in -bits..=bits {
            for end in -bits..=bits {
                requests.push(vec![
                    b"BITCOUNT".into(),
                    b"k".into(),
                    text(start),
                    text(end),
                    b"bit".into(),
                ]);
                for bit in ["0", "1"] {
                    requests.push(vec![
                        b"BITPOS".into(),
                        b"k".into(),
                        bit.into(),
                        text(start),
                        text(end),
                        b"BIT".into(),
                    ]);
                }
            }
        }
    }
    agree(&pair, "spans in bits", &requests);
    pair.end_in_peace();
}

#[test]
fn bitop_at_every_length_and_number_of_sources() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut random = Random::new(7);
    let mut requests = Vec::new();
    for length in [
        0_usize, 1, 7, 8, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 8191, 8192,
        8193,
    ] {
        // Sources of this length, of neighbouring lengths, and one that is not there.
        let keys: Vec<Vec<u8>> = (0..18).map(|at| format!("s{at}").into_bytes()).collect();
        for (at, key) in keys.iter().enumerate().skip(1) {
            let other: usize = [
                length,
                length,
                length / 2,
                length + 1,
                1,
                length.saturating_sub(1),
            ][at % 6];
            let value = match at % 4 {
                0 => vec![0xff; other],
                1 => vec![0; other],
                _ => random.bytes(other),
            };
            requests.push(words(&[b"SET", key, &value]));
        }
        for operation in ["AND", "OR", "XOR", "ONE", "DIFF", "DIFF1", "ANDOR", "NOT"] {
            for sources in [1, 2, 3, 4, 5, 8, 15, 16, 17] {
                let first = random.below(18) as usize;
                let mut request = words(&[b"BITOP", operation.as_bytes(), b"dest"]);
                request.extend((0..sources).map(|at| keys[(first + at) % keys.len()].clone()));
                requests.push(request);
                requests.push(words(&[b"GET", b"dest"]));
            }
        }
    }
    agree(&pair, "BITOPs over edges of length", &requests);
    pair.end_in_peace();
}

#[test]
fn bitfield_of_every_width_at_every_offset_in_a_byte() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut random = Random::new(11);
    let mut requests = Vec::new();
    for width in 1..=64 {
        for sign in ["i", "u"] {
            if width == 64 && sign == "u" {
                continue;
            }
            let kind = format!("{sign}{width}").into_bytes();
            for offset in 0..8 {
                let at = text(offset + 8 * (width % 3));
                requests.push(words(&[b"SET", b"k", &random.bytes(20)]));
                for overflow in ["WRAP", "SAT", "FAIL"] {
                    let numbers = [
                        text(random.next() as i64),
                        text(1),
                        text(-1),
                        text(i64::MAX),
                        text(i64::MIN),
                    ];
                    let mut request = words(&[
                        b"BITFIELD",
                        b"k",
                        b"OVERFLOW",
                        overflow.as_bytes(),
                        b"GET",
                        &kind,
                        &at,
                    ]);
                    for number in &numbers {
                        request.extend(words(&[
                            b"SET", &kind, &at, number, b"INCRBY", &kind, &at, number, b"GET",
                            &kind, &at,
                        ]));
                    }
                    requests.push(request);
                }
                requests.push(words(&[b"GET", b"k"]));
            }
        }
    }
    agree(&pair, "BITFIELDs of every width", &requests);
    pair.end_in_peace();
}

/// 80-bit arithmetic and its decimal text, over numbers of all sizes: each sum is the next one's operand.
#[test]
fn sums_of_floats_have_the_same_digits() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut random = Random::new(13);
    let mut requests = Vec::new();
    for round in 0..4_000 {
        let digits = random.below(20) as usize;
        let mut decimal = |most: i64| {
            let whole = random.next() >> (1 + random.below(63));
            let fraction = format!("{:019}", random.next() >> 1);
            let sign = if random.percent(50) { "-" } else { "" };
            let exponent = match random.below(3) {
                0 => format!("e{}", random.within(-most, most)),
                _ => String::new(),
            };
            match digits {
                0 => format!("{sign}{whole}{exponent}"),
                _ => format!("{sign}{whole}.{}{exponent}", &fraction[..digits]),
            }
        };
        // Exponents of thousands now and then: there the text has thousands of digits.
        let most = if round % 50 == 0 { 4_950 } else { 25 };
        requests.push(words(&[b"SET", b"f", decimal(most).as_bytes()]));
        for _ in 0..3 {
            requests.push(words(&[b"INCRBYFLOAT", b"f", decimal(most).as_bytes()]));
        }
    }
    agree(&pair, "sums of floats", &requests);
    pair.end_in_peace();
}
