//! Keyspace notifications: every change of a key, published to whoever subscribed to the key or to the event.
//!
//! ```text
//! SET k v   ->   __keyspace@0__:k   set
//!                __keyevent@0__:set k
//! ```
//!
//! Names, classes and order of events are Redis's. A handler says what it did where it says that something changed
//! ([`Context::changed`]); what follows from that by itself (a key is new, a key was overwritten, a key was not found) is
//! found out here, and only while somebody wants to know. `notify-keyspace-events` says which classes are published; with
//! none, all of this is one look at a number.
//!
//! Events are published while the key is locked, so those of one key come in the order in which things happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bitflags::bitflags;

use super::Context;
use super::pubsub::Broker;
use crate::config::Config;
use crate::store::Why;

bitflags! {
    /// The letters of `notify-keyspace-events` that mean something here: where events go, and which.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Classes: u32 {
        /// `K`: to the channel of the key.
        const KEYSPACE = 1;
        /// `E`: to the channel of the event.
        const KEYEVENT = 1 << 1;
        const GENERIC = 1 << 2;
        const STRING = 1 << 3;
        const EXPIRED = 1 << 4;
        const EVICTED = 1 << 5;
        const NEW = 1 << 6;
        const MISS = 1 << 7;
        const OVERWRITTEN = 1 << 8;
    }
}

impl Classes {
    fn read(letters: &[u8]) -> Self {
        let class = |letter: &u8| match letter {
            b'K' => Self::KEYSPACE,
            b'E' => Self::KEYEVENT,
            b'g' => Self::GENERIC,
            b'$' => Self::STRING,
            b'x' => Self::EXPIRED,
            b'e' => Self::EVICTED,
            b'n' => Self::NEW,
            b'm' => Self::MISS,
            b'o' => Self::OVERWRITTEN,
            _ => Self::empty(), // of types that are not here
        };
        let classes: Self = letters.iter().map(class).collect();
        // Events that go nowhere, and channels without events.
        if classes.intersects(Self::KEYSPACE | Self::KEYEVENT) {
            classes
        } else {
            Self::empty()
        }
    }

    /// The class of what a handler says it did.
    fn of(event: &str) -> Self {
        match event {
            "set" | "setbit" | "setrange" | "append" | "incrby" | "incrbyfloat" => Self::STRING,
            _ => Self::GENERIC,
        }
    }
}

/// Publishes events of the classes that are wanted.
pub struct Notifier {
    wanted: AtomicU32,
    broker: Arc<Broker>,
}

impl Notifier {
    pub(super) fn new(config: &Config, broker: Arc<Broker>) -> Arc<Self> {
        let wanted = |config: &Config| Classes::read(&config.notify_keyspace_events()).bits();
        let notifier = Arc::new(Self {
            wanted: AtomicU32::new(wanted(config)),
            broker,
        });
        let follower = Arc::downgrade(&notifier);
        config.on_change("notify-keyspace-events", move |config| {
            if let Some(notifier) = follower.upgrade() {
                notifier.wanted.store(wanted(config), Ordering::Relaxed);
            }
            Ok(())
        });
        notifier
    }

    #[inline]
    fn wants(&self, class: Classes) -> bool {
        self.wanted.load(Ordering::Relaxed) & class.bits() != 0
    }

    /// A handler did something to a key.
    #[inline]
    fn tell(&self, db: usize, event: &str, key: &[u8]) {
        if self.wanted.load(Ordering::Relaxed) != 0 {
            self.publish(Classes::of(event), db, event, key);
        }
    }

    /// A key went by itself.
    pub(super) fn departed(&self, db: usize, key: &[u8], why: Why) {
        match why {
            Why::Expired => self.publish(Classes::EXPIRED, db, "expired", key),
            Why::Evicted => self.publish(Classes::EVICTED, db, "evicted", key),
        }
    }

    #[cold]
    fn publish(&self, class: Classes, db: usize, event: &str, key: &[u8]) {
        if !self.wants(class) {
            return;
        }
        if self.wants(Classes::KEYSPACE) {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.broker.publish(&channel, event.as_bytes());
        }
        if self.wants(Classes::KEYEVENT) {
            let channel = format!("__keyevent@{db}__:{event}");
            self.broker.publish(channel.as_bytes(), key);
        }
    }
}

impl Context<'_> {
    /// Publishes what happened to a key. Where it changed, [`Context::changed`] does this too.
    #[inline]
    pub(super) fn notify(&self, db: usize, event: &'static str, key: &[u8]) {
        self.world.notifier.tell(db, event, key);
    }

    /// A look-up to read `key` found nothing.
    #[inline]
    pub(super) fn notify_miss(&self, key: &[u8]) {
        if self.world.notifier.wants(Classes::MISS) {
            let notifier = &self.world.notifier;
            notifier.publish(Classes::MISS, self.client.db, "keymiss", key);
        }
    }

    /// `key` is about to be stored as a whole: says so if there was none, or if there was.
    #[inline]
    pub(super) fn notify_put(&mut self, db: usize, key: &[u8]) {
        if self
            .world
            .notifier
            .wants(Classes::NEW | Classes::OVERWRITTEN)
        {
            // Looked up to change it, so that one whose time has come goes first.
            if self.keys.get_mut(db, key).is_some() {
                self.notify_overwritten(db, key);
            } else {
                self.notify_new(db, key);
            }
        }
    }

    /// As [`Context::notify_put`], where a key that is there is changed and not overwritten.
    #[inline]
    pub(super) fn notify_create(&mut self, db: usize, key: &[u8]) {
        if self.world.notifier.wants(Classes::NEW) && self.keys.get_mut(db, key).is_none() {
            self.notify_new(db, key);
        }
    }

    /// A key came to be, perhaps after another of that name was taken out of its way.
    pub(super) fn notify_new(&self, db: usize, key: &[u8]) {
        self.world.notifier.publish(Classes::NEW, db, "new", key);
    }

    /// Another value than before is at `key`.
    pub(super) fn notify_overwritten(&self, db: usize, key: &[u8]) {
        let notifier = &self.world.notifier;
        notifier.publish(Classes::OVERWRITTEN, db, "overwritten", key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_need_somewhere_to_go() {
        assert_eq!(Classes::read(b"g$x"), Classes::empty());
        assert_eq!(Classes::read(b"$lK"), Classes::STRING | Classes::KEYSPACE);
    }
}
