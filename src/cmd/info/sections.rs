//! The sections, field by field.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, process};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::utsname;

use super::super::footprint;
use super::super::memory::{client_buffers, ratio};
use super::super::pubsub::Kind;
use super::super::table;
use super::super::{Bar, Context};
use super::{Page, human};
use crate::config::{MaxmemoryPolicy, REDIS_VERSION};
use crate::stats::{Counter, Rate};

pub(super) fn server(cx: &Context<'_>, page: &mut Page) {
    let config = &cx.world.config;
    let uptime = (cx.now() - cx.world.started_ms).max(0) / 1000;
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    page.field("redis_version", REDIS_VERSION);
    page.field("bitmapd_version", env!("CARGO_PKG_VERSION"));
    page.field("redis_git_sha1", "00000000");
    page.field("redis_git_dirty", 0);
    page.field("redis_build_id", "0000000000000000");
    page.field("redis_mode", "standalone");
    page.field("os", system_name());
    page.field("arch_bits", usize::BITS);
    page.field("monotonic_clock", "POSIX clock_gettime");
    page.field(
        "multiplexing_api",
        if cfg!(target_os = "linux") {
            "epoll"
        } else {
            "kqueue"
        },
    );
    page.field("process_id", process::id());
    page.field("process_supervised", "no");
    page.field("run_id", &cx.world.run_id);
    page.field("tcp_port", config.port());
    page.field("server_time_usec", since_epoch.as_micros());
    page.field("uptime_in_seconds", uptime);
    page.field("uptime_in_days", uptime / (24 * 60 * 60));
    page.field("hz", config.hz());
    page.field("configured_hz", config.hz());
    page.field("lru_clock", (cx.now() / 1000) & 0xff_ffff);
    page.field(
        "executable",
        env::current_exe().unwrap_or_default().display(),
    );
    page.field(
        "config_file",
        config.config_file().cloned().unwrap_or_default().display(),
    );
    page.field("io_threads_active", 0);
    let tcp = (config.port() != 0).then(|| {
        let binds: String = config
            .bind()
            .iter()
            .map(|addr| format!("bind={addr},"))
            .collect();
        format!("name=tcp,{binds}port={}", config.port())
    });
    let unix = config
        .unixsocket()
        .map(|path| format!("name=unix,bind={}", path.display()));
    for (number, listener) in tcp.into_iter().chain(unix).enumerate() {
        page.field(&format!("listener{number}"), listener);
    }
}

/// `Linux 6.1.0 x86_64`
fn system_name() -> String {
    match utsname::uname() {
        Ok(name) => [name.sysname(), name.release(), name.machine()]
            .map(|part| part.to_string_lossy())
            .join(" "),
        Err(_) => env::consts::OS.into(),
    }
}

pub(super) fn clients(cx: &Context<'_>, page: &mut Page) {
    let all = cx.world.clients.list();
    let watched = |least: usize| {
        all.iter()
            .map(|client| client.watched().0)
            .filter(move |&keys| keys >= least)
    };
    let most =
        |of: fn(&super::super::ClientInfo) -> usize| all.iter().map(|client| of(client)).max();
    let blocked = all
        .iter()
        .filter(|client| client.blocked.load(Relaxed) || client.is_postponed())
        .count();
    page.field("connected_clients", all.len());
    page.field("cluster_connections", 0);
    page.field("maxclients", cx.world.config.maxclients());
    page.field(
        "client_recent_max_input_buffer",
        most(|client| client.query_buffer.load(Relaxed) + client.query_buffer_free.load(Relaxed))
            .unwrap_or(0),
    );
    page.field(
        "client_recent_max_output_buffer",
        most(|client| client.unsent()).unwrap_or(0),
    );
    page.field("blocked_clients", blocked);
    page.field("tracking_clients", 0);
    page.field(
        "pubsub_clients",
        all.iter().filter(|client| client.is_subscribed()).count(),
    );
    page.field("watching_clients", watched(1).count());
    page.field("clients_in_timeout_table", blocked);
    page.field("total_watched_keys", watched(0).sum::<usize>());
    page.field("total_blocking_keys", 0);
    page.field("total_blocking_keys_on_nokey", 0);
}

pub(super) fn memory(cx: &Context<'_>, page: &mut Page) {
    let memory = cx.world.footprint.read(cx.now());
    let config = &cx.world.config;
    let clients = client_buffers(cx);
    let overhead = memory.startup + clients;
    let dataset = memory.used.saturating_sub(overhead);
    let grown = memory.used.saturating_sub(memory.startup);
    let difference = |a: u64, b: u64| a as i64 - b as i64;
    page.bytes("used_memory", memory.used);
    page.bytes("used_memory_rss", memory.rss);
    page.bytes("used_memory_peak", memory.peak);
    page.field("used_memory_peak_time", memory.peak_ms / 1000);
    page.field("used_memory_peak_perc", percent(memory.used, memory.peak));
    page.field("used_memory_overhead", overhead);
    page.field("used_memory_startup", memory.startup);
    page.field("used_memory_dataset", dataset);
    page.field("used_memory_dataset_perc", percent(dataset, grown));
    page.field("allocator_allocated", memory.used);
    page.field("allocator_active", memory.active);
    page.field("allocator_resident", memory.resident);
    page.bytes(
        "total_system_memory",
        footprint::total_system().unwrap_or(0),
    );
    page.field("used_memory_lua", 0);
    page.field("used_memory_lua_human", human(0));
    page.field("number_of_cached_scripts", 0);
    page.field("used_memory_scripts", 0);
    page.field("used_memory_scripts_human", human(0));
    page.bytes("maxmemory", config.maxmemory());
    page.field(
        "maxmemory_policy",
        MaxmemoryPolicy::word(config.maxmemory_policy()),
    );
    page.field(
        "allocator_frag_ratio",
        format_args!("{:.2}", ratio(memory.active, memory.used)),
    );
    page.field(
        "allocator_frag_bytes",
        difference(memory.active, memory.used),
    );
    page.field(
        "allocator_rss_ratio",
        format_args!("{:.2}", ratio(memory.resident, memory.active)),
    );
    page.field(
        "allocator_rss_bytes",
        difference(memory.resident, memory.active),
    );
    page.field(
        "rss_overhead_ratio",
        format_args!("{:.2}", ratio(memory.rss, memory.resident)),
    );
    page.field(
        "rss_overhead_bytes",
        difference(memory.rss, memory.resident),
    );
    page.field(
        "mem_fragmentation_ratio",
        format_args!("{:.2}", ratio(memory.rss, memory.used)),
    );
    page.field(
        "mem_fragmentation_bytes",
        difference(memory.rss, memory.used),
    );
    let not_counted = cx.world.ceiling.not_counted(&cx.world.keyspace);
    page.field("mem_not_counted_for_evict", not_counted);
    page.field("mem_replication_backlog", 0);
    page.field("mem_total_replication_buffers", 0);
    page.field("mem_clients_slaves", 0);
    page.field("mem_clients_normal", clients);
    page.field("mem_cluster_links", 0);
    page.field("mem_aof_buffer", cx.world.log.feed.waiting_bytes());
    page.field("mem_allocator", "jemalloc-5.3.0");
    page.field("active_defrag_running", 0);
    let lazyfree = &cx.world.lazyfree;
    page.field("lazyfree_pending_objects", lazyfree.pending.load(Relaxed));
    page.field("lazyfreed_objects", lazyfree.freed.load(Relaxed));
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.2}%", ratio(part, whole) * 100.0)
}

pub(super) fn persistence(cx: &Context<'_>, page: &mut Page) {
    let saves = &cx.world.saves;
    let (running, last) = (saves.in_background(), saves.last());
    let seconds = |time: Option<Duration>| time.map_or(-1, |time| time.as_secs() as i64);
    let rewriting = || {
        let progress = cx.world.logs.rewrites.lock().progress.keys();
        cx.world.log.is_rewriting().then_some(progress)
    };
    let saving = running.as_ref().map(|running| running.progress.keys());
    let (done, total) = saving.or_else(rewriting).unwrap_or_default();
    page.field("loading", u8::from(cx.world.gate.is_down(Bar::Loading)));
    page.field("async_loading", 0);
    if cx.world.gate.is_down(Bar::Loading) {
        loading(cx, page);
    }
    page.field(
        "current_fork_perc",
        format_args!("{:.2}", ratio(done, total) * 100.0),
    );
    page.field("current_save_keys_processed", done);
    page.field("current_save_keys_total", total);
    page.field("rdb_changes_since_last_save", cx.world.unsaved_changes());
    page.field("rdb_bgsave_in_progress", u8::from(running.is_some()));
    page.field("rdb_last_save_time", last.saved_ms / 1000);
    page.field("rdb_last_bgsave_status", if last.ok { "ok" } else { "err" });
    page.field("rdb_last_bgsave_time_sec", seconds(last.took));
    page.field(
        "rdb_current_bgsave_time_sec",
        seconds(running.map(|running| running.since.elapsed())),
    );
    page.field("rdb_saves", last.saves);
    page.field("rdb_last_cow_size", 0);
    let loaded = &cx.world.loading;
    page.field("rdb_last_load_keys_expired", loaded.expired.load(Relaxed));
    page.field("rdb_last_load_keys_loaded", loaded.keys.load(Relaxed));
    let (log, config) = (&cx.world.log, &cx.world.config);
    let rewrites = cx.world.logs.rewrites.lock();
    let on = config.appendonly();
    let status = |ok: bool| if ok { "ok" } else { "err" };
    page.field("aof_enabled", u8::from(on));
    page.field("aof_rewrite_in_progress", u8::from(log.is_rewriting()));
    page.field("aof_rewrite_scheduled", u8::from(rewrites.scheduled));
    page.field("aof_last_rewrite_time_sec", seconds(rewrites.took));
    page.field(
        "aof_current_rewrite_time_sec",
        seconds(rewrites.since.map(|since| since.elapsed())),
    );
    page.field("aof_last_bgrewrite_status", status(!rewrites.failed));
    page.field("aof_rewrites", rewrites.count);
    page.field("aof_rewrites_consecutive_failures", rewrites.failures);
    page.field("aof_last_write_status", status(!log.is_troubled()));
    if on {
        page.field("aof_current_size", log.size());
        page.field("aof_base_size", log.base_size());
        page.field("aof_pending_rewrite", u8::from(rewrites.scheduled));
        page.field("aof_buffer_length", log.feed.waiting_bytes());
        page.field("aof_pending_bio_fsync", 0);
        page.field("aof_delayed_fsync", 0);
    }
}

/// How far the load under way is.
fn loading(cx: &Context<'_>, page: &mut Page) {
    let loading = &cx.world.loading;
    let started_ms = loading.started_ms.load(Relaxed);
    let (read, total) = loading.progress.bytes();
    let elapsed = (cx.now() - started_ms).max(0) as f64 / 1000.0;
    let left = match read {
        0 => 1.0, // as Redis says before it knows
        _ => elapsed * (total.saturating_sub(read) as f64 / read as f64),
    };
    page.field("loading_start_time", started_ms / 1000);
    page.field("loading_total_bytes", total);
    page.field("loading_loaded_bytes", read);
    page.field(
        "loading_loaded_perc",
        format_args!("{:.2}", ratio(read, total) * 100.0),
    );
    page.field("loading_eta_seconds", left as u64);
}

/// Connections move between threads, so there is one line for all of them.
pub(super) fn threads(cx: &Context<'_>, page: &mut Page) {
    let stats = &cx.world.stats;
    let line = format_args!(
        "clients={},reads={},writes={}",
        cx.world.clients.len(),
        stats.get(Counter::Reads),
        stats.get(Counter::Writes)
    )
    .to_string();
    page.field("io_thread_0", line);
}

pub(super) fn stats(cx: &Context<'_>, page: &mut Page) {
    let stats = &cx.world.stats;
    let counters = |page: &mut Page, counters: &[Counter]| {
        for &counter in counters {
            page.field(counter.name(), stats.get(counter));
        }
    };
    let kilobytes = |rate: Rate| format!("{:.2}", stats.rate(rate) as f64 / 1024.0);
    counters(page, &[Counter::Connections, Counter::Commands]);
    page.field("instantaneous_ops_per_sec", stats.rate(Rate::Commands));
    counters(page, &[Counter::InputBytes, Counter::OutputBytes]);
    page.field("total_net_repl_input_bytes", 0);
    page.field("total_net_repl_output_bytes", 0);
    page.field("instantaneous_input_kbps", kilobytes(Rate::InputBytes));
    page.field("instantaneous_output_kbps", kilobytes(Rate::OutputBytes));
    page.field("instantaneous_input_repl_kbps", "0.00");
    page.field("instantaneous_output_repl_kbps", "0.00");
    counters(page, &[Counter::RejectedConnections]);
    page.field("sync_full", 0);
    page.field("sync_partial_ok", 0);
    page.field("sync_partial_err", 0);
    page.field("expired_subkeys", 0);
    page.field(Counter::ExpiredKeys.name(), cx.world.expired_keys());
    page.field("expired_stale_perc", "0.00");
    counters(
        page,
        &[
            Counter::ExpireTimeCaps,
            Counter::EvictedKeys,
            Counter::EvictedClients,
        ],
    );
    page.field("evicted_scripts", 0);
    let (behind, since) = cx.world.ceiling.behind(cx.now());
    page.field("total_eviction_exceeded_time", behind);
    page.field("current_eviction_exceeded_time", since);
    counters(page, &[Counter::Hits, Counter::Misses]);
    let broker = &cx.world.broker;
    page.field("pubsub_channels", broker.len(Kind::Channel));
    page.field("pubsub_patterns", broker.len(Kind::Pattern));
    page.field("pubsubshard_channels", broker.len(Kind::Shard));
    page.field("latest_fork_usec", 0);
    page.field("total_forks", 0);
    page.field("migrate_cached_sockets", 0);
    page.field("slave_expires_tracked_keys", 0);
    page.field("active_defrag_hits", 0);
    page.field("active_defrag_misses", 0);
    page.field("active_defrag_key_hits", 0);
    page.field("active_defrag_key_misses", 0);
    page.field("tracking_total_keys", 0);
    page.field("tracking_total_items", 0);
    page.field("tracking_total_prefixes", 0);
    counters(
        page,
        &[Counter::UnexpectedErrorReplies, Counter::ErrorReplies],
    );
    page.field("dump_payload_sanitizations", 0);
    counters(
        page,
        &[
            Counter::Reads,
            Counter::Writes,
            Counter::QueryBufferDisconnections,
            Counter::OutputBufferDisconnections,
            Counter::Panics,
            Counter::DeniedAuth,
            Counter::DeniedCommand,
            Counter::DeniedKey,
            Counter::DeniedChannel,
        ],
    );
}

pub(super) fn replication(cx: &Context<'_>, page: &mut Page) {
    page.field("role", "master");
    page.field("connected_slaves", 0);
    page.field("master_failover_state", "no-failover");
    page.field("master_replid", &cx.world.run_id);
    page.field("master_replid2", "0".repeat(40));
    page.field("master_repl_offset", 0);
    page.field("second_repl_offset", -1);
    page.field("repl_backlog_active", 0);
    page.field("repl_backlog_size", 0);
    page.field("repl_backlog_first_byte_offset", 0);
    page.field("repl_backlog_histlen", 0);
}

pub(super) fn cpu(_: &Context<'_>, page: &mut Page) {
    for (who, suffix) in [
        (UsageWho::RUSAGE_SELF, ""),
        (UsageWho::RUSAGE_CHILDREN, "_children"),
    ] {
        // It only fails for a `who` that does not exist.
        let usage = getrusage(who).ok();
        let seconds = |time: fn(&Usage) -> nix::sys::time::TimeVal| {
            let time = usage.as_ref().map(time);
            time.map_or("0.000000".into(), |time| {
                format!("{}.{:06}", time.tv_sec(), time.tv_usec())
            })
        };
        page.field(
            &format!("used_cpu_sys{suffix}"),
            seconds(Usage::system_time),
        );
        page.field(&format!("used_cpu_user{suffix}"), seconds(Usage::user_time));
    }
}

pub(super) fn commandstats(cx: &Context<'_>, page: &mut Page) {
    for (command, tally) in cx.world.calls.tallies() {
        let microseconds = tally.nanoseconds / 1000;
        let each = ratio(microseconds, tally.calls);
        let line = format!(
            "calls={},usec={microseconds},usec_per_call={each:.2},rejected_calls={},failed_calls={}",
            tally.calls, tally.refused, tally.failed
        );
        page.field(&format!("cmdstat_{}", command.name), line);
    }
}

/// The times that so many percent of the calls of each command did not exceed, in microseconds.
pub(super) fn latencystats(cx: &Context<'_>, page: &mut Page) {
    let percentiles = cx.world.config.latency_percentiles();
    for command in table::all() {
        let Some(times) = cx.world.calls.times(command) else {
            continue;
        };
        let shown: Vec<String> = percentiles
            .iter()
            .map(|text| {
                let nanoseconds = times.percentile(text.parse().unwrap_or(100.0));
                format!("p{text}={:.3}", nanoseconds as f64 / 1000.0)
            })
            .collect();
        let name = format!("latency_percentiles_usec_{}", command.name);
        page.field(&name, shown.join(","));
    }
}

pub(super) fn errorstats(cx: &Context<'_>, page: &mut Page) {
    for (class, count) in cx.world.stats.errors() {
        page.field(&format!("errorstat_{class}"), format_args!("count={count}"));
    }
}

pub(super) fn cluster(_: &Context<'_>, page: &mut Page) {
    page.field("cluster_enabled", 0);
}

pub(super) fn keyspace(cx: &Context<'_>, page: &mut Page) {
    for db in 0..cx.world.keyspace.databases() {
        let keys = cx.keys().key_count(db);
        if keys == 0 {
            continue;
        }
        let expires = cx.keys().expiry_count(db);
        let average = cx.keys().average_ttl(db);
        let line = format!("keys={keys},expires={expires},avg_ttl={average},subexpiry=0");
        page.field(&format!("db{db}"), line);
    }
}
