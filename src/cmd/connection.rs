//! The connection's own commands: AUTH, ECHO, HELLO, PING, QUIT, RESET, SELECT.

use super::{Args, CmdError, CmdResult, Context, Flow, acl, clients, pubsub, transaction};
use crate::config::REDIS_VERSION;
use crate::number::parse_i64;
use crate::resp::{Reply, Request, Version};
use crate::words::until_nul;

/// `PING [message]`: a subscribed connection that speaks RESP2 gets `pong` and the message, or an empty one.
pub(super) fn ping(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    if args.len() > 1 {
        return Err(CmdError::Arity(cx.command.name));
    }
    let message = args.take_optional();
    if pubsub::restricts(cx.client) {
        // In the shape of a message, as nothing else can be told apart there.
        let message = message.unwrap_or_default();
        return Ok(Reply::Array(vec![
            Reply::bulk("pong"),
            Reply::bulk(message),
        ]));
    }
    Ok(message.map_or(Reply::Simple("PONG".into()), Reply::bulk))
}

/// `ECHO message`
pub(super) fn echo(_: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    Ok(Reply::Bulk(args.take()?.into()))
}

/// `SELECT index`: the database that the commands after this one mean.
pub(super) fn select(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let db = take_db(cx, args.take()?)?;
    cx.client.select(db);
    Ok(Reply::Ok)
}

/// Reads the number of a database.
pub(super) fn take_db(cx: &Context<'_>, number: &[u8]) -> Result<usize, CmdError> {
    let number = parse_i64(number).ok_or(CmdError::NotAnInteger)?;
    let number = i32::try_from(number).map_err(|_| CmdError::NotAnInt)?;
    usize::try_from(number)
        .ok()
        .filter(|&db| db < cx.world.keyspace.databases())
        .ok_or(CmdError::DbIndex)
}

/// `AUTH [username] password`: from now on this connection is that user, or without a name the default one.
///
/// A failure leaves the connection as it was, and so does a change of the password later.
pub(super) fn auth(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (user, password) = match args.len() {
        1 if cx.world.acl.has_no_password() => {
            return Err(CmdError::other(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        1 => (&b"default"[..], args.take()?),
        2 => (args.take()?, args.take()?),
        _ => return Err(CmdError::Syntax),
    };
    log_in(cx, args.request(), user, password)?;
    Ok(Reply::Ok)
}

fn log_in(
    cx: &mut Context<'_>,
    request: Request<'_>,
    name: &[u8],
    password: &[u8],
) -> Result<(), CmdError> {
    match cx.world.acl.authenticate(name, password) {
        Some(user) => {
            cx.client.become_user(user);
            Ok(())
        }
        None => {
            acl::note_failed_login(cx, request, name);
            Err(CmdError::WrongPass)
        }
    }
}

/// `HELLO [protover [AUTH username password] [SETNAME clientname]]`: says which protocol the client speaks, and answers
/// who this is.
///
/// All or nothing: the password is tried once every argument is read, and only then are name and protocol set.
pub(super) fn hello(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let version = match args.take_optional() {
        None => cx.client.version,
        Some(number) => match parse_i64(number) {
            Some(2) => Version::Resp2,
            Some(3) => Version::Resp3,
            Some(_) => return Err(CmdError::other("NOPROTO unsupported protocol version")),
            None => {
                return Err(CmdError::other(
                    "ERR Protocol version is not an integer or out of range",
                ));
            }
        },
    };
    let (mut login, mut name) = (None, None);
    while let Some(option) = args.peek() {
        if args.len() > 2 && args.take_word("AUTH") {
            login = Some((args.take()?, args.take()?));
        } else if args.len() > 1 && args.take_word("SETNAME") {
            name = Some(clients::check_name(args.take()?)?);
        } else {
            let mut text = b"ERR Syntax error in HELLO option '".to_vec();
            text.extend_from_slice(until_nul(option));
            text.push(b'\'');
            return Err(CmdError::Quoting(text));
        }
    }

    if let Some((user, password)) = login {
        log_in(cx, args.request(), user, password)?;
    }
    if !cx.client.authenticated && !cx.world.acl.is_open() {
        return Err(CmdError::other(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> \
             <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        clients::name(cx.client, name);
    }
    cx.client.speak(version);

    let text = |text: &str| Reply::bulk(text);
    let proto = match version {
        Version::Resp2 => 2,
        Version::Resp3 => 3,
    };
    Ok(Reply::Map(vec![
        (text("server"), text("redis")),
        (text("version"), text(REDIS_VERSION)),
        (text("proto"), Reply::Integer(proto)),
        (text("id"), Reply::Integer(cx.client.info.id as i64)),
        (text("mode"), text("standalone")),
        (text("role"), text("master")),
        (text("modules"), Reply::Array(Vec::new())),
    ]))
}

/// `QUIT`: closes the connection once everything asked for so far is answered.
pub(super) fn quit(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    cx.flow = Flow::Close;
    Ok(Reply::Ok)
}

/// `RESET`: the connection is as if it had just come, but for its id and what it said of its library.
pub(super) fn reset(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    transaction::forget(cx.world, cx.client);
    pubsub::forget(cx.world, &cx.client.info);
    cx.client.reset(cx.world);
    Ok(Reply::Simple("RESET".into()))
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
