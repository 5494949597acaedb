//! A server inside the test process, on a port the system chose, and a client that sends and reads raw bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bitmapd::cmd::World;
use bitmapd::config::Config;
use bitmapd::server::{Listen, Server, Signals, Stopper};
use bitmapd::stats::Stats;
use bitmapd::store::Clock;

/// How long anything may take before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running server, stopped when dropped.
pub struct TestServer {
    pub world: Arc<World>,
    pub address: SocketAddr,
    stopper: Stopper,
    running: Option<JoinHandle<()>>,
}

impl TestServer {
    /// With the settings at their defaults.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With these settings, as `CONFIG SET` or a file would give them.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let listen = Listen {
            bind: vec!["127.0.0.1".into()],
            port: Some(0),
            backlog: 511,
            ..Listen::default()
        };
        Self::listening(settings, &listen)
    }

    /// On sockets of the test's choice, the first of them TCP.
    pub fn listening(settings: &[(&str, &str)], listen: &Listen) -> Self {
        let config = Config::new();
        config.set(&[(b"save", b"")], true).expect("no files");
        for (name, value) in settings {
            config
                .set(&[(name.as_bytes(), value.as_bytes())], true)
                .unwrap_or_else(|error| panic!("{error}"));
        }
        let world = Arc::new(World::new(
            Arc::new(config),
            Arc::new(Stats::default()),
            Clock::System,
        ));
        let server = Server::bind(Arc::clone(&world), listen).expect("a free port");
        let address = server.addresses()[0];
        let stopper = server.stopper();
        let running = thread::spawn(move || server.run(Signals::Ignore).expect("a clean end"));
        Self {
            world,
            address,
            stopper,
            running: Some(running),
        }
    }

    /// A new connection.
    pub fn connect(&self) -> Client {
        Client::to(self.address)
    }

    /// Asks the server to end, without waiting for it.
    pub fn stop(&self) {
        self.stopper.stop();
    }

    /// Waits for the end, and says how long that took.
    pub fn join(&mut self) -> Duration {
        let start = Instant::now();
        if let Some(running) = self.running.take() {
            running.join().expect("the server does not panic");
        }
        start.elapsed()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
        if !thread::panicking() {
            self.join();
        }
    }
}

/// A connection that knows nothing of the protocol.
pub struct Client(pub TcpStream);

impl Client {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a socket option");
        Self(stream)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// Reads as many bytes as are expected, and compares.
    #[track_caller]
    pub fn expect(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let got = self.read(expected.len());
        assert!(
            got == expected,
            "expected \"{}\", got \"{}\"",
            expected.escape_ascii(),
            got.escape_ascii()
        );
    }

    /// Sends a line and compares the answer.
    #[track_caller]
    pub fn ask(&mut self, line: &str, expected: &str) {
        self.send(format!("{line}\r\n"));
        self.expect(expected);
    }

    #[track_caller]
    pub fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut have = 0;
        while have < len {
            match self.0.read(&mut bytes[have..]) {
                Ok(0) => panic!("closed after \"{}\"", bytes[..have].escape_ascii()),
                Ok(count) => have += count,
                Err(error) => panic!("{error} after \"{}\"", bytes[..have].escape_ascii()),
            }
        }
        bytes
    }

    /// Everything until the server closes.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => {}
            // What the server had not read when it closed makes the system send a reset.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("not closed: {error}, after \"{}\"", bytes.escape_ascii()),
        }
        bytes
    }

    /// Tells the server that nothing more will come.
    pub fn finish(&mut self) {
        self.0.shutdown(Shutdown::Write).expect("an open socket");
    }
}

/// A request in the form clients send.
pub fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Waits until `condition` holds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "still not: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
