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
//! Single requests from many connections: the ratio was 0.8 with 50 of them and 0.9 with 1,000, on a busy machine. A
//! profile of GETBIT there has 67 % of the time in the kernel, half of all in `send`, and of the
//! server's own the largest part, 17 % of all, waiting for the key's three cache lines in `Table::find`; the runtime's
//! tasks and wakers are 3 %. Huge pages for the keys made it 7 % less and took 17 % more memory, which is not done. With
//! several requests in a pipeline the lines are asked for ahead, and Redis is behind.
//!
//! BITOP over ten short keys (0.4): each key is hashed and looked up three times, to lock, to weigh and to combine, and the
//! locks are sorted. BITFIELD on 800 M bits (0.6 to 0.7): the field is found through the directory, four cache lines of
//! which none is near, and written into sorted positions; Redis touches one line of a flat string.
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
