//! What a client is still to be told besides the journal: flags, until [`Session::poll_frame`] encodes them.

use super::Session;
use crate::frame::Frame;
use crate::limits::PAGE_BYTES_MAX;
use crate::refusal::RefusalReason;
use crate::room::server::Access;
use crate::room::{Message, Names};

/// What a client is still to be told, in the order in which it is told.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// How many messages it has lost.
    pub(super) lagged: u64,
    /// The answer to its last frame.
    pub(super) answer: Option<Answer>,
    /// Whether it was asked or is to be asked for a sign of life.
    pub(super) ping: Ping,
    /// Whether it has asked for a sign of life.
    pub(super) pong: bool,
    /// The reason why it is put out.
    pub(super) refused: Option<RefusalReason>,
}

/// Whether a client has been asked for a sign of life.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ping {
    /// No: it has been heard of late.
    #[default]
    Quiet,
    /// It is to be asked.
    Due,
    /// It has been asked.
    Asked,
}

/// The answer to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// A message was not taken.
    Unsaid {
        /// Its number.
        number: u32,
        /// Why.
        reason: RefusalReason,
    },
    /// The tag is not known.
    Unsupported {
        /// The tag.
        tag: u32,
    },
    /// A page of the members.
    Members {
        /// The page.
        page: u32,
    },
}

impl Session {
    /// The member's message with this number was not taken.
    pub(in crate::room::server) fn handle_unsaid(&mut self, number: u32, reason: RefusalReason) {
        self.due.answer = Some(Answer::Unsaid { number, reason });
    }

    /// The reader has lost this many messages.
    pub(in crate::room::server) fn handle_lagged(&mut self, messages: u64) {
        self.due.lagged += messages;
    }

    /// Puts the connection out: the client is told the reason, and then the connection is to be closed.
    pub(in crate::room::server) fn refuse(&mut self, reason: RefusalReason) {
        self.due.refused.get_or_insert(reason);
    }

    /// Whether [`Session::poll_frame`] has a frame to give.
    pub(in crate::room::server) fn owes(&self) -> bool {
        let Due { lagged, answer, ping, pong, refused } = &self.due;
        !self.ended && (*lagged > 0 || answer.is_some() || *ping == Ping::Due || *pong || refused.is_some())
    }

    /// Encodes the next of the session's own frames; `None` when none is due.
    pub(in crate::room::server) fn poll_frame<'f>(
        &mut self,
        room: &impl Access,
        frame: &'f mut Frame,
    ) -> Option<&'f [u8]> {
        if self.ended {
            return None;
        }
        let mut names = [0; PAGE_BYTES_MAX];
        let message = if self.due.lagged > 0 {
            Message::Lagged { messages: core::mem::take(&mut self.due.lagged) }
        } else if let Some(answer) = self.due.answer.take() {
            match answer {
                Answer::Unsaid { number, reason } => Message::Unsaid { number, reason },
                Answer::Unsupported { tag } => Message::Unsupported { tag },
                Answer::Members { page } => {
                    let (length, more) = room.page(page, &mut names);
                    Message::Members { page, more, names: Names::new(&names[..length])? }
                }
            }
        } else if self.due.ping == Ping::Due {
            self.due.ping = Ping::Asked;
            Message::Ping
        } else if core::mem::take(&mut self.due.pong) {
            Message::Pong
        } else if let Some(reason) = self.due.refused {
            self.ended = true;
            Message::Refused { reason }
        } else {
            return None;
        };
        // None of these messages is longer than a frame may be.
        frame.encode(&message).ok()
    }

    /// Why the client was put out or refused, if it was.
    pub(in crate::room::server) const fn put_out(&self) -> Option<RefusalReason> {
        self.due.refused
    }
}
