//! How many connections and joins come from one address: enough for a class behind one router, not for a script that takes all.
//!
//! An address is an IPv4 address or the first 64 bits of an IPv6 address, which is what one machine usually has to itself. This
//! machine's own programs are not limited: they could take all it has in any case.

use chat_core::time::Instant;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much one address may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressLimits {
    /// Most connections at a time.
    pub connections_max: u32,
    /// Most joins at once; then `joins_per_second`.
    pub joins_burst: u32,
    /// Joins a second above the burst.
    pub joins_per_second: u32,
}

impl AddressLimits {
    /// What docs/room-protocol.md says.
    pub const DEFAULT: Self = Self { connections_max: 1_024, joins_burst: 1_024, joins_per_second: 10 };
}

/// The address of a connection, as it is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(u64);

/// What every address has taken.
#[derive(Debug)]
pub struct Addresses {
    /// The limits.
    limits: AddressLimits,
    /// What is taken. Accepting and all workers share it; it is held for a look-up only.
    table: Mutex<Table>,
}

/// What is taken, by address.
#[derive(Debug)]
struct Table {
    /// Addresses that have taken something.
    taken: HashMap<Origin, Taken>,
    /// With so many addresses, those that have nothing any more are forgotten.
    purge_at: usize,
}

/// Fewest addresses with which the table is purged.
const PURGE_MIN: usize = 64;

/// What one address has taken.
#[derive(Debug)]
struct Taken {
    /// Connections at this moment.
    connections: u32,
    /// Joins that are not worked off yet.
    joins: u32,
    /// When joins were last worked off.
    counted_at: Instant,
}

impl Origin {
    /// The origin of connections from this address; `None` for this machine itself.
    pub fn of(ip: IpAddr) -> Option<Self> {
        match ip.to_canonical() {
            ip if ip.is_loopback() => None,
            // Above all prefixes of IPv6 that are given to machines (2000::/3, fc00::/7, fe80::/10).
            IpAddr::V4(ip) => Some(Self(0xff00_0000_0000_0000 | u64::from(ip.to_bits()))),
            IpAddr::V6(ip) => Some(Self(u64::try_from(ip.to_bits() >> 64).unwrap_or(0))),
        }
    }
}

impl Addresses {
    /// Nothing is taken.
    pub fn new(limits: AddressLimits) -> Self {
        Self { limits, table: Mutex::new(Table { taken: HashMap::new(), purge_at: PURGE_MIN }) }
    }

    /// Takes the lock; whoever panicked with it has left numbers behind that are no more than wrong by one.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection comes; says whether it may stay. One that may not is not counted.
    pub fn connect(&self, origin: Option<Origin>, now: Instant) -> bool {
        let Some(origin) = origin else { return true };
        let mut table = self.lock();
        let taken = table.taken.entry(origin).or_insert(Taken { connections: 0, joins: 0, counted_at: now });
        let may_stay = taken.connections < self.limits.connections_max;
        taken.connections += u32::from(may_stay);
        may_stay
    }

    /// A connection asks to join; says whether it may.
    pub fn join(&self, origin: Option<Origin>, now: Instant) -> bool {
        let Some(origin) = origin else { return true };
        let mut table = self.lock();
        let Some(taken) = table.taken.get_mut(&origin) else { return true };
        taken.work_off(&self.limits, now);
        let may_join = taken.joins < self.limits.joins_burst;
        taken.joins += u32::from(may_join);
        may_join
    }

    /// A connection that stayed is gone. Constant time on average.
    pub fn disconnect(&self, origin: Option<Origin>, now: Instant) {
        let Some(origin) = origin else { return };
        let mut table = self.lock();
        let Table { taken, purge_at } = &mut *table;
        if let Some(taken) = taken.get_mut(&origin) {
            taken.connections = taken.connections.saturating_sub(1);
        }
        if taken.len() >= *purge_at {
            taken.retain(|_, taken| {
                taken.work_off(&self.limits, now);
                taken.connections > 0 || taken.joins > 0
            });
            // At least as many must come before the next time.
            *purge_at = PURGE_MIN + 2 * taken.len();
        }
    }
}

impl Taken {
    /// Counts down the joins that have been worked off by now.
    fn work_off(&mut self, limits: &AddressLimits, now: Instant) {
        let pause = Duration::from_millis(1_000) / limits.joins_per_second.max(1);
        let passed = (now - self.counted_at).as_millis() / pause.as_millis().max(1);
        let worked_off = u32::try_from(passed).unwrap_or(u32::MAX);
        self.joins = self.joins.saturating_sub(worked_off);
        // The rest of a pause counts for the next one, but there is none to wait for when all is worked off.
        self.counted_at = if self.joins == 0 { now } else { self.counted_at + pause * worked_off };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AddressLimits = AddressLimits { connections_max: 2, joins_burst: 3, joins_per_second: 10 };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn origin(ip: &str) -> Option<Origin> {
        Origin::of(ip.parse().unwrap())
    }

    #[test]
    fn connection_beyond_the_limit_is_turned_away_until_one_is_gone() {
        let addresses = Addresses::new(LIMITS);
        let ann = origin("192.0.2.1");
        assert!(addresses.connect(ann, at(0)) && addresses.connect(ann, at(0)));
        assert!(!addresses.connect(ann, at(0)));
        assert!(addresses.connect(origin("192.0.2.2"), at(0)));
        addresses.disconnect(ann, at(1));
        assert!(addresses.connect(ann, at(1)));
        assert!(!addresses.connect(ann, at(1)));
    }

    #[test]
    fn joins_beyond_the_burst_are_refused_until_they_are_worked_off() {
        let addresses = Addresses::new(LIMITS);
        let ann = origin("192.0.2.1");
        addresses.connect(ann, at(0));
        for _ in 0..3 {
            assert!(addresses.join(ann, at(0)));
        }
        assert!(!addresses.join(ann, at(99)));
        assert!(addresses.join(ann, at(150)));
        assert!(!addresses.join(ann, at(199)));
        assert!(addresses.join(ann, at(200)));
    }

    #[test]
    fn leaving_does_not_work_joins_off_and_nothing_is_kept_for_long() {
        let addresses = Addresses::new(LIMITS);
        let ann = origin("192.0.2.1");
        for _ in 0..3 {
            assert!(addresses.connect(ann, at(0)) && addresses.join(ann, at(0)));
            addresses.disconnect(ann, at(0));
        }
        assert!(addresses.connect(ann, at(0)) && !addresses.join(ann, at(0)));
        for index in 0..1_000 {
            let other = Some(Origin(index));
            assert!(addresses.connect(other, at(1_000)));
            addresses.disconnect(other, at(1_000));
        }
        assert!(addresses.lock().taken.len() <= 2 * PURGE_MIN);
    }

    #[test]
    fn origins_are_ipv4_addresses_and_ipv6_networks_and_not_this_machine() {
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::2"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
        for own in ["127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(origin(own), None);
        }
    }
}
