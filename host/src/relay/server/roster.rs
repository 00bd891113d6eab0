//! A roster that grows: as many clients as there is memory, or as the operator allows.
//!
//! Addresses stand in fixed blocks in the order of their admission, so growing never moves them. A hash table of positions finds
//! them; its hash has random keys, because an attacker can choose source addresses. At 100,000 clients a client takes 28 bytes
//! in its block and 5 to 12 in the table.

use chat_core::address::Address;
use chat_core::limits::Full;
use chat_core::relay::server::{Admission, Recipient, Roster};
use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// Addresses in one block.
const BLOCK_LEN: usize = 1_024;

/// A roster without a fixed capacity.
#[derive(Debug)]
pub struct GrowingRoster {
    /// The addresses; all blocks but the last are full.
    blocks: Vec<Vec<Recipient>>,
    /// Positions by the hash of the address that stands there.
    positions: HashTable<u32>,
    /// Keys of the hash.
    hash: RandomState,
    /// How many addresses there are.
    count: u32,
    /// Most addresses that may be admitted.
    count_max: u32,
}

impl GrowingRoster {
    /// An empty roster; `count_max` is the operator's limit.
    pub fn new(count_max: Option<u32>) -> Self {
        Self {
            blocks: Vec::new(),
            positions: HashTable::new(),
            hash: RandomState::new(),
            count: 0,
            count_max: count_max.unwrap_or(u32::MAX),
        }
    }

    /// Bytes of memory that the roster has reserved on the heap.
    pub fn reserved_bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.capacity() * size_of::<Recipient>()).sum();
        blocks + self.blocks.capacity() * size_of::<Vec<Recipient>>() + self.positions.allocation_size()
    }

    /// The position of an address.
    fn find(&self, address: &Address) -> Option<u32> {
        let same = |&position: &u32| address_at(&self.blocks, position) == Some(address);
        self.positions.find(self.hash.hash_one(Some(address)), same).copied()
    }

    /// Reserves room for one more client, and returns the block for it.
    fn reserve(&mut self) -> Result<&mut Vec<Recipient>, Full> {
        let Self { blocks, positions, hash, .. } = self;
        let rehash = |&position: &u32| hash.hash_one(address_at(blocks, position));
        positions.try_reserve(1, rehash).map_err(|_| Full)?;
        if blocks.last().is_none_or(|block| block.len() == BLOCK_LEN) {
            let mut block = Vec::new();
            block.try_reserve_exact(BLOCK_LEN).map_err(|_| Full)?;
            blocks.try_reserve(1).map_err(|_| Full)?;
            blocks.push(block);
        }
        blocks.last_mut().ok_or(Full)
    }
}

/// The block in which a position lies, and its index in that block.
fn place(position: u32) -> (usize, usize) {
    // A machine with sockets has addresses of 32 bits at least.
    let position = usize::try_from(position).unwrap_or(usize::MAX);
    (position / BLOCK_LEN, position % BLOCK_LEN)
}

/// The address at a position, if there is one.
fn address_at(blocks: &[Vec<Recipient>], position: u32) -> Option<&Address> {
    let (block, place) = place(position);
    Some(&blocks.get(block)?.get(place)?.address)
}

impl Roster for GrowingRoster {
    fn admit(&mut self, client: Recipient) -> Result<Admission, Full> {
        if let Some(position) = self.find(&client.address) {
            let (block, place) = place(position);
            self.blocks[block][place].local = client.local;
            return Ok(Admission::Known);
        }
        if self.count >= self.count_max {
            return Err(Full);
        }
        self.reserve()?.push(client);
        let Self { blocks, positions, hash, count, .. } = self;
        // Room was reserved above, so nothing is hashed anew.
        let rehash = |&position: &u32| hash.hash_one(address_at(blocks, position));
        positions.insert_unique(hash.hash_one(Some(&client.address)), *count, rehash);
        *count += 1;
        Ok(Admission::New)
    }

    fn contains(&self, address: &Address) -> bool {
        self.find(address).is_some()
    }

    fn count(&self) -> u32 {
        self.count
    }

    fn client(&self, position: u32) -> Option<Recipient> {
        let (block, place) = place(position);
        self.blocks.get(block)?.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::relay::server::Local;
    use std::net::{Ipv4Addr, SocketAddr};

    /// The `index`th of many different clients.
    fn client(index: u32) -> Recipient {
        let address = Address::from(SocketAddr::from((Ipv4Addr::from(0x0a00_0000 | index), 4_000)));
        Recipient { address, local: Local(0) }
    }

    #[test]
    fn hundred_thousand_addresses_are_found_in_order_and_take_at_most_64_bytes_each() {
        const COUNT: u32 = 100_000;
        let mut roster = GrowingRoster::new(None);
        for index in 0..COUNT {
            assert_eq!(roster.admit(client(index)), Ok(Admission::New));
        }
        assert_eq!(roster.count(), COUNT);
        for index in (0..COUNT).step_by(97) {
            assert_eq!(roster.admit(client(index)), Ok(Admission::Known));
            assert_eq!(roster.client(index), Some(client(index)));
        }
        assert!(!roster.contains(&client(COUNT).address));
        assert_eq!(roster.client(COUNT), None);
        let bytes = roster.reserved_bytes();
        assert!(bytes <= 64 * COUNT as usize, "{bytes} bytes");
    }
}
