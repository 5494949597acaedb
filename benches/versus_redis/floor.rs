//! The floor: a server that parses nothing and answers `:0` to every request, so that a figure can be split into what
//! the kernel takes for its sockets and what a server adds to that.
//!
//! It waits, reads and writes as the servers do (epoll, one read for whatever is there, one write for all its replies)
//! and counts requests by their length, which it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::{fs, thread};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::unistd::gettid;

use crate::server::{CORE, pin_thread};

/// A thread of this program, on the core that the servers have.
pub struct Floor {
    port: u16,
    thread: i32,
    /// How many bytes each request has.
    length: Arc<AtomicUsize>,
}

struct Client {
    stream: TcpStream,
    /// Bytes of a request whose end has not come.
    begun: usize,
}

impl Floor {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let length = Arc::new(AtomicUsize::new(1));
        let thread = Arc::new(AtomicI32::new(0));
        let (told, known) = (Arc::clone(&length), Arc::clone(&thread));
        thread::spawn(move || {
            pin_thread(CORE);
            known.store(gettid().as_raw(), Ordering::Release);
            serve(&listener, &told);
        });
        while thread.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        Self {
            port,
            thread: thread.load(Ordering::Acquire),
            length,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every request from now on has so many bytes.
    pub fn expect(&self, length: usize) {
        self.length.store(length, Ordering::Relaxed);
    }

    /// CPU time that it has had, in nanoseconds.
    pub fn cpu_ns(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/self/task/{}/schedstat", self.thread));
        let stat = stat.expect("the thread runs as long as the program");
        let ns = stat.split(' ').next().and_then(|ns| ns.parse().ok());
        ns.expect("nanoseconds")
    }
}

fn serve(listener: &TcpListener, length: &AtomicUsize) {
    let epoll = Epoll::new(EpollCreateFlags::empty()).expect("epoll");
    let watch = |fd: &dyn AsRawFd| EpollEvent::new(EpollFlags::EPOLLIN, fd.as_raw_fd() as u64);
    epoll.add(listener, watch(listener)).expect("to watch");
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut events = [EpollEvent::empty(); 256];
    let mut buffer = vec![0; 16 * 1024];
    let mut replies = Vec::new();
    loop {
        let count = epoll.wait(&mut events, EpollTimeout::NONE).unwrap_or(0); // 0: a signal came
        for event in &events[..count] {
            let fd = event.data() as RawFd;
            if fd == listener.as_raw_fd() {
                let Ok((stream, _)) = listener.accept() else {
                    continue;
                };
                stream.set_nodelay(true).expect("a socket");
                epoll.add(&stream, watch(&stream)).expect("to watch");
                let place = stream.as_raw_fd() as usize;
                clients.resize_with(clients.len().max(place + 1), || None);
                clients[place] = Some(Client { stream, begun: 0 });
                continue;
            }
            let slot = &mut clients[fd as usize];
            let Some(client) = slot else { continue };
            match client.stream.read(&mut buffer) {
                Ok(read @ 1..) => {
                    let length = length.load(Ordering::Relaxed);
                    let bytes = client.begun + read;
                    client.begun = bytes % length;
                    replies.clear();
                    (0..bytes / length).for_each(|_| replies.extend_from_slice(b":0\r\n"));
                    let _ = client.stream.write_all(&replies); // a client that has gone is met at the next read
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => *slot = None, // closing it takes it out of epoll
            }
        }
    }
}
