//! What a room client has seen and said, across all its connections.
//!
//! Invariants: a frame is given to the user at most once, whatever is cut. An own message that may have been taken is sent again
//! only once it is clear that it was not: the welcome tells it, or the frames that were missed do.

use super::outbox::Outbox;
use super::place::{Age, Gap, Place};
use crate::room::{Message, Seen, Sequence, Welcome};
use crate::username::Username;

/// What was seen, and what was said.
#[derive(Debug)]
pub(super) struct Transcript {
    /// The client's name; `None` for an observer.
    name: Option<Username>,
    /// How far it has got; `None` until it was let in.
    place: Option<Place>,
    /// Own messages.
    outbox: Outbox,
    /// The number that the room's next frame had when the client was let in last.
    head: Sequence,
    /// Whether own messages have to wait until all frames before `head` have come, because they may be among them.
    holding: bool,
}

impl Transcript {
    /// Nothing was seen or said.
    pub(super) const fn new(name: Option<Username>) -> Self {
        Self { name, place: None, outbox: Outbox::new(), head: Sequence(0), holding: false }
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
        self.place.is_some()
    }

    /// The last frame that was seen, for the next Join.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.place.as_ref()?.seen()
    }

    /// The client is let in. Gives what it has missed, if it was in before.
    pub(super) fn handle_welcome(&mut self, welcome: &Welcome) -> Option<Gap> {
        let gap = self.place.as_mut().map(|place| place.handle_return(welcome));
        if gap.is_none() {
            self.place = Some(Place::new(welcome));
        }
        if gap.is_some_and(|gap| gap.restarted) {
            self.outbox.handle_restart();
        }
        // The server remembers the numbers of those who left last, and no others: what it does not tell may stand among the
        // frames that come now.
        let forgotten = welcome.taken == 0 || welcome.taken < self.outbox.taken();
        self.outbox.handle_taken(welcome.taken);
        (self.head, self.holding) = (welcome.head, true);
        if !forgotten || !self.outbox.has_sent() {
            self.stop_holding();
        }
        self.settle();
        gap
    }

    /// A message has come. Gives its age, and whether it is an own one.
    pub(super) fn handle_said(&mut self, sequence: Sequence, number: u32, name: &str, text: &str) -> (Age, bool) {
        let age = self.place.as_mut().map_or(Age::Seen, |place| place.handle_message(sequence));
        let doubtful = self.holding.then_some(text);
        let own = age != Age::Seen && self.is_own(name) && self.outbox.confirm(sequence, number, doubtful);
        self.settle();
        (age, own)
    }

    /// A join or a leave has come. Says whether the user is to be told; of its own the client hears after an absence.
    pub(super) fn handle_announced(&mut self, sequence: Sequence, name: &str) -> bool {
        let age = self.place.as_mut().map_or(Age::Seen, |place| place.handle_frame(sequence));
        self.settle();
        age == Age::Live && !self.is_own(name)
    }

    /// The server says that its history has ended.
    pub(super) fn handle_history_end(&mut self) {
        if let Some(place) = &mut self.place {
            place.handle_history_end();
        }
        self.settle();
    }

    /// The server says that messages are lost; own ones may be among them.
    pub(super) fn handle_lagged(&mut self, messages: u64) {
        self.stop_holding();
        if let Some(place) = &mut self.place {
            place.handle_lag(messages);
        }
    }

    /// How many messages were lost in front of the frame that came last, which is told once.
    pub(super) fn take_lost(&mut self) -> u64 {
        self.place.as_mut().map_or(0, Place::take_lost)
    }

    /// Whether the history is over, which is told once.
    pub(super) fn take_history_end(&mut self) -> bool {
        self.place.as_mut().is_some_and(Place::take_history_end)
    }

    /// The last message that was sent over this connection; 0 if none was.
    pub(super) fn sent_last(&self) -> u32 {
        if self.holding { 0 } else { self.outbox.sent_last() }
    }

    /// The next own message to send.
    pub(super) fn send(&mut self) -> Option<Message<'_>> {
        if self.holding { None } else { self.outbox.send(self.head) }
    }

    /// Whether own messages wait until it is clear whether they were taken.
    pub(super) fn holds_unsent(&self) -> bool {
        self.holding && self.outbox.waiting_count() > 0
    }

    /// Whether frames are still to come that the room had when the client was let in last. If all of them are lost, the client
    /// only learns that from the next one.
    pub(super) fn is_behind(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.next() < self.head)
    }

    /// The client may have got to where it is clear what was taken.
    fn settle(&mut self) {
        if !self.is_behind() {
            self.stop_holding();
        }
    }

    /// What was sent over earlier connections and is not known to have been taken was not: it is sent again.
    fn stop_holding(&mut self) {
        if core::mem::take(&mut self.holding) {
            self.outbox.repeat();
        }
    }
}
