//! Where clients come in: the addresses to listen on, and what every newcomer meets at the door.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs},
    os::{
        fd::AsRawFd,
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{Shared, connection::Connection, socket::Direct, tls::TlsError};
use crate::{
    config::{Config, system_text},
    stats::Counter,
};

/// What to listen on.
#[derive(Clone, Debug, Default)]
pub struct Listen {
    /// Each is an address, a host name, `*` for all of IPv4 or `::*` for all of IPv6. One that starts with `-` may be
    /// missing on this machine.
    pub bind: Vec<String>,
    /// `None` for no TCP without TLS, 0 for any port that is free.
    pub port: Option<u16>,
    /// As `port`, with TLS.
    pub tls_port: Option<u16>,
    /// How many connections may wait to be accepted.
    pub backlog: i32,
    /// A socket in the file system, with its permission bits where they are not to follow the umask.
    pub unix: Option<(PathBuf, Option<u32>)>,
}

impl Listen {
    /// What the settings say. There, port 0 means no TCP.
    pub fn from_config(config: &Config) -> Self {
        let perm = config.unixsocketperm();
        Self {
            bind: config.bind(),
            port: Some(config.port()).filter(|&port| port != 0),
            tls_port: config.tls_port(),
            backlog: i32::try_from(config.tcp_backlog()).unwrap_or(i32::MAX),
            unix: config
                .unixsocket()
                .map(|path| (path, (perm != 0).then_some(perm))),
        }
    }
}

/// Why the server cannot listen. Any of these ends the program.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The log tells which address it was, and why.
    #[error("Failed listening on port {0} (tcp), aborting.")]
    Tcp(u16),
    #[error("Failed opening Unix socket {}: {}", .path.display(), plain(.cause))]
    Unix { path: PathBuf, cause: io::Error },
    #[error("Failed to configure TLS")]
    Tls(#[from] TlsError),
    #[error("Configured to not listen anywhere, exiting.")]
    Nowhere,
    #[error("Could not start the runtime: {}", plain(.0))]
    Runtime(#[from] io::Error),
}

/// The system's text alone, without what Rust says before a resolver's.
fn plain(error: &io::Error) -> String {
    let text = system_text(error);
    let resolver = "failed to lookup address information: ";
    text.strip_prefix(resolver).unwrap_or(&text).to_owned()
}

/// Names the call that failed, as Redis does.
fn at(call: &str) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{call}: {}", plain(&error)))
}

/// Sockets that are bound and listening, and not yet accepting.
pub(super) struct Listeners {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) tls: Vec<TcpListener>,
    pub(super) unix: Option<(UnixListener, PathBuf)>,
}

impl Listeners {
    pub(super) fn open(listen: &Listen) -> Result<Self, ListenError> {
        let tcp = open_all_tcp(listen, listen.port)?;
        let tls = open_all_tcp(listen, listen.tls_port)?;
        let unix = match &listen.unix {
            None => None,
            Some((path, permissions)) => {
                let listener = open_unix(path, *permissions, listen.backlog).map_err(|cause| {
                    ListenError::Unix {
                        path: path.clone(),
                        cause,
                    }
                })?;
                Some((listener, path.clone()))
            }
        };
        if tcp.is_empty() && tls.is_empty() && unix.is_none() {
            return Err(ListenError::Nowhere);
        }
        Ok(Self { tcp, tls, unix })
    }
}

/// Opens a TCP socket for each address, if there is a port.
pub(super) fn open_all_tcp(
    listen: &Listen,
    port: Option<u16>,
) -> Result<Vec<TcpListener>, ListenError> {
    let mut tcp = Vec::new();
    if let Some(port) = port {
        for bind in &listen.bind {
            let (host, optional) = match bind.strip_prefix('-') {
                Some(host) => (host, true),
                None => (bind.as_str(), false),
            };
            match open_tcp(host, port, listen.backlog) {
                Ok(listener) => tcp.push(listener),
                Err(cause) => {
                    tracing::warn!(
                        "Warning: Could not create server TCP listening socket {host}:{port}: {}",
                        plain(&cause)
                    );
                    if !(optional && is_missing_here(&cause)) {
                        return Err(ListenError::Tcp(port));
                    }
                }
            }
        }
    }
    Ok(tcp)
}

/// Whether the machine merely lacks this address or this family.
fn is_missing_here(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EPROTONOSUPPORT))
}

// Linux's numbers; the standard library has no names for them.
const EPROTONOSUPPORT: i32 = 93;
const EAFNOSUPPORT: i32 = 97;

fn open_tcp(host: &str, port: u16, backlog: i32) -> io::Result<TcpListener> {
    let address = match host {
        "*" => (Ipv4Addr::UNSPECIFIED, port).into(),
        "::*" => (Ipv6Addr::UNSPECIFIED, port).into(),
        _ => (host, port)
            .to_socket_addrs()?
            .next()
            .ok_or(io::ErrorKind::AddrNotAvailable)?,
    };
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into()).map_err(at("bind"))?;
    socket.listen(backlog).map_err(at("listen"))?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn open_unix(path: &Path, permissions: Option<u32>, backlog: i32) -> io::Result<UnixListener> {
    // What a server that was killed left behind would be in the way.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    socket.listen(backlog)?;
    if let Some(permissions) = permissions {
        fs::set_permissions(path, fs::Permissions::from_mode(permissions))?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// How long to stay away after an accept failed: mostly there are no descriptors left, and one must be closed first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts for ever.
pub(super) async fn accept_tcp(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, peer) = accept(&listener, &shared).await;
        welcome(Direct(stream), peer, &shared);
    }
}

/// As [`accept_tcp`], of clients that speak TLS. Those that shake hands count as clients already.
pub(super) async fn accept_tls(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, peer) = accept(&listener, &shared).await;
        if is_full(&shared) {
            // Not even told why: that would take the handshake first.
            shared.world.stats.count(Counter::Connections);
            shared.world.stats.count(Counter::RejectedConnections);
            continue;
        }
        let seat = Seat::take(&shared);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let hands = shared.tls.shake_hands(stream);
            let shaken = tokio::select! {
                shaken = hands => shaken,
                () = shared.stopper.stopped() => return,
            };
            drop(seat);
            match shaken {
                Ok(stream) => welcome(stream, peer, &shared),
                // Anybody can cause this as often as they like.
                Err(error) => tracing::debug!("No TLS with {peer}: {error}"),
            }
        });
    }
}

/// Somebody who is not a client yet and counts as one.
struct Seat(Arc<Shared>);

impl Seat {
    fn take(shared: &Arc<Shared>) -> Self {
        shared.enter();
        Self(Arc::clone(shared))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The next one to come.
async fn accept(
    listener: &tokio::net::TcpListener,
    shared: &Shared,
) -> (tokio::net::TcpStream, Peer) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = prepare(&stream, shared.world.config.tcp_keepalive()) {
                    tracing::debug!("Could not set up the connection of {peer}: {error}");
                }
                let origin = Peer {
                    addr: peer.to_string(),
                    laddr: stream
                        .local_addr()
                        .map(|addr| addr.to_string())
                        .unwrap_or_default(),
                    unix: false,
                    remote: !is_loopback(peer),
                    fd: stream.as_raw_fd(),
                };
                return (stream, origin);
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// As [`accept_tcp`].
pub(super) async fn accept_unix(
    listener: tokio::net::UnixListener,
    path: PathBuf,
    shared: Arc<Shared>,
) {
    let addr = format!("{}:0", path.display());
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let fd = stream.as_raw_fd();
                let peer = Peer {
                    addr: addr.clone(),
                    laddr: addr.clone(),
                    unix: true,
                    remote: false,
                    fd,
                };
                welcome(Direct(stream), peer, &shared);
            }
            Err(error) => pause(&error).await,
        }
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!("Accepting client connection: {}", plain(error));
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Small replies leave at once; a peer that vanished is noticed after `keepalive`.
fn prepare(stream: &tokio::net::TcpStream, keepalive: Option<Duration>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(silence) = keepalive {
        let between = (silence / 3).max(Duration::from_secs(1));
        let probes = TcpKeepalive::new()
            .with_time(silence)
            .with_interval(between)
            .with_retries(3);
        SockRef::from(stream).set_tcp_keepalive(&probes)?;
    }
    Ok(())
}

/// Whether the address is this machine's own, an IPv4 one inside IPv6 included.
fn is_loopback(peer: SocketAddr) -> bool {
    peer.ip().to_canonical().is_loopback()
}

/// Who is at the door.
pub(super) struct Peer {
    pub(super) addr: String,
    pub(super) laddr: String,
    pub(super) unix: bool,
    /// From another machine.
    remote: bool,
    pub(super) fd: i32,
}

#[cfg(test)]
impl Peer {
    /// Somebody with no socket.
    pub(super) fn in_memory() -> Self {
        Self {
            addr: "127.0.0.1:0".into(),
            laddr: "127.0.0.1:0".into(),
            unix: false,
            remote: false,
            fd: -1,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addr.fmt(f)
    }
}

fn is_full(shared: &Shared) -> bool {
    shared.connections() as u64 >= shared.world.config.maxclients()
}

/// Lets a newcomer in, or says why not.
fn welcome<S>(stream: S, peer: Peer, shared: &Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = &shared.world.config;
    let stats = &shared.world.stats;
    stats.count(Counter::Connections);
    if is_full(shared) {
        stats.count(Counter::RejectedConnections);
        return turn_away(stream, "-ERR max number of clients reached\r\n");
    }
    if peer.remote && config.protected_mode() && shared.world.acl.has_no_password() {
        stats.count(Counter::RejectedConnections);
        return turn_away(stream, PROTECTED);
    }
    tracing::debug!("Accepted {peer}");
    let connection = Connection::new(stream, peer, Arc::clone(shared));
    tokio::spawn(Box::new(connection).serve());
}

/// Sends a last word without waiting for whoever does not read it.
fn turn_away(mut stream: impl AsyncWrite + Unpin + Send + 'static, text: &'static str) {
    const PATIENCE: Duration = Duration::from_secs(1);
    tokio::spawn(async move {
        // Nobody is told if this fails: the connection goes away either way.
        let _ = tokio::time::timeout(PATIENCE, stream.write_all(text.as_bytes())).await;
    });
}

/// What Redis tells a client from another machine while there is no password, to the letter: people search for it.
const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no password is \
set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect \
from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the \
command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is \
running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this \
change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and \
setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for \
testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password for the default user. NOTE: \
You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";
