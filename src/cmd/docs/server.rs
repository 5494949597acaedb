//! The commands about the server.

use super::{Doc, doc};

#[rustfmt::skip] // two lines each, like their neighbours
pub(super) const DOCS: &[Doc] = &[
    doc("command", "2.8.13", "O(N) of the number of commands", "Describes all commands.",
        ""),
    doc("command|count", "2.8.13", "O(1)", "Counts the commands.",
        ""),
    doc("command|docs", "7.0.0", "O(N) of the number of commands", "Tells what commands are for and how they are written.",
        "[command-name...]"),
    doc("command|getkeys", "2.8.13", "O(N) of the number of arguments", "Finds the keys among the arguments of a command.",
        "command [arg...]"),
    doc("command|getkeysandflags", "7.0.0", "O(N) of the number of arguments", "Finds the keys among the arguments of a command, and what is done to them.",
        "command [arg...]"),
    doc("command|help", "5.0.0", "O(1)", "Lists the subcommands.",
        ""),
    doc("command|info", "2.8.13", "O(N) of the number of commands", "Describes commands.",
        "[command-name...]")
        .history(&[("7.0.0", "All of them, where none is named.")]),
    doc("command|list", "7.0.0", "O(N) of the number of commands", "Lists the names of commands.",
        "[FILTERBY=filterby<MODULE=module-name|ACLCAT=category|PATTERN=pattern:pattern>]"),
    doc("config", "2.0.0", "Depends on the subcommand", "Looks at and changes settings.",
        ""),
    doc("config|get", "2.0.0", "O(N) of the number of settings", "Returns the settings that fit the patterns, and their values.",
        "parameter...")
        .history(&[("7.0.0", "Several patterns.")]),
    doc("config|help", "5.0.0", "O(1)", "Lists the subcommands.",
        ""),
    doc("config|resetstat", "2.0.0", "O(1)", "Lets everything INFO counts start from zero.",
        ""),
    doc("config|rewrite", "2.8.0", "O(N) of the length of the file", "Writes the settings into the configuration file.",
        ""),
    doc("config|set", "2.0.0", "O(N) of the number of settings", "Changes settings.",
        "data(parameter value)...")
        .history(&[("7.0.0", "Several settings.")]),
    doc("dbsize", "1.0.0", "O(1)", "Counts the keys of the database.",
        ""),
    doc("debug", "1.0.0", "Depends on the subcommand", "Helps to develop and test.",
        "")
        .internal(),
    doc("flushall", "1.0.0", "O(N) of the number of keys", "Deletes all keys of all databases.",
        "[flush-type<ASYNC@4.0.0|SYNC@6.2.0>]")
        .history(&[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")]),
    doc("flushdb", "1.0.0", "O(N) of the number of keys", "Deletes all keys of the database.",
        "[flush-type<ASYNC@4.0.0|SYNC@6.2.0>]")
        .history(&[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")]),
    doc("info", "1.0.0", "O(1)", "Describes the server in numbers.",
        "[section...]")
        .history(&[("7.0.0", "Several sections.")]),
    doc("memory", "4.0.0", "Depends on the subcommand", "Tells where memory is used.",
        ""),
    doc("memory|doctor", "4.0.0", "O(1)", "Tells what looks wrong with the memory.",
        ""),
    doc("memory|help", "4.0.0", "O(1)", "Lists the subcommands.",
        ""),
    doc("memory|malloc-stats", "4.0.0", "Depends on how much memory is in use", "Returns the report of the memory allocator.",
        ""),
    doc("memory|purge", "4.0.0", "Depends on how much memory is in use", "Gives memory that holds nothing back to the system.",
        ""),
    doc("memory|stats", "4.0.0", "O(1)", "Tells how much memory is used for what.",
        ""),
    doc("memory|usage", "4.0.0", "O(1); O(N) of the length for long strings", "Returns how many bytes a key and its value take.",
        "key [SAMPLES=count:integer]"),
    doc("monitor", "1.0.0", "", "Shows every command that the server runs.",
        ""),
    doc("role", "2.8.12", "O(1)", "Tells whether the server is a master or a replica.",
        ""),
    doc("shutdown", "1.0.0", "O(1)", "Ends the server.",
        "[save-selector<NOSAVE|SAVE>] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]")
        .history(&[("7.0.0", "`NOW`, `FORCE` and `ABORT`.")]),
    doc("swapdb", "4.0.0", "O(N) of the keys in both databases", "Exchanges the keys of two databases.",
        "index1:integer index2:integer"),
    doc("time", "2.6.0", "O(1)", "Returns the time of the server.",
        ""),
];
