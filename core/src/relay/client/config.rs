//! The relay client's timers, all in one place (docs/relay-protocol.md section 7).

use core::time::Duration;

/// The client's timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Pause after the first GREETING that is not answered; it doubles up to the usual pause.
    pub greeting_pause_min: Duration,
    /// Usual pause between two GREETINGs; each client shortens it by a share of its own, up to a quarter. It is this short because
    /// a relay that was restarted has forgotten its clients, and because a NAT mapping lasts only while datagrams are sent.
    pub greeting_pause_max: Duration,
    /// After this long without a message coming back, the messages under way are given up; after this long without an answer to a
    /// GREETING, the relay counts as silent.
    pub progress_max: Duration,
}

impl Config {
    /// The timers of docs/relay-protocol.md section 7.
    pub const DEFAULT: Self = Self {
        greeting_pause_min: Duration::from_millis(500),
        greeting_pause_max: Duration::from_secs(10),
        progress_max: Duration::from_secs(3),
    };
}
