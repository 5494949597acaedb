//! What each command is for and how it is written: COMMAND DOCS and the HELP of containers.
//!
//! One row a command, in a file for each of Redis's groups. Versions, names and types of arguments are those of Redis
//! 8.2; `since` is when Redis had the command, and `history` what changed in it since. To add a command, add its row.

mod bitmap;
mod connection;
mod generic;
mod pubsub;
mod server;
mod string;
mod synopsis;
mod transactions;
#[cfg(test)]
mod walk_tests;

use super::Command;
use super::introspect::map;
use crate::resp::Reply;
use synopsis::{Argument, Kind};

/// All rows, by group.
static GROUPS: &[(&str, &[Doc])] = &[
    ("bitmap", bitmap::DOCS),
    ("connection", connection::DOCS),
    ("generic", generic::DOCS),
    ("pubsub", pubsub::DOCS),
    ("server", server::DOCS),
    ("string", string::DOCS),
    ("transactions", transactions::DOCS),
];

/// The documentation of one command.
pub(super) struct Doc {
    name: &'static str,
    since: &'static str,
    /// Empty where Redis says none.
    complexity: &'static str,
    pub(super) summary: &'static str,
    /// As [`synopsis`] reads it.
    synopsis: &'static str,
    /// Versions, each with what it changed.
    history: &'static [(&'static str, &'static str)],
    /// Since when there is something better, and what.
    deprecated: Option<(&'static str, &'static str)>,
    /// For those who develop and test servers, not for those who use them.
    internal: bool,
}

const fn doc(
    name: &'static str,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
    synopsis: &'static str,
) -> Doc {
    Doc {
        name,
        since,
        complexity,
        summary,
        synopsis,
        history: &[],
        deprecated: None,
        internal: false,
    }
}

impl Doc {
    const fn history(self, history: &'static [(&'static str, &'static str)]) -> Self {
        Self { history, ..self }
    }

    const fn deprecated(self, since: &'static str, better: &'static str) -> Self {
        Self {
            deprecated: Some((since, better)),
            ..self
        }
    }

    const fn internal(self) -> Self {
        Self {
            internal: true,
            ..self
        }
    }

    fn arguments(&self) -> Vec<Argument> {
        synopsis::parse(self.synopsis).expect("a test reads every synopsis")
    }

    /// The arguments as one would type them, each behind a space.
    pub(super) fn usage(&self) -> String {
        self.arguments()
            .iter()
            .map(|argument| format!(" {argument}"))
            .collect()
    }
}

/// The documentation of a command or subcommand, with its group.
fn find(name: &str) -> Option<(&'static str, &'static Doc)> {
    GROUPS.iter().find_map(|(group, docs)| {
        let doc = docs.iter().find(|doc| doc.name == name)?;
        Some((*group, doc))
    })
}

/// The documentation of a command or subcommand.
pub(super) fn of(name: &str) -> Option<&'static Doc> {
    find(name).map(|(_, doc)| doc)
}

/// The documentation of a command as COMMAND DOCS gives it, its subcommands inside.
pub(super) fn reply(command: &Command) -> Option<Reply> {
    let (group, doc) = find(command.name)?;
    let mut card = vec![
        ("summary", Reply::bulk(doc.summary)),
        ("since", Reply::bulk(doc.since)),
        ("group", Reply::bulk(group)),
    ];
    if !doc.complexity.is_empty() {
        card.push(("complexity", Reply::bulk(doc.complexity)));
    }
    if !doc.history.is_empty() {
        let change = |&(version, what): &(&'static str, &'static str)| {
            Reply::Array(vec![Reply::bulk(version), Reply::bulk(what)])
        };
        card.push((
            "history",
            Reply::Set(doc.history.iter().map(change).collect()),
        ));
    }
    if doc.internal {
        card.push(("doc_flags", flags([(true, "syscmd")])));
    }
    if let Some((since, better)) = doc.deprecated {
        card.push(("doc_flags", flags([(true, "deprecated")])));
        card.push(("deprecated_since", Reply::bulk(since)));
        card.push(("replaced_by", Reply::bulk(better)));
    }
    let arguments = doc.arguments();
    if !arguments.is_empty() {
        let mut keys = Keys {
            specs: command.keys.len(),
            seen: 0,
        };
        card.push(("arguments", keys.arguments(&arguments)));
    }
    if !command.subcommands.is_empty() {
        let subcommands = command.subcommands.iter();
        let subcommands = subcommands.filter_map(|sub| Some((Reply::bulk(sub.name), reply(sub)?)));
        card.push(("subcommands", Reply::Map(subcommands.collect())));
    }
    Some(map(card))
}

fn flags<const N: usize>(flags: [(bool, &'static str); N]) -> Reply {
    let set = flags.into_iter().filter(|(is_set, _)| *is_set);
    Reply::Set(set.map(|(_, flag)| Reply::Simple(flag.into())).collect())
}

/// Tells which key spec finds which argument: they come in the same order, and the last spec finds all that are left.
struct Keys {
    specs: usize,
    seen: usize,
}

impl Keys {
    fn arguments(&mut self, arguments: &[Argument]) -> Reply {
        Reply::Array(
            arguments
                .iter()
                .map(|argument| self.argument(argument))
                .collect(),
        )
    }

    fn argument(&mut self, argument: &Argument) -> Reply {
        let (kind, parts) = match &argument.kind {
            Kind::Word => ("pure-token", None),
            Kind::Value(kind) => (*kind, None),
            Kind::Block(parts) => ("block", Some(parts)),
            Kind::OneOf(parts) => ("oneof", Some(parts)),
        };
        let mut card = vec![
            ("name", Reply::bulk(&*argument.name)),
            ("type", Reply::bulk(kind)),
        ];
        if parts.is_none() {
            let text = argument.shown_as.unwrap_or(&argument.name);
            card.push(("display_text", Reply::bulk(text)));
        }
        if kind == "key" {
            let spec = self.seen.min(self.specs.saturating_sub(1));
            self.seen += 1;
            card.push(("key_spec_index", Reply::Integer(spec as i64)));
        }
        for (name, text) in [
            ("token", argument.token),
            ("since", argument.since),
            ("deprecated_since", argument.deprecated_since),
        ] {
            card.extend(text.map(|text| (name, Reply::bulk(text))));
        }
        if argument.optional || argument.repeated {
            let flags = flags([
                (argument.optional, "optional"),
                (argument.repeated, "multiple"),
                (argument.token_repeated, "multiple_token"),
            ]);
            card.push(("flags", flags));
        }
        if let Some(parts) = parts {
            card.push(("arguments", self.arguments(parts)));
        }
        map(card)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{KeyFlags, KeySpec, table};
    use super::*;

    #[test]
    fn every_command_is_documented_and_nothing_else() {
        let documented: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, docs)| docs.iter().map(|doc| doc.name))
            .collect();
        let rows: BTreeSet<&str> = table::all().map(|command| command.name).collect();
        assert_eq!(documented.iter().copied().collect::<BTreeSet<_>>(), rows);
        assert_eq!(
            documented.len(),
            rows.len(),
            "something is documented twice"
        );
    }

    #[test]
    fn every_synopsis_can_be_read_and_names_as_many_keys_as_the_row() {
        fn keys(arguments: &[Argument]) -> usize {
            let of = |argument: &Argument| match &argument.kind {
                Kind::Word => 0,
                Kind::Value(kind) => usize::from(*kind == "key"),
                Kind::Block(parts) | Kind::OneOf(parts) => keys(parts),
            };
            arguments.iter().map(of).sum()
        }
        for command in table::all() {
            let doc = of(command.name).expect("it is documented");
            let arguments = synopsis::parse(doc.synopsis)
                .unwrap_or_else(|error| panic!("{}: {error:?}", command.name));
            // Channels are named like keys for the sake of clusters, and are none.
            let of_keys = |spec: &&KeySpec| !spec.flags.contains(KeyFlags::NOT_KEY);
            let specs = command.keys.iter().filter(of_keys).count();
            assert!(keys(&arguments) >= specs, "{}", command.name);
            assert_eq!(keys(&arguments) == 0, specs == 0, "{}", command.name);
            assert!(doc.summary.ends_with('.'), "{}", command.name);
            // What MONITOR costs depends on everybody else, and Redis says nothing.
            let costed = !doc.complexity.is_empty() || command.name == "monitor";
            assert!(costed, "{}", command.name);
        }
    }
}
