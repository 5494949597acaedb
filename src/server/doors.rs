//! The TCP sockets of a running server, which CONFIG SET `port` and `bind` replace.

use std::{io, net::TcpListener, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    task::{JoinHandle, block_in_place},
};

use super::{Listen, ListenError, Shared, listener};

/// Where clients come in by TCP.
#[derive(Default)]
pub(super) struct Doors(Mutex<Open>);

#[derive(Default)]
struct Open {
    plain: Door,
    tls: Door,
    /// Where the tasks run. There is none before the server runs.
    runtime: Option<Handle>,
}

/// The sockets of one port.
#[derive(Default)]
struct Door {
    /// What they were opened for.
    bind: Vec<String>,
    port: Option<u16>,
    /// One for each socket, which it owns.
    tasks: Vec<JoinHandle<()>>,
}

/// What is spoken behind a door.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Tls,
}

impl Doors {
    /// Starts accepting.
    pub(super) fn open(
        shared: &Arc<Shared>,
        listen: &Listen,
        plain: Vec<TcpListener>,
        tls: Vec<TcpListener>,
    ) -> io::Result<()> {
        let door = |kind, port, sockets| {
            Ok::<_, io::Error>(Door {
                bind: listen.bind.clone(),
                port,
                tasks: accept(shared, kind, sockets)?,
            })
        };
        *shared.doors.0.lock() = Open {
            plain: door(Kind::Plain, listen.port, plain)?,
            tls: door(Kind::Tls, listen.tls_port, tls)?,
            runtime: Some(Handle::current()),
        };
        Ok(())
    }

    /// Stops accepting, for good.
    pub(super) fn close(&self) {
        let mut open = self.0.lock();
        let Open { plain, tls, .. } = &mut *open;
        let tasks = plain.tasks.drain(..).chain(tls.tasks.drain(..));
        tasks.for_each(|task| task.abort());
    }

    /// Goes over to the settings' ports and addresses, if those are others. Clients that are in stay.
    ///
    /// May wait for a moment; a worker that calls this lets others take its place meanwhile.
    pub(super) fn follow_settings(shared: &Arc<Shared>) -> Result<(), ListenError> {
        let wanted = Listen::from_config(&shared.world.config);
        let mut open = shared.doors.0.lock();
        let Some(runtime) = open.runtime.clone() else {
            return Ok(());
        };
        let _inside = runtime.enter();
        open.plain
            .follow(shared, &runtime, Kind::Plain, &wanted, wanted.port)?;
        open.tls
            .follow(shared, &runtime, Kind::Tls, &wanted, wanted.tls_port)
    }
}

impl Door {
    fn follow(
        &mut self,
        shared: &Arc<Shared>,
        runtime: &Handle,
        kind: Kind,
        wanted: &Listen,
        port: Option<u16>,
    ) -> Result<(), ListenError> {
        if wanted.bind == self.bind && port == self.port {
            return Ok(());
        }
        // Another port can be had beside the old one. The same port on overlapping addresses cannot: the old sockets have
        // to be gone first, and if the new ones fail, the old settings open them again.
        if port == self.port {
            let old = std::mem::take(self);
            block_in_place(|| runtime.block_on(end(old.tasks)));
        }
        let tasks = accept(shared, kind, listener::open_all_tcp(wanted, port)?)?;
        let new = Door {
            bind: wanted.bind.clone(),
            port,
            tasks,
        };
        let old = std::mem::replace(self, new);
        block_in_place(|| runtime.block_on(end(old.tasks)));
        Ok(())
    }
}

/// Ends the tasks and waits until their sockets are closed.
async fn end(tasks: Vec<JoinHandle<()>>) {
    for task in tasks {
        task.abort();
        // It always ends by being cancelled, so there is nothing to learn from how.
        let _ = task.await;
    }
}

fn accept(
    shared: &Arc<Shared>,
    kind: Kind,
    sockets: Vec<TcpListener>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let accept = |socket| {
        let socket = tokio::net::TcpListener::from_std(socket)?;
        let shared = Arc::clone(shared);
        Ok(match kind {
            Kind::Plain => tokio::spawn(listener::accept_tcp(socket, shared)),
            Kind::Tls => tokio::spawn(listener::accept_tls(socket, shared)),
        })
    };
    sockets.into_iter().map(accept).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::{SocketAddr, TcpStream},
        sync::atomic::{AtomicU16, Ordering},
        thread,
    };

    use super::*;
    use crate::{
        cmd::World,
        config::Config,
        server::{Server, Signals},
        stats::Stats,
        store::Clock,
    };

    /// A port that was free a moment ago.
    fn free_port() -> u16 {
        // Below those that the system hands out, or a test beside this one may be given it.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = (std::process::id() % 8000) as u16;
        let port = || 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 9000;
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let mut ports = std::iter::repeat_with(port).take(9000);
        ports.find(free).expect("there are free ports")
    }

    fn set(config: &Config, name: &str, value: &str) -> Result<(), String> {
        config
            .set(&[(name.as_bytes(), value.as_bytes())], true)
            .map_err(|error| error.to_string())
    }

    /// Whether a server answers there.
    fn answers(address: &str, port: u16) -> bool {
        let address = SocketAddr::new(address.parse().expect("an address"), port);
        TcpStream::connect(address).is_ok_and(|client| ping(&client))
    }

    fn ping(mut client: &TcpStream) -> bool {
        let mut line = String::new();
        client.write_all(b"PING\r\n").is_ok()
            && BufReader::new(client).read_line(&mut line).is_ok()
            && line == "+PONG\r\n"
    }

    #[test]
    fn the_sockets_follow_the_settings_and_clients_stay() {
        let (first, second) = (free_port(), free_port());
        let config = Arc::new(Config::new());
        set(&config, "bind", "127.0.0.1").expect("it may change");
        set(&config, "port", &first.to_string()).expect("it may change");
        let world = World::new(Arc::clone(&config), Arc::new(Stats::new()), Clock::System);
        let server =
            Server::bind(Arc::new(world), &Listen::from_config(&config)).expect("it binds");
        let stopper = server.stopper();
        let server = thread::spawn(move || server.run(Signals::Ignore));
        let client = TcpStream::connect(("127.0.0.1", first)).expect("it listens");
        assert!(ping(&client));

        set(&config, "port", &second.to_string()).expect("the port is free");
        assert!(answers("127.0.0.1", second), "the new port");
        assert!(!answers("127.0.0.1", first), "the old port");
        set(&config, "bind", "127.0.0.1 127.0.0.2").expect("all of 127 is here");
        assert!(answers("127.0.0.1", second) && answers("127.0.0.2", second));

        let busy = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let busy = busy.local_addr().expect("it is bound").port();
        let error = set(&config, "port", &busy.to_string());
        let text = "CONFIG SET failed (possibly related to argument 'port') - \
                    Unable to listen on this port. Check server logs.";
        assert_eq!(error, Err(text.into()));
        let text = "CONFIG SET failed (possibly related to argument 'bind') - \
                    Failed to bind to specified addresses.";
        assert_eq!(
            set(&config, "bind", "127.0.0.1 203.0.113.1"),
            Err(text.into())
        );
        assert!(
            answers("127.0.0.1", second) && answers("127.0.0.2", second),
            "as before the failures"
        );
        assert!(ping(&client), "a client of the first port is still served");

        drop(client);
        stopper.stop();
        server.join().expect("no panic").expect("it ends well");
    }
}
