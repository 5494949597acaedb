use std::sync::atomic::Ordering;

use super::super::session::Session;
use super::super::testing::session_at;

#[test]
fn a_name_is_visible_ascii_or_nothing() {
    let mut db = Session::alone();
    assert_eq!(db.say("CLIENT GETNAME"), "$-1\r\n");
    assert_eq!(db.say("CLIENT SETNAME ~me!"), "+OK\r\n");
    assert_eq!(db.say("CLIENT GETNAME"), "$4\r\n~me!\r\n");
    let refused = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";
    for name in [&b"a b"[..], b"a\n", b"\x7f", b"\xc3\xa4"] {
        let said = db.ask([b"CLIENT", &b"SETNAME"[..], name]);
        assert_eq!(String::from_utf8_lossy(&said), refused, "{name:?}");
    }
    db.ask(["CLIENT", "SETNAME", ""]);
    assert_eq!(db.say("CLIENT GETNAME"), "$-1\r\n");
}

#[test]
fn the_library_is_told_and_shown() {
    let mut db = Session::alone();
    assert_eq!(db.say("CLIENT SETINFO lib-name redis-py"), "+OK\r\n");
    assert_eq!(db.say("CLIENT SETINFO LIB-VER 5.0"), "+OK\r\n");
    assert!(
        db.say("CLIENT INFO")
            .contains(" lib-name=redis-py lib-ver=5.0 ")
    );
    let refused = |option: &str| {
        format!("-ERR {option} cannot contain spaces, newlines or special characters.\r\n")
    };
    for option in ["lib-name", "LIB-VER"] {
        let said = db.ask(["CLIENT", "SETINFO", option, "a b"]);
        assert_eq!(String::from_utf8_lossy(&said), refused(option));
    }
    assert_eq!(
        db.say("CLIENT SETINFO foo bar"),
        "-ERR Unrecognized option 'foo'\r\n"
    );
}

#[test]
fn a_line_of_the_list_has_every_field_in_redis_order() {
    let (mut db, clock) = session_at(10_000);
    db.say("CLIENT SETNAME me");
    clock.store(15_900, Ordering::Relaxed);
    let reply = db.say("CLIENT INFO");
    let line = reply.split("\r\n").nth(1).unwrap();
    let fields: Vec<&str> = line
        .trim_end()
        .split(' ')
        .map(|field| field.split_once('=').unwrap().0)
        .collect();
    assert_eq!(
        fields.join(" "),
        "id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp obl \
         oll omem tot-mem events cmd user redir resp lib-name lib-ver io-thread tot-net-in tot-net-out tot-cmds"
    );
    for field in [
        "id=1 ",
        "name=me ",
        "age=5 ",
        "argv-mem=10 ",
        "cmd=client|info ",
        "tot-cmds=1\n",
    ] {
        assert!(line.contains(field), "{field:?} in {line}");
    }
}

#[test]
fn flags_show_transactions_and_what_breaks_them() {
    let mut mine = Session::alone();
    let mut other = Session::new(mine.world());
    let mut seen = |mine: &mut Session, line: &str, expected: &str| {
        mine.say(line);
        let list = other.say("CLIENT LIST ID 1");
        assert!(
            list.contains(expected),
            "{expected:?} after {line} in {list}"
        );
    };
    seen(
        &mut mine,
        "WATCH a b",
        " flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 watch=2 ",
    );
    seen(
        &mut mine,
        "SET a 1",
        " flags=d db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 ",
    );
    seen(
        &mut mine,
        "MULTI",
        " flags=xd db=0 sub=0 psub=0 ssub=0 multi=0 ",
    );
    seen(&mut mine, "GET a", " multi=0 "); // it would not run any more
    seen(
        &mut mine,
        "DISCARD",
        " flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 ",
    );
    seen(&mut mine, "MULTI", " multi=0 ");
    seen(&mut mine, "GET a", " multi=1 ");
    seen(
        &mut mine,
        "EXEC",
        " flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 ",
    );
    seen(&mut mine, "CLIENT NO-EVICT ON", " flags=e ");
    seen(&mut mine, "CLIENT NO-TOUCH ON", " flags=eT ");
    seen(&mut mine, "NOSUCH", " cmd=NULL ");
    seen(&mut mine, "GET", " cmd=get ");
}

#[test]
fn the_list_is_filtered_by_type_or_by_ids() {
    let mut db = Session::alone();
    let _other = Session::new(db.world());
    let ids = |reply: String| -> Vec<String> {
        let lines = reply
            .split(['\n', '\r'])
            .filter(|line| line.starts_with("id="));
        lines.map(|line| line[3..4].to_string()).collect()
    };
    assert_eq!(ids(db.say("CLIENT LIST")), ["1", "2"]);
    assert_eq!(ids(db.say("CLIENT LIST TYPE normal")), ["1", "2"]);
    assert_eq!(db.say("CLIENT LIST TYPE pubsub"), "$0\r\n\r\n");
    assert_eq!(ids(db.say("CLIENT LIST ID 2 7 1 2 -1")), ["2", "1", "2"]);
    assert_eq!(db.say("CLIENT LIST ID 2 x"), "-ERR Invalid client ID\r\n");
    assert_eq!(
        db.say("CLIENT LIST TYPE foo"),
        "-ERR Unknown client type 'foo'\r\n"
    );
    for line in [
        "CLIENT LIST FOO",
        "CLIENT LIST ID",
        "CLIENT LIST TYPE",
        "CLIENT LIST TYPE normal ID 1",
    ] {
        assert_eq!(db.say(line), "-ERR syntax error\r\n", "{line}");
    }
}

#[test]
fn kill_closes_what_fits_every_filter_and_spares_the_caller() {
    let mut db = Session::alone();
    let world = db.world();
    let _others = [Session::new(db.world()), Session::new(db.world())];
    let third = world.clients.find(3).unwrap();
    for (line, killed) in [
        ("CLIENT KILL ID 3 TYPE pubsub", 0),
        ("CLIENT KILL ID 3 ADDR 1.2.3.4:5", 0),
        ("CLIENT KILL ID 3 MAXAGE 1000", 0),
        ("CLIENT KILL ID 1", 0),
        ("CLIENT KILL ID 3 LADDR 127.0.0.1:0 USER default", 1),
        ("CLIENT KILL ID 3", 0),
        ("CLIENT KILL SKIPME yes", 1),
    ] {
        assert_eq!(db.say(line), format!(":{killed}\r\n"), "{line}");
    }
    assert!(third.is_closing());
    assert_eq!(world.clients.len(), 1);
}

#[test]
fn who_kills_himself_still_hears_of_it_and_nothing_after() {
    let mut db = Session::alone();
    for line in ["MULTI", "PING", "CLIENT KILL ID 1 SKIPME no", "PING"] {
        db.say(line);
    }
    assert_eq!(db.say("EXEC"), "*3\r\n+PONG\r\n:1\r\n");
}

#[test]
fn kill_judges_its_filters_in_order() {
    let mut db = Session::alone();
    for (arguments, error) in [
        ("127.0.0.1:1", "-ERR No such client\r\n"),
        ("FOO bar", "-ERR syntax error\r\n"),
        ("ID 9 FOO", "-ERR syntax error\r\n"),
        (
            "ID 0 FOO bar",
            "-ERR client-id should be greater than 0\r\n",
        ),
        ("ID x", "-ERR client-id should be greater than 0\r\n"),
        ("TYPE x", "-ERR Unknown client type 'x'\r\n"),
        ("USER nobody", "-ERR No such user 'nobody'\r\n"),
        ("SKIPME maybe", "-ERR syntax error\r\n"),
        ("MAXAGE 0", "-ERR maxage should be greater than 0\r\n"),
        (
            "MAXAGE x",
            "-ERR maxage is not an integer or out of range\r\n",
        ),
    ] {
        assert_eq!(
            db.say(&format!("CLIENT KILL {arguments}")),
            error,
            "{arguments}"
        );
    }
}

#[test]
fn replies_are_switched_off_and_skipped() {
    let mut db = Session::alone();
    for (line, reply) in [
        ("CLIENT REPLY OFF", ""),
        ("PING", ""),
        ("CLIENT REPLY SKIP", ""),
        ("PING", ""),
        ("CLIENT REPLY ON", "+OK\r\n"),
        ("CLIENT REPLY SKIP", ""),
        ("PING", ""),
        ("PING", "+PONG\r\n"),
        ("CLIENT REPLY SKIP", ""),
        ("CLIENT REPLY SKIP", ""),
        ("PING", ""),
        ("PING", "+PONG\r\n"),
        ("CLIENT REPLY maybe", "-ERR syntax error\r\n"),
    ] {
        assert_eq!(db.say(line), reply, "{line}");
    }
}
