//! How a client ends: the exit code, and the one line that says why it is not 0.

use crate::failure::{Failure, cause};
use crate::terminal::OutputError;
use std::io;

/// Why a client stops short of the end of its input.
#[derive(Debug)]
pub enum Stop {
    /// The user or the system ends it.
    Left,
    /// There never was a connection.
    Unreachable(Failure),
    /// It cannot go on: a sentence that says why. A server that refuses, for example.
    Refused(String),
    /// Own lines get nowhere: a sentence that says why.
    Silent(String),
    /// Own lines do not come back.
    Unconfirmed,
    /// What happens cannot be shown any more.
    Unwritable(OutputError),
    /// The lines cannot be read any more.
    Unreadable(io::Error),
    /// The program that was to be talked with has failed: a sentence that says how.
    Program(String),
}

/// What became of the user's lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many lines there were to be said: no commands.
    pub lines: u64,
    /// How many of them were not sent, or are known not to have been taken.
    pub lost: u64,
    /// How many of them are not known to have been taken, or wait to be sent.
    pub unconfirmed: u64,
}

impl From<OutputError> for Stop {
    fn from(error: OutputError) -> Self {
        Self::Unwritable(error)
    }
}

impl Tally {
    /// What is told of the lines that did not get through; `None` if all did.
    fn sentence(self, server: &str) -> Option<String> {
        let missing = self.lost + self.unconfirmed;
        match (missing, self.lines) {
            (0, _) => None,
            (1, 1) => Some(format!("1 line was not sent, or not confirmed by {server}")),
            (1, lines) => Some(format!("1 of {lines} lines was not sent, or not confirmed by {server}")),
            (missing, lines) => Some(format!("{missing} of {lines} lines were not sent, or not confirmed by {server}")),
        }
    }
}

/// What becomes of the program, whose standard output was written to the end or was not.
///
/// # Errors
/// All but an end that was wished for, with every line confirmed.
pub(super) fn conclude(
    outcome: Result<(), Stop>,
    written: Result<(), OutputError>,
    tally: Tally,
    server: &str,
) -> Result<(), Failure> {
    let missing = tally.sentence(server);
    let with_missing = |sentence: String| match &missing {
        Some(missing) => Failure::lost(format!("{sentence}; {missing}")),
        None => Failure::lost(sentence),
    };
    match outcome {
        Err(Stop::Unreachable(failure)) => return Err(failure),
        Err(Stop::Refused(sentence) | Stop::Silent(sentence) | Stop::Program(sentence)) => {
            return Err(with_missing(sentence));
        }
        Err(Stop::Unreadable(error)) => {
            return Err(with_missing(format!("cannot read standard input: {}", cause(&error))));
        }
        // A reader that has gone does not want to hear of lines that it would not have seen confirmed.
        Err(Stop::Unwritable(OutputError::Closed)) if tally.lost == 0 => return Ok(()),
        Err(Stop::Unwritable(error)) => unwritten(error, with_missing)?,
        Ok(()) | Err(Stop::Left | Stop::Unconfirmed) => {}
    }
    if let Err(error) = written {
        unwritten(error, with_missing)?;
    }
    missing.map_or(Ok(()), |missing| Err(Failure::lost(missing)))
}

/// What standard output makes of the end.
fn unwritten(error: OutputError, failure: impl Fn(String) -> Failure) -> Result<(), Failure> {
    match error {
        OutputError::Closed => Ok(()),
        OutputError::Failed(error) => Err(failure(format!("cannot write standard output: {}", cause(&error)))),
        OutputError::Unread(1) => Err(failure("standard output is not read: 1 line was not written".to_owned())),
        OutputError::Unread(lines) => {
            Err(failure(format!("standard output is not read: {lines} lines were not written")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Tally = Tally { lines: 3, lost: 0, unconfirmed: 0 };
    const TWO_MISSING: Tally = Tally { lines: 3, lost: 1, unconfirmed: 1 };

    /// What the user is told; nothing is exit code 0.
    fn told(outcome: Result<(), Stop>, tally: Tally) -> String {
        conclude(outcome, Ok(()), tally, "pi").err().map(|failure| failure.to_string()).unwrap_or_default()
    }

    #[test]
    fn end_that_was_wished_for_is_no_failure_if_all_lines_got_through() {
        assert_eq!(told(Ok(()), ALL), "");
        assert_eq!(told(Err(Stop::Left), ALL), "");
        assert_eq!(told(Err(Stop::Unwritable(OutputError::Closed)), Tally { unconfirmed: 1, ..ALL }), "");
    }

    #[test]
    fn lines_that_did_not_get_through_are_told_whatever_the_end() {
        let missing = "2 of 3 lines were not sent, or not confirmed by pi";
        assert_eq!(told(Ok(()), TWO_MISSING), missing);
        assert_eq!(told(Err(Stop::Left), TWO_MISSING), missing);
        assert_eq!(told(Err(Stop::Unwritable(OutputError::Closed)), TWO_MISSING), missing);
        assert_eq!(told(Err(Stop::Refused("no".to_owned())), TWO_MISSING), format!("no; {missing}"));
        let one = Tally { lines: 1, lost: 0, unconfirmed: 1 };
        assert_eq!(told(Err(Stop::Unconfirmed), one), "1 line was not sent, or not confirmed by pi");
    }

    #[test]
    fn output_that_was_not_written_is_told_unless_the_reader_has_gone() {
        let full = || OutputError::Failed(io::ErrorKind::StorageFull.into());
        assert_eq!(told(Err(Stop::Unwritable(full())), ALL), "cannot write standard output: no storage space");
        let unread = conclude(Ok(()), Err(OutputError::Unread(2)), ALL, "pi").unwrap_err();
        assert_eq!(unread.to_string(), "standard output is not read: 2 lines were not written");
        assert!(conclude(Ok(()), Err(OutputError::Closed), ALL, "pi").is_ok());
        assert!(conclude(Ok(()), Err(full()), ALL, "pi").is_err());
    }
}
