//! Why a server counts as silent, in words.

use crate::failure::{Failure, cause};
use chat_core::refusal::RefusalReason;
use std::fmt;
use std::io;

/// Why a server counts as silent.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It has no address; the failure is a whole sentence.
    NotFound(Failure),
    /// No route leads to it, or nobody listens there.
    Unreachable(io::Error),
    /// Nothing came in time.
    Silent,
    /// The bytes that came are not of its protocol.
    Rubbish,
    /// It has closed the connection.
    Closed,
    /// It does not let anybody in.
    Refused(RefusalReason),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(failure) => write!(f, "{failure}"),
            Self::Unreachable(error) => f.write_str(&cause(error)),
            Self::Silent => f.write_str("nothing came in time"),
            Self::Rubbish => f.write_str("what came is not of its protocol"),
            Self::Closed => f.write_str("it closed the connection"),
            Self::Refused(reason) => write!(f, "{reason}"),
        }
    }
}
