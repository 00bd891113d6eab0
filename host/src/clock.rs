//! Two clocks for the engines: milliseconds since this process first asked, which never go back, and the time of day.

#[cfg(target_os = "linux")]
use chat_core::room::server::WallTime;
use chat_core::time::Instant;
use std::sync::LazyLock;
#[cfg(any(target_os = "linux", feature = "client"))]
use std::time::{SystemTime, UNIX_EPOCH};

/// The zero of the engines' instants.
static ZERO: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// The present as an engine's instant.
pub(crate) fn now() -> Instant {
    Instant::from_millis(u64::try_from(ZERO.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// The system's instant for an engine's instant, for timers.
#[cfg(target_os = "linux")]
pub(crate) fn system_instant(instant: Instant) -> std::time::Instant {
    *ZERO + std::time::Duration::from_millis(instant.millis())
}

/// The time of day by the system's clock, in Unix milliseconds. A clock before 1970 was never set, and gives 0.
#[cfg(any(target_os = "linux", feature = "client"))]
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time of day by the system's clock, as a server tells it.
#[cfg(target_os = "linux")]
pub(crate) fn wall_time(trusted: bool) -> WallTime {
    WallTime { unix_ms: unix_ms(), trusted }
}
