//! What is known of requests before they run: what they name, and which memory they will need.

use super::{Client, CmdError, Command, World, footprint, table};
use crate::resp::Request;
use crate::store::Ahead;

/// Nothing is asked for while so few bytes are in use, all of which a core's second cache holds. A GETBIT in a pipeline of a
/// hundred then takes 0.166 µs of the server's time instead of 0.185 (redis-benchmark, a thousand keys of 16 bytes); with
/// thirty thousand keys, which are so many bytes, the two are level, and with a hundred thousand it is 0.254 and 0.210.
const NEAR: u64 = 2 << 20;

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

    /// The first key of a request that names this.
    #[inline]
    fn first_key<'r>(self, request: Request<'r>) -> Option<(&'static Command, &'r [u8])> {
        let command = self.0?;
        let key = request.get(command.keys.first()?.first_key())?;
        Some((command, key))
    }
}

/// Asks for the memory that these requests will look their first keys up in, and the bits they name, and says what each
/// names. For requests that came together, before the first of them runs: what each would wait for then overlaps.
#[inline]
pub fn prefetch<'r>(
    world: &World,
    client: &Client,
    requests: impl Iterator<Item = Request<'r>> + Clone,
    all_named: &mut [Named],
) {
    for (named, request) in all_named.iter_mut().zip(requests.clone()) {
        *named = Named::by(world, client, request);
    }
    if all_is_near() {
        return;
    }
    let keys = all_named.iter().zip(requests.clone()).enumerate();
    let keys = keys.filter_map(|(at, (named, request))| {
        let (_, key) = named.first_key(request)?;
        Some(world.keyspace.ahead(client.db, key, at))
    });
    world.keyspace.prefetch(keys, |at| {
        let request = requests.clone().nth(at)?;
        all_named[at].0?.bit_of(request)
    });
}

/// The first key that a request names, and the bit of it, if any: what it will look up. Of requests that came one by one
/// from several clients, it is asked for together, by [`crate::store::Keyspace::prefetch`].
pub fn ahead(world: &World, client: &Client, request: Request<'_>) -> Option<Ahead> {
    if all_is_near() {
        return None;
    }
    let (command, key) = Named::by(world, client, request).first_key(request)?;
    Some(
        world
            .keyspace
            .ahead(client.db, key, command.bit_of(request)),
    )
}
