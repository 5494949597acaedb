//! Transactions: MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! Commands after MULTI are checked and queued. EXEC locks every key that any of them names, runs them in order and
//! answers with all their replies, so no other connection sees the keyspace between two of them.
//!
//! Time stands still meanwhile: what all of them take for now is when the locks were taken.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::client::Watched;
use super::{Args, Client, CmdError, CmdResult, Command, Context, Flags, Flow, Scope, World, acl};
use crate::resp::{OwnedRequest, Reply, Request};
use crate::store::{Access, Locked, Watch};

/// What a watched key takes besides its name, in bytes.
const WATCHED: usize = 128;

/// What was queued since MULTI.
#[derive(Default)]
pub struct Queue {
    commands: Vec<(&'static Command, OwnedRequest)>,
    /// A command could not be queued: EXEC will refuse.
    failed: bool,
    /// A command may need more memory (DENYOOM).
    pub(super) grows: bool,
}

/// The keys a connection watches, and the mark that their changes set.
#[derive(Default)]
pub struct Watching {
    mark: Arc<Watch>,
    /// By database and name: when it will expire, as it stood when it was watched.
    keys: HashMap<(usize, Box<[u8]>), Option<i64>>,
    /// What they take, here and beside the keys.
    bytes: usize,
}

impl Queue {
    /// Whether any of the commands has a flag.
    pub(super) fn contains(&self, flag: Flags) -> bool {
        self.flags().any(|flags| flags.contains(flag))
    }

    /// Whether any of the commands does not have it.
    pub(super) fn lacks(&self, flag: Flags) -> bool {
        self.flags().any(|flags| !flags.contains(flag))
    }

    fn flags(&self) -> impl Iterator<Item = Flags> {
        self.commands.iter().map(|(command, _)| command.flags)
    }

    /// Whether one of the commands changes something.
    pub(super) fn writes(&self) -> bool {
        self.commands
            .iter()
            .any(|(command, _)| command.changes_replicas())
    }
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

/// `MULTI`: from now on commands are queued. Said again before EXEC it is refused, and the transaction goes on.
pub(super) fn multi(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    if cx.client.queue.is_some() {
        return Err(CmdError::other("ERR MULTI calls can not be nested"));
    }
    cx.client.queue = Some(Queue::default());
    cx.client.info.queued.store(0, Ordering::Relaxed);
    Ok(Reply::Ok)
}

/// Puts a command into the open transaction. One that is sure to fail by now costs no memory.
pub(super) fn enqueue(client: &mut Client, command: &'static Command, request: Request<'_>) {
    let Some(queue) = &mut client.queue else {
        return;
    };
    let broken = |watching: &Watching| watching.mark.is_touched();
    if queue.failed || client.watching.as_ref().is_some_and(broken) {
        return;
    }
    let request = OwnedRequest::from(request);
    let bytes = request.heap_bytes() + size_of_val(&(command, &request));
    queue.grows |= command.flags.contains(Flags::DENYOOM);
    queue.commands.push((command, request));
    client.info.queued.fetch_add(1, Ordering::Relaxed);
    client.info.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
}

/// What a request that could not run, nor be queued, means for the open transaction: EXEC will refuse, since a transaction
/// must not run in part. Refused itself, EXEC ends the transaction and says why.
pub(super) fn refuse(
    world: &World,
    client: &mut Client,
    command: Option<&Command>,
    error: CmdError,
) -> CmdError {
    if command.is_some_and(|command| command.name == "exec") {
        forget(world, client);
        let error = error.to_string();
        let why = error.strip_prefix("ERR ").unwrap_or(&error);
        return CmdError::other(format!("EXECABORT Transaction discarded because of: {why}"));
    }
    if let Some(queue) = &mut client.queue {
        queue.failed = true;
    }
    error
}

/// Drops what was queued and what was watched. Nothing may be locked.
pub(super) fn forget(world: &World, client: &mut Client) {
    close(client);
    unwatch_all(world, client);
}

/// Ends the transaction, and hands out its queue.
fn close(client: &mut Client) -> Option<Queue> {
    client.info.queued.store(-1, Ordering::Relaxed);
    client.info.queued_bytes.store(0, Ordering::Relaxed);
    client.queue.take()
}

/// `DISCARD`: forgets what was queued and what was watched.
pub(super) fn discard(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    if cx.client.queue.is_none() {
        return Err(CmdError::other("ERR DISCARD without MULTI"));
    }
    forget(cx.world, cx.client);
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
    *cx.client.info.watching.lock() = None;
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
            cx.begin_block();
            run_all(cx, &queue);
            cx.end_block();
            Ok(Reply::None) // the replies are already where they belong
        }
    };
    // Registered watchers are taken out under their own locks, after this transaction's are gone.
    cx.keys = cx.world.keyspace.lock_none();
    cx.client.watching = watching;
    forget(cx.world, cx.client);
    answer
}

/// Runs the commands and sends each reply at once, as HELLO and CLIENT REPLY among them say how the next is sent.
fn run_all(cx: &mut Context<'_>, queue: &Queue) {
    let exec = cx.command;
    cx.in_exec = true;
    cx.client.send_array(queue.commands.len(), cx.out);
    for (command, request) in &queue.commands {
        let killed = matches!(cx.flow, Flow::Close);
        cx.command = command;
        let request = request.as_request();
        // A command before it may have changed what this user may do, and so may anybody since it was queued.
        let admitted = acl::check_again(cx, request).and_then(|()| cx.admit_in_exec(command));
        match admitted {
            Ok(()) => cx.run(Args::new(request, command.args_at), !killed),
            Err(error) => cx.answer(Err(error), !killed),
        }
    }
    cx.in_exec = false;
    cx.command = exec;
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
        .map(|((_, key), _)| (&**key, Access::Read));
    world.keyspace.lock_keys(named.chain(watched))
}

impl Watching {
    /// Whether a watched key changed, or its time came since it was watched. The keys must be locked.
    fn broken(&self, keys: &Locked<'_>) -> bool {
        self.mark.is_touched()
            || self
                .keys
                .values()
                .any(|expires_at| expires_at.is_some_and(|at| at <= keys.now()))
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
        let Entry::Vacant(place) = watching.keys.entry((db, key.into())) else {
            continue;
        };
        // A key whose time has come is removed first, or its removal would pass for a change.
        let expires_at = keys
            .get_mut(db, key)
            .and_then(|entry| entry.as_ref().expires_at());
        keys.watch(db, key, &watching.mark);
        place.insert(expires_at);
        watching.bytes += WATCHED + 2 * key.len();
    }
    drop(keys);
    *cx.client.info.watching.lock() = Some(Watched {
        keys: watching.keys.len(),
        bytes: watching.bytes,
        mark: Arc::clone(&watching.mark),
    });
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
    let mut keys = world
        .keyspace
        .lock_keys(watching.keys.keys().map(|(_, key)| (&**key, Access::Write)));
    for (db, key) in watching.keys.keys() {
        keys.unwatch(*db, key, &watching.mark);
    }
    *client.info.watching.lock() = None;
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
