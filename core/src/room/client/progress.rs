//! How far a room client has got in the room's frames, across all its connections.
//!
//! Messages are counted as the room counts them, so that the number of lost messages is exact.

use crate::room::{Seen, Sequence, Welcome};

/// How far a client has got in one run of the server.
#[derive(Debug)]
pub(super) struct Progress {
    /// The run of the server.
    epoch: u64,
    /// The first frame that was live when the client was let in first; messages before it are history.
    live_from: Sequence,
    /// All frames before this one were seen or are lost. 0 until the first message of the history has come.
    next: Sequence,
    /// How many messages the room had before the next message that is to come.
    messages: u64,
    /// How many messages of history are to come.
    history_left: u64,
    /// Whether the end of the history was told.
    history_told: bool,
    /// If history comes over this connection: the first frame behind the history, and how many messages the room had before it.
    behind_history: Option<(Sequence, u64)>,
    /// Messages lost between two connections: known from the welcome, and still to be told by the server's Lagged.
    lag_known: u64,
    /// Messages that the server has just told as lost. They count once the frame behind them has come: if the connection breaks
    /// before, the server may still have them.
    lag_open: u64,
    /// Lost messages that count and of which the user is still to be told.
    lost: u64,
}

/// Whether a frame is new to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// It was seen before.
    Seen,
    /// The room had it before the client came.
    History,
    /// It is new.
    Live,
}

/// What was lost between two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// How many messages are lost.
    pub(super) missed: u64,
    /// Whether the server was restarted.
    pub(super) restarted: bool,
}

impl Progress {
    /// The client is let in for the first time.
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

    /// The client is let in again.
    pub(super) fn handle_resumption(&mut self, welcome: &Welcome) -> Gap {
        let restarted = welcome.epoch != self.epoch;
        if restarted {
            // All frames of this run of the server are new.
            (self.epoch, self.live_from, self.next) = (welcome.epoch, Sequence(0), Sequence(0));
            (self.messages, self.history_left) = (0, 0);
        }
        let missed = messages_before(welcome).saturating_sub(self.messages);
        self.lose(missed);
        (self.lag_known, self.lag_open) = (0, 0);
        // If no history follows, the server goes on behind the frame that was seen last, or at the oldest frame that it still has.
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

    /// The server says that the history has ended. It says so even if there was no history.
    pub(super) fn handle_history_end(&mut self) {
        if let Some((next, messages)) = self.behind_history.take() {
            self.next = self.next.max(next);
            self.messages = self.messages.max(messages);
            self.history_left = 0;
        }
    }

    /// The server says that messages are lost. Losses that the welcome has shown already are not counted again.
    pub(super) fn handle_lag(&mut self, messages: u64) {
        let known = messages.min(self.lag_known);
        self.lag_known -= known;
        self.lag_open = self.lag_open.saturating_add(messages - known);
    }

    /// How many messages were lost in front of the frame that came last. The next call gives 0.
    pub(super) fn take_lost(&mut self) -> u64 {
        core::mem::take(&mut self.lost)
    }

    /// Counts messages as lost: they will not come.
    fn lose(&mut self, messages: u64) {
        self.messages = self.messages.saturating_add(messages);
        self.history_left = self.history_left.saturating_sub(messages);
    }

    /// Whether the history has ended. Only the first call after the end gives true.
    pub(super) fn take_history_end(&mut self) -> bool {
        let ended = self.history_left == 0 && !self.history_told;
        self.history_told |= ended;
        ended
    }
}

/// How many messages the room had before the first message that comes behind this welcome.
fn messages_before(welcome: &Welcome) -> u64 {
    welcome.messages.saturating_sub(welcome.history.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::server::fixture;

    /// A welcome with these values.
    fn welcome(epoch: u64, next: u64, messages: u64, history: u8) -> Welcome {
        let next = Sequence(next);
        Welcome { epoch, next, messages, head: next, history, ..fixture::welcome() }
    }

    /// Sequence and messages that the client names in its next Join.
    fn seen(progress: &Progress) -> Option<(u64, u64)> {
        progress.seen().map(|seen| (seen.sequence.0, seen.messages))
    }

    /// A client that was let in at frame 20 with three messages of history and has seen the first, in frame 12.
    fn in_history() -> Progress {
        let mut progress = Progress::new(&welcome(1, 20, 8, 3));
        assert_eq!(seen(&progress), None);
        assert_eq!(progress.handle_message(Sequence(12)), Age::History);
        assert_eq!(seen(&progress), Some((12, 6)));
        progress
    }

    /// A client that has seen everything before frame 22, of which 21 was a message.
    fn live() -> Progress {
        let mut progress = Progress::new(&welcome(1, 20, 8, 0));
        assert_eq!((seen(&progress), progress.take_history_end()), (Some((19, 8)), true));
        assert_eq!(progress.handle_frame(Sequence(20)), Age::Live);
        assert_eq!(progress.handle_message(Sequence(21)), Age::Live);
        assert_eq!(seen(&progress), Some((21, 9)));
        progress
    }

    #[test]
    fn history_ends_with_its_last_message_and_is_told_once() {
        let mut progress = in_history();
        progress.handle_message(Sequence(15));
        assert!(!progress.take_history_end());
        progress.handle_message(Sequence(16));
        assert!(progress.take_history_end());
        progress.handle_history_end();
        assert!(!progress.take_history_end());
        assert_eq!(seen(&progress), Some((19, 8)));
    }

    #[test]
    fn history_that_was_cut_goes_on_as_history_and_what_lies_between_is_not_told() {
        let mut progress = in_history();
        // The server replays from frame 13 on; by now there are 25 frames.
        assert_eq!(progress.handle_resumption(&welcome(1, 13, 6, 0)), Gap { missed: 0, restarted: false });
        progress.handle_history_end();
        assert_eq!(progress.handle_frame(Sequence(13)), Age::History);
        assert_eq!(progress.handle_message(Sequence(15)), Age::History);
        assert_eq!(progress.handle_message(Sequence(16)), Age::History);
        assert!(progress.take_history_end());
        assert_eq!(progress.handle_message(Sequence(21)), Age::Live);
        assert_eq!(seen(&progress), Some((21, 9)));
    }

    #[test]
    fn history_that_never_came_is_given_anew_and_what_was_said_since_is_live() {
        let mut progress = Progress::new(&welcome(1, 20, 8, 2));
        assert_eq!(progress.handle_resumption(&welcome(1, 22, 9, 3)), Gap { missed: 0, restarted: false });
        let ages = [12, 15, 20].map(|sequence| progress.handle_message(Sequence(sequence)));
        assert_eq!(ages, [Age::History, Age::History, Age::Live]);
        assert!(progress.take_history_end());
        progress.handle_history_end();
        assert_eq!(seen(&progress), Some((21, 9)));
    }

    #[test]
    fn frame_that_was_seen_is_not_counted_again() {
        let mut progress = live();
        for sequence in [0, 20, 21] {
            assert_eq!(progress.handle_message(Sequence(sequence)), Age::Seen);
        }
        assert_eq!(seen(&progress), Some((21, 9)));
    }

    #[test]
    fn loss_between_two_connections_is_known_from_the_welcome_and_not_told_again() {
        let mut progress = live();
        assert_eq!(progress.handle_resumption(&welcome(1, 100, 50, 0)), Gap { missed: 41, restarted: false });
        assert_eq!(seen(&progress), Some((99, 50)));
        progress.handle_lag(41);
        progress.handle_message(Sequence(100));
        assert_eq!((progress.take_lost(), seen(&progress)), (0, Some((100, 51))));
        // One Lagged may tell of this loss together with a later one.
        progress.handle_resumption(&welcome(1, 200, 90, 0));
        progress.handle_lag(39 + 7);
        progress.handle_message(Sequence(300));
        assert_eq!((progress.take_lost(), progress.take_lost(), seen(&progress)), (7, 0, Some((300, 98))));
    }

    #[test]
    fn loss_counts_once_the_frame_behind_it_has_come() {
        let mut progress = live();
        progress.handle_lag(5);
        assert_eq!((progress.take_lost(), seen(&progress)), (0, Some((21, 9))));
        // The connection breaks, and the server still has three of these messages.
        assert_eq!(progress.handle_resumption(&welcome(1, 30, 11, 0)), Gap { missed: 2, restarted: false });
        progress.handle_lag(2);
        progress.handle_message(Sequence(30));
        assert_eq!((progress.take_lost(), seen(&progress)), (0, Some((30, 12))));
    }

    #[test]
    fn history_that_is_lost_in_part_ends_all_the_same() {
        let mut progress = in_history();
        assert_eq!(progress.handle_resumption(&welcome(1, 90, 40, 0)).missed, 34);
        assert!(progress.take_history_end());
    }

    #[test]
    fn server_that_was_restarted_has_nothing_but_news() {
        let mut progress = live();
        assert_eq!(progress.handle_resumption(&welcome(2, 4, 3, 2)), Gap { missed: 1, restarted: true });
        assert_eq!(seen(&progress), None);
        assert_eq!(progress.handle_message(Sequence(1)), Age::Live);
        assert_eq!(progress.handle_message(Sequence(2)), Age::Live);
        progress.handle_history_end();
        assert_eq!(seen(&progress), Some((3, 3)));
    }

    #[test]
    fn numbers_at_their_end_do_no_harm() {
        let mut progress = Progress::new(&welcome(1, u64::MAX, u64::MAX, 0));
        progress.handle_message(Sequence(u64::MAX));
        progress.handle_lag(u64::MAX);
        progress.handle_lag(u64::MAX);
        progress.handle_message(Sequence(u64::MAX));
        progress.handle_resumption(&welcome(2, 0, 0, u8::MAX));
        assert_eq!(seen(&progress), None);
    }
}
