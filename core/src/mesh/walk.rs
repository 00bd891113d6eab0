//! Asking somebody for all pages of something, one after the other.

use super::{PeerId, config::Timers};
use crate::limits::MESH_PAGE_TRIES;
use crate::time::Instant;

/// A walk over pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// Who gives them.
    pub(super) giver: PeerId,
    /// Behind which id the next page begins.
    after: PeerId,
    /// How often that page was asked for.
    tries: u8,
    /// When it is asked for next.
    ask_at: Instant,
    /// What was counted, if nothing of the pages is taken yet.
    pub(super) count: Option<Count>,
}

/// What was counted of a table of rows: its group and the own one may be too large together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    /// How many live rows are not live here.
    pub(super) new: u16,
    /// The binary logarithm of the least capacity there.
    pub(super) capacity_log2: u8,
}

/// Where a walk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing is to be done now.
    Wait,
    /// The page behind this id is to be asked for.
    Ask(PeerId),
    /// The giver did not answer.
    Failed,
}

impl Walk {
    /// A walk whose first page is asked for at once.
    pub(super) const fn new(now: Instant, giver: PeerId) -> Self {
        Self { giver, after: PeerId::ZERO, tries: 0, ask_at: now, count: None }
    }

    /// A walk that only counts the rows of a group with this least capacity.
    pub(super) const fn counting(now: Instant, giver: PeerId, capacity_log2: u8) -> Self {
        Self { count: Some(Count { new: 0, capacity_log2 }), ..Self::new(now, giver) }
    }

    /// What is to be done; a page that is to be asked for counts as asked for.
    pub(super) fn step(&mut self, now: Instant, timers: &Timers) -> Step {
        if self.ask_at > now {
            return Step::Wait;
        }
        if self.tries == MESH_PAGE_TRIES {
            return Step::Failed;
        }
        self.tries += 1;
        self.ask_at = now + timers.page_pause;
        Step::Ask(self.after)
    }

    /// A page came. Gives `None` if it is not the one that was asked for, else whether it was the last.
    pub(super) fn handle_page(&mut self, now: Instant, giver: PeerId, after: PeerId, until: PeerId) -> Option<bool> {
        if giver != self.giver || after != self.after || until <= after {
            return None;
        }
        (self.after, self.tries, self.ask_at) = (until, 0, now);
        Some(until == PeerId::LAST)
    }

    /// Deadlines start anew.
    pub(super) fn restart(&mut self, now: Instant) {
        (self.tries, self.ask_at) = (0, now);
    }

    /// When something is due next.
    pub(super) const fn due_at(&self) -> Instant {
        self.ask_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMERS: Timers = Timers::DEFAULT;
    const GIVER: PeerId = PeerId(3);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn page_is_asked_for_five_times_and_then_the_walk_has_failed() {
        let mut walk = Walk::new(at(0), GIVER);
        for try_index in 0..5 {
            assert_eq!(walk.step(at(try_index * 300), &TIMERS), Step::Ask(PeerId::ZERO));
            assert_eq!(walk.step(at(try_index * 300 + 299), &TIMERS), Step::Wait);
        }
        assert_eq!(walk.step(at(1_500), &TIMERS), Step::Failed);
    }

    #[test]
    fn next_page_is_asked_for_at_once_and_others_are_ignored() {
        let mut walk = Walk::new(at(0), GIVER);
        walk.step(at(0), &TIMERS);
        assert_eq!(walk.handle_page(at(5), PeerId(4), PeerId::ZERO, PeerId(9)), None);
        assert_eq!(walk.handle_page(at(5), GIVER, PeerId(1), PeerId(9)), None);
        assert_eq!(walk.handle_page(at(5), GIVER, PeerId::ZERO, PeerId(9)), Some(false));
        assert_eq!(walk.handle_page(at(5), GIVER, PeerId::ZERO, PeerId(9)), None);
        assert_eq!(walk.step(at(5), &TIMERS), Step::Ask(PeerId(9)));
        assert_eq!(walk.handle_page(at(6), GIVER, PeerId(9), PeerId::LAST), Some(true));
    }
}
