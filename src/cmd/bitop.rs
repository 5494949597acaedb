//! BITOP: bitmaps combined into another.

use std::thread;

use smallvec::SmallVec;

use super::{Args, CmdError, CmdResult, Context, World, aside, ceiling};
use crate::bits::{self, Op, View};
use crate::resp::Reply;
use crate::store::{EntryRef, Value};

/// Operands that weigh more bytes than this, all together, are shared among cores: starting a thread takes as long as
/// half a megabyte.
const SHARED: u64 = 8 * 1024 * 1024;

/// An operator as a command names it.
#[derive(Clone, Copy)]
pub(super) struct Operator {
    name: &'static str,
    pub(super) op: Op,
}

const OPERATORS: [(&str, Op); 8] = [
    ("AND", Op::And),
    ("OR", Op::Or),
    ("XOR", Op::Xor),
    ("NOT", Op::Not),
    ("DIFF", Op::Diff),
    ("DIFF1", Op::Diff1),
    ("ANDOR", Op::AndOr),
    ("ONE", Op::One),
];

impl Operator {
    /// Reads an operator's name.
    pub(super) fn take(args: &mut Args<'_>) -> Result<Self, CmdError> {
        OPERATORS
            .into_iter()
            .find(|(name, _)| args.take_word(name))
            .map(|(name, op)| Self { name, op })
            .ok_or(CmdError::Syntax)
    }

    /// Refuses, in the name of `command`, a number of sources that the operator cannot have.
    pub(super) fn check(self, command: &str, sources: usize) -> Result<(), CmdError> {
        match (self.op, sources) {
            (Op::Not, 2..) => Err(CmdError::other(format!(
                "ERR {command} NOT must be called with a single source key."
            ))),
            (Op::Diff | Op::Diff1 | Op::AndOr, 1) => Err(CmdError::other(format!(
                "ERR {command} {} must be called with at least two source keys.",
                self.name
            ))),
            _ => Ok(()),
        }
    }
}

/// `BITOP <AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]`: combines strings bit by bit into
/// `destkey`, and replies the length of the result in bytes.
///
/// The result is as long as the longest source; shorter and missing sources are zero filled. If all are empty, the
/// destination is deleted. Otherwise it is overwritten, its expiry gone.
pub(super) fn bitop(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let operator = Operator::take(&mut args)?;
    let dest = args.take()?;
    operator.check("BITOP", args.len())?;

    cx.expect(args.request(), |cx| most_bytes(cx, operator.op, args))?;
    if let Some(reply) = short(cx, operator.op, dest, args) {
        return Ok(reply);
    }
    let weighs = aside::weight(cx, args.rest());
    let long = weighs > aside::LONG;
    let result = aside::look_and_keep(cx, args.request(), args.rest(), long, |world, views| {
        on_cores(world, weighs, |threads| {
            bits::combine_on(threads, operator.op, views)
        })
    });
    Ok(store(cx, dest, result.len(), |cx| {
        cx.put(dest, Value::from(result), None);
    }))
}

/// Does it at once, if all sources are so short that it is soon done. Then each was looked up once.
fn short(cx: &mut Context<'_>, op: Op, dest: &[u8], args: Args<'_>) -> Option<Reply> {
    let found: SmallVec<[Option<EntryRef<'_>>; 16]> = args.rest().map(|key| cx.peek(key)).collect();
    let views = found.iter().map(|found| match found {
        Some(entry) => entry.view(),
        None => View::Flat(&[]),
    });
    let mut room = [0; bits::SHORT];
    let bytes = bits::combine_short(op, views, &mut room)?;
    cx.count_reads(args.rest().zip(found));
    Some(store(cx, dest, bytes.len() as u64, |cx| {
        cx.put_raw(dest, bytes);
    }))
}

/// Stores a result of `len` bytes as `put` does, unless it is empty.
fn store(cx: &mut Context<'_>, dest: &[u8], len: u64, put: impl FnOnce(&mut Context<'_>)) -> Reply {
    if len > 0 {
        put(cx);
        cx.changed("set", dest);
    } else if cx.remove(dest).is_some() {
        cx.changed("del", dest);
    }
    Reply::Integer(len as i64)
}

/// The most bytes that the combination takes.
fn most_bytes(cx: &Context<'_>, op: Op, args: Args<'_>) -> u64 {
    let (mut longest, mut all) = (0, 0u64);
    for key in args.rest() {
        let Some(entry) = cx.peek(key) else { continue };
        let (len, ones) = (entry.view().len(), entry.view().ones());
        longest = longest.max(len);
        all = all.saturating_add(ceiling::most_bytes(len, ones));
    }
    if op == Op::Not {
        all = all.saturating_add(longest / 256); // what leads to chunks of ones only
    }
    all.min(ceiling::most_bytes(longest, u64::MAX))
}

/// Tells `work` how many threads it may use for operands that weigh so many bytes.
pub(super) fn on_cores<R>(world: &World, weighs: u64, work: impl FnOnce(usize) -> R) -> R {
    if weighs <= SHARED {
        return work(1);
    }
    // `io-threads` is 1 unless somebody thought about it, and 1 then means what there is.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let most = match world.config.io_threads() {
        threads @ 2.. => cores.min(threads),
        _ => cores,
    };
    world.cores.share(most, work)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::super::aside::{LONG, TRIES};
    use super::super::session::Session;
    use super::super::testing::{changes_of, encoding, expires_at, session_at};
    use crate::store::{Access, Value};

    /// A session with a key `a` whose BITOP is long, and whose key `b` another connection writes to during each of the
    /// first `writes` tries. The counter says how often work was moved aside.
    fn disturbed(writes: u64) -> (Session, Arc<AtomicU64>) {
        let mut db = Session::alone();
        let noise: Vec<u8> = (0..2 * LONG as u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        db.world()
            .keyspace
            .lock_key(b"a", Access::Write)
            .put(0, b"a", Value::raw(&noise), None);
        db.say("SETBIT b 0 1");
        let asides = Arc::new(AtomicU64::new(0));
        let (world, count) = (Arc::downgrade(&db.world()), Arc::clone(&asides));
        db.world().set_aside(Box::new(move |work| {
            let at = count.fetch_add(1, Ordering::Relaxed);
            if at < writes {
                let world = world.upgrade().expect("the session holds it");
                let write = move || Session::new(world).say(&format!("SETBIT b {} 1", 8 + at));
                thread::spawn(write).join().expect("the write is no panic");
            }
            work();
        }));
        (db, asides)
    }

    #[test]
    fn a_long_one_starts_over_when_a_source_changes_meanwhile() {
        let (mut db, asides) = disturbed(2);
        db.say("BITOP OR d a b");
        assert_eq!(asides.load(Ordering::Relaxed), 3);
        db.say("BITOP DIFF missed b d");
        assert_eq!(db.say("BITCOUNT missed"), ":0\r\n");
        assert_eq!(db.say("BITCOUNT b"), ":3\r\n");
    }

    #[test]
    fn a_long_one_that_is_disturbed_each_time_ends_under_the_locks() {
        let (mut db, asides) = disturbed(u64::MAX);
        assert_eq!(db.say("BITOP OR d a b"), format!(":{}\r\n", 2 * LONG));
        assert_eq!(asides.load(Ordering::Relaxed), TRIES as u64);
    }

    #[test]
    fn a_long_one_in_a_transaction_keeps_its_locks() {
        let (mut db, asides) = disturbed(u64::MAX);
        db.say("MULTI");
        db.say("BITOP AND d a a");
        assert_eq!(db.say("EXEC"), format!("*1\r\n:{}\r\n", 2 * LONG));
        assert_eq!(asides.load(Ordering::Relaxed), 0);
    }

    /// `line` is BITOP's arguments; the result is read back in hexadecimal, `nil` for a key that is gone.
    fn result(db: &mut Session, line: &str) -> String {
        let words = line.split(' ');
        let dest = words.clone().nth(1).expect("a destination").to_owned();
        let len = db.say(&format!("BITOP {line}"));
        let value = db.ask(["GET", &dest]);
        if value == b"$-1\r\n" {
            assert_eq!(len, ":0\r\n", "{line}");
            return "nil".into();
        }
        let bytes = &value[value.iter().position(|&b| b == b'\n').expect("a line") + 1..];
        let bytes = &bytes[..bytes.len() - 2];
        assert_eq!(len, format!(":{}\r\n", bytes.len()), "{line}");
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn results_are_those_redis_gives() {
        let mut db = Session::alone();
        db.ask([b"SET".as_slice(), b"a", b"\x01\x02\xff\xff"]);
        db.ask([b"SET".as_slice(), b"b", b"\x01\x02\xff"]);
        db.ask(["SET", "empty", ""]);
        db.say("MSET one 1 two 2");
        for (line, want) in [
            ("AND d a b", "0102ff00"),
            ("or d a b", "0102ffff"),
            ("Xor d a b", "000000ff"),
            ("DIFF d a b", "000000ff"),
            ("DIFF d b a", "00000000"),
            ("DIFF1 d a b", "00000000"),
            ("DIFF1 d b a", "000000ff"),
            ("ANDOR d a b", "0102ff00"),
            ("ONE d a b", "000000ff"),
            ("NOT d a", "fefd0000"),
            ("AND d missing a", "00000000"),
            ("DIFF d missing a", "00000000"),
            ("DIFF d a missing", "0102ffff"),
            ("DIFF1 d a missing", "00000000"),
            ("ANDOR d a missing", "00000000"),
            ("ONE d a missing", "0102ffff"),
            ("XOR d a", "0102ffff"),
            ("XOR d one two one", "32"),
            ("OR d missing empty", "nil"),
            ("NOT d empty", "nil"),
            ("NOT a a", "fefd0000"),
        ] {
            assert_eq!(result(&mut db, line), want, "{line}");
        }
    }

    #[test]
    fn the_destination_loses_its_time_and_goes_where_there_is_nothing_to_store() {
        let (mut db, _) = session_at(1000);
        db.say("SET d 1 PX 50");
        assert_eq!(changes_of(&mut db, "BITOP OR d missing d"), 1);
        assert_eq!(expires_at(&db, "d"), None);
        assert_eq!(encoding(&db, "d"), "raw");
        assert_eq!(changes_of(&mut db, "BITOP OR d missing"), 1);
        assert_eq!(encoding(&db, "d"), "none");
        assert_eq!(changes_of(&mut db, "BITOP OR d missing"), 0);
    }

    #[test]
    fn operators_that_are_none_or_lack_sources_are_refused() {
        let mut db = Session::alone();
        for (line, error) in [
            ("NOR d a", "syntax error"),
            (
                "NOT d a b",
                "BITOP NOT must be called with a single source key.",
            ),
            (
                "diff d a",
                "BITOP DIFF must be called with at least two source keys.",
            ),
            (
                "Diff1 d a",
                "BITOP DIFF1 must be called with at least two source keys.",
            ),
            (
                "andor d a",
                "BITOP ANDOR must be called with at least two source keys.",
            ),
        ] {
            assert_eq!(
                db.say(&format!("BITOP {line}")),
                format!("-ERR {error}\r\n"),
                "{line}"
            );
        }
    }
}
