//! The clock that the engines are given: milliseconds since this process first asked, never going back; and the one on the wall.

#[cfg(target_os = "linux")]
use chat_core::room::server::WallTime;
use chat_core::time::Instant;
use std::sync::LazyLock;
#[cfg(target_os = "linux")]
use std::time::{SystemTime, UNIX_EPOCH};

/// The arbitrary zero.
static ZERO: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// The present.
pub(crate) fn now() -> Instant {
    Instant::from_millis(u64::try_from(ZERO.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// The system's instant for one of the engines', for timers.
#[cfg(target_os = "linux")]
pub(crate) fn system_instant(instant: Instant) -> std::time::Instant {
    *ZERO + std::time::Duration::from_millis(instant.millis())
}

/// What the system's clock says, as a server tells it. One that says a time before 1970 was never set, and says 0 here.
#[cfg(target_os = "linux")]
pub(crate) fn wall_time(trusted: bool) -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime { unix_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX), trusted }
}
