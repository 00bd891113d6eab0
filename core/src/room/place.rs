//! How far a room client has got in what the room says, across all its connections.
//!
//! Messages are counted as the room counts them, so that what was lost is known exactly.

use super::{Seen, Sequence, Welcome};

/// Where a client stands in one run of the server.
#[derive(Debug)]
pub(super) struct Place {
    /// Which run of the server.
    epoch: u64,
    /// The first frame that was live when the client was let in first; messages before it are history.
    live_from: Sequence,
    /// Frames before this one were seen or are lost. 0 while the first message of the history has not come.
    next: Sequence,
    /// How many messages the room had said before the next that is to come.
    messages: u64,
    /// How many messages of history are to come.
    history_left: u64,
    /// Whether the end of the history was told.
    history_told: bool,
    /// If history comes over this connection, what lies behind it: the frame, and how many messages come before that.
    behind_history: Option<(Sequence, u64)>,
    /// Messages lost between two connections, of which the server is still to tell.
    lag_known: u64,
    /// Messages lost just now. They count once the frame behind them has come: after a break in between, the server may still
    /// have them.
    lag_open: u64,
    /// Messages lost that count, and of which the user is still to be told.
    lost: u64,
}

/// What a frame is to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It was seen before.
    Seen,
    /// The room had said it before the client came.
    History,
    /// It is new.
    Live,
}

/// What lies between two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// How many messages are lost.
    pub(super) missed: u64,
    /// Whether the server was restarted.
    pub(super) restarted: bool,
}

impl Place {
    /// Let in for the first time.
    pub(super) fn new(welcome: &Welcome) -> Self {
        let history_left = u64::from(welcome.history);
        Self {
            epoch: welcome.epoch,
            live_from: welcome.next,
            next: if history_left == 0 { welcome.next } else { Sequence(0) },
            messages: messages_before(welcome),
            history_left,
            history_told: false,
            behind_history: Some((welcome.next, welcome.messages)),
            lag_known: 0,
            lag_open: 0,
            lost: 0,
        }
    }

    /// Let in again.
    pub(super) fn handle_return(&mut self, welcome: &Welcome) -> Gap {
        let restarted = welcome.epoch != self.epoch;
        if restarted {
            // All that this run of the server has said is new.
            (self.epoch, self.live_from, self.next) = (welcome.epoch, Sequence(0), Sequence(0));
            (self.messages, self.history_left) = (0, 0);
        }
        let missed = messages_before(welcome).saturating_sub(self.messages);
        self.lose(missed);
        (self.lag_known, self.lag_open) = (0, 0);
        // Without history the server goes on behind what was seen, if it still can.
        self.behind_history = None;
        if welcome.history > 0 {
            self.behind_history = Some((welcome.next, welcome.messages));
        } else {
            self.next = self.next.max(welcome.next);
            self.lag_known = missed;
        }
        Gap { missed, restarted }
    }

    /// The last frame that was seen, for the next Join.
    pub(super) fn seen(&self) -> Option<Seen> {
        let sequence = Sequence(self.next.0.checked_sub(1)?);
        Some(Seen { epoch: self.epoch, sequence, messages: self.messages })
    }

    /// The next frame that is to come.
    pub(super) const fn next(&self) -> Sequence {
        self.next
    }

    /// A join or a leave has come.
    pub(super) fn handle_frame(&mut self, sequence: Sequence) -> Age {
        if sequence < self.next {
            return Age::Seen;
        }
        self.next = Sequence(sequence.0.saturating_add(1));
        let lost = core::mem::take(&mut self.lag_open);
        self.lose(lost);
        self.lost = self.lost.saturating_add(lost);
        if sequence < self.live_from { Age::History } else { Age::Live }
    }

    /// A message has come.
    pub(super) fn handle_message(&mut self, sequence: Sequence) -> Age {
        let age = self.handle_frame(sequence);
        if age != Age::Seen {
            self.messages = self.messages.saturating_add(1);
        }
        if age == Age::History {
            self.history_left = self.history_left.saturating_sub(1);
            if self.history_left == 0 {
                self.next = self.next.max(self.live_from);
            }
        }
        age
    }

    /// The server says that its history has ended. It says so also where there was none.
    pub(super) fn handle_history_end(&mut self) {
        if let Some((next, messages)) = self.behind_history.take() {
            self.next = self.next.max(next);
            self.messages = self.messages.max(messages);
            self.history_left = 0;
        }
    }

    /// The server says that messages are lost. What a welcome has told already is no news.
    pub(super) fn handle_lag(&mut self, messages: u64) {
        let known = messages.min(self.lag_known);
        self.lag_known -= known;
        self.lag_open = self.lag_open.saturating_add(messages - known);
    }

    /// How many messages were lost in front of the frame that came last, which is told once.
    pub(super) fn take_lost(&mut self) -> u64 {
        core::mem::take(&mut self.lost)
    }

    /// These messages will not come.
    fn lose(&mut self, messages: u64) {
        self.messages = self.messages.saturating_add(messages);
        self.history_left = self.history_left.saturating_sub(messages);
    }

    /// Whether the history is over, which is told once.
    pub(super) fn take_history_end(&mut self) -> bool {
        let ended = self.history_left == 0 && !self.history_told;
        self.history_told |= ended;
        ended
    }
}

/// How many messages the room had said before the first that is sent behind this welcome.
fn messages_before(welcome: &Welcome) -> u64 {
    welcome.messages.saturating_sub(welcome.history.into())
}
