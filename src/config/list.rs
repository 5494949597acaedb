//! The settings that are several words, and the two odd ones: `dir` and `notify-keyspace-events`.
//!
//! Each is kept in the form CONFIG GET shows, and read from it again by whoever needs the parts.

use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use super::kind::Value;
use super::{OutputLimit, number};

/// How many addresses `bind` may name, as in Redis.
const MOST_ADDRESSES: usize = 16;

/// The client classes of `client-output-buffer-limit`: the name shown, the other name understood, the name in files.
const CLASSES: [(&str, &str, &str); 3] = [
    ("normal", "normal", "normal"),
    ("slave", "replica", "replica"),
    ("pubsub", "pubsub", "pubsub"),
];

/// The letters of `notify-keyspace-events` in the order they are shown, first those that `A` stands for. Each is a bit of
/// the setting's number, the first the lowest.
const EVENTS: &[u8] = b"g$lshzxetdnocKEm";
/// How many of them `A` stands for.
const ALL_EVENTS: usize = 10;
/// How many of them are not shown beside an `A`, as in Redis, though they count.
const EVENT_CLASSES: usize = 13;

fn joined<T: ToString>(words: impl IntoIterator<Item = T>) -> Value {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    Value::text(words.join(" "))
}

/// The words of a value shown by CONFIG GET, put together again `size` at a time.
pub(super) fn in_groups(shown: &[u8], size: usize) -> Vec<Vec<u8>> {
    let words: Vec<&[u8]> = shown
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty())
        .collect();
    words.chunks(size).map(|group| group.join(&b' ')).collect()
}

/// `save seconds changes [seconds changes ...]`, or `""` for none. The number of changes is cut to 32 bits, as in Redis.
pub(super) fn save(words: &[&[u8]]) -> Result<Value, String> {
    let words = if words == [b""] { &[] } else { words };
    let mut numbers = Vec::new();
    for pair in words.chunks(2) {
        let &[seconds, changes] = pair else {
            return Err("Invalid save parameters".into());
        };
        match (number::lenient(seconds, 10), number::lenient(changes, 10)) {
            (Some(seconds @ 1..), Some(changes @ 0..)) => {
                numbers.extend([seconds, i64::from(changes as i32)])
            }
            _ => return Err("Invalid save parameters".into()),
        }
    }
    Ok(joined(numbers))
}

/// `client-output-buffer-limit class hard soft seconds [...]`: classes that are not named keep what they had.
pub(super) fn output_limits(words: &[&[u8]], old: &[u8]) -> Result<Value, String> {
    let mut limits = CLASSES.map(|(class, ..)| output_limit(old, class));
    if !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    for group in words.chunks_exact(4) {
        let named = |name: &str| name.as_bytes().eq_ignore_ascii_case(group[0]);
        let class = CLASSES
            .iter()
            .position(|(shown, also, _)| named(shown) || named(also));
        let class = class.ok_or("Invalid client class specified in buffer limit configuration.")?;
        let (hard, soft) = (number::memory(group[1]), number::memory(group[2]));
        let seconds = number::lenient(group[3], 10).and_then(|seconds| u64::try_from(seconds).ok());
        limits[class] =
            match (hard, soft, seconds) {
                (Some(hard), Some(soft), Some(seconds)) => OutputLimit {
                    hard,
                    soft,
                    seconds,
                },
                _ => return Err(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                        .into(),
                ),
            };
    }
    let shown = CLASSES.iter().zip(limits);
    Ok(joined(shown.map(|((class, ..), limit)| {
        format!("{class} {} {} {}", limit.hard, limit.soft, limit.seconds)
    })))
}

/// The limit of one class, by its shown name, out of the whole setting. All zero (no limit) if it is not there.
pub(super) fn output_limit(shown: &[u8], class: &str) -> OutputLimit {
    let words: Vec<&[u8]> = shown.split(|&byte| byte == b' ').collect();
    let group = words
        .chunks_exact(4)
        .find(|group| group[0] == class.as_bytes());
    let number = |at: usize| {
        group
            .and_then(|group| number::memory(group[at]))
            .unwrap_or(0)
    };
    OutputLimit {
        hard: number(1),
        soft: number(2),
        seconds: number(3),
    }
}

/// One line a class, as CONFIG REWRITE writes them.
pub(super) fn output_limit_lines(name: &str, shown: &[u8], default: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let line = |(class, _, written): &(&str, &str, &str)| {
        let limit = output_limit(shown, class);
        let (hard, soft) = (
            number::format_memory(limit.hard),
            number::format_memory(limit.soft),
        );
        let line = format!("{name} {written} {hard} {soft} {}", limit.seconds);
        (line.into_bytes(), limit != output_limit(default, class))
    };
    CLASSES.iter().map(line).collect()
}

/// `oom-score-adj-values server replica child`
pub(super) fn oom_scores(words: &[&[u8]]) -> Result<Value, String> {
    if words.len() != 3 {
        return Err("wrong number of arguments".into());
    }
    let score =
        |word: &&[u8]| number::lenient(word, 10).filter(|score| (-2000..=2000).contains(score));
    let scores: Option<Vec<i64>> = words.iter().map(score).collect();
    let error = "Invalid oom-score-adj-values, elements must be between -2000 and 2000.";
    Ok(joined(scores.ok_or(error)?))
}

/// `bind address [address ...]`; one empty word is no address at all.
pub(super) fn bind(words: &[&[u8]]) -> Result<Value, String> {
    if words.len() > MOST_ADDRESSES {
        return Err("Too many bind addresses specified.".into());
    }
    Ok(Value::text(words.join(&b' ')))
}

/// `replicaof host port`, or `no one`.
pub(super) fn replica(words: &[&[u8]]) -> Result<Value, String> {
    let &[host, port] = words else {
        return Err("wrong number of arguments".into());
    };
    if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        return Ok(Value::text(""));
    }
    let port = number::lenient(port, 10)
        .filter(|port| (0..=65535).contains(port))
        .ok_or("Invalid master port")?;
    Ok(Value::text([host, format!(" {port}").as_bytes()].concat()))
}

/// `latency-tracking-info-percentiles p [p ...]`, shown with at most six decimals.
pub(super) fn percentiles(words: &[&[u8]]) -> Result<Value, String> {
    let words = if words == [b""] { &[] } else { words };
    let mut shown = Vec::new();
    for word in words {
        let text = std::str::from_utf8(word).ok();
        let percentile: Option<f64> = text
            .and_then(|text| text.parse().ok())
            .filter(|number: &f64| !number.is_nan());
        match percentile {
            None => return Err("Invalid latency-tracking-info-percentiles parameters".into()),
            Some(percentile) if !(0.0..=100.0).contains(&percentile) => {
                return Err(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                        .into(),
                );
            }
            Some(percentile) => {
                let text = format!("{percentile:.6}");
                shown.push(text.trim_end_matches('0').trim_end_matches('.').to_string());
            }
        }
    }
    Ok(joined(shown))
}

/// `notify-keyspace-events`: letters in any order.
pub(super) fn events(word: &[u8]) -> Result<Value, String> {
    const ALL: i64 = (1 << ALL_EVENTS) - 1;
    let bits = word.iter().try_fold(0, |bits, letter| match letter {
        b'A' => Some(bits | ALL),
        letter => {
            let at = EVENTS.iter().position(|known| known == letter)?;
            Some(bits | 1 << at)
        }
    });
    bits.map(Value::Number)
        .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into())
}

/// Every letter that was given or meant.
pub(super) fn event_letters(bits: i64) -> Vec<u8> {
    let given = |&at: &usize| bits >> at & 1 == 1;
    let letters = (0..EVENTS.len()).filter(given);
    letters.map(|at| EVENTS[at]).collect()
}

/// The letters as they are shown, with `A` for all ordinary classes.
pub(super) fn show_events(bits: i64) -> Vec<u8> {
    let letters = event_letters(bits);
    if !letters.starts_with(&EVENTS[..ALL_EVENTS]) {
        return letters;
    }
    let ways = letters
        .into_iter()
        .filter(|letter| EVENTS[EVENT_CLASSES..].contains(letter));
    std::iter::once(b'A').chain(ways).collect()
}

/// `dir path`: the directory itself, absolute and without symbolic links, as the system's own answer to "where am I"
/// would be after going there. Relative paths start from `from`.
pub(super) fn directory(word: &[u8], from: &[u8]) -> Result<Value, String> {
    if word.is_empty() {
        return Err("No such file or directory".into());
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(from)).join(std::ffi::OsStr::from_bytes(word));
    // The trailing dot makes the system check that the path is a directory one may enter.
    let entered = path.join(".");
    let found = fs::metadata(&entered).and_then(|_| fs::canonicalize(&entered));
    match found {
        Ok(path) => Ok(Value::text(path.into_os_string().into_vec())),
        Err(error) => Err(super::system_text(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &[u8] = b"normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";

    fn words(text: &str) -> Vec<&[u8]> {
        if text.is_empty() {
            Vec::new()
        } else {
            text.as_bytes().split(|&byte| byte == b' ').collect()
        }
    }

    fn shown(value: Result<Value, String>) -> Result<String, String> {
        value.map(|value| String::from_utf8(value.bytes().to_vec()).expect("text"))
    }

    #[test]
    fn save_points_come_in_pairs() {
        for (text, expected) in [
            ("", ""),
            ("60 1", "60 1"),
            ("+60 1 300 10", "60 1 300 10"),
            ("1 4294967297", "1 1"),
        ] {
            assert_eq!(shown(save(&words(text))).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(shown(save(&[b""])).as_deref(), Ok(""));
        for text in ["60", "60 1 300", "0 1", "1 -1", "60  1", "0x10 1", "a b"] {
            assert_eq!(
                shown(save(&words(text))),
                Err("Invalid save parameters".into()),
                "{text}"
            );
        }
    }

    #[test]
    fn output_limits_change_only_the_classes_they_name() {
        let set = |text: &str| shown(output_limits(&words(text), LIMITS));
        let expected = "normal 1048576 1024 10 slave 1 2 3 pubsub 33554432 8388608 60";
        assert_eq!(
            set("Normal 1mb 1kb 10 replica 1 2 3").as_deref(),
            Ok(expected)
        );
        assert_eq!(set("").unwrap().as_bytes(), LIMITS);
        assert_eq!(
            set("normal 1"),
            Err("Wrong number of arguments in buffer limit configuration.".into())
        );
        let class = "Invalid client class specified in buffer limit configuration.";
        assert_eq!(set("master 1 2 3"), Err(class.into()));
        let value = "Error in hard, soft or soft_seconds setting in buffer limit configuration.";
        for text in ["normal a 2 3", "normal 1 2 -3", "normal 1 2 3x"] {
            assert_eq!(set(text), Err(value.into()), "{text}");
        }
    }

    #[test]
    fn output_limits_are_rewritten_one_class_a_line() {
        let now = b"normal 0 0 0 slave 1024 0 5 pubsub 33554432 8388608 60";
        let lines = output_limit_lines("x", now, LIMITS);
        assert_eq!(lines[0], (b"x normal 0 0 0".to_vec(), false));
        assert_eq!(lines[1], (b"x replica 1kb 0 5".to_vec(), true));
        assert_eq!(lines[2], (b"x pubsub 32mb 8mb 60".to_vec(), false));
    }

    #[test]
    fn event_letters_are_shown_in_the_order_of_redis() {
        let cases = [
            ("", ""),
            ("A", "A"),
            ("KEA", "AKE"),
            ("Ex", "xE"),
            ("KE$lshzxetdmn", "$lshzxetdnKEm"),
            ("g$lshzxetd", "A"),
            ("nocmKE", "nocKEm"),
            ("KEAnmoc", "AKEm"),
        ];
        for (text, expected) in cases {
            let Ok(Value::Number(bits)) = events(text.as_bytes()) else {
                panic!("{text}");
            };
            assert_eq!(show_events(bits).escape_ascii().to_string(), expected);
        }
        let Ok(Value::Number(bits)) = events(b"KAn") else {
            panic!("`n` goes with `A`");
        };
        assert_eq!(event_letters(bits), b"g$lshzxetdnK");
        assert!(events(b"Q").is_err());
    }

    #[test]
    fn percentiles_are_trimmed_and_bounded() {
        assert_eq!(
            shown(percentiles(&words("50.1234567 100.0 1e1"))).as_deref(),
            Ok("50.123457 100 10")
        );
        assert_eq!(shown(percentiles(&[b""])).as_deref(), Ok(""));
        for text in ["nan", "x", "50  99"] {
            assert!(
                shown(percentiles(&words(text)))
                    .unwrap_err()
                    .starts_with("Invalid"),
                "{text}"
            );
        }
        for text in ["101", "-1", "inf"] {
            assert!(
                shown(percentiles(&words(text)))
                    .unwrap_err()
                    .ends_with("[0.0,100.0]"),
                "{text}"
            );
        }
    }

    #[test]
    fn replicas_and_scores_and_addresses() {
        assert_eq!(shown(replica(&words("no ONE"))).as_deref(), Ok(""));
        assert_eq!(shown(replica(&words("host 7"))).as_deref(), Ok("host 7"));
        assert_eq!(
            shown(replica(&words("host 65536"))),
            Err("Invalid master port".into())
        );
        assert_eq!(
            shown(replica(&words("host"))),
            Err("wrong number of arguments".into())
        );
        assert_eq!(
            shown(oom_scores(&words("1 -2 2000"))).as_deref(),
            Ok("1 -2 2000")
        );
        assert!(shown(oom_scores(&words("1 2 2001"))).is_err());
        assert_eq!(
            shown(oom_scores(&words("1"))),
            Err("wrong number of arguments".into())
        );
        assert_eq!(shown(bind(&[b""])).as_deref(), Ok(""));
        assert_eq!(
            shown(bind(&[b"a".as_slice(); 17])),
            Err("Too many bind addresses specified.".into())
        );
    }

    #[test]
    fn directories_must_exist_and_become_absolute() {
        let root = std::env::temp_dir();
        let real = fs::canonicalize(&root).expect("there is a temporary directory");
        let from = real.as_os_str().as_bytes();
        assert_eq!(directory(b"././/.", from), Ok(Value::text(from)));
        assert_eq!(
            shown(directory(b"/nonexistent/x", from)),
            Err("No such file or directory".into())
        );
        assert_eq!(
            shown(directory(b"/etc/passwd", from)),
            Err("Not a directory".into())
        );
        assert_eq!(
            shown(directory(b"", from)),
            Err("No such file or directory".into())
        );
    }
}
