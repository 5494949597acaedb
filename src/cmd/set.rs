//! Setting a string as a whole, with a condition and a time to live: SET, SETNX, SETEX, PSETEX; and GETEX, which sets
//! the time alone.

use super::{Args, CmdError, CmdResult, Context, bulk};
use crate::number::parse_i64;
use crate::resp::Reply;
use crate::store::Value;
use crate::words::until_nul;

/// When SET stores.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    Always,
    IfMissing,
    IfPresent,
}

/// The four ways to write a time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    Ex,
    Px,
    ExAt,
    PxAt,
}

/// What is said of the time to live.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life<'a> {
    /// Nothing: SET removes it, GETEX leaves it.
    Unsaid,
    /// SET's KEEPTTL.
    Keep,
    /// GETEX's PERSIST.
    Persist,
    /// Not yet judged: Redis reads all options before it looks at the number.
    Until(Clause, &'a [u8]),
}

impl<'a> Life<'a> {
    /// Reads one of EX, PX, EXAT and PXAT with its number. A second one overrides the first if it is the same word;
    /// anything else beside it is refused.
    fn take_clause(&mut self, args: &mut Args<'a>) -> Result<(), CmdError> {
        const CLAUSES: [(&str, Clause); 4] = [
            ("EX", Clause::Ex),
            ("PX", Clause::Px),
            ("EXAT", Clause::ExAt),
            ("PXAT", Clause::PxAt),
        ];
        let &(_, clause) = CLAUSES
            .iter()
            .find(|(word, _)| args.take_word(word))
            .ok_or(CmdError::Syntax)?;
        match *self {
            Life::Unsaid => {}
            Life::Until(before, _) if before == clause => {}
            _ => return Err(CmdError::Syntax),
        }
        *self = Life::Until(clause, args.take()?);
        Ok(())
    }
}

impl Clause {
    fn is_absolute(self) -> bool {
        matches!(self, Clause::ExAt | Clause::PxAt)
    }

    /// The moment meant, in milliseconds since the Unix epoch. It may have passed, but a number below 1 is refused
    /// however it is meant.
    fn deadline(self, cx: &Context<'_>, text: &[u8]) -> Result<i64, CmdError> {
        let number = parse_i64(text).ok_or(CmdError::NotAnInteger)?;
        let wrong = CmdError::ExpireTime(cx.command.name);
        if number <= 0 {
            return Err(wrong);
        }
        let (unit, since) = match self {
            Clause::Ex => (1000, cx.now()),
            Clause::Px => (1, cx.now()),
            Clause::ExAt => (1000, 0),
            Clause::PxAt => (1, 0),
        };
        number
            .checked_mul(unit)
            .and_then(|ms| ms.checked_add(since))
            .ok_or(wrong)
    }
}

/// `SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds |
/// KEEPTTL]`
///
/// Replies OK, or nil where the condition stood against it; with GET, what the key was, or nil, in both cases. A moment
/// that has passed is no error: the key is set and is gone at once.
pub(super) fn set(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (key, value) = (args.take()?, args.take()?);
    let (mut only, mut life, mut get) = (Only::Always, Life::Unsaid, false);
    while !args.is_empty() {
        if only != Only::IfPresent && args.take_word("NX") {
            only = Only::IfMissing;
        } else if only != Only::IfMissing && args.take_word("XX") {
            only = Only::IfPresent;
        } else if args.take_word("GET") {
            get = true;
        } else if matches!(life, Life::Unsaid | Life::Keep) && args.take_word("KEEPTTL") {
            life = Life::Keep;
        } else {
            life.take_clause(&mut args)?;
        }
    }
    let until = match life {
        Life::Until(clause, number) => Until::Moment(clause.deadline(cx, number)?),
        Life::Keep => Until::AsBefore,
        Life::Unsaid | Life::Persist => Until::Removed,
    };

    let old = get.then(|| cx.view(key).map_or(Reply::Null, bulk::whole));
    let stored = store(cx, key, value, only, until);
    if stored && get && !matches!(until, Until::Moment(_)) {
        // What the key was is nothing to the log.
        let words: Vec<&[u8]> = args.request().iter().collect();
        let is_get = |word: &[u8]| until_nul(word).eq_ignore_ascii_case(b"GET");
        cx.log_as(|say| {
            let (head, options) = words.split_at(3);
            let options = options.iter().copied().filter(|word| !is_get(word));
            let kept: Vec<&[u8]> = head.iter().copied().chain(options).collect();
            say(&kept);
        });
    }
    Ok(old.unwrap_or(if stored { Reply::Ok } else { Reply::Null }))
}

/// `SETNX key value`: sets a key that does not exist. Replies 1 if it did, 0 if not.
pub(super) fn setnx(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (key, value) = (args.take()?, args.take()?);
    let stored = store(cx, key, value, Only::IfMissing, Until::Removed);
    Ok(Reply::Integer(stored.into()))
}

/// `SETEX key seconds value`
pub(super) fn setex(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    set_for(cx, args, Clause::Ex)
}

/// `PSETEX key milliseconds value`
pub(super) fn psetex(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    set_for(cx, args, Clause::Px)
}

fn set_for(cx: &mut Context<'_>, mut args: Args<'_>, clause: Clause) -> CmdResult {
    let (key, number, value) = (args.take()?, args.take()?, args.take()?);
    let deadline = clause.deadline(cx, number)?;
    store(cx, key, value, Only::Always, Until::Moment(deadline));
    Ok(Reply::Ok)
}

/// How long a key that is set stays.
#[derive(Clone, Copy)]
enum Until {
    /// Until then, in milliseconds since the Unix epoch.
    Moment(i64),
    /// As long as it would have without this.
    AsBefore,
    /// Until it is removed.
    Removed,
}

/// Sets the key unless the condition stands against it. Says whether it did.
fn store(cx: &mut Context<'_>, key: &[u8], value: &[u8], only: Only, until: Until) -> bool {
    let stores = match only {
        Only::Always => true,
        Only::IfMissing => cx.edit(key).is_none(),
        Only::IfPresent => cx.peek(key).is_some(),
    };
    if stores {
        match until {
            Until::Moment(at) => cx.put_bytes(key, value, Some(at)),
            Until::Removed => cx.put_bytes(key, value, None),
            Until::AsBefore if cx.peek(key).is_none() => cx.put_bytes(key, value, None),
            Until::AsBefore => {
                cx.notify_put(cx.client.db, key);
                if let Some(mut entry) = cx.edit(key) {
                    entry.replace(Value::set(value));
                }
            }
        }
        cx.changed("set", key);
        if let Until::Moment(at) = until {
            cx.notify(cx.client.db, "expire", key);
            cx.log_as(|say| say(&[b"SET", key, value, b"PXAT", at.to_string().as_bytes()]));
        }
    }
    stores
}

/// `GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]`: the
/// value, or nil, and sets or removes its time.
///
/// The number is judged only where the key exists. A moment that has passed deletes it.
pub(super) fn getex(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let mut life = Life::Unsaid;
    while !args.is_empty() {
        if matches!(life, Life::Unsaid | Life::Persist) && args.take_word("PERSIST") {
            life = Life::Persist;
        } else {
            life.take_clause(&mut args)?;
        }
    }

    let Some(value) = cx.view(key).map(bulk::whole) else {
        return Ok(Reply::Null);
    };
    match life {
        Life::Until(clause, number) => {
            let deadline = clause.deadline(cx, number)?;
            if clause.is_absolute() && deadline <= cx.now() {
                cx.remove(key);
                cx.changed("del", key);
                cx.log_as(|say| say(&[b"DEL", key]));
            } else {
                set_expiry(cx, key, Some(deadline));
                cx.changed("expire", key);
                cx.log_as(|say| say(&[b"PEXPIREAT", key, deadline.to_string().as_bytes()]));
            }
        }
        Life::Persist => {
            if set_expiry(cx, key, None).is_some() {
                cx.changed("persist", key);
                cx.log_as(|say| say(&[b"PERSIST", key]));
            }
        }
        Life::Unsaid | Life::Keep => {}
    }
    Ok(value)
}

/// Sets or removes the expiry of a key that was accessed by the look-up before; returns the old one.
fn set_expiry(cx: &mut Context<'_>, key: &[u8], expires_at: Option<i64>) -> Option<i64> {
    let db = cx.client.db;
    let mut entry = cx.keys_mut().get_mut(db, key)?;
    let old = entry.as_ref().expires_at();
    entry.set_expiry(expires_at);
    old
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
