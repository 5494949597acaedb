//! How good the choice of keys to evict is: the share of reads that find their key, on one trace, beside Redis's.
//!
//! Each server may hold as many keys as the other, whatever a key costs it. Which keys go is up to chance in both, so the
//! shares are compared and not the keys.

use std::thread::sleep;
use std::time::Duration;

use crate::pair::{Pair, Server};
use crate::random::Random;
use crate::wire::Connection;

/// Keys there are, and how many of them fit.
const KEYS: u64 = 5000;
const FITTING: u64 = 1000;

/// Reads in a trace, and how often it halts for a moment, so that the keys' times differ.
const READS: u64 = 16_000;
const HALTS: u64 = 40;
const HALT: Duration = Duration::from_millis(120);

/// How far ours may be below Redis's, in percent of all reads.
const SLACK: u64 = 4;

/// Bytes that do not compress.
fn value(random: &mut Random) -> Vec<u8> {
    random.bytes(4000)
}

fn used(connection: &mut Connection) -> u64 {
    // Statistics of what threads keep at hand settle within a tenth of a second.
    sleep(Duration::from_millis(250));
    let page = connection.ask(&[b"INFO", b"memory"]).expect("an answer");
    let page = page.string();
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    line.expect("INFO tells").trim().parse().expect("a number")
}

/// A connection to a server that can hold [`FITTING`] keys.
fn limited(server: &Server, policy: &str) -> Connection {
    let mut connection = server.connect();
    let mut set = |words: &[&[u8]]| drop(connection.ask(words).expect("an answer"));
    let mut random = Random::new(1);
    set(&[b"CONFIG", b"SET", b"maxmemory-policy", policy.as_bytes()]);
    set(&[b"SET", b"first", b"1"]);
    let before = used(&mut connection);
    for n in 0..FITTING {
        let (key, value) = (n.to_string(), value(&mut random));
        connection
            .ask(&[b"SET", key.as_bytes(), &value])
            .expect("an answer");
    }
    let full = used(&mut connection);
    assert!(full > before + FITTING * 3000, "{before} {full}");
    let limit = full.to_string();
    for words in [
        &[b"FLUSHALL".as_slice()][..],
        &[b"CONFIG", b"SET", b"maxmemory", limit.as_bytes()],
    ] {
        connection.ask(words).expect("an answer");
    }
    connection
}

/// Plays a trace to both, and returns how many of a hundred reads found their key: Redis's, and ours.
fn play(policy: &str, mut next: impl FnMut(&mut Random, u64) -> u64) -> Option<[u64; 2]> {
    let pair = Pair::start(&[])?;
    let mut both = [limited(&pair.redis, policy), limited(&pair.ours, policy)];
    let mut hits = [0; 2];
    let mut random = Random::new(2);
    for at in 0..READS {
        if at % (READS / HALTS) == 0 {
            sleep(HALT);
        }
        let key = next(&mut random, at).to_string();
        let value = value(&mut random);
        for (connection, hits) in both.iter_mut().zip(&mut hits) {
            let found = connection
                .ask(&[b"GET", key.as_bytes()])
                .expect("an answer");
            if found.text.is_none() {
                let set = connection.ask(&[b"SET", key.as_bytes(), &value]);
                assert!(!set.expect("an answer").is_error());
            } else {
                *hits += 1;
            }
        }
    }
    pair.end_in_peace();
    let shares = hits.map(|hits| hits * 100 / READS);
    crate::say(&format!(
        "{policy}: {} of 100 reads found their key in Redis, {} in bitmapd",
        shares[0], shares[1]
    ));
    Some(shares)
}

/// A key whose number is the likelier the smaller it is.
fn popular(random: &mut Random) -> u64 {
    let part = random.below(1 << 20) as f64 / (1 << 20) as f64;
    (KEYS as f64 * part.powi(4)) as u64
}

/// What is popular changes all the time: who was not used for long will not be.
#[test]
fn lru_finds_as_much_as_in_redis() {
    let trace = |random: &mut Random, at| (popular(random) + at / 8) % KEYS;
    if let Some([redis, ours]) = play("allkeys-lru", trace) {
        assert!(ours + SLACK >= redis, "{ours} and {redis} of 100");
    }
}

/// What is popular stays so, and every third read is of something that nobody asks for twice.
#[test]
fn lfu_finds_as_much_as_in_redis() {
    let trace = |random: &mut Random, at| match at % 3 {
        0 => KEYS + at,
        _ => popular(random),
    };
    if let Some([redis, ours]) = play("allkeys-lfu", trace) {
        assert!(ours + SLACK >= redis, "{ours} and {redis} of 100");
    }
}
