//! What a room client wants to be done, and what it tells its user.

use crate::refusal::RefusalReason;
use crate::room::{Kind, Names, Sequence, Welcome};
use core::time::Duration;

/// What a client wants to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<'a> {
    /// Open a connection to the server, then call [`Client::handle_connected`](super::Client::handle_connected), or [`Client::handle_disconnected`](super::Client::handle_disconnected) if that
    /// fails.
    Connect,
    /// Close the connection, whatever has not been written; nothing that still comes from it counts.
    Disconnect,
    /// The client is in, for the first time. History follows.
    Welcome(Welcome),
    /// All that follows is live.
    HistoryEnd,
    /// Somebody has said something.
    Message(Said<'a>),
    /// Somebody has joined.
    Joined(&'a str),
    /// Somebody has left.
    Left(&'a str),
    /// This many messages are lost, because they were not read in time.
    Lagged(u64),
    /// A page of the members.
    Members {
        /// The page, 0 the first.
        page: u32,
        /// Whether there are more.
        more: bool,
        /// Their names.
        names: Names<'a>,
    },
    /// An own message was not taken.
    Unsaid {
        /// Its number.
        number: u32,
        /// Why.
        reason: RefusalReason,
    },
    /// There is no connection any more, or the first did not come about; the client goes on trying. Told once, until it is in.
    Broken(Break),
    /// The client is in again.
    Back(Return),
    /// The client is not let in, or put out for good. There will be no connection any more.
    Refused(RefusalReason),
    /// One connection after the other has brought something that cannot be understood. There will be none any more.
    GivenUp,
}

/// What somebody has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// The frame's number.
    pub sequence: Sequence,
    /// When the server took it, in milliseconds since 1970-01-01 00:00 UTC.
    pub sent_ms: i64,
    /// The number that its member gave it.
    pub number: u32,
    /// How it is said.
    pub kind: Kind,
    /// Who, unchecked.
    pub name: &'a str,
    /// What, unchecked.
    pub text: &'a str,
    /// Whether this client has said it.
    pub own: bool,
    /// Whether the room had said it before the client came.
    pub history: bool,
}

/// Why there is no connection any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// It was closed, or could not be opened.
    Closed,
    /// The server has fallen silent.
    Silent,
    /// What the server says cannot be understood.
    Malformed,
    /// The server says so.
    Refused(RefusalReason),
}

/// How a client comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Return {
    /// How long it was away.
    pub after: Duration,
    /// How many messages it has missed for good; those that it gets now do not count.
    pub missed: u64,
    /// Whether the server was restarted meanwhile, so that it knows nothing of before.
    pub restarted: bool,
}

/// What a client has ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames of a kind that is not known or makes no sense from a server, and frames that were seen before.
    pub ignored: u64,
    /// Frames that cannot be understood; each ends its connection.
    pub malformed: u64,
    /// Connections lost.
    pub broken: u64,
    /// Outputs that found no room, because the caller did not drain those before them.
    pub undrained: u64,
}
