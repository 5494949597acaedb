use std::sync::Arc;

use super::super::World;
use super::super::session::Session;
use crate::config::Config;
use crate::store::Clock;

/// A world behind a password.
fn guarded(password: &str) -> Arc<World> {
    let config = Config::new();
    set_password(&config, password);
    Arc::new(World::new(Arc::new(config), Arc::default(), Clock::System))
}

fn set_password(config: &Config, password: &str) {
    config
        .set(&[(b"requirepass", password.as_bytes())], true)
        .expect("any password is allowed");
}

const NOAUTH: &str = "-NOAUTH Authentication required.\r\n";
const WRONGPASS: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

#[test]
fn a_stranger_may_only_introduce_himself() {
    let mut db = Session::stranger(guarded("secret"));
    for line in [
        "PING",
        "GET k",
        "SELECT 1",
        "CLIENT ID",
        "MULTI",
        "CLIENT SETINFO LIB-NAME x",
    ] {
        assert_eq!(db.say(line), NOAUTH, "{line}");
    }
    assert_eq!(
        db.say("GET"),
        "-ERR wrong number of arguments for 'get' command\r\n"
    );
    assert!(
        db.say("NOSUCH")
            .starts_with("-ERR unknown command 'NOSUCH'")
    );
    assert_eq!(db.say("RESET"), "+RESET\r\n");
    assert!(
        db.say("HELLO 3")
            .starts_with("-NOAUTH HELLO must be called")
    );
    assert_eq!(db.say("QUIT"), "+OK\r\n");
}

#[test]
fn the_password_opens_and_a_wrong_one_changes_nothing() {
    let mut db = Session::stranger(guarded("secret"));
    for line in [
        "AUTH wrong",
        "AUTH default wrong",
        "AUTH nobody secret",
        "AUTH secre",
        "AUTH secrett",
    ] {
        assert_eq!(db.say(line), WRONGPASS, "{line}");
        assert_eq!(db.say("PING"), NOAUTH, "{line}");
    }
    assert_eq!(db.say("AUTH a b c"), "-ERR syntax error\r\n");
    assert_eq!(db.say("AUTH secret"), "+OK\r\n");
    assert_eq!(db.say("AUTH wrong"), WRONGPASS);
    assert_eq!(db.say("PING"), "+PONG\r\n");
    assert_eq!(db.say("RESET"), "+RESET\r\n");
    assert_eq!(db.say("PING"), NOAUTH);
    assert_eq!(db.say("AUTH default secret"), "+OK\r\n");
    assert_eq!(db.say("PING"), "+PONG\r\n");
}

#[test]
fn a_new_password_is_for_those_who_come_later() {
    let world = guarded("first");
    let mut old = Session::stranger(Arc::clone(&world));
    old.say("AUTH first");
    set_password(&world.config, "second");
    assert_eq!(old.say("PING"), "+PONG\r\n");
    let mut new = Session::stranger(Arc::clone(&world));
    assert_eq!(new.say("AUTH first"), WRONGPASS);
    assert_eq!(new.say("PING"), NOAUTH);
    set_password(&world.config, "");
    assert_eq!(new.say("PING"), "+PONG\r\n");
}

#[test]
fn without_a_password_only_the_user_can_be_wrong() {
    let mut db = Session::alone();
    assert!(
        db.say("AUTH x")
            .starts_with("-ERR AUTH <password> called without any password configured")
    );
    assert_eq!(db.say("AUTH default x"), "+OK\r\n");
    assert_eq!(db.say("AUTH DEFAULT x"), WRONGPASS);
}

const WHO_2: &str = "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n8.2.3\r\n$5\r\nproto\r\n:2\r\n\
                     $2\r\nid\r\n:1\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n\
                     $7\r\nmodules\r\n*0\r\n";

#[test]
fn hello_answers_in_the_protocol_it_asks_for() {
    let mut db = Session::alone();
    assert_eq!(db.say("HELLO"), WHO_2);
    let who_3 = WHO_2.replace("*14", "%7").replace(":2", ":3");
    assert_eq!(db.say("HELLO 3"), who_3);
    assert_eq!(db.say("HELLO"), who_3);
    assert_eq!(db.say("GET nope"), "_\r\n");
    assert_eq!(db.say("HELLO 2"), WHO_2);
    assert_eq!(db.say("GET nope"), "$-1\r\n");
}

#[test]
fn hello_is_all_or_nothing() {
    let mut db = Session::stranger(guarded("secret"));
    let name = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
    for (line, error) in [
        (
            "HELLO x",
            "-ERR Protocol version is not an integer or out of range\r\n",
        ),
        ("HELLO 1", "-NOPROTO unsupported protocol version\r\n"),
        ("HELLO 4 FOO", "-NOPROTO unsupported protocol version\r\n"),
        ("HELLO 3 FOO", "-ERR Syntax error in HELLO option 'FOO'\r\n"),
        (
            "HELLO 3 AUTH default",
            "-ERR Syntax error in HELLO option 'AUTH'\r\n",
        ),
        (
            "HELLO 3 SETNAME",
            "-ERR Syntax error in HELLO option 'SETNAME'\r\n",
        ),
        (
            "HELLO 3 AUTH default secret FOO",
            "-ERR Syntax error in HELLO option 'FOO'\r\n",
        ),
        ("HELLO 3 AUTH default secret SETNAME \u{7f}", name),
        ("HELLO 3 SETNAME me AUTH default wrong", WRONGPASS),
    ] {
        assert_eq!(db.say(line), error, "{line}");
        assert_eq!(db.say("PING"), NOAUTH, "{line}");
    }
    assert!(
        db.say("HELLO 2 SETNAME me AUTH default secret SETNAME you")
            .starts_with("*14\r\n")
    );
    assert_eq!(db.say("CLIENT GETNAME"), "$3\r\nyou\r\n");
}

#[test]
fn reset_forgets_all_but_the_library() {
    let mut db = Session::alone();
    for line in [
        "HELLO 3 SETNAME me",
        "SELECT 4",
        "CLIENT SETINFO LIB-NAME lib",
        "CLIENT NO-EVICT ON",
        "CLIENT NO-TOUCH ON",
        "WATCH k",
        "MULTI",
        "GET k",
        "CLIENT REPLY OFF", // queued, not run
    ] {
        db.say(line);
    }
    assert_eq!(db.say("RESET"), "+RESET\r\n");
    let info = db.say("CLIENT INFO");
    for field in [
        "name= ",
        "flags=N ",
        "db=0 ",
        "multi=-1 ",
        "watch=0 ",
        "resp=2 ",
        "lib-name=lib ",
    ] {
        assert!(info.contains(field), "{field:?} in {info}");
    }
    assert_eq!(db.say("CLIENT REPLY OFF"), "");
    assert_eq!(db.say("RESET"), "+RESET\r\n");
    assert_eq!(db.say("EXEC"), "-ERR EXEC without MULTI\r\n");
}
