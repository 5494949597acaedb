//! Saving on request: SAVE, BGSAVE, LASTSAVE.

use super::saves::{self, Busy};
use super::{Args, CmdError, CmdResult, Context};
use crate::resp::Reply;

/// The answer to whoever wants to save while that is under way.
const SAVING: CmdError = CmdError::Other(std::borrow::Cow::Borrowed(
    "ERR Background save already in progress",
));

/// `SAVE`: saves, and answers when it is done. Unlike in Redis nobody else waits. What the disk said is in the log.
pub(super) fn save(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let mut saved = Err(Busy::Saving);
    cx.world.aside(&mut || saved = saves::now(cx.world));
    match saved {
        Ok(true) => Ok(Reply::Ok),
        Ok(false) => Err(CmdError::other("ERR")),
        Err(_) => Err(SAVING),
    }
}

/// `BGSAVE [SCHEDULE]`: begins to save what there is at this moment. With SCHEDULE, and always inside a transaction, not
/// before nothing else is in the way.
pub(super) fn bgsave(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let schedule = args.take_word("SCHEDULE");
    if !args.is_empty() {
        return Err(CmdError::Syntax);
    }
    let begun = if cx.in_exec {
        match cx.world.saves.in_background() {
            Some(_) => Err(Busy::Saving),
            None => Err(Busy::Rewriting), // the locks that this transaction holds are as much in the way
        }
    } else {
        saves::in_background(cx.world)
    };
    match begun {
        Ok(()) => Ok(Reply::Simple("Background saving started".into())),
        Err(Busy::Saving) => Err(SAVING),
        Err(Busy::Rewriting) if schedule || cx.in_exec => {
            cx.world.saves.schedule();
            Ok(Reply::Simple("Background saving scheduled".into()))
        }
        Err(Busy::Rewriting) => Err(CmdError::other(
            "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to \
             schedule a BGSAVE whenever possible.",
        )),
    }
}

/// `LASTSAVE`: when the keyspace was last saved (or the server started), in seconds since the Unix epoch.
pub(super) fn lastsave(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::Integer(cx.world.saves.last().saved_ms / 1000))
}
