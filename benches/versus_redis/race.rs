//! The same requests to both servers, in turn.

use std::path::Path;

use crate::floor::Floor;
use crate::load::{Load, append};
use crate::server::Server;
use crate::short;
use crate::support::{Random, wanted};
use crate::swarm::{Round, Script, Swarm};

/// Rounds that count, mostly.
pub const ROUNDS: usize = 7;

/// Keys or values, and what is asked of them.
pub struct Scene {
    /// Puts there what the rows need.
    pub fill: fn(&mut Load),
    pub rows: Vec<Row>,
}

/// Appends one request.
pub type Request = fn(&mut Ask, &mut Vec<u8>);

/// One line of the table.
pub struct Row {
    pub name: String,
    pub connections: usize,
    /// How many requests a connection sends together.
    pub depth: usize,
    /// How many all connections send in a round, at least.
    pub requests: usize,
    /// How many rounds count. One goes before them, which warms caches and memory.
    pub rounds: usize,
    pub request: Request,
    /// How many lines its reply has.
    pub lines: usize,
    /// A command asked at the end, whose replies are compared too.
    pub check: &'static [&'static str],
    /// Whether all requests are equally long, so that the floor can be measured.
    pub even: bool,
}

impl Row {
    fn title(&self) -> String {
        let plural = if self.connections == 1 { "" } else { "s" };
        format!(
            "{}, depth {}, {} connection{plural}",
            self.name, self.depth, self.connections
        )
    }
}

/// What a request may depend on.
pub struct Ask {
    pub noise: Random,
    /// 0 is not counted.
    pub round: usize,
    /// Counts up with each request of the round.
    pub number: usize,
    connection: u64,
    connections: u64,
}

impl Ask {
    /// A random number below `limit`, which no other connection of the row gets: so what is answered does not depend on
    /// whose request comes first.
    pub fn own(&mut self, limit: u64) -> u64 {
        self.noise.below(limit / self.connections) * self.connections + self.connection
    }

    /// Appends a request of these words, separated by spaces.
    pub fn say(requests: &mut Vec<u8>, words: &str) {
        let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        append(requests, &words);
    }
}

fn script(row: &Row, round: usize) -> Script {
    let mut number = 0;
    let pipelines = (0..row.connections).map(|connection| {
        let mut ask = Ask {
            noise: Random::new((round * row.connections + connection) as u64),
            round,
            number,
            connection: connection as u64,
            connections: row.connections as u64,
        };
        let count = row.requests.div_ceil(row.depth * row.connections);
        let pipelines = (0..count).map(|_| {
            let mut pipeline = Vec::new();
            for _ in 0..row.depth {
                (row.request)(&mut ask, &mut pipeline);
                ask.number += 1;
            }
            pipeline
        });
        let pipelines = pipelines.collect();
        number = ask.number;
        pipelines
    });
    Script {
        pipelines: pipelines.collect(),
        lines: row.lines * row.depth,
    }
}

/// What a row came to on one server.
#[derive(Default)]
struct Figures {
    /// CPU time of the server for a request, in microseconds; one for each round.
    cpu: Vec<f64>,
    /// Requests a second; one for each round.
    speed: Vec<f64>,
    /// Of each pipeline, in nanoseconds.
    latencies: Vec<u32>,
}

impl Figures {
    fn add(&mut self, requests: usize, cpu_ns: u64, mut round: Round) {
        self.cpu.push(cpu_ns as f64 / 1000.0 / requests as f64);
        self.speed.push(requests as f64 / round.seconds);
        self.latencies.append(&mut round.latencies);
    }

    /// p50, p99 and p99.9 in microseconds.
    fn latency(&mut self) -> String {
        self.latencies.sort_unstable();
        let at = |share: f64| {
            let at = (self.latencies.len() as f64 * share) as usize;
            format!("{:.0}", f64::from(self.latencies[at]) / 1000.0)
        };
        [at(0.5), at(0.99), at(0.999)].join(" / ")
    }
}

/// The one in the middle.
fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Runs the wanted rows and prints them.
pub fn print(scenes: impl Iterator<Item = Scene>, redis: &Path) {
    let mut begun = false;
    for scene in scenes {
        let rows: Vec<&Row> = scene
            .rows
            .iter()
            .filter(|row| wanted(&row.title()))
            .collect();
        if rows.is_empty() {
            continue;
        }
        if !begun {
            println!(
                "| server CPU µs a request; thousand requests a second; latency p50 / p99 / p99.9 in µs; resident MB \
                 | bitmapd | Redis | ratio | floor | bitmapd | Redis | bitmapd | Redis | bitmapd | Redis |"
            );
            println!("|---|---|---|---|---|---|---|---|---|---|---|");
            begun = true;
        }
        let servers = [
            Server::start(env!("CARGO_BIN_EXE_bitmapd").as_ref()),
            Server::start(redis),
        ];
        let floor = Floor::start();
        servers
            .iter()
            .for_each(|server| (scene.fill)(&mut server.connect()));
        rows.iter().for_each(|row| run(row, &servers, &floor));
    }
}

fn run(row: &Row, servers: &[Server; 2], floor: &Floor) {
    let mut swarms = servers
        .each_ref()
        .map(|server| Swarm::open(server.port(), row.connections));
    let mut on_floor = row.even.then(|| Swarm::open(floor.port(), row.connections));
    let mut figures = [Figures::default(), Figures::default()];
    let mut floor_cpu = Vec::new();
    for number in 0..=row.rounds {
        let script = script(row, number);
        let requests = script.pipelines.iter().map(Vec::len).sum::<usize>() * row.depth;
        let mut sums = [0, 0];
        for (at, server) in servers.iter().enumerate() {
            let before = server.cpu_ns();
            let round = swarms[at].run(&script);
            sums[at] = round.sum;
            if number > 0 {
                figures[at].add(requests, server.cpu_ns() - before, round);
            }
        }
        assert!(sums[0] == sums[1], "{}: different replies", row.title());
        if let Some(swarm) = &mut on_floor {
            floor.expect(script.pipelines[0][0].len() / row.depth);
            let lines = row.depth; // it answers in one, whatever a real server would
            let before = floor.cpu_ns();
            swarm.run(&Script { lines, ..script });
            if number > 0 {
                floor_cpu.push((floor.cpu_ns() - before) as f64 / 1000.0 / requests as f64);
            }
        }
    }
    if !row.check.is_empty() {
        let words: Vec<&[u8]> = row.check.iter().map(|word| word.as_bytes()).collect();
        let [ours, theirs] = servers
            .each_ref()
            .map(|server| server.connect().ask(&words));
        assert!(ours == theirs, "{}: different results", row.title());
    }

    let [ours, theirs] = &mut figures;
    let ratios = ours.cpu.iter().zip(&theirs.cpu);
    let ratio = median(ratios.map(|(ours, theirs)| theirs / ours));
    let floor = if floor_cpu.is_empty() {
        String::new()
    } else {
        short(median(floor_cpu))
    };
    let cells = [
        row.title(),
        short(median(ours.cpu.iter().copied())),
        short(median(theirs.cpu.iter().copied())),
        short(ratio),
        floor,
        short(median(ours.speed.iter().copied()) / 1000.0),
        short(median(theirs.speed.iter().copied()) / 1000.0),
        ours.latency(),
        theirs.latency(),
        short(servers[0].resident() as f64 / 1e6),
        short(servers[1].resident() as f64 / 1e6),
    ];
    println!("| {} |", cells.join(" | "));
}
