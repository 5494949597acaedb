//! bitmapd beside the real Redis: the same requests to both, each pinned to one core, the load on another.
//!
//! ```text
//! REDIS_REFERENCE=/path/to/redis-server cargo bench --bench versus_redis [-- WORD ...]
//! ```
//!
//! Rows whose name holds one of the words are run; all of them, in some ten minutes, without words. `REDIS_REFERENCE` is a
//! redis-server 8.2.3; where `tests/run` has fetched one, that is taken. `REALDATA` names a directory of text files, each
//! a bitmap as positions separated by commas, for the rows about real data. What is printed is a table for a README.
//!
//! # What is measured
//!
//! Times are the server's own CPU time for one request, as the kernel accounts it to the process's threads, sockets and
//! parsing included. Both servers are there at once, on the same core, and asked in turn, round by round, so that
//! whatever else changes on the machine meets both; a figure is the median of the rounds, and the ratio that of each
//! round's ratio. Where all requests are of one length, [`floor`] is asked too: what it takes, no server can save.
//!
//! Requests a second and latencies are what the load saw: a latency is that of a whole pipeline. One thread makes all the
//! load, and with short requests it is slower than the servers, so only CPU time compares them to the end.
//!
//! The load was checked against redis-benchmark 7.0.15, both on Redis 8.2.3 with a million keys, on a machine busy with
//! other things (CPU µs of the server for a GETBIT):
//!
//! | depth, connections | this load | redis-benchmark |
//! |---|---|---|
//! | 10, 1 | 9.80 | 9.84 |
//! | 1, 50 | 8.79 | 10.2 |
//! | 10, 50 | 3.27 | 3.22 |
//! | 100, 50 | 2.40 | 2.32 |
//!
//! # Where Redis is ahead
//!
//! Single requests where nothing has to be waited for: BITOP over ten short keys (0.93 to 0.995), BITFIELD INCRBY and SET
//! (0.95 to 0.985), GETBIT on a thousand keys (0.96 to 0.985). Of 5.6 µs, 4.65 are the kernel's (Redis: 4.74) and 0.95 the
//! server's own (0.79), by `perf`: a task is woken for each request and once more when it has let others come as far, and in
//! a process of several threads the kernel looks descriptors up, and the C library calls it, with locked instructions,
//! 0.12 µs together. A million keys make up for that by what is asked for ahead (1.25 to 1.37), pipelines by what they take
//! together.
//!
//! BITOP over ten short keys with a thousand connections (0.93 to 1.01, pipelines too): eleven locks are taken and given back, and Redis
//! locks nothing.
//!
//! BITFIELD on 800 M bits: what stands behind a new one in a sorted array has to move, and a new byte that has more ones
//! brings the array to its end, and the chunk to be looked at again, sooner. Redis changes a byte where it lies.
//!
//! BITPOS of a one near the start (0.97 to 0.99): a chunk's head, where Redis reads the string's first word.
//!
//! # Counting instructions
//!
//! Times here differ by a tenth from run to run, instructions do not. What a server does for itself was counted by valgrind:
//!
//! ```text
//! valgrind --tool=callgrind --instr-atstart=no target/release/bitmapd --port 7000 &
//! redis-benchmark -p 7000 -n 20000 -P 100 -r 1000 SETBIT key:__rand_int__ 7 1
//! callgrind_control -i on
//! redis-benchmark -p 7000 -n 100000 -P 100 -c 10 -r 1000 GETBIT key:__rand_int__ 7
//! callgrind_control -i off; redis-cli -p 7000 shutdown nosave; callgrind_annotate
//! ```
//!
//! | instructions for one in a pipeline of 100 | bitmapd | Redis 8.2.3 |
//! |---|---|---|
//! | GETBIT | 1,490 | 3,480 (400 of them the statistics it takes ten times a second) |
//! | SETBIT | 1,970 | 3,710 |
//! | GET, SET of 64 bytes | 1,670, 2,090 | 2,830, 4,010 |
//! | BITCOUNT, BITPOS of one byte | 1,460, 1,770 | 2,740, 3,300 |
//! | BITFIELD GET, INCRBY | 2,440, 3,460 | 4,590, 5,640 |
//! | BITOP XOR of ten short keys | 9,870 | 14,960 |
//! | PING | 1,260 | 1,690 |
//!
//! Rows that are [`asked`] for compare a whole job instead, as it is done on Redis and as it is done here.
//!
//! Both servers' replies are compared before a figure is printed. Memory is the whole process's resident memory after the
//! row, and in the second table what the row's keys added to it or to `used_memory`.

mod asked;
mod floor;
mod large;
mod load;
mod memory;
mod race;
mod server;
mod small;
#[path = "../support/mod.rs"]
mod support;
mod swarm;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use support::reference;

fn main() {
    let Some(redis) = reference() else {
        eprintln!("no Redis to compare with: run tests/run once, or set REDIS_REFERENCE");
        return;
    };
    // The hard limit is as far as anybody may go.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("a limit that may be used");

    let scenes = small::scenes().into_iter().chain(large::scenes());
    race::print(scenes, &redis);
    memory::print(&redis);
    asked::print(&redis);
}

/// Three digits that matter.
fn short(figure: f64) -> String {
    match figure {
        _ if figure.is_nan() => "-".into(), // REALDATA is not set
        _ if figure >= 1000.0 => format!("{figure:.0}"),
        _ if figure >= 10.0 => format!("{figure:.1}"),
        _ if figure >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}
