//! Commands without a socket: tests, benches and tools run them in process.

use std::sync::Arc;

use super::{Client, Flow, Named, Origin, User, World, execute, run_together};
use crate::config::Config;
use crate::persist::media::Memory;
use crate::resp::{Limits, Output, OwnedRequest, Parser, Request};
use crate::store::{Clock, TOGETHER};

/// A connection with no network under it.
pub struct Session {
    world: Arc<World>,
    client: Client,
}

impl Session {
    /// A new connection to `world`, as one from this machine that needs no password and is bound by no user's rules until it
    /// logs in.
    pub fn new(world: Arc<World>) -> Self {
        let mut session = Self::stranger(world);
        session.client.become_user(Arc::new(User::server()));
        session
    }

    /// As [`Session::new`], one that has to say the password if there is one.
    pub fn stranger(world: Arc<World>) -> Self {
        let origin = Origin {
            addr: "127.0.0.1:0".into(),
            laddr: "127.0.0.1:0".into(),
            unix: false,
            fd: -1,
            wake: Box::new(|| ()),
        };
        let now = world.keyspace.clock().now_ms();
        let client = Client::new(&world, origin, now);
        Self { world, client }
    }

    /// A connection to a new and empty world with default settings, on the system's clock, and a disk in memory.
    pub fn alone() -> Self {
        Self::new(Arc::new(World::on(
            Arc::new(Memory::new()),
            Arc::new(Self::settings()),
            Arc::default(),
            Clock::System,
        )))
    }

    /// The defaults, for a disk in memory, which has no directories but the first.
    pub(super) fn settings() -> Config {
        let mut config = Config::new();
        config
            .load_text("dir /")
            .expect("every system has that directory");
        config
    }

    /// What this session is connected to.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    /// From now on it sends what a log holds.
    pub(super) fn replay(&mut self) {
        self.client.replays = true;
    }

    /// What a request names.
    pub(super) fn named(&self, request: Request<'_>) -> Named {
        Named::by(&self.world, &self.client, request)
    }

    /// As [`Session::run`], of a request that is borrowed.
    pub(super) fn execute(&mut self, named: Named, request: Request<'_>, out: &mut Output) -> Flow {
        execute(&self.world, &mut self.client, named, request, out)
    }

    /// Runs the whole requests in `input`, those that come together as a connection runs them, and appends their replies to
    /// `out`. Stops at one that has a connection do something else than go on. How many bytes of `input` are done with.
    pub fn run_pipeline(&mut self, parser: &mut Parser, input: &[u8], out: &mut Output) -> usize {
        self.world.keyspace.clock().now_ms();
        let limits = Limits::default();
        while parser.look_ahead(input, &limits, TOGETHER) {
            let ahead = parser.ahead(input);
            let (count, flow) = run_together(&self.world, &mut self.client, ahead, out);
            parser.hand_out(count);
            if !matches!(flow, Flow::Continue) {
                break;
            }
        }
        parser.release()
    }

    /// Runs one request, its reply appended to `out` as it would be sent.
    pub fn run(&mut self, request: &OwnedRequest, out: &mut Output) -> Flow {
        // Accesses are dated by the last look at the clock, which otherwise is when bytes arrive.
        self.world.keyspace.clock().now_ms();
        let request = request.as_request();
        self.execute(self.named(request), request, out)
    }
}

impl Session {
    /// Runs the request made of `words` and returns its whole reply, as bytes on the wire.
    ///
    /// # Panics
    ///
    /// If there are no words.
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: impl IntoIterator<Item = W>) -> Vec<u8> {
        let request = OwnedRequest::from_words(words).expect("a request has a name");
        let mut out = Output::new();
        self.run(&request, &mut out);
        sent(out)
    }

    /// Runs the requests in `bytes`, which are whole, as [`Session::run_pipeline`] does, and returns all their replies.
    pub fn pipe(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Output::new();
        self.run_pipeline(&mut Parser::new(), bytes, &mut out);
        sent(out)
    }

    /// Runs a command written as words with single spaces between, and returns its reply as text.
    pub fn say(&mut self, line: &str) -> String {
        String::from_utf8_lossy(&self.ask(line.split(' '))).into_owned()
    }
}

/// All that waits, as bytes on the wire.
fn sent(mut out: Output) -> Vec<u8> {
    let mut sent = Vec::new();
    while !out.is_empty() {
        let chunk = out.chunk();
        sent.extend_from_slice(chunk);
        let len = chunk.len();
        out.advance(len);
    }
    sent
}

impl Drop for Session {
    fn drop(&mut self) {
        super::disconnect(&self.world, &mut self.client);
    }
}
