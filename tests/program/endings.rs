//! The end of the program while clients are in the middle of everything: it comes soon, it is a clean one, and what was
//! acknowledged is in the file.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::{PATIENCE, Scratch, Server, ask, connect, signal};

/// A client that has sent something and got the beginning of what it expects.
fn client(socket: &str, sends: &str, expects: &str) -> UnixStream {
    let mut stream = connect(socket);
    stream.write_all(sends.as_bytes()).expect("it reads");
    let mut reply = vec![0; expects.len()];
    stream.read_exact(&mut reply).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&reply), expects, "to {sends:?}");
    stream
}

/// Starts a server that saves at its end, reached by a socket.
fn serve(scratch: &Scratch, socket: &str) -> Server {
    let args = ["--port", "0", "--unixsocket", socket, "--save", "3600 1"];
    let mut server = Server::start(scratch, &args, "");
    server.log_until("Ready to accept");
    server
}

#[test]
fn a_signal_ends_it_whatever_the_clients_are_at() {
    let scratch = Scratch::new("ending");
    let socket = scratch.path("socket");
    let mut server = serve(&scratch, &socket);
    let mut clients = vec![
        client(&socket, "PING\r\n", "+PONG\r\n"),
        client(
            &socket,
            "SETBIT k 9 1\r\n*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$100\r\nabc",
            ":0\r\n",
        ),
        client(
            &socket,
            "SUBSCRIBE x\r\n",
            "*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n",
        ),
        client(&socket, "MONITOR\r\n", "+OK\r\n"),
        client(&socket, "MULTI\r\nSET queued 1\r\n", "+OK\r\n+QUEUED\r\n"),
    ];
    // Takes the length, and then nothing of the fifty megabytes.
    let stuck = client(
        &socket,
        "SETBIT big 400000000 1\r\nGET big\r\n",
        ":0\r\n$50000001\r\n",
    );
    // From here on, nobody's commands run.
    clients.push(client(&socket, "CLIENT PAUSE 1000000 ALL\r\n", "+OK\r\n"));
    let mut held = connect(&socket);
    held.write_all(b"SET held 1\r\n").expect("it reads");
    clients.push(held);

    let start = Instant::now();
    signal("TERM", &server.pid());
    server.log_until("DB saved on disk");
    server.log_until("bye bye");
    assert!(server.child.wait().expect("it ends").success());
    assert!(start.elapsed() < PATIENCE / 2, "{:?}", start.elapsed());
    for mut client in clients {
        let mut rest = Vec::new();
        // A reset, as of a request that was not read to its end, is an end too.
        let _ = client.read_to_end(&mut rest);
        let rest = String::from_utf8_lossy(&rest);
        // What others did is told to the one that monitors.
        assert!(
            rest.is_empty() || rest.starts_with('+') && rest.contains('['),
            "{rest}"
        );
    }
    drop(stuck);

    let _server = serve(&scratch, &socket);
    for (line, reply) in [
        ("GETBIT k 9", ":1"),
        ("BITCOUNT big", ":1"),
        ("EXISTS half queued held", ":0"),
    ] {
        assert_eq!(ask(&socket, line).as_deref(), Some(reply), "{line}");
    }
}

/// A save that cannot be made keeps the server there, with its clients; told not to save, it goes.
#[test]
fn a_signal_that_would_lose_data_is_not_obeyed() {
    let scratch = Scratch::new("stays");
    let socket = scratch.path("socket");
    let mut server = serve(&scratch, &socket);
    let mut idle = client(&socket, "SETBIT k 9 1\r\n", ":0\r\n");
    // A directory in the place of the file that is to be written.
    std::fs::create_dir_all(scratch.path("dump.rdb/x")).expect("a directory");
    signal("TERM", &server.pid());
    server.log_until("can't exit");
    idle.write_all(b"GETBIT k 9\r\n").expect("it is there");
    let mut reply = [0; 4];
    idle.read_exact(&mut reply).expect("an answer");
    assert_eq!(&reply, b":1\r\n");
    idle.write_all(b"SHUTDOWN NOSAVE\r\n").expect("it is there");
    server.log_until("bye bye");
    assert!(server.child.wait().expect("it ends").success());
}
