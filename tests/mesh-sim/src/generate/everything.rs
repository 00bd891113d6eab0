//! Everything that can happen, mixed by chance.

use super::{Draw, PORT, name};
use crate::scenario::{Action, Attack, Start};

impl Draw {
    /// All that can happen, parts of the network that are cut off as a whole among it.
    pub(super) fn everything(&mut self) -> (usize, u64) {
        let slots = match self.between(0, 19) {
            0 => self.between(11, 40),
            1..=4 => self.between(6, 10),
            _ => self.between(2, 5),
        };
        let slots = usize::try_from(slots).expect("it is small");
        let until_ms = self.between(10_000, 60_000);
        let at_once = self.percent(30);
        for slot in 0..slots {
            let at_ms = if at_once { self.between(0, 300) } else { self.between(0, until_ms / 2) };
            let name = if self.percent(10) { self.one(&["ann", "ANN", "bob"]).to_owned() } else { name(slot) };
            let told = self.percent(20) && slot > 0;
            let join = if told { vec![self.slot(slot)] } else { Vec::new() };
            let denied = if self.percent(3) { vec![self.one(&["cy", "dan", "ann"]).to_owned()] } else { Vec::new() };
            self.at(at_ms, Action::Start(Start { slot, name, port: PORT, discovery: true, join, denied }));
        }
        let says = self.between(0, 60);
        self.says(slots, says, 3_000, until_ms);
        for _ in 0..self.between(0, 8) {
            let at_ms = self.between(2_000, until_ms);
            self.trouble(slots, at_ms);
        }
        (slots, until_ms + 2_000)
    }

    /// One thing that goes wrong.
    fn trouble(&mut self, slots: usize, at_ms: u64) {
        let slot = self.slot(slots);
        match self.between(0, 12) {
            0..=2 => {
                self.at(at_ms, Action::Crash(slot));
                if self.percent(70) {
                    let pause_ms = self.one(&[0, 100, 2_000, 8_000]);
                    let port =
                        if self.percent(50) { PORT } else { 40_000 + u16::try_from(at_ms % 10_000).unwrap_or(0) };
                    self.start_at(at_ms + pause_ms, slot, name(slot), port);
                }
            }
            3 => {
                self.at(at_ms, Action::Leave(slot));
                if self.percent(50) {
                    let pause_ms = self.between(1_500, 4_000);
                    self.start(at_ms + pause_ms, slot, name(slot));
                }
            }
            4 | 5 => {
                let (other, span_ms) = (self.slot(slots), self.between(500, 20_000));
                let both = self.percent(50);
                if other != slot {
                    self.cut(at_ms, span_ms, slot, other, both);
                }
            }
            6 => {
                let shift_ms = self.one(&[-3_600_000, 31_536_000_000, 130_000, -5_000]);
                self.at(at_ms, Action::Clock(slot, shift_ms));
            }
            7 => self.at(at_ms, Action::Epoch(slot)),
            8 => {
                let span_ms = self.one(&[300, 1_500, 2_500, 10_000, 20_000]);
                self.at(at_ms, Action::Sleep(slot, span_ms));
            }
            9 => {
                let loss = self.one(&[0, 100, 300, 500]);
                self.at(at_ms, Action::Loss(loss));
            }
            10 => {
                let attack = self.one(&Attack::ALL);
                self.at(at_ms, Action::Attack(attack, slot));
            }
            11 => {
                let span_ms = self.one(&[1_000, 5_000, 12_000, 30_000]);
                let sides: Vec<bool> = (0..slots).map(|_| self.percent(50)).collect();
                let both = self.percent(75);
                self.part(at_ms, span_ms, &sides, both);
            }
            _ => self.says(slots, 15, at_ms, at_ms + 300),
        }
    }
}
