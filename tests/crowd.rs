//! Ten thousand connections, half of them busy; fewer where the system allows fewer open files.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many connections there are to be.
const WANTED: usize = 10_000;

/// Files that this process and the server have open besides.
const OTHERS: u64 = 200;

/// How often each busy connection asks.
const ROUNDS: usize = 5;

/// What a connection may cost the server while it is busy, in bytes: its read and its reply buffer are the worker's.
const EACH: u64 = 6 * 1024;

const PATIENCE: Duration = Duration::from_secs(60);

struct Server(Child);

impl Server {
    fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kilobytes
            .expect("it is told")
            .parse::<u64>()
            .expect("a number")
            * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().expect("it ran");
        self.0.wait().expect("it ended");
    }
}

fn connect(port: u16) -> TcpStream {
    let start = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream
                    .set_read_timeout(Some(PATIENCE))
                    .expect("a socket option");
                return stream;
            }
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn ten_thousand_connections_are_held_and_half_of_them_served() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("up to the hard limit is allowed");
    let count = WANTED.min(usize::try_from(most.saturating_sub(OTHERS)).expect("a number"));

    let port = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    let server = Server(
        Command::new(env!("CARGO_BIN_EXE_bitmapd"))
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--maxclients", "20000"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts"),
    );
    let mut streams = vec![connect(port)];
    let alone = server.resident();
    let start = Instant::now();
    streams.extend((1..count).map(|_| connect(port)));
    let connected = start.elapsed();

    let start = Instant::now();
    for round in 0..ROUNDS {
        for (n, stream) in streams.iter_mut().enumerate().step_by(2) {
            let (key, bit) = (n % 1000, n / 1000 * ROUNDS + round);
            write!(stream, "SETBIT {key} {bit} 1\r\nGETBIT {key} {bit}\r\n").expect("it is read");
        }
        for stream in streams.iter_mut().step_by(2) {
            let mut answer = [0; 8];
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b":0\r\n:1\r\n");
        }
    }
    let busy = start.elapsed();
    let grown = server.resident().saturating_sub(alone);
    println!(
        "{count} connections in {connected:?}, {} requests of half of them in {busy:?}, {} bytes each",
        count * ROUNDS,
        grown / count as u64
    );
    assert!(grown < count as u64 * EACH + (16 << 20), "{grown} bytes");

    // Those that said nothing until now are still there.
    for stream in streams.iter_mut().skip(1).step_by(count / 50 * 2 + 2) {
        stream.write_all(b"PING\r\n").expect("it is read");
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"+PONG\r\n");
    }
}
