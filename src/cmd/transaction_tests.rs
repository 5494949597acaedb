use std::sync::atomic::Ordering;

use super::super::session::Session;
use super::super::testing::session_at;

#[test]
fn a_transaction_queues_then_runs_in_order() {
    let mut db = Session::alone();
    assert_eq!(db.say("MULTI"), "+OK\r\n");
    assert_eq!(db.say("SETBIT k 7 1"), "+QUEUED\r\n");
    assert_eq!(db.say("BITCOUNT k"), "+QUEUED\r\n");
    assert_eq!(db.say("EXEC"), "*2\r\n:0\r\n:1\r\n");
    assert_eq!(db.say("EXEC"), "-ERR EXEC without MULTI\r\n");
}

#[test]
fn a_command_that_could_not_be_queued_spoils_the_transaction() {
    let mut db = Session::alone();
    db.say("MULTI");
    assert_eq!(
        db.say("SETBIT k"),
        "-ERR wrong number of arguments for 'setbit' command\r\n"
    );
    db.say("SETBIT k 7 1");
    assert_eq!(
        db.say("EXEC"),
        "-EXECABORT Transaction discarded because of previous errors.\r\n"
    );
    assert_eq!(db.say("BITCOUNT k"), ":0\r\n");
}

#[test]
fn a_watched_key_that_changed_stops_exec() {
    let mut mine = Session::alone();
    let mut other = Session::new(mine.world());
    mine.say("WATCH k");
    other.say("SETBIT k 0 1");
    mine.say("MULTI");
    mine.say("SETBIT k 1 1");
    assert_eq!(mine.say("EXEC"), "*-1\r\n");
    assert_eq!(mine.say("BITCOUNT k"), ":1\r\n");
}

#[test]
fn a_watched_key_set_to_what_it_was_does_not_stop_exec() {
    let mut mine = Session::alone();
    let mut other = Session::new(mine.world());
    mine.say("SETBIT k 0 1");
    mine.say("WATCH k");
    other.say("SETBIT k 0 1");
    mine.say("MULTI");
    mine.say("BITCOUNT k");
    assert_eq!(mine.say("EXEC"), "*1\r\n:1\r\n");
}

#[test]
fn multi_and_watch_inside_a_transaction_are_refused_and_do_not_spoil_it() {
    let mut db = Session::alone();
    db.say("MULTI");
    assert_eq!(db.say("MULTI"), "-ERR MULTI calls can not be nested\r\n");
    assert_eq!(
        db.say("WATCH k"),
        "-ERR WATCH inside MULTI is not allowed\r\n"
    );
    assert_eq!(db.say("EXEC"), "*0\r\n");
}

#[test]
fn an_exec_that_is_itself_refused_ends_the_transaction() {
    let mut db = Session::alone();
    db.say("MULTI");
    assert_eq!(
        db.say("EXEC now"),
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n"
    );
    assert_eq!(db.say("EXEC"), "-ERR EXEC without MULTI\r\n");
    assert_eq!(db.say("DISCARD"), "-ERR DISCARD without MULTI\r\n");
}

#[test]
fn a_command_that_fails_while_running_does_not_stop_the_others() {
    let mut db = Session::alone();
    for line in ["MULTI", "SET k 1", "SETBIT k x 1", "SELECT 99", "GET k"] {
        db.say(line);
    }
    assert_eq!(
        db.say("EXEC"),
        "*4\r\n+OK\r\n-ERR bit offset is not an integer or out of range\r\n\
         -ERR DB index is out of range\r\n$1\r\n1\r\n"
    );
}

#[test]
fn select_in_a_transaction_counts_for_what_follows_it() {
    let mut db = Session::alone();
    for line in ["MULTI", "SET k 0", "SELECT 5", "SET k 5", "EXEC"] {
        db.say(line);
    }
    assert_eq!(db.say("GET k"), "$1\r\n5\r\n");
    db.say("SELECT 0");
    assert_eq!(db.say("GET k"), "$1\r\n0\r\n");
}

#[test]
fn hello_in_a_transaction_counts_for_the_replies_that_follow_it() {
    let mut db = Session::alone();
    for line in ["MULTI", "GET nope", "HELLO 3", "GET nope"] {
        db.say(line);
    }
    let said = db.say("EXEC");
    assert!(said.starts_with("*3\r\n$-1\r\n%7\r\n"), "{said}");
    assert!(said.ends_with("_\r\n"), "{said}");
}

#[test]
fn silence_asked_for_in_a_transaction_begins_inside_it() {
    let mut db = Session::alone();
    for line in ["MULTI", "PING", "CLIENT REPLY OFF", "PING"] {
        db.say(line);
    }
    assert_eq!(db.say("EXEC"), "*3\r\n+PONG\r\n");
    assert_eq!(db.say("PING"), "");
}

#[test]
fn under_resp3_a_transaction_given_up_is_null() {
    let mut db = Session::alone();
    db.say("HELLO 3");
    for line in ["WATCH k", "SET k 1", "MULTI", "PING"] {
        db.say(line);
    }
    assert_eq!(db.say("EXEC"), "_\r\n");
}

#[test]
fn the_error_is_said_even_where_a_watched_key_changed_too() {
    let mut db = Session::alone();
    for line in ["WATCH k", "SET k 1", "MULTI", "NOSUCH"] {
        db.say(line);
    }
    assert_eq!(
        db.say("EXEC"),
        "-EXECABORT Transaction discarded because of previous errors.\r\n"
    );
}

#[test]
fn each_database_has_its_own_key_to_watch() {
    let mut mine = Session::alone();
    let mut other = Session::new(mine.world());
    other.say("SELECT 2");
    for (touched, answer) in [("SET k 1", "*-1\r\n"), ("GET k", "*1\r\n+PONG\r\n")] {
        for line in [
            "SELECT 2",
            "WATCH k",
            "SELECT 3",
            "WATCH k k",
            "MULTI",
            "PING",
        ] {
            mine.say(line);
        }
        other.say(touched);
        assert_eq!(mine.say("EXEC"), answer, "{touched}");
    }
    mine.say("WATCH k");
    other.say("SET k 2");
    mine.say("MULTI");
    assert_eq!(mine.say("EXEC"), "*0\r\n");
}

#[test]
fn a_watched_key_whose_time_comes_stops_exec_and_one_long_gone_does_not() {
    let (mut db, clock) = session_at(1_000);
    db.say("SET k 1 PX 100");
    db.say("WATCH k");
    clock.store(1_100, Ordering::Relaxed);
    db.say("MULTI");
    assert_eq!(db.say("EXEC"), "*-1\r\n");

    db.say("SET k 1 PX 100");
    clock.store(1_200, Ordering::Relaxed);
    db.say("WATCH k");
    db.world().keyspace.sweep(usize::MAX);
    assert_eq!(db.say("GET k"), "$-1\r\n");
    db.say("MULTI");
    assert_eq!(db.say("EXEC"), "*0\r\n");
}

#[test]
fn unwatch_discard_and_reset_forget_what_was_watched() {
    let mut db = Session::alone();
    for forget in [&["UNWATCH"][..], &["MULTI", "DISCARD"], &["RESET"]] {
        db.say("WATCH k");
        db.say("APPEND k x");
        for line in forget {
            db.say(line);
        }
        db.say("MULTI");
        assert_eq!(db.say("EXEC"), "*0\r\n", "{forget:?}");
    }
}

#[test]
fn what_renames_moves_or_expires_a_watched_key_changes_it() {
    let mut mine = Session::alone();
    let mut other = Session::new(mine.world());
    other.say("SET k 1");
    for (line, breaks) in [
        ("RENAME k other", true),
        ("RENAME other k", true),
        ("RENAME k k", false),
        ("EXPIRE k 100", true),
        ("EXPIRE k 1 GT", false),
        ("PERSIST k", true),
        ("PERSIST k", false),
        ("TOUCH k", false),
        ("MOVE k 1", true),
        ("COPY nope k", false),
        ("SETBIT k 0 1", true),
        ("DEL k", true),
        ("DEL k", false),
    ] {
        mine.say("WATCH k");
        other.say(line);
        mine.say("MULTI");
        let answer = if breaks { "*-1\r\n" } else { "*0\r\n" };
        assert_eq!(mine.say("EXEC"), answer, "{line}");
    }
}

/// Runs `work` in a thread of its own for each session, and waits for all.
fn beside_each_other(sessions: Vec<Session>, work: impl Fn(usize, Session) + Sync) {
    std::thread::scope(|scope| {
        for (at, session) in sessions.into_iter().enumerate() {
            let work = &work;
            scope.spawn(move || work(at, session));
        }
    });
}

#[test]
fn transactions_beside_each_other_are_seen_whole_or_not_at_all() {
    let mut db = Session::alone();
    db.say("MSET a 0 b 0");
    let sessions = (0..6).map(|_| Session::new(db.world())).collect();
    beside_each_other(sessions, |at, mut session| {
        let lines: &[&str] = match at {
            0 => &["MULTI", "INCRBY a 3", "DECRBY b 3", "EXEC"],
            1 => &["MULTI", "DECR b", "INCR a", "EXEC"],
            2 => &["MULTI", "RENAME a x", "RENAME b a", "RENAME x b", "EXEC"],
            // What locks everything, or one shard after the other.
            3 => &[
                "MULTI",
                "SWAPDB 0 1",
                "SWAPDB 1 0",
                "EXEC",
                "KEYS *",
                "RANDOMKEY",
                "SCAN 0",
            ],
            4 => &[
                "MULTI",
                "COPY a a DB 2",
                "MOVE b 3",
                "SELECT 3",
                "MOVE b 0",
                "SELECT 0",
                "EXEC",
            ],
            _ => &[
                "WATCH a b",
                "MULTI",
                "MGET a b",
                "EXEC",
                "FLUSHDB ASYNC extra",
            ],
        };
        for _ in 0..300 {
            for line in lines {
                let said = session.say(line);
                if *line == "EXEC" && said.starts_with("*1\r\n*2\r\n") {
                    let numbers: Vec<i64> =
                        said.split("\r\n").filter_map(|n| n.parse().ok()).collect();
                    assert_eq!(numbers.iter().sum::<i64>(), 0, "{said}");
                }
            }
        }
    });
    let said = db.say("MGET a b");
    let numbers: Vec<i64> = said.split("\r\n").filter_map(|n| n.parse().ok()).collect();
    assert_eq!((numbers.len(), numbers.iter().sum()), (2, 0i64), "{said}");
}

#[test]
fn increments_guarded_by_watch_are_never_lost() {
    const THREADS: usize = 4;
    const TIMES: usize = 100;
    let mut db = Session::alone();
    db.say("SET n 0");
    let sessions = (0..THREADS).map(|_| Session::new(db.world())).collect();
    beside_each_other(sessions, |_, mut session| {
        let mut done = 0;
        while done < TIMES {
            session.say("WATCH n");
            let said = session.say("GET n");
            let n: i64 = said.split("\r\n").nth(1).unwrap().parse().unwrap();
            session.say("MULTI");
            session.say(&format!("SET n {}", n + 1));
            done += usize::from(session.say("EXEC") == "*1\r\n+OK\r\n");
        }
    });
    assert_eq!(db.say("GET n"), format!("$3\r\n{}\r\n", THREADS * TIMES));
}

#[test]
fn no_command_is_queued_for_a_transaction_that_cannot_run() {
    let mut db = Session::alone();
    for line in ["MULTI", "NOSUCH"] {
        db.say(line);
    }
    assert_eq!(db.say("SET k 1"), "+QUEUED\r\n");
    let world = db.world();
    let info = world.clients.find(1).unwrap();
    assert_eq!(info.queued.load(Ordering::Relaxed), 0);
    assert_eq!(info.queued_bytes.load(Ordering::Relaxed), 0);
}
