//! What `--help` and `--version` print, made from what argh knows of the options. The manual page and the completions of shells are made
//! from the same (tests/manual).

use super::Arguments;
use argh::{ArgsInfo as _, CommandInfoWithArgs, FlagInfo, FlagInfoKind};

/// Cells of a line.
const COLUMNS: usize = 80;

/// Cells before what an option does.
const OPTION_CELLS: usize = 28;

/// What all commands and options are.
pub fn info() -> CommandInfoWithArgs {
    Arguments::get_args_info()
}

/// What the command line asks for that is not to run something: help for a command or for all, or the version. `None` if it does not.
pub(super) fn asked(words: &[String]) -> Option<String> {
    let info = info();
    // Those who type `help COMMAND` mean `COMMAND --help`.
    let first = words.iter().find(|word| *word != "help");
    let command = first.and_then(|word| info.commands.iter().find(|command| command.name == *word));
    let mut is_value = false;
    for word in words {
        match word.as_str() {
            _ if is_value => is_value = false,
            "--" => return None,
            "-h" | "--help" | "help" => {
                return Some(command.map_or_else(|| overview(&info), |command| of_command(&command.command)));
            }
            "-V" | "--version" => return Some(version() + "\n"),
            word => is_value = command.is_some_and(|command| takes_value(&command.command, word)),
        }
    }
    None
}

/// Whether the word behind this option is its value.
pub(super) fn takes_value(command: &CommandInfoWithArgs, word: &str) -> bool {
    let option = command.flags.iter().find(|flag| flag.long == word);
    option.is_some_and(|flag| matches!(flag.kind, FlagInfoKind::Option { .. }))
}

/// The program's name, its version, and the commit that it was built from, if that is known.
pub fn version() -> String {
    match option_env!("CHAT_HOST_COMMIT") {
        Some(commit) if !commit.is_empty() => format!("chat-host {} ({commit})", env!("CARGO_PKG_VERSION")),
        _ => format!("chat-host {}", env!("CARGO_PKG_VERSION")),
    }
}

/// Help for everything: how one begins, and what there is.
fn overview(info: &CommandInfoWithArgs) -> String {
    let mut text = format!("{}: {}\n\n", version(), decapitalized(info.description));
    for example in info.examples {
        text += &format!("  {example}\n");
    }
    text += "\nCommands:\n";
    for command in &info.commands {
        let summary = first_sentence(command.command.description);
        entry(&mut text, command.name, 10, summary);
    }
    text += "\nchat-host COMMAND --help tells more. Everywhere: -h, --help and -V, --version;\n";
    text + "--option VALUE and --option=VALUE.\n"
}

/// Help for one command: how it is used, and its options.
fn of_command(command: &CommandInfoWithArgs) -> String {
    let mut text = String::new();
    for (index, example) in command.examples.iter().enumerate() {
        let usage = if index == 0 { "Usage: " } else { "       " };
        text += &format!("{usage}{example}\n");
    }
    text.push('\n');
    wrap(&mut text, "", 0, command.description);
    text += "\nOptions:\n";
    for flag in command.flags.iter().filter(|flag| flag.long != "--help") {
        entry(&mut text, &option(flag), OPTION_CELLS - 2, flag.description);
    }
    text
}

/// An option and what its value is called.
pub fn option(flag: &FlagInfo<'_>) -> String {
    match flag.kind {
        FlagInfoKind::Switch => flag.long.to_owned(),
        FlagInfoKind::Option { arg_name } => format!("{} {arg_name}", flag.long),
    }
}

/// The first sentence of a description.
pub fn first_sentence(description: &str) -> &str {
    description.find(". ").map_or(description, |end| &description[..=end])
}

/// A description that goes on behind a colon.
fn decapitalized(description: &str) -> String {
    let mut characters = description.chars();
    let first = characters.next().map(|first| first.to_lowercase().to_string()).unwrap_or_default();
    first + characters.as_str().trim_end_matches('.')
}

/// A word, and what it means beside it.
fn entry(text: &mut String, word: &str, word_cells: usize, meaning: &str) {
    let first = format!("  {word:word_cells$}");
    let indent = first.len();
    if word.len() >= word_cells {
        // The word takes a line of its own.
        *text += &format!("  {word}\n");
        wrap(text, &" ".repeat(2 + word_cells), 2 + word_cells, meaning);
    } else {
        wrap(text, &first, indent, meaning);
    }
}

/// Words in lines of [`COLUMNS`], the first behind `first` and the others behind so many spaces.
fn wrap(text: &mut String, first: &str, indent: usize, words: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in words.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            *text += line.trim_end();
            text.push('\n');
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    *text += line.trim_end();
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these words print.
    fn printed(words: &str) -> Option<String> {
        asked(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn help_of_everything_fits_one_screen() {
        let commands: Vec<_> = info().commands.iter().map(|command| command.name).collect();
        assert!(commands.contains(&"serve"));
        for words in [vec!["--help"], vec!["-h"]].into_iter().chain(commands.iter().map(|name| vec![*name, "--help"])) {
            let text = printed(&words.join(" ")).unwrap();
            assert!(text.lines().count() <= 24, "{} lines: {text}", text.lines().count());
            assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        }
    }

    #[test]
    fn help_and_version_are_found_everywhere_but_in_values() {
        assert!(printed("-V").unwrap().starts_with("chat-host "));
        assert_eq!(printed("serve --version"), printed("-V"));
        assert!(printed("serve --threads 2 -h").unwrap().contains("--threads"));
        assert_eq!(printed("serve --clock-state --help"), None);
        assert_eq!(printed("serve -- --help"), None);
        assert_eq!(printed("serve"), None);
        assert_eq!(printed("help"), printed("--help"));
        assert_eq!((printed("help serve"), printed("serve help")), (printed("serve --help"), printed("serve --help")));
        assert_eq!(printed("serve --clock-state help"), None);
        assert_eq!(printed("serv --help"), printed("--help"));
    }

    #[test]
    fn every_command_says_how_it_is_used() {
        for command in info().commands {
            let example = command.command.examples.first().unwrap_or_else(|| panic!("{} has no example", command.name));
            assert!(example.starts_with(&format!("chat-host {}", command.name)), "{example}");
        }
    }

    #[test]
    fn words_are_wrapped_behind_their_option() {
        let mut text = String::new();
        entry(&mut text, "--x N", 10, &"word ".repeat(20));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("  --x N     word") && lines[1].starts_with("            word"), "{text}");
    }
}
