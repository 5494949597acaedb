//! Where the program listens, what it says where it cannot, and how many it lets in.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::unix::{fs::PermissionsExt, net::UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use super::{PATIENCE, PROGRAM, Scratch, Server, ask, connect, eventually, run, signal, text};

/// A port that was free a moment ago, below those that the system hands out by itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 8000) as u16;
    let port = || 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 9000;
    let mut ports = std::iter::repeat_with(port).take(9000);
    ports
        .find(|&port| TcpListener::bind(("0.0.0.0", port)).is_ok())
        .expect("there are free ports")
}

/// Whether a server answers there.
fn answers(address: &str, port: u16) -> bool {
    let address: IpAddr = address.parse().expect("an address");
    let Ok(mut client) = TcpStream::connect((address, port)) else {
        return false;
    };
    client
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    let mut reply = [0; 7];
    client.write_all(b"PING\r\n").expect("it was just accepted");
    client.read_exact(&mut reply).expect("an answer");
    assert_eq!(&reply, b"+PONG\r\n", "{address}");
    true
}

/// The text of a log line, without who and when.
fn said(line: &str) -> &str {
    let marks = ["# ", "* "].map(|mark| line.find(mark));
    let mark = marks.into_iter().flatten().min();
    &line[mark.unwrap_or_else(|| panic!("no log line: {line}"))..]
}

/// The address is for documentation, so no machine has it.
const NOWHERE: &str = "203.0.113.77";

/// Addresses told to `bind`, which of the machine's then answer, and which do not.
#[test]
fn it_listens_where_bind_says_and_nowhere_else() {
    let (v4, v6) = ("127.0.0.1", "::1");
    let mut cases = vec![
        (
            vec!["127.0.0.1", "127.0.0.2"],
            vec![v4, "127.0.0.2"],
            vec![v6, "127.0.0.3"],
        ),
        (
            vec!["127.0.0.1 127.0.0.3"],
            vec![v4, "127.0.0.3"],
            vec!["127.0.0.2"],
        ),
        (vec!["-203.0.113.77", "127.0.0.1"], vec![v4], vec![v6]),
        (vec!["localhost"], vec![], vec!["127.0.0.2"]),
        (vec!["*"], vec![v4, "127.0.0.9"], vec![v6]),
        (vec!["*", "-::*"], vec![v4], vec![]),
    ];
    if TcpListener::bind((v6, 0)).is_ok() {
        cases.push((vec!["::*"], vec![v6], vec![v4]));
        cases.push((vec!["*", "::*"], vec![v4, v6], vec![]));
        cases.push((vec!["-::1"], vec![v6], vec![v4]));
    }
    let scratch = Scratch::new("bind");
    for (bind, open, shut) in cases {
        let port = free_port();
        let number = port.to_string();
        let args = [&["--port", &number, "--save", "", "--bind"], &bind[..]].concat();
        let mut server = Server::start(&scratch, &args, "");
        let log = server.log_until("Ready to accept");
        for address in open {
            assert!(answers(address, port), "{address} with {bind:?}");
        }
        for address in shut {
            assert!(!answers(address, port), "{address} with {bind:?}");
        }
        let warned = log.iter().any(|line| {
            said(line)
                == format!(
                    "# Warning: Could not create server TCP listening socket {NOWHERE}:{port}: \
                     bind: Cannot assign requested address"
                )
        });
        assert_eq!(warned, bind.contains(&"-203.0.113.77"), "{log:#?}");
    }
}

#[test]
fn where_it_cannot_listen_it_says_so_as_redis_does_and_ends() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("it is bound").port();
    let port = free_port();
    let failed = |host: &str, port: u16, why: &str| {
        vec![
            format!("# Warning: Could not create server TCP listening socket {host}:{port}: {why}"),
            format!("# Failed listening on port {port} (tcp), aborting."),
        ]
    };
    let nowhere = "# Configured to not listen anywhere, exiting.".to_string();
    let missing = "bind: Cannot assign requested address";
    let optional = format!("-{NOWHERE}");
    let cases = [
        (
            vec!["127.0.0.1"],
            taken,
            failed("127.0.0.1", taken, "bind: Address already in use"),
        ),
        (
            vec!["-127.0.0.1"],
            taken,
            failed("127.0.0.1", taken, "bind: Address already in use"),
        ),
        (
            vec!["127.0.0.1", NOWHERE],
            port,
            failed(NOWHERE, port, missing),
        ),
        (
            vec![&optional],
            port,
            vec![
                failed(NOWHERE, port, missing).swap_remove(0),
                nowhere.clone(),
            ],
        ),
        (vec![""], port, vec![nowhere.clone()]),
        (vec!["127.0.0.1"], 0, vec![nowhere]),
    ];
    for (bind, port, expected) in cases {
        let port = port.to_string();
        let args = [&["--port", &port, "--save", "", "--bind"], &bind[..]].concat();
        let output = run(PROGRAM, &args);
        assert_eq!(output.status.code(), Some(1), "{bind:?}");
        let log: Vec<&str> = text(&output.stdout).lines().map(said).collect();
        let end = &log[log.len().saturating_sub(expected.len())..];
        assert_eq!(end, expected, "{bind:?}");
    }
}

#[test]
fn the_unix_socket_has_the_permissions_that_were_asked_for() {
    let scratch = Scratch::new("permissions");
    let socket = scratch.path("socket");
    let args = ["--port", "0", "--save", "", "--unixsocket", &socket];
    for (told, bits) in [
        ("700", 0o700),
        ("770", 0o770),
        ("777", 0o777),
        ("600", 0o600),
    ] {
        let with = [&args[..], &["--unixsocketperm", told]].concat();
        let mut server = Server::start(&scratch, &with, "");
        server.log_until("Ready to accept");
        let mode = fs::metadata(&socket).expect("it is there").permissions();
        assert_eq!(mode.mode() & 0o777, bits, "{told}");
        assert_eq!(ask(&socket, "PING").as_deref(), Some("+PONG"));
        signal("TERM", &server.pid());
        assert!(server.child.wait().expect("it ends").success());
    }
    for (told, report) in [
        ("8", "argument couldn't be parsed as an octal number"),
        ("10000", "argument must be between 0 and 777 inclusive"),
    ] {
        let output = run(PROGRAM, &[&args[..], &["--unixsocketperm", told]].concat());
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(text(&output.stderr).trim_end().ends_with(report), "{told}");
    }
}

/// The program under a limit of so many open files.
fn limited(scratch: &Scratch, files: u32, args: &[&str]) -> Command {
    let script = format!("ulimit -n {files} && exec \"$@\"");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "sh", PROGRAM])
        .args(args)
        .current_dir(&scratch.0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
}

/// Whether this user may raise the limit again, so that nothing is too little.
fn limit_may_be_raised() -> bool {
    let script = "ulimit -n 100 && ulimit -n 20000";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).stderr(Stdio::null());
    shell.status().expect("there is a shell").success()
}

#[test]
fn with_few_files_it_takes_fewer_clients_and_says_so() {
    let scratch = Scratch::new("files");
    let socket = scratch.path("socket");
    let args = ["--port", "0", "--save", "", "--unixsocket", &socket];
    let mut child = limited(&scratch, 100, &args).spawn().expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut server = Server { child, lines };
    let log = server.log_until("Ready to accept");
    let log: Vec<&str> = log.iter().map(|line| said(line)).collect();
    if limit_may_be_raised() {
        let raised =
            "* Increased maximum number of open files to 10032 (it was originally set to 100).";
        assert!(log.contains(&raised), "{log:#?}");
        return;
    }
    let expected = [
        "# You requested maxclients of 10000 requiring at least 10032 max file descriptors.",
        "# Server can't set maximum open files to 10032 because of OS error: Operation not permitted.",
        "# Current maximum open files is 100. maxclients has been reduced to 68 to compensate for low ulimit. If you need \
         higher maxclients increase 'ulimit -n'.",
    ];
    assert!(log.windows(3).any(|lines| lines == expected), "{log:#?}");

    // And the files suffice for as many, with what the server needs for itself.
    let line = |mut client: &UnixStream| {
        let mut line = String::new();
        client.write_all(b"PING\r\n").ok();
        BufReader::new(client).read_line(&mut line).expect("a line");
        line
    };
    let clients: Vec<UnixStream> = (0..68).map(|_| connect(&socket)).collect();
    for client in &clients {
        assert_eq!(line(client), "+PONG\r\n");
    }
    let mut refused = String::new();
    connect(&socket).read_to_string(&mut refused).expect("text");
    assert_eq!(refused, "-ERR max number of clients reached\r\n");
    drop(clients);
    let reply = eventually("room", || {
        ask(&socket, "CONFIG SET maxclients 69").filter(|reply| !reply.contains("max number"))
    });
    assert_eq!(
        reply,
        "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system is not able to \
         handle the specified number of clients, try with 68"
    );
}

#[test]
fn with_no_file_left_for_a_client_it_does_not_start() {
    if limit_may_be_raised() {
        return;
    }
    let scratch = Scratch::new("no-files");
    let output = limited(&scratch, 32, &["--port", "0"]).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let log = text(&output.stdout);
    assert_eq!(
        said(log.lines().last().expect("a line")),
        "# Your current 'ulimit -n' of 32 is not enough for the server to start. Please increase your open file limit to at \
         least 10032. Exiting."
    );
}
