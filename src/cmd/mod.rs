//! What each command means.
//!
//! A command is a row in [`table`] and a handler in its family's file. [`execute`] takes a request from lookup to reply
//! and does everything the row says (arity, authentication, queueing, locking), so no handler does. This floor must not
//! know sockets or tasks: it is handed bytes and fills an output buffer.

use std::sync::atomic::Ordering;

mod acl;
mod admin;
mod args;
mod aside;
mod bitfield;
mod bitinfo;
mod bitlog;
mod bitmany;
mod bitmap;
mod bitop;
mod bitopcard;
mod bitscan;
mod bulk;
mod burden;
mod calls;
mod ceiling;
pub mod client;
mod clients;
mod command;
mod connection;
mod container;
mod context;
mod counter;
mod debug;
mod digest;
mod docs;
mod dump;
mod error;
mod expire;
mod footprint;
mod gate;
mod guard;
mod info;
mod introspect;
mod keys;
mod latency;
mod lcs;
mod loading;
mod log;
mod long_double;
mod lookup;
mod mailbox;
mod memory;
mod metrics;
mod monitor;
mod notify;
mod object;
mod pause;
mod pipeline;
mod pubsub;
mod renames;
mod roaring;
mod save;
mod saves;
pub mod session;
mod set;
mod settings;
mod slowlog;
mod string;
mod subsequence;
pub mod table;
#[cfg(test)]
mod testing;
mod transaction;
mod world;

pub use acl::{Acl, AclError, User};
pub use args::Args;
use calls::Lap;
pub use ceiling::{Ceiling, Room};
pub use client::{Client, ClientInfo, Clients, Origin};
pub use command::{Categories, Command, Flags, Handler, KeyFlags, KeySpec, Scope};
pub use context::Context;
pub use error::CmdError;
pub use gate::{Bar, Gate};
pub use loading::{LoadError, Loading, load};
pub use log::{Logs, end as end_log, tick as tend_log};
pub use metrics::Metrics;
pub use pause::is_on as is_paused;
pub use pipeline::{Named, ahead, run_together};
pub use renames::Names;
pub use saves::{Farewell, Saves, may_end, tick};
pub use world::World;

use crate::resp::{Output, OwnedRequest, Reply, Request};

/// What a handler answers.
pub type CmdResult = Result<Reply, CmdError>;

/// What the connection does after a command.
#[derive(Debug)]
pub enum Flow {
    /// Goes on with the next request.
    Continue,
    /// Sends what is in the output, then closes.
    Close,
    /// Closes at once, and says in the log that somebody speaks HTTP.
    Refuse,
    /// Reads no further until the wait is over, then sends its reply.
    Wait(Box<Wait>),
    /// Runs the request again later.
    Postpone(Box<Held>),
    /// Ends the server.
    Shutdown,
}

/// A request that may not run now (CLIENT PAUSE).
#[derive(Debug)]
pub struct Held {
    pub request: OwnedRequest,
    /// Milliseconds until it may, if nothing happens.
    pub at_most_ms: u64,
}

/// A command that answers later.
#[derive(Debug)]
pub struct Wait {
    /// Milliseconds from now; `None` waits until the client goes.
    pub timeout_ms: Option<u64>,
    /// Sent when the time is over.
    pub reply: Reply,
    /// What makes a difference meanwhile.
    pub synced: Option<Synced>,
}

/// A wait for the disk.
#[derive(Debug)]
pub struct Synced {
    /// The position in the log that is to be on the disk.
    pub position: u64,
    /// Sent, if it is, in place of the other reply.
    pub reply: Reply,
    /// Whether that ends the wait.
    pub is_enough: bool,
}

/// Runs one request and appends its reply to `out`.
pub fn execute(
    world: &World,
    client: &mut Client,
    named: Named,
    request: Request<'_>,
    out: &mut Output,
) -> Flow {
    client.lap = Lap::default();
    run(world, client, named, request, out)
}

/// As [`execute`], of a request that may follow another at once.
#[inline]
fn run(
    world: &World,
    client: &mut Client,
    named: Named,
    request: Request<'_>,
    out: &mut Output,
) -> Flow {
    let flow = answer(world, client, named, request, out);
    client.collect_mail(out);
    match flow {
        Flow::Wait(_) => client.info.blocked.store(true, Ordering::Relaxed),
        Flow::Postpone(_) => {}
        _ => client.done(),
    }
    flow
}

/// Runs a request that was held back.
pub fn resume(world: &World, client: &mut Client, held: &Held, out: &mut Output) -> Flow {
    client.info.postponed.store(false, Ordering::Relaxed);
    let request = held.request.as_request();
    let named = Named::by(world, client, request);
    execute(world, client, named, request, out)
}

#[inline]
fn answer(
    world: &World,
    client: &mut Client,
    named: Named,
    request: Request<'_>,
    out: &mut Output,
) -> Flow {
    let command = match named.resolve(request) {
        Ok(command) => command,
        Err(error) => {
            client.info.remember_command(None);
            return refuse(world, client, None, error, out);
        }
    };
    client.info.remember_command(Some(command));
    if let Err(error) = admit(world, client, command, request) {
        return refuse(world, client, Some(command), error, out);
    }
    if let Some(at_most_ms) = pause::holds(world, client, command) {
        client.info.postponed.store(true, Ordering::Release);
        let held = Held {
            request: request.into(),
            at_most_ms,
        };
        return Flow::Postpone(Box::new(held));
    }
    if client.queue.is_some() && !command.runs_in_multi() {
        transaction::enqueue(client, command, request);
        client.send(Reply::Simple("QUEUED".into()), out);
        return Flow::Continue;
    }
    if command.flags.contains(Flags::WRITE) {
        world.log.feed.wait_for_room();
    }
    let keys = context::lock(world, command, request);
    let mut cx = Context::new(world, client, command, keys, out);
    cx.run(Args::new(request, command.args_at), true);
    cx.end_block();
    let Context {
        flow, keys, after, ..
    } = cx;
    world.free(keys.release());
    if let Some(work) = after {
        work(world);
    }
    flow
}

/// Answers a request that may not run, or that names no command.
#[cold]
fn refuse(
    world: &World,
    client: &mut Client,
    command: Option<&'static Command>,
    error: CmdError,
    out: &mut Output,
) -> Flow {
    let reply = transaction::refuse(world, client, command, error).into();
    count_error(world, &reply);
    client.send(reply, out);
    Flow::Continue
}

/// Counts a reply that is an error under its class, the text's first word.
#[cold]
fn count_error(world: &World, reply: &Reply) {
    if let Reply::Error(text) = reply {
        let class = text.split(|&byte| byte == b' ').next().unwrap_or_default();
        world.stats.error_reply(&String::from_utf8_lossy(class));
    }
}

/// Holds everything the row says against the request, in Redis's order. What is asked here of the server and the client is
/// asked for short reads in a pipeline as well, once for all ([`pipeline`]).
#[inline]
fn admit(
    world: &World,
    client: &Client,
    command: &'static Command,
    request: Request<'_>,
) -> Result<(), CmdError> {
    let refuse = |error| {
        world.calls.refused(command);
        Err(error)
    };
    if !command.admits(request.len()) {
        return refuse(CmdError::Arity(command.name));
    }
    if client.replays {
        return Ok(()); // it was admitted when it was logged
    }
    if command.flags.contains(Flags::PROTECTED) && !debug::allowed(world, client) {
        return refuse(CmdError::other(debug::NOT_ALLOWED));
    }
    if !client.authenticated && !command.flags.contains(Flags::NO_AUTH) && !world.acl.is_open() {
        return refuse(CmdError::NoAuth);
    }
    if client.queue.is_some() && command.flags.contains(Flags::NO_MULTI) {
        return refuse(CmdError::other(
            "ERR Command not allowed inside a transaction",
        ));
    }
    if let Err(error) = acl::check(world, client, command, request) {
        return refuse(error);
    }
    if let Err(error) = ceiling::admit(world, client, command) {
        return refuse(error);
    }
    if let Err(error) = world.gate.check(world, client, command) {
        return refuse(error);
    }
    if pubsub::restricts(client) && !pubsub::allowed_while_subscribed(command.name) {
        return refuse(CmdError::Subscribed(command.name));
    }
    if client.info.is_monitor()
        && (command.changes_replicas() || command.flags.contains(Flags::READONLY))
    {
        return refuse(CmdError::other(
            "ERR Replica can't interact with the keyspace", // which is what Redis takes it for
        ));
    }
    Ok(())
}

/// Undoes what a connection left behind in the keyspace. Called once when it is gone.
pub fn disconnect(world: &World, client: &mut Client) {
    transaction::unwatch_all(world, client);
    pubsub::forget(world, &client.info);
    world.unburden(&client.info);
    world.clients.unregister(client.info.id);
}
