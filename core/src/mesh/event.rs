//! What a peer tells its user.

use super::{PeerId, State};
use crate::refusal::RefusalReason;
use crate::text::Text;
use crate::username::Username;
use core::fmt;
use core::net::SocketAddr;

/// Something that the user is to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// Looking for others.
    Seeking,
    /// Nobody answered: this peer is the first of a new group.
    Founded,
    /// A group was found; its members are asked for the name.
    Claiming {
        /// How many members it has.
        members: u32,
    },
    /// The name is this peer's: it is a member. The history follows.
    Admitted {
        /// The Lamport value at the admission: the place among the members.
        rank: u64,
    },
    /// The peer was refused and has stopped; or it could not be admitted in time.
    Refused {
        /// Why.
        reason: RefusalReason,
        /// Who refused, if it was a member.
        by: Option<Member<'a>>,
        /// Who holds the name, if the reason is the name.
        holder: Option<Member<'a>>,
    },
    /// Another newcomer or a busy member stands in the way: the claim is made again soon.
    Waiting {
        /// Why.
        reason: RefusalReason,
        /// Who objected.
        by: Option<Member<'a>>,
    },
    /// The hand-over is done: all that is shown from now on is new.
    HandedOver,
    /// A member has joined, or was a member when this peer was admitted.
    Joined(Member<'a>),
    /// A member has left.
    Left(Member<'a>),
    /// A member has died.
    Died(Member<'a>),
    /// A member has another number behind its name than before.
    Renamed(Member<'a>),
    /// A message.
    Message(Message<'a>),
    /// Messages of an origin that nobody has any more.
    Lost {
        /// Who said them.
        origin: PeerId,
        /// Its name, if it is in the table.
        name: Option<FullName<'a>>,
        /// How many.
        count: u32,
    },
    /// An own message has arrived at all that acknowledge it.
    Confirmed {
        /// Its number.
        number: u32,
    },
    /// An own message was overwritten in the ring before all had acknowledged it.
    Unconfirmed {
        /// Its number.
        number: u32,
    },
    /// A member says more than anybody may: it is not heard for a while.
    Flooded(Member<'a>),
    /// Another group was met, and both together are more than one of their members has room for: they stay apart.
    TooMany {
        /// How many the other group has that are not here.
        members: u32,
    },
    /// The peer has left; nothing more comes.
    Ended,
}

/// A peer as the table knows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member<'a> {
    /// Its id.
    pub id: PeerId,
    /// Its incarnation.
    pub incarnation: u32,
    /// Its state.
    pub state: State,
    /// Its rank; 0 while it is joining.
    pub rank: u64,
    /// Its name with its number.
    pub name: FullName<'a>,
    /// The address that is used for it.
    pub address: Option<SocketAddr>,
    /// Milliseconds since it was heard last.
    pub silent_ms: u64,
}

/// A name with the number that tells members of one name apart.
#[derive(Debug, Clone, Copy)]
pub struct FullName<'a> {
    /// The name that was claimed.
    pub name: &'a Username,
    /// From the second member of a name on: the how manieth it is. 1 otherwise.
    pub number: u16,
}

impl PartialEq for FullName<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number && self.name == other.name
    }
}

impl fmt::Display for FullName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            0 | 1 => f.write_str(self.name.as_str()),
            number => write!(f, "{}~{number}", self.name.as_str()),
        }
    }
}

/// A message that is to be shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Message<'a> {
    /// Who said it.
    pub origin: PeerId,
    /// The name under which it was said.
    pub name: &'a str,
    /// The number behind the name that the member has now; 1 for none.
    pub name_number: u16,
    /// The origin's number of the message.
    pub number: u32,
    /// Its Lamport value.
    pub lamport: u64,
    /// When it was said by the origin's clock, in Unix milliseconds.
    pub sent_ms: i64,
    /// What was said.
    pub text: Text<'a>,
    /// Whether it is an action (`/me`).
    pub action: bool,
    /// Whether it belongs to the history that was handed over.
    pub history: bool,
    /// Whether its Lamport value is below one that was shown before.
    pub late: bool,
    /// Whether the origin's clock is far from the own one.
    pub clock_off: bool,
    /// Whether the own peer said it.
    pub own: bool,
}
