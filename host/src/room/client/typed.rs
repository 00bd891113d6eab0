//! What a person types at a terminal: most lines are said, those that begin with `/` are commands.
//!
//! Lines of a script are never commands: what a file holds is sent as it is.

use chat_core::room::Kind;

/// What a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed<'a> {
    /// Say this.
    Say(Kind, &'a str),
    /// Show who is here.
    Who,
    /// Leave.
    Quit,
    /// Nothing that is known.
    Unknown,
}

/// What people are told who type an unknown command.
pub(super) const HINT: &str = "there is /me TEXT (what you do), /who, /quit; //TEXT says /TEXT";

impl<'a> Typed<'a> {
    /// Reads a line.
    pub(super) fn new(line: &'a str) -> Self {
        let Some(rest) = line.strip_prefix('/') else { return Self::Say(Kind::Plain, line) };
        let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
        match (word, argument.trim()) {
            _ if rest.starts_with('/') => Self::Say(Kind::Plain, rest),
            ("me", text) if !text.is_empty() => Self::Say(Kind::Action, text),
            ("who", "") => Self::Who,
            ("quit", "") => Self::Quit,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_known_and_everything_else_with_a_slash_is_not_said() {
        for (line, typed) in [
            ("hi", Typed::Say(Kind::Plain, "hi")),
            (" /me", Typed::Say(Kind::Plain, " /me")),
            ("//etc/passwd", Typed::Say(Kind::Plain, "/etc/passwd")),
            ("//", Typed::Say(Kind::Plain, "/")),
            ("/me waves", Typed::Say(Kind::Action, "waves")),
            ("/me  waves ", Typed::Say(Kind::Action, "waves")),
            ("/me", Typed::Unknown),
            ("/me ", Typed::Unknown),
            ("/who", Typed::Who),
            ("/who is this", Typed::Unknown),
            ("/quit", Typed::Quit),
            ("/Quit", Typed::Unknown),
            ("/", Typed::Unknown),
            ("/ me", Typed::Unknown),
        ] {
            assert_eq!(Typed::new(line), typed, "{line:?}");
        }
    }
}
