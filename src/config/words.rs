//! Words of a configuration line: splitting it with its quotes and escapes, and quoting a value so that it splits back.

/// Splits `line` into words as redis.conf does.
///
/// Words are separated by white space. Inside `"..."` the escapes are `\n \r \t \b \a`, `\xHH` and a backslash before
/// any other byte, which stands for that byte; inside `'...'` only `\'` is one. A closing quote must end its word.
///
/// `None` if a quote is not closed, or is closed in the middle of a word.
pub(crate) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let (word, after) = word(rest)?;
        words.push(word);
        rest = after.trim_ascii_start();
    }
    Some(words)
}

/// The first word of `rest`, which does not start with white space, and what follows it.
fn word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    loop {
        match rest {
            [] => return Some((word, rest)),
            [byte, ..] if byte.is_ascii_whitespace() => return Some((word, rest)),
            [b'"', quoted @ ..] => {
                return ends_word(double_quoted(quoted, &mut word)?).map(|rest| (word, rest));
            }
            [b'\'', quoted @ ..] => {
                return ends_word(single_quoted(quoted, &mut word)?).map(|rest| (word, rest));
            }
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

fn ends_word(rest: &[u8]) -> Option<&[u8]> {
    rest.first()
        .is_none_or(u8::is_ascii_whitespace)
        .then_some(rest)
}

fn double_quoted<'l>(mut rest: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'x', high, low, after @ ..]
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(*high) << 4 | hex(*low));
                rest = after;
            }
            [b'\\', escaped, after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

fn single_quoted<'l>(mut rest: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        match rest {
            [] => return None,
            [b'\'', after @ ..] => return Some(after),
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                rest = after;
            }
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

/// Appends `value` between double quotes, escaped so that [`split`] reads the same bytes back.
pub(crate) fn quote(value: &[u8], into: &mut Vec<u8>) {
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
