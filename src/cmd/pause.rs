//! CLIENT PAUSE and UNPAUSE: for a while commands are held back, all of them or those that change something.
//!
//! A command that is held back waits in its connection, which runs it again when the pause may be over. Keys do not expire
//! by themselves meanwhile.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::{Args, Client, ClientInfo, CmdError, CmdResult, Command, Context, World, container};
use crate::number::parse_i64;
use crate::resp::Reply;

/// What is held back, and until when.
#[derive(Default)]
pub struct Pause {
    /// In milliseconds since the Unix epoch; 0 while there is no pause. Looked at with every command.
    until: AtomicI64,
    /// Whether commands that only read are held back too.
    all: AtomicBool,
}

impl Pause {
    /// Whether there is a pause, or was one until a moment ago.
    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.until.load(Ordering::Relaxed) != 0
    }

    /// Whether there is a pause at `now`, in milliseconds since the Unix epoch; the milliseconds it lasts.
    fn left(&self, now: impl FnOnce() -> i64) -> Option<u64> {
        let until = self.until.load(Ordering::Relaxed);
        if until == 0 {
            return None;
        }
        let left = until - now();
        if left > 0 {
            return Some(left as u64);
        }
        // Over; unless it was made longer just now.
        let over = self
            .until
            .compare_exchange(until, 0, Ordering::Relaxed, Ordering::Relaxed);
        if over.is_ok() {
            self.all.store(false, Ordering::Relaxed);
        }
        None
    }
}

/// Whether `command` has to wait, and for how many milliseconds at most.
#[inline]
pub(super) fn holds(world: &World, client: &Client, command: &Command) -> Option<u64> {
    let left = world.pause.left(|| world.keyspace.clock().now_ms())?;
    let writes = || {
        command.changes_replicas()
            || (command.name == "exec" && client.queue.as_ref().is_some_and(|queue| queue.writes()))
    };
    let held = !client.replays && (world.pause.all.load(Ordering::Relaxed) || writes());
    held.then_some(left)
}

impl ClientInfo {
    /// Whether a command of its is held back.
    pub(super) fn is_postponed(&self) -> bool {
        self.postponed.load(Ordering::Relaxed)
    }
}

/// Whether there is a pause, in which nothing changes by itself.
pub fn is_on(world: &World) -> bool {
    let left = world.pause.left(|| world.keyspace.clock().now_ms());
    left.is_some()
}

/// `CLIENT PAUSE timeout [WRITE | ALL]`: for so many milliseconds. A second pause makes the first stricter or longer, and
/// never the opposite.
pub(super) fn pause(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    if args.len() > 2 {
        return Err(container::misused(args.request()));
    }
    let timeout = args.take()?;
    let mut all = true;
    if !args.is_empty() {
        all = args.take_word("ALL");
        if !all && !args.take_word("WRITE") {
            return Err(CmdError::other(
                "ERR CLIENT PAUSE mode must be WRITE or ALL",
            ));
        }
    }
    let timeout = parse_i64(timeout).ok_or(CmdError::other(
        "ERR timeout is not an integer or out of range",
    ))?;
    if timeout < 0 {
        return Err(CmdError::other("ERR timeout is negative"));
    }
    let until = cx
        .now()
        .checked_add(timeout)
        .ok_or(CmdError::other("ERR timeout is out of range"))?;
    let pause = &cx.world.pause;
    if all {
        pause.all.store(true, Ordering::Relaxed);
    }
    pause.until.fetch_max(until, Ordering::Relaxed);
    Ok(Reply::Ok)
}

/// `CLIENT UNPAUSE`: what was held back runs.
pub(super) fn unpause(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    cx.world.pause.until.store(0, Ordering::Relaxed);
    cx.world.pause.all.store(false, Ordering::Relaxed);
    for client in cx.world.clients.list() {
        if client.postponed.load(Ordering::Acquire) {
            client.wake();
        }
    }
    Ok(Reply::Ok)
}

/// `CLIENT UNBLOCK client-id [TIMEOUT | ERROR]`: ends a command that waits, as if its time were over or with an error.
/// Replies whether there was one.
pub(super) fn unblock(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let id = args.take()?;
    let mut error = false;
    if !args.is_empty() {
        error = args.take_word("ERROR");
        if !error && !args.take_word("TIMEOUT") {
            return Err(CmdError::other(
                "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
        args.finish()?;
    }
    let id = parse_i64(id).ok_or(CmdError::NotAnInteger)?;
    let client = u64::try_from(id)
        .ok()
        .and_then(|id| cx.world.clients.find(id));
    let unblocked = client.is_some_and(|client| client.unblock(error));
    Ok(Reply::Integer(unblocked.into()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::session_at;

    #[test]
    fn commands_wait_until_the_pause_is_over_and_no_second_one_makes_it_shorter() {
        let (mut db, clock) = session_at(1000);
        assert_eq!(db.say("CLIENT PAUSE 100 WRITE"), "+OK\r\n");
        assert_eq!(db.say("CLIENT PAUSE 1 WRITE"), "+OK\r\n");
        assert_eq!(db.say("GET k"), "$-1\r\n");
        for held in ["SET k v", "PUBLISH a b"] {
            assert_eq!(db.say(held), "");
        }
        clock.fetch_add(100, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(db.say("SET k v"), "+OK\r\n");
        db.say("CLIENT PAUSE 100");
        assert_eq!(db.say("GET k"), "");
        assert_eq!(db.say("CLIENT UNPAUSE"), "", "it waits as well");
    }

    #[test]
    fn a_pause_for_writes_is_ended_by_hand() {
        let (mut db, _clock) = session_at(1000);
        for line in ["CLIENT PAUSE 1000 WRITE", "MULTI"] {
            assert_eq!(db.say(line), "+OK\r\n");
        }
        assert_eq!(db.say("GET k"), "+QUEUED\r\n");
        assert_eq!(db.say("EXEC"), "*1\r\n$-1\r\n");
        assert_eq!(db.say("CLIENT UNPAUSE"), "+OK\r\n");
        assert_eq!(db.say("SET k v"), "+OK\r\n");
    }
}
