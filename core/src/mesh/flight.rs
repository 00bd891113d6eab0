//! Own messages under way: each goes to every member once, and to a few of them until they acknowledge it
//! (docs/mesh-protocol.md section 9.1, "Saying").

use super::PeerId;
use super::config::Timers;
use crate::limits::{MESH_ACKNOWLEDGERS_MAX, MESH_SAY_REPETITIONS};
use crate::time::Instant;

/// How much longer the pause is when nobody else is left to acknowledge a message.
const SILENT_PAUSES: u32 = 10;

/// One own message under way.
#[derive(Debug, Clone, Copy)]
pub struct Flight {
    /// Its number; 0 if the flight is unused.
    number: u32,
    /// Where it stands in the ring.
    position: u64,
    /// Behind which member the next that gets it stands; `None` when all have got it.
    after: Option<PeerId>,
    /// Who acknowledges it.
    acknowledgers: [Acknowledger; MESH_ACKNOWLEDGERS_MAX],
}

/// One that acknowledges a message.
#[derive(Debug, Clone, Copy)]
struct Acknowledger {
    /// Who; 0 if nobody (any more) is waited for.
    id: PeerId,
    /// How often the message was repeated to it.
    repetitions: u8,
    /// Whether it has been sent there at all.
    is_sent: bool,
    /// When it is repeated next, once it has been sent.
    next_at: Instant,
}

impl Acknowledger {
    /// Nobody.
    const NOBODY: Self = Self { id: PeerId::ZERO, repetitions: 0, is_sent: false, next_at: Instant::from_millis(0) };
}

impl Flight {
    /// An unused flight, for static storage.
    pub const EMPTY: Self =
        Self { number: 0, position: 0, after: None, acknowledgers: [Acknowledger::NOBODY; MESH_ACKNOWLEDGERS_MAX] };

    /// Whether it is used.
    const fn is_used(&self) -> bool {
        self.number != 0
    }
}

/// All own messages under way.
#[derive(Debug)]
pub(super) struct Flights<'s>(&'s mut [Flight]);

/// How a flight ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landing {
    /// All that acknowledge the message of this number have it.
    Confirmed(u32),
    /// The message of this number was overwritten before.
    Overwritten(u32),
}

impl<'s> Flights<'s> {
    /// None yet.
    pub(super) fn new(slots: &'s mut [Flight]) -> Self {
        slots.fill(Flight::EMPTY);
        Self(slots)
    }

    /// Whether another message may be under way.
    pub(super) fn has_room(&self) -> bool {
        self.0.iter().any(|flight| !flight.is_used())
    }

    /// Where the oldest message under way stands.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.0.iter().filter(|flight| flight.is_used()).map(|flight| flight.position).min()
    }

    /// A message is under way; of `members`, so many in all, up to eight acknowledge it, in turn.
    pub(super) fn start(
        &mut self,
        number: u32,
        position: u64,
        members: impl Iterator<Item = PeerId> + Clone,
        count: usize,
    ) {
        let Some(flight) = self.0.iter_mut().find(|flight| !flight.is_used()) else { return };
        *flight = Flight { number, position, after: Some(PeerId::ZERO), ..Flight::EMPTY };
        let turn = number as usize * MESH_ACKNOWLEDGERS_MAX;
        let in_turn = members.cycle().skip(turn.checked_rem(count).unwrap_or(0)).take(count);
        for (acknowledger, id) in flight.acknowledgers.iter_mut().zip(in_turn) {
            acknowledger.id = id;
        }
    }

    /// The oldest message that has not gone to all: its place, and behind which member the next stands.
    pub(super) fn fan_out(&self) -> Option<(usize, PeerId)> {
        let flights = self.0.iter().enumerate().filter(|(_, flight)| flight.is_used());
        let unsent = flights.filter_map(|(index, flight)| Some((flight.number, index, flight.after?)));
        unsent.min().map(|(_, index, after)| (index, after))
    }

    /// The message at this place goes to a member now, or to nobody more. Gives its position and whether the member is to
    /// acknowledge it.
    pub(super) fn handle_fanned(
        &mut self,
        now: Instant,
        timers: &Timers,
        index: usize,
        to: Option<PeerId>,
    ) -> Option<(u64, bool)> {
        let flight = self.0.get_mut(index)?;
        flight.after = to;
        let to = to?;
        let acknowledger = flight.acknowledgers.iter_mut().find(|acknowledger| acknowledger.id == to);
        let is_acknowledger = acknowledger.is_some();
        if let Some(acknowledger) = acknowledger {
            (acknowledger.is_sent, acknowledger.next_at) = (true, now + timers.resend_pause);
        }
        Some((flight.position, is_acknowledger))
    }

    /// A member has all messages up to `number`.
    pub(super) fn handle_took(&mut self, from: PeerId, number: u32) {
        for flight in self.0.iter_mut().filter(|flight| flight.is_used() && flight.number <= number) {
            flight.release(from);
        }
    }

    /// Of those who are waited for, keeps whoever `is_member`.
    pub(super) fn retain(&mut self, is_member: impl Fn(PeerId) -> bool) {
        for flight in self.0.iter_mut().filter(|flight| flight.is_used()) {
            for acknowledger in flight.acknowledgers.iter_mut().filter(|acknowledger| acknowledger.id != PeerId::ZERO) {
                if !is_member(acknowledger.id) {
                    *acknowledger = Acknowledger::NOBODY;
                }
            }
        }
    }

    /// A message that is to be repeated, and to whom; counts as repeated. Who has not acknowledged it after five repetitions is
    /// replaced by one of `members` that does not acknowledge it, if there is one.
    pub(super) fn repeat(
        &mut self,
        now: Instant,
        timers: &Timers,
        members: &(impl Iterator<Item = PeerId> + Clone),
    ) -> Option<(u64, PeerId)> {
        for flight in self.0.iter_mut().filter(|flight| flight.is_used()) {
            let is_due = |acknowledger: &Acknowledger| {
                acknowledger.id != PeerId::ZERO && acknowledger.is_sent && acknowledger.next_at <= now
            };
            let Some(index) = flight.acknowledgers.iter().position(is_due) else { continue };
            let mut pause = timers.resend_pause;
            if flight.acknowledgers[index].repetitions >= MESH_SAY_REPETITIONS {
                let mut others = members.clone().filter(|&id| flight.acknowledgers.iter().all(|known| known.id != id));
                match others.next() {
                    Some(id) => flight.acknowledgers[index] = Acknowledger { id, ..Acknowledger::NOBODY },
                    // Nobody else is left, and this one is silent: until it is declared dead, it is asked more rarely.
                    None => pause *= SILENT_PAUSES,
                }
            }
            let acknowledger = &mut flight.acknowledgers[index];
            acknowledger.repetitions = acknowledger.repetitions.saturating_add(1);
            (acknowledger.is_sent, acknowledger.next_at) = (true, now + pause);
            return Some((flight.position, acknowledger.id));
        }
        None
    }

    /// A message that is no longer under way, the oldest first: acknowledged by all, or no longer in the ring.
    pub(super) fn land(&mut self, is_kept: impl Fn(u64) -> bool) -> Option<Landing> {
        let is_over = |flight: &&mut Flight| {
            flight.is_used()
                && (!is_kept(flight.position)
                    || (flight.after.is_none() && flight.acknowledgers.iter().all(|known| known.id == PeerId::ZERO)))
        };
        let flight = self.0.iter_mut().filter(is_over).min_by_key(|flight| flight.number)?;
        let (number, position) = (flight.number, flight.position);
        *flight = Flight::EMPTY;
        Some(if is_kept(position) { Landing::Confirmed(number) } else { Landing::Overwritten(number) })
    }

    /// Deadlines start anew.
    pub(super) fn restart(&mut self, now: Instant) {
        for acknowledger in self.0.iter_mut().flat_map(|flight| &mut flight.acknowledgers) {
            (acknowledger.repetitions, acknowledger.next_at) = (0, now);
        }
    }

    /// When something is due next.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let waited_for = self.0.iter().filter(|flight| flight.is_used()).flat_map(|flight| &flight.acknowledgers);
        waited_for.filter(|known| known.id != PeerId::ZERO && known.is_sent).map(|known| known.next_at).min()
    }

    /// How many messages are under way.
    pub(super) fn count(&self) -> usize {
        self.0.iter().filter(|flight| flight.is_used()).count()
    }
}

impl Flight {
    /// Somebody is no longer waited for.
    fn release(&mut self, id: PeerId) {
        for acknowledger in self.acknowledgers.iter_mut().filter(|acknowledger| acknowledger.id == id) {
            *acknowledger = Acknowledger::NOBODY;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const TIMERS: Timers = Timers::DEFAULT;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn members(count: u64) -> impl Iterator<Item = PeerId> + Clone {
        (1..=count).map(PeerId)
    }

    /// Sends all that is due to all of so many members at 0; gives those who are to acknowledge.
    fn fan_out(flights: &mut Flights<'_>, count: u64) -> Vec<(u64, u64)> {
        let mut acknowledgers = Vec::new();
        while let Some((index, after)) = flights.fan_out() {
            let next = members(count).find(|&id| id > after);
            if let Some((position, true)) = flights.handle_fanned(at(0), &TIMERS, index, next) {
                acknowledgers.push((position, next.unwrap().0));
            }
        }
        acknowledgers
    }

    #[test]
    fn all_acknowledge_in_a_small_room_and_then_it_is_confirmed() {
        let mut slots = [Flight::EMPTY; 2];
        let mut flights = Flights::new(&mut slots);
        flights.start(1, 100, members(3), 3);
        assert_eq!(fan_out(&mut flights, 3).len(), 3);
        for id in 1..=3 {
            assert_eq!(flights.land(|_| true), None);
            flights.handle_took(PeerId(id), 1);
        }
        assert_eq!(flights.land(|_| true), Some(Landing::Confirmed(1)));
        assert_eq!(flights.due_at(), None);
    }

    #[test]
    fn eight_of_twenty_acknowledge_and_they_take_turns() {
        let mut slots = [Flight::EMPTY; 2];
        let mut flights = Flights::new(&mut slots);
        flights.start(1, 100, members(20), 20);
        flights.start(2, 200, members(20), 20);
        let acknowledgers = fan_out(&mut flights, 20);
        let of = |position| -> Vec<u64> {
            acknowledgers.iter().filter(|(at, _)| *at == position).map(|(_, id)| *id).collect()
        };
        assert_eq!(of(100), [9, 10, 11, 12, 13, 14, 15, 16]);
        assert_eq!(of(200), [1, 2, 3, 4, 17, 18, 19, 20]);
    }

    #[test]
    fn who_does_not_acknowledge_after_five_repetitions_is_replaced() {
        let mut slots = [Flight::EMPTY; 1];
        let mut flights = Flights::new(&mut slots);
        flights.start(1, 100, members(1), 1);
        fan_out(&mut flights, 2);
        for repetition in 1..=5 {
            assert_eq!(flights.repeat(at(repetition * 300 - 1), &TIMERS, &members(2)), None);
            assert_eq!(flights.repeat(at(repetition * 300), &TIMERS, &members(2)), Some((100, PeerId(1))));
        }
        assert_eq!(flights.repeat(at(1_800), &TIMERS, &members(2)), Some((100, PeerId(2))));
        flights.handle_took(PeerId(2), 1);
        assert_eq!(flights.land(|_| true), Some(Landing::Confirmed(1)));
    }

    #[test]
    fn the_only_member_is_repeated_to_more_rarely_until_it_is_gone() {
        let mut slots = [Flight::EMPTY; 1];
        let mut flights = Flights::new(&mut slots);
        flights.start(1, 100, members(1), 1);
        fan_out(&mut flights, 1);
        let mut times = Vec::new();
        for millis in 0..9_000 {
            if let Some(repeated) = flights.repeat(at(millis), &TIMERS, &members(1)) {
                assert_eq!(repeated, (100, PeerId(1)));
                times.push(millis);
            }
        }
        assert_eq!(times, [300, 600, 900, 1_200, 1_500, 1_800, 4_800, 7_800]);
        flights.retain(|_| false);
        assert_eq!(flights.land(|_| true), Some(Landing::Confirmed(1)));
    }

    #[test]
    fn message_that_was_overwritten_is_not_confirmed() {
        let mut slots = [Flight::EMPTY; 1];
        let mut flights = Flights::new(&mut slots);
        flights.start(1, 100, members(1), 1);
        assert!(!flights.has_room());
        assert_eq!(flights.land(|_| false), Some(Landing::Overwritten(1)));
        assert!(flights.has_room());
    }
}
