//! The manual page and the completions of shells, made from what the program knows of its options. `tests/manual` writes them into docs/.

use chat_host::command::help::{first_sentence, info, option};
use std::fmt::Write as _;

/// A file that is made, and what it holds.
pub fn files() -> [(&'static str, String); 4] {
    [
        ("docs/man/chat-host.1", page()),
        ("docs/completions/chat-host.bash", bash()),
        ("docs/completions/_chat-host", zsh()),
        ("docs/completions/chat-host.fish", fish()),
    ]
}

/// One option of a command.
struct Flag {
    /// With its dashes.
    long: &'static str,
    /// What it is and what its value is called.
    written: String,
    /// What it does.
    meaning: String,
    /// What a shell offers as its value; `None` if it has none.
    value: Option<Value>,
}

/// What a shell offers as a value.
enum Value {
    /// One of these words.
    Words(&'static str),
    /// A file.
    File,
    /// Nothing that a shell knows.
    Free,
}

/// The commands, each with its options, those that every command has last.
fn commands() -> Vec<(&'static str, String, Vec<Flag>)> {
    let everywhere = [("--help", "tell how it is used"), ("--version", "print the version")];
    let everywhere = || {
        everywhere.map(|(long, meaning)| Flag {
            long,
            written: long.to_owned(),
            meaning: meaning.to_owned(),
            value: None,
        })
    };
    let mut commands = Vec::new();
    for command in info().commands {
        let flags = command.command.flags.iter().filter(|flag| flag.long != "--help").map(|flag| {
            let written = option(flag);
            let value = written.split_once(' ').map(|(_, name)| match (flag.long, name) {
                ("--color", _) => Value::Words("always auto never"),
                ("--bell", _) => Value::Words("off mention all"),
                (_, "FILE") => Value::File,
                _ => Value::Free,
            });
            Flag { long: flag.long, written, meaning: flag.description.to_owned(), value }
        });
        commands.push((command.name, command.command.description.to_owned(), flags.chain(everywhere()).collect()));
    }
    commands
}

/// The notice that stands on top of each.
fn made(comment: &str) -> String {
    format!("{comment} Made by tests/manual from the options of the program; do not edit.\n")
}

/// The manual page (man-pages(7)).
fn page() -> String {
    let escape = |text: &str| text.replace('\\', "\\e").replace('-', "\\-");
    let info = info();
    let mut page = made(".\\\"");
    page += ".TH CHAT-HOST 1 \"\" \"chat-host\" \"User Commands\"\n.SH NAME\nchat-host \\- ";
    page += &escape(info.description.trim_end_matches('.').to_lowercase().as_str());
    page += "\n.SH SYNOPSIS\n";
    for command in &info.commands {
        for example in command.command.examples {
            let _ = write!(page, ".B {}\n.br\n", escape(example));
        }
    }
    page += ".SH DESCRIPTION\nA room over TCP has names, and the last ten messages for newcomers; a relay over UDP passes on what anybody says.\n.PP\n";
    for example in info.examples {
        let (line, meaning) = example.split_once("  ").unwrap_or((example, ""));
        let _ = write!(page, ".TP\n.B {}\n{}\n", escape(line), escape(meaning.trim()));
    }
    for (name, description, flags) in commands() {
        let _ = write!(page, ".SH {}\n{}\n", name.to_uppercase(), escape(&description));
        for flag in flags {
            let _ = write!(page, ".TP\n.B {}\n{}\n", escape(&flag.written), escape(&flag.meaning));
        }
    }
    page + ".SH EXIT STATUS\n0: done. 1: refused or lost. 2: the command line is wrong.\n.SH ENVIRONMENT\n.TP\n.B USER\nthe name in the room if none is given\n.TP\n.B NO_COLOR\nno colours if it is set\n.TP\n.B TERM\n\\(lqdumb\\(rq turns linear mode on\n"
}

/// The completion of bash.
fn bash() -> String {
    let mut script = made("#");
    let names: Vec<_> = commands().iter().map(|(name, ..)| *name).collect();
    let _ = write!(
        script,
        "_chat_host() {{\n    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} options=\"\"\n    COMPREPLY=()\n    if ((COMP_CWORD == 1)); then\n        COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$word\"))\n        return\n    fi\n    case ${{COMP_WORDS[1]}}$before in\n",
        names.join(" ")
    );
    for (name, _, flags) in commands() {
        for flag in flags {
            let reply = match flag.value {
                None => continue,
                Some(Value::Words(words)) => format!("COMPREPLY=($(compgen -W \"{words}\" -- \"$word\"))"),
                Some(Value::File) => "COMPREPLY=($(compgen -f -- \"$word\"))".to_owned(),
                Some(Value::Free) => ":".to_owned(),
            };
            let _ = writeln!(script, "        {name}{}) {reply}; return ;;", flag.long);
        }
    }
    script += "    esac\n    case ${COMP_WORDS[1]} in\n";
    for (name, _, flags) in commands() {
        let longs: Vec<_> = flags.iter().map(|flag| flag.long).collect();
        let _ = writeln!(script, "        {name}) options=\"{}\" ;;", longs.join(" "));
    }
    script + "    esac\n    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n}\ncomplete -F _chat_host chat-host\n"
}

/// The completion of zsh.
fn zsh() -> String {
    let escape = |text: &str| text.replace('\'', "'\\''").replace('[', "\\[").replace(']', "\\]").replace(':', "\\:");
    let mut script = "#compdef chat-host\n".to_owned() + &made("#");
    script += "local -a commands\ncommands=(\n";
    for (name, description, _) in commands() {
        let _ = writeln!(script, "    '{name}:{}'", escape(first_sentence(&description)));
    }
    script += ")\nif ((CURRENT == 2)); then\n    _describe command commands\n    return\nfi\ncase $words[2] in\n";
    for (name, _, flags) in commands() {
        let _ = writeln!(script, "    {name})\n        _arguments \\");
        for flag in flags {
            let value = match flag.value {
                None => String::new(),
                Some(Value::Words(words)) => format!(":value:({words})"),
                Some(Value::File) => ":file:_files".to_owned(),
                Some(Value::Free) => ":value:".to_owned(),
            };
            let _ = writeln!(script, "            '{}[{}]{value}' \\", flag.long, escape(&flag.meaning));
        }
        script += "            '1:command:' ;;\n";
    }
    script + "esac\n"
}

/// The completion of fish.
fn fish() -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let mut script = made("#") + "complete -c chat-host -f\n";
    for (name, description, flags) in commands() {
        let summary = escape(first_sentence(&description));
        let _ = writeln!(script, "complete -c chat-host -n __fish_use_subcommand -a {name} -d '{summary}'");
        for flag in flags {
            let value = match flag.value {
                None => String::new(),
                Some(Value::Words(words)) => format!(" -x -a '{words}'"),
                Some(Value::File) => " -r -F".to_owned(),
                Some(Value::Free) => " -x".to_owned(),
            };
            let long = flag.long.trim_start_matches('-');
            let meaning = escape(&flag.meaning);
            let _ = writeln!(
                script,
                "complete -c chat-host -n '__fish_seen_subcommand_from {name}' -l {long}{value} -d '{meaning}'"
            );
        }
    }
    script
}
