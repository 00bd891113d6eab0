//! Newcomers: several at once, under one name, again after a crash, while others speak, or under attack.

use super::{Draw, PORT, name};
use crate::scenario::{Action, Attack};

impl Draw {
    /// Many claim one name within a moment.
    pub(super) fn race(&mut self) -> (usize, u64) {
        let (members, claimants) = (self.between(1, 4), self.between(2, 10));
        let (members, claimants) =
            (usize::try_from(members).expect("small"), usize::try_from(claimants).expect("small"));
        let at_ms = self.group(members) + 5_000;
        let width_ms = self.one(&[0, 10, 100, 1_000]);
        for slot in members..members + claimants {
            let (at_ms, name) = (at_ms + self.between(0, width_ms), self.one(&["zoe", "Zoe", "ZOE"]));
            self.start(at_ms, slot, name.to_owned());
        }
        (members + claimants, at_ms + 30_000)
    }

    /// A peer crashes and is started again.
    pub(super) fn restart(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 8)).expect("it is small");
        let at_ms = self.group(count) + 8_000;
        let slot = self.slot(count);
        self.at(at_ms, Action::Crash(slot));
        let (pause_ms, same) = (self.one(&[0, 50, 1_000, 4_000, 6_000]), self.percent(50));
        self.start_at(at_ms + pause_ms, slot, name(slot), if same { PORT } else { 40_001 });
        (count, at_ms + 25_000)
    }

    /// Newcomers while others speak.
    pub(super) fn hand_over(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 6)).expect("it is small");
        let newcomers = usize::try_from(self.between(1, 3)).expect("it is small");
        let at_ms = self.group(count);
        let says = self.between(5, 60);
        self.says(count, says, at_ms - 2_000, at_ms + 6_000);
        for slot in count..count + newcomers {
            let at_ms = at_ms + self.between(0, 4_000);
            self.start(at_ms, slot, name(slot));
        }
        if self.percent(20) {
            let (at_ms, slot) = (at_ms + self.between(0, 4_000), self.slot(count));
            self.at(at_ms, Action::Crash(slot));
        }
        (count + newcomers, at_ms + 15_000)
    }

    /// A group under attack, into which somebody joins.
    pub(super) fn hostile(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 6)).expect("it is small");
        let at_ms = self.group(count);
        self.start(at_ms + 1_000, count, name(count));
        self.says(count, 10, at_ms, at_ms + 10_000);
        for _ in 0..self.between(3, 12) {
            let (at_ms, attack, slot) = (at_ms + self.between(0, 10_000), self.one(&Attack::ALL), self.slot(count + 1));
            self.at(at_ms, Action::Attack(attack, slot));
        }
        (count + 1, at_ms + 25_000)
    }

    /// Peers that start together where nobody is.
    pub(super) fn founders(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 6)).expect("it is small");
        let width_ms = self.one(&[0, 50, 500, 3_000]);
        for slot in 0..count {
            let at_ms = self.between(0, width_ms);
            self.start(at_ms, slot, name(slot));
        }
        (count, 25_000)
    }
}
