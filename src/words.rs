//! Words as Redis reads and writes them: in a line of redis.conf, in a request typed by hand, and as C sees a string.
//!
//! ```text
//! SET greeting "two words\r\n\x00"     escapes: \n \r \t \b \a \xHH, any other character stands for itself
//! SET greeting 'it\'s'                 no escape but \'
//! ```
//!
//! A quote may open in the middle of a word, but where it closes the word must end.

/// Splits `line` into words. `None` if a quote is not closed, or is closed in the middle of a word.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = skip_space(line);
    while !rest.is_empty() {
        let mut word = Vec::new();
        rest = skip_space(take(rest, &mut word)?);
        words.push(word);
    }
    Some(words)
}

/// Skips the space before the next word of `line`; empty where no word is left.
pub fn skip_space(line: &[u8]) -> &[u8] {
    let blanks = line.iter().take_while(|&&byte| is_space(byte)).count();
    &line[blanks..]
}

/// Takes one word from the front of `rest`, which does not start with space, appends it to `bytes`, and returns what
/// follows it. `None` if a quote is not closed, or is closed in the middle of a word.
pub fn take<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            // Fewer separators than blanks between words: \v and \f are skipped before a word and kept inside one.
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Some(rest),
            [quote @ (b'"' | b'\''), quoted @ ..] => {
                let rest = if *quote == b'"' {
                    double_quoted(quoted, bytes)?
                } else {
                    single_quoted(quoted, bytes)?
                };
                return match rest {
                    [next, ..] if !is_space(*next) => None,
                    _ => Some(rest),
                };
            }
            [byte, tail @ ..] => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let byte;
        (byte, rest) = match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (nibble(*high) << 4 | nibble(*low), tail)
            }
            [b'\\', escaped, tail @ ..] => {
                let byte = match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                };
                (byte, tail)
            }
            [byte, tail @ ..] => (*byte, tail),
        };
        bytes.push(byte);
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let byte;
        (byte, rest) = match rest {
            [] => return None,
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', b'\'', tail @ ..] => (b'\'', tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        bytes.push(byte);
    }
}

/// What C's `isspace` says in the C locale.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Appends `value` between double quotes, escaped so that [`split`] reads the same bytes back.
pub fn quote(value: &[u8], into: &mut Vec<u8>) {
    into.push(b'"');
    for &byte in value {
        match byte {
            b'"' | b'\\' => into.extend([b'\\', byte]),
            b'\n' => into.extend(b"\\n"),
            b'\r' => into.extend(b"\\r"),
            b'\t' => into.extend(b"\\t"),
            0x07 => into.extend(b"\\a"),
            0x08 => into.extend(b"\\b"),
            b' '..=b'~' => into.push(byte),
            _ => into.extend(format!("\\x{byte:02x}").into_bytes()),
        }
    }
    into.push(b'"');
}

/// What C sees of a string: the bytes before the first NUL.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|&byte| byte == 0);
    &bytes[..end.unwrap_or(bytes.len())]
}

/// Whether two byte strings, keys or names of commands, are equal.
///
/// Up to 32 bytes, as most keys are, by the ends that overlap in the middle. The C library's way reads a whole vector and
/// leaves out what is beyond the end, but waits for that too where it is in the next cache line: for one of two entries of
/// 32 bytes, some 70 ns.
#[inline]
pub fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match a.len() {
        16..=32 => {
            a.first_chunk::<16>() == b.first_chunk() && a.last_chunk::<16>() == b.last_chunk()
        }
        8..16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        4..8 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        0..4 => a.iter().eq(b),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<String>> {
        let words = split(line.as_bytes())?;
        Some(
            words
                .into_iter()
                .map(|word| String::from_utf8(word).expect("test words are UTF-8"))
                .collect(),
        )
    }

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        let mut line = Vec::new();
        quote(b"a\"b\\\n\r\t\x07\x08\x00\xff~ ", &mut line);
        assert_eq!(line, br#""a\"b\\\n\r\t\a\b\x00\xff~ ""#);
    }

    #[test]
    fn lines_split_at_white_space_and_quotes_hold_words_together() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("  \t ", &[]),
            ("save 60 1", &["save", "60", "1"]),
            ("  a\tb  ", &["a", "b"]),
            (r#"a "" b"#, &["a", "", "b"]),
            (r#"a "b c""#, &["a", "b c"]),
            (r#"a 'b "c"'"#, &["a", "b \"c\""]),
            (r"a 'it\'s'", &["a", "it's"]),
            (r"a '\n'", &["a", "\\n"]),
            (r#"a "\x41\n\q\"" "#, &["a", "A\nq\""]),
            (r#"a "\x4g""#, &["a", "x4g"]),
            (r#"pre"fix""#, &["prefix"]),
        ];
        for (line, expected) in cases {
            let expected: Vec<String> = expected.iter().map(|word| word.to_string()).collect();
            assert_eq!(words(line), Some(expected), "{line:?}");
        }
    }

    #[test]
    fn unbalanced_quotes_are_refused() {
        for line in [
            r#"a "b"#,
            "a 'b",
            r#"a "b"c"#,
            "a 'b'c",
            r#"a "b\""#,
            "a \"\\",
        ] {
            assert_eq!(words(line), None, "{line:?}");
        }
    }

    #[test]
    fn every_byte_survives_quoting() {
        let all: Vec<u8> = (0..=255).collect();
        let mut line = Vec::new();
        quote(&all, &mut line);
        assert!(line.is_ascii());
        assert_eq!(split(&line), Some(vec![all]));
    }
}
