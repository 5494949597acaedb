//! The program as a person or a container starts it: arguments, output, signals, exit status.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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
    fn start(args: &[&str], input: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        command
            .args(args)
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
        let mut server = Server::start(&args, "");
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
    let mut server = Server::start(&args, "port 1\nrequirepass secret\n");
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
    let mut server = Server::start(&args, "");
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
