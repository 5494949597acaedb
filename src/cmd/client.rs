//! One connection, as commands see it: what it selected, queued and watches, and what others may know of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::Command;
use super::transaction::{Queue, Watching};
use crate::resp::Version;

/// A connection's own state. Only its own task holds it.
pub struct Client {
    /// What CLIENT LIST shows and CLIENT KILL reaches.
    pub info: Arc<ClientInfo>,
    /// The selected database.
    pub db: usize,
    pub version: Version,
    /// Whether it may run commands that need a password.
    pub authenticated: bool,
    /// Between MULTI and EXEC: what was queued.
    pub queue: Option<Queue>,
    /// After WATCH.
    pub watching: Option<Watching>,
    pub replies: Replies,
    /// CLIENT NO-TOUCH: its reads do not count as accesses.
    pub no_touch: bool,
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

impl Client {
    pub fn new(info: Arc<ClientInfo>, authenticated: bool) -> Self {
        Self {
            info,
            db: 0,
            version: Version::Resp2,
            authenticated,
            queue: None,
            watching: None,
            replies: Replies::On,
            no_touch: false,
        }
    }
}

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
    /// Commands queued since MULTI, -1 outside.
    pub queued: AtomicI64,
    /// Keys watched.
    pub watched: AtomicUsize,
    pub no_evict: AtomicBool,
    pub no_touch: AtomicBool,
    /// Bytes read and not yet run; and room left in the read buffer.
    pub query_buffer: AtomicUsize,
    pub query_buffer_free: AtomicUsize,
    /// Bytes of replies not yet sent.
    pub output: AtomicUsize,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub commands: AtomicU64,
    /// What it said of itself, and the last command it ran.
    pub said: Mutex<Said>,
    closing: AtomicBool,
    /// Wakes the connection so that it sees it was told to close.
    wake: Box<dyn Fn() + Send + Sync>,
}

/// What a connection said of itself.
#[derive(Default)]
pub struct Said {
    pub name: Bytes,
    pub lib_name: Bytes,
    pub lib_ver: Bytes,
    pub last_command: Option<&'static Command>,
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
        (self.wake)();
    }

    /// Whether it comes from this machine: by a Unix socket, or from a loopback address.
    pub fn is_local(&self) -> bool {
        self.unix || self.addr.starts_with("127.") || self.addr.starts_with("[::1]:")
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
    pub fn register(&self, origin: Origin, now_ms: i64) -> Arc<ClientInfo> {
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
            watched: AtomicUsize::new(0),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            query_buffer: AtomicUsize::new(0),
            query_buffer_free: AtomicUsize::new(0),
            output: AtomicUsize::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            said: Mutex::default(),
            closing: AtomicBool::new(false),
            wake: origin.wake,
        });
        self.all.lock().insert(id, Arc::clone(&info));
        info
    }

    /// Forgets a connection that is gone.
    pub fn unregister(&self, id: u64) {
        self.all.lock().remove(&id);
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
