//! The client's connection: when one is opened, why it ends, and what then.

use super::notice::Notice;
use super::retry::pause_min;
use super::watch::Watch;
use super::{Client, DisconnectCause, Due, Leave, Output};
use crate::frame::Decoder;
use crate::refusal::RefusalReason;
use crate::time::Instant;
use core::time::Duration;

/// The state of the connection.
#[derive(Debug)]
pub(super) enum State {
    /// The next connection is to be opened at this instant.
    Waiting(Instant),
    /// It is being opened.
    Connecting,
    /// It is open, and the answer to Join must come before this instant.
    Joining(Instant),
    /// The client is in.
    Member {
        /// Since when the client is in.
        since: Instant,
        /// The watch over the server's signs of life.
        watch: Watch,
    },
    /// There will be no connection any more.
    Ended,
}

impl Client {
    /// The connection is open.
    pub fn handle_connected(&mut self, now: Instant) {
        if matches!(self.state, State::Connecting) {
            self.decoder = Decoder::new();
            self.due = Due { join: true, ..Due::default() };
            self.state = State::Joining(now + self.config.welcome_max);
        }
    }

    /// The connection is closed by the other side, or could not be opened.
    pub fn handle_disconnected(&mut self, now: Instant) {
        self.break_off(now, DisconnectCause::Closed, Duration::ZERO);
    }

    /// The server refuses the client, or puts it out.
    pub(super) fn handle_refused(&mut self, now: Instant, reason: RefusalReason) {
        match pause_min(&self.config, reason, self.transcript.has_begun()) {
            Some(pause_min) => self.break_off(now, DisconnectCause::Refused(reason), pause_min),
            None => {
                self.end();
                self.notices.push(Notice::Output(Output::Refused(reason)));
            }
        }
    }

    /// The server has sent something that cannot be understood.
    pub(super) fn handle_malformed(&mut self, now: Instant) {
        self.counts.malformed += 1;
        self.malformed_in_a_row += 1;
        if self.malformed_in_a_row < self.config.malformed_max {
            self.break_off(now, DisconnectCause::Malformed, Duration::ZERO);
        } else {
            self.end();
            self.notices.push(Notice::Output(Output::GivenUp));
        }
    }

    /// Gives the connection up. The next one is due after `pause_min` at the earliest.
    pub(super) fn break_off(&mut self, now: Instant, cause: DisconnectCause, pause_min: Duration) {
        match &self.state {
            State::Waiting(_) | State::Ended => return,
            State::Member { since, .. } if now - *since >= self.config.steady_after => {
                self.retry.handle_steady();
                self.malformed_in_a_row = 0;
            }
            State::Connecting | State::Joining(_) if self.broken_at.is_none() => self.retry.skip_first(&self.config),
            State::Connecting | State::Joining(_) | State::Member { .. } => {}
        }
        if !pause_min.is_zero() {
            // Many clients may have been put out together: they are not to come back together.
            self.retry.skip_first(&self.config);
        }
        self.counts.broken += 1;
        if self.due.leave != Leave::No {
            return self.end();
        }
        self.state = State::Waiting(now + self.retry.pause(&self.config).max(pause_min));
        self.notices.push(Notice::Output(Output::Disconnect));
        if self.broken_at.is_none() {
            self.broken_at = Some(now);
            self.notices.push(Notice::Output(Output::Broken(cause)));
        }
    }

    /// There will be no connection any more.
    fn end(&mut self) {
        self.state = State::Ended;
        self.notices.push(Notice::Output(Output::Disconnect));
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Waiting(due) if *due <= now => {
                self.state = State::Connecting;
                self.notices.push(Notice::Output(Output::Connect));
            }
            State::Joining(due) if *due <= now => self.break_off(now, DisconnectCause::Silent, Duration::ZERO),
            State::Member { watch, .. } => {
                if watch.handle_timeout(now, self.transcript.outbox().has_sent()) {
                    self.break_off(now, DisconnectCause::Silent, Duration::ZERO);
                }
            }
            State::Waiting(_) | State::Connecting | State::Joining(_) | State::Ended => {}
        }
    }

    /// When [`Client::handle_timeout`] is to be called; `None` while a connection is being opened, and at the end.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting(due) | State::Joining(due) => Some(*due),
            State::Member { watch, .. } => Some(watch.deadline(self.transcript.outbox().has_sent())),
            State::Connecting | State::Ended => None,
        }
    }
}
