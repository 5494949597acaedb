//! Raw bytes on a socket: malformed requests, inline commands, requests in pieces. Each case gets a connection of its own;
//! what comes back until the server closes must be the same bytes.

use std::thread::sleep;
use std::time::Duration;

use crate::pair::{Pair, Server};
use crate::random::Random;
use crate::wire::multibulk;

#[rustfmt::skip] // one case a line
const CASES: &[&[u8]] = &[
    // Multibulk headers.
    b"*0\r\nPING\r\n", b"*-1\r\nPING\r\n", b"*-10\r\nPING\r\n", b"*1\r\n$4\r\nPING\r\n", b"*x\r\nPING\r\n", b"*\r\nPING\r\n",
    b"*1x\r\n$4\r\nPING\r\n", b"* 1\r\n$4\r\nPING\r\n", b"*+1\r\n$4\r\nPING\r\n", b"*01\r\n$4\r\nPING\r\n",
    b"*1048577\r\n", b"*2147483647\r\n", b"*2147483648\r\n", b"*-2147483648\r\n$4\r\nPING\r\n", b"*9223372036854775807\r\n",
    b"*9223372036854775808\r\n", b"*1\n$4\nPING\n", b"*1\r\r$4\r\nPING\r\n", b"*1 \r\n$4\r\nPING\r\n",
    // Bulk headers.
    b"*1\r\nPING\r\n", b"*1\r\n:4\r\nPING\r\n", b"*1\r\n*1\r\n$4\r\nPING\r\n", b"*1\r\n$-1\r\n", b"*1\r\n$-2\r\nPING\r\n",
    b"*1\r\n$x\r\nPING\r\n", b"*1\r\n$\r\nPING\r\n", b"*1\r\n$04\r\nPING\r\n", b"*1\r\n$+4\r\nPING\r\n", b"*1\r\n$4x\r\nPING\r\n",
    b"*1\r\n$536870913\r\n", b"*1\r\n$9223372036854775807\r\n", b"*1\r\n$9223372036854775808\r\n", b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n",
    b"*1\r\n$0\r\n\r\n", b"*1\r\n$4\r\nPINGxx", b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n", b"*1\r\n$3\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
    b"*1\r\n$5\r\nPING\r\n\r\n", b"*1\r\n\xff\r\n", b"*1\r\n\r\n", b"*1\r\n%1\r\n", b"*1\r\n\n",
    b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na\r\n\r\n*1\r\n$4\r\nPING\r\n",
    // Replies to what came first, then the error.
    b"*1\r\n$4\r\nPING\r\n*1\r\nx\r\n", b"PING\r\nPING\r\n*2\r\n$4\r\nECHO\r\n:\r\n", b"*1\r\n$4\r\nPING\r\n*9999999\r\n",
    b"MULTI\r\n*1\r\n$4\r\nPING\r\n*1\r\n-\r\n",
    // Unfinished, then closed.
    b"*", b"*1", b"*1\r", b"*1\r\n", b"*1\r\n$", b"*1\r\n$4\r\n", b"*1\r\n$4\r\nPIN", b"*1\r\n$4\r\nPING", b"*1\r\n$4\r\nPING\r", b"PING",
    b"PING\r",
    // Inline.
    b"PING\r\n", b"PING\n", b"ping hello\r\n", b"\r\n", b"\n", b"\r\n\r\nPING\r\n", b"   \r\nPING\r\n", b"  PING  \r\n", b"\tPING\t x\r\n",
    b"ECHO \"a b\"\r\n", b"ECHO 'a b'\r\n", b"ECHO \"a\\x41\\n\\t\\r\\b\\a\\\"\\\\\"\r\n", b"ECHO 'a\\'b'\r\n", b"ECHO 'a\\xb'\r\n",
    b"ECHO \"a\r\nPING\r\n", b"ECHO 'a\r\nPING\r\n", b"ECHO \"a\"b\r\nPING\r\n", b"ECHO 'a'b\r\nPING\r\n", b"ECHO a\"b\"\r\n",
    b"ECHO \"\"\r\n", b"ECHO ''\r\n", b"ECHO \"\\x4\"\r\n", b"ECHO \"\\xzz\"\r\n", b"ECHO \"\\x00\\xff\"\r\n", b"ECHO \xff\xfe\r\n",
    b"ECHO a\rb\r\n", b"ECHO a\r\r\n", b"PING\r\r\n", b"SET k v\r\nGET k\r\nDEL k\r\n", b"\x0bPING\x0c\r\n", b"NOSUCH a b\r\nPING\r\n",
    b"\"PING\"\r\n", b"\"\"\r\nPING\r\n", b"\"\" x\r\nPING\r\n", b"PING;PING\r\n", b"+PING\r\n", b":1\r\n", b"$4\r\nPING\r\n", b"-x\r\n", b"%1\r\n",
    b"{\"json\": 1}\r\n",
    // What a browser would send; Redis closes without a word.
    b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\nHost: example\r\nPING\r\n", b"Host: localhost\r\nPING\r\n", b"post x\r\nPING\r\n",
    b"host: x\r\nPING\r\n",
    // Quitting, resetting, and the reply modes.
    b"QUIT\r\nPING\r\n", b"PING\r\nQUIT\r\nPING\r\n", b"QUIT now\r\nPING\r\n", b"HELLO 3\r\nRESET\r\nGET missing\r\n", b"HELLO 4\r\n",
    b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n", b"CLIENT REPLY SKIP\r\nPING\r\nECHO heard\r\n",
    b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\nCLIENT REPLY ON\r\nECHO x\r\n", b"CLIENT REPLY\r\n",
    b"CLIENT REPLY MAYBE\r\nPING\r\n", b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING\r\nECHO heard\r\n",
    b"MULTI\r\nCLIENT REPLY OFF\r\nPING\r\nEXEC\r\nPING\r\nCLIENT REPLY ON\r\n", b"CLIENT REPLY OFF\r\nNOSUCH\r\nRESET\r\nPING\r\n",
    b"MULTI\r\nQUIT\r\nEXEC\r\n", b"CLIENT KILL TYPE normal SKIPME no\r\nPING\r\n",
    // A second protocol switch in one pipeline.
    b"HELLO 3\r\nGET missing\r\nCONFIG GET databases\r\nHELLO 2\r\nGET missing\r\nCONFIG GET databases\r\n",
];

/// What a server answers to `pieces`, sent one after the other, until it closes.
fn answer(server: &Server, pieces: &[&[u8]], pause: Duration) -> Vec<u8> {
    let mut connection = server.connect();
    for piece in pieces {
        // A server that has already closed refuses the rest; what it said before is what counts.
        let _ = connection.send(piece);
        sleep(pause);
    }
    let bytes = connection
        .finish()
        .unwrap_or_else(|error| format!("({error})").into_bytes());
    without_ids(bytes)
}

/// HELLO's replies without the connection's id, a counter, and without Redis's list of modules (see `rules.rs`).
fn without_ids(bytes: Vec<u8>) -> Vec<u8> {
    const MODULES: (&str, &str) = ("$7\r\nmodules\r\n*1", "$4\r\nargs\r\n*0\r\n");
    let Ok(mut text) = String::from_utf8(bytes.clone()) else {
        return bytes;
    };
    let mut from = 0;
    while let Some(start) = text[from..]
        .find("$2\r\nid\r\n:")
        .map(|at| from + at + "$2\r\nid\r\n:".len())
    {
        let length = text[start..].find('\r').unwrap_or(0);
        text.replace_range(start..start + length, "0");
        from = start;
        if let Some(open) = text[from..].find(MODULES.0).map(|at| from + at)
            && let Some(close) = text[open..].find(MODULES.1)
        {
            text.replace_range(
                open..open + close + MODULES.1.len(),
                "$7\r\nmodules\r\n*0\r\n",
            );
        }
    }
    text.into_bytes()
}

fn shown(bytes: &[u8]) -> String {
    format!(
        "{:?}",
        String::from_utf8_lossy(&bytes[..bytes.len().min(400)])
    )
}

#[test]
fn malformed_requests_and_inline_commands() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut wrong = Vec::new();
    let mut cases: Vec<Vec<u8>> = CASES.iter().map(|case| case.to_vec()).collect();
    cases.push([b"ECHO ".to_vec(), vec![b'x'; 60_000], b"\r\n".to_vec()].concat());
    cases.push(b"\r\n".repeat(1000));
    cases.push([b"\r\n".repeat(5000), b"PING\r\n".to_vec()].concat());
    cases.push([b"*1\r\n$".to_vec(), b"0".repeat(70)].concat());
    for case in &cases {
        let (redis, ours) = (
            answer(&pair.redis, &[case], Duration::ZERO),
            answer(&pair.ours, &[case], Duration::ZERO),
        );
        if redis != ours {
            wrong.push(format!(
                "{}\n  Redis {}\n  ours  {}",
                shown(case),
                shown(&redis),
                shown(&ours)
            ));
        }
    }
    crate::say(&format!(
        "{} raw cases, {} differences",
        cases.len(),
        wrong.len()
    ));
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    pair.end_in_peace();
}

#[test]
fn before_authentication() {
    let Some(pair) = Pair::start(&["--requirepass", "secret"]) else {
        return;
    };
    let mut wrong = Vec::new();
    let cases: &[&[u8]] = &[
        b"PING\r\n",
        b"AUTH secret\r\nPING\r\n",
        b"AUTH wrong\r\nPING\r\n",
        b"AUTH default secret\r\nPING\r\n",
        b"AUTH\r\n",
        b"AUTH default wrong\r\n",
        b"AUTH nobody secret\r\n",
        b"AUTH a b c\r\n",
        b"HELLO\r\n",
        b"HELLO 3\r\n",
        b"HELLO 2\r\n",
        b"QUIT\r\n",
        b"HELLO 3 AUTH default secret\r\nGET missing\r\n",
        b"HELLO 3 AUTH default wrong\r\nPING\r\n",
        b"NOSUCH\r\n",
        b"GET\r\n",
        b"RESET\r\n",
        b"HELLO 3 AUTH default secret SETNAME me\r\nCLIENT GETNAME\r\n",
        b"MULTI\r\n",
        b"AUTH secret\r\nRESET\r\nPING\r\n",
        b"COMMAND\r\n",
        b"*11\r\n",
        b"*10\r\n",
        b"*1\r\n$16385\r\n",
        b"*1\r\n$16384\r\n",
        b"AUTH \"\"\r\n",
        b"HELLO 3 AUTH default\r\n",
        b"CLIENT ID\r\n",
        b"SHUTDOWN\r\n",
        b"EXEC\r\n",
        b"EXEC x\r\n",
        b"DISCARD\r\n",
        b"CLIENT SETINFO LIB-NAME x\r\n",
        b"HELLO 5\r\n",
        b"HELLO 3 SETNAME x\r\n",
        // What may be sent, before and after.
        b"*1000000\r\n",
        b"*99999999999\r\n",
        b"*1\r\n$99999999999\r\n",
        b"PING\r\n*11\r\n",
        b"PING\r\n*2\r\n$4\r\nPING\r\n$20000\r\n",
        b"*10\r\n$1\r\nx\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Host: x\r\nPING\r\n",
        b"AUTH secret\r\nRESET\r\n*11\r\n",
        b"AUTH secret\r\nPING\r\nRESET\r\nPING\r\n*1\r\n$16385\r\n",
        b"AUTH secret\r\nRESET\r\nPING\r\n*x\r\n",
    ];
    let long = |len| vec![b'x'; len];
    let bulk = |len| multibulk(&[b"ECHO".as_slice(), &long(len)]);
    let mut cases: Vec<Vec<u8>> = cases.iter().map(|case| case.to_vec()).collect();
    cases.extend([
        bulk(16_384),
        multibulk(&[b"AUTH".as_slice(), &long(16_384)]),
        multibulk(&[b"PING".as_slice(); 10]),
        [b"AUTH secret\r\n".to_vec(), bulk(16_385)].concat(),
        [
            b"AUTH secret\r\n".to_vec(),
            multibulk(&[b"PING".as_slice(); 11]),
        ]
        .concat(),
        [
            b"AUTH secret\r\nRESET\r\n".to_vec(),
            multibulk(&[b"PING".as_slice(); 10]),
        ]
        .concat(),
        [long(60_000), b"\r\n".to_vec()].concat(),
        long(65_536),
        long(65_537), // an inline request that is too long, and not a byte after it
    ]);
    for case in &cases {
        let (redis, ours) = (
            answer(&pair.redis, &[case], Duration::ZERO),
            answer(&pair.ours, &[case], Duration::ZERO),
        );
        if redis != ours {
            wrong.push(format!(
                "{}\n  Redis {}\n  ours  {}",
                shown(case),
                shown(&redis),
                shown(&ours)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    pair.end_in_peace();
}

#[test]
fn requests_in_pieces() {
    let Some(pair) = Pair::start(&[]) else { return };
    let requests = [
        multibulk(&[b"SETBIT".as_slice(), b"k", b"7", b"1"]),
        multibulk(&[b"SET".as_slice(), b"big", &[b'x'; 50_000]]),
        b"BITCOUNT k 0 -1\r\n".to_vec(),
        multibulk(&[b"GET".as_slice(), b"big"]),
        multibulk(&[b"DEL".as_slice(), b"k", b"big"]),
    ]
    .concat();
    let mut random = Random::new(3);
    for _ in 0..20 {
        let mut cuts: Vec<usize> = (0..random.below(12))
            .map(|_| random.below(requests.len() as u64) as usize)
            .collect();
        // The small requests at both ends are where a cut hits a header.
        cuts.extend((0..6).map(|_| random.below(60) as usize));
        cuts.extend((0..6).map(|_| requests.len() - 1 - random.below(90) as usize));
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&requests[from..cut]);
            from = cut;
        }
        pieces.push(&requests[from..]);
        let pause = Duration::from_millis(1);
        assert_eq!(
            shown(&answer(&pair.redis, &pieces, pause)),
            shown(&answer(&pair.ours, &pieces, pause))
        );
    }
    pair.end_in_peace();
}

/// Valid requests with a few bytes changed. Both servers read the same bytes and then the end of the stream, so neither
/// waits; lengths may come out wrong in any way they like.
#[test]
fn damaged_requests() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut random = Random::new(crate::from_environment("AGAINST_REDIS_SEED", 1));
    let whole: [&[&[u8]]; 6] = [
        &[b"SETBIT", b"k", b"7", b"1"],
        &[b"BITCOUNT", b"k", b"0", b"-1", b"BIT"],
        &[b"BITFIELD", b"k", b"GET", b"u8", b"0"],
        &[b"SET", b"k", b"some value"],
        &[b"PING"],
        &[b"MGET", b"k", b"l", b"m"],
    ];
    let mut wrong = Vec::new();
    for _ in 0..2_000 {
        let mut bytes = Vec::new();
        for _ in 0..1 + random.below(3) {
            bytes.extend(multibulk(whole[random.below(whole.len() as u64) as usize]));
        }
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            match random.below(4) {
                0 if bytes.len() > 1 => drop(bytes.remove(at)),
                1 => bytes.insert(
                    at,
                    *random.pick(&[
                        &b'*', &b'$', &b'\r', &b'\n', &b'-', &b'0', &b'9', &b'"', &b'\'', &0xff,
                    ]),
                ),
                2 => {
                    bytes[at] = *random.pick(&[
                        &b'*', &b'$', &b'\r', &b'\n', &b'-', &b'1', &b'5', &b' ', &b'x', &0x80,
                    ])
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        for server in [&pair.redis, &pair.ours] {
            server.connect().ask(&[b"FLUSHALL"]).expect("an answer");
        }
        let (redis, ours) = (
            answer(&pair.redis, &[&bytes], Duration::ZERO),
            answer(&pair.ours, &[&bytes], Duration::ZERO),
        );
        if redis != ours {
            wrong.push(format!(
                "{}\n  Redis {}\n  ours  {}",
                shown(&bytes),
                shown(&redis),
                shown(&ours)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
    pair.end_in_peace();
}
