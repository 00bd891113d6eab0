//! The room client's timers, all in one place (docs/room-protocol.md section 8).

use core::time::Duration;

/// Timers of a room's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How long the server may take to answer the Join.
    pub welcome_max: Duration,
    /// Pause before the second new connection after a loss; the first is opened at once. It doubles from one to the next, and
    /// each client shortens it by a share of its own, up to a half.
    pub retry_pause_min: Duration,
    /// Longest pause between two connections.
    pub retry_pause_max: Duration,
    /// A connection that has held for this long makes the next retry immediate.
    pub steady_after: Duration,
    /// Shortest pause after the server has said that there were too many joins from this address.
    pub address_pause_min: Duration,
    /// After this long without a byte, while an own message has not come back, the server counts as gone.
    pub answer_max: Duration,
    /// After this many connections in a row that bring something that cannot be understood, the client gives up.
    pub malformed_max: u32,
}

impl Config {
    /// The values of docs/room-protocol.md section 8.
    pub const DEFAULT: Self = Self {
        welcome_max: Duration::from_secs(10),
        retry_pause_min: Duration::from_secs(1),
        retry_pause_max: Duration::from_secs(30),
        steady_after: Duration::from_secs(10),
        address_pause_min: Duration::from_secs(60),
        answer_max: Duration::from_secs(10),
        malformed_max: 3,
    };
}
