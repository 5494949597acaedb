//! Replies as bytes, waiting to leave.
//!
//! Small replies are written one behind another into one buffer. A long byte string is not copied there: it keeps its
//! place in the queue as a shared buffer or a [`Source`], and a source is read a window at a time, when the window
//! before it has left. So a client that asks for much and reads slowly holds a window, whatever the length.
//!
//! ```text
//! queue:  bytes "*2\r\n$536870912\r\n" | source of 536870912 bytes      tail:  "\r\n:1\r\n"
//! ```
//!
//! Single values are encoded by redis-protocol. The headers of arrays, maps and sets are written here: its frames own
//! or borrow all their children at once, keep maps and sets in hash order, and have no room for a source. So are integers,
//! the most common of all, whose length it finds out by a floating point logarithm.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use redis_protocol::{
    resp2::{encode as resp2, types::BorrowedFrame as Resp2},
    resp3::{encode as resp3, types::BorrowedFrame as Resp3},
};

use super::{
    Integers, double,
    reply::{Blob, Reply, Source, Version},
};

/// How much of a source is held as bytes at a time.
const WINDOW: usize = 32 * 1024;

/// From this length on a shared byte string keeps its place in the queue; below it a copy is cheaper.
const SHARE: usize = 16 * 1024;

/// One connection's replies, in order, until they are written.
#[derive(Default)]
pub struct Output {
    /// What leaves before `tail`. Empty unless something long waits.
    queue: VecDeque<Piece>,
    /// Where replies are appended.
    tail: BytesMut,
}

enum Piece {
    Bytes(Bytes),
    Source(Streaming),
}

/// A source on its way out: the window read last, and how far that was.
struct Streaming {
    source: Box<dyn Source>,
    read: u64,
    window: BytesMut,
}

impl Output {
    /// No replies and no memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a reply.
    #[inline]
    pub fn push(&mut self, reply: Reply, version: Version) {
        if !self.push_short(&reply, version) {
            self.push_uncommon(reply, version);
        }
    }

    /// Appends a reply if it is one of the most common, which need not be moved for it; whether it was.
    ///
    /// Moving a reply reads in large pieces what was written just before in small ones, for which a processor has to wait: 5 ns
    /// of the 120 that a GETBIT in a pipeline takes.
    #[inline(always)]
    pub fn push_short(&mut self, reply: &Reply, version: Version) -> bool {
        match reply {
            // A bit, or a success: told apart here, without a call.
            Reply::Integer(n @ 0..=9) => {
                self.digit(b':', *n as u8);
                true
            }
            _ => self.push_common(reply, version),
        }
    }

    fn push_common(&mut self, reply: &Reply, version: Version) -> bool {
        match reply {
            Reply::Integer(n) => self.number(b':', *n),
            Reply::Bulk(bytes) if bytes.len() < SHARE => self.short_bulk(bytes),
            Reply::Fields(fields) => self.fields(fields, version),
            Reply::Ok => self.tail.extend_from_slice(b"+OK\r\n"),
            Reply::Null if version == Version::Resp2 => self.tail.extend_from_slice(b"$-1\r\n"),
            _ => return false,
        }
        true
    }

    fn push_uncommon(&mut self, reply: Reply, version: Version) {
        use Version::{Resp2 as V2, Resp3 as V3};
        match (reply, version) {
            (common @ (Reply::Integer(_) | Reply::Ok | Reply::Fields(_)), _)
            | (common @ Reply::Null, V2) => {
                self.push_common(&common, version);
            }
            (Reply::Bulk(bytes), _) => self.bulk(bytes),
            (Reply::Simple(text), _) => self.resp2(&Resp2::SimpleString(text.as_bytes())),
            (Reply::Error(text), _) => self.error(&text),
            (Reply::Stream(source), _) => self.stream(source),
            (Reply::NullArray, V2) => self.tail.extend_from_slice(b"*-1\r\n"),
            (Reply::Null | Reply::NullArray, V3) => self.resp3(&Resp3::Null),
            (Reply::Array(items), _) => self.items(b'*', items, version),
            (Reply::Integers(integers), _) => self.integers(integers),
            (Reply::Set(items), V2) | (Reply::Push(items), V2) => self.items(b'*', items, version),
            (Reply::Set(items), V3) => self.items(b'~', items, version),
            (Reply::Push(items), V3) => self.items(b'>', items, version),
            (Reply::Map(pairs), _) => self.pairs(pairs, version),
            (Reply::Double(value), V2) => self.bulk(Blob::from(double::text(value))),
            (Reply::Double(value), V3) => self.line(b',', double::text(value).as_bytes()),
            (Reply::Boolean(value), V2) => self.number(b':', value.into()),
            (Reply::Boolean(data), V3) => self.resp3(&Resp3::Boolean {
                data,
                attributes: None,
            }),
            (Reply::BigNumber(digits), V2) => self.resp2(&Resp2::BulkString(digits.as_bytes())),
            (Reply::BigNumber(digits), V3) => self.resp3(&Resp3::BigNumber {
                data: digits.as_bytes(),
                attributes: None,
            }),
            (Reply::Verbatim { text, .. }, V2) => self.bulk(Blob::from(text)),
            (Reply::Verbatim { format, text }, V3) => {
                self.header(b'=', text.len() + format.len() + 1);
                self.tail.extend_from_slice(&format);
                self.tail.extend_from_slice(b":");
                self.tail.extend_from_slice(text.as_bytes());
                self.tail.extend_from_slice(b"\r\n");
            }
            (Reply::Attributed { reply, .. }, V2) => self.push(*reply, version),
            (Reply::Attributed { attributes, reply }, V3) => {
                self.header(b'|', attributes.len());
                self.flat(attributes, version);
                self.push(*reply, version);
            }
            (Reply::Followed(both), _) => both.into_iter().for_each(|one| self.push(one, version)),
            (Reply::None, _) => {}
        }
    }

    /// Appends what is encoded already.
    pub fn push_encoded(&mut self, bytes: Bytes) {
        if bytes.len() < SHARE {
            self.tail.extend_from_slice(&bytes);
        } else {
            self.enqueue(Piece::Bytes(bytes));
        }
    }

    /// Appends the start of an array whose `len` replies are pushed one by one after it.
    pub fn begin_array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// The bytes to write next, empty when nothing waits. More may follow once [`Output::advance`] has been told that
    /// these have left.
    pub fn chunk(&mut self) -> &[u8] {
        while let Some(front) = self.queue.front_mut() {
            if front.fill() {
                break;
            }
            self.queue.pop_front();
        }
        match self.queue.front() {
            Some(piece) => piece.bytes(),
            None => &self.tail,
        }
    }

    /// Drops the first `count` bytes of the last [`Output::chunk`].
    pub fn advance(&mut self, count: usize) {
        match self.queue.front_mut() {
            Some(Piece::Bytes(bytes)) => bytes.advance(count),
            Some(Piece::Source(streaming)) => streaming.window.advance(count),
            None if count == self.tail.len() => self.tail.clear(),
            None => self.tail.advance(count),
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.tail.is_empty() && self.queue.iter().all(|piece| piece.left() == 0)
    }

    /// How many bytes wait, those of sources included.
    pub fn len(&self) -> u64 {
        self.queue.iter().map(Piece::left).sum::<u64>() + self.tail.len() as u64
    }

    /// How many of them are held here as bytes.
    pub fn held(&self) -> usize {
        self.queue
            .iter()
            .map(|piece| piece.bytes().len())
            .sum::<usize>()
            + self.tail.len()
    }

    /// Takes a buffer to append to, if it has none.
    #[inline]
    pub fn lend(&mut self, buffer: impl FnOnce() -> BytesMut) {
        if self.tail.capacity() == 0 {
            self.tail = buffer();
        }
    }

    /// Gives back the buffer of an output that is empty.
    pub fn reclaim(&mut self) -> Option<BytesMut> {
        (self.is_empty() && self.tail.capacity() > 0).then(|| {
            if self.queue.capacity() > 0 {
                self.queue = VecDeque::new();
            }
            std::mem::take(&mut self.tail)
        })
    }

    /// As [`Output::number`], up to 9.
    #[inline(always)]
    fn digit(&mut self, kind: u8, n: u8) {
        self.tail.extend_from_slice(&[kind, b'0' + n, b'\r', b'\n']);
    }

    /// `<kind><n>\r\n`: an integer, or the header of what has a length.
    #[inline]
    fn number(&mut self, kind: u8, n: i64) {
        if let 0..=9 = n {
            return self.digit(kind, n as u8);
        }
        self.tail.extend_from_slice(&[kind]);
        let mut digits = itoa::Buffer::new();
        self.tail.extend_from_slice(digits.format(n).as_bytes());
        self.tail.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn header(&mut self, kind: u8, len: usize) {
        self.number(kind, len as i64);
    }

    #[inline]
    fn short_bulk(&mut self, bytes: &[u8]) {
        self.header(b'$', bytes.len());
        self.tail.extend_from_slice(bytes);
        self.tail.extend_from_slice(b"\r\n");
    }

    fn bulk(&mut self, bytes: Blob) {
        if bytes.len() < SHARE {
            return self.short_bulk(&bytes);
        }
        match bytes.into_shared() {
            Err(bytes) => self.short_bulk(&bytes),
            Ok(bytes) => {
                self.header(b'$', bytes.len());
                self.enqueue(Piece::Bytes(bytes));
                self.tail.extend_from_slice(b"\r\n");
            }
        }
    }

    fn stream(&mut self, source: Box<dyn Source>) {
        self.number(b'$', source.len() as i64);
        self.enqueue(Piece::Source(Streaming {
            source,
            read: 0,
            window: BytesMut::new(),
        }));
        self.tail.extend_from_slice(b"\r\n");
    }

    /// Puts a piece behind what has been appended so far.
    fn enqueue(&mut self, piece: Piece) {
        if !self.tail.is_empty() {
            self.queue
                .push_back(Piece::Bytes(self.tail.split().freeze()));
        }
        self.queue.push_back(piece);
    }

    fn error(&mut self, text: &[u8]) {
        self.line(b'-', text);
    }

    /// `<kind><text>\r\n`, line ends in the text sent as spaces.
    fn line(&mut self, kind: u8, text: &[u8]) {
        self.tail.extend_from_slice(&[kind]);
        let start = self.tail.len();
        self.tail.extend_from_slice(text);
        for byte in &mut self.tail[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.tail.extend_from_slice(b"\r\n");
    }

    fn items(&mut self, kind: u8, items: Vec<Reply>, version: Version) {
        self.header(kind, items.len());
        for item in items {
            self.push(item, version);
        }
    }

    fn fields(&mut self, fields: &[Option<i64>], version: Version) {
        self.header(b'*', fields.len());
        for field in fields {
            match field {
                Some(n) => self.number(b':', *n),
                None => self.push(Reply::Null, version),
            }
        }
    }

    fn integers(&mut self, integers: Integers) {
        self.header(b'*', integers.len());
        self.push_encoded(integers.into_encoded());
    }

    fn pairs(&mut self, pairs: Vec<(Reply, Reply)>, version: Version) {
        match version {
            Version::Resp2 => self.header(b'*', pairs.len() * 2),
            Version::Resp3 => self.header(b'%', pairs.len()),
        }
        self.flat(pairs, version);
    }

    fn flat(&mut self, pairs: Vec<(Reply, Reply)>, version: Version) {
        for (key, value) in pairs {
            self.push(key, version);
            self.push(value, version);
        }
    }

    /// Encodes a frame at the end of `tail`. The encoder makes room by an estimate that is sometimes a byte too large
    /// (digits are counted with a floating point logarithm), so what it did not write is cut off.
    fn resp2(&mut self, frame: &Resp2<'_>) {
        let end = resp2::extend_encode_borrowed(&mut self.tail, frame, false);
        self.tail
            .truncate(end.expect("the estimate is never too small"));
    }

    /// As [`Output::resp2`].
    fn resp3(&mut self, frame: &Resp3<'_>) {
        let end = resp3::complete::extend_encode_borrowed(&mut self.tail, frame, false);
        self.tail
            .truncate(end.expect("the estimate is never too small"));
    }
}

impl Piece {
    /// Makes the next bytes ready; false when there are none left.
    fn fill(&mut self) -> bool {
        if let Piece::Source(Streaming {
            source,
            read,
            window,
        }) = self
            && window.is_empty()
        {
            let len = source.len().saturating_sub(*read).min(WINDOW as u64) as usize;
            window.clear();
            window.resize(len, 0);
            source.read(*read, window);
            *read += len as u64;
        }
        !self.bytes().is_empty()
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Bytes(bytes) => bytes,
            Piece::Source(streaming) => &streaming.window,
        }
    }

    /// How many bytes have not left.
    fn left(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Source(Streaming {
                source,
                read,
                window,
            }) => source.len() - read + window.len() as u64,
        }
    }
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
