//! The roster: who has greeted. It never forgets, so a position in it stays what it is.
//!
//! It is a trait because it has two implementors: [`FixedRoster`] here, for a microcontroller, and one in host that grows.

use crate::address::Address;
use crate::limits::{Full, RELAY_ROSTER_MAX};
use heapless::index_map::FnvIndexMap;

/// To which of the server's own addresses a client speaks, and so from which it is to be answered: a client may hear no other.
/// The number is the driver's; 0 leaves the choice to the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Local(pub u16);

/// Whom a server sends to: a client, and from where it is to be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient {
    /// Where it is: what tells clients apart.
    pub address: Address,
    /// The own address that its last GREETING came to; answers leave from it.
    pub local: Local,
}

/// Who has greeted, numbered from 0 in the order of their first GREETING.
pub trait Roster {
    /// Enters a client unless its address is there already; then it is only noted to where it speaks now.
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
    /// It is new and has the next position.
    New,
    /// It was there.
    Known,
}

/// A roster of at most `N` addresses in place; `N` is a power of two from 2 to [`RELAY_ROSTER_MAX`].
#[derive(Debug)]
pub struct FixedRoster<const N: usize> {
    /// The addresses in the order of admission, with an index for look-up.
    addresses: FnvIndexMap<Address, Local, N>,
}

impl<const N: usize> FixedRoster<N> {
    /// Positions are 32-bit on every machine.
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
