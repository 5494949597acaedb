//! What INFO counts: events since the start or since CONFIG RESETSTAT, and how fast some of them come.
//!
//! Counting happens on every request from every thread, so a counter is not one number that all cores fight for. Each
//! thread has a stripe of its own, on cache lines of its own, and reading sums the stripes. Having no other writer, a
//! thread adds with a plain load and store, which takes a third of the time of an atomic addition. Threads beyond the number
//! of stripes, which no server reaches with its workers, share one more and add to it atomically. Resetting touches no
//! stripe: it remembers the sums and subtracts them from then on, so no event that happens meanwhile is lost.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Most kinds of errors told apart, as in Redis. The server makes far fewer.
const MOST_ERROR_CLASSES: usize = 128;

/// Threads that get a stripe to themselves, in the order in which they first count something.
const OWN_STRIPES: usize = 64;

/// How many stripes a set of counters has: one for each of those threads, and one that all others share.
pub(crate) const STRIPES: usize = OWN_STRIPES + 1;

/// How many samples a rate is averaged over: 1.6 seconds at ten a second, as in Redis.
const SAMPLES: usize = 16;

/// Declares [`Counter`] with the name of each in INFO.
macro_rules! counters {
    ($($(#[$doc:meta])* $counter:ident = $name:literal,)+) => {
        /// Something INFO counts. All of them start again at zero with CONFIG RESETSTAT.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter {
            $($(#[$doc])* $counter,)+
        }

        impl Counter {
            /// All counters, in no order that matters.
            pub const ALL: &[Counter] = &[$(Counter::$counter,)+];

            /// The field of INFO that shows it.
            pub fn name(self) -> &'static str {
                const NAMES: &[&str] = &[$($name,)+];
                NAMES[self as usize]
            }
        }
    };
}

counters! {
    /// Connections accepted, also those turned away at once.
    Connections = "total_connections_received",
    /// Connections turned away because of `maxclients`.
    RejectedConnections = "rejected_connections",
    /// Commands run, each of a transaction too.
    Commands = "total_commands_processed",
    /// Bytes read from clients.
    InputBytes = "total_net_input_bytes",
    /// Bytes written to clients.
    OutputBytes = "total_net_output_bytes",
    /// Times something was read from a client.
    Reads = "total_reads_processed",
    /// Times something was written to a client.
    Writes = "total_writes_processed",
    /// Look-ups by read commands that found a key.
    Hits = "keyspace_hits",
    /// Look-ups by read commands that did not.
    Misses = "keyspace_misses",
    /// Keys removed because their time had come.
    ExpiredKeys = "expired_keys",
    /// Times the expiry sweep stopped because it had taken its share of time.
    ExpireTimeCaps = "expired_time_cap_reached_count",
    /// Keys removed to stay under `maxmemory`.
    EvictedKeys = "evicted_keys",
    /// Connections closed to keep all clients' buffers under `maxmemory-clients`.
    EvictedClients = "evicted_clients",
    /// Error replies of any kind.
    ErrorReplies = "total_error_replies",
    /// Error replies while reading a file or a replication stream, where there should be none.
    UnexpectedErrorReplies = "unexpected_error_replies",
    /// Failed AUTH and HELLO.
    DeniedAuth = "acl_access_denied_auth",
    /// Commands refused because the user may not run them.
    DeniedCommand = "acl_access_denied_cmd",
    /// Commands refused because the user may not touch a key.
    DeniedKey = "acl_access_denied_key",
    /// Commands refused because the user may not use a channel.
    DeniedChannel = "acl_access_denied_channel",
    /// Connections closed because of `client-query-buffer-limit`.
    QueryBufferDisconnections = "client_query_buffer_limit_disconnections",
    /// Connections closed because of `client-output-buffer-limit`.
    OutputBufferDisconnections = "client_output_buffer_limit_disconnections",
    /// Connections closed because a command panicked. Redis has no such field: it would have crashed.
    Panics = "connection_panics",
}

const COUNTERS: usize = Counter::ALL.len();

/// One thread's share of all counters. Aligned to two lines, which many processors fetch together.
#[repr(align(128))]
struct Stripe([AtomicU64; COUNTERS]);

/// The counters of one server. Shared by everything that runs.
pub struct Stats {
    stripes: Box<[Stripe; STRIPES]>,
    /// The sums at the last reset.
    baseline: [AtomicU64; COUNTERS],
    errors: Mutex<BTreeMap<Box<str>, u64>>,
    rates: Mutex<[Samples; RATES]>,
}

/// Something INFO shows as a speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// `instantaneous_ops_per_sec`: commands a second.
    Commands,
    /// `instantaneous_input_kbps`, in bytes a second.
    InputBytes,
    /// `instantaneous_output_kbps`, in bytes a second.
    OutputBytes,
}

const RATES: usize = 3;

impl Stats {
    /// All zero.
    pub fn new() -> Self {
        let zero = || std::array::from_fn(|_| AtomicU64::new(0));
        Stats {
            stripes: Box::new(std::array::from_fn(|_| Stripe(zero()))),
            baseline: zero(),
            errors: Mutex::new(BTreeMap::new()),
            rates: Mutex::new(std::array::from_fn(|_| Samples::default())),
        }
    }

    /// Counts one event.
    #[inline]
    pub fn count(&self, counter: Counter) {
        self.add(counter, 1);
    }

    /// Counts `n` events, or bytes.
    #[inline]
    pub fn add(&self, counter: Counter, n: u64) {
        let stripe = stripe();
        add(stripe, &self.stripes[stripe].0[counter as usize], n);
    }

    /// The events since the start or the last reset.
    pub fn get(&self, counter: Counter) -> u64 {
        self.sum(counter)
            .saturating_sub(self.baseline[counter as usize].load(Ordering::Relaxed))
    }

    fn sum(&self, counter: Counter) -> u64 {
        self.stripes
            .iter()
            .map(|stripe| stripe.0[counter as usize].load(Ordering::Relaxed))
            .sum()
    }

    /// Counts an error reply by its class, the first word of its text: `ERR`, `WRONGTYPE`.
    pub fn error_reply(&self, class: &str) {
        self.count(Counter::ErrorReplies);
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(class) {
            *count += 1;
        } else if errors.len() < MOST_ERROR_CLASSES {
            errors.insert(class.into(), 1);
        }
    }

    /// The error classes seen since the last reset and how often, by name: INFO's `errorstats`.
    pub fn errors(&self) -> Vec<(String, u64)> {
        self.errors
            .lock()
            .iter()
            .map(|(class, count)| (class.to_string(), *count))
            .collect()
    }

    /// Takes a sample for [`Stats::rate`], at `now` in milliseconds of any clock that does not run backwards. To be called
    /// about ten times a second.
    pub fn sample(&self, now: u64) {
        let sums = [Counter::Commands, Counter::InputBytes, Counter::OutputBytes]
            .map(|counter| self.sum(counter));
        self.rates
            .lock()
            .iter_mut()
            .zip(sums)
            .for_each(|(samples, sum)| samples.take(now, sum));
    }

    /// Events or bytes a second, averaged over the last samples.
    pub fn rate(&self, rate: Rate) -> u64 {
        let rates = self.rates.lock();
        rates[rate as usize].per_second.iter().sum::<u64>() / SAMPLES as u64
    }

    /// CONFIG RESETSTAT: everything counts from zero again.
    pub fn reset(&self) {
        for &counter in Counter::ALL {
            self.baseline[counter as usize].store(self.sum(counter), Ordering::Relaxed);
        }
        self.errors.lock().clear();
        self.rates
            .lock()
            .iter_mut()
            .for_each(|samples| samples.per_second = [0; SAMPLES]);
    }
}

impl Default for Stats {
    fn default() -> Self {
        Stats::new()
    }
}

/// The last speeds of one counter.
#[derive(Default)]
struct Samples {
    per_second: [u64; SAMPLES],
    next: usize,
    /// When the last sample was taken and what the sum was; nothing before the first.
    last: Option<(u64, u64)>,
}

impl Samples {
    fn take(&mut self, now: u64, sum: u64) {
        if let Some((before, old)) = self.last {
            let milliseconds = now.saturating_sub(before);
            if milliseconds == 0 {
                return;
            }
            self.per_second[self.next] =
                sum.saturating_sub(old).saturating_mul(1000) / milliseconds;
            self.next = (self.next + 1) % SAMPLES;
        }
        self.last = Some((now, sum));
    }
}

/// Adds to a number of this thread's `stripe`.
///
/// Counters order nothing: nobody concludes from one of them that something else has happened.
#[inline]
pub(crate) fn add(stripe: usize, number: &AtomicU64, n: u64) {
    if stripe < OWN_STRIPES {
        let old = number.load(Ordering::Relaxed);
        number.store(old.wrapping_add(n), Ordering::Relaxed);
    } else {
        number.fetch_add(n, Ordering::Relaxed);
    }
}

/// This thread's stripe, given out in order of first use and never to another thread.
#[inline]
pub(crate) fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let mine = MINE.get();
    if mine != usize::MAX {
        return mine;
    }
    let new = NEXT.fetch_add(1, Ordering::Relaxed).min(OWN_STRIPES);
    MINE.set(new);
    new
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn every_thread_is_counted() {
        let stats = Stats::new();
        thread::scope(|scope| {
            for _ in 0..OWN_STRIPES + 8 {
                scope.spawn(|| (0..1000).for_each(|_| stats.count(Counter::Commands)));
            }
        });
        stats.add(Counter::InputBytes, 42);
        assert_eq!(
            stats.get(Counter::Commands),
            (OWN_STRIPES as u64 + 8) * 1000
        );
        assert_eq!(stats.get(Counter::InputBytes), 42);
        assert_eq!(stats.get(Counter::OutputBytes), 0);
    }

    #[test]
    fn a_reset_starts_from_zero_and_counts_on() {
        let stats = Stats::new();
        stats.add(Counter::Hits, 5);
        stats.error_reply("ERR");
        stats.reset();
        assert!(Counter::ALL.iter().all(|&counter| stats.get(counter) == 0));
        assert_eq!(stats.errors(), []);
        stats.count(Counter::Hits);
        assert_eq!(stats.get(Counter::Hits), 1);
    }

    #[test]
    fn errors_are_counted_by_class_up_to_a_bound() {
        let stats = Stats::new();
        for class in ["ERR", "WRONGTYPE", "ERR"] {
            stats.error_reply(class);
        }
        assert_eq!(
            stats.errors(),
            [("ERR".to_string(), 2), ("WRONGTYPE".to_string(), 1)]
        );
        (0..1000).for_each(|class| stats.error_reply(&class.to_string()));
        assert_eq!(stats.errors().len(), MOST_ERROR_CLASSES);
        assert_eq!(stats.get(Counter::ErrorReplies), 1003);
    }

    #[test]
    fn rates_are_averages_over_the_samples() {
        let stats = Stats::new();
        for tenth in 0..=SAMPLES as u64 {
            stats.sample(5000 + tenth * 100);
            stats.add(Counter::Commands, 10);
        }
        assert_eq!(stats.rate(Rate::Commands), 100);
        assert_eq!(stats.rate(Rate::InputBytes), 0);
        stats.sample(5000);
        stats.reset();
        assert_eq!(stats.rate(Rate::Commands), 0);
    }

    #[test]
    fn names_are_those_of_info() {
        assert_eq!(Counter::Connections.name(), "total_connections_received");
        assert_eq!(
            Counter::OutputBufferDisconnections.name(),
            "client_output_buffer_limit_disconnections"
        );
    }

    #[test]
    fn stripes_do_not_share_cache_lines() {
        assert_eq!(align_of::<Stripe>(), 128);
        assert_eq!(size_of::<Stripe>() % 128, 0);
    }
}
