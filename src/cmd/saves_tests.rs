use std::sync::atomic::AtomicI64;

use super::super::loading;
use super::super::session::Session;
use super::super::testing::{session_at, session_on};
use super::*;
use crate::persist::media::Memory;
use crate::persist::media::memory::{Loss, Verb};
use crate::resp::OwnedRequest;

const START: i64 = 1_700_000_000_000;
const MISCONF: &str = "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                       Commands that may modify the data set are disabled, because this instance is configured to \
                       report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). \
                       Please check the Redis logs for details about the RDB error.\r\n";

/// Disk and session of a fresh server whose clock stands at [`START`].
fn server() -> (Memory, Session, Arc<AtomicI64>) {
    let (disk, clock) = (Memory::new(), Arc::new(AtomicI64::new(START)));
    let db = session_on(&disk, &clock);
    (disk, db, clock)
}

/// What a server that starts on this disk holds.
fn restarted(disk: &Memory) -> Session {
    let db = session_on(disk, &Arc::new(AtomicI64::new(START)));
    loading::load(&db.world()).unwrap_or_else(|error| panic!("{error}"));
    db
}

fn wait_for_save(db: &Session) {
    let saves = &db.world().saves;
    let mut state = saves.state.lock();
    while state.running.is_some() {
        saves.ended.wait(&mut state);
    }
}

/// Runs a background save to its end.
fn bgsave(db: &mut Session) {
    assert_eq!(db.say("BGSAVE"), "+Background saving started\r\n");
    wait_for_save(db);
}

fn persistence(db: &mut Session, field: &str) -> String {
    let page = db.say("INFO persistence");
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap_or_else(|| panic!("no {field} in {page}"))
        .into()
}

#[test]
fn what_was_saved_is_there_after_a_restart() {
    let (disk, mut db, _) = server();
    for line in [
        "SET int 12",
        "SET text hello PX 5000",
        "SET gone soon PX 5000",
        "PEXPIREAT gone 1700000000001",
        "SETBIT far 4294967295 1",
        "SELECT 9",
        "SETBIT other 70000 1",
    ] {
        db.say(line);
    }
    assert_eq!(persistence(&mut db, "rdb_changes_since_last_save"), "6");
    assert_eq!(db.say("SAVE"), "+OK\r\n");
    assert_eq!(persistence(&mut db, "rdb_changes_since_last_save"), "0");
    db.say("SET later 1");
    bgsave(&mut db);
    assert_eq!(persistence(&mut db, "rdb_saves"), "2");

    let clock = Arc::new(AtomicI64::new(START + 1000));
    let mut after = session_on(&disk, &clock);
    loading::load(&after.world()).expect("it was just saved");
    for (line, answer) in [
        ("GET int", "$2\r\n12\r\n"),
        ("OBJECT ENCODING int", "$3\r\nint\r\n"),
        ("PEXPIRETIME text", ":1700000005000\r\n"),
        ("EXISTS gone", ":0\r\n"),
        ("BITPOS far 1", ":4294967295\r\n"),
        ("DBSIZE", ":3\r\n"),
        ("SELECT 9", "+OK\r\n"),
        ("GET later", "$1\r\n1\r\n"),
        ("BITCOUNT other", ":1\r\n"),
    ] {
        assert_eq!(after.say(line), answer, "{line}");
    }
    assert_eq!(persistence(&mut after, "rdb_last_load_keys_loaded"), "5");
    assert_eq!(persistence(&mut after, "rdb_last_load_keys_expired"), "1");
}

#[test]
fn a_save_that_fails_stops_writes_until_one_succeeds() {
    for (verbs, errno) in [
        (&Verb::CHANGES[..], 30),
        (&[Verb::Write], 28),
        (&[Verb::Sync], 5),
        (&[Verb::Rename], 5),
        (&[Verb::SyncDir], 5),
    ] {
        let (disk, mut db, _) = server();
        db.say("SET k whole");
        bgsave(&mut db);
        db.say("SET k newer");
        disk.fail(verbs, errno);
        assert_eq!(db.say("SAVE"), "-ERR\r\n", "{verbs:?}");
        assert_eq!(db.say("SET k newer"), "+OK\r\n", "SAVE stops nothing");
        bgsave(&mut db);
        assert_eq!(persistence(&mut db, "rdb_last_bgsave_status"), "err");
        for line in ["SET k 1", "PING", "FLUSHALL", "BITOP NOT d k"] {
            assert_eq!(db.say(line), MISCONF, "{line} {verbs:?}");
        }
        assert_eq!(db.say("GET k"), "$5\r\nnewer\r\n");
        db.say("MULTI");
        assert_eq!(db.say("SET k 1"), MISCONF);
        assert!(db.say("EXEC").starts_with("-EXECABORT"));
        assert!(
            db.say("SHUTDOWN")
                .starts_with("-ERR Errors trying to SHUTDOWN. Check logs.")
        );

        // Whatever the disk still takes or gives, the old file is whole, or the new one is.
        let mut found = restarted(&disk.after_power_loss(Loss::Nothing));
        let value = found.say("GET k");
        assert!(
            value.ends_with("whole\r\n") || *verbs == [Verb::SyncDir],
            "{value}"
        );

        disk.heal();
        bgsave(&mut db);
        assert_eq!(persistence(&mut db, "rdb_last_bgsave_status"), "ok");
        assert_eq!(db.say("SET k last"), "+OK\r\n", "no restart was needed");
        assert_eq!(restarted(&disk).say("GET k"), "$5\r\nnewer\r\n");
    }
}

#[test]
fn writes_are_stopped_only_where_the_settings_want_it() {
    let (disk, mut db, _) = server();
    disk.fail(&[Verb::Write], 28);
    bgsave(&mut db);
    assert_eq!(db.say("SET k 1"), MISCONF);
    for (name, off, on) in [
        ("stop-writes-on-bgsave-error", "no", "yes"),
        ("save", "", "3600 1"),
    ] {
        assert_eq!(db.ask(["CONFIG", "SET", name, off]), b"+OK\r\n");
        assert_eq!(db.say("SET k 1"), "+OK\r\n", "{name}");
        assert_eq!(db.ask(["CONFIG", "SET", name, on]), b"+OK\r\n");
        assert_eq!(db.say("SET k 1"), MISCONF);
    }
}

/// The power goes at every verb in turn: what is found then is the old file or the new one, whole.
#[test]
fn a_power_loss_while_saving_leaves_the_old_file_or_the_new_one() {
    let prepare = || {
        let (disk, mut db, _) = server();
        db.say("SET k old");
        assert_eq!(db.say("SAVE"), "+OK\r\n");
        db.say("SET k new");
        db.say("SETBIT far 1000000 1");
        (disk, db)
    };
    let (disk, mut db) = prepare();
    let before = disk.verbs();
    db.say("SAVE");
    for at in before..=disk.verbs() {
        let (disk, mut db) = prepare();
        disk.cut_power_at(at);
        let acknowledged = db.say("SAVE") == "+OK\r\n";
        let losses = (0..10).map(Loss::Some);
        for loss in losses.chain([Loss::All, Loss::Nothing]) {
            let mut found = restarted(&disk.after_power_loss(loss));
            let (value, keys) = (found.say("GET k"), found.say("DBSIZE"));
            let whole = match value.as_str() {
                "$3\r\nold\r\n" => !acknowledged && keys == ":1\r\n",
                "$3\r\nnew\r\n" => keys == ":2\r\n",
                _ => false,
            };
            assert!(whole, "cut at {at}, {loss:?}: {value} {keys}");
        }
    }
}

#[test]
fn save_points_start_saves_by_themselves() {
    let (disk, mut db, clock) = server();
    assert_eq!(db.ask(["CONFIG", "SET", "save", "100 2"]), b"+OK\r\n");
    let world = db.world();
    let saved = |db: &mut Session| {
        tick(&db.world());
        wait_for_save(db);
        persistence(db, "rdb_saves")
    };
    db.say("SET a 1");
    clock.fetch_add(101_000, Ordering::Relaxed);
    assert_eq!(saved(&mut db), "0", "one change is not enough");
    db.say("SET a 2");
    clock.store(START + 100_999, Ordering::Relaxed);
    assert_eq!(saved(&mut db), "0", "nor is the time over");
    clock.store(START + 101_000, Ordering::Relaxed);
    assert_eq!(saved(&mut db), "1");
    assert_eq!(saved(&mut db), "1", "nothing has changed since");
    assert_eq!(db.say("LASTSAVE"), ":1700000101\r\n");

    disk.fail(&[Verb::Sync], 5);
    db.say("SET a 3");
    db.say("SET a 4");
    clock.fetch_add(101_000, Ordering::Relaxed);
    assert_eq!(saved(&mut db), "1");
    disk.heal();
    clock.fetch_add(5_000, Ordering::Relaxed);
    assert_eq!(saved(&mut db), "1", "too soon after a failure");
    clock.fetch_add(1, Ordering::Relaxed);
    assert_eq!(saved(&mut db), "2");

    world.saves.schedule();
    assert_eq!(saved(&mut db), "3", "asked for by BGSAVE SCHEDULE");
    assert!(!world.saves.is_scheduled());
}

#[test]
fn one_save_at_a_time() {
    let (_, mut db, _) = server();
    let world = db.world();
    let job = Job::mark(&world, true).expect("nothing is in the way");
    for line in ["SAVE", "BGSAVE", "BGSAVE SCHEDULE"] {
        assert_eq!(db.say(line), "-ERR Background save already in progress\r\n");
    }
    assert_eq!(persistence(&mut db, "rdb_bgsave_in_progress"), "1");
    assert!(job.run());
    assert_eq!(persistence(&mut db, "rdb_bgsave_in_progress"), "0");

    let mut all = world.keyspace.lock_all(Access::Write);
    let rewrite = all.snapshot();
    drop(all);
    assert!(rewrite.is_some());
    assert!(
        db.say("BGSAVE")
            .starts_with("-ERR Another child process is active (AOF?)")
    );
    assert_eq!(
        db.say("BGSAVE SCHEDULE"),
        "+Background saving scheduled\r\n"
    );
    tick(&world);
    assert!(world.saves.is_scheduled(), "still in the way");
    drop(rewrite);
    tick(&world);
    wait_for_save(&db);
    assert_eq!(persistence(&mut db, "rdb_saves"), "2");

    for line in ["MULTI", "BGSAVE"] {
        db.say(line);
    }
    assert_eq!(db.say("EXEC"), "*1\r\n+Background saving scheduled\r\n");
    assert_eq!(db.say("BGSAVE now"), "-ERR syntax error\r\n");
}

#[test]
fn a_job_that_nobody_runs_has_failed_and_is_over() {
    let (_, mut db, _) = server();
    drop(Job::mark(&db.world(), true).expect("nothing is in the way"));
    assert_eq!(persistence(&mut db, "rdb_last_bgsave_status"), "err");
    assert_eq!(persistence(&mut db, "rdb_bgsave_in_progress"), "0");
}

#[test]
fn flushing_all_empties_the_file_too_where_there_are_save_points() {
    let (disk, mut db, _) = server();
    db.say("SET k 1");
    bgsave(&mut db);
    assert_eq!(restarted(&disk).say("DBSIZE"), ":1\r\n");
    assert_eq!(db.say("FLUSHALL"), "+OK\r\n");
    assert_eq!(restarted(&disk).say("DBSIZE"), ":0\r\n");
    assert_eq!(persistence(&mut db, "rdb_changes_since_last_save"), "0");

    db.say("SET k 1");
    bgsave(&mut db);
    db.ask(["CONFIG", "SET", "save", ""]);
    db.say("FLUSHALL");
    assert_eq!(restarted(&disk).say("DBSIZE"), ":1\r\n");
}

#[test]
fn a_shutdown_saves_if_asked_or_if_there_are_save_points() {
    let run = |line: &str, db: &mut Session| {
        let request = OwnedRequest::from_words(line.split(' ')).expect("words");
        let mut out = crate::resp::Output::new();
        db.run(&request, &mut out)
    };
    for (save_points, line, saves) in [
        ("3600 1", "SHUTDOWN", true),
        ("3600 1", "SHUTDOWN NOSAVE", false),
        ("", "SHUTDOWN", false),
        ("", "SHUTDOWN SAVE NOW", true),
    ] {
        let (disk, mut db, _) = server();
        db.ask(["CONFIG", "SET", "save", save_points]);
        db.say("SET k 1");
        assert!(matches!(run(line, &mut db), super::super::Flow::Shutdown));
        let expected = if saves { ":1\r\n" } else { ":0\r\n" };
        assert_eq!(restarted(&disk).say("DBSIZE"), expected, "{line}");
        let answer = db.say("SET k 2");
        assert_eq!(
            answer != "+OK\r\n",
            saves,
            "{line}: what comes after the last save is refused"
        );
    }
    let (disk, mut db, _) = server();
    disk.fail(&[Verb::Write], 28);
    assert_eq!(
        db.say("SHUTDOWN"),
        "-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
    );
    assert_eq!(db.say("SET k 1"), "+OK\r\n", "it goes on");
    assert!(matches!(
        run("SHUTDOWN FORCE", &mut db),
        super::super::Flow::Shutdown
    ));
}

#[test]
fn while_loading_only_what_needs_no_data_runs() {
    let (mut db, _) = session_at(START);
    db.say("MULTI");
    db.say("GET k");
    let world = db.world();
    let closed = loading::Closed::new(&world);
    const WAIT: &str = "-LOADING Redis is loading the dataset in memory\r\n";
    assert!(db.say("EXEC").contains("LOADING"));
    for line in ["GET k", "SET k 1", "PING", "DBSIZE", "BGSAVE"] {
        assert_eq!(db.say(line), WAIT, "{line}");
    }
    assert_eq!(persistence(&mut db, "loading"), "1");
    assert_eq!(persistence(&mut db, "loading_loaded_perc"), "0.00");
    for line in ["CLIENT ID", "CONFIG GET port", "LASTSAVE", "SELECT 1"] {
        assert_ne!(db.say(line), WAIT, "{line}");
    }
    drop(closed);
    assert_eq!(db.say("PING"), "+PONG\r\n");
}

#[test]
fn a_file_that_is_damaged_or_not_ours_stops_the_start() {
    let (disk, mut db, _) = server();
    db.say("SET k value");
    db.say("SAVE");
    let path = db.world().saves.file();
    let whole = disk.read(&path).expect("it was just saved");
    let load = |bytes: &[u8], settings: &[(&str, &str)]| {
        let disk = Memory::new();
        disk.put(&path, bytes);
        let db = session_on(&disk, &Arc::new(AtomicI64::new(START)));
        for (name, value) in settings {
            let mut db = Session::new(db.world());
            assert_eq!(db.ask(["CONFIG", "SET", name, value]), b"+OK\r\n");
        }
        loading::load(&db.world()).map_err(|error| error.to_string())
    };
    assert_eq!(load(&whole, &[]), Ok(()));
    let mut flipped = whole.clone();
    let at = whole
        .windows(5)
        .position(|bytes| bytes == b"value")
        .expect("as it was set");
    flipped[at] ^= 1;
    let wrongs = [
        (&whole[..whole.len() - 9], "it ends at byte"),
        (&flipped[..], "the checksum at byte"),
        (b"HELLO", "Fatal error loading the DB from"),
        (b"REDIS9999", "RDB version 9999"),
        (
            b"REDIS0010\xfe\x10\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0",
            "it has a database 16, and there are 16",
        ),
        (
            b"REDIS0010\x00\x01k\x01v\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0",
            "it has the key 'k' twice",
        ),
        (
            b"REDIS0010\x00\x01k\x01v\x01\x01l\x01\x01x\xff\0\0\0\0\0\0\0\0",
            "holds 1 list besides strings, and bitmapd keeps strings only. With the setting 'rdb-skip-unsupported yes'",
        ),
    ];
    for (bytes, why) in wrongs {
        let error = load(bytes, &[]).expect_err(why);
        assert!(error.contains(why), "{error}");
        assert!(error.ends_with("Exiting."), "{error}");
    }
}

#[test]
fn a_file_of_which_the_strings_were_taken_is_never_overwritten() {
    let clock = Arc::new(AtomicI64::new(START));
    let (disk, start) = (Memory::new(), |disk: &Memory| {
        let mut config = Session::settings();
        config
            .load_text("rdb-skip-unsupported yes")
            .expect("a setting");
        let clock = Clock::Manual(Arc::clone(&clock));
        let world = World::on(
            Arc::new(disk.clone()),
            Arc::new(config),
            Arc::default(),
            clock,
        );
        let db = Session::new(Arc::new(world));
        loading::load(&db.world()).unwrap_or_else(|error| panic!("{error}"));
        db
    });
    let mixed = b"REDIS0010\x00\x01k\x01v\x01\x01l\x01\x01x\xff\0\0\0\0\0\0\0\0";
    let original = Session::settings().dir().join("dump.rdb");
    disk.put(&original, mixed);
    let mut db = start(&disk);
    assert_eq!(db.say("GET k"), "$1\r\nv\r\n");
    db.say("SET k newer");
    bgsave(&mut db);
    assert_eq!(disk.read(&original).expect("it is there"), mixed);
    assert_eq!(
        start(&disk).say("GET k"),
        "$5\r\nnewer\r\n",
        "not the original again"
    );
}

#[test]
fn what_is_reloaded_is_what_was_there() {
    let (_, mut db, _) = server();
    db.say("DEBUG HELP");
    for line in ["SET k 1", "SETBIT far 9999999 1"] {
        db.say(line);
    }
    let world = db.world();
    let file = world.saves.file();
    assert_eq!(now(&world), Ok(true));
    db.say("SET k 2");
    db.say("DEL far");
    assert!(
        loading::load_file(&world, &file, loading::Merge::No).is_err(),
        "k is there"
    );
    loading::load_file(&world, &file, loading::Merge::Replace).expect("replaced");
    assert_eq!(db.say("GET k"), "$1\r\n1\r\n");
    assert_eq!(db.say("BITPOS far 1"), ":9999999\r\n");
}
