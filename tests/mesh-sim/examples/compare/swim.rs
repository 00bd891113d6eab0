//! What one run of a cluster of foca's members measures, on the simulator's network.

use crate::{CRASHED_MS, LINK, QUIET_MS, SETTLED_MS, Sample, victim};
use foca::{Foca, Identity, Notification, PostcardCodec, Runtime, Timer};
use mesh_sim::generate::PORT;
use mesh_sim::network::{Flight, Network, mix};
use mesh_sim::node::{address, host};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// A member of foca's cluster: its host, and how often it had to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Member {
    /// IPv4 address and port, in the size that others send it in too.
    address: ([u8; 4], u16),
    /// How often it was called dead and came back.
    life: u16,
}

impl Member {
    /// The member of a host.
    fn of(slot: usize) -> Self {
        let std::net::SocketAddr::V4(socket) = address(slot, PORT) else { panic!("hosts have IPv4 addresses") };
        Self { address: (socket.ip().octets(), socket.port()), life: 0 }
    }

    /// Its host.
    fn slot(self) -> usize {
        host((self.address.0, self.address.1).into()).expect("it is a host's").0
    }
}

impl Identity for Member {
    type Addr = ([u8; 4], u16);

    fn renew(&self) -> Option<Self> {
        Some(Self { life: self.life + 1, ..*self })
    }

    fn addr(&self) -> Self::Addr {
        self.address
    }

    fn win_addr_conflict(&self, other: &Self) -> bool {
        self.life > other.life
    }
}

/// What one member of the cluster wants done.
#[derive(Debug, Default)]
struct Wishes {
    /// Datagrams.
    datagrams: Vec<(usize, Vec<u8>)>,
    /// Timers, and after how many milliseconds.
    timers: Vec<(u64, Timer<Member>)>,
    /// Members that are dead now.
    dead: Vec<usize>,
}

impl Runtime<Member> for Wishes {
    fn notify(&mut self, notification: Notification<'_, Member>) {
        if let Notification::MemberDown(member) = notification {
            self.dead.push(member.slot());
        }
    }

    fn send_to(&mut self, to: Member, bytes: &[u8]) {
        self.datagrams.push((to.slot(), bytes.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<Member>, after: Duration) {
        self.timers.push((u64::try_from(after.as_millis()).expect("it is short"), timer));
    }
}

/// A cluster of foca's members on the simulator's network.
pub(crate) struct Cluster {
    /// Its members, by host.
    members: Vec<Option<Foca<Member, PostcardCodec, SmallRng, foca::NoCustomBroadcast>>>,
    /// The network.
    network: Network,
    /// Timers by when they are due and, for equal times, in the order of their making.
    timers: BTreeMap<(u64, u64), (usize, Timer<Member>)>,
    /// Timers made so far.
    count: u64,
    /// The time.
    now_ms: u64,
    /// Who has crashed, and when.
    crashed: Option<(usize, u64)>,
    /// Bytes sent so far.
    sent: u64,
    /// What is measured.
    sample: Sample,
}

impl Cluster {
    /// A cluster whose members know each other from the beginning.
    pub(crate) fn new(size: usize, seed: u64, config: &foca::Config) -> Self {
        let mut cluster = Self {
            members: Vec::new(),
            network: Network::new(seed, LINK),
            timers: BTreeMap::new(),
            count: 0,
            now_ms: 0,
            crashed: None,
            sent: 0,
            sample: Sample::default(),
        };
        for slot in 0..size {
            let random = SmallRng::seed_from_u64(mix(seed, slot as u64));
            cluster.members.push(Some(Foca::new(Member::of(slot), config.clone(), random, PostcardCodec)));
        }
        for slot in 0..size {
            let others = (0..size).filter(|&other| other != slot);
            let others = others.map(|other| foca::Member::alive(Member::of(other)));
            let mut wishes = Wishes::default();
            let member = cluster.members[slot].as_mut().expect("it runs");
            member.apply_many(others, false, &mut wishes).expect("nothing is wrong with them");
            cluster.fulfil(slot, wishes);
        }
        cluster
    }

    /// Measures it.
    pub(crate) fn run(mut self, loss: u32, seed: u64) -> Sample {
        let size = self.members.len();
        self.run_until(30_000);
        self.network.link.loss = loss;
        self.run_until(30_000 + SETTLED_MS);
        (self.sent, self.sample) = (0, Sample::default());
        self.run_until(30_000 + SETTLED_MS + QUIET_MS);
        self.sample.bytes = self.sent / (QUIET_MS / 1_000) / size as u64;
        let victim = victim(size, seed);
        self.members[victim] = None;
        self.crashed = Some((victim, self.now_ms));
        self.run_until(30_000 + SETTLED_MS + QUIET_MS + CRASHED_MS);
        self.sample.member_ms = (QUIET_MS + CRASHED_MS) * size as u64;
        self.sample.unaware = (size - 1).saturating_sub(self.sample.died_ms.len());
        self.sample
    }

    /// Lets everything happen up to this time.
    fn run_until(&mut self, until_ms: u64) {
        loop {
            let timer_ms = self.timers.first_key_value().map(|((at_ms, _), _)| *at_ms);
            let flight_ms = self.network.next_ms();
            let Some(at_ms) = timer_ms.into_iter().chain(flight_ms).min().filter(|&at_ms| at_ms <= until_ms) else {
                break;
            };
            self.now_ms = at_ms;
            let mut wishes = Wishes::default();
            let slot = if flight_ms == Some(at_ms) {
                let flight = self.network.take().expect("there is one");
                if let Some(member) = &mut self.members[flight.to] {
                    // What it does not take it ignores.
                    let _ = member.handle_data(&flight.bytes, &mut wishes);
                }
                flight.to
            } else {
                let (_, (slot, timer)) = self.timers.pop_first().expect("there is one");
                if let Some(member) = &mut self.members[slot] {
                    let _ = member.handle_timer(timer, &mut wishes);
                }
                slot
            };
            self.fulfil(slot, wishes);
        }
        self.now_ms = until_ms;
    }

    /// Does what a member wants done.
    fn fulfil(&mut self, slot: usize, wishes: Wishes) {
        for (to, bytes) in wishes.datagrams {
            self.sent += bytes.len() as u64;
            let (source, at) = (address(slot, PORT), Some(address(to, PORT)));
            self.network.send(self.now_ms, slot, &Flight { source, to, at, bytes });
        }
        for (after_ms, timer) in wishes.timers {
            self.count += 1;
            self.timers.insert((self.now_ms + after_ms, self.count), (slot, timer));
        }
        for dead in wishes.dead {
            match self.crashed.filter(|(victim, _)| *victim == dead) {
                Some((_, crash_ms)) => self.sample.died_ms.push(self.now_ms - crash_ms),
                None => self.sample.false_deaths += 1,
            }
        }
    }
}
