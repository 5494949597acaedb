//! Every command of the table, called as its documentation says and in every wrong way that its row forbids.

use super::super::session::Session;
use super::super::{Command, table};
use super::synopsis::{Argument, Kind};
use super::{Doc, of};

/// The command's name as words, `config get`.
fn name(command: &Command) -> Vec<String> {
    command.name.split('|').map(str::to_string).collect()
}

fn doc(command: &Command) -> &'static Doc {
    of(command.name).expect("every command is documented")
}

/// The shortest call the documentation allows.
fn sample(command: &Command) -> Vec<String> {
    let mut words = name(command);
    for argument in doc(command).arguments() {
        write(&argument, &mut words);
    }
    words
}

fn write(argument: &Argument, words: &mut Vec<String>) {
    if argument.optional {
        return;
    }
    words.extend(argument.token.map(str::to_string));
    match &argument.kind {
        Kind::Word => {}
        Kind::Value(kind) => words.push(
            match *kind {
                "integer" | "double" | "unix-time" => "1",
                "pattern" => "*",
                _ => "x",
            }
            .into(),
        ),
        Kind::Block(parts) => parts.iter().for_each(|part| write(part, words)),
        Kind::OneOf(parts) => parts.iter().take(1).for_each(|part| write(part, words)),
    }
}

/// Whether the argument is, or holds, an option: a word that may be left out, or that stands for one of several.
fn is_option(argument: &Argument) -> bool {
    argument.optional
        && match &argument.kind {
            Kind::Word => true,
            Kind::Value(_) | Kind::Block(_) => argument.token.is_some(),
            Kind::OneOf(parts) => parts.iter().all(|part| part.token.is_some()),
        }
}

fn wrong_arity(command: &Command) -> String {
    let class = match command.name {
        "exec" => "EXECABORT Transaction discarded because of:",
        _ => "ERR",
    };
    format!(
        "-{class} wrong number of arguments for '{}' command\r\n",
        command.name
    )
}

fn ask(words: &[String]) -> String {
    String::from_utf8_lossy(&Session::alone().ask(words)).into_owned()
}

#[test]
fn every_command_admits_the_call_it_documents() {
    for command in table::all() {
        let reply = ask(&sample(command));
        // Containers have nothing to document but their subcommands; so has DEBUG, whose are not in the table.
        let needs_a_subcommand = command.arity == -2 && doc(command).arguments().is_empty();
        assert_eq!(
            reply == wrong_arity(command),
            needs_a_subcommand,
            "{}: {reply}",
            command.name
        );
    }
}

#[test]
fn every_command_refuses_too_few_arguments_and_too_many() {
    for command in table::all() {
        let wanted = usize::from(command.arity.unsigned_abs());
        let mut words = name(command);
        words.resize((wanted - 1).max(words.len()), "1".into());
        if words.len() < wanted {
            assert_eq!(ask(&words), wrong_arity(command), "{words:?}");
        }
        if command.arity > 0 {
            words.resize(wanted + 1, "1".into());
            assert_eq!(ask(&words), wrong_arity(command), "{words:?}");
        }
    }
}

#[test]
fn every_command_is_known_in_any_case_of_letters() {
    for command in table::all() {
        let lower = sample(command);
        let mut mixed = lower.clone();
        for word in &mut mixed[..name(command).len()] {
            let letters = word.char_indices();
            *word = letters
                .map(|(at, letter)| {
                    if at % 2 == 0 {
                        letter.to_ascii_uppercase()
                    } else {
                        letter
                    }
                })
                .collect();
        }
        let (lower, mixed) = (ask(&lower), ask(&mixed));
        assert_ne!(lower.get(..11), Some("-ERR unknown"), "{}", command.name);
        let random = command.name == "acl|genpass"; // Redis gives no tip of that
        if random || command.tips.contains(&"nondeterministic_output") {
            assert_eq!(lower.get(..1), mixed.get(..1), "{}", command.name);
        } else {
            // Help repeats the name as it was written.
            assert_eq!(
                lower.to_uppercase(),
                mixed.to_uppercase(),
                "{}",
                command.name
            );
        }
    }
}

#[test]
fn every_command_with_options_refuses_one_it_does_not_have() {
    let mut walked = 0;
    for command in table::all() {
        if !doc(command).arguments().iter().any(is_option) {
            continue;
        }
        let mut words = sample(command);
        words.push("nosuchoption".into());
        let reply = ask(&words);
        assert!(reply.starts_with("-ERR "), "{words:?}: {reply}");
        walked += 1;
    }
    assert!(walked > 15, "only {walked} commands have options");
}
