//! bitmapd against the real Redis 8.2.3: the same bytes to both, and the replies compared as bytes.
//!
//! - `random_rounds_agree` plays seeded random commands over everything the two share (`generate.rs`), and compares
//!   the whole keyspace after each round. A failing round is shortened until every step left is needed.
//! - `scripts.rs` plays the files in `scripts/`, where each line is a command: examples, error texts, orders of checks.
//! - `streams.rs` compares all that several connections receive, asked for or not: messages, events, MONITOR.
//! - `eviction.rs` compares how well keys are chosen to be evicted.
//! - `spans.rs`, `giants.rs`, `protocol.rs` and `metadata.rs` hold what is easier said as loops or bytes.
//! - `files.rs` exchanges RDB files and payloads, with Redis 7.0 too.
//!
//! What may differ stands in `rules.rs`, and nowhere else. From the environment:
//!
//! - `REDIS_REFERENCE`: the redis-server to compare with; without it, the one `tests/run` fetched; with neither, these
//!   tests say so and pass.
//! - `AGAINST_REDIS_COMMANDS`: how many random commands (20000). `AGAINST_REDIS_SEED`: the seed of the first round; the
//!   next rounds use the numbers that follow, so that a failing round is played alone with its seed and one command.
//! - `AGAINST_REDIS_SERVER`: another server in bitmapd's place. The reference itself there must show no difference.

mod eviction;
mod files;
mod generate;
mod giants;
mod logs;
mod metadata;
mod pair;
mod play;
mod protocol;
#[path = "../support/random.rs"]
mod random;
mod rules;
mod scripts;
mod spans;
mod streams;
mod wire;

use std::collections::BTreeSet;
use std::env;
use std::io::Write;
use std::time::Instant;

use crate::pair::Pair;

/// Commands in a round: long enough to build up state, short enough to lose little to a difference.
const ROUND: usize = 250;

/// After so many different failures, more would not help anyone.
const ENOUGH: usize = 12;

fn from_environment(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}"))
    })
}

/// A line past the test harness, which keeps to itself what a passing test prints.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "against Redis: {line}");
}

#[test]
fn random_rounds_agree() {
    let Some(pair) = Pair::start(&[]) else { return };
    let commands = from_environment("AGAINST_REDIS_COMMANDS", 20_000);
    let seed = from_environment("AGAINST_REDIS_SEED", 1);
    let began = Instant::now();
    let mut failures = Vec::new();
    let mut kinds = BTreeSet::new();
    let rounds = commands.div_ceil(ROUND as u64);
    let mut played = 0;
    for round in 0..rounds {
        let steps = generate::round(seed + round, ROUND);
        played += steps.len();
        let Some(difference) = play::play(&pair, &steps) else {
            continue;
        };
        let kind = match steps.get(difference.at) {
            Some(step) => String::from_utf8_lossy(&step.words[0]).to_uppercase(),
            None => "the keyspace".to_owned(),
        };
        // Shortening takes a while, and the fifth wrong GETBIT tells no more than the first two.
        if kinds.insert((kind.clone(), 0)) || kinds.insert((kind.clone(), 1)) {
            let story = play::shorten(&pair, &steps, difference);
            failures.push(format!(
                "{kind}, AGAINST_REDIS_SEED={}:\n{story}",
                seed + round
            ));
        }
        if failures.len() >= ENOUGH {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    say(&format!(
        "{played} random commands from seed {seed} in {seconds:.1} s, {} kinds of difference",
        failures.len()
    ));
    assert!(failures.is_empty(), "{}", failures.join("\n----\n"));
    pair.end_in_peace();
}
