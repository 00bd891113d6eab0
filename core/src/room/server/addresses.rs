//! How many connections and joins come from one address: enough for a class behind one router, not for a script that takes all.
//!
//! An address is an IPv4 address or the first 64 bits of an IPv6 address, which is what one machine usually has to itself. The
//! server's own machine is not limited: its programs could take all it has in any case. The caller keeps the table of addresses with
//! their allowances.

use crate::bucket::{Bucket, Rate};
use crate::time::Instant;
use core::net::IpAddr;
use core::num::NonZeroU64;

/// How much one address may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressLimits {
    /// Most connections at a time.
    pub connections_max: u32,
    /// How fast it may join.
    pub joins: Rate,
}

impl AddressLimits {
    /// What docs/room-protocol.md section 8 says.
    pub const DEFAULT: Self = Self { connections_max: 1_024, joins: Rate { burst: 1_024, per_second: 10 } };
}

/// The address of a connection, in the form by which connections are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(NonZeroU64);

/// What one address has taken.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Connections at this moment.
    connections: u32,
    /// The tokens that it has left for joins.
    joins: Bucket,
}

impl Origin {
    /// The origin of connections from this address; `None` for the server's own machine.
    pub fn of(ip: IpAddr) -> Option<Self> {
        let bits = match ip.to_canonical() {
            ip if ip.is_loopback() => return None,
            // No prefix of IPv6 that machines have (2000::/3, fc00::/7, fe80::/10) begins with ff00.
            IpAddr::V4(ip) => 0xff00_0000_0000_0000 | u64::from(ip.to_bits()),
            IpAddr::V6(ip) => u64::try_from(ip.to_bits() >> 64).unwrap_or(0),
        };
        // No machine has an address in ::/64; a forged one shares its origin with 0:0:0:1::/64.
        Some(Self(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN)))
    }
}

impl Allowance {
    /// The allowance of an address that has no connections and has not joined of late.
    pub const NEW: Self = Self { connections: 0, joins: Bucket::FULL };

    /// A connection comes. Returns whether it may stay; if not, it is not counted.
    pub fn connect(&mut self, limits: &AddressLimits) -> bool {
        let may_stay = self.connections < limits.connections_max;
        self.connections += u32::from(may_stay);
        may_stay
    }

    /// A connection asks to join. Returns whether it may.
    pub fn join(&mut self, limits: &AddressLimits, now: Instant) -> bool {
        let may_join = self.joins.has_token(limits.joins, now).is_ok();
        if may_join {
            self.joins.take(limits.joins, now);
        }
        may_join
    }

    /// A connection that was counted is gone.
    pub fn disconnect(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// Whether it equals [`Allowance::NEW`], so that the address need not be remembered.
    pub fn is_new(&self, now: Instant) -> bool {
        self.connections == 0 && self.joins.is_full(now)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    const LIMITS: AddressLimits = AddressLimits { connections_max: 2, joins: Rate { burst: 3, per_second: 10 } };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn origin(ip: &str) -> Option<Origin> {
        Origin::of(ip.parse().unwrap())
    }

    #[test]
    fn connection_beyond_the_limit_is_turned_away_until_one_is_gone() {
        let mut ann = Allowance::NEW;
        assert!(ann.connect(&LIMITS) && ann.connect(&LIMITS));
        assert!(!ann.connect(&LIMITS));
        ann.disconnect();
        assert!(ann.connect(&LIMITS));
        assert!(!ann.connect(&LIMITS));
    }

    #[test]
    fn joins_beyond_the_burst_are_refused_until_a_token_is_back() {
        let mut ann = Allowance::NEW;
        assert!((0..3).all(|_| ann.join(&LIMITS, at(0))));
        assert!(!ann.join(&LIMITS, at(99)));
        assert!(ann.join(&LIMITS, at(150)));
        assert!(!ann.join(&LIMITS, at(199)));
        assert!(ann.join(&LIMITS, at(200)));
    }

    #[test]
    fn leaving_gives_no_joins_back_and_nothing_is_remembered_for_long() {
        let mut ann = Allowance::NEW;
        for _ in 0..3 {
            assert!(ann.connect(&LIMITS) && ann.join(&LIMITS, at(0)));
            ann.disconnect();
        }
        assert!(!ann.join(&LIMITS, at(0)));
        assert!(!ann.is_new(at(299)));
        assert!(ann.is_new(at(300)));
        ann.connect(&LIMITS);
        assert!(!ann.is_new(at(300)));
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
