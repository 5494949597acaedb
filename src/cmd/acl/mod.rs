//! Who may do what: users, their passwords, and the rules that allow them commands, keys and channels.
//!
//! A user is made of rules, said to ACL SETUSER, in redis.conf or in a file of users; [`selector`] and [`user`] read them
//! and show them as Redis does. Every connection acts as some user, `default` until it says otherwise. A request of a user
//! who may do everything passes [`check`] with one look at a flag; any other is held against the rules.
//!
//! What happens to the connections of a user who is deleted is decided here, how they are closed is not.

mod commands;
mod file;
mod log;
mod names;
mod selector;
mod user;

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::pubsub::Kind;
use super::{Args, Client, ClientInfo, CmdError, Command, Context, World, clients};
use crate::config::Config;
use crate::resp::Request;
use crate::stats::Counter;
use log::{Log, Refusal};
use selector::Denied;
use user::Rights;

pub(super) use commands::{
    cat, deluser, dryrun, genpass, getuser, list, load, log, save, setuser, users, whoami,
};
pub use file::AclError;
pub(super) use names::is_redis;
pub use user::User;

/// The user everybody is who has not said otherwise.
const DEFAULT: &[u8] = b"default";

/// All users, and what was refused to them.
pub struct Acl {
    /// By name, in the order in which they are listed. Held for writing while users are made, changed or deleted.
    users: RwLock<BTreeMap<Box<[u8]>, Arc<User>>>,
    default: Arc<User>,
    log: Log,
}

impl Acl {
    /// The default user alone, with the password of the settings. It follows `requirepass` from now on.
    pub(super) fn new(config: &Config) -> Self {
        let default = Arc::new(User::new(DEFAULT, Rights::everything()));
        let follow = |user: &User, config: &Config| {
            let mut rights = Rights::clone(&user.rights());
            let rule = match config.requirepass() {
                Some(password) => [b">", &password[..]].concat(),
                None => b"nopass".to_vec(),
            };
            for rule in [b"resetpass", &rule[..]] {
                rights
                    .apply(rule, true)
                    .map_err(|error| error.to_string())?;
            }
            user.set_rights(rights);
            Ok(())
        };
        if config.requirepass().is_some() {
            let applied: Result<(), String> = follow(&default, config);
            debug_assert_eq!(applied, Ok(()));
        }
        let user = Arc::clone(&default);
        config.on_change("requirepass", move |config| follow(&user, config));
        Self {
            users: RwLock::new(BTreeMap::from([(DEFAULT.into(), Arc::clone(&default))])),
            default,
            log: Log::default(),
        }
    }

    /// The user a new connection is.
    pub fn default_user(&self) -> Arc<User> {
        Arc::clone(&self.default)
    }

    /// Whether a connection that said nothing may act as the default user.
    pub fn is_open(&self) -> bool {
        let rights = self.default.rights();
        rights.nopass && rights.on
    }

    /// Whether the default user has no password. It may be off nevertheless.
    pub fn has_no_password(&self) -> bool {
        self.default.rights().nopass
    }

    /// The user of this name and password, if there is one and it may log in.
    pub(super) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        let user = self.find(name);
        // As long a look for a name nobody has: who asks does not learn which names there are.
        let admitted = match &user {
            Some(user) => user.rights().admits(password),
            None => Rights::new(false).admits(password),
        };
        user.filter(|_| admitted)
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().get(name).cloned()
    }

    /// The users, each as a line of a file of users.
    pub(super) fn lines(&self) -> Vec<Vec<u8>> {
        let users = self.users.read();
        let line = |user: &Arc<User>| {
            let rules = user.rights().describe();
            [b"user ", user.name(), b" ", &rules].concat()
        };
        users.values().map(line).collect()
    }

    /// The names of all users.
    fn names(&self) -> Vec<Box<[u8]>> {
        self.users.read().keys().cloned().collect()
    }

    /// Makes or changes one user: `change` is handed its rights, and they are put in force unless it fails.
    fn set<E>(
        &self,
        name: &[u8],
        all_channels: bool,
        change: impl FnOnce(&mut Rights) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut users = self.users.write();
        let known = users.get(name);
        let mut rights = known.map_or_else(
            || Rights::new(all_channels),
            |user| Rights::clone(&user.rights()),
        );
        change(&mut rights)?;
        match known {
            Some(user) => user.set_rights(rights),
            None => {
                users.insert(name.into(), Arc::new(User::new(name, rights)));
            }
        }
        Ok(())
    }

    /// Deletes users, and returns how many there were.
    fn delete<'n>(&self, names: impl Iterator<Item = &'n [u8]>) -> usize {
        let mut users = self.users.write();
        let gone = names.filter_map(|name| users.remove(name));
        gone.inspect(|user| user.leave()).count()
    }

    /// Puts these users in the place of all there are. Who has a name that stays keeps its connections; without a default
    /// user, everybody may do everything.
    fn replace(&self, new: Vec<(Vec<u8>, Rights)>) {
        let mut users = self.users.write();
        let mut old = std::mem::take(&mut *users);
        if !new.iter().any(|(name, _)| name == DEFAULT) {
            self.default.set_rights(Rights::everything());
            old.remove(DEFAULT);
            users.insert(DEFAULT.into(), Arc::clone(&self.default));
        }
        for (name, rights) in new {
            let user = match old.remove(name.as_slice()) {
                Some(user) => {
                    user.set_rights(rights);
                    user
                }
                None => Arc::new(User::new(&name, rights)),
            };
            users.insert(name.into(), user);
        }
        old.into_values().for_each(|user| user.leave());
    }
}

/// Whether the client's user may run `request`. If not, it is counted and logged, and the error is the reply.
#[inline]
pub(super) fn check(
    world: &World,
    client: &Client,
    command: &'static Command,
    request: Request<'_>,
) -> Result<(), CmdError> {
    if client.user.is_unrestricted() {
        return Ok(());
    }
    check_rules(world, client, command, request)
}

#[cold]
fn check_rules(
    world: &World,
    client: &Client,
    command: &'static Command,
    request: Request<'_>,
) -> Result<(), CmdError> {
    if client.user.is_gone() {
        return Err(CmdError::NoAuth); // deleted this moment; the connection is being closed
    }
    let multi = client.queue.is_some();
    refusal(world, client, command, request, multi).map_err(|denied| {
        let why = tell(client.user.name(), denied, command, None);
        CmdError::Quoting([b"NOPERM ", why.as_slice()].concat())
    })
}

/// Whether the command of `cx`, which was queued as `request`, may still run.
#[inline]
pub(super) fn check_again(cx: &Context<'_>, request: Request<'_>) -> Result<(), CmdError> {
    if cx.client.user.is_unrestricted() {
        return Ok(());
    }
    refusal(cx.world, cx.client, cx.command, request, true).map_err(|denied| {
        let why = match denied {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => {
                "no permission to access one of the channels used as arguments to the command"
            }
        };
        CmdError::other(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
             is no longer allowed for the following reason: {why}"
        ))
    })
}

/// Holds a request against the rules of the client's user. A refusal is counted and logged.
fn refusal(
    world: &World,
    client: &Client,
    command: &'static Command,
    request: Request<'_>,
    multi: bool,
) -> Result<(), Denied> {
    let rights = client.user.rights();
    rights
        .check(command, Args::new(request, 0))
        .inspect_err(|denied| {
            let argument = |at| request.get(at).unwrap_or_default();
            let (counter, reason, object) = match *denied {
                Denied::Command => (Counter::DeniedCommand, "command", command.name.as_bytes()),
                Denied::Key(at) => (Counter::DeniedKey, "key", argument(at)),
                Denied::Channel(at) => (Counter::DeniedChannel, "channel", argument(at)),
            };
            world.stats.count(counter);
            let refusal = Refusal {
                reason,
                context: context(multi),
                object: object.to_vec(),
                user: client.user.name().to_vec(),
            };
            note(world, client, request, refusal);
        })
}

/// Counts and logs that somebody failed to log in as `user`.
pub(super) fn note_failed_login(cx: &Context<'_>, request: Request<'_>, user: &[u8]) {
    cx.world.stats.count(Counter::DeniedAuth);
    let refusal = Refusal {
        reason: "auth",
        context: context(cx.in_exec),
        object: request.name().to_vec(),
        user: user.to_vec(),
    };
    note(cx.world, cx.client, request, refusal);
}

fn context(multi: bool) -> &'static str {
    match multi {
        true => "multi",
        false => "toplevel",
    }
}

fn note(world: &World, client: &Client, request: Request<'_>, refusal: Refusal) {
    let now = world.keyspace.clock().now_ms();
    let line = clients::describe(&client.info, now, clients::arguments_of(request));
    let limit = usize::try_from(world.config.acllog_max_len()).unwrap_or(usize::MAX);
    world.acl.log.note(refusal, line, now, limit);
}

/// Why `user` may not, as Redis says it; with `object`, what it may not touch is named.
fn tell(user: &[u8], denied: Denied, command: &Command, object: Option<&[u8]>) -> Vec<u8> {
    let kind = match denied {
        Denied::Command => {
            let text = format!(" has no permissions to run the '{}' command", command.name);
            return [b"User ", user, text.as_bytes()].concat();
        }
        Denied::Key(_) => "key",
        Denied::Channel(_) => "channel",
    };
    match object {
        None => format!("No permissions to access a {kind}").into_bytes(),
        Some(object) => [
            b"User ",
            user,
            b" has no permissions to access the '",
            object,
            format!("' {kind}").as_bytes(),
        ]
        .concat(),
    }
}

/// Closes the connections that the present users do not allow: of users who are no more, and subscribed ones that listen
/// to what their user may not any longer. Returns whether `client` is one of them; that one is left open.
fn dismiss(world: &World, client: &ClientInfo) -> bool {
    let mut own = false;
    for info in world.clients.list() {
        let user = info.user();
        let strays = || {
            use Kind::{Channel, Pattern, Shard};
            info.is_subscribed()
                && [Channel, Pattern, Shard].into_iter().any(|kind| {
                    let names = world.broker.subscriptions(&info, kind);
                    names
                        .iter()
                        .any(|name| !user.may_listen(name, kind == Pattern))
                })
        };
        if user.is_unrestricted() || !(user.is_gone() || strays()) {
            continue;
        }
        if info.id == client.id {
            own = true;
        } else {
            world.clients.unregister(info.id);
            info.close();
        }
    }
    own
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
