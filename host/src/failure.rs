//! How the program ends after a failure: one line for the user, and the exit code.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why the program ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, with whom, and what to do about it.
    message: String,
    /// The kind of failure, which decides the exit code.
    kind: FailureKind,
}

/// The kinds of failure that the exit code tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureKind {
    /// Refused or lost: 1.
    Lost,
    /// The command line is wrong: 2.
    Usage,
}

impl Failure {
    /// Something was refused or lost: exit code 1.
    pub fn lost(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: FailureKind::Lost }
    }

    /// The command line is wrong: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), kind: FailureKind::Usage }
    }

    /// The exit code: 1 refused or lost, 2 usage.
    pub fn exit_code(&self) -> ExitCode {
        match self.kind {
            FailureKind::Lost => ExitCode::from(1),
            FailureKind::Usage => ExitCode::from(2),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.trim_end())
    }
}

impl std::error::Error for Failure {}

/// The system's words for an error, without its number, which means nothing to most people.
pub(crate) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}
