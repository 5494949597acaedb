//! COMMAND: what the command table says, told to clients. Everything here follows from the rows.

use super::{
    Args, Categories, CmdError, CmdResult, Command, Context, Flags, KeyFlags, KeySpec, Names, docs,
    table,
};
use crate::glob;
use crate::resp::Reply;

/// `COMMAND`: every command, as COMMAND INFO tells it.
pub(super) fn command(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::Array(cx.world.names.served().map(card).collect()))
}

/// `COMMAND COUNT`: how many commands there are, subcommands not counted.
pub(super) fn count(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::Integer(cx.world.names.served().count() as i64))
}

/// `COMMAND INFO [command-name ...]`: arity, flags, keys and categories of each; nil for a name nobody has. A
/// subcommand is named `container|subcommand`.
pub(super) fn info(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    if args.is_empty() {
        return command(cx, args);
    }
    let named = args
        .rest()
        .map(|name| cx.world.names.by_full_name(name).map_or(Reply::Null, card));
    Ok(Reply::Array(named.collect()))
}

/// `COMMAND DOCS [command-name ...]`: what each is for and how it is written. Unknown names are left out.
pub(super) fn docs(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let entry = |command: &Command| {
        let doc = docs::reply(command)?;
        Some((Reply::bulk(command.name), doc))
    };
    let names = &cx.world.names;
    Ok(Reply::Map(if args.is_empty() {
        names.served().filter_map(entry).collect()
    } else {
        args.rest()
            .filter_map(|name| names.by_full_name(name))
            .filter_map(entry)
            .collect()
    }))
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`: names, subcommands among them.
pub(super) fn list(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
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
    let named = table::with_subcommands(cx.world.names.served()).filter(|command| filter(command));
    Ok(Reply::Array(
        named.map(|command| Reply::bulk(command.name)).collect(),
    ))
}

/// `COMMAND GETKEYS command [arg ...]`: the arguments that are keys.
pub(super) fn getkeys(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let (_, keys) = keys_of(&cx.world.names, args)?;
    Ok(Reply::Array(
        keys.into_iter().map(|(key, _)| Reply::bulk(key)).collect(),
    ))
}

/// `COMMAND GETKEYSANDFLAGS command [arg ...]`: the arguments that are keys, each with what is done to it.
pub(super) fn getkeysandflags(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let (command, keys) = keys_of(&cx.world.names, args)?;
    let keys = keys.into_iter().map(|(key, spec)| {
        let flags = flags_in(command, spec, args);
        Reply::Array(vec![Reply::bulk(key), key_flags(flags)])
    });
    Ok(Reply::Array(keys.collect()))
}

/// Keys, each with the spec that found it.
type FoundKeys<'a> = Vec<(&'a [u8], &'static KeySpec)>;

/// The command that `args` would run, and its keys, each with the spec that found it.
fn keys_of<'a>(
    names: &Names,
    args: Args<'a>,
) -> Result<(&'static Command, FoundKeys<'a>), CmdError> {
    let mut words = args.rest();
    let name = words.next().ok_or(CmdError::Syntax)?;
    let command = names
        .of_words(name, words.next())
        .ok_or(CmdError::other("ERR Invalid command specified"))?;
    if command.keys.is_empty() {
        return Err(CmdError::other("ERR The command has no key arguments"));
    }
    if !command.admits(args.len()) {
        return Err(CmdError::other(
            "ERR Invalid number of arguments specified for command",
        ));
    }
    let keys = command.keys.iter().flat_map(|spec| {
        let positions = spec.positions(args);
        positions.filter_map(move |at| Some((args.get(at)?, spec)))
    });
    let keys: FoundKeys<'a> = keys.collect();
    if keys.is_empty() {
        return Err(CmdError::other(
            "ERR Invalid arguments specified for command",
        ));
    }
    Ok((command, keys))
}

/// What `args` would do to the keys of `spec`, where that depends on the options.
pub(super) fn flags_in(command: &Command, spec: &KeySpec, args: Args<'_>) -> KeyFlags {
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

/// The category of this name, in any case of letters; none if there is no such.
pub(super) fn category(name: &[u8]) -> Categories {
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
        // A set where it is empty and an array where it is not, as Redis has it.
        match command.subcommands {
            [] => Reply::Set(Vec::new()),
            subcommands => Reply::Array(subcommands.iter().map(card).collect()),
        },
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
    let (kind, find) = if spec.counted {
        let find = [
            ("keynumidx", integer(0)),
            ("firstkey", integer(1)),
            ("keystep", integer(spec.step)),
        ];
        ("keynum", find)
    } else {
        let find = [
            ("lastkey", Reply::Integer(spec.last as i64)),
            ("keystep", integer(spec.step)),
            ("limit", Reply::Integer(0)),
        ];
        ("range", find)
    };
    card.push((
        "find_keys",
        map([("type", Reply::bulk(kind)), ("spec", map(find))]),
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

#[cfg(test)]
mod tests {
    use super::super::session::Session;

    #[test]
    fn info_tells_what_the_row_says() {
        let mut db = Session::alone();
        assert_eq!(
            db.say("COMMAND INFO nosuch getbit config|nosuch"),
            "*3\r\n$-1\r\n*10\r\n$6\r\ngetbit\r\n:3\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n\
             *3\r\n+@read\r\n+@bitmap\r\n+@fast\r\n*0\r\n\
             *1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n\
             $12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$5\r\nindex\r\n:1\r\n\
             $9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n$7\r\nlastkey\r\n:0\r\n\
             $7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n*0\r\n$-1\r\n"
        );
        let range = |db: &mut Session, name: &str| -> String {
            let card = db.say(&format!("COMMAND INFO {name}"));
            let numbers: Vec<&str> = card.lines().filter(|line| line.starts_with(':')).collect();
            numbers[1..4].concat()
        };
        assert_eq!(range(&mut db, "bitop"), ":2:-1:1");
        assert_eq!(range(&mut db, "MSET"), ":1:-1:2");
        assert_eq!(range(&mut db, "copy"), ":1:2:1");
        assert_eq!(range(&mut db, "memory|usage"), ":2:2:1");
    }

    #[test]
    fn keys_are_found_among_arguments() {
        let mut db = Session::alone();
        assert_eq!(
            db.say("COMMAND GETKEYS BITOP and d a b"),
            "*3\r\n$1\r\nd\r\n$1\r\na\r\n$1\r\nb\r\n"
        );
        assert_eq!(
            db.say("COMMAND GETKEYS mset a 1 c"),
            "*2\r\n$1\r\na\r\n$1\r\nc\r\n"
        );
        assert_eq!(
            db.say("COMMAND GETKEYS memory usage k"),
            "*1\r\n$1\r\nk\r\n"
        );
        for (call, why) in [
            ("nosuch x", "Invalid command specified"),
            ("config nosuch", "Invalid command specified"),
            ("config", "The command has no key arguments"),
            ("ping x", "The command has no key arguments"),
            (
                "get a b",
                "Invalid number of arguments specified for command",
            ),
        ] {
            assert_eq!(
                db.say(&format!("COMMAND GETKEYS {call}")),
                format!("-ERR {why}\r\n")
            );
        }
    }

    #[test]
    fn counted_keys_are_as_many_as_the_request_says() {
        let mut db = Session::alone();
        assert_eq!(
            db.say("COMMAND GETKEYS BITOPCARD or 2 a b LIMIT 3"),
            "*2\r\n$1\r\na\r\n$1\r\nb\r\n"
        );
        for call in ["or 0 a", "or 3 a b", "or x a", "or -1 a"] {
            assert_eq!(
                db.say(&format!("COMMAND GETKEYS BITOPCARD {call}")),
                "-ERR Invalid arguments specified for command\r\n"
            );
        }
        let card = db.say("COMMAND INFO bitopcard");
        for part in [
            "*2\r\n+readonly\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n*3\r\n+@read\r\n+@bitmap\r\n+@slow\r\n",
            "$5\r\nindex\r\n:2\r\n",
            "$6\r\nkeynum\r\n$4\r\nspec\r\n*6\r\n$9\r\nkeynumidx\r\n:0\r\n$8\r\nfirstkey\r\n:1\r\n$7\r\nkeystep\r\n:1\r\n",
        ] {
            assert!(card.contains(part), "{card}");
        }
    }

    #[test]
    fn what_is_done_to_a_key_may_depend_on_options() {
        let mut db = Session::alone();
        let mut flags = |call: &str| -> String {
            let reply = db.say(&format!("COMMAND GETKEYSANDFLAGS {call}"));
            reply.lines().filter(|line| line.starts_with('+')).collect()
        };
        assert_eq!(flags("set k v"), "+OW+update");
        assert_eq!(flags("set k get"), "+OW+update");
        assert_eq!(flags("set k v get"), "+RW+access+update");
        assert_eq!(flags("bitfield k get u8 0 overflow sat"), "+RO+access");
        assert_eq!(flags("bitfield k get u8"), "+RW+access+update");
        assert_eq!(flags("bitfield k get u8 0 set u8 0 1"), "+RW+access+update");
    }

    #[test]
    fn names_are_listed_by_filter() {
        let mut db = Session::alone();
        let mut names = |filter: &str| -> Vec<String> {
            let reply = db.say(&format!("COMMAND LIST{filter}"));
            reply
                .lines()
                .skip(2)
                .step_by(2)
                .map(str::to_string)
                .collect()
        };
        assert_eq!(
            names(" FILTERBY ACLCAT Bitmap"),
            [
                "bitcount",
                "bitexport",
                "bitimport",
                "bitinfo",
                "bitop",
                "bitopcard",
                "bitpos",
                "bitscan",
                "bitselect",
                "getbit",
                "getbits",
                "setbit",
                "setbitrange",
                "setbits",
                "bitfield",
                "bitfield_ro"
            ]
        );
        assert_eq!(
            names(" FILTERBY PATTERN CONFIG|re*"),
            ["config|resetstat", "config|rewrite"]
        );
        assert_eq!(names(" FILTERBY MODULE x").len(), 0);
        assert_eq!(names(" FILTERBY ACLCAT nosuch").len(), 0);
        assert!(names("").contains(&"command|getkeysandflags".to_string()));
        for wrong in [
            "x",
            "FILTERBY",
            "FILTERBY PATTERN",
            "FILTERBY PATTERN a b",
            "FILTERBY x y",
        ] {
            assert_eq!(
                db.say(&format!("COMMAND LIST {wrong}")),
                "-ERR syntax error\r\n"
            );
        }
    }

    #[test]
    fn help_names_every_subcommand() {
        let help = Session::alone().say("config HELP");
        for line in [
            "+CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "+GET <parameter> [<parameter> ...]",
            "+SET <parameter> <value> [<parameter> <value> ...]",
            "+RESETSTAT",
        ] {
            assert!(help.lines().any(|told| told == line), "{help}");
        }
    }
}
