//! bitmapd beside the real Redis: the same requests to both, each pinned to one core, the load on another.
//!
//! ```text
//! REDIS_REFERENCE=/path/to/redis-server cargo bench --bench versus_redis [-- WORD ...]
//! ```
//!
//! Rows whose name holds one of the words are run; all of them without words. `REDIS_REFERENCE` is a redis-server 8.2.3;
//! where `tests/run` has fetched one, that is taken. `REALDATA` names a directory of text files, each a bitmap as
//! positions separated by commas, for the rows about real data.
//!
//! Times are the server's own CPU time for one command, as the kernel accounts it to the process's threads, socket and
//! parsing included; the client waits for each reply where a row does not say otherwise. A figure is the median of
//! several rounds. Memory is `used_memory` after less before, or resident memory where a row says so. Each row compares
//! the replies of both servers, byte for byte, before it prints a figure.

mod load;
mod memory;
mod server;
mod speed;
#[path = "../support/mod.rs"]
mod support;

use std::env;

use server::{Server, reference};

/// One line of the table.
pub struct Row {
    pub name: &'static str,
    pub unit: &'static str,
    /// Fills a new and empty server, works it, and returns the figure (smaller is better) and what was answered.
    pub run: fn(&Server) -> Outcome,
}

/// What a row came to on one server.
pub struct Outcome {
    pub figure: f64,
    /// Replies, or a digest of them: both servers must have given the same.
    pub answer: Vec<u8>,
}

fn main() {
    let words: Vec<String> = env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let Some(redis) = reference() else {
        eprintln!("no Redis to compare with: run tests/run once, or set REDIS_REFERENCE");
        return;
    };
    println!(
        "{:<66} {:>12} {:>12} {:>9}",
        "", "bitmapd", "Redis", "ratio"
    );
    for row in speed::ROWS.iter().chain(memory::ROWS) {
        if !words.is_empty() && !words.iter().any(|word| row.name.contains(word.as_str())) {
            continue;
        }
        let ours = (row.run)(&Server::start(env!("CARGO_BIN_EXE_bitmapd").as_ref()));
        let theirs = (row.run)(&Server::start(&redis));
        assert!(
            ours.answer == theirs.answer,
            "{}: the servers answered differently",
            row.name
        );
        println!(
            "{:<66} {:>12} {:>12} {:>9}",
            format!("{}, {}", row.name, row.unit),
            short(ours.figure),
            short(theirs.figure),
            short(theirs.figure / ours.figure),
        );
    }
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
