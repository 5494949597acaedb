//! Every setting, one row each, sorted by name.
//!
//! A row is all there is to a setting: file, command line, CONFIG GET, CONFIG SET and CONFIG REWRITE take everything
//! from here. To add one, add its row, and an accessor in `access.rs` if code reads it. To make an idle one work, let
//! the code read it and change its last word.
//!
//! Names, kinds, ranges and defaults are those of Redis 8.2.3, asked of the running server; `kernels`,
//! `metrics-port` and `rdb-skip-unsupported` are ours.

use super::choice::{AppendFsync, LogLevel, MaxmemoryPolicy, Permission, TlsAuthClients};
use super::kind::{Check, Choices, Kind, any};

/// Who may change a setting while the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// CONFIG SET.
    Live,
    /// Nobody: it is fixed at the start.
    Fixed,
    /// CONFIG SET, where `enable-protected-configs` allows it.
    Guarded,
}

/// What a setting does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It works.
    Honoured,
    /// It is kept, shown and rewritten for the sake of existing files and tools, and does nothing. Giving it another
    /// value than its default at the start is worth a warning.
    Idle,
}

use Change::{Fixed, Guarded, Live};
use Role::{Honoured, Idle};

/// One setting.
pub(super) struct Setting {
    pub(super) name: &'static str,
    /// The older name Redis still understands and shows; empty if there is none.
    pub(super) alias: &'static str,
    pub(super) kind: Kind,
    /// The default, as it would stand in a file.
    pub(super) default: &'static str,
    pub(super) change: Change,
    pub(super) role: Role,
    /// Shown by CONFIG GET only when asked for by its whole name.
    pub(super) hidden: bool,
}

const fn row(
    name: &'static str,
    alias: &'static str,
    kind: Kind,
    default: &'static str,
    change: Change,
    role: Role,
) -> Setting {
    Setting {
        name,
        alias,
        kind,
        default,
        change,
        role,
        hidden: false,
    }
}

impl Setting {
    const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }
}

const I32: i64 = i32::MAX as i64;
const U32: i64 = u32::MAX as i64;

/// Redis's own container images are built with another default as well.
const PROTECTED_MODE: &str = if cfg!(feature = "container") {
    "no"
} else {
    "yes"
};

const YESNO: Kind = Kind::YesNo;
const OPT: Kind = Kind::Optional(any as Check);
const PROTECTED: Kind = Kind::Choice(Permission::CHOICES);

const fn int(min: i64, max: i64) -> Kind {
    Kind::Integer(min..=max)
}

const fn natural(min: i64, max: i64) -> Kind {
    Kind::Natural(min..=max)
}

const fn memory(min: i64) -> Kind {
    Kind::Memory(min..=i64::MAX)
}

const fn size(min: i64) -> Kind {
    Kind::Size(min..=i64::MAX)
}

const ACL_PUBSUB_DEFAULT: Choices = &[("allchannels", 1), ("resetchannels", 0)];
const DISKLESS_LOAD: Choices = &[("disabled", 0), ("on-empty-db", 1), ("swapdb", 2)];
const ENDPOINT_TYPE: Choices = &[("ip", 0), ("hostname", 1), ("unknown-endpoint", 2)];
const OOM_SCORE_ADJ: Choices = &[("no", 0), ("yes", 1), ("relative", 1), ("absolute", 2)];
const PROPAGATION_ERROR: Choices = &[("ignore", 0), ("panic", 1), ("panic-on-replicas", 2)];
const SANITIZE_DUMP: Choices = &[("no", 0), ("yes", 1), ("clients", 2)];
const SHUTDOWN: Choices = &[
    ("default", 0),
    ("save", 1),
    ("nosave", 2),
    ("now", 4),
    ("force", 8),
];
const SUPERVISED: Choices = &[("upstart", 1), ("systemd", 2), ("auto", 3), ("no", 0)];
#[rustfmt::skip] // one line, like its neighbours
const SYSLOG_FACILITY: Choices =
    &[("user", 8), ("local0", 0), ("local1", 1), ("local2", 2), ("local3", 3), ("local4", 4), ("local5", 5), ("local6", 6), ("local7", 7)];

#[rustfmt::skip] // read by column
pub(super) static TABLE: &[Setting] = &[
    //  name                                     older name                       kind                                      default                    changed  here
    row("acl-pubsub-default",                    "",                               Kind::Choice(ACL_PUBSUB_DEFAULT),         "resetchannels",           Live,    Honoured),
    row("aclfile",                               "",                               Kind::Text(any),                          "",                        Fixed,   Honoured),
    row("acllog-max-len",                        "",                               int(0, i64::MAX),                         "128",                     Live,    Honoured),
    row("active-defrag-cycle-max",               "",                               int(1, 99),                               "25",                      Live,    Idle),
    row("active-defrag-cycle-min",               "",                               int(1, 99),                               "1",                       Live,    Idle),
    row("active-defrag-ignore-bytes",            "",                               size(1),                                  "104857600",               Live,    Idle),
    row("active-defrag-max-scan-fields",         "",                               int(1, i64::MAX),                         "1000",                    Live,    Idle),
    row("active-defrag-threshold-lower",         "",                               int(0, 1000),                             "10",                      Live,    Idle),
    row("active-defrag-threshold-upper",         "",                               int(0, 1000),                             "100",                     Live,    Idle),
    row("active-expire-effort",                  "",                               int(1, 10),                               "1",                       Live,    Idle),
    row("activedefrag",                          "",                               YESNO,                                    "no",                      Live,    Idle),
    row("activerehashing",                       "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("always-show-logo",                      "",                               YESNO,                                    "no",                      Fixed,   Idle),
    row("aof-disable-auto-gc",                   "",                               YESNO,                                    "no",                      Live,    Idle).hidden(),
    row("aof-load-truncated",                    "",                               YESNO,                                    "yes",                     Live,    Honoured),
    row("aof-rewrite-cpulist",                   "aof_rewrite_cpulist",            OPT,                                      "",                        Fixed,   Idle),
    row("aof-rewrite-incremental-fsync",         "",                               YESNO,                                    "yes",                     Live,    Honoured),
    row("aof-timestamp-enabled",                 "",                               YESNO,                                    "no",                      Live,    Honoured),
    row("aof-use-rdb-preamble",                  "",                               YESNO,                                    "yes",                     Live,    Honoured),
    row("appenddirname",                         "",                               Kind::Text(appenddirname),                "appendonlydir",           Fixed,   Honoured),
    row("appendfilename",                        "",                               Kind::Text(appendfilename),               "appendonly.aof",          Fixed,   Honoured),
    row("appendfsync",                           "",                               Kind::Choice(AppendFsync::CHOICES),       "everysec",                Live,    Honoured),
    row("appendonly",                            "",                               YESNO,                                    "no",                      Live,    Honoured),
    row("auto-aof-rewrite-min-size",             "",                               memory(0),                                "67108864",                Live,    Honoured),
    row("auto-aof-rewrite-percentage",           "",                               int(0, I32),                              "100",                     Live,    Honoured),
    row("bgsave-cpulist",                        "bgsave_cpulist",                 OPT,                                      "",                        Fixed,   Idle),
    row("bind",                                  "",                               Kind::Bind,                               "* -::*",                  Live,    Honoured),
    row("bind-source-addr",                      "",                               OPT,                                      "",                        Live,    Idle),
    row("bio-cpulist",                           "bio_cpulist",                    OPT,                                      "",                        Fixed,   Idle),
    row("busy-reply-threshold",                  "lua-time-limit",                 int(0, i64::MAX),                         "5000",                    Live,    Idle),
    row("client-output-buffer-limit",            "",                               Kind::OutputLimits,                       "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", Live,    Honoured),
    row("client-query-buffer-limit",             "",                               size(1 << 20),                            "1073741824",              Live,    Honoured),
    row("cluster-allow-pubsubshard-when-down",   "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("cluster-allow-reads-when-down",         "",                               YESNO,                                    "no",                      Live,    Idle),
    row("cluster-allow-replica-migration",       "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("cluster-announce-bus-port",             "",                               int(0, 65535),                            "0",                       Live,    Idle),
    row("cluster-announce-hostname",             "",                               Kind::Optional(hostname),                 "",                        Live,    Idle),
    row("cluster-announce-human-nodename",       "",                               OPT,                                      "",                        Live,    Idle),
    row("cluster-announce-ip",                   "",                               OPT,                                      "",                        Live,    Idle),
    row("cluster-announce-port",                 "",                               int(0, 65535),                            "0",                       Live,    Idle),
    row("cluster-announce-tls-port",             "",                               int(0, 65535),                            "0",                       Live,    Idle),
    row("cluster-compatibility-sample-ratio",    "",                               int(0, 100),                              "0",                       Live,    Idle),
    row("cluster-config-file",                   "",                               Kind::Text(any),                          "nodes.conf",              Fixed,   Idle),
    row("cluster-enabled",                       "",                               YESNO,                                    "no",                      Fixed,   Idle),
    row("cluster-link-sendbuf-limit",            "",                               size(0),                                  "0",                       Live,    Idle),
    row("cluster-migration-barrier",             "",                               int(0, I32),                              "1",                       Live,    Idle),
    row("cluster-node-timeout",                  "",                               int(0, i64::MAX),                         "15000",                   Live,    Idle),
    row("cluster-ping-interval",                 "",                               int(0, i64::MAX),                         "0",                       Live,    Idle).hidden(),
    row("cluster-port",                          "",                               int(0, 65535),                            "0",                       Fixed,   Idle),
    row("cluster-preferred-endpoint-type",       "",                               Kind::Choice(ENDPOINT_TYPE),              "ip",                      Live,    Idle),
    row("cluster-replica-no-failover",           "cluster-slave-no-failover",      YESNO,                                    "no",                      Live,    Idle),
    row("cluster-replica-validity-factor",       "cluster-slave-validity-factor",  int(0, I32),                              "10",                      Live,    Idle),
    row("cluster-require-full-coverage",         "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("cluster-slot-stats-enabled",            "",                               YESNO,                                    "no",                      Live,    Idle),
    row("crash-log-enabled",                     "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("crash-memcheck-enabled",                "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("daemonize",                             "",                               YESNO,                                    "no",                      Fixed,   Honoured),
    row("databases",                             "",                               int(1, I32),                              "16",                      Fixed,   Honoured),
    row("dbfilename",                            "",                               Kind::Text(dbfilename),                   "dump.rdb",                Guarded, Honoured),
    row("dir",                                   "",                               Kind::Directory,                          "",                        Guarded, Honoured),
    row("disable-thp",                           "",                               YESNO,                                    "yes",                     Fixed,   Idle),
    row("dynamic-hz",                            "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("enable-debug-command",                  "",                               PROTECTED,                                "no",                      Fixed,   Honoured),
    row("enable-module-command",                 "",                               PROTECTED,                                "no",                      Fixed,   Idle),
    row("enable-protected-configs",              "",                               PROTECTED,                                "no",                      Fixed,   Honoured),
    row("hash-max-listpack-entries",             "hash-max-ziplist-entries",       natural(0, i64::MAX),                     "512",                     Live,    Idle),
    row("hash-max-listpack-value",               "hash-max-ziplist-value",         size(0),                                  "64",                      Live,    Idle),
    row("hide-user-data-from-log",               "",                               YESNO,                                    "no",                      Live,    Idle),
    row("hll-sparse-max-bytes",                  "",                               size(0),                                  "3000",                    Live,    Idle),
    row("hz",                                    "",                               Kind::Clamped(0..=I32, 1..=500),          "10",                      Live,    Honoured),
    row("ignore-warnings",                       "",                               Kind::Text(any),                          "",                        Live,    Idle),
    row("io-threads",                            "",                               int(1, 128),                              "1",                       Fixed,   Honoured),
    row("jemalloc-bg-thread",                    "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("kernels",                               "",                               Kind::Text(any),                          "auto",                    Fixed,   Honoured),
    row("key-load-delay",                        "",                               int(-I32 - 1, I32),                       "0",                       Live,    Idle).hidden(),
    row("latency-monitor-threshold",             "",                               int(0, i64::MAX),                         "0",                       Live,    Honoured),
    row("latency-tracking",                      "",                               YESNO,                                    "yes",                     Live,    Honoured),
    row("latency-tracking-info-percentiles",     "",                               Kind::Percentiles,                        "50 99 99.9",              Live,    Honoured),
    row("lazyexpire-nested-arbitrary-keys",      "",                               YESNO,                                    "yes",                     Live,    Idle).hidden(),
    row("lazyfree-lazy-eviction",                "",                               YESNO,                                    "no",                      Live,    Honoured),
    row("lazyfree-lazy-expire",                  "",                               YESNO,                                    "no",                      Live,    Idle),
    row("lazyfree-lazy-server-del",              "",                               YESNO,                                    "no",                      Live,    Idle),
    row("lazyfree-lazy-user-del",                "",                               YESNO,                                    "no",                      Live,    Idle),
    row("lazyfree-lazy-user-flush",              "",                               YESNO,                                    "no",                      Live,    Honoured),
    row("lfu-decay-time",                        "",                               int(0, I32),                              "1",                       Live,    Honoured),
    row("lfu-log-factor",                        "",                               int(0, I32),                              "10",                      Live,    Honoured),
    row("list-compress-depth",                   "",                               int(0, I32),                              "0",                       Live,    Idle),
    row("list-max-listpack-size",                "list-max-ziplist-size",          int(-I32 - 1, I32),                       "-2",                      Live,    Idle),
    row("loading-process-events-interval-bytes", "",                               int(1024, I32),                           "524288",                  Live,    Idle).hidden(),
    row("locale-collate",                        "",                               Kind::Text(any),                          "",                        Live,    Idle),
    row("logfile",                               "",                               Kind::Text(any),                          "",                        Fixed,   Honoured),
    row("loglevel",                              "",                               Kind::Choice(LogLevel::CHOICES),          "notice",                  Live,    Honoured),
    row("lua-enable-deprecated-api",             "",                               YESNO,                                    "no",                      Fixed,   Idle).hidden(),
    row("masterauth",                            "",                               Kind::Bytes,                              "",                        Live,    Idle),
    row("masteruser",                            "",                               OPT,                                      "",                        Live,    Idle),
    row("max-new-connections-per-cycle",         "",                               natural(1, 1000),                         "10",                      Live,    Idle),
    row("max-new-tls-connections-per-cycle",     "",                               natural(1, 1000),                         "1",                       Live,    Idle),
    row("maxclients",                            "",                               natural(1, U32),                          "10000",                   Live,    Honoured),
    row("maxmemory",                             "",                               size(0),                                  "0",                       Live,    Honoured),
    row("maxmemory-clients",                     "",                               Kind::SizeOrPercent,                      "0",                       Live,    Honoured),
    row("maxmemory-eviction-tenacity",           "",                               int(0, 100),                              "10",                      Live,    Honoured),
    row("maxmemory-policy",                      "",                               Kind::Choice(MaxmemoryPolicy::CHOICES),   "noeviction",              Live,    Honoured),
    row("maxmemory-samples",                     "",                               int(1, 64),                               "5",                       Live,    Honoured),
    row("metrics-port",                          "",                               int(0, 65535),                            "0",                       Fixed,   Honoured),
    row("min-replicas-max-lag",                  "min-slaves-max-lag",             int(0, I32),                              "10",                      Live,    Idle),
    row("min-replicas-to-write",                 "min-slaves-to-write",            int(0, I32),                              "0",                       Live,    Idle),
    row("no-appendfsync-on-rewrite",             "",                               YESNO,                                    "no",                      Live,    Honoured),
    row("notify-keyspace-events",                "",                               Kind::Events,                             "",                        Live,    Honoured),
    row("oom-score-adj",                         "",                               Kind::Choice(OOM_SCORE_ADJ),              "no",                      Live,    Idle),
    row("oom-score-adj-values",                  "",                               Kind::OomScores,                          "0 200 800",               Live,    Idle),
    row("pidfile",                               "",                               OPT,                                      "",                        Fixed,   Honoured),
    row("port",                                  "",                               int(0, 65535),                            "6379",                    Live,    Honoured),
    row("prefetch-batch-max-size",               "",                               int(0, 128),                              "16",                      Live,    Idle).hidden(),
    row("proc-title-template",                   "",                               Kind::Text(title_template),               "{title} {listen-addr} {server-mode}", Live,    Idle),
    row("propagation-error-behavior",            "",                               Kind::Choice(PROPAGATION_ERROR),          "ignore",                  Live,    Idle),
    row("protected-mode",                        "",                               YESNO,                                    PROTECTED_MODE,            Live,    Honoured),
    row("proto-max-bulk-len",                    "",                               memory(1 << 20),                          "536870912",               Live,    Honoured),
    row("rdb-del-sync-files",                    "",                               YESNO,                                    "no",                      Live,    Idle),
    row("rdb-key-save-delay",                    "",                               int(-I32 - 1, I32),                       "0",                       Live,    Idle).hidden(),
    row("rdb-save-incremental-fsync",            "",                               YESNO,                                    "yes",                     Live,    Honoured),
    row("rdb-skip-unsupported",                  "",                               YESNO,                                    "no",                      Fixed,   Honoured),
    row("rdbchecksum",                           "",                               YESNO,                                    "yes",                     Fixed,   Honoured),
    row("rdbcompression",                        "",                               YESNO,                                    "yes",                     Live,    Honoured),
    row("repl-backlog-size",                     "",                               memory(1),                                "1048576",                 Live,    Idle),
    row("repl-backlog-ttl",                      "",                               int(0, i64::MAX),                         "3600",                    Live,    Idle),
    row("repl-disable-tcp-nodelay",              "",                               YESNO,                                    "no",                      Live,    Idle),
    row("repl-diskless-load",                    "",                               Kind::Choice(DISKLESS_LOAD),              "disabled",                Live,    Idle),
    row("repl-diskless-sync",                    "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("repl-diskless-sync-delay",              "",                               int(0, I32),                              "5",                       Live,    Idle),
    row("repl-diskless-sync-max-replicas",       "",                               int(0, I32),                              "0",                       Live,    Idle),
    row("repl-ping-replica-period",              "repl-ping-slave-period",         int(1, I32),                              "10",                      Live,    Idle),
    row("repl-rdb-channel",                      "",                               YESNO,                                    "yes",                     Live,    Idle).hidden(),
    row("repl-timeout",                          "",                               int(1, I32),                              "60",                      Live,    Idle),
    row("replica-announce-ip",                   "slave-announce-ip",              OPT,                                      "",                        Live,    Idle),
    row("replica-announce-port",                 "slave-announce-port",            int(0, 65535),                            "0",                       Live,    Idle),
    row("replica-announced",                     "",                               YESNO,                                    "yes",                     Live,    Idle),
    row("replica-full-sync-buffer-limit",        "",                               memory(0),                                "0",                       Live,    Idle),
    row("replica-ignore-disk-write-errors",      "",                               YESNO,                                    "no",                      Live,    Idle),
    row("replica-ignore-maxmemory",              "slave-ignore-maxmemory",         YESNO,                                    "yes",                     Live,    Idle),
    row("replica-lazy-flush",                    "slave-lazy-flush",               YESNO,                                    "no",                      Live,    Idle),
    row("replica-priority",                      "slave-priority",                 int(0, I32),                              "100",                     Live,    Idle),
    row("replica-read-only",                     "slave-read-only",                YESNO,                                    "yes",                     Live,    Idle),
    row("replica-serve-stale-data",              "slave-serve-stale-data",         YESNO,                                    "yes",                     Live,    Idle),
    row("replicaof",                             "slaveof",                        Kind::Replica,                            "",                        Fixed,   Idle),
    row("requirepass",                           "",                               Kind::Bytes,                              "",                        Live,    Honoured),
    row("sanitize-dump-payload",                 "",                               Kind::Choice(SANITIZE_DUMP),              "no",                      Live,    Idle),
    row("save",                                  "",                               Kind::Save,                               "3600 1 300 100 60 10000", Live,    Honoured),
    row("server-cpulist",                        "server_cpulist",                 OPT,                                      "",                        Fixed,   Idle),
    row("set-max-intset-entries",                "",                               natural(0, i64::MAX),                     "512",                     Live,    Idle),
    row("set-max-listpack-entries",              "",                               natural(0, i64::MAX),                     "128",                     Live,    Idle),
    row("set-max-listpack-value",                "",                               natural(0, i64::MAX),                     "64",                      Live,    Idle),
    row("set-proc-title",                        "",                               YESNO,                                    "yes",                     Fixed,   Idle),
    row("shutdown-on-sigint",                    "",                               Kind::Flags(SHUTDOWN),                    "default",                 Live,    Honoured),
    row("shutdown-on-sigterm",                   "",                               Kind::Flags(SHUTDOWN),                    "default",                 Live,    Honoured),
    row("shutdown-timeout",                      "",                               int(0, I32),                              "10",                      Live,    Idle),
    row("slowlog-log-slower-than",               "",                               int(-1, i64::MAX),                        "10000",                   Live,    Honoured),
    row("slowlog-max-len",                       "",                               int(0, i64::MAX),                         "128",                     Live,    Honoured),
    row("socket-mark-id",                        "",                               natural(0, U32),                          "0",                       Fixed,   Idle),
    row("stop-writes-on-bgsave-error",           "",                               YESNO,                                    "yes",                     Live,    Honoured),
    row("stream-node-max-bytes",                 "",                               size(0),                                  "4096",                    Live,    Idle),
    row("stream-node-max-entries",               "",                               int(0, i64::MAX),                         "100",                     Live,    Idle),
    row("supervised",                            "",                               Kind::Choice(SUPERVISED),                 "no",                      Fixed,   Idle),
    row("syslog-enabled",                        "",                               YESNO,                                    "no",                      Fixed,   Idle),
    row("syslog-facility",                       "",                               Kind::Choice(SYSLOG_FACILITY),            "local0",                  Fixed,   Idle),
    row("syslog-ident",                          "",                               Kind::Text(any),                          "redis",                   Fixed,   Idle),
    row("tcp-backlog",                           "",                               int(0, I32),                              "511",                     Fixed,   Honoured),
    row("tcp-keepalive",                         "",                               int(0, I32),                              "300",                     Live,    Honoured),
    row("timeout",                               "",                               int(0, I32),                              "0",                       Live,    Honoured),
    row("tls-auth-clients",                      "",                               Kind::Choice(TlsAuthClients::CHOICES),    "yes",                     Live,    Honoured),
    row("tls-ca-cert-dir",                       "",                               OPT,                                      "",                        Live,    Honoured),
    row("tls-ca-cert-file",                      "",                               OPT,                                      "",                        Live,    Honoured),
    row("tls-cert-file",                         "",                               OPT,                                      "",                        Live,    Honoured),
    row("tls-ciphers",                           "",                               OPT,                                      "",                        Live,    Honoured),
    row("tls-ciphersuites",                      "",                               OPT,                                      "",                        Live,    Honoured),
    row("tls-client-cert-file",                  "",                               OPT,                                      "",                        Live,    Idle),
    row("tls-client-key-file",                   "",                               OPT,                                      "",                        Live,    Idle),
    row("tls-client-key-file-pass",              "",                               OPT,                                      "",                        Live,    Idle),
    row("tls-cluster",                           "",                               YESNO,                                    "no",                      Live,    Idle),
    row("tls-dh-params-file",                    "",                               OPT,                                      "",                        Live,    Idle),
    row("tls-key-file",                          "",                               OPT,                                      "",                        Live,    Honoured),
    row("tls-key-file-pass",                     "",                               OPT,                                      "",                        Live,    Honoured),
    row("tls-port",                              "",                               int(0, 65535),                            "0",                       Live,    Honoured),
    row("tls-prefer-server-ciphers",             "",                               YESNO,                                    "no",                      Live,    Honoured),
    row("tls-protocols",                         "",                               OPT,                                      "",                        Live,    Honoured),
    row("tls-replication",                       "",                               YESNO,                                    "no",                      Live,    Idle),
    row("tls-session-cache-size",                "",                               int(0, I32),                              "20480",                   Live,    Honoured),
    row("tls-session-cache-timeout",             "",                               int(0, I32),                              "300",                     Live,    Idle),
    row("tls-session-caching",                   "",                               YESNO,                                    "yes",                     Live,    Honoured),
    row("tracking-table-max-keys",               "",                               natural(0, i64::MAX),                     "1000000",                 Live,    Idle),
    row("unixsocket",                            "",                               OPT,                                      "",                        Fixed,   Honoured),
    row("unixsocketperm",                        "",                               Kind::Octal(0o777),                       "0",                       Fixed,   Honoured),
    row("use-exit-on-panic",                     "",                               YESNO,                                    "no",                      Live,    Idle).hidden(),
    row("vset-force-single-threaded-execution",  "",                               YESNO,                                    "no",                      Live,    Idle),
    row("watchdog-period",                       "",                               int(0, I32),                              "0",                       Live,    Idle).hidden(),
    row("zset-max-listpack-entries",             "zset-max-ziplist-entries",       natural(0, i64::MAX),                     "128",                     Live,    Idle),
    row("zset-max-listpack-value",               "zset-max-ziplist-value",         size(0),                                  "64",                      Live,    Idle),
];

/// The place of a setting in the table. Meant for constants: a name that is not there stops the compiler.
pub(super) const fn index(name: &str) -> usize {
    let mut at = 0;
    while at < TABLE.len() {
        if same(TABLE[at].name.as_bytes(), name.as_bytes()) {
            return at;
        }
        at += 1;
    }
    panic!("no setting has this name")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// The setting with this name or older name, in any case: its place, and the name as the table spells it.
pub(super) fn find(name: &[u8]) -> Option<(usize, &'static str)> {
    TABLE.iter().enumerate().find_map(|(at, setting)| {
        let known = [setting.name, setting.alias]
            .into_iter()
            .filter(|known| !known.is_empty());
        known
            .into_iter()
            .find(|known| known.as_bytes().eq_ignore_ascii_case(name))
            .map(|known| (at, known))
    })
}

fn is_base_name(text: &[u8]) -> bool {
    !text.contains(&b'/') && !text.contains(&b'\\')
}

fn dbfilename(text: &[u8]) -> Result<(), &'static str> {
    if is_base_name(text) {
        Ok(())
    } else {
        Err("dbfilename can't be a path, just a filename")
    }
}

fn appendfilename(text: &[u8]) -> Result<(), &'static str> {
    match text {
        b"" => Err("appendfilename can't be empty"),
        _ if !is_base_name(text) => Err("appendfilename can't be a path, just a filename"),
        _ => Ok(()),
    }
}

fn appenddirname(text: &[u8]) -> Result<(), &'static str> {
    match text {
        b"" => Err("appenddirname can't be empty"),
        _ if !is_base_name(text) => Err("appenddirname can't be a path, just a dirname"),
        _ => Ok(()),
    }
}

fn hostname(text: &[u8]) -> Result<(), &'static str> {
    if text.len() > 255 {
        return Err("Hostnames must be less than 256 characters");
    }
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if text.iter().all(allowed) {
        return Ok(());
    }
    Err("Hostnames may only contain alphanumeric characters, hyphens or dots")
}

/// Every `{` opens one of the names Redis fills in, and something is left when they are.
fn title_template(text: &[u8]) -> Result<(), &'static str> {
    const NAMES: [&[u8]; 7] = [
        b"title",
        b"listen-addr",
        b"server-mode",
        b"port",
        b"tls-port",
        b"unixsocket",
        b"config-file",
    ];
    let mut parts = text.split(|&byte| byte == b'{');
    let blank = parts
        .next()
        .is_none_or(|before| before.trim_ascii().is_empty());
    let mut named = 0;
    for part in parts {
        let end = part.iter().position(|&byte| byte == b'}');
        if !end.is_some_and(|end| NAMES.contains(&&part[..end])) {
            return Err("template format is invalid or contains unknown variables");
        }
        named += 1;
    }
    if blank && named == 0 {
        return Err("template format is invalid or contains unknown variables");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_names_are_unique() {
        assert!(TABLE.windows(2).all(|pair| pair[0].name < pair[1].name));
        let mut names: Vec<&str> = TABLE.iter().flat_map(|row| [row.name, row.alias]).collect();
        names.retain(|name| !name.is_empty());
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_default_is_a_value_of_its_own_kind() {
        for row in TABLE {
            assert_eq!(
                row.kind.show(&crate::config::default(row)),
                row.default.as_bytes(),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn names_are_found_in_any_case_and_by_their_older_name() {
        assert_eq!(find(b"MaxMemory"), Some((index("maxmemory"), "maxmemory")));
        assert_eq!(
            find(b"SLAVE-priority"),
            Some((index("replica-priority"), "slave-priority"))
        );
        assert_eq!(find(b""), None);
        assert_eq!(find(b"nosuch"), None);
    }

    #[test]
    fn texts_are_checked_as_in_redis() {
        assert!(dbfilename(b"").is_ok() && dbfilename(b"..").is_ok());
        assert!(dbfilename(b"a/b").is_err() && dbfilename(b"a\\b").is_err());
        assert!(appendfilename(b"").is_err() && appenddirname(b"a/b").is_err());
        assert!(
            hostname(&[b'x'; 255]).is_ok()
                && hostname(&[b'x'; 256]).is_err()
                && hostname(b"a_b").is_err()
        );
        assert!(title_template(b"{title} }").is_ok());
        for bad in ["", "{foo}", "{title}{", "{title"] {
            assert!(title_template(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
