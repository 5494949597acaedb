//! One connection: read what is there, run every whole request in it, write all their replies, wait for more.
//!
//! # What a waiting connection holds
//!
//! Next to nothing. The read and the reply buffer are the worker's ([`super::buffers`]), borrowed while there is
//! something in them. A request that has not all arrived keeps a buffer of about its own size, which grows as its bytes
//! come and not as they are promised.
//!
//! # Back-pressure
//!
//! Replies a client does not read pile up as bytes here, except long values, which wait as what they are and are read
//! piece by piece as the socket takes them. Reading and running go on meanwhile, since many clients send a whole pipeline
//! before they look at the first reply. `client-output-buffer-limit` says when that is too much; one that has not
//! authenticated is not read from while its replies wait.
//!
//! # Being told to stop
//!
//! CLIENT KILL, the idle timeout and the end of the server mark the connection and wake its task. It looks at the mark each
//! time it runs, so the mark costs nothing while it waits. What others send to it ([`crate::cmd`]'s mailboxes) wakes it
//! the same way.

use std::{
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    task::yield_now,
};

use super::{Shared, buffers, crowd, listener::Peer};
use crate::{
    cmd::{self, Client, ClientInfo, Flow, Held, Origin, Wait},
    resp::{Limits, Output, Parser},
    stats::Counter,
    store::TOGETHER,
};

/// How many requests run before other connections of this worker get their turn.
const TURN: usize = 128;

/// How long they may run before that; looked at when the requests looked up together have run.
const TURN_TIME: Duration = Duration::from_micros(100);

/// How many bytes of long replies are written before other connections of this worker get their turn: some fifty
/// microseconds' worth.
const TURN_BYTES: usize = 128 * 1024;

/// How many bytes of waiting replies stop the reading from a client that has not authenticated.
const STRANGER_OUTPUT: usize = 16 * 1024;

/// How many bytes are read ahead while a command waits (WAIT, DEBUG SLEEP): enough to notice that the client has gone.
const READ_AHEAD: usize = 64 * 1024;

/// How many bytes the parser of a connection with nothing to do may keep, so that a client that sends one small request
/// after another does not make it allocate for each.
const PARSER_KEPT: usize = 256;

/// Up to how many bytes what came is taken for one small request by itself, for which the parser needs no more than that.
const ALONE: usize = 128;

/// How long the last replies may take when the server ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A client's socket and all that belongs to it. Dropping it takes the client out of the server's books.
pub(super) struct Connection<S> {
    stream: S,
    shared: Arc<Shared>,
    client: Client,
    parser: Parser,
    /// Bytes read and not yet run, and room to read more.
    input: BytesMut,
    /// Replies not yet written.
    output: Output,
    /// Whether the stream has passed on all that was written to it.
    flushed: bool,
    /// The position in the log that has to be on the disk before the replies are written; 0 for none.
    awaits: u64,
    /// Since when the replies have exceeded the soft limit.
    over_soft_limit: Option<Instant>,
    /// What wakes this task from outside.
    alarm: Arc<Mutex<Option<Waker>>>,
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client closed it, or it broke.
    Gone,
    /// All is said: QUIT, a protocol error.
    Done,
    /// CLIENT KILL, or too long idle.
    Told,
    /// The server ends.
    Stopping,
    /// A limit was passed; the log says which.
    Refused,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone // whatever broke it, nobody is left to be told
    }
}

/// What running the requests in the buffer came to.
enum Step {
    /// No whole request is left.
    Read,
    /// More requests are there, but others come first.
    Yield,
    /// The last one answers later.
    Wait(Box<Wait>),
    /// The last one is to be run again later.
    Postpone(Box<Held>),
    /// The last one ends the connection, once the replies are written or at once.
    End(End),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S, peer: Peer, shared: Arc<Shared>) -> Self {
        let alarm = Arc::new(Mutex::new(None::<Waker>));
        let wake = {
            let alarm = Arc::clone(&alarm);
            Box::new(move || {
                if let Some(waker) = &*alarm.lock() {
                    waker.wake_by_ref();
                }
            })
        };
        let world = &shared.world;
        let origin = Origin {
            addr: peer.addr,
            laddr: peer.laddr,
            unix: peer.unix,
            fd: peer.fd,
            wake,
        };
        let client = Client::new(world, origin, world.keyspace.clock().now_ms());
        shared.enter();
        Self {
            stream,
            shared,
            client,
            parser: Parser::new(),
            input: BytesMut::new(),
            output: Output::new(),
            flushed: true,
            awaits: 0,
            over_soft_limit: None,
            alarm,
        }
    }

    /// Serves the client until it goes or has to. A panic on the way ends this connection and nothing else: no lock stays
    /// held, and the keyspace is as the command left it.
    ///
    /// Boxed, since the compiler keeps a copy of what a future is given in each future that passes it on.
    pub(super) async fn serve(mut self: Box<Self>) {
        let shared = Arc::clone(&self.shared);
        let info = Arc::clone(&self.client.info);
        let mut life = pin!(self.live());
        poll_fn(|cx| {
            catch_unwind(AssertUnwindSafe(|| life.as_mut().poll(cx))).unwrap_or_else(|_| {
                shared.world.stats.count(Counter::Panics);
                tracing::error!(
                    "Serving client {} panicked; its connection is closed",
                    info.addr
                );
                Poll::Ready(())
            })
        })
        .await;
    }

    async fn live(&mut self) {
        poll_fn(|cx| {
            *self.alarm.lock() = Some(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
        let Err(end) = self.run().await;
        match end {
            End::Done => {
                // The client may be gone by now, and that is all the same.
                if self.flush().await.is_ok() {
                    let _ = poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await;
                }
            }
            End::Stopping => {
                // Apart, as for a command that waits.
                let _ = Box::pin(tokio::time::timeout(LAST_WORDS, self.flush())).await;
            }
            End::Gone | End::Told | End::Refused => {}
        }
        tracing::debug!("Client {} closed: {end:?}", self.client.info.addr);
    }

    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        // Whether what is answered now has waited for a crowd already.
        let mut waited = false;
        loop {
            match self.run_requests() {
                Step::Read => {
                    if !self.output.is_empty() && !waited {
                        self.join_crowd().await;
                    }
                    self.exchange().await?;
                    waited = self.is_single() && self.join_crowd().await;
                }
                Step::Yield => {
                    poll_fn(|cx| Poll::Ready(self.write(cx))).await?;
                    self.check()?;
                    yield_now().await;
                }
                // Apart, so that its timer is not part of every connection.
                Step::Wait(wait) => Box::pin(self.wait(*wait)).await?,
                Step::Postpone(held) => Box::pin(self.postpone(*held)).await?,
                Step::End(end) => return Err(end),
            }
        }
    }

    /// Lets other connections come as far as this one, if some may; whether it did. What is ahead here will be looked up soon.
    async fn join_crowd(&mut self) -> bool {
        if !crowd::waits(self.client.info.id) {
            return false;
        }
        let world = &*self.shared.world;
        if let Some(request) = self.parser.ahead(&self.input).next()
            && let Some(ahead) = cmd::ahead(world, &self.client, request)
        {
            crowd::will_look_up(ahead);
        }
        yield_now().await;
        crowd::go_on(&self.shared.world.keyspace);
        true
    }

    /// Whether one request has come, by itself.
    fn is_single(&mut self) -> bool {
        let limits = self.limits();
        self.parser.look_ahead(&self.input, &limits, 1) && self.parser.is_last(&self.input)
    }

    /// What the client may send.
    fn limits(&self) -> Limits {
        Limits {
            max_bulk: self.shared.world.config.proto_max_bulk_len(),
            authenticated: self.client.authenticated,
            ..Limits::default()
        }
    }

    /// Runs the whole requests in the buffer, a turn's worth at most.
    fn run_requests(&mut self) -> Step {
        if self.input.is_empty() {
            return Step::Read;
        }
        self.output.lend(buffers::take);
        self.client.collect_mail(&mut self.output); // it came before these requests were run
        let step = self.run_turn();
        let feed = &self.shared.world.log.feed;
        if feed.replies_wait() {
            // Not only what this client changed: nobody is to see what a power loss could take back.
            self.awaits = feed.end();
        }
        let done = self.parser.release();
        if done == self.input.len() {
            self.input.clear(); // and not advanced: an empty buffer keeps all its room
        } else {
            self.input.advance(done);
        }
        step
    }

    fn run_turn(&mut self) -> Step {
        let world = &*self.shared.world;
        let mut limits = self.limits();
        let mut start = None;
        let mut ran = 0;
        while ran < TURN {
            // Of these, at most one was cut before this turn, and more may stand behind it.
            let cut = self.parser.ahead(&self.input).len();
            let all = self.parser.is_last(&self.input);
            if ran > 0 && cut == 0 {
                if all {
                    return Step::Read;
                }
                if start.get_or_insert_with(Instant::now).elapsed() > TURN_TIME {
                    return Step::Yield;
                }
                // Whether a stranger may send what comes next depends on what this request does.
                limits.authenticated = self.client.authenticated;
            }
            if cut == 0 || (ran == 0 && !all) {
                let most = if limits.authenticated { TOGETHER } else { 1 };
                if !self.parser.look_ahead(&self.input, &limits, most) {
                    let Some(error) = self.parser.error() else {
                        return Step::Read;
                    };
                    tracing::debug!(
                        "Protocol error ({error}) from client {}",
                        self.client.info.addr
                    );
                    self.client.send(error.reply(), &mut self.output);
                    return Step::End(End::Done);
                }
            }
            let ahead = self.parser.ahead(&self.input);
            let (count, flow) = cmd::run_together(world, &mut self.client, ahead, &mut self.output);
            self.parser.hand_out(count);
            ran += count;
            match flow {
                Flow::Continue => {
                    if limits.authenticated && !self.client.authenticated {
                        self.parser.cut_again(); // RESET made a stranger of it
                    }
                }
                Flow::Close => return Step::End(End::Done),
                Flow::Refuse => {
                    self.shared.warn_of_http(&self.client.info.addr);
                    return Step::End(End::Refused);
                }
                Flow::Wait(wait) => return Step::Wait(wait),
                Flow::Postpone(held) => return Step::Postpone(held),
                Flow::Shutdown => {
                    self.shared.stopper.stop();
                    return Step::End(End::Stopping);
                }
            }
        }
        Step::Yield
    }

    /// Writes what waits and reads what comes, until there is something new to run.
    async fn exchange(&mut self) -> Result<(), End> {
        poll_fn(|cx| {
            self.check()?;
            if !self.is_synced(cx) {
                return Poll::Pending; // and no more is read: replies come in the order of their waits
            }
            self.write(cx)?;
            if !self.client.authenticated && self.output.held() > STRANGER_OUTPUT {
                return Poll::Pending; // woken when the socket takes more
            }
            match self.read(cx) {
                Poll::Ready(result) => Poll::Ready(result),
                Poll::Pending => {
                    self.rest();
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Lets a command wait. What the client sends meanwhile stays unrun; that it goes is noticed.
    async fn wait(&mut self, wait: Wait) -> Result<(), End> {
        let Wait {
            timeout_ms,
            mut reply,
            mut synced,
        } = wait;
        self.idle(timeout_ms, |connection, waker| {
            let feed = &connection.shared.world.log.feed;
            let Some(wanted) = synced.take_if(|it| feed.poll_synced(it.position, waker)) else {
                return connection.client.info.is_unblocked();
            };
            reply = wanted.reply;
            wanted.is_enough
        })
        .await?;
        self.client.answer_late(reply, &mut self.output);
        Ok(())
    }

    /// Holds a command back while CLIENT PAUSE says so, then runs it.
    async fn postpone(&mut self, mut held: Held) -> Result<(), End> {
        loop {
            self.idle(Some(held.at_most_ms), |connection, _| {
                !cmd::is_paused(&connection.shared.world)
            })
            .await?;
            let world = &self.shared.world;
            match cmd::resume(world, &mut self.client, &held, &mut self.output) {
                Flow::Continue => return Ok(()),
                Flow::Close => return Err(End::Done),
                Flow::Refuse => return Err(End::Refused),
                Flow::Wait(wait) => return self.wait(*wait).await,
                Flow::Postpone(again) => held = *again,
                Flow::Shutdown => {
                    self.shared.stopper.stop();
                    return Err(End::Stopping);
                }
            }
        }
    }

    /// Writes, and reads a little ahead, until so many milliseconds have passed or `done` says so when the connection is
    /// woken.
    async fn idle(
        &mut self,
        timeout_ms: Option<u64>,
        mut done: impl FnMut(&Self, &Waker) -> bool,
    ) -> Result<(), End> {
        let timeout = timeout_ms.map_or(Duration::MAX, Duration::from_millis);
        let mut over = pin!(tokio::time::sleep(timeout));
        poll_fn(|cx| {
            self.check()?;
            self.write(cx)?;
            if done(self, cx.waker()) {
                return Poll::Ready(Ok(()));
            }
            while self.input.len() < READ_AHEAD {
                match self.read(cx) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => break,
                }
            }
            over.as_mut().poll(cx).map(Ok::<_, End>)
        })
        .await
    }

    /// Writes everything that waits.
    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Whether somebody wants the connection to end.
    fn check(&self) -> Result<(), End> {
        if !self.client.info.is_closing() {
            return Ok(());
        }
        Err(if self.shared.is_stopping() {
            End::Stopping
        } else {
            End::Told
        })
    }

    /// Takes what others sent, writes what the socket takes now, and judges what is left by the output limits.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        self.client.collect_mail(&mut self.output);
        if self.is_quiet() {
            return Ok(());
        }
        self.weigh();
        self.check()?;
        if self.poll_flush(cx)?.is_ready() {
            return Ok(());
        }
        let limit = self
            .shared
            .world
            .config
            .output_limit(self.client.info.class());
        let held = self.output.held() as u64;
        let over_hard = limit.hard > 0 && held > limit.hard;
        let over_soft = limit.soft > 0 && held > limit.soft;
        let since = over_soft.then(|| *self.over_soft_limit.get_or_insert_with(Instant::now));
        self.over_soft_limit = since;
        if over_hard
            || since.is_some_and(|since| since.elapsed() > Duration::from_secs(limit.seconds))
        {
            self.shared
                .world
                .stats
                .count(Counter::OutputBufferDisconnections);
            tracing::warn!(
                "Client {} closed for overcoming of output buffer limits.",
                self.client.info.addr
            );
            return Err(End::Refused);
        }
        Ok(())
    }

    /// Whether what the replies speak of is on the disk, where it has to be. If not, the task is woken when it is.
    ///
    /// While the disk fails, only who changed something goes on waiting; reads are answered.
    fn is_synced(&mut self, cx: &Context<'_>) -> bool {
        if self.awaits == 0 {
            return true;
        }
        let log = &self.shared.world.log;
        let position = match log.is_troubled() {
            true => self.client.logged,
            false => self.awaits,
        };
        let synced = log.feed.poll_synced(position, cx.waker());
        if synced {
            self.awaits = 0;
        }
        synced
    }

    /// Whether there is nothing to write, and all that was written has left.
    fn is_quiet(&self) -> bool {
        self.flushed && self.output.is_empty()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_synced(cx) {
            return Poll::Pending;
        }
        if self.is_quiet() {
            return Poll::Ready(Ok(()));
        }
        self.flushed = false;
        let mut written = 0;
        loop {
            let chunk = self.output.chunk();
            if chunk.is_empty() {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?; // TLS holds some back
                self.flushed = true;
                return Poll::Ready(Ok(()));
            }
            if written >= TURN_BYTES {
                // After the others, and after a look whether sockets have something new. Woken at once, this task would come
                // before that look.
                return pin!(yield_now()).poll(cx).map(Ok);
            }
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, chunk))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            written += count;
            self.output.advance(count);
            ClientInfo::count(&self.client.info.bytes_out, count as u64);
            let stats = &self.shared.world.stats;
            stats.add(Counter::OutputBytes, count as u64);
            stats.count(Counter::Writes);
        }
    }

    /// Reads once into the buffer.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        self.make_room();
        let count = ready!(pin!(self.stream.read_buf(&mut self.input)).poll(cx))?;
        if count == 0 {
            return Poll::Ready(Err(End::Gone));
        }
        if self.input.len() > ALONE {
            self.parser.lend(buffers::take_room);
        }
        let world = &self.shared.world;
        let info = &self.client.info;
        ClientInfo::count(&info.bytes_in, count as u64);
        info.active_ms
            .store(world.keyspace.clock().about_now_ms(), Ordering::Relaxed);
        world.stats.add(Counter::InputBytes, count as u64);
        world.stats.count(Counter::Reads);
        let queued = info.queued_bytes.load(Ordering::Relaxed);
        if (self.input.len() + self.parser.heap_bytes() + queued) as u64
            > world.config.client_query_buffer_limit()
        {
            world.stats.count(Counter::QueryBufferDisconnections);
            let start = &self.input[..self.input.len().min(64)];
            tracing::warn!(
                "Closing client that reached max query buffer length: {} (first bytes: \"{}\")",
                info.addr,
                start.escape_ascii()
            );
            return Poll::Ready(Err(End::Refused));
        }
        Poll::Ready(Ok(()))
    }

    /// Room for the next read: the worker's buffer, or one that doubles while a long argument comes in.
    fn make_room(&mut self) {
        let len = self.input.len();
        let lacks = self.parser.lacks(len);
        if lacks > buffers::SIZE {
            if self.input.capacity() == len {
                self.input.reserve(lacks.min(len.max(buffers::SIZE)));
            }
        } else if self.input.capacity() - len < buffers::SIZE / 4 {
            let small = std::mem::replace(&mut self.input, buffers::take());
            self.input.extend_from_slice(&small);
            buffers::give(small);
        }
    }

    /// Gives back what a connection with nothing to do does not need.
    fn rest(&mut self) {
        if let Some(buffer) = self.output.reclaim() {
            buffers::give(buffer);
        }
        if self.input.is_empty() {
            buffers::give(std::mem::take(&mut self.input));
            if self.parser.heap_bytes() > PARSER_KEPT
                && let Some(room) = self.parser.reclaim()
            {
                buffers::give_room(room);
            }
        } else if self.input.len() < buffers::SIZE / 4 && self.input.capacity() >= buffers::SIZE / 2
        {
            let small = BytesMut::from(&self.input[..]);
            buffers::give(std::mem::replace(&mut self.input, small));
        }
        let info = &self.client.info;
        info.query_buffer.store(self.input.len(), Ordering::Relaxed);
        info.query_buffer_free
            .store(self.input.capacity() - self.input.len(), Ordering::Relaxed);
        info.output.store(self.output.held(), Ordering::Relaxed);
        self.weigh();
    }

    /// Tells how much memory this connection holds. A worker's buffers are only lent to it.
    fn weigh(&self) {
        self.shared.world.weigh(&self.client.info, || {
            let input = match self.input.capacity() {
                lent if lent <= 2 * buffers::SIZE => self.input.len(),
                own => own,
            };
            input + self.parser.heap_bytes() + self.output.held()
        });
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        cmd::disconnect(&self.shared.world, &mut self.client);
        self.shared.leave();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::{
        cmd::World,
        config::Config,
        resp::{Reply, Source, Version},
        store::Clock,
    };

    /// A value that cannot be read.
    struct Broken;

    impl Source for Broken {
        fn len(&self) -> u64 {
            1
        }
        fn read(&self, _: u64, _: &mut [u8]) {
            panic!("this panic is part of a test");
        }
    }

    fn connect(shared: &Arc<Shared>) -> (DuplexStream, Connection<DuplexStream>) {
        let (near, far) = duplex(1024);
        let peer = Peer::in_memory();
        (near, Connection::new(far, peer, Arc::clone(shared)))
    }

    #[tokio::test]
    async fn a_panic_ends_its_connection_and_no_other() {
        let shared = Arc::new(Shared::new(Arc::new(World::new(
            Arc::new(Config::new()),
            Arc::default(),
            Clock::System,
        ))));
        let (mut well, connection) = connect(&shared);
        tokio::spawn(Box::new(connection).serve());
        let (mut ill, mut connection) = connect(&shared);
        connection
            .output
            .push(Reply::Stream(Box::new(Broken)), Version::Resp2);
        tokio::spawn(Box::new(connection).serve());

        let mut said = Vec::new();
        ill.read_to_end(&mut said).await.unwrap();
        assert_eq!(said, b"$1\r\n");
        assert_eq!((shared.connections(), shared.world.clients.len()), (1, 1));

        well.write_all(b"PING\r\n").await.unwrap();
        let mut reply = [0; 7];
        well.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"+PONG\r\n");
    }

    /// Ten thousand clients that say nothing should cost twenty megabytes and not two hundred.
    #[tokio::test]
    async fn a_waiting_connection_is_small() {
        let shared = Arc::new(Shared::new(Arc::new(World::new(
            Arc::new(Config::new()),
            Arc::default(),
            Clock::System,
        ))));
        let (_near, connection) = connect(&shared);
        let size = size_of_val(&connection);
        let task = size_of_val(&Box::new(connection).serve());
        assert!(size <= 448 && task <= 256, "{size} and {task} bytes");
    }
}
