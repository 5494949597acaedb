//! Whether several connections of a worker have something to do at once.
//!
//! If so, each runs its requests and lets the others run theirs before it writes its replies. These then leave close
//! together, so a program that holds many of the connections is woken once for many of them, and waking a program on
//! another core is a good part of what a small request costs. Redis does the same: it writes at the end of its loop.
//!
//! Fifty connections of one program, server CPU time of a GETBIT (`benches/versus_redis`): 8.9 µs before, 7.4 µs with
//! this for single requests, 1.39 and 1.09 µs for pipelines of ten. A thousand connections keep their program busy anyway,
//! and with them waiting only costs (1.32 and 1.53 µs), so a large crowd is served one by one.
//!
//! Who brings a single request waits before it runs instead, and the memory that all of them will look their keys up in is
//! asked for together: the requests of a pipeline do so among themselves, but a single one would wait alone for what is not
//! in the cache, a tenth of its time. Running takes so little then that their replies leave close together all the same:
//! beside Redis, single requests of fifty connections take 0.92 of its time so, 0.97 where they wait for each other twice.
//!
//! All that is for programs that are done before the worker is. One that is not, as redis-benchmark is slower than any
//! server, is never asleep, and to wait only takes time then: since it is looked at how long the worker rested, a GETBIT of
//! fifty such connections takes 5.35 µs on a thousand keys where it took 5.47 (Redis 5.42), and 5.66 on a million where it
//! took 5.82 (5.89); 0.613 and 0.630 (0.717) in pipelines of ten. Between two crowds of the quicker load of
//! `benches/versus_redis` the worker rests for longer, and nothing changes.
//!
//! Tried without gain: to leave a connection where the first of the crowd can run it for the others (4.6 µs either way).

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use crate::store::{Ahead, Keyspace};

/// How many connections of a worker wait for each other at most. Each keeps its replies in a buffer meanwhile.
pub(super) const MOST: u32 = 64;

/// How many times connections do not wait once more than that would have.
const LARGE: u32 = 4096;

/// How long a worker rests where its clients had nothing to do either, but to wait for each other's replies.
const REST: Duration = Duration::from_micros(40);

thread_local! {
    /// The client that ran last.
    static LAST: Cell<u64> = const { Cell::new(0) };
    /// How many wait, as far as this worker knows: it counts from zero again when one goes on.
    static WAITING: Cell<u32> = const { Cell::new(0) };
    /// How many more do not wait because the crowd is large.
    static PASSED: Cell<u32> = const { Cell::new(0) };
    /// Since when the worker has nothing to do.
    static RESTS: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Whether it rested for long before what it does now.
    static RESTED: Cell<bool> = const { Cell::new(false) };
    /// What those who wait will look up.
    static AHEAD: RefCell<Vec<Ahead>> = const { RefCell::new(Vec::new()) };
}

/// The worker has nothing to do.
pub(super) fn rests() {
    RESTS.set(Some(Instant::now()));
}

/// It has something to do again.
pub(super) fn wakes() {
    let rested = RESTS.take().map_or(Duration::ZERO, |since| since.elapsed());
    RESTED.set(rested > REST);
}

/// Whether a client should let others come as far as it has come; if so, it calls [`go_on`] then.
///
/// Not where the worker hardly rested since it was done with the last: then whoever sends has enough to do, need not be
/// woken, and can begin with the first reply while the last is made.
pub(super) fn waits(client: u64) -> bool {
    let alone = LAST.replace(client) == client;
    if PASSED.get() > 0 {
        PASSED.set(PASSED.get() - 1);
        return false;
    }
    if WAITING.get() == MOST {
        WAITING.set(0);
        PASSED.set(LARGE);
        return false;
    }
    if alone || !RESTED.get() {
        return false;
    }
    WAITING.set(WAITING.get() + 1);
    true
}

/// A client that waits will look this up.
pub(super) fn will_look_up(ahead: Ahead) {
    AHEAD.with_borrow_mut(|all| {
        if all.len() < MOST as usize {
            all.push(ahead);
        }
    });
}

/// A client that waited goes on.
pub(super) fn go_on(keyspace: &Keyspace) {
    WAITING.set(0);
    AHEAD.with_borrow_mut(|all| {
        keyspace.prefetch(all, |bit| bit);
        all.clear();
    });
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::store::Clock;

    #[test]
    fn one_does_not_wait_a_few_do_and_many_do_not() {
        let keyspace = Keyspace::new(1, Clock::System);
        assert!(!(0..100).any(waits), "there was no rest");
        rests();
        thread::sleep(2 * REST);
        wakes();
        assert!(waits(1), "another may have been last");
        go_on(&keyspace);
        assert!((0..100).all(|_| !waits(1)));
        for _ in 0..100 {
            assert!((2..52).all(waits));
            go_on(&keyspace);
        }
        let waiting = (100..1100).filter(|&client| waits(client)).count();
        assert_eq!(waiting, MOST as usize);
        go_on(&keyspace);
        let waiting = (0..20)
            .flat_map(|_| 100..1100)
            .filter(|&client| waits(client));
        assert!(waiting.count() < 1000);

        rests();
        wakes();
        assert!(!(0..LARGE.into()).any(waits), "it was a short rest");
    }
}
