//! What a request costs from its bytes to those of its reply, without a socket.
//!
//! ```sh
//! cargo bench --bench commands                    # every row
//! cargo bench --bench commands -- "GETBIT"        # rows whose names contain the words
//! ```
//!
//! One thread runs pipelines of requests for random keys of 16 bytes, each copied first to where a read would have put it.
//! A figure is the CPU time of one request, in nanoseconds: the median of nine rounds of 400,000. It differs by a twentieth
//! from build to build, as code comes to lie elsewhere, and much less from run to run.
//!
//! On 2026-11-28, a virtual Xeon at 3 GHz (reading a line of memory takes it 140 ns), before and after short reads of a
//! pipeline were run on what is found for all of them together:
//!
//! | ns, pipelines of 100 | a thousand keys | a million keys |
//! |---|---|---|
//! | GETBIT | 121 → 84 → 76 | 207 → 117 → 109 |
//! | GET of one byte | 139 → 96 → 105 | 243 → 128 → 137 |
//! | SETBIT | 157 → 147 → 140 | 267 → 220 → 211 |
//! | SET of one byte | 152 → 145 → 145 | 256 → 218 → 215 |
//!
//! The last figures are of some hours later, with replies of one digit made without a call; on that day the version before
//! took 84, 106, 143 and 147 ns on a thousand keys. Single requests take about what they took (GETBIT on a thousand keys 129 →
//! 140, SET 160 → 167; later 172 → 165 and 201 → 195).
//!
//! What was tried for the million keys and did not help: larger steps than 16 keys (2 %); huge pages (3 %); asking for the
//! lines of the next few keys while those before them are read (no change in steps of eight or sixteen, a third slower key by
//! key); looking commands up while the lines are on their way (no change).

use bitmapd::cmd::session::Session;
use bitmapd::resp::{Output, Parser};

#[path = "support/mod.rs"]
mod support;
use support::{Random, cpu_time, wanted};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const REQUESTS: usize = 400_000;
const ROUNDS: usize = 9;

struct Row {
    name: &'static str,
    /// `?` stands for a key.
    words: &'static [&'static str],
    /// What every reply has to be.
    reply: &'static str,
}

#[rustfmt::skip] // read by column
const ROWS: &[Row] = &[
    Row { name: "PING",   words: &["PING"],                reply: "+PONG\r\n" },
    Row { name: "GETBIT", words: &["GETBIT", "?", "7"],      reply: ":1\r\n" },
    Row { name: "GET",    words: &["GET", "?"],              reply: "$1\r\n\u{1}\r\n" },
    Row { name: "SETBIT", words: &["SETBIT", "?", "7", "1"], reply: ":1\r\n" },
    Row { name: "SET",    words: &["SET", "?", "\u{1}"],     reply: "+OK\r\n" },
];

fn request(words: &[&str], key: u64) -> String {
    let key = format!("key:{key:012}");
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        let word = if *word == "?" { &key } else { *word };
        bytes += &format!("${}\r\n{word}\r\n", word.len());
    }
    bytes
}

/// A connection without a socket.
struct Client {
    session: Session,
    parser: Parser,
    input: Vec<u8>,
    out: Output,
}

impl Client {
    /// Runs pipelines whose replies all are `reply`, `depth` of them each.
    fn run(&mut self, pipelines: &[String], depth: usize, reply: &str) {
        for pipeline in pipelines {
            self.input.clear();
            self.input.extend_from_slice(pipeline.as_bytes());
            let done = self
                .session
                .run_pipeline(&mut self.parser, &self.input, &mut self.out);
            assert_eq!(done, pipeline.len());
            let replies = self.out.chunk();
            assert!(replies.len() == depth * reply.len() && replies.ends_with(reply.as_bytes()));
            self.out.advance(depth * reply.len());
        }
    }
}

fn main() {
    let mut client = Client {
        session: Session::alone(),
        parser: Parser::new(),
        input: Vec::new(),
        out: Output::new(),
    };
    let mut random = Random::new(7);
    let mut there = 0;
    for keys in [1000, 1_000_000] {
        let rows: Vec<_> = (ROWS.iter())
            .flat_map(|row| [1, 100].map(|depth| (row, depth)))
            .map(|(row, depth)| {
                (
                    row,
                    depth,
                    format!("{:<7}{keys} keys, depth {depth}", row.name),
                )
            })
            .filter(|(.., name)| wanted(name))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let new: Vec<String> = (there..keys)
            .map(|key| request(&["SET", "?", "\u{1}"], key))
            .collect();
        client.run(&new, 1, "+OK\r\n");
        there = keys;
        client.session.world().sample(0); // which tells how much memory is in use
        for (row, depth, name) in rows {
            let mut pipeline = || -> String {
                let requests = (0..depth).map(|_| request(row.words, random.below(keys)));
                requests.collect()
            };
            let pipelines: Vec<String> = (0..REQUESTS / depth).map(|_| pipeline()).collect();
            let mut rounds = [(); ROUNDS].map(|()| {
                let start = cpu_time();
                client.run(&pipelines, depth, row.reply);
                (cpu_time() - start).as_nanos() as f64 / REQUESTS as f64
            });
            rounds.sort_by(f64::total_cmp);
            println!("{name:<32} {:>7.1} ns", rounds[ROUNDS / 2]);
        }
    }
}
