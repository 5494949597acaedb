//! What needs no second server to compare with: who is held to what, and what is left behind.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::session::Session;
use super::*;
use crate::stats::Counter;

fn two() -> (Session, Session) {
    let one = Session::alone();
    let other = Session::new(one.world());
    (one, other)
}

#[test]
fn one_that_does_not_read_is_closed_and_holds_no_memory() {
    let (mut deaf, mut loud) = two();
    let world = loud.world();
    let limits = "CONFIG SET client-output-buffer-limit";
    let words = limits.split(' ').chain(["pubsub 10000 0 0"]);
    assert_eq!(loud.ask(words), b"+OK\r\n");
    deaf.say("SUBSCRIBE a");
    let message = "x".repeat(1000);
    let reached = (0..100)
        .filter(|_| loud.say(&format!("PUBLISH a {message}")) == ":1\r\n")
        .count();
    assert!((8..10).contains(&reached), "{reached}");
    let info = world.clients.list().remove(0);
    assert!(info.is_closing());
    assert_eq!(info.unsent(), 0);
    assert_eq!(world.stats.get(Counter::OutputBufferDisconnections), 1);
}

#[test]
fn nothing_is_left_of_a_connection_that_is_gone() {
    let (mut gone, loud) = two();
    gone.say("HELLO 3");
    for line in ["SUBSCRIBE a b", "PSUBSCRIBE c", "SSUBSCRIBE d", "MONITOR"] {
        gone.say(line);
    }
    let world = loud.world();
    let broker = &world.broker;
    assert_eq!(Kind::ALL.map(|kind| broker.len(kind)), [2, 1, 1]);
    assert!(broker.is_monitored());
    drop(gone);
    assert_eq!(Kind::ALL.map(|kind| broker.len(kind)), [0; 3]);
    assert!(!broker.is_monitored());
}

#[test]
fn messages_published_by_many_threads_all_arrive() {
    let (mut listener, loud) = two();
    let world = loud.world();
    listener.say("SUBSCRIBE a");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).for_each(|_| assert_eq!(world.broker.publish(b"a", b"m"), 1)));
        }
    });
    // What waits comes with the next reply, or the next turn of the connection.
    let heard = listener.say("PING");
    assert_eq!(heard.matches("message").count(), 4000);
    let info = Arc::clone(&world.clients.list()[0]);
    assert_eq!(info.unsent(), info.output.load(Ordering::Relaxed));
}
