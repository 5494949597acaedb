//! Sockets, timers, signals and threads: everything that waits. The only floor that names tokio.
//!
//! It does not know what a command means. It reads bytes, hands requests to [`crate::cmd::execute`] and writes what that
//! appended to the output.
//!
//! - [`listener`]: where clients come in, and who is turned away; [`doors`] replaces the sockets of a running server.
//! - [`connection`]: one client, from its first byte to its last.
//! - [`socket`]: how its bytes come and go.
//! - [`buffers`]: the memory connections share.
//! - [`loader`]: the data, before anybody may ask for it.
//! - [`background`]: expiry, idle clients and saves.
//! - [`metrics`]: what Prometheus reads.
//! - [`tls`]: what a secured connection needs.
//! - [`stop`]: how it all ends.

mod background;
mod buffers;
mod connection;
mod crowd;
mod doors;
mod listener;
mod loader;
mod metrics;
mod socket;
mod stop;
mod tls;

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    task::block_in_place,
};

pub use listener::{Listen, ListenError};
pub use loader::ServeError;
pub use stop::Stopper;
pub use tls::TlsError;

use crate::{cmd::World, priority::step_back};
use doors::Doors;
use listener::Listeners;
use loader::Loader;
use tls::Tls;

/// How long connections may take to end after the server was told to.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server with its sockets open, and not yet accepting.
pub struct Server {
    runtime: Runtime,
    listen: Listen,
    listeners: Listeners,
    /// The sockets of the metrics.
    metrics: Vec<TcpListener>,
    shared: Arc<Shared>,
}

/// Whether the server heeds the process's signals. Tests that run several servers in one process do not want that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signals {
    Heed,
    Ignore,
}

impl Server {
    /// Opens the sockets. From here on clients can connect; they are served once [`Server::run`] is called.
    pub fn bind(world: Arc<World>, listen: &Listen) -> Result<Self, ListenError> {
        let listeners = Listeners::open(listen)?;
        // A runtime of one thread takes a little less CPU time, but its connections are bound to it: one long command
        // would hold up all of them, and busy ones could not move to a core that is free. GETBIT on a million keys, all on
        // one core, µs for a request (fifty connections alone, fifty with pipelines of ten, a thousand alone): 7.7, 1.08
        // and 9.3 with this one, 7.8, 1.01 and 9.0 with that (medians of seven rounds in turn, redis-benchmark).
        let mut builder = Builder::new_multi_thread();
        // One worker for each core the process may use, unless the setting asks for more than its default of one.
        if let threads @ 2.. = world.config.io_threads() {
            builder.worker_threads(threads);
        }
        builder
            .on_thread_park(crowd::rests)
            .on_thread_unpark(crowd::wakes);
        let runtime = builder.thread_name("worker").enable_all().build()?;
        // The worker's other connections move to another thread meanwhile, which need not fight the work for a core.
        world.set_aside(Box::new(|work| block_in_place(|| run_stepped_back(work))));
        let shared = Arc::new(Shared::new(world));
        shared.tls.follow_settings(&shared.world.config)?;
        Ok(Self {
            runtime,
            listen: listen.clone(),
            listeners,
            metrics: metrics::open(&shared)?,
            shared,
        })
    }

    /// The TCP addresses, with the ports the system chose where it was left to; those with TLS come last.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        (self.listeners.tcp.iter())
            .chain(&self.listeners.tls)
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// A way to end the server from another thread.
    pub fn stopper(&self) -> Stopper {
        self.shared.stopper.clone()
    }

    /// Loads the data, serves until stopped, answers what was asked by then, and returns. Connections that cannot take their replies within
    /// two seconds are dropped.
    pub fn run(self, signals: Signals) -> Result<(), ServeError> {
        let Self {
            runtime,
            listen,
            listeners,
            metrics,
            shared,
        } = self;
        let unix_path = listeners.unix.as_ref().map(|(_, path)| path.clone());
        runtime.block_on(async {
            tracing::info!("Server initialized");
            let mut loader = Loader::start(&shared.world);
            loader.wait_a_moment().await?;
            let (tcp, tls) = (!listeners.tcp.is_empty(), !listeners.tls.is_empty());
            shared.heed_settings(); // before anybody can come in and change one
            Doors::open(&shared, &listen, listeners.tcp, listeners.tls)?;
            let unix_door = match listeners.unix {
                None => None,
                Some((listener, path)) => {
                    let listener = tokio::net::UnixListener::from_std(listener)?;
                    let accept = listener::accept_unix(listener, path, Arc::clone(&shared));
                    Some(tokio::spawn(accept))
                }
            };
            if signals == Signals::Heed {
                tokio::spawn(stop::heed_signals(Arc::clone(&shared)));
            }
            for socket in metrics {
                let socket = tokio::net::TcpListener::from_std(socket)?;
                tokio::spawn(metrics::accept(socket, Arc::clone(&shared)));
            }
            spawn_forever(&shared, background::sweep);
            spawn_forever(&shared, background::evict);
            spawn_forever(&shared, background::close_idle);
            spawn_forever(&shared, background::sample);
            spawn_forever(&shared, background::save);
            spawn_forever(&shared, background::tend_log);

            tokio::select! {
                loaded = loader.wait() => loaded?,
                () = shared.stopper.stopped() => {}
            }
            if tcp {
                tracing::info!("Ready to accept connections tcp");
            }
            if tls {
                tracing::info!("Ready to accept connections tls");
            }
            if unix_door.is_some() {
                tracing::info!("Ready to accept connections unix");
            }
            shared.stopper.stopped().await;
            shared.doors.close();
            if let Some(door) = unix_door {
                door.abort();
            }
            shared.dismiss().await;
            Ok::<_, ServeError>(())
        })?;
        runtime.shutdown_timeout(PATIENCE);
        if let Some(path) = unix_path {
            tracing::info!("Removing the unix socket file.");
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!("Error removing the unix socket file: {error}");
            }
        }
        tracing::warn!("bitmapd is now ready to exit, bye bye...");
        Ok(())
    }
}

fn spawn_forever<F>(shared: &Arc<Shared>, work: fn(Arc<Shared>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(background::forever(Arc::clone(shared), work));
}

/// Runs long work on a thread of its own, which steps back for all others, and waits for it; on this one where the
/// system has no more threads.
fn run_stepped_back(work: &mut (dyn FnMut() + Send)) {
    let ran = thread::scope(|scope| {
        let long = thread::Builder::new().name("aside".into());
        let long = long.spawn_scoped(scope, || {
            step_back();
            work();
        });
        match long {
            Ok(long) => {
                if let Err(panic) = long.join() {
                    resume_unwind(panic);
                }
                true
            }
            Err(error) => {
                tracing::warn!("No thread for long work: {error}");
                false
            }
        }
    });
    if !ran {
        work();
    }
}

/// What the tasks of one server share.
struct Shared {
    world: Arc<World>,
    stopper: Stopper,
    doors: Doors,
    tls: Tls,
    /// How many connections there are.
    connections: AtomicUsize,
    /// Told when the last of them has gone.
    empty: Notify,
    /// Told when a command had to leave off evicting.
    evict_needed: Arc<Notify>,
    /// When somebody was last seen speaking HTTP, in milliseconds since the Unix epoch.
    http_seen_ms: AtomicI64,
}

impl Shared {
    fn new(world: Arc<World>) -> Self {
        Self {
            world,
            stopper: Stopper::new(),
            doors: Doors::default(),
            tls: Tls::default(),
            connections: AtomicUsize::new(0),
            empty: Notify::new(),
            evict_needed: Arc::default(),
            http_seen_ms: AtomicI64::new(i64::MIN / 2),
        }
    }

    /// Acts on CONFIG SET from now on. The settings outlive the server, so they only know it weakly.
    fn heed_settings(self: &Arc<Self>) {
        let watch = |name, error: &'static str| {
            let shared = Arc::downgrade(self);
            self.world.config.on_change(name, move |_| {
                let Some(shared) = shared.upgrade() else {
                    return Ok(());
                };
                Doors::follow_settings(&shared).map_err(|cause| {
                    tracing::warn!("{cause}");
                    error.to_owned()
                })
            });
        };
        watch("port", "Unable to listen on this port. Check server logs.");
        watch("bind", "Failed to bind to specified addresses.");
        // First the certificates, and then the port.
        for name in tls::SETTINGS.into_iter().chain(["tls-port"]) {
            let shared = Arc::downgrade(self);
            self.world.config.on_change(name, move |config| {
                let Some(shared) = shared.upgrade() else {
                    return Ok(());
                };
                shared.tls.follow_settings(config).map_err(|cause| {
                    tracing::warn!("{cause}");
                    "Unable to update TLS configuration. Check server logs.".to_owned()
                })
            });
        }
        watch(
            "tls-port",
            "Unable to listen on this port. Check server logs.",
        );
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    fn enter(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        if self.connections.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.empty.notify_one();
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopper.is_stopped()
    }

    /// Tells every connection to end, and gives them a while to.
    async fn dismiss(&self) {
        let gone = async {
            while self.connections() > 0 {
                // Again for those that were only just accepted.
                for client in self.world.clients.list() {
                    client.close();
                }
                let _ =
                    tokio::time::timeout(Duration::from_millis(50), self.empty.notified()).await;
            }
        };
        if tokio::time::timeout(PATIENCE, gone).await.is_err() {
            tracing::warn!(
                "{} connections did not take their last replies in time",
                self.connections()
            );
        }
    }

    /// Logs an attempt to reach the server through a web browser, once a minute at most.
    fn warn_of_http(&self, addr: &str) {
        const QUIET_MS: i64 = 60_000;
        let now = self.world.keyspace.clock().now_ms();
        if now - self.http_seen_ms.swap(now, Ordering::Relaxed) >= QUIET_MS {
            tracing::warn!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to bitmapd. \
                 This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your server. \
                 Connection from {addr} aborted."
            );
        }
    }
}
