//! Reads a file of commands back, and says where what can be relied on ends.
//!
//! A log has no checksums. What is found here is damage to the form: words, their lengths, their number. A flipped byte
//! inside a value is that value from then on.
//!
//! # The end that is missing
//!
//! A process that was killed, or a machine that lost power, leaves a last command that is not whole. The log is good up to
//! the command before it, and if that is inside a transaction up to the transaction's MULTI: half of one never happened, and
//! commands appended after an open MULTI would join it.
//!
//! A length that was damaged can also look like a command that goes on past the end. If what would be cut off holds more
//! commands, it is that, and no reason to cut them off.

use std::io::{self, Read};

use crate::resp::{Limits, Parser, Request};

/// Bytes asked for at once.
const PIECE: usize = 256 << 10;

/// The longest argument that can be one: a longer length is damage.
const LONGEST: u64 = 1 << 40;

/// What a file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Commands handed out.
    pub commands: u64,
    /// Bytes from the start of the file up to which it is good.
    pub good: u64,
    /// Bytes that were there. More than `good` if the end is missing.
    pub len: u64,
}

/// Why a file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("the bytes at offset {offset} are no command")]
    Format { offset: u64 },
    #[error(
        "the command at offset {offset} goes on past the end of the file, and has more commands in it"
    )]
    Length { offset: u64 },
    #[error("the command at offset {offset} cannot be run: {why}")]
    Refused { offset: u64, why: String },
}

/// Hands each command of `input` to `apply`, those between MULTI and EXEC together with these two, which may be without
/// their EXEC where the file ends before it; with each, where in the file it begins. `start` is how many bytes of the file
/// were read before.
///
/// # Errors
/// If the file cannot be read, its form is damaged, or `apply` refuses a command. Commands before that have been applied.
pub fn replay(
    input: &mut dyn Read,
    start: u64,
    apply: &mut dyn FnMut(u64, Request<'_>) -> Result<(), String>,
) -> Result<Replayed, ReplayError> {
    let limits = Limits {
        max_bulk: LONGEST,
        ..Limits::default()
    };
    let mut input = Input {
        source: input,
        buffer: Vec::new(),
        at: 0,
        offset: start,
    };
    let mut parser = Parser::new();
    let (mut commands, mut in_transaction, mut good) = (0, false, start);
    let whole = loop {
        let offset = input.offset;
        match input.next()? {
            Next::End => break true,
            Next::Note(Some(len)) => input.advance(len),
            Next::Note(None) => break false,
            Next::Damage => return Err(ReplayError::Format { offset }),
            Next::Command => {
                while !parser.look_ahead(input.rest(), &limits, 1) {
                    if parser.next(input.rest(), &limits).is_err() {
                        return Err(ReplayError::Format { offset });
                    }
                    if !input.fill()? {
                        break;
                    }
                }
                let Ok(Some(request)) = parser.next(input.rest(), &limits) else {
                    if holds_a_command(&input.rest()[1..]) {
                        return Err(ReplayError::Length { offset });
                    }
                    break false;
                };
                let name = request.name();
                in_transaction = name.eq_ignore_ascii_case(b"MULTI")
                    || in_transaction && !name.eq_ignore_ascii_case(b"EXEC");
                apply(offset, request).map_err(|why| ReplayError::Refused { offset, why })?;
                commands += 1;
                input.advance(parser.release());
            }
        }
        if !in_transaction {
            good = input.offset;
        }
    };
    debug_assert!(!whole || input.rest().is_empty());
    Ok(Replayed {
        commands,
        good,
        len: input.offset + input.rest().len() as u64,
    })
}

/// What comes next in the file.
enum Next {
    End,
    Command,
    /// A line that is no command (`#TS:...`), and its length if its end is there.
    Note(Option<usize>),
    Damage,
}

/// The file, as far as it has been read.
struct Input<'a> {
    source: &'a mut dyn Read,
    buffer: Vec<u8>,
    /// What is before it in the buffer is done with.
    at: usize,
    /// Where `at` is in the file.
    offset: u64,
}

impl Input<'_> {
    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    fn advance(&mut self, len: usize) {
        self.at += len;
        self.offset += len as u64;
    }

    /// Reads on. Whether there was more.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let len = self.buffer.len();
        // In proportion to what is there, so that a long argument is not moved around for each piece.
        let wanted = PIECE.max(len);
        let mut piece = Read::take(&mut *self.source, wanted as u64);
        piece.read_to_end(&mut self.buffer)?;
        Ok(self.buffer.len() > len)
    }

    fn next(&mut self) -> io::Result<Next> {
        while self.rest().len() < 2 && self.fill()? {}
        Ok(match *self.rest() {
            [] => Next::End,
            [b'#', ..] => Next::Note(self.line()?),
            [b'*'] | [b'*', b'1'..=b'9', ..] => Next::Command,
            _ => Next::Damage,
        })
    }

    /// The length of the line that comes next, its end included.
    fn line(&mut self) -> io::Result<Option<usize>> {
        loop {
            if let Some(end) = self.rest().iter().position(|&byte| byte == b'\n') {
                return Ok(Some(end + 1));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }
}

/// Whether the start of a command stands in `bytes`, after the end of a word.
fn holds_a_command(bytes: &[u8]) -> bool {
    bytes.windows(3).enumerate().any(|(at, start)| {
        start == b"\r\n*" && {
            let line = &bytes[at + 3..];
            let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
            digits > 0 && line[digits..].starts_with(b"\r\n$")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::aof::encode;

    fn log_of(lines: &[&str]) -> Vec<u8> {
        let mut log = Vec::new();
        for line in lines {
            match line.strip_prefix('#') {
                Some(_) => log.extend_from_slice(format!("{line}\r\n").as_bytes()),
                None => {
                    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
                    encode::command(&mut log, words.into_iter());
                }
            }
        }
        log
    }

    /// What was handed out, and what came of it.
    fn read(mut log: &[u8]) -> (Vec<String>, Result<Replayed, ReplayError>) {
        let mut seen = Vec::new();
        let result = replay(&mut log, 0, &mut |_, request| {
            let words: Vec<_> = request.iter().map(String::from_utf8_lossy).collect();
            seen.push(words.join(" "));
            Ok(())
        });
        (seen, result)
    }

    const LINES: [&str; 8] = [
        "#TS:1795270164",
        "SELECT 0",
        "SETBIT k 7 1",
        "MULTI",
        "SET a 1",
        "SET b 2",
        "EXEC",
        "DEL k",
    ];

    #[test]
    fn a_whole_log_is_handed_out_as_it_was_written() {
        let log = log_of(&LINES);
        let (seen, result) = read(&log);
        assert_eq!(seen, LINES[1..]);
        let len = log.len() as u64;
        let whole = Replayed {
            commands: 7,
            good: len,
            len,
        };
        assert_eq!(result.unwrap(), whole);
    }

    #[test]
    fn cut_anywhere_it_is_good_up_to_the_last_whole_command_or_transaction() {
        let log = log_of(&LINES);
        let ends: Vec<usize> = (0..=LINES.len())
            .filter(|count| !(4..=6).contains(count))
            .map(|count| log_of(&LINES[..count]).len())
            .collect();
        for cut in 0..=log.len() {
            let (_, result) = read(&log[..cut]);
            let good = ends.iter().rfind(|&&end| end <= cut).unwrap();
            let replayed = result.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert_eq!((replayed.good, replayed.len), (*good as u64, cut as u64));
        }
    }

    #[test]
    fn damage_in_the_middle_is_told_from_an_end_that_is_missing() {
        let log = log_of(&LINES);
        let middle = log_of(&LINES[..2]).len();
        let with = |at: usize, byte: u8| {
            let mut log = log.clone();
            log[at] = byte;
            log
        };
        let at = |result: Result<Replayed, ReplayError>| match result {
            Err(ReplayError::Format { offset } | ReplayError::Length { offset }) => offset as usize,
            other => panic!("{other:?}"),
        };
        assert_eq!(at(read(&with(middle, b'+')).1), middle);
        assert_eq!(at(read(&with(middle + 1, b'x')).1), middle);
        // SETBIT's length, made longer than the whole file.
        let longer = log_of(&LINES).len();
        let mut text = String::from_utf8(log.clone()).unwrap();
        text = text.replacen("$6\r\nSETBIT", &format!("${longer}\r\nSETBIT"), 1);
        assert_eq!(at(read(text.as_bytes()).1), middle);
        for empty in ["*0\r\n", "*-1\r\n", "\r\n", "PING\r\n", "\0\0"] {
            let log = [log.as_slice(), empty.as_bytes()].concat();
            assert_eq!(at(read(&log).1), log.len() - empty.len(), "{empty:?}");
        }
    }

    #[test]
    fn a_command_that_is_refused_is_named_with_its_place() {
        let log = log_of(&["SET a 1", "HSET h f v"]);
        let result = replay(
            &mut log.as_slice(),
            9,
            &mut |_, request| match request.name() {
                b"HSET" => Err("no such command".to_owned()),
                _ => Ok(()),
            },
        );
        let offset = log_of(&["SET a 1"]).len() + 9;
        assert_eq!(
            result.unwrap_err().to_string(),
            format!("the command at offset {offset} cannot be run: no such command")
        );
    }

    #[test]
    fn long_arguments_and_many_commands_pass_the_buffer_s_edges() {
        let long = "x".repeat(3 * PIECE + 5);
        let lines: Vec<String> = (0..40_000)
            .map(|at| {
                if at == 777 {
                    format!("SET k {long}")
                } else {
                    format!("INCRBY k {at}")
                }
            })
            .collect();
        let log = log_of(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let (seen, result) = read(&log);
        assert!(seen == lines, "something was lost or changed");
        assert_eq!(result.unwrap().good, log.len() as u64);
    }
}
