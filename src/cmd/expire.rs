//! How long keys live: EXPIRE, EXPIREAT, PEXPIRE, PEXPIREAT, EXPIRETIME, PEXPIRETIME, TTL, PTTL, PERSIST.

use super::{Args, CmdError, CmdResult, Context};
use crate::number::parse_i64;
use crate::resp::Reply;
use crate::words::until_nul;

/// How a time is written: in which unit, and counted from when.
#[derive(Clone, Copy)]
struct Form {
    /// Milliseconds in one unit.
    unit: i64,
    /// Counted from now, not from the Unix epoch.
    relative: bool,
}

/// `EXPIRE key seconds [NX | XX | GT | LT]`
pub(super) fn expire(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    set(
        cx,
        args,
        Form {
            unit: 1000,
            relative: true,
        },
    )
}

/// `EXPIREAT key unix-time-seconds [NX | XX | GT | LT]`
pub(super) fn expireat(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    set(
        cx,
        args,
        Form {
            unit: 1000,
            relative: false,
        },
    )
}

/// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpire(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    set(
        cx,
        args,
        Form {
            unit: 1,
            relative: true,
        },
    )
}

/// `PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]`
pub(super) fn pexpireat(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    set(
        cx,
        args,
        Form {
            unit: 1,
            relative: false,
        },
    )
}

/// When an expiry may be set. A key that never expires counts as one that does so later than any other.
#[derive(Clone, Copy, Default)]
struct Condition {
    /// NX: only where there is none.
    none: bool,
    /// XX: only where there is one.
    some: bool,
    /// GT: only to a later time.
    later: bool,
    /// LT: only to an earlier time.
    sooner: bool,
}

impl Condition {
    /// Reads all that is left.
    fn take(args: &mut Args<'_>) -> Result<Self, CmdError> {
        let mut condition = Self::default();
        while let Some(word) = args.peek() {
            let known = [
                ("NX", &mut condition.none),
                ("XX", &mut condition.some),
                ("GT", &mut condition.later),
                ("LT", &mut condition.sooner),
            ];
            let chosen = known.into_iter().find(|(name, _)| args.take_word(name));
            let Some((_, flag)) = chosen else {
                let mut text = b"ERR Unsupported option ".to_vec();
                text.extend_from_slice(until_nul(word));
                return Err(CmdError::Quoting(text));
            };
            *flag = true;
        }
        if condition.none && (condition.some || condition.later || condition.sooner) {
            return Err(CmdError::other(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if condition.later && condition.sooner {
            return Err(CmdError::other(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(condition)
    }

    fn admits(self, current: Option<i64>, new: i64) -> bool {
        let at = current.unwrap_or(i64::MAX);
        !(self.none && current.is_some()
            || self.some && current.is_none()
            || self.later && (current.is_none() || new <= at)
            || self.sooner && current.is_some() && new >= at)
    }
}

/// Sets when a key goes; 1 if it was set. A time that is not in the future deletes the key now.
///
/// Arguments are judged in Redis's order: the options first, then the number, then the key.
fn set(cx: &mut Context<'_>, mut args: Args<'_>, form: Form) -> CmdResult {
    let (key, time) = (args.take()?, args.take()?);
    let condition = Condition::take(&mut args)?;
    let time = parse_i64(time).ok_or(CmdError::NotAnInteger)?;
    let base = if form.relative { cx.now() } else { 0 };
    let expires_at = time
        .checked_mul(form.unit)
        .and_then(|time| time.checked_add(base))
        .ok_or(CmdError::ExpireTime(cx.command.name))?;

    // What a log says is done as it was done then, when the time had not come: it may have been moved later on.
    let past = expires_at <= cx.now() && !cx.client.replays;
    let Some(mut entry) = cx.edit(key) else {
        return Ok(Reply::Integer(0));
    };
    if !condition.admits(entry.as_ref().expires_at(), expires_at) {
        return Ok(Reply::Integer(0));
    }
    if past {
        cx.delete(key);
        cx.changed("del", key);
        cx.log_as(|say| say(&[b"DEL", key]));
    } else {
        entry.set_expiry(Some(expires_at));
        cx.changed("expire", key);
        cx.log_as(|say| say(&[b"PEXPIREAT", key, expires_at.to_string().as_bytes()]));
    }
    Ok(Reply::Integer(1))
}

/// `TTL key`: the seconds it has left, rounded; -1 if it stays for ever, -2 if it is not there.
pub(super) fn ttl(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    tell(
        cx,
        args,
        Form {
            unit: 1000,
            relative: true,
        },
    )
}

/// `PTTL key`: as TTL, in milliseconds.
pub(super) fn pttl(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    tell(
        cx,
        args,
        Form {
            unit: 1,
            relative: true,
        },
    )
}

/// `EXPIRETIME key`: as TTL, but when it goes: seconds since the Unix epoch.
pub(super) fn expiretime(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    tell(
        cx,
        args,
        Form {
            unit: 1000,
            relative: false,
        },
    )
}

/// `PEXPIRETIME key`: as EXPIRETIME, in milliseconds.
pub(super) fn pexpiretime(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    tell(
        cx,
        args,
        Form {
            unit: 1,
            relative: false,
        },
    )
}

fn tell(cx: &mut Context<'_>, mut args: Args<'_>, form: Form) -> CmdResult {
    let base = if form.relative { cx.now() } else { 0 };
    let answer = match cx.look(args.take()?).map(|entry| entry.expires_at()) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => {
            let time = at - base;
            // Half up, and without the sum that could overflow.
            time / form.unit + i64::from(time % form.unit * 2 >= form.unit && form.unit > 1)
        }
    };
    Ok(Reply::Integer(answer))
}

/// `PERSIST key`: 1 if it had an expiry, which is now gone.
pub(super) fn persist(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let Some(mut entry) = cx.edit(key) else {
        return Ok(Reply::Integer(0));
    };
    if entry.as_ref().expires_at().is_none() {
        return Ok(Reply::Integer(0));
    }
    entry.set_expiry(None);
    cx.changed("persist", key);
    Ok(Reply::Integer(1))
}

#[cfg(test)]
#[path = "expire_tests.rs"]
mod tests;
