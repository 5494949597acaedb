//! What the rest of the program reads: one typed method a setting.
//!
//! Numbers come from an atomic and may be read on every request. Text costs a lock and a reference count. The settings
//! made of several words are taken apart at each call: read them when they change ([`Config::on_change`]), not per
//! request.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::choice::{AppendFsync, LogLevel, MaxmemoryPolicy, Permission, TlsAuthClients};
use super::{Config, list, number, table};

/// The place of a setting, looked up by the compiler.
macro_rules! at {
    ($name:literal) => {
        const { table::index($name) }
    };
}

/// One pair of `save`: a snapshot is due when both are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

/// What a class of clients may leave unread before it is disconnected. Zero means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Bytes that may never be exceeded.
    pub hard: u64,
    /// Bytes that may not be exceeded for longer than `seconds`.
    pub soft: u64,
    pub seconds: u64,
}

/// The classes of `client-output-buffer-limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientClass {
    Normal,
    Replica,
    Pubsub,
}

/// What SIGINT or SIGTERM does, from `shutdown-on-sigint` and `shutdown-on-sigterm`. All false is the default: save if
/// there are save points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownFlags {
    pub save: bool,
    pub nosave: bool,
    /// Do not wait for replicas.
    pub now: bool,
    /// Exit even if saving fails.
    pub force: bool,
}

impl Config {
    fn natural(&self, at: usize) -> u64 {
        self.number(at).max(0) as u64
    }

    fn switch(&self, at: usize) -> bool {
        self.number(at) != 0
    }

    /// A path given by a setting, from `dir` if it is relative. `None` if the setting is empty.
    fn file(&self, at: usize) -> Option<PathBuf> {
        let text = self.text(at);
        (!text.is_empty()).then(|| self.dir().join(OsStr::from_bytes(&text)))
    }

    fn name(&self, at: usize) -> String {
        String::from_utf8_lossy(&self.text(at)).into_owned()
    }

    // The network.

    /// TCP port; 0 for none.
    pub fn port(&self) -> u16 {
        self.number(at!("port")) as u16
    }

    /// The TCP port of the metrics; 0 for none.
    pub fn metrics_port(&self) -> u16 {
        self.number(at!("metrics-port")) as u16
    }

    /// Addresses to listen on, as written: `*` is all of IPv4, `::*` all of IPv6, and a leading `-` forgives an address
    /// this machine does not have.
    pub fn bind(&self) -> Vec<String> {
        self.name(at!("bind"))
            .split(' ')
            .filter(|address| !address.is_empty())
            .map(String::from)
            .collect()
    }

    /// Path of the Unix socket, if there is one.
    pub fn unixsocket(&self) -> Option<PathBuf> {
        self.file(at!("unixsocket"))
    }

    /// Permission bits of the Unix socket; 0 leaves what the umask gives.
    pub fn unixsocketperm(&self) -> u32 {
        self.number(at!("unixsocketperm")) as u32
    }

    /// Length of the queue of connections the system has accepted and we have not.
    pub fn tcp_backlog(&self) -> u32 {
        self.number(at!("tcp-backlog")) as u32
    }

    /// Silence after which TCP asks whether the other side is still there. `None` for never.
    pub fn tcp_keepalive(&self) -> Option<Duration> {
        let seconds = self.natural(at!("tcp-keepalive"));
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// Idle time after which a client is disconnected. `None` for never.
    pub fn timeout(&self) -> Option<Duration> {
        let seconds = self.natural(at!("timeout"));
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    /// Connections served at once.
    pub fn maxclients(&self) -> u64 {
        self.natural(at!("maxclients"))
    }

    /// Whether connections from elsewhere are refused while there is no password.
    pub fn protected_mode(&self) -> bool {
        self.switch(at!("protected-mode"))
    }

    /// The password, if one is wanted.
    pub fn requirepass(&self) -> Option<Arc<[u8]>> {
        Some(self.text(at!("requirepass"))).filter(|password| !password.is_empty())
    }

    /// The file of users, if they are kept in one.
    pub fn aclfile(&self) -> Option<PathBuf> {
        self.file(at!("aclfile"))
    }

    /// The same as it was given, for messages.
    pub fn aclfile_as_written(&self) -> String {
        self.name(at!("aclfile"))
    }

    /// How many refusals ACL LOG remembers.
    pub fn acllog_max_len(&self) -> u64 {
        self.natural(at!("acllog-max-len"))
    }

    /// Whether new users may use every channel of Pub/Sub.
    pub fn acl_pubsub_default(&self) -> bool {
        self.switch(at!("acl-pubsub-default"))
    }

    /// Longest argument a request may have, and longest string a key may hold, in bytes. At least 1 MiB.
    pub fn proto_max_bulk_len(&self) -> u64 {
        self.natural(at!("proto-max-bulk-len"))
    }

    /// Bytes of unfinished request a client may have sent.
    pub fn client_query_buffer_limit(&self) -> u64 {
        self.natural(at!("client-query-buffer-limit"))
    }

    /// What a class of clients may leave unread.
    pub fn output_limit(&self, class: ClientClass) -> OutputLimit {
        let class = match class {
            ClientClass::Normal => "normal",
            ClientClass::Replica => "slave",
            ClientClass::Pubsub => "pubsub",
        };
        list::output_limit(&self.text(at!("client-output-buffer-limit")), class)
    }

    // TLS.

    /// TCP port for TLS; `None` for none.
    pub fn tls_port(&self) -> Option<u16> {
        Some(self.number(at!("tls-port")) as u16).filter(|&port| port != 0)
    }

    /// The server's certificate, with those that lead to its authority, in PEM.
    pub fn tls_cert_file(&self) -> Option<PathBuf> {
        self.file(at!("tls-cert-file"))
    }

    /// The certificate's private key, in PEM.
    pub fn tls_key_file(&self) -> Option<PathBuf> {
        self.file(at!("tls-key-file"))
    }

    /// What the private key is encrypted with.
    pub fn tls_key_file_pass(&self) -> Arc<[u8]> {
        self.text(at!("tls-key-file-pass"))
    }

    /// Certificates of the authorities that clients' certificates come from, in PEM.
    pub fn tls_ca_cert_file(&self) -> Option<PathBuf> {
        self.file(at!("tls-ca-cert-file"))
    }

    /// A directory of such files.
    pub fn tls_ca_cert_dir(&self) -> Option<PathBuf> {
        self.file(at!("tls-ca-cert-dir"))
    }

    /// Whether clients have to show a certificate.
    pub fn tls_auth_clients(&self) -> TlsAuthClients {
        TlsAuthClients::from_number(self.number(at!("tls-auth-clients")))
    }

    /// Versions to offer, separated by spaces; empty for all.
    pub fn tls_protocols(&self) -> String {
        self.name(at!("tls-protocols"))
    }

    /// Ciphers of TLS 1.2 to offer, as OpenSSL names them; empty for all.
    pub fn tls_ciphers(&self) -> String {
        self.name(at!("tls-ciphers"))
    }

    /// Cipher suites of TLS 1.3 to offer; empty for all.
    pub fn tls_ciphersuites(&self) -> String {
        self.name(at!("tls-ciphersuites"))
    }

    /// Whether the server's order of ciphers counts, and not the client's.
    pub fn tls_prefer_server_ciphers(&self) -> bool {
        self.switch(at!("tls-prefer-server-ciphers"))
    }

    /// How many sessions are remembered for clients that come again, at least 1. `None` for none.
    pub fn tls_session_cache(&self) -> Option<usize> {
        const DEFAULT: usize = 20_480; // for 0, which in Redis sets no limit
        let size = Some(self.number(at!("tls-session-cache-size")) as usize);
        let caching = self.switch(at!("tls-session-caching"));
        caching.then(|| size.filter(|&size| size > 0).unwrap_or(DEFAULT))
    }

    // The keyspace.

    /// How many databases SELECT can choose from. At least 1.
    pub fn databases(&self) -> usize {
        self.number(at!("databases")) as usize
    }

    /// Bytes of memory to stay under; 0 for no limit.
    pub fn maxmemory(&self) -> u64 {
        self.natural(at!("maxmemory"))
    }

    pub fn maxmemory_policy(&self) -> MaxmemoryPolicy {
        MaxmemoryPolicy::from_number(self.number(at!("maxmemory-policy")))
    }

    /// Keys looked at to find one to evict, 1 to 64.
    pub fn maxmemory_samples(&self) -> u32 {
        self.number(at!("maxmemory-samples")) as u32
    }

    /// How long one eviction may take: in steps up to 99; 100 for as long as it needs.
    pub fn maxmemory_eviction_tenacity(&self) -> u32 {
        self.number(at!("maxmemory-eviction-tenacity")) as u32
    }

    /// Bytes that all connections may hold together; 0 for no limit. A percentage is one of `maxmemory`.
    pub fn maxmemory_clients(&self) -> u64 {
        match self.number(at!("maxmemory-clients")) {
            bytes @ 0.. => bytes as u64,
            percent => self.maxmemory() / 100 * percent.unsigned_abs(),
        }
    }

    /// How slowly the access frequency counter grows.
    pub fn lfu_log_factor(&self) -> u32 {
        self.number(at!("lfu-log-factor")) as u32
    }

    /// Minutes after which the access frequency counter loses one; 0 for never.
    pub fn lfu_decay_time(&self) -> u32 {
        self.number(at!("lfu-decay-time")) as u32
    }

    /// How hard the expiry sweep works, 1 to 10.
    pub fn active_expire_effort(&self) -> u32 {
        self.number(at!("active-expire-effort")) as u32
    }

    /// Background rounds a second, 1 to 500.
    pub fn hz(&self) -> u32 {
        self.number(at!("hz")) as u32
    }

    /// Whether long values that are evicted are freed in the background.
    pub fn lazyfree_lazy_eviction(&self) -> bool {
        self.switch(at!("lazyfree-lazy-eviction"))
    }

    /// Whether FLUSHALL and FLUSHDB that do not say how free what was there in the background.
    pub fn lazyfree_lazy_user_flush(&self) -> bool {
        self.switch(at!("lazyfree-lazy-user-flush"))
    }

    /// The classes of keyspace events to publish, each as its letter: none is `A`, which stands for several.
    pub fn notify_keyspace_events(&self) -> Vec<u8> {
        list::event_letters(self.number(at!("notify-keyspace-events")))
    }

    // What takes long.

    /// From which time on a command goes to the slow log. `None` for never.
    pub fn slowlog_log_slower_than(&self) -> Option<Duration> {
        let micros = self.number(at!("slowlog-log-slower-than"));
        u64::try_from(micros).ok().map(Duration::from_micros)
    }

    /// How many commands the slow log keeps.
    pub fn slowlog_max_len(&self) -> usize {
        usize::try_from(self.natural(at!("slowlog-max-len"))).unwrap_or(usize::MAX)
    }

    /// From which time on the latency monitor notes a moment. `None` for never.
    pub fn latency_monitor_threshold(&self) -> Option<Duration> {
        let millis = self.natural(at!("latency-monitor-threshold"));
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// Whether it is counted how many calls took how long.
    pub fn latency_tracking(&self) -> bool {
        self.switch(at!("latency-tracking"))
    }

    /// The percentiles of INFO's `latencystats`, 0 to 100, as written.
    pub fn latency_percentiles(&self) -> Vec<String> {
        let shown = self.name(at!("latency-tracking-info-percentiles"));
        shown.split_whitespace().map(str::to_owned).collect()
    }

    // Files.

    /// The data directory, absolute.
    pub fn dir(&self) -> PathBuf {
        PathBuf::from(OsStr::from_bytes(&self.text(at!("dir"))))
    }

    /// Name of the snapshot file, inside [`Config::dir`]. Empty means no file.
    pub fn dbfilename(&self) -> String {
        self.name(at!("dbfilename"))
    }

    /// When to save a snapshot by itself; empty for never.
    pub fn save_points(&self) -> Vec<SavePoint> {
        let groups = list::in_groups(&self.text(at!("save")), 2);
        let numbers = groups.iter().map(|group| {
            let mut numbers = group
                .split(|&byte| byte == b' ')
                .map(|word| number::lenient(word, 10).unwrap_or(0));
            let mut next = || numbers.next().unwrap_or(0).max(0) as u64;
            SavePoint {
                seconds: next(),
                changes: next(),
            }
        });
        numbers.collect()
    }

    /// Whether the disk begins with a snapshot before it is whole.
    pub fn rdb_save_incremental_fsync(&self) -> bool {
        self.switch(at!("rdb-save-incremental-fsync"))
    }

    /// The same for the base that a rewrite of the log makes.
    pub fn aof_rewrite_incremental_fsync(&self) -> bool {
        self.switch(at!("aof-rewrite-incremental-fsync"))
    }

    /// Whether snapshots are compressed.
    pub fn rdbcompression(&self) -> bool {
        self.switch(at!("rdbcompression"))
    }

    /// Whether snapshots carry a checksum.
    pub fn rdbchecksum(&self) -> bool {
        self.switch(at!("rdbchecksum"))
    }

    /// Whether of a snapshot that holds other types the strings alone are taken.
    pub fn rdb_skip_unsupported(&self) -> bool {
        self.switch(at!("rdb-skip-unsupported"))
    }

    /// Whether writes are refused after a failed background save.
    pub fn stop_writes_on_bgsave_error(&self) -> bool {
        self.switch(at!("stop-writes-on-bgsave-error"))
    }

    pub fn appendonly(&self) -> bool {
        self.switch(at!("appendonly"))
    }

    pub fn appendfsync(&self) -> AppendFsync {
        AppendFsync::from_number(self.number(at!("appendfsync")))
    }

    pub fn appendfilename(&self) -> String {
        self.name(at!("appendfilename"))
    }

    /// Name of the directory of append-only files, inside [`Config::dir`].
    pub fn appenddirname(&self) -> String {
        self.name(at!("appenddirname"))
    }

    pub fn aof_load_truncated(&self) -> bool {
        self.switch(at!("aof-load-truncated"))
    }

    pub fn aof_use_rdb_preamble(&self) -> bool {
        self.switch(at!("aof-use-rdb-preamble"))
    }

    /// Whether the log says once a second what time it is.
    pub fn aof_timestamp_enabled(&self) -> bool {
        self.switch(at!("aof-timestamp-enabled"))
    }

    pub fn no_appendfsync_on_rewrite(&self) -> bool {
        self.switch(at!("no-appendfsync-on-rewrite"))
    }

    /// Growth since the last rewrite that starts the next one, in percent; 0 for never.
    pub fn auto_aof_rewrite_percentage(&self) -> u64 {
        self.natural(at!("auto-aof-rewrite-percentage"))
    }

    /// Bytes below which the append-only file is not rewritten by itself.
    pub fn auto_aof_rewrite_min_size(&self) -> u64 {
        self.natural(at!("auto-aof-rewrite-min-size"))
    }

    // The process.

    /// Threads that serve connections, 1 to 128; 1, the default, leaves the number to the cores there are.
    pub fn io_threads(&self) -> usize {
        self.number(at!("io-threads")) as usize
    }

    pub fn loglevel(&self) -> LogLevel {
        LogLevel::from_number(self.number(at!("loglevel")))
    }

    /// Where the log goes; `None` for standard output.
    pub fn logfile(&self) -> Option<PathBuf> {
        self.file(at!("logfile"))
    }

    /// File to write the process number to. In the background there is one even if none is named.
    pub fn pidfile(&self) -> Option<PathBuf> {
        let fallback = self
            .daemonize()
            .then(|| PathBuf::from("/var/run/redis.pid"));
        self.file(at!("pidfile")).or(fallback)
    }

    /// Whether to run in the background.
    pub fn daemonize(&self) -> bool {
        self.switch(at!("daemonize"))
    }

    /// Who may use DEBUG.
    pub fn enable_debug_command(&self) -> Permission {
        Permission::from_number(self.number(at!("enable-debug-command")))
    }

    /// Who may change guarded settings.
    pub fn enable_protected_configs(&self) -> Permission {
        Permission::from_number(self.number(at!("enable-protected-configs")))
    }

    pub fn shutdown_on_sigint(&self) -> ShutdownFlags {
        shutdown_flags(self.number(at!("shutdown-on-sigint")))
    }

    pub fn shutdown_on_sigterm(&self) -> ShutdownFlags {
        shutdown_flags(self.number(at!("shutdown-on-sigterm")))
    }

    /// The set of inner loops to use, by name; `None` lets the CPU decide.
    pub fn kernels(&self) -> Option<String> {
        Some(self.name(at!("kernels")))
            .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("auto"))
    }
}

/// The bits are those of the table's choices.
fn shutdown_flags(bits: i64) -> ShutdownFlags {
    let has = |bit| bits & bit != 0;
    ShutdownFlags {
        save: has(1),
        nosave: has(2),
        now: has(4),
        force: has(8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Config {
        let config = Config::new();
        config
            .set(&[(name.as_bytes(), value.as_bytes())], true)
            .unwrap_or_else(|error| panic!("{error}"));
        config
    }

    #[test]
    fn defaults_are_those_of_redis() {
        let config = Config::new();
        assert_eq!(config.port(), 6379);
        assert_eq!(config.bind(), ["*", "-::*"]);
        assert_eq!(
            (config.unixsocket(), config.logfile(), config.requirepass()),
            (None, None, None)
        );
        assert_eq!(config.databases(), 16);
        assert_eq!(config.proto_max_bulk_len(), 512 << 20);
        assert_eq!(config.timeout(), None);
        assert_eq!(config.tcp_keepalive(), Some(Duration::from_secs(300)));
        assert_eq!(config.loglevel(), LogLevel::Notice);
        assert_eq!(config.maxmemory_policy(), MaxmemoryPolicy::NoEviction);
        assert_eq!(config.enable_debug_command(), Permission::No);
        assert_eq!(
            config.save_points().first(),
            Some(&SavePoint {
                seconds: 3600,
                changes: 1
            })
        );
        assert_eq!(config.save_points().len(), 3);
        let limit = OutputLimit {
            hard: 268_435_456,
            soft: 67_108_864,
            seconds: 60,
        };
        assert_eq!(config.output_limit(ClientClass::Replica), limit);
        assert_eq!(config.kernels(), None);
    }

    #[test]
    fn what_is_set_is_what_is_read() {
        assert_eq!(with("bind", "").bind(), Vec::<String>::new());
        assert_eq!(with("bind", "127.0.0.1 -::1").bind(), ["127.0.0.1", "-::1"]);
        assert_eq!(
            with("requirepass", "a b").requirepass().as_deref(),
            Some(b"a b".as_slice())
        );
        assert_eq!(
            with("save", "60 1").save_points(),
            [SavePoint {
                seconds: 60,
                changes: 1
            }]
        );
        assert_eq!(with("save", "").save_points(), []);
        assert_eq!(with("maxmemory", "2gb").maxmemory(), 2 << 30);
        assert_eq!(with("timeout", "9").timeout(), Some(Duration::from_secs(9)));
        assert_eq!(with("hz", "100000").hz(), 500);
        let now = ShutdownFlags {
            save: false,
            nosave: true,
            now: true,
            force: false,
        };
        assert_eq!(
            with("shutdown-on-sigterm", "now nosave").shutdown_on_sigterm(),
            now
        );
    }

    #[test]
    fn relative_files_are_in_the_data_directory() {
        let mut config = Config::new();
        config
            .load_text("dir /usr\nlogfile x.log\nunixsocket /run/x.sock")
            .expect("both are settings");
        let dir = config.dir();
        assert_eq!(config.logfile(), Some(dir.join("x.log")));
        assert_eq!(config.unixsocket(), Some(PathBuf::from("/run/x.sock")));
    }
}
