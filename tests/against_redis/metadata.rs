//! What the servers say about themselves: COMMAND, CONFIG, INFO.

use std::collections::BTreeSet;

use crate::pair::Pair;
use crate::rules::{OWN_COMMANDS, OWN_INFO, OWN_SETTINGS, PROSE};
use crate::wire::{Connection, Node};

/// Every command of Redis that bitmapd answers.
#[rustfmt::skip] // grouped
pub const SHARED: &[&str] = &[
    "setbit", "getbit", "bitcount", "bitpos", "bitop", "bitfield", "bitfield_ro",
    "append", "decr", "decrby", "get", "getdel", "getex", "getrange", "getset", "incr", "incrby", "incrbyfloat", "lcs", "mget",
    "mset", "msetnx", "psetex", "set", "setex", "setnx", "setrange", "strlen", "substr",
    "copy", "del", "exists", "expire", "expireat", "expiretime", "pexpire", "pexpireat", "pexpiretime", "ttl", "pttl", "persist",
    "keys", "scan", "randomkey", "rename", "renamenx", "touch", "type", "unlink", "move", "object",
    "multi", "exec", "discard", "watch", "unwatch",
    "ping", "echo", "auth", "hello", "quit", "reset", "client", "command", "config", "dbsize", "info", "time", "role", "wait",
    "memory", "debug", "shutdown", "select", "swapdb", "flushdb", "flushall",
    "client|id", "client|getname", "client|setname", "client|setinfo", "client|info", "client|list", "client|kill", "client|no-evict",
    "client|no-touch", "client|reply", "command|count", "command|docs", "command|getkeys", "command|info", "command|list",
    "config|get", "config|set", "config|resetstat", "config|rewrite", "memory|usage", "object|encoding", "object|refcount",
    "object|idletime", "object|freq", "object|help",
];

/// Fields of INFO that dashboards, client libraries and exporters read.
#[rustfmt::skip] // grouped
const INFO_FIELDS: &[(&str, &[&str])] = &[
    ("server", &["redis_version", "redis_git_sha1", "redis_git_dirty", "redis_build_id", "redis_mode", "os", "arch_bits", "process_id", "run_id",
        "tcp_port", "server_time_usec", "uptime_in_seconds", "uptime_in_days", "hz", "configured_hz", "lru_clock", "executable",
        "config_file", "io_threads_active", "multiplexing_api"]),
    ("clients", &["connected_clients", "cluster_connections", "maxclients", "client_recent_max_input_buffer",
        "client_recent_max_output_buffer", "blocked_clients", "tracking_clients", "pubsub_clients", "watching_clients",
        "total_watched_keys"]),
    ("memory", &["used_memory", "used_memory_human", "used_memory_rss", "used_memory_rss_human", "used_memory_peak", "used_memory_peak_human",
        "used_memory_overhead", "used_memory_startup", "used_memory_dataset", "total_system_memory", "used_memory_lua", "maxmemory",
        "maxmemory_human", "maxmemory_policy", "mem_fragmentation_ratio", "mem_allocator", "lazyfree_pending_objects"]),
    ("persistence", &["loading", "rdb_changes_since_last_save", "rdb_bgsave_in_progress", "rdb_last_save_time", "rdb_last_bgsave_status",
        "rdb_last_bgsave_time_sec", "aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled", "aof_last_bgrewrite_status",
        "aof_last_write_status"]),
    ("stats", &["total_connections_received", "total_commands_processed", "instantaneous_ops_per_sec", "total_net_input_bytes",
        "total_net_output_bytes", "rejected_connections", "sync_full", "expired_keys", "evicted_keys", "keyspace_hits",
        "keyspace_misses", "pubsub_channels", "latest_fork_usec", "total_error_replies"]),
    ("replication", &["role", "connected_slaves", "master_failover_state", "master_replid", "master_repl_offset"]),
    ("cpu", &["used_cpu_sys", "used_cpu_user", "used_cpu_sys_children", "used_cpu_user_children"]),
    ("modules", &[]),
    ("errorstats", &[]),
    ("cluster", &["cluster_enabled"]),
    ("keyspace", &["db0"]),
];

fn ask(connection: &mut Connection, words: &[&str]) -> Node {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    connection
        .ask(&words)
        .unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// The replies of both to the same words.
fn ask_both(pair: &mut (Connection, Connection), words: &[&str]) -> (Node, Node) {
    (ask(&mut pair.0, words), ask(&mut pair.1, words))
}

fn connect(pair: &Pair, protocol: &str) -> (Connection, Connection) {
    let mut both = (pair.redis.connect(), pair.ours.connect());
    ask_both(&mut both, &["HELLO", protocol]);
    both
}

fn report(what: &str, wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{what}: {} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_command_table_says_what_redis_says() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut wrong = Vec::new();
    for protocol in ["2", "3"] {
        let mut both = connect(&pair, protocol);
        for name in SHARED {
            let (redis, ours) = ask_both(&mut both, &["COMMAND", "INFO", name]);
            let (redis, ours) = (without_missing_subcommands(redis, &ours), ours);
            if redis != ours {
                wrong.push(format!(
                    "RESP{protocol} COMMAND INFO {name}\n Redis {redis} ours  {ours}"
                ));
            }
        }
    }
    report("COMMAND INFO", &wrong);
    let mut both = connect(&pair, "2");
    let (redis, ours) = ask_both(&mut both, &["COMMAND", "LIST"]);
    let names = |node: &Node| node.items.iter().map(Node::string).collect::<BTreeSet<_>>();
    let (redis, ours) = (names(&redis), names(&ours));
    let missing: Vec<_> = SHARED
        .iter()
        .filter(|name| !ours.contains(**name))
        .collect();
    assert!(missing.is_empty(), "COMMAND LIST lacks {missing:?}");
    let own: BTreeSet<String> = OWN_COMMANDS.iter().map(|name| (*name).to_owned()).collect();
    let invented: Vec<_> = ours
        .difference(&redis)
        .filter(|name| !own.contains(*name))
        .collect();
    assert!(invented.is_empty(), "Redis has no {invented:?}");
    let (_, count) = ask_both(&mut both, &["COMMAND", "COUNT"]);
    let commands = ours.iter().filter(|name| !name.contains('|')).count();
    assert_eq!(
        count.integer(),
        Some(commands as i64),
        "COMMAND COUNT and COMMAND LIST"
    );
    pair.end_in_peace();
}

/// Subcommands that bitmapd leaves out on purpose (CLIENT TRACKING, DEBUG's many) are taken from Redis's list; those it
/// has must be told as Redis tells them, in Redis's order.
fn without_missing_subcommands(redis: Node, ours: &Node) -> Node {
    let names: BTreeSet<Vec<u8>> = subcommands(ours).iter().map(name_of).collect();
    let mut redis = redis;
    if let Some(list) = redis
        .items
        .first_mut()
        .and_then(|command| command.items.get_mut(9))
    {
        list.items
            .retain(|subcommand| names.contains(&name_of(subcommand)));
    }
    // Redis lists them in hash order; ours are put in the same one.
    let order: Vec<Vec<u8>> = subcommands(ours).iter().map(name_of).collect();
    if let Some(list) = redis
        .items
        .first_mut()
        .and_then(|command| command.items.get_mut(9))
    {
        list.items
            .sort_by_key(|subcommand| order.iter().position(|name| *name == name_of(subcommand)));
    }
    redis
}

fn subcommands(info: &Node) -> Vec<Node> {
    info.items
        .first()
        .and_then(|command| command.items.get(9))
        .map(|list| list.items.clone())
        .unwrap_or_default()
}

fn name_of(command: &Node) -> Vec<u8> {
    command
        .items
        .first()
        .map(|name| name.bytes().to_vec())
        .unwrap_or_default()
}

#[test]
fn the_documentation_has_the_structure_of_redis() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut wrong = Vec::new();
    let mut both = connect(&pair, "3");
    for name in SHARED {
        let (redis, ours) = ask_both(&mut both, &["COMMAND", "DOCS", name]);
        let (Some(redis), Some(ours)) = (redis.items.get(1), ours.items.get(1)) else {
            wrong.push(format!("COMMAND DOCS {name}: {ours}"));
            continue;
        };
        for (key, text) in ["summary", "since", "group"]
            .iter()
            .map(|key| (key, ours.value_of(key)))
        {
            if text.is_none_or(|text| text.bytes().is_empty()) {
                wrong.push(format!("COMMAND DOCS {name}: no {key}"));
            }
        }
        let (redis, ours) = (comparable_docs(redis, ours), comparable_docs(ours, ours));
        if redis != ours {
            wrong.push(format!("COMMAND DOCS {name}\n Redis {redis} ours  {ours}"));
        }
    }
    report("COMMAND DOCS", &wrong);
    pair.end_in_peace();
}

/// Documentation without prose: no summary and no complexity, the versions of the history but not its sentences, and of
/// the subcommands those that `present` has.
fn comparable_docs(docs: &Node, present: &Node) -> Node {
    let mut kept = Node {
        kind: docs.kind,
        text: docs.text.clone(),
        items: Vec::new(),
    };
    for pair in docs.items.chunks(2) {
        let (key, value) = (&pair[0], &pair[1]);
        let name = key.string();
        let value = match name.as_str() {
            _ if PROSE.contains(&name.as_str()) => continue,
            "history" => {
                let mut history = value.clone();
                history
                    .items
                    .iter_mut()
                    .for_each(|change| change.items.truncate(1));
                history
            }
            "subcommands" => {
                let present = present.value_of("subcommands");
                let mut pairs: Vec<(Node, Node)> = value
                    .items
                    .chunks(2)
                    .filter_map(|pair| {
                        let ours = present.and_then(|list| list.value_of(&pair[0].string()))?;
                        Some((pair[0].clone(), comparable_docs(&pair[1], ours)))
                    })
                    .collect();
                pairs.sort_by_key(|(name, _)| name.bytes().to_vec());
                let items = pairs
                    .into_iter()
                    .flat_map(|(name, docs)| [name, docs])
                    .collect();
                Node {
                    kind: value.kind,
                    text: value.text.clone(),
                    items,
                }
            }
            _ => value.clone(),
        };
        kept.items.extend([key.clone(), value]);
    }
    kept
}

#[test]
fn settings_have_the_defaults_of_redis() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut both = connect(&pair, "3");
    let (redis, ours) = ask_both(&mut both, &["CONFIG", "GET", "*"]);
    let mut wrong = Vec::new();
    let mut shared = 0;
    for setting in ours.items.chunks(2) {
        let name = setting[0].string();
        match redis.value_of(&name) {
            _ if OWN_SETTINGS.iter().any(|(own, _)| *own == name) => {}
            None => assert!(!name.is_empty(), "a setting without a name"),
            Some(value) => {
                shared += 1;
                if *value != setting[1] {
                    wrong.push(format!("{name}: Redis {value} ours {}", setting[1]));
                }
            }
        }
    }
    let missing: Vec<String> = redis
        .items
        .chunks(2)
        .map(|pair| pair[0].string())
        .filter(|name| ours.value_of(name).is_none())
        .collect();
    crate::say(&format!(
        "{shared} settings compared, {} of Redis's unknown here",
        missing.len()
    ));
    report("CONFIG GET", &wrong);
    assert!(shared >= 20, "only {shared} settings in common");
    pair.end_in_peace();
}

#[test]
fn info_has_the_sections_and_fields_that_are_read() {
    let Some(pair) = Pair::start(&[]) else { return };
    let mut both = connect(&pair, "2");
    ask_both(&mut both, &["SET", "k", "v"]);
    let mut wrong = Vec::new();
    let (redis, ours) = ask_both(&mut both, &["INFO"]);
    let headers = |node: &Node| {
        node.string()
            .lines()
            .filter(|line| line.starts_with('#') && !OWN_INFO.contains(line))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    if headers(&redis) != headers(&ours) {
        wrong.push(format!(
            "INFO: sections {:?}, ours {:?}",
            headers(&redis),
            headers(&ours)
        ));
    }
    for (section, fields) in INFO_FIELDS {
        let (redis, ours) = ask_both(&mut both, &["INFO", section]);
        for (server, reply) in [("Redis", &redis), ("ours", &ours)] {
            for field in *fields {
                if !reply
                    .string()
                    .lines()
                    .any(|line| line.starts_with(&format!("{field}:")))
                {
                    wrong.push(format!("INFO {section}: {server} lacks {field}"));
                }
            }
        }
        if headers(&redis) != headers(&ours) {
            wrong.push(format!(
                "INFO {section}: headers {:?}, ours {:?}",
                headers(&redis),
                headers(&ours)
            ));
        }
    }
    for exact in [
        "redis_version:8.2.3",
        "redis_mode:standalone",
        "role:master",
    ] {
        let (redis, ours) = ask_both(&mut both, &["INFO", "everything"]);
        for (server, reply) in [("Redis", redis), ("ours", ours)] {
            if !reply.string().contains(&format!("\r\n{exact}\r\n")) {
                wrong.push(format!("INFO everything: {server} does not say {exact}"));
            }
        }
    }
    let (redis, ours) = ask_both(&mut both, &["INFO", "keyspace"]);
    let counts = |node: &Node| {
        node.string()
            .lines()
            .nth(1)
            .unwrap_or_default()
            .split(',')
            .take(2)
            .collect::<Vec<_>>()
            .join(",")
    };
    if counts(&redis) != counts(&ours) {
        wrong.push(format!(
            "INFO keyspace: {}, ours {}",
            counts(&redis),
            counts(&ours)
        ));
    }
    for (n, len) in [0, 1, 5, 1023, 1024, 40_000].into_iter().enumerate() {
        ask_both(&mut both, &["SET", &n.to_string(), &"x".repeat(len)]);
    }
    ask_both(&mut both, &["SETBIT", "bits", "80000000", "1"]);
    let (redis, ours) = ask_both(&mut both, &["INFO", "keysizes"]);
    if redis != ours {
        wrong.push(format!("INFO keysizes: {redis}, ours {ours}"));
    }
    report("INFO", &wrong);
    pair.end_in_peace();
}

/// Scans in steps while other keys come and go: every key that was there throughout must be shown.
#[test]
fn a_scan_in_steps_misses_nothing_that_stays() {
    let Some(pair) = Pair::start(&[]) else { return };
    let both = connect(&pair, "2");
    for mut connection in [both.0, both.1] {
        let stay: BTreeSet<String> = (0..2_000).map(|at| format!("stays:{at}")).collect();
        for key in &stay {
            ask(&mut connection, &["SETBIT", key, "5", "1"]);
        }
        let mut comes = 0;
        for step in ["1", "10", "100", "1000", "5000"] {
            let mut seen = BTreeSet::new();
            let mut cursor = "0".to_owned();
            let mut calls = 0;
            loop {
                let reply = ask(&mut connection, &["SCAN", &cursor, "COUNT", step]);
                seen.extend(reply.items[1].items.iter().map(Node::string));
                cursor = reply.items[0].string();
                calls += 1;
                assert!(calls < 50_000, "SCAN COUNT {step} does not come to an end");
                if cursor == "0" {
                    break;
                }
                // Enough to make tables grow and shrink underneath.
                for _ in 0..5 {
                    ask(&mut connection, &["SET", &format!("comes:{comes}"), "x"]);
                    ask(&mut connection, &["DEL", &format!("comes:{}", comes / 2)]);
                    comes += 1;
                }
            }
            let missed: Vec<_> = stay.difference(&seen).collect();
            assert!(missed.is_empty(), "SCAN COUNT {step} missed {missed:?}");
        }
    }
    pair.end_in_peace();
}
