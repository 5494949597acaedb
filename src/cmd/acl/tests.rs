use std::sync::Arc;

use super::super::World;
use super::super::session::Session;
use super::user::{Rights, merge};
use crate::config::Config;
use crate::store::Clock;

/// The rights these rules make, as they are shown.
fn described(rules: &str) -> Result<String, String> {
    let rules: Vec<&str> = rules.split(' ').collect();
    let mut rights = Rights::new(false);
    for rule in merge(&rules).map_err(|at| format!("unmatched {at}"))? {
        rights
            .apply(&rule, false)
            .map_err(|error| error.to_string())?;
    }
    Ok(String::from_utf8_lossy(&rights.describe()).into_owned())
}

/// Two connections to one server: the first may do everything, the second is a user with these rules.
fn with_user(rules: &str) -> (Session, Session) {
    let boss = Session::alone();
    let mut user = Session::new(boss.world());
    let mut boss = boss;
    assert_eq!(
        boss.say(&format!("ACL SETUSER u on >pw {rules}")),
        "+OK\r\n"
    );
    assert_eq!(user.say("AUTH u pw"), "+OK\r\n");
    (boss, user)
}

#[test]
fn rules_are_shown_as_redis_shows_them() {
    for (rules, shown) in [
        ("on", "on sanitize-payload resetchannels -@all"),
        (
            "nopass ~a ~b allkeys &c allchannels +@all",
            "off nopass sanitize-payload ~* &* +@all",
        ),
        (
            "%R~a %W~a %rw~b %r~c +@READ -@read",
            "off sanitize-payload ~a ~b %R~c resetchannels -@all -@read",
        ),
        (
            "+config|get +config -config|set +select|1 +SELECT",
            "off sanitize-payload resetchannels -@all +config -config|set +select",
        ),
        (
            "(~a +get) ( %W~b  +set )",
            "off sanitize-payload resetchannels -@all (~a resetchannels -@all +get) (%W~b resetchannels -@all +set)",
        ),
        (
            "on (+get) skip-sanitize-payload clearselectors",
            "on skip-sanitize-payload resetchannels -@all",
        ),
        (
            "on nopass ~* +@all reset",
            "off sanitize-payload resetchannels -@all",
        ),
    ] {
        assert_eq!(described(rules).as_deref(), Ok(shown), "{rules}");
        assert_eq!(described(shown).as_deref(), Ok(shown), "read again");
    }
    let text = described(">pw >pw").expect("passwords are rules");
    assert!(
        text.starts_with("off sanitize-payload #30c952fab122c3f9"),
        "{text}"
    );
    assert_eq!(described(">pw >other <pw <other"), described("resetpass"));
}

#[test]
fn commands_of_redis_that_are_not_served_may_be_named() {
    for rule in [
        "+lpush",
        "-zadd",
        "+xgroup|create",
        "+eval|0",
        "-cluster|slots",
    ] {
        let shown = format!("off sanitize-payload resetchannels -@all {rule}");
        assert_eq!(described(rule), Ok(shown));
    }
    for rule in ["+nosuch", "+xgroup|nosuch", "-lpush|0", "+@nosuch"] {
        let error = "Unknown command or category name in ACL";
        assert_eq!(described(rule), Err(error.into()), "{rule}");
    }
}

#[test]
fn a_user_may_do_what_the_rules_say_and_no_more() {
    let (mut boss, mut user) = with_user("~in:* %R~out +@bitmap +config|get -bitop +select|0");
    boss.say("SETBIT out 1 1");
    assert_eq!(user.say("SETBIT in:1 1 1"), ":0\r\n");
    assert_eq!(user.say("GETBIT out 1"), ":1\r\n");
    let no_key = "-NOPERM No permissions to access a key\r\n";
    for line in [
        "SETBIT out 1 1",
        "GETBIT elsewhere 1",
        "BITFIELD out SET u1 0 1",
    ] {
        assert_eq!(user.say(line), no_key, "{line}");
    }
    assert_eq!(
        user.say("BITFIELD out GET u1 1"),
        "*1\r\n:1\r\n",
        "it only reads"
    );
    for (line, name) in [
        ("BITOP AND in:1 in:2 in:3", "bitop"),
        ("CONFIG SET hz 20", "config|set"),
        ("SELECT 1", "select"),
        ("GET in:1", "get"),
    ] {
        let text = format!("-NOPERM User u has no permissions to run the '{name}' command\r\n");
        assert_eq!(user.say(line), text, "{line}");
    }
    assert_eq!(user.say("SELECT 0"), "+OK\r\n");
    assert!(user.say("CONFIG GET hz").starts_with("*2\r\n"));
    assert_eq!(user.say("RESET"), "+RESET\r\n", "needs no permission");
    assert_eq!(user.say("ACL WHOAMI"), "$7\r\ndefault\r\n");
}

#[test]
fn one_selector_has_to_allow_the_whole_request() {
    let (_boss, mut user) = with_user("~a +get (~b +set) (~c +mget) (~d +mget)");
    assert_eq!(user.say("GET a"), "$-1\r\n");
    assert_eq!(user.say("SET b 1"), "+OK\r\n");
    assert_eq!(user.say("MGET c c"), "*2\r\n$-1\r\n$-1\r\n");
    for line in ["GET b", "SET a 1", "MGET c d"] {
        assert_eq!(
            user.say(line),
            "-NOPERM No permissions to access a key\r\n",
            "{line}"
        );
    }
}

#[test]
fn a_change_is_felt_by_those_who_are_logged_in() {
    let (mut boss, mut user) = with_user("~* &* +@all");
    assert_eq!(user.say("SET k 1"), "+OK\r\n");
    assert_eq!(boss.say("ACL SETUSER u -set off resetpass"), "+OK\r\n");
    assert!(user.say("SET k 2").starts_with("-NOPERM User u"));
    assert_eq!(user.say("GET k"), "$1\r\n1\r\n");
    assert_eq!(boss.say("ACL SETUSER u +set"), "+OK\r\n");
    assert_eq!(user.say("SET k 2"), "+OK\r\n");
    assert_eq!(boss.say("ACL DELUSER u nobody"), ":1\r\n");
    assert_eq!(user.say("SET k 3"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(boss.say("GET k"), "$1\r\n2\r\n");
    assert_eq!(
        boss.world().clients.len(),
        1,
        "its connection is as good as gone"
    );
}

#[test]
fn a_transaction_is_asked_again_when_it_runs() {
    let (mut boss, mut user) = with_user("~* +@all");
    for line in ["MULTI", "SET k 1", "GET k"] {
        user.say(line);
    }
    boss.say("ACL SETUSER u -set");
    let reply = user.say("EXEC");
    assert!(
        reply.starts_with("*2\r\n-NOPERM ACLs rules changed between"),
        "{reply}"
    );
    assert!(
        reply.ends_with("command or subcommand\r\n$-1\r\n"),
        "{reply}"
    );
    user.say("MULTI");
    assert!(user.say("SET k 1").starts_with("-NOPERM"));
    assert!(user.say("EXEC").starts_with("-EXECABORT"));
    let log = boss.say("ACL LOG");
    assert!(
        log.contains("multi") && log.contains("$5\r\ncount\r\n:2\r\n"),
        "{log}"
    );
}

#[test]
fn the_default_user_follows_requirepass() {
    let mut boss = Session::alone();
    boss.say("CONFIG SET requirepass secret");
    assert!(
        boss.say("ACL LIST")
            .contains("user default on sanitize-payload #2bb80d537b1da3e3")
    );
    let mut stranger = Session::stranger(boss.world());
    assert_eq!(stranger.say("PING"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(stranger.say("AUTH secret"), "+OK\r\n");
    boss.say("ACL SETUSER default >second");
    assert_eq!(stranger.say("AUTH second"), "+OK\r\n");
    boss.say("ACL SETUSER default off");
    assert!(stranger.say("AUTH secret").starts_with("-WRONGPASS"));
    assert_eq!(stranger.say("PING"), "+PONG\r\n", "it was in already");
    boss.say("CONFIG SET requirepass");
    boss.say("ACL SETUSER default on nopass");
    assert_eq!(Session::stranger(boss.world()).say("PING"), "+PONG\r\n");
}

#[test]
fn users_are_read_from_the_configuration() {
    let world = |text: &str| {
        let mut config = Config::new();
        config.load_text(text).expect("the lines are settings");
        let config = Arc::new(config);
        let world = World::new(Arc::clone(&config), Arc::default(), Clock::System);
        world
            .acl
            .load_configured(&config)
            .map(|()| world)
            .map_err(|error| error.to_string())
    };
    let text = "requirepass x\nuser alice on nopass ~* +lpush +get\nuser default on >y ~* +@all";
    let loaded = Arc::new(world(text).expect("these are users"));
    let mut db = Session::stranger(loaded);
    assert!(
        db.say("AUTH x").starts_with("-WRONGPASS"),
        "the line counts"
    );
    assert_eq!(db.say("AUTH y"), "+OK\r\n");
    assert_eq!(db.say("AUTH alice whatever"), "+OK\r\n");
    assert_eq!(db.say("GET k"), "$-1\r\n");
    for (text, why) in [
        (
            "user a on foo",
            "Error in user declaration 'foo': Syntax error",
        ),
        (
            "user a\nuser a",
            "Error in user declaration 'a': Duplicate user found. A user can only be defined once in config files",
        ),
        (
            "user a (+get",
            "Error in user declaration '(+get': Wrong format",
        ),
        ("user a +nosuch", "Unknown command or category name in ACL"),
        ("user a\naclfile x", "but not both."),
        (
            "aclfile /nonexistent/x",
            "Error loading ACLs, opening file '/nonexistent/x': No such file or directory",
        ),
    ] {
        let error = world(text).err().unwrap_or_default();
        assert!(error.ends_with(why), "{text}: {error}");
    }
}

#[test]
fn a_file_of_users_is_written_and_read_back_whole_or_not_at_all() {
    let path = std::env::temp_dir().join(format!("bitmapd-users-{}", std::process::id()));
    std::fs::write(
        &path,
        "user a on nopass +get ~a  %R~b\n\n user b (~c +get) \r\n",
    )
    .expect("written");
    let mut config = Config::new();
    config
        .load_text(&format!("aclfile {}", path.display()))
        .expect("a setting");
    let config = Arc::new(config);
    let world = World::new(Arc::clone(&config), Arc::default(), Clock::System);
    world.acl.load_configured(&config).expect("these are users");
    let mut boss = Session::new(Arc::new(world));
    let before = boss.say("ACL LIST");
    let mut a = Session::new(boss.world());
    assert_eq!(a.say("AUTH a x"), "+OK\r\n");

    std::fs::write(&path, "user a +nosuch\nuser b foo\nnonsense\n").expect("written");
    let error = boss.say("ACL LOAD");
    let name = path.display();
    let told = format!(
        "-ERR {name}:1: Error in applying operation '+nosuch': Unknown command or category name in ACL. \
         {name}:2: Syntax error. {name}:3 should start with user keyword followed by the username. WARNING: ACL errors \
         detected, no change to the previously active ACL rules was performed\r\n"
    );
    assert_eq!(error, told);
    assert_eq!(boss.say("ACL LIST"), before);

    assert_eq!(boss.say("ACL SAVE"), "+OK\r\n");
    assert_eq!(boss.say("ACL DELUSER b"), ":1\r\n");
    assert_eq!(boss.say("ACL LOAD"), "+OK\r\n");
    assert_eq!(boss.say("ACL LIST"), before);
    assert_eq!(
        a.say("GET a"),
        "$-1\r\n",
        "a user who stays keeps its connections"
    );
    std::fs::write(&path, "user b on\n").expect("written");
    assert_eq!(boss.say("ACL LOAD"), "+OK\r\n");
    assert_eq!(
        a.say("GET a"),
        "-NOAUTH Authentication required.\r\n",
        "one who does not, does not"
    );
    std::fs::remove_file(&path).expect("removed");
}

#[test]
fn passwords_are_random_and_as_long_as_asked() {
    let mut db = Session::alone();
    let (first, second) = (db.say("ACL GENPASS"), db.say("ACL GENPASS"));
    assert_eq!(first.len(), "$64\r\n\r\n".len() + 64);
    assert_ne!(first, second);
    for (bits, digits) in [(1, 1), (4, 1), (5, 2), (4096, 1024)] {
        let reply = db.say(&format!("ACL GENPASS {bits}"));
        assert!(reply.starts_with(&format!("${digits}\r\n")), "{reply}");
    }
}

#[test]
fn a_subscriber_is_closed_when_its_channel_is_taken_away() {
    let (mut boss, mut user) = with_user("&news.* &sport +@pubsub +@connection");
    assert_eq!(
        user.say("SUBSCRIBE other"),
        "-NOPERM No permissions to access a channel\r\n"
    );
    let not_literal = user.say("PSUBSCRIBE news.a*");
    assert_eq!(
        not_literal,
        "-NOPERM No permissions to access a channel\r\n"
    );
    assert!(user.say("PSUBSCRIBE news.*").starts_with("*3\r\n"));
    assert!(user.say("SUBSCRIBE sport").starts_with("*3\r\n"));
    assert_eq!(boss.say("ACL SETUSER u &more"), "+OK\r\n");
    assert_eq!(boss.world().clients.len(), 2);
    assert_eq!(boss.say("ACL SETUSER u resetchannels &news.*"), "+OK\r\n");
    assert_eq!(boss.world().clients.len(), 1);
}
