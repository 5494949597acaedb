//! Requests of one client that came together: looked up together, run one by one.
//!
//! A short request in a pipeline mostly waits for memory, and for the locks around it. So what all of them will look up is
//! asked for before the first runs ([`crate::store::Shared`]); and where all of them are short reads, they run on what was
//! found then, under the locks that are held already.

use arrayvec::ArrayVec;

use super::calls::Lap;
use super::client::Replies;
use super::{Client, CmdError, Command, Context, Flags, Flow, World, footprint, table};
use crate::resp::{Output, Request};
use crate::store::{Ahead, Look, TOGETHER};
use crate::words::is_same;

/// Nothing is asked for while so few bytes are in use, about a megabyte of them not for data: a core's second cache holds the
/// others. (Reads in a pipeline are looked up together all the same, since they need not be looked up again.)
const NEAR: u64 = 3 << 20;

#[inline]
fn all_is_near() -> bool {
    footprint::lately() < NEAR
}

/// What the first word of a request names: found once, to ask ahead for what the request needs and to run it.
#[derive(Clone, Copy, Default)]
pub struct Named(Option<&'static Command>);

impl Named {
    /// What `client` names by the first word of a request.
    #[inline(always)]
    pub fn by(world: &World, client: &Client, request: Request<'_>) -> Self {
        Self(match client.replays {
            false => world.names.find(request.name()),
            true => world.names.find_logged(request.name()),
        })
    }

    /// The row to run: the command's, or its subcommand's where it has some.
    #[inline(always)]
    pub(super) fn resolve(self, request: Request<'_>) -> Result<&'static Command, CmdError> {
        table::resolve(self.0, request)
    }

    /// Whether it is known beforehand that a request of this name looks at one key, and is soon done with it: it takes so many
    /// words and no more, and does not let go of its key to take long elsewhere.
    #[inline]
    fn reads_one_key_fast(self, request: Request<'_>) -> bool {
        self.0.is_some_and(|command| {
            command.flags.contains(Flags::READONLY.union(Flags::FAST))
                && matches!(command.keys, [spec] if spec.is_one())
                && command.arity > 0
                && command.admits(request.len())
                && !is_http(request.name())
        })
    }

    fn is(self, other: Self) -> bool {
        match (self.0, other.0) {
            (Some(a), Some(b)) => std::ptr::eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    /// The bit of its first key that a request of this name looks at first, if it names one.
    #[inline]
    fn bit_of(self, request: Request<'_>) -> Option<Look> {
        self.0?.bit_of(request)
    }

    /// The first key of a request that names this.
    #[inline]
    fn first_key<'r>(self, request: Request<'r>) -> Option<&'r [u8]> {
        request.get(self.0?.keys.first()?.first_key())
    }
}

/// Runs requests that came together, [`TOGETHER`] at most, and appends their replies to `out`. Stops early where one of them
/// has the connection do something else than go on, or changes whether the client is authenticated; says how many ran, and
/// what the last of them asks of the connection.
#[inline]
pub fn run_together<'r>(
    world: &World,
    client: &mut Client,
    mut requests: impl ExactSizeIterator<Item = Request<'r>>,
    out: &mut Output,
) -> (usize, Flow) {
    client.lap = Lap::default();
    if requests.len() == 1
        && let Some(request) = requests.next()
    {
        let named = Named::by(world, client, request);
        return run_each(world, client, &[(named, request)], out);
    }
    let mut all = ArrayVec::new();
    let mut last: Option<(&[u8], Named)> = None;
    // Run from inside, it becomes a plain loop. Otherwise each is moved once more, and a processor has to wait for what was
    // written just before in smaller pieces.
    requests.for_each(|request| {
        let name = request.name();
        let named = match last {
            Some((before, named)) if is_same(name, before) => named, // as mostly
            _ => Named::by(world, client, request),
        };
        last = Some((name, named));
        all.push((named, request));
    });
    run_many(world, client, &all, out)
}

/// As [`run_together`], of several. Apart, since what it needs room for is much to make ready for one.
#[inline(never)]
fn run_many(
    world: &World,
    client: &mut Client,
    requests: &ArrayVec<(Named, Request<'_>), TOGETHER>,
    out: &mut Output,
) -> (usize, Flow) {
    let reads = requests
        .iter()
        .all(|(named, request)| named.reads_one_key_fast(*request));
    if reads && nothing_is_in_the_way(world, client) {
        if run_reads(world, client, requests, out) {
            return (requests.len(), Flow::Continue);
        }
    } else if !all_is_near() {
        let keys = requests.iter().filter_map(|(named, request)| {
            let key = named.first_key(*request)?;
            Some(world.keyspace.ahead(client.db, key, (named, request)))
        });
        let keys: ArrayVec<_, TOGETHER> = keys.collect();
        let bit = |(named, request): (&Named, &Request<'_>)| named.bit_of(*request);
        world.keyspace.prefetch(&keys, bit);
    }
    run_each(world, client, requests, out)
}

/// Runs requests one by one.
#[inline]
fn run_each(
    world: &World,
    client: &mut Client,
    requests: &[(Named, Request<'_>)],
    out: &mut Output,
) -> (usize, Flow) {
    let authenticated = client.authenticated;
    for (at, (named, request)) in requests.iter().enumerate() {
        if is_http(request.name()) {
            return (at, Flow::Refuse);
        }
        let flow = super::run(world, client, *named, *request, out);
        if !matches!(flow, Flow::Continue) || client.authenticated != authenticated {
            return (at + 1, flow);
        }
    }
    (requests.len(), Flow::Continue)
}

/// Whether every request that is a short read may run as it is: what the server and the client are asked for before each
/// other request is answered by yes, all of it.
#[inline]
fn nothing_is_in_the_way(world: &World, client: &Client) -> bool {
    client.authenticated
        && !client.replays
        && client.queue.is_none()
        && client.replies == Replies::On
        && client.info.mailbox.get().is_none()
        && client.user.is_unrestricted()
        && world.gate.is_open()
        && !world.log.is_troubled()
        && !world.pause.is_set()
        && !world.broker.is_monitored()
        && !world.calls.times_each()
        && world.has_room()
}

/// Runs requests that all are short reads of one key, unless somebody writes to one of the shards; whether they ran.
///
/// As in a transaction, all keys are locked until the last has run.
fn run_reads(
    world: &World,
    client: &mut Client,
    requests: &[(Named, Request<'_>)],
    out: &mut Output,
) -> bool {
    let mut keys = ArrayVec::<&[u8], TOGETHER>::new();
    let mut ahead = ArrayVec::<_, TOGETHER>::new();
    for (named, request) in requests {
        let Some(key) = named.first_key(*request) else {
            return false; // there is none of that kind
        };
        ahead.push(world.keyspace.ahead(client.db, key, (named, request)));
        keys.push(key);
    }
    let shared = world.keyspace.share(&ahead);
    if !shared.are_all() {
        return false;
    }
    let likely = shared.look_up(&ahead, |(named, request)| named.bit_of(*request));
    let found = shared.find(&ahead, &keys, &likely);
    let mut found = &found[..];
    for same in requests.chunk_by(|(a, _), (b, _)| a.is(*b)) {
        let Some(command) = same[0].0.0 else { break };
        let (these, others) = found.split_at(same.len());
        Context::new(world, client, command, world.keyspace.lock_none(), out)
            .run_reads(same.iter().map(|(_, request)| *request).zip(these));
        found = others;
    }
    true
}

/// Whether the request is the start of an HTTP one, or one of its headers: a web page is being used to reach a server
/// that its author cannot reach.
#[inline]
fn is_http(name: &[u8]) -> bool {
    match name.len() {
        4 => name.eq_ignore_ascii_case(b"post"),
        5 => name.eq_ignore_ascii_case(b"host:"),
        _ => false,
    }
}

/// The first key that a request names, and the bit of it, if any: what it will look up. Of requests that came one by one
/// from several clients, it is asked for together, by [`crate::store::Keyspace::prefetch`].
pub fn ahead(world: &World, client: &Client, request: Request<'_>) -> Option<Ahead> {
    if all_is_near() {
        return None;
    }
    let named = Named::by(world, client, request);
    let key = named.first_key(request)?;
    Some(world.keyspace.ahead(client.db, key, named.bit_of(request)))
}

#[cfg(test)]
#[path = "pipeline_tests.rs"]
mod tests;
