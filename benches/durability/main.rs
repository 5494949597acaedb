//! Saving, loading and logging beside the real Redis.
//!
//! ```text
//! REDIS_REFERENCE=/path/to/redis-server REALDATA=/path/to/unpacked cargo bench --bench durability [-- WORD ...]
//! ... cargo bench --bench durability -- appendfsync [REQUESTS]
//! ```
//!
//! Rows whose name holds one of the words are run; all of them, in some minutes and with 4 GB of memory, without words.
//! `REDIS_REFERENCE` is a redis-server 8.2.3; where `tests/run` has fetched one, that is taken. `REALDATA` names a
//! directory of directories, one a data set, of text files, each a bitmap as positions separated by commas.
//!
//! Both servers get the same keys. SAVE is timed three times; then the server is killed and started on its own file, also
//! three times, and timed until it answers, less what the start takes with no file. Figures are the best of three, since
//! what else the machine does only adds to them. What was loaded is held against what was saved by DEBUG DIGEST.
//!
//! The word `appendfsync` stands for another table, which is printed last: what the log costs the commands. Both servers run
//! under each setting at once, on one core, and get the same requests in turn, so many a round (100,000; a quarter under
//! `always`). Its figures are medians of seven rounds; ratios are taken within each round.
//!
//! `always` cannot be much faster than Redis's here: a sync takes 0.19 ms, Redis has one for all that its loop found ready,
//! and on one core the commands of fifty clients take longer than that. Without the moment that the log gives them to
//! gather it was 0.77 of Redis, with it 0.89 to 1.02 (68 to 78 thousand requests a second, 40 for each sync; Redis 76 to
//! 81). Tried too: syncing on the thread that serves the connections, as Redis does (0.72, with 17 requests for each sync);
//! a moment that ends when as many or half as many wait as last time (0.96 to 1.06 times what it is); writing into room
//! made before, which a sync takes 0.13 instead of 0.21 ms for, but a power cut could then leave holes.
//!
//! In pipelines over a million keys it is far ahead, by what the commands themselves take (thousand SETBITs a second, of
//! Redis in brackets; `redis-benchmark -c 50 -P 10 -r 1000000 SETBIT key:__rand_int__ 7 1`, server and load on a core each):
//! 532 (317) at depth 10, 2,330 (886) at depth 100. Not so with this bench's 64 longer keys a connection, which are in the
//! cache, and its load, which makes a million a second at most: 427 (394), and 997 (1,054) at 0.92 of the CPU time.

#[path = "../versus_redis/load.rs"]
#[allow(dead_code, reason = "shared with a program that uses all of it")]
mod load;
mod logging;
#[path = "../versus_redis/server.rs"]
#[allow(dead_code, reason = "shared with programs that use all of it")]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[path = "../versus_redis/swarm.rs"]
#[allow(dead_code, reason = "as above")]
mod swarm;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use load::{Load, append};
use support::{Random, reference, wanted, words};

const ROUNDS: usize = 3;

fn main() {
    let Some(redis) = reference() else {
        eprintln!("no Redis to compare with: run tests/run once, or set REDIS_REFERENCE");
        return;
    };
    let logging = wanted("appendfsync");
    let rows: Vec<_> = rows()
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .collect();
    if !rows.is_empty() {
        saving(rows, &redis);
    }
    if logging {
        let requests = words().iter().find_map(|word| word.parse().ok());
        logging::print(&redis, requests.unwrap_or(logging::REQUESTS));
    }
}

fn saving(rows: Vec<(String, Fill)>, redis: &Path) {
    println!("| keys | save, ms | Redis | ratio | load, ms | Redis | ratio | file, MB | Redis |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, fill) in rows {
        let ours = measure(env!("CARGO_BIN_EXE_bitmapd").as_ref(), &*fill);
        let theirs = measure(redis, &*fill);
        assert_eq!(ours.digest, theirs.digest, "{name}: both hold the same");
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} | {:.0} | {:.0} | {:.2} | {:.1} | {:.1} |",
            ours.save * 1e3,
            theirs.save * 1e3,
            ours.save / theirs.save,
            ours.load * 1e3,
            theirs.load * 1e3,
            ours.load / theirs.load,
            ours.file as f64 / 1e6,
            theirs.file as f64 / 1e6,
        );
    }
}

type Fill = Box<dyn Fn(&mut Load)>;

fn rows() -> Vec<(String, Fill)> {
    let mut rows: Vec<(String, Fill)> = vec![
        ("1 M small keys".into(), Box::new(small)),
        ("1 GB dense".into(), Box::new(dense)),
        ("200 bitmaps of 30 ones over 37 M".into(), Box::new(sparse)),
    ];
    let sets = env::var_os("REALDATA").map(PathBuf::from);
    let sets = sets
        .iter()
        .flat_map(|sets| fs::read_dir(sets).expect("a directory"));
    let mut sets: Vec<PathBuf> = sets.map(|set| set.expect("an entry").path()).collect();
    sets.sort();
    for set in sets.into_iter().filter(|set| set.is_dir()) {
        let name = set
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        rows.push((name, Box::new(move |load| real(load, &set))));
    }
    rows
}

/// Sends requests in batches that sockets hold.
struct Batch<'l> {
    load: &'l mut Load,
    requests: Vec<u8>,
    count: usize,
}

impl<'l> Batch<'l> {
    fn new(load: &'l mut Load) -> Self {
        Self {
            load,
            requests: Vec::new(),
            count: 0,
        }
    }

    fn add(&mut self, words: &[&[u8]]) {
        append(&mut self.requests, words);
        self.count += 1;
        if self.requests.len() > 100_000 {
            self.end();
        }
    }

    fn end(&mut self) {
        self.load.pipeline(&self.requests, self.count);
        self.requests.clear();
        self.count = 0;
    }
}

fn small(load: &mut Load) {
    let mut batch = Batch::new(load);
    for key in 0..1_000_000 {
        let value = if key % 2 == 0 {
            "x"
        } else {
            "a value of some bytes"
        };
        batch.add(&[
            b"SET",
            format!("key:{key:012}").as_bytes(),
            value.as_bytes(),
        ]);
    }
    batch.end();
}

/// Half of the bits are ones, at random: nothing to compress.
fn dense(load: &mut Load) {
    const LEN: usize = 128 << 20;
    let mut random = Random::new(1);
    for key in 0..8 {
        let mut value = Vec::with_capacity(LEN);
        while value.len() < LEN {
            value.extend_from_slice(&random.next().to_le_bytes());
        }
        load.ask(&[b"SET", format!("dense:{key}").as_bytes(), &value]);
    }
}

fn sparse(load: &mut Load) {
    let mut random = Random::new(2);
    let mut batch = Batch::new(load);
    for key in 0..200 {
        let key = format!("sparse:{key}");
        for _ in 0..30 {
            let bit = random.below(37_000_000).to_string();
            batch.add(&[b"SETBIT", key.as_bytes(), bit.as_bytes(), b"1"]);
        }
    }
    batch.end();
}

/// A data set many times over, so that there is something to measure.
fn real(load: &mut Load, set: &Path) {
    const TIMES: usize = 20;
    let mut files: Vec<_> = fs::read_dir(set)
        .expect("a directory")
        .map(|file| file.expect("an entry").path())
        .collect();
    files.sort();
    for (at, file) in files.iter().enumerate() {
        let text = fs::read_to_string(file).expect("text");
        let mut value = Vec::new();
        for bit in text
            .trim()
            .split(',')
            .map(|bit| bit.trim().parse::<usize>().expect("a position"))
        {
            value.resize(value.len().max(bit / 8 + 1), 0);
            value[bit / 8] |= 0x80 >> (bit % 8);
        }
        for time in 0..TIMES {
            load.ask(&[b"SET", format!("{at}:{time}").as_bytes(), &value]);
        }
    }
}

struct Measured {
    /// Seconds.
    save: f64,
    load: f64,
    /// Bytes.
    file: u64,
    digest: Vec<u8>,
}

fn measure(binary: &Path, fill: &dyn Fn(&mut Load)) -> Measured {
    let directory = env::temp_dir().join(format!("durability-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory for the server");
    let best = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min);
    let empty = best(
        (0..ROUNDS)
            .map(|_| Server::start(binary, &directory).1)
            .collect(),
    );
    let (server, _) = Server::start(binary, &directory);
    let mut load = server.connect();
    fill(&mut load);
    let digest = load.ask(&[b"DEBUG", b"DIGEST"]);
    let save = |load: &mut Load| {
        let began = Instant::now();
        assert_eq!(load.ask(&[b"SAVE"]), b"OK");
        began.elapsed().as_secs_f64()
    };
    let save = best((0..ROUNDS).map(|_| save(&mut load)).collect());
    drop(server);
    let start = |_| {
        let (server, took) = Server::start(binary, &directory);
        assert_eq!(server.connect().ask(&[b"DEBUG", b"DIGEST"]), digest);
        took - empty
    };
    let measured = Measured {
        save,
        load: best((0..ROUNDS).map(start).collect()),
        file: fs::metadata(directory.join("dump.rdb"))
            .expect("what was saved")
            .len(),
        digest: digest.clone(),
    };
    fs::remove_dir_all(&directory).expect("it was ours");
    measured
}

/// A server, killed when dropped.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// In this directory. Says how many seconds passed until it answered.
    fn start(binary: &Path, directory: &Path) -> (Self, f64) {
        let socket = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = socket.local_addr().expect("a port").port();
        drop(socket);
        let began = Instant::now();
        let process = Command::new(binary)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args([
                "--enable-debug-command",
                "yes",
                "--proto-max-bulk-len",
                "1gb",
                "--dir",
            ])
            .arg(directory)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let server = Self { process, port };
        while !server.is_ready() {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "no answer from {}",
                binary.display()
            );
            sleep(Duration::from_millis(1));
        }
        let took = began.elapsed().as_secs_f64();
        (server, took)
    }

    /// Whether it answers, and not that it is still loading.
    fn is_ready(&self) -> bool {
        use std::io::{Read, Write};
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let mut reply = [0; 16];
        let asked = stream
            .write_all(b"PING\r\n")
            .and_then(|()| stream.read(&mut reply));
        asked.is_ok_and(|len| reply[..len].starts_with(b"+PONG"))
    }

    fn connect(&self) -> Load {
        Load::open(self.port).expect("a server that listens")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child that has already ended cannot be killed; that does not matter here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
