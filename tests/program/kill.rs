//! Killed in the middle of its work, again and again: what was acknowledged is there, and what is there is a prefix of what
//! was sent.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use super::{Scratch, Server, ask, eventually};

/// Connections that write at once.
const CONNECTIONS: usize = 8;

/// Sets one bit after the other in a key of its own.
struct Client {
    key: usize,
    /// Bits that were answered for.
    safe: u64,
    /// Bits that were sent.
    sent: u64,
}

impl Client {
    /// Writes until the server is gone: one bit at a time, and every fifth time two in a transaction.
    fn run(&mut self, socket: &str) {
        let Ok(stream) = UnixStream::connect(socket) else {
            return;
        };
        let mut replies = BufReader::new(&stream).lines();
        loop {
            let set = |bit| format!("SETBIT k{} {bit} 1\r\n", self.key);
            let (requests, expected) = if self.safe.is_multiple_of(5) {
                self.sent = self.safe + 2;
                let pair = [set(self.safe), set(self.safe + 1)].concat();
                let expected = &["+OK", "+QUEUED", "+QUEUED", "*2", ":0", ":0"][..];
                (format!("MULTI\r\n{pair}EXEC\r\n"), expected)
            } else {
                self.sent = self.safe + 1;
                (set(self.safe), &[":0"][..])
            };
            if (&stream).write_all(requests.as_bytes()).is_err() {
                return;
            }
            for expected in expected {
                match replies.next() {
                    Some(Ok(line)) if line.is_empty() => return, // the end came within the line
                    Some(Ok(line)) => assert!(expected.starts_with(&line), "{line}"),
                    None | Some(Err(_)) => return,
                }
            }
            self.safe = self.sent;
        }
    }

    /// Compares with what the server has, and goes on from there.
    fn check(&mut self, socket: &str, round: u32) {
        let number = |request: String| {
            let said = ask(socket, &request).expect("an answer");
            said[1..].parse::<u64>().ok()
        };
        let ones = number(format!("BITCOUNT k{}", self.key)).expect("a number");
        let Self { key, safe, sent } = *self;
        let text = format!("round {round}, key {key}: {ones} of {sent} sent, {safe} acknowledged");
        assert!((safe..=sent).contains(&ones), "{text}");
        assert!(ones == safe || ones == sent, "half a transaction: {text}");
        if ones > 0 {
            let zero = number(format!("BITPOS k{key} 0"));
            assert_eq!(zero, Some(ones), "no prefix: {text}");
        }
        self.safe = ones;
    }
}

/// 5 rounds, or as many as `KILL_ROUNDS` says, with rewrites of the log among the writes.
#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let rounds = env::var("KILL_ROUNDS").map_or(5, |rounds| rounds.parse().expect("a number"));
    let scratch = Scratch::new("kill");
    let socket = scratch.path("socket");
    let log = scratch.path("log");
    let args = [
        ["--port", "0"],
        ["--unixsocket", &socket],
        ["--logfile", &log],
        ["--save", "1 100"],
        ["--appendonly", "yes"],
        ["--appendfsync", "always"],
        ["--auto-aof-rewrite-min-size", "20000"],
    ];
    let mut clients: Vec<Client> = (0..CONNECTIONS)
        .map(|key| Client {
            key,
            safe: 0,
            sent: 0,
        })
        .collect();
    for round in 0..=rounds {
        let mut server = Server::start(&scratch, args.as_flattened(), "");
        eventually("an answer", || {
            (ask(&socket, "PING")? == "+PONG").then_some(())
        });
        for client in &mut clients {
            client.check(&socket, round);
        }
        if round == rounds {
            break;
        }
        thread::scope(|scope| {
            for client in &mut clients {
                let socket = &socket;
                scope.spawn(move || client.run(socket));
            }
            // Spread over what goes on: starting, writing, rewriting.
            thread::sleep(Duration::from_millis(u64::from(50 + round * 137 % 600)));
            server.child.kill().expect("it runs");
        });
        server.child.wait().expect("it ends");
    }
    let safe: u64 = clients.iter().map(|client| client.safe).sum();
    println!("{rounds} kills, {safe} acknowledged writes, all there");
    assert!(
        safe >= u64::from(rounds),
        "the server was given time to write"
    );
}
