//! LCS.

use super::subsequence::{self, Run};
use super::{Args, CmdError, CmdResult, Context};
use crate::resp::Reply;
use crate::store::Value;

/// More words of work than this are done off the locks and beside the threads that serve connections: about a quarter
/// of a millisecond.
const LONG: u64 = 256 * 1024;

/// What is asked for.
#[derive(Clone, Copy)]
enum Wanted {
    Text,
    Length,
    Matches { at_least: u64, with_length: bool },
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]`: the longest common subsequence, its length, or
/// where its stretches are, the last one first.
///
/// Redis builds a table of 4 bytes for each pair of places and refuses one longer than `proto-max-bulk-len`. The work
/// done here is a small part of that, but so is refused what Redis refuses.
pub(super) fn lcs(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let keys = [args.take()?, args.take()?];
    // Before the options, as in Redis: a lookup counts even where they are refused.
    let values = keys.map(|key| {
        cx.read(key)
            .map_or_else(|| Value::raw(b""), |entry| entry.value())
    });
    let wanted = take_wanted(args)?;
    let [a, b] = [values[0].view().len(), values[1].view().len()];
    check_size(cx, a, b)?;

    let mut answer = None;
    let mut compare = || answer = Some(answer_for(&values, wanted));
    if subsequence::work(a, b) > LONG && !cx.in_exec {
        cx.unlocked(request, |world| world.aside(&mut compare));
    } else {
        compare();
    }
    answer.unwrap_or(Err(NO_MEMORY))
}

const NO_MEMORY: CmdError = CmdError::Other(std::borrow::Cow::Borrowed(
    "ERR Insufficient memory, failed allocating transient memory for LCS",
));

fn take_wanted(mut args: Args<'_>) -> Result<Wanted, CmdError> {
    let (mut length, mut matches, mut at_least, mut with_length) = (false, false, 0, false);
    while !args.is_empty() {
        if args.take_word("IDX") {
            matches = true;
        } else if args.take_word("LEN") {
            length = true;
        } else if args.take_word("WITHMATCHLEN") {
            with_length = true;
        } else if args.take_word("MINMATCHLEN") && !args.is_empty() {
            at_least = u64::try_from(args.take_i64()?).unwrap_or(0);
        } else {
            return Err(CmdError::Syntax);
        }
    }
    match (length, matches) {
        (true, true) => Err(CmdError::other(
            "ERR If you want both the length and indexes, please just use IDX.",
        )),
        (true, false) => Ok(Wanted::Length),
        (false, true) => Ok(Wanted::Matches {
            at_least,
            with_length,
        }),
        (false, false) => Ok(Wanted::Text),
    }
}

fn check_size(cx: &Context<'_>, a: u64, b: u64) -> Result<(), CmdError> {
    if a.max(b) >= u64::from(u32::MAX) - 1 {
        return Err(CmdError::other("ERR String too long for LCS"));
    }
    let table = ((a + 1) * (b + 1)).checked_mul(4).ok_or(NO_MEMORY)?;
    if table > cx.world.config.proto_max_bulk_len() {
        return Err(CmdError::other(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    Ok(())
}

fn answer_for(values: &[Value; 2], wanted: Wanted) -> CmdResult {
    let [a, b] = values.each_ref().map(Value::view);
    // Nothing has nothing in common with the longest string: its bytes need not be built.
    let (a, b) = match a.is_empty() || b.is_empty() {
        true => (Vec::new(), Vec::new()),
        false => (a.to_vec(), b.to_vec()),
    };
    let reply = match wanted {
        Wanted::Length => subsequence::length(&a, &b).map(|len| Reply::Integer(len as i64)),
        Wanted::Text => subsequence::runs(&a, &b).map(|runs| {
            let pieces = runs.iter().rev().map(|run| &a[run.a..run.a + run.len]);
            Reply::bulk(pieces.collect::<Vec<_>>().concat())
        }),
        Wanted::Matches {
            at_least,
            with_length,
        } => subsequence::runs(&a, &b).map(|runs| matches(&runs, at_least, with_length)),
    };
    reply.map_err(|_| NO_MEMORY)
}

fn matches(runs: &[Run], at_least: u64, with_length: bool) -> Reply {
    let integer = |number: usize| Reply::Integer(number as i64);
    let range =
        |start: usize, len: usize| Reply::Array(vec![integer(start), integer(start + len - 1)]);
    let matches = runs
        .iter()
        .filter(|run| run.len as u64 >= at_least)
        .map(|run| {
            let mut found = vec![range(run.a, run.len), range(run.b, run.len)];
            if with_length {
                found.push(integer(run.len));
            }
            Reply::Array(found)
        });
    Reply::Map(vec![
        (Reply::bulk("matches"), Reply::Array(matches.collect())),
        (
            Reply::bulk("len"),
            integer(runs.iter().map(|run| run.len).sum()),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;

    fn session() -> Session {
        let mut db = Session::alone();
        db.say("MSET a ohmytext b mynewtext");
        db
    }

    #[test]
    fn the_text_its_length_and_its_places_are_those_redis_finds() {
        let mut db = session();
        assert_eq!(db.say("LCS a b"), "$6\r\nmytext\r\n");
        assert_eq!(db.say("LCS a b LEN WITHMATCHLEN MINMATCHLEN 9"), ":6\r\n");
        const HEAD: &str = "*4\r\n$7\r\nmatches\r\n";
        const LAST: &str = "*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n";
        const FIRST: &str = "*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n";
        const END: &str = "$3\r\nlen\r\n:6\r\n";
        let both = format!("{HEAD}*2\r\n*2\r\n{LAST}*2\r\n{FIRST}{END}");
        assert_eq!(db.say("LCS a b IDX"), both);
        assert_eq!(db.say("LCS a b IDX MINMATCHLEN -3"), both);
        assert_eq!(
            db.say("LCS a b IDX WITHMATCHLEN"),
            format!("{HEAD}*2\r\n*3\r\n{LAST}:4\r\n*3\r\n{FIRST}:2\r\n{END}")
        );
        assert_eq!(
            db.say("LCS a b IDX MINMATCHLEN 3"),
            format!("{HEAD}*1\r\n*2\r\n{LAST}{END}")
        );
        assert_eq!(
            db.say("LCS a missing IDX"),
            "*4\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:0\r\n"
        );
        assert_eq!(db.say("LCS a missing"), "$0\r\n\r\n");
        assert_eq!(db.say("LCS a a"), "$8\r\nohmytext\r\n");
    }

    #[test]
    fn bad_options_and_too_long_strings_are_refused() {
        let mut db = session();
        for (line, error) in [
            ("LCS a b FOO", "syntax error"),
            ("LCS a b IDX LEN FOO", "syntax error"),
            ("LCS a b MINMATCHLEN", "syntax error"),
            (
                "LCS a b MINMATCHLEN x",
                "value is not an integer or out of range",
            ),
            (
                "LCS a b LEN IDX",
                "If you want both the length and indexes, please just use IDX.",
            ),
            (
                "LCS missing huge",
                "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ),
        ] {
            db.say("SETBIT huge 4294967295 1");
            assert_eq!(db.say(line), format!("-ERR {error}\r\n"), "{line}");
        }
    }

    #[test]
    fn long_strings_are_compared_off_the_locks_or_under_them_in_a_transaction() {
        let mut db = Session::alone();
        let text: Vec<u8> = (0..11_000u32)
            .map(|at| (at.wrapping_mul(2_654_435_769) >> 28) as u8 + b'a')
            .collect();
        db.ask([b"MSET".as_slice(), b"a", &text, b"b", &text[10..]]);
        assert_eq!(db.say("LCS a b LEN"), ":10990\r\n");
        db.say("MULTI");
        db.say("LCS a b LEN");
        assert_eq!(db.say("EXEC"), "*1\r\n:10990\r\n");
        db.say("SETBIT long 500000000 1");
        assert_eq!(db.say("LCS long missing LEN"), ":0\r\n");
    }
}
