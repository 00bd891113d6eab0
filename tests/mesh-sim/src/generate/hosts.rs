//! Hosts that move or sleep.

use super::{Draw, name};
use crate::scenario::Action;

impl Draw {
    /// A group some of whose members get other addresses, one after the other or together, while all speak.
    pub(super) fn moves(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 10)).expect("it is small");
        let (from_ms, discovery) = self.any_group(count);
        let mut until_ms = from_ms;
        for _ in 0..self.between(1, 5) {
            let at_ms = from_ms + self.one(&[0, 5_000, 5_001, 8_000, 20_000]);
            // Without multicast, the first is the only one whose address all know.
            let slot = self.slot(count).max(usize::from(!discovery));
            let action = if self.percent(50) { Action::Move(slot) } else { Action::Rebind(slot) };
            self.at(at_ms, action);
            until_ms = until_ms.max(at_ms);
        }
        self.says(count, 20, from_ms - 1_000, until_ms + 2_000);
        (count, until_ms + 2_000)
    }

    /// A group some of whose members sleep, while somebody new asks for a name of theirs.
    pub(super) fn asleep(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 8)).expect("it is small");
        let (from_ms, discovery) = self.any_group(count);
        let mut until_ms = from_ms;
        for _ in 0..self.between(1, 4) {
            let at_ms = from_ms + self.between(0, 10_000);
            let (slot, span_ms) = (self.slot(count), self.one(&[1_500, 5_000, 30_000, 90_000, 180_000]));
            self.at(at_ms, Action::Sleep(slot, span_ms));
            if self.percent(20) && (discovery || slot > 0) {
                self.at(at_ms + span_ms / 2, Action::Move(slot));
            }
            until_ms = until_ms.max(at_ms + span_ms);
        }
        if self.percent(50) {
            let (at_ms, taken) = (self.between(from_ms, until_ms), self.slot(count));
            self.start_by(discovery, at_ms, count, name(taken));
        }
        self.says(count, 20, from_ms, until_ms);
        (count + 1, until_ms)
    }
}
