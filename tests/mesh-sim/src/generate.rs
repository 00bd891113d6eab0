//! Scenarios drawn from a seed. This file has what all kinds are made of; each family of kinds has a file of its own.

mod directed;
mod everything;
mod groups;
mod hosts;
mod joining;

use crate::network::{Link, Slot, mix};
use crate::scenario::{Action, Scenario, Start, Step};
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
    /// The oldest members go while they hand over, and the others have not heard the same.
    Givers,
    /// Datagrams come again much later to newcomers who claim one name anew.
    Stale,
    /// Each link carries datagrams of another length.
    Mtu,
}

/// Every kind and its word on the command line.
pub const KINDS: [(Kind, &str); 15] = [
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
    (Kind::Givers, "givers"),
    (Kind::Stale, "stale"),
    (Kind::Mtu, "mtu"),
];

/// The port of the mesh.
pub const PORT: u16 = 9_292;

/// How long after the last fault all must be equal, in milliseconds.
const REST_MS: u64 = 15_000;

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
    match kind {
        Kind::Steady => link = Link { delay_ms: 1, spread_ms: 10, jitter_ms: 10, loss: 300, duplicates: 10 },
        // So some lack what others have heard.
        Kind::Givers => link.loss = link.loss.max(100),
        // An answer must not be faster than what comes again.
        Kind::Stale => (link.delay_ms, link.spread_ms) = (20, 60),
        _ => {}
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
        Kind::Givers => draw.givers(),
        Kind::Stale => draw.stale(),
        Kind::Mtu => draw.mtu(),
    };
    let mut scenario = Scenario { seed, slots, link, steps: draw.steps, calm_ms, rest_ms: REST_MS, unique: false };
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

    /// A link is cut for a while, in one direction or both.
    fn cut(&mut self, at_ms: u64, span_ms: u64, from: Slot, to: Slot, both: bool) {
        self.at(at_ms, Action::Cut(from, to));
        self.at(at_ms + span_ms, Action::Mend(from, to));
        if both {
            self.at(at_ms, Action::Cut(to, from));
            self.at(at_ms + span_ms, Action::Mend(to, from));
        }
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
}
