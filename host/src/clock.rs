//! The clock that the engines are given: milliseconds since this process first asked, never going back.

use chat_core::time::Instant;
use std::sync::LazyLock;

/// The arbitrary zero.
static ZERO: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// The present.
pub(crate) fn now() -> Instant {
    Instant::from_millis(u64::try_from(ZERO.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// The system's instant for one of the engines', for timers.
pub(crate) fn system_instant(instant: Instant) -> std::time::Instant {
    *ZERO + std::time::Duration::from_millis(instant.millis())
}
