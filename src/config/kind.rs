//! What kinds of value settings have: how each is read, shown and written back to a file.

use crate::number::parse_i64;
use crate::words;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::list;
use super::number;

/// The value of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Every kind that fits one number: yes and no (1 and 0), integers, sizes, a choice's number. A percentage is its
    /// negative.
    Number(i64),
    /// Text, and the settings made of several words, in the form CONFIG GET shows.
    Bytes(Arc<[u8]>),
}

impl Value {
    pub(super) fn text(text: impl AsRef<[u8]>) -> Self {
        Value::Bytes(text.as_ref().into())
    }

    /// The bytes of a text value; empty for numbers.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Value::Number(_) => b"",
            Value::Bytes(bytes) => bytes,
        }
    }
}

/// The words a choice may be, each with its number. Where two have one number, the first is the one shown.
pub(super) type Choices = &'static [(&'static str, i64)];

/// Tells what is wrong with a text, if anything.
pub(super) type Check = fn(&[u8]) -> Result<(), &'static str>;

/// How a setting's value is written.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    YesNo,
    Integer(RangeInclusive<i64>),
    /// An integer that Redis keeps unsigned: below zero it has an error text of its own.
    Natural(RangeInclusive<i64>),
    /// An integer that is pulled into the second range after it was accepted from the first.
    Clamped(RangeInclusive<i64>, RangeInclusive<i64>),
    /// Bytes, with units.
    Memory(RangeInclusive<i64>),
    /// Bytes that Redis keeps unsigned, as with [`Kind::Natural`].
    Size(RangeInclusive<i64>),
    /// Bytes, or `n%` of something, up to 100.
    SizeOrPercent,
    /// File permissions, up to the given ones.
    Octal(i64),
    Choice(Choices),
    /// Several words of a choice at once, as bits.
    Flags(Choices),
    /// Text that ends at a NUL; empty is a value like others.
    Text(Check),
    /// Text that ends at a NUL; empty means there is none, and the line leaves the file.
    Optional(Check),
    /// Any bytes; empty means there are none.
    Bytes,
    /// An existing directory, kept as an absolute path.
    Directory,
    Save,
    OutputLimits,
    OomScores,
    Events,
    Bind,
    Replica,
    Percentiles,
}

/// Accepts any text.
pub(super) fn any(_: &[u8]) -> Result<(), &'static str> {
    Ok(())
}

impl Kind {
    /// Whether the value is a list of words.
    pub(super) fn is_list(&self) -> bool {
        use Kind::*;
        matches!(
            self,
            Flags(_) | Save | OutputLimits | OomScores | Bind | Replica | Percentiles
        )
    }

    /// The words in one argument of CONFIG SET, or in the only word of a line: lists are split at single spaces.
    pub(super) fn words<'t>(&self, text: &'t [u8]) -> Vec<&'t [u8]> {
        match self.is_list() {
            true if text.is_empty() => Vec::new(),
            true => text.split(|&byte| byte == b' ').collect(),
            false => vec![text],
        }
    }

    /// Reads a new value from the words of a line. `old` is the value so far, which some lists change only in part.
    ///
    /// The error is the text Redis gives for the same words.
    pub(super) fn parse(&self, words: &[&[u8]], old: &Value) -> Result<Value, String> {
        let [word] = words else {
            return self.parse_list(words, old);
        };
        let word = *word;
        Ok(match self {
            Kind::YesNo if word.eq_ignore_ascii_case(b"yes") => Value::Number(1),
            Kind::YesNo if word.eq_ignore_ascii_case(b"no") => Value::Number(0),
            Kind::YesNo => return Err("argument must be 'yes' or 'no'".into()),
            Kind::Integer(range) => Value::Number(signed(plain(word)?, range)?),
            Kind::Natural(range) => Value::Number(unsigned(plain(word)?, range)?),
            Kind::Clamped(range, within) => {
                Value::Number(signed(plain(word)?, range)?.clamp(*within.start(), *within.end()))
            }
            Kind::Memory(range) => Value::Number(signed(memory(word)?, range)?),
            Kind::Size(range) => Value::Number(unsigned(memory(word)?, range)?),
            Kind::SizeOrPercent => Value::Number(size_or_percent(word)?),
            Kind::Octal(max) => Value::Number(octal(word, *max)?),
            Kind::Choice(choices) => Value::Number(choice(choices, word)?),
            Kind::Text(check) | Kind::Optional(check) => {
                let text = words::until_nul(word);
                check(text)?;
                Value::text(text)
            }
            Kind::Bytes => Value::text(word),
            Kind::Directory => list::directory(word, old.bytes())?,
            Kind::Events => list::events(word)?,
            _ => return self.parse_list(words, old),
        })
    }

    fn parse_list(&self, words: &[&[u8]], old: &Value) -> Result<Value, String> {
        match self {
            Kind::Flags(choices) => flags(choices, words),
            Kind::Save => list::save(words),
            Kind::OutputLimits => list::output_limits(words, old.bytes()),
            Kind::OomScores => list::oom_scores(words),
            Kind::Bind => list::bind(words),
            Kind::Replica => list::replica(words),
            Kind::Percentiles => list::percentiles(words),
            _ => Err("wrong number of arguments".into()),
        }
    }

    /// The value as CONFIG GET shows it.
    pub(super) fn show(&self, value: &Value) -> Vec<u8> {
        let number = match value {
            Value::Bytes(bytes) => return bytes.to_vec(),
            Value::Number(number) => *number,
        };
        match self {
            Kind::YesNo => if number == 0 { "no" } else { "yes" }.into(),
            Kind::Choice(choices) => choice_name(choices, number).into(),
            Kind::Flags(choices) => flag_names(choices, number).into(),
            Kind::Events => list::show_events(number),
            Kind::Octal(_) => format!("{number:o}").into(),
            Kind::SizeOrPercent if number < 0 => format!("{}%", -number).into(),
            _ => number.to_string().into(),
        }
    }

    /// The lines that would set this value in a file, each with whether it must be there even if the file never had
    /// one. No lines at all take the setting out of the file.
    pub(super) fn lines(&self, name: &str, value: &Value, default: &Value) -> Vec<(Vec<u8>, bool)> {
        let changed = value != default;
        let plain = |text: &[u8], force| vec![([name.as_bytes(), b" ", text].concat(), force)];
        match (self, value) {
            (Kind::Memory(_) | Kind::Size(_) | Kind::SizeOrPercent, Value::Number(bytes @ 0..)) => {
                plain(number::format_memory(*bytes as u64).as_bytes(), changed)
            }
            (Kind::Optional(_) | Kind::Bytes, value) if value.bytes().is_empty() => Vec::new(),
            (
                Kind::Text(_) | Kind::Optional(_) | Kind::Bytes | Kind::Directory | Kind::Events,
                value,
            ) => {
                let mut line = [name.as_bytes(), b" "].concat();
                words::quote(&self.show(value), &mut line);
                vec![(line, changed || matches!(self, Kind::Directory))]
            }
            (Kind::Bind, _) if !changed => Vec::new(),
            (Kind::Replica, value) if value.bytes().is_empty() => Vec::new(),
            (Kind::Save, value) => match list::in_groups(value.bytes(), 2) {
                points if points.is_empty() => plain(b"\"\"", true),
                points => points.iter().flat_map(|point| plain(point, true)).collect(),
            },
            (Kind::OutputLimits, value) => {
                list::output_limit_lines(name, value.bytes(), default.bytes())
            }
            (Kind::Bind | Kind::Percentiles, value) if value.bytes().is_empty() => {
                plain(b"\"\"", true)
            }
            (Kind::Percentiles, value) => plain(value.bytes(), true),
            (_, value) => plain(&self.show(value), changed),
        }
    }
}

fn plain(word: &[u8]) -> Result<i64, String> {
    parse_i64(word).ok_or_else(|| "argument couldn't be parsed into an integer".into())
}

/// The size as Redis carries it on: in 64 bits, so that what is too big for a signed number comes out negative.
fn memory(word: &[u8]) -> Result<i64, String> {
    number::memory(word)
        .map(|bytes| bytes as i64)
        .ok_or_else(|| "argument must be a memory value".into())
}

fn signed(number: i64, range: &RangeInclusive<i64>) -> Result<i64, String> {
    if range.contains(&number) {
        return Ok(number);
    }
    Err(format!(
        "argument must be between {} and {} inclusive",
        range.start(),
        range.end()
    ))
}

fn unsigned(number: i64, range: &RangeInclusive<i64>) -> Result<i64, String> {
    if number < 0 {
        return Err("argument must be greater or equal to 0".into());
    }
    signed(number, range)
}

fn size_or_percent(word: &[u8]) -> Result<i64, String> {
    let percent = || parse_i64(word.strip_suffix(b"%")?).filter(|percent| *percent >= 0);
    let number = match number::memory(word) {
        Some(bytes) => bytes as i64,
        None => -percent().ok_or("argument must be a memory or percent value")?,
    };
    if number < -100 {
        return Err("percentage argument must be less or equal to 100".into());
    }
    Ok(number)
}

fn octal(word: &[u8], max: i64) -> Result<i64, String> {
    let number =
        number::lenient(word, 8).ok_or("argument couldn't be parsed as an octal number")?;
    if !(0..=max).contains(&number) {
        return Err(format!("argument must be between 0 and {max:o} inclusive"));
    }
    Ok(number)
}

fn choice(choices: Choices, word: &[u8]) -> Result<i64, String> {
    let found = choices
        .iter()
        .find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
    found.map(|(_, number)| *number).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        format!(
            "argument(s) must be one of the following: {}",
            names.join(", ")
        )
    })
}

fn choice_name(choices: Choices, number: i64) -> &'static str {
    choices
        .iter()
        .find(|choice| choice.1 == number)
        .map_or("unknown", |choice| choice.0)
}

fn flags(choices: Choices, words: &[&[u8]]) -> Result<Value, String> {
    if words.is_empty() {
        return Err("wrong number of arguments".into());
    }
    let mut bits = 0;
    for word in words {
        bits |= choice(choices, word)?;
    }
    let (save, nosave) = (choice(choices, b"save"), choice(choices, b"nosave"));
    if let (Ok(save), Ok(nosave)) = (save, nosave)
        && bits & save != 0
        && bits & nosave != 0
    {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    Ok(Value::Number(bits))
}

/// The names of all bits that are set, or of the choice that stands for none.
fn flag_names(choices: Choices, bits: i64) -> String {
    let set: Vec<&str> = choices
        .iter()
        .filter(|(_, bit)| bit & bits != 0)
        .map(|(name, _)| *name)
        .collect();
    if set.is_empty() {
        choice_name(choices, 0).into()
    } else {
        set.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: &Kind, text: &str) -> Result<String, String> {
        let value = kind.parse(&[text.as_bytes()], &Value::text(""))?;
        Ok(String::from_utf8(kind.show(&value)).expect("shown values are text here"))
    }

    #[test]
    fn each_kind_reads_and_shows_its_values() {
        let oom: Choices = &[("no", 0), ("yes", 1), ("relative", 1), ("absolute", 2)];
        let cases: &[(Kind, &str, &str)] = &[
            (Kind::YesNo, "YES", "yes"),
            (Kind::YesNo, "no", "no"),
            (Kind::Integer(-2..=5), "-2", "-2"),
            (Kind::Clamped(0..=1000, 1..=500), "0", "1"),
            (Kind::Clamped(0..=1000, 1..=500), "900", "500"),
            (Kind::Memory(0..=i64::MAX), "1kb", "1024"),
            (Kind::SizeOrPercent, "50%", "50%"),
            (Kind::SizeOrPercent, "1gb", "1073741824"),
            (Kind::Octal(0o777), "755", "755"),
            (Kind::Choice(oom), "Relative", "yes"),
            (Kind::Text(any), "a\0b", "a"),
            (Kind::Bytes, "a\0b", "a\0b"),
        ];
        for (kind, text, shown) in cases {
            assert_eq!(
                parse(kind, text).as_deref(),
                Ok(*shown),
                "{kind:?} {text:?}"
            );
        }
    }

    #[test]
    fn each_kind_refuses_in_the_words_of_redis() {
        let choices: Choices = &[("everysec", 0), ("always", 1), ("no", 2)];
        let cases: &[(Kind, &str, &str)] = &[
            (Kind::YesNo, "", "argument must be 'yes' or 'no'"),
            (
                Kind::Integer(0..=5),
                "x",
                "argument couldn't be parsed into an integer",
            ),
            (
                Kind::Integer(0..=5),
                "6",
                "argument must be between 0 and 5 inclusive",
            ),
            (
                Kind::Natural(1..=5),
                "-1",
                "argument must be greater or equal to 0",
            ),
            (
                Kind::Natural(1..=5),
                "0",
                "argument must be between 1 and 5 inclusive",
            ),
            (
                Kind::Size(0..=i64::MAX),
                "-1",
                "argument must be a memory value",
            ),
            (
                Kind::Size(0..=i64::MAX),
                "18446744073709551615",
                "argument must be greater or equal to 0",
            ),
            (
                Kind::Memory(7..=8),
                "18446744073709551615",
                "argument must be between 7 and 8 inclusive",
            ),
            (
                Kind::SizeOrPercent,
                "101%",
                "percentage argument must be less or equal to 100",
            ),
            (
                Kind::SizeOrPercent,
                "-5%",
                "argument must be a memory or percent value",
            ),
            (
                Kind::Octal(0o777),
                "9",
                "argument couldn't be parsed as an octal number",
            ),
            (
                Kind::Octal(0o777),
                "1000",
                "argument must be between 0 and 777 inclusive",
            ),
            (
                Kind::Choice(choices),
                "x",
                "argument(s) must be one of the following: everysec, always, no",
            ),
        ];
        for (kind, text, error) in cases {
            assert_eq!(
                parse(kind, text),
                Err(error.to_string()),
                "{kind:?} {text:?}"
            );
        }
        let two: &[&[u8]] = &[b"1", b"2"];
        let error = Kind::YesNo.parse(two, &Value::Number(0));
        assert_eq!(error, Err("wrong number of arguments".into()));
    }

    #[test]
    fn flags_add_up_but_save_and_nosave_exclude_each_other() {
        let kind = Kind::Flags(&[
            ("default", 0),
            ("save", 1),
            ("nosave", 2),
            ("now", 4),
            ("force", 8),
        ]);
        let parse = |words: &[&[u8]]| {
            kind.parse(words, &Value::Number(0))
                .map(|value| kind.show(&value))
        };
        assert_eq!(
            parse(&[b"force", b"SAVE", b"save"]),
            Ok(b"save force".to_vec())
        );
        assert_eq!(parse(&[b"default"]), Ok(b"default".to_vec()));
        let error = "shutdown options SAVE and NOSAVE can't be used simultaneously";
        assert_eq!(parse(&[b"save", b"nosave"]), Err(error.into()));
    }

    #[test]
    fn lines_say_what_a_file_must_hold() {
        let lines = |kind: Kind, value: Value, default: Value| -> Vec<(String, bool)> {
            let lines = kind.lines("x", &value, &default).into_iter();
            lines
                .map(|(line, force)| (String::from_utf8(line).expect("text"), force))
                .collect()
        };
        let number = Value::Number;
        let line = |text: &str, force| vec![(text.to_string(), force)];
        assert_eq!(
            lines(Kind::YesNo, number(1), number(1)),
            line("x yes", false)
        );
        assert_eq!(
            lines(Kind::Memory(0..=i64::MAX), number(2048), number(0)),
            line("x 2kb", true)
        );
        assert_eq!(
            lines(Kind::SizeOrPercent, number(-5), number(0)),
            line("x 5%", true)
        );
        assert_eq!(
            lines(Kind::Optional(any), Value::text(""), Value::text("")),
            Vec::new()
        );
        assert_eq!(
            lines(Kind::Text(any), Value::text(""), Value::text("")),
            line("x \"\"", false)
        );
        assert_eq!(
            lines(Kind::Bytes, Value::text("a b"), Value::text("")),
            line("x \"a b\"", true)
        );
        let points = vec![("x 60 1".to_string(), true), ("x 5 6".to_string(), true)];
        assert_eq!(
            lines(Kind::Save, Value::text("60 1 5 6"), Value::text("")),
            points
        );
        assert_eq!(
            lines(Kind::Save, Value::text(""), Value::text("1 1")),
            line("x \"\"", true)
        );
        assert_eq!(
            lines(Kind::Bind, Value::text("* -::*"), Value::text("* -::*")),
            Vec::new()
        );
        assert_eq!(
            lines(Kind::Bind, Value::text(""), Value::text("* -::*")),
            line("x \"\"", true)
        );
    }
}
