//! A connection that sends much and reads fast.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub struct Load {
    stream: TcpStream,
    replies: BufReader<TcpStream>,
    /// Bytes of the replies read so far.
    pub received: u64,
}

impl Load {
    pub fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        let replies = BufReader::with_capacity(256 * 1024, stream.try_clone()?);
        Ok(Self {
            stream,
            replies,
            received: 0,
        })
    }

    /// Sends one request and returns its reply: a line without its kind and end, or a bulk string's bytes.
    pub fn ask(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut request = Vec::new();
        append(&mut request, words);
        self.send(&request);
        self.reply()
    }

    /// Sends `requests` of `count` requests in all, then reads as many replies, each an integer or a line. Returns
    /// the sum of the integers. What is sent must fit what sockets hold: some hundred kilobytes.
    pub fn pipeline(&mut self, requests: &[u8], count: usize) -> u64 {
        self.send(requests);
        let mut sum = 0u64;
        let mut line = Vec::new();
        for _ in 0..count {
            self.line(&mut line);
            if line[0] == b':' {
                let digits = std::str::from_utf8(&line[1..line.len() - 2]).expect("digits");
                sum = sum.wrapping_add(digits.parse::<i64>().expect("an integer") as u64);
            }
        }
        sum
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .expect("the server takes the request");
    }

    /// The next reply, or the next part of an array: see [`Load::ask`].
    pub fn reply(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.line(&mut line);
        let text = line[1..line.len() - 2].to_vec();
        if line[0] != b'$' {
            return text;
        }
        let len = std::str::from_utf8(&text)
            .ok()
            .and_then(|len| len.parse::<usize>().ok());
        let mut bytes = vec![0; len.expect("a length") + 2];
        self.replies
            .read_exact(&mut bytes)
            .expect("the rest of the reply");
        self.received += bytes.len() as u64;
        bytes.truncate(bytes.len() - 2);
        bytes
    }

    /// Reads past the next reply, a bulk string of any length, without holding it.
    #[allow(dead_code, reason = "not needed by all programs that share this")]
    pub fn pass(&mut self) {
        let mut line = Vec::new();
        self.line(&mut line);
        let text = line[..line.len() - 2].strip_prefix(b"$");
        let len = text.and_then(|len| std::str::from_utf8(len).ok()?.parse::<u64>().ok());
        let len = len.expect("the length of a string") + 2;
        let mut bytes = self.replies.by_ref().take(len);
        let passed = io::copy(&mut bytes, &mut io::sink()).expect("a reply in time");
        assert_eq!(passed, len, "the server goes on");
        self.received += len;
    }

    /// The sum of the next `count` parts of an array, all of them integers that are not negative, read as quickly as a
    /// client can that has nothing else to do with them.
    pub fn sum(&mut self, count: usize) -> u64 {
        let (mut left, mut sum, mut number) = (count, 0u64, 0);
        while left > 0 {
            let buffer = self.replies.fill_buf().expect("a reply in time");
            assert!(!buffer.is_empty(), "the server goes on");
            let mut used = 0;
            for byte in buffer {
                used += 1;
                match byte {
                    b'0'..=b'9' => number = number * 10 + u64::from(byte - b'0'),
                    b'\n' => {
                        sum = sum.wrapping_add(number);
                        number = 0;
                        left -= 1;
                        if left == 0 {
                            break;
                        }
                    }
                    other => assert!(matches!(other, b':' | b'\r'), "an integer"),
                }
            }
            self.replies.consume(used);
            self.received += used as u64;
        }
        sum
    }

    /// The next line, with its end, in place of what `line` holds. No error.
    fn line(&mut self, line: &mut Vec<u8>) {
        line.clear();
        let read = self.replies.read_until(b'\n', line);
        self.received += read.expect("a reply in time") as u64;
        assert_ne!(line[0], b'-', "{}", line.escape_ascii());
    }
}

/// Appends one request.
pub fn append(requests: &mut Vec<u8>, words: &[&[u8]]) {
    write!(requests, "*{}\r\n", words.len()).expect("a vector takes all");
    for word in words {
        write!(requests, "${}\r\n", word.len()).expect("a vector takes all");
        requests.extend_from_slice(word);
        requests.extend_from_slice(b"\r\n");
    }
}
