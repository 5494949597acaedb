//! What a handler works with: the caller, the server, and the keys its row locked.

use std::mem;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{
    Args, Client, ClientInfo, CmdError, CmdResult, Command, Flags, Flow, Scope, World, count_error,
    latency, monitor,
};
use crate::bits::View;
use crate::persist::aof::Open;
use crate::resp::{Output, Reply, Request};
use crate::stats::Counter;
use crate::store::{Access, EntryMut, EntryRef, Found, Locked, Removed, Value};

/// The keys of a running command, in the caller's database unless another is named.
pub struct Context<'a> {
    pub world: &'a World,
    pub client: &'a mut Client,
    /// The row (or the subcommand's row) that is running.
    pub command: &'static Command,
    /// What the connection does next; [`Flow::Continue`] unless the handler says otherwise.
    pub flow: Flow,
    /// Whether this runs inside EXEC, where nothing may wait.
    pub in_exec: bool,
    /// Where replies go. Only EXEC, which has many, writes here itself.
    pub(super) out: &'a mut Output,
    pub(super) keys: Locked<'a>,
    /// What remains to be done when no key is locked any more.
    pub(super) after: Option<After>,
    /// What goes to the log together, where there is a log and something may change. Appended while the keys are locked.
    pub(super) block: Option<Open<'a>>,
    /// What the running command has to say to the log.
    said: Said,
}

/// What the log is to hold of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Nothing so far: it changed nothing.
    Nothing,
    /// Something changed: the request, as it was sent.
    Request,
    /// The handler has said it in other words.
    Instead,
}

/// Work that waits for the end of a command (or its transaction).
pub(super) type After = Box<dyn FnOnce(&World)>;

impl<'a> Context<'a> {
    /// What `command` works with, whose keys are locked.
    #[inline]
    pub(super) fn new(
        world: &'a World,
        client: &'a mut Client,
        command: &'static Command,
        keys: Locked<'a>,
        out: &'a mut Output,
    ) -> Self {
        // Looked at under the locks: a log begins while all keys are locked.
        let logs = command.flags.contains(Flags::WRITE) && world.log.feed.is_on();
        let block = logs.then(|| world.log.feed.open());
        Self {
            world,
            client,
            command,
            flow: Flow::Continue,
            in_exec: false,
            out,
            keys,
            after: None,
            block,
            said: Said::Nothing,
        }
    }

    /// Runs the row's handler on `args` and sends its reply, unless told not to.
    #[inline]
    pub(super) fn run(&mut self, args: Args<'_>, sends: bool) {
        let running = self.world.calls.start(self.command, self.client.lap);
        self.said = Said::Nothing;
        let result = (self.command.run)(self, args);
        if self.said == Said::Request && self.block.is_some() {
            let own = self.world.names.to_log(self.command);
            let words = args.request().iter().enumerate();
            self.log(words.map(|(at, word)| match own {
                Some(name) if at == 0 => name,
                _ => word,
            }));
        }
        if let Some(took) = running.end(1, is_failure(&result).into(), &mut self.client.lap) {
            self.took_long(args.request(), took);
        }
        monitor::show(self.world, self.client, self.command, args.request());
        self.world.stats.count(Counter::Commands);
        ClientInfo::count(&self.client.info.commands, 1);
        self.answer(result, sends);
    }

    /// Runs the row's handler on each of these requests, short reads whose keys are locked elsewhere and found, and sends the
    /// replies. Since none of them takes long, they are timed together.
    #[inline]
    pub(super) fn run_reads<'r>(
        &mut self,
        reads: impl Iterator<Item = (Request<'r>, &'a Found<'a>)>,
    ) {
        let command = self.command;
        self.client.info.remember_command(Some(command));
        let running = self.world.calls.start(command, self.client.lap);
        let (mut ran, mut failed, mut last) = (0, 0, None);
        for (request, found) in reads {
            self.keys.borrow(found);
            let result = (command.run)(self, Args::new(request, command.args_at));
            ran += 1;
            failed += u64::from(is_failure(&result));
            self.answer(result, true);
            last = Some(request);
        }
        let took = running.end(ran, failed, &mut self.client.lap);
        if let (Some(took), Some(last)) = (took, last) {
            self.took_long(last, took);
        }
        self.world.stats.add(Counter::Commands, ran);
        ClientInfo::count(&self.client.info.commands, ran);
    }

    /// Sends what a command came to, unless told not to, and counts it if it is an error.
    #[inline(always)]
    pub(super) fn answer(&mut self, result: CmdResult, sends: bool) {
        if let Ok(reply) = &result
            && sends
            && self.client.send_short(reply, self.out)
        {
            if matches!(reply, Reply::Integer(_) | Reply::Ok | Reply::Null) {
                mem::forget(result); // it holds nothing, and to find that out again takes longer than a digit
            }
            return;
        }
        self.answer_at_length(result.unwrap_or_else(Reply::from), sends);
    }

    #[inline(never)]
    fn answer_at_length(&mut self, reply: Reply, sends: bool) {
        if reply.is_error() {
            count_error(self.world, &reply);
        }
        if sends {
            self.client.send(reply, self.out);
        }
    }

    /// Says what the log is to hold of this command instead of the request: what it came to, in words that mean the same
    /// whenever they are read. `how` is run only where there is a log; each command it says is logged.
    ///
    /// To be called after the change it is about, and before the next.
    pub(super) fn log_as(&mut self, how: impl FnOnce(&mut dyn FnMut(&[&[u8]]))) {
        self.said = Said::Instead;
        if self.block.is_some() {
            how(&mut |words| self.log(words.iter().copied()));
        }
    }

    /// Something changed that is not a key ([`Context::changed`] says so of keys), and the log is to hold it.
    pub(super) fn changed_at_large(&mut self) {
        if self.said == Said::Nothing {
            self.said = Said::Request;
        }
    }

    fn log<'w>(&self, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        self.world.log.feed.log(self.client.db, words);
    }

    /// Begins what a transaction logs. All its keys are locked.
    pub(super) fn begin_block(&mut self) {
        let feed = &self.world.log.feed;
        self.block = feed.is_on().then(|| feed.open());
    }

    /// Appends to the log what was done, while the keys are still locked.
    #[inline]
    pub(super) fn end_block(&mut self) {
        if let Some(end) = self.block.take().and_then(Open::commit) {
            self.client.logged = end;
        }
    }

    /// Notes that the running command took long, for whoever set a limit that it reached.
    #[cold]
    fn took_long(&self, request: Request<'_>, took: Duration) {
        let (world, command) = (self.world, self.command);
        let config = &world.config;
        let now_ms = world.keyspace.clock().now_ms();
        let reached = |limit: Option<Duration>| limit.is_some_and(|limit| took >= limit);
        if reached(config.slowlog_log_slower_than()) && !command.flags.contains(Flags::SKIP_SLOWLOG)
        {
            let most = config.slowlog_max_len();
            let ended = (now_ms, took);
            world
                .slowlog
                .add(self.client, command, request, ended, most);
        }
        if reached(config.latency_monitor_threshold()) {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            world.spikes.add(latency::event(command), now_ms, millis);
        }
    }

    /// Leaves work for when no key is locked any more.
    pub(super) fn after(&mut self, work: impl FnOnce(&World) + 'static) {
        let before = self.after.take();
        self.after = Some(Box::new(|world| {
            if let Some(before) = before {
                before(world);
            }
            work(world);
        }));
    }

    /// Milliseconds since the Unix epoch. Does not move while the command (or the transaction) runs.
    pub fn now(&self) -> i64 {
        self.keys.now()
    }

    /// Everything that is locked, for what the short cuts below do not cover.
    pub fn keys(&self) -> &Locked<'a> {
        &self.keys
    }

    /// As [`Context::keys`], to change.
    pub fn keys_mut(&mut self) -> &mut Locked<'a> {
        &mut self.keys
    }

    /// For a handler of [`Scope::Walk`] that turns out to need every key: locks them, unless a transaction already has.
    pub fn lock_everything(&mut self, access: Access) {
        if !self.in_exec {
            // Whatever the old value held (nothing) must be gone before all is asked for.
            self.keys = self.world.keyspace.lock_none();
            self.keys = self.world.keyspace.lock_all(access);
        }
    }

    /// Lets go of every lock while `work` runs, and takes those of `request` again. What was looked up before may be
    /// gone after. Not inside a transaction.
    pub(super) fn unlocked(&mut self, request: Request<'_>, work: impl FnOnce(&'a World)) {
        debug_assert!(!self.in_exec, "a transaction keeps its locks to its end");
        debug_assert!(
            !self.keys.is_borrowed(),
            "whoever holds these locks may hold others"
        );
        self.end_block();
        self.keys = self.world.keyspace.lock_none();
        work(self.world);
        self.keys = lock(self.world, self.command, request);
        if self.command.flags.contains(Flags::WRITE) {
            self.begin_block();
        }
    }

    /// Looks a key up for its value: counts as an access, and as a keyspace hit or miss.
    #[inline(always)]
    pub fn read(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        let found = self.peek(key);
        let counter = self.note_read(key, found);
        self.world.stats.count(counter);
        found
    }

    /// Counts as [`Context::read`] does what [`Context::peek`] found of each key.
    pub fn count_reads<'k>(&self, all: impl Iterator<Item = (&'k [u8], Option<EntryRef<'k>>)>) {
        let (mut hits, mut misses) = (0, 0);
        for (key, found) in all {
            match self.note_read(key, found) {
                Counter::Hits => hits += 1,
                _ => misses += 1,
            }
        }
        self.count_looks(hits, misses);
    }

    /// Notes in a key that it was read, or says that it was not there; how that counts.
    #[inline]
    fn note_read(&self, key: &[u8], found: Option<EntryRef<'_>>) -> Counter {
        let Some(entry) = found else {
            self.notify_miss(key);
            return Counter::Misses;
        };
        if !self.client.no_touch {
            entry.touch();
        }
        Counter::Hits
    }

    /// Looks a key up for facts about it: counts as a keyspace hit or miss, but not as an access.
    pub fn look(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        let found = self.look_quietly(key);
        if found.is_none() {
            self.notify_miss(key);
        }
        found
    }

    /// As [`Context::look`], but a miss is no event (OBJECT).
    pub fn look_quietly(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        let found = self.peek(key);
        self.count_looks(found.is_some().into(), found.is_none().into());
        found
    }

    #[inline]
    fn count_looks(&self, hits: u64, misses: u64) {
        for (counter, count) in [(Counter::Hits, hits), (Counter::Misses, misses)] {
            if count > 0 {
                self.world.stats.add(counter, count);
            }
        }
    }

    /// The value to read; [`Context::read`] without the rest.
    #[inline(always)]
    pub fn view(&self, key: &[u8]) -> Option<View<'_>> {
        self.read(key).map(|entry| entry.view())
    }

    /// Looks a key up without counting it as anything.
    #[inline]
    pub fn peek(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.keys.get(self.client.db, key)
    }

    /// Looks a key up to change it, or to decide whether to: counts as an access, but as neither hit nor miss.
    pub fn edit(&mut self, key: &[u8]) -> Option<EntryMut<'_>> {
        let (db, touches) = (self.client.db, !self.client.no_touch);
        let entry = self.keys.get_mut(db, key)?;
        if touches {
            entry.as_ref().touch();
        }
        Some(entry)
    }

    /// The key's entry, made as an empty raw string where there is none. The flag says whether it was made.
    pub fn edit_or_create(&mut self, key: &[u8]) -> (EntryMut<'_>, bool) {
        let (db, touches) = (self.client.db, !self.client.no_touch);
        self.notify_create(db, key);
        let (entry, created) = self.keys.get_or_create(db, key);
        if touches && !created {
            entry.as_ref().touch();
        }
        (entry, created)
    }

    /// Stores a value, whatever was there; `expires_at` is absolute, in milliseconds.
    pub fn put(&mut self, key: &[u8], value: Value, expires_at: Option<i64>) {
        let db = self.client.db;
        self.notify_put(db, key);
        self.keys.put(db, key, value, expires_at);
    }

    /// As [`Context::put`] of a string set as a whole.
    pub fn put_bytes(&mut self, key: &[u8], bytes: &[u8], expires_at: Option<i64>) {
        let db = self.client.db;
        self.notify_put(db, key);
        self.keys.put_bytes(db, key, bytes, expires_at);
    }

    /// As [`Context::put`] of a short string that was built by a command, for ever.
    pub fn put_raw(&mut self, key: &[u8], bytes: &[u8]) {
        let db = self.client.db;
        self.notify_put(db, key);
        self.keys.put_raw(db, key, bytes);
    }

    /// Takes a key out and frees what it held, a long value once the locks are released. Whether it was there.
    pub fn delete(&mut self, key: &[u8]) -> bool {
        let db = self.client.db;
        self.keys.delete(db, key)
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<Removed> {
        let db = self.client.db;
        self.keys.remove(db, key)
    }

    /// The one point that every change of a key passes, after it: tells the watchers and the subscribers, and counts it.
    ///
    /// `event` is the name Redis gives the change in keyspace notifications (`setbit`, `set`, `del`, ...).
    pub fn changed(&mut self, event: &'static str, key: &[u8]) {
        let db = self.client.db;
        self.changed_in(db, event, key);
    }

    /// As [`Context::changed`], in a database other than the caller's (MOVE, COPY).
    pub fn changed_in(&mut self, db: usize, event: &'static str, key: &[u8]) {
        self.left(db, event, key);
        self.world.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// A key went where [`Context::changed`] is about to say it came (RENAME, MOVE): the two count as one change.
    pub fn left(&mut self, db: usize, event: &'static str, key: &[u8]) {
        tracing::trace!(event, db, "changed");
        self.changed_at_large();
        self.keys.touch_watchers(db, key);
        self.notify(db, event, key);
    }

    /// Refuses a string of `len` bytes where it exceeds `proto-max-bulk-len`.
    pub fn check_length(&self, len: u64) -> Result<(), CmdError> {
        if len > self.world.config.proto_max_bulk_len() && !self.client.replays {
            Err(CmdError::TooLong)
        } else {
            Ok(())
        }
    }
}

#[inline]
fn is_failure(result: &CmdResult) -> bool {
    match result {
        Ok(reply) => reply.is_error(),
        Err(_) => true,
    }
}

/// Locks what `command`'s row says for `request`.
#[inline]
pub(super) fn lock<'a>(world: &'a World, command: &Command, request: Request<'_>) -> Locked<'a> {
    let keyspace = &world.keyspace;
    match command.scope {
        Scope::Keys => match command.keys {
            [spec] if spec.is_one() => match request.get(spec.first) {
                Some(key) => keyspace.lock_key(key, spec.access()),
                None => keyspace.lock_none(),
            },
            _ => keyspace.lock_keys(command.keys_of(request)),
        },
        Scope::Nothing | Scope::Walk(_) => keyspace.lock_none(),
        Scope::Everything(access) => keyspace.lock_all(access),
    }
}
