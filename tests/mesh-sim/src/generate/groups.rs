//! Groups that stand: on a bad network, parted, founded apart and connected later.

use super::{Draw, name};
use crate::network::mix;
use crate::scenario::Action;

impl Draw {
    /// A group for a while, on a bad network.
    pub(super) fn steady(&mut self) -> (usize, u64) {
        let count = self.one(&[10, 40]);
        let at_ms = self.group(count) + 10_000;
        if self.percent(50) {
            for from in 0..count {
                for to in (0..from).filter(|&to| mix(from as u64, to as u64).is_multiple_of(10)) {
                    self.cut(at_ms, 180_000, from, to, true);
                }
            }
        }
        self.says(count, 60, at_ms, at_ms + 150_000);
        let slot = 1 + self.slot(count - 1);
        self.at(at_ms + 160_000, Action::Crash(slot));
        (count, at_ms + 180_000)
    }

    /// A group whose network falls into two parts for a while, with newcomers and texts in both.
    pub(super) fn parts(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 10)).expect("it is small");
        let at_ms = self.group(count);
        let span_ms = self.one(&[3_000, 8_000, 15_000, 40_000]);
        let sides: Vec<bool> = (0..count + 2).map(|_| self.percent(50)).collect();
        for from in 0..sides.len() {
            for to in (0..sides.len()).filter(|&to| sides[to] != sides[from]) {
                self.at(at_ms, Action::Cut(from, to));
            }
        }
        for slot in count..count + 2 {
            let (at_ms, name) = (at_ms + self.between(1_000, span_ms), self.one(&["zoe", "yan"]));
            self.start(at_ms, slot, name.to_owned());
        }
        self.says(count, 20, at_ms, at_ms + span_ms);
        self.at(at_ms + span_ms, Action::MendAll);
        (count + 2, at_ms + span_ms + 30_000)
    }

    /// Several partitions of one group, with newcomers, texts, deaths and departures.
    pub(super) fn split(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 12)).expect("it is small");
        let slots = count + 2;
        let (from_ms, discovery) = self.any_group(count);
        let mut until_ms = from_ms;
        for _ in 0..self.between(1, 3) {
            let at_ms = from_ms + self.between(0, 30_000);
            let span_ms = self.one(&[1_000, 5_000, 12_000, 30_000, 90_000]);
            let sides: Vec<bool> = (0..slots).map(|_| self.percent(50)).collect();
            let both = self.percent(75);
            self.part(at_ms, span_ms, &sides, both);
            until_ms = until_ms.max(at_ms + span_ms);
        }
        for slot in count..slots {
            let (at_ms, name) = (self.between(from_ms, until_ms), self.one(&["zoe", "yan"]));
            self.start_by(discovery, at_ms, slot, name.to_owned());
        }
        self.says(slots, 20, from_ms, until_ms);
        if self.percent(30) {
            // Without multicast, the first is the only one that newcomers know.
            let (at_ms, slot) = (self.between(from_ms, until_ms), self.slot(count).max(usize::from(!discovery)));
            let action = if self.percent(50) { Action::Crash(slot) } else { Action::Leave(slot) };
            self.at(at_ms, action);
        }
        if self.percent(30) {
            let bytes = self.one(&[1_200, 1_232, 1_452]);
            self.at(0, Action::Mtu(bytes));
        }
        (slots, until_ms)
    }

    /// Groups of their own, with names of their own and some that are double, which are connected two at a time.
    pub(super) fn meet(&mut self) -> (usize, u64) {
        let groups = usize::try_from(self.between(2, 4)).expect("it is small");
        let sizes: Vec<usize> =
            (0..groups).map(|_| usize::try_from(self.between(1, 6)).expect("it is small")).collect();
        let slots = sizes.iter().sum();
        let of: Vec<usize> = sizes.iter().enumerate().flat_map(|(group, &size)| vec![group; size]).collect();
        for from in 0..slots {
            for to in (0..slots).filter(|&to| of[to] != of[from]) {
                self.at(0, Action::Cut(from, to));
            }
        }
        for slot in 0..slots {
            let at_ms = if slot > 0 && of[slot] == of[slot - 1] { 4_500 + self.between(0, 3_000) } else { 0 };
            let name = if self.percent(25) { self.one(&["ann", "ANN", "bob"]).to_owned() } else { name(slot) };
            let at_ms = at_ms + self.between(0, 200);
            self.start(at_ms, slot, name);
        }
        let says = self.between(0, 20);
        self.says(slots, says, 5_000, 25_000);
        let mut until_ms = 20_000;
        for group in 1..groups {
            // The network of this one is connected to those before.
            until_ms += self.one(&[0, 100, 4_000, 20_000]);
            for from in 0..slots {
                for to in (0..slots).filter(|&to| of[to].max(of[from]) == group && of[to] != of[from]) {
                    self.at(until_ms, Action::Mend(from, to));
                }
            }
        }
        (slots, until_ms)
    }
}
