//! Every byte of a small log changed, and the log cut at every length. What comes of it is an error that names the file, or
//! what the first commands left; of a change inside a word, which nothing guards, that word.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::{World, digest};
use super::tests::server_on;
use super::{end, load};
use crate::config::Config;
use crate::persist::media::Media;
use crate::persist::media::memory::{Loss, Memory};
use crate::store::{Access, Clock};

/// What is logged, a transaction among it.
const LINES: [&str; 10] = [
    "SETBIT bits 7 1",
    "SET text some PXAT 4000000000000",
    "MULTI",
    "SETBIT bits 70000 1",
    "APPEND text more",
    "EXEC",
    "SELECT 3",
    "SET other 12",
    "SELECT 0",
    "DEL text",
];

const INCREMENT: &str = "appendonly.aof.1.incr.aof";
const MANIFEST: &str = "appendonly.aof.manifest";

fn state(world: &World) -> String {
    let keys = world.keyspace.lock_all(Access::Read);
    digest::of_everything(&keys, world.keyspace.databases()).to_string()
}

/// A log on a disk, and what its commands left, one after the other.
struct Subject {
    disk: Memory,
    states: Vec<String>,
}

impl Subject {
    fn new() -> Self {
        let disk = Memory::new();
        let mut db = server_on(&disk, &[]).expect("an empty disk");
        let mut states = vec![state(&db.world())];
        for line in LINES {
            let said = db.say(line);
            assert!(!said.starts_with('-'), "{line}: {said}");
            states.push(state(&db.world()));
        }
        states.dedup();
        end(&db.world());
        Self { disk, states }
    }

    fn path(file: &str) -> PathBuf {
        Config::new().dir().join("appendonlydir").join(file)
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        self.disk.read(&Self::path(file)).expect("it was written")
    }

    /// What a server finds that starts with another file in place of one.
    fn with(&self, file: &str, bytes: &[u8], torn: &str) -> (Memory, Result<String, String>) {
        let disk = self.disk.after_power_loss(Loss::Nothing);
        disk.put(Self::path(file), bytes);
        let found = start(&disk, torn);
        (disk, found)
    }
}

/// What a server finds on a disk, or why it does not start.
fn start(disk: &Memory, torn: &str) -> Result<String, String> {
    let config = Config::new();
    for (name, value) in [("appendonly", "yes"), ("aof-load-truncated", torn)] {
        let pair = (name.as_bytes(), value.as_bytes());
        config.set(&[pair], true).expect("settings of a test");
    }
    let media = Arc::new(disk.clone());
    let world = World::on(media, Arc::new(config), Arc::default(), Clock::System);
    let world = Arc::new(world);
    match load(&world) {
        Ok(_) => Ok(state(&world)),
        Err(error) => Err(error.to_string()),
    }
}

/// Changes of each byte, with its place: two that differ from byte to byte, of one bit, and all bits.
fn changes(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).flat_map(move |at| {
        [1 << (at % 8), 1 << ((at + 3) % 8), 0xff]
            .into_iter()
            .map(move |mask: u8| {
                let mut changed = bytes.to_vec();
                changed[at] ^= mask;
                (at, changed)
            })
    })
}

/// Whether each byte of a file of commands is inside a word.
fn in_words(file: &[u8]) -> Vec<bool> {
    let mut inside = vec![false; file.len()];
    let mut at = 0;
    while at < file.len() {
        let end = at
            + file[at..]
                .iter()
                .position(|&byte| byte == b'\n')
                .expect("an end")
            + 1;
        if file[at] == b'$' {
            let len = std::str::from_utf8(&file[at + 1..end - 2]).expect("digits");
            let len: usize = len.parse().expect("a length");
            inside[end..end + len].fill(true);
            at = end + len + 2;
        } else {
            at = end;
        }
    }
    inside
}

#[test]
fn a_log_that_is_cut_anywhere_gives_what_its_first_commands_left() {
    let subject = Subject::new();
    let file = subject.bytes(INCREMENT);
    let (mut most, mut whole) = (0, 0);
    for len in 0..=file.len() {
        let (disk, found) = subject.with(INCREMENT, &file[..len], "yes");
        let found = found.unwrap_or_else(|error| panic!("cut at {len}: {error}"));
        let at = subject.states.iter().position(|state| *state == found);
        let at = at.unwrap_or_else(|| panic!("cut at {len}: nothing that ever was"));
        assert!(at >= most, "cut at {len}: a longer file gives no less");
        most = at;
        // Whoever wants no loss is told of it; after it was put up with, it is over.
        assert_eq!(start(&disk, "no").as_ref(), Ok(&found), "cut at {len}");
        match subject.with(INCREMENT, &file[..len], "no").1 {
            Ok(again) => {
                whole += 1;
                assert_eq!(again, found, "cut at {len}");
            }
            Err(error) => assert!(
                error.contains(INCREMENT) && error.contains("unexpected end of file"),
                "cut at {len}: {error}"
            ),
        }
    }
    assert_eq!(most, subject.states.len() - 1);
    assert!((5..20).contains(&whole), "{whole} ends of commands");
}

#[test]
fn a_log_with_any_byte_changed_is_refused_or_gives_what_its_first_commands_left() {
    let subject = Subject::new();
    let file = subject.bytes(INCREMENT);
    let in_words = in_words(&file);
    let (mut refused, mut taken) = (0, 0);
    for (at, changed) in changes(&file) {
        match subject.with(INCREMENT, &changed, "yes").1 {
            Err(error) => {
                refused += 1;
                assert!(error.contains(INCREMENT), "byte {at}: {error}");
            }
            Ok(found) => {
                taken += 1;
                assert!(
                    in_words[at] || subject.states.contains(&found),
                    "byte {at} made {:02x}: nothing that ever was",
                    changed[at]
                );
            }
        }
    }
    assert!(
        refused > 200 && taken > 50,
        "{refused} refused, {taken} taken"
    );
}

#[test]
fn a_list_of_files_that_is_cut_or_changed_anywhere_is_refused_or_gives_a_prefix() {
    let subject = Subject::new();
    let list = subject.bytes(MANIFEST);
    let cuts = (0..list.len()).map(|len| (len, list[..len].to_vec()));
    let (mut refused, mut taken) = (0, 0);
    for (at, changed) in cuts.chain(changes(&list)) {
        let text = String::from_utf8_lossy(&changed).into_owned();
        match subject.with(MANIFEST, &changed, "yes").1 {
            Err(error) => {
                refused += 1;
                assert!(error.contains("manifest"), "byte {at}, {text:?}: {error}");
            }
            // The whole log, or its base alone: where the line of what came after it is cut off, or calls it history.
            Ok(found) => {
                taken += 1;
                let ends = [subject.states.first(), subject.states.last()];
                assert!(
                    ends.contains(&Some(&found)),
                    "byte {at}, {text:?}: nothing that ever was"
                );
            }
        }
    }
    assert!(
        refused > 200 && taken > 5,
        "{refused} refused, {taken} taken"
    );
}
