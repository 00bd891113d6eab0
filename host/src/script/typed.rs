//! What a person types: most lines are said, those that begin with `/` are commands.
//!
//! Lines of a script are never commands: what a file holds is sent as it is.

use super::Way;

/// The commands of a room and a group, for completion.
const COMMANDS: &[&str] = &["/help", "/me", "/quit", "/who"];

/// The commands of a relay, for completion: it has no names, and nothing of what is for them.
const RELAY_COMMANDS: &[&str] = &["/help", "/quit"];

/// How the commands are used that are for names; no line of the help is longer than a row of a terminal of 80 columns.
const NAMES_HELP: &[&str] = &["/me TEXT   say what you do", "/who       show who is here"];

/// How the other commands are used.
const HELP: &[&str] = &["/quit      leave (so do Ctrl-D and Ctrl-C)", "//TEXT     say /TEXT"];

/// How keys are used.
const KEYS: &[&str] =
    &["Up, Down: lines typed before.  Tab: complete a name.", "Ctrl-A, -E, -W, -U, -K, -Y: as in a shell."];

/// How keys are used where nobody has a name.
const RELAY_KEYS: &[&str] =
    &["Up, Down: lines typed before.  Tab: complete a command.", "Ctrl-A, -E, -W, -U, -K, -Y: as in a shell."];

/// The commands that there are where one talks in this way.
pub(super) const fn commands(way: Way) -> &'static [&'static str] {
    match way {
        Way::Room | Way::Mesh => COMMANDS,
        Way::Relay => RELAY_COMMANDS,
    }
}

/// What `/help` shows where one talks in this way. Where the terminal itself edits the line, keys are its own matter.
pub(super) fn help(way: Way, reads_keys: bool) -> impl Iterator<Item = &'static str> {
    let (names_help, keys) = match way {
        Way::Room | Way::Mesh => (NAMES_HELP, KEYS),
        Way::Relay => (&[][..], RELAY_KEYS),
    };
    let keys = if reads_keys { keys } else { &[] };
    names_help.iter().chain(HELP).chain(keys).copied()
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
    /// Reads a line that was typed where one talks in this way.
    pub fn new(line: &'a str, way: Way) -> Self {
        let Some(rest) = line.strip_prefix('/') else { return Self::Say(line) };
        let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
        match (word, argument.trim()) {
            _ if rest.starts_with('/') => Self::Say(rest),
            // A relay has neither, which its driver explains however they are used.
            ("me", text) if way == Way::Relay || !text.is_empty() => Self::Act(text),
            ("who", argument) if way == Way::Relay || argument.is_empty() => Self::Who,
            ("help", _) => Self::Help,
            ("quit", "") => Self::Quit,
            _ => usage(word).map_or(Self::Unknown(word), Self::Misused),
        }
    }
}

/// How a command is used, in the line of the help that begins with it.
fn usage(word: &str) -> Option<&'static str> {
    NAMES_HELP
        .iter()
        .chain(HELP)
        .copied()
        .find(|line| line.strip_prefix('/').and_then(|line| line.split(' ').next()) == Some(word))
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
            ("/me", Typed::Misused(NAMES_HELP[0])),
            ("/me ", Typed::Misused(NAMES_HELP[0])),
            ("/who", Typed::Who),
            ("/who ", Typed::Who),
            ("/who is this", Typed::Misused(NAMES_HELP[1])),
            ("/quit now", Typed::Misused(HELP[0])),
            ("/help", Typed::Help),
            ("/help me", Typed::Help),
            ("/quit", Typed::Quit),
            ("/Quit", Typed::Unknown("Quit")),
            ("/", Typed::Unknown("")),
            ("/ me", Typed::Unknown("")),
        ] {
            assert_eq!(Typed::new(line, Way::Room), typed, "{line:?}");
        }
    }

    #[test]
    fn relay_has_no_commands_for_names_however_they_are_used() {
        for (line, typed) in [
            ("/me waves", Typed::Act("waves")),
            ("/me", Typed::Act("")),
            ("/who", Typed::Who),
            ("/who is this", Typed::Who),
            ("/quit now", Typed::Misused(HELP[0])),
        ] {
            assert_eq!(Typed::new(line, Way::Relay), typed, "{line:?}");
        }
    }

    #[test]
    fn help_fits_a_terminal_and_a_relay_has_nothing_of_names_in_it() {
        assert!([Way::Room, Way::Relay].iter().all(|&way| help(way, true).all(|line| "-- ".len() + line.len() <= 80)));
        assert!(!help(Way::Relay, true).any(|line| line.contains("name") || line.contains("who")));
    }

    #[test]
    fn help_explains_exactly_the_commands_that_are_completed() {
        for way in [Way::Room, Way::Mesh, Way::Relay] {
            for reads_keys in [false, true] {
                let words = help(way, reads_keys).filter_map(|line| line.split(' ').next());
                let mut explained: Vec<_> =
                    words.filter(|word| word.starts_with('/') && !word.starts_with("//")).chain(["/help"]).collect();
                explained.sort_unstable();
                assert_eq!(explained, commands(way), "{way}");
            }
        }
    }

    #[test]
    fn keys_are_explained_only_where_they_are_read() {
        assert!(help(Way::Room, true).any(|line| line.contains("Tab")));
        assert!(!help(Way::Room, false).any(|line| line.contains("Tab") || line.contains("Ctrl-A")));
    }
}
