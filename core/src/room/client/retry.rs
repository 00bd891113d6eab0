//! When a room client that has lost its connection opens the next.

use super::Config;
use crate::refusal::RefusalReason;
use core::time::Duration;

/// The pauses between two connections: none, then growing ones.
#[derive(Debug)]
pub(super) struct Retry {
    /// The longest that the next pause may be.
    pause: Duration,
    /// State of the random numbers that shorten pauses, so that clients that lost a server together do not come back together.
    random: u64,
}

impl Retry {
    /// Pauses of which the first is none.
    pub(super) const fn new(seed: u64) -> Self {
        Self { pause: Duration::ZERO, random: seed }
    }

    /// The next pause is not none: the try without a pause was made already, or there must be none.
    pub(super) fn skip_first(&mut self, config: &Config) {
        self.pause = self.pause.max(config.retry_pause_min);
    }

    /// The connection has held: the next pause is none again.
    pub(super) fn handle_steady(&mut self) {
        self.pause = Duration::ZERO;
    }

    /// The pause before the next connection: between half and the whole of a span that doubles each time.
    pub(super) fn pause(&mut self, config: &Config) -> Duration {
        let longest = self.pause;
        self.pause = (longest * 2).clamp(config.retry_pause_min, config.retry_pause_max);
        longest - longest / 512 * u32::from(self.share())
    }

    /// A random number of 8 bits: the upper bits of the first step of `SplitMix64`, which are random enough here.
    fn share(&mut self) -> u8 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed.to_be_bytes()[0]
    }
}

/// The shortest pause after the server has refused the client; `was_in` says whether the client was ever in. `None` if there must be
/// no other connection: it would be refused again, or it would put out another client with the same token.
pub(super) fn pause_min(config: &Config, reason: RefusalReason, was_in: bool) -> Option<Duration> {
    match reason {
        RefusalReason::Busy
        | RefusalReason::JoinTimeout
        | RefusalReason::Silent
        | RefusalReason::Stalled
        | RefusalReason::ShuttingDown => Some(config.retry_pause_min / 2),
        // A client that was in waits until there is a place.
        RefusalReason::Full | RefusalReason::AddressConnections if was_in => Some(config.retry_pause_min / 2),
        RefusalReason::AddressJoins if was_in => Some(config.address_pause_min),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    const CONFIG: Config = Config::DEFAULT;

    #[test]
    fn first_retry_is_at_once_and_the_pauses_grow_to_the_longest() {
        for seed in 0..200 {
            let mut retry = Retry::new(seed);
            let pauses: Vec<_> = (0..10).map(|_| retry.pause(&CONFIG).as_millis()).collect();
            let longest = [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000];
            for (pause, longest) in pauses.iter().zip(longest) {
                assert!((longest / 2..=longest).contains(pause), "seed {seed}: {pauses:?}");
            }
        }
    }

    #[test]
    fn two_clients_pause_differently() {
        let pauses = |seed| {
            let mut retry = Retry::new(seed);
            (0..4).map(|_| retry.pause(&CONFIG)).collect::<Vec<_>>()
        };
        assert_ne!(pauses(1), pauses(2));
    }

    #[test]
    fn connection_that_held_makes_the_next_retry_immediate() {
        let mut retry = Retry::new(7);
        assert!((0..5).all(|index| retry.pause(&CONFIG).is_zero() == (index == 0)));
        retry.handle_steady();
        assert_eq!(retry.pause(&CONFIG), Duration::ZERO);
    }

    #[test]
    fn who_is_refused_for_a_moment_never_tries_again_at_once() {
        for &reason in RefusalReason::ALL {
            for was_in in [false, true] {
                assert!(pause_min(&CONFIG, reason, was_in).is_none_or(|pause| !pause.is_zero()), "{reason}");
            }
        }
        let minute = Duration::from_secs(60);
        assert_eq!(pause_min(&CONFIG, RefusalReason::AddressJoins, true), Some(minute));
    }

    #[test]
    fn who_was_in_waits_for_a_place_and_a_newcomer_does_not() {
        for reason in [RefusalReason::Full, RefusalReason::AddressConnections, RefusalReason::AddressJoins] {
            assert!(pause_min(&CONFIG, reason, true).is_some(), "{reason}");
            assert_eq!(pause_min(&CONFIG, reason, false), None, "{reason}");
        }
        for reason in [RefusalReason::NameTaken, RefusalReason::Replaced, RefusalReason::Version] {
            assert_eq!(pause_min(&CONFIG, reason, true), None, "{reason}");
        }
    }
}
