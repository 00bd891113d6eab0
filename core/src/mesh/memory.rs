//! The memory of a peer, handed in from outside: what grows with the size of the group.

use super::{Account, Ask, Entry, Flight, Row};

/// Borrowed memory for one [`super::Peer`], whatever stood in it before.
///
/// A group may have half as many members as there are rows; the other half is for those who died or left a moment ago.
#[derive(Debug)]
pub struct Memory<'s> {
    /// Peers that are known: two for each member.
    pub rows: &'s mut [Row],
    /// Peers that are asked for the name: as many as rows.
    pub asks: &'s mut [Ask],
    /// Peers whose messages are known: one for each member at least; more let the departed be remembered.
    pub entries: &'s mut [Entry],
    /// Addresses that have not proven that they receive what is sent to them.
    pub accounts: &'s mut [Account],
    /// Own messages under way.
    pub flights: &'s mut [Flight],
    /// Bytes of messages.
    pub ring: &'s mut [u8],
}

/// A block of memory for one peer.
#[derive(Debug, Clone)]
pub struct Storage<
    const ROWS: usize,
    const ENTRIES: usize,
    const ACCOUNTS: usize,
    const FLIGHTS: usize,
    const RING: usize,
> {
    /// As [`Memory::rows`].
    rows: [Row; ROWS],
    /// As [`Memory::asks`].
    asks: [Ask; ROWS],
    /// As [`Memory::entries`].
    entries: [Entry; ENTRIES],
    /// As [`Memory::accounts`].
    accounts: [Account; ACCOUNTS],
    /// As [`Memory::flights`].
    flights: [Flight; FLIGHTS],
    /// As [`Memory::ring`].
    ring: [u8; RING],
}

/// For a microcontroller: eight members, 4.5 KiB of messages; together with the peer less than 16 KiB.
pub type SmallStorage = Storage<16, 10, 16, 2, 4_608>;

/// For a computer: 256 members, 256 KiB of messages.
pub type HostStorage = Storage<512, 512, 64, 16, 262_144>;

impl<const ROWS: usize, const ENTRIES: usize, const ACCOUNTS: usize, const FLIGHTS: usize, const RING: usize>
    Storage<ROWS, ENTRIES, ACCOUNTS, FLIGHTS, RING>
{
    /// Unused memory, for a static or a box.
    pub const EMPTY: Self = Self {
        rows: [const { Row::EMPTY }; ROWS],
        asks: [Ask::EMPTY; ROWS],
        entries: [Entry::EMPTY; ENTRIES],
        accounts: [Account::EMPTY; ACCOUNTS],
        flights: [Flight::EMPTY; FLIGHTS],
        ring: [0; RING],
    };

    /// The memory for one peer.
    pub const fn memory(&mut self) -> Memory<'_> {
        Memory {
            rows: &mut self.rows,
            asks: &mut self.asks,
            entries: &mut self.entries,
            accounts: &mut self.accounts,
            flights: &mut self.flights,
            ring: &mut self.ring,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::mesh::Peer;

    #[test]
    fn small_peer_takes_at_most_16_kibibytes_with_its_memory() {
        let (peer, storage) = (size_of::<Peer<'_>>(), size_of::<SmallStorage>());
        std::println!("peer {peer}, small storage {storage}, row {}, entry {}", size_of::<Row>(), size_of::<Entry>());
        std::println!("ask {}, account {}, flight {}", size_of::<Ask>(), size_of::<Account>(), size_of::<Flight>());
        assert!(peer + storage <= 16 * 1_024, "{peer} + {storage}");
    }
}
