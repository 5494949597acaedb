//! CONFIG: the settings, as clients see and change them.

use super::{Args, CmdError, CmdResult, Context};
use crate::resp::Reply;

/// `CONFIG GET parameter [parameter ...]`: the settings that fit any of the patterns, with their values.
pub(super) fn get(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let patterns: Vec<&[u8]> = args.rest().collect();
    let found = cx.world.config.get(&patterns).into_iter();
    Ok(Reply::Map(
        found
            .map(|(name, value)| (Reply::bulk(name), Reply::bulk(value)))
            .collect(),
    ))
}

/// `CONFIG SET parameter value [parameter value ...]`: changes all of them, or none.
pub(super) fn set(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    if !args.len().is_multiple_of(2) {
        return Err(CmdError::Syntax);
    }
    let mut pairs = Vec::with_capacity(args.len() / 2);
    while !args.is_empty() {
        pairs.push((args.take()?, args.take()?));
    }
    match cx.world.config.set(&pairs, cx.client.info.is_local()) {
        Ok(()) => Ok(Reply::Ok),
        Err(error) => Err(CmdError::other(format!("ERR {error}"))),
    }
}

/// `CONFIG RESETSTAT`: everything INFO counts starts from zero.
pub(super) fn resetstat(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    cx.world.reset_stats();
    Ok(Reply::Ok)
}

/// `CONFIG REWRITE`: writes the settings into the file the server was started with.
pub(super) fn rewrite(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    match cx.world.config.rewrite() {
        Ok(()) => {
            tracing::info!("CONFIG REWRITE executed with success.");
            Ok(Reply::Ok)
        }
        Err(error) => {
            tracing::warn!("CONFIG REWRITE failed: {error}");
            Err(CmdError::other(format!("ERR {error}")))
        }
    }
}
