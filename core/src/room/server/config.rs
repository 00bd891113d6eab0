//! The room's timers and limits, all in one place (docs/room-protocol.md section 8).

use crate::bucket::Rate;
use core::time::Duration;

/// Timers and limits of a room's server. The number of members is limited by the roster alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Joins and leaves are announced while the room has at most this many members.
    pub announced_members_max: u32,
    /// How fast the frames of a connection are taken; `None` means without a limit.
    pub rate: Option<Rate>,
    /// How long a connection may take to join.
    pub join_max: Duration,
    /// After this long without a byte a client is asked for a sign of life.
    pub ping_after: Duration,
    /// After this long without a byte a client counts as gone.
    pub gone_after: Duration,
    /// After this long without taking a byte, while bytes wait for it, a client counts as stalled.
    pub stalled_after: Duration,
    /// How long a connection that was put out may take to read the reason, before it is closed.
    pub linger_max: Duration,
    /// The same when the server ends; shorter, so that slow clients do not delay the end.
    pub linger_closing_max: Duration,
}

impl Config {
    /// The values of docs/room-protocol.md section 8.
    pub const DEFAULT: Self = Self {
        announced_members_max: 64,
        rate: Some(Rate { burst: 10, per_second: 5 }),
        join_max: Duration::from_secs(5),
        ping_after: Duration::from_secs(30),
        gone_after: Duration::from_secs(75),
        stalled_after: Duration::from_secs(30),
        linger_max: Duration::from_secs(2),
        linger_closing_max: Duration::from_millis(500),
    };
}
