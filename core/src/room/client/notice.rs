//! What a room client's caller is still to be told.

use super::output::{Break, Output, Return, Said};
use crate::refusal::RefusalReason;
use crate::room::Message;
use heapless::Deque;

/// Most notices that wait: one call gives three at most.
const NOTICES_MAX: usize = 4;

/// Notices, oldest first.
#[derive(Debug)]
pub(super) struct Notices {
    /// Those that wait.
    waiting: Deque<Notice, NOTICES_MAX>,
    /// How many found no room.
    dropped: u64,
}

/// What the caller is to be told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Notice {
    /// What the frame in `received` says.
    Received {
        /// Whether it is an own message.
        own: bool,
        /// Whether the room had said it before the client came.
        history: bool,
    },
    /// See [`Output`].
    Connect,
    /// See [`Output`].
    Disconnect,
    /// See [`Output`].
    Broken(Break),
    /// See [`Output`].
    Back(Return),
    /// See [`Output`].
    HistoryEnd,
    /// See [`Output`].
    Lagged(u64),
    /// See [`Output`].
    Refused(RefusalReason),
    /// See [`Output`].
    GivenUp,
}

impl Notice {
    /// A frame that is no message.
    pub(super) const RECEIVED: Self = Self::Received { own: false, history: false };
}

impl Notices {
    /// None.
    pub(super) const fn new() -> Self {
        Self { waiting: Deque::new(), dropped: 0 }
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds one. If the caller has not drained the outputs, as it should have, it may be lost, which is counted.
    pub(super) fn push(&mut self, notice: Notice) {
        self.dropped += u64::from(self.waiting.push_back(notice).is_err());
    }

    /// How many found no room.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The oldest as the caller gets it; `received` is the frame that came last.
    pub(super) fn take<'r>(&mut self, received: &'r [u8]) -> Option<Output<'r>> {
        Some(match self.waiting.pop_front()? {
            Notice::Connect => Output::Connect,
            Notice::Disconnect => Output::Disconnect,
            Notice::Broken(cause) => Output::Broken(cause),
            Notice::Back(back) => Output::Back(back),
            Notice::HistoryEnd => Output::HistoryEnd,
            Notice::Lagged(messages) => Output::Lagged(messages),
            Notice::Refused(reason) => Output::Refused(reason),
            Notice::GivenUp => Output::GivenUp,
            Notice::Received { own, history } => match Message::decode(received).ok()? {
                Message::Welcome(welcome) => Output::Welcome(welcome),
                Message::Said { sequence, sent_ms, number, kind, name, text } => {
                    Output::Message(Said { sequence, sent_ms, number, kind, name, text, own, history })
                }
                Message::Joined { name, .. } => Output::Joined(name),
                Message::Left { name, .. } => Output::Left(name),
                Message::Members { page, more, names } => Output::Members { page, more, names },
                Message::Unsaid { number, reason } => Output::Unsaid { number, reason },
                // No notice is given of anything else.
                _ => return None,
            },
        })
    }
}
