//! The own claim: one ask for each row, until all have welcomed it or one has refused it (docs/mesh-protocol.md section 7.3, "Claiming").
//!
//! Whoever is held dead is asked too: its answer counts, its silence does not. An objection counts only from a row that has not
//! welcomed this incarnation.

use super::PeerId;
use super::config::Timers;
use super::random::Random;
use super::sorted::{Keyed, Sorted};
use crate::limits::{MESH_CLAIM_RETRIES, MESH_CLAIM_VIAS, MESH_DEAD_CLAIMS, MESH_UNPROVEN_CLAIMS};
use crate::refusal::RefusalReason;
use crate::time::Instant;

/// One row that is asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Whom.
    id: PeerId,
    /// When the row came into the table.
    since: Instant,
    /// When the next Claim is due.
    next_at: Instant,
    /// How many were sent.
    tries: u8,
    /// How many others the last one is still to go by.
    vias: u8,
    /// Whether the row is held dead.
    dead: bool,
    /// Whether it has welcomed this incarnation.
    welcomed: bool,
    /// Whether it has said who has the name, so that it can be reached.
    answered: bool,
    /// Whether the walk over the table has just seen it.
    seen: bool,
}

impl Ask {
    /// An unused ask, for static storage.
    pub const EMPTY: Self = Self {
        id: PeerId::ZERO,
        since: Instant::from_millis(0),
        next_at: Instant::from_millis(0),
        tries: 0,
        vias: 0,
        dead: false,
        welcomed: false,
        answered: false,
        seen: false,
    };
}

impl Keyed for Ask {
    fn id(&self) -> PeerId {
        self.id
    }
}

/// Claims the own name.
#[derive(Debug)]
pub(super) struct Claimant<'s> {
    /// Whom it asks.
    asks: Sorted<'s, Ask>,
    /// When the first Claim was due, over all retries.
    started_at: Option<Instant>,
    /// When the name was first said to be held.
    held_at: Option<Instant>,
    /// Who said so last.
    held_by: PeerId,
    /// How often the claim was made again.
    retries: u8,
}

/// A Claim that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// For whom.
    pub(super) to: PeerId,
    /// By whom it goes, if not directly.
    pub(super) via: Option<PeerId>,
    /// How many went to the row directly before.
    pub(super) tries: u8,
}

/// What an objection means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It does not count.
    Ignored,
    /// The claim goes on.
    Continue,
    /// The claim is over.
    Refused,
    /// The claim is made again after a pause.
    Retry,
    /// The claim is made again under another id.
    NewId,
}

impl<'s> Claimant<'s> {
    /// It asks nobody yet.
    pub(super) const fn new(slots: &'s mut [Ask]) -> Self {
        Self { asks: Sorted::new(slots), started_at: None, held_at: None, held_by: PeerId::ZERO, retries: 0 }
    }

    /// Begins to claim under a new incarnation: nobody has welcomed it.
    pub(super) fn start(&mut self, now: Instant) {
        self.asks.clear();
        self.started_at = self.started_at.or(Some(now));
        self.held_at = None;
    }

    /// The claim is over: what was counted is forgotten.
    pub(super) fn stop(&mut self) {
        self.asks.clear();
        (self.started_at, self.held_at, self.retries) = (None, None, 0);
    }

    /// Takes the rows of the table as they are now, by id, and whether each is held dead. Gives `false` if there was no room.
    pub(super) fn sync(&mut self, now: Instant, rows: impl Iterator<Item = (PeerId, bool)>) -> bool {
        let mut has_room = true;
        self.asks.as_mut_slice().iter_mut().for_each(|ask| ask.seen = false);
        for (id, dead) in rows {
            match self.asks.get_mut(id) {
                Some(ask) => {
                    // Whoever comes back to life is asked as if it were new.
                    if ask.dead && !dead {
                        (ask.since, ask.tries) = (now, 0);
                    }
                    (ask.dead, ask.seen) = (dead, true);
                }
                None => {
                    let ask = Ask { id, since: now, next_at: now, dead, seen: true, ..Ask::EMPTY };
                    has_room &= self.asks.insert(ask).is_ok();
                }
            }
        }
        while let Some(gone) = self.asks.as_slice().iter().find(|ask| !ask.seen).map(|ask| ask.id) {
            self.asks.remove(gone);
        }
        has_room
    }

    /// A Claim that is due; it counts as sent. Work: one pass over the asks.
    pub(super) fn due(&mut self, now: Instant, timers: &Timers) -> Option<Due> {
        let is_due = |ask: &Ask| !ask.welcomed && (ask.vias > 0 || (ask.next_at <= now && ask.may_try()));
        let index = self.asks.as_slice().iter().position(is_due)?;
        let ask = &mut self.asks.as_mut_slice()[index];
        let to = ask.id;
        if ask.vias > 0 {
            ask.vias -= 1;
            let tries = ask.tries;
            let turn = usize::from(tries) * usize::from(MESH_CLAIM_VIAS) + usize::from(ask.vias);
            return match self.witness(to, turn) {
                Some(via) => Some(Due { to, via: Some(via), tries }),
                // Nobody has answered the claim yet: what is due directly comes first.
                None => {
                    self.asks.as_mut_slice()[index].vias = 0;
                    self.due(now, timers)
                }
            };
        }
        let tries = ask.tries;
        ask.tries = tries.saturating_add(1);
        ask.next_at = now + timers.claim_pause;
        ask.vias = if now - ask.since >= timers.claim_via_after { MESH_CLAIM_VIAS } else { 0 };
        Some(Due { to, via: None, tries })
    }

    /// One of those that have answered the claim, but for who is asked.
    fn witness(&self, to: PeerId, turn: usize) -> Option<PeerId> {
        let has_answered = |ask: &&Ask| (ask.welcomed || ask.answered) && !ask.dead && ask.id != to;
        let answered = || self.asks.as_slice().iter().filter(has_answered);
        let count = answered().count();
        answered().nth(turn.checked_rem(count)?).map(|ask| ask.id)
    }

    /// A row welcomes this incarnation. Gives `false` if it was not asked or has done so before.
    pub(super) fn handle_welcome(&mut self, id: PeerId) -> bool {
        match self.asks.get_mut(id) {
            Some(ask) if !ask.welcomed && ask.tries > 0 => {
                (ask.welcomed, ask.vias) = (true, 0);
                true
            }
            _ => false,
        }
    }

    /// A row has shown that what is sent to it arrives: the Claim that it lacks is due.
    pub(super) fn handle_reached(&mut self, now: Instant, id: PeerId) {
        if let Some(ask) =
            self.asks.get_mut(id).filter(|ask| !ask.welcomed && !ask.dead && ask.tries > MESH_UNPROVEN_CLAIMS)
        {
            ask.next_at = ask.next_at.min(now);
        }
    }

    /// A row objects; `holder` has the name.
    pub(super) fn handle_objection(
        &mut self,
        now: Instant,
        own: PeerId,
        by: PeerId,
        reason: RefusalReason,
        holder: Option<PeerId>,
    ) -> Verdict {
        let Some(ask) = self.asks.get_mut(by).filter(|ask| !ask.welcomed && ask.tries > 0) else {
            return Verdict::Ignored;
        };
        ask.answered = true;
        match reason {
            RefusalReason::NameHeld => {
                self.held_at = self.held_at.or(Some(now));
                self.held_by = by;
                Verdict::Continue
            }
            RefusalReason::NameReserved if holder.is_some_and(|holder| own < holder) => Verdict::Continue,
            RefusalReason::NameReserved if self.retries == MESH_CLAIM_RETRIES => Verdict::Refused,
            RefusalReason::NameReserved => {
                self.retries += 1;
                Verdict::Retry
            }
            // Its newcomers prove their addresses in a moment: then it welcomes this one too.
            RefusalReason::Busy => Verdict::Continue,
            RefusalReason::IdTaken => Verdict::NewId,
            _ => Verdict::Refused,
        }
    }

    /// Why the claim has failed for want of an answer, and who is to blame.
    pub(super) fn expired(&self, now: Instant, timers: &Timers) -> Option<(RefusalReason, Option<PeerId>)> {
        if self.started_at.is_some_and(|started_at| now - started_at >= timers.join_max) {
            return Some((RefusalReason::JoinTimeout, None));
        }
        let is_held = self.held_at.is_some_and(|held_at| now - held_at >= timers.name_held_max);
        is_held.then_some((RefusalReason::NameHeld, Some(self.held_by)))
    }

    /// Whether all who are alive, one at least, have welcomed the claim, and all who are held dead had their chance.
    pub(super) fn is_admitted(&self, now: Instant) -> bool {
        let is_settled = |ask: &Ask| ask.welcomed || (ask.dead && ask.tries >= MESH_DEAD_CLAIMS && ask.next_at <= now);
        let asks = self.asks.as_slice();
        asks.iter().all(is_settled) && asks.iter().any(|ask| ask.welcomed && !ask.dead)
    }

    /// Whether nobody is left who could welcome the claim.
    pub(super) fn is_alone(&self, now: Instant) -> bool {
        self.asks.as_slice().iter().all(|ask| ask.dead && ask.tries >= MESH_DEAD_CLAIMS && ask.next_at <= now)
    }

    /// Deadlines start anew.
    pub(super) fn restart(&mut self, now: Instant) {
        self.started_at = self.started_at.map(|_| now);
        self.held_at = self.held_at.map(|_| now);
        for ask in self.asks.as_mut_slice() {
            (ask.since, ask.next_at) = (now, now);
            ask.tries = ask.tries.min(1);
        }
    }

    /// A pause before the claim is made again.
    pub(super) fn retry_at(now: Instant, timers: &Timers, random: &mut Random) -> Instant {
        now + random.between(timers.retry_min, timers.retry_max)
    }

    /// When something is due next.
    pub(super) fn due_at(&self, now: Instant, timers: &Timers) -> Option<Instant> {
        let asks = self.asks.as_slice().iter().filter(|ask| !ask.welcomed);
        let asks = asks.filter(|ask| ask.may_try() || ask.next_at > now).map(|ask| ask.next_at);
        let expiry = self.started_at.map(|started_at| started_at + timers.join_max);
        let held = self.held_at.map(|held_at| held_at + timers.name_held_max);
        asks.chain(expiry).chain(held).min()
    }
}

impl Ask {
    /// Whether another Claim may be sent to the row.
    const fn may_try(&self) -> bool {
        !self.dead || self.tries < MESH_DEAD_CLAIMS
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const TIMERS: Timers = Timers::DEFAULT;
    const OWN: PeerId = PeerId(5);
    const A: PeerId = PeerId(1);
    const B: PeerId = PeerId(9);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A claimant that has sent its first Claims to A and B; B is dead or not.
    fn claiming(asks: &mut [Ask], b_is_dead: bool) -> Claimant<'_> {
        let mut claimant = Claimant::new(asks);
        claimant.start(at(0));
        assert!(claimant.sync(at(0), [(A, false), (B, b_is_dead)].into_iter()));
        assert_eq!(drain(&mut claimant, 0), [first(A), first(B)]);
        claimant
    }

    /// The first Claim to a row.
    fn first(to: PeerId) -> Due {
        Due { to, via: None, tries: 0 }
    }

    /// Another Claim to a row.
    fn again(tries: u8, to: PeerId, via: Option<PeerId>) -> Due {
        Due { to, via, tries }
    }

    fn drain(claimant: &mut Claimant<'_>, millis: u64) -> Vec<Due> {
        core::iter::from_fn(|| claimant.due(at(millis), &TIMERS)).collect()
    }

    #[test]
    fn all_who_live_have_to_welcome_the_claim() {
        let mut asks = [Ask::EMPTY; 4];
        let mut claimant = claiming(&mut asks, false);
        assert!(claimant.handle_welcome(A));
        assert!(!claimant.handle_welcome(A));
        assert!(!claimant.is_admitted(at(1)));
        assert!(claimant.handle_welcome(B));
        assert!(claimant.is_admitted(at(1)));
        assert!(!claimant.handle_welcome(PeerId(7)));
    }

    #[test]
    fn row_that_comes_meanwhile_is_asked_too() {
        let mut asks = [Ask::EMPTY; 4];
        let mut claimant = claiming(&mut asks, false);
        claimant.handle_welcome(A);
        claimant.handle_welcome(B);
        let third = PeerId(7);
        claimant.sync(at(1), [(A, false), (third, false), (B, false)].into_iter());
        assert!(!claimant.is_admitted(at(1)));
        assert_eq!(drain(&mut claimant, 1), [first(third)]);
        claimant.sync(at(2), [(A, false), (B, false)].into_iter());
        assert!(claimant.is_admitted(at(2)));
    }

    #[test]
    fn silence_of_the_dead_does_not_count_after_five_claims() {
        let mut asks = [Ask::EMPTY; 4];
        let mut claimant = claiming(&mut asks, true);
        claimant.handle_welcome(A);
        for try_index in 1..5 {
            assert!(!claimant.is_admitted(at(try_index * 300)));
            assert_eq!(drain(&mut claimant, try_index * 300)[0], again(u8::try_from(try_index).unwrap(), B, None));
        }
        assert!(!claimant.is_admitted(at(1_499)));
        assert_eq!(claimant.due_at(at(1_499), &TIMERS), Some(at(1_500)));
        assert!(claimant.is_admitted(at(1_500)));
    }

    #[test]
    fn objection_of_the_dead_counts_and_that_of_strangers_does_not() {
        let mut asks = [Ask::EMPTY; 4];
        let mut claimant = claiming(&mut asks, true);
        let taken = RefusalReason::NameTaken;
        assert_eq!(claimant.handle_objection(at(1), OWN, PeerId(7), taken, None), Verdict::Ignored);
        assert_eq!(claimant.handle_objection(at(1), OWN, B, taken, None), Verdict::Refused);
        claimant.handle_welcome(A);
        assert_eq!(claimant.handle_objection(at(1), OWN, A, taken, None), Verdict::Ignored);
    }

    #[test]
    fn silent_row_is_asked_by_two_witnesses_after_a_second() {
        let mut asks = [Ask::EMPTY; 4];
        let mut claimant = claiming(&mut asks, false);
        assert_eq!(drain(&mut claimant, 999), [again(1, A, None), again(1, B, None)]);
        claimant.handle_welcome(A);
        assert_eq!(drain(&mut claimant, 1_300), [again(2, B, None), again(3, B, Some(A)), again(3, B, Some(A))]);
    }

    #[test]
    fn silent_rows_without_a_witness_are_asked_directly() {
        let mut asks = [Ask::EMPTY; 4];
        let mut claimant = claiming(&mut asks, false);
        assert_eq!(drain(&mut claimant, 1_300), [again(1, A, None), again(1, B, None)]);
    }

    #[test]
    fn lower_id_goes_on_past_a_reservation_and_the_higher_retries_ten_times() {
        let mut asks = [Ask::EMPTY; 4];
        let mut claimant = claiming(&mut asks, false);
        let mut objection =
            |holder| claimant.handle_objection(at(1), OWN, A, RefusalReason::NameReserved, Some(holder));
        assert_eq!(objection(PeerId(6)), Verdict::Continue);
        for _ in 0..MESH_CLAIM_RETRIES {
            assert_eq!(objection(PeerId(4)), Verdict::Retry);
        }
        assert_eq!(objection(PeerId(4)), Verdict::Refused);
    }

    #[test]
    fn held_name_is_waited_for_20_seconds_and_all_of_it_ends_after_30() {
        let mut asks = [Ask::EMPTY; 4];
        let mut claimant = claiming(&mut asks, false);
        let held = RefusalReason::NameHeld;
        assert_eq!(claimant.handle_objection(at(2_000), OWN, A, held, Some(B)), Verdict::Continue);
        assert_eq!(claimant.handle_objection(at(9_000), OWN, A, held, Some(B)), Verdict::Continue);
        assert_eq!(claimant.expired(at(21_999), &TIMERS), None);
        assert_eq!(claimant.expired(at(22_000), &TIMERS), Some((held, Some(A))));
        claimant.start(at(10_000));
        assert_eq!(claimant.expired(at(29_999), &TIMERS), None);
        assert_eq!(claimant.expired(at(30_000), &TIMERS), Some((RefusalReason::JoinTimeout, None)));
    }

    #[test]
    fn nobody_left_alive_means_alone() {
        let mut asks = [Ask::EMPTY; 4];
        let mut claimant = claiming(&mut asks, false);
        assert!(!claimant.is_alone(at(1)));
        claimant.sync(at(1), core::iter::empty());
        assert!(claimant.is_alone(at(1)));
        assert!(!claimant.is_admitted(at(1)));
    }
}
