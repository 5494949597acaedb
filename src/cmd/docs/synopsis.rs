//! The arguments of a command in one line, from which COMMAND DOCS and HELP take them.
//!
//! ```text
//! key [range(start:integer end:integer [unit<BYTE|BIT>@7.0.0])]
//!
//! name            an argument: a string, unless it is called `key`
//! name:integer    one of another type (key, integer, double, pattern, unix-time)
//! WORD            a word to be written as it is
//! WORD=name       an argument after a word
//! name(a b)       several arguments in a row
//! name<a|b>       one of several
//! [a]             may be left out
//! a...  a&...     may be repeated; with its word each time
//! a"text"         is shown to people as this text
//! a@7.0.0         is there since this version of Redis;  a!7.0.0  is deprecated since then
//! ```

use std::fmt;

/// One argument, or a group of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// The word in front of it; of a [`Kind::Word`], the word itself.
    pub(super) token: Option<&'static str>,
    pub(super) shown_as: Option<&'static str>,
    pub(super) since: Option<&'static str>,
    pub(super) deprecated_since: Option<&'static str>,
    pub(super) optional: bool,
    pub(super) repeated: bool,
    /// Repeated together with its token.
    pub(super) token_repeated: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Word,
    /// A value of this type.
    Value(&'static str),
    /// All of these, in order.
    Block(Vec<Argument>),
    /// One of these.
    OneOf(Vec<Argument>),
}

/// What stands in a synopsis where it must not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The part of the synopsis that was not understood.
    pub(super) rest: &'static str,
}

/// Reads a whole synopsis.
pub(super) fn parse(text: &'static str) -> Result<Vec<Argument>, Malformed> {
    let mut reader = Reader { rest: text };
    let arguments = reader.arguments(' ')?;
    if reader.rest.is_empty() {
        Ok(arguments)
    } else {
        Err(reader.malformed())
    }
}

struct Reader {
    rest: &'static str,
}

impl Reader {
    fn malformed(&self) -> Malformed {
        Malformed { rest: self.rest }
    }

    fn take(&mut self, symbol: &str) -> bool {
        let rest = self.rest.strip_prefix(symbol);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Malformed> {
        if self.take(symbol) {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    /// Letters, digits and dashes; at least one.
    fn word(&mut self) -> Result<&'static str, Malformed> {
        let part = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        let (word, rest) = self
            .rest
            .split_at(self.rest.find(part).unwrap_or(self.rest.len()));
        if word.is_empty() {
            return Err(self.malformed());
        }
        self.rest = rest;
        Ok(word)
    }

    fn version(&mut self) -> &'static str {
        // A version is followed by `...` where the argument may be repeated, so its own dots have a digit behind them.
        let bytes = self.rest.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
        let inside = |at: &usize| digit(*at) || (bytes.get(*at) == Some(&b'.') && digit(at + 1));
        let len = (0..).take_while(inside).count();
        let (version, rest) = self.rest.split_at(len);
        self.rest = rest;
        version
    }

    /// Arguments up to the end of their group, `between` them.
    fn arguments(&mut self, between: char) -> Result<Vec<Argument>, Malformed> {
        let mut all = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with([')', '>', ']']) {
            if !all.is_empty() && !self.take(between.encode_utf8(&mut [0; 4])) {
                return Err(self.malformed());
            }
            all.push(self.argument()?);
        }
        Ok(all)
    }

    fn argument(&mut self) -> Result<Argument, Malformed> {
        if self.take("[") {
            let mut argument = self.argument()?;
            self.expect("]")?;
            argument.optional = true;
            return Ok(argument);
        }
        let mut argument = Argument::default();
        let mut name = self.word()?;
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            argument.token = Some(name);
            argument.name = name.to_ascii_lowercase();
            if self.take("=") {
                name = self.word()?;
            }
        }
        if argument.token != Some(name) {
            argument.name = name.into();
            argument.kind = self.kind(name)?;
        }
        self.details(&mut argument)?;
        Ok(argument)
    }

    fn kind(&mut self, name: &str) -> Result<Kind, Malformed> {
        Ok(if self.take("(") {
            let parts = self.arguments(' ')?;
            self.expect(")")?;
            Kind::Block(parts)
        } else if self.take("<") {
            let parts = self.arguments('|')?;
            self.expect(">")?;
            Kind::OneOf(parts)
        } else if self.take(":") {
            Kind::Value(self.word()?)
        } else {
            Kind::Value(if name == "key" { "key" } else { "string" })
        })
    }

    fn details(&mut self, argument: &mut Argument) -> Result<(), Malformed> {
        if self.take("\"") {
            let (text, rest) = self.rest.split_once('"').ok_or(self.malformed())?;
            argument.shown_as = Some(text);
            self.rest = rest;
        }
        if self.take("@") {
            argument.since = Some(self.version());
        }
        if self.take("!") {
            argument.deprecated_since = Some(self.version());
        }
        argument.token_repeated = self.take("&...");
        argument.repeated = argument.token_repeated || self.take("...");
        Ok(())
    }
}

/// As people write it: `<key> [EX <seconds> | PX <milliseconds>] [<key> ...]`.
impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.optional { ("[", "]") } else { ("", "") };
        f.write_str(open)?;
        self.fmt_once(f, true)?;
        if self.repeated {
            f.write_str(" [")?;
            self.fmt_once(f, self.token_repeated)?;
            f.write_str(" ...]")?;
        }
        f.write_str(close)
    }
}

impl Argument {
    fn fmt_once(&self, f: &mut fmt::Formatter<'_>, with_token: bool) -> fmt::Result {
        if let Some(token) = self.token.filter(|_| with_token) {
            f.write_str(token)?;
            if self.kind != Kind::Word {
                f.write_str(" ")?;
            }
        }
        match &self.kind {
            Kind::Word => Ok(()),
            Kind::Value(_) => write!(f, "<{}>", self.shown_as.unwrap_or(&self.name)),
            Kind::Block(parts) => join(f, parts, " "),
            Kind::OneOf(parts) => join(f, parts, "|"),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Argument], between: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &'static str) -> String {
        let arguments = parse(text).expect("it is well formed");
        let words: Vec<String> = arguments.iter().map(Argument::to_string).collect();
        words.join(" ")
    }

    #[test]
    fn arguments_are_shown_as_people_write_them() {
        for (text, people) in [
            ("", ""),
            ("key... [WITH]", "<key> [<key> ...] [WITH]"),
            (
                "key [range(start:integer end:integer [unit<BYTE|BIT>@7.0.0])]",
                "<key> [<start> <end> [BYTE|BIT]]",
            ),
            (
                "[GET=get(type at:integer)&...]",
                "[GET <type> <at> [GET <type> <at> ...]]",
            ),
            ("[ID=id:integer@6.2.0...]", "[ID <id> [<id> ...]]"),
            (
                "at<old\"ip:port\"!2.8.12|ADDR=addr>",
                "<ip:port>|ADDR <addr>",
            ),
        ] {
            assert_eq!(shown(text), people);
        }
    }

    #[test]
    fn details_are_read() {
        let [argument] = &parse("[ID=client-id:integer@6.2.0!7.0.0...]").expect("well formed")[..]
        else {
            panic!("one argument");
        };
        let expected = Argument {
            name: "client-id".into(),
            kind: Kind::Value("integer"),
            token: Some("ID"),
            shown_as: None,
            since: Some("6.2.0"),
            deprecated_since: Some("7.0.0"),
            optional: true,
            repeated: true,
            token_repeated: false,
        };
        assert_eq!(*argument, expected);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for text in [
            "a(b", "a)", "[a", "a<b c>", "a  b", "a:", "A=", "a\"b", "a!1.0x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
