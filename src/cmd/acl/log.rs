//! What was refused, for ACL LOG: one entry for each kind of refusal, counted while it goes on.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Refusals that are alike and no further apart than this, in milliseconds, are one entry.
const TOGETHER_MS: i64 = 60_000;

/// How many entries are looked at for one that is alike.
const LOOK_BACK: usize = 10;

/// How many bytes of a key, a channel or a name are kept. A client chooses them, and they stay.
const LONGEST: usize = 4096;

/// What was refused to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// `command`, `key`, `channel` or `auth`.
    pub(super) reason: &'static str,
    /// `toplevel` or `multi`.
    pub(super) context: &'static str,
    /// The command, the key or the channel.
    pub(super) object: Vec<u8>,
    pub(super) user: Vec<u8>,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) count: i64,
    pub(super) refusal: Refusal,
    /// The connection's line in CLIENT LIST, the last time.
    pub(super) client: String,
    /// Milliseconds since the Unix epoch.
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

/// The entries, newest first.
#[derive(Default)]
pub(super) struct Log(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    newest_first: VecDeque<Entry>,
    next_id: i64,
}

impl Log {
    /// Notes a refusal, and keeps `limit` entries at most.
    pub(super) fn note(&self, mut refusal: Refusal, client: String, now_ms: i64, limit: usize) {
        refusal.object.truncate(LONGEST);
        refusal.user.truncate(LONGEST);
        let mut entries = self.0.lock();
        let id = entries.next_id;
        let alike = entries
            .newest_first
            .iter()
            .take(LOOK_BACK)
            .position(|entry| {
                entry.refusal == refusal && (now_ms - entry.last_ms).abs() <= TOGETHER_MS
            });
        let mut entry = match alike.and_then(|at| entries.newest_first.remove(at)) {
            Some(entry) => entry,
            None => {
                entries.next_id += 1;
                Entry {
                    id,
                    count: 0,
                    refusal,
                    client: String::new(),
                    first_ms: now_ms,
                    last_ms: now_ms,
                }
            }
        };
        entry.count += 1;
        entry.client = client;
        entry.last_ms = now_ms;
        entries.newest_first.push_front(entry);
        entries.newest_first.truncate(limit);
    }

    /// The newest entries, `most` at most.
    pub(super) fn newest(&self, most: usize) -> Vec<Entry> {
        self.0
            .lock()
            .newest_first
            .iter()
            .take(most)
            .cloned()
            .collect()
    }

    pub(super) fn clear(&self) {
        self.0.lock().newest_first.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(object: &str) -> Refusal {
        Refusal {
            reason: "key",
            context: "toplevel",
            object: object.into(),
            user: b"someone".to_vec(),
        }
    }

    #[test]
    fn alike_refusals_are_counted_and_come_to_the_front() {
        let log = Log::default();
        for (object, now) in [("a", 0), ("b", 1), ("a", 2), ("a", 2 + TOGETHER_MS + 1)] {
            log.note(refusal(object), object.into(), now, 128);
        }
        let entries = log.newest(10);
        let told: Vec<_> = entries
            .iter()
            .map(|entry| (entry.id, entry.count))
            .collect();
        assert_eq!(told, [(2, 1), (0, 2), (1, 1)]);
        assert_eq!((entries[1].first_ms, entries[1].last_ms), (0, 2));
    }

    #[test]
    fn the_log_stays_as_short_as_it_may_be_and_its_entries_small() {
        let log = Log::default();
        for n in 0..20 {
            log.note(refusal(&n.to_string().repeat(LONGEST)), String::new(), 0, 3);
        }
        let entries = log.newest(100);
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].refusal.object.len(), LONGEST);
        log.clear();
        assert!(log.newest(100).is_empty());
    }
}
