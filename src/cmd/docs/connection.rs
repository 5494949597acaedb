//! The commands about connections.

use super::{Doc, doc};

#[rustfmt::skip] // two lines each, like their neighbours
pub(super) const DOCS: &[Doc] = &[
    doc("auth", "1.0.0", "O(N) of the length of the password", "Authenticates the connection.",
        "[username@6.0.0] password")
        .history(&[("6.0.0", "A user name.")]),
    doc("client", "2.4.0", "Depends on the subcommand", "Looks at and controls connections.",
        ""),
    doc("client|getname", "2.6.9", "O(1)", "Returns the name of the connection.",
        ""),
    doc("client|help", "5.0.0", "O(1)", "Lists the subcommands.",
        ""),
    doc("client|id", "5.0.0", "O(1)", "Returns the number of the connection.",
        ""),
    doc("client|info", "6.2.0", "O(1)", "Describes the connection.",
        ""),
    doc("client|kill", "2.4.0", "O(N) of the number of connections", "Closes connections.",
        r#"filter<old-format"ip:port"!2.8.12|new-format<[ID=client-id:integer@2.8.12]|[TYPE=client-type<NORMAL|MASTER@3.2.0|SLAVE|REPLICA@5.0.0|PUBSUB>@2.8.12]|[USER=username]|[ADDR=addr"ip:port"]|[LADDR=laddr"ip:port"@6.2.0]|[SKIPME=skipme<YES|NO>]|[MAXAGE=maxage:integer@7.4.0]>...>"#)
        .history(&[("2.8.12", "Filters."), ("2.8.12", "`ID`."), ("3.2.0", "`TYPE master`."), ("5.0.0", "`TYPE replica`, of which `slave` is the older name."), ("6.2.0", "`LADDR`."), ("7.4.0", "`MAXAGE`.")]),
    doc("client|list", "2.4.0", "O(N) of the number of connections", "Describes all connections, or some.",
        "[TYPE=client-type<NORMAL|MASTER|REPLICA|PUBSUB>@5.0.0] [ID=client-id:integer@6.2.0...]")
        .history(&[("2.8.12", "The field `id`."), ("5.0.0", "`TYPE`."), ("6.0.0", "The field `user`."), ("6.2.0", "The fields `argv-mem`, `tot-mem`, `laddr` and `redir`; `ID`."), ("7.0.0", "The fields `resp`, `multi-mem`, `rbs` and `rbp`."), ("7.0.3", "The field `ssub`."), ("7.2.0", "The fields `lib-name` and `lib-ver`."), ("7.4.0", "The field `watch`."), ("8.0.0", "The field `io-thread`.")]),
    doc("client|no-evict", "7.0.0", "O(1)", "Keeps the connection from being closed to save memory, or no longer.",
        "enabled<ON|OFF>"),
    doc("client|no-touch", "7.2.0", "O(1)", "Lets what the connection reads not count as used, or count again.",
        "enabled<ON|OFF>"),
    doc("client|pause", "3.0.0", "O(1)", "Holds commands back for a while.",
        "timeout:integer [mode<WRITE|ALL>@6.2.0]")
        .history(&[("6.2.0", "`WRITE`, and the mode as an argument.")]),
    doc("client|reply", "3.2.0", "O(1)", "Tells whether the connection wants replies.",
        "action<ON|OFF|SKIP>"),
    doc("client|setinfo", "7.2.0", "O(1)", "Tells which library the connection comes from.",
        "attr<LIB-NAME=libname|LIB-VER=libver>"),
    doc("client|setname", "2.6.9", "O(1)", "Names the connection.",
        "connection-name"),
    doc("client|unblock", "5.0.0", "O(log N) of the number of connections", "Ends the waiting of a connection.",
        "client-id:integer [unblock-type<TIMEOUT|ERROR>]"),
    doc("client|unpause", "6.2.0", "O(N) of the number of connections", "Runs the commands that were held back.",
        ""),
    doc("echo", "1.0.0", "O(1)", "Returns the message.",
        "message"),
    doc("hello", "6.0.0", "O(1)", "Chooses the version of the protocol, authenticates and names the connection, and describes the server.",
        "[arguments(protover:integer [AUTH=auth(username password)] [SETNAME=clientname])]")
        .history(&[("6.2.0", "Without a version it only describes the server.")]),
    doc("ping", "1.0.0", "O(1)", "Returns PONG, or the message.",
        "[message]"),
    doc("quit", "1.0.0", "O(1)", "Closes the connection.",
        "")
        .deprecated("7.2.0", "just closing the connection"),
    doc("reset", "6.2.0", "O(1)", "Makes the connection as it was when it came.",
        ""),
    doc("select", "1.0.0", "O(1)", "Chooses the database of the connection.",
        "index:integer"),
];
