//! The commands for keys whatever they hold.

use super::{Doc, doc};

#[rustfmt::skip] // two lines each, like their neighbours
pub(super) const DOCS: &[Doc] = &[
    doc("copy", "6.2.0", "O(1)", "Copies a value to another key.",
        "source:key destination:key [DB=destination-db:integer] [REPLACE]"),
    doc("del", "1.0.0", "O(N) of the number of keys", "Deletes keys.",
        "key..."),
    doc("dump", "2.6.0", "O(N) of what the value takes in memory", "Returns the value as bytes that RESTORE takes, here or in Redis.",
        "key"),
    doc("exists", "1.0.0", "O(N) of the number of keys", "Counts how many of the named keys are there.",
        "key...")
        .history(&[("3.0.3", "Several keys.")]),
    doc("expire", "1.0.0", "O(1)", "Lets a key expire after so many seconds.",
        "key seconds:integer [condition<NX|XX|GT|LT>@7.0.0]")
        .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")]),
    doc("expireat", "1.2.0", "O(1)", "Lets a key expire at a time given in seconds.",
        "key unix-time-seconds:unix-time [condition<NX|XX|GT|LT>@7.0.0]")
        .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")]),
    doc("expiretime", "7.0.0", "O(1)", "Returns when a key expires, in seconds.",
        "key"),
    doc("keys", "1.0.0", "O(N) of the keys in the database", "Lists the keys that fit a pattern.",
        "pattern:pattern"),
    doc("move", "1.0.0", "O(1)", "Moves a key to another database.",
        "key db:integer"),
    doc("object", "2.2.3", "Depends on the subcommand", "Tells how the value of a key is held.",
        ""),
    doc("object|encoding", "2.2.3", "O(1)", "Returns how Redis would hold the value.",
        "key"),
    doc("object|freq", "4.0.0", "O(1)", "Returns how often the key is used, on a logarithmic scale.",
        "key"),
    doc("object|help", "6.2.0", "O(1)", "Lists the subcommands.",
        ""),
    doc("object|idletime", "2.2.3", "O(1)", "Returns for how many seconds the key has not been used.",
        "key"),
    doc("object|refcount", "2.2.3", "O(1)", "Returns how many references the value has.",
        "key"),
    doc("persist", "2.2.0", "O(1)", "Keeps a key from expiring.",
        "key"),
    doc("pexpire", "2.6.0", "O(1)", "Lets a key expire after so many milliseconds.",
        "key milliseconds:integer [condition<NX|XX|GT|LT>@7.0.0]")
        .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")]),
    doc("pexpireat", "2.6.0", "O(1)", "Lets a key expire at a time given in milliseconds.",
        "key unix-time-milliseconds:unix-time [condition<NX|XX|GT|LT>@7.0.0]")
        .history(&[("7.0.0", "`NX`, `XX`, `GT` and `LT`.")]),
    doc("pexpiretime", "7.0.0", "O(1)", "Returns when a key expires, in milliseconds.",
        "key"),
    doc("pttl", "2.6.0", "O(1)", "Returns how long a key will live, in milliseconds.",
        "key")
        .history(&[("2.8.0", "A missing key answers -2.")]),
    doc("randomkey", "1.0.0", "O(1)", "Returns a key picked at random.",
        ""),
    doc("rename", "1.0.0", "O(1)", "Renames a key, over whatever has the new name.",
        "key newkey:key"),
    doc("renamenx", "1.0.0", "O(1)", "Renames a key if nothing has the new name.",
        "key newkey:key")
        .history(&[("3.2.0", "No error where both names are the same.")]),
    doc("restore", "2.6.0", "O(N) of what the value takes in memory", "Makes a key of what DUMP returned.",
        "key ttl:integer serialized-value:string [REPLACE@3.0.0] [ABSTTL@5.0.0] [IDLETIME=seconds:integer@5.0.0] [FREQ=frequency:integer@5.0.0]")
        .history(&[("3.0.0", "`REPLACE`."), ("5.0.0", "`ABSTTL`."), ("5.0.0", "`IDLETIME` and `FREQ`.")]),
    doc("scan", "2.8.0", "O(1) for each call; O(N) of the keys for a whole pass", "Walks the keys of the database, some at each call.",
        "cursor:integer [MATCH=pattern:pattern] [COUNT=count:integer] [TYPE=type@6.0.0]")
        .history(&[("6.0.0", "`TYPE`.")]),
    doc("touch", "3.2.1", "O(N) of the number of keys", "Counts how many of the named keys are there, and counts that as a use of each.",
        "key..."),
    doc("ttl", "1.0.0", "O(1)", "Returns how long a key will live, in seconds.",
        "key")
        .history(&[("2.8.0", "A missing key answers -2.")]),
    doc("type", "1.0.0", "O(1)", "Returns the type of the value of a key.",
        "key"),
    doc("unlink", "4.0.0", "O(1) for each key", "Deletes keys; what they held is freed in the background.",
        "key..."),
    doc("wait", "3.0.0", "O(1)", "Waits until replicas have what this connection wrote.",
        "numreplicas:integer timeout:integer"),
    doc("waitaof", "7.2.0", "O(1)", "Waits until what this connection wrote is on the disk, here and at replicas.",
        "numlocal:integer numreplicas:integer timeout:integer"),
];
