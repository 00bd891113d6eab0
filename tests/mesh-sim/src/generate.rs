//! Scenarios drawn from a seed.

use crate::network::{Link, Slot, mix};
use crate::scenario::{Action, Attack, Scenario, Start, Step};
use crate::seed::Random;

/// What kind of scenarios are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// All of everything.
    Random,
    /// 2 to 10 peers claim one name at the same moment in a group of a few.
    Race,
    /// A peer crashes and starts again under its name at once.
    Restart,
    /// A peer joins while others speak.
    HandOver,
    /// Somebody who is no member does harm.
    Hostile,
    /// The network is cut in two parts, and mended.
    Parts,
    /// Several newcomers meet an empty network at once.
    Founders,
    /// 10 or 40 members for three minutes at 30% loss, with a tenth of the pairs cut in half of the cases, and a death.
    Steady,
    /// A group falls into several parts, in one direction or both, which meet again in any order.
    Split,
    /// Several groups that were founded apart are connected one after the other.
    Meet,
    /// Members change their addresses, several at once.
    Move,
    /// Members sleep, some of them for minutes.
    Asleep,
}

/// Every kind and its word on the command line.
pub const KINDS: [(Kind, &str); 12] = [
    (Kind::Random, "random"),
    (Kind::Race, "race"),
    (Kind::Restart, "restart"),
    (Kind::HandOver, "hand-over"),
    (Kind::Hostile, "hostile"),
    (Kind::Parts, "parts"),
    (Kind::Founders, "founders"),
    (Kind::Steady, "steady"),
    (Kind::Split, "split"),
    (Kind::Meet, "meet"),
    (Kind::Move, "move"),
    (Kind::Asleep, "asleep"),
];

/// The port of the mesh.
pub const PORT: u16 = 9_292;

/// Names that nobody has to share.
const NAMES: [&str; 12] = ["ann", "bob", "cy", "dan", "eve", "fay", "gus", "hal", "ida", "jürgen", "Ольга", "王"];

/// The name of a host, if it need not share one.
pub fn name(slot: Slot) -> String {
    match slot / NAMES.len() {
        0 => NAMES[slot].to_owned(),
        round => format!(
            "{}{round}",
            ["ann", "bob", "cy", "dan", "eve", "fay", "gus", "hal", "ida", "joe", "kim", "lee"][slot % 12]
        ),
    }
}

/// The scenario of this kind and seed.
pub fn generate(kind: Kind, seed: u64) -> Scenario {
    let mut draw = Draw { random: Random::seeded(mix(seed, kind as u64)), steps: Vec::new() };
    let mut link = draw.link();
    if kind == Kind::Steady {
        link = Link { delay_ms: 1, spread_ms: 10, jitter_ms: 10, loss: 300, duplicates: 10 };
    }
    let (slots, calm_ms) = match kind {
        Kind::Random => draw.everything(),
        Kind::Race => draw.race(),
        Kind::Restart => draw.restart(),
        Kind::HandOver => draw.hand_over(),
        Kind::Hostile => draw.hostile(),
        Kind::Parts => draw.parts(),
        Kind::Founders => draw.founders(),
        Kind::Steady => draw.steady(),
        Kind::Split => draw.split(),
        Kind::Meet => draw.meet(),
        Kind::Move => draw.moves(),
        Kind::Asleep => draw.asleep(),
    };
    // Several groups find each other one after the other, by beacons of which each comes after 5 to 10 s.
    let rest_ms = if kind == Kind::Meet { 30_000 } else { 15_000 };
    let mut scenario = Scenario { seed, slots, link, steps: draw.steps, calm_ms, rest_ms, unique: false };
    scenario.sort();
    scenario
}

/// A scenario in the making.
struct Draw {
    /// The draws.
    random: Random,
    /// The steps so far.
    steps: Vec<Step>,
}

impl Draw {
    /// A number from the first to the last, both included.
    fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.random.word() % (last - first + 1)
    }

    /// One of these.
    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.below(of.len())]
    }

    /// True in so many of a hundred cases.
    fn percent(&mut self, percent: u64) -> bool {
        self.random.word() % 100 < percent
    }

    /// One of the hosts.
    fn slot(&mut self, slots: usize) -> Slot {
        self.random.below(slots)
    }

    /// Adds a step.
    fn at(&mut self, at_ms: u64, action: Action) {
        self.steps.push(Step { at_ms, action });
    }

    /// How the links behave.
    fn link(&mut self) -> Link {
        Link {
            delay_ms: self.one(&[0, 1, 1, 5]),
            spread_ms: self.one(&[0, 4, 20, 80]),
            jitter_ms: self.one(&[0, 2, 10, 60]),
            loss: self.one(&[0, 0, 10, 50, 100, 200, 300]),
            duplicates: self.one(&[0, 0, 10, 50]),
        }
    }

    /// A start by multicast.
    fn start(&mut self, at_ms: u64, slot: Slot, name: String) {
        self.start_at(at_ms, slot, name, PORT);
    }

    /// A start by multicast at a port of its own.
    fn start_at(&mut self, at_ms: u64, slot: Slot, name: String, port: u16) {
        let (join, denied) = (Vec::new(), Vec::new());
        self.at(at_ms, Action::Start(Start { slot, name, port, discovery: true, join, denied }));
    }

    /// Hosts 0 to `count` - 1 start one after the other, so that one group stands at the time that is returned.
    fn group(&mut self, count: usize) -> u64 {
        self.start(0, 0, name(0));
        for slot in 1..count {
            let at_ms = 4_500 + self.between(0, 200 * slot as u64);
            self.start(at_ms, slot, name(slot));
        }
        5_000 + 200 * count as u64 + self.between(2_000, 10_000)
    }

    /// Texts, here and there in a span of time.
    fn says(&mut self, slots: usize, count: u64, from_ms: u64, until_ms: u64) {
        for _ in 0..count {
            let (at_ms, slot) = (self.between(from_ms, until_ms), self.slot(slots));
            let length = if self.percent(5) { self.between(1, 1_024) } else { self.between(1, 60) };
            self.at(at_ms, Action::Say(slot, usize::try_from(length).expect("it is small")));
        }
    }

    /// All that can happen, without parts of the network that are cut off as a whole.
    fn everything(&mut self) -> (usize, u64) {
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
        match self.between(0, 11) {
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
            _ => self.says(slots, 15, at_ms, at_ms + 300),
        }
    }

    /// A link is cut for a while, in one direction or both.
    fn cut(&mut self, at_ms: u64, span_ms: u64, from: Slot, to: Slot, both: bool) {
        self.at(at_ms, Action::Cut(from, to));
        self.at(at_ms + span_ms, Action::Mend(from, to));
        if both {
            self.at(at_ms, Action::Cut(to, from));
            self.at(at_ms + span_ms, Action::Mend(to, from));
        }
    }

    /// Many claim one name within a moment.
    fn race(&mut self) -> (usize, u64) {
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
    fn restart(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 8)).expect("it is small");
        let at_ms = self.group(count) + 8_000;
        let slot = self.slot(count);
        self.at(at_ms, Action::Crash(slot));
        let (pause_ms, same) = (self.one(&[0, 50, 1_000, 4_000, 6_000]), self.percent(50));
        self.start_at(at_ms + pause_ms, slot, name(slot), if same { PORT } else { 40_001 });
        (count, at_ms + 25_000)
    }

    /// Newcomers while others speak.
    fn hand_over(&mut self) -> (usize, u64) {
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
    fn hostile(&mut self) -> (usize, u64) {
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

    /// A group whose network falls into two parts for a while, with newcomers and texts in both.
    fn parts(&mut self) -> (usize, u64) {
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

    /// Peers that start together where nobody is.
    fn founders(&mut self) -> (usize, u64) {
        let count = usize::try_from(self.between(2, 6)).expect("it is small");
        let width_ms = self.one(&[0, 50, 500, 3_000]);
        for slot in 0..count {
            let at_ms = self.between(0, width_ms);
            self.start(at_ms, slot, name(slot));
        }
        (count, 25_000)
    }

    /// A group for a while, on a bad network.
    fn steady(&mut self) -> (usize, u64) {
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

    /// A group stands at the time that is returned. Its members find others by multicast, or by the address of the first one alone:
    /// whether by multicast is returned too.
    fn any_group(&mut self, count: usize) -> (u64, bool) {
        if self.percent(70) {
            return (self.group(count), true);
        }
        for slot in 0..count {
            let at_ms = if slot == 0 { 0 } else { 4_500 + self.between(0, 200 * slot as u64) };
            self.start_by(false, at_ms, slot, name(slot));
        }
        (5_000 + 200 * count as u64 + self.between(4_000, 10_000), false)
    }

    /// A start that finds others by multicast, or by the address of the first host.
    fn start_by(&mut self, discovery: bool, at_ms: u64, slot: Slot, name: String) {
        let (join, denied) = (if discovery { Vec::new() } else { vec![0] }, Vec::new());
        self.at(at_ms, Action::Start(Start { slot, name, port: PORT, discovery, join, denied }));
    }

    /// Nothing gets from one side to the other for a while; nor back, if `both`.
    fn part(&mut self, at_ms: u64, span_ms: u64, sides: &[bool], both: bool) {
        for from in (0..sides.len()).filter(|&from| sides[from]) {
            for to in (0..sides.len()).filter(|&to| !sides[to]) {
                self.cut(at_ms, span_ms, from, to, both);
            }
        }
    }

    /// Several partitions of one group, with newcomers, texts, deaths and departures.
    fn split(&mut self) -> (usize, u64) {
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
    fn meet(&mut self) -> (usize, u64) {
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

    /// A group some of whose members get other addresses, one after the other or together, while all speak.
    fn moves(&mut self) -> (usize, u64) {
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
    fn asleep(&mut self) -> (usize, u64) {
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
