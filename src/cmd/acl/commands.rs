//! ACL: users, their rules, and what was refused to them.

use super::log::Entry;
use super::selector::{Denied, Selector, has_space};
use super::{DEFAULT, dismiss, tell, user};
use crate::cmd::introspect::{category, map};
use crate::cmd::{Args, Categories, CmdError, CmdResult, Context, Flow, table};
use crate::number::parse_i64;
use crate::resp::Reply;
use crate::words::until_nul;

/// `ACL WHOAMI`
pub(in crate::cmd) fn whoami(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Ok(Reply::bulk(cx.client.user.name().to_vec()))
}

/// `ACL USERS`: the names.
pub(in crate::cmd) fn users(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let names = cx.world.acl.names().into_iter();
    Ok(Reply::Array(
        names.map(|name| Reply::bulk(name.into_vec())).collect(),
    ))
}

/// `ACL LIST`: each user as a line of a file of users.
pub(in crate::cmd) fn list(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let lines = cx.world.acl.lines().into_iter();
    Ok(Reply::Array(lines.map(Reply::bulk).collect()))
}

/// `ACL CAT [category]`: the categories, or the commands in one. Only those that are served here.
pub(in crate::cmd) fn cat(_: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let Some(name) = args.take_optional() else {
        let names = Categories::all().iter_names();
        return Ok(Reply::Array(
            names
                .map(|(name, _)| Reply::bulk(name.to_ascii_lowercase()))
                .collect(),
        ));
    };
    at_most_one(&args, "CAT")?;
    let category = category(name);
    if category.is_empty() {
        let shown = until_nul(name);
        let shown = &shown[..shown.len().min(128)];
        return Err(CmdError::Quoting(
            [b"ERR Unknown category '", shown, b"'"].concat(),
        ));
    }
    let commands = table::all().filter(|command| command.all_categories().intersects(category));
    Ok(Reply::Array(
        commands.map(|command| Reply::bulk(command.name)).collect(),
    ))
}

/// What Redis says where a subcommand with an optional argument has more.
fn at_most_one(args: &Args<'_>, name: &str) -> Result<(), CmdError> {
    if args.is_empty() {
        return Ok(());
    }
    Err(CmdError::other(format!(
        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try ACL HELP."
    )))
}

/// `ACL SETUSER username [rule ...]`: makes or changes a user, if all rules mean something.
pub(in crate::cmd) fn setuser(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let name = args.take()?;
    if has_space(name) {
        return Err(CmdError::other(
            "ERR Usernames can't contain spaces or null characters",
        ));
    }
    let rules: Vec<&[u8]> = args.rest().collect();
    let rules = user::merge(&rules).map_err(|at| {
        let start = b"ERR Unmatched parenthesis in acl selector starting at '";
        CmdError::Quoting([start, until_nul(rules[at]), b"'."].concat())
    })?;
    let all_channels = cx.world.config.acl_pubsub_default();
    cx.world.acl.set(name, all_channels, |rights| {
        for rule in &rules {
            rights.apply(rule, all_channels).map_err(|error| {
                let why = format!("': {error}");
                let start = b"ERR Error in ACL SETUSER modifier '";
                CmdError::Quoting([start, until_nul(rule), why.as_bytes()].concat())
            })?;
        }
        Ok(())
    })?;
    close_the_dismissed(cx);
    Ok(Reply::Ok)
}

/// Closes the connections that a change of users does not allow any longer; this one only after its reply.
fn close_the_dismissed(cx: &mut Context<'_>) {
    if dismiss(cx.world, &cx.client.info) {
        cx.flow = Flow::Close;
    }
}

/// `ACL DELUSER username [username ...]`: deletes users, closes their connections, and replies how many there were.
pub(in crate::cmd) fn deluser(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    if args.rest().any(|name| name == DEFAULT) {
        return Err(CmdError::other("ERR The 'default' user cannot be removed"));
    }
    let gone = cx.world.acl.delete(args.rest());
    close_the_dismissed(cx);
    Ok(Reply::Integer(gone as i64))
}

/// `ACL GETUSER username`: all there is to know of a user; nil if there is none.
pub(in crate::cmd) fn getuser(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let Some(user) = cx.world.acl.find(args.take()?) else {
        return Ok(Reply::Null);
    };
    let rights = user.rights();
    let flags = rights.flags().into_iter().map(Reply::bulk).collect();
    let passwords = rights.passwords().map(Reply::bulk).collect();
    let [commands, keys, channels] = describe(rights.root());
    let others = rights.others().iter().map(|other| map(describe(other)));
    Ok(map([
        ("flags", Reply::Set(flags)),
        ("passwords", Reply::Array(passwords)),
        commands,
        keys,
        channels,
        ("selectors", Reply::Array(others.collect())),
    ]))
}

fn describe(selector: &Selector) -> [(&'static str, Reply); 3] {
    [
        ("commands", Reply::bulk(selector.describe_commands())),
        ("keys", Reply::bulk(selector.describe_keys())),
        ("channels", Reply::bulk(selector.describe_channels())),
    ]
}

/// `ACL DRYRUN username command [arg ...]`: whether the user could run this, and if not, why. Nothing runs.
pub(in crate::cmd) fn dryrun(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let name = args.take()?;
    let Some(user) = cx.world.acl.find(name) else {
        let text = [b"ERR User '", until_nul(name), b"' not found"].concat();
        return Err(CmdError::Quoting(text));
    };
    let word = args.peek().unwrap_or_default();
    let Some(command) = cx.world.names.of_words(word, args.get(1)) else {
        let text = [b"ERR Command '", until_nul(word), b"' not found"].concat();
        return Err(CmdError::Quoting(text));
    };
    if !command.admits(args.len()) {
        return Err(CmdError::Arity(command.name));
    }
    let Err(denied) = user.rights().check(command, args) else {
        return Ok(Reply::Ok);
    };
    let object = match denied {
        Denied::Command => None,
        Denied::Key(at) | Denied::Channel(at) => args.get(at),
    };
    Ok(Reply::bulk(tell(user.name(), denied, command, object)))
}

/// `ACL GENPASS [bits]`: a password nobody can guess, in hexadecimal; 256 bits unless told.
pub(in crate::cmd) fn genpass(_: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    const MOST: usize = 4096;
    let bits = match args.take_optional() {
        None => 256,
        Some(bits) => {
            at_most_one(&args, "GENPASS")?;
            parse_i64(bits).ok_or(CmdError::NotAnInteger)?
        }
    };
    let bits = usize::try_from(bits).unwrap_or_default();
    if !(1..=MOST).contains(&bits) {
        return Err(CmdError::other(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to {MOST}"
        )));
    }
    let digits = bits.div_ceil(4);
    let mut random = vec![0; digits.div_ceil(2)];
    getrandom::fill(&mut random).map_err(|error| {
        CmdError::other(format!("ERR the system has no random numbers: {error}"))
    })?;
    let mut text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    Ok(Reply::bulk(text))
}

/// `ACL LOG [count | RESET]`: what was refused lately, newest first; ten entries unless told.
pub(in crate::cmd) fn log(cx: &mut Context<'_>, mut args: Args<'_>) -> CmdResult {
    let count = match args.take_optional() {
        None => 10,
        Some(word) => {
            at_most_one(&args, "LOG")?;
            if word.eq_ignore_ascii_case(b"RESET") {
                cx.world.acl.log.clear();
                return Ok(Reply::Ok);
            }
            parse_i64(word).ok_or(CmdError::NotAnInteger)?
        }
    };
    let newest = cx
        .world
        .acl
        .log
        .newest(usize::try_from(count).unwrap_or_default());
    let now = cx.now();
    Ok(Reply::Array(
        newest.into_iter().map(|entry| show(entry, now)).collect(),
    ))
}

fn show(entry: Entry, now_ms: i64) -> Reply {
    let age = (now_ms - entry.last_ms) as f64 / 1000.0;
    let refusal = entry.refusal;
    map([
        ("count", Reply::Integer(entry.count)),
        ("reason", Reply::bulk(refusal.reason)),
        ("context", Reply::bulk(refusal.context)),
        ("object", Reply::bulk(refusal.object)),
        ("username", Reply::bulk(refusal.user)),
        ("age-seconds", Reply::Double(age)),
        ("client-info", Reply::bulk(entry.client)),
        ("entry-id", Reply::Integer(entry.id)),
        ("timestamp-created", Reply::Integer(entry.first_ms)),
        ("timestamp-last-updated", Reply::Integer(entry.last_ms)),
    ])
}

/// What there is to say where no file of users was set.
const NO_FILE: &str = "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the \
ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
users in the Redis configuration.";

/// `ACL LOAD`: the users are those of the file again, all of them or, if anything is wrong there, none. Connections of users
/// who are no more are closed.
pub(in crate::cmd) fn load(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    match cx.world.acl.load_file(&cx.world.config) {
        None => Err(CmdError::other(NO_FILE)),
        Some(Err(errors)) => Err(CmdError::other(format!("ERR {errors}"))),
        Some(Ok(())) => {
            close_the_dismissed(cx);
            Ok(Reply::Ok)
        }
    }
}

/// `ACL SAVE`: writes the users into the file.
pub(in crate::cmd) fn save(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    let Some(path) = cx.world.config.aclfile() else {
        return Err(CmdError::other(NO_FILE));
    };
    cx.world.acl.save_file(&path).map(|()| Reply::Ok).map_err(|error| {
        tracing::warn!("Writing ACL file for ACL SAVE: {error}");
        CmdError::other(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })
}
