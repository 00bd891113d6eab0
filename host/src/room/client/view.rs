//! What the user of a room client sees of it: a first line that says who and where, the history, then what happens.

use super::event::{Event, count, refusal};
use crate::script::event::Refused;
use crate::script::{Stop, Talk};
use chat_core::refusal::RefusalReason;
use chat_core::room::client::{DisconnectCause, Output, Resumption, Said};
use chat_core::room::{Kind, Names};
use chat_core::time::Instant;
use chat_core::username::Username;
use std::time::Duration;

/// Names of members that stand in the first line.
const NAMES_TOLD_MAX: usize = 10;

/// How long the first line waits for the members' names.
const NAMES_MAX: Duration = Duration::from_secs(1);

/// Messages that wait behind the first line. The history has fewer.
const HELD_MAX: usize = 50;

/// The user's view.
#[derive(Debug)]
pub(super) struct View {
    /// The client's name; `None` for an observer.
    name: Option<Username>,
    /// The server: as the user calls it, and once there was a connection the address that was used last.
    pub(super) server: String,
    /// Why there is no connection, if the system has said so.
    pub(super) cause: Option<String>,
    /// How far the client has come in entering the room.
    entry: Entry,
    /// Whether the history is over.
    has_history: bool,
    /// How many members there were when the client came.
    members: u32,
    /// How many messages of history were shown.
    messages: u64,
    /// The reason of the last refusal; `None` once the server has let the client in.
    pub(super) refused: Option<RefusalReason>,
    /// Events that are shown behind the first line.
    held: Vec<Held>,
}

/// How far a client has come in entering the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// It was never in.
    Outside,
    /// It is in, and the first line waits for the members' names until this instant.
    Asking(Instant),
    /// The first line was shown.
    Told,
}

/// An event that is shown behind the first line.
#[derive(Debug)]
enum Held {
    /// A message.
    Message {
        /// The number of its frame.
        sequence: u64,
        /// When it was said.
        sent_ms: i64,
        /// The number that its member gave it.
        number: u32,
        /// The member's name.
        name: String,
        /// The text.
        text: String,
        /// Whether it says what the member does (`/me`).
        action: bool,
        /// Whether this client has said it.
        own: bool,
        /// Whether the room had the message before the client came.
        history: bool,
    },
    /// The end of the history.
    HistoryEnd,
}

/// What the driver is to do after an output was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Go,
    /// To open a connection.
    Connect,
    /// To close the connection.
    Disconnect,
    /// To ask for this page of the members.
    Who(u32),
}

impl View {
    /// Nothing was shown yet.
    pub(super) const fn new(name: Option<Username>, server: String) -> Self {
        Self {
            name,
            server,
            cause: None,
            entry: Entry::Outside,
            has_history: false,
            members: 0,
            messages: 0,
            refused: None,
            held: Vec::new(),
        }
    }

    /// Whether the client was ever in.
    pub(super) fn is_in(&self) -> bool {
        self.entry != Entry::Outside
    }

    /// Whether the history is over.
    pub(super) const fn has_history(&self) -> bool {
        self.has_history
    }

    /// When the first line stops waiting for the members' names; `None` if it does not wait.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.entry {
            Entry::Asking(until) => Some(until),
            Entry::Outside | Entry::Told => None,
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, talk: &mut Talk, now: Instant) -> Result<(), Stop> {
        if self.deadline().is_some_and(|until| until <= now) { self.show_entry(talk, None) } else { Ok(()) }
    }

    /// Shows an output, and returns what the driver is to do then.
    pub(super) fn show(&mut self, talk: &mut Talk, now: Instant, output: Output<'_>) -> Result<Next, Stop> {
        let server = self.server.as_str();
        match output {
            Output::Connect => return Ok(Next::Connect),
            Output::Disconnect => return Ok(Next::Disconnect),
            Output::Refused(reason) => return Err(self.stop_refused(talk, reason)),
            Output::GivenUp => {
                return Err(Stop::Refused(format!(
                    "what {server} says cannot be understood; is that the address of a room of chat-host?"
                )));
            }
            Output::HistoryEnd => {
                self.has_history = true;
                self.show_history_end(talk)?;
            }
            Output::Members { page, more, names } => return self.show_members(talk, page, more, names),
            Output::Broken(cause) => {
                self.show_entry_if_asking(talk)?;
                if let DisconnectCause::Refused(reason) = cause {
                    self.refused = Some(reason);
                }
                let cause = describe(cause, self.cause.take());
                talk.show(&Event::Broken { server: &self.server, cause: &cause })?;
            }
            Output::Unsaid { number, reason } => {
                talk.show(&Event::Unsaid { number, reason })?;
                talk.handle_untaken(number)?;
            }
            Output::Welcome(welcome) => {
                let name = self.name.as_ref().map(Username::as_str);
                let (members, history) = (welcome.members, welcome.history);
                let (time_ms, time_trusted) = (welcome.time_ms, welcome.time_trusted);
                (self.members, self.refused) = (members, None);
                talk.show(&Event::Welcome { server, name, members, history, time_ms, time_trusted })?;
                if talk.screen.is_person() {
                    self.entry = Entry::Asking(now + NAMES_MAX);
                    return Ok(Next::Who(0));
                }
                self.entry = Entry::Told;
            }
            Output::Message(said) => self.show_message(talk, now, said)?,
            Output::Joined(name) => talk.handle_arrival(now, &Event::Joined { name }, name, true)?,
            Output::Left(name) => talk.handle_arrival(now, &Event::Left { name }, name, false)?,
            Output::Lagged(messages) => talk.show(&Event::Lagged { messages })?,
            Output::Back(Resumption { after, missed, restarted }) => {
                self.refused = None;
                let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                talk.show(&Event::Back { server, after_ms, missed, restarted })?;
            }
        }
        Ok(Next::Go)
    }

    /// The server has refused the client for good.
    pub(super) fn stop_refused(&self, talk: &mut Talk, reason: RefusalReason) -> Stop {
        let server = self.server.as_str();
        // If nobody reads the event, the line on standard error still says it.
        let _ = talk.show(&Refused { server, reason });
        Stop::Refused(match (reason, &self.name) {
            (RefusalReason::NameTaken, Some(name)) if self.is_in() => format!(
                "somebody else has taken the name {} in the room at {server} while this client was away",
                name.as_str()
            ),
            _ => refusal(server, reason),
        })
    }

    /// Shows a message, but not before the first line.
    fn show_message(&mut self, talk: &mut Talk, now: Instant, said: Said<'_>) -> Result<(), Stop> {
        let Said { sequence, sent_ms, number, kind, name, text, own, history } = said;
        let action = kind == Kind::Action;
        self.messages += u64::from(history);
        talk.screen.add_name(name);
        if own {
            talk.confirm(now, number)?;
        }
        if self.deadline().is_some() {
            let (sequence, name, text) = (sequence.0, name.to_owned(), text.to_owned());
            self.held.push(Held::Message { sequence, sent_ms, number, name, text, action, own, history });
            if self.held.len() > HELD_MAX { self.show_entry(talk, None) } else { Ok(()) }
        } else {
            Ok(talk.show(&Event::Message {
                sequence: sequence.0,
                sent_ms,
                number,
                name,
                text,
                action,
                own,
                history,
            })?)
        }
    }

    /// The history is over.
    fn show_history_end(&mut self, talk: &mut Talk) -> Result<(), Stop> {
        if self.deadline().is_some() {
            self.held.push(Held::HistoryEnd);
            return Ok(());
        }
        let (messages, members) = (self.messages, self.members);
        if !talk.screen.is_person() {
            talk.show(&Event::HistoryEnd { messages, members })?;
        } else if messages > 0 {
            talk.screen.aside(&format!("-- {} before you came --", count(messages, "message")))?;
        }
        Ok(())
    }

    /// Shows the members: a few names in the first line after the client has come; otherwise all, page by page.
    fn show_members(&mut self, talk: &mut Talk, page: u32, more: bool, names: Names<'_>) -> Result<Next, Stop> {
        names.iter().for_each(|name| talk.screen.add_name(name));
        if self.deadline().is_some() {
            self.show_entry(talk, Some((names, more)))?;
            return Ok(Next::Go);
        }
        let names = names.iter().collect::<Vec<_>>().join(", ");
        if !names.is_empty() {
            talk.screen.aside(&format!("-- here: {names} --"))?;
        }
        Ok(page.checked_add(1).filter(|_| more).map_or(Next::Go, Next::Who))
    }

    /// Shows the first line without names, if it waits for them.
    fn show_entry_if_asking(&mut self, talk: &mut Talk) -> Result<(), Stop> {
        if self.deadline().is_some() { self.show_entry(talk, None) } else { Ok(()) }
    }

    /// Shows the first line, and the events that wait behind it. The names are newer than the welcome: if they are all members, their
    /// number is shown instead of the welcome's.
    fn show_entry(&mut self, talk: &mut Talk, names: Option<(Names<'_>, bool)>) -> Result<(), Stop> {
        self.entry = Entry::Told;
        let members = match names {
            Some((names, false)) => names.iter().count().try_into().unwrap_or(u32::MAX),
            _ => self.members,
        };
        self.members = members;
        let names = names.map(|(names, more)| format!(": {}", few(names, more))).unwrap_or_default();
        let who = self.name.as_ref().map_or("you observe".to_owned(), |name| format!("you are {} in", name.as_str()));
        talk.screen.aside(&format!(
            "-- {who} the room at {}; {}{names}; /help lists the commands --",
            self.server,
            count(members.into(), "member")
        ))?;
        for held in std::mem::take(&mut self.held) {
            match held {
                Held::HistoryEnd => self.show_history_end(talk)?,
                Held::Message { sequence, sent_ms, number, name, text, action, own, history } => {
                    let (name, text) = (name.as_str(), text.as_str());
                    talk.show(&Event::Message { sequence, sent_ms, number, name, text, action, own, history })?;
                }
            }
        }
        Ok(())
    }
}

/// A few of these names, with dots if there are others.
fn few(names: Names<'_>, more: bool) -> String {
    let mut told: Vec<_> = names.iter().take(NAMES_TOLD_MAX).collect();
    if more || names.iter().count() > told.len() {
        told.push("...");
    }
    told.join(", ")
}

/// Why there is no connection, in words; `system` is the system's reason, if it has one.
fn describe(cause: DisconnectCause, system: Option<String>) -> String {
    match cause {
        DisconnectCause::Closed => system.unwrap_or_else(|| "it was closed".to_owned()),
        DisconnectCause::Silent => "nothing has come for too long".to_owned(),
        DisconnectCause::Malformed => "what it says cannot be understood".to_owned(),
        DisconnectCause::Refused(reason) => reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many names, as they travel.
    fn names(count: u8) -> Vec<u8> {
        (0..count).flat_map(|index| [1, b'a' + index]).collect()
    }

    #[test]
    fn up_to_ten_names_are_told_and_of_more_that_there_are() {
        let (ten, eleven) = (names(10), names(11));
        let (ten, eleven) = (Names::new(&ten).unwrap(), Names::new(&eleven).unwrap());
        assert_eq!(few(ten, false), "a, b, c, d, e, f, g, h, i, j");
        assert_eq!(few(ten, true), "a, b, c, d, e, f, g, h, i, j, ...");
        assert_eq!(few(eleven, false), "a, b, c, d, e, f, g, h, i, j, ...");
    }
}
