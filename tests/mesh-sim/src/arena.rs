//! Memory for the peers of a run, made once and used again by the next run.

use crate::node::Owner;
use chat_core::mesh::{Account, Ask, Entry, Flight, Memory, Row};

/// Bytes of the ring of each peer: it holds at least 40 of the longest messages.
const RING_BYTES: usize = 48 * 1_024;

/// Accounts of unproven addresses.
const ACCOUNTS: usize = 64;

/// Own messages under way.
const FLIGHTS: usize = 16;

/// Memory for one peer.
#[derive(Debug, Default)]
pub struct Room {
    /// What its owner decided.
    owner: Option<Owner>,
    /// Rows of the table.
    rows: Vec<Row>,
    /// Whom it claims with.
    asks: Vec<Ask>,
    /// The vector.
    entries: Vec<Entry>,
    /// Accounts of unproven addresses.
    accounts: Vec<Account>,
    /// Own messages under way.
    flights: Vec<Flight>,
    /// The ring of messages.
    ring: Vec<u8>,
}

/// Members that each peer of a scenario with so many hosts has room for: at most as many as a shipped one.
pub fn members_max(hosts: usize) -> usize {
    (2 * hosts).next_power_of_two().clamp(32, 256)
}

impl Room {
    /// Memory for a peer in a group of so many hosts.
    pub fn new(hosts: usize) -> Self {
        let mut room = Self::default();
        room.fit(hosts);
        room
    }

    /// Makes it large enough for a group of so many hosts, strangers that only claim, and the tombs of those that went.
    pub fn fit(&mut self, hosts: usize) {
        // Half of the rows are for tombs.
        let rows = 2 * members_max(hosts);
        if self.rows.len() != rows {
            self.rows.resize(rows, Row::EMPTY);
            self.asks.resize(rows, Ask::EMPTY);
            self.entries.resize(rows, Entry::EMPTY);
            self.accounts.resize(ACCOUNTS, Account::EMPTY);
            self.flights.resize(FLIGHTS, Flight::EMPTY);
            self.ring.resize(RING_BYTES, 0);
        }
    }

    /// Lends it to a peer that starts.
    pub fn take(&mut self, owner: Owner) -> (Memory<'_>, &Owner) {
        let Self { owner: kept, rows, asks, entries, accounts, flights, ring } = self;
        (Memory { rows, asks, entries, accounts, flights, ring }, kept.insert(owner))
    }
}
