//! The program as a person or a container starts it: arguments, output, signals, exit status.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[path = "program/doors.rs"]
mod doors;
#[path = "program/endings.rs"]
mod endings;
#[path = "program/kill.rs"]
mod kill;

const PROGRAM: &str = env!("CARGO_BIN_EXE_bitmapd");

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory of one test's own, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("bitmapd-program-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory for the test");
        Scratch(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("the directory is removed");
    }
}

/// Runs the program to its end.
fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// Sends a signal by its name.
fn signal(name: &str, pid: &str) {
    let status = Command::new("kill")
        .args(["-s", name, pid])
        .status()
        .expect("there is a kill");
    assert!(status.success());
}

/// Waits for something that is about to be.
fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A server on a Unix socket, with its log on standard output; killed if it is still there when dropped.
struct Server {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Server {
    /// In a directory of the test's own, where its data goes.
    fn start(dir: &Scratch, args: &[&str], input: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        command
            .args(args)
            .current_dir(&dir.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let mut stdin = child.stdin.take().expect("piped");
        stdin
            .write_all(input.as_bytes())
            .expect("the input is small");
        let output = child.stdout.take().expect("piped");
        Server {
            child,
            lines: BufReader::new(output).lines(),
        }
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Reads the log up to a line that contains `text`, and returns all of it.
    fn log_until(&mut self, text: &str) -> Vec<String> {
        let mut read = Vec::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            let found = line.contains(text);
            read.push(line);
            if found {
                return read;
            }
        }
        panic!("{text:?} is not in the log: {read:#?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is what most tests want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of the socket, which waits for no reply for ever.
fn connect(socket: &str) -> UnixStream {
    let stream = UnixStream::connect(socket).expect("it listens");
    let timeout = stream.set_read_timeout(Some(PATIENCE));
    timeout.expect("a socket option");
    stream
}

/// One request on a socket and the first line of what comes back.
fn ask(socket: &str, request: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(format!("{request}\r\n").as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).ok()?;
    Some(line.trim_end().to_string())
}

#[test]
fn versions_and_help_are_told_under_either_name() {
    let scratch = Scratch::new("names");
    let alias = scratch.path("redis-server");
    std::os::unix::fs::symlink(PROGRAM, &alias).expect("linked");
    for program in [PROGRAM, &alias] {
        for flag in ["-v", "--version"] {
            let output = run(program, &[flag]);
            assert!(output.status.success());
            let out = text(&output.stdout);
            assert!(out.starts_with("Redis server v=8.2.3 sha="), "{out}");
            assert!(
                out.contains(concat!("\nbitmapd ", env!("CARGO_PKG_VERSION"), "\n")),
                "{out}"
            );
        }
        let help = run(program, &["--help"]);
        assert!(help.status.success() && text(&help.stdout).contains("redis.conf"));
    }
}

#[test]
fn bad_settings_end_it_with_the_report_of_redis() {
    let report = |args: &[&str]| {
        let output = run(PROGRAM, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
        text(&output.stderr).to_string()
    };
    let expected = "\n*** FATAL CONFIG FILE ERROR (Redis 8.2.3) ***\nReading the configuration file, at line 2\n\
                    >>> 'port \"x\"'\nargument couldn't be parsed into an integer\n";
    assert_eq!(report(&["--port", "x"]), expected);
    assert!(report(&["--nosuch", "1"]).ends_with("Bad directive or wrong number of arguments\n"));
    let taken = report(&["--rename-command", "GET", "SET"]);
    assert!(
        taken.ends_with(
            ">>> 'rename-command \"GET\" \"SET\"'\nTarget command name already exists\n"
        ),
        "{taken}"
    );
    assert!(report(&["/nonexistent.conf"]).contains("can't open config file '/nonexistent.conf'"));
}

#[test]
fn it_says_when_it_is_ready_serves_and_ends_on_a_signal() {
    for name in ["TERM", "INT"] {
        let scratch = Scratch::new(&format!("serve-{name}"));
        let (socket, pidfile) = (scratch.path("socket"), scratch.path("pid"));
        let args = [
            "--port",
            "0",
            "--unixsocket",
            &socket,
            "--pidfile",
            &pidfile,
            "--list-compress-depth",
            "3",
        ];
        let mut server = Server::start(&scratch, &args, "");
        let log = server.log_until("Server initialized").join("\n");
        let pid = server.pid();
        assert!(
            log.contains("version=8.2.3") && log.contains(&format!("pid={pid}")),
            "{log}"
        );
        assert!(log.contains("port=0") && log.contains("kernels="), "{log}");
        assert!(
            log.contains("# The setting 'list-compress-depth' is accepted and has no effect here"),
            "{log}"
        );
        eventually("the pid file", || {
            (fs::read_to_string(&pidfile).ok()? == format!("{pid}\n")).then_some(())
        });
        assert_eq!(ask(&socket, "PING").as_deref(), Some("+PONG"));

        signal(name, &pid);
        server.log_until("bye bye");
        assert!(server.child.wait().expect("it ends").success());
        assert!(!Path::new(&pidfile).exists() && !Path::new(&socket).exists());
    }
}

#[test]
fn settings_come_from_a_file_standard_input_and_arguments() {
    let scratch = Scratch::new("sources");
    let (file, socket) = (scratch.path("redis.conf"), scratch.path("socket"));
    fs::write(
        &file,
        format!("# mine\nunixsocket \"{socket}\"\nport nonsense\n"),
    )
    .expect("written");
    assert_eq!(
        run(PROGRAM, &[&file, "--port", "0"]).status.code(),
        Some(1),
        "every line must be good by itself"
    );

    fs::write(
        &file,
        format!("# mine\nunixsocket \"{socket}\"\nloglevel warning\n"),
    )
    .expect("written");
    let args = [&file, "--port", "0", "-"];
    let mut server = Server::start(&scratch, &args, "port 1\nrequirepass secret\n");
    let reply = eventually("an answer", || ask(&socket, "GETBIT k 0"));
    assert_eq!(reply, "-NOAUTH Authentication required.");
    signal("TERM", &server.pid());
    assert!(server.child.wait().expect("it ends").success());
    let log: Vec<String> = server.lines.by_ref().map_while(Result::ok).collect();
    assert!(
        !log.iter().any(|line| line.contains(" * ")),
        "notices are below the level: {log:#?}"
    );
}

#[test]
fn the_log_goes_to_a_file_if_one_is_named() {
    let scratch = Scratch::new("log");
    let (socket, logfile) = (scratch.path("socket"), scratch.path("log"));
    let args = [
        "--port",
        "0",
        "--unixsocket",
        &socket,
        "--logfile",
        &logfile,
    ];
    let mut server = Server::start(&scratch, &args, "");
    let log = || {
        fs::read_to_string(&logfile)
            .ok()
            .filter(|log| log.contains("Server initialized"))
    };
    let log = eventually("a log", log);
    assert!(
        log.starts_with(&format!("{}:M ", server.child.id())),
        "{log}"
    );
    signal("TERM", &server.pid());
    assert!(server.child.wait().expect("it ends").success());
    assert!(
        server.lines.next().is_none(),
        "nothing is left for standard output"
    );
}

#[test]
fn it_goes_to_the_background_on_request() {
    let scratch = Scratch::new("daemon");
    let (socket, pidfile, logfile) = (
        scratch.path("socket"),
        scratch.path("pid"),
        scratch.path("log"),
    );
    let args = [
        "--daemonize",
        "yes",
        "--port",
        "0",
        "--unixsocket",
        &socket,
        "--pidfile",
        &pidfile,
        "--dir",
        &scratch.path(""),
    ];
    assert!(
        run(PROGRAM, &[&args[..], &["--logfile", &logfile]].concat())
            .status
            .success()
    );
    let pid = eventually("a pid file", || {
        fs::read_to_string(&pidfile)
            .ok()
            .filter(|pid| pid.ends_with('\n'))
    });
    assert_eq!(eventually("an answer", || ask(&socket, "PING")), "+PONG");
    signal("TERM", pid.trim());
    eventually("its end", || (!Path::new(&pidfile).exists()).then_some(()));
    eventually("its farewell", || {
        fs::read_to_string(&logfile)
            .ok()
            .filter(|log| log.contains("bye bye"))
    });
}

#[test]
fn what_it_holds_is_there_again_after_a_signal_and_after_a_kill() {
    let scratch = Scratch::new("restart");
    let socket = scratch.path("socket");
    let args = ["--port", "0", "--unixsocket", &socket, "--save", "3600 1"];
    let mut server = Server::start(&scratch, &args, "");
    server.log_until("Ready to accept");
    assert_eq!(ask(&socket, "SETBIT k 9 1").as_deref(), Some(":0"));

    let second = Command::new(PROGRAM)
        .args(["--port", "0", "--unixsocket", &scratch.path("second")])
        .current_dir(&scratch.0)
        .output()
        .expect("it runs");
    assert_eq!(second.status.code(), Some(1));
    let log = text(&second.stdout);
    assert!(log.contains("another server uses the directory"), "{log}");
    let unsaved = ["--port", "0", "--unixsocket", &scratch.path("third")];
    let mut third = Server::start(&scratch, &[&unsaved[..], &["--save", ""]].concat(), "");
    third.log_until("Ready to accept"); // it has nothing to save, so nothing is in its way

    signal("TERM", &server.pid());
    server.log_until("DB saved on disk");
    server.log_until("bye bye");
    for round in 0..2 {
        let mut server = Server::start(&scratch, &args, "");
        server.log_until("Ready to accept");
        assert_eq!(ask(&socket, "GETBIT k 9").as_deref(), Some(":1"), "{round}");
        assert_eq!(ask(&socket, "DBSIZE").as_deref(), Some(":1"), "{round}");
        ask(&socket, "SET lost 1");
        signal("KILL", &server.pid());
        server.child.wait().expect("it ends");
    }
}

#[test]
fn a_file_it_cannot_take_as_a_whole_stops_the_start() {
    let scratch = Scratch::new("damaged");
    let start = |file: &[u8]| {
        fs::write(scratch.path("dump.rdb"), file).expect("written");
        let socket = scratch.path("socket");
        let output = Command::new(PROGRAM)
            .args(["--port", "0", "--unixsocket", &socket])
            .current_dir(&scratch.0)
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            fs::read(scratch.path("dump.rdb")).expect("it is there"),
            file
        );
        text(&output.stdout).to_string()
    };
    let log = start(b"REDIS0010\x00\x01k\x05val");
    assert!(log.contains("Fatal error loading the DB from"), "{log}");
    let list = b"REDIS0010\x00\x01k\x01v\x01\x01l\x01\x01x\xff\0\0\0\0\0\0\0\0";
    let log = start(list);
    assert!(
        log.contains("holds 1 list besides strings") && log.contains("rdb-skip-unsupported yes"),
        "{log}"
    );
}

/// A real disk that takes no more: the system's limit on the size of files stands for one that is full.
#[test]
fn a_full_disk_stops_writes_until_there_is_room_and_costs_nothing_that_was_saved() {
    let scratch = Scratch::new("full");
    let socket = scratch.path("socket");
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$@\""; // blocks of 512 bytes
    let settings = ["--port", "0", "--save", "3600 1", "--rdbcompression", "no"];
    let mut child = Command::new("sh")
        .args(["-c", script, "sh", PROGRAM, "--unixsocket", &socket])
        .args(settings)
        .current_dir(&scratch.0)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let output = child.stdout.take().expect("piped");
    let lines = BufReader::new(output).lines();
    let mut server = Server { child, lines };
    server.log_until("Ready to accept");
    let ask = |line: &str| ask(&socket, line).expect("an answer");
    assert_eq!(ask("SET small 1"), "+OK");
    assert_eq!(ask("SAVE"), "+OK");
    let saved = fs::read(scratch.path("dump.rdb")).expect("saved");

    assert_eq!(ask(&format!("SET big {}", "x".repeat(50_000))), "+OK");
    assert_eq!(ask("BGSAVE"), "+Background saving started");
    server.log_until("Background saving error");
    assert!(ask("SET small 2").starts_with("-MISCONF "));
    assert_eq!(ask("STRLEN big"), ":50000");
    let left: Vec<_> = fs::read_dir(&scratch.0)
        .expect("the directory")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".rdb"))
        .collect();
    assert_eq!(left, ["dump.rdb"], "nothing half-written is left");
    assert_eq!(fs::read(scratch.path("dump.rdb")).expect("whole"), saved);

    assert_eq!(ask("CONFIG SET stop-writes-on-bgsave-error no"), "+OK");
    assert_eq!(ask("DEL big"), ":1");
    assert_eq!(ask("CONFIG SET stop-writes-on-bgsave-error yes"), "+OK");
    assert_eq!(ask("BGSAVE"), "+Background saving started");
    server.log_until("Background saving terminated with success");
    assert_eq!(ask("SET small 2"), "+OK");
}
