//! MONITOR: every command of every client, as it runs.
//!
//! Lines are made when a command has run, and only while somebody listens. Secrets in them are blotted out, as they are in
//! whatever else shows commands ([`is_secret`]).

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::{Args, Client, CmdError, CmdResult, Command, Context, Flags, World};
use crate::resp::{Reply, Request};
use crate::words::quote;

/// Stands for what nobody else should see.
pub(super) const REDACTED: &[u8] = b"(redacted)";

/// `MONITOR`: from now on this connection gets a line for every command, except those for administrators.
pub(super) fn monitor(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    if cx.in_exec {
        return Err(CmdError::other(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    if cx.client.info.is_monitor() {
        return Ok(Reply::None);
    }
    cx.world.broker.monitor(&cx.client.info);
    Ok(Reply::Ok)
}

/// Shows a command that has run to those who asked for it.
#[inline]
pub(super) fn show(world: &World, client: &Client, command: &Command, request: Request<'_>) {
    if world.broker.is_monitored() {
        show_to_all(world, client, command, request);
    }
}

#[cold]
fn show_to_all(world: &World, client: &Client, command: &Command, request: Request<'_>) {
    if command
        .flags
        .intersects(Flags::SKIP_MONITOR.union(Flags::ADMIN))
    {
        return;
    }
    world.broker.tell_monitors(&line(client, command, request));
}

/// `+1700000000.123456 [0 127.0.0.1:50000] "set" "key" "value"`
fn line(client: &Client, command: &Command, request: Request<'_>) -> Bytes {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let from = match client.info.addr.strip_suffix(":0") {
        Some(path) if client.info.unix => format!("unix:{path}"),
        _ => client.info.addr.clone(),
    };
    let mut line = format!(
        "+{}.{:06} [{} {from}]",
        now.as_secs(),
        now.subsec_micros(),
        client.db
    )
    .into_bytes();
    for (at, argument) in request.iter().enumerate() {
        line.push(b' ');
        let hidden = is_secret(command, request, at);
        quote(if hidden { REDACTED } else { argument }, &mut line);
    }
    line.extend_from_slice(b"\r\n");
    line.into()
}

/// Whether argument `at` (the name is 0) of a command is not to be shown: passwords, and what is said of users.
pub(super) fn is_secret(command: &Command, request: Request<'_>, at: usize) -> bool {
    const SETTINGS: [&str; 5] = [
        "masterauth",
        "masteruser",
        "requirepass",
        "tls-client-key-file-pass",
        "tls-key-file-pass",
    ];
    let is = |at: usize, word: &str| {
        request
            .get(at)
            .is_some_and(|argument| argument.eq_ignore_ascii_case(word.as_bytes()))
    };
    match command.name {
        "auth" => at > 0,
        "hello" => at > 2 && (is(at - 1, "auth") || (at > 3 && is(at - 2, "auth"))),
        "config|set" => at > 2 && at % 2 == 1 && SETTINGS.iter().any(|name| is(at - 1, name)),
        "acl|setuser" | "acl|getuser" | "acl|deluser" => at > 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;
    use crate::resp::OwnedRequest;

    #[test]
    fn secrets_are_not_shown() {
        for (line, secret) in [
            ("AUTH user pass", vec![1, 2]),
            ("AUTH pass", vec![1]),
            ("HELLO 3 AUTH user pass SETNAME x", vec![3, 4]),
            ("HELLO 3 SETNAME auth AUTH a b", vec![4, 5, 6]),
            ("CONFIG SET hz 10 requirepass x", vec![5]),
            ("CONFIG SET requirepass requirepass", vec![3]),
            ("SET auth pass", vec![]),
        ] {
            let request = OwnedRequest::from_words(line.split(' ')).unwrap();
            let request = request.as_request();
            let command = table::resolve(table::find(request.name()), request).unwrap();
            let hidden: Vec<usize> = (0..request.len())
                .filter(|&at| is_secret(command, request, at))
                .collect();
            assert_eq!(hidden, secret, "{line}");
        }
    }
}
