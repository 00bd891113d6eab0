//! What the doctor sees on the network: which of its own calls come back, who is heard, who answers, and what else is there.

use super::{DOCTOR, Finding};
use crate::mesh::interfaces::Interface;
use chat_core::datagram::{self, Rejected};
use chat_core::mesh::{Arrival, Item, Nonce, PROTOCOL, PeerId, Standing, Token, WireRow};
use chat_core::relay;
use chat_core::username::Username;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// Addresses of one kind that are kept: more would say no more.
const ADDRESSES_MAX: usize = 64;

/// By what the answers to the own datagrams are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    /// The nonces of the calls, that by multicast first.
    pub(super) nonces: [Nonce; 2],
    /// The token of the questions for names.
    pub(super) token: Token,
}

/// A peer that has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answering {
    /// By which its group knows it.
    pub(super) id: PeerId,
    /// Its name, if it has told it.
    pub(super) name: Option<Username>,
    /// Where it has answered from.
    pub(super) addresses: Vec<SocketAddr>,
}

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Observed {
    /// By what the answers to the own datagrams are known.
    own: Own,
    /// From which own addresses multicast has come back.
    returned: BTreeSet<IpAddr>,
    /// Peers that were heard calling, and where: one peer has several addresses.
    heard: BTreeSet<(PeerId, SocketAddr)>,
    /// Peers that have answered, and where, with the token that each gave for the own address.
    answered: BTreeMap<(PeerId, SocketAddr), Token>,
    /// The names of those that have answered.
    names: BTreeMap<PeerId, Username>,
    /// Who speaks another version, and which.
    versions: BTreeSet<(SocketAddr, u8)>,
    /// Relays that have answered.
    relays: BTreeSet<SocketAddr>,
}

impl Observed {
    /// Nothing was seen yet.
    pub(super) const fn new(own: Own) -> Self {
        Self {
            own,
            returned: BTreeSet::new(),
            heard: BTreeSet::new(),
            answered: BTreeMap::new(),
            names: BTreeMap::new(),
            versions: BTreeSet::new(),
            relays: BTreeSet::new(),
        }
    }

    /// Takes a datagram.
    pub(super) fn handle_datagram(&mut self, source: SocketAddr, arrival: Arrival, bytes: &[u8]) {
        let items = match datagram::open(PROTOCOL, bytes) {
            Ok(items) => items,
            Err(Rejected::Version(version)) => return keep(&mut self.versions, (source, version)),
            Err(_) if datagram::open(relay::PROTOCOL, bytes).is_ok() => return keep(&mut self.relays, source),
            Err(_) => return,
        };
        let mut items = items.flatten().filter_map(|item| Item::decode(item).ok());
        let Some(Item::From { id, token, .. }) = items.next() else { return };
        for item in items {
            match item {
                Item::Seek { nonce, .. } if nonce == self.own.nonces[0] => {
                    self.returned.insert(source.ip());
                }
                Item::Seek { nonce, .. } if nonce == self.own.nonces[1] => {}
                // A doctor of another machine answers no calls.
                Item::Seek { .. } if id == DOCTOR => {}
                Item::Found { nonce, token, .. } if self.own.nonces.contains(&nonce) => {
                    self.handle_answer(id, source, token);
                }
                // A call that came directly proves nothing about what reaches everybody.
                Item::Seek { .. } | Item::Found { .. } if arrival == Arrival::Multicast => {
                    keep(&mut self.heard, (id, source));
                }
                Item::Rows { rows, .. } if token == self.own.token => {
                    rows.iter().flatten().for_each(|row| self.handle_row(row));
                }
                _ => {}
            }
        }
    }

    /// A peer has answered from this address, and has given this token for the own one.
    fn handle_answer(&mut self, id: PeerId, source: SocketAddr, token: Token) {
        if self.answered.len() < ADDRESSES_MAX {
            self.answered.insert((id, source), token);
        }
    }

    /// Takes a row of a group's table: the name of one who has answered.
    fn handle_row(&mut self, row: WireRow) {
        if let Standing::Member(body) = row.standing
            && self.answered.keys().any(|&(id, _)| id == row.id)
        {
            self.names.insert(row.id, body.name);
        }
    }

    /// Peers that have answered, by their addresses.
    pub(super) fn answered(&self) -> Vec<Answering> {
        let mut peers: Vec<Answering> = Vec::new();
        for &(id, address) in self.answered.keys() {
            match peers.last_mut() {
                Some(peer) if peer.id == id => peer.addresses.push(address),
                _ => peers.push(Answering { id, name: self.names.get(&id).cloned(), addresses: vec![address] }),
            }
        }
        peers.sort_by(|one, other| one.addresses.cmp(&other.addresses));
        peers
    }

    /// Peers that have answered and whose names are not known, with the token that each gave.
    pub(super) fn nameless(&self) -> impl Iterator<Item = (PeerId, SocketAddr, Token)> {
        let nameless = self.answered.iter().filter(|((id, _), _)| !self.names.contains_key(id));
        nameless.map(|(&(id, address), &token)| (id, address, token))
    }

    /// Where peers were heard and have not answered from there.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = SocketAddr> {
        self.heard.iter().filter(|place| !self.answered.contains_key(place)).map(|&(_, address)| address)
    }

    /// One address of each peer that was heard and has answered from nowhere.
    fn silent(&self) -> Vec<SocketAddr> {
        let has_answered = |id: PeerId| self.answered.keys().any(|&(answered, _)| answered == id);
        one_of_each(self.heard.iter().filter(|&&(id, _)| !has_answered(id)))
    }

    /// Whether there is nothing to wait for: somebody has answered and told its name, and nothing speaks for a fault.
    pub(super) fn is_clear(&self, interfaces: &[Interface]) -> bool {
        !self.answered.is_empty() && self.nameless().next().is_none() && self.findings(interfaces, true).is_empty()
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
            self.answered.keys().filter(|&&(_, address)| is_near(address)).map(|&(id, _)| id).collect();
        let far = one_of_each(self.answered.keys().filter(|(id, _)| !near.contains(id)));
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
    use chat_core::mesh::{Addresses, Body, Digest, Packer};

    const OWN: Nonce = Nonce(1);
    const NONCES: [Nonce; 2] = [OWN, Nonce(2)];
    const TOKEN: Token = Token(3);
    /// The token that a peer gives.
    const GIVEN: Token = Token(4);

    /// Nothing was seen yet.
    fn observed() -> Observed {
        Observed::new(Own { nonces: NONCES, token: TOKEN })
    }

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
        let token = if matches!(item, Item::Rows { .. }) { TOKEN } else { Token::NONE };
        datagram.push(&Item::From { id, incarnation: 0, token }).unwrap();
        datagram.push(item).unwrap();
        observed.handle_datagram(source, arrival, datagram.as_bytes());
    }

    /// Sees a page of these rows.
    fn see_rows(observed: &mut Observed, source: SocketAddr, members: &[(u64, &str)]) {
        let mut rows = Packer::<200>::new(200);
        for &(id, name) in members {
            let (name, addresses) = (Username::new(name).unwrap(), Addresses::default());
            let standing = Standing::Member(Body { rank: 1, capacity_log2: 8, name, addresses });
            rows.push(&WireRow { id: PeerId(id), incarnation: 0, standing }).unwrap();
        }
        let rows = Item::Rows { after: PeerId(5), until: PeerId::LAST, rows: rows.as_packed() };
        see(observed, source, Arrival::Unicast, &rows);
    }

    /// An answer to a call.
    fn found(nonce: Nonce) -> Item<'static> {
        Item::Found { nonce, token: GIVEN, members: 1, capacity_log2: 8, table: Digest(0) }
    }

    #[test]
    fn own_call_that_comes_back_and_an_answer_are_all_that_is_needed() {
        let mut observed = observed();
        let lost = Finding::MulticastLost { interface: "eth0".to_owned() };
        assert_eq!(observed.findings(&interfaces(), true), [lost]);
        assert!(observed.findings(&interfaces(), false).is_empty());
        see(&mut observed, at([10, 1, 0, 2]), Arrival::Multicast, &Item::Seek { nonce: NONCES[1], members: 0 });
        assert_eq!(observed.findings(&interfaces(), true).len(), 1);
        see(&mut observed, at([10, 1, 0, 2]), Arrival::Multicast, &Item::Seek { nonce: OWN, members: 0 });
        assert!(observed.findings(&interfaces(), true).is_empty() && !observed.is_clear(&interfaces()));
        see(&mut observed, at([10, 1, 0, 1]), Arrival::Unicast, &found(OWN));
        assert!(observed.findings(&interfaces(), true).is_empty() && !observed.is_clear(&interfaces()));
        see_rows(&mut observed, at([10, 1, 0, 1]), &[(9_293, "ann")]);
        assert!(observed.is_clear(&interfaces()));
    }

    #[test]
    fn peer_that_is_heard_and_does_not_answer_is_unreachable_until_it_does() {
        let (mut observed, peer) = (observed(), at([10, 1, 0, 1]));
        see(&mut observed, peer, Arrival::Multicast, &Item::Seek { nonce: Nonce(9), members: 1 });
        assert_eq!(observed.findings(&interfaces(), false), [Finding::Unreachable { peer }]);
        see(&mut observed, peer, Arrival::Unicast, &found(NONCES[1]));
        assert!(observed.findings(&interfaces(), false).is_empty());
    }

    #[test]
    fn peer_that_answers_from_one_of_its_addresses_is_reached_and_told_once() {
        let (mut observed, ipv4, ipv6) = (observed(), at([10, 1, 0, 1]), "[fe80::1%2]:9293".parse().unwrap());
        for source in [ipv4, ipv6] {
            see(&mut observed, source, Arrival::Multicast, &Item::Seek { nonce: Nonce(9), members: 1 });
        }
        assert_eq!(observed.findings(&interfaces(), false), [Finding::Unreachable { peer: ipv4 }]);
        assert_eq!(observed.unanswered().count(), 2);
        see(&mut observed, ipv4, Arrival::Unicast, &found(OWN));
        assert!(observed.findings(&interfaces(), false).is_empty());
        see(&mut observed, ipv6, Arrival::Unicast, &found(OWN));
        assert_eq!(observed.answered(), [Answering { id: PeerId(9_293), name: None, addresses: vec![ipv4, ipv6] }]);
    }

    #[test]
    fn peer_whose_address_is_of_another_network_and_which_does_not_answer_has_a_wrong_one() {
        let (mut observed, peer) = (observed(), at([10, 9, 0, 1]));
        see(&mut observed, peer, Arrival::Multicast, &Item::Seek { nonce: Nonce(9), members: 1 });
        assert_eq!(observed.findings(&interfaces(), false), [Finding::ForeignAddress { peer }]);
    }

    #[test]
    fn peers_that_answer_are_asked_for_their_names_until_they_have_told_them() {
        let (mut observed, ann, bob) = (observed(), at([10, 1, 0, 9]), at([10, 1, 0, 5]));
        for (id, source) in [(7, ann), (8, bob)] {
            see_from(&mut observed, PeerId(id), source, Arrival::Unicast, &found(OWN));
        }
        assert_eq!(observed.nameless().collect::<Vec<_>>(), [(PeerId(7), ann, GIVEN), (PeerId(8), bob, GIVEN)]);
        see_rows(&mut observed, ann, &[(6, "eve"), (7, "ann")]);
        assert_eq!(observed.nameless().collect::<Vec<_>>(), [(PeerId(8), bob, GIVEN)]);
        let names =
            observed.answered().into_iter().map(|peer| (peer.id.0, peer.name.map(|name| name.as_str().to_owned())));
        assert_eq!(names.collect::<Vec<_>>(), [(8, None), (7, Some("ann".to_owned()))]);
    }

    #[test]
    fn doctor_of_another_machine_is_no_peer() {
        let mut observed = observed();
        let call = Item::Seek { nonce: Nonce(9), members: 0 };
        see_from(&mut observed, DOCTOR, at([10, 1, 0, 1]), Arrival::Multicast, &call);
        assert!(observed.findings(&interfaces(), false).is_empty());
        assert_eq!(observed.unanswered().count(), 0);
    }

    #[test]
    fn answer_from_elsewhere_tells_of_another_subnet() {
        let (mut observed, peer) = (observed(), at([10, 2, 0, 1]));
        see(&mut observed, peer, Arrival::Unicast, &found(OWN));
        assert_eq!(observed.findings(&interfaces(), false), [Finding::OtherSubnet { peer }]);
    }

    #[test]
    fn other_versions_and_servers_matter_only_while_no_peer_is_there() {
        let (mut observed, peer) = (observed(), at([10, 1, 0, 1]));
        observed.handle_datagram(peer, Arrival::Multicast, b"CHM\x09rest");
        observed.handle_datagram(peer, Arrival::Unicast, b"CHR\x01\x0a\x05\x08\x08\x07\x06\x05\x04\x03\x02\x01");
        observed.handle_datagram(peer, Arrival::Unicast, b"nonsense");
        let expected = [Finding::OtherVersion { peer, version: 9 }, Finding::ServerOnly { relay: peer }];
        assert_eq!(observed.findings(&interfaces(), false), expected);
        see(&mut observed, peer, Arrival::Unicast, &found(OWN));
        assert!(observed.findings(&interfaces(), false).is_empty());
    }

    #[test]
    fn crowd_of_addresses_stays_bounded() {
        let mut observed = observed();
        for last in 0..=255 {
            see(&mut observed, at([10, 1, 0, last]), Arrival::Multicast, &Item::Seek { nonce: Nonce(9), members: 1 });
        }
        assert_eq!(observed.unanswered().count(), ADDRESSES_MAX);
    }
}
