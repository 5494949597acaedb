//! The server as a whole: DBSIZE, FLUSHALL, FLUSHDB, ROLE, SHUTDOWN, SWAPDB, TIME, WAIT.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Args, CmdError, CmdResult, Context, Farewell, Flow, Wait, saves};
use crate::number::parse_i64;
use crate::resp::Reply;

/// `DBSIZE`: how many keys the database has.
pub(super) fn dbsize(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::Integer(cx.keys().key_count(cx.client.db) as i64))
}

/// `FLUSHALL [ASYNC | SYNC]`: empties every database. Where there are save points, the file is empty too when it answers,
/// and a save that was under way is given up.
pub(super) fn flushall(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    flush(cx, args, 0..cx.world.keyspace.databases())?;
    cx.after(|world| world.aside(&mut || saves::after_flushall(world)));
    Ok(Reply::Ok)
}

/// `FLUSHDB [ASYNC | SYNC]`: empties the caller's database.
pub(super) fn flushdb(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let db = cx.client.db;
    flush(cx, args, db..db + 1)
}

/// Takes the keys out at once; what they held is freed when the locks are gone, so it is this client alone who waits for
/// that, and with ASYNC nobody.
fn flush(cx: &mut Context<'_>, mut args: Args<'_>, databases: std::ops::Range<usize>) -> CmdResult {
    let aside = args.take_word("ASYNC") || {
        let now = args.take_word("SYNC");
        !now && cx.world.config.lazyfree_lazy_user_flush()
    };
    args.finish()?;
    let (mut garbage, mut keys) = (Vec::new(), 0);
    for db in databases {
        let count = cx.keys().key_count(db) as u64;
        if count > 0 {
            garbage.push(cx.keys_mut().flush(db));
            keys += count;
        }
    }
    cx.world.changes.fetch_add(keys, Ordering::Relaxed);
    cx.changed_at_large(); // also where nothing was there, as in Redis
    if garbage.is_empty() {
        return Ok(Reply::Ok);
    }
    cx.after(move |world| {
        if aside {
            world.lazyfree.free(garbage, keys);
        } else {
            let mut garbage = Some(garbage);
            world.aside(&mut || drop(garbage.take()));
        }
    });
    Ok(Reply::Ok)
}

/// `ROLE`: always a master, which has no replicas.
pub(super) fn role(_: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::Array(vec![
        Reply::bulk("master"),
        Reply::Integer(0),
        Reply::Array(Vec::new()),
    ]))
}

/// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`: saves, if that is asked for or there are save points, and ends the
/// server. There is no reply: the connection closes. Where saving fails, the server goes on, unless told to end by FORCE.
///
/// ABORT takes back a shutdown that waits for replicas to catch up. Ours never waits, so there is never one to abort.
pub(super) fn shutdown(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (mut save, mut nosave, mut abort, mut now, mut force) = (false, false, false, false, false);
    while !args.is_empty() {
        if args.take_word("NOSAVE") {
            nosave = true;
        } else if args.take_word("SAVE") {
            save = true;
        } else if args.take_word("NOW") {
            now = true;
        } else if args.take_word("FORCE") {
            force = true;
        } else if args.take_word("ABORT") {
            abort = true;
        } else {
            return Err(CmdError::Syntax);
        }
    }
    if (save && nosave) || (abort && (save || nosave || now || force)) {
        return Err(CmdError::Syntax);
    }
    if abort {
        return Err(CmdError::other("ERR No shutdown in progress."));
    }
    let farewell = Farewell {
        save: (save || nosave).then_some(save),
        force,
    };
    let mut may_end = false;
    cx.world
        .aside(&mut || may_end = saves::may_end(cx.world, farewell));
    if !may_end {
        return Err(CmdError::other(
            "ERR Errors trying to SHUTDOWN. Check logs.",
        ));
    }
    cx.flow = Flow::Shutdown;
    Ok(Reply::None)
}

/// `SWAPDB index1 index2`: each database gets the other's keys, for every client at once.
pub(super) fn swapdb(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let mut take = |unreadable: &'static str| {
        parse_i64(args.take()?)
            .and_then(|db| i32::try_from(db).ok())
            .ok_or(CmdError::other(unreadable))
    };
    let (first, second) = (
        take("ERR invalid first DB index")?,
        take("ERR invalid second DB index")?,
    );
    let known = |db: i32| {
        usize::try_from(db)
            .ok()
            .filter(|&db| db < cx.world.keyspace.databases())
            .ok_or(CmdError::DbIndex)
    };
    let (first, second) = (known(first)?, known(second)?);
    if first != second {
        cx.keys_mut().swap(first, second);
    }
    cx.world.changes.fetch_add(1, Ordering::Relaxed);
    cx.changed_at_large();
    Ok(Reply::Ok)
}

/// `TIME`: seconds since the Unix epoch, and microseconds since that second.
pub(super) fn time(_: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok(Reply::Array(vec![
        Reply::bulk(now.as_secs().to_string()),
        Reply::bulk(now.subsec_micros().to_string()),
    ]))
}

/// `WAIT numreplicas timeout`: waits until so many replicas have what this client wrote, or for `timeout` milliseconds (0:
/// for ever), and replies how many have. There are none, so unless none is asked for, the time passes.
pub(super) fn wait(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let wanted = args.take_i64()?;
    let timeout_ms = take_timeout(cx, &mut args)?;
    if wanted <= 0 || cx.in_exec {
        return Ok(Reply::Integer(0));
    }
    cx.flow = Flow::Wait(Box::new(Wait {
        timeout_ms,
        reply: Reply::Integer(0),
        synced: None,
    }));
    Ok(Reply::None)
}

/// Reads how long a command may wait, in milliseconds; `None` is for ever.
pub(super) fn take_timeout(cx: &Context<'_>, args: &mut Args<'_>) -> Result<Option<u64>, CmdError> {
    let timeout = parse_i64(args.take()?).ok_or(CmdError::other(
        "ERR timeout is not an integer or out of range",
    ))?;
    let timeout = u64::try_from(timeout).map_err(|_| CmdError::other("ERR timeout is negative"))?;
    if timeout as i64 > i64::MAX - cx.now() {
        return Err(CmdError::other("ERR timeout is out of range"));
    }
    Ok((timeout > 0).then_some(timeout))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::session::Session;

    #[test]
    fn flushing_empties_one_database_or_all() {
        let mut db = Session::alone();
        db.say("SETBIT a 1 1");
        db.say("SELECT 1");
        db.say("SETBIT a 1 1");
        db.say("SETBIT b 1 1");
        assert_eq!(db.say("DBSIZE"), ":2\r\n");
        assert_eq!(db.say("FLUSHDB ASYNC"), "+OK\r\n");
        assert_eq!(db.say("DBSIZE"), ":0\r\n");
        let lazyfree = &db.world().lazyfree;
        while lazyfree.pending.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(lazyfree.freed.load(Ordering::Relaxed), 2);
        db.say("SELECT 0");
        assert_eq!(db.say("DBSIZE"), ":1\r\n");
        assert_eq!(db.say("FLUSHALL sync"), "+OK\r\n");
        assert_eq!(db.say("DBSIZE"), ":0\r\n");
        for wrong in ["FLUSHALL now", "FLUSHDB ASYNC SYNC"] {
            assert_eq!(db.say(wrong), "-ERR syntax error\r\n");
        }
    }

    #[test]
    fn flushing_inside_a_transaction_is_seen_by_the_commands_after_it() {
        let mut db = Session::alone();
        db.say("SETBIT a 1 1");
        for line in ["MULTI", "FLUSHALL", "DBSIZE", "SETBIT a 1 1", "DBSIZE"] {
            db.say(line);
        }
        assert_eq!(db.say("EXEC"), "*4\r\n+OK\r\n:0\r\n:0\r\n:1\r\n");
    }

    #[test]
    fn swapped_databases_keep_their_keys() {
        let mut db = Session::alone();
        db.say("SETBIT a 1 1");
        assert_eq!(db.say("SWAPDB 0 3"), "+OK\r\n");
        assert_eq!(db.say("DBSIZE"), ":0\r\n");
        db.say("SELECT 3");
        assert_eq!(db.say("GETBIT a 1"), ":1\r\n");
        for (wrong, why) in [
            ("SWAPDB x 1", "invalid first DB index"),
            ("SWAPDB 99 x", "invalid second DB index"),
            ("SWAPDB 0 16", "DB index is out of range"),
            ("SWAPDB -1 0", "DB index is out of range"),
        ] {
            assert_eq!(db.say(wrong), format!("-ERR {why}\r\n"));
        }
    }

    #[test]
    fn waiting_for_nobody_is_over_at_once() {
        let mut db = Session::alone();
        assert_eq!(db.say("WAIT 0 0"), ":0\r\n");
        assert_eq!(db.say("WAIT 1 10"), "", "answered when the time is over");
        assert_eq!(
            db.say("WAIT x -1"),
            "-ERR value is not an integer or out of range\r\n"
        );
        assert_eq!(
            db.say("WAIT 0 x"),
            "-ERR timeout is not an integer or out of range\r\n"
        );
        assert_eq!(db.say("WAIT 0 -1"), "-ERR timeout is negative\r\n");
        db.say("MULTI");
        db.say("WAIT 1 0");
        assert_eq!(db.say("EXEC"), "*1\r\n:0\r\n");
    }

    #[test]
    fn shutdown_judges_its_words_first() {
        let mut db = Session::alone();
        for wrong in ["SHUTDOWN x", "SHUTDOWN SAVE NOSAVE", "SHUTDOWN ABORT NOW"] {
            assert_eq!(db.say(wrong), "-ERR syntax error\r\n");
        }
        assert_eq!(
            db.say("SHUTDOWN abort"),
            "-ERR No shutdown in progress.\r\n"
        );
        assert_eq!(db.say("SHUTDOWN NOSAVE now"), "");
    }
}
