//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Commands after MULTI are checked and queued. EXEC locks every key that any of them names, runs them in order and
//! answers with all their replies, so no other connection sees the keyspace between two of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Args, Client, CmdError, CmdResult, Command, Context, Scope, World};
use crate::resp::{OwnedRequest, Reply, Request};
use crate::store::{Access, Locked, Watch};

/// What was queued since MULTI.
#[derive(Default)]
pub struct Queue {
    commands: Vec<(&'static Command, OwnedRequest)>,
    failed: bool,
}

impl Queue {
    pub(super) fn push(&mut self, command: &'static Command, request: Request<'_>) {
        self.commands.push((command, OwnedRequest::from(request)));
    }

    /// A command could not be queued: EXEC will refuse.
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}

/// The keys a connection watches, and the mark that their changes set.
#[derive(Default)]
pub struct Watching {
    mark: Arc<Watch>,
    keys: Vec<WatchedKey>,
}

struct WatchedKey {
    db: usize,
    key: Box<[u8]>,
    /// When it will expire, as it stood when it was watched.
    expires_at: Option<i64>,
}

impl Command {
    /// Runs at once even between MULTI and EXEC.
    pub(super) fn runs_in_multi(&self) -> bool {
        matches!(
            self.name,
            "exec" | "discard" | "multi" | "watch" | "quit" | "reset"
        )
    }
}

/// `MULTI`: from now on commands are queued.
pub(super) fn multi(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    if cx.client.queue.is_some() {
        return Err(CmdError::other("ERR MULTI calls can not be nested"));
    }
    cx.client.queue = Some(Queue::default());
    Ok(Reply::Ok)
}

/// `DISCARD`: forgets what was queued and what was watched.
pub(super) fn discard(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    if cx.client.queue.take().is_none() {
        return Err(CmdError::other("ERR DISCARD without MULTI"));
    }
    unwatch_all(cx.world, cx.client);
    Ok(Reply::Ok)
}

/// `EXEC`: runs what was queued, all or nothing.
///
/// Nil if a watched key changed. A command that fails while running does not stop the others, as in Redis.
pub(super) fn exec(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let Some(queue) = cx.client.queue.take() else {
        return Err(CmdError::other("ERR EXEC without MULTI"));
    };
    let watching = cx.client.watching.take();
    let answer = if queue.failed {
        // Said even where a watched key changed too: the error is the client's own.
        Err(CmdError::other(
            "EXECABORT Transaction discarded because of previous errors.",
        ))
    } else {
        let keys = lock_for(cx.world, &queue, watching.as_ref());
        if watching
            .as_ref()
            .is_some_and(|watching| watching.broken(&keys))
        {
            Ok(Reply::NullArray)
        } else {
            cx.keys = keys;
            Ok(run_all(cx, &queue))
        }
    };
    // Registered watchers are taken out under their own locks, after this transaction's are gone.
    cx.keys = cx.world.keyspace.lock_none();
    cx.client.watching = watching;
    unwatch_all(cx.world, cx.client);
    answer
}

fn run_all(cx: &mut Context<'_>, queue: &Queue) -> Reply {
    let exec = cx.command;
    cx.in_exec = true;
    let mut replies = Vec::with_capacity(queue.len());
    for (command, request) in &queue.commands {
        let request = request.as_request();
        cx.command = command;
        replies.push(cx.run(Args::new(request, command.args_at())));
    }
    cx.in_exec = false;
    cx.command = exec;
    Reply::Array(replies)
}

/// The locks that all of `queue` needs at once, the watched keys among them: two transactions that each write what the
/// other watches must meet at a lock, or both would run.
fn lock_for<'a>(world: &'a World, queue: &Queue, watching: Option<&Watching>) -> Locked<'a> {
    let everything = queue
        .commands
        .iter()
        .filter_map(|(command, _)| match command.scope {
            Scope::Everything(access) | Scope::Walk(access) => Some(access),
            Scope::Keys | Scope::Nothing => None,
        });
    if everything.max().is_some() {
        // Other commands of the queue may write, whatever this one needs.
        return world.keyspace.lock_all(Access::Write);
    }
    let named = queue
        .commands
        .iter()
        .flat_map(|(command, request)| command.keys_of(request.as_request()));
    let watched = watching
        .iter()
        .flat_map(|watching| watching.keys.iter())
        .map(|watched| (&*watched.key, Access::Read));
    world.keyspace.lock_keys(named.chain(watched))
}

impl Watching {
    /// Whether a watched key changed, or its time came since it was watched. The keys must be locked.
    fn broken(&self, keys: &Locked<'_>) -> bool {
        self.mark.is_touched()
            || self
                .keys
                .iter()
                .any(|watched| watched.expires_at.is_some_and(|at| at <= keys.now()))
    }
}

/// `WATCH key [key ...]`: EXEC will run only if none of these keys changed until then.
pub(super) fn watch(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    if cx.client.queue.is_some() {
        return Err(CmdError::other("ERR WATCH inside MULTI is not allowed"));
    }
    let db = cx.client.db;
    let mut watching = cx.client.watching.take().unwrap_or_default();
    // Exclusive, since the watcher is written down beside the key.
    let mut keys = cx
        .world
        .keyspace
        .lock_keys(args.rest().map(|key| (key, Access::Write)));
    for key in args.rest() {
        if watching
            .keys
            .iter()
            .any(|watched| watched.db == db && *watched.key == *key)
        {
            continue;
        }
        let expires_at = keys.get(db, key).and_then(|entry| entry.expires_at());
        keys.watch(db, key, &watching.mark);
        watching.keys.push(WatchedKey {
            db,
            key: key.into(),
            expires_at,
        });
    }
    drop(keys);
    cx.client
        .info
        .watched
        .store(watching.keys.len(), Ordering::Relaxed);
    cx.client.watching = Some(watching);
    Ok(Reply::Ok)
}

/// `UNWATCH`: forgets what was watched. Queued in a transaction, it changes nothing there: EXEC forgets anyway.
pub(super) fn unwatch(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    if !cx.in_exec {
        unwatch_all(cx.world, cx.client);
    }
    Ok(Reply::Ok)
}

/// Takes the connection's watchers out of the keyspace. Nothing may be locked.
pub(super) fn unwatch_all(world: &World, client: &mut Client) {
    let Some(watching) = client.watching.take() else {
        return;
    };
    let mut keys = world.keyspace.lock_keys(
        watching
            .keys
            .iter()
            .map(|watched| (&*watched.key, Access::Write)),
    );
    for watched in &watching.keys {
        keys.unwatch(watched.db, &watched.key, &watching.mark);
    }
    client.info.watched.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;

    #[test]
    fn a_transaction_queues_then_runs_in_order() {
        let mut db = Session::alone();
        assert_eq!(db.say("MULTI"), "+OK\r\n");
        assert_eq!(db.say("SETBIT k 7 1"), "+QUEUED\r\n");
        assert_eq!(db.say("BITCOUNT k"), "+QUEUED\r\n");
        assert_eq!(db.say("EXEC"), "*2\r\n:0\r\n:1\r\n");
        assert_eq!(db.say("EXEC"), "-ERR EXEC without MULTI\r\n");
    }

    #[test]
    fn a_command_that_could_not_be_queued_spoils_the_transaction() {
        let mut db = Session::alone();
        db.say("MULTI");
        assert_eq!(
            db.say("SETBIT k"),
            "-ERR wrong number of arguments for 'setbit' command\r\n"
        );
        db.say("SETBIT k 7 1");
        assert_eq!(
            db.say("EXEC"),
            "-EXECABORT Transaction discarded because of previous errors.\r\n"
        );
        assert_eq!(db.say("BITCOUNT k"), ":0\r\n");
    }

    #[test]
    fn a_watched_key_that_changed_stops_exec() {
        let mut mine = Session::alone();
        let mut other = Session::new(mine.world());
        mine.say("WATCH k");
        other.say("SETBIT k 0 1");
        mine.say("MULTI");
        mine.say("SETBIT k 1 1");
        assert_eq!(mine.say("EXEC"), "*-1\r\n");
        assert_eq!(mine.say("BITCOUNT k"), ":1\r\n");
    }

    #[test]
    fn a_watched_key_set_to_what_it_was_does_not_stop_exec() {
        let mut mine = Session::alone();
        let mut other = Session::new(mine.world());
        mine.say("SETBIT k 0 1");
        mine.say("WATCH k");
        other.say("SETBIT k 0 1");
        mine.say("MULTI");
        mine.say("BITCOUNT k");
        assert_eq!(mine.say("EXEC"), "*1\r\n:1\r\n");
    }
}
