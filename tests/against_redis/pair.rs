//! The two servers: the real Redis and bitmapd, each on a free port with an empty directory, stopped when dropped.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::wire::Connection;

pub struct Server {
    process: Child,
    directory: PathBuf,
    pub port: u16,
}

impl Server {
    fn start(binary: &Path, flags: &[&str]) -> Self {
        Self::start_with(binary, flags, |_| ())
    }

    /// In a directory that `prepare` has put files into.
    pub fn start_with(binary: &Path, flags: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "against-redis-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a directory for the server");
        prepare(&directory);
        let log = File::create(directory.join("log")).expect("a log file");
        let port = free_port();
        let process = Command::new(binary)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--enable-debug-command",
                "yes",
            ])
            .arg("--dir")
            .arg(&directory)
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let mut server = Self {
            process,
            directory,
            port,
        };
        server.wait_until_ready(binary);
        server
    }

    fn wait_until_ready(&mut self, binary: &Path) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait().expect("a child") {
                panic!(
                    "{} ended at once ({status}):\n{}",
                    binary.display(),
                    self.log()
                );
            }
            if Connection::open(self.port)
                .and_then(|mut connection| connection.ask(&[b"PING"]))
                .is_ok_and(|reply| !reply.string().contains("LOADING"))
            {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("{} does not answer PING:\n{}", binary.display(), self.log());
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the server has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.directory.join("log")).unwrap_or_default())
            .into_owned()
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.port)
            .unwrap_or_else(|error| panic!("port {}: {error}\n{}", self.port, self.log()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child that has already ended cannot be killed, and its directory may be gone; neither matters here.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A port nobody listens on, below those that the kernel hands to outgoing connections: these tests open thousands of them,
/// and one could take the port before the server does.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(61);
    (0..12_000)
        .map(|_| {
            20_000 + (start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000) as u16
        })
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .expect("a free port")
}

pub struct Pair {
    pub redis: Server,
    pub ours: Server,
}

impl Pair {
    /// Starts both, or says aloud why not: `cargo test` alone, on a machine where `tests/run` never ran, has no Redis.
    pub fn start(flags: &[&str]) -> Option<Self> {
        let Some(reference) = reference() else {
            // Past the test harness, which keeps what a passing test prints to itself.
            let _ = writeln!(
                std::io::stderr(),
                "against Redis: SKIPPED, no Redis here to compare with; tests/run fetches one, or set REDIS_REFERENCE"
            );
            return None;
        };
        let ours = env::var_os("AGAINST_REDIS_SERVER")
            .map_or(env!("CARGO_BIN_EXE_bitmapd").into(), PathBuf::from);
        Some(Self {
            redis: Server::start(&reference, flags),
            ours: Server::start(&ours, flags),
        })
    }

    /// Fails if our server noted a panic, even one that no reply showed.
    pub fn end_in_peace(self) {
        let log = self.ours.log();
        assert!(!log.contains("panicked at"), "the server panicked:\n{log}");
    }
}

/// The Redis to compare with, if there is one.
pub fn reference() -> Option<PathBuf> {
    if let Some(binary) = env::var_os("REDIS_REFERENCE") {
        return Some(binary.into());
    }
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.tools/reference/redis-server");
    fetched.is_file().then_some(fetched)
}
