//! One server, started for one row and killed after it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::time::TimeValLike;
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::load::Load;

/// The core that the server has to itself.
pub const CORE: usize = 1;

/// Where the load runs.
pub const LOAD_CORE: usize = 0;

pub struct Server {
    process: Child,
    directory: PathBuf,
    port: u16,
}

impl Server {
    /// On a core of its own.
    pub fn start(binary: &Path) -> Self {
        pin_thread(LOAD_CORE);
        Self::start_on(&CORE.to_string(), binary, &[])
    }

    /// On these cores (`0-3`), with more settings.
    pub fn start_on(cores: &str, binary: &Path, flags: &[&str]) -> Self {
        let port = std::net::TcpListener::bind(("127.0.0.1", 0))
            .and_then(|socket| socket.local_addr())
            .expect("a port")
            .port();
        let directory = env::temp_dir().join(format!("versus-redis-{port}"));
        fs::create_dir_all(&directory).expect("a directory for the server");
        let process = Command::new("taskset")
            .args(["-c", cores])
            .arg(binary)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args([
                "--save",
                "",
                "--enable-debug-command",
                "yes",
                "--maxclients",
                "10100",
                "--dir",
            ])
            .arg(&directory)
            .args(flags)
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("taskset {}: {error}", binary.display()));
        let server = Self {
            process,
            directory,
            port,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while Load::open(port).is_err() {
            assert!(
                Instant::now() < deadline,
                "{} does not answer",
                binary.display()
            );
            sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn connect(&self) -> Load {
        Load::open(self.port).expect("a server that listens")
    }

    /// CPU time that all its threads have had, those that have ended too, in nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        let clock = clock_getcpuclockid(Pid::from_raw(self.process.id() as i32));
        let time = clock_gettime(clock.expect("a process's clock")).expect("the server is running");
        time.num_nanoseconds() as u64
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        const PAGE: u64 = 4096;
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.process.id()))
            .expect("the server is running");
        let pages = statm
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<u64>().ok());
        pages.expect("a number of pages") * PAGE
    }

    /// What the server says it uses, in bytes.
    pub fn used_memory(&self) -> u64 {
        let info = self.connect().ask(&[b"INFO", b"memory"]);
        let info = String::from_utf8_lossy(&info);
        let used = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.parse().ok())
            .expect("INFO memory has used_memory")
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

/// Keeps the calling thread on one core.
pub fn pin_thread(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core).expect("a core's number");
    sched_setaffinity(Pid::from_raw(0), &cores).expect("a machine with two cores");
}
