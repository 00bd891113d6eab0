//! Telling everybody something, a few times over: that one leaves (three times in a second), or that one is a member now (once).

use super::PeerId;
use crate::time::Instant;
use core::time::Duration;

/// Rounds over everybody.
#[derive(Debug, Clone, Copy)]
pub(super) struct Farewell {
    /// How many rounds are to come, the one under way included.
    rounds: u8,
    /// When the round begins.
    round_at: Instant,
    /// Behind which id the next to be told stands.
    after: PeerId,
}

impl Farewell {
    /// Nothing is told.
    pub(super) const NONE: Self = Self::new(Instant::from_millis(0), 0);

    /// So many rounds, the first at once.
    pub(super) const fn new(now: Instant, rounds: u8) -> Self {
        Self { rounds, round_at: now, after: PeerId::ZERO }
    }

    /// Behind which id the next to be told stands, if it is time.
    pub(super) fn due(&self, now: Instant) -> Option<PeerId> {
        (self.rounds > 0 && self.round_at <= now).then_some(self.after)
    }

    /// The next was told; `None`: nobody is left in this round.
    pub(super) fn handle_told(&mut self, now: Instant, pause: Duration, told: Option<PeerId>) {
        match told {
            Some(told) => self.after = told,
            None => {
                (self.rounds, self.round_at, self.after) = (self.rounds.saturating_sub(1), now + pause, PeerId::ZERO);
            }
        }
    }

    /// Whether all rounds are over.
    pub(super) const fn is_over(&self) -> bool {
        self.rounds == 0
    }

    /// When the next is told.
    pub(super) fn due_at(&self) -> Option<Instant> {
        (self.rounds > 0).then_some(self.round_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_told_in_each_of_three_rounds() {
        let pause = Duration::from_millis(500);
        let mut farewell = Farewell::new(Instant::from_millis(0), 3);
        let mut told = 0;
        for millis in (0..=1_000).step_by(10).map(Instant::from_millis) {
            while let Some(after) = farewell.due(millis) {
                let next = [PeerId(4), PeerId(8)].into_iter().find(|&id| id > after);
                told += usize::from(next.is_some());
                farewell.handle_told(millis, pause, next);
            }
        }
        assert_eq!(told, 6);
        assert!(farewell.is_over());
        assert_eq!(farewell.due_at(), None);
    }
}
