//! What goes into a peer and comes out of it.

use crate::mesh::Event;
use crate::time::Instant;
use core::fmt;
use core::net::SocketAddr;

/// How a datagram arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// At an own address.
    Unicast,
    /// At the group's address.
    Multicast,
}

/// Where a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To this address.
    Unicast(SocketAddr),
    /// To the group's address, on every interface.
    Multicast,
}

/// What a peer wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output<'a> {
    /// This datagram is to be sent.
    Send {
        /// Where to.
        to: Target,
        /// The UDP payload.
        bytes: &'a [u8],
    },
    /// The user is to know this.
    Event(Event<'a>),
}

/// Where a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It looks for a group.
    Seeking,
    /// It asks a sponsor who the members are.
    Rows,
    /// It asks all of them for its name.
    Claiming,
    /// It makes its claim again soon.
    Waiting,
    /// It is a member, and is being handed the history.
    Admitted,
    /// It is a member.
    Member,
    /// It tells the others that it leaves.
    Leaving,
    /// It has stopped.
    Ended,
}

/// Why a message is not said; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SayError {
    /// The peer is no member yet, or no longer, or the hand-over is not done.
    NotMember,
    /// Too many messages were said; the next may be said then.
    TooFast(Instant),
    /// Too many own messages have not been acknowledged.
    UnderWay,
}

impl fmt::Display for SayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotMember => "this peer is no member of a group",
            Self::TooFast(_) => "too many messages in a short time",
            Self::UnderWay => "too many messages have not arrived yet",
        })
    }
}

impl core::error::Error for SayError {}
