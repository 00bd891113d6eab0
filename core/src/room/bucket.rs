//! How fast a connection may speak: a token bucket.
//!
//! A connection without a token is not refused, only read later.

use super::Config;
use crate::time::Instant;
use core::time::Duration;

/// The tokens of one connection.
#[derive(Debug)]
pub(super) struct Bucket {
    /// How many there were at `counted_at`.
    tokens: u16,
    /// When they were last counted: a whole number of refills since the bucket was full.
    counted_at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) const fn full(config: &Config, now: Instant) -> Self {
        let tokens = match config.rate {
            Some(rate) => rate.burst,
            None => 0,
        };
        Self { tokens, counted_at: now }
    }

    /// Takes a token for something that was said.
    pub(super) fn take(&mut self, config: &Config, now: Instant) {
        (self.tokens, self.counted_at) = self.count(config, now);
        self.tokens = self.tokens.saturating_sub(1);
    }

    /// Whether there is a token.
    ///
    /// # Errors
    /// When there will be one.
    pub(super) fn has_token(&self, config: &Config, now: Instant) -> Result<(), Instant> {
        let (tokens, counted_at) = self.count(config, now);
        match config.rate {
            Some(rate) if tokens == 0 => Err(counted_at + pause(rate.per_second)),
            _ => Ok(()),
        }
    }

    /// How many tokens there are, and since when.
    fn count(&self, config: &Config, now: Instant) -> (u16, Instant) {
        let Some(rate) = config.rate else { return (self.tokens, now) };
        let pause = pause(rate.per_second);
        let refills = (now - self.counted_at).as_millis() / pause.as_millis().max(1);
        let tokens = u128::from(self.tokens) + refills;
        if tokens >= u128::from(rate.burst) {
            return (rate.burst, now);
        }
        // Fewer than the burst, so both fit.
        let refills = u32::try_from(refills).unwrap_or(0);
        (u16::try_from(tokens).unwrap_or(rate.burst), self.counted_at + pause * refills)
    }
}

/// The time in which one token is refilled.
fn pause(per_second: u16) -> Duration {
    Duration::from_millis((1_000 / u64::from(per_second.max(1))).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::Rate;

    const CONFIG: Config = Config { rate: Some(Rate { burst: 3, per_second: 5 }), ..Config::DEFAULT };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A bucket emptied at 1,000 ms.
    fn empty() -> Bucket {
        let mut bucket = Bucket::full(&CONFIG, at(0));
        for _ in 0..3 {
            assert_eq!(bucket.has_token(&CONFIG, at(1_000)), Ok(()));
            bucket.take(&CONFIG, at(1_000));
        }
        bucket
    }

    #[test]
    fn empty_bucket_has_a_token_after_its_pause_and_not_before() {
        let mut bucket = empty();
        assert_eq!(bucket.has_token(&CONFIG, at(1_000)), Err(at(1_200)));
        assert_eq!(bucket.has_token(&CONFIG, at(1_199)), Err(at(1_200)));
        assert_eq!(bucket.has_token(&CONFIG, at(1_200)), Ok(()));
        bucket.take(&CONFIG, at(1_350));
        assert_eq!(bucket.has_token(&CONFIG, at(1_350)), Err(at(1_400)));
    }

    #[test]
    fn bucket_never_holds_more_than_the_burst() {
        let mut bucket = empty();
        for _ in 0..3 {
            bucket.take(&CONFIG, at(1_000_000));
        }
        assert_eq!(bucket.has_token(&CONFIG, at(1_000_000)), Err(at(1_000_200)));
    }

    #[test]
    fn without_a_rate_there_is_always_a_token() {
        let config = Config { rate: None, ..CONFIG };
        let mut bucket = Bucket::full(&config, at(0));
        for _ in 0..100_000 {
            bucket.take(&config, at(0));
        }
        assert_eq!(bucket.has_token(&config, at(0)), Ok(()));
    }
}
