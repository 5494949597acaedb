//! MEMORY: what a key costs, and where the process's memory is.

use super::footprint::{self, Memory};
use super::introspect::map;
use super::{Args, CmdError, CmdResult, Context};
use crate::number::parse_i64;
use crate::resp::Reply;

/// `MEMORY USAGE key [SAMPLES count]`: bytes a key and its value take, nil if it is missing. A string has no elements to
/// sample, so the count is read and not needed.
pub(super) fn usage(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    while !args.is_empty() {
        if !args.take_word("SAMPLES") {
            return Err(CmdError::Syntax);
        }
        if parse_i64(args.take()?).ok_or(CmdError::NotAnInteger)? < 0 {
            return Err(CmdError::Syntax);
        }
    }
    Ok(match cx.peek(key) {
        Some(entry) => Reply::Integer(entry.cost() as i64),
        None => Reply::Null,
    })
}

/// `MEMORY STATS`: where the memory is, in bytes unless the name says otherwise.
///
/// Redis's fields, without those of features that are not here; nothing reads them.
pub(super) fn stats(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let memory = cx.world.footprint.read(cx.now());
    let keys: usize = (0..cx.world.keyspace.databases())
        .map(|db| cx.keys().key_count(db))
        .sum();
    let clients = client_buffers(cx);
    let overhead = memory.startup + clients;
    let dataset = memory.used.saturating_sub(overhead);
    let grown = memory.used.saturating_sub(memory.startup);
    let bytes = |n: u64| Reply::Integer(n as i64);
    Ok(map([
        ("peak.allocated", bytes(memory.peak)),
        ("total.allocated", bytes(memory.used)),
        ("startup.allocated", bytes(memory.startup)),
        ("replication.backlog", bytes(0)),
        ("clients.slaves", bytes(0)),
        ("clients.normal", bytes(clients)),
        ("cluster.links", bytes(0)),
        ("aof.buffer", bytes(0)),
        ("overhead.total", bytes(overhead)),
        ("keys.count", bytes(keys as u64)),
        (
            "keys.bytes-per-key",
            bytes(dataset.checked_div(keys as u64).unwrap_or(0)),
        ),
        ("dataset.bytes", bytes(dataset)),
        (
            "dataset.percentage",
            Reply::Double(ratio(dataset, grown) * 100.0),
        ),
        (
            "peak.percentage",
            Reply::Double(ratio(memory.used, memory.peak) * 100.0),
        ),
        ("allocator.allocated", bytes(memory.used)),
        ("allocator.active", bytes(memory.active)),
        ("allocator.resident", bytes(memory.resident)),
        (
            "allocator-fragmentation.ratio",
            Reply::Double(ratio(memory.active, memory.used)),
        ),
        (
            "allocator-fragmentation.bytes",
            difference(memory.active, memory.used),
        ),
        (
            "allocator-rss.ratio",
            Reply::Double(ratio(memory.resident, memory.active)),
        ),
        (
            "allocator-rss.bytes",
            difference(memory.resident, memory.active),
        ),
        (
            "rss-overhead.ratio",
            Reply::Double(ratio(memory.rss, memory.resident)),
        ),
        (
            "rss-overhead.bytes",
            difference(memory.rss, memory.resident),
        ),
        (
            "fragmentation",
            Reply::Double(ratio(memory.rss, memory.used)),
        ),
        ("fragmentation.bytes", difference(memory.rss, memory.used)),
    ]))
}

/// `a / b`, 0 where there is nothing to compare with.
pub(super) fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

fn difference(a: u64, b: u64) -> Reply {
    Reply::Integer(a as i64 - b as i64)
}

/// Bytes in the buffers of all connections.
pub(super) fn client_buffers(cx: &Context<'_>) -> u64 {
    use std::sync::atomic::Ordering::Relaxed;
    let all = cx.world.clients.list();
    all.iter()
        .map(|client| {
            let input = client.query_buffer.load(Relaxed) + client.query_buffer_free.load(Relaxed);
            (input + client.unsent()) as u64
        })
        .sum()
}

/// `MEMORY DOCTOR`: what looks wrong, in words.
pub(super) fn doctor(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let memory = cx.world.footprint.read(cx.now());
    Ok(text(diagnosis(&memory)))
}

fn diagnosis(memory: &Memory) -> String {
    /// Below this the process's own fixed costs hide everything.
    const LITTLE: u64 = 5 << 20;
    /// Differences below this are not worth a word.
    const SMALL: u64 = 10 << 20;
    if memory.used < LITTLE {
        return "Almost nothing is stored, too little to judge. Ask again with data in place.\n"
            .into();
    }
    let much = |a: u64, b: u64, limit: f64| ratio(a, b) > limit && a - b > SMALL;
    let findings = [
        (
            much(memory.peak, memory.used, 1.5),
            "Peak: there was a time when much more memory was in use than now. What the allocator kept from then makes the \
             fragmentation look worse than it is; MEMORY PURGE gives it back.",
        ),
        (
            much(memory.rss, memory.used, 1.4),
            "Fragmentation: the system counts much more memory for this process than is in use.",
        ),
        (
            much(memory.active, memory.used, 1.1),
            "Allocator fragmentation: many pages are only partly in use, as after many values of one size were replaced by \
             others of another size.",
        ),
        (
            much(memory.resident, memory.active, 1.1),
            "Allocator reserve: the allocator keeps pages that hold nothing. MEMORY PURGE gives them back.",
        ),
    ];
    let found: Vec<String> = findings
        .into_iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, finding)| format!(" * {finding}\n"))
        .collect();
    if found.is_empty() {
        "Nothing looks wrong with the memory.\n".into()
    } else {
        format!("These things stand out:\n\n{}", found.join("\n"))
    }
}

/// `MEMORY MALLOC-STATS`: the allocator's own report.
pub(super) fn malloc_stats(_: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    footprint::report()
        .map(text)
        .map_err(|error| CmdError::other(format!("ERR The allocator gave no report: {error}")))
}

/// `MEMORY PURGE`: gives memory the allocator keeps in reserve back to the system.
pub(super) fn purge(_: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    match footprint::purge() {
        Ok(()) => Ok(Reply::Ok),
        Err(error) => {
            tracing::warn!("MEMORY PURGE failed: {error}");
            Err(CmdError::other("ERR Error purging dirty pages"))
        }
    }
}

/// A text for people.
pub(super) fn text(text: String) -> Reply {
    Reply::Verbatim {
        format: *b"txt",
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;
    use super::*;

    #[test]
    fn usage_judges_its_options_before_the_key() {
        let mut db = Session::alone();
        assert_eq!(db.say("MEMORY USAGE k"), "$-1\r\n");
        assert_eq!(db.say("MEMORY USAGE k SAMPLES 0 samples 5"), "$-1\r\n");
        for wrong in ["x 1", "SAMPLES", "SAMPLES -1"] {
            let line = format!("MEMORY USAGE k {wrong}");
            assert_eq!(db.say(&line), "-ERR syntax error\r\n");
        }
        assert_eq!(
            db.say("MEMORY USAGE k SAMPLES x"),
            "-ERR value is not an integer or out of range\r\n"
        );
        db.say("SETBIT k 4294967295 1");
        let cost: u64 = db.say("MEMORY USAGE k")[1..]
            .trim_end()
            .parse()
            .expect("a number");
        assert!(cost > 0);
    }

    #[test]
    fn the_doctor_sees_what_stands_out() {
        let healthy = Memory {
            used: 100 << 20,
            active: 101 << 20,
            resident: 102 << 20,
            rss: 105 << 20,
            peak: 110 << 20,
            ..Memory::default()
        };
        assert!(diagnosis(&healthy).starts_with("Nothing looks wrong"));
        assert!(diagnosis(&Memory::default()).starts_with("Almost nothing"));
        let peaked = Memory {
            peak: 300 << 20,
            rss: 250 << 20,
            resident: 240 << 20,
            ..healthy
        };
        let text = diagnosis(&peaked);
        for word in ["Peak", "Fragmentation", "Allocator reserve"] {
            assert!(text.contains(word), "{text}");
        }
        assert!(!text.contains("Allocator fragmentation"), "{text}");
    }

    #[test]
    fn the_reports_have_something_in_them() {
        let mut db = Session::alone();
        assert!(db.say("MEMORY STATS").contains("peak.allocated"));
        assert!(db.say("MEMORY MALLOC-STATS").contains("jemalloc"));
        assert_eq!(db.say("MEMORY PURGE"), "+OK\r\n");
        assert!(db.say("MEMORY HELP").contains("USAGE"));
    }
}
