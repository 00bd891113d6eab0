//! The invariants of docs/mesh-protocol.md, checked after every step of a peer against what the simulator saw of it from outside. This file
//! has what is remembered and when it is checked; each machine's rules have a file of their own.

mod admission;
mod log;
mod membership;

pub use log::Said;

use crate::network::Slot;
use crate::promise::Promises;
use crate::tally::Tally;
use crate::violation::{Checked, check};
use crate::watch::{Seen, Watch};
use crate::wire;
use chat_core::mesh::{Event, Item, Peer, PeerId, State};
use chat_core::time::Instant;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

/// What is checked, and what has to be remembered for it.
#[derive(Debug)]
pub struct Checks {
    /// Every peer that ever started, by its generation.
    pub watches: Vec<Watch>,
    /// Which of them run, by host.
    pub running: Vec<Option<usize>>,
    /// All that was said.
    pub said: HashMap<(PeerId, u32), Said>,
    /// The highest incarnation that each id has had itself.
    incarnations: HashMap<PeerId, u32>,
    /// When peers ended, by id.
    ended: HashMap<PeerId, u64>,
    /// Which of the tally's deaths is that of this peer.
    deaths: HashMap<PeerId, usize>,
    /// When a group was founded first.
    founded_ms: Option<u64>,
    /// When a running peer was last held dead by somebody.
    held_dead_ms: Option<u64>,
    /// What may be asked for.
    pub promises: Promises,
    /// Pairs of hosts, the lower first, between which a link was ever cut.
    pub cut_pairs: HashSet<(Slot, Slot)>,
    /// When a link was cut last.
    pub cut_ms: u64,
    /// Since when no link is cut any more.
    pub mended_ms: Option<u64>,
    /// Times and counts.
    pub tally: Tally,
}

impl Checks {
    /// Nothing was seen yet.
    pub fn new(slots: usize, promises: Promises) -> Self {
        Self {
            watches: Vec::new(),
            running: vec![None; slots],
            said: HashMap::new(),
            incarnations: HashMap::new(),
            ended: HashMap::new(),
            deaths: HashMap::new(),
            founded_ms: None,
            held_dead_ms: None,
            promises,
            cut_pairs: HashSet::new(),
            cut_ms: 0,
            mended_ms: None,
            tally: Tally::default(),
        }
    }

    /// A peer starts.
    pub fn starts(&mut self, now_ms: u64, slot: Slot, name: &str, peer: &Peer<'_>, joins: &[SocketAddr]) {
        self.running[slot] = Some(self.watches.len());
        self.watches.push(Watch::new(peer.id(), slot, name, now_ms, joins));
        self.incarnations.insert(peer.id(), peer.incarnation());
    }

    /// The peer of a host is gone.
    pub fn ends(&mut self, now_ms: u64, slot: Slot) {
        if let Some(index) = self.running[slot].take() {
            let watch = &self.watches[index];
            self.ended.insert(watch.id, now_ms);
            self.watches[index].gone_ms.get_or_insert(now_ms);
            let watch = &self.watches[index];
            if let Some(admitted_ms) = watch.admitted_ms {
                self.tally.member_ms += now_ms - admitted_ms;
            }
        }
    }

    /// The running peers.
    pub fn runs(&self) -> impl Iterator<Item = &Watch> {
        self.running.iter().flatten().map(|&index| &self.watches[index])
    }

    /// A peer sends a datagram.
    ///
    /// # Errors
    /// Invariants 3, 7 and 8.
    pub fn sends(&mut self, now_ms: u64, index: usize, to: Option<SocketAddr>, bytes: &[u8]) -> Checked {
        let watch = &mut self.watches[index];
        let slot = watch.slot;
        check("MESH-INV-8", now_ms, bytes.len() <= 1_200, || format!("{slot} sends {} bytes", bytes.len()))?;
        if !watch.is_admitted() {
            let says = wire::items(bytes).iter().any(|item| matches!(item, Item::Say(_)));
            check("MESH-INV-3", now_ms, !says, || format!("{slot} sends a SAY and is no member"))?;
        }
        self.tally.sent += 1;
        let paid = watch.sends(now_ms, to, bytes);
        check("MESH-INV-7", now_ms, paid.is_ok(), || format!("{slot} sends to {to:?}, not proven: {paid:?}"))
    }

    /// A peer tells its user something.
    ///
    /// # Errors
    /// Invariants 1, 2 and 3.
    pub fn tells(&mut self, now_ms: u64, index: usize, event: &Event<'_>) -> Checked {
        let watch = &mut self.watches[index];
        match event {
            Event::Seeking => watch.told.clear(),
            Event::Founded => {
                watch.founded = true;
                watch.admitted_ms = Some(now_ms);
                self.tally.founded += 1;
                return self.founds(now_ms);
            }
            Event::Joined(member) | Event::Renamed(member) => {
                watch.told.insert(member.id, member.name.number.max(1));
            }
            Event::Left(member) | Event::Died(member) => {
                watch.told.remove(&member.id);
                self.tell_of_death(now_ms, event);
            }
            Event::Admitted { .. } if !watch.founded => {
                watch.admitted_ms = Some(now_ms);
                self.tally.joins_ms.push(now_ms - watch.started_ms);
                self.decides(now_ms, index);
            }
            Event::HandedOver => watch.handed_over_ms = Some(now_ms),
            Event::Refused { reason, .. } => {
                watch.refused = Some(format!("{reason:?}"));
                let was_deaf = watch.deaf_ms + membership::DEATH_MS > now_ms && watch.deaf_ms > watch.started_ms;
                let mut asked = watch.rows.iter().filter(|row| is_live(row.state) && row.id != watch.id);
                watch.refused_deaf = was_deaf && asked.all(|row| self.ended.contains_key(&row.id));
                *self.tally.refused.entry(format!("{reason:?}")).or_default() += 1;
                self.decides(now_ms, index);
            }
            Event::TooMany { members } => {
                return check("MESH-GROUP-5", now_ms, !self.promises.all_fit, || {
                    format!("{} is told that {members} more are too many", watch.slot)
                });
            }
            Event::Message(message) => return self.shows(now_ms, index, message),
            Event::Lost { origin, count, .. } => self.loses(*origin, index, *count),
            Event::Confirmed { number } => {
                watch.unconfirmed.remove(number);
            }
            _ => {}
        }
        Ok(())
    }

    /// A peer has finished a step: its table and its place in the world.
    ///
    /// # Errors
    /// Invariants 4, 5, 6 and 9.
    pub fn step(
        &mut self,
        now_ms: u64,
        index: usize,
        (peer, now): (&Peer<'_>, Instant),
        was_admitted: bool,
    ) -> Checked {
        self.owns(now_ms, index, peer);
        let before = std::mem::replace(&mut self.watches[index].lamport, peer.lamport());
        check("MESH-RANK-1", now_ms, peer.lamport() - before <= 1 << 32, || {
            format!("the lamport of {} jumps from {before} to {}", self.watches[index].slot, peer.lamport())
        })?;
        let rows: Vec<Seen> =
            peer.rows(now).map(|row| Seen { id: row.id, incarnation: row.incarnation, state: row.state }).collect();
        let changed = rows != self.watches[index].rows;
        if changed {
            self.table(now_ms, index, &rows)?;
            self.full_names(now_ms, index, (peer, now))?;
            self.watches[index].rows = rows;
        }
        if !was_admitted && self.watches[index].is_admitted() {
            self.admission(now_ms, index)?;
        }
        Ok(())
    }
}

/// Whether it is joining or member.
pub fn is_live(state: State) -> bool {
    matches!(state, State::Joining | State::Member)
}

/// The key of a name.
pub fn key_of(name: &str) -> String {
    crate::watch::key(name)
}
