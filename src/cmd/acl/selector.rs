//! One set of permissions: which commands, on which keys, on which channels. A user has one, and more in parentheses.

use std::fmt::{self, Display, Formatter};

use super::names;
use crate::cmd::introspect::{self, category};
use crate::cmd::{Args, Command, Flags, KeyFlags, calls, table};
use crate::glob;

/// What a user may do, if one rule set is looked at alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    commands: CommandSet,
    /// Commands that may be run with this first argument, whatever `commands` says of them.
    first_args: Vec<(usize, Box<[u8]>)>,
    /// Whether the rules start from every command, and not from none.
    from_all: bool,
    /// The rules about commands that still matter, allowing or not, in the order they were given.
    rules: Vec<(bool, Box<[u8]>)>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Box<[u8]>>,
}

/// Keys that may be read, written, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    read: bool,
    write: bool,
    pattern: Box<[u8]>,
}

/// Why a request is refused. The numbers are the index of the argument that decided, the command's name being 0; of two
/// reasons the greater one is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cmd) enum Denied {
    Command,
    Key(usize),
    Channel(usize),
}

/// Why a rule means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RuleError {
    #[error("Unknown command or category name in ACL")]
    Unknown,
    #[error("Syntax error")]
    Syntax,
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try \
         'resetkeys' to start with an empty list of patterns"
    )]
    AfterAllKeys,
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try \
         'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    #[error(
        "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
    )]
    BadHash,
    #[error("Allowing first-arg of a subcommand is not supported")]
    SubcommandArgument,
}

impl Selector {
    /// Nothing is allowed, or nothing but every channel.
    pub(super) fn new(all_channels: bool) -> Self {
        Self {
            commands: CommandSet::empty(),
            first_args: Vec::new(),
            from_all: false,
            rules: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
        }
    }

    /// Whether it allows everything, so that nothing has to be asked.
    pub(super) fn is_everything(&self) -> bool {
        self.all_keys && self.all_channels && self.commands.is_full()
    }

    /// Adds one rule to those before it.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |names: [&str; 2]| {
            names
                .into_iter()
                .any(|name| rule.eq_ignore_ascii_case(name.as_bytes()))
        };
        if is(["allkeys", "~*"]) {
            (self.all_keys, self.keys) = (true, Vec::new());
        } else if is(["resetkeys", "resetkeys"]) {
            (self.all_keys, self.keys) = (false, Vec::new());
        } else if is(["allchannels", "&*"]) {
            (self.all_channels, self.channels) = (true, Vec::new());
        } else if is(["resetchannels", "resetchannels"]) {
            (self.all_channels, self.channels) = (false, Vec::new());
        } else if is(["allcommands", "+@all"]) {
            self.start_from(true);
        } else if is(["nocommands", "-@all"]) {
            self.start_from(false);
        } else {
            match rule {
                [b'~', pattern @ ..] => self.add_keys(true, true, pattern)?,
                [b'%', kinds @ ..] => {
                    let (read, write, pattern) = key_permissions(kinds)?;
                    self.add_keys(read, write, pattern)?;
                }
                [b'&', pattern @ ..] => self.add_channels(pattern)?,
                [sign @ (b'+' | b'-'), b'@', name @ ..] => {
                    self.set_category(*sign == b'+', name)?
                }
                [b'+', name @ ..] if name.contains(&b'|') => self.allow_part(name)?,
                [sign @ (b'+' | b'-'), name @ ..] => self.set_command(*sign == b'+', name)?,
                _ => return Err(RuleError::Syntax),
            }
        }
        Ok(())
    }

    fn start_from(&mut self, all: bool) {
        self.from_all = all;
        self.commands = match all {
            true => CommandSet::full(),
            false => CommandSet::empty(),
        };
        self.rules.clear();
        self.first_args.clear();
    }

    fn add_keys(&mut self, read: bool, write: bool, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AfterAllKeys);
        }
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        match self
            .keys
            .iter_mut()
            .find(|known| *known.pattern == *pattern)
        {
            Some(known) => {
                known.read |= read;
                known.write |= write;
            }
            None => self.keys.push(KeyPattern {
                read,
                write,
                pattern: pattern.into(),
            }),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AfterAllChannels);
        }
        if has_space(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    fn set_category(&mut self, allow: bool, name: &[u8]) -> Result<(), RuleError> {
        let category = category(name);
        if category.is_empty() {
            return Err(RuleError::Unknown);
        }
        for command in table::TABLE {
            // First the container with all that is in it, then what is in it by its own categories.
            if command.all_categories().intersects(category) {
                self.set(command, allow);
            }
            for sub in command.subcommands {
                if sub.all_categories().intersects(category) {
                    self.set(sub, allow);
                }
            }
        }
        self.note(allow, [b"@", name].concat());
        Ok(())
    }

    /// `+command`, `-command` and `-container|subcommand`.
    fn set_command(&mut self, allow: bool, name: &[u8]) -> Result<(), RuleError> {
        match Known::find(name)? {
            Known::Here(command) => self.set(command, allow),
            Known::Elsewhere => {}
        }
        self.note(allow, name.to_vec());
        Ok(())
    }

    /// `+container|subcommand`, or `+command|first-argument`.
    fn allow_part(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let bar = name.iter().rposition(|&byte| byte == b'|').unwrap_or(0);
        let (whole, part) = (&name[..bar], &name[bar + 1..]);
        let known = Known::find(whole)?;
        if whole.contains(&b'|') {
            return Err(RuleError::SubcommandArgument);
        }
        if part.is_empty() {
            return Err(RuleError::Syntax);
        }
        match known {
            _ if names::is_container(&lower(whole)) || known.has_subcommands() => {
                if let Known::Here(command) = Known::find(name)? {
                    self.set(command, true);
                }
            }
            Known::Here(command) => {
                tracing::warn!(
                    "Deprecation warning: Allowing a first arg of an otherwise blocked command is a misuse of ACL and may \
                     get disabled in the future (offender: +{})",
                    String::from_utf8_lossy(name)
                );
                let place = calls::place(command);
                self.first_args.push((place, part.into()));
            }
            Known::Elsewhere => {}
        }
        self.note(true, name.to_vec());
        Ok(())
    }

    /// Allows or forbids a command, and what it contains.
    fn set(&mut self, command: &'static Command, allow: bool) {
        let place = calls::place(command);
        self.commands.set(place, allow);
        self.first_args.retain(|(of, _)| *of != place);
        for sub in command.subcommands {
            self.commands.set(calls::place(sub), allow);
        }
    }

    /// Remembers a rule, in place of those it makes void: the one of the same name, and those about its parts.
    fn note(&mut self, allow: bool, mut name: Vec<u8>) {
        name.make_ascii_lowercase();
        self.rules.retain(|(_, old)| {
            let rest = old.strip_prefix(name.as_slice());
            !rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'|')
        });
        self.rules.push((allow, name.into()));
    }

    /// Whether the request that starts at `args`, with the name of `command`, may run.
    pub(super) fn check(&self, command: &'static Command, args: Args<'_>) -> Result<(), Denied> {
        if !self.allows_command(command, args) {
            return Err(Denied::Command);
        }
        if !self.all_keys {
            for spec in command.keys {
                let flags = introspect::flags_in(command, spec, args);
                if flags.contains(KeyFlags::NOT_KEY) {
                    continue;
                }
                for at in spec.positions(args) {
                    match args.get(at) {
                        Some(key) if !self.allows_key(key, flags) => return Err(Denied::Key(at)),
                        _ => {}
                    }
                }
            }
        }
        if !self.all_channels
            && let Some((channels, literal)) = channels_of(command, args)
        {
            for at in channels {
                match args.get(at) {
                    Some(name) if !self.allows_channel(name, literal) => {
                        return Err(Denied::Channel(at));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn allows_command(&self, command: &'static Command, args: Args<'_>) -> bool {
        if command.flags.contains(Flags::NO_AUTH) {
            return true;
        }
        let place = calls::place(command);
        self.commands.has(place)
            || self.first_args.iter().any(|(of, allowed)| {
                *of == place
                    && args
                        .get(1)
                        .is_some_and(|arg| arg.eq_ignore_ascii_case(allowed))
            })
    }

    fn allows_key(&self, key: &[u8], flags: KeyFlags) -> bool {
        let read = flags.contains(KeyFlags::ACCESS);
        let write = flags.intersects(KeyFlags::INSERT | KeyFlags::DELETE | KeyFlags::UPDATE);
        self.keys.iter().any(|allowed| {
            allowed.read >= read && allowed.write >= write && glob::matches(&allowed.pattern, key)
        })
    }

    /// Whether a channel may be used; or, if `literal`, a pattern of channels, which must be one of the allowed ones to the
    /// letter.
    pub(super) fn allows_channel(&self, name: &[u8], literal: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(|allowed| match literal {
                true => **allowed == *name,
                false => glob::matches(allowed, name),
            })
    }

    /// The rules about commands, as a person would write them.
    pub(super) fn describe_commands(&self) -> Vec<u8> {
        let start: &[u8] = if self.from_all { b"+@all" } else { b"-@all" };
        let mut text = start.to_vec();
        for (allow, rule) in &self.rules {
            text.extend_from_slice(if *allow { b" +" } else { b" -" });
            text.extend_from_slice(rule);
        }
        text
    }

    /// The patterns of keys.
    pub(super) fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let pattern = |keys: &KeyPattern| {
            let kind: &[u8] = match (keys.read, keys.write) {
                (true, false) => b"%R~",
                (false, true) => b"%W~",
                _ => b"~",
            };
            [kind, &keys.pattern].concat()
        };
        let patterns: Vec<Vec<u8>> = self.keys.iter().map(pattern).collect();
        patterns.join(&b' ')
    }

    /// The patterns of channels.
    pub(super) fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let patterns: Vec<Vec<u8>> = self
            .channels
            .iter()
            .map(|channel| [b"&", &channel[..]].concat())
            .collect();
        patterns.join(&b' ')
    }

    /// All of it as rules that make it again, from nothing.
    pub(super) fn describe(&self) -> Vec<u8> {
        let mut parts = vec![self.describe_keys()];
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        parts.push(self.describe_channels());
        parts.push(self.describe_commands());
        parts.retain(|part| !part.is_empty());
        parts.join(&b' ')
    }
}

/// The permissions behind a `%`, and the pattern that follows them and a `~`.
fn key_permissions(rule: &[u8]) -> Result<(bool, bool, &[u8]), RuleError> {
    let (mut read, mut write) = (false, false);
    for (at, byte) in rule.iter().enumerate() {
        match byte.to_ascii_uppercase() {
            b'R' if !read => read = true,
            b'W' if !write => write = true,
            b'~' if read || write => return Ok((read, write, &rule[at + 1..])),
            _ => return Err(RuleError::Syntax),
        }
    }
    // Without a tilde there is no pattern, which fits the empty key.
    if read || write {
        Ok((read, write, b""))
    } else {
        Err(RuleError::Syntax)
    }
}

/// Whether there is space or a NUL in a name or a pattern, which could not be written down in a file then.
pub(super) fn has_space(text: &[u8]) -> bool {
    text.iter()
        .any(|byte| matches!(byte, 0 | b' ' | b'\t'..=b'\r'))
}

/// The arguments of a request that are channels, and whether they are patterns. Who unsubscribes needs no permission.
fn channels_of(command: &Command, args: Args<'_>) -> Option<(std::ops::Range<usize>, bool)> {
    match command.name {
        "publish" | "spublish" => Some((1..2, false)),
        "subscribe" | "ssubscribe" => Some((1..args.len(), false)),
        "psubscribe" => Some((1..args.len(), true)),
        _ => None,
    }
}

/// A command that a rule names.
#[derive(Clone, Copy)]
enum Known {
    Here(&'static Command),
    /// Redis has it, and it is not served here.
    Elsewhere,
}

impl Known {
    /// The command, or `container|subcommand`, of this name in any case.
    fn find(name: &[u8]) -> Result<Self, RuleError> {
        match table::by_full_name(name, table::find) {
            Some(command) => Ok(Known::Here(command)),
            None if names::is_redis(&lower(name)) => Ok(Known::Elsewhere),
            None => Err(RuleError::Unknown),
        }
    }

    fn has_subcommands(self) -> bool {
        matches!(self, Known::Here(command) if !command.subcommands.is_empty())
    }
}

fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

/// A bit for each command, by its place in the table.
#[derive(Clone, PartialEq, Eq)]
struct CommandSet(Box<[u64]>);

impl CommandSet {
    fn empty() -> Self {
        Self(vec![0; table::all().count().div_ceil(64)].into())
    }

    fn full() -> Self {
        let mut set = Self::empty();
        (0..table::all().count()).for_each(|place| set.set(place, true));
        set
    }

    fn is_full(&self) -> bool {
        *self == Self::full()
    }

    fn has(&self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }

    fn set(&mut self, place: usize, on: bool) {
        let bit = 1 << (place % 64);
        if on {
            self.0[place / 64] |= bit;
        } else {
            self.0[place / 64] &= !bit;
        }
    }
}

impl fmt::Debug for CommandSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let allowed = table::all().filter(|command| self.has(calls::place(command)));
        f.debug_set()
            .entries(allowed.map(|command| command.name))
            .finish()
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        String::from_utf8_lossy(&self.describe()).fmt(f)
    }
}
