//! One run: the virtual clock, the peers on their hosts, and the network between them. It ends at the first rule that is broken.

mod act;

use crate::arena::Room;
use crate::check::Checks;
use crate::network::{Flight, Network, Slot, mix};
use crate::node::{self, Node, SOCKET_DATAGRAMS_MAX, host};
use crate::promise::Promises;
use crate::rest;
use crate::scenario::{Action, Scenario};
use crate::tally::Tally;
use crate::trace::Trace;
use crate::violation::{Checked, check};
use chat_core::mesh::{Arrival, Output, Phase, Target};
use std::collections::BTreeSet;

/// Lateness from which on a peer has slept.
const SLEPT_MS: u64 = 2_000;

/// How much longer than planned a run may take until everybody has been admitted or refused.
const DECISION_MS: u64 = 45_000;

/// Everything of one run.
pub struct World<'s> {
    /// What is to happen.
    scenario: &'s Scenario,
    /// The time.
    pub now_ms: u64,
    /// The network.
    network: Network,
    /// The running peer of each host.
    pub nodes: Vec<Option<Node<'s>>>,
    /// Which hosts have a peer that hears multicasts.
    hears: Vec<bool>,
    /// How far the wall clock of each host is off.
    shifts: Vec<i64>,
    /// When which peer is to be called: time, host, generation.
    timers: BTreeSet<(u64, Slot, u64)>,
    /// Memory for the peers that still start.
    rooms: std::slice::IterMut<'s, Room>,
    /// What is checked.
    pub checks: Checks,
    /// Where the run is written to.
    trace: Trace,
    /// The next step of the scenario.
    next_step: usize,
    /// Texts said so far.
    says: u64,
}

impl<'s> World<'s> {
    /// Nothing has happened yet. `rooms` has one for each start.
    pub fn new(scenario: &'s Scenario, rooms: &'s mut [Room], trace: Trace) -> Self {
        let mut network = Network::new(scenario.seed, scenario.link);
        if scenario.steps.iter().any(|step| matches!(step.action, Action::Again(..))) {
            network.keep();
        }
        let checks = Checks::new(scenario.slots, Promises::of(scenario));
        Self {
            scenario,
            now_ms: 0,
            network,
            nodes: (0..scenario.slots).map(|_| None).collect(),
            hears: vec![false; scenario.slots],
            shifts: vec![0; scenario.slots],
            timers: BTreeSet::new(),
            rooms: rooms.iter_mut(),
            checks,
            trace,
            next_step: 0,
            says: 0,
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// The first rule that was broken.
    pub fn run(&mut self) -> Result<Tally, crate::violation::Violation> {
        let calm_ms = self.scenario.calm_from_ms();
        self.run_until(calm_ms)?;
        self.network.mend_all();
        self.mended();
        self.network.link.loss = 0;
        self.network.link.duplicates = 0;
        let rest_ms = calm_ms + self.scenario.rest_ms;
        self.run_until(rest_ms)?;
        while self.is_undecided() && self.now_ms < rest_ms + DECISION_MS {
            self.run_until(self.now_ms + 1_000)?;
        }
        // What was decided last has to get about.
        if self.now_ms > rest_ms {
            self.run_until(self.now_ms + self.scenario.rest_ms)?;
        }
        let sent: u64 = self.checks.runs().map(|watch| watch.sent_bytes).sum();
        let from_ms = self.now_ms;
        self.run_until(from_ms + 5_000)?;
        let nodes: Vec<&Node<'_>> = self.nodes.iter().flatten().collect();
        let bytes = self.checks.runs().map(|watch| watch.sent_bytes).sum::<u64>() - sent;
        self.checks.tally.rest_bytes = bytes / 5 / nodes.len().max(1) as u64;
        rest::check_all(self.scenario, self.now_ms, &nodes, &mut self.checks)?;
        for slot in 0..self.nodes.len() {
            self.checks.ends(self.now_ms, slot);
        }
        Ok(self.checks.tally.clone())
    }

    /// Whether somebody is neither admitted nor refused.
    fn is_undecided(&self) -> bool {
        self.nodes.iter().flatten().any(|node| !matches!(node.peer.phase(), Phase::Member | Phase::Ended))
    }

    /// Lets everything happen up to this time.
    ///
    /// # Errors
    /// The first rule that was broken.
    pub fn run_until(&mut self, until_ms: u64) -> Checked {
        loop {
            let step_ms = self.scenario.steps.get(self.next_step).map(|step| step.at_ms);
            let timer_ms = self.timers.first().map(|(at_ms, ..)| *at_ms);
            let times = [step_ms, timer_ms, self.network.next_ms()];
            let Some(at_ms) = times.into_iter().flatten().min().filter(|&at_ms| at_ms <= until_ms) else { break };
            if at_ms / 1_000 > self.now_ms / 1_000 {
                self.checks.deaths_are_known(at_ms)?;
            }
            self.now_ms = self.now_ms.max(at_ms);
            if step_ms == Some(at_ms) {
                self.next_step += 1;
                self.act(&self.scenario.steps[self.next_step - 1].action)?;
            } else if self.network.next_ms() == Some(at_ms) {
                let flight = self.network.take().expect("there is one");
                self.arrives(flight)?;
            } else {
                let (_, slot, generation) = self.timers.pop_first().expect("there is one");
                self.fires(slot, generation)?;
            }
        }
        self.now_ms = until_ms;
        Ok(())
    }

    /// A datagram arrives at a host.
    fn arrives(&mut self, flight: Flight) -> Checked {
        let now_ms = self.now_ms;
        let Some(node) = self.nodes.get_mut(flight.to).and_then(Option::as_mut) else { return Ok(()) };
        let heard = flight.at.map_or(node.discovery, |at| at == node.address);
        if !heard {
            return Ok(());
        }
        if node.asleep_until > now_ms {
            if node.buffered.len() < SOCKET_DATAGRAMS_MAX {
                node.buffered.push(flight);
            }
            return Ok(());
        }
        self.handle(&flight)
    }

    /// The peer of a host takes a datagram.
    fn handle(&mut self, flight: &Flight) -> Checked {
        let (now_ms, slot) = (self.now_ms, flight.to);
        let Some(node) = &mut self.nodes[slot] else { return Ok(()) };
        let index = self.checks.running[slot].expect("it runs");
        self.trace.datagram(now_ms, "<-", slot, Some(flight.source), &flight.bytes);
        self.checks.watches[index].came(now_ms, flight.source, &flight.bytes);
        let arrival = if flight.at.is_some() { Arrival::Unicast } else { Arrival::Multicast };
        let now = node.instant(now_ms);
        node.peer.handle_datagram(now, flight.source, arrival, &flight.bytes);
        self.drain(slot)
    }

    /// The timer of a peer fires, if it is that of the peer that runs there, and its host is awake.
    fn fires(&mut self, slot: Slot, generation: u64) -> Checked {
        let now_ms = self.now_ms;
        let Some(node) = self.nodes[slot].as_mut().filter(|node| node.generation == generation) else { return Ok(()) };
        node.called_ms = None;
        if node.asleep_until > now_ms {
            let until_ms = node.asleep_until;
            schedule(&mut self.timers, node, until_ms);
            return Ok(());
        }
        let Some(due_ms) = node.timeout_ms() else { return Ok(()) };
        if due_ms > now_ms {
            // It was put off meanwhile.
            schedule(&mut self.timers, node, due_ms);
            return Ok(());
        }
        let buffered = std::mem::take(&mut node.buffered);
        let woke_late = now_ms > due_ms + SLEPT_MS;
        let index = self.checks.running[slot].expect("it runs");
        if woke_late {
            self.checks.watches[index].woke_ms = Some(now_ms);
        }
        // What waited in the socket is read before the timer or behind it, as the driver comes to it.
        let read_first = mix(self.scenario.seed, now_ms).is_multiple_of(2);
        if read_first {
            buffered.iter().try_for_each(|flight| self.handle(flight))?;
        }
        self.fire(slot)?;
        if !read_first {
            buffered.iter().try_for_each(|flight| self.handle(flight))?;
        }
        Ok(())
    }

    /// Calls a peer whose time has come.
    fn fire(&mut self, slot: Slot) -> Checked {
        let now_ms = self.now_ms;
        let Some(node) = &mut self.nodes[slot] else { return Ok(()) };
        let now = node.instant(now_ms);
        node.peer.handle_timeout(now);
        self.drain(slot)?;
        let Some(node) = &self.nodes[slot] else { return Ok(()) };
        let next_ms = node.timeout_ms();
        let ahead = next_ms.is_none_or(|at_ms| at_ms > now_ms);
        check("MESH-INV-8", now_ms, ahead, || format!("{slot} was called and is still due at {next_ms:?}"))
    }

    /// Takes all that a peer has to send and to tell, and checks what holds after every step.
    fn drain(&mut self, slot: Slot) -> Checked {
        let now_ms = self.now_ms;
        let Self { nodes, checks, network, trace, shifts, timers, hears, .. } = self;
        let Some(node) = nodes[slot].as_mut() else { return Ok(()) };
        let index = checks.running[slot].expect("it runs");
        let was_admitted = checks.watches[index].is_admitted();
        let (now, wall_ms) = (node.instant(now_ms), node::wall_ms(now_ms, shifts[slot]));
        let source = node.address;
        // One call gives one datagram or event; a peer owes at most a few to each of its rows.
        let mut budget = 20_000;
        while let Some(output) = node.peer.poll_output(now, Some(wall_ms)) {
            budget -= 1;
            check("MESH-INV-8", now_ms, budget > 0, || format!("{slot} does not stop sending"))?;
            match output {
                Output::Send { to: Target::Unicast(to), bytes } => {
                    trace.datagram(now_ms, "->", slot, Some(to), bytes);
                    checks.sends(now_ms, index, Some(to), bytes)?;
                    let bytes = bytes.to_vec();
                    checks.welcomes(now_ms, index, (&node.peer, now), &bytes)?;
                    if let Some((host, _)) = host(to) {
                        network.send(now_ms, slot, &Flight { source, to: host, at: Some(to), bytes });
                    }
                }
                Output::Send { to: Target::Multicast, bytes } => {
                    trace.datagram(now_ms, "->", slot, None, bytes);
                    checks.sends(now_ms, index, None, bytes)?;
                    for to in (0..hears.len()).filter(|&to| hears[to]) {
                        network.send(now_ms, slot, &Flight { source, to, at: None, bytes: bytes.to_vec() });
                    }
                }
                Output::Event(event) => {
                    trace.line(now_ms, || format!("     {slot} * {event:?}"));
                    checks.tells(now_ms, index, &event)?;
                }
            }
        }
        checks.step(now_ms, index, (&node.peer, now), was_admitted)?;
        if let Some(at_ms) = node.timeout_ms() {
            schedule(timers, node, at_ms.max(now_ms));
        }
        Ok(())
    }
}

/// Has a peer called at this time, unless it will be called before.
fn schedule(timers: &mut BTreeSet<(u64, Slot, u64)>, node: &mut Node<'_>, at_ms: u64) {
    if node.called_ms.is_none_or(|called_ms| at_ms < called_ms) {
        node.called_ms = Some(at_ms);
        timers.insert((at_ms, node.slot, node.generation));
    }
}
