//! Redis's glob patterns: `*`, `?`, `[a-z]`, `[^a-z]` and `\` before any of them.
//!
//! Used by KEYS, SCAN, CONFIG GET and `include`. The corners are Redis's: a class that is never closed ends with the
//! pattern, `[b-a]` is `[a-b]`, bytes are signed inside a range, and a pattern may hold at most 1000 stars that have to
//! try more than one place.

/// How deep stars may nest before a pattern counts as not matching, as in Redis.
const DEEPEST: usize = 1000;

/// Whether all of `text` fits `pattern`, byte for byte.
///
/// Takes time proportional to `pattern.len() * text.len()` at worst: once the part after a star fits nowhere, no
/// earlier star is tried again.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    Matcher {
        fold: false,
        hopeless: false,
    }
    .run(pattern, text, 0)
}

/// [`matches`] where ASCII letters are equal whatever their case.
pub fn matches_ignoring_case(pattern: &[u8], text: &[u8]) -> bool {
    Matcher {
        fold: true,
        hopeless: false,
    }
    .run(pattern, text, 0)
}

struct Matcher {
    /// Compare ASCII letters without their case.
    fold: bool,
    /// The rest after some star fits nowhere in what is left: giving earlier stars more bytes cannot help.
    hopeless: bool,
}

impl Matcher {
    fn byte(&self, byte: u8) -> u8 {
        if self.fold {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    }

    fn run(&mut self, mut pattern: &[u8], mut text: &[u8], depth: usize) -> bool {
        if depth > DEEPEST {
            return false;
        }
        while let ([first, rest @ ..], [byte, after @ ..]) = (pattern, text) {
            match first {
                b'*' => return self.star(pattern, text, depth),
                b'?' => pattern = rest,
                b'[' => match self.class(rest, *byte) {
                    (true, rest) => pattern = rest,
                    (false, _) => return false,
                },
                literal => {
                    let (literal, rest) = match (literal, rest) {
                        (b'\\', [escaped, rest @ ..]) => (escaped, rest),
                        _ => (literal, rest),
                    };
                    if self.byte(*literal) != self.byte(*byte) {
                        return false;
                    }
                    pattern = rest;
                }
            }
            text = after;
            if text.is_empty() {
                while let [b'*', rest @ ..] = pattern {
                    pattern = rest;
                }
            }
        }
        pattern.is_empty() && text.is_empty()
    }

    /// `pattern` starts with a star and `text` is not empty.
    fn star(&mut self, mut pattern: &[u8], mut text: &[u8], depth: usize) -> bool {
        while let [b'*', rest @ ..] = pattern {
            pattern = rest;
        }
        if pattern.is_empty() {
            return true;
        }
        while !text.is_empty() {
            if self.run(pattern, text, depth + 1) {
                return true;
            }
            if self.hopeless {
                return false;
            }
            text = &text[1..];
        }
        self.hopeless = true;
        false
    }

    /// Reads a class whose `[` is already gone. Returns whether `byte` is in it, and the pattern after its `]`.
    fn class<'p>(&self, mut pattern: &'p [u8], byte: u8) -> (bool, &'p [u8]) {
        let negated = pattern.first() == Some(&b'^');
        if negated {
            pattern = &pattern[1..];
        }
        let mut found = false;
        loop {
            match pattern {
                // Escaped bytes are compared with their case even where letters fold, as Redis does.
                [b'\\', escaped, rest @ ..] => {
                    found |= *escaped == byte;
                    pattern = rest;
                }
                [b']', rest @ ..] => return (found != negated, rest),
                [] => return (found != negated, pattern),
                [low, b'-', high, rest @ ..] => {
                    let (low, high) = (*low as i8, *high as i8);
                    let (low, high) = (low.min(high), low.max(high));
                    let (low, high) = (self.byte(low as u8) as i8, self.byte(high as u8) as i8);
                    found |= (low..=high).contains(&(self.byte(byte) as i8));
                    pattern = rest;
                }
                [member, rest @ ..] => {
                    found |= self.byte(*member) == self.byte(byte);
                    pattern = rest;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        let cases: &[(&str, &str, bool)] = &[
            ("", "", true),
            ("", "a", false),
            ("*", "", false), // CONFIG GET and KEYS treat a lone star before they come here
            ("*", "abc", true),
            ("a*", "a", true),
            ("a**", "a", true),
            ("**c", "abc", true),
            ("a*c*e", "abcde", true),
            ("a*c*f", "abcde", false),
            ("?", "a", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("h[ae]llo", "hello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("h[a-", "h-", true),
            ("h[abc", "hc", true),
            ("h[", "hx", false),
            ("h[^", "hx", true),
            ("h[]", "hx", false),
            ("h\\*llo", "h*llo", true),
            ("h\\*llo", "hello", false),
            ("[\\]]", "]", true),
            ("[\\-x]", "-", true),
            ("a\\", "a\\", true),
            ("a\\", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                *expected,
                "{pattern:?} on {text:?}"
            );
        }
    }

    #[test]
    fn case_is_folded_only_on_request() {
        assert!(!matches(b"MAX*", b"maxmemory"));
        assert!(matches_ignoring_case(b"MAX*", b"maxmemory"));
        assert!(matches_ignoring_case(b"[A-C]x", b"bX"));
    }

    #[test]
    fn ranges_compare_signed_bytes() {
        assert!(matches(b"[\x80-\x01]", b"\xff"));
        assert!(!matches(b"[\x01-\x7f]", b"\x80"));
    }

    #[test]
    fn many_stars_take_little_time() {
        let text = vec![b'a'; 20_000];
        let pattern = b"*a".repeat(300);
        assert!(matches(&pattern, &text));
        let mut pattern = pattern;
        pattern.push(b'b');
        assert!(!matches(&pattern, &text));
    }

    #[test]
    fn stars_nest_a_thousand_deep_and_no_deeper() {
        let text = vec![b'a'; 3000];
        assert!(matches(&b"*a".repeat(1000), &text));
        assert!(!matches(&b"*a".repeat(1001), &text));
    }
}
