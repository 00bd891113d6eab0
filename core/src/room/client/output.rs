//! The outputs of a room client: what its caller is to do, and what its user is told.

use crate::refusal::RefusalReason;
use crate::room::{Kind, Names, Sequence, Welcome};
use core::time::Duration;

/// What the caller is to do or to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<'a> {
    /// Open a connection to the server, then call [`Client::handle_connected`](super::Client::handle_connected), or
    /// [`Client::handle_disconnected`](super::Client::handle_disconnected) if that fails.
    Connect,
    /// Close the connection at once, even if bytes are not written yet. Bytes that still come from it do not count.
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
    /// This many messages are lost to this client, because it did not read them in time.
    Lagged(u64),
    /// A page of the members.
    Members {
        /// The page, 0 the first.
        page: u32,
        /// Whether there are more pages.
        more: bool,
        /// The members' names.
        names: Names<'a>,
    },
    /// An own message was not taken.
    Unsaid {
        /// Its number.
        number: u32,
        /// The reason.
        reason: RefusalReason,
    },
    /// The connection is lost, or the first one could not be opened; the client goes on trying. This is told once until the client is
    /// in again.
    Broken(DisconnectCause),
    /// The client is in again.
    Back(Resumption),
    /// The client is not let in, or put out for good. There will be no connection any more.
    Refused(RefusalReason),
    /// Several connections in a row have brought something that cannot be understood. There will be no connection any more.
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
    /// The member's name, unchecked.
    pub name: &'a str,
    /// The text, unchecked.
    pub text: &'a str,
    /// Whether this client has said it.
    pub own: bool,
    /// Whether the room had the message before the client came.
    pub history: bool,
}

/// Why a connection is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisconnectCause {
    /// It was closed, or could not be opened.
    Closed,
    /// The server has fallen silent.
    Silent,
    /// What the server says cannot be understood.
    Malformed,
    /// The server has refused the client or put it out, for this reason.
    Refused(RefusalReason),
}

/// How a client has come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumption {
    /// How long it was away.
    pub after: Duration,
    /// How many messages are lost to it for good; messages that it gets now do not count.
    pub missed: u64,
    /// Whether the server was restarted meanwhile, so that it has lost its history.
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
