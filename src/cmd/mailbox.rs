//! What others send to a connection: messages of channels, events of keys, lines of MONITOR.
//!
//! Whoever has something to say puts it into the connection's mailbox, from any thread, and wakes it. The connection takes
//! it out when it runs: before it waits, and behind the reply of each command, so that a message stands behind the reply of
//! the command that caused it, and in front of the replies of those after it.
//!
//! A connection gets its mailbox when it first subscribes to something. Until then it costs one look at an empty cell a
//! command.
//!
//! Bytes that wait here count against `client-output-buffer-limit`, with those the connection has taken out and could not
//! send yet. One that exceeds the hard limit is closed, and nothing more is put into its mailbox.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::ClientInfo;
use super::pubsub::{Kind, Subscriptions};
use crate::resp::Output;

/// A connection's mailbox, and what it has asked for.
#[derive(Default)]
pub struct Mailbox {
    mail: Mutex<Mail>,
    /// What it is subscribed to. Changed by its own task, and emptied by whoever closes it.
    pub(super) subscriptions: Mutex<Subscriptions>,
    /// How many subscriptions of each kind that is, for CLIENT LIST.
    pub(super) counts: [AtomicUsize; Kind::ALL.len()],
    /// What the subscriptions take, in bytes.
    pub(super) names: AtomicUsize,
    /// It said MONITOR.
    pub(super) monitors: AtomicBool,
}

#[derive(Default)]
struct Mail {
    waiting: VecDeque<Bytes>,
    /// What they take here, their places in the queue included.
    bytes: usize,
    /// Nothing is taken in any more.
    closed: bool,
}

/// What became of something that was put into a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    /// It waits; the connection is to be woken.
    First,
    /// It waits behind something else, for which the connection was woken already.
    Behind,
    /// It was too much: nothing is left in the mailbox, and nothing will be taken in any more.
    Overflowed,
    /// The mailbox was closed before.
    Refused,
}

impl Mailbox {
    /// Puts `message` in, if then no more than `limit` bytes wait (0: any number), `unsent` of them elsewhere.
    pub(super) fn post(&self, message: &Bytes, limit: u64, unsent: usize) -> Posted {
        let mut mail = self.mail.lock();
        if mail.closed {
            return Posted::Refused;
        }
        let bytes = mail.bytes + message.len() + size_of::<Bytes>();
        if limit > 0 && (bytes + unsent) as u64 > limit {
            *mail = Mail {
                closed: true,
                ..Mail::default()
            };
            return Posted::Overflowed;
        }
        let first = mail.waiting.is_empty();
        mail.bytes = bytes;
        mail.waiting.push_back(message.clone());
        if first { Posted::First } else { Posted::Behind }
    }

    /// Moves everything that waits behind what `out` holds.
    pub(super) fn empty_into(&self, out: &mut Output) {
        // Not while it is copied: whoever posts would wait for that.
        let waiting = {
            let mut mail = self.mail.lock();
            mail.bytes = 0;
            std::mem::take(&mut mail.waiting)
        };
        for message in waiting {
            out.push_encoded(message);
        }
    }

    /// Bytes that wait, with what holding them takes.
    fn bytes(&self) -> usize {
        self.mail.lock().bytes
    }

    /// How many subscriptions of this kind there are.
    pub(super) fn count(&self, kind: Kind) -> usize {
        self.counts[kind as usize].load(Ordering::Relaxed)
    }
}

impl ClientInfo {
    /// Bytes for it that have not been sent: replies, as far as they are known here, and mail.
    pub fn unsent(&self) -> usize {
        let mail = self.mailbox.get().map_or(0, |mailbox| mailbox.bytes());
        self.output.load(Ordering::Relaxed) + mail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_closes_the_mailbox_for_good() {
        let mailbox = Mailbox::default();
        let message = Bytes::from_static(&[0; 100]);
        assert_eq!(mailbox.post(&message, 400, 0), Posted::First);
        assert_eq!(mailbox.post(&message, 400, 0), Posted::Behind);
        assert_eq!(mailbox.bytes(), 2 * (100 + size_of::<Bytes>()));
        assert_eq!(mailbox.post(&message, 400, 101), Posted::Overflowed);
        assert_eq!(mailbox.bytes(), 0);
        assert_eq!(mailbox.post(&message, 0, 0), Posted::Refused);
    }

    #[test]
    fn mail_stands_behind_what_was_said_before() {
        let mailbox = Mailbox::default();
        let mut out = Output::new();
        out.push(crate::resp::Reply::Ok, Default::default());
        for text in ["one", "two"] {
            mailbox.post(&Bytes::from(text), 0, 0);
        }
        mailbox.empty_into(&mut out);
        assert_eq!(out.chunk(), b"+OK\r\nonetwo");
        assert_eq!(mailbox.post(&Bytes::from("three"), 0, 0), Posted::First);
    }
}
