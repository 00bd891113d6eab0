//! What can be shown: to programs as it is, to people as a line.

use super::styled::Said;
use serde::Serialize;

/// Something that happens, which a client shows.
pub trait Show: Serialize {
    /// How people see it.
    fn appearance(&self) -> Appearance<'_>;
}

/// How people see something. It goes through the display rule where it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appearance<'a> {
    /// What somebody has said: on standard output.
    Said(Said<'a>),
    /// A line that scripts wait for: on standard output.
    Line(String),
    /// What happens around it.
    Aside(String),
    /// What goes wrong, as a sentence.
    Fault(String),
    /// Not at all.
    Hidden,
}
