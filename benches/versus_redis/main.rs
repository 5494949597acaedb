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
//! # GETBIT on a million keys
//!
//! The wait for memory is half of what a short read takes, and it differs from machine to machine, so what was asked of this
//! server was asked beside Redis: 0.92, 0.82 and 0.43 of its time in pipelines of 1, 10 and 100. On 2026-11-28, fifty
//! connections, CPU µs, ratio in brackets:
//!
//! | load | 1 | 10 | 100 |
//! |---|---|---|---|
//! | this bench: bitmapd, Redis | 4.67, 5.25 (1.12) | 0.63, 1.33 (2.11) | 0.196, 0.89 (4.55) |
//! | redis-benchmark -c 50 -r 1000000: bitmapd, Redis | 5.80, 6.02 (1.02) | 0.67, 1.27 (1.93) | 0.173, 0.80 (4.68) |
//! | the same, a thousand keys | 5.34, 5.41 (1.01) | 0.63, 0.73 (1.17) | 0.136, 0.33 (2.45) |
//!
//! Those of redis-benchmark are medians of seven rounds in turn. It is slower than either server with single requests, which
//! then find what they need less often together (src/server/crowd.rs).
//!
//! By `perf`, when it took 0.19, a quarter of it was the kernel's, and 0.042 were waiting for memory (for the addresses of the
//! lines and entries asked for to be translated 0.021, for lines 0.007, for entries 0.008, for locks to be let go of 0.006).
//! With huge pages (`_RJEM_MALLOC_CONF=thp:always` in the environment) it is 0.172 where it is 0.178 without; the memory of
//! keys that are gone then goes back to the system later, and not all of it. benches/commands.rs has the same without a
//! socket, and what was tried.
//!
//! # Where Redis is ahead
//!
//! Single requests where nothing has to be waited for. From fifty connections they are about level: BITOP over ten short keys
//! (0.97 to 1.01 in ten runs), BITFIELD INCRBY (0.97 to 1.01) and SET (0.96 to 1.01). Of 5 µs, 4 are the kernel's; of the
//! server's own, a third is to wake a task for the request and once more when it has let others come as far, which Redis's
//! loop does not need. BITOP locks eleven keys, too, which costs what two locked instructions do for each.
//!
//! From a thousand connections: the same BITOP (0.90 to 0.94), SET of a byte and the SETBIT after it (0.90 to 0.99), GETBIT on
//! a million keys (0.98 to 1.10) and GET (0.99 to 1.04). By `perf`, of such a BITOP 68 % are the kernel's (70 of Redis's), 9 are
//! for looking eleven keys up and locking them, and 5 for the connection's task and its reading, which are 3 of a GETBIT's with
//! fifty connections. What belongs to a connection is then not in the cache when its request comes: a task, its readiness and
//! a client's counters seem to be some lines more than Redis's structure. To keep the counters together did not help.
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
//! | GETBIT | 1,070 | 3,480 (400 of them the statistics it takes ten times a second) |
//! | SETBIT | 1,840 | 3,710 |
//! | GET, SET of 64 bytes | 1,340, 2,110 | 2,830, 4,010 |
//! | BITCOUNT, BITPOS of one byte | 1,420, 1,680 | 2,740, 3,300 |
//! | BITFIELD GET, INCRBY | 2,090, 2,870 | 4,590, 5,640 |
//! | BITOP XOR of ten short keys | 9,680 | 14,960 |
//! | PING | 1,330 | 1,690 |
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
