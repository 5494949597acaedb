use super::super::session::Session;
use super::super::testing::{changes_of, encoding, expires_at, session_at};
use crate::bits::{Bitmap, oracle};
use crate::store::{Access, Value};

fn put(db: &Session, key: &str, value: &[u8]) {
    let world = db.world();
    let mut keys = world.keyspace.lock_key(key.as_bytes(), Access::Write);
    keys.put(0, key.as_bytes(), Value::raw(value), None);
}

/// The bytes of a bulk string.
fn bulk(reply: Vec<u8>) -> Vec<u8> {
    assert_eq!(reply[0], b'$', "{}", reply.escape_ascii());
    let line = reply.iter().position(|&b| b == b'\n').expect("a line") + 1;
    reply[line..reply.len() - 2].to_vec()
}

fn export(db: &mut Session, key: &str) -> Vec<u8> {
    bulk(db.ask(["BITEXPORT", key]))
}

fn import(db: &mut Session, key: &str, blob: &[u8], mode: &str) -> String {
    let words = [b"BITIMPORT", key.as_bytes(), blob, mode.as_bytes()];
    let words = words.into_iter().filter(|word| !word.is_empty());
    String::from_utf8_lossy(&db.ask(words)).into_owned()
}

#[test]
fn what_is_exported_is_imported_again_whatever_its_size() {
    let mut db = Session::alone();
    let noise = oracle::noise(900_000);
    let sparse: Vec<u8> = noise
        .iter()
        .map(|byte| if *byte == 7 { 1 } else { 0 })
        .collect();
    for value in [&noise[..5], &noise[..20_000], &noise, &sparse] {
        put(&db, "k", value);
        let blob = export(&mut db, "k");
        let ones = db.say("BITCOUNT k");
        assert_eq!(import(&mut db, "again", &blob, ""), ones);
        let end = value.iter().rposition(|byte| *byte != 0).expect("a one") + 1;
        assert!(bulk(db.ask(["GET", "again"])) == value[..end]);
        assert_eq!(
            export(&mut db, "again"),
            blob,
            "equal bitmaps are exported alike"
        );
    }
    assert_eq!(db.say("BITEXPORT missing"), "$-1\r\n");
    db.say("SETBIT zeros 99 0");
    assert_eq!(export(&mut db, "zeros"), [0x3a, 0x30, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_mode_combines_as_bitop_does() {
    let mut db = Session::alone();
    let noise = oracle::noise(40_000);
    put(&db, "blob", &noise[100..30_000]);
    let blob = export(&mut db, "blob");
    for value in [&noise[..40_000], &noise[..50], &noise[..20_000]] {
        for mode in ["AND", "or", "XOR", "Diff"] {
            put(&db, "k", value);
            put(&db, "other", value);
            db.say(&format!("BITOP {mode} want k blob"));
            assert_eq!(
                import(&mut db, "k", &blob, mode),
                db.say("BITCOUNT want"),
                "{mode}"
            );
            assert_eq!(db.ask(["GET", "k"]), db.ask(["GET", "want"]), "{mode}");
        }
    }
    assert_eq!(import(&mut db, "missing", &blob, "DIFF"), ":0\r\n");
    assert_eq!(db.say("STRLEN missing"), ":29900\r\n");
}

#[test]
fn replacing_ends_the_expiry_and_nothing_deletes_the_key() {
    let (mut db, _) = session_at(1000);
    db.say("SETBIT one 20 1");
    let one = export(&mut db, "one");
    db.say("SETBIT zeros 99 0");
    let none = export(&mut db, "zeros");
    db.say("SET k 1 PX 50");
    assert_eq!(import(&mut db, "k", &one, "OR"), ":4\r\n");
    assert_eq!(
        (expires_at(&db, "k"), encoding(&db, "k")),
        (Some(1050), "raw")
    );
    assert_eq!(import(&mut db, "k", &one, "REPLACE"), ":1\r\n");
    assert_eq!(expires_at(&db, "k"), None);
    assert_eq!(import(&mut db, "k", &none, "REPLACE"), ":0\r\n");
    assert_eq!(encoding(&db, "k"), "none");
    assert_eq!(import(&mut db, "k", &none, "OR"), ":0\r\n");
    assert_eq!(changes_of(&mut db, "BITIMPORT one nonsense OR"), 0);
}

#[test]
fn blobs_that_are_none_and_ones_too_far_are_refused() {
    let mut db = Session::alone();
    let word = "ERR not a portable Roaring serialization";
    for (blob, error) in [
        (
            &b""[..],
            format!("{word}: the end comes too early at byte 0"),
        ),
        (
            b"hello, world",
            format!("{word}: no bitmap begins so at byte 0"),
        ),
        (
            b"\x3a\x30\0\0\xff\xff\xff\xff",
            format!("{word}: too many containers at byte 8"),
        ),
        (
            b"\x3b\x30\xff\xff",
            format!("{word}: the end comes too early at byte 4"),
        ),
        (
            b"\x3a\x30\0\0\0\0\0\0!",
            format!("{word}: more than a bitmap at byte 8"),
        ),
    ] {
        let words = [b"BITIMPORT".as_slice(), b"k", blob];
        let reply = String::from_utf8_lossy(&db.ask(words)).into_owned();
        assert_eq!(reply, format!("-{error}\r\n"), "{}", blob.escape_ascii());
    }
    let mut far = Bitmap::new();
    far.set(1 << 32, true);
    let portable = crate::bits::Portable::of(crate::bits::View::Chunked(&far)).expect("one");
    let mut blob = vec![0; portable.len() as usize];
    portable.read(0, &mut blob);
    assert_eq!(
        import(&mut db, "k", &blob, "OR"),
        "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"
    );
    for (line, error) in [
        ("BITIMPORT k x NOT", "syntax error"),
        ("BITIMPORT k x OR OR", "syntax error"),
        (
            "BITIMPORT k",
            "wrong number of arguments for 'bitimport' command",
        ),
        (
            "BITEXPORT k k",
            "wrong number of arguments for 'bitexport' command",
        ),
    ] {
        assert_eq!(db.say(line), format!("-ERR {error}\r\n"), "{line}");
    }
    assert_eq!(encoding(&db, "k"), "none");
}
