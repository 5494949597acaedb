//! One connection, as commands see it: what it selected, queued and watches, and what others may know of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;

use super::calls::Lap;
use super::mailbox::Mailbox;
use super::transaction::{Queue, Watching};
use super::{Command, User, World, table};
use crate::resp::{Output, Reply, Version};
use crate::store::Watch;

/// A connection's own state. Only its own task holds it.
pub struct Client {
    /// What CLIENT LIST shows and CLIENT KILL reaches.
    pub info: Arc<ClientInfo>,
    /// The selected database.
    pub db: usize,
    pub version: Version,
    /// Whether it may run commands that need a password.
    pub authenticated: bool,
    /// Who it is; the default user until it says otherwise, even where that one needs a password.
    pub user: Arc<User>,
    /// Between MULTI and EXEC: what was queued.
    pub queue: Option<Queue>,
    /// After WATCH.
    pub watching: Option<Watching>,
    pub replies: Replies,
    /// The position in the log after what it last changed.
    pub logged: u64,
    /// What it sends happened before: nothing is past its time, and no limit applies. The replay of a log.
    pub replays: bool,
    /// CLIENT NO-TOUCH: its reads do not count as accesses.
    pub no_touch: bool,
    /// When its last command ended, while the next is to follow at once.
    pub(super) lap: Lap,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    On,
    Off,
    /// The command that asked for silence is running; the one after it is the one to silence.
    SkipNext,
    /// This command's reply is not sent.
    Skip,
}

impl Replies {
    fn silent(self) -> bool {
        matches!(self, Replies::Off | Replies::Skip)
    }
}

impl Client {
    /// A connection that has just come.
    pub fn new(world: &World, origin: Origin, now_ms: i64) -> Self {
        let user = world.acl.default_user();
        Self {
            info: world.clients.register(origin, Arc::clone(&user), now_ms),
            user,
            authenticated: world.acl.is_open(),
            db: 0,
            version: Version::Resp2,
            queue: None,
            watching: None,
            replies: Replies::On,
            logged: 0,
            replays: false,
            no_touch: false,
            lap: Lap::default(),
        }
    }

    /// Appends a reply, unless the client asked for silence.
    #[inline]
    pub fn send(&self, reply: Reply, out: &mut Output) {
        if !self.replies.silent() {
            out.push(reply, self.version);
        }
    }

    /// As [`Client::send`], of one of the most common replies, which stays where it is; whether it is one.
    #[inline(always)]
    pub(super) fn send_short(&self, reply: &Reply, out: &mut Output) -> bool {
        !self.replies.silent() && out.push_short(reply, self.version)
    }

    /// As [`Client::send`], of the start of an array whose `len` replies follow one by one.
    pub(super) fn send_array(&self, len: usize, out: &mut Output) {
        if !self.replies.silent() {
            out.begin_array(len);
        }
    }

    /// Ends a command whose reply was sent, or would have been: the next one's is another matter. `execute` does this, but
    /// not for a command that answers later.
    #[inline]
    pub fn done(&mut self) {
        match self.replies {
            Replies::On | Replies::Off => {}
            Replies::SkipNext => self.replies = Replies::Skip,
            Replies::Skip => self.replies = Replies::On,
        }
    }

    /// The end of a command that waited: sends its reply.
    pub fn answer_late(&mut self, reply: Reply, out: &mut Output) {
        self.info.blocked.store(false, Ordering::Relaxed);
        let reply = match self.info.unblocking.swap(0, Ordering::Relaxed) {
            BY_ERROR => Reply::error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
            _ => reply,
        };
        self.send(reply, out);
        self.done();
    }

    /// As it came: RESET, once the transaction is over.
    pub(super) fn reset(&mut self, world: &World) {
        self.become_user(world.acl.default_user());
        self.authenticated = world.acl.is_open();
        self.replies = Replies::On;
        self.select(0);
        self.speak(Version::Resp2);
        self.set_no_touch(false);
        self.info.no_evict.store(false, Ordering::Relaxed);
        self.info.said.lock().name = Bytes::new();
    }

    /// It has logged in.
    pub(super) fn become_user(&mut self, user: Arc<User>) {
        *self.info.user.lock() = Arc::clone(&user);
        self.user = user;
        self.authenticated = true;
    }

    pub(super) fn select(&mut self, db: usize) {
        self.db = db;
        self.info.db.store(db, Ordering::Relaxed);
    }

    pub(super) fn speak(&mut self, version: Version) {
        self.version = version;
        let number = match version {
            Version::Resp2 => 2,
            Version::Resp3 => 3,
        };
        self.info.resp.store(number, Ordering::Relaxed);
    }

    pub(super) fn set_no_touch(&mut self, on: bool) {
        self.no_touch = on;
        self.info.no_touch.store(on, Ordering::Relaxed);
    }
}

/// CLIENT UNBLOCK: as if the time were over.
const BY_TIME: u8 = 1;
/// CLIENT UNBLOCK: with an error.
const BY_ERROR: u8 = 2;

/// What the rest of the server may know of a connection. Written by the connection, read by anybody.
pub struct ClientInfo {
    pub id: u64,
    /// The peer, as CLIENT LIST prints it: `ip:port`, or `path:0` for a Unix socket.
    pub addr: String,
    /// This end.
    pub laddr: String,
    /// Whether it came by a Unix socket.
    pub unix: bool,
    /// The socket's descriptor.
    pub fd: i32,
    /// When it came, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it last sent something, in milliseconds since the Unix epoch.
    pub active_ms: AtomicI64,
    pub db: AtomicUsize,
    /// 2 or 3.
    pub resp: AtomicUsize,
    /// Commands queued since MULTI, -1 outside; and the bytes they take.
    pub queued: AtomicI64,
    pub queued_bytes: AtomicUsize,
    /// A command of its answers later.
    pub blocked: AtomicBool,
    /// A command of its is held back, or was when it was looked at last (CLIENT PAUSE).
    pub(super) postponed: AtomicBool,
    /// Somebody ended its waiting: one of the constants below, 0 if nobody did.
    unblocking: AtomicU8,
    pub no_evict: AtomicBool,
    pub no_touch: AtomicBool,
    /// Bytes read and not yet run; and room left in the read buffer.
    pub query_buffer: AtomicUsize,
    pub query_buffer_free: AtomicUsize,
    /// Bytes it is counted for under `maxmemory-clients`.
    pub(super) burden: AtomicUsize,
    /// Bytes of replies not yet sent.
    pub output: AtomicUsize,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    /// Commands it ran.
    pub commands: AtomicU64,
    /// Address of the row of the last command it sent, 0 where there is none: stored with every command, and looked up
    /// in the table by the few who ask.
    last_command: AtomicUsize,
    pub said: Mutex<Said>,
    /// Who it is.
    user: Mutex<Arc<User>>,
    pub watching: Mutex<Option<Watched>>,
    /// What others send to it: there from the first subscription on.
    pub(super) mailbox: OnceLock<Box<Mailbox>>,
    closing: AtomicBool,
    /// Wakes the connection so that it sees it was told to close, or has mail.
    wake: Box<dyn Fn() + Send + Sync>,
}

/// What a connection said of itself.
#[derive(Default)]
pub struct Said {
    pub name: Bytes,
    pub lib_name: Bytes,
    pub lib_ver: Bytes,
}

/// What a connection watches.
pub struct Watched {
    pub keys: usize,
    /// What they take.
    pub bytes: usize,
    pub mark: Arc<Watch>,
}

/// Where a connection comes from and how to wake it: what the server knows before the first command.
pub struct Origin {
    pub addr: String,
    pub laddr: String,
    pub unix: bool,
    pub fd: i32,
    pub wake: Box<dyn Fn() + Send + Sync>,
}

impl ClientInfo {
    /// Tells the connection to close once what it is doing is done.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.wake();
    }

    /// Lets the connection look at what others want of it.
    pub(super) fn wake(&self) {
        (self.wake)();
    }

    /// Who it is.
    pub fn user(&self) -> Arc<User> {
        Arc::clone(&self.user.lock())
    }

    /// Ends its waiting for an answer, as if the time were over or with an error. Whether it waited.
    pub(super) fn unblock(&self, error: bool) -> bool {
        if !self.blocked.load(Ordering::Relaxed) {
            return false;
        }
        let how = if error { BY_ERROR } else { BY_TIME };
        self.unblocking.store(how, Ordering::Relaxed);
        self.wake();
        true
    }

    /// Whether somebody did.
    pub fn is_unblocked(&self) -> bool {
        self.unblocking.load(Ordering::Relaxed) != 0
    }

    /// Whether it comes from this machine: by a Unix socket, or from a loopback address.
    pub fn is_local(&self) -> bool {
        self.unix || self.addr.starts_with("127.") || self.addr.starts_with("[::1]:")
    }

    /// Notes the command it sent, `None` if there is no such command.
    #[inline]
    pub(super) fn remember_command(&self, command: Option<&'static Command>) {
        let row = command.map_or(0, |command| std::ptr::from_ref(command).addr());
        self.last_command.store(row, Ordering::Relaxed);
    }

    /// The last command it sent, if there was one of that name.
    pub fn last_command(&self) -> Option<&'static Command> {
        let row = self.last_command.load(Ordering::Relaxed);
        table::all().find(|command| std::ptr::from_ref(*command).addr() == row)
    }

    /// How many keys it watches, and whether one of them changed: then the others make no difference any more.
    pub fn watched(&self) -> (usize, bool) {
        match &*self.watching.lock() {
            Some(watched) if watched.mark.is_touched() => (0, true),
            Some(watched) => (watched.keys, false),
            None => (0, false),
        }
    }

    /// Adds to one of the numbers here that only its own connection writes, which needs no atomic addition.
    #[inline]
    pub fn count(number: &AtomicU64, n: u64) {
        number.store(number.load(Ordering::Relaxed) + n, Ordering::Relaxed);
    }

    /// Bytes it holds besides its buffers: what it queued, watches and is subscribed to.
    pub(super) fn kept_bytes(&self) -> usize {
        let watched = self.watching.lock().as_ref().map_or(0, |held| held.bytes);
        let mailbox = self.mailbox.get();
        let subscribed = mailbox.map_or(0, |held| held.names.load(Ordering::Relaxed));
        self.queued_bytes.load(Ordering::Relaxed) + watched + subscribed
    }

    /// Whether somebody told it to close.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// Every connection there is, by id.
#[derive(Default)]
pub struct Clients {
    next_id: AtomicU64,
    // Held for a look or a change of the map, never while a command runs or a socket is touched.
    all: Mutex<BTreeMap<u64, Arc<ClientInfo>>>,
}

impl Clients {
    /// Registers a connection that came at `now_ms`, and gives it the next id (the first is 1, as in Redis).
    fn register(&self, origin: Origin, user: Arc<User>, now_ms: i64) -> Arc<ClientInfo> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        let info = Arc::new(ClientInfo {
            id,
            addr: origin.addr,
            laddr: origin.laddr,
            unix: origin.unix,
            fd: origin.fd,
            created_ms: now_ms,
            active_ms: AtomicI64::new(now_ms),
            db: AtomicUsize::new(0),
            resp: AtomicUsize::new(2),
            queued: AtomicI64::new(-1),
            queued_bytes: AtomicUsize::new(0),
            blocked: AtomicBool::new(false),
            postponed: AtomicBool::new(false),
            unblocking: AtomicU8::new(0),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            query_buffer: AtomicUsize::new(0),
            query_buffer_free: AtomicUsize::new(0),
            burden: AtomicUsize::new(0),
            output: AtomicUsize::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            last_command: AtomicUsize::new(0),
            said: Mutex::default(),
            user: Mutex::new(user),
            watching: Mutex::default(),
            mailbox: OnceLock::new(),
            closing: AtomicBool::new(false),
            wake: origin.wake,
        });
        self.all.lock().insert(id, Arc::clone(&info));
        info
    }

    /// Forgets a connection that is gone, or as good as gone.
    pub fn unregister(&self, id: u64) {
        self.all.lock().remove(&id);
    }

    /// The connection of this id.
    pub fn find(&self, id: u64) -> Option<Arc<ClientInfo>> {
        self.all.lock().get(&id).cloned()
    }

    /// All connections, oldest first.
    pub fn list(&self) -> Vec<Arc<ClientInfo>> {
        self.all.lock().values().cloned().collect()
    }

    pub fn len(&self) -> usize {
        self.all.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
