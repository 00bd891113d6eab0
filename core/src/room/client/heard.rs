//! How a room client handles each message of the server.

use super::Client;
use super::connection::State;
use super::notice::Notice;
use super::output::{Output, Resumption};
use super::progress::{Age, Gap};
use super::watch::Watch;
use crate::refusal::RefusalReason;
use crate::room::message::VERSION;
use crate::room::{Message, Welcome};
use crate::time::Instant;
use core::time::Duration;

impl Client {
    /// Handles a message of the server.
    pub(super) fn handle_message(&mut self, now: Instant, message: Message<'_>) {
        let count = self.under_way();
        match (&mut self.state, message) {
            (State::Joining(_), Message::Welcome(welcome)) => self.handle_welcome(now, &welcome),
            (State::Joining(_), Message::Unsupported { .. }) if self.transcript.name().is_none() => {
                // The server does not know observers.
                self.handle_refused(now, RefusalReason::Unsupported);
            }
            (State::Joining(_), Message::Ping) => self.due.pong = true,
            (_, Message::Refused { reason }) => self.handle_refused(now, reason),
            (State::Member { watch, .. }, message) => match message {
                Message::Said { sequence, number, name, text, .. } => {
                    let (age, own) = self.transcript.handle_said(sequence, number, name, text);
                    self.tell_lost();
                    match age {
                        Age::Seen => self.counts.ignored += 1,
                        Age::History | Age::Live => {
                            self.notices.push(Notice::Received { own, history: age == Age::History });
                        }
                    }
                }
                Message::Joined { sequence, name } | Message::Left { sequence, name } => {
                    let news = self.transcript.handle_announced(sequence, name);
                    self.tell_lost();
                    if news {
                        self.notices.push(Notice::RECEIVED);
                    }
                }
                Message::HistoryEnd => self.transcript.handle_history_end(),
                Message::Lagged { messages } => {
                    self.transcript.handle_lagged(messages);
                    if self.transcript.outbox().has_sent() {
                        // An own message may be among the lost ones. The answer to a Ping shows that the server has read it.
                        watch.ask();
                    }
                }
                Message::Unsaid { number, .. } => {
                    self.transcript.outbox_mut().handle_unsaid(number);
                    self.notices.push(Notice::RECEIVED);
                }
                Message::Members { .. } => self.notices.push(Notice::RECEIVED),
                Message::Ping => self.due.pong = true,
                Message::Pong => {
                    if let Some(number) = watch.handle_pong() {
                        self.transcript.outbox_mut().handle_taken(number);
                    }
                }
                // A message that only clients send, a second Welcome, or an Unsupported, which answers nothing that this client sends.
                _ => self.counts.ignored += 1,
            },
            _ => self.counts.ignored += 1,
        }
        if self.transcript.take_history_end() {
            self.notices.push(Notice::Output(Output::HistoryEnd));
        }
        if self.under_way() < count {
            self.progress_at = now;
        }
    }

    /// Tells the user how many messages were lost in front of the frame that came last.
    fn tell_lost(&mut self) {
        match self.transcript.take_lost() {
            0 => {}
            lost => self.notices.push(Notice::Output(Output::Lagged(lost))),
        }
    }

    /// The client is let in.
    fn handle_welcome(&mut self, now: Instant, welcome: &Welcome) {
        if welcome.version != VERSION {
            return self.handle_refused(now, RefusalReason::Version);
        }
        let after = self.broken_at.take().map_or(Duration::ZERO, |broken_at| now - broken_at);
        let notice = match self.transcript.handle_welcome(welcome) {
            Some(Gap { missed, restarted }) => Notice::Output(Output::Back(Resumption { after, missed, restarted })),
            None => Notice::RECEIVED,
        };
        self.notices.push(notice);
        self.text_bytes_max = welcome.text_bytes_max;
        self.state = State::Member { since: now, watch: Watch::new(now, welcome, self.config.answer_max) };
        self.progress_at = now;
    }
}
