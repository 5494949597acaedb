//! What a stranger, a runaway client or a broken one may try, against the program with 64 MB of `maxmemory`: its resident
//! memory stays in bounds, and another client is answered all the while.
//!
//! Bounds of time are wide, as tests run beside each other on busy machines; a stuck server exceeds them by far.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

const MEGABYTE: u64 = 1 << 20;

/// What the process may hold: `maxmemory`, what the allocator keeps besides, the program itself, and a connection's limits.
const MOST_RESIDENT: u64 = 160 * MEGABYTE;

/// How long the other client may wait for an answer.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// One attack at a time.
static ALONE: Mutex<()> = Mutex::new(());

struct Server {
    process: Child,
    port: u16,
    directory: PathBuf,
}

impl Server {
    fn start(settings: &[&str]) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|socket| socket.local_addr())
            .expect("a port")
            .port();
        let directory = std::env::temp_dir().join(format!("bitmapd-hostile-{port}"));
        fs::create_dir_all(&directory).expect("a directory for the server");
        let process = Command::new(env!("CARGO_BIN_EXE_bitmapd"))
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args([
                "--maxmemory",
                "64mb",
                "--maxmemory-clients",
                "32mb",
                "--dir",
            ])
            .arg(&directory)
            .args(["--client-output-buffer-limit", "normal 16mb 8mb 5"])
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts");
        let server = Self {
            process,
            port,
            directory,
        };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < PATIENCE, "the server does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket option");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a socket option");
        stream
    }

    /// Bytes of memory the process holds, as the system counts them.
    fn resident(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).expect("the server runs");
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
        self.process.kill().expect("it ran");
        self.process.wait().expect("it ended");
        fs::remove_dir_all(&self.directory).expect("the directory is removed");
    }
}

/// Runs `attack` on a server of its own while another client asks, and judges both. `hello` is what that client says first.
fn under(settings: &[&str], hello: &str, attack: impl FnOnce(&Server)) {
    let _alone = ALONE.lock();
    let server = Server::start(settings);
    let (over, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let longest = thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut other = server.connect();
            if !hello.is_empty() {
                assert_eq!(ask(&mut other, hello), "+OK\r\n");
            }
            let (mut longest, mut asked) = (Duration::ZERO, 0);
            while !over.load(Ordering::Relaxed) || asked < 20 {
                let start = Instant::now();
                let line = if asked % 2 == 0 {
                    "GETBIT b 7"
                } else {
                    "GET nothing"
                };
                let answer = ask(&mut other, line);
                assert!(answer == ":0\r\n" || answer == "$-1\r\n", "{answer}");
                longest = longest.max(start.elapsed());
                most.fetch_max(server.resident(), Ordering::Relaxed);
                asked += 1;
                thread::sleep(Duration::from_millis(5));
            }
            longest
        });
        let attacked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attack(&server)));
        over.store(true, Ordering::Relaxed);
        let longest = other.join().expect("the other client is served");
        if let Err(panic) = attacked {
            std::panic::resume_unwind(panic);
        }
        longest
    });
    let most = most.into_inner();
    println!(
        "resident at most {} MB, longest wait {longest:?}",
        most / MEGABYTE
    );
    assert!(most <= MOST_RESIDENT, "{} MB resident", most / MEGABYTE);
    assert!(longest <= LONGEST_WAIT, "an answer took {longest:?}");
}

/// Sends a line and reads what comes back at once.
fn ask(stream: &mut TcpStream, line: &str) -> String {
    stream
        .write_all(format!("{line}\r\n").as_bytes())
        .expect("the server reads");
    let mut answer = [0; 1024];
    let count = stream.read(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

/// Sends as much as the server takes. Whether it took all; a closed connection is an answer too.
fn push(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    match stream.write_all(bytes) {
        Ok(()) => true,
        Err(error) => {
            let refused = [
                ErrorKind::BrokenPipe,
                ErrorKind::ConnectionReset,
                ErrorKind::ConnectionAborted,
                ErrorKind::WouldBlock,
            ];
            assert!(refused.contains(&error.kind()), "{error}");
            false
        }
    }
}

/// Everything until the server closes, or nothing has come for a moment.
fn last_words(stream: &mut TcpStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .expect("a socket option");
    let mut said = Vec::new();
    let mut piece = [0; 65536];
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        said.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

fn is_closed(stream: &mut TcpStream) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a socket option");
    let mut piece = [0; 65536];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

fn words(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Bytes that do not compress.
fn noise(len: usize, seed: u32) -> Vec<u8> {
    (0..len as u32)
        .map(|at| ((at ^ seed).wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn lengths_that_are_promised_and_never_sent() {
    under(&[], "", |server| {
        let promises: [&[u8]; 4] = [
            b"*2\r\n$3\r\nGET\r\n$536870912\r\nabc",
            b"*1048576\r\n",
            b"*2147483647\r\n$1\r\na\r\n",
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\n",
        ];
        let mut held = Vec::new();
        for n in 0..200 {
            let mut stream = server.connect();
            push(&mut stream, promises[n % promises.len()]);
            held.push(stream);
        }
        thread::sleep(Duration::from_millis(300));
        assert!(server.resident() < 60 * MEGABYTE, "{}", server.resident());
    });
}

#[test]
fn nested_arrays_and_a_million_empty_words() {
    under(&[], "", |server| {
        let mut nested = server.connect();
        push(&mut nested, &b"*1\r\n".repeat(200_000));
        assert!(last_words(&mut nested).starts_with("-ERR Protocol error: expected '$', got '*'"));
        let mut many = server.connect();
        push(&mut many, b"*1000000\r\n");
        if push(&mut many, &b"$0\r\n\r\n".repeat(1_000_000)) {
            last_words(&mut many);
        }
        // Several that hold their words back just before the last.
        let mut held = Vec::new();
        for _ in 0..6 {
            let mut stream = server.connect();
            push(&mut stream, b"*1000000\r\n");
            push(&mut stream, &b"$0\r\n\r\n".repeat(999_000));
            held.push(stream);
        }
    });
}

#[test]
fn senders_that_take_their_time() {
    under(&[], "", |server| {
        let request = words(&[b"SET", b"slow", b"value"]);
        let mut streams: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
        for byte in &request {
            for stream in &mut streams {
                assert!(push(stream, &[*byte]));
            }
            thread::sleep(Duration::from_millis(10));
        }
        for stream in &mut streams {
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"+OK\r\n");
        }
    });
}

/// A string of 512 MB costs nothing to hold, and must cost nothing to send to those who do not read it.
#[test]
fn readers_that_do_not_read_half_a_gigabyte() {
    under(&[], "", |server| {
        let mut one = server.connect();
        assert_eq!(ask(&mut one, "SETBIT big 4294967295 1"), ":0\r\n");
        let mut held = Vec::new();
        for n in 0..50 {
            let mut stream = server.connect();
            push(&mut stream, &b"GET big\r\n".repeat(1 + n * 4));
            held.push(stream);
        }
        thread::sleep(Duration::from_millis(500));
        assert!(server.resident() < 80 * MEGABYTE, "{}", server.resident());
    });
}

#[test]
fn a_pipeline_whose_replies_nobody_reads() {
    under(&[], "", |server| {
        let mut one = server.connect();
        let value = noise(10_000, 1);
        push(&mut one, &words(&[b"SET", b"v", &value]));
        let mut flood = server.connect();
        flood
            .set_write_timeout(Some(Duration::from_secs(3)))
            .expect("a socket option");
        let gets = b"GET v\r\n".repeat(10_000);
        let taken = (0..30).take_while(|_| push(&mut flood, &gets)).count();
        thread::sleep(Duration::from_secs(3)); // time to run them; reading at once would help the server
        assert!(
            taken < 30 || is_closed(&mut flood),
            "300,000 replies were kept"
        );
    });
}

#[test]
fn lines_without_an_end() {
    under(&[], "", |server| {
        for start in ["", "*", "$", "*1\r\n$"] {
            let mut stream = server.connect();
            push(&mut stream, start.as_bytes());
            push(&mut stream, &vec![b'1'; 4 << 20]);
            let said = last_words(&mut stream);
            assert!(
                said.is_empty() || said.starts_with("-ERR Protocol error: "),
                "{said}"
            );
            assert!(is_closed(&mut stream), "after {start:?}");
        }
    });
}

#[test]
fn a_transaction_without_an_end() {
    under(&[], "", |server| {
        let mut stream = server.connect();
        assert_eq!(ask(&mut stream, "MULTI"), "+OK\r\n");
        let set = words(&[b"SET", b"k", &noise(1 << 20, 2)]);
        let taken = (0..200).take_while(|_| push(&mut stream, &set)).count();
        assert!(taken < 200 || is_closed(&mut stream), "200 MB were queued");
        // And one of commands that need no memory to run.
        let mut stream = server.connect();
        assert_eq!(ask(&mut stream, "MULTI"), "+OK\r\n");
        let ping = words(&[b"PING", &noise(1 << 20, 3)]);
        let taken = (0..200).take_while(|_| push(&mut stream, &ping)).count();
        assert!(taken < 200 || is_closed(&mut stream), "200 MB were queued");
    });
}

#[test]
fn subscriptions_and_watched_keys_without_end() {
    under(&[], "", |server| {
        for command in ["SUBSCRIBE", "WATCH"] {
            let mut stream = server.connect();
            stream
                .set_write_timeout(Some(Duration::from_secs(3)))
                .expect("a socket option");
            let mut drain = stream.try_clone().expect("another handle");
            let reader = thread::spawn(move || {
                let mut piece = [0; 65536];
                while let Ok(1..) = drain.read(&mut piece) {}
            });
            let batch = |n: u32| -> Vec<u8> {
                (0..200)
                    .flat_map(|at| {
                        let name =
                            [n.to_be_bytes().as_slice(), &noise(2000, n * 200 + at)].concat();
                        words(&[command.as_bytes(), &name])
                    })
                    .collect()
            };
            let taken = (0..300)
                .take_while(|n| push(&mut stream, &batch(*n)))
                .count();
            assert!(taken < 300, "{command}: all 120 MB of names were kept");
            drop(stream);
            reader.join().expect("it only reads");
        }
    });
}

#[test]
fn values_that_would_fill_the_memory() {
    under(&[], "", |server| {
        let mut stream = server.connect();
        let mut refused = 0;
        for n in 0..200u32 {
            let key = n.to_string();
            let set = words(&[b"SET", key.as_bytes(), &noise(1 << 20, n)]);
            assert!(push(&mut stream, &set));
            let mut answer = [0; 512];
            let count = stream.read(&mut answer).expect("an answer");
            refused += u32::from(answer[..count].starts_with(b"-OOM command not allowed"));
        }
        assert!((130..200).contains(&refused), "{refused} of 200 refused");
        // There may be room for one or two more.
        for heavy in ["BITOP NOT not{} 1", "BITOP OR or{} 1 2 3 4 5 6 7 8"] {
            let refused = (0..8).any(|n| {
                let said = ask(&mut stream, &heavy.replace("{}", &n.to_string()));
                said.starts_with("-OOM")
            });
            assert!(refused, "{heavy}");
        }
        assert_eq!(ask(&mut stream, "DEL 1 2 3"), ":3\r\n");
        // What is in use is reckoned anew ten times a second.
        let taken = (0..20).any(|_| {
            thread::sleep(Duration::from_millis(50));
            ask(&mut stream, "SETBIT b 0 1") == ":0\r\n"
        });
        assert!(taken, "there is room again, and it is not used");
    });
}

#[test]
fn a_value_of_300_megabytes_that_really_comes() {
    under(&[], "", |server| {
        let mut stream = server.connect();
        push(&mut stream, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$314572800\r\n");
        let piece = noise(1 << 20, 4);
        let taken = (0..300).take_while(|_| push(&mut stream, &piece)).count();
        assert!(taken < 300 || is_closed(&mut stream), "all of it was taken");
    });
}

/// The same by somebody who has no password.
#[test]
fn a_stranger_costs_nothing() {
    under(&["--requirepass", "secret"], "AUTH secret", |server| {
        let before = server.resident();
        let mut held = Vec::new();
        for attack in [
            &b"*11\r\n"[..],
            b"*1000000\r\n",
            b"*2\r\n$3\r\nGET\r\n$16385\r\n",
            b"*1\r\n$536870912\r\n",
        ] {
            for _ in 0..25 {
                let mut stream = server.connect();
                push(&mut stream, attack);
                assert!(
                    last_words(&mut stream).starts_with("-ERR Protocol error: unauthenticated")
                );
            }
        }
        for line in [
            "SUBSCRIBE x",
            "MULTI",
            "WATCH k",
            "GET k",
            "SET k v",
            "CONFIG GET *",
        ] {
            let said = ask(&mut server.connect(), line);
            assert!(said.starts_with("-NOAUTH"), "{line}: {said}");
        }
        for n in 0..40 {
            let mut stream = server.connect();
            stream
                .set_write_timeout(Some(Duration::from_millis(200)))
                .expect("a socket option");
            let flood = match n % 3 {
                0 => b"GET k\r\n".repeat(100_000),
                1 => vec![b'x'; 1 << 20],
                _ => words(&[b"AUTH", &noise(16_000, 5)]).repeat(40),
            };
            push(&mut stream, &flood);
            held.push(stream);
        }
        let grown = server.resident().saturating_sub(before);
        assert!(grown < 32 * MEGABYTE, "{} MB", grown / MEGABYTE);
    });
}
