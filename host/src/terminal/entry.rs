//! What a user gives a client to do.

use super::output::OutputError;

/// What came from a keyboard, a script, or the system.
#[derive(Debug)]
pub enum Entry {
    /// A line.
    Line(Line),
    /// There will be no more lines.
    End,
    /// The user leaves at once.
    Interrupt,
    /// The lines cannot be read any more.
    Unreadable(std::io::Error),
    /// What happens cannot be shown any more.
    Unwritable(OutputError),
}

/// One line of input, without its line feed and a carriage return before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line that may be sent.
    Text(String),
    /// A line of nothing.
    Empty,
    /// A line longer than a message may be; it had this many bytes.
    Overlong(usize),
    /// A line that is not UTF-8.
    NotUtf8,
}
