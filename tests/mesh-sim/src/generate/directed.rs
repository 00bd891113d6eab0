//! Moments that hardly ever come by chance, and that one rule is for.

use super::{Draw, name};
use crate::scenario::Action;

impl Draw {
    /// Newcomers are handed over while all speak, and the oldest members go one after the other: the next giver has not heard the same.
    pub(super) fn givers(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(3, 6)).expect("it is small");
        let newcomers = usize::try_from(self.between(1, 3)).expect("it is small");
        let at_ms = self.group(count) + 10_000;
        for slot in count..count + newcomers {
            let at_ms = at_ms + self.between(0, 1_000);
            self.start(at_ms, slot, name(slot));
        }
        let says = self.between(20, 60);
        self.says(count, says, at_ms, at_ms + 3_000);
        let mut gone_ms = at_ms;
        for slot in 0..usize::try_from(self.between(1, 2)).expect("it is small") {
            gone_ms += self.between(50, 1_500);
            let action = if self.percent(70) { Action::Crash(slot) } else { Action::Leave(slot) };
            self.at(gone_ms, action);
        }
        (count + newcomers, at_ms + 20_000)
    }

    /// Newcomers claim one name at once, and those with the lower ids go before they are admitted: the others claim again and again, and
    /// all that has come to them so far comes again meanwhile.
    pub(super) fn stale(&mut self) -> (usize, u64) {
        let members = usize::try_from(self.between(1, 3)).expect("it is small");
        let claimants = usize::try_from(self.between(2, 3)).expect("it is small");
        let at_ms = self.group(members) + 5_000;
        let slots = members + claimants;
        for slot in members..slots {
            let at_ms = at_ms + self.between(0, 100);
            self.start(at_ms, slot, "zoe".to_owned());
        }
        for slot in members + 1..slots {
            let gone_ms = at_ms + self.between(100, 800);
            let action = if self.percent(50) { Action::Crash(slot) } else { Action::Leave(slot) };
            self.at(gone_ms, action);
        }
        for again_ms in (500..8_000).step_by(200) {
            self.at(at_ms + again_ms, Action::Again(members, again_ms));
        }
        (slots, at_ms + 25_000)
    }

    /// A group whose links carry datagrams of another length each: of 1,200 bytes all, or some only shorter ones for a while.
    pub(super) fn mtu(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 10)).expect("it is small");
        let slots = count + 2;
        let (at_ms, narrow) = (self.group(count), self.percent(50));
        for from in 0..slots {
            for to in (0..slots).filter(|&to| to != from) {
                let is_narrow = narrow && self.percent(20);
                let bytes = if is_narrow { self.between(100, 1_199) } else { self.one(&[1_200, 1_232, 1_452, 1_472]) };
                let begins_ms = if is_narrow { at_ms + self.between(0, 5_000) } else { 0 };
                self.at(begins_ms, Action::LinkMtu(from, to, usize::try_from(bytes).expect("it is small")));
            }
        }
        for slot in count..slots {
            let at_ms = at_ms + self.between(0, 10_000);
            self.start(at_ms, slot, name(slot));
        }
        for _ in 0..self.between(5, 25) {
            let (at_ms, slot, length) = (at_ms + self.between(0, 15_000), self.slot(slots), self.between(1, 1_024));
            self.at(at_ms, Action::Say(slot, usize::try_from(length).expect("it is small")));
        }
        (slots, at_ms + 20_000)
    }
}
