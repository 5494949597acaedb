//! The one list of replies that may differ from Redis's, each with the reason.
//!
//! Everything not listed is compared byte for byte. A rule sees the two replies only when their bytes differ, excuses no
//! error but that of BITCOUNT with a start alone, and still holds them to all that can be held.
//!
//! Some things are not asked at all, because Redis itself is unsteady there:
//!
//! - A failed AUTH behind another command of the same burst or inside MULTI: Redis 8.2.3 loses the reply. Scripts send it
//!   alone; the random rounds only log in as the default user.
//! - DBSIZE and MEMORY USAGE while an expired key waits to be swept: random times never run out during a round.
//! - NUL bytes in a line, inline or a header: Redis sees no end of the line behind them and waits. And lines close to
//!   64 KiB: Redis's answer depends on how the bytes were split on the way.

use crate::wire::Node;

/// How far two clocks read one after the other may be apart, with a busy machine in between.
const SKEW_MS: i64 = 5_000;

struct Rule {
    /// The command's first words, in upper case.
    command: &'static str,
    alike: fn(redis: &Node, ours: &Node) -> bool,
    reason: &'static str,
}

#[rustfmt::skip] // read by column
const RULES: &[Rule] = &[
    Rule { command: "TTL",             alike: seconds,     reason: "the second may turn between the two servers' replies" },
    Rule { command: "EXPIRETIME",      alike: seconds,     reason: "relative expiries start from each server's own now" },
    Rule { command: "PTTL",            alike: milliseconds, reason: "time passes between the two servers' replies" },
    Rule { command: "PEXPIRETIME",     alike: milliseconds, reason: "relative expiries start from each server's own now" },
    Rule { command: "OBJECT IDLETIME", alike: seconds,     reason: "the second may turn between the two servers' replies" },
    Rule { command: "OBJECT REFCOUNT", alike: still_held,  reason: "in Redis a SET waiting in EXEC still holds its value, beside the key" },
    Rule { command: "TIME",            alike: shape,       reason: "it is the clock" },
    Rule { command: "KEYS",            alike: same_set,    reason: "the order is each server's hash order" },
    Rule { command: "SCAN",            alike: scan,        reason: "cursor and order are each server's hash order" },
    Rule { command: "RANDOMKEY",       alike: shape,       reason: "it is random" },
    Rule { command: "COMMAND LIST",    alike: same_commands, reason: "the order is each server's hash order, and bitmapd has commands of its own" },
    Rule { command: "CONFIG GET",      alike: same_pairs,  reason: "the order is each server's hash order" },
    Rule { command: "MEMORY USAGE",    alike: shape,       reason: "the representations differ; that is the point of bitmapd" },
    Rule { command: "CLIENT ID",       alike: shape,       reason: "a counter of the server's own" },
    Rule { command: "CLIENT INFO",     alike: client_lines, reason: "ids, addresses, buffers and times are each server's own" },
    Rule { command: "CLIENT LIST",     alike: client_lines, reason: "ids, addresses, buffers and times are each server's own" },
    Rule { command: "HELLO",           alike: hello,       reason: "the id is a counter, and bitmapd has no modules" },
    Rule { command: "DEBUG OBJECT",    alike: shape,       reason: "addresses and serialized lengths are each server's own" },
    Rule { command: "ACL LOG",         alike: acl_log,     reason: "ids, addresses, buffers and times are each server's own" },
    Rule { command: "ACL CAT",         alike: some_of,     reason: "the order is each server's hash order, and bitmapd has fewer commands" },
    Rule { command: "ACL HELP",        alike: help,        reason: "the help is told in each server's own words" },
    Rule { command: "CLIENT HELP",    alike: help,        reason: "the help is told in each server's own words" },
    Rule { command: "COMMAND HELP",   alike: help,        reason: "the help is told in each server's own words" },
    Rule { command: "CONFIG HELP",    alike: help,        reason: "the help is told in each server's own words" },
    Rule { command: "DEBUG HELP",     alike: help,        reason: "the help is told in each server's own words" },
    Rule { command: "MEMORY HELP",    alike: help,        reason: "the help is told in each server's own words" },
    Rule { command: "LATENCY HELP",   alike: help,        reason: "the help is told in each server's own words" },
    Rule { command: "PUBSUB HELP",    alike: help,        reason: "the help is told in each server's own words" },
    Rule { command: "SLOWLOG HELP",   alike: help,        reason: "the help is told in each server's own words" },
    Rule { command: "LATENCY DOCTOR", alike: shape,       reason: "the advice is given in each server's own words" },
    Rule { command: "LATENCY HISTOGRAM", alike: shape,    reason: "the times are each server's own" },
    Rule { command: "SLOWLOG GET",    alike: slow,        reason: "the times and ports are each server's own" },
    Rule { command: "OBJECT HELP",    alike: help,        reason: "the help is told in each server's own words" },
];

/// Parts of COMMAND DOCS that are prose, which bitmapd says in its own words; so are the sentences of the history.
pub const PROSE: &[&str] = &["summary", "complexity"];

/// Commands that Redis does not have.
pub const OWN_COMMANDS: &[&str] = &[
    "bitexport",
    "bitimport",
    "bitinfo",
    "bitopcard",
    "bitscan",
    "bitselect",
    "getbits",
    "setbitrange",
    "setbits",
];

/// Settings that are each server's own, with the reason.
pub const OWN_SETTINGS: &[(&str, &str)] = &[
    ("port", "each server listens on its own"),
    ("dir", "each server has a directory of its own"),
    ("loadmodule", "there are no modules"),
];

/// Sections of INFO that Redis does not have.
pub const OWN_INFO: &[&str] = &["# Bitmap"];

/// Whether the two replies to `words` may stand. `queued` are the commands of the transaction that an EXEC ended.
pub fn alike(words: &[Vec<u8>], queued: &[Vec<Vec<u8>>], redis: &[u8], ours: &[u8]) -> bool {
    redis == ours || alike_nodes(words, queued, &Node::parse(redis), &Node::parse(ours))
}

fn alike_nodes(words: &[Vec<u8>], queued: &[Vec<Vec<u8>>], redis: &Node, ours: &Node) -> bool {
    if redis == ours {
        return true;
    }
    if name_is(words, "BITCOUNT") && words.len() == 3 {
        return starts_alone(redis, ours);
    }
    if redis.kind != ours.kind || redis.is_error() || redis.text.is_none() != ours.text.is_none() {
        return false;
    }
    if name_is(words, "EXEC") {
        return redis.items.len() == ours.items.len()
            && redis.items.len() == queued.len()
            && (redis.items.iter().zip(&ours.items).zip(queued))
                .all(|((redis, ours), words)| alike_nodes(words, &[], redis, ours));
    }
    RULES
        .iter()
        .any(|rule| name_is(words, rule.command) && (rule.alike)(redis, ours))
}

/// Whether a request starts with the words of `command`.
pub fn name_is(words: &[Vec<u8>], command: &str) -> bool {
    let mut expected = command.split(' ');
    words.len() >= command.split(' ').count()
        && words.iter().all(|word| {
            expected
                .next()
                .is_none_or(|name| word.eq_ignore_ascii_case(name.as_bytes()))
        })
}

/// The one error that is excused: of BITCOUNT with a start alone, which goes to the end of the string here, as in Valkey.
fn starts_alone(redis: &Node, ours: &Node) -> bool {
    let refused = b"ERR value is not an integer or out of range";
    redis.is_error()
        && (ours.integer().is_some_and(|n| n >= 0) || ours.is_error() && ours.bytes() == refused)
}

fn near(redis: &Node, ours: &Node, distance: i64) -> bool {
    match (redis.integer(), ours.integer()) {
        // A negative reply is a statement (no key, no expiry), not a time.
        (Some(a), Some(b)) => a >= 0 && b >= 0 && (a - b).abs() <= distance,
        _ => false,
    }
}

fn seconds(redis: &Node, ours: &Node) -> bool {
    near(redis, ours, SKEW_MS / 1000)
}

fn milliseconds(redis: &Node, ours: &Node) -> bool {
    near(redis, ours, SKEW_MS)
}

/// The same types all the way down, whatever the values.
fn shape(redis: &Node, ours: &Node) -> bool {
    redis.kind == ours.kind
        && redis.text.is_none() == ours.text.is_none()
        && redis.items.len() == ours.items.len()
        && redis
            .items
            .iter()
            .zip(&ours.items)
            .all(|(redis, ours)| shape(redis, ours))
}

fn still_held(redis: &Node, ours: &Node) -> bool {
    redis.integer() == Some(2) && ours.integer() == Some(1)
}

/// Lines of text under the same heading.
fn help(redis: &Node, ours: &Node) -> bool {
    let line = redis.items.first().map(|line| line.kind);
    redis.items.first() == ours.items.first()
        && ours.items.iter().all(|item| Some(item.kind) == line)
}

fn same_set(redis: &Node, ours: &Node) -> bool {
    let sorted = |node: &Node| {
        let mut texts: Vec<Vec<u8>> = node
            .items
            .iter()
            .map(|item| item.bytes().to_vec())
            .collect();
        texts.sort();
        texts
    };
    sorted(redis) == sorted(ours)
}

/// Ours are among theirs, besides those that Redis does not have, and there are some.
fn some_of(redis: &Node, ours: &Node) -> bool {
    let known = |name: &Node| {
        OWN_COMMANDS.contains(&name.string().as_str())
            || redis.items.iter().any(|item| item == name)
    };
    !ours.items.is_empty() && ours.items.iter().all(known)
}

/// As many entries with the same fields, and those that say what was refused to whom are equal.
fn acl_log(redis: &Node, ours: &Node) -> bool {
    const TOLD: [&str; 5] = ["count", "reason", "context", "object", "username"];
    let same_field = |redis: &[Node], ours: &[Node]| {
        let name = redis[0].string();
        let alike = match name.as_str() {
            "client-info" => client_lines(&redis[1], &ours[1]),
            name => !TOLD.contains(&name) && redis[1].kind == ours[1].kind,
        };
        redis[0] == ours[0] && (redis[1] == ours[1] || alike)
    };
    let same_entry = |redis: &Node, ours: &Node| {
        redis.items.len() == ours.items.len()
            && (redis.items.chunks(2).zip(ours.items.chunks(2)))
                .all(|(redis, ours)| same_field(redis, ours))
    };
    redis.items.len() == ours.items.len()
        && (redis.items.iter().zip(&ours.items)).all(|(redis, ours)| same_entry(redis, ours))
}

/// The same names, besides those that Redis does not have.
fn same_commands(redis: &Node, ours: &Node) -> bool {
    let is_own = |name: &Node| OWN_COMMANDS.contains(&name.string().as_str());
    let items = ours.items.iter().filter(|name| !is_own(name)).cloned();
    let shared = Node {
        kind: ours.kind,
        text: ours.text.clone(),
        items: items.collect(),
    };
    same_set(redis, &shared)
}

/// The same keys with the same values, in a map or a flat array.
fn same_pairs(redis: &Node, ours: &Node) -> bool {
    let sorted = |node: &Node| {
        let mut pairs: Vec<String> = node
            .items
            .chunks(2)
            .map(|pair| format!("{pair:?}"))
            .collect();
        pairs.sort();
        pairs
    };
    sorted(redis) == sorted(ours)
}

/// Entries with the same numbers, arguments and names.
fn slow(redis: &Node, ours: &Node) -> bool {
    let alike = |(redis, ours): (&Node, &Node)| {
        let (redis, ours) = (&redis.items, &ours.items);
        redis.len() == 6 && ours.len() == 6 && [0, 3, 5].into_iter().all(|at| redis[at] == ours[at])
    };
    redis.items.len() == ours.items.len() && redis.items.iter().zip(&ours.items).all(alike)
}

/// The whole keyspace in one reply, as a set. (Scans in several steps have a test of their own.)
fn scan(redis: &Node, ours: &Node) -> bool {
    let ([cursor_redis, keys_redis], [cursor_ours, keys_ours]) =
        (&redis.items[..], &ours.items[..])
    else {
        return false;
    };
    cursor_redis.bytes() == b"0" && cursor_ours.bytes() == b"0" && same_set(keys_redis, keys_ours)
}

/// Fields of a CLIENT LIST line whose values say something about the commands sent, and so must agree.
const CLIENT_FIELDS: &[&str] = &[
    "name", "flags", "db", "sub", "psub", "ssub", "multi", "watch", "user", "redir", "resp",
    "lib-name", "lib-ver", "cmd",
];

/// The same fields in the same order on as many lines, and the same values where they can be compared.
///
/// Once a watched key has changed, Redis forgets the other ones, except where a flush or SWAPDB changed it; bitmapd forgets
/// them always. So `watch` counts only while no key has changed, that is without the flag `d`.
fn client_lines(redis: &Node, ours: &Node) -> bool {
    let (redis, ours) = (redis.string(), ours.string());
    let lines = || redis.lines().zip(ours.lines());
    let same_line = |redis: &str, ours: &str| {
        let changed = redis
            .split(' ')
            .any(|field| field.starts_with("flags=") && field.contains('d'));
        let same_field = |redis: &str, ours: &str| {
            let name = redis.split('=').next().unwrap_or_default();
            let compared = CLIENT_FIELDS.contains(&name) && !(changed && name == "watch");
            redis == ours || (!compared && ours.split('=').next() == Some(name))
        };
        redis.split(' ').count() == ours.split(' ').count()
            && redis
                .split(' ')
                .zip(ours.split(' '))
                .all(|(redis, ours)| same_field(redis, ours))
    };
    redis.lines().count() == ours.lines().count()
        && lines().all(|(redis, ours)| same_line(redis, ours))
}

/// HELLO's map: the same keys in the same order; only the id may differ, and Redis's list of modules.
fn hello(redis: &Node, ours: &Node) -> bool {
    redis.items.len() == ours.items.len()
        && redis
            .items
            .chunks(2)
            .zip(ours.items.chunks(2))
            .all(|(redis, ours)| {
                let key = redis[0].string();
                redis[0] == ours[0]
                    && redis[1].kind == ours[1].kind
                    && (redis[1] == ours[1] || key == "id" || key == "modules")
            })
}

#[test]
fn every_rule_gives_its_reason() {
    for rule in RULES {
        assert!(rule.reason.len() > 10, "{}", rule.command);
        assert_eq!(rule.command, rule.command.to_uppercase());
    }
}
