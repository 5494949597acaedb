//! DUMP and RESTORE: a key's value as bytes that can be kept, or carried to another server.
//!
//! The bytes are those Redis gives and takes: see [`crate::persist::rdb`].

use super::{Args, CmdError, CmdResult, Context};
use crate::number::parse_i64;
use crate::persist::rdb::{self, Loaded, Refused};
use crate::resp::Reply;
use crate::store::Value;

/// How many ones a value has, or bytes a payload, that are worth letting other clients in meanwhile.
const LONG: u64 = 1 << 20;

/// The shortest payload, in bytes, that may come to a mebibyte: a compressed string is a hundred times as long at most.
const SHORT: u64 = 8 * 1024;

/// The longest string that is dumped, in bytes: with `proto-max-bulk-len` raised a sparse string can be so long that even
/// its compressed form would fill any memory.
const DUMP_MAX: u64 = 1 << 36;

/// `DUMP key`: the value alone, without the key's name or expiry; nil if there is none.
pub(super) fn dump(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let key = args.take()?;
    let Some(entry) = cx.read(key) else {
        return Ok(Reply::Null);
    };
    let view = entry.view();
    if view.len() > DUMP_MAX {
        return Err(CmdError::other(format!(
            "ERR string is too long to be dumped, {DUMP_MAX} bytes is the limit"
        )));
    }
    let compress = cx.world.config.rdbcompression();
    if view.len().min(view.ones()) < LONG || cx.in_exec {
        return Ok(Reply::bulk(rdb::dump(view, compress)));
    }
    // Shares its chunks with the key, so it stays as it is now.
    let value = entry.value();
    let mut payload = Vec::new();
    cx.unlocked(args.request(), |world| {
        world.aside(&mut || payload = rdb::dump(value.view(), compress));
    });
    Ok(Reply::bulk(payload))
}

/// What RESTORE is told besides key, time to live and payload.
#[derive(Default)]
struct How {
    replace: bool,
    /// The time to live is a point in time.
    absolute: bool,
    /// Seconds since the last access.
    idle: Option<i64>,
    /// The counter of an LFU policy.
    frequency: Option<i64>,
}

impl How {
    /// Reads all that is left. Of idle time and frequency only one may be given.
    fn take(args: &mut Args<'_>) -> Result<Self, CmdError> {
        let mut how = Self::default();
        while !args.is_empty() {
            let valued = args.len() > 1;
            if args.take_word("REPLACE") {
                how.replace = true;
            } else if args.take_word("ABSTTL") {
                how.absolute = true;
            } else if valued && how.frequency.is_none() && args.take_word("IDLETIME") {
                let seconds = args.take_i64()?;
                if seconds < 0 {
                    return Err(CmdError::other("ERR Invalid IDLETIME value, must be >= 0"));
                }
                how.idle = Some(seconds);
            } else if valued && how.idle.is_none() && args.take_word("FREQ") {
                let frequency = args.take_i64()?;
                if !(0..=255).contains(&frequency) {
                    return Err(CmdError::other(
                        "ERR Invalid FREQ value, must be >= 0 and <= 255",
                    ));
                }
                how.frequency = Some(frequency);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(how)
    }
}

/// `RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`
///
/// A time to live of 0 is none; one that has passed stores nothing, and is no error. Arguments are judged in Redis's
/// order: the options, whether the key is in the way, the time to live, the payload.
pub(super) fn restore(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (key, ttl, payload) = (args.take()?, args.take()?, args.take()?);
    let how = How::take(&mut args)?;
    let busy = |cx: &mut Context<'_>| !how.replace && cx.edit(key).is_some();
    if busy(cx) {
        return Err(CmdError::other(BUSY));
    }
    let ttl = parse_i64(ttl).ok_or(CmdError::NotAnInteger)?;
    if ttl < 0 {
        return Err(CmdError::other("ERR Invalid TTL value, must be >= 0"));
    }
    let mut value = Err(Refused::Format);
    let replays = cx.client.replays;
    let long = match cx.world.config.maxmemory() {
        0 => LONG,
        _ => SHORT, // as keys can go for it only while none is locked
    };
    if (payload.len() as u64) < long || cx.in_exec {
        let world = cx.world;
        value = read(payload, &mut || replays || world.may_grow(true));
    } else {
        cx.unlocked(args.request(), |world| {
            world.aside(&mut || {
                value = read(payload, &mut || replays || world.may_grow(false));
            });
        });
        if busy(cx) {
            return Err(CmdError::other(BUSY));
        }
    }
    let value = value.map_err(|refused| match refused {
        Refused::Room => CmdError::OutOfMemory,
        Refused::Footer => CmdError::other("ERR DUMP payload version or checksum are wrong"),
        Refused::Format => CmdError::other("ERR Bad data format"),
        Refused::Type(kind) => CmdError::other(format!(
            "ERR Bad data format: the value is a {kind}, and only strings are held here"
        )),
    })?;

    let base = if how.absolute { 0 } else { cx.now() };
    let expires_at = (ttl != 0).then(|| ttl.wrapping_add(base)); // past, where Redis's sum overflows
    let deleted = how.replace && cx.delete(key);
    // What a log says is done as it was done then, when the time had not come.
    if expires_at.is_some_and(|at| at <= cx.now()) && !cx.client.replays {
        if deleted {
            cx.changed("del", key);
            cx.log_as(|say| say(&[b"DEL", key]));
        }
        return Ok(Reply::Ok);
    }
    let db = cx.client.db;
    cx.keys_mut().put(db, key, value, expires_at);
    if let Some(mut entry) = cx.keys_mut().get_mut(db, key) {
        match (how.idle, how.frequency) {
            (Some(seconds), _) => entry.set_idle(u32::try_from(seconds).unwrap_or(u32::MAX)),
            (_, Some(frequency)) => entry.set_frequency(frequency as u8),
            (None, None) => {}
        }
    }
    cx.notify_new(db, key);
    cx.changed("restore", key);
    cx.log_as(|say| {
        let at = expires_at.unwrap_or(0).to_string();
        say(&[
            b"RESTORE",
            key,
            at.as_bytes(),
            payload,
            b"REPLACE",
            b"ABSTTL",
        ]);
    });
    Ok(Reply::Ok)
}

const BUSY: &str = "BUSYKEY Target key name already exists.";

fn read(payload: &[u8], room: &mut dyn FnMut() -> bool) -> Result<Value, Refused> {
    rdb::restore(payload, room, |loaded| match loaded {
        Loaded::Bytes(bytes) => Value::set(bytes),
        Loaded::Bitmap(bitmap) => Value::Bitmap(bitmap),
    })
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;

    /// What the reply says, without its frame.
    fn payload(reply: &[u8]) -> Vec<u8> {
        let start = reply
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a bulk")
            + 1;
        reply[start..reply.len() - 2].to_vec()
    }

    fn ask(db: &mut Session, words: &[&[u8]]) -> String {
        String::from_utf8_lossy(&db.ask(words.iter().copied())).into_owned()
    }

    #[test]
    fn what_is_dumped_is_restored() {
        let mut db = Session::alone();
        db.say("SET text hello");
        db.say("SET number 123456");
        db.say("SETBIT far 4294967295 1");
        for bit in (0..9_000_000u64).step_by(3) {
            if bit.count_ones() % 2 == 1 {
                db.say(&format!("SETBIT dense {bit} 1"));
            }
        }
        for key in ["text", "number", "far", "dense"] {
            let dumped = payload(&db.ask(["DUMP", key]));
            assert_eq!(
                ask(&mut db, &[b"RESTORE", b"copy", b"0", &dumped]),
                "+OK\r\n"
            );
            for question in ["BITCOUNT", "STRLEN", "PTTL"] {
                let [of_copy, of_key] =
                    ["copy", key].map(|key| db.say(&format!("{question} {key}")));
                assert_eq!(of_copy, of_key, "{question} {key}");
            }
            db.say(&format!("BITOP XOR difference copy {key}"));
            assert_eq!(db.say("BITCOUNT difference"), ":0\r\n", "{key}");
            db.say("DEL copy");
        }
        assert_eq!(db.say("DUMP nothing"), "$-1\r\n");
    }

    #[test]
    fn idle_times_and_frequencies_are_restored() {
        let mut db = Session::alone();
        db.say("SET k v");
        let dumped = payload(&db.ask(["DUMP", "k"]));
        ask(
            &mut db,
            &[b"RESTORE", b"idle", b"0", &dumped, b"IDLETIME", b"1000"],
        );
        assert_eq!(db.say("OBJECT IDLETIME idle"), ":1000\r\n");
        db.say("CONFIG SET maxmemory-policy allkeys-lfu");
        ask(
            &mut db,
            &[b"RESTORE", b"often", b"0", &dumped, b"FREQ", b"200"],
        );
        assert_eq!(db.say("OBJECT FREQ often"), ":200\r\n");
    }

    #[test]
    fn a_value_of_another_type_is_named() {
        let mut db = Session::alone();
        // DUMP of a list of one element, from Redis 8.2.3.
        let list = b"\x12\x01\x02\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff\x0c\x00";
        let mut sum = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Redis);
        sum.update(list);
        let payload = [&list[..], &sum.finalize().to_le_bytes()].concat();
        assert_eq!(
            ask(&mut db, &[b"RESTORE", b"k", b"0", &payload]),
            "-ERR Bad data format: the value is a list, and only strings are held here\r\n"
        );
    }
}
