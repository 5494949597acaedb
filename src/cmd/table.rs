//! Every command, one row each.
//!
//! A row is all that `execute` knows of a command besides how to run it: arity, authentication, locking and queueing
//! follow from it, and so does what COMMAND INFO prints. To add a command, write its handler in its family's file and
//! its row in that family's block, names in order. Facts in the rows are those COMMAND INFO of Redis 8.2 gives.

use super::command::{Categories, Command, Flags, Handler, KeyFlags, KeySpec, Scope};
pub use super::lookup::find;
use super::{
    CmdError, acl, admin, bitfield, bitinfo, bitmany, bitmap, bitop, bitopcard, bitscan, clients,
    connection, container, counter, debug, dump, expire, info, introspect, keys, latency, lcs, log,
    memory, monitor, object, pause, pubsub, roaring, save, set, settings, slowlog, string,
    transaction,
};
use crate::resp::Request;
use crate::store::{Access, Look};
use crate::words::until_nul;

const WRITE: Flags = Flags::WRITE;
const READONLY: Flags = Flags::READONLY;
const DENYOOM: Flags = Flags::DENYOOM;
const NOSCRIPT: Flags = Flags::NOSCRIPT;
const LOADING: Flags = Flags::LOADING;
const STALE: Flags = Flags::STALE;
const BLOCKING: Flags = Flags::BLOCKING;
const SKIP_SLOWLOG: Flags = Flags::SKIP_SLOWLOG;
const FAST: Flags = Flags::FAST;
const PROTECTED: Flags = Flags::PROTECTED;
const NO_MULTI: Flags = Flags::NO_MULTI;
const NO_ASYNC_LOADING: Flags = Flags::NO_ASYNC_LOADING;
const ALLOW_BUSY: Flags = Flags::ALLOW_BUSY;
const ADMIN: Flags = Flags::ADMIN;
const PUBSUB: Flags = Flags::PUBSUB;
const NO_AUTH: Flags = Flags::NO_AUTH;
const MOVABLE_KEYS: Flags = Flags::MOVABLE_KEYS;

const BITMAP: Categories = Categories::BITMAP;
const KEYSPACE: Categories = Categories::KEYSPACE;
const DANGEROUS: Categories = Categories::DANGEROUS;
const STRING: Categories = Categories::STRING;
const CONNECTION: Categories = Categories::CONNECTION;
const TRANSACTION: Categories = Categories::TRANSACTION;

#[rustfmt::skip] // read by column
pub static TABLE: &[Command] = &[
    //  name             arity  flags                         categories     keys             handler
    // bitmap
    row("bitcount",      -2, &[READONLY],                     &[BITMAP],     &[reads(1)],     bitmap::bitcount),
    row("bitexport",      2, &[READONLY],                     &[BITMAP],     &[reads(1)],     roaring::bitexport),
    row("bitimport",     -3, &[WRITE, DENYOOM],               &[BITMAP],     &[updates(1)],   roaring::bitimport),
    row("bitinfo",        2, &[READONLY],                     &[BITMAP],     &[looks(1)],     bitinfo::bitinfo),
    row("bitop",         -4, &[WRITE, DENYOOM],               &[BITMAP],     &[writes(2), reads(3).rest(1)], bitop::bitop),
    row("bitopcard",     -4, &[READONLY, MOVABLE_KEYS],       &[BITMAP],     &[reads(2).counted()], bitopcard::bitopcard),
    row("bitpos",        -3, &[READONLY],                     &[BITMAP],     &[reads(1)],     bitmap::bitpos),
    row("bitscan",       -3, &[READONLY],                     &[BITMAP],     &[reads(1)],     bitscan::bitscan),
    row("bitselect",     -3, &[READONLY],                     &[BITMAP],     &[reads(1)],     bitscan::bitselect),
    row("getbit",         3, &[READONLY, FAST],               &[BITMAP],     &[reads(1)],     bitmap::getbit).looks_at(bitmap::bit_read),
    row("getbits",       -3, &[READONLY, FAST],               &[BITMAP],     &[reads(1)],     bitmany::getbits),
    row("setbit",         4, &[WRITE, DENYOOM],               &[BITMAP],     &[updates(1)],   bitmap::setbit).looks_at(bitmap::bit_set),
    row("setbitrange",    5, &[WRITE, DENYOOM],               &[BITMAP],     &[updates(1)],   bitmany::setbitrange),
    row("setbits",       -4, &[WRITE, DENYOOM],               &[BITMAP],     &[updates(1)],   bitmany::setbits),
    // bitfield
    row("bitfield",      -2, &[WRITE, DENYOOM],               &[BITMAP],     &[updates(1).varies().noted("This command allows both access and modification of the key")], bitfield::bitfield).looks_at(bitfield::bit),
    row("bitfield_ro",   -2, &[READONLY, FAST],               &[BITMAP],     &[reads(1)],     bitfield::bitfield_ro).looks_at(bitfield::bit),
    // string
    row("append",         3, &[WRITE, DENYOOM, FAST],         &[STRING],     &[appends(1)],   string::append),
    row("get",            2, &[READONLY, FAST],               &[STRING],     &[reads(1)],     string::get),
    row("getdel",         2, &[WRITE, FAST],                  &[STRING],     &[moves(1)],     string::getdel),
    row("getrange",       4, &[READONLY],                     &[STRING],     &[reads(1)],     string::getrange),
    row("getset",         3, &[WRITE, DENYOOM, FAST],         &[STRING],     &[updates(1)],   string::getset),
    row("mget",          -2, &[READONLY, FAST],               &[STRING],     &[reads(1).rest(1)], string::mget).tips(&["request_policy:multi_shard"]),
    row("mset",          -3, &[WRITE, DENYOOM],               &[STRING],     &[writes(1).rest(2)], string::mset).tips(&["request_policy:multi_shard", "response_policy:all_succeeded"]),
    row("msetnx",        -3, &[WRITE, DENYOOM],               &[STRING],     &[adds(1).rest(2)], string::msetnx),
    row("setrange",       4, &[WRITE, DENYOOM],               &[STRING],     &[modifies(1)],  string::setrange),
    row("strlen",         2, &[READONLY, FAST],               &[STRING],     &[looks(1)],     string::strlen),
    row("substr",         4, &[READONLY],                     &[STRING],     &[reads(1)],     string::substr),
    // string, as a number
    row("decr",           2, &[WRITE, DENYOOM, FAST],         &[STRING],     &[updates(1)],   counter::decr),
    row("decrby",         3, &[WRITE, DENYOOM, FAST],         &[STRING],     &[updates(1)],   counter::decrby),
    row("incr",           2, &[WRITE, DENYOOM, FAST],         &[STRING],     &[updates(1)],   counter::incr),
    row("incrby",         3, &[WRITE, DENYOOM, FAST],         &[STRING],     &[updates(1)],   counter::incrby),
    row("incrbyfloat",    3, &[WRITE, DENYOOM, FAST],         &[STRING],     &[updates(1)],   counter::incrbyfloat),
    // string, set as a whole
    row("getex",         -2, &[WRITE, FAST],                  &[STRING],     &[updates(1).noted("RW and UPDATE because it changes the TTL")], set::getex),
    row("psetex",         4, &[WRITE, DENYOOM],               &[STRING],     &[writes(1)],    set::psetex),
    row("set",           -3, &[WRITE, DENYOOM],               &[STRING],     &[updates(1).varies().noted("RW and ACCESS due to the optional `GET` argument")], set::set),
    row("setex",          4, &[WRITE, DENYOOM],               &[STRING],     &[writes(1)],    set::setex),
    row("setnx",          3, &[WRITE, DENYOOM, FAST],         &[STRING],     &[adds(1)],      set::setnx),
    // string, compared
    row("lcs",           -3, &[READONLY],                     &[STRING],     &[reads(1).through(1)], lcs::lcs),
    // keys
    row("copy",          -3, &[WRITE, DENYOOM],               &[KEYSPACE],   &[reads(1), writes(2)], keys::copy),
    row("del",           -2, &[WRITE],                        &[KEYSPACE],   &[deletes(1).rest(1)], keys::del).tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    row("dump",           2, &[READONLY],                     &[KEYSPACE],   &[reads(1)],     dump::dump).tips(&["nondeterministic_output"]),
    row("exists",        -2, &[READONLY, FAST],               &[KEYSPACE],   &[looks(1).rest(1)], keys::exists).tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    row("keys",           2, &[READONLY],                     &[KEYSPACE, DANGEROUS], &[],             keys::keys).scope(Scope::Everything(Access::Read)).tips(&["request_policy:all_shards", "nondeterministic_output_order"]),
    row("move",           3, &[WRITE, FAST],                  &[KEYSPACE],   &[updates(1)],   keys::r#move),
    row("randomkey",      1, &[READONLY],                     &[KEYSPACE],   &[],             keys::randomkey).scope(Scope::Walk(Access::Read)).tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"]),
    row("rename",         3, &[WRITE],                        &[KEYSPACE],   &[moves(1), writes(2)], keys::rename),
    row("renamenx",       3, &[WRITE, FAST],                  &[KEYSPACE],   &[moves(1), adds(2)], keys::renamenx),
    row("restore",       -4, &[WRITE, DENYOOM],               &[KEYSPACE, DANGEROUS], &[writes(1)],    dump::restore),
    row("scan",          -2, &[READONLY],                     &[KEYSPACE],   &[],             keys::scan).scope(Scope::Walk(Access::Read)).tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"]),
    row("touch",         -2, &[READONLY, FAST],               &[KEYSPACE],   &[looks(1).rest(1)], keys::touch).tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    row("type",           2, &[READONLY, FAST],               &[KEYSPACE],   &[looks(1)],     keys::r#type),
    row("unlink",        -2, &[WRITE, FAST],                  &[KEYSPACE],   &[deletes(1).rest(1)], keys::unlink).tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    // expire
    row("expire",        -3, &[WRITE, FAST],                  &[KEYSPACE],   &[modifies(1)],  expire::expire),
    row("expireat",      -3, &[WRITE, FAST],                  &[KEYSPACE],   &[modifies(1)],  expire::expireat),
    row("expiretime",     2, &[READONLY, FAST],               &[KEYSPACE],   &[reads(1)],     expire::expiretime),
    row("persist",        2, &[WRITE, FAST],                  &[KEYSPACE],   &[modifies(1)],  expire::persist),
    row("pexpire",       -3, &[WRITE, FAST],                  &[KEYSPACE],   &[modifies(1)],  expire::pexpire),
    row("pexpireat",     -3, &[WRITE, FAST],                  &[KEYSPACE],   &[modifies(1)],  expire::pexpireat),
    row("pexpiretime",    2, &[READONLY, FAST],               &[KEYSPACE],   &[reads(1)],     expire::pexpiretime),
    row("pttl",           2, &[READONLY, FAST],               &[KEYSPACE],   &[reads(1)],     expire::pttl).tips(&["nondeterministic_output"]),
    row("ttl",            2, &[READONLY, FAST],               &[KEYSPACE],   &[reads(1)],     expire::ttl).tips(&["nondeterministic_output"]),
    // object
    row("object",        -2, &[],                             &[],           &[],             container::none).subcommands(&[
        row("object|encoding",  3, &[READONLY],                     &[KEYSPACE],   &[looks(2)],     object::encoding).tips(&["nondeterministic_output"]),
        row("object|freq",      3, &[READONLY],                     &[KEYSPACE],   &[looks(2)],     object::freq).tips(&["nondeterministic_output"]),
        row("object|help",       2, &[LOADING, STALE],               &[KEYSPACE], &[],             container::help),
        row("object|idletime",  3, &[READONLY],                     &[KEYSPACE],   &[looks(2)],     object::idletime).tips(&["nondeterministic_output"]),
        row("object|refcount",  3, &[READONLY],                     &[KEYSPACE],   &[looks(2)],     object::refcount).tips(&["nondeterministic_output"]),
    ]),
    // transaction
    row("discard",        1, &[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY], &[TRANSACTION], &[],             transaction::discard),
    row("exec",           1, &[NOSCRIPT, LOADING, STALE, SKIP_SLOWLOG], &[TRANSACTION], &[],             transaction::exec),
    row("multi",          1, &[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY], &[TRANSACTION], &[],             transaction::multi),
    row("unwatch",        1, &[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY], &[TRANSACTION], &[],             transaction::unwatch),
    row("watch",         -2, &[NOSCRIPT, LOADING, STALE, FAST, ALLOW_BUSY], &[TRANSACTION], &[looks(1).rest(1)], transaction::watch).scope(Scope::Nothing),
    // connection
    row("auth",          -2, &[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY], &[CONNECTION], &[],             connection::auth),
    row("echo",           2, &[LOADING, STALE, FAST],         &[CONNECTION], &[],             connection::echo),
    row("hello",         -1, &[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY], &[CONNECTION], &[],             connection::hello),
    row("ping",          -1, &[FAST],                         &[CONNECTION], &[],             connection::ping).tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    row("quit",          -1, &[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY], &[CONNECTION], &[],             connection::quit),
    row("reset",          1, &[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY], &[CONNECTION], &[],             connection::reset),
    row("select",         2, &[LOADING, STALE, FAST],         &[CONNECTION], &[],             connection::select),
    // clients
    row("client",        -2, &[],                             &[],           &[],             container::none).subcommands(&[
        row("client|getname",   2, &[NOSCRIPT, LOADING, STALE],     &[CONNECTION], &[],             clients::getname),
        row("client|help",       2, &[LOADING, STALE],               &[CONNECTION], &[],             container::help),
        row("client|id",        2, &[NOSCRIPT, LOADING, STALE],     &[CONNECTION], &[],             clients::id),
        row("client|info",      2, &[NOSCRIPT, LOADING, STALE],     &[CONNECTION], &[],             clients::info).tips(&["nondeterministic_output"]),
        row("client|kill",     -3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[CONNECTION], &[],             clients::kill),
        row("client|list",     -2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[CONNECTION], &[],             clients::list).tips(&["nondeterministic_output"]),
        row("client|no-evict",  3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[CONNECTION], &[],             clients::no_evict),
        row("client|no-touch",  3, &[NOSCRIPT, LOADING, STALE],     &[CONNECTION], &[],             clients::no_touch),
        row("client|pause",    -3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[CONNECTION], &[],             pause::pause),
        row("client|reply",     3, &[NOSCRIPT, LOADING, STALE],     &[CONNECTION], &[],             clients::reply),
        row("client|setinfo",   4, &[NOSCRIPT, LOADING, STALE],     &[CONNECTION], &[],             clients::setinfo).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        row("client|unblock",  -3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[CONNECTION], &[],             pause::unblock),
        row("client|unpause",   2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[CONNECTION], &[],             pause::unpause),
        row("client|setname",   3, &[NOSCRIPT, LOADING, STALE],     &[CONNECTION], &[],             clients::setname).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    ]),
    // introspect
    row("command",       -1, &[LOADING, STALE],               &[CONNECTION], &[],             introspect::command).tips(&["nondeterministic_output_order"]).subcommands(&[
        row("command|count",  2, &[LOADING, STALE],               &[CONNECTION], &[],             introspect::count),
        row("command|docs",  -2, &[LOADING, STALE],               &[CONNECTION], &[],             introspect::docs).tips(&["nondeterministic_output_order"]),
        row("command|getkeys", -3, &[LOADING, STALE],               &[CONNECTION], &[],             introspect::getkeys),
        row("command|getkeysandflags", -3, &[LOADING, STALE],               &[CONNECTION], &[],             introspect::getkeysandflags),
        row("command|help",   2, &[LOADING, STALE],               &[CONNECTION], &[],             container::help),
        row("command|info",  -2, &[LOADING, STALE],               &[CONNECTION], &[],             introspect::info).tips(&["nondeterministic_output_order"]),
        row("command|list",  -2, &[LOADING, STALE],               &[CONNECTION], &[],             introspect::list).tips(&["nondeterministic_output_order"]),
    ]),
    // settings
    row("config",        -2, &[],                             &[],           &[],             container::none).subcommands(&[
        row("config|get",    -3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             settings::get),
        row("config|help",    2, &[LOADING, STALE],               &[],           &[],             container::help),
        row("config|resetstat",  2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             settings::resetstat).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        row("config|rewrite",  2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             settings::rewrite).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        row("config|set",    -4, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             settings::set).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    ]),
    // acl
    row("acl",           -2, &[],                             &[],           &[],             container::none).subcommands(&[
        row("acl|cat",       -2, &[NOSCRIPT, LOADING, STALE],     &[],           &[],             acl::cat),
        row("acl|deluser",   -3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             acl::deluser).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        row("acl|dryrun",    -4, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             acl::dryrun),
        row("acl|genpass",   -2, &[NOSCRIPT, LOADING, STALE],     &[],           &[],             acl::genpass),
        row("acl|getuser",    3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             acl::getuser),
        row("acl|help",       2, &[LOADING, STALE],               &[],           &[],             container::help),
        row("acl|list",       2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             acl::list),
        row("acl|load",       2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             acl::load),
        row("acl|log",       -2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             acl::log),
        row("acl|save",       2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             acl::save).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        row("acl|setuser",   -3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             acl::setuser).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        row("acl|users",      2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],           &[],             acl::users),
        row("acl|whoami",     2, &[NOSCRIPT, LOADING, STALE],     &[],           &[],             acl::whoami),
    ]),
    // admin
    row("bgrewriteaof",   1, &[ADMIN, NOSCRIPT, NO_ASYNC_LOADING], &[],  &[],             log::bgrewriteaof),
    row("bgsave",        -1, &[ADMIN, NOSCRIPT, NO_ASYNC_LOADING], &[], &[],                       save::bgsave),
    row("dbsize",         1, &[READONLY, FAST],               &[KEYSPACE],   &[],             admin::dbsize).scope(Scope::Walk(Access::Read)).tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
    row("flushall",      -1, &[WRITE],                        &[KEYSPACE, DANGEROUS], &[],             admin::flushall).scope(Scope::Everything(Access::Write)).tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    row("flushdb",       -1, &[WRITE],                        &[KEYSPACE, DANGEROUS], &[],             admin::flushdb).scope(Scope::Everything(Access::Write)).tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    row("monitor",        1, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],        &[],             monitor::monitor),
    row("lastsave",       1, &[LOADING, STALE, FAST],         &[Categories::ADMIN, DANGEROUS], &[], save::lastsave).tips(&["nondeterministic_output"]),
    row("role",           1, &[NOSCRIPT, LOADING, STALE, FAST], &[Categories::ADMIN, DANGEROUS], &[], admin::role),
    row("save",           1, &[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI], &[], &[],             save::save),
    row("shutdown",      -1, &[ADMIN, NOSCRIPT, LOADING, STALE, NO_MULTI, ALLOW_BUSY], &[],           &[],             admin::shutdown),
    row("swapdb",         3, &[WRITE, FAST],                  &[KEYSPACE, DANGEROUS], &[],             admin::swapdb).scope(Scope::Everything(Access::Write)),
    row("time",           1, &[LOADING, STALE, FAST],         &[],           &[],             admin::time).tips(&["nondeterministic_output"]),
    row("wait",           3, &[BLOCKING],                     &[CONNECTION], &[],             admin::wait).tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    row("waitaof",        4, &[BLOCKING],                     &[CONNECTION], &[],             log::waitaof).tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    // info
    row("info",          -1, &[LOADING, STALE],               &[DANGEROUS],  &[],             info::info).scope(Scope::Walk(Access::Read)).tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
    // memory
    row("memory",        -2, &[],                             &[],           &[],             container::none).subcommands(&[
        row("memory|doctor",  2, &[],                             &[],           &[],             memory::doctor).scope(Scope::Walk(Access::Read)).tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
        row("memory|help",    2, &[LOADING, STALE],               &[],           &[],             container::help),
        row("memory|malloc-stats",  2, &[],                             &[],           &[],             memory::malloc_stats).tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
        row("memory|purge",   2, &[],                             &[],           &[],             memory::purge).tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
        row("memory|stats",   2, &[],                             &[],           &[],             memory::stats).scope(Scope::Walk(Access::Read)).tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"]),
        row("memory|usage",  -3, &[READONLY],                     &[],           &[looks(2)],     memory::usage),
    ]),
    // latency
    row("latency",       -2, &[],                             &[],           &[],             container::none).subcommands(&[
        row("latency|doctor",   2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],      &[],             latency::doctor).tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
        row("latency|graph",    3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],      &[],             latency::graph).tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
        row("latency|help",     2, &[LOADING, STALE],            &[],           &[],             container::help),
        row("latency|histogram", -2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],    &[],             latency::histogram).tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
        row("latency|history",  3, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],      &[],             latency::history).tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
        row("latency|latest",   2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],      &[],             latency::latest).tips(&["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"]),
        row("latency|reset",   -2, &[ADMIN, NOSCRIPT, LOADING, STALE], &[],      &[],             latency::reset).tips(&["request_policy:all_nodes", "response_policy:agg_sum"]),
    ]),
    // slowlog
    row("slowlog",       -2, &[],                             &[],           &[],             container::none).subcommands(&[
        row("slowlog|get",     -2, &[ADMIN, LOADING, STALE],     &[],           &[],             slowlog::get).tips(&["request_policy:all_nodes", "nondeterministic_output"]),
        row("slowlog|help",     2, &[LOADING, STALE],            &[],           &[],             container::help),
        row("slowlog|len",      2, &[ADMIN, LOADING, STALE],     &[],           &[],             slowlog::len).tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"]),
        row("slowlog|reset",    2, &[ADMIN, LOADING, STALE],     &[],           &[],             slowlog::reset).tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
    ]),
    // pubsub
    row("psubscribe",    -2, &[PUBSUB, NOSCRIPT, LOADING, STALE], &[], &[],             pubsub::psubscribe),
    row("publish",        3, &[PUBSUB, LOADING, STALE, FAST], &[],           &[],             pubsub::publish),
    row("pubsub",        -2, &[],                             &[],           &[],             container::none).subcommands(&[
        row("pubsub|channels", -2, &[PUBSUB, LOADING, STALE],     &[],           &[],             pubsub::channels),
        row("pubsub|help",     2, &[LOADING, STALE],             &[],           &[],             container::help),
        row("pubsub|numpat",   2, &[PUBSUB, LOADING, STALE],     &[],           &[],             pubsub::numpat),
        row("pubsub|numsub",  -2, &[PUBSUB, LOADING, STALE],     &[],           &[],             pubsub::numsub),
        row("pubsub|shardchannels", -2, &[PUBSUB, LOADING, STALE], &[],         &[],             pubsub::shardchannels),
        row("pubsub|shardnumsub", -2, &[PUBSUB, LOADING, STALE], &[],           &[],             pubsub::shardnumsub),
    ]),
    row("punsubscribe",  -1, &[PUBSUB, NOSCRIPT, LOADING, STALE], &[], &[],             pubsub::punsubscribe),
    row("spublish",       3, &[PUBSUB, LOADING, STALE, FAST], &[],           &[names(1)],     pubsub::spublish).scope(Scope::Nothing),
    row("ssubscribe",    -2, &[PUBSUB, NOSCRIPT, LOADING, STALE], &[], &[names(1).rest(1)], pubsub::ssubscribe).scope(Scope::Nothing),
    row("subscribe",     -2, &[PUBSUB, NOSCRIPT, LOADING, STALE], &[], &[],             pubsub::subscribe),
    row("sunsubscribe",  -1, &[PUBSUB, NOSCRIPT, LOADING, STALE], &[], &[names(1).rest(1)], pubsub::sunsubscribe).scope(Scope::Nothing),
    row("unsubscribe",   -1, &[PUBSUB, NOSCRIPT, LOADING, STALE], &[], &[],             pubsub::unsubscribe),
    // debug
    row("debug",         -2, &[ADMIN, NOSCRIPT, LOADING, STALE, PROTECTED], &[],           &[],             debug::debug).scope(Scope::Walk(Access::Write)),
];

// What is done to a key, as Redis words it. Each takes the index of the (first) key; the command's name is 0.

/// Only whether it is there, or facts about it.
const fn looks(first: usize) -> KeySpec {
    KeySpec::one(KeyFlags::RO, first)
}

/// Its value is read.
const fn reads(first: usize) -> KeySpec {
    KeySpec::one(KeyFlags::RO.union(KeyFlags::ACCESS), first)
}

/// Its value is read and changed.
const fn updates(first: usize) -> KeySpec {
    KeySpec::one(
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE),
        first,
    )
}

/// Its value is changed, and the reply says nothing of what it was.
const fn modifies(first: usize) -> KeySpec {
    KeySpec::one(KeyFlags::RW.union(KeyFlags::UPDATE), first)
}

/// Something is added to its value.
const fn appends(first: usize) -> KeySpec {
    KeySpec::one(KeyFlags::RW.union(KeyFlags::INSERT), first)
}

/// Its value is read and the key deleted.
const fn moves(first: usize) -> KeySpec {
    KeySpec::one(
        KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE),
        first,
    )
}

/// The key is made; it was not there.
const fn adds(first: usize) -> KeySpec {
    KeySpec::one(KeyFlags::OW.union(KeyFlags::INSERT), first)
}

/// It is taken out unread.
const fn deletes(first: usize) -> KeySpec {
    KeySpec::one(KeyFlags::RM.union(KeyFlags::DELETE), first)
}

/// Its value is overwritten.
const fn writes(first: usize) -> KeySpec {
    KeySpec::one(KeyFlags::OW.union(KeyFlags::UPDATE), first)
}

/// It is no key, but says where in a cluster the command belongs.
const fn names(first: usize) -> KeySpec {
    KeySpec::one(KeyFlags::NOT_KEY, first)
}

const fn row(
    name: &'static str,
    arity: i8,
    flags: &'static [Flags],
    categories: &'static [Categories],
    keys: &'static [KeySpec],
    run: Handler,
) -> Command {
    let mut all_flags = Flags::empty();
    let mut at = 0;
    while at < flags.len() {
        all_flags = all_flags.union(flags[at]);
        at += 1;
    }
    let mut all_categories = Categories::empty();
    at = 0;
    while at < categories.len() {
        all_categories = all_categories.union(categories[at]);
        at += 1;
    }
    Command {
        name,
        arity,
        flags: all_flags,
        keys,
        scope: if keys.is_empty() {
            Scope::Nothing
        } else {
            Scope::Keys
        },
        categories: all_categories,
        tips: &[],
        subcommands: &[],
        args_at: if is_subcommand(name) { 2 } else { 1 },
        bit: None,
        run,
    }
}

const fn is_subcommand(name: &str) -> bool {
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'|' {
            return true;
        }
        rest = after;
    }
    false
}

impl Command {
    const fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    const fn looks_at(self, bit: fn(Request<'_>) -> Option<Look>) -> Self {
        Self {
            bit: Some(bit),
            ..self
        }
    }

    const fn tips(self, tips: &'static [&'static str]) -> Self {
        Self { tips, ..self }
    }

    const fn subcommands(self, subcommands: &'static [Command]) -> Self {
        Self {
            subcommands,
            ..self
        }
    }
}

/// Every row, those of subcommands after their container's.
pub fn all() -> impl Iterator<Item = &'static Command> {
    with_subcommands(TABLE.iter())
}

/// These rows, each with those of its subcommands behind it.
pub(super) fn with_subcommands(
    commands: impl Iterator<Item = &'static Command>,
) -> impl Iterator<Item = &'static Command> {
    commands.flat_map(|command| std::iter::once(command).chain(command.subcommands))
}

/// The row for a request whose name is that of `command`: this, or its subcommand's where it has some.
#[inline(always)]
pub(super) fn resolve(
    command: Option<&'static Command>,
    request: Request<'_>,
) -> Result<&'static Command, CmdError> {
    match command {
        Some(command) if command.subcommands.is_empty() => Ok(command),
        Some(container) => resolve_in(container, request),
        None => Err(unknown_command(request)),
    }
}

fn resolve_in(
    container: &'static Command,
    request: Request<'_>,
) -> Result<&'static Command, CmdError> {
    let Some(word) = request.get(1) else {
        return Ok(container);
    };
    subcommand(container, word).ok_or_else(|| {
        let mut text = b"ERR unknown subcommand '".to_vec();
        text.extend_from_slice(c_string(word, 128));
        text.extend_from_slice(b"'. Try ");
        text.extend(request.name().to_ascii_uppercase());
        text.extend_from_slice(b" HELP.");
        CmdError::Quoting(text)
    })
}

/// The subcommand of this name, in any case of letters.
pub(super) fn subcommand(container: &'static Command, word: &[u8]) -> Option<&'static Command> {
    container.subcommands.iter().find(|sub| {
        sub.name
            .split_once('|')
            .is_some_and(|(_, name)| name.as_bytes().eq_ignore_ascii_case(word))
    })
}

/// The command of this name, or `container|subcommand`, where `find` knows commands by name.
pub(super) fn by_full_name(
    name: &[u8],
    find: impl Fn(&[u8]) -> Option<&'static Command>,
) -> Option<&'static Command> {
    match name.iter().position(|&byte| byte == b'|') {
        Some(bar) => subcommand(find(&name[..bar])?, &name[bar + 1..]),
        None => find(name),
    }
}

/// Redis shows the name and, up to 128 bytes in all, the arguments.
#[cold]
fn unknown_command(request: Request<'_>) -> CmdError {
    const SHOWN: usize = 128;
    let mut shown = Vec::new();
    for arg in request.iter().skip(1) {
        if shown.len() >= SHOWN {
            break;
        }
        let room = SHOWN - shown.len();
        shown.push(b'\'');
        shown.extend_from_slice(c_string(arg, room));
        shown.extend_from_slice(b"' ");
    }
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(c_string(request.name(), SHOWN));
    text.extend_from_slice(b"', with args beginning with: ");
    text.append(&mut shown);
    CmdError::Quoting(text)
}

/// At most `max` bytes of `bytes`, ending before a NUL, as C prints them.
fn c_string(bytes: &[u8], max: usize) -> &[u8] {
    let text = until_nul(bytes);
    &text[..text.len().min(max)]
}
