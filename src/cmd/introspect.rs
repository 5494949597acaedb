//! COMMAND: what the command table says, told to clients. Everything here follows from the rows.

use super::{
    Args, Categories, CmdError, CmdResult, Command, Context, Flags, KeyFlags, KeySpec, docs, table,
};
use crate::glob;
use crate::resp::Reply;

/// `COMMAND`: every command, as COMMAND INFO tells it.
pub(super) fn command(_: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::Array(table::TABLE.iter().map(card).collect()))
}

/// `COMMAND COUNT`: how many commands there are, subcommands not counted.
pub(super) fn count(_: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::Integer(table::TABLE.len() as i64))
}

/// `COMMAND INFO [command-name ...]`: arity, flags, keys and categories of each; nil for a name nobody has. A
/// subcommand is named `container|subcommand`.
pub(super) fn info(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    if args.is_empty() {
        return command(cx, args);
    }
    let named = args
        .rest()
        .map(|name| by_full_name(name).map_or(Reply::Null, card));
    Ok(Reply::Array(named.collect()))
}

/// `COMMAND DOCS [command-name ...]`: what each is for and how it is written. Unknown names are left out.
pub(super) fn docs(_: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let entry = |command: &Command| {
        let doc = docs::reply(command)?;
        Some((Reply::bulk(command.name), doc))
    };
    Ok(Reply::Map(if args.is_empty() {
        table::TABLE.iter().filter_map(entry).collect()
    } else {
        args.rest()
            .filter_map(by_full_name)
            .filter_map(entry)
            .collect()
    }))
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`: names, subcommands among them.
pub(super) fn list(_: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let filter: Box<dyn Fn(&Command) -> bool> = if args.is_empty() {
        Box::new(|_| true)
    } else {
        if !args.take_word("FILTERBY") || args.len() != 2 {
            return Err(CmdError::Syntax);
        }
        if args.take_word("MODULE") {
            Box::new(|_| false)
        } else if args.take_word("ACLCAT") {
            let category = category(args.take()?);
            Box::new(move |command| command.all_categories().intersects(category))
        } else if args.take_word("PATTERN") {
            let pattern = args.take()?;
            Box::new(move |command| glob::matches_ignoring_case(pattern, command.name.as_bytes()))
        } else {
            return Err(CmdError::Syntax);
        }
    };
    let named = table::all().filter(|command| filter(command));
    Ok(Reply::Array(
        named.map(|command| Reply::bulk(command.name)).collect(),
    ))
}

/// `COMMAND GETKEYS command [arg ...]`: the arguments that are keys.
pub(super) fn getkeys(_: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let (_, keys) = keys_of(args)?;
    Ok(Reply::Array(
        keys.into_iter().map(|(key, _)| Reply::bulk(key)).collect(),
    ))
}

/// `COMMAND GETKEYSANDFLAGS command [arg ...]`: the arguments that are keys, each with what is done to it.
pub(super) fn getkeysandflags(_: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let (command, keys) = keys_of(args)?;
    let keys = keys.into_iter().map(|(key, spec)| {
        let flags = flags_in(command, spec, args);
        Reply::Array(vec![Reply::bulk(key), key_flags(flags)])
    });
    Ok(Reply::Array(keys.collect()))
}

/// Keys, each with the spec that found it.
type FoundKeys<'a> = Vec<(&'a [u8], &'static KeySpec)>;

/// The command that `args` would run, and its keys, each with the spec that found it.
fn keys_of<'a>(args: Args<'a>) -> Result<(&'static Command, FoundKeys<'a>), CmdError> {
    let mut words = args.rest();
    let name = words.next().ok_or(CmdError::Syntax)?;
    let command = table::find(name)
        .and_then(|command| match words.next() {
            Some(word) if !command.subcommands.is_empty() => table::subcommand(command, word),
            _ => Some(command),
        })
        .ok_or(CmdError::other("ERR Invalid command specified"))?;
    if command.keys.is_empty() {
        return Err(CmdError::other("ERR The command has no key arguments"));
    }
    if !command.admits(args.len()) {
        return Err(CmdError::other(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let start = args.request().len() - args.len();
    let keys = command.keys.iter().flat_map(|spec| {
        let positions = spec.positions(args.len());
        positions.filter_map(move |at| Some((args.request().get(start + at)?, spec)))
    });
    Ok((command, keys.collect()))
}

/// What `args` would do to the keys of `spec`, where that depends on the options.
fn flags_in(command: &Command, spec: &KeySpec, args: Args<'_>) -> KeyFlags {
    if !spec.flags.contains(KeyFlags::VARIABLE_FLAGS) {
        return spec.flags;
    }
    let updates = KeyFlags::RW | KeyFlags::ACCESS | KeyFlags::UPDATE;
    if command.name == "set" {
        // Only SET with GET looks at what it overwrites.
        let mut options = args.rest().skip(3);
        return match options.any(|word| word.eq_ignore_ascii_case(b"GET")) {
            true => updates,
            false => KeyFlags::OW | KeyFlags::UPDATE,
        };
    }
    // A BITFIELD of nothing but GET only reads.
    let mut options = args.rest().skip(2);
    while let Some(word) = options.next() {
        let operands = if word.eq_ignore_ascii_case(b"GET") {
            2
        } else if word.eq_ignore_ascii_case(b"OVERFLOW") {
            1
        } else {
            return updates;
        };
        if options.by_ref().take(operands).count() < operands {
            return updates;
        }
    }
    KeyFlags::RO | KeyFlags::ACCESS
}

/// The command of this name, or `container|subcommand`, in any case of letters.
fn by_full_name(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|&byte| byte == b'|') {
        Some(bar) => table::subcommand(table::find(&name[..bar])?, &name[bar + 1..]),
        None => table::find(name),
    }
}

/// The category of this name, in any case of letters; none if there is no such.
fn category(name: &[u8]) -> Categories {
    Categories::all()
        .iter_names()
        .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
        .map_or(Categories::empty(), |(_, category)| category)
}

/// A row as COMMAND INFO shows it.
fn card(command: &Command) -> Reply {
    let range = command.legacy_range();
    let word = |text: String| Reply::Simple(text.into());
    let shown = command.flags.difference(Flags::PROTECTED);
    let flags = shown.iter_names().map(|(name, flag)| match flag {
        Flags::MOVABLE_KEYS => word("movablekeys".into()),
        _ => word(name.to_ascii_lowercase()),
    });
    let categories = command.all_categories();
    let categories = categories
        .iter_names()
        .map(|(name, _)| word(format!("@{}", name.to_ascii_lowercase())));
    Reply::Array(vec![
        Reply::bulk(command.name),
        Reply::Integer(command.arity.into()),
        Reply::Set(flags.collect()),
        Reply::Integer(range[0]),
        Reply::Integer(range[1]),
        Reply::Integer(range[2]),
        Reply::Set(categories.collect()),
        Reply::Set(command.tips.iter().map(|tip| Reply::bulk(*tip)).collect()),
        Reply::Set(command.keys.iter().map(spec).collect()),
        Reply::Set(command.subcommands.iter().map(card).collect()),
    ])
}

/// A key spec as COMMAND INFO shows it.
fn spec(spec: &KeySpec) -> Reply {
    let integer = |n: usize| Reply::Integer(n as i64);
    let mut card = Vec::new();
    if !spec.note.is_empty() {
        card.push(("notes", Reply::bulk(spec.note)));
    }
    card.push(("flags", key_flags(spec.flags)));
    card.push((
        "begin_search",
        map([
            ("type", Reply::bulk("index")),
            ("spec", map([("index", integer(spec.first))])),
        ]),
    ));
    let range = map([
        ("lastkey", Reply::Integer(spec.last as i64)),
        ("keystep", integer(spec.step)),
        ("limit", Reply::Integer(0)),
    ]);
    card.push((
        "find_keys",
        map([("type", Reply::bulk("range")), ("spec", range)]),
    ));
    map(card)
}

fn key_flags(flags: KeyFlags) -> Reply {
    let names = flags.iter_names().map(|(name, flag)| {
        let kinds = KeyFlags::RO | KeyFlags::RW | KeyFlags::OW | KeyFlags::RM;
        Reply::Simple(match kinds.contains(flag) {
            true => name.into(),
            false => name.to_ascii_lowercase().into(),
        })
    });
    Reply::Set(names.collect())
}

/// A map whose keys are words.
pub(super) fn map(pairs: impl IntoIterator<Item = (&'static str, Reply)>) -> Reply {
    let pairs = pairs
        .into_iter()
        .map(|(name, value)| (Reply::bulk(name), value));
    Reply::Map(pairs.collect())
}
