//! A client's socket, read from and written to by the kernel's own calls.
//!
//! It does what tokio's sockets do, whose readiness it uses, without the C library between: in a program of several threads
//! that makes every `recv` and `send` a point where a thread may be cancelled, by four locked instructions, and nothing here
//! is ever cancelled. By a profile that is 2 % of the 5.6 µs that a single GETBIT takes; in rounds in turn, fifty connections
//! and a million keys, 5.79 and 5.84 µs.
//!
//! The kernel writes to memory that holds nothing yet, as tokio has it too; to clear 16 KiB for each read would cost more than
//! is saved. That, and no more, is what the unsafe code here is for.

use std::{
    io,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustix::net::{RecvFlags, SendFlags, recv, send};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};

/// A stream socket of tokio's.
pub(super) struct Direct<S>(pub(super) S);

/// What tokio's stream sockets have in common.
pub(super) trait Polled: AsFd + AsyncWrite + Unpin {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Runs `call` if the socket was ready for it, and takes it that it is not any more if that says it would block.
    fn try_call(&self, interest: Interest, call: impl FnOnce() -> io::Result<()>)
    -> io::Result<()>;
}

macro_rules! polled {
    ($socket:ty) => {
        impl Polled for $socket {
            fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(cx)
            }

            fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(cx)
            }

            fn try_call(
                &self,
                interest: Interest,
                call: impl FnOnce() -> io::Result<()>,
            ) -> io::Result<()> {
                self.try_io(interest, call)
            }
        }
    };
}

polled!(TcpStream);
polled!(UnixStream);

impl<S: Polled> Direct<S> {
    /// Moves up to `most` bytes by `call`; `None` where there was nothing to do.
    ///
    /// Where fewer were moved, the socket is drained or full, and the kernel will say when that changes: there is no need to
    /// ask it again. What it says meanwhile is not lost, since `try_call` looks at the readiness before the call.
    fn move_bytes(
        &self,
        interest: Interest,
        most: usize,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        let mut moved = None;
        let called = self.0.try_call(interest, || {
            let count = call()?;
            moved = Some(count);
            match count {
                0 => Ok(()),
                count if count == most => Ok(()),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
        match called {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(moved),
        }
    }
}

impl<S: Polled> AsyncRead for Direct<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_readable(cx))?;
            // SAFETY: nothing here makes initialised bytes uninitialised: they are only handed to `recv`, which writes to them.
            let room = unsafe { into.unfilled_mut() };
            let most = room.len();
            let read = self.move_bytes(Interest::READABLE, most, || {
                let ((bytes, _), _) = recv(&self.0, room, RecvFlags::empty())?;
                Ok(bytes.len())
            })?;
            if let Some(count) = read {
                // SAFETY: the kernel has just written so many bytes, from the beginning of the unfilled part on.
                unsafe { into.assume_init(count) };
                into.advance(count);
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: Polled> AsyncWrite for Direct<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_writable(cx))?;
            let written = self.move_bytes(Interest::WRITABLE, bytes.len(), || {
                Ok(send(&self.0, bytes, SendFlags::NOSIGNAL)?)
            })?;
            if let Some(count) = written {
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // nothing is held back
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
