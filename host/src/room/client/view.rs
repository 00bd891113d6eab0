//! What the user of a room client sees of it.

use super::event::Event;
use super::outcome::Stop;
use crate::client::screen::Screen;
use chat_core::room::client::{Break, Output, Return, Said};
use chat_core::room::{Kind, Names};
use chat_core::username::Username;
use std::io;

/// Names of members that a newcomer is told.
const NAMES_TOLD_MAX: usize = 10;

/// The user's view.
#[derive(Debug)]
pub(super) struct View<'s> {
    /// Where things are shown.
    pub(super) screen: &'s mut Screen,
    /// The client's name.
    name: Username,
    /// The server: as the user calls it, and once there was a connection its address.
    pub(super) server: String,
    /// Why there is no connection, if the system has said so.
    pub(super) cause: Option<String>,
    /// How far the client has come in entering the room.
    entry: Entry,
    /// How many members there were when it came.
    members: u32,
    /// How many messages of history were shown.
    messages: u64,
}

/// How far a client has come in entering the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    /// It was never in.
    Outside,
    /// It is in, and history comes.
    History,
    /// The history is over, and it is asked who is here.
    Asking,
    /// The user was told of all this.
    Told,
}

/// What else an output asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing.
    Go,
    /// To open a connection.
    Connect,
    /// To close it.
    Disconnect,
    /// To ask for this page of the members.
    Who(u32),
    /// To count a message that was not taken.
    Lost,
}

impl<'s> View<'s> {
    /// Nothing was shown yet.
    pub(super) fn new(screen: &'s mut Screen, name: Username, server: String) -> Self {
        Self { screen, name, server, cause: None, entry: Entry::Outside, members: 0, messages: 0 }
    }

    /// Whether the client was ever in.
    pub(super) fn is_in(&self) -> bool {
        self.entry > Entry::Outside
    }

    /// Whether the history is over.
    pub(super) fn has_history(&self) -> bool {
        self.entry > Entry::History
    }

    /// Shows what there is to show of an output, and gives what else it asks for.
    pub(super) fn show(&mut self, output: Output<'_>) -> Result<Next, Stop> {
        let server = self.server.as_str();
        let event = match output {
            Output::Connect => return Ok(Next::Connect),
            Output::Disconnect => return Ok(Next::Disconnect),
            Output::Refused(reason) => return Err(Stop::Refused(reason)),
            Output::GivenUp => return Err(Stop::GivenUp),
            Output::HistoryEnd => return Ok(self.show_history_end()?),
            Output::Members { page, more, names } => return Ok(self.show_members(page, more, names)?),
            Output::Broken(cause) => {
                let cause = describe(cause, self.cause.take());
                self.screen.show(&Event::Broken { server, cause: &cause })?;
                return Ok(Next::Go);
            }
            Output::Unsaid { number, reason } => {
                self.screen.show(&Event::Unsaid { number, reason })?;
                return Ok(Next::Lost);
            }
            Output::Welcome(welcome) => {
                (self.entry, self.members) = (Entry::History, welcome.members);
                Event::Welcome {
                    server,
                    name: self.name.as_str(),
                    members: welcome.members,
                    history: welcome.history,
                    time_ms: welcome.time_ms,
                    time_trusted: welcome.time_trusted,
                }
            }
            Output::Message(Said { sequence, sent_ms, number, kind, name, text, own, history }) => {
                self.messages += u64::from(history);
                let action = kind == Kind::Action;
                Event::Message { sequence: sequence.0, sent_ms, number, name, text, action, own, history }
            }
            Output::Joined(name) => Event::Joined { name },
            Output::Left(name) => Event::Left { name },
            Output::Lagged(messages) => Event::Lagged { messages },
            Output::Back(Return { after, missed, restarted }) => {
                let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
                Event::Back { server, after_ms, missed, restarted }
            }
        };
        self.screen.show(&event)?;
        // The answer may have been lost with the connection.
        let asks_again = self.entry == Entry::Asking && matches!(event, Event::Back { .. });
        Ok(if asks_again { Next::Who(0) } else { Next::Go })
    }

    /// The history is over. A person is told who is here too, once that is known.
    fn show_history_end(&mut self) -> io::Result<Next> {
        if self.screen.is_terminal() {
            self.entry = Entry::Asking;
            return Ok(Next::Who(0));
        }
        self.show_entry(None)
    }

    /// Shows who is here: to somebody who has just come a few, else all, page by page.
    fn show_members(&mut self, page: u32, more: bool, names: Names<'_>) -> io::Result<Next> {
        if self.entry == Entry::Asking {
            return self.show_entry(Some(&few(names, more)));
        }
        let names = names.iter().collect::<Vec<_>>().join(", ");
        if !names.is_empty() {
            self.screen.show(&Event::Members { names: &names })?;
        }
        Ok(page.checked_add(1).filter(|_| more).map_or(Next::Go, Next::Who))
    }

    /// Shows that all that follows is live.
    fn show_entry(&mut self, names: Option<&str>) -> io::Result<Next> {
        self.entry = Entry::Told;
        self.screen.show(&Event::HistoryEnd { messages: self.messages, members: self.members, names })?;
        Ok(Next::Go)
    }
}

/// A few of these names, and whether there are others.
fn few(names: Names<'_>, more: bool) -> String {
    let mut told: Vec<_> = names.iter().take(NAMES_TOLD_MAX).collect();
    if more || names.iter().count() > told.len() {
        told.push("...");
    }
    told.join(", ")
}

/// Why there is no connection, in words, of which the system may have some.
fn describe(broken: Break, system: Option<String>) -> String {
    match broken {
        Break::Closed => system.unwrap_or_else(|| "it was closed".to_owned()),
        Break::Silent => "nothing has come for too long".to_owned(),
        Break::Malformed => "what it says cannot be understood".to_owned(),
        Break::Refused(reason) => reason.to_string(),
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
