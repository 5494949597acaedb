//! DEBUG: what tests and tools ask of a server. Refused unless `enable-debug-command` allows it.
//!
//! Not a container in the command table, as in Redis: a subcommand with the wrong number of arguments is an unknown one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::loading::{self, Merge};
use super::{Args, Client, CmdError, CmdResult, Context, World, container, digest, saves};
use crate::bits::View;
use crate::number::parse_i64;
use crate::resp::{Reply, Version};
use crate::store::{Access, EntryRef, Locked};

/// The answer to whoever may not use DEBUG.
pub(super) const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \
     \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, \
     and then restart the server.";

/// Whether a client may use DEBUG.
pub(super) fn allowed(world: &World, client: &Client) -> bool {
    let permission = world.config.enable_debug_command();
    permission.allows(client.info.is_local())
}

/// One subcommand: its name, how many arguments it takes at least and at most, how they are written, what it does.
struct Subcommand {
    name: &'static str,
    arguments: (usize, usize),
    usage: &'static str,
    summary: &'static str,
    run: fn(&mut Context<'_>, Args<'_>) -> CmdResult,
}

#[rustfmt::skip] // read by column
static SUBCOMMANDS: &[Subcommand] = &[
    Subcommand { name: "DIGEST",            arguments: (0, 0), usage: "",                           summary: "A signature of all keys and values.",                     run: digest },
    Subcommand { name: "DIGEST-VALUE",      arguments: (0, usize::MAX), usage: " [<key> ...]",      summary: "A signature of the value and expiry of each key.",        run: digest_value },
    Subcommand { name: "OBJECT",            arguments: (1, 1), usage: " <key>",                     summary: "How a value is held, and when it was last used.",         run: object },
    Subcommand { name: "PAUSE-CRON",        arguments: (1, 1), usage: " <0|1>",                     summary: "1 stops everything periodic, 0 lets it go on.",           run: pause_cron },
    Subcommand { name: "POPULATE",          arguments: (1, 3), usage: " <count> [<prefix>] [<size>]", summary: "Makes keys <prefix>:0 up to <count>, where they are missing.", run: populate },
    Subcommand { name: "PROTOCOL",          arguments: (1, 1), usage: " <type>",                    summary: "A reply of this type.",                                   run: protocol },
    Subcommand { name: "RELOAD",            arguments: (0, usize::MAX), usage: " [<option> ...]",   summary: "Saves, forgets everything and loads; MERGE, NOFLUSH and NOSAVE leave parts out.", run: reload },
    Subcommand { name: "SET-ACTIVE-EXPIRE", arguments: (1, 1), usage: " <0|1>",                     summary: "0 keeps expired keys until somebody asks for them.",      run: set_active_expire },
    Subcommand { name: "SLEEP",             arguments: (1, 1), usage: " <seconds>",                 summary: "Holds every key for so long.",                            run: sleep },
    Subcommand { name: "HELP",              arguments: (0, 0), usage: "",                           summary: "Prints this page.",                                       run: help },
];

/// `DEBUG subcommand [argument ...]`
pub(super) fn debug(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let name = args.take()?;
    let found = SUBCOMMANDS.iter().find(|subcommand| {
        let (least, most) = subcommand.arguments;
        subcommand.name.as_bytes().eq_ignore_ascii_case(name)
            && (least..=most).contains(&args.len())
    });
    match found {
        Some(subcommand) => (subcommand.run)(cx, args),
        None => {
            let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
            text.extend_from_slice(&name[..name.len().min(128)]);
            text.extend_from_slice(b"'. Try DEBUG HELP.");
            Err(CmdError::Quoting(text))
        }
    }
}

fn help(_: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let entries = SUBCOMMANDS.iter().map(|subcommand| {
        let synopsis = format!("{}{}", subcommand.name, subcommand.usage);
        (synopsis, subcommand.summary.to_string())
    });
    Ok(container::page(b"DEBUG", entries))
}

/// `DEBUG DIGEST`: equal on two servers that hold the same keys, values and expiries.
fn digest(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    cx.lock_everything(Access::Read);
    let digest = digest::of_everything(cx.keys(), cx.world.keyspace.databases());
    Ok(Reply::Simple(digest.to_string().into()))
}

/// `DEBUG DIGEST-VALUE [key ...]`: as DIGEST, of each key alone; zeros for one that is missing.
fn digest_value(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let locked = (!cx.in_exec).then(|| {
        cx.world
            .keyspace
            .lock_keys(args.rest().map(|key| (key, Access::Read)))
    });
    let keys = locked.as_ref().unwrap_or(cx.keys());
    let digests = args.rest().map(|key| {
        let digest = keys
            .get(cx.client.db, key)
            .map(digest::of_value)
            .unwrap_or_default();
        Reply::Simple(digest.to_string().into())
    });
    Ok(Reply::Array(digests.collect()))
}

/// `DEBUG OBJECT key`: the fields of Redis that mean something here.
fn object(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let locked = (!cx.in_exec).then(|| cx.world.keyspace.lock_key(key, Access::Read));
    let keys = locked.as_ref().unwrap_or(cx.keys());
    let entry = keys.get(cx.client.db, key).ok_or(CmdError::NoSuchKey)?;
    let at = match entry.view() {
        View::Flat(bytes) => bytes.as_ptr().addr(),
        View::Chunked(bitmap) => std::ptr::from_ref(bitmap).addr(),
    };
    let idle = entry.idle_seconds();
    // Redis's clock of accesses: seconds, in 24 bits.
    let lru = (keys.now() / 1000 - i64::from(idle)) & 0xff_ffff;
    Ok(Reply::Simple(
        format!(
            "Value at:{at:#x} refcount:1 encoding:{} serializedlength:{} lru:{lru} lru_seconds_idle:{idle}",
            entry.encoding().name(),
            serialized_len(&entry),
        )
        .into(),
    ))
}

/// How long the value is in an RDB file that compresses nothing.
fn serialized_len(entry: &EntryRef<'_>) -> u64 {
    const LONGEST_INTEGER: u64 = 11; // "-2147483648"
    let bytes = entry.view();
    let len = bytes.len();
    let integer = (len <= LONGEST_INTEGER)
        .then(|| parse_i64(&bytes.to_vec()))
        .flatten();
    match (integer, len) {
        (Some(-0x80..=0x7f), _) => 2,
        (Some(-0x8000..=0x7fff), _) => 3,
        (Some(-0x8000_0000..=0x7fff_ffff), _) => 5,
        (_, 0..0x40) => 1 + len,
        (_, 0x40..0x4000) => 2 + len,
        (_, 0x4000..=0xffff_ffff) => 5 + len,
        (_, _) => 9 + len,
    }
}

/// `DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]`: saves, empties every database and loads what was saved; while it does, other
/// clients are answered as at the start. MERGE lets keys of the file replace those that are there.
fn reload(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (mut merge, mut flush, mut save) = (Merge::No, true, true);
    while !args.is_empty() {
        if args.take_word("MERGE") {
            merge = Merge::Replace;
        } else if args.take_word("NOFLUSH") {
            flush = false;
        } else if args.take_word("NOSAVE") {
            save = false;
        } else {
            return Err(CmdError::other(
                "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
            ));
        }
    }
    if cx.in_exec {
        return Err(CmdError::other(
            "ERR DEBUG RELOAD is not possible inside a transaction",
        ));
    }
    let world = cx.world;
    let mut result = Ok(Reply::Ok);
    world.aside(&mut || {
        if save && saves::now(world) != Ok(true) {
            result = Err(CmdError::other("ERR"));
            return;
        }
        let _closed = loading::Closed::new(world);
        if flush {
            let mut all = world.keyspace.lock_all(Access::Write);
            let garbage: Vec<_> = (0..world.keyspace.databases())
                .map(|db| all.flush(db))
                .collect();
            drop((all, garbage));
        }
        match loading::load_file(world, &world.saves.file(), merge) {
            Ok(_) => tracing::warn!("DB reloaded by DEBUG RELOAD"),
            Err(error) => {
                tracing::error!("{error}");
                result = Err(CmdError::other(
                    "ERR Error trying to load the RDB dump, check server logs",
                ));
            }
        }
    });
    result
}

fn pause_cron(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    switch(&cx.world.paused.cron, args, |word| word != 0)
}

fn set_active_expire(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    switch(&cx.world.paused.expiry, args, |word| word == 0)
}

/// A number turns something on or off. What is not a number is 0, as in C.
fn switch(switch: &AtomicBool, mut args: Args<'_>, on: fn(i64) -> bool) -> CmdResult {
    let number = parse_i64(args.take()?).unwrap_or(0);
    switch.store(on(number), Ordering::Relaxed);
    Ok(Reply::Ok)
}

/// `DEBUG POPULATE count [prefix] [size]`: `key:0` is `value:0` and so on; with a size, cut or filled with zeros to it.
fn populate(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let count = take_natural(&mut args)?;
    let prefix = args.take_optional().unwrap_or(b"key");
    let size = match args.is_empty() {
        true => 0,
        false => take_natural(&mut args)?,
    };
    cx.check_length(size)?;
    let db = cx.client.db;
    for n in 0..count {
        let key = [prefix, b":", n.to_string().as_bytes()].concat();
        let value = format!("value:{n}");
        if cx.in_exec {
            fill(cx.keys_mut(), db, &key, value.as_bytes(), size);
        } else {
            // A key at a time: others are served between two of them.
            let mut keys = cx.world.keyspace.lock_key(&key, Access::Write);
            fill(&mut keys, db, &key, value.as_bytes(), size);
        }
    }
    Ok(Reply::Ok)
}

/// Makes one key of DEBUG POPULATE, unless it is there. `size` is in bytes; 0 leaves the value as it is.
fn fill(keys: &mut Locked<'_>, db: usize, key: &[u8], value: &[u8], size: u64) {
    if keys.get(db, key).is_some() {
        return;
    }
    let shown = match usize::try_from(size) {
        Ok(size @ 1..) if size < value.len() => &value[..size],
        _ => value,
    };
    if size <= shown.len() as u64 {
        keys.put_bytes(db, key, shown, None);
    } else if size <= 1 << 10 {
        let mut padded = shown.to_vec();
        padded.resize(size as usize, 0);
        keys.put_bytes(db, key, &padded, None);
    } else {
        let (mut entry, _) = keys.get_or_create(db, key);
        entry.write(0, shown);
        entry.grow(size);
    }
    keys.touch_watchers(db, key);
}

fn take_natural(args: &mut Args<'_>) -> Result<u64, CmdError> {
    parse_i64(args.take()?)
        .and_then(|n| u64::try_from(n).ok())
        .ok_or(CmdError::NotPositive)
}

/// `DEBUG SLEEP seconds`: nobody reaches a key meanwhile, as if the server were busy. Decimals are allowed; what is not a
/// number is 0.
fn sleep(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let seconds: f64 = std::str::from_utf8(args.take()?)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0);
    let time = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let world = cx.world;
    cx.lock_everything(Access::Write);
    world.aside(&mut || std::thread::sleep(time));
    Ok(Reply::Ok)
}

/// `DEBUG PROTOCOL type`: one reply of each type there is, for the tests of clients.
fn protocol(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let integers = || (0..3).map(Reply::Integer).collect();
    let kind = args.take()?.to_ascii_lowercase();
    Ok(match &*kind {
        b"string" => Reply::bulk("Hello World"),
        b"integer" => Reply::Integer(12345),
        b"double" => Reply::Double(3141.0 / 1000.0),
        b"null" => Reply::Null,
        b"array" => Reply::Array(integers()),
        b"set" => Reply::Set(integers()),
        b"map" => {
            let odd = |n: i64| (Reply::Integer(n), Reply::Boolean(n % 2 == 1));
            Reply::Map((0..3).map(odd).collect())
        }
        b"attrib" => attributed(),
        b"push" => pushed(cx)?,
        b"verbatim" => Reply::Verbatim {
            format: *b"txt",
            text: "This is a verbatim\nstring".into(),
        },
        b"true" => Reply::Boolean(true),
        b"false" => Reply::Boolean(false),
        b"bignum" => Reply::BigNumber("1234567999999999999999999999999999999".into()),
        _ => {
            return Err(CmdError::other(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    })
}

/// A reply with something said about it.
fn attributed() -> Reply {
    let popularity = Reply::Array(vec![Reply::bulk("key:123"), Reply::Integer(90)]);
    Reply::Attributed {
        attributes: vec![(Reply::bulk("key-popularity"), popularity)],
        reply: Box::new(Reply::bulk("Some real reply following the attribute")),
    }
}

/// A reply with a message behind it that it has nothing to do with.
fn pushed(cx: &Context<'_>) -> CmdResult {
    if cx.client.version == Version::Resp2 {
        return Err(CmdError::other(
            "ERR RESP2 is not supported by this command",
        ));
    }
    let message = vec![Reply::bulk("server-cpu-usage"), Reply::Integer(42)];
    Ok(Reply::Followed(Box::new([
        Reply::bulk("Some real reply following the push reply"),
        Reply::Push(message),
    ])))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::session::Session;
    use super::*;
    use crate::config::Config;
    use crate::store::Clock;

    fn session() -> Session {
        let config = Config::from_args(&["--enable-debug-command".into(), "yes".into()])
            .expect("the settings are good")
            .config;
        let world = World::new(Arc::new(config), Arc::default(), Clock::System);
        Session::new(Arc::new(world))
    }

    #[test]
    fn debug_is_refused_unless_the_setting_allows_it() {
        let mut db = Session::alone();
        assert_eq!(db.say("DEBUG SLEEP 0"), format!("-{NOT_ALLOWED}\r\n"));
        db.say("MULTI");
        db.say("DEBUG HELP");
        assert!(db.say("EXEC").starts_with("-EXECABORT"));
        assert_eq!(session().say("DEBUG SLEEP 0"), "+OK\r\n");
    }

    #[test]
    fn what_is_not_there_is_unknown_whatever_follows() {
        let mut db = session();
        for line in [
            "JMAP",
            "OBJECT",
            "SLEEP 0 1",
            "PROTOCOL",
            "POPULATE 1 a 1 1",
            "HELP x",
        ] {
            let name = line.split(' ').next().unwrap_or(line);
            assert_eq!(
                db.say(&format!("DEBUG {line}")),
                format!(
                    "-ERR unknown subcommand or wrong number of arguments for '{name}'. Try DEBUG HELP.\r\n"
                )
            );
        }
    }

    #[test]
    fn populate_makes_the_keys_that_are_missing() {
        let mut db = session();
        db.say("SETBIT p:1 7 1");
        assert_eq!(db.say("DEBUG POPULATE 3 p 3"), "+OK\r\n");
        assert_eq!(db.say("DBSIZE"), ":3\r\n");
        assert_eq!(db.say("BITCOUNT p:1"), ":1\r\n");
        let ones: u32 = b"val".iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(db.say("BITCOUNT p:2"), format!(":{ones}\r\n"));
        assert_eq!(db.say("DEBUG POPULATE 1 big 1000000"), "+OK\r\n");
        assert_eq!(db.say("BITPOS big:0 0 999999"), ":7999992\r\n");
        let error = "-ERR value is out of range, must be positive\r\n";
        assert_eq!(db.say("DEBUG POPULATE -1"), error);
    }

    #[test]
    fn protocol_speaks_both_versions() {
        let mut db = session();
        assert_eq!(db.say("DEBUG PROTOCOL double"), "$5\r\n3.141\r\n");
        assert_eq!(
            db.say("DEBUG PROTOCOL attrib"),
            "$39\r\nSome real reply following the attribute\r\n"
        );
        assert_eq!(
            db.say("DEBUG PROTOCOL push"),
            "-ERR RESP2 is not supported by this command\r\n"
        );
        assert!(
            db.say("DEBUG PROTOCOL nosuch")
                .starts_with("-ERR Wrong protocol type name.")
        );
    }

    #[test]
    fn object_tells_how_redis_would_write_the_value() {
        let mut db = session();
        db.say("DEBUG POPULATE 1 k");
        let line = db.say("DEBUG OBJECT k:0");
        assert!(
            line.contains(" refcount:1 encoding:embstr serializedlength:8 lru:"),
            "{line}"
        );
        assert!(line.ends_with(" lru_seconds_idle:0\r\n"), "{line}");
        assert_eq!(db.say("DEBUG OBJECT nosuch"), "-ERR no such key\r\n");
    }

    #[test]
    fn background_work_is_held_and_let_go() {
        let mut db = session();
        let sweeps = |db: &Session| !db.world().paused.sweep();
        db.say("DEBUG SET-ACTIVE-EXPIRE 0");
        assert!(!sweeps(&db));
        db.say("DEBUG SET-ACTIVE-EXPIRE 1");
        assert!(sweeps(&db));
        db.say("DEBUG PAUSE-CRON 1");
        assert!(!sweeps(&db));
        db.say("DEBUG PAUSE-CRON 0");
        assert!(sweeps(&db));
    }
}
