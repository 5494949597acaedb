//! SLOWLOG: the last commands that took long.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::monitor::{REDACTED, is_secret};
use super::{Args, Client, CmdError, CmdResult, Command, Context, container};
use crate::number::parse_i64;
use crate::resp::{Reply, Request};
use crate::words::until_nul;

/// How many arguments of a command are kept, the last of them perhaps a word on how many are not.
const MOST_ARGUMENTS: usize = 32;

/// How many bytes of each.
const MOST_BYTES: usize = 128;

/// Commands that took longer than `slowlog-log-slower-than`, at most `slowlog-max-len`, newest first.
#[derive(Default)]
pub struct SlowLog(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    next_id: i64,
    entries: VecDeque<Entry>,
}

struct Entry {
    id: i64,
    /// When it ended, in seconds since the Unix epoch.
    at: i64,
    took: Duration,
    arguments: Vec<Bytes>,
    addr: String,
    name: Bytes,
}

impl SlowLog {
    /// Adds a command that ended at `now_ms`, and drops the oldest of more than `most`.
    pub(super) fn add(
        &self,
        client: &Client,
        command: &Command,
        request: Request<'_>,
        (now_ms, took): (i64, Duration),
        most: usize,
    ) {
        if most == 0 {
            return;
        }
        let arguments = shorten(command, request);
        let name = until_nul(&client.info.said.lock().name).to_vec().into();
        let mut log = self.0.lock();
        let id = log.next_id;
        log.next_id += 1;
        log.entries.push_front(Entry {
            id,
            at: now_ms / 1000,
            took,
            arguments,
            addr: client.info.addr.clone(),
            name,
        });
        log.entries.truncate(most);
    }
}

/// What is kept of a request: long ones are cut, and secrets blotted out.
fn shorten(command: &Command, request: Request<'_>) -> Vec<Bytes> {
    let shown = if request.len() > MOST_ARGUMENTS {
        MOST_ARGUMENTS - 1
    } else {
        request.len()
    };
    let argument = |(at, argument): (usize, &[u8])| {
        if is_secret(command, request, at) {
            return Bytes::from_static(REDACTED);
        }
        match argument.get(..MOST_BYTES) {
            Some(start) if argument.len() > MOST_BYTES => {
                let rest = format!("... ({} more bytes)", argument.len() - MOST_BYTES);
                [start, rest.as_bytes()].concat().into()
            }
            _ => Bytes::copy_from_slice(argument),
        }
    };
    let mut arguments: Vec<Bytes> = request
        .iter()
        .take(shown)
        .enumerate()
        .map(argument)
        .collect();
    if shown < request.len() {
        let rest = request.len() - shown;
        arguments.push(format!("... ({rest} more arguments)").into());
    }
    arguments
}

/// `SLOWLOG GET [count]`: the newest ten, or so many, or all (-1). Of each its number, when it ended, how many microseconds
/// it took, its arguments, and the address and name of the client.
pub(super) fn get(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    if args.len() > 1 {
        return Err(container::misused(args.request()));
    }
    let count = match args.take_optional() {
        None => 10,
        Some(count) => match parse_i64(count) {
            Some(-1) => usize::MAX,
            Some(count @ 0..) => usize::try_from(count).unwrap_or(usize::MAX),
            _ => {
                return Err(CmdError::other(
                    "ERR count should be greater than or equal to -1",
                ));
            }
        },
    };
    let entry = |entry: &Entry| {
        let arguments = entry.arguments.iter().cloned().map(Reply::bulk);
        Reply::Array(vec![
            Reply::Integer(entry.id),
            Reply::Integer(entry.at),
            Reply::Integer(entry.took.as_micros() as i64),
            Reply::Array(arguments.collect()),
            Reply::bulk(entry.addr.as_str()),
            Reply::bulk(entry.name.clone()),
        ])
    };
    let log = cx.world.slowlog.0.lock();
    Ok(Reply::Array(
        log.entries.iter().take(count).map(entry).collect(),
    ))
}

/// `SLOWLOG LEN`
pub(super) fn len(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let len = cx.world.slowlog.0.lock().entries.len();
    Ok(Reply::Integer(len as i64))
}

/// `SLOWLOG RESET`: forgets all of them. Numbers go on.
pub(super) fn reset(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    cx.world.slowlog.0.lock().entries.clear();
    Ok(Reply::Ok)
}
