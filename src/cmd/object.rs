//! OBJECT: how a value is held, as Redis would say it. Asking is no access.

use super::{Args, CmdError, CmdResult, Context};
use crate::resp::Reply;
use crate::store::EntryRef;

/// `OBJECT ENCODING key`: `int`, `embstr` or `raw`, as Redis would hold it.
pub(super) fn encoding(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    tell(cx, args, |entry| Ok(Reply::bulk(entry.encoding().name())))
}

/// `OBJECT REFCOUNT key`: 1, as a key shares its value with no other as far as anybody can tell.
pub(super) fn refcount(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    tell(cx, args, |_| Ok(Reply::Integer(1)))
}

/// `OBJECT IDLETIME key`: seconds since the last access, unless frequencies are kept.
pub(super) fn idletime(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let by_frequency = cx.world.config.maxmemory_policy().by_frequency();
    tell(cx, args, |entry| {
        if by_frequency {
            return Err(CmdError::other(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
                 policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Ok(Reply::Integer(entry.idle_seconds().into()))
    })
}

/// `OBJECT FREQ key`: how often it was accessed, from 0 to 255, if the policy keeps frequencies.
pub(super) fn freq(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let by_frequency = cx.world.config.maxmemory_policy().by_frequency();
    tell(cx, args, |entry| {
        if by_frequency {
            return Ok(Reply::Integer(entry.frequency().into()));
        }
        Err(CmdError::other(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ))
    })
}

/// Answers about a key, nil if it is not there.
fn tell(
    cx: &Context<'_>,
    mut args: Args<'_>,
    answer: impl FnOnce(EntryRef<'_>) -> CmdResult,
) -> CmdResult {
    cx.look_quietly(args.take()?)
        .map_or(Ok(Reply::Null), answer)
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;

    #[test]
    fn every_question_about_a_missing_key_is_answered_with_nil() {
        let mut db = Session::alone();
        for question in ["ENCODING", "REFCOUNT", "IDLETIME", "FREQ"] {
            assert_eq!(db.say(&format!("OBJECT {question} nope")), "$-1\r\n");
        }
    }

    #[test]
    fn a_string_made_by_setbit_is_raw_and_its_owner_alone() {
        let mut db = Session::alone();
        db.say("SETBIT k 7 1");
        assert_eq!(db.say("OBJECT ENCODING k"), "$3\r\nraw\r\n");
        assert_eq!(db.say("OBJECT REFCOUNT k"), ":1\r\n");
        assert!(
            db.say("OBJECT FREQ k")
                .starts_with("-ERR An LFU maxmemory policy is not selected,")
        );
    }

    #[test]
    fn a_short_string_stays_apart_from_a_key_that_became_too_long_or_began_to_expire() {
        let mut db = Session::alone();
        let value = "x".repeat(36);
        let set = format!("SET k {value}");
        for (line, key, encoding) in [
            (set.as_str(), "k", "embstr"),
            ("EXPIRE k 100", "k", "raw"),
            ("PERSIST k", "k", "raw"),
            (&set, "k", "embstr"),
            ("COPY k longer-than-that", "longer-than-that", "raw"),
            ("COPY k k DB 1", "k", "embstr"),
            ("RENAME k longer-than-that", "longer-than-that", "raw"),
            ("RENAME longer-than-that k", "k", "raw"),
        ] {
            db.say(line);
            let said = db.say(&format!("OBJECT ENCODING {key}"));
            assert!(said.ends_with(&format!("{encoding}\r\n")), "{line}: {said}");
        }
    }

    #[test]
    fn subcommands_are_named_in_any_case_and_checked_one_by_one() {
        let mut db = Session::alone();
        assert_eq!(db.say("object encoding nope"), "$-1\r\n");
        assert_eq!(
            db.say("OBJECT ENCODING"),
            "-ERR wrong number of arguments for 'object|encoding' command\r\n"
        );
        assert_eq!(
            db.say("OBJECT FOO k"),
            "-ERR unknown subcommand 'FOO'. Try OBJECT HELP.\r\n"
        );
        assert_eq!(
            db.say("OBJECT"),
            "-ERR wrong number of arguments for 'object' command\r\n"
        );
    }
}
