//! What the doctor sees on the network: which of its own calls come back, who is heard, who answers, and what else is there.

use super::{DOCTOR, Finding};
use crate::mesh::interfaces::Interface;
use chat_core::datagram::{self, Rejected};
use chat_core::mesh::{Arrival, Item, Nonce, PROTOCOL, PeerId};
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
    /// Peers that were heard calling, and where: one peer has several addresses.
    heard: BTreeSet<(PeerId, SocketAddr)>,
    /// Peers that have answered, and where.
    answered: BTreeSet<(PeerId, SocketAddr)>,
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
        let mut items = items.flatten().filter_map(|item| Item::decode(item).ok());
        let Some(Item::From { id, .. }) = items.next() else { return };
        for item in items {
            let (set, is_call) = match item {
                Item::Seek { nonce, .. } if nonce == nonces[0] => {
                    self.returned.insert(source.ip());
                    continue;
                }
                Item::Seek { nonce, .. } if nonce == nonces[1] => continue,
                // A doctor of another machine answers no calls.
                Item::Seek { .. } if id == DOCTOR => continue,
                Item::Found { nonce, .. } if nonces.contains(&nonce) => (&mut self.answered, false),
                Item::Seek { .. } | Item::Found { .. } => (&mut self.heard, true),
                _ => continue,
            };
            // A call that came directly proves nothing about what reaches everybody.
            if !is_call || arrival == Arrival::Multicast {
                keep(set, (id, source));
            }
        }
    }

    /// One address of each peer that has answered.
    pub(super) fn answered(&self) -> Vec<SocketAddr> {
        one_of_each(self.answered.iter())
    }

    /// Where peers were heard and have not answered from there.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = SocketAddr> {
        self.heard.difference(&self.answered).map(|&(_, address)| address)
    }

    /// One address of each peer that was heard and has answered from nowhere.
    fn silent(&self) -> Vec<SocketAddr> {
        let has_answered = |id: PeerId| self.answered.iter().any(|&(answered, _)| answered == id);
        one_of_each(self.heard.iter().filter(|&&(id, _)| !has_answered(id)))
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
        let is_near = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) => interfaces.iter().flat_map(|interface| &interface.ipv4).any(|subnet| subnet.contains(ip)),
            IpAddr::V6(_) => true,
        };
        findings.extend(
            self.silent().into_iter().map(|peer| {
                if is_near(peer) { Finding::Unreachable { peer } } else { Finding::ForeignAddress { peer } }
            }),
        );
        if self.answered.is_empty() && self.heard.is_empty() {
            findings.extend(self.versions.iter().map(|&(peer, version)| Finding::OtherVersion { peer, version }));
            findings.extend(self.relays.iter().map(|&relay| Finding::ServerOnly { relay }));
        }
        let near: BTreeSet<PeerId> =
            self.answered.iter().filter(|&&(_, address)| is_near(address)).map(|&(id, _)| id).collect();
        let far = one_of_each(self.answered.iter().filter(|(id, _)| !near.contains(id)));
        findings.extend(far.into_iter().map(|peer| Finding::OtherSubnet { peer }));
        findings
    }
}

/// The first address of each of these peers, which are sorted: of IPv4 if it has one.
fn one_of_each<'p>(peers: impl Iterator<Item = &'p (PeerId, SocketAddr)>) -> Vec<SocketAddr> {
    let mut peers: Vec<_> = peers.collect();
    peers.dedup_by_key(|(id, _)| *id);
    peers.into_iter().map(|&(_, address)| address).collect()
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

    /// Sees one item of a peer whose id is the port that it has.
    fn see(observed: &mut Observed, source: SocketAddr, arrival: Arrival, item: &Item<'_>) {
        see_from(observed, PeerId(source.port().into()), source, arrival, item);
    }

    /// Sees one item of this peer.
    fn see_from(observed: &mut Observed, id: PeerId, source: SocketAddr, arrival: Arrival, item: &Item<'_>) {
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        datagram.push(&Item::From { id, incarnation: 0, token: Token::NONE }).unwrap();
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
    fn peer_that_answers_from_one_of_its_addresses_is_reached_and_told_once() {
        let (mut observed, ipv4, ipv6) = (Observed::default(), at([10, 1, 0, 1]), "[fe80::1%2]:9293".parse().unwrap());
        for source in [ipv4, ipv6] {
            see(&mut observed, source, Arrival::Multicast, &Item::Seek { nonce: Nonce(9), members: 1 });
        }
        assert_eq!(observed.findings(&interfaces(), false), [Finding::Unreachable { peer: ipv4 }]);
        assert_eq!(observed.unanswered().count(), 2);
        see(&mut observed, ipv4, Arrival::Unicast, &found(OWN));
        assert!(observed.findings(&interfaces(), false).is_empty());
        see(&mut observed, ipv6, Arrival::Unicast, &found(OWN));
        assert_eq!(observed.answered(), [ipv4]);
    }

    #[test]
    fn peer_whose_address_is_of_another_network_and_which_does_not_answer_has_a_wrong_one() {
        let (mut observed, peer) = (Observed::default(), at([10, 9, 0, 1]));
        see(&mut observed, peer, Arrival::Multicast, &Item::Seek { nonce: Nonce(9), members: 1 });
        assert_eq!(observed.findings(&interfaces(), false), [Finding::ForeignAddress { peer }]);
    }

    #[test]
    fn doctor_of_another_machine_is_no_peer() {
        let mut observed = Observed::default();
        let call = Item::Seek { nonce: Nonce(9), members: 0 };
        see_from(&mut observed, DOCTOR, at([10, 1, 0, 1]), Arrival::Multicast, &call);
        assert!(observed.findings(&interfaces(), false).is_empty());
        assert_eq!(observed.unanswered().count(), 0);
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
