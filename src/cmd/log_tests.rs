//! The log over disks that lose their power, damage what they hold, or refuse to take more.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::loading;
use super::*;
use crate::config::Config;
use crate::persist::media::memory::{Loss, Memory, Verb};
use crate::store::Clock;

/// How many writes a workload makes.
const WRITES: usize = 24;

/// A server that syncs before it answers, with what `disk` holds.
fn server_on(disk: &Memory, settings: &[(&str, &str)]) -> Result<Session, String> {
    let config = Config::new();
    let defaults = [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("save", ""),
    ];
    for (name, value) in defaults.iter().chain(settings) {
        let pair = (name.as_bytes(), value.as_bytes());
        config.set(&[pair], true).expect("settings of a test");
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
fn work(disk: &Memory) -> usize {
    let Ok(mut db) = server_on(disk, &[]) else {
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
    let whole = Memory::new();
    assert_eq!(work(&whole), WRITES);
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
        let safe = work(&disk);
        for loss in losses {
            let after = disk.after_power_loss(loss);
            let mut db = server_on(&after, &[])
                .unwrap_or_else(|error| panic!("cut at {cut}, {loss:?} lost: {error}"));
            let ones = db.say("BITCOUNT k");
            let ones: usize = ones[1..].trim_end().parse().expect("a number");
            assert!(
                ones >= safe,
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

#[test]
fn a_full_disk_refuses_writes_until_there_is_room_and_loses_nothing() {
    let disk = Memory::new();
    let mut db = server_on(&disk, &[("appendfsync", "everysec")]).expect("an empty disk");
    db.say("SETBIT k 0 1");
    disk.fail(&[Verb::Write], 28);
    let began = Instant::now();
    while !db.world().log.is_troubled() {
        db.say("SETBIT k 1 1");
        db.say("SETBIT k 1 0");
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the disk is full, and nobody says so"
        );
        thread::sleep(Duration::from_millis(1));
    }
    let refusal = "-MISCONF Errors writing to the AOF file: No space left on device\r\n";
    assert_eq!(db.say("SETBIT k 2 1"), refusal);
    assert_eq!(db.say("PING"), refusal);
    assert_eq!(db.say("GETBIT k 0"), ":1\r\n");
    disk.heal();
    while db.world().log.is_troubled() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "there is room, and nobody sees it"
        );
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(db.say("SETBIT k 3 1"), ":0\r\n");
    let digest = db.say("GET k");
    end(&db.world());
    let mut again = server_on(&disk.after_power_loss(Loss::All), &[]).expect("a whole log");
    assert_eq!(again.say("GET k"), digest);
}
