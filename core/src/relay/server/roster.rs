//! The roster: the clients that have greeted. It never forgets a client, so a client's position never changes.
//!
//! It is a trait because it has two implementors: [`FixedRoster`] here, for a microcontroller, and one in host that grows.

use crate::address::Address;
use crate::limits::{Full, RELAY_ROSTER_MAX};
use heapless::index_map::FnvIndexMap;

/// One of the server's own addresses: a client sends to it, and answers leave from it, because a client may hear no other.
/// The driver numbers the addresses; 0 leaves the choice to the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Local(pub u16);

/// A client to send to, and the own address to send from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// The client's address, by which clients are told apart.
    pub address: Address,
    /// The own address that its last GREETING came to; answers leave from it.
    pub local: Local,
}

/// The clients that have greeted, numbered from 0 in the order of their first GREETING.
pub trait Roster {
    /// Enters a client. If the roster has its address already, only the client's `local` is updated.
    ///
    /// # Errors
    /// [`Full`] when there is no room; nothing has changed then.
    fn admit(&mut self, client: Recipient) -> Result<Admission, Full>;

    /// Whether the address has been admitted. Constant time on average.
    fn contains(&self, address: &Address) -> bool;

    /// How many have been admitted. Never shrinks.
    fn count(&self) -> u32;

    /// The client at a position below [`Roster::count`]. Constant time.
    fn client(&self, position: u32) -> Option<Recipient>;
}

/// What admitting an address has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The address is new and has the next position.
    New,
    /// The roster had the address already.
    Known,
}

/// A roster of at most `N` addresses in place; `N` is a power of two from 2 to [`RELAY_ROSTER_MAX`].
#[derive(Debug)]
pub struct FixedRoster<const N: usize> {
    /// The addresses in the order of admission, with an index for look-up.
    addresses: FnvIndexMap<Address, Local, N>,
}

impl<const N: usize> FixedRoster<N> {
    /// The map's index has 16 bits.
    const FITS: () = assert!(N <= RELAY_ROSTER_MAX);

    /// An empty roster.
    pub const fn new() -> Self {
        let () = Self::FITS;
        Self { addresses: FnvIndexMap::new() }
    }
}

impl<const N: usize> Default for FixedRoster<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Roster for FixedRoster<N> {
    fn admit(&mut self, client: Recipient) -> Result<Admission, Full> {
        match self.addresses.insert(client.address, client.local) {
            Ok(Some(_)) => Ok(Admission::Known),
            Ok(None) => Ok(Admission::New),
            Err(_) => Err(Full),
        }
    }

    fn contains(&self, address: &Address) -> bool {
        self.addresses.contains_key(address)
    }

    fn count(&self) -> u32 {
        // N is at most RELAY_ROSTER_MAX, which has 16 bits.
        u32::try_from(self.addresses.len()).unwrap_or(u32::MAX)
    }

    fn client(&self, position: u32) -> Option<Recipient> {
        let (&address, &local) = self.addresses.get_index(usize::try_from(position).ok()?)?;
        Some(Recipient { address, local })
    }
}
