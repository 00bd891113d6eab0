//! What a person types: most lines are said, those that begin with `/` are commands.
//!
//! Lines of a script are never commands: what a file holds is sent as it is.

use super::Way;

/// The commands, for completion.
pub const COMMANDS: &[&str] = &["/help", "/me", "/quit", "/who"];

/// How commands and keys are used; no line is longer than a row of a terminal of 80 columns.
const HELP: &[&str] = &[
    "/me TEXT   say what you do",
    "/who       show who is here",
    "/quit      leave (so do Ctrl-D and Ctrl-C)",
    "//TEXT     say /TEXT",
    "Up, Down: lines typed before.  Tab: complete a name.",
    "Ctrl-A, -E, -W, -U, -K, -Y: as in a shell.",
];

/// What `/help` shows where one talks in this way. A relay has no names: it has nothing of what is for them.
pub(super) fn help(way: Way) -> impl Iterator<Item = &'static str> {
    HELP.iter()
        .copied()
        .filter(move |line| way != Way::Relay || !["/me", "/who"].iter().any(|word| line.starts_with(word)))
}

/// What a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed<'a> {
    /// Say this.
    Say(&'a str),
    /// Say that this is what one does.
    Act(&'a str),
    /// Show the commands.
    Help,
    /// Show who is here.
    Who,
    /// Leave.
    Quit,
    /// Nothing: a command that wants a text, or takes none. How it is used.
    Misused(&'static str),
    /// Nothing that is known; the word is not sent.
    Unknown(&'a str),
}

impl<'a> Typed<'a> {
    /// Reads a line.
    pub fn new(line: &'a str) -> Self {
        let Some(rest) = line.strip_prefix('/') else { return Self::Say(line) };
        let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
        match (word, argument.trim()) {
            _ if rest.starts_with('/') => Self::Say(rest),
            ("me", text) if !text.is_empty() => Self::Act(text),
            ("help", _) => Self::Help,
            ("who", "") => Self::Who,
            ("quit", "") => Self::Quit,
            _ => usage(word).map_or(Self::Unknown(word), Self::Misused),
        }
    }
}

/// How a command is used, in the line of the help that begins with it.
fn usage(word: &str) -> Option<&'static str> {
    HELP.iter().copied().find(|line| line.strip_prefix('/').and_then(|line| line.split(' ').next()) == Some(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_known_and_everything_else_with_a_slash_is_not_said() {
        for (line, typed) in [
            ("hi", Typed::Say("hi")),
            (" /me", Typed::Say(" /me")),
            ("//etc/passwd", Typed::Say("/etc/passwd")),
            ("//", Typed::Say("/")),
            ("/me waves", Typed::Act("waves")),
            ("/me  waves ", Typed::Act("waves")),
            ("/me", Typed::Misused(HELP[0])),
            ("/me ", Typed::Misused(HELP[0])),
            ("/who", Typed::Who),
            ("/who ", Typed::Who),
            ("/who is this", Typed::Misused(HELP[1])),
            ("/quit now", Typed::Misused(HELP[2])),
            ("/help", Typed::Help),
            ("/help me", Typed::Help),
            ("/quit", Typed::Quit),
            ("/Quit", Typed::Unknown("Quit")),
            ("/", Typed::Unknown("")),
            ("/ me", Typed::Unknown("")),
        ] {
            assert_eq!(Typed::new(line), typed, "{line:?}");
        }
    }

    #[test]
    fn help_fits_a_terminal_and_a_relay_has_no_commands_for_names() {
        assert!(help(Way::Room).all(|line| "-- ".len() + line.len() <= 80));
        let words = |way| help(way).filter_map(|line| line.split_once("  ").map(|(word, _)| word)).collect::<Vec<_>>();
        assert_eq!(words(Way::Room)[..4], ["/me TEXT", "/who", "/quit", "//TEXT"]);
        assert_eq!(words(Way::Relay)[..2], ["/quit", "//TEXT"]);
    }

    #[test]
    fn every_command_is_completed_and_explained() {
        for command in COMMANDS.iter().filter(|command| **command != "/help") {
            assert!(HELP.iter().any(|line| line.starts_with(command)), "{command}");
        }
    }
}
