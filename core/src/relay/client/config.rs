//! The relay client's timers, all in one place (docs/relay-protocol.md section 7).

use core::time::Duration;

/// The client's timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Pause after the first GREETING that is not answered; it doubles up to the usual pause.
    pub greeting_pause_min: Duration,
    /// Usual pause between two GREETINGs; each client shortens it by a share of its own, up to a quarter. A relay that
    /// was restarted has forgotten everybody, and a translated address lives on by what is sent.
    pub greeting_pause_max: Duration,
    /// How long nothing may make progress before the messages under way are given up, or the relay counts as silent.
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
