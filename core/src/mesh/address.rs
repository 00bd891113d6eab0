//! The addresses of one peer: which are proven, and which one is used.
//!
//! The proven one that was heard last is used; when it has been silent for a while, the next proven one. As long as none is
//! proven, all take turns.

use super::list::Addresses;
use crate::address::Address;
use crate::limits::MESH_ADDRESSES_MAX;
use crate::time::Instant;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use heapless::Vec;

/// How long each address has its turn while none is proven.
const TURN_MS: u64 = 900;

/// Up to four addresses of a peer. The parts of one have one index.
#[derive(Debug, Clone)]
pub(super) struct Contacts {
    /// The addresses.
    addresses: Vec<Address, MESH_ADDRESSES_MAX, u8>,
    /// When the peer was heard from each, or was said to be there.
    heard_at: [Instant; MESH_ADDRESSES_MAX],
    /// Of which it has shown that it receives what is sent there.
    proven: [bool; MESH_ADDRESSES_MAX],
}

impl Contacts {
    /// No address.
    pub(super) const EMPTY: Self = Self {
        addresses: Vec::new(),
        heard_at: [Instant::from_millis(0); MESH_ADDRESSES_MAX],
        proven: [false; MESH_ADDRESSES_MAX],
    };

    /// The peer was heard from this address and has proven it. Where there is no room, the address heard least recently goes,
    /// an unproven one first.
    pub(super) fn prove(&mut self, now: Instant, address: Address) {
        self.put(now, address, true);
    }

    /// Somebody says that the peer is at this address. Changes nothing if it is known or there is no room.
    pub(super) fn learn(&mut self, now: Instant, address: Address) {
        if address.is_answerable() && !self.contains(address) && !self.addresses.is_full() {
            self.put(now, address, false);
        }
    }

    /// The owner says where it is: what is not proven is replaced by it.
    pub(super) fn replace_unproven(&mut self, now: Instant, addresses: &Addresses) {
        let known = core::mem::replace(self, Self::EMPTY);
        for (index, &address) in known.addresses.iter().enumerate().filter(|&(index, _)| known.proven[index]) {
            self.put(known.heard_at[index], address, true);
        }
        for &address in &addresses.0 {
            self.learn(now, address.into());
        }
    }

    /// Puts an address in, in place of the worst if there is no room.
    fn put(&mut self, heard_at: Instant, address: Address, proven: bool) {
        let known = self.addresses.iter().position(|&known| known == address);
        let index = known.or_else(|| {
            let free = self.addresses.len();
            self.addresses.push(address).is_ok().then_some(free)
        });
        let worst = || (0..MESH_ADDRESSES_MAX).min_by_key(|&index| (self.proven[index], self.heard_at[index]));
        let Some(index) = index.or_else(worst) else { return };
        (self.addresses[index], self.heard_at[index], self.proven[index]) = (address, heard_at, proven);
    }

    /// Whether the peer may be at this address.
    pub(super) fn contains(&self, address: Address) -> bool {
        self.addresses.contains(&address)
    }

    /// Whether the peer has proven this address.
    pub(super) fn is_proven(&self, address: Address) -> bool {
        self.proven().any(|(_, proven)| proven == address)
    }

    /// Whether the peer has proven this address and no other.
    pub(super) fn is_only_at(&self, address: Address) -> bool {
        self.has_proven() && self.proven().all(|(_, proven)| proven == address)
    }

    /// Whether it has proven any.
    pub(super) fn has_proven(&self) -> bool {
        self.proven().next().is_some()
    }

    /// All addresses.
    pub(super) fn iter(&self) -> impl Iterator<Item = Address> {
        self.addresses.iter().copied()
    }

    /// The proven ones, each with when it was heard from, and its index to tell it from others of that time.
    fn proven(&self) -> impl Iterator<Item = ((Instant, usize), Address)> {
        let all = self.addresses.iter().enumerate().filter(|&(index, _)| self.proven[index]);
        all.map(|(index, &address)| ((self.heard_at[index], index), address))
    }

    /// The address to use now.
    pub(super) fn best(&self, now: Instant, silence: Duration) -> Option<Address> {
        let Some(((last, _), _)) = self.proven().max_by_key(|(heard, _)| *heard) else {
            let turn = usize::try_from(now.millis() / TURN_MS).unwrap_or(0);
            return self.addresses.get(turn.checked_rem(self.addresses.len())?).copied();
        };
        let turns = usize::try_from((now - last).as_millis() / silence.as_millis().max(1)).unwrap_or(0);
        let turn = turns % self.proven().count();
        let younger = |heard| self.proven().filter(|(other, _)| *other > heard).count();
        self.proven().find(|(heard, _)| younger(*heard) == turn).map(|(_, address)| address)
    }

    /// The addresses as they are told to somebody at `to`, the one in use first: those of one machine or one link go only to
    /// who is reached in the same way.
    pub(super) fn told_to(&self, to: Address, now: Instant, silence: Duration) -> Addresses {
        let best = self.best(now, silence);
        let others = self.iter().filter(|&address| Some(address) != best);
        let mut told = Addresses::default();
        for address in best.into_iter().chain(others).map(SocketAddr::from) {
            if is_of_use(address.ip(), SocketAddr::from(to).ip()) {
                // There are no more addresses than fit.
                let _ = told.0.push(address);
            }
        }
        told
    }
}

/// Whether an address means anything to somebody who is reached at another.
pub(super) fn is_of_use(address: IpAddr, to: IpAddr) -> bool {
    match (address, to) {
        (address, to) if address.is_loopback() => to.is_loopback(),
        (IpAddr::V4(address), to) if address.is_link_local() => matches!(to, IpAddr::V4(to) if to.is_link_local()),
        (IpAddr::V6(address), to) if address.is_unicast_link_local() => {
            matches!(to, IpAddr::V6(to) if to.is_unicast_link_local())
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(3);

    fn address(last: u8) -> Address {
        Address::from(SocketAddr::from(([10, 0, 0, last], 9292)))
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn proven_address_heard_last_is_used_and_the_next_after_silence() {
        let mut contacts = Contacts::EMPTY;
        contacts.learn(at(0), address(9));
        contacts.prove(at(1_000), address(1));
        contacts.prove(at(2_000), address(2));
        assert_eq!(contacts.best(at(2_000), SILENCE), Some(address(2)));
        assert_eq!(contacts.best(at(5_000), SILENCE), Some(address(1)));
        assert_eq!(contacts.best(at(8_000), SILENCE), Some(address(2)));
    }

    #[test]
    fn unproven_addresses_take_turns() {
        let mut contacts = Contacts::EMPTY;
        assert_eq!(contacts.best(at(0), SILENCE), None);
        contacts.learn(at(0), address(1));
        contacts.learn(at(0), address(2));
        assert_eq!(contacts.best(at(0), SILENCE), Some(address(1)));
        assert_eq!(contacts.best(at(TURN_MS), SILENCE), Some(address(2)));
    }

    #[test]
    fn full_contacts_give_up_an_unproven_address_for_a_proven_one_and_none_for_an_unproven() {
        let mut contacts = Contacts::EMPTY;
        (1..=3).for_each(|last| contacts.prove(at(u64::from(last)), address(last)));
        contacts.learn(at(9), address(4));
        contacts.learn(at(9), address(5));
        assert!(!contacts.contains(address(5)));
        contacts.prove(at(10), address(6));
        assert!(!contacts.contains(address(4)));
        contacts.prove(at(11), address(7));
        assert!(!contacts.contains(address(1)));
        assert!(contacts.is_proven(address(7)));
    }

    #[test]
    fn addresses_of_one_machine_and_of_one_link_stay_there() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(is_of_use(ip("127.0.0.1"), ip("127.0.0.1")));
        assert!(!is_of_use(ip("127.0.0.1"), ip("10.0.0.1")));
        assert!(is_of_use(ip("fe80::1"), ip("fe80::2")));
        assert!(!is_of_use(ip("fe80::1"), ip("2001:db8::1")));
        assert!(!is_of_use(ip("169.254.1.1"), ip("10.0.0.1")));
        assert!(is_of_use(ip("10.0.0.1"), ip("127.0.0.1")));
    }
}
