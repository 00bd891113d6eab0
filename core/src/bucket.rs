//! How fast somebody may act: a token bucket, as a generic cell rate algorithm (ITU-T I.371 annex A).
//!
//! The bucket refuses nothing by itself: it tells whether there is a token, and when there will be one.

use crate::time::Instant;

/// How many tokens a bucket holds, and how fast they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Tokens of a full bucket.
    pub burst: u16,
    /// Tokens that come back each second, 1 to 1,000; 0 counts as 1.
    pub per_second: u16,
}

/// The tokens of one connection, member or address, in 8 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// When the bucket is full again if nothing more is taken, in microseconds on the scale of [`Instant`].
    full_at_us: u64,
}

impl Rate {
    /// Microseconds until one more token is there.
    fn interval_us(self) -> u64 {
        1_000_000 / u64::from(self.per_second.max(1))
    }

    /// Microseconds until an empty bucket is full.
    fn span_us(self) -> u64 {
        self.interval_us() * u64::from(self.burst)
    }
}

impl Bucket {
    /// A full bucket.
    pub const FULL: Self = Self { full_at_us: 0 };

    /// Takes a token for something that was done. An empty bucket stays empty.
    pub fn take(&mut self, rate: Rate, now: Instant) {
        let now_us = micros(now);
        let full_at_us = self.full_at_us.max(now_us) + rate.interval_us();
        self.full_at_us = full_at_us.min(now_us + rate.span_us());
    }

    /// Whether there is a token.
    ///
    /// # Errors
    /// The instant at which there will be a token.
    pub fn has_token(&self, rate: Rate, now: Instant) -> Result<(), Instant> {
        let token_at_us = (self.full_at_us + rate.interval_us()).saturating_sub(rate.span_us());
        if token_at_us <= micros(now) { Ok(()) } else { Err(Instant::from_millis(token_at_us.div_ceil(1_000))) }
    }

    /// Whether the bucket is full, so that it need not be kept.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full_at_us <= micros(now)
    }
}

/// An instant in microseconds; stops a year before the end of 64 bits, so that sums with a [`Rate`] do not overflow.
fn micros(now: Instant) -> u64 {
    const END_US: u64 = u64::MAX - 365 * 24 * 3_600 * 1_000_000;
    now.millis().saturating_mul(1_000).min(END_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, per_second: 5 };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// A bucket emptied at 1,000 ms.
    fn empty() -> Bucket {
        let mut bucket = Bucket::FULL;
        for _ in 0..3 {
            assert_eq!(bucket.has_token(RATE, at(1_000)), Ok(()));
            bucket.take(RATE, at(1_000));
        }
        bucket
    }

    #[test]
    fn empty_bucket_has_a_token_after_its_pause_and_not_before() {
        let mut bucket = empty();
        assert_eq!(bucket.has_token(RATE, at(1_000)), Err(at(1_200)));
        assert_eq!(bucket.has_token(RATE, at(1_199)), Err(at(1_200)));
        assert_eq!(bucket.has_token(RATE, at(1_200)), Ok(()));
        bucket.take(RATE, at(1_350));
        assert_eq!(bucket.has_token(RATE, at(1_350)), Err(at(1_400)));
    }

    #[test]
    fn bucket_never_holds_more_than_the_burst() {
        let mut bucket = empty();
        assert!(!bucket.is_full(at(1_599)));
        assert!(bucket.is_full(at(1_600)));
        for _ in 0..3 {
            bucket.take(RATE, at(1_000_000));
        }
        assert_eq!(bucket.has_token(RATE, at(1_000_000)), Err(at(1_000_200)));
    }

    #[test]
    fn empty_bucket_from_which_more_is_taken_owes_nothing() {
        let mut bucket = empty();
        bucket.take(RATE, at(1_000));
        assert_eq!(bucket.has_token(RATE, at(1_000)), Err(at(1_200)));
    }

    #[test]
    fn rate_that_does_not_divide_a_second_into_milliseconds_is_kept_all_the_same() {
        let rate = Rate { burst: 10, per_second: 300 };
        let mut bucket = Bucket::FULL;
        let mut taken = 0;
        for millis in 0..1_000 {
            while bucket.has_token(rate, at(millis)).is_ok() {
                bucket.take(rate, at(millis));
                taken += 1;
            }
        }
        // The burst of 10, and the tokens of 999 ms at 300 a second.
        assert_eq!(taken, 10 + 299);
    }

    #[test]
    fn bucket_at_the_end_of_time_does_not_overflow() {
        let slow = Rate { burst: u16::MAX, per_second: 0 };
        let mut bucket = Bucket::FULL;
        bucket.take(slow, at(u64::MAX));
        assert_eq!(bucket.has_token(slow, at(u64::MAX)), Ok(()));
        assert!(!bucket.is_full(at(u64::MAX)));
    }
}
