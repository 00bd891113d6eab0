//! The virtual network: per-link delay, jitter, loss, duplication and cuts, all from one seed.
//!
//! What a link does with its n-th datagram depends on the seed, the link and n alone: a scenario that loses a step or a peer keeps
//! the fate of everybody else's datagrams, so that shrinking it has something to hold on to.

use crate::seed::Random;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;

/// The host of a peer: its place in the scenario.
pub type Slot = usize;

/// How all links behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Least delay of any link, in milliseconds.
    pub delay_ms: u64,
    /// How much more a link's own delay may be, drawn once for each link.
    pub spread_ms: u64,
    /// How much more a single datagram may take; datagrams overtake each other by that.
    pub jitter_ms: u64,
    /// Datagrams of a thousand that are lost.
    pub loss: u32,
    /// Datagrams of a thousand that come twice.
    pub duplicates: u32,
}

/// One datagram on its way.
#[derive(Debug, Clone)]
pub struct Flight {
    /// The address it comes from, true or forged.
    pub source: SocketAddr,
    /// The host that it reaches.
    pub to: Slot,
    /// The address that it was sent to; none when it was multicast, which every socket of the host hears.
    pub at: Option<SocketAddr>,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// All datagrams on their way, and what can reach whom.
#[derive(Debug)]
pub struct Network {
    /// Seed of all links.
    seed: u64,
    /// How the links behave at present.
    pub link: Link,
    /// The longest datagram that any link carries, in bytes of payload.
    pub bytes_max: usize,
    /// The same of single links.
    link_bytes_max: HashMap<(Slot, Slot), usize>,
    /// What has arrived and when, if it is to be kept.
    arrived: Option<Vec<(u64, Flight)>>,
    /// Numbers of the flights that arrive once more: they are not kept again.
    repeated: HashSet<u64>,
    /// Links that carry nothing, each in one direction.
    cuts: HashSet<(Slot, Slot)>,
    /// How many datagrams each link has been given.
    counts: BTreeMap<(Slot, Slot), u64>,
    /// What is under way, by when it arrives and, for equal times, in the order of sending.
    flights: BTreeMap<(u64, u64), Flight>,
    /// Number of the next flight.
    next: u64,
}

impl Network {
    /// A network with nothing under way.
    pub fn new(seed: u64, link: Link) -> Self {
        Self {
            seed,
            link,
            bytes_max: usize::MAX,
            link_bytes_max: HashMap::new(),
            arrived: None,
            repeated: HashSet::new(),
            cuts: HashSet::new(),
            counts: BTreeMap::new(),
            flights: BTreeMap::new(),
            next: 0,
        }
    }

    /// Cuts the link from one host to another, in this direction.
    pub fn cut(&mut self, from: Slot, to: Slot) {
        self.cuts.insert((from, to));
    }

    /// Mends the link in this direction.
    pub fn mend(&mut self, from: Slot, to: Slot) {
        self.cuts.remove(&(from, to));
    }

    /// Mends all links.
    pub fn mend_all(&mut self) {
        self.cuts.clear();
        self.link_bytes_max.clear();
    }

    /// From now on the link from one host to another carries no datagram of more bytes.
    pub fn narrow(&mut self, from: Slot, to: Slot, bytes_max: usize) {
        self.link_bytes_max.insert((from, to), bytes_max);
    }

    /// From now on all that arrives is kept, so that it can arrive again.
    pub fn keep(&mut self) {
        self.arrived = Some(Vec::new());
    }

    /// What has reached a host in the last so many milliseconds reaches it once more, ten datagrams in a millisecond.
    pub fn again(&mut self, now_ms: u64, to: Slot, span_ms: u64) {
        let arrived =
            self.arrived.iter().flatten().filter(|(at_ms, flight)| at_ms + span_ms >= now_ms && flight.to == to);
        let flights: Vec<Flight> = arrived.map(|(_, flight)| flight.clone()).collect();
        for (index, flight) in (0..).zip(flights) {
            self.flights.insert((now_ms + index / 10, self.next), flight);
            self.repeated.insert(self.next);
            self.next += 1;
        }
    }

    /// Whether any link is cut.
    pub fn has_cuts(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// Gives a datagram to the link from one host to another. What is lost is lost here.
    pub fn send(&mut self, now_ms: u64, from: Slot, flight: &Flight) {
        let link = (from, flight.to);
        let bytes_max = self.link_bytes_max.get(&link).map_or(self.bytes_max, |&most| most.min(self.bytes_max));
        if self.cuts.contains(&link) || flight.bytes.len() > bytes_max {
            return;
        }
        let count = self.counts.entry(link).or_insert(0);
        *count += 1;
        let mut random = Random::seeded(self.seed ^ mix(from as u64, flight.to as u64));
        let own_ms = random.word() % (self.link.spread_ms + 1);
        let mut random = Random::seeded(random.word().wrapping_add(count.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        let copies = if from != flight.to && chance(&mut random, self.link.loss) {
            0
        } else {
            1 + u32::from(chance(&mut random, self.link.duplicates))
        };
        for _ in 0..copies {
            let jitter_ms = random.word() % (self.link.jitter_ms + 1);
            let at_ms = now_ms + self.link.delay_ms + own_ms + jitter_ms;
            self.flights.insert((at_ms, self.next), flight.clone());
            self.next += 1;
        }
    }

    /// When the next datagram arrives.
    pub fn next_ms(&self) -> Option<u64> {
        self.flights.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Takes the next datagram.
    pub fn take(&mut self) -> Option<Flight> {
        let ((at_ms, number), flight) = self.flights.pop_first()?;
        if let Some(arrived) = self.arrived.as_mut().filter(|_| !self.repeated.contains(&number)) {
            arrived.push((at_ms, flight.clone()));
        }
        Some(flight)
    }
}

/// True for `permille` of a thousand draws.
fn chance(random: &mut Random, permille: u32) -> bool {
    random.word() % 1_000 < u64::from(permille)
}

/// One word of two.
pub fn mix(a: u64, b: u64) -> u64 {
    Random::seeded(a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.rotate_left(32)).word()
}
