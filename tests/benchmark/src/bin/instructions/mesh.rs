//! What is counted of the mesh: in a group of eight, in which every datagram arrives at once.

use chat_core::datagram;
use chat_core::mesh::{Arrival, Config, Item, Output, PROTOCOL, Peer, SmallStorage, Target};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

/// Members of the group.
const MEMBERS: u8 = 8;

/// A group, and what is under way in it.
struct Group {
    /// The time.
    now: Instant,
    /// The members.
    peers: Vec<Peer<'static>>,
    /// From whom, to whom, and what.
    flying: Vec<(SocketAddr, Target, Vec<u8>)>,
    /// The last datagram with a Ping that the first member sent to the second.
    ping: Vec<u8>,
}

/// Where a member is.
fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, u8::try_from(index).unwrap_or(u8::MAX)], 9_292))
}

impl Group {
    /// All have joined and are at rest.
    fn new() -> Self {
        let mut group =
            Self { now: Instant::from_millis(1_000), peers: Vec::new(), flying: Vec::new(), ping: Vec::new() };
        for index in 0..MEMBERS {
            let Ok(name) = Username::new(&format!("m{index}")) else { continue };
            let storage: &'static mut SmallStorage = Box::leak(Box::new(SmallStorage::EMPTY));
            let peer = Peer::new(storage.memory(), Config::new(name), group.now, [index + 1; 16]);
            group.peers.push(peer);
            group.run(Duration::from_secs(6));
        }
        group.run(Duration::from_secs(60));
        group
    }

    /// Takes out what a member has to send.
    fn drain(&mut self, index: usize) {
        while let Some(output) = self.peers[index].poll_output(self.now, Some(0)) {
            if let Output::Send { to, bytes } = output {
                self.flying.push((address(index), to, bytes.to_vec()));
            }
        }
    }

    /// Delivers all that is under way, and what answers it.
    fn deliver(&mut self) {
        while let Some((source, to, bytes)) = self.flying.pop() {
            for index in 0..self.peers.len() {
                let arrival = match to {
                    Target::Multicast => Arrival::Multicast,
                    Target::Unicast(to) if to == address(index) => Arrival::Unicast,
                    Target::Unicast(_) => continue,
                };
                if (source, index) == (address(0), 1) && has_ping(&bytes) {
                    self.ping.clone_from(&bytes);
                }
                self.peers[index].handle_datagram(self.now, source, arrival, &bytes);
                self.drain(index);
            }
        }
    }

    /// Lets time pass.
    fn run(&mut self, span: Duration) {
        let until = self.now + span;
        loop {
            (0..self.peers.len()).for_each(|index| self.drain(index));
            self.deliver();
            let next = self.peers.iter().filter_map(Peer::poll_timeout).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = next.max(self.now);
            let now = self.now;
            self.peers.iter_mut().for_each(|peer| peer.handle_timeout(now));
        }
        self.now = until;
    }
}

/// Whether a datagram has a Ping.
fn has_ping(bytes: &[u8]) -> bool {
    let Ok(items) = datagram::open(PROTOCOL, bytes) else { return false };
    items.flatten().any(|item| matches!(Item::decode(item), Ok(Item::Ping { .. })))
}

/// A datagram comes, with a Ping and Heads, and is answered: one each millisecond, or the pace would hold the answers back. What the
/// group does meanwhile is counted too.
pub(super) fn ping(count: u32) {
    let mut group = Group::new();
    let ping = group.ping.clone();
    for index in 0..count {
        group.now = group.now + Duration::from_millis(1);
        group.peers[1].handle_datagram(group.now, address(0), Arrival::Unicast, black_box(&ping));
        while let Some(output) = group.peers[1].poll_output(group.now, Some(0)) {
            black_box(&output);
        }
        if index % 50 == 0 {
            group.run(Duration::ZERO);
        }
    }
}

/// A message goes to one more member, who shows and acknowledges it: a seventh of what one costs all eight, with 300 ms of theirs.
pub(super) fn say(count: u32) {
    let mut group = Group::new();
    let mut given = 0;
    while given < count {
        let now = group.now;
        if let Ok(text) = Text::new("The quick brown fox jumps over the lazy dog.") {
            let _ = black_box(group.peers[0].say(now, 0, false, text));
        }
        group.run(Duration::from_millis(300));
        given += u32::from(MEMBERS) - 1;
    }
}

/// One probe of a member at rest: what 500 ms cost the group, for one of eight.
pub(super) fn probe(count: u32) {
    let mut group = Group::new();
    let mut given = 0;
    while given < count {
        group.run(Duration::from_millis(500));
        given += u32::from(MEMBERS);
    }
}
