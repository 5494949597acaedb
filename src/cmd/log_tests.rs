//! The log over disks that lose their power, damage what they hold, or refuse to take more.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::saves::{Farewell, may_end};
use super::*;
use crate::config::Config;
use crate::persist::media::Media;
use crate::persist::media::memory::{Loss, Memory, Verb};
use crate::store::Clock;

/// How many writes a workload makes.
const WRITES: usize = 24;

/// A server that syncs before it answers, with what `disk` holds.
pub(super) fn server_on(disk: &Memory, settings: &[(&str, &str)]) -> Result<Session, String> {
    let mut config = Config::new();
    let defaults = [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("save", ""),
    ];
    for (name, value) in defaults.iter().chain(settings) {
        let line = format!("{name} \"{value}\"");
        config.load_text(&line).expect("settings of a test");
    }
    let media = Arc::new(disk.clone());
    let world = World::on(media, Arc::new(config), Arc::default(), Clock::System);
    let world = Arc::new(world);
    loading::load(&world).map_err(|error| error.to_string())?;
    Ok(Session::new(world))
}

/// Waits until what was written is on the disk. `false` if the disk fails first.
fn is_safe(db: &Session) -> bool {
    let world = db.world();
    let end = world.log.feed.end();
    let began = Instant::now();
    while !world.log.feed.poll_synced(end, std::task::Waker::noop()) {
        if world.log.is_troubled() {
            return false;
        }
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the disk is neither safe nor in trouble"
        );
        thread::yield_now();
    }
    true
}

/// Sets bit after bit, one command each and pairs in transactions, with rewrites in between. Returns how many are safe.
fn work(disk: &Memory, policy: &str) -> usize {
    let Ok(mut db) = server_on(disk, &[("appendfsync", policy)]) else {
        return 0;
    };
    let mut safe = 0;
    for at in (0..WRITES).step_by(2) {
        if at % 8 == 4 {
            db.say("BGREWRITEAOF");
        }
        let pair = [format!("SETBIT k {at} 1"), format!("SETBIT k {} 1", at + 1)];
        let mut lines = pair.to_vec();
        if at % 6 == 0 {
            lines.insert(0, "MULTI".into());
            lines.push("EXEC".into());
        }
        // A disk that fails already refuses them.
        let taken = lines.iter().all(|line| !db.say(line).starts_with('-'));
        if !taken || !is_safe(&db) {
            break;
        }
        safe = at + 2;
    }
    end(&db.world());
    safe
}

#[test]
fn what_was_acknowledged_survives_a_power_loss_at_any_moment_and_what_survives_is_a_prefix() {
    for policy in ["always", "no"] {
        try_power_losses(policy);
    }
}

/// Only under `always` has everything to be there; but what is there is a prefix, and can be loaded.
fn try_power_losses(policy: &str) {
    let whole = Memory::new();
    assert_eq!(work(&whole, policy), WRITES);
    let losses = [
        Loss::All,
        Loss::Nothing,
        Loss::Some(1),
        Loss::Some(2),
        Loss::Some(3),
    ];
    // A rewrite runs on a thread of its own, so how many verbs there are varies a little.
    for cut in 0..whole.verbs() + 8 {
        let disk = Memory::new();
        disk.cut_power_at(cut);
        let safe = work(&disk, policy);
        for loss in losses {
            let after = disk.after_power_loss(loss);
            let mut db = server_on(&after, &[])
                .unwrap_or_else(|error| panic!("{policy}, cut at {cut}, {loss:?} lost: {error}"));
            let ones = db.say("BITCOUNT k");
            let ones: usize = ones[1..].trim_end().parse().expect("a number");
            assert!(
                ones >= safe || policy == "no",
                "cut at {cut}, {loss:?} lost: {ones} of {safe} are left"
            );
            let first_zero = db.say("BITPOS k 0");
            assert!(
                first_zero == format!(":{ones}\r\n"),
                "cut at {cut}, {loss:?} lost: {ones} ones, but the first zero is {first_zero}"
            );
            end(&db.world());
        }
    }
}

/// A disk that is full, mounted read-only, or broken.
#[test]
fn a_disk_that_takes_nothing_refuses_writes_until_it_does_and_loses_nothing() {
    // In memory, a file that could once not be synced never is again; on Linux it is, once it has been written again.
    for (verbs, errno, text, loss) in [
        (&[Verb::Write][..], 28, "No space left on device", Loss::All),
        (&Verb::CHANGES, 30, "Read-only file system", Loss::All),
        (&[Verb::Sync], 5, "Input/output error", Loss::Nothing),
    ] {
        let disk = Memory::new();
        let mut db = server_on(&disk, &[("appendfsync", "everysec")]).expect("an empty disk");
        db.say("SETBIT k 0 1");
        disk.fail(verbs, errno);
        let began = Instant::now();
        let patience = |what: &str| {
            assert!(began.elapsed() < Duration::from_secs(30), "{text}: {what}");
            thread::sleep(Duration::from_millis(1));
        };
        while !db.world().log.is_troubled() {
            db.say("SETBIT k 1 1");
            db.say("SETBIT k 1 0");
            patience("and nobody says so");
        }
        let refusal = format!("-MISCONF Errors writing to the AOF file: {text}\r\n");
        assert_eq!(db.say("SETBIT k 2 1"), refusal);
        assert_eq!(db.say("PING"), refusal);
        assert_eq!(db.say("GETBIT k 0"), ":1\r\n");
        disk.heal();
        while db.world().log.is_troubled() {
            patience("it is over, and nobody sees it");
        }
        assert_eq!(db.say("SETBIT k 3 1"), ":0\r\n");
        let value = db.say("GET k");
        end(&db.world());
        let after = disk.after_power_loss(loss);
        let mut again = server_on(&after, &[]).expect("a whole log");
        assert_eq!(again.say("GET k"), value, "{text}");
        end(&again.world());
    }
}

fn directory() -> std::path::PathBuf {
    Config::new().dir().join("appendonlydir")
}

/// A server with so much in it that a rewrite takes seconds on this disk.
fn slow_rewrite(disk: &Memory, settings: &[(&str, &str)]) -> Session {
    let all = [settings, &[("rdbcompression", "no")]].concat();
    let mut db = server_on(disk, &all).expect("an empty disk");
    for key in 0..200 {
        db.say(&format!("SETRANGE big:{key} 60000 x"));
    }
    assert!(is_safe(&db));
    disk.slow_down(Duration::from_millis(20));
    let said = db.say("BGREWRITEAOF");
    assert_eq!(said, "+Background append only file rewriting started\r\n");
    db
}

#[test]
fn a_shutdown_does_not_wait_for_a_rewrite_and_nothing_of_it_is_left() {
    for preamble in ["yes", "no"] {
        let disk = Memory::new();
        let mut db = slow_rewrite(&disk, &[("aof-use-rdb-preamble", preamble)]);
        db.say("SETBIT k 7 1");
        assert!(db.world().log.is_rewriting());
        assert!(may_end(&db.world(), Farewell::default()));
        assert!(!db.world().log.is_rewriting());
        end(&db.world());
        let left = disk.list(&directory()).expect("it is there");
        // The first base, the commands before and after the rewrite began, and the list.
        assert_eq!(left.len(), 4, "{left:?}");
        let mut again = server_on(&disk.after_power_loss(Loss::All), &[]).expect("a whole log");
        assert_eq!(again.say("DBSIZE"), ":201\r\n");
        assert!(
            again
                .say("INFO persistence")
                .contains("last_bgrewrite_status:ok")
        );
        end(&again.world());
    }
}

#[test]
fn a_shutdown_is_refused_while_the_log_is_being_begun_unless_it_is_forced() {
    let disk = Memory::new();
    let mut db = slow_rewrite(&disk, &[("appendonly", "no")]);
    cancel(&db.world());
    assert_eq!(db.say("CONFIG SET appendonly yes"), "+OK\r\n");
    let world = db.world();
    assert!(world.log.is_beginning());
    assert!(!may_end(&world, Farewell::default()));
    let forced = Farewell {
        force: true,
        ..Farewell::default()
    };
    assert!(may_end(&world, forced));
    end(&world);
}

#[test]
fn nothing_is_synced_during_a_rewrite_where_the_settings_want_it_so() {
    for (rest, found) in [("yes", "$-1\r\n"), ("no", "$1\r\nv\r\n")] {
        let disk = Memory::new();
        let mut db = slow_rewrite(&disk, &[("no-appendfsync-on-rewrite", rest)]);
        let world = db.world();
        db.say("SET k v");
        assert!(is_safe(&db));
        let lost = disk.after_power_loss(Loss::All);
        assert!(world.log.is_rewriting());
        cancel(&world);
        end(&world);
        let mut after = server_on(&lost, &[]).expect("a whole log");
        assert_eq!(
            after.say("GET k"),
            found,
            "no-appendfsync-on-rewrite {rest}"
        );
        end(&after.world());
        let mut after = server_on(&disk.after_power_loss(Loss::All), &[]).expect("a whole log");
        assert_eq!(after.say("GET k"), "$1\r\nv\r\n", "after an orderly end");
        end(&after.world());
    }
}

#[test]
fn the_time_is_noted_where_the_settings_want_it_and_passed_over() {
    let disk = Memory::new();
    let mut db = server_on(&disk, &[("aof-timestamp-enabled", "yes")]).expect("an empty disk");
    db.say("SET k v");
    end(&db.world());
    let path = directory().join("appendonly.aof.1.incr.aof");
    let file = String::from_utf8(disk.read(&path).expect("the log")).expect("text");
    let second = file
        .strip_prefix("#TS:")
        .and_then(|rest| rest.split_once("\r\n*2\r\n"));
    let second = second.and_then(|(second, _)| second.parse::<i64>().ok());
    let now = Clock::System.now_ms() / 1000;
    assert!(
        second.is_some_and(|at| (now - 60..=now).contains(&at)),
        "{file}"
    );
    let mut again = server_on(&disk, &[]).expect("a whole log");
    assert_eq!(again.say("GET k"), "$1\r\nv\r\n");
    end(&again.world());
}

const OLD: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";

#[test]
fn an_old_log_of_one_file_is_taken_over_whenever_the_power_goes() {
    let old = || {
        let disk = Memory::new();
        disk.put(Config::new().dir().join("appendonly.aof"), OLD.as_bytes());
        disk
    };
    let holds_it = |disk: &Memory, cut: u64| {
        let mut db = server_on(disk, &[]).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(db.say("GET k"), "$1\r\nv\r\n", "cut at {cut}");
        end(&db.world());
    };
    let whole = old();
    holds_it(&whole, u64::MAX);
    let files = [
        "appendonly.aof",
        "appendonly.aof.1.incr.aof",
        "appendonly.aof.manifest",
    ];
    assert_eq!(whole.list(&directory()).expect("it was made"), files);
    for cut in 0..whole.verbs() {
        for loss in [Loss::All, Loss::Nothing, Loss::Some(1), Loss::Some(2)] {
            let disk = old();
            disk.cut_power_at(cut);
            if let Ok(db) = server_on(&disk, &[]) {
                end(&db.world());
            }
            holds_it(&disk.after_power_loss(loss), cut);
        }
    }
}

/// A string `k` and a list.
const MIXED: &[u8] = b"REDIS0010\x00\x01k\x01v\x01\x01l\x01\x01x\xff\0\0\0\0\0\0\0\0";

#[test]
fn a_base_with_other_types_is_refused_or_its_strings_are_taken_and_it_stays_as_it_is() {
    let disk = Memory::new();
    let list = "file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    let original = [
        ("appendonly.aof.1.base.rdb", MIXED),
        // With half a command at its end, which is not cut off either.
        (
            "appendonly.aof.1.incr.aof",
            b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n*2\r\n$4",
        ),
        ("appendonly.aof.manifest", list.as_bytes()),
    ];
    disk.create_dir(&directory()).expect("a disk that works");
    for (name, bytes) in original {
        disk.put(directory().join(name), bytes);
    }
    let error = server_on(&disk, &[]).err().expect("a list is no string");
    assert!(
        error.contains("1.base.rdb holds 1 list besides strings")
            && error.contains("rdb-skip-unsupported yes"),
        "{error}"
    );
    let skip = [("rdb-skip-unsupported", "yes")];
    for (before, after) in [("1", "2"), ("2", "3")] {
        let mut db = server_on(&disk, &skip).expect("its strings are taken");
        assert_eq!(db.say("GET k"), "$1\r\nv\r\n");
        assert_eq!(db.say("GET n"), format!("$1\r\n{before}\r\n"));
        assert_eq!(db.say("INCR n"), format!(":{after}\r\n"));
        assert!(is_safe(&db));
        db.say("BGREWRITEAOF");
        while db.world().log.is_rewriting() {
            thread::yield_now();
        }
        end(&db.world());
        for (name, bytes) in original {
            let now = disk.read(&directory().join(name)).expect("it is there");
            assert_eq!(now, bytes, "{name}");
        }
        assert_eq!(disk.list(&directory()).expect("it is there").len(), 3);
    }
    // A log that is turned on later does not replace it either.
    let settings = [("rdb-skip-unsupported", "yes"), ("appendonly", "no")];
    let mut db = server_on(&disk, &settings).expect("no file of keys");
    db.say("CONFIG SET appendonly yes");
    while db.world().log.is_rewriting() {
        thread::yield_now();
    }
    end(&db.world());
    let now = disk.read(&directory().join("appendonly.aof.1.base.rdb"));
    assert_eq!(now.expect("it is there"), MIXED);
}

#[test]
fn a_log_of_strings_alone_is_looked_at_only_where_the_settings_want_it() {
    let disk = Memory::new();
    let strings = directory().with_file_name("appendonlydir.strings");
    disk.create_dir(&strings).expect("a disk that works");
    disk.put(strings.join("appendonly.aof.manifest"), b"damaged");
    end(&server_on(&disk, &[]).expect("a new log").world());
    let skip = [("rdb-skip-unsupported", "yes")];
    server_on(&disk, &skip).err().expect("it cannot be read");
}

#[test]
fn loading_a_log_counts_its_bytes_and_the_keys_of_its_base() {
    let disk = Memory::new();
    let mut db = server_on(&disk, &[]).expect("an empty disk");
    for key in 0..3000 {
        db.say(&format!("SET key:{key} v"));
    }
    db.say("BGREWRITEAOF");
    while db.world().log.is_rewriting() {
        thread::yield_now();
    }
    for key in 0..3000 {
        db.say(&format!("SETBIT key:{key} 0 1"));
    }
    end(&db.world());
    let db = server_on(&disk, &[]).expect("a whole log");
    let world = db.world();
    let (read, total) = world.loading.progress.bytes();
    assert!(total > 100_000 && read == total, "{read} of {total}");
    assert_eq!(
        world
            .loading
            .keys
            .load(std::sync::atomic::Ordering::Relaxed),
        3000
    );
    assert!(
        world
            .loading
            .started_ms
            .load(std::sync::atomic::Ordering::Relaxed)
            > 0
    );
    end(&world);
}
