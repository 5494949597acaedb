//! The numbers of INFO for Prometheus.
//!
//! Names are those that redis_exporter gives the same facts, so that its dashboards and alerts work unchanged; what Redis
//! does not have is named `bitmapd_`. To add a metric, add its line to [`METRICS`]; one with labels has a function of its
//! own below.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::calls::Tally;
use super::footprint::Memory;
use super::{Bar, World};
use crate::config::REDIS_VERSION;
use crate::persist::aof::Log;
use crate::stats::Counter;

/// All metrics of a server, read when they are asked for.
pub struct Metrics(Registry);

impl Metrics {
    /// What a reply with [`Metrics::text`] declares itself to be.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    pub fn new(world: Arc<World>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Source(world)));
        Self(registry)
    }

    /// The metrics as they are now, in the OpenMetrics text format.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

/// Where the numbers come from.
struct Source(Arc<World>);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

/// One moment, in which what takes a while to ask has been asked once.
struct Moment<'a> {
    world: &'a World,
    now_ms: i64,
    memory: Memory,
    /// `None` where the system does not tell.
    usage: Option<Usage>,
}

/// A number that only grows (a counter's name gets `_total` from the format), or one that moves.
enum Kind {
    Counter,
    Gauge,
}

use Kind::{Counter as Grows, Gauge as Moves};

/// Name, help, kind, and how it is read.
type Metric = (&'static str, &'static str, Kind, fn(&Moment<'_>) -> f64);

#[rustfmt::skip] // read by column
static METRICS: &[Metric] = &[
    ("redis_uptime_in_seconds",             "Seconds since the server started",                  Moves, |m| seconds(m.now_ms - m.world.started_ms)),
    ("redis_start_time_seconds",            "When the server started, Unix time",                Moves, |m| seconds(m.world.started_ms)),
    ("redis_connected_clients",             "Connections",                                       Moves, |m| m.world.clients.len() as f64),
    ("redis_max_clients",                   "The setting maxclients",                            Moves, |m| m.world.config.maxclients() as f64),
    ("redis_blocked_clients",               "Connections that wait for a command's answer",      Moves, |m| m.world.clients.list().iter().filter(|client| client.blocked.load(Relaxed)).count() as f64),
    ("redis_memory_used_bytes",             "Memory in use by the program",                      Moves, |m| m.memory.used as f64),
    ("redis_memory_used_rss_bytes",         "Memory of the process as the system counts it",     Moves, |m| m.memory.rss as f64),
    ("redis_memory_used_peak_bytes",        "The most memory ever in use",                       Moves, |m| m.memory.peak as f64),
    ("redis_memory_used_startup_bytes",     "Memory in use when the server had started",         Moves, |m| m.memory.startup as f64),
    ("redis_memory_max_bytes",              "The setting maxmemory; 0 is no limit",              Moves, |m| m.world.config.maxmemory() as f64),
    ("redis_rdb_changes_since_last_save",   "Changes of keys since the last save",               Moves, |m| m.world.unsaved_changes() as f64),
    ("redis_rdb_last_save_timestamp_seconds", "When the last save ended, Unix time",             Moves, |m| (m.world.saves.last().saved_ms / 1000) as f64),
    ("redis_rdb_last_bgsave_status",        "1 if the last save in the background succeeded",    Moves, |m| yes(m.world.saves.last().ok)),
    ("redis_rdb_last_bgsave_duration_sec",  "How long it took; -1 if there was none",            Moves, |m| whole_seconds(m.world.saves.last().took)),
    ("redis_rdb_current_bgsave_duration_sec", "How long one has been running; -1 if none is",    Moves, |m| whole_seconds(m.world.saves.in_background().map(|running| running.since.elapsed()))),
    ("redis_rdb_bgsave_in_progress",        "1 while one is running",                            Moves, |m| yes(m.world.saves.in_background().is_some())),
    ("redis_loading_dump_file",             "1 while the data is being loaded",                  Moves, |m| yes(m.world.gate.is_down(Bar::Loading))),
    ("redis_aof_enabled",                   "The setting appendonly",                            Moves, |m| yes(m.world.config.appendonly())),
    ("redis_aof_rewrite_in_progress",       "1 while the log is being rewritten",                Moves, |m| yes(m.world.log.is_rewriting())),
    ("redis_aof_rewrite_scheduled",         "1 while a rewrite waits for its turn",              Moves, |m| yes(m.world.logs.rewrites.lock().scheduled)),
    ("redis_aof_last_rewrite_duration_sec", "How long the last one took; -1 if there was none",  Moves, |m| whole_seconds(m.world.logs.rewrites.lock().took)),
    ("redis_aof_current_rewrite_duration_sec", "How long one has been running; -1 if none is",   Moves, |m| whole_seconds(m.world.logs.rewrites.lock().since.map(|since| since.elapsed()))),
    ("redis_aof_last_bgrewrite_status",     "1 if the last one succeeded",                       Moves, |m| yes(!m.world.logs.rewrites.lock().failed)),
    ("redis_aof_last_write_status",         "1 if the log was last written without an error",    Moves, |m| yes(!m.world.log.is_troubled())),
    ("redis_aof_current_size_bytes",        "Bytes in the log; 0 if there is none",              Moves, |m| m.logged(|log| log.size())),
    ("redis_aof_base_size_bytes",           "Bytes in it when it was last rewritten",            Moves, |m| m.logged(|log| log.base_size())),
    ("redis_aof_buffer_length",             "Bytes that wait to be written to it",               Moves, |m| m.logged(|log| log.feed.waiting_bytes() as u64)),
    ("redis_lazyfree_pending_objects",      "Keys waiting to be freed",                          Moves, |m| m.world.lazyfree.pending.load(Relaxed) as f64),
    ("redis_connections_received",          "Connections accepted",                              Grows, |m| m.count(Counter::Connections)),
    ("redis_rejected_connections",          "Connections turned away because of maxclients",     Grows, |m| m.count(Counter::RejectedConnections)),
    ("redis_commands_processed",            "Commands run",                                      Grows, |m| m.count(Counter::Commands)),
    ("redis_net_input_bytes",               "Bytes read from clients",                           Grows, |m| m.count(Counter::InputBytes)),
    ("redis_net_output_bytes",              "Bytes written to clients",                          Grows, |m| m.count(Counter::OutputBytes)),
    ("redis_keyspace_hits",                 "Look-ups that found their key",                     Grows, |m| m.count(Counter::Hits)),
    ("redis_keyspace_misses",               "Look-ups that did not",                             Grows, |m| m.count(Counter::Misses)),
    ("redis_expired_keys",                  "Keys removed because their time had come",          Grows, |m| m.world.expired_keys() as f64),
    ("redis_evicted_keys",                  "Keys removed to stay below maxmemory",              Grows, |m| m.count(Counter::EvictedKeys)),
    ("redis_error_replies",                 "Replies that were errors",                          Grows, |m| m.count(Counter::ErrorReplies)),
    ("redis_cpu_sys_seconds",               "CPU time the system spent for the server",          Grows, |m| m.cpu(Usage::system_time)),
    ("redis_cpu_user_seconds",              "CPU time the server spent itself",                  Grows, |m| m.cpu(Usage::user_time)),
    ("bitmapd_connection_panics",           "Connections closed because a command panicked",     Grows, |m| m.count(Counter::Panics)),
];

impl Moment<'_> {
    fn count(&self, counter: Counter) -> f64 {
        self.world.stats.get(counter) as f64
    }

    /// Something about the log, where there is to be one.
    fn logged(&self, read: fn(&Log) -> u64) -> f64 {
        match self.world.config.appendonly() {
            true => read(&self.world.log) as f64,
            false => 0.0,
        }
    }

    fn cpu(&self, time: fn(&Usage) -> TimeVal) -> f64 {
        let time = self.usage.as_ref().map(time);
        time.map_or(0.0, |time| {
            time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
        })
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn yes(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn whole_seconds(time: Option<Duration>) -> f64 {
    time.map_or(-1.0, |time| time.as_secs() as f64)
}

impl Collector for Source {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let world = &*self.0;
        let now_ms = world.keyspace.clock().now_ms();
        let moment = Moment {
            world,
            now_ms,
            memory: world.footprint.read(now_ms),
            usage: getrusage(UsageWho::RUSAGE_SELF).ok(),
        };
        let version = Info::new(vec![
            ("redis_version", REDIS_VERSION),
            ("bitmapd_version", env!("CARGO_PKG_VERSION")),
        ]);
        let type_ = version.metric_type();
        version.encode(encoder.encode_descriptor("redis_instance", "What runs", None, type_)?)?;
        for (name, help, kind, read) in METRICS {
            let metric = encoder.encode_descriptor(name, help, None, kind.type_())?;
            kind.encode(read(&moment), metric)?;
        }
        databases(world, &mut encoder)?;
        commands(world, &mut encoder)?;
        let errors = world.stats.errors().into_iter();
        let errors = errors.map(|(class, count)| (class, count as f64));
        let family = Family("redis_errors", "Error replies by class", Grows, "err");
        family.encode(errors, &mut encoder)
    }
}

impl Kind {
    fn type_(&self) -> MetricType {
        match self {
            Grows => MetricType::Counter,
            Moves => MetricType::Gauge,
        }
    }

    fn encode(&self, value: f64, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Grows => ConstCounter::new(value).encode(encoder),
            Moves => ConstGauge::new(value).encode(encoder),
        }
    }
}

/// A metric with a value for each of several things: name, help, kind, and the label that says which.
struct Family(&'static str, &'static str, Kind, &'static str);

impl Family {
    fn encode(
        &self,
        values: impl IntoIterator<Item = (String, f64)>,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> fmt::Result {
        let Family(name, help, kind, label) = self;
        let mut metric = encoder.encode_descriptor(name, help, None, kind.type_())?;
        for (of, value) in values {
            kind.encode(value, metric.encode_family(&[(*label, of)])?)?;
        }
        Ok(())
    }
}

/// Keys of the databases that have some.
fn databases(world: &World, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let keys = world.keyspace.lock_none();
    let used: Vec<_> = (0..world.keyspace.databases())
        .filter(|&db| keys.key_count(db) > 0)
        .collect();
    let each = |read: &dyn Fn(usize) -> f64| -> Vec<_> {
        let value = |&db: &usize| (format!("db{db}"), read(db));
        used.iter().map(value).collect()
    };
    Family("redis_db_keys", "Keys of a database", Moves, "db")
        .encode(each(&|db| keys.key_count(db) as f64), encoder)?;
    Family(
        "redis_db_keys_expiring",
        "Those with an expiry",
        Moves,
        "db",
    )
    .encode(each(&|db| keys.expiry_count(db) as f64), encoder)?;
    let help = "How long those have left on average";
    Family("redis_db_avg_ttl_seconds", help, Moves, "db")
        .encode(each(&|db| seconds(keys.average_ttl(db))), encoder)
}

/// What commandstats tells of each command that was called.
fn commands(world: &World, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let tallies = world.calls.tallies();
    type Read = fn(&Tally) -> f64;
    #[rustfmt::skip] // read by column
    let families: [(_, _, Read); 4] = [
        ("redis_commands",                  "Times a command ran",                   |tally| tally.calls as f64),
        ("redis_commands_duration_seconds", "Time it took, all calls together",      |tally| tally.nanoseconds as f64 / 1e9),
        ("redis_commands_rejected_calls",   "Times it was refused before it ran",    |tally| tally.refused as f64),
        ("redis_commands_failed_calls",     "Times it answered with an error",       |tally| tally.failed as f64),
    ];
    for (name, help, read) in families {
        let values = tallies
            .iter()
            .map(|(command, tally)| (command.name.to_owned(), read(tally)));
        Family(name, help, Grows, "cmd").encode(values, encoder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;
    use super::*;

    #[test]
    fn the_text_says_what_happened() {
        let mut db = Session::alone();
        db.say("SETBIT k 1 1");
        db.say("SET e v EX 100");
        db.say("GETBIT missing 1");
        db.say("GETBIT k x");
        let text = Metrics::new(db.world()).text().expect("it is written");
        let line = |start: &str| {
            let mut found = text.lines().filter(|line| line.starts_with(start));
            let line = found
                .next()
                .unwrap_or_else(|| panic!("no {start} in {text}"));
            assert_eq!(found.next(), None, "{start} is there once");
            line[start.len()..].trim().to_owned()
        };
        assert_eq!(line("redis_commands_processed_total "), "4.0");
        assert_eq!(line("redis_keyspace_misses_total "), "1.0");
        assert_eq!(line("redis_connected_clients "), "1.0");
        assert_eq!(line("redis_db_keys{db=\"db0\"}"), "2.0");
        assert_eq!(line("redis_db_keys_expiring{db=\"db0\"}"), "1.0");
        assert_eq!(line("redis_commands_total{cmd=\"getbit\"}"), "2.0");
        assert_eq!(
            line("redis_commands_failed_calls_total{cmd=\"getbit\"}"),
            "1.0"
        );
        assert_eq!(line("redis_errors_total{err=\"ERR\"}"), "1.0");
        assert!(line("redis_instance_info").contains(REDIS_VERSION));
        assert_ne!(line("redis_memory_used_bytes "), "0.0");
        assert_eq!(line("redis_rdb_changes_since_last_save "), "2.0");
        assert_eq!(line("redis_rdb_last_bgsave_status "), "1.0");
        assert_eq!(line("redis_rdb_bgsave_in_progress "), "0.0");
        assert_eq!(line("redis_rdb_last_bgsave_duration_sec "), "-1.0");
        assert_eq!(line("redis_aof_enabled "), "0.0");
        assert_eq!(line("redis_aof_last_write_status "), "1.0");
        assert_eq!(line("redis_loading_dump_file "), "0.0");
        db.say("SAVE");
        let after = Metrics::new(db.world()).text().expect("it is written");
        assert!(after.contains("\nredis_rdb_changes_since_last_save 0.0\n"));
        let saved = after
            .lines()
            .find_map(|line| line.strip_prefix("redis_rdb_last_save_timestamp_seconds "));
        assert!(
            saved
                .and_then(|at| at.parse::<f64>().ok())
                .is_some_and(|at| at > 1e9)
        );
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn no_two_metrics_have_one_name() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
    }
}
