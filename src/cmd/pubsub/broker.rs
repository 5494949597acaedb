//! Who listens to what, and the delivery of messages.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;

use super::super::ClientInfo;
use super::super::mailbox::Posted;
use crate::config::{ClientClass, Config};
use crate::glob;
use crate::resp::{Output, Reply, Version};
use crate::stats::{Counter, Stats};

/// What a subscription takes besides its name, in bytes: its places in two maps.
const SUBSCRIPTION: usize = 256;

/// What one can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cmd) enum Kind {
    Channel,
    Pattern,
    Shard,
}

impl Kind {
    pub(in crate::cmd) const ALL: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];
}

/// What one connection is subscribed to, by [`Kind`].
pub(in crate::cmd) type Subscriptions = [BTreeSet<Bytes>; Kind::ALL.len()];

/// Connections by id, so that they are served in the order in which they came.
type Listeners = BTreeMap<u64, Arc<ClientInfo>>;

/// Everybody who listens to something.
///
/// A message is encoded once for each version of the protocol, and its bytes are shared by all who get it.
pub struct Broker {
    /// By [`Kind`]: names, each with who is subscribed to it; at least one. Held for reading while a message is handed
    /// out, so whoever has unsubscribed gets none after that. Whoever holds one may hold keys as well (events), and asks
    /// for none.
    names: [RwLock<HashMap<Bytes, Listeners>>; Kind::ALL.len()],
    monitors: RwLock<Listeners>,
    /// How many of `monitors` there are: asked with every command.
    monitoring: AtomicUsize,
    /// The hard limit of `client-output-buffer-limit pubsub`.
    limit: AtomicU64,
    stats: Arc<Stats>,
}

impl Broker {
    pub(in crate::cmd) fn new(config: &Config, stats: Arc<Stats>) -> Arc<Self> {
        let limit = |config: &Config| config.output_limit(ClientClass::Pubsub).hard;
        let broker = Arc::new(Self {
            names: Default::default(),
            monitors: RwLock::default(),
            monitoring: AtomicUsize::new(0),
            limit: AtomicU64::new(limit(config)),
            stats,
        });
        let follower = Arc::downgrade(&broker);
        config.on_change("client-output-buffer-limit", move |config| {
            if let Some(broker) = follower.upgrade() {
                broker.limit.store(limit(config), Ordering::Relaxed);
            }
            Ok(())
        });
        broker
    }

    fn of(&self, kind: Kind) -> &RwLock<HashMap<Bytes, Listeners>> {
        &self.names[kind as usize]
    }

    /// From now on `client` hears what is published to `name`.
    pub(super) fn subscribe(&self, client: &Arc<ClientInfo>, kind: Kind, name: &[u8]) {
        let mailbox = client.mailbox.get_or_init(Default::default);
        let mut names = self.of(kind).write();
        let mut own = mailbox.subscriptions.lock();
        // One copy of the name, whoever is subscribed to it.
        let name = match names.get_key_value(name) {
            Some((known, _)) => known.clone(),
            None => Bytes::copy_from_slice(name),
        };
        if own[kind as usize].insert(name.clone()) {
            let bytes = name.len() + SUBSCRIPTION;
            mailbox.names.fetch_add(bytes, Ordering::Relaxed);
        }
        mailbox.counts[kind as usize].store(own[kind as usize].len(), Ordering::Relaxed);
        let listeners = names.entry(name).or_default();
        listeners.insert(client.id, Arc::clone(client));
    }

    /// Takes that back.
    pub(super) fn unsubscribe(&self, client: &ClientInfo, kind: Kind, name: &[u8]) {
        let Some(mailbox) = client.mailbox.get() else {
            return;
        };
        let mut names = self.of(kind).write();
        let mut own = mailbox.subscriptions.lock();
        if !own[kind as usize].remove(name) {
            return;
        }
        let bytes = name.len() + SUBSCRIPTION;
        mailbox.names.fetch_sub(bytes, Ordering::Relaxed);
        mailbox.counts[kind as usize].store(own[kind as usize].len(), Ordering::Relaxed);
        if let Some(listeners) = names.get_mut(name) {
            listeners.remove(&client.id);
            if listeners.is_empty() {
                names.remove(name);
            }
        }
    }

    /// What `client` is subscribed to.
    pub(in crate::cmd) fn subscriptions(&self, client: &ClientInfo, kind: Kind) -> Vec<Bytes> {
        let own = client
            .mailbox
            .get()
            .map(|mailbox| mailbox.subscriptions.lock());
        own.map_or_else(Vec::new, |own| own[kind as usize].iter().cloned().collect())
    }

    /// Ends everything `client` ever asked for.
    pub(super) fn forget(&self, client: &ClientInfo) {
        for kind in Kind::ALL {
            for name in self.subscriptions(client, kind) {
                self.unsubscribe(client, kind, &name);
            }
        }
        if client.is_monitor() {
            self.unmonitor(client);
        }
    }

    /// Sends `message` to who listens to `channel`, by its name or by a pattern. How many copies that were.
    pub fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        let parts = [b"message".as_slice(), channel, message];
        let mut reached = self.send(Kind::Channel, channel, &Message::new(&parts));
        for (pattern, listeners) in &*self.of(Kind::Pattern).read() {
            if glob::matches(pattern, channel) {
                let parts = [b"pmessage".as_slice(), pattern, channel, message];
                reached += self.send_all(listeners, &Message::new(&parts));
            }
        }
        reached
    }

    pub(super) fn publish_to_shard(&self, channel: &[u8], message: &[u8]) -> usize {
        let parts = [b"smessage".as_slice(), channel, message];
        self.send(Kind::Shard, channel, &Message::new(&parts))
    }

    fn send(&self, kind: Kind, name: &[u8], message: &Message<'_>) -> usize {
        let names = self.of(kind).read();
        names
            .get(name)
            .map_or(0, |listeners| self.send_all(listeners, message))
    }

    fn send_all(&self, listeners: &Listeners, message: &Message<'_>) -> usize {
        let sent = |client: &&Arc<ClientInfo>| {
            let resp3 = client.resp.load(Ordering::Relaxed) == 3;
            let version = if resp3 {
                Version::Resp3
            } else {
                Version::Resp2
            };
            self.deliver(client, message.encoded(version))
        };
        listeners.values().filter(sent).count()
    }

    /// Puts `bytes` into a connection's mailbox and wakes it. False where it is closed, or now has to be.
    fn deliver(&self, client: &ClientInfo, bytes: &Bytes) -> bool {
        let Some(mailbox) = client.mailbox.get().filter(|_| !client.is_closing()) else {
            return false;
        };
        let unsent = client.output.load(Ordering::Relaxed);
        match mailbox.post(bytes, self.limit.load(Ordering::Relaxed), unsent) {
            Posted::First => client.wake(),
            Posted::Behind => {}
            Posted::Refused => return false,
            Posted::Overflowed => {
                self.stats.count(Counter::OutputBufferDisconnections);
                tracing::warn!(
                    "Client {} closed for overcoming of output buffer limits.",
                    client.addr
                );
                client.close();
                return false;
            }
        }
        true
    }

    /// The names somebody is subscribed to.
    pub(super) fn channels(&self, kind: Kind) -> Vec<Bytes> {
        self.of(kind).read().keys().cloned().collect()
    }

    /// How many names that are.
    pub(in crate::cmd) fn len(&self, kind: Kind) -> usize {
        self.of(kind).read().len()
    }

    /// How many connections are subscribed to `name`.
    pub(super) fn listeners(&self, kind: Kind, name: &[u8]) -> usize {
        self.of(kind).read().get(name).map_or(0, BTreeMap::len)
    }

    /// From now on `client` hears of every command.
    pub(in crate::cmd) fn monitor(&self, client: &Arc<ClientInfo>) {
        let mailbox = client.mailbox.get_or_init(Default::default);
        let mut monitors = self.monitors.write();
        mailbox.monitors.store(true, Ordering::Relaxed);
        monitors.insert(client.id, Arc::clone(client));
        self.monitoring.store(monitors.len(), Ordering::Relaxed);
    }

    fn unmonitor(&self, client: &ClientInfo) {
        if let Some(mailbox) = client.mailbox.get() {
            mailbox.monitors.store(false, Ordering::Relaxed);
        }
        let mut monitors = self.monitors.write();
        monitors.remove(&client.id);
        self.monitoring.store(monitors.len(), Ordering::Relaxed);
    }

    /// Whether anybody hears of every command.
    #[inline]
    pub(in crate::cmd) fn is_monitored(&self) -> bool {
        self.monitoring.load(Ordering::Relaxed) > 0
    }

    /// Sends a line to everybody who said MONITOR.
    pub(in crate::cmd) fn tell_monitors(&self, line: &Bytes) {
        for client in self.monitors.read().values() {
            self.deliver(client, line);
        }
    }
}

/// A push made of byte strings, encoded when it is first needed.
struct Message<'a> {
    parts: &'a [&'a [u8]],
    encoded: [OnceCell<Bytes>; 2],
}

impl<'a> Message<'a> {
    fn new(parts: &'a [&'a [u8]]) -> Self {
        Self {
            parts,
            encoded: Default::default(),
        }
    }

    fn encoded(&self, version: Version) -> &Bytes {
        self.encoded[version as usize].get_or_init(|| {
            let parts = self.parts.iter().map(|&part| Reply::bulk(part));
            let mut out = Output::new();
            out.push(Reply::Push(parts.collect()), version);
            let mut bytes = BytesMut::with_capacity(out.held());
            while !out.is_empty() {
                let chunk = out.chunk();
                let len = chunk.len();
                bytes.extend_from_slice(chunk);
                out.advance(len);
            }
            bytes.freeze()
        })
    }
}
