//! Every setting: its name, kind and default, where its value comes from, and how it changes while the server runs.
//!
//! The settings are Redis's own, so that a redis.conf, a command line and a CONFIG GET mean here what they mean there.
//! [`table`] has a row for each and is the only place to edit for a new one; [`access`] is what other floors read.
//! Nothing here knows what a setting does: whoever must act at once on a change asks for it with [`Config::on_change`].
//!
//! - `kind` and `list`: values, from text and back; `number`: the spelling of sizes and octal numbers.
//! - `file`: redis.conf, `include`, standard input, and the command line, which `args` turns into one more file.
//! - `rewrite`: CONFIG REWRITE.

mod access;
mod args;
mod choice;
mod file;
mod kind;
mod list;
mod number;
mod rewrite;
mod table;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::{env, io};

use parking_lot::{Mutex, RwLock};
use thiserror::Error;

use crate::glob;
use kind::Value;
use table::{Change, TABLE};

pub use access::{ClientClass, OutputLimit, SavePoint, ShutdownFlags};
pub use choice::{AppendFsync, LogLevel, MaxmemoryPolicy, Permission, TlsAuthClients};
pub use file::{FatalConfig, Line, Loaded};
pub use rewrite::RewriteError;
pub(crate) use rewrite::replace as replace_file;

/// The version of Redis whose behaviour is followed, told to clients that ask.
pub const REDIS_VERSION: &str = "8.2.3";

/// All settings of one server. Shared by everything that runs; reading is cheap, changing is serialised.
pub struct Config {
    /// One for each row of the table, in its order.
    slots: Box<[Slot]>,
    /// The file the server was started with, absolute.
    file: Option<PathBuf>,
    /// The `user` lines, which are for others to understand.
    users: Vec<Line>,
    /// The `rename-command` lines, likewise.
    renames: Vec<Line>,
    /// Held while CONFIG SET changes values and tells those who asked, so that two changes never mix.
    watchers: Mutex<Vec<Watcher>>,
}

enum Slot {
    Number(AtomicI64),
    /// Replaced whole; readers keep the old bytes as long as they need them.
    Bytes(RwLock<Arc<[u8]>>),
}

struct Watcher {
    row: usize,
    apply: Apply,
}

type Apply = Box<dyn Fn(&Config) -> Result<(), String> + Send + Sync>;

/// Why CONFIG SET changed nothing. Displays as the text after `ERR `.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SetError {
    #[error("Unknown option or number of arguments for CONFIG SET - '{}'", String::from_utf8_lossy(.0))]
    Unknown(Vec<u8>),
    #[error("CONFIG SET failed (possibly related to argument '{name}') - {why}")]
    Refused { name: String, why: String },
}

impl Config {
    /// All settings at their defaults; `dir` is the directory the process runs in.
    pub fn new() -> Self {
        let slots = TABLE.iter().map(|setting| match default(setting) {
            Value::Number(number) => Slot::Number(AtomicI64::new(number)),
            Value::Bytes(bytes) => Slot::Bytes(RwLock::new(bytes)),
        });
        let config = Config {
            slots: slots.collect(),
            file: None,
            users: Vec::new(),
            renames: Vec::new(),
            watchers: Mutex::new(Vec::new()),
        };
        let here = env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
        config.store(
            const { table::index("dir") },
            Value::text(here.into_os_string().into_encoded_bytes()),
        );
        config
    }

    /// The file the server was started with, if any.
    pub fn config_file(&self) -> Option<&PathBuf> {
        self.file.as_ref()
    }

    /// The `user` lines the server was started with.
    pub fn users(&self) -> &[Line] {
        &self.users
    }

    /// The `rename-command` lines the server was started with, of two words each.
    pub fn renames(&self) -> &[Line] {
        &self.renames
    }

    /// CONFIG GET: the names that fit any of the patterns, with their values, each name once.
    ///
    /// A pattern without `*`, `?` or `[` is a name, answered in the spelling it was asked in; only so are hidden
    /// settings shown. Case does not matter.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut add = |name: &[u8], row: usize| {
            if !found
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                found.push((name.to_vec(), TABLE[row].kind.show(&self.value(row))));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| b"*?[".contains(byte)) {
                if let Some((row, _)) = table::find(pattern) {
                    add(pattern, row);
                }
                continue;
            }
            for (row, setting) in TABLE
                .iter()
                .enumerate()
                .filter(|(_, setting)| !setting.hidden)
            {
                let names = [setting.name, setting.alias]
                    .into_iter()
                    .filter(|name| !name.is_empty());
                names
                    .filter(|name| glob::matches_ignoring_case(pattern, name.as_bytes()))
                    .for_each(|name| add(name.as_bytes(), row));
            }
        }
        found
    }

    /// CONFIG SET: changes all the settings named, or none.
    ///
    /// `local` says whether the client is on this machine, for settings that only such clients may change. Names are
    /// judged first, all of them; then values, in order; then whoever watches the changed settings acts on them, and if
    /// one of those cannot, everything is put back.
    ///
    /// # Errors
    /// The first thing wrong, in the words of Redis.
    pub fn set(&self, pairs: &[(&[u8], &[u8])], local: bool) -> Result<(), SetError> {
        let watchers = self.watchers.lock();
        let rows = self.settable(pairs, local)?;
        let before: Vec<Value> = rows.iter().map(|(row, _)| self.value(*row)).collect();
        let undo = || {
            rows.iter()
                .zip(&before)
                .rev()
                .for_each(|((row, _), old)| self.store(*row, old.clone()))
        };

        for ((row, name), (_, text)) in rows.iter().zip(pairs) {
            let kind = &TABLE[*row].kind;
            match kind.parse(&kind.words(text), &self.value(*row)) {
                Ok(value) => self.store(*row, value),
                Err(why) => {
                    undo();
                    return Err(SetError::Refused {
                        name: name.to_string(),
                        why,
                    });
                }
            }
        }

        let changed: Vec<usize> = (0..rows.len())
            .filter(|&at| self.value(rows[at].0) != before[at])
            .collect();
        let watching = |row: usize| watchers.iter().filter(move |watcher| watcher.row == row);
        for &at in &changed {
            let (row, name) = rows[at];
            if let Some(Err(why)) = watching(row)
                .map(|watcher| (watcher.apply)(self))
                .find(Result::is_err)
            {
                undo();
                // Whatever they answer now, the old values are what they ran with before.
                changed
                    .iter()
                    .flat_map(|&at| watching(rows[at].0))
                    .for_each(|watcher| {
                        if let Err(why) = (watcher.apply)(self) {
                            tracing::warn!(
                                "Failed applying restored failed CONFIG SET command: {why}"
                            );
                        }
                    });
                return Err(SetError::Refused {
                    name: name.to_string(),
                    why,
                });
            }
        }
        Ok(())
    }

    /// The rows and known spellings of the settings in `pairs`, if all exist, may change, and come once.
    fn settable(
        &self,
        pairs: &[(&[u8], &[u8])],
        local: bool,
    ) -> Result<Vec<(usize, &'static str)>, SetError> {
        let mut rows: Vec<(usize, &'static str)> = Vec::new();
        for (name, _) in pairs {
            let (row, known) = table::find(name).ok_or_else(|| SetError::Unknown(name.to_vec()))?;
            let refused = match TABLE[row].change {
                Change::Fixed => Some("can't set immutable config"),
                Change::Guarded if !self.enable_protected_configs().allows(local) => {
                    Some("can't set protected config")
                }
                _ if rows.contains(&(row, known)) => Some("duplicate parameter"),
                _ => None,
            };
            if let Some(why) = refused {
                let name = String::from_utf8_lossy(name).into_owned();
                return Err(SetError::Refused {
                    name,
                    why: why.into(),
                });
            }
            rows.push((row, known));
        }
        Ok(rows)
    }

    /// Calls `apply` after every CONFIG SET that gave `name` another value, with the new value in place. If it returns an
    /// error, the whole CONFIG SET is undone and answers with that text. `apply` must not call [`Config::set`].
    ///
    /// # Panics
    /// If there is no such setting.
    pub fn on_change(
        &self,
        name: &str,
        apply: impl Fn(&Config) -> Result<(), String> + Send + Sync + 'static,
    ) {
        let (row, _) =
            table::find(name.as_bytes()).unwrap_or_else(|| panic!("no setting is called {name}"));
        self.watchers.lock().push(Watcher {
            row,
            apply: Box::new(apply),
        });
    }

    fn value(&self, row: usize) -> Value {
        match &self.slots[row] {
            Slot::Number(number) => Value::Number(number.load(Ordering::Relaxed)),
            Slot::Bytes(bytes) => Value::Bytes(Arc::clone(&bytes.read())),
        }
    }

    fn store(&self, row: usize, value: Value) {
        match (&self.slots[row], value) {
            (Slot::Number(number), Value::Number(new)) => number.store(new, Ordering::Relaxed),
            (Slot::Bytes(bytes), Value::Bytes(new)) => *bytes.write() = new,
            (Slot::Number(_), Value::Bytes(_)) | (Slot::Bytes(_), Value::Number(_)) => {
                unreachable!("a kind reads values of one form only")
            }
        }
    }

    /// The number in a row that has one; zero in others. Settings are independent, so no order is asked of the memory.
    #[inline]
    fn number(&self, row: usize) -> i64 {
        match &self.slots[row] {
            Slot::Number(number) => number.load(Ordering::Relaxed),
            Slot::Bytes(_) => 0,
        }
    }

    /// The bytes in a row that has some; none in others.
    fn text(&self, row: usize) -> Arc<[u8]> {
        match &self.slots[row] {
            Slot::Number(_) => Arc::default(),
            Slot::Bytes(bytes) => Arc::clone(&bytes.read()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config::new()
    }
}

/// A row's default value. An empty one is empty text, whatever else its kind asks of new values, or no letters.
fn default(setting: &table::Setting) -> Value {
    if setting.default.is_empty() && !matches!(setting.kind, kind::Kind::Events) {
        return Value::text("");
    }
    let value = setting.kind.parse(
        &setting.kind.words(setting.default.as_bytes()),
        &Value::text(""),
    );
    value.unwrap_or_else(|why| panic!("the default of {} is wrong: {why}", setting.name))
}

/// A system error in the system's own words, without the number Rust adds.
pub(crate) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<(), String> {
        let pairs: Vec<(&[u8], &[u8])> = pairs
            .iter()
            .map(|(a, b)| (a.as_bytes(), b.as_bytes()))
            .collect();
        config.set(&pairs, false).map_err(|error| error.to_string())
    }

    fn get(config: &Config, patterns: &[&str]) -> Vec<(String, String)> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let text = |bytes| String::from_utf8(bytes).expect("text");
        config
            .get(&patterns)
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect()
    }

    #[test]
    fn get_answers_names_as_asked_and_patterns_as_known() {
        let config = Config::new();
        assert_eq!(get(&config, &["MaxMemory"]), pairs(&[("MaxMemory", "0")]));
        assert_eq!(get(&config, &["MaxMemor?"]), pairs(&[("maxmemory", "0")]));
        assert_eq!(
            get(&config, &["maxmemory", "MAXMEMORY", "max*memory"]),
            pairs(&[("maxmemory", "0")])
        );
        assert_eq!(
            get(&config, &["m[a-b]xmemory"]),
            pairs(&[("maxmemory", "0")])
        );
        assert_eq!(get(&config, &["nosuch", "maxmemor\\y"]), pairs(&[]));
        assert_eq!(get(&config, &["slave-p*", "replica-p*"]).len(), 2);
    }

    #[test]
    fn hidden_settings_answer_to_their_whole_name_only() {
        let config = Config::new();
        assert_eq!(get(&config, &["rdb-key*"]), pairs(&[]));
        assert_eq!(
            get(&config, &["rdb-key-save-delay"]),
            pairs(&[("rdb-key-save-delay", "0")])
        );
        assert!(
            !get(&config, &["*"])
                .iter()
                .any(|(name, _)| name == "watchdog-period")
        );
    }

    #[test]
    fn set_refuses_in_the_words_of_redis() {
        let config = Config::new();
        let refused = |name: &str, why: &str| {
            Err(format!(
                "CONFIG SET failed (possibly related to argument '{name}') - {why}"
            ))
        };
        let unknown = "Unknown option or number of arguments for CONFIG SET - 'nosuch'";
        assert_eq!(set(&config, &[("nosuch", "1")]), Err(unknown.into()));
        assert_eq!(
            set(&config, &[("maxmemory", "1"), ("nosuch", "1")]),
            Err(unknown.into())
        );
        assert_eq!(
            set(&config, &[("Databases", "1")]),
            refused("Databases", "can't set immutable config")
        );
        assert_eq!(
            set(&config, &[("dir", "/tmp")]),
            refused("dir", "can't set protected config")
        );
        let twice = [("maxmemory", "1"), ("MAXMEMORY", "2")];
        assert_eq!(
            set(&config, &twice),
            refused("MAXMEMORY", "duplicate parameter")
        );
        let why = "argument couldn't be parsed into an integer";
        assert_eq!(
            set(&config, &[("Slave-Priority", "x")]),
            refused("slave-priority", why)
        );
        assert_eq!(
            set(
                &config,
                &[("slave-priority", "1"), ("replica-priority", "2")]
            ),
            Ok(())
        );
    }

    #[test]
    fn set_changes_all_or_nothing() {
        let config = Config::new();
        assert!(set(&config, &[("maxmemory", "1mb"), ("timeout", "x")]).is_err());
        assert_eq!(config.maxmemory(), 0);
        assert_eq!(
            set(&config, &[("maxmemory", "1mb"), ("timeout", "7")]),
            Ok(())
        );
        assert_eq!((config.maxmemory(), config.natural_timeout()), (1 << 20, 7));
    }

    impl Config {
        fn natural_timeout(&self) -> u64 {
            self.timeout().map_or(0, |timeout| timeout.as_secs())
        }
    }

    #[test]
    fn watchers_hear_of_changes_and_can_refuse_them() {
        let config = Config::new();
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        config.on_change("port", move |config| {
            counter.fetch_add(1, Ordering::Relaxed);
            if config.port() == 1 {
                Err("Unable to listen on this port. Check server logs.".into())
            } else {
                Ok(())
            }
        });
        assert_eq!(set(&config, &[("port", "6379"), ("hz", "20")]), Ok(()));
        assert_eq!(calls.load(Ordering::Relaxed), 0, "the port did not change");
        let why = "Unable to listen on this port. Check server logs.";
        let error = format!("CONFIG SET failed (possibly related to argument 'port') - {why}");
        assert_eq!(set(&config, &[("hz", "30"), ("port", "1")]), Err(error));
        assert_eq!((config.port(), config.hz()), (6379, 20));
        assert_eq!(
            calls.load(Ordering::Relaxed),
            2,
            "told again when the old port was put back"
        );
        assert_eq!(set(&config, &[("port", "2")]), Ok(()));
        assert_eq!(config.port(), 2);
    }

    #[test]
    fn guarded_settings_open_to_local_clients() {
        let mut config = Config::new();
        config
            .load_text("enable-protected-configs local")
            .expect("it is a setting");
        let pair: &[(&[u8], &[u8])] = &[(b"dbfilename", b"x.rdb")];
        assert!(config.set(pair, false).is_err());
        assert_eq!(config.set(pair, true), Ok(()));
        assert_eq!(config.dbfilename(), "x.rdb");
    }
}
