//! What the doctor sees on the network: which of its own calls come back, who is heard, who answers, and what else is there.

use super::Finding;
use crate::mesh::interfaces::Interface;
use chat_core::datagram::{self, Rejected};
use chat_core::mesh::{Arrival, Item, Nonce, PROTOCOL};
use chat_core::relay;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// Addresses of one kind that are kept: more would say no more.
const ADDRESSES_MAX: usize = 64;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// From which own addresses multicast has come back.
    returned: BTreeSet<IpAddr>,
    /// Peers that were heard calling.
    heard: BTreeSet<SocketAddr>,
    /// Peers that have answered.
    answered: BTreeSet<SocketAddr>,
    /// Who speaks another version, and which.
    versions: BTreeSet<(SocketAddr, u8)>,
    /// Relays that have answered.
    relays: BTreeSet<SocketAddr>,
}

impl Observed {
    /// Takes a datagram. `nonces` are those of the own calls, that by multicast first.
    pub(super) fn handle_datagram(&mut self, nonces: [Nonce; 2], source: SocketAddr, arrival: Arrival, bytes: &[u8]) {
        let items = match datagram::open(PROTOCOL, bytes) {
            Ok(items) => items,
            Err(Rejected::Version(version)) => return keep(&mut self.versions, (source, version)),
            Err(_) if datagram::open(relay::PROTOCOL, bytes).is_ok() => return keep(&mut self.relays, source),
            Err(_) => return,
        };
        for item in items.flatten().filter_map(|item| Item::decode(item).ok()) {
            let (set, is_call) = match item {
                Item::Seek { nonce, .. } if nonce == nonces[0] => {
                    self.returned.insert(source.ip());
                    continue;
                }
                Item::Seek { nonce, .. } if nonce == nonces[1] => continue,
                Item::Found { nonce, .. } if nonces.contains(&nonce) => (&mut self.answered, false),
                Item::Seek { .. } | Item::Found { .. } => (&mut self.heard, true),
                _ => continue,
            };
            // A call that came directly proves nothing about what reaches everybody.
            if !is_call || arrival == Arrival::Multicast {
                keep(set, source);
            }
        }
    }

    /// Peers that have answered.
    pub(super) fn answered(&self) -> Vec<SocketAddr> {
        self.answered.iter().copied().collect()
    }

    /// Peers that were heard and have not answered.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = SocketAddr> {
        self.heard.difference(&self.answered).copied()
    }

    /// Whether there is nothing to wait for: somebody has answered, and nothing speaks for a fault.
    pub(super) fn is_clear(&self, interfaces: &[Interface]) -> bool {
        !self.answered.is_empty() && self.findings(interfaces, true).is_empty()
    }

    /// What is not as it should be. `shares` says whether the common port can be heard at all.
    pub(super) fn findings(&self, interfaces: &[Interface], shares: bool) -> Vec<Finding> {
        let mut findings = Vec::new();
        for interface in interfaces.iter().filter(|_| shares) {
            let addresses = interface.ipv4.iter().map(|subnet| IpAddr::V4(subnet.address));
            let mut addresses = addresses.chain(interface.ipv6.iter().copied().map(IpAddr::V6));
            if !addresses.any(|address| self.returned.contains(&address)) {
                findings.push(Finding::MulticastLost { interface: interface.name.clone() });
            }
        }
        findings.extend(self.unanswered().map(|peer| Finding::Unreachable { peer }));
        if self.answered.is_empty() && self.heard.is_empty() {
            findings.extend(self.versions.iter().map(|&(peer, version)| Finding::OtherVersion { peer, version }));
            findings.extend(self.relays.iter().map(|&relay| Finding::ServerOnly { relay }));
        }
        let is_far = |peer: &&SocketAddr| match peer.ip() {
            IpAddr::V4(ip) => {
                !interfaces.iter().flat_map(|interface| &interface.ipv4).any(|subnet| subnet.contains(ip))
            }
            IpAddr::V6(_) => false,
        };
        findings.extend(self.answered.iter().filter(is_far).map(|&peer| Finding::OtherSubnet { peer }));
        findings
    }
}

/// Keeps one more, up to [`ADDRESSES_MAX`].
fn keep<T: Ord>(set: &mut BTreeSet<T>, one: T) {
    if set.len() < ADDRESSES_MAX {
        set.insert(one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::interfaces::Subnet;
    use chat_core::datagram::Datagram;
    use chat_core::mesh::{Digest, PeerId, Token};

    const OWN: Nonce = Nonce(1);
    const NONCES: [Nonce; 2] = [OWN, Nonce(2)];

    /// One interface, 10.1.0.2 in a subnet of 256.
    fn interfaces() -> Vec<Interface> {
        let subnet = Subnet { address: [10, 1, 0, 2].into(), mask: [255, 255, 255, 0].into() };
        vec![Interface { name: "eth0".to_owned(), index: 2, ipv4: vec![subnet], ipv6: Vec::new() }]
    }

    /// An address.
    fn at(ip: [u8; 4]) -> SocketAddr {
        SocketAddr::from((ip, 9_293))
    }

    /// Sees one item.
    fn see(observed: &mut Observed, source: SocketAddr, arrival: Arrival, item: &Item<'_>) {
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        datagram.push(&Item::From { id: PeerId(7), incarnation: 0, token: Token::NONE }).unwrap();
        datagram.push(item).unwrap();
        observed.handle_datagram(NONCES, source, arrival, datagram.as_bytes());
    }

    /// An answer to a call.
    fn found(nonce: Nonce) -> Item<'static> {
        Item::Found { nonce, token: Token::NONE, members: 1, capacity_log2: 8, table: Digest(0) }
    }

    #[test]
    fn own_call_that_comes_back_and_an_answer_are_all_that_is_needed() {
        let mut observed = Observed::default();
        let lost = Finding::MulticastLost { interface: "eth0".to_owned() };
        assert_eq!(observed.findings(&interfaces(), true), [lost]);
        assert!(observed.findings(&interfaces(), false).is_empty());
        see(&mut observed, at([10, 1, 0, 2]), Arrival::Multicast, &Item::Seek { nonce: NONCES[1], members: 0 });
        assert_eq!(observed.findings(&interfaces(), true).len(), 1);
        see(&mut observed, at([10, 1, 0, 2]), Arrival::Multicast, &Item::Seek { nonce: OWN, members: 0 });
        assert!(observed.findings(&interfaces(), true).is_empty() && !observed.is_clear(&interfaces()));
        see(&mut observed, at([10, 1, 0, 1]), Arrival::Unicast, &found(OWN));
        assert!(observed.is_clear(&interfaces()));
        assert_eq!(observed.answered(), [at([10, 1, 0, 1])]);
    }

    #[test]
    fn peer_that_is_heard_and_does_not_answer_is_unreachable_until_it_does() {
        let (mut observed, peer) = (Observed::default(), at([10, 1, 0, 1]));
        see(&mut observed, peer, Arrival::Multicast, &Item::Seek { nonce: Nonce(9), members: 1 });
        assert_eq!(observed.findings(&interfaces(), false), [Finding::Unreachable { peer }]);
        see(&mut observed, peer, Arrival::Unicast, &found(NONCES[1]));
        assert!(observed.findings(&interfaces(), false).is_empty());
    }

    #[test]
    fn answer_from_elsewhere_tells_of_another_subnet() {
        let (mut observed, peer) = (Observed::default(), at([10, 2, 0, 1]));
        see(&mut observed, peer, Arrival::Unicast, &found(OWN));
        assert_eq!(observed.findings(&interfaces(), false), [Finding::OtherSubnet { peer }]);
    }

    #[test]
    fn other_versions_and_servers_matter_only_while_no_peer_is_there() {
        let (mut observed, peer) = (Observed::default(), at([10, 1, 0, 1]));
        observed.handle_datagram(NONCES, peer, Arrival::Multicast, b"CHM\x09rest");
        observed.handle_datagram(
            NONCES,
            peer,
            Arrival::Unicast,
            b"CHR\x01\x0a\x05\x08\x08\x07\x06\x05\x04\x03\x02\x01",
        );
        observed.handle_datagram(NONCES, peer, Arrival::Unicast, b"nonsense");
        let expected = [Finding::OtherVersion { peer, version: 9 }, Finding::ServerOnly { relay: peer }];
        assert_eq!(observed.findings(&interfaces(), false), expected);
        see(&mut observed, peer, Arrival::Unicast, &found(OWN));
        assert!(observed.findings(&interfaces(), false).is_empty());
    }

    #[test]
    fn crowd_of_addresses_stays_bounded() {
        let mut observed = Observed::default();
        for last in 0..=255 {
            see(&mut observed, at([10, 1, 0, last]), Arrival::Multicast, &Item::Seek { nonce: Nonce(9), members: 1 });
        }
        assert_eq!(observed.unanswered().count(), ADDRESSES_MAX);
    }
}
