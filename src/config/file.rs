//! Reading settings at the start: redis.conf, `include`, standard input, and the command line.
//!
//! As in Redis the command line is turned into the text of one more file and read after the others, so what comes last
//! wins and a mistake anywhere is reported in the same way: the line's number in the whole text, the line, and why.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::args::command_line;
use super::kind::{Kind, Value};
use super::table::{self, Role, TABLE};
use super::{Config, REDIS_VERSION, default, system_text};
use crate::glob;
use crate::words;

/// How deep `include` may nest. Redis has no bound and crashes where a file includes itself.
const DEEPEST_INCLUDE: usize = 16;

/// Directives of older versions that Redis still accepts, with one value, and does nothing about.
const FORGOTTEN: [&str; 4] = [
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "lua-replicate-commands",
    "io-threads-do-reads",
];

/// The settings as the server starts with them.
pub struct Loaded {
    pub config: Config,
    /// What the log should warn about: settings that were given and do nothing.
    pub warnings: Vec<String>,
}

/// The configuration cannot be used. Displays as the report Redis prints before it exits with status 1.
#[derive(Debug, Error)]
pub enum FatalConfig {
    #[error(
        "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\nReading the configuration file, at line {number}\n\
         >>> '{line}'\n{why}"
    )]
    Line {
        /// Counted from 1 in the file, or in everything read one after the other for the outermost.
        number: usize,
        line: String,
        why: String,
    },
    #[error("\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n{why}")]
    Whole { why: String },
    #[error("Fatal error, can't open config file '{}': {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
}

/// A line of redis.conf that is for others to understand: a `user`, or a `rename-command`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What stands behind the directive.
    pub words: Vec<Vec<u8>>,
    number: usize,
    line: String,
}

impl Line {
    /// The report that this line cannot be used.
    pub fn fail(&self, why: String) -> FatalConfig {
        FatalConfig::Line {
            number: self.number,
            line: self.line.clone(),
            why,
        }
    }
}

impl Config {
    /// The settings of a server started with these arguments, the program's name not among them.
    ///
    /// # Errors
    /// [`FatalConfig`] for the first thing that cannot be read or used.
    pub fn from_args(args: &[OsString]) -> Result<Loaded, FatalConfig> {
        Self::from_args_and_input(args, &mut io::stdin())
    }

    fn from_args_and_input(args: &[OsString], input: &mut dyn Read) -> Result<Loaded, FatalConfig> {
        let line = command_line(args);
        let mut config = Config::new();
        let mut text = Vec::new();
        if let Some(path) = &line.file {
            let path = std::path::absolute(path).map_err(|error| unreadable(path, &error))?;
            text = read(&path)?;
            config.file = Some(path);
        }
        if line.stdin {
            input
                .read_to_end(&mut text)
                .map_err(|error| unreadable(Path::new("-"), &error))?;
        }
        text.push(b'\n');
        text.extend(line.options);
        let warnings = config.load(&text)?;
        Ok(Loaded { config, warnings })
    }

    /// Reads settings from the text of a file, over what is set already. Returns warnings, as in [`Loaded`].
    ///
    /// # Errors
    /// [`FatalConfig`] for the first line that cannot be used. What stood before it is set by then.
    pub fn load_text(&mut self, text: &str) -> Result<Vec<String>, FatalConfig> {
        self.load(text.as_bytes())
    }

    fn load(&mut self, text: &[u8]) -> Result<Vec<String>, FatalConfig> {
        let mut loader = Loader {
            config: self,
            saw_save: false,
            given: vec![false; TABLE.len()],
        };
        loader.text(text, 0)?;
        loader.finish()
    }
}

struct Loader<'c> {
    config: &'c mut Config,
    /// The first `save` line replaces the defaults, later ones add to it.
    saw_save: bool,
    /// The rows some line has set.
    given: Vec<bool>,
}

impl Loader<'_> {
    fn text(&mut self, text: &[u8], depth: usize) -> Result<(), FatalConfig> {
        for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let fail = |why: String| {
                let line = String::from_utf8_lossy(line).into_owned();
                FatalConfig::Line {
                    number: at + 1,
                    line,
                    why,
                }
            };
            let kept = |words: &[&[u8]]| Line {
                words: words.iter().map(|word| word.to_vec()).collect(),
                number: at + 1,
                line: String::from_utf8_lossy(line).into_owned(),
            };
            let words = words::split(line)
                .ok_or_else(|| fail("Unbalanced quotes in configuration line".into()))?;
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            match words.as_slice() {
                [] => {}
                [name, path] if name.eq_ignore_ascii_case(b"include") => {
                    if depth == DEEPEST_INCLUDE {
                        return Err(fail("Files include each other too deeply".into()));
                    }
                    self.include(path, depth)?;
                }
                [name, user @ ..] if name.eq_ignore_ascii_case(b"user") && !user.is_empty() => {
                    self.config.users.push(kept(user));
                }
                [name, names @ ..]
                    if name.eq_ignore_ascii_case(b"rename-command") && names.len() == 2 =>
                {
                    self.config.renames.push(kept(names));
                }
                [name, values @ ..] => self.directive(name, values).map_err(fail)?,
            }
        }
        Ok(())
    }

    fn directive(&mut self, name: &[u8], values: &[&[u8]]) -> Result<(), String> {
        if let Some((row, _)) = table::find(name) {
            return self.setting(row, values);
        }
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        match (name.as_str(), values) {
            (name, [_]) if FORGOTTEN.contains(&name) => Ok(()),
            ("loadmodule", [_, ..]) => Err("Modules are not supported".into()),
            ("sentinel", _) => Err("sentinel directive while not in sentinel mode".into()),
            _ => Err("Bad directive or wrong number of arguments".into()),
        }
    }

    fn setting(&mut self, row: usize, values: &[&[u8]]) -> Result<(), String> {
        let kind = &TABLE[row].kind;
        if !kind.is_list() && values.len() != 1 {
            return Err("wrong number of arguments".into());
        }
        let old = self.config.value(row);
        let mut value = match values {
            // A list may stand in one word, as in CONFIG SET: `--save "60 1"`.
            [word] => kind.parse(&kind.words(word), &old)?,
            words => kind.parse(words, &old)?,
        };
        if matches!(kind, Kind::Save) {
            if self.saw_save && !value.bytes().is_empty() && !old.bytes().is_empty() {
                value = Value::text([old.bytes(), b" ", value.bytes()].concat());
            }
            self.saw_save = true;
        }
        self.config.store(row, value);
        self.given[row] = true;
        Ok(())
    }

    /// Reads a file, or every file that fits a pattern, in order of their names. A pattern may fit none.
    fn include(&mut self, path: &[u8], depth: usize) -> Result<(), FatalConfig> {
        let path = self.config.dir().join(OsStr::from_bytes(path));
        let paths = if is_pattern(path.as_os_str()) {
            expand(&path)
        } else {
            vec![path]
        };
        for path in paths {
            let text = read(&path)?;
            self.text(&text, depth + 1)?;
        }
        Ok(())
    }

    /// Looks at the whole once everything is read.
    fn finish(self) -> Result<Vec<String>, FatalConfig> {
        let config = self.config;
        if let Some(path) = config.logfile()
            && let Err(error) = OpenOptions::new().append(true).create(true).open(path)
        {
            return Err(FatalConfig::Whole {
                why: format!("Can't open the log file: {}", system_text(&error)),
            });
        }
        let idle = TABLE.iter().enumerate().filter(|(row, setting)| {
            self.given[*row] && setting.role == Role::Idle && config.value(*row) != default(setting)
        });
        Ok(idle
            .map(|(_, setting)| {
                format!(
                    "The setting '{}' is accepted and has no effect here",
                    setting.name
                )
            })
            .collect())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, FatalConfig> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> FatalConfig {
    FatalConfig::Unreadable {
        path: path.to_path_buf(),
        why: system_text(error),
    }
}

fn is_pattern(text: &OsStr) -> bool {
    text.as_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// The existing paths that fit a pattern, sorted. As in a shell, a leading dot has to be written out, and directories
/// that cannot be read hold nothing.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let Component::Normal(name) = component else {
            paths.iter_mut().for_each(|path| path.push(component));
            continue;
        };
        if !is_pattern(name) {
            paths.iter_mut().for_each(|path| path.push(name));
            continue;
        }
        let fits = |entry: &OsString| {
            let entry = entry.as_bytes();
            (!entry.starts_with(b".") || name.as_bytes().starts_with(b"."))
                && glob::matches(name.as_bytes(), entry)
        };
        let children = |path: PathBuf| {
            let entries = fs::read_dir(&path)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.file_name());
            entries
                .filter(fits)
                .map(move |name| path.join(name))
                .collect::<Vec<_>>()
        };
        paths = paths.into_iter().flat_map(children).collect();
    }
    paths.retain(|path| path.exists());
    paths.sort_unstable_by(|a, b| {
        a.as_os_str()
            .to_owned()
            .into_vec()
            .cmp(&b.as_os_str().to_owned().into_vec())
    });
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SavePoint;

    fn args(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn load(words: &[&str], input: &str) -> Result<Loaded, String> {
        Config::from_args_and_input(&args(words), &mut input.as_bytes())
            .map_err(|error| error.to_string())
    }

    fn config(words: &[&str]) -> Config {
        load(words, "")
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
            .config
    }

    fn fails(words: &[&str]) -> String {
        load(words, "").map(|_| ()).expect_err("it should not load")
    }

    #[test]
    fn later_sources_win() {
        let loaded = load(&["-", "--port", "3"], "port 2\nhz 20\n")
            .expect("it loads")
            .config;
        assert_eq!((loaded.port(), loaded.hz()), (3, 20));
    }

    #[test]
    fn save_lines_replace_the_defaults_and_then_add_up() {
        let points = |words: &[&str]| config(words).save_points();
        let point = |seconds, changes| SavePoint { seconds, changes };
        assert_eq!(
            points(&["--save", "60", "1", "300", "10"]),
            [point(60, 1), point(300, 10)]
        );
        assert_eq!(
            points(&["--save", "60", "1", "--save", "300", "10"]),
            [point(60, 1), point(300, 10)]
        );
        assert_eq!(points(&["--save", ""]), []);
        assert_eq!(
            points(&["--save", "60 1 300 10"]),
            [point(60, 1), point(300, 10)]
        );
        assert_eq!(
            points(&["--save", "60", "1", "--save", "", "--save", "5", "5"]),
            [point(5, 5)]
        );
        assert_eq!(points(&[]).len(), 3);
    }

    #[test]
    fn mistakes_are_reported_with_their_line() {
        let report = |line: usize, text: &str, why: &str| {
            format!(
                "\n*** FATAL CONFIG FILE ERROR (Redis 8.2.3) ***\nReading the configuration file, at line {line}\n\
                 >>> '{text}'\n{why}"
            )
        };
        let integer = "argument couldn't be parsed into an integer";
        assert_eq!(fails(&["--port", "a"]), report(2, "port \"a\"", integer));
        assert_eq!(
            fails(&["--port", "1", "2"]),
            report(2, "port \"1\" \"2\"", "wrong number of arguments")
        );
        assert_eq!(
            fails(&["--port"]),
            report(2, "port", "wrong number of arguments")
        );
        let unknown = "Bad directive or wrong number of arguments";
        assert_eq!(
            fails(&["--port", "1", "--nosuch", "1"]),
            report(3, "nosuch \"1\"", unknown)
        );
        let quotes = "Unbalanced quotes in configuration line";
        let stdin = load(&["-"], "# c\n\n  requirepass \"abc\n").map(|_| ());
        assert_eq!(stdin, Err(report(3, "requirepass \"abc", quotes)));
        let log = "\n*** FATAL CONFIG FILE ERROR (Redis 8.2.3) ***\nCan't open the log file: No such file or directory";
        assert_eq!(fails(&["--logfile", "/nonexistent/x"]), log);
        let file =
            "Fatal error, can't open config file '/nonexistent.conf': No such file or directory";
        assert_eq!(fails(&["/nonexistent.conf"]), file);
    }

    #[test]
    fn idle_settings_are_told_of_unless_they_say_what_is_so_anyway() {
        let warnings = load(
            &[
                "--list-compress-depth",
                "0",
                "--hash-max-ziplist-entries",
                "5",
                "--hz",
                "50",
            ],
            "",
        );
        let text = "The setting 'hash-max-listpack-entries' is accepted and has no effect here";
        assert_eq!(warnings.expect("all are settings").warnings, [text]);
    }

    #[test]
    fn restrictions_that_would_be_dropped_are_refused() {
        for line in ["user", "loadmodule /x.so", "sentinel monitor a b"] {
            assert!(load(&["-"], line).is_err(), "{line}");
        }
        assert!(load(&["-"], "lua-replicate-commands yes").is_ok());
    }

    #[test]
    fn users_are_kept_word_by_word() {
        let config = config(&["-"]);
        assert_eq!(config.users(), []);
        let text = "hz 20\nUSER alice on '>a b' (~x +get)\nuser bob";
        let config = load(&["-"], text).expect("all are known").config;
        let words: Vec<Vec<Vec<u8>>> = config
            .users()
            .iter()
            .map(|user| user.words.clone())
            .collect();
        assert_eq!(
            words,
            [
                vec![
                    b"alice".to_vec(),
                    b"on".into(),
                    b">a b".into(),
                    b"(~x".into(),
                    b"+get)".into()
                ],
                vec![b"bob".to_vec()],
            ]
        );
        let report = config.users()[1].fail("it is no good".into()).to_string();
        assert!(
            report.ends_with("at line 3\n>>> 'user bob'\nit is no good"),
            "{report}"
        );
    }

    #[test]
    fn files_include_others_by_name_and_by_pattern() {
        let dir = std::env::temp_dir().join(format!("bitmapd-include-{}", std::process::id()));
        fs::create_dir_all(dir.join("conf.d")).expect("the directory can be made");
        fs::write(dir.join("conf.d/20.conf"), "hz 20\ntimeout 2").expect("written");
        fs::write(dir.join("conf.d/10.conf"), "hz 10\nport 7010").expect("written");
        fs::write(dir.join("conf.d/.30.conf"), "port nonsense").expect("written");
        let main = dir.join("main.conf");
        let text = format!(
            "dir {}\ninclude conf.d/*.conf\ninclude none/*.conf\n",
            dir.display()
        );
        fs::write(&main, text).expect("written");
        let main = main.to_str().expect("the path is text");
        let loaded = config(&[main]);
        assert_eq!((loaded.port(), loaded.hz()), (7010, 20));
        assert_eq!(loaded.config_file(), Some(&PathBuf::from(main)));

        fs::write(main, format!("include {main}")).expect("written");
        assert!(fails(&[main]).contains("too deeply"));
        fs::remove_dir_all(&dir).expect("removed");
    }
}
