//! Threads that step back for others.

/// How far: another that wants the same core gets nine tenths of it.
///
/// Not as far as the system knows (19). A thread that comes to a core where it last ran too much waits until the others
/// there have caught up, and Linux (EEVDF, seen on 6.18) stretches that by their weight and its own over theirs: tenfold
/// beside one thread of nice 10, seventyfold beside one of nice 19. So now and then a worker waited 30 to 100 ms while
/// nobody but long work ran.
///
/// Four heavy clients on two cores (`benches/tails.rs`), runs of 5 s, the longest of some 15,000 GETBITs in each: nice 19, 4.0
/// to 18 ms, ten of sixteen runs below 10; 12, 4.3 to 28, seven of eleven; 9 and 10, 3.8 to 9.4 and once 24, fifteen of
/// sixteen; 3, 5 and 7, 4.5 to 12, eleven of fifteen. Of a hundred one takes longer than 0.4 to 0.7 ms at 19, 0.5 to 0.9 at 9
/// and 10, 0.7 to 1.9 at 3 to 7, and 3 at 0. (2026-11-22, a virtual Xeon; with nobody else, the longest is 5 to 13.)
const NICE: i32 = 10;

/// Lets the calling thread, and those that it starts, run where no other wants to. There is no way back, so this is for
/// threads made for long work.
///
/// Long work on threads like any others made everybody's small requests wait for the system's scheduler to come round:
/// with BITOP over gigabits and three more heavy clients on two cores (`benches/tails.rs`), see there for the figures. So did
/// a save: beside one of 512 MB (`benches/saving.rs`) the longest of some 50,000 single writes took 10 to 29 ms, and 5 to 8
/// since it steps back, while twice as much was written meanwhile. It locks a shard for each few entries and may lose the
/// core with it; whoever waits for that shard leaves a core to it.
pub fn step_back() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!("Long work runs at everybody's priority: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::process::getpriority_process;

    use super::*;

    #[test]
    fn a_thread_steps_back_alone() {
        let before = getpriority_process(None).expect("a priority");
        let after = thread::spawn(|| {
            step_back();
            getpriority_process(None).expect("a priority")
        });
        assert_eq!(after.join().expect("no panic"), NICE);
        assert_eq!(getpriority_process(None).expect("a priority"), before);
    }
}
