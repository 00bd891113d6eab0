//! The events of a room client, as lines and as JSON (docs/command-line.md, docs/client-events.schema.json).

use crate::script::event::serialize_number;
use crate::terminal::stamp::Stamp;
use crate::terminal::{Appearance, Said, Show};
use chat_core::refusal::RefusalReason;
use serde::Serialize;

/// What happens in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    /// This client is in.
    Welcome {
        /// The server.
        server: &'a str,
        /// The client's name; none if it observes.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        /// How many members there are.
        members: u32,
        /// How many messages of history follow.
        history: u8,
        /// The server's time, in milliseconds since 1970-01-01 00:00 UTC.
        time_ms: i64,
        /// Whether the server trusts its clock.
        time_trusted: bool,
    },
    /// Somebody has said something.
    Message {
        /// The number of the room's frame.
        sequence: u64,
        /// When the server took it, in milliseconds since 1970-01-01 00:00 UTC.
        sent_ms: i64,
        /// The number that its member gave it.
        number: u32,
        /// The member's name.
        name: &'a str,
        /// The text.
        text: &'a str,
        /// Whether it is what the member does.
        action: bool,
        /// Whether this client has said it.
        own: bool,
        /// Whether it was said before this client came.
        history: bool,
    },
    /// All that follows is live.
    HistoryEnd {
        /// How many messages of history were shown.
        messages: u64,
        /// How many members there were when the client came.
        members: u32,
    },
    /// Somebody has joined.
    Joined {
        /// The member's name.
        name: &'a str,
    },
    /// Somebody has left.
    Left {
        /// The member's name.
        name: &'a str,
    },
    /// Messages are lost.
    Lagged {
        /// How many messages.
        messages: u64,
    },
    /// There is no connection.
    Broken {
        /// The server.
        server: &'a str,
        /// The reason, in words.
        cause: &'a str,
    },
    /// This client is in again.
    Back {
        /// The server.
        server: &'a str,
        /// How long it was away, in milliseconds.
        after_ms: u64,
        /// How many messages it has missed.
        missed: u64,
        /// Whether the server was restarted.
        restarted: bool,
    },
    /// An own message was not taken.
    Unsaid {
        /// Its number.
        number: u32,
        /// The number of the reason (docs/refusals.md).
        #[serde(serialize_with = "serialize_number")]
        reason: RefusalReason,
    },
}

impl Show for Event<'_> {
    fn appearance(&self) -> Appearance<'_> {
        match *self {
            Self::Welcome { time_trusted: true, .. } => Appearance::Hidden,
            Self::Welcome { server, .. } => Appearance::Aside(format!(
                "-- the clock of the room at {server} may be wrong, and so may the times shown --"
            )),
            Self::Message { sent_ms, name, text, action, own, history, .. } => Appearance::Said(Said {
                stamp: format!("{} ", Stamp::new(sent_ms)),
                sent_ms: Some(sent_ms),
                before: if action { "* " } else { "" },
                name,
                after: if action { " " } else { ": " },
                text,
                own,
                history,
            }),
            Self::HistoryEnd { messages, members } => {
                let (messages, members) = (count(messages, "message"), count(members.into(), "member"));
                Appearance::Aside(format!("-- {messages} before you came; {members} --"))
            }
            Self::Joined { name } => Appearance::Aside(format!("-> {name}")),
            Self::Left { name } => Appearance::Aside(format!("<- {name}")),
            Self::Lagged { messages } => {
                Appearance::Fault(format!("{} lost: not read in time", count(messages, "message")))
            }
            Self::Broken { server, cause } => {
                Appearance::Fault(format!("no connection to the room at {server}: {cause}; going on trying"))
            }
            Self::Back { after_ms, missed, restarted, .. } => Appearance::Aside(back(after_ms, missed, restarted)),
            Self::Unsaid { number, reason } => Appearance::Fault(format!("message {number} was not taken: {reason}")),
        }
    }
}

/// How the client comes back, in one line.
fn back(after_ms: u64, missed: u64, restarted: bool) -> String {
    let after = after_ms.div_ceil(1_000);
    let what = match (restarted, missed) {
        (false, 0) => "nothing missed".to_owned(),
        (false, missed) => format!("{} lost", count(missed, "message")),
        (true, 0) => "the server was restarted: its history is gone".to_owned(),
        (true, missed) => {
            format!("the server was restarted: its history is gone, and {} lost", count(missed, "message"))
        }
    };
    format!("-- back after {after} s, {what} --")
}

/// The refusal in one sentence, with what to do about it.
pub(super) fn refusal(server: &str, reason: RefusalReason) -> String {
    let advice = match reason {
        RefusalReason::NameEmpty
        | RefusalReason::NameOverlong
        | RefusalReason::NameCharacter
        | RefusalReason::NameNotComposed
        | RefusalReason::NamePlacement
        | RefusalReason::NameMixedScripts
        | RefusalReason::NameTaken => "; choose another with --name",
        RefusalReason::Version | RefusalReason::Unsupported => "; client and server want the same release",
        RefusalReason::Full | RefusalReason::AddressConnections => "; try again later",
        _ => "",
    };
    format!("the room at {server} refuses: {reason}{advice}")
}

/// A number of things in words, as "no messages" or "2 members".
pub(super) fn count(number: u64, thing: &str) -> String {
    match number {
        0 => format!("no {thing}s"),
        1 => format!("1 {thing}"),
        number => format!("{number} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_says_what_was_missed() {
        for (after_ms, missed, restarted, line) in [
            (11_001, 0, false, "-- back after 12 s, nothing missed --"),
            (12_000, 41, false, "-- back after 12 s, 41 messages lost --"),
            (0, 1, false, "-- back after 0 s, 1 message lost --"),
            (900, 0, true, "-- back after 1 s, the server was restarted: its history is gone --"),
            (900, 2, true, "-- back after 1 s, the server was restarted: its history is gone, and 2 messages lost --"),
        ] {
            assert_eq!(back(after_ms, missed, restarted), line);
        }
    }
}
