//! Time as the engines see it: a value that the caller hands in.
//!
//! Engines never read a clock. Spans are [`core::time::Duration`].

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time, in milliseconds since an arbitrary zero.
///
/// The clock behind it must never go back. If the clock does go back, differences are zero rather than negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// Milliseconds since the arbitrary zero; 64 bits last for 584 million years.
    millis: u64,
}

impl Instant {
    /// The point `millis` milliseconds after the arbitrary zero.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis }
    }

    /// Milliseconds since the arbitrary zero.
    pub const fn millis(self) -> u64 {
        self.millis
    }
}

/// Moves forward by whole milliseconds, rounded up, so that a deadline is never early; stops at 64 bits.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        // In 64 bits: a microcontroller pays dearly for the 128 of as_nanos.
        let millis = span.as_secs().saturating_mul(1_000);
        let rest = u64::from(span.subsec_nanos().div_ceil(1_000_000));
        Self { millis: self.millis.saturating_add(millis).saturating_add(rest) }
    }
}

/// The span since `earlier`; zero if `earlier` is the later one.
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_millis(self.millis.saturating_sub(earlier.millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instant_plus_span_rounds_up() {
        let start = Instant::from_millis(5);
        assert_eq!((start + Duration::from_micros(1)).millis(), 6);
        assert_eq!((start + Duration::from_millis(1)).millis(), 6);
        assert_eq!(start + Duration::ZERO, start);
    }

    #[test]
    fn instant_at_the_end_of_time_stays_there() {
        assert_eq!((Instant::from_millis(7) + Duration::MAX).millis(), u64::MAX);
    }

    #[test]
    fn clock_that_went_back_gives_no_span() {
        let (early, late) = (Instant::from_millis(1), Instant::from_millis(4));
        assert_eq!(late - early, Duration::from_millis(3));
        assert_eq!(early - late, Duration::ZERO);
    }
}
