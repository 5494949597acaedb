//! CONFIG: the settings, as clients see and change them.

use super::{Args, CmdError, CmdResult, Context, log};
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
        Ok(()) => {
            cx.after(log::follow_settings);
            Ok(Reply::Ok)
        }
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
    let users = match cx.world.config.aclfile() {
        Some(_) => Vec::new(), // they are where ACL SAVE writes them
        None => cx.world.acl.lines(),
    };
    match cx.world.config.rewrite(&users) {
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

#[cfg(test)]
mod tests {
    use super::super::session::Session;

    #[test]
    fn settings_are_read_by_pattern_and_changed_together() {
        let mut db = Session::alone();
        assert_eq!(db.say("CONFIG SET hz 20 maxmemory 1mb"), "+OK\r\n");
        assert_eq!(db.say("CONFIG GET HZ"), "*2\r\n$2\r\nHZ\r\n$2\r\n20\r\n");
        assert_eq!(
            db.say("CONFIG GET maxmemor?"),
            "*2\r\n$9\r\nmaxmemory\r\n$7\r\n1048576\r\n"
        );
        assert_eq!(db.say("CONFIG GET nosuch"), "*0\r\n");
        assert!(
            db.say("CONFIG SET hz 30 nosuch 1")
                .starts_with("-ERR Unknown option")
        );
        assert_eq!(db.say("CONFIG GET hz"), "*2\r\n$2\r\nhz\r\n$2\r\n20\r\n");
        assert_eq!(
            db.say("CONFIG SET hz 30 maxmemory"),
            "-ERR syntax error\r\n"
        );
        assert_eq!(
            db.say("CONFIG SET databases 3"),
            "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config\r\n"
        );
    }

    #[test]
    fn there_is_nothing_to_rewrite_without_a_file() {
        assert_eq!(
            Session::alone().say("CONFIG REWRITE"),
            "-ERR The server is running without a config file\r\n"
        );
    }
}
