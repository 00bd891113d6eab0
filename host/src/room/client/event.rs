//! What a room client shows.

use super::stamp::Stamp;
use crate::client::display::Shown;
use crate::client::screen::{Line, Show, serialize_number};
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
        /// Its name.
        name: &'a str,
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
        /// When, in milliseconds since 1970-01-01 00:00 UTC.
        sent_ms: i64,
        /// The number that its member gave it.
        number: u32,
        /// Who.
        name: &'a str,
        /// What.
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
        /// Who some of them are, if they were asked for.
        #[serde(skip)]
        names: Option<&'a str>,
    },
    /// Somebody has joined.
    Joined {
        /// Who.
        name: &'a str,
    },
    /// Somebody has left.
    Left {
        /// Who.
        name: &'a str,
    },
    /// Who is here.
    Members {
        /// Names of one page.
        names: &'a str,
    },
    /// Messages are lost.
    Lagged {
        /// How many.
        messages: u64,
    },
    /// There is no connection.
    Broken {
        /// The server.
        server: &'a str,
        /// Why.
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
    /// The server refuses this client, or puts it out.
    Refused {
        /// The server.
        server: &'a str,
        /// The number of the reason (docs/refusals.md).
        #[serde(serialize_with = "serialize_number")]
        reason: RefusalReason,
    },
    /// An own message was not taken.
    Unsaid {
        /// Its number.
        number: u32,
        /// The number of the reason (docs/refusals.md).
        #[serde(serialize_with = "serialize_number")]
        reason: RefusalReason,
    },
    /// A line of input was not sent.
    Unsent {
        /// Which line of the input, from 1.
        line: u64,
        /// Why.
        cause: &'a str,
    },
    /// Own messages have not come back and are no longer waited for.
    Unconfirmed {
        /// How many.
        count: u64,
        /// The server.
        server: &'a str,
    },
    /// What can be typed.
    Hint {
        /// The hint.
        hint: &'a str,
    },
}

impl Show for Event<'_> {
    fn line(&self) -> Line {
        match *self {
            Self::Welcome { time_trusted: true, .. } => Line::Hidden,
            Self::Welcome { server, .. } => {
                Line::Aside(format!("-- the clock of the room at {server} may be wrong, and so may the times shown --"))
            }
            Self::Message { sent_ms, name, text, action, .. } => {
                let (stamp, name, text) = (Stamp::new(sent_ms), Shown(name), Shown(text));
                Line::Said(if action { format!("{stamp} * {name} {text}") } else { format!("{stamp} {name}: {text}") })
            }
            Self::HistoryEnd { messages, members, names } => {
                let names = names.map(|names| format!(": {}", Shown(names))).unwrap_or_default();
                let (messages, members) = (count(messages, "message"), count(members.into(), "member"));
                Line::Aside(format!("-- {messages} before you came; {members}{names} --"))
            }
            Self::Joined { name } => Line::Aside(format!("-> {}", Shown(name))),
            Self::Left { name } => Line::Aside(format!("<- {}", Shown(name))),
            Self::Members { names } => Line::Aside(format!("-- here: {} --", Shown(names))),
            Self::Lagged { messages } => Line::Fault(format!("{} lost: not read in time", count(messages, "message"))),
            Self::Broken { server, cause } => {
                Line::Fault(format!("no connection to the room at {server}: {cause}; going on trying"))
            }
            Self::Back { after_ms, missed, restarted, .. } => Line::Aside(back(after_ms, missed, restarted)),
            Self::Refused { server, reason } => Line::Fault(refusal(server, reason)),
            Self::Unsaid { number, reason } => Line::Fault(format!("message {number} was not taken: {reason}")),
            Self::Unsent { line, cause } => Line::Fault(format!("line {line} was not sent: {cause}")),
            Self::Unconfirmed { count: number, server } => Line::Fault(format!(
                "{} not confirmed by the room at {server} and may be lost",
                count(number, "message")
            )),
            Self::Hint { hint } => Line::Aside(format!("-- {hint} --")),
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

/// So many things of this kind.
fn count(number: u64, thing: &str) -> String {
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

    #[test]
    fn names_and_texts_go_through_the_display_filter() {
        let (name, text) = ("a\x1b", "\u{202e}x\n");
        let message = Event::Message {
            sequence: 0,
            sent_ms: i64::MAX,
            number: 1,
            name,
            text,
            action: false,
            own: false,
            history: false,
        };
        assert_eq!(message.line(), Line::Said("[--:--:--] a\u{fffd}: \u{fffd}x\u{fffd}".to_owned()));
        assert_eq!(Event::Joined { name }.line(), Line::Aside("-> a\u{fffd}".to_owned()));
        assert_eq!(Event::Left { name }.line(), Line::Aside("<- a\u{fffd}".to_owned()));
        assert_eq!(Event::Members { names: name }.line(), Line::Aside("-- here: a\u{fffd} --".to_owned()));
        let names = Some(name);
        assert_eq!(
            Event::HistoryEnd { messages: 0, members: 1, names }.line(),
            Line::Aside("-- no messages before you came; 1 member: a\u{fffd} --".to_owned())
        );
    }
}
