//! Connections that each send a pipeline, wait for all its replies, and send the next: one thread serves them all, as
//! redis-benchmark does.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// What is sent, worked out before the clock runs: for each connection its pipelines, which it sends in order.
pub struct Script {
    pub pipelines: Vec<Vec<Vec<u8>>>,
    /// How many lines the replies to one pipeline have.
    pub lines: usize,
}

pub struct Swarm {
    epoll: Epoll,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// Pipelines sent in this round.
    sent: usize,
    since: Instant,
    /// Lines still to come.
    missing: usize,
}

/// What a round came to.
pub struct Round {
    /// From the first byte sent to the last received.
    pub seconds: f64,
    /// How long each pipeline took, in nanoseconds.
    pub latencies: Vec<u32>,
    /// The sum of all bytes received: equal where the replies are, in whatever order the connections got theirs.
    pub sum: u64,
}

impl Swarm {
    pub fn open(port: u16, count: usize) -> Self {
        let epoll = Epoll::new(EpollCreateFlags::empty()).expect("epoll");
        let connections: Vec<_> = (0..count)
            .map(|number| {
                let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
                stream.set_nodelay(true).expect("a socket");
                let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
                epoll.add(&stream, event).expect("to watch");
                Connection {
                    stream,
                    sent: 0,
                    since: Instant::now(),
                    missing: 0,
                }
            })
            .collect();
        Self {
            epoll,
            connections,
            buffer: vec![0; 64 * 1024],
        }
    }

    /// Sends the whole script and takes in all the replies. An error among them ends the program.
    pub fn run(&mut self, script: &Script) -> Round {
        let start = Instant::now();
        let mut round = Round {
            seconds: 0.0,
            latencies: Vec::new(),
            sum: 0,
        };
        let mut busy = 0;
        for (connection, pipelines) in self.connections.iter_mut().zip(&script.pipelines) {
            connection.sent = 0;
            busy += usize::from(connection.send(pipelines, script.lines));
        }
        let mut events = [EpollEvent::empty(); 256];
        while busy > 0 {
            let count = self.epoll.wait(&mut events, EpollTimeout::from(60_000u16));
            let count = count.expect("the load is not interrupted");
            assert!(count > 0, "no reply for a minute");
            for event in &events[..count] {
                let number = event.data() as usize;
                let connection = &mut self.connections[number];
                if connection.receive(&mut self.buffer, &mut round)
                    && !connection.send(&script.pipelines[number], script.lines)
                {
                    busy -= 1;
                }
            }
        }
        round.seconds = start.elapsed().as_secs_f64();
        round
    }
}

impl Connection {
    /// Sends the next pipeline, if there is one. It has to fit what the sockets hold, some hundred kilobytes.
    fn send(&mut self, pipelines: &[Vec<u8>], lines: usize) -> bool {
        let Some(pipeline) = pipelines.get(self.sent) else {
            return false;
        };
        self.sent += 1;
        self.missing = lines;
        self.since = Instant::now();
        self.stream
            .write_all(pipeline)
            .expect("a server that reads");
        true
    }

    /// Takes in what has come. True when that was the end of a pipeline's replies.
    fn receive(&mut self, buffer: &mut [u8], round: &mut Round) -> bool {
        let read = self.stream.read(buffer).expect("a server that answers");
        assert!(read > 0, "the server closed a connection");
        let bytes = &buffer[..read];
        assert!(
            !bytes.contains(&b'-'),
            "an error or a null: {}",
            bytes.escape_ascii()
        );
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
        round.sum = round.sum.wrapping_add(sum);
        self.missing = self
            .missing
            .checked_sub(lines)
            .expect("no more replies than requests");
        if self.missing > 0 {
            return false;
        }
        round
            .latencies
            .push(u32::try_from(self.since.elapsed().as_nanos()).unwrap_or(u32::MAX));
        true
    }
}
