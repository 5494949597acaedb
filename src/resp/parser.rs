//! The bytes of a connection, cut into requests.
//!
//! ```text
//! *3\r\n                  how many words follow
//! $6\r\nSETBIT\r\n        each: its length, its bytes
//! $1\r\nk\r\n
//! $1\r\n7\r\n
//! ```
//!
//! What does not start with `*` is an inline request: one line of words (see [`super::inline`]).
//!
//! # Everything is looked at once
//!
//! [`Parser::next`] may be called after every byte that arrives. It remembers the words it has cut, the length it waits
//! for, and how much of an unfinished line holds no end, so the work is in proportion to the bytes that came, however
//! they came. A long argument's bytes are never looked at. What a buffer means does not depend on how it was split.
//!
//! # As lenient as Redis, as strict as Redis
//!
//! The byte after a line's `\r` and the two after an argument are skipped unread. Numbers are strict: no sign but `-`, no
//! leading zero, no space. `*0`, `*-1` and empty lines are nothing at all, not an error.

use std::mem;

use super::{
    error::ProtocolError,
    inline,
    request::{Request, Span},
};
use crate::number::parse_i64;

/// What a request may cost before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest argument, in bytes (`proto-max-bulk-len`).
    pub max_bulk: u64,
    /// The longest inline request, and the longest `*` or `$` line, in bytes.
    pub max_inline: usize,
    /// The most words.
    pub max_multibulk: i64,
    /// Whether the client has said who it is, or need not. One that has not may send ten words of 16 KiB.
    pub authenticated: bool,
}

impl Limits {
    const UNAUTHENTICATED_WORDS: i64 = 10;
    const UNAUTHENTICATED_BULK: i64 = 16 * 1024;
}

impl Default for Limits {
    /// Redis's defaults, for a client that need not authenticate.
    fn default() -> Self {
        Self {
            max_bulk: 512 << 20,
            max_inline: 64 << 10,
            max_multibulk: i32::MAX.into(),
            authenticated: true,
        }
    }
}

/// The longest word of a request of the usual form ([`Parser::cut_usual`]); every limit allows it.
const USUAL_BULK: usize = 999;

/// Where one connection's parsing stands. Positions are counted from the start of the caller's buffer, except those in
/// `spans`, which are counted from the start of their request so that releasing what is before it moves none of them.
#[derive(Default)]
pub struct Parser {
    /// Start of the request under way.
    begin: usize,
    /// Next byte to look at.
    at: usize,
    /// Bytes from `at` already searched for the end of the line.
    searched: usize,
    /// Words the request still lacks; 0 between requests.
    missing: usize,
    /// Length of the argument at `at`, once its `$` line has been read.
    bulk: Option<usize>,
    /// Whole requests, in order.
    whole: Vec<Whole>,
    /// How many of them have been handed out.
    given: usize,
    /// What came after the last of them, if it was no request.
    error: Option<ProtocolError>,
    /// The words of whole requests and, after them, those so far of the one under way.
    spans: Vec<Span>,
    /// The bytes of inline requests, unescaped.
    unescaped: Vec<u8>,
}

/// A request that has been cut and not been released.
#[derive(Clone, Copy)]
struct Whole {
    begin: usize,
    end: usize,
    first_span: usize,
    end_span: usize,
    inline: bool,
}

/// Room for requests that come together and their words, empty. It outlasts the pipeline it was used for.
pub struct Room {
    whole: Vec<Whole>,
    spans: Vec<Span>,
}

impl Room {
    /// How many requests there is room for, and how many words.
    const REQUESTS: usize = 16;
    const WORDS: usize = Self::REQUESTS * 8;

    /// Room for as much as mostly comes.
    pub fn usual() -> Self {
        Self {
            whole: Vec::with_capacity(Self::REQUESTS),
            spans: Vec::with_capacity(Self::WORDS),
        }
    }

    /// Whether there is room for as much as mostly comes, and not for much more.
    pub fn is_usual(&self) -> bool {
        (Self::REQUESTS..=2 * Self::REQUESTS).contains(&self.whole.capacity())
            && (Self::WORDS..=2 * Self::WORDS).contains(&self.spans.capacity())
    }
}

impl Parser {
    /// A parser at the start of a connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next whole request in `buf`, or `None` when it has not all arrived.
    ///
    /// `buf` starts at the first byte not yet released and may have grown since the last call. After an error the
    /// connection has no meaning left, and neither has the parser.
    #[inline(always)]
    pub fn next<'b>(
        &'b mut self,
        buf: &'b [u8],
        limits: &Limits,
    ) -> Result<Option<Request<'b>>, ProtocolError> {
        if self.given == self.whole.len() && !self.look_ahead(buf, limits, 1) {
            return self.error.map_or(Ok(None), Err);
        }
        let next = self.whole[self.given];
        self.given += 1;
        Ok(Some(self.request(next, buf)))
    }

    /// Cuts up to `most` requests ahead of those handed out, so that something can be done about them together before
    /// [`Parser::next`] gives them one by one. Whether there are any.
    ///
    /// What `limits` say now is held against all of them, so they should not be cut ahead of a request that changes the
    /// limits.
    pub fn look_ahead(&mut self, buf: &[u8], limits: &Limits, most: usize) -> bool {
        if self.given == self.whole.len() {
            self.forget();
        }
        while self.whole.len() - self.given < most && self.error.is_none() {
            match self.cut(buf, limits) {
                Ok(Some(whole)) => self.whole.push(whole),
                Ok(None) => break,
                Err(error) => self.error = Some(error),
            }
        }
        self.given < self.whole.len()
    }

    /// The requests that have been cut and not been handed out.
    #[inline(always)]
    pub fn ahead<'b>(
        &'b self,
        buf: &'b [u8],
    ) -> impl ExactSizeIterator<Item = Request<'b>> + Clone {
        self.whole[self.given..]
            .iter()
            .map(move |&whole| self.request(whole, buf))
    }

    /// The first so many of them have been taken.
    pub fn hand_out(&mut self, count: usize) {
        debug_assert!(count <= self.whole.len() - self.given);
        self.given += count;
    }

    /// What came after the last of them, if it was no request.
    pub fn error(&self) -> Option<ProtocolError> {
        self.error
    }

    /// Whether nothing comes after the requests that have been cut, not even an error.
    pub fn is_last(&self, buf: &[u8]) -> bool {
        self.at == buf.len() && self.error.is_none()
    }

    /// How many bytes of the buffer are done with: those of every request handed out. The caller drops that many from the
    /// front of its buffer before it calls [`Parser::next`] again. Requests cut ahead and not handed out are cut again.
    pub fn release(&mut self) -> usize {
        if self.given < self.whole.len() {
            self.cut_again();
        }
        self.forget();
        let done = if self.missing == 0 {
            self.at
        } else {
            self.begin
        };
        self.at -= done;
        self.begin = 0;
        done
    }

    /// Has all that was not handed out cut again, whole or half: it was held against limits that are no longer so.
    pub fn cut_again(&mut self) {
        if let Some(next) = self.whole.get(self.given) {
            self.at = next.begin;
        } else if self.missing > 0 || self.error.is_some() {
            self.at = self.begin;
        }
        (self.searched, self.missing, self.bulk, self.error) = (0, 0, None, None);
        self.whole.truncate(self.given);
        let cut = self.whole.last().map_or(0, |last| last.end_span);
        self.spans.truncate(cut);
    }

    /// How many more bytes than `have` (the length of the buffer) the argument under way needs, 0 when that is not known.
    pub fn lacks(&self, have: usize) -> usize {
        self.bulk
            .map_or(0, |len| (self.at + len + 2).saturating_sub(have))
    }

    /// Bytes allocated here, besides the caller's buffer.
    pub fn heap_bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>()
            + self.whole.capacity() * size_of::<Whole>()
            + self.unescaped.capacity()
    }

    /// Takes room for the requests of a pipeline, where it has less of its own and nothing in it.
    pub fn lend(&mut self, room: impl FnOnce() -> Room) {
        if self.whole.capacity() < Room::REQUESTS && self.whole.is_empty() && self.spans.is_empty()
        {
            Room {
                whole: self.whole,
                spans: self.spans,
            } = room();
        }
    }

    /// Gives back all its memory. For between requests: a half-read one keeps its words.
    pub fn reclaim(&mut self) -> Option<Room> {
        if self.missing > 0 || self.given < self.whole.len() {
            return None;
        }
        self.forget();
        self.unescaped = Vec::new();
        Some(Room {
            whole: mem::take(&mut self.whole),
            spans: mem::take(&mut self.spans),
        })
    }

    #[inline(always)]
    fn request<'b>(&'b self, whole: Whole, buf: &'b [u8]) -> Request<'b> {
        let bytes = if whole.inline {
            &self.unescaped
        } else {
            &buf[whole.begin..whole.end]
        };
        Request::new(bytes, &self.spans[whole.first_span..whole.end_span])
    }

    /// Forgets the requests handed out, all that were cut.
    #[inline]
    fn forget(&mut self) {
        if self.missing == 0 {
            self.spans.clear();
        } else if let Some(last) = self.whole.last() {
            self.spans.drain(..last.end_span);
        }
        self.whole.clear();
        self.given = 0;
        self.unescaped.clear();
    }

    /// Cuts one request.
    #[inline]
    fn cut(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<Whole>, ProtocolError> {
        let first_span = self.whole.last().map_or(0, |last| last.end_span);
        if self.missing == 0 && limits.max_bulk >= USUAL_BULK as u64 {
            if let Some(whole) = self.cut_usual(buf, limits, first_span) {
                return Ok(Some(whole));
            }
            self.spans.truncate(first_span);
        }
        loop {
            let mut inline = false;
            if self.missing == 0 {
                self.begin = self.at;
                match buf.get(self.at) {
                    None => return Ok(None),
                    Some(b'*') => match self.count(buf, limits)? {
                        None => return Ok(None),
                        Some(words) => self.missing = words,
                    },
                    Some(_) => {
                        if !self.inline(buf, limits)? {
                            return Ok(None);
                        }
                        inline = true;
                    }
                }
            }
            if !self.words(buf, limits)? {
                return Ok(None);
            }
            let end_span = self.spans.len();
            if end_span > first_span {
                return Ok(Some(Whole {
                    begin: self.begin,
                    end: self.at,
                    first_span,
                    end_span,
                    inline,
                }));
            } // else it was nothing at all
        }
    }

    /// Cuts a request of the form that nearly all have: it is there as a whole, and has up to 99 words of at most
    /// [`USUAL_BULK`] bytes, or nine of a client that has not authenticated. Any other is left to those who remember how far
    /// they came; of this one, only a few short lines have then been looked at twice.
    #[inline]
    fn cut_usual(&mut self, buf: &[u8], limits: &Limits, first_span: usize) -> Option<Whole> {
        let begin = self.at;
        let all = buf.get(begin..)?;
        let (words, mut at) = match *all {
            [b'*', one @ b'1'..=b'9', b'\r', ..] => (one - b'0', 4),
            [b'*', ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\r', ..] if limits.authenticated => {
                ((ten - b'0') * 10 + (one - b'0'), 5)
            }
            _ => return None,
        };
        // Not word by word: room for so many, no more and no fewer, is looked for once. Those after one that is not of this
        // form are of none.
        let mut usual = true;
        self.spans.extend((0..words).map(|_| {
            let line = all.get(at..).and_then(<[u8]>::first_chunk);
            let Some((line, len)) = line.and_then(usual_length).filter(|_| usual) else {
                usual = false;
                return Span { start: 0, len: 0 };
            };
            let start = at + line;
            at = start + len + 2;
            Span { start, len }
        }));
        let end = begin + at;
        if !usual || end > buf.len() {
            return None;
        }
        (self.begin, self.at, self.searched) = (begin, end, 0);
        Some(Whole {
            begin,
            end,
            first_span,
            end_span: self.spans.len(),
            inline: false,
        })
    }

    /// Reads a `*` line: how many words follow.
    #[inline]
    fn count(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let Some(digits) = self.line(buf, limits, ProtocolError::CountTooLong)? else {
            return Ok(None);
        };
        let count = parse_i64(digits)
            .filter(|&n| n <= limits.max_multibulk)
            .ok_or(ProtocolError::InvalidCount)?;
        if count > Limits::UNAUTHENTICATED_WORDS && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedCount);
        }
        // No room is taken for the words until they come.
        Ok(Some(usize::try_from(count).unwrap_or(0)))
    }

    /// Cuts the words that are there; true when that is all of them.
    #[inline]
    fn words(&mut self, buf: &[u8], limits: &Limits) -> Result<bool, ProtocolError> {
        while self.missing > 0 {
            let len = match self.bulk {
                Some(len) => len,
                None => match self.bulk_length(buf, limits)? {
                    Some(len) => len,
                    None => return Ok(false),
                },
            };
            if buf.len() - self.at < len + 2 {
                self.bulk = Some(len);
                return Ok(false);
            }
            self.bulk = None;
            self.spans.push(Span {
                start: self.at - self.begin,
                len,
            });
            self.at += len + 2;
            self.missing -= 1;
        }
        Ok(true)
    }

    /// Reads a `$` line: how long the next word is.
    #[inline]
    fn bulk_length(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let kind = buf.get(self.at).copied();
        let Some(digits) = self.line(buf, limits, ProtocolError::BulkLengthTooLong)? else {
            return Ok(None);
        };
        if let Some(kind) = kind
            && kind != b'$'
        {
            return Err(ProtocolError::ExpectedBulk(kind));
        }
        let len = parse_i64(digits)
            .filter(|&n| u64::try_from(n).is_ok_and(|n| n <= limits.max_bulk))
            .ok_or(ProtocolError::InvalidBulkLength)?;
        if len > Limits::UNAUTHENTICATED_BULK && !limits.authenticated {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        // The two bytes after the word are added to this length below, and must not overflow.
        usize::try_from(len)
            .ok()
            .filter(|&len| len <= usize::MAX / 2)
            .map(Some)
            .ok_or(ProtocolError::InvalidBulkLength)
    }

    /// Takes the `*` or `$` line at `at`: what is between its first byte and its `\r`. `None` until the byte after the
    /// `\r` is there too.
    fn line<'b>(
        &mut self,
        buf: &'b [u8],
        limits: &Limits,
        too_long: ProtocolError,
    ) -> Result<Option<&'b [u8]>, ProtocolError> {
        let line = &buf[self.at..];
        let end = self.searched + find(b'\r', &line[self.searched..]);
        if end > limits.max_inline {
            return Err(too_long);
        }
        if end + 2 > line.len() {
            self.searched = end;
            return Ok(None);
        }
        self.searched = 0;
        self.at += end + 2;
        Ok(Some(line.get(1..end).unwrap_or_default()))
    }

    /// Takes an inline request, leaving its words in `spans` and `unescaped`; false when its line has not ended.
    fn inline(&mut self, buf: &[u8], limits: &Limits) -> Result<bool, ProtocolError> {
        let line = &buf[self.at..];
        let end = self.searched + find(b'\n', &line[self.searched..]);
        if end > limits.max_inline {
            return Err(ProtocolError::InlineTooLong);
        }
        if end == line.len() {
            self.searched = end;
            return Ok(false);
        }
        self.searched = 0;
        self.at += end + 1;
        inline::split(&line[..end], &mut self.unescaped, &mut self.spans)?;
        Ok(true)
    }
}

/// The lengths of a `$` line of up to three digits and of the word it announces. A word and its line are never shorter than
/// what is looked at.
#[inline]
fn usual_length(bytes: &[u8; 6]) -> Option<(usize, usize)> {
    let digit = |at: usize| Some(usize::from(bytes[at].wrapping_sub(b'0'))).filter(|&n| n <= 9);
    let first = digit(1).filter(|_| bytes[0] == b'$')?;
    if bytes[2] == b'\r' {
        return Some((4, first));
    }
    let two = first * 10 + digit(2).filter(|_| first > 0)?;
    if bytes[3] == b'\r' {
        return Some((5, two));
    }
    let three = two * 10 + digit(3)?;
    (bytes[4] == b'\r').then_some((6, three))
}

/// Where `byte` first stands in `bytes`; their length when it does not.
fn find(byte: u8, bytes: &[u8]) -> usize {
    bytes.iter().position(|&b| b == byte).unwrap_or(bytes.len())
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
