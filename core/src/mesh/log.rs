//! The messages of a peer: what came, what was shown, what is missing (docs/mesh-protocol.md section 9, "The log").
//!
//! Invariants: each message is shown at most once, those of one origin in order of their numbers. What is shown is in the ring.

mod heads;
mod show;

use super::PeerId;
use super::config::Timers;
use super::flight::{Flight, Flights};
use super::item::{Item, Say};
use super::repair::Repairs;
use super::ring::Ring;
use super::vector::{Entry, Loudness, Vector};
use crate::limits::{MESH_NEWER_MAX, MESH_SAY_BYTES_MAX};
use crate::time::Instant;
pub(super) use show::Show;

/// The messages of a peer.
#[derive(Debug)]
pub(super) struct Log<'s> {
    /// The own id.
    own: PeerId,
    /// What was shown.
    pub(super) vector: Vector<'s>,
    /// The messages themselves.
    pub(super) ring: Ring<'s>,
    /// Own ones under way.
    pub(super) flights: Flights<'s>,
    /// Others' requests.
    pub(super) repairs: Repairs,
    /// The number of the last own message.
    head: u32,
    /// The highest Lamport value that was shown.
    lamport_shown: u64,
    /// Whether something may be ready to be shown.
    ready: bool,
    /// A message in the ring that is only there until it is shown.
    passing: Option<u64>,
    /// How many Heads in a row had another digest.
    different_heads: u8,
}

/// What became of a Say that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is kept until its turn to be shown comes.
    Kept,
    /// It is shown or kept already.
    Repeated,
    /// Its origin is not known, or it is too far ahead.
    Unplaced,
    /// Its origin is not heard at the moment.
    Muted,
    /// It is one too many: from now on its origin is not heard.
    Flooded,
    /// Another than its origin sent it, and nobody had asked.
    Unasked,
}

impl<'s> Log<'s> {
    /// An empty log in this memory.
    pub(super) fn new(own: PeerId, entries: &'s mut [Entry], flights: &'s mut [Flight], ring: &'s mut [u8]) -> Self {
        Self {
            own,
            vector: Vector::new(entries),
            ring: Ring::new(ring),
            flights: Flights::new(flights),
            repairs: Repairs::NONE,
            head: 0,
            lamport_shown: 0,
            ready: false,
            passing: None,
            different_heads: 0,
        }
    }

    /// The number of the last own message.
    pub(super) const fn head(&self) -> u32 {
        self.head
    }

    /// The peer has another id from now on, under which it has said nothing.
    pub(super) fn set_own(&mut self, own: PeerId) {
        (self.own, self.head) = (own, 0);
    }

    /// Begins a hand-over: what only a giver told of is forgotten.
    pub(super) fn start_handover(&mut self, now: Instant) {
        let own = self.own;
        while let Some(told) = self.vector.entries().iter().find(|entry| !entry.is_claimed && entry.origin != own) {
            let origin = told.origin;
            self.vector.remove(origin);
        }
        for entry in self.vector.entries_mut().iter_mut().filter(|entry| entry.origin != own) {
            *entry = Entry {
                origin: entry.origin,
                is_member: entry.is_member,
                is_claimed: true,
                changed_at: now,
                ..Entry::EMPTY
            };
        }
        let head = self.head;
        self.vector.entry(now, own, head);
    }

    /// Takes a Say that `from` sent. `wanted`: the hand-over needs it.
    pub(super) fn handle_say(
        &mut self,
        now: Instant,
        timers: &Timers,
        from: PeerId,
        say: &Say<'_>,
        wanted: bool,
    ) -> Heard {
        let Some(entry) = self.vector.get_mut(say.origin).filter(|entry| entry.origin != self.own) else {
            return if wanted && self.store(say) { Heard::Kept } else { Heard::Unplaced };
        };
        let asked = wanted || entry.gap.is_asked(say.number);
        match (from == say.origin, asked) {
            (_, true) => {}
            (false, false) => return Heard::Unasked,
            (true, false) => match entry.flood.handle_say(now) {
                Loudness::Heard => {}
                Loudness::Flooded => return Heard::Flooded,
                Loudness::Muted => return Heard::Muted,
            },
        }
        if from == say.origin && say.flags & Say::ACKNOWLEDGE != 0 {
            let took_at = now + timers.took_delay_max;
            entry.took_at = Some(entry.took_at.map_or(took_at, |earlier| earlier.min(took_at)));
        }
        let Some(bit) = entry.bit(say.number) else {
            let is_shown = say.number <= entry.number;
            entry.hear_head(now, timers, say.number, from);
            if wanted && self.store(say) {
                return Heard::Kept;
            }
            return if is_shown { Heard::Repeated } else { Heard::Unplaced };
        };
        if entry.held & bit != 0 {
            return Heard::Repeated;
        }
        let head = entry.head.max(say.number);
        if !self.store(say) {
            return Heard::Unplaced;
        }
        if let Some(entry) = self.vector.get_mut(say.origin) {
            entry.held |= bit;
            entry.lamport = entry.lamport.max(say.lamport);
            entry.hear_head(now, timers, head, from);
            entry.gap.handle_found(now, entry.top(), entry.head);
        }
        self.ready = true;
        Heard::Kept
    }

    /// Keeps a Say as it is repeated to others. Gives `false` if it is longer than the ring.
    fn store(&mut self, say: &Say<'_>) -> bool {
        let mut bytes = [0; MESH_SAY_BYTES_MAX];
        let kept = Say { flags: say.flags & !Say::ACKNOWLEDGE, ..*say };
        let Ok(bytes) = postcard::to_slice(&Item::Say(kept), &mut bytes) else { return false };
        let is_old = say.lamport < self.lamport_shown
            && self.ring.is_full_for(bytes.len())
            && self.ring.iter().filter(|(_, heading)| heading.lamport > say.lamport).nth(MESH_NEWER_MAX - 1).is_some();
        let position = self.ring.append(bytes);
        if is_old {
            self.passing = position;
        }
        position.is_some()
    }

    /// Whether an own message of so many bytes may be said: none under way is overwritten, and there is room for one more.
    pub(super) fn has_room(&self, length: usize) -> bool {
        let is_shown = self.vector.get(self.own).is_some_and(|entry| entry.bit(self.head.saturating_add(1)).is_some());
        let overwrites = match self.flights.oldest() {
            Some(position) => self.ring.would_overwrite(length, position),
            None => self.ring.would_overwrite(length, u64::MAX / 2),
        };
        is_shown && !overwrites && self.flights.has_room() && self.head < u32::MAX
    }

    /// Keeps an own message, whose number is the one behind [`Log::head`], and sends it to all members, of which there are
    /// `count`. Gives whether there was room.
    pub(super) fn say(&mut self, say: &Say<'_>, members: impl Iterator<Item = PeerId> + Clone, count: usize) -> bool {
        let mut bytes = [0; MESH_SAY_BYTES_MAX];
        let Ok(bytes) = postcard::to_slice(&Item::Say(*say), &mut bytes) else { return false };
        if !self.has_room(bytes.len()) {
            return false;
        }
        let Some(position) = self.ring.append(bytes) else { return false };
        self.head = say.number;
        self.flights.start(say.number, position, members, count);
        if let Some(entry) = self.vector.get_mut(self.own) {
            entry.held |= entry.bit(say.number).unwrap_or(0);
            (entry.head, entry.lamport) = (say.number, say.lamport);
        }
        self.ready = true;
        true
    }

    /// The Say at a position of the ring.
    pub(super) fn message(&self, position: u64) -> Option<Say<'_>> {
        match Item::decode(self.ring.get(position)?) {
            Ok(Item::Say(say)) => Some(say),
            _ => None,
        }
    }

    /// Something may be ready to be shown.
    pub(super) const fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Deadlines start anew.
    pub(super) fn restart(&mut self, now: Instant) {
        self.flights.restart(now);
        self.vector.entries_mut().iter_mut().for_each(|entry| entry.gap.restart(now));
    }

    /// Acknowledgements are due now. Work: one pass.
    pub(super) fn acknowledge(&mut self, now: Instant) {
        for took_at in self.vector.entries_mut().iter_mut().filter_map(|entry| entry.took_at.as_mut()) {
            *took_at = (*took_at).min(now);
        }
    }

    /// When something is due next. Work: one pass.
    /// `may_ask`: what is missing is asked for.
    pub(super) fn due_at(&self, timers: &Timers, may_ask: bool) -> Option<Instant> {
        let entries = self.vector.entries().iter();
        let ask_at = |entry: &Entry| entry.gap.due_at(timers).filter(|_| may_ask);
        let entries = entries.flat_map(|entry| [entry.took_at, ask_at(entry)]).flatten();
        entries.chain(self.flights.due_at()).min()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::mesh::gap;
    use crate::mesh::history::recent;
    use crate::mesh::item::Pair;
    use crate::text::Text;
    use std::vec::Vec as List;

    const TIMERS: Timers = Timers::DEFAULT;
    const OWN: PeerId = PeerId(1);
    const ORIGIN: PeerId = PeerId(2);
    const OTHER: PeerId = PeerId(3);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn say(number: u32, lamport: u64) -> Say<'static> {
        let text = Text::new("hello").unwrap();
        Say { origin: ORIGIN, number, lamport, sent_ms: 7, flags: Say::ACKNOWLEDGE, name: "anna", text }
    }

    /// The memory of a log.
    struct Memory {
        entries: [Entry; 4],
        flights: [Flight; 2],
        ring: [u8; 400],
    }

    impl Memory {
        fn new() -> Self {
            Self { entries: [Entry::EMPTY; 4], flights: [Flight::EMPTY; 2], ring: [0xa5; 400] }
        }

        /// A log that has shown all up to `number` of ORIGIN.
        fn log(&mut self, number: u32) -> Log<'_> {
            let mut log = Log::new(OWN, &mut self.entries, &mut self.flights, &mut self.ring);
            log.start_handover(at(0));
            log.handle_given(at(0), &TIMERS, Pair { origin: ORIGIN, number });
            log
        }
    }

    /// Numbers shown (positive) and counts of lost ones (negative).
    fn shown(log: &mut Log<'_>) -> List<i64> {
        let mut shown = List::new();
        while let Some(show) = log.show(at(0)) {
            match show {
                Show::Message { position, .. } => {
                    shown.push(i64::from(log.message(position).unwrap().number));
                    log.handle_shown(position);
                }
                Show::Lost(_, count) => shown.push(-i64::from(count)),
            }
        }
        shown
    }

    fn hear(log: &mut Log<'_>, from: PeerId, number: u32) -> Heard {
        log.handle_say(at(0), &TIMERS, from, &say(number, u64::from(number)), false)
    }

    #[test]
    fn messages_are_shown_in_order_and_once() {
        let mut memory = Memory::new();
        let mut log = memory.log(4);
        assert_eq!(hear(&mut log, ORIGIN, 6), Heard::Kept);
        assert_eq!(shown(&mut log), []);
        assert_eq!(hear(&mut log, ORIGIN, 6), Heard::Repeated);
        assert_eq!(hear(&mut log, ORIGIN, 5), Heard::Kept);
        assert_eq!(shown(&mut log), [5, 6]);
        assert_eq!(hear(&mut log, ORIGIN, 5), Heard::Repeated);
        assert_eq!(shown(&mut log), []);
    }

    #[test]
    fn kept_message_is_the_same_without_the_wish_to_be_acknowledged() {
        let mut memory = Memory::new();
        let mut log = memory.log(0);
        hear(&mut log, ORIGIN, 1);
        let Some(Show::Message { position, late: false }) = log.show(at(0)) else { panic!("nothing is shown") };
        assert_eq!(log.message(position), Some(Say { flags: 0, ..say(1, 1) }));
        assert_eq!(log.vector.get(ORIGIN).unwrap().took_at, Some(at(20)));
    }

    #[test]
    fn acknowledgement_of_which_the_driver_has_no_more_to_hand_over_is_due_at_once() {
        let mut memory = Memory::new();
        let mut log = memory.log(0);
        log.acknowledge(at(1));
        assert_eq!(log.due_at(&TIMERS, false), None);
        hear(&mut log, ORIGIN, 1);
        log.acknowledge(at(1));
        assert_eq!(log.due_at(&TIMERS, false), Some(at(1)));
        log.acknowledge(at(2));
        assert_eq!(log.due_at(&TIMERS, false), Some(at(1)));
    }

    #[test]
    fn message_of_a_stranger_or_unasked_from_another_is_not_shown() {
        let mut memory = Memory::new();
        let mut log = memory.log(0);
        assert_eq!(hear(&mut log, OTHER, 1), Heard::Unasked);
        let stranger = Say { origin: OTHER, ..say(1, 1) };
        assert_eq!(log.handle_say(at(0), &TIMERS, OTHER, &stranger, false), Heard::Unplaced);
        assert_eq!(shown(&mut log), []);
    }

    #[test]
    fn missing_message_may_come_from_anybody_once_it_was_asked_for() {
        let mut memory = Memory::new();
        let mut log = memory.log(0);
        hear(&mut log, ORIGIN, 2);
        let entry = log.vector.get_mut(ORIGIN).unwrap();
        assert_eq!(entry.missing(), (1, 1));
        assert!(matches!(entry.gap.step(at(20), &TIMERS, ORIGIN, 1), gap::Step::Ask(..)));
        assert_eq!(hear(&mut log, OTHER, 1), Heard::Kept);
        assert_eq!(shown(&mut log), [1, 2]);
    }

    #[test]
    fn what_is_given_up_is_lost_up_to_the_lowest_that_is_held() {
        let mut memory = Memory::new();
        let mut log = memory.log(0);
        hear(&mut log, ORIGIN, 5);
        assert_eq!(log.give_up(at(1), ORIGIN), 4);
        assert_eq!(shown(&mut log), [-4, 5]);
        log.handle_head(at(1), &TIMERS, ORIGIN, 9, true);
        assert_eq!(log.give_up(at(1), ORIGIN), 4);
        assert_eq!(shown(&mut log), [-4]);
        assert_eq!(log.give_up(at(1), ORIGIN), 0);
    }

    #[test]
    fn message_below_the_highest_lamport_is_late() {
        let mut memory = Memory::new();
        let mut log = memory.log(0);
        log.handle_say(at(0), &TIMERS, ORIGIN, &say(1, 50), false);
        assert!(matches!(log.show(at(0)), Some(Show::Message { late: false, .. })));
        log.handle_say(at(0), &TIMERS, ORIGIN, &say(2, 49), false);
        assert!(matches!(log.show(at(0)), Some(Show::Message { late: true, .. })));
    }

    #[test]
    fn recent_are_the_ten_highest_of_those_shown() {
        let mut memory = Memory::new();
        let mut log = memory.log(0);
        for number in 1..=12 {
            log.handle_say(at(0), &TIMERS, ORIGIN, &say(number, u64::from(100 - number)), false);
            shown(&mut log);
        }
        log.handle_say(at(0), &TIMERS, ORIGIN, &say(14, 200), false);
        let recent: List<u32> = recent(&log.ring, &log.vector).iter().map(|pair| pair.number).collect();
        assert!(recent.len() <= 10 && recent.windows(2).all(|pair| pair[0] > pair[1]), "{recent:?}");
        assert!(!recent.contains(&14));
    }

    #[test]
    fn own_message_is_shown_and_needs_room() {
        let mut memory = Memory::new();
        let mut log = memory.log(0);
        let own = |number| Say { origin: OWN, flags: 0, ..say(number, 1) };
        assert!(log.say(&own(1), [ORIGIN].into_iter(), 1));
        assert!(log.say(&own(2), [ORIGIN].into_iter(), 1));
        assert!(!log.say(&own(3), [ORIGIN].into_iter(), 1));
        assert_eq!(shown(&mut log), [1, 2]);
        assert_eq!(log.head(), 2);
    }

    #[test]
    fn giver_s_vector_replaces_what_was_claimed() {
        let mut memory = Memory::new();
        let mut log = memory.log(3);
        log.handle_claim(at(0), OTHER);
        log.start_handover(at(1));
        assert!(log.vector.get(ORIGIN).is_none());
        assert_eq!(log.vector.get(OTHER).unwrap().number, 0);
        log.handle_given(at(1), &TIMERS, Pair { origin: OTHER, number: 2 });
        assert_eq!(log.vector.get(OTHER).unwrap().number, 2);
        assert_eq!(shown(&mut log), []);
    }
}
