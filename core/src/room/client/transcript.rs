//! The frames that a room client has seen and the messages that it has said, across all its connections.
//!
//! Invariants: a frame is given to the user at most once, wherever connections are cut. An own message that may have been taken is sent
//! again only once it is clear that it was not taken: the welcome shows it, or the frames that were missed do.

use super::outbox::Outbox;
use super::progress::{Age, Gap, Progress};
use crate::room::{Message, Seen, Sequence, Welcome};
use crate::username::Username;

/// The frames that were seen and the messages that were said.
#[derive(Debug)]
pub(super) struct Transcript {
    /// The client's name; `None` for an observer.
    name: Option<Username>,
    /// How far the client has got; `None` until it was let in.
    progress: Option<Progress>,
    /// Own messages.
    outbox: Outbox,
    /// The number that the room's next frame had when the client was let in last.
    head: Sequence,
    /// Whether own messages wait until all frames before `head` have come, because the messages may be among these frames.
    holding: bool,
}

impl Transcript {
    /// A transcript without frames and messages.
    pub(super) const fn new(name: Option<Username>) -> Self {
        Self { name, progress: None, outbox: Outbox::new(), head: Sequence(0), holding: false }
    }

    /// The client's name; `None` for an observer.
    pub(super) const fn name(&self) -> Option<&Username> {
        self.name.as_ref()
    }

    /// Whether this is the client's name.
    fn is_own(&self, name: &str) -> bool {
        self.name.as_ref().is_some_and(|own| own.as_str() == name)
    }

    /// Own messages.
    pub(super) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Own messages, to add or take some.
    pub(super) const fn outbox_mut(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// Whether the client was ever let in.
    pub(super) const fn has_begun(&self) -> bool {
        self.progress.is_some()
    }

    /// The last frame that was seen, for the next Join.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.progress.as_ref()?.seen()
    }

    /// The client is let in. Returns what it has missed, if it was in before.
    pub(super) fn handle_welcome(&mut self, welcome: &Welcome) -> Option<Gap> {
        let gap = self.progress.as_mut().map(|progress| progress.handle_resumption(welcome));
        if gap.is_none() {
            self.progress = Some(Progress::new(welcome));
        }
        if gap.is_some_and(|gap| gap.restarted) {
            self.outbox.handle_restart();
        }
        // The server remembers the numbers of the members that left last, and no others. If it has forgotten this client's, messages
        // that were taken may be among the frames that come now.
        let forgotten = welcome.taken == 0 || welcome.taken < self.outbox.taken();
        self.outbox.handle_taken(welcome.taken);
        (self.head, self.holding) = (welcome.head, true);
        if !forgotten || !self.outbox.has_sent() {
            self.stop_holding();
        }
        self.stop_holding_when_caught_up();
        gap
    }

    /// A message has come. Returns its age, and whether it is an own message.
    pub(super) fn handle_said(&mut self, sequence: Sequence, number: u32, name: &str, text: &str) -> (Age, bool) {
        let age = self.progress.as_mut().map_or(Age::Seen, |progress| progress.handle_message(sequence));
        let doubtful = self.holding.then_some(text);
        let own = age != Age::Seen && self.is_own(name) && self.outbox.confirm(sequence, number, doubtful);
        self.stop_holding_when_caught_up();
        (age, own)
    }

    /// A join or a leave has come. Returns whether the user is to be told: not of the client's own, which come after an absence.
    pub(super) fn handle_announced(&mut self, sequence: Sequence, name: &str) -> bool {
        let age = self.progress.as_mut().map_or(Age::Seen, |progress| progress.handle_frame(sequence));
        self.stop_holding_when_caught_up();
        age == Age::Live && !self.is_own(name)
    }

    /// The server says that its history has ended.
    pub(super) fn handle_history_end(&mut self) {
        if let Some(progress) = &mut self.progress {
            progress.handle_history_end();
        }
        self.stop_holding_when_caught_up();
    }

    /// The server says that messages are lost; own ones may be among them.
    pub(super) fn handle_lagged(&mut self, messages: u64) {
        self.stop_holding();
        if let Some(progress) = &mut self.progress {
            progress.handle_lag(messages);
        }
    }

    /// How many messages were lost in front of the frame that came last. The next call gives 0.
    pub(super) fn take_lost(&mut self) -> u64 {
        self.progress.as_mut().map_or(0, Progress::take_lost)
    }

    /// Whether the history has ended. Only the first call after the end gives true.
    pub(super) fn take_history_end(&mut self) -> bool {
        self.progress.as_mut().is_some_and(Progress::take_history_end)
    }

    /// The highest number of a message that was sent over this connection and is not known to have been taken; 0 if there is none.
    pub(super) fn sent_last(&self) -> u32 {
        if self.holding { 0 } else { self.outbox.sent_last() }
    }

    /// The next own message to send.
    pub(super) fn send(&mut self) -> Option<Message<'_>> {
        if self.holding { None } else { self.outbox.send(self.head) }
    }

    /// Whether own messages are held back until it is clear whether they were taken.
    pub(super) fn holds_unsent(&self) -> bool {
        self.holding && self.outbox.waiting_count() > 0
    }

    /// Whether frames are still to come that the room had when the client was let in last. If all these frames are lost, the client
    /// learns that only from the next frame.
    pub(super) fn is_behind(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.next() < self.head)
    }

    /// Once all frames before `head` have come, sends again the messages that were not taken.
    fn stop_holding_when_caught_up(&mut self) {
        if !self.is_behind() {
            self.stop_holding();
        }
    }

    /// It is clear now which messages were taken: the others that were sent over earlier connections are sent again.
    fn stop_holding(&mut self) {
        if core::mem::take(&mut self.holding) {
            self.outbox.repeat();
        }
    }
}
