//! Seeks and their answers that are due.

use super::due::Attempt;
use super::envelope::Recipient;
use super::{Peer, Phase, Target};
use crate::address::Address;
use crate::limits::{MESH_JOIN_TARGETS_MAX, MESH_SEEK_BYTES};
use crate::mesh::discovery::{self, Mode};
use crate::mesh::item::Item;
use crate::mesh::{Nonce, PeerId, Token};
use crate::time::Instant;
use core::net::SocketAddr;

/// Whether Seeks to an address are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spending {
    /// As to any address that is not proven.
    Bounded,
    /// The user named the address: it gets a Seek each time.
    Named,
}

impl Peer<'_> {
    /// From now on these addresses are asked for a group besides multicast, the first eight of them: a name may lead elsewhere than
    /// before. Work: one copy.
    pub fn set_join(&mut self, join: &[SocketAddr]) {
        self.config.join = join.iter().copied().take(MESH_JOIN_TARGETS_MAX).collect();
    }

    /// A Seek or a Found.
    pub(super) fn next_discovery(&mut self, now: Instant) -> Attempt {
        let timers = self.config.timers;
        let multicast = u8::from(self.config.discovery);
        // There are no more targets than fit.
        let targets = u8::try_from(self.config.join.len()).unwrap_or(u8::MAX);
        let beacons = self.discovery.mode() == Mode::Member && multicast == 0;
        let destinations = targets.saturating_add(multicast.max(u8::from(beacons)));
        let due = self.discovery.due(now, timers, &mut self.random, destinations)?;
        Some(match due {
            discovery::Due::Found(id, address, nonce) => self.send_found(now, id, address, nonce),
            discovery::Due::Announce if multicast == 0 => None,
            discovery::Due::Announce => self.send_announcement(),
            discovery::Due::Callback(address) => self.send_seek(now, Some(address), Spending::Bounded),
            discovery::Due::Seek(index) if beacons && index == targets => {
                let index = self.random.below(self.table.live().saturating_sub(1));
                let id = self.table.others().nth(index).map(|row| row.id)?;
                let address = self.recipient(now, id)?.address;
                self.send_seek(now, Some(address), Spending::Bounded)
            }
            discovery::Due::Seek(index) if index == targets => self.send_seek(now, None, Spending::Named),
            discovery::Due::Seek(index) => {
                let address = Address::from(self.config.join.get(usize::from(index)).copied()?);
                // A group shows itself only where it does not know who is there.
                let is_known = self.table.others().any(|row| row.contacts.is_proven(address));
                if is_known { None } else { self.send_seek(now, Some(address), Spending::Named) }
            }
        })
    }

    /// A Seek to an address, or to all.
    fn send_seek(&mut self, now: Instant, address: Option<Address>, spending: Spending) -> Option<Target> {
        self.open(Token::NONE);
        let seek = Item::Seek { nonce: self.discovery.nonce(), members: self.members_told() };
        self.datagram.push(&seek).ok()?;
        self.datagram.pad_to(MESH_SEEK_BYTES);
        match address {
            Some(address) if !address.is_answerable() => None,
            Some(address) => {
                let is_proven = spending == Spending::Named;
                let to = Recipient { id: PeerId::ZERO, address, token: Token::NONE, is_proven, via_for: None };
                self.allow(now, to).then(|| Target::Unicast(SocketAddr::from(address)))
            }
            None => Some(Target::Multicast),
        }
    }

    /// The answer to a Seek.
    fn send_found(&mut self, now: Instant, id: PeerId, address: Address, nonce: Nonce) -> Option<Target> {
        if self.phase != Phase::Member {
            return None;
        }
        let token = self.table.get(id).map_or(Token::NONE, |row| row.token);
        self.open(token);
        self.datagram
            .push(&Item::Found {
                nonce,
                token: self.tokens.token(id, address),
                members: self.members_count(),
                capacity_log2: self.table.capacity_log2(),
                table: self.table.digest(),
            })
            .ok()?;
        let to = Recipient { id, address, token, is_proven: self.is_proven(id, address), via_for: None };
        self.allow(now, to).then(|| Target::Unicast(SocketAddr::from(address)))
    }

    /// That a group was founded.
    fn send_announcement(&mut self) -> Option<Target> {
        self.open(Token::NONE);
        let found = Item::Found {
            nonce: self.discovery.nonce(),
            token: Token::NONE,
            members: self.members_count(),
            capacity_log2: self.table.capacity_log2(),
            table: self.table.digest(),
        };
        self.datagram.push(&found).ok()?;
        Some(Target::Multicast)
    }
}
