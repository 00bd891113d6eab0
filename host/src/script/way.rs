//! The ways to talk, as a user is told of them.

use std::fmt;

/// With whom one talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// With a room's members.
    Room,
    /// With all whom a relay knows.
    Relay,
    /// With a group of peers.
    Mesh,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Room => "the room",
            Self::Relay => "the relay",
            Self::Mesh => "the group",
        })
    }
}
