//! Requests typed by hand: one line, its words apart by spaces, with quotes where a word holds spaces or bytes.

use super::{error::ProtocolError, request::Span};
use crate::words;

/// Cuts `line` into words: their bytes, unescaped, go to the end of `bytes` and their places to `spans`. A line of
/// spaces has no words. A NUL ends the line, as it does where Redis splits one.
pub(super) fn split(
    line: &[u8],
    bytes: &mut Vec<u8>,
    spans: &mut Vec<Span>,
) -> Result<(), ProtocolError> {
    let mut rest = words::skip_space(words::until_nul(line));
    while !rest.is_empty() {
        let start = bytes.len();
        rest = words::take(rest, bytes).ok_or(ProtocolError::UnbalancedQuotes)?;
        rest = words::skip_space(rest);
        spans.push(Span {
            start,
            len: bytes.len() - start,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        split(line, &mut bytes, &mut spans)?;
        Ok(spans
            .iter()
            .map(|span| bytes[span.start..span.start + span.len].to_vec())
            .collect())
    }

    /// Each line was sent to Redis 8.2.3; the words are those its ECHO answered.
    #[test]
    fn lines_split_as_redis_splits_them() {
        let lines: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b" \t ", &[]),
            (b"PING", &[b"PING"]),
            (b"   ECHO   x  ", &[b"ECHO", b"x"]),
            (b"\tECHO\tx\t", &[b"ECHO", b"x"]),
            (b"ECHO \x0bx\x0c", &[b"ECHO", b"x\x0c"]),
            (b"ECHO a\rb", &[b"ECHO", b"a", b"b"]),
            (b"PING\r", &[b"PING"]),
            (b"ECHO \"a b\"", &[b"ECHO", b"a b"]),
            (
                b"ECHO \"a\\x41\\n\\r\\t\\b\\a\\q\\\"z\"",
                &[b"ECHO", b"aA\n\r\t\x08\x07q\"z"],
            ),
            (b"ECHO \"\\xFf\\xAb\"", &[b"ECHO", b"\xff\xab"]),
            (b"ECHO \"\\xzz\"", &[b"ECHO", b"xzz"]),
            (b"ECHO \"\\x4\"", &[b"ECHO", b"x4"]),
            (b"ECHO \"\\x4g\"", &[b"ECHO", b"x4g"]),
            (b"ECHO \"a\\\\\"", &[b"ECHO", b"a\\"]),
            (b"ECHO 'it\\'s'", &[b"ECHO", b"it's"]),
            (b"ECHO 'a\\n'", &[b"ECHO", b"a\\n"]),
            (b"ECHO a\"b c\"", &[b"ECHO", b"ab c"]),
            (b"ECHO a'b c'", &[b"ECHO", b"ab c"]),
            (b"ECHO \"\"", &[b"ECHO", b""]),
            (b"\"\"", &[b""]),
            (b"\"PING\"", &[b"PING"]),
            (b"ECHO \\x41", &[b"ECHO", b"\\x41"]),
            (b"ECHO \xff", &[b"ECHO", b"\xff"]),
        ];
        for (line, expected) in lines {
            assert_eq!(
                words(line).as_deref(),
                Ok(&*expected.iter().map(|w| w.to_vec()).collect::<Vec<_>>()),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn quotes_that_do_not_close_at_a_words_end_are_refused_as_redis_refuses_them() {
        let lines: &[&[u8]] = &[
            b"ECHO \"a",
            b"ECHO \"a\"b",
            b"ECHO 'a",
            b"ECHO 'a'b",
            b"ECHO a\"b\"c",
            b"ECHO \"\\",
            b"ECHO 'a\\\\'",
            b"\"",
            b"'",
            b"\"a\"\"b\"",
        ];
        for line in lines {
            assert_eq!(
                words(line),
                Err(ProtocolError::UnbalancedQuotes),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn a_nul_ends_the_line() {
        assert_eq!(words(b"PING\0 more"), Ok(vec![b"PING".to_vec()]));
        assert_eq!(
            words(b"ECHO \"a\0b\""),
            Err(ProtocolError::UnbalancedQuotes)
        );
    }
}
