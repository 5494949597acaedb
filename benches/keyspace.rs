//! What keys cost: resident memory a key, and time an operation, through the keyspace alone.
//!
//! ```sh
//! cargo bench --bench keyspace              # every row, each in a process of its own; some 3 GB at the largest
//! cargo bench --bench keyspace -- "one bit" # rows whose names contain the words
//! ```
//!
//! Memory is what the kernel counts as resident, less what it counted before the first key, over the number of keys: at the
//! end of the writes (`at once`), and when the allocator has had its ten seconds to return what it holds free (`resident`,
//! which the limit is for). `used` is what the allocator says is in use. Each row asks for every key again, one by one and
//! then in batches that are looked up together, and fails if an answer is wrong. The exit code says whether every limit
//! was kept.

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use bitmapd::store::{Access, Clock, Keyspace};
use tikv_jemalloc_ctl::{background_thread, epoch, stats};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const M: u64 = 1_000_000;

/// Keys looked up together: a pipeline's worth.
const BATCH: u64 = 32;

struct Row {
    name: &'static str,
    keys: u64,
    /// Bytes a key, at most.
    limit: f64,
    /// Does round `.1` of `rounds` to key `.0`.
    step: fn(&Keyspace, u64, u64),
    rounds: u64,
    /// Whether a key holds what it should.
    right: fn(&Keyspace, u64) -> bool,
}

#[rustfmt::skip] // read by column
const ROWS: &[Row] = &[
    Row { name: "1 K keys, 64 bytes each: all in cache",         keys: 1000,  limit: 400.0, rounds: 1000, step: set_64,   right: is_64 },
    Row { name: "1 M keys, a 1-byte bitmap each",               keys: M,     limit: 60.0,  rounds: 1,  step: one_byte,   right: is_one_byte },
    Row { name: "4 M keys, 64 bytes each, by SET",              keys: 4 * M, limit: 120.0, rounds: 1,  step: set_64,     right: is_64 },
    Row { name: "4 M keys, 64 bytes each, grown by SETBIT",     keys: 4 * M, limit: 120.0, rounds: 64, step: grow_to_64, right: is_64 },
    Row { name: "1 M keys, one bit each at random below 65536", keys: M,     limit: 90.0,  rounds: 1,  step: one_bit,    right: is_one_bit },
];

/// Sixteen bytes, all different.
fn key(name: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&scramble(name).to_ne_bytes());
    key[8..].copy_from_slice(&name.to_ne_bytes());
    key
}

/// The finalizer of SplitMix64.
fn scramble(name: u64) -> u64 {
    let z = name.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn set_bit(keyspace: &Keyspace, name: u64, bit: u64) {
    let key = key(name);
    let mut locked = keyspace.lock_key(&key, Access::Write);
    locked.get_or_create(0, &key).0.set_bit(bit, true);
}

fn one_byte(keyspace: &Keyspace, name: u64, _: u64) {
    set_bit(keyspace, name, name % 8);
}

fn set_64(keyspace: &Keyspace, name: u64, _: u64) {
    let key = key(name);
    keyspace
        .lock_key(&key, Access::Write)
        .put_bytes(0, &key, &[0x80; 64], None);
}

fn grow_to_64(keyspace: &Keyspace, name: u64, round: u64) {
    set_bit(keyspace, name, round * 8);
}

fn one_bit(keyspace: &Keyspace, name: u64, _: u64) {
    set_bit(keyspace, name, scramble(name) % 65_536);
}

fn value(
    keyspace: &Keyspace,
    name: u64,
    right: impl FnOnce(bitmapd::bits::View<'_>) -> bool,
) -> bool {
    let key = key(name);
    let locked = keyspace.lock_key(&key, Access::Read);
    locked.get(0, &key).is_some_and(|entry| right(entry.view()))
}

fn is_one_byte(keyspace: &Keyspace, name: u64) -> bool {
    value(keyspace, name, |bytes| {
        bytes.len() == 1 && bytes.get(name % 8) && bytes.ones() == 1
    })
}

fn is_64(keyspace: &Keyspace, name: u64) -> bool {
    value(keyspace, name, |bytes| {
        bytes.len() == 64 && bytes.get(504) && bytes.ones() == 64
    })
}

fn is_one_bit(keyspace: &Keyspace, name: u64) -> bool {
    let bit = scramble(name) % 65_536;
    value(keyspace, name, |bytes| {
        bytes.len() == bit / 8 + 1 && bytes.get(bit) && bytes.ones() == 1
    })
}

fn resident() -> u64 {
    let status =
        fs::read_to_string("/proc/self/status").expect("Linux tells a process's memory here");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("a line for it");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number of KiB")
        * 1024
}

fn used() -> u64 {
    epoch::advance().expect("jemalloc keeps statistics");
    stats::allocated::read().expect("jemalloc keeps statistics") as u64
}

/// Nanoseconds an operation, over `count` of them.
fn time(count: u64, mut each: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    (0..count).for_each(&mut each);
    start.elapsed().as_nanos() as f64 / count as f64
}

/// Runs one row and prints its line. Whether the limit was kept.
fn run(row: &Row) -> bool {
    background_thread::write(true).expect("jemalloc was built with threads");
    let keyspace = Keyspace::new(16, Clock::System);
    let before = (resident(), used());
    let per_key = |now: u64, before: u64| now.saturating_sub(before) as f64 / row.keys as f64;
    let write: f64 = (0..row.rounds)
        .map(|round| time(row.keys, |name| (row.step)(&keyspace, name, round)))
        .sum();
    let at_once = per_key(resident(), before.0);

    let pick = |name: u64| scramble(!name) % row.keys;
    let mut wrong = 0;
    let reads = row.keys.max(M);
    let read = time(reads, |name| {
        wrong += u64::from(!(row.right)(&keyspace, pick(name)))
    });
    let together = time(reads / BATCH, |batch| {
        let names = (batch * BATCH..(batch + 1) * BATCH).map(pick);
        let keys: Vec<_> = names.clone().map(key).collect();
        let keys: Vec<_> = keys
            .iter()
            .map(|key| keyspace.ahead(0, key, None))
            .collect();
        keyspace.prefetch(&keys, |bit| bit);
        wrong += names
            .map(|name| u64::from(!(row.right)(&keyspace, name)))
            .sum::<u64>();
    });
    assert_eq!(
        (wrong, keyspace.lock_none().key_count(0) as u64),
        (0, row.keys),
        "{}",
        row.name
    );

    thread::sleep(Duration::from_secs(12));
    let settled = per_key(resident(), before.0);
    let kept = settled <= row.limit;
    println!(
        "{:<46} {:>7.0} {settled:>8.1} {at_once:>8.1} {:>8.1} {:>9.0} {read:>9.0} {:>9.0}   {}",
        row.name,
        row.limit,
        per_key(used(), before.1),
        write / row.rounds as f64,
        together / BATCH as f64,
        if kept { "kept" } else { "MISSED" }
    );
    kept
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if let [flag, name] = &words[..]
        && flag == "--row"
    {
        let row = ROWS
            .iter()
            .find(|row| row.name == name)
            .expect("the parent knows the names");
        return if run(row) {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    println!(
        "{:<46} {:>7} {:>8} {:>8} {:>8} {:>9} {:>9} {:>9}",
        "bytes a key, nanoseconds an operation",
        "limit",
        "resident",
        "at once",
        "used",
        "write",
        "read",
        "together"
    );
    let mut all = true;
    for row in ROWS
        .iter()
        .filter(|row| words.iter().all(|word| row.name.contains(word.as_str())))
    {
        let program = env::current_exe().expect("a running program has a file");
        let status = Command::new(program)
            .args(["--row", row.name])
            .status()
            .expect("it runs again");
        all &= status.success();
    }
    if all {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
