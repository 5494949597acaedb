//! CLIENT: what connections say of themselves, and what they may know and do of each other.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::client::{Client, ClientInfo, Replies};
use super::pubsub::Kind as Channels;
use super::{Args, CmdError, CmdResult, Context, Flow, User, pubsub};
use crate::number::parse_i64;
use crate::resp::{Reply, Request};
use crate::words::until_nul;

/// `CLIENT ID`
pub(super) fn id(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::Integer(cx.client.info.id as i64))
}

/// `CLIENT GETNAME`: nil if it has none.
pub(super) fn getname(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let name = cx.client.info.said.lock().name.clone();
    Ok(if name.is_empty() {
        Reply::Null
    } else {
        Reply::bulk(name)
    })
}

/// `CLIENT SETNAME name`: an empty name takes it back.
pub(super) fn setname(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let chosen = check_name(args.take()?)?;
    name(cx.client, chosen);
    Ok(Reply::Ok)
}

/// Whether `name` may be a connection's name.
pub(super) fn check_name(name: &[u8]) -> Result<&[u8], CmdError> {
    if is_plain(name) {
        Ok(name)
    } else {
        Err(CmdError::other(
            "ERR Client names cannot contain spaces, newlines or special characters.",
        ))
    }
}

/// Gives the connection a name that was checked.
pub(super) fn name(client: &Client, name: &[u8]) {
    client.info.said.lock().name = Bytes::copy_from_slice(name);
}

/// Visible ASCII characters only, so that CLIENT LIST can be taken apart. Redis looks no further than a NUL, and prints no
/// further either.
fn is_plain(text: &[u8]) -> bool {
    until_nul(text).iter().all(u8::is_ascii_graphic)
}

/// `CLIENT SETINFO <LIB-NAME | LIB-VER> value`: what the client library is.
pub(super) fn setinfo(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let option = args.peek().unwrap_or_default();
    let is_name = args.take_word("LIB-NAME");
    if !is_name && !args.take_word("LIB-VER") {
        return Err(quoting("Unrecognized option '", option, "'"));
    }
    let value = args.take()?;
    if !is_plain(value) {
        let rule = " cannot contain spaces, newlines or special characters.";
        return Err(quoting("", option, rule));
    }
    let value = Bytes::copy_from_slice(value);
    let mut said = cx.client.info.said.lock();
    *(if is_name {
        &mut said.lib_name
    } else {
        &mut said.lib_ver
    }) = value;
    Ok(Reply::Ok)
}

/// An error that shows what the client wrote.
fn quoting(before: &str, words: &[u8], after: &str) -> CmdError {
    let words = until_nul(words);
    CmdError::Quoting([b"ERR ", before.as_bytes(), words, after.as_bytes()].concat())
}

/// `CLIENT NO-EVICT <ON | OFF>`
pub(super) fn no_evict(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let on = take_switch(&mut args)?;
    cx.client.info.no_evict.store(on, Ordering::Relaxed);
    Ok(Reply::Ok)
}

/// `CLIENT NO-TOUCH <ON | OFF>`: whether what it reads counts as accessed.
pub(super) fn no_touch(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let on = take_switch(&mut args)?;
    cx.client.set_no_touch(on);
    Ok(Reply::Ok)
}

fn take_switch(args: &mut Args<'_>) -> Result<bool, CmdError> {
    if args.take_word("ON") {
        Ok(true)
    } else if args.take_word("OFF") {
        Ok(false)
    } else {
        Err(CmdError::Syntax)
    }
}

/// `CLIENT REPLY <ON | OFF | SKIP>`: whether replies are sent. SKIP silences the next command's, and its own.
pub(super) fn reply(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let replies = &mut cx.client.replies;
    if args.take_word("ON") {
        *replies = Replies::On;
        Ok(Reply::Ok)
    } else if args.take_word("OFF") {
        *replies = Replies::Off;
        Ok(Reply::None)
    } else if args.take_word("SKIP") {
        if *replies != Replies::Off {
            *replies = Replies::SkipNext;
        }
        Ok(Reply::None)
    } else {
        Err(CmdError::Syntax)
    }
}

/// `CLIENT INFO`: this connection's line of CLIENT LIST.
pub(super) fn info(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let line = describe(&cx.client.info, cx.now(), arguments_of(args.request()));
    Ok(text(line + "\n"))
}

/// `CLIENT LIST [TYPE <NORMAL | MASTER | REPLICA | PUBSUB> | ID id [id ...]]`: a line for each connection.
pub(super) fn list(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let clients = &cx.world.clients;
    let request = args.request();
    let chosen = if args.is_empty() {
        clients.list()
    } else if args.len() == 2 && args.take_word("TYPE") {
        match Kind::take(&mut args)? {
            Kind::Other => Vec::new(),
            kind => {
                let mut all = clients.list();
                all.retain(|info| kind.fits(info));
                all
            }
        }
    } else if args.len() > 1 && args.take_word("ID") {
        let ids: Result<Vec<i64>, _> = args
            .rest()
            .map(|id| parse_i64(id).ok_or_else(|| CmdError::other("ERR Invalid client ID")))
            .collect();
        ids?.into_iter()
            .filter_map(|id| clients.find(u64::try_from(id).ok()?))
            .collect()
    } else {
        return Err(CmdError::Syntax);
    };
    let lines = chosen
        .iter()
        .map(|info| {
            let own = info.id == cx.client.info.id;
            let arguments = if own { arguments_of(request) } else { 0 }; // nothing of a command outlives it
            describe(info, cx.now(), arguments) + "\n"
        })
        .collect();
    Ok(text(lines))
}

fn text(text: String) -> Reply {
    Reply::Verbatim {
        format: *b"txt",
        text,
    }
}

/// What CLIENT calls a type of connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Normal,
    Pubsub,
    /// Masters and replicas: there are none.
    Other,
}

impl Kind {
    fn take(args: &mut Args<'_>) -> Result<Self, CmdError> {
        if args.take_word("NORMAL") {
            return Ok(Kind::Normal);
        }
        if args.take_word("PUBSUB") {
            return Ok(Kind::Pubsub);
        }
        let others = ["MASTER", "REPLICA", "SLAVE"];
        if others.into_iter().any(|word| args.take_word(word)) {
            return Ok(Kind::Other);
        }
        Err(quoting("Unknown client type '", args.take()?, "'"))
    }

    fn fits(self, info: &ClientInfo) -> bool {
        match self {
            Kind::Normal => !info.is_subscribed(),
            Kind::Pubsub => info.is_subscribed(),
            Kind::Other => false,
        }
    }
}

/// How many bytes of arguments a request has.
pub(super) fn arguments_of(request: Request<'_>) -> usize {
    request.iter().map(<[u8]>::len).sum()
}

/// A connection's line in CLIENT LIST, with every field that Redis 8.2 gives, in its order. Times are in seconds and sizes
/// in bytes; what does not exist here is zero. `arguments` is how much the command it is running takes.
pub(super) fn describe(info: &ClientInfo, now_ms: i64, arguments: usize) -> String {
    let get = |number: &std::sync::atomic::AtomicUsize| number.load(Ordering::Relaxed);
    let c_text = |bytes: &[u8]| String::from_utf8_lossy(until_nul(bytes)).into_owned();
    let seconds_since = |ms: i64| (now_ms - ms).max(0) / 1000;

    let (watched, dirty) = info.watched();
    let queued = info.queued.load(Ordering::Relaxed);
    let flags: String = [
        ('O', info.is_monitor()),
        ('P', info.is_subscribed()),
        ('x', queued >= 0),
        (
            'b',
            info.blocked.load(Ordering::Relaxed) || info.is_postponed(),
        ),
        ('d', dirty),
        ('A', info.is_closing()),
        ('U', info.unix),
        ('e', info.no_evict.load(Ordering::Relaxed)),
        ('T', info.no_touch.load(Ordering::Relaxed)),
    ]
    .into_iter()
    .filter_map(|(flag, set)| set.then_some(flag))
    .collect();
    let flags = if flags.is_empty() { "N" } else { &flags };

    let (buffer, free, output) = (
        get(&info.query_buffer),
        get(&info.query_buffer_free),
        info.unsent(),
    );
    let queued_bytes = get(&info.queued_bytes);
    let total = size_of::<Client>()
        + size_of::<ClientInfo>()
        + [buffer, free, output, queued_bytes, arguments]
            .iter()
            .sum::<usize>();
    let said = info.said.lock();
    let command = info.last_command().map_or("NULL", |command| command.name);
    format!(
        "id={id} addr={addr} laddr={laddr} fd={fd} name={name} age={age} idle={idle} flags={flags} db={db} sub={sub} psub={psub} \
         ssub={ssub} multi={queued} watch={watched} qbuf={buffer} qbuf-free={free} argv-mem={arguments} \
         multi-mem={queued_bytes} rbs=0 rbp=0 obl=0 oll={pieces} omem={output} tot-mem={total} events={events} \
         cmd={command} user={user} redir=-1 resp={resp} lib-name={lib_name} lib-ver={lib_ver} io-thread=0 \
         tot-net-in={bytes_in} tot-net-out={bytes_out} tot-cmds={commands}",
        user = String::from_utf8_lossy(info.user().name()),
        id = info.id,
        addr = info.addr,
        laddr = info.laddr,
        fd = info.fd,
        name = c_text(&said.name),
        age = seconds_since(info.created_ms),
        idle = seconds_since(info.active_ms.load(Ordering::Relaxed)),
        db = get(&info.db),
        sub = info.subscriptions(Channels::Channel),
        psub = info.subscriptions(Channels::Pattern),
        ssub = info.subscriptions(Channels::Shard),
        pieces = usize::from(output > 0),
        events = if output > 0 { "rw" } else { "r" },
        resp = get(&info.resp),
        lib_name = c_text(&said.lib_name),
        lib_ver = c_text(&said.lib_ver),
        bytes_in = info.bytes_in.load(Ordering::Relaxed),
        bytes_out = info.bytes_out.load(Ordering::Relaxed),
        commands = info.commands.load(Ordering::Relaxed),
    )
}

/// Which connections CLIENT KILL means: those that fit all that was said.
struct Target<'a> {
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    id: Option<i64>,
    kind: Option<Kind>,
    user: Option<Arc<User>>,
    /// Spare the connection that asks.
    skip_me: bool,
    /// At least this old, in seconds.
    max_age: i64,
}

impl<'a> Target<'a> {
    fn take(cx: &Context<'_>, args: &mut Args<'a>) -> Result<Self, CmdError> {
        let mut target = Target {
            addr: None,
            laddr: None,
            id: None,
            kind: None,
            user: None,
            skip_me: true,
            max_age: 0,
        };
        while !args.is_empty() {
            if args.len() < 2 {
                return Err(CmdError::Syntax);
            }
            if args.take_word("ID") {
                let id = parse_i64(args.take()?)
                    .filter(|&id| id > 0)
                    .ok_or_else(|| CmdError::other("ERR client-id should be greater than 0"))?;
                target.id = Some(id);
            } else if args.take_word("TYPE") {
                target.kind = Some(Kind::take(args)?);
            } else if args.take_word("ADDR") {
                target.addr = Some(args.take()?);
            } else if args.take_word("LADDR") {
                target.laddr = Some(args.take()?);
            } else if args.take_word("USER") {
                let name = args.take()?;
                let user = cx.world.acl.find(name);
                target.user = Some(user.ok_or_else(|| quoting("No such user '", name, "'"))?);
            } else if args.take_word("SKIPME") {
                target.skip_me = args.take_word("YES");
                if !target.skip_me && !args.take_word("NO") {
                    return Err(CmdError::Syntax);
                }
            } else if args.take_word("MAXAGE") {
                target.max_age = match parse_i64(args.take()?) {
                    Some(age @ 1..) => age,
                    Some(_) => {
                        return Err(CmdError::other("ERR maxage should be greater than 0"));
                    }
                    None => {
                        return Err(CmdError::other(
                            "ERR maxage is not an integer or out of range",
                        ));
                    }
                };
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(target)
    }

    fn hits(&self, cx: &Context<'_>, info: &ClientInfo) -> bool {
        let is = |wanted: Option<&[u8]>, actual: &str| {
            wanted.is_none_or(|wanted| until_nul(wanted) == actual.as_bytes())
        };
        is(self.addr, &info.addr)
            && is(self.laddr, &info.laddr)
            && self.id.is_none_or(|id| info.id == id as u64)
            && self.kind.is_none_or(|kind| kind.fits(info))
            && (self.user.as_ref()).is_none_or(|user| user.name() == info.user().name())
            && !(self.skip_me && info.id == cx.client.info.id)
            && (cx.now() - info.created_ms) / 1000 >= self.max_age
    }
}

/// `CLIENT KILL <addr | <option> value [<option> value ...]>`: closes connections. The options are ADDR, LADDR, ID, TYPE,
/// USER, SKIPME and MAXAGE.
///
/// With options it replies how many; by bare address it closes one, and complains if there is none. A connection that
/// closes itself gets this reply first.
pub(super) fn kill(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let by_address = args.len() == 1;
    let target = if by_address {
        Target {
            addr: Some(args.take()?),
            laddr: None,
            id: None,
            kind: None,
            user: None,
            skip_me: false,
            max_age: 0,
        }
    } else {
        Target::take(cx, &mut args)?
    };

    let mut killed = 0;
    for info in cx.world.clients.list() {
        if !target.hits(cx, &info) {
            continue;
        }
        killed += 1;
        if info.id == cx.client.info.id {
            cx.flow = Flow::Close;
        } else {
            // Gone for everybody from now on, not when its task has seen it.
            cx.world.clients.unregister(info.id);
            pubsub::forget(cx.world, &info);
            info.close();
        }
    }
    match (by_address, killed) {
        (false, _) => Ok(Reply::Integer(killed)),
        (true, 0) => Err(CmdError::other("ERR No such client")),
        (true, _) => Ok(Reply::Ok),
    }
}

#[cfg(test)]
#[path = "clients_tests.rs"]
mod tests;
