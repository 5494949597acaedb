//! The append-only log: Redis 8.2.3 and 7.0 replay what is logged here, the commands Redis does not have among it, and
//! what they log, and rewrite, is replayed here.

use std::path::Path;

use crate::files::{Key, ask, copy, says_as, select, servers, wait_for};
use crate::pair::Server;
use crate::wire::Connection;

const OURS: &str = env!("CARGO_BIN_EXE_bitmapd");

const LOGGED: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// What both servers know, with expiries of every kind.
const COMMANDS: &str = "\
SET plain value
SET until v PXAT 4000000000000
SET relative v EX 1000000
SET gone v PX 1
SETEX seconds 1000000 v
GETEX until PERSIST
EXPIRE plain 1000000
INCRBYFLOAT float 1.5
INCRBY int 7
SET kept v EX 1000000
SET kept w KEEPTTL
SETBIT far 3000000 1
SETBIT near 7 1
BITFIELD field SET u8 0 255 INCRBY i5 100 1
BITOP OR both near far
BITOP NOT not near
APPEND text one
SETRANGE text 5 two
MSET a 1 b 2
MSETNX a 1 new 2
GETDEL b
RENAME a renamed
COPY renamed copied
MOVE copied 1
MULTI
SET in transaction
SETBIT in 3 1
EXEC
SELECT 3
SET other database
SELECT 0
DEL int";

/// What Redis has no words for.
const OWN: &str = "\
SETBITS many 1 5 70 900 70000 9000000
SETBITS many 0 5 6
SETBITRANGE short 3 77 1
SETBITRANGE long 5 20000003 1
SETBITRANGE long 1000001 19999990 0
SETBITRANGE far 100 2000000 1
SETBITRANGE near 0 5 1
SETBITRANGE empty 9 9 0
MULTI
SETBITRANGE within 1000 8000000 1
SETBITS within 0 1001 1002
EXEC";

fn run(connection: &mut Connection, lines: &str) {
    for line in lines.lines() {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let said = ask(connection, &words);
        assert!(!said.is_error(), "{line}: {}", said.string());
    }
}

/// Merges a serialization of some bits into other bits, in every way.
fn import(connection: &mut Connection) {
    run(connection, "SETBITS some 1 3 70000 80000");
    let blob = ask(connection, &[b"BITEXPORT", b"some"]).bytes().to_vec();
    for mode in ["REPLACE", "AND", "OR", "XOR", "DIFF"] {
        let key = format!("import {mode}");
        run(connection, &format!("SETBIT other{mode} 3 1"));
        ask(
            connection,
            &[b"SETBITS", key.as_bytes(), b"1", b"3", b"9", b"200000"],
        );
        let said = ask(
            connection,
            &[b"BITIMPORT", key.as_bytes(), &blob, mode.as_bytes()],
        );
        assert!(!said.is_error(), "{mode}: {}", said.string());
    }
    assert!(!ask(connection, &[b"BITIMPORT", b"fresh", &blob]).is_error());
}

/// All keys, as a server gives them.
fn keys_of(connection: &mut Connection) -> Vec<Key> {
    let mut keys = Vec::new();
    for db in 0..16 {
        select(connection, db);
        let names: Vec<Vec<u8>> = ask(connection, &[b"KEYS", b"*"])
            .items
            .iter()
            .map(|name| name.bytes().to_vec())
            .collect();
        for name in names {
            let value = ask(connection, &[b"GET", &name]).bytes().to_vec();
            let at = ask(connection, &[b"PEXPIRETIME", &name]).integer();
            keys.push(Key {
                db,
                name,
                value,
                expires_at: at.filter(|at| *at >= 0),
            });
        }
    }
    select(connection, 0);
    keys
}

fn after<'s>(server: &'s Server) -> impl FnOnce(&Path) + 's {
    |directory| copy(server.directory(), directory)
}

#[test]
fn logs_go_to_redis_and_come_back() {
    for (name, redis) in servers() {
        let ours = Server::start_with(Path::new(OURS), &LOGGED, |_| ());
        let mut connection = ours.connect();
        run(&mut connection, COMMANDS);
        run(&mut connection, OWN);
        import(&mut connection);
        std::thread::sleep(std::time::Duration::from_millis(300)); // one key's time comes
        let keys = keys_of(&mut connection);
        assert!(keys.len() > 30, "{}", keys.len());

        let theirs = Server::start_with(&redis, &LOGGED, after(&ours));
        drop(ours);
        let mut connection = theirs.connect();
        says_as(&mut connection, &keys, name);
        // Rewritten by Redis, with more behind it.
        select(&mut connection, 0);
        run(&mut connection, "BGREWRITEAOF");
        wait_for(&theirs, "AOF rewrite finished successfully");
        run(&mut connection, COMMANDS);
        std::thread::sleep(std::time::Duration::from_millis(300));
        let keys = keys_of(&mut connection);

        let ours = Server::start_with(Path::new(OURS), &LOGGED, after(&theirs));
        says_as(&mut ours.connect(), &keys, "bitmapd");
    }
}
