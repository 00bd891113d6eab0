//! What a peer shows (docs/command-line.md, docs/peer-events.schema.json).

use super::tell;
use crate::script::event::serialize_number;
use crate::terminal::stamp::Stamp;
use crate::terminal::{Appearance, Said, Show};
use chat_core::mesh::PeerId;
use chat_core::refusal::RefusalReason;
use serde::{Serialize, Serializer};
use std::net::SocketAddr;

/// What happens in a group of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    /// The sockets are open.
    Peer {
        /// The own address.
        address: SocketAddr,
    },
    /// This peer looks for others.
    Looking {
        /// On which interfaces.
        interfaces: &'a [&'a str],
        /// Where besides.
        join: &'a [SocketAddr],
    },
    /// The interfaces on which others are looked for have changed.
    Network {
        /// Those that are there now.
        interfaces: &'a [&'a str],
    },
    /// Nobody answers: this peer is the first.
    Founded,
    /// Members were found, and are asked for the name.
    Claiming {
        /// How many.
        members: u32,
    },
    /// The claim stands back, and is made again soon.
    Waiting {
        /// Why.
        #[serde(serialize_with = "serialize_number")]
        reason: RefusalReason,
        /// Who objected.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
    },
    /// This peer is a member.
    Admitted {
        /// Its name.
        name: &'a str,
        /// Its id.
        #[serde(serialize_with = "serialize_id")]
        id: PeerId,
    },
    /// Somebody has said something.
    Message {
        /// Who, by id.
        #[serde(serialize_with = "serialize_id")]
        origin: PeerId,
        /// The number that its sender gave it.
        number: u32,
        /// What orders it among the messages of others.
        lamport: u64,
        /// When, by the sender's clock, in milliseconds since 1970-01-01 00:00 UTC.
        sent_ms: i64,
        /// Who.
        name: &'a str,
        /// What.
        text: &'a str,
        /// Whether it is what the member does.
        action: bool,
        /// Whether this peer has said it.
        own: bool,
        /// Whether it was said before this peer came.
        history: bool,
        /// Whether it belongs before a message that was shown already.
        late: bool,
        /// Whether the sender's clock is far from the own one.
        clock_off: bool,
    },
    /// All that follows is live.
    HistoryEnd {
        /// How many messages of history were shown.
        messages: u64,
        /// How many members there are, this peer included.
        members: usize,
    },
    /// Somebody has joined, or was there when this peer came.
    Joined {
        /// Who, by id.
        #[serde(serialize_with = "serialize_id")]
        id: PeerId,
        /// Who.
        name: &'a str,
        /// Where it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<SocketAddr>,
    },
    /// Somebody is gone.
    Left {
        /// Who, by id.
        #[serde(serialize_with = "serialize_id")]
        id: PeerId,
        /// Who.
        name: &'a str,
        /// Whether it fell silent, and did not say that it leaves.
        silent: bool,
    },
    /// Somebody is shown under another name: two groups have met that had members of one name.
    Renamed {
        /// Who, by id.
        #[serde(serialize_with = "serialize_id")]
        id: PeerId,
        /// Its name now.
        name: &'a str,
        /// Its name before.
        before: &'a str,
        /// Whether it is this peer.
        own: bool,
    },
    /// Messages are lost.
    Lost {
        /// Whose, by id.
        #[serde(serialize_with = "serialize_id")]
        origin: PeerId,
        /// Whose.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        /// How many.
        messages: u32,
    },
    /// Somebody says more than anybody may.
    Flooded {
        /// Who, by id.
        #[serde(serialize_with = "serialize_id")]
        id: PeerId,
        /// Who.
        name: &'a str,
    },
    /// Another group is here, and both together are too many.
    TooMany {
        /// How many the other has.
        members: u32,
    },
    /// This peer is refused, and ends.
    Refused {
        /// Why.
        #[serde(serialize_with = "serialize_number")]
        reason: RefusalReason,
        /// Who objected.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        /// Where that is.
        #[serde(skip_serializing_if = "Option::is_none")]
        by_address: Option<SocketAddr>,
        /// A name that is free.
        #[serde(skip_serializing_if = "Option::is_none")]
        free: Option<&'a str>,
    },
}

/// The id as 16 hexadecimal digits: JSON's numbers are not that long everywhere.
pub(super) fn serialize_id<S: Serializer>(id: &PeerId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{id:?}"))
}

impl Show for Event<'_> {
    fn appearance(&self) -> Appearance<'_> {
        match *self {
            Self::Peer { address } => Appearance::Line(format!("peer {address}")),
            Self::Looking { interfaces: [], join: [] } => Appearance::Hidden,
            Self::Looking { interfaces, join } => {
                Appearance::Aside(format!("-- looking for others ...{} --", tell::places(interfaces, join)))
            }
            Self::Network { interfaces } => match tell::network(interfaces) {
                Ok(told) => Appearance::Aside(format!("-- {told} --")),
                Err(fault) => Appearance::Fault(fault),
            },
            Self::Waiting { reason, by: Some(by) } => {
                Appearance::Aside(format!("-- {by} says: {reason}; trying again --"))
            }
            Self::Waiting { reason, by: None } => Appearance::Aside(format!("-- {reason}; trying again --")),
            Self::Message { sent_ms, name, text, action, own, history, late, clock_off, .. } => {
                Appearance::Said(Said {
                    stamp: stamp(sent_ms, late, clock_off),
                    sent_ms: Some(sent_ms).filter(|_| !clock_off && !late),
                    before: if action { "* " } else { "" },
                    name,
                    after: if action { " " } else { ": " },
                    text,
                    own,
                    history,
                })
            }
            Self::Renamed { name, before, own, .. } => Appearance::Aside(renamed(before, name, own)),
            Self::Lost { name: Some(name), messages, .. } => {
                Appearance::Fault(format!("messages lost: {messages}, of {name}"))
            }
            Self::Lost { name: None, messages, .. } => Appearance::Fault(format!("messages lost: {messages}")),
            Self::Flooded { name, .. } => {
                Appearance::Fault(format!("{name} says more than anybody may, and is not heard for a while"))
            }
            Self::TooMany { members } => Appearance::Fault(format!(
                "another group of {members} is here; both together are more than a member has room for, so they stay apart"
            )),
            // They are told in other words.
            Self::Founded
            | Self::Claiming { .. }
            | Self::Admitted { .. }
            | Self::HistoryEnd { .. }
            | Self::Joined { .. }
            | Self::Left { .. }
            | Self::Refused { .. } => Appearance::Hidden,
        }
    }
}

/// The time before a message: the sender's, marked where it may mislead.
fn stamp(sent_ms: i64, late: bool, clock_off: bool) -> String {
    let stamp = Stamp::new(sent_ms);
    let marks = match (late, clock_off) {
        (false, false) => return format!("{stamp} "),
        (true, false) => "late",
        (false, true) => "clock off",
        (true, true) => "late, clock off",
    };
    format!("{}, {marks}] ", stamp.to_string().trim_end_matches(']'))
}

/// Who is told apart by another number from now on, and why.
fn renamed(before: &str, name: &str, own: bool) -> String {
    let (plain, number) = name.split_once('~').unwrap_or((name, "1"));
    let before_number = before.split_once('~').map_or("1", |(_, number)| number);
    let rises = (number.len(), number) > (before_number.len(), before_number);
    let who = if own { "you are".to_owned() } else { format!("{before} is") };
    let why = match (rises, own) {
        (true, true) => format!("groups have met, and another {plain} was there before you"),
        (true, false) => format!("groups have met, and another {plain} was there before"),
        (false, _) => format!("another {plain} has gone"),
    };
    format!("-- {who} now {name}: {why} --")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_another_number_is_told_why() {
        let told = |before, name, own| renamed(before, name, own);
        assert_eq!(
            told("ann", "ann~2", false),
            "-- ann is now ann~2: groups have met, and another ann was there before --"
        );
        assert_eq!(
            told("ann~9", "ann~10", true),
            "-- you are now ann~10: groups have met, and another ann was there before you --"
        );
        assert_eq!(told("ann~2", "ann", true), "-- you are now ann: another ann has gone --");
    }

    #[test]
    fn time_that_may_mislead_is_marked() {
        assert!(stamp(0, false, false).ends_with(":00] "));
        assert!(stamp(0, true, false).ends_with(":00, late] "));
        assert!(stamp(0, true, true).ends_with(":00, late, clock off] "));
    }

    #[test]
    fn id_is_hexadecimal_digits_and_what_is_not_known_is_left_out() {
        let mut bytes = Vec::new();
        let event = Event::Joined { id: PeerId(255), name: "ann", address: None };
        crate::terminal::json::write_line(&mut bytes, &event).unwrap();
        assert_eq!(bytes, b"{\"event\":\"joined\",\"id\":\"00000000000000ff\",\"name\":\"ann\"}\n");
    }
}
