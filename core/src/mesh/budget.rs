//! How many bytes an address gets that has not proven that it receives them (docs/mesh-protocol.md, after RFC 9000 section 8):
//! as many as came from it and 1,000 more, in a minute.

use crate::address::Address;
use crate::limits::{MESH_UNPROVEN_BYTES_MAX, MESH_UNPROVEN_PER_SECOND_MAX};
use crate::time::Instant;
use core::time::Duration;

/// What an unproven address has sent and got.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// Whose account it is; `None` if it is unused.
    address: Option<Address>,
    /// Since when it is kept.
    opened_at: Instant,
    /// How many bytes more it may get.
    left: u32,
}

impl Account {
    /// An unused account, for static storage.
    pub const EMPTY: Self = Self { address: None, opened_at: Instant::from_millis(0), left: 0 };
}

/// The accounts of all unproven addresses.
#[derive(Debug)]
pub(super) struct Budget<'s> {
    /// The accounts.
    accounts: &'s mut [Account],
    /// Since when new addresses are counted.
    second_at: Instant,
    /// How many came since.
    new: u8,
    /// The address without an account that a datagram came from last, and how many bytes more it may get.
    passing: Option<(Address, u32)>,
}

impl<'s> Budget<'s> {
    /// Accounts in this memory.
    pub(super) fn new(accounts: &'s mut [Account], now: Instant) -> Self {
        accounts.fill(Account::EMPTY);
        Self { accounts, second_at: now, new: 0, passing: None }
    }

    /// So many bytes came from an unproven address.
    pub(super) fn receive(&mut self, now: Instant, window: Duration, address: Address, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.passing = None;
        match self.account(now, window, address) {
            Some(account) => account.left = account.left.saturating_add(bytes),
            None => self.passing = Some((address, bytes)),
        }
    }

    /// An address has been proven: no account is kept for it any more.
    pub(super) fn release(&mut self, address: Address) {
        if let Some(account) = self.accounts.iter_mut().find(|account| account.address == Some(address)) {
            *account = Account::EMPTY;
        }
    }

    /// Takes bytes for an unproven address, if it may get so many. Work: one pass over the accounts.
    pub(super) fn take(&mut self, now: Instant, window: Duration, address: Address, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let left = match self.account(now, window, address) {
            Some(account) => &mut account.left,
            None => match &mut self.passing {
                Some((passing, left)) if *passing == address => left,
                _ => return false,
            },
        };
        let taken = left.checked_sub(bytes);
        *left = taken.unwrap_or(*left);
        taken.is_some()
    }

    /// The account of an address, opened if there is room for it.
    fn account(&mut self, now: Instant, window: Duration, address: Address) -> Option<&mut Account> {
        let is_over = |account: &Account| account.address.is_none() || now - account.opened_at >= window;
        if let Some(index) =
            self.accounts.iter().position(|account| account.address == Some(address) && !is_over(account))
        {
            return self.accounts.get_mut(index);
        }
        let index = self.accounts.iter().position(is_over)?;
        if now - self.second_at >= Duration::from_secs(1) {
            (self.second_at, self.new) = (now, 0);
        }
        if self.new == MESH_UNPROVEN_PER_SECOND_MAX {
            return None;
        }
        self.new += 1;
        self.accounts[index] = Account { address: Some(address), opened_at: now, left: MESH_UNPROVEN_BYTES_MAX };
        self.accounts.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use core::net::SocketAddr;

    const WINDOW: Duration = Duration::from_secs(60);

    fn address(last: u8) -> Address {
        Address::from(SocketAddr::from(([10, 0, 0, last], 9292)))
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn address_gets_what_came_and_a_thousand_more_in_a_minute() {
        let mut accounts = [Account::EMPTY; 2];
        let mut budget = Budget::new(&mut accounts, at(0));
        budget.receive(at(0), WINDOW, address(1), 100);
        assert!(budget.take(at(1), WINDOW, address(1), 1_100));
        assert!(!budget.take(at(59_999), WINDOW, address(1), 1));
        assert!(budget.take(at(60_000), WINDOW, address(1), 1_000));
        assert!(!budget.take(at(60_000), WINDOW, address(1), 1));
    }

    #[test]
    fn address_without_room_gets_only_what_came() {
        let mut accounts = [Account::EMPTY; 1];
        let mut budget = Budget::new(&mut accounts, at(0));
        assert!(budget.take(at(0), WINDOW, address(1), 10));
        assert!(!budget.take(at(0), WINDOW, address(2), 1));
        budget.receive(at(0), WINDOW, address(2), 60);
        assert!(budget.take(at(0), WINDOW, address(2), 60));
        assert!(!budget.take(at(0), WINDOW, address(2), 1));
        budget.receive(at(0), WINDOW, address(3), 60);
        assert!(!budget.take(at(0), WINDOW, address(2), 1));
    }

    #[test]
    fn proven_address_makes_room_for_another() {
        let mut accounts = [Account::EMPTY; 1];
        let mut budget = Budget::new(&mut accounts, at(0));
        assert!(budget.take(at(0), WINDOW, address(1), 10));
        budget.release(address(1));
        assert!(budget.take(at(0), WINDOW, address(2), 10));
    }

    #[test]
    fn only_64_new_addresses_a_second_get_an_account() {
        let mut accounts = std::vec![Account::EMPTY; 70];
        let mut budget = Budget::new(&mut accounts, at(0));
        let taken = (0..70).filter(|&last| budget.take(at(999), WINDOW, address(last), 200)).count();
        assert_eq!(taken, 64);
        assert!(budget.take(at(1_000), WINDOW, address(69), 200));
    }
}
