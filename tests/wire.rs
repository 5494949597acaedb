//! Connections as a client sees them: bytes in, bytes out, and what happens when either side misbehaves.

#[path = "support/server.rs"]
mod support;

use std::io::Read;
use std::os::unix::{fs::PermissionsExt, net::UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use bitmapd::server::{Listen, Server};
use support::{Client, PATIENCE, TestServer, eventually, request};

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let server = TestServer::start();
    let mut client = server.connect();
    let mut bytes = request(&[b"SETBIT", b"k\r\n$", b"7", b"1"]);
    bytes.extend(request(&[b"GETBIT", b"k\r\n$", b"7"]));
    bytes.extend_from_slice(b"ECHO \"a b\"\r\n");
    for byte in bytes {
        client.send([byte]);
    }
    client.expect(":0\r\n:1\r\n$3\r\na b\r\n");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start();
    let mut client = server.connect();
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for i in 0..20_000 {
        let text = format!("{i}");
        sent.extend(request(&[b"ECHO", text.as_bytes()]));
        expected.extend(format!("${}\r\n{text}\r\n", text.len()).into_bytes());
    }
    client.send(&sent);
    client.expect(&expected);
}

/// Many clients write a whole pipeline before they read the first reply. Neither side's buffers hold all of this one.
#[test]
fn a_client_may_send_everything_before_it_reads_anything() {
    let server = TestServer::start();
    let mut client = server.connect();
    let word = vec![b'x'; 10_000];
    let one = request(&[b"ECHO", &word]);
    let reply = [&b"$10000\r\n"[..], &word, b"\r\n"].concat();
    const COUNT: usize = 3000;
    client.send(one.repeat(COUNT));
    for _ in 0..COUNT {
        client.expect(&reply);
    }
}

#[test]
fn an_argument_may_be_large() {
    let server = TestServer::start();
    let mut client = server.connect();
    for len in [16 * 1024 - 1, 16 * 1024, 100_000, 8 << 20] {
        let word: Vec<u8> = (0..len).map(|i| (i / 7) as u8).collect();
        client.send(request(&[b"ECHO", &word]));
        client.expect([format!("${len}\r\n").as_bytes(), &word, b"\r\n"].concat());
    }
    client.send(PING);
    client.expect("+PONG\r\n");
}

#[test]
fn a_protocol_error_is_said_after_the_replies_due_and_closes_only_that_connection() {
    let server = TestServer::start();
    let mut other = server.connect();
    let cases: &[(&[u8], &str)] = &[
        (b"*x\r\n", "invalid multibulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\nxx\r\n", "expected '$', got 'x'"),
        (b"ECHO \"a\r\n", "unbalanced quotes in request"),
        (&[b'a'; 65537], "too big inline request"),
    ];
    for (bytes, error) in cases {
        let mut client = server.connect();
        client.send([PING, PING, bytes].concat());
        let expected = format!("+PONG\r\n+PONG\r\n-ERR Protocol error: {error}\r\n");
        assert_eq!(
            client.rest().escape_ascii().to_string(),
            expected.as_bytes().escape_ascii().to_string()
        );
        other.ask("PING", "+PONG\r\n");
    }
}

#[test]
fn nothing_after_a_protocol_error_runs() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send(b"*1\r\n$x\r\nSETBIT k 1 1\r\n");
    client.rest();
    server.connect().ask("GETBIT k 1", ":0\r\n");
}

#[test]
fn http_is_dropped_without_a_word() {
    let server = TestServer::start();
    for text in [
        "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "host: x\r\n",
        "post\r\n",
    ] {
        let mut client = server.connect();
        client.send(text);
        assert_eq!(client.rest(), b"", "{text}");
    }
    server.connect().ask("PING", "+PONG\r\n");
}

#[test]
fn a_client_that_sends_its_last_request_and_closes_gets_its_reply() {
    let server = TestServer::start();
    let mut client = server.connect();
    client.send(PING);
    client.finish();
    assert_eq!(client.rest(), b"+PONG\r\n");
}

#[test]
fn a_client_that_never_reads_does_not_hold_up_the_others() {
    let server = TestServer::start();
    let mut lazy: Vec<Client> = (0..8).map(|_| server.connect()).collect();
    let flood = request(&[b"ECHO", &[b'x'; 1000]]).repeat(10_000);
    thread::scope(|scope| {
        for client in &mut lazy {
            scope.spawn(|| client.send(&flood));
        }
    });
    let mut other = server.connect();
    let start = Instant::now();
    for _ in 0..100 {
        other.ask("PING", "+PONG\r\n");
    }
    assert!(start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
}

/// A reader that takes a little and then nothing holds a window of the value, not the value, and nobody up.
#[test]
fn a_long_value_is_sent_piece_by_piece() {
    const LEN: usize = 64 << 20;
    let server = TestServer::start();
    let mut reader = server.connect();
    let mut other = server.connect();
    let last = LEN * 8 - 1;
    other.ask(&format!("SETBIT k {last} 1"), ":0\r\n");
    other.ask("SETBIT k 0 1", ":0\r\n");

    reader.send("MULTI\r\nGET k\r\nSTRLEN k\r\nEXEC\r\nPING\r\n");
    reader.expect(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$67108864\r\n\x80");
    other.ask("SETBIT k 0 0", ":1\r\n");
    other.ask(&format!("SETBIT k {last} 0"), ":1\r\n");
    let info = &server.world.clients.list()[0];
    for _ in 0..20 {
        other.ask("PING", "+PONG\r\n");
        let held = info.output.load(std::sync::atomic::Ordering::Relaxed);
        assert!(held < 1 << 20, "{held} bytes are held");
        thread::sleep(Duration::from_millis(1));
    }
    // What arrives is the value as it was.
    let mut left = LEN - 2;
    while left > 0 {
        let bytes = reader.read(left.min(1 << 20));
        assert!(bytes.iter().all(|&byte| byte == 0));
        left -= bytes.len();
    }
    reader.expect("\x01\r\n:67108864\r\n+PONG\r\n");
}

#[test]
fn a_client_over_its_output_limit_is_dropped() {
    let server = TestServer::with(&[("client-output-buffer-limit", "normal 1mb 0 0")]);
    let mut lazy = server.connect();
    // Enough to fill what both kernels buffer, and then the limit.
    let flood = request(&[b"ECHO", &[b'x'; 10_000]]).repeat(3000);
    let _ = std::io::Write::write_all(&mut lazy.0, &flood);
    eventually("dropped", || server.world.clients.is_empty());
    server.connect().ask("PING", "+PONG\r\n");
}

#[test]
fn a_request_over_the_query_buffer_limit_is_dropped() {
    let server = TestServer::with(&[("client-query-buffer-limit", "1mb")]);
    let mut client = server.connect();
    client.send(b"*2\r\n$4\r\nECHO\r\n$100000000\r\n");
    let _ = std::io::Write::write_all(&mut client.0, &vec![b'x'; 4 << 20]);
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_stranger_is_refused_before_its_bytes_are_taken() {
    let server = TestServer::with(&[("requirepass", "secret")]);
    let mut client = server.connect();
    client.send(PING);
    client.expect("-NOAUTH Authentication required.\r\n");
    client.send(b"*2\r\n$4\r\nAUTH\r\n$16385\r\n");
    assert_eq!(
        client.rest(),
        b"-ERR Protocol error: unauthenticated bulk length\r\n"
    );
    let mut client = server.connect();
    client.send(b"*11\r\n");
    assert_eq!(
        client.rest(),
        b"-ERR Protocol error: unauthenticated multibulk length\r\n"
    );
    // Who takes the password back is a stranger from the next byte on.
    for after in ["*11\r\n", "PING\r\n*11\r\n$4\r\nPI"] {
        let mut client = server.connect();
        client.send(format!("AUTH secret\r\nRESET\r\n{after}"));
        client.expect("+OK\r\n+RESET\r\n");
        assert!(
            client
                .rest()
                .ends_with(b"-ERR Protocol error: unauthenticated multibulk length\r\n")
        );
    }
}

/// A stranger's requests cost less to send than their refusals cost to keep, so the server stops reading.
#[test]
fn a_stranger_that_does_not_read_is_not_read_from() {
    let server = TestServer::with(&[("requirepass", "secret")]);
    let mut client = server.connect();
    client
        .0
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let flood = b"x\r\n".repeat(1 << 20);
    let mut sent = 0;
    while let Ok(count) = std::io::Write::write(&mut client.0, &flood) {
        sent += count;
        assert!(sent < 1 << 30, "the server takes everything");
    }
    let info = &server.world.clients.list()[0];
    let held = info.output.load(std::sync::atomic::Ordering::Relaxed);
    assert!(held < 1 << 20, "{held} bytes of refusals are held");
}

#[test]
fn many_clients_are_served_at_once() {
    let server = TestServer::start();
    let mut clients: Vec<Client> = (0..500).map(|_| server.connect()).collect();
    for round in 0..3 {
        for (i, client) in clients.iter_mut().enumerate() {
            client.send(request(&[
                b"SETBIT",
                format!("k{i}").as_bytes(),
                b"3",
                b"1",
            ]));
        }
        for client in &mut clients {
            client.expect(format!(":{}\r\n", i32::from(round > 0)));
        }
    }
    assert_eq!(server.world.clients.len(), 500);
    drop(clients);
    eventually("all gone", || server.world.clients.is_empty());
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = TestServer::with(&[("maxclients", "2")]);
    let mut first = server.connect();
    let mut second = server.connect();
    first.ask("PING", "+PONG\r\n");
    second.ask("PING", "+PONG\r\n");
    assert_eq!(
        server.connect().rest(),
        b"-ERR max number of clients reached\r\n"
    );
    drop(second);
    eventually("room again", || server.world.clients.len() == 1);
    server.connect().ask("PING", "+PONG\r\n");
}

#[test]
fn a_client_that_is_told_to_close_is_gone_while_it_waits_and_while_it_floods() {
    let server = TestServer::start();
    let mut idle = server.connect();
    idle.ask("PING", "+PONG\r\n");
    server.world.clients.list()[0].close();
    assert_eq!(idle.rest(), b"");

    let mut flooding = server.connect();
    let flood = PING.repeat(100_000);
    flooding.ask("PING", "+PONG\r\n");
    thread::scope(|scope| {
        let sender =
            scope.spawn(|| while std::io::Write::write_all(&mut flooding.0, &flood).is_ok() {});
        thread::sleep(Duration::from_millis(50));
        server.world.clients.list()[0].close();
        sender.join().unwrap();
    });
    eventually("gone", || server.world.clients.is_empty());
}

/// It takes nothing of a big reply, so nothing wakes it but the killing.
#[test]
fn a_stuck_client_can_be_killed_and_holds_nobody_up() {
    let server = TestServer::start();
    let mut other = server.connect();
    other.ask("SETBIT big 800000000 1", ":0\r\n");
    let others_own = server.world.clients.list()[0].id;
    let mut stuck = server.connect();
    stuck.send("GET big\r\n");
    stuck.expect("$100000001\r\n");
    other.ask("CLIENT KILL ID 1000000", ":0\r\n");
    other.ask("GETBIT big 800000000", ":1\r\n");

    let clients = server.world.clients.list();
    let id = clients
        .iter()
        .map(|client| client.id)
        .find(|&id| id != others_own);
    let id = id.expect("the stuck one");
    let start = Instant::now();
    other.ask(&format!("CLIENT KILL ID {id}"), ":1\r\n");
    eventually("gone", || server.world.clients.len() == 1);
    assert!(start.elapsed() < PATIENCE / 4, "{:?}", start.elapsed());
    assert!(stuck.rest().len() < 100_000_000);
}

#[test]
fn a_silent_client_is_closed_when_the_timeout_says_so() {
    let server = TestServer::with(&[("timeout", "1")]);
    let mut client = server.connect();
    client.ask("PING", "+PONG\r\n");
    let start = Instant::now();
    assert_eq!(client.rest(), b"");
    assert!(
        start.elapsed() > Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn the_server_ends_with_clients_connected_and_answers_what_it_has_read() {
    let mut server = TestServer::start();
    let mut idle: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    let mut busy = server.connect();
    let (sent, expected) = (PING.repeat(1000), b"+PONG\r\n".repeat(1000));
    busy.send(&sent);
    busy.expect(&expected);
    server.stop();
    assert!(server.join() < Duration::from_secs(3));
    assert_eq!(busy.rest(), b"");
    for client in &mut idle {
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn the_server_does_not_wait_for_a_client_that_never_reads() {
    let mut server = TestServer::start();
    let mut lazy = server.connect();
    lazy.send(request(&[b"ECHO", &[b'x'; 10_000]]).repeat(3000));
    server.stop();
    let took = server.join();
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn a_unix_socket_serves_too_and_is_removed_at_the_end() {
    let path = std::env::temp_dir().join(format!("bitmapd-wire-{}.sock", std::process::id()));
    let listen = Listen {
        bind: vec!["127.0.0.1".into()],
        port: Some(0),
        backlog: 16,
        unix: Some((path.clone(), Some(0o700))),
        ..Listen::default()
    };
    let mut server = TestServer::listening(&[], &listen);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let mut client = UnixStream::connect(&path).unwrap();
    std::io::Write::write_all(&mut client, PING).unwrap();
    let mut reply = [0; 7];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+PONG\r\n");
    let info = &server.world.clients.list()[0];
    assert!(
        info.unix && info.addr == format!("{}:0", path.display()),
        "{}",
        info.addr
    );
    server.stop();
    server.join();
    assert!(!path.exists());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let server = TestServer::start();
    let listen = Listen {
        bind: vec!["127.0.0.1".into()],
        port: Some(server.address.port()),
        backlog: 16,
        ..Listen::default()
    };
    let error = Server::bind(server.world.clone(), &listen)
        .err()
        .expect("the port is taken");
    let expected = format!(
        "Failed listening on port {} (tcp), aborting.",
        server.address.port()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_address_this_machine_lacks_may_be_optional() {
    let server = TestServer::start(); // for its world
    let listen = |bind: &[&str]| Listen {
        bind: bind.iter().map(|&text| text.into()).collect(),
        port: Some(0),
        backlog: 16,
        ..Listen::default()
    };
    let open = |bind: &[&str]| {
        Server::bind(server.world.clone(), &listen(bind)).map(|server| server.addresses().len())
    };
    // 192.0.2.0/24 and 198.51.100.0/24 are for documentation; a test machine may use the first.
    assert_eq!(open(&["127.0.0.1", "-198.51.100.77"]).unwrap(), 1);
    assert_eq!(
        open(&["127.0.0.1", "198.51.100.77"])
            .unwrap_err()
            .to_string(),
        "Failed listening on port 0 (tcp), aborting."
    );
    assert_eq!(
        open(&["-198.51.100.77"]).unwrap_err().to_string(),
        "Configured to not listen anywhere, exiting."
    );
    assert_eq!(
        open(&["127.0.0.1", "*"]).unwrap(),
        2,
        "each gets a port of its own"
    );
}
