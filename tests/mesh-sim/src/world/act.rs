//! What the steps of a scenario do: to peers, to their hosts, to the links between them.

use super::World;
use crate::attack;
use crate::network::{Slot, mix};
use crate::node::{self, Node, Owner, address};
use crate::scenario::{Action, Attack, Start};
use crate::violation::Checked;

impl World<'_> {
    /// Does one step of the scenario.
    pub(super) fn act(&mut self, action: &Action) -> Checked {
        self.trace.line(self.now_ms, || format!("---- {action}"));
        match action {
            Action::Start(start) => return self.start(start),
            Action::Leave(slot) => return self.leave(*slot),
            Action::Say(slot, length) => return self.say(*slot, *length),
            Action::Crash(slot) => self.crash(*slot),
            Action::Attack(kind, slot) => self.attack(*kind, *slot),
            Action::Sleep(slot, span_ms) => {
                if let Some(node) = &mut self.nodes[*slot] {
                    node.asleep_until = self.now_ms + span_ms;
                }
            }
            Action::Move(slot) => {
                self.nodes[*slot].iter_mut().for_each(|node| node.address = node::moved(node.address));
            }
            Action::Rebind(slot) => {
                self.nodes[*slot].iter_mut().for_each(|node| node.address = node::rebound(node.address));
            }
            Action::Clock(slot, shift_ms) => self.shifts[*slot] += shift_ms,
            Action::Epoch(slot) => self.shifts[*slot] = node::epoch_shift(self.now_ms),
            Action::Cut(from, to) => self.cut(*from, *to),
            Action::Mend(from, to) => {
                self.network.mend(*from, *to);
                self.mended();
            }
            Action::MendAll => {
                self.network.mend_all();
                self.mended();
            }
            Action::Loss(permille) => self.network.link.loss = *permille,
            Action::Mtu(bytes) => self.network.bytes_max = *bytes,
            Action::LinkMtu(from, to, bytes) => self.network.narrow(*from, *to, *bytes),
            Action::Again(slot, span_ms) => self.network.again(self.now_ms, *slot, *span_ms),
        }
        Ok(())
    }

    /// Starts a peer, unless one runs on the host.
    fn start(&mut self, start: &Start) -> Checked {
        if self.nodes[start.slot].is_some() {
            return Ok(());
        }
        let room = self.rooms.next().expect("there is one for each start");
        let (memory, owner) = room.take(Owner::new(start));
        let generation = self.checks.watches.len() as u64;
        let node = Node::new(self.scenario.seed, self.now_ms, start, generation, owner, memory);
        let joins: Vec<_> = start.join.iter().map(|&slot| address(slot, crate::generate::PORT)).collect();
        self.checks.starts(self.now_ms, start.slot, &start.name, &node.peer, &joins);
        self.trace.name(node.peer.id(), start);
        self.nodes[start.slot] = Some(node);
        self.hears[start.slot] = start.discovery;
        self.drain(start.slot)
    }

    /// The peer of a host says something, if it is a member and may.
    fn say(&mut self, slot: Slot, length: usize) -> Checked {
        let Some(node) = &mut self.nodes[slot] else { return Ok(()) };
        self.says += 1;
        let text = node::text(slot, self.says, length);
        let (now, sent_ms) = (node.instant(self.now_ms), node::wall_ms(self.now_ms, self.shifts[slot]));
        let said = node.peer.say(now, sent_ms, self.says.is_multiple_of(7), node::checked(&text));
        self.trace.line(self.now_ms, || format!("     {slot} says {length} bytes: {said:?}"));
        self.drain(slot)
    }

    /// The peer of a host leaves.
    fn leave(&mut self, slot: Slot) -> Checked {
        let Some(node) = &mut self.nodes[slot] else { return Ok(()) };
        let now = node.instant(self.now_ms);
        node.peer.leave(now);
        let index = self.checks.running[slot].expect("it runs");
        self.checks.watches[index].leaving = true;
        self.checks.watches[index].gone_ms = Some(self.now_ms);
        self.drain(slot)
    }

    /// The peer of a host is gone without a word.
    fn crash(&mut self, slot: Slot) {
        self.checks.ends(self.now_ms, slot);
        self.nodes[slot] = None;
        self.hears[slot] = false;
    }

    /// An attacker sends to a host.
    fn attack(&mut self, kind: Attack, slot: Slot) {
        let seed = mix(self.scenario.seed, self.now_ms);
        for (at_ms, flight) in attack::flights(kind, slot, seed, &self.nodes, &self.checks) {
            self.network.send(self.now_ms + at_ms, usize::MAX, &flight);
        }
    }

    /// A link is cut.
    fn cut(&mut self, from: Slot, to: Slot) {
        self.network.cut(from, to);
        self.checks.cut_pairs.insert((from.min(to), from.max(to)));
        (self.checks.cut_ms, self.checks.mended_ms) = (self.now_ms, None);
    }

    /// Notes since when no link is cut.
    pub(super) fn mended(&mut self) {
        if !self.network.has_cuts() {
            self.checks.mended_ms.get_or_insert(self.now_ms);
        }
    }
}
