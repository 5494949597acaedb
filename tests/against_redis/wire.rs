//! A connection that keeps replies as the bytes they came in, and a tree of them for when the bytes differ.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long a reply may take. Long, because a machine may be busy; a server that hangs is found all the same.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request: its words, as bytes.
pub type Words = Vec<Vec<u8>>;

pub struct Connection {
    stream: TcpStream,
    /// Bytes received and not yet handed out as replies.
    buffer: Vec<u8>,
}

impl Connection {
    pub fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next whole reply, as its raw bytes.
    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(length) = reply_length(&self.buffer) {
                let rest = self.buffer.split_off(length);
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Adds what comes within `time` to what has been received.
    pub fn listen(&mut self, time: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(time))?;
        let came = self.fill();
        self.stream.set_read_timeout(Some(PATIENCE))?;
        match came {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }

    /// What has been received and not handed out.
    pub fn received(&self) -> &[u8] {
        &self.buffer
    }

    /// Sends `words` and waits for the reply.
    pub fn ask(&mut self, words: &[&[u8]]) -> io::Result<Node> {
        self.send(&multibulk(words))?;
        Ok(Node::parse(&self.receive()?))
    }

    /// Says that nothing more will be sent, and returns all that still comes until the server closes.
    pub fn finish(mut self) -> io::Result<Vec<u8>> {
        self.stream.shutdown(Shutdown::Write)?;
        loop {
            match self.fill() {
                Ok(0) => return Ok(self.buffer),
                // A server that closes with unread input resets the connection; what came before it counts.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Ok(self.buffer);
                }
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 64 * 1024];
        let count = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count)
    }
}

/// A request as every client library sends it.
pub fn multibulk<W: AsRef<[u8]>>(words: &[W]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A request as one types it: a line, with quotes where a word needs them.
pub fn inline(words: &[Vec<u8>]) -> Vec<u8> {
    let mut line: Vec<u8> = words
        .iter()
        .map(|word| quoted(word))
        .collect::<Vec<_>>()
        .join(" ")
        .into_bytes();
    line.extend_from_slice(b"\r\n");
    line
}

/// A word as redis-cli and inline commands take it.
pub fn quoted(word: &[u8]) -> String {
    if !word.is_empty()
        && word
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte))
    {
        return String::from_utf8_lossy(word).into_owned();
    }
    let mut text = String::from("\"");
    for &byte in word {
        match byte {
            b'"' | b'\\' => text.extend(['\\', byte as char]),
            b' '..=b'~' => text.push(byte as char),
            _ => text += &format!("\\x{byte:02x}"),
        }
    }
    text + "\""
}

/// A request as one line of text, long words cut short.
pub fn line_of(words: &[Vec<u8>]) -> String {
    let short = |word: &Vec<u8>| match word.len() {
        0..=300 => quoted(word),
        length => format!("{}...({length} bytes)", quoted(&word[..40])),
    };
    words.iter().map(short).collect::<Vec<_>>().join(" ")
}

/// The length of the reply that `bytes` starts with, if all of it is there.
pub fn reply_length(bytes: &[u8]) -> Option<usize> {
    let line_end = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let count = || {
        std::str::from_utf8(&bytes[1..line_end - 2])
            .ok()?
            .parse::<i64>()
            .ok()
    };
    match bytes[0] {
        b'$' | b'=' => match count()? {
            length if length >= 0 => {
                let end = line_end + length as usize + 2;
                (bytes.len() >= end).then_some(end)
            }
            _ => Some(line_end),
        },
        kind @ (b'*' | b'%' | b'~' | b'>' | b'|') => {
            let children = count()?.max(0) * if kind == b'%' || kind == b'|' { 2 } else { 1 };
            let mut end = line_end;
            for _ in 0..children {
                end += reply_length(&bytes[end..])?;
            }
            Some(end)
        }
        _ => Some(line_end),
    }
}

/// A reply as a tree: the type byte, the line or bulk after it, and what it holds.
#[derive(Clone, PartialEq)]
pub struct Node {
    pub kind: u8,
    /// `None` for the nulls of RESP2.
    pub text: Option<Vec<u8>>,
    /// Elements; for a map, keys and values in turn.
    pub items: Vec<Node>,
}

impl Node {
    /// Reads the one reply in `raw`, which must be whole.
    pub fn parse(raw: &[u8]) -> Self {
        let (node, used) = Self::parse_some(raw);
        assert_eq!(used, raw.len(), "more than one reply");
        node
    }

    fn parse_some(raw: &[u8]) -> (Self, usize) {
        let length = reply_length(raw).expect("a whole reply");
        let line_end = raw
            .windows(2)
            .position(|pair| pair == b"\r\n")
            .expect("a line");
        let kind = raw[0];
        let line = &raw[1..line_end];
        let mut node = Self {
            kind,
            text: None,
            items: Vec::new(),
        };
        match kind {
            _ if line == b"-1" && (kind == b'$' || kind == b'*') => {}
            b'$' | b'=' => node.text = Some(raw[line_end + 2..length - 2].to_vec()),
            b'*' | b'%' | b'~' | b'>' | b'|' => {
                node.text = Some(Vec::new());
                let mut at = line_end + 2;
                while at < length {
                    let (item, used) = Self::parse_some(&raw[at..]);
                    node.items.push(item);
                    at += used;
                }
            }
            _ => node.text = Some(line.to_vec()),
        }
        (node, length)
    }

    pub fn is_error(&self) -> bool {
        self.kind == b'-' || self.kind == b'!'
    }

    /// The text, empty for nulls and aggregates.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_deref().unwrap_or_default()
    }

    pub fn string(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub fn integer(&self) -> Option<i64> {
        if self.kind == b':' {
            self.string().parse().ok()
        } else {
            None
        }
    }

    /// The value that follows `key`, in a map or in the flat array RESP2 has for one.
    pub fn value_of(&self, key: &str) -> Option<&Node> {
        self.items
            .chunks(2)
            .find(|pair| pair[0].bytes() == key.as_bytes())
            .and_then(|pair| pair.get(1))
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        let shown: &[u8] = &self.bytes()[..self.bytes().len().min(300)];
        write!(f, "{}{}", "  ".repeat(depth), self.kind as char)?;
        match &self.text {
            None => writeln!(f, "nil")?,
            Some(_) if b"*%~>|".contains(&self.kind) => writeln!(f, "{}", self.items.len())?,
            Some(text) if text.len() > 300 => {
                writeln!(f, "{}...({} bytes)", quoted(shown), text.len())?
            }
            Some(_) if self.kind == b'$' => writeln!(f, "{}", quoted(shown))?,
            Some(_) => writeln!(f, "{}", String::from_utf8_lossy(shown))?,
        }
        self.items
            .iter()
            .try_for_each(|item| item.write(f, depth + 1))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
