//! Whether a room client's server is still there.

use super::Welcome;
use crate::time::Instant;
use core::time::Duration;

/// Least pause between two signs of life that are asked for, whatever the server wishes.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// The watch over one connection.
#[derive(Debug)]
pub(super) struct Watch {
    /// When the last byte came.
    heard_at: Instant,
    /// After this long without a byte the server is asked for a sign of life.
    ping_after: Duration,
    /// After this long without a byte it counts as gone.
    gone_after: Duration,
    /// Whether it has been asked.
    ping: Ping,
}

/// Whether the server has been asked for a sign of life. It is asked once at a time, so that it is clear what it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    /// No.
    Quiet,
    /// It is to be asked.
    Due,
    /// It has been asked.
    Asked {
        /// The last message that was sent before: the server had read it when it answers.
        number: u32,
        /// Whether it is to be asked again.
        again: bool,
    },
}

impl Watch {
    /// The watch over a connection that was welcomed now.
    pub(super) fn new(now: Instant, welcome: &Welcome) -> Self {
        let ping_after = Duration::from_millis(welcome.ping_ms.into()).max(PAUSE_MIN);
        let gone_after = Duration::from_millis(welcome.gone_ms.into()).max(ping_after + PAUSE_MIN);
        Self { heard_at: now, ping_after, gone_after, ping: Ping::Quiet }
    }

    /// Bytes have come.
    pub(super) fn handle_heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// The server is to be asked, whether it was heard or not.
    pub(super) fn ask(&mut self) {
        self.ping = match self.ping {
            Ping::Asked { number, .. } => Ping::Asked { number, again: true },
            Ping::Quiet | Ping::Due => Ping::Due,
        };
    }

    /// Does what is due, and says whether the server counts as gone.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.ping == Ping::Quiet && self.heard_at + self.ping_after <= now {
            self.ping = Ping::Due;
        }
        self.heard_at + self.gone_after <= now
    }

    /// When [`Watch::handle_timeout`] has something to do.
    pub(super) fn deadline(&self) -> Instant {
        self.heard_at + if self.ping == Ping::Quiet { self.ping_after } else { self.gone_after }
    }

    /// Whether the server is asked now, once the message of this number was sent.
    pub(super) fn take_ping(&mut self, number: u32) -> bool {
        let due = self.ping == Ping::Due;
        if due {
            self.ping = Ping::Asked { number, again: false };
        }
        due
    }

    /// The server has answered: gives the last message that it had read.
    pub(super) fn handle_pong(&mut self) -> Option<u32> {
        let Ping::Asked { number, again } = self.ping else { return None };
        self.ping = if again { Ping::Due } else { Ping::Quiet };
        Some(number)
    }
}
