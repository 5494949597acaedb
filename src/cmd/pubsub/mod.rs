//! Pub/Sub: SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE, their opposites, PUBLISH, SPUBLISH and PUBSUB.
//!
//! Who listens to what is in [`Broker`]; how a message reaches a connection is in [`super::mailbox`]. A channel is any byte
//! string and has nothing to do with keys or databases. Shard channels are channels under other names, since there is one
//! shard.

mod broker;

use std::sync::Arc;
use std::sync::atomic::Ordering;

pub use broker::Broker;
pub(super) use broker::{Kind, Subscriptions};

use super::{Args, Client, ClientInfo, CmdResult, Context, World, container};
use crate::config::ClientClass;
use crate::glob;
use crate::resp::{Output, Reply, Version};

impl Kind {
    /// What a confirmation calls it.
    fn verbs(self) -> (&'static str, &'static str) {
        match self {
            Kind::Channel => ("subscribe", "unsubscribe"),
            Kind::Pattern => ("psubscribe", "punsubscribe"),
            Kind::Shard => ("ssubscribe", "sunsubscribe"),
        }
    }
}

/// `SUBSCRIBE channel [channel ...]`: from now on what is published there comes to this connection. A confirmation for
/// each, with the number of channels and patterns it is subscribed to by then.
pub(super) fn subscribe(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    start(cx, args, Kind::Channel)
}

/// `PSUBSCRIBE pattern [pattern ...]`: as SUBSCRIBE, to every channel whose name fits the pattern.
pub(super) fn psubscribe(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    start(cx, args, Kind::Pattern)
}

/// `SSUBSCRIBE shardchannel [shardchannel ...]`
pub(super) fn ssubscribe(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    start(cx, args, Kind::Shard)
}

/// `UNSUBSCRIBE [channel [channel ...]]`: from these, or from all. A confirmation for each, and one of nothing where there
/// was none.
pub(super) fn unsubscribe(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    stop(cx, args, Kind::Channel)
}

/// `PUNSUBSCRIBE [pattern [pattern ...]]`
pub(super) fn punsubscribe(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    stop(cx, args, Kind::Pattern)
}

/// `SUNSUBSCRIBE [shardchannel [shardchannel ...]]`
pub(super) fn sunsubscribe(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    stop(cx, args, Kind::Shard)
}

fn start(cx: &mut Context<'_>, args: Args<'_>, kind: Kind) -> CmdResult {
    let broker = Arc::clone(&cx.world.broker);
    for channel in args.rest() {
        broker.subscribe(&cx.client.info, kind, channel);
        confirm(cx, kind, kind.verbs().0, Reply::bulk(channel));
    }
    Ok(Reply::None)
}

fn stop(cx: &mut Context<'_>, args: Args<'_>, kind: Kind) -> CmdResult {
    let broker = Arc::clone(&cx.world.broker);
    let info = Arc::clone(&cx.client.info);
    let verb = kind.verbs().1;
    if !args.is_empty() {
        for channel in args.rest() {
            broker.unsubscribe(&info, kind, channel);
            confirm(cx, kind, verb, Reply::bulk(channel));
        }
        return Ok(Reply::None);
    }
    let all = broker.subscriptions(&info, kind);
    if all.is_empty() {
        confirm(cx, kind, verb, Reply::Null);
    }
    for channel in all {
        broker.unsubscribe(&info, kind, &channel);
        confirm(cx, kind, verb, Reply::bulk(channel));
    }
    Ok(Reply::None)
}

/// Tells the client what became of a subscription, whatever it asked for with CLIENT REPLY. What was published until then
/// comes first.
fn confirm(cx: &mut Context<'_>, kind: Kind, verb: &'static str, channel: Reply) {
    let client = &*cx.client;
    client.collect_mail(cx.out);
    let of = |kind| client.info.subscriptions(kind);
    let count = match kind {
        Kind::Channel | Kind::Pattern => of(Kind::Channel) + of(Kind::Pattern),
        Kind::Shard => of(Kind::Shard),
    };
    let count = Reply::Integer(count as i64);
    let push = Reply::Push(vec![Reply::bulk(verb), channel, count]);
    cx.out.push(push, client.version);
}

/// Ends every subscription of a connection, and MONITOR: it goes, or said RESET.
pub(super) fn forget(world: &World, client: &ClientInfo) {
    world.broker.forget(client);
}

/// Whether the connection may only subscribe, unsubscribe and little else: in RESP2 a message could not be told from a
/// reply.
pub(super) fn restricts(client: &Client) -> bool {
    client.version == Version::Resp2 && client.info.is_subscribed()
}

/// The commands that are allowed nevertheless.
pub(super) fn allowed_while_subscribed(name: &str) -> bool {
    matches!(
        name,
        "ping"
            | "subscribe"
            | "ssubscribe"
            | "unsubscribe"
            | "sunsubscribe"
            | "psubscribe"
            | "punsubscribe"
            | "quit"
            | "reset"
    )
}

/// `PUBLISH channel message`: how many connections it reached; one that it reached twice, by channel and by pattern,
/// counts twice.
pub(super) fn publish(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (channel, message) = (args.take()?, args.take()?);
    let reached = cx.world.broker.publish(channel, message);
    Ok(Reply::Integer(reached as i64))
}

/// `SPUBLISH shardchannel message`
pub(super) fn spublish(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let (channel, message) = (args.take()?, args.take()?);
    let reached = cx.world.broker.publish_to_shard(channel, message);
    Ok(Reply::Integer(reached as i64))
}

/// `PUBSUB CHANNELS [pattern]`: the channels somebody is subscribed to by name.
pub(super) fn channels(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    list(cx, args, Kind::Channel)
}

/// `PUBSUB SHARDCHANNELS [pattern]`
pub(super) fn shardchannels(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    list(cx, args, Kind::Shard)
}

fn list(cx: &mut Context<'_>, mut args: Args<'_>, kind: Kind) -> CmdResult {
    let pattern = args.take_optional();
    if !args.is_empty() {
        return Err(container::misused(args.request()));
    }
    let fits = |channel: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, channel));
    let names = cx.world.broker.channels(kind);
    let names = names.into_iter().filter(|name| fits(name));
    Ok(Reply::Array(names.map(Reply::bulk).collect()))
}

/// `PUBSUB NUMSUB [channel [channel ...]]`: each channel with the number of connections subscribed to it by name.
pub(super) fn numsub(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    count(cx, args, Kind::Channel)
}

/// `PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]`
pub(super) fn shardnumsub(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    count(cx, args, Kind::Shard)
}

fn count(cx: &mut Context<'_>, args: Args<'_>, kind: Kind) -> CmdResult {
    let broker = &cx.world.broker;
    let pair = |channel| {
        let listeners = broker.listeners(kind, channel) as i64;
        [Reply::bulk(channel), Reply::Integer(listeners)]
    };
    Ok(Reply::Array(args.rest().flat_map(pair).collect()))
}

/// `PUBSUB NUMPAT`: how many patterns there are that somebody is subscribed to.
pub(super) fn numpat(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::Integer(cx.world.broker.len(Kind::Pattern) as i64))
}

impl Client {
    /// Appends what others sent to this connection.
    #[inline]
    pub fn collect_mail(&self, out: &mut Output) {
        if let Some(mailbox) = self.info.mailbox.get() {
            mailbox.empty_into(out);
        }
    }
}

impl ClientInfo {
    /// How many channels, patterns or shard channels it is subscribed to.
    pub(super) fn subscriptions(&self, kind: Kind) -> usize {
        self.mailbox.get().map_or(0, |mailbox| mailbox.count(kind))
    }

    /// Whether it is subscribed to anything.
    pub fn is_subscribed(&self) -> bool {
        self.mailbox
            .get()
            .is_some_and(|mailbox| Kind::ALL.into_iter().any(|kind| mailbox.count(kind) > 0))
    }

    /// What limits what waits for it. Redis gives one that said MONITOR no limit by default, and so all its memory to one
    /// that does not read; here it is held to that of those who are subscribed.
    pub fn class(&self) -> ClientClass {
        if self.is_subscribed() || self.is_monitor() {
            ClientClass::Pubsub
        } else {
            ClientClass::Normal
        }
    }

    /// Whether it said MONITOR.
    pub fn is_monitor(&self) -> bool {
        self.mailbox
            .get()
            .is_some_and(|mailbox| mailbox.monitors.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
