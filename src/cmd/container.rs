//! What all containers (CONFIG, MEMORY, ...) have in common: they do nothing by themselves, and they can be asked for help.

use super::{Args, CmdError, CmdResult, Command, Context, docs, table};
use crate::resp::{Reply, Request};
use crate::words::until_nul;

/// The container without a subcommand. Its arity asks for one, so this is the answer to a table that forgot to.
pub(super) fn none(cx: &mut Context<'_>, _: Args<'_>) -> CmdResult {
    Err(CmdError::Arity(cx.command.name))
}

/// `<container> HELP`: its subcommands, each with its arguments and what it is for.
pub(super) fn help(cx: &mut Context<'_>, args: Args<'_>) -> CmdResult {
    let container = cx.command.name.split('|').next();
    let container = container.and_then(|name| table::find(name.as_bytes()));
    let subcommands = container.map_or(&[][..], |container| container.subcommands);
    Ok(page(
        args.request().name(),
        subcommands.iter().map(|command| {
            let (synopsis, summary) = card(command);
            (synopsis, summary.to_string())
        }),
    ))
}

/// What a subcommand answers that counts its arguments itself.
pub(super) fn misused(request: Request<'_>) -> CmdError {
    let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
    text.extend_from_slice(until_nul(request.get(1).unwrap_or_default()));
    text.extend_from_slice(b"'. Try ");
    text.extend(request.name().to_ascii_uppercase());
    text.extend_from_slice(b" HELP.");
    CmdError::Quoting(text)
}

/// A subcommand's name and arguments as one would type them, and its summary.
fn card(command: &Command) -> (String, &'static str) {
    let (_, name) = command.name.split_once('|').unwrap_or(("", command.name));
    let doc = docs::of(command.name);
    let arguments = doc.map_or(String::new(), |doc| doc.usage());
    let summary = doc.map_or("", |doc| doc.summary);
    (name.to_ascii_uppercase() + &arguments, summary)
}

/// A page of help: a heading, then a line for each entry and a line, set in, of what is said of it.
pub(super) fn page(container: &[u8], entries: impl IntoIterator<Item = (String, String)>) -> Reply {
    let heading = format!(
        "{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        String::from_utf8_lossy(container).to_ascii_uppercase()
    );
    let lines = entries
        .into_iter()
        .flat_map(|(synopsis, summary)| [synopsis, format!("    {summary}")]);
    let line = |text: String| Reply::Simple(text.into());
    Reply::Array(std::iter::once(heading).chain(lines).map(line).collect())
}
