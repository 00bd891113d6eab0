//! The outputs of a room client that its caller has not taken yet.

use super::output::{Output, Said};
use crate::room::Message;
use heapless::Deque;

/// Most notices that wait: one call gives three at most.
const NOTICES_MAX: usize = 4;

/// Notices, oldest first.
#[derive(Debug)]
pub(super) struct Notices {
    /// The notices that wait.
    waiting: Deque<Notice, NOTICES_MAX>,
    /// How many notices found no room.
    dropped: u64,
}

/// What the caller is to be told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Notice {
    /// The content of the frame that came last. The client keeps the frame, and its content is borrowed when the caller takes it.
    Received {
        /// Whether it is an own message.
        own: bool,
        /// Whether the room had the message before the client came.
        history: bool,
    },
    /// An output that borrows nothing from a frame.
    Output(Output<'static>),
}

impl Notice {
    /// The frame that came last, which is no message.
    pub(super) const RECEIVED: Self = Self::Received { own: false, history: false };
}

impl Notices {
    /// No notices.
    pub(super) const fn new() -> Self {
        Self { waiting: Deque::new(), dropped: 0 }
    }

    /// Whether no notice waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds a notice. Without room, because the caller has not drained the outputs as it must, the notice is dropped and counted.
    pub(super) fn push(&mut self, notice: Notice) {
        self.dropped += u64::from(self.waiting.push_back(notice).is_err());
    }

    /// How many notices found no room.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes the oldest notice as an output; `received` is the frame that came last.
    pub(super) fn take<'r>(&mut self, received: &'r [u8]) -> Option<Output<'r>> {
        let (own, history) = match self.waiting.pop_front()? {
            Notice::Output(output) => return Some(output),
            Notice::Received { own, history } => (own, history),
        };
        Some(match Message::decode(received).ok()? {
            Message::Welcome(welcome) => Output::Welcome(welcome),
            Message::Said { sequence, sent_ms, number, kind, name, text } => {
                Output::Message(Said { sequence, sent_ms, number, kind, name, text, own, history })
            }
            Message::Joined { name, .. } => Output::Joined(name),
            Message::Left { name, .. } => Output::Left(name),
            Message::Members { page, more, names } => Output::Members { page, more, names },
            Message::Unsaid { number, reason } => Output::Unsaid { number, reason },
            // No other message gives a notice.
            _ => return None,
        })
    }
}
