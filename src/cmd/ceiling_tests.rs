use super::super::session::Session;
use super::*;

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

#[test]
fn patience_grows_as_documented() {
    assert_eq!(patience(0), Some(Duration::ZERO));
    assert_eq!(patience(10), Some(Duration::from_micros(500)));
    assert_eq!(patience(11), Some(Duration::from_micros(575)));
    assert!(patience(99).is_some_and(|patience| patience.as_secs() == 126));
    assert_eq!(patience(100), None);
}

#[test]
fn bounds_are_never_below_what_is_taken() {
    use crate::bits::Bitmap;
    for step in [1, 2, 3, 7, 16, 17, 100, 1000, 8191, 65_537] {
        for chunks in [1, 3, 300] {
            let mut bitmap = Bitmap::new();
            let last = chunks * 65_536;
            for bit in (0..last).step_by(step) {
                bitmap.set(bit, true);
            }
            let most = most_bytes(bitmap.len(), bitmap.ones());
            let taken = bitmap.heap_bytes() as u64;
            assert!(taken <= most + 1024, "{step} {chunks}: {taken} of {most}");
        }
    }
}

#[test]
fn with_nothing_to_evict_growth_is_refused_and_reading_is_not() {
    let mut db = Session::alone();
    db.say("SET k v");
    db.say("CONFIG SET maxmemory-policy volatile-lru maxmemory 1");
    assert_eq!(db.say("SET k w"), OOM);
    assert_eq!(db.say("GET k"), "$1\r\nv\r\n");
    db.say("CONFIG SET maxmemory-policy allkeys-lru");
    assert_eq!(db.say("SET k w"), OOM);
    assert_eq!(db.say("GET k"), "$-1\r\n");
}

#[test]
fn a_transaction_that_grows_is_refused_as_a_whole() {
    let mut db = Session::alone();
    db.say("MULTI");
    db.say("SET a b");
    Session::new(db.world()).say("CONFIG SET maxmemory 1");
    let refused = db.say("EXEC");
    assert!(refused.starts_with("-EXECABORT Transaction discarded because of: OOM"));
    db.say("MULTI");
    db.say("GET a");
    assert_eq!(db.say("EXEC"), "*1\r\n$-1\r\n");
}

#[test]
fn nothing_goes_and_nothing_is_refused_during_a_pause() {
    let mut db = Session::alone();
    db.say("SET k v");
    db.say("CLIENT PAUSE 100000 WRITE");
    db.say("CONFIG SET maxmemory-policy allkeys-lru maxmemory 1");
    assert_eq!(db.world().evict(), Room::Enough);
    assert_eq!(db.say("GET k"), "$1\r\nv\r\n");
    db.say("CLIENT UNPAUSE");
    assert_eq!(db.say("GET k"), "$-1\r\n");
    assert_eq!(db.world().evict(), Room::None);
}

#[test]
fn what_a_log_holds_is_not_refused() {
    let mut db = Session::alone();
    db.say("SET k v");
    db.say("CONFIG SET maxmemory 1");
    db.replay();
    assert_eq!(db.say("BITOP NOT to k"), ":1\r\n");
    let offsets: String = (0..1000).map(|n| format!(" {}", n * 65_536)).collect();
    assert_eq!(db.say(&format!("SETBITS many 1{offsets}")), ":1000\r\n");
}
