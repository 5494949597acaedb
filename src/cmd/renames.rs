//! `rename-command`: commands that answer to another name, or to none.
//!
//! Only the name by which a client calls a command changes. Rules of users, statistics, error texts and COMMAND INFO go on
//! speaking of the command by its own name, as in Redis, and so does the log: what was logged under one set of names is
//! replayed under any other.

use super::acl::is_redis;
use super::{Command, table};
use crate::config::{Config, FatalConfig};

/// What each command is called. Nothing is asked but the table of commands where no command has another name.
#[derive(Default)]
pub struct Names(Option<Box<[Renamed]>>);

/// A command that no longer answers to its own name.
struct Renamed {
    /// Its own name, in lower case.
    own: Box<[u8]>,
    /// `None` for a command of Redis that is not served here.
    command: Option<&'static Command>,
    /// What it is called now; `None` if it cannot be called.
    now: Option<Box<[u8]>>,
}

impl Names {
    /// The names after all `rename-command` lines of the configuration, each of which names commands as the lines before it
    /// left them.
    ///
    /// # Errors
    /// The first line that names no command, or gives a name that another command has.
    pub fn configured(config: &Config) -> Result<Self, FatalConfig> {
        let mut all: Vec<Renamed> = Vec::new();
        for line in config.renames() {
            let [old, new] = line.words.as_slice() else {
                continue; // there are always two
            };
            let fail = |why: &str| line.fail(why.into());
            let own =
                own_name(&all, old).ok_or_else(|| fail("No such command in rename-command"))?;
            all.retain(|renamed| renamed.own != own);
            let command = table::find(&own);
            let now = None;
            all.push(Renamed { own, command, now });
            if new.is_empty() {
                continue;
            }
            if own_name(&all, new).is_some() {
                return Err(fail("Target command name already exists"));
            }
            if let Some(renamed) = all.last_mut() {
                renamed.now = Some(new.as_slice().into());
            }
        }
        Ok(Self((!all.is_empty()).then(|| all.into())))
    }

    /// The command that is called so, in any case of letters.
    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<&'static Command> {
        match &self.0 {
            None => table::find(name),
            Some(all) => find_among(all, name),
        }
    }

    /// As [`Names::find`], of a name in a log: it says the command's own name if it was logged here, and what the command was
    /// called if a client's request was logged as it came, which Redis does.
    pub(super) fn find_logged(&self, name: &[u8]) -> Option<&'static Command> {
        table::find(name).or_else(|| self.find(name))
    }

    /// The command that these words would run, which are its name and perhaps that of a subcommand.
    pub(super) fn of_words(&self, name: &[u8], next: Option<&[u8]>) -> Option<&'static Command> {
        let command = self.find(name)?;
        match next {
            Some(word) if !command.subcommands.is_empty() => table::subcommand(command, word),
            _ => Some(command),
        }
    }

    /// The command that is called so, or `container|subcommand`.
    pub(super) fn by_full_name(&self, name: &[u8]) -> Option<&'static Command> {
        table::by_full_name(name, |name| self.find(name))
    }

    /// The commands that can be called.
    pub(super) fn served(&self) -> impl Iterator<Item = &'static Command> {
        table::TABLE.iter().filter(|command| {
            self.renamed(command)
                .is_none_or(|renamed| renamed.now.is_some())
        })
    }

    /// The command's own name, for a log that is to be read whatever it is called now; `None` where that is the same.
    pub(super) fn to_log(&self, command: &'static Command) -> Option<&'static [u8]> {
        self.renamed(command).map(|_| command.name.as_bytes())
    }

    fn renamed(&self, command: &Command) -> Option<&Renamed> {
        let mut all = self.0.iter().flatten();
        all.find(|renamed| *renamed.own == *command.name.as_bytes())
    }
}

fn find_among(all: &[Renamed], name: &[u8]) -> Option<&'static Command> {
    match called(all, name) {
        Some(renamed) => renamed.command,
        None => table::find(name).filter(|command| !is_moved(all, command.name.as_bytes())),
    }
}

/// The own name of the command that is called so, whether it is served here or Redis alone has it.
fn own_name(all: &[Renamed], name: &[u8]) -> Option<Box<[u8]>> {
    if let Some(renamed) = called(all, name) {
        return Some(renamed.own.clone());
    }
    let own = name.to_ascii_lowercase();
    let is_known = table::find(&own).is_some()
        || !own.contains(&b'|') && std::str::from_utf8(&own).is_ok_and(is_redis);
    (is_known && !is_moved(all, &own)).then(|| own.into())
}

fn called<'a>(all: &'a [Renamed], name: &[u8]) -> Option<&'a Renamed> {
    all.iter().find(|renamed| {
        let now = renamed.now.as_ref();
        now.is_some_and(|now| now.eq_ignore_ascii_case(name))
    })
}

fn is_moved(all: &[Renamed], own: &[u8]) -> bool {
    all.iter().any(|renamed| *renamed.own == *own)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::World;
    use super::super::session::Session;
    use super::*;
    use crate::persist::media::Memory;
    use crate::store::Clock;

    fn names(lines: &str) -> Result<Names, String> {
        let mut config = Config::new();
        config.load_text(lines).map_err(|error| error.to_string())?;
        Names::configured(&config).map_err(|error| error.to_string())
    }

    fn session(lines: &str) -> Session {
        let mut world = World::on(
            Arc::new(Memory::new()),
            Arc::new(Session::settings()),
            Arc::default(),
            Clock::System,
        );
        world.names = names(lines).unwrap();
        Session::new(Arc::new(world))
    }

    #[test]
    fn lines_are_read_one_after_the_other() {
        let calls = |lines: &str, name: &str| {
            let names = names(lines).unwrap();
            names.find(name.as_bytes()).map(|command| command.name)
        };
        assert_eq!(calls("", "Get"), Some("get"));
        assert_eq!(calls("rename-command GET gx", "GX"), Some("get"));
        assert_eq!(calls("rename-command GET gx", "get"), None);
        assert_eq!(calls("rename-command GET GET", "get"), Some("get"));
        assert_eq!(
            calls("rename-command get a\nrename-command A b", "b"),
            Some("get")
        );
        assert_eq!(
            calls("rename-command get a\nrename-command A ''", "a"),
            None
        );
        let swapped = "rename-command get x\nrename-command set get\nrename-command x set";
        assert_eq!(calls(swapped, "get"), Some("set"));
        assert_eq!(calls(swapped, "set"), Some("get"));
        // What only Redis has can be renamed as well, and its name taken.
        assert_eq!(
            calls("rename-command LPUSH ''\nrename-command get lpush", "lpush"),
            Some("get")
        );
        assert_eq!(calls("rename-command eval x", "x"), None);
    }

    #[test]
    fn lines_that_mean_nothing_are_told_in_the_words_of_redis() {
        let unknown = "No such command in rename-command";
        let taken = "Target command name already exists";
        for (lines, at, why) in [
            ("rename-command nosuch x", 1, unknown),
            ("\nrename-command GET ''\nrename-command get x", 3, unknown),
            ("rename-command '' x", 1, unknown),
            ("rename-command config|get x", 1, unknown),
            ("rename-command get set", 1, taken),
            ("rename-command get lpush", 1, taken),
            ("rename-command get x\nrename-command set X", 2, taken),
        ] {
            let report = names(lines).err().unwrap();
            let line = lines.lines().nth(at - 1).unwrap();
            let end = format!("at line {at}\n>>> '{line}'\n{why}");
            assert!(report.ends_with(&end), "{lines}: {report}");
        }
    }

    #[test]
    fn a_log_is_read_whatever_commands_are_called() {
        let mut db = session("rename-command SETBIT SB\nrename-command APPEND SETBIT");
        assert_eq!(db.say("SB k 1 1"), ":0\r\n");
        assert_eq!(db.say("SETBIT k x"), ":2\r\n");
        let world = db.world();
        let request = |line: &str| crate::resp::OwnedRequest::from_words(line.split(' ')).unwrap();
        for (line, logged) in [
            ("SETBIT k 1 1", "setbit"),
            ("SB k 1 1", "setbit"),
            ("append k x", "append"),
        ] {
            let found = world.names.find_logged(request(line).as_request().name());
            assert_eq!(found.unwrap().name, logged, "{line}");
        }
        let own = |name: &str| world.names.to_log(table::find(name.as_bytes()).unwrap());
        assert_eq!(own("setbit"), Some(b"setbit".as_slice()));
        assert_eq!(own("get"), None);
    }

    #[test]
    fn exec_ends_a_transaction_under_any_name() {
        let mut db = session("rename-command exec ex");
        db.say("MULTI");
        assert!(db.say("ex now").starts_with("-EXECABORT "));
        db.say("MULTI");
        assert!(db.say("exec").starts_with("-ERR unknown command 'exec'"));
        assert!(db.say("ex").starts_with("-EXECABORT "));
    }
}
