//! The log: `tracing` events as lines in Redis's format, to `logfile` or standard output, from `loglevel` up.
//!
//! ```text
//! 4711:M 21 Nov 2026 10:51:02.123 * Ready to accept connections tcp
//! pid role    local time          |
//!                                 . debug   - verbose   * notice   # warning
//! ```
//!
//! Tracing's levels stand for Redis's one step up: `trace!` is debug, `debug!` verbose, `info!` notice, and `warn!` and
//! `error!` both warning. A file is opened for each line, so that it may be moved away while the server runs.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process;

use anyhow::{Context as _, Result};
use bitmapd::config::{Config, LogLevel};
use jiff::Zoned;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt as lines, reload};

/// Starts the log and keeps its level at what `loglevel` says, also after CONFIG SET.
pub fn start(config: &Config) -> Result<()> {
    let (filter, level) = reload::Layer::new(filter(config.loglevel()));
    let destination = Destination(config.logfile());
    let layer = lines::layer()
        .with_ansi(false)
        .event_format(RedisLine)
        .with_writer(destination);
    // A log that cannot be written must not fill standard error instead.
    let layer = layer.log_internal_errors(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .context("the log was started twice")?;
    config.on_change("loglevel", move |config| {
        level
            .reload(filter_of(config))
            .map_err(|error| error.to_string())
    });
    Ok(())
}

fn filter_of(config: &Config) -> LevelFilter {
    filter(config.loglevel())
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}

/// Formats an event as one line.
struct RedisLine;

impl<S, N> FormatEvent<S, N> for RedisLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = String::new();
        context.format_fields(Writer::new(&mut message), event)?;
        let mark = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        let time = Zoned::now();
        write!(
            line,
            "{}:M {} {mark} ",
            process::id(),
            time.strftime("%d %b %Y %H:%M:%S%.3f")
        )?;
        one_line(&message, &mut line)?;
        line.write_char('\n')
    }
}

/// Writes a message without the control characters that would let it pass for several lines or drive a terminal.
fn one_line(message: &str, line: &mut impl fmt::Write) -> fmt::Result {
    for character in message.chars() {
        if character.is_control() {
            write!(line, "{}", character.escape_default())?;
        } else {
            line.write_char(character)?;
        }
    }
    Ok(())
}

/// Where lines go: a file, or standard output.
struct Destination(Option<PathBuf>);

impl<'w> MakeWriter<'w> for Destination {
    type Writer = Box<dyn Write + 'w>;

    fn make_writer(&'w self) -> Self::Writer {
        let Some(path) = &self.0 else {
            return Box::new(io::stdout());
        };
        match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Box::new(file),
            // The file could be opened at the start. What cannot be written there is better seen somewhere than lost.
            Err(_) => Box::new(io::stdout()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Runs `act` under a log to a file of its own and returns what was written.
    fn logged(name: &str, level: LogLevel, act: impl FnOnce()) -> String {
        let path = std::env::temp_dir().join(format!("bitmapd-log-{name}-{}", process::id()));
        let layer = lines::layer().with_ansi(false).event_format(RedisLine);
        let layer = layer.with_writer(Destination(Some(path.clone())));
        let subscriber = tracing_subscriber::registry()
            .with(filter(level))
            .with(layer);
        tracing::subscriber::with_default(subscriber, act);
        let text = fs::read_to_string(&path).unwrap_or_default();
        // Nothing is written where nothing was logged.
        let _ = fs::remove_file(&path);
        text
    }

    #[test]
    fn lines_look_like_those_of_redis() {
        let text = logged("look", LogLevel::Debug, || {
            tracing::trace!("a");
            tracing::debug!("b");
            tracing::info!("c");
            tracing::warn!("d");
            tracing::error!(key = 5, "e");
        });
        let lines: Vec<&str> = text.lines().collect();
        let ends = [" . a", " - b", " * c", " # d", " # e key=5"];
        assert_eq!(lines.len(), ends.len(), "{text}");
        for (line, end) in lines.iter().zip(ends) {
            let start = format!("{}:M ", process::id());
            let time = line
                .strip_prefix(&start)
                .and_then(|rest| rest.strip_suffix(end));
            let time = time.unwrap_or_else(|| panic!("{line:?} should end in {end:?}"));
            // 21 Nov 2026 10:51:02.123
            let shape: String = time
                .chars()
                .map(|c| if c.is_ascii_digit() { '0' } else { c })
                .collect();
            assert!(
                shape.starts_with("00 ") && shape.ends_with(" 0000 00:00:00.000"),
                "{time:?}"
            );
        }
    }

    #[test]
    fn quieter_levels_are_left_out() {
        let act = || {
            tracing::info!("notice");
            tracing::warn!("warning");
        };
        assert!(logged("warning", LogLevel::Warning, act).ends_with(" # warning\n"));
        assert_eq!(logged("nothing", LogLevel::Nothing, act), "");
    }

    #[test]
    fn a_message_stays_on_its_line() {
        let text = logged("line", LogLevel::Notice, || {
            tracing::info!("a\r\n1:M fake \u{1b}[31m")
        });
        assert!(text.contains(" * a\\r\\n1:M fake "), "{text:?}");
        assert_eq!(
            text.chars().filter(|c| c.is_control()).count(),
            1,
            "only the line's end: {text:?}"
        );
    }
}
