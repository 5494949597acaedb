//! Threads that work for nobody in particular: a panic in one is logged and counted, as one in a connection is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::stats::{Counter, Stats};

/// Does `work`, which `what` names. After a panic the thread may go on, with whatever the work has let go of as it unwound.
pub(super) fn guard(stats: &Stats, what: &str, work: impl FnOnce()) {
    // What the work shares with others it changes under locks or in atomics, which unwinding leaves usable.
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        stats.count(Counter::Panics);
        tracing::error!("A panic in the background, {what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_counted_and_goes_no_further() {
        let stats = Stats::default();
        guard(&stats, "in a test", || ());
        assert_eq!(stats.get(Counter::Panics), 0);
        guard(&stats, "in a test", || {
            panic!("this panic is part of a test")
        });
        assert_eq!(stats.get(Counter::Panics), 1);
    }
}
