//! What is wrong with a command line, in one sentence with what to do about it, from what argh says of it.

use super::help::{info, option, takes_value};
use argh::{CommandInfoWithArgs, FlagInfo};

/// What is wrong with these words.
pub(super) fn wrong(output: &str, words: &[String]) -> String {
    let info = info();
    let command = words.first().and_then(|word| info.commands.iter().find(|command| command.name == *word));
    let Some(command) = command.map(|command| &command.command) else {
        return wrong_command(&info, words.first().map_or("", String::as_str));
    };
    let program = format!("chat-host {}", command.name);
    let with_value = |name: &str| flag(command, name).map_or(name.to_owned(), option);
    let output = output.trim();
    if let Some(word) = output.strip_prefix("Unrecognized argument: ") {
        return wrong_option(command, &program, word);
    }
    if let Some(name) = output.strip_prefix("No value provided for option '").and_then(|rest| rest.split('\'').next()) {
        return format!("{name} has no value; write {}", with_value(name));
    }
    if let Some(names) = output.strip_prefix("Required options not provided:") {
        let names: Vec<_> = names.split_whitespace().map(with_value).collect();
        return format!("{program} wants {}", names.join(" "));
    }
    // The reason names the value.
    let parsed = output.strip_prefix("Error parsing option '").and_then(|rest| rest.split_once("' with value '"));
    match parsed.and_then(|(name, rest)| Some((name, rest.split_once("': ")?.1))) {
        Some((name, "duplicate values provided")) => format!("{name} is there twice; leave one out"),
        Some((name, reason)) => format!("{name}: {reason}"),
        None => output.to_owned(),
    }
}

/// What is wrong if the first word is neither a command nor an option. Those who type `help COMMAND` mean `COMMAND --help`.
pub(super) fn no_command(words: &[String]) -> Option<String> {
    let info = info();
    let first = words.iter().find(|word| *word != "help")?;
    let is_known = first.starts_with(DASHES) || info.commands.iter().any(|command| command.name == *first);
    (!is_known).then(|| wrong_command(&info, first))
}

/// What is wrong with a word that is no command.
fn wrong_command(info: &CommandInfoWithArgs, word: &str) -> String {
    let has_it = info.commands.iter().filter(|command| flag(&command.command, word).is_some());
    let names: Vec<_> = has_it.map(|command| command.name).collect();
    if !names.is_empty() {
        return format!("{word:?} is an option; the command comes first: {}", names.join(", "));
    }
    let meant = info.commands.iter().map(|command| command.name).find(|name| is_near(word, name));
    format!("there is no command {word:?}; {}", suggestion(meant, "chat-host"))
}

/// What is wrong with a word behind a command that is none of its options.
fn wrong_option(command: &CommandInfoWithArgs, program: &str, word: &str) -> String {
    if let Some((switch, _)) = word.split_once('=').filter(|(name, _)| flag(command, name).is_some()) {
        return format!("{switch} takes no value; write {switch} alone");
    }
    let first_with_value = command.flags.iter().find(|flag| takes_value(command, flag.long));
    match first_with_value.filter(|_| !word.starts_with(DASHES)) {
        Some(flag) => {
            let example = option(flag);
            format!("{word:?} stands behind no option; write for example {example} ({program} --help lists all)")
        }
        None => {
            // Programs that set text make one long dash of two.
            let dashed = word.replace(['\u{2013}', '\u{2014}'], "--");
            let name = dashed.split('=').next().unwrap_or_default();
            let meant = command.flags.iter().map(|flag| flag.long).find(|long| is_near(name, long));
            format!("{word:?} is no option of {program}; {}", suggestion(meant, program))
        }
    }
}

/// What a mistyped option begins with: hyphens, or the dash that a program that sets text made of them.
const DASHES: [char; 3] = ['-', '\u{2013}', '\u{2014}'];

/// The word that was meant, if one is near, and where all are listed.
fn suggestion(meant: Option<&str>, program: &str) -> String {
    match meant {
        Some(meant) => format!("did you mean {meant}? ({program} --help lists all)"),
        None => format!("{program} --help lists them"),
    }
}

/// This option of a command.
fn flag<'c>(command: &'c CommandInfoWithArgs, name: &str) -> Option<&'c FlagInfo<'static>> {
    command.flags.iter().find(|flag| flag.long == name)
}

/// Whether one slip of the finger makes `typed` of `known`: a letter that is missing, one too many, another one, or two that changed places.
fn is_near(typed: &str, known: &str) -> bool {
    let (typed, known): (Vec<char>, Vec<char>) = (typed.chars().collect(), known.chars().collect());
    let shared = |pairs: &mut dyn Iterator<Item = (char, char)>| pairs.take_while(|(one, other)| one == other).count();
    let front = shared(&mut typed.iter().copied().zip(known.iter().copied()));
    let (typed, known) = (&typed[front..], &known[front..]);
    let back = shared(&mut typed.iter().rev().copied().zip(known.iter().rev().copied()));
    match (&typed[..typed.len() - back], &known[..known.len() - back]) {
        ([] | [_], [] | [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slip_is_near_and_two_are_not() {
        for (typed, near) in [
            ("client", true),
            ("clint", true),
            ("clients", true),
            ("cliemt", true),
            ("cleint", true),
            ("cleitn", false),
            ("clnt", false),
            ("peer", false),
            ("", false),
        ] {
            assert_eq!(is_near(typed, "client"), near, "{typed}");
        }
    }
}
