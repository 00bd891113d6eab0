//! The connections and joins of each address: core's allowances in a table that grows and is purged.

use chat_core::room::server::{AddressLimits, Allowance, Origin};
use chat_core::time::Instant;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The allowances of all addresses.
#[derive(Debug)]
pub(crate) struct Addresses {
    /// The limits.
    limits: AddressLimits,
    /// The table, shared by the listener and all workers. It is locked for one look-up only.
    table: Mutex<Table>,
}

/// Allowances by address.
#[derive(Debug)]
struct Table {
    /// The allowance of each address that has connections or has joined of late.
    allowances: HashMap<Origin, Allowance>,
    /// At this number of addresses, those without connections and late joins are forgotten.
    purge_at: usize,
}

/// Fewest addresses with which the table is purged.
const PURGE_MIN: usize = 64;

impl Addresses {
    /// A table without addresses.
    pub(super) fn new(limits: AddressLimits) -> Self {
        Self { limits, table: Mutex::new(Table { allowances: HashMap::new(), purge_at: PURGE_MIN }) }
    }

    /// Takes the lock. If a thread panicked while it held the lock, a number may be wrong by one, and the others go on.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection comes. Returns whether it may stay; if not, it is not counted.
    pub(super) fn connect(&self, origin: Option<Origin>) -> bool {
        let Some(origin) = origin else { return true };
        self.lock().allowances.entry(origin).or_insert(Allowance::NEW).connect(&self.limits)
    }

    /// A connection that was counted asks to join. Returns whether it may.
    pub(super) fn join(&self, origin: Option<Origin>, now: Instant) -> bool {
        let Some(origin) = origin else { return true };
        self.lock().allowances.get_mut(&origin).is_none_or(|allowance| allowance.join(&self.limits, now))
    }

    /// A connection that was counted is gone. Constant time on average.
    pub(super) fn disconnect(&self, origin: Option<Origin>, now: Instant) {
        let Some(origin) = origin else { return };
        let mut table = self.lock();
        let Table { allowances, purge_at } = &mut *table;
        if let Some(allowance) = allowances.get_mut(&origin) {
            allowance.disconnect();
        }
        if allowances.len() >= *purge_at {
            allowances.retain(|_, allowance| !allowance.is_new(now));
            // The next purge comes after at least as many new addresses as this one has left.
            *purge_at = PURGE_MIN + 2 * allowances.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::bucket::Rate;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn addresses_are_limited_each_for_itself_and_not_remembered_for_long() {
        let at = Instant::from_millis;
        let limits = AddressLimits { connections_max: 1, joins: Rate { burst: 1, per_second: 10 } };
        let addresses = Addresses::new(limits);
        let origin = |index: u32| Origin::of(IpAddr::V4(Ipv4Addr::from_bits(0xc000_0200 + index)));
        assert!(addresses.connect(origin(0)) && !addresses.connect(origin(0)));
        assert!(addresses.join(origin(0), at(0)) && !addresses.join(origin(0), at(0)));
        for index in 1..1_000 {
            assert!(addresses.connect(origin(index)) && addresses.join(origin(index), at(0)));
            addresses.disconnect(origin(index), at(1_000));
        }
        assert!(addresses.lock().allowances.len() <= 2 * PURGE_MIN);
        assert!(!addresses.connect(origin(0)));
        assert!((0..9).all(|_| addresses.connect(None) && addresses.join(None, at(0))));
    }
}
