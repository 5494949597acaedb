//! The connection's own commands: PING, ECHO, SELECT.

use std::sync::atomic::Ordering;

use super::{Args, CmdError, CmdResult, Context};
use crate::number::parse_i64;
use crate::resp::Reply;

/// `PING [message]`
pub(super) fn ping(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    if args.len() > 1 {
        return Err(CmdError::Arity(cx.command.name));
    }
    Ok(args
        .take_optional()
        .map_or(Reply::Simple("PONG".into()), |message| {
            Reply::Bulk(message.into())
        }))
}

/// `ECHO message`
pub(super) fn echo(_: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    Ok(Reply::Bulk(args.take()?.into()))
}

/// `SELECT index`: the database that the commands after this one mean.
pub(super) fn select(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let db = parse_i64(args.take()?)
        .and_then(|db| i32::try_from(db).ok())
        .ok_or(CmdError::NotAnInteger)?;
    let db = usize::try_from(db)
        .ok()
        .filter(|&db| db < cx.world.keyspace.databases())
        .ok_or(CmdError::DbIndex)?;
    cx.client.db = db;
    cx.client.info.db.store(db, Ordering::Relaxed);
    Ok(Reply::Ok)
}
