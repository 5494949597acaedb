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
//! One connection with one request at a time (0.93 to 1.03): some 28 of 33 µs are the kernel's, most of them for waking up.
//! With 9,900 connections (0.94 to 0.99) each one's own state is out of the cache when its turn comes, here as a task and a
//! connection, in Redis as one client. With fifty and a thousand, single requests take 0.81 to 0.97 of Redis's time; twice
//! 1.01 and 1.02, with a thousand.
//!
//! BITOP over ten short keys (0.86 to 0.92 one by one, 0.87 to 1.08 in pipelines): eleven locks are taken and given back, 14 % of
//! the server's own time by `perf`, and Redis locks nothing; looking the keys up is 14 %, combining them 9 %.
//!
//! BITFIELD on 800 M bits, one by one (INCRBY and SET 0.87 to 0.93, GET 0.96 to 1.01) and SET in pipelines (0.92 to 1.03):
//! what stands behind a new one in a sorted array has to move, 5 to 15 % by `perf` where a pipeline asked for it ahead, and
//! a new byte that has more ones brings the array to its end, and the chunk to be looked at again, sooner. Redis changes a
//! byte where it lies.
//!
//! BITPOS of a one near the start (0.97 to 0.99): a chunk's head, where Redis reads the string's first word.
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
