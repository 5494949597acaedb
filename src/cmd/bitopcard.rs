//! BITOPCARD: how many ones a BITOP would give, without giving it.

use super::bitop::{self, Operator};
use super::{Args, CmdError, CmdResult, Context, aside};
use crate::bits;
use crate::number::parse_i64;
use crate::resp::Reply;

/// `BITOPCARD <AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> numkeys key [key ...] [LIMIT limit]`: the number of
/// ones in what BITOP would make of these keys. Nothing is stored, and no key is needed to store it in.
///
/// It stops as soon as it has counted LIMIT ones, and replies that; 0 is no limit. NOT counts the zeros of its source.
pub(super) fn bitopcard(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let request = args.request();
    let operator = Operator::take(&mut args)?;
    let number = parse_i64(args.take()?)
        .filter(|number| *number > 0)
        .ok_or(CmdError::other("ERR numkeys should be greater than 0"))?;
    let keys = usize::try_from(number)
        .ok()
        .filter(|number| *number <= args.len())
        .ok_or(CmdError::other(
            "ERR Number of keys can't be greater than number of args",
        ))?;
    operator.check("BITOPCARD", keys)?;
    let sources = args.rest().take(keys);
    for _ in 0..keys {
        args.take()?;
    }
    let mut limit = 0;
    while !args.is_empty() {
        if !args.take_word("LIMIT") {
            return Err(CmdError::Syntax);
        }
        limit = parse_i64(args.take()?)
            .and_then(|limit| u64::try_from(limit).ok())
            .ok_or(CmdError::other("ERR LIMIT can't be negative"))?;
    }
    let most = if limit == 0 { u64::MAX } else { limit };

    let weighs = aside::weight(cx, sources.clone());
    let count = aside::look(
        cx,
        request,
        sources,
        weighs > aside::LONG,
        |world, views| {
            bitop::on_cores(world, weighs, |threads| {
                bits::count_combined(operator.op, views, most, threads)
            })
        },
    );
    Ok(Reply::Integer(count as i64))
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;
    use crate::bits::oracle;

    #[test]
    fn the_count_is_that_of_what_bitop_stores() {
        let mut db = Session::alone();
        let noise = oracle::noise(70_000);
        for (key, from, len) in [("a", 0, 70_000), ("b", 1, 40_000), ("c", 2, 90)] {
            db.ask([b"SET", key.as_bytes(), &noise[from..from + len.min(69_000)]]);
        }
        db.say("SETBITRANGE d 100000 900000 1");
        for op in ["and", "OR", "xor", "DIFF", "diff1", "ANDOR", "One", "NOT"] {
            for keys in [
                "a",
                "a b",
                "b a",
                "a c",
                "c d",
                "d d",
                "a b c d",
                "missing a",
                "a missing",
            ] {
                let number = keys.split(' ').count();
                let length = db.say(&format!("BITOP {op} dest {keys}"));
                let count = db.say(&format!("BITOPCARD {op} {number} {keys}"));
                if length.starts_with('-') {
                    assert_eq!(count, length.replace("BITOP", "BITOPCARD"), "{op} {keys}");
                    continue;
                }
                assert_eq!(count, db.say("BITCOUNT dest"), "{op} {keys}");
                let all: u64 = count[1..].trim_end().parse().expect("a count");
                for limit in [1, all / 2, all, all + 1] {
                    let want = if limit == 0 { all } else { all.min(limit) };
                    assert_eq!(
                        db.say(&format!("BITOPCARD {op} {number} {keys} LIMIT {limit}")),
                        format!(":{want}\r\n"),
                        "{op} {keys} {limit}"
                    );
                }
            }
        }
        assert_eq!(db.say("BITOPCARD or 2 missing gone"), ":0\r\n");
        assert_eq!(db.say("BITOPCARD not 1 missing"), ":0\r\n");
    }

    #[test]
    fn numbers_of_keys_and_limits_are_judged_as_sintercard_does() {
        let mut db = Session::alone();
        for (line, error) in [
            ("NOR 1 a", "syntax error"),
            ("OR 0 a", "numkeys should be greater than 0"),
            ("OR x a", "numkeys should be greater than 0"),
            ("OR -1 a", "numkeys should be greater than 0"),
            (
                "OR 3 a b",
                "Number of keys can't be greater than number of args",
            ),
            (
                "OR 9223372036854775807 a",
                "Number of keys can't be greater than number of args",
            ),
            ("OR 1 a LIMIT -1", "LIMIT can't be negative"),
            ("OR 1 a LIMIT x", "LIMIT can't be negative"),
            ("OR 1 a b", "syntax error"),
            ("OR 1 a LIMIT", "syntax error"),
            ("OR 1", "wrong number of arguments for 'bitopcard' command"),
        ] {
            assert_eq!(
                db.say(&format!("BITOPCARD {line}")),
                format!("-ERR {error}\r\n"),
                "{line}"
            );
        }
        assert_eq!(db.say("BITOPCARD OR 1 a LIMIT 1 LIMIT 2"), ":0\r\n");
    }

    #[test]
    fn it_runs_in_a_transaction() {
        let mut db = Session::alone();
        db.say("MULTI");
        db.say("SETBITS a 1 1 5 9");
        db.say("SETBITS b 1 9 10");
        db.say("BITOPCARD AND 2 a b");
        assert_eq!(db.say("EXEC"), "*3\r\n:3\r\n:2\r\n:1\r\n");
    }
}
