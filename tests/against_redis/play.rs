//! Plays the same steps to both servers, finds the first reply that differs, and makes the story short.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use crate::pair::Pair;
use crate::rules;
use crate::wire::{Connection, Node, Words, inline, line_of, multibulk};

/// How many connections the steps of one round are spread over.
pub const CONNECTIONS: usize = 2;

/// Requests sent before their replies are read: at most this many, or this many bytes. A server that holds replies
/// back until they are read must still be able to take the rest of the burst.
const BURST: usize = 24;
const BURST_BYTES: usize = 32 * 1024;

/// The time given to shortening one failing round.
const SHRINK: Duration = Duration::from_secs(20);

#[derive(Clone)]
pub struct Step {
    /// Which of the round's connections sends it.
    pub connection: usize,
    /// As a typed line rather than as a client library's array.
    pub inline: bool,
    pub words: Words,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.inline { " inline" } else { "" };
        write!(f, "[{}{form}] {}", self.connection, line_of(&self.words))
    }
}

/// Two servers that disagree.
#[derive(Debug)]
pub struct Difference {
    /// The step whose replies differ; the number of steps if it is the keyspace afterwards that does.
    pub at: usize,
    pub told: String,
    /// A connection broke or fell silent: playing it again costs a time-out.
    pub broken: bool,
}

/// One client's connection to each server.
struct Seat {
    redis: Connection,
    ours: Connection,
    /// The commands queued since MULTI.
    queued: Option<Vec<Words>>,
}

/// Flushes both servers, plays `steps`, and compares every reply and then the whole keyspace.
pub fn play(pair: &Pair, steps: &[Step]) -> Option<Difference> {
    let broken = |at: usize| {
        move |error: io::Error| Difference {
            at,
            told: format!("{error}"),
            broken: true,
        }
    };
    play_steps(pair, steps, &broken)
        .err()
        .or_else(|| compare_keyspaces(pair, steps.len()))
}

fn play_steps<F: Fn(io::Error) -> Difference>(
    pair: &Pair,
    steps: &[Step],
    broken: &dyn Fn(usize) -> F,
) -> Result<(), Difference> {
    for server in [&pair.redis, &pair.ours] {
        server.connect().ask(&[b"FLUSHALL"]).map_err(broken(0))?;
    }
    let seat = |_| Seat {
        redis: pair.redis.connect(),
        ours: pair.ours.connect(),
        queued: None,
    };
    let mut seats: Vec<Seat> = (0..CONNECTIONS).map(seat).collect();

    let mut at = 0;
    while at < steps.len() {
        let burst = burst_length(&steps[at..]);
        let bytes: Vec<u8> = steps[at..at + burst]
            .iter()
            .flat_map(|step| {
                if step.inline {
                    inline(&step.words)
                } else {
                    multibulk(&step.words)
                }
            })
            .collect();
        let seat = &mut seats[steps[at].connection];
        seat.redis.send(&bytes).map_err(broken(at))?;
        seat.ours.send(&bytes).map_err(broken(at))?;
        for (offset, step) in steps[at..at + burst].iter().enumerate() {
            let at = at + offset;
            let redis = seat.redis.receive().unwrap_or_else(|error| {
                let burst: String = steps[at - offset..at - offset + burst]
                    .iter()
                    .map(|step| format!("\n  {step}"))
                    .collect();
                panic!("Redis, to {step}: {error}; the burst:{burst}")
            });
            let ours = seat.ours.receive().map_err(broken(at))?;
            let queued = seat.queued.as_deref().unwrap_or_default();
            if !rules::alike(&step.words, queued, &redis, &ours) {
                let told = format!(
                    "Redis:\n{}ours:\n{}",
                    Node::parse(&redis),
                    Node::parse(&ours)
                );
                return Err(Difference {
                    at,
                    told,
                    broken: false,
                });
            }
            follow_transaction(&mut seat.queued, &step.words, &redis);
        }
        at += burst;
    }
    Ok(())
}

fn burst_length(steps: &[Step]) -> usize {
    let mut bytes = 0;
    let fits = |step: &&Step| {
        bytes += step.words.iter().map(|word| word.len() + 16).sum::<usize>();
        step.connection == steps[0].connection && bytes <= BURST_BYTES
    };
    steps.iter().take(BURST).take_while(fits).count().max(1)
}

fn follow_transaction(queued: &mut Option<Vec<Words>>, words: &Words, reply: &[u8]) {
    if reply == b"+QUEUED\r\n" {
        queued
            .as_mut()
            .expect("commands are queued after MULTI")
            .push(words.clone());
    } else if rules::name_is(words, "MULTI") && reply == b"+OK\r\n" {
        *queued = Some(Vec::new());
    } else if ["EXEC", "DISCARD", "RESET"]
        .iter()
        .any(|name| rules::name_is(words, name))
        && !reply.starts_with(b"-ERR")
    {
        *queued = None;
    }
}

/// DBSIZE of each database and a digest over all keys, values and whether they expire.
pub fn compare_keyspaces(pair: &Pair, at: usize) -> Option<Difference> {
    let digest = |connection: &mut Connection| connection.ask(&[b"DEBUG", b"DIGEST"]);
    let (mut redis, mut ours) = (pair.redis.connect(), pair.ours.connect());
    match (
        digest(&mut redis).expect("Redis answers"),
        digest(&mut ours),
    ) {
        (_, Err(error)) => Some(Difference {
            at,
            told: format!("DEBUG DIGEST: {error}"),
            broken: true,
        }),
        (redis_digest, Ok(our_digest)) if redis_digest == our_digest => None,
        (redis_digest, Ok(our_digest)) => {
            let keys =
                differing_keys(&mut redis, &mut ours).unwrap_or_else(|error| error.to_string());
            let told = format!("keyspaces differ\nRedis: {redis_digest}ours:  {our_digest}{keys}");
            Some(Difference {
                at,
                told,
                broken: false,
            })
        }
    }
}

/// The keys that the two keyspaces do not share, or that hold something else, one line each.
fn differing_keys(redis: &mut Connection, ours: &mut Connection) -> io::Result<String> {
    let mut told = String::new();
    for database in 0..16 {
        let database = database.to_string();
        let mut all: Vec<Vec<Vec<u8>>> = Vec::new();
        for connection in [&mut *redis, &mut *ours] {
            connection.ask(&[b"SELECT", database.as_bytes()])?;
            all.push(
                connection
                    .ask(&[b"KEYS", b"*"])?
                    .items
                    .into_iter()
                    .map(|key| key.bytes().to_vec())
                    .collect(),
            );
        }
        let mut keys = all.concat();
        keys.sort();
        keys.dedup();
        for key in keys {
            let look = |connection: &mut Connection| -> io::Result<String> {
                let value = connection.ask(&[b"GET", &key])?;
                let expires = connection.ask(&[b"TTL", &key])?.integer() != Some(-1);
                Ok(format!(
                    "{}{}",
                    value.to_string().trim_end(),
                    if expires { " (expires)" } else { "" }
                ))
            };
            let (a, b) = (look(redis)?, look(ours)?);
            if a != b {
                let key = String::from_utf8_lossy(&key);
                told += &format!("db {database} key {key:?}\n  Redis {a}\n  ours  {b}\n");
            }
        }
    }
    Ok(told)
}

/// Drops steps as long as some difference remains, and tells what is left, ready to be typed into redis-cli.
pub fn shorten(pair: &Pair, steps: &[Step], first: Difference) -> String {
    let mut story: Vec<Step> = steps[..steps.len().min(first.at + 1)].to_vec();
    let mut ending = first;
    let deadline = Instant::now() + SHRINK;
    let mut piece = story.len() / 2;
    while piece > 0 && !ending.broken {
        let mut at = 0;
        while at < story.len() && Instant::now() < deadline {
            let mut shorter = story.clone();
            shorter.drain(at..(at + piece).min(story.len()));
            match play(pair, &shorter) {
                Some(difference) => {
                    shorter.truncate(difference.at + 1);
                    story = shorter;
                    ending = difference;
                    if ending.broken {
                        break;
                    }
                }
                None => at += piece,
            }
        }
        piece /= 2;
    }
    let shown = story.len().saturating_sub(40);
    let lines: String = story[shown..]
        .iter()
        .map(|step| format!("  {step}\n"))
        .collect();
    format!("{lines}{}", ending.told)
}
