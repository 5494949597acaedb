//! Threads that step back for others.

/// How far: the most the system knows. Whenever a thread that steps back and one that does not want the same core, the
/// other has it nearly at once and nearly alone.
const NICE: i32 = 19;

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
