//! The watch over a room client's connection: whether the server is still there.

use crate::room::Welcome;
use crate::time::Instant;
use core::time::Duration;

/// Shortest time without a byte after which the server is asked for a sign of life, even if its welcome says less.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// After this long without a byte, while an own message has not come back, the server is asked for a sign of life.
const ASK_AFTER: Duration = PAUSE_MIN;

/// The watch over one connection.
#[derive(Debug)]
pub(super) struct Watch {
    /// When the last byte came.
    heard_at: Instant,
    /// After this long without a byte the server is asked for a sign of life.
    ping_after: Duration,
    /// After this long without a byte the server counts as gone.
    gone_after: Duration,
    /// After this long without a byte, while it owes an answer, the server counts as gone.
    answer_max: Duration,
    /// Since when the server owes the answer to an own message and no byte has come; `None` if it owes none.
    owes_since: Option<Instant>,
    /// Whether the server has been asked for a sign of life.
    ping: Ping,
}

/// Whether the server has been asked for a sign of life. There is one Ping at a time, so that it is clear which one a Pong answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ping {
    /// It has not been asked.
    Quiet,
    /// It is to be asked.
    Due,
    /// It has been asked.
    Asked {
        /// The number of the last message that was sent before the Ping: the server has read it when it answers.
        number: u32,
        /// Whether the server is to be asked again after its answer.
        again: bool,
    },
}

impl Watch {
    /// The watch over a connection that was welcomed now.
    pub(super) fn new(now: Instant, welcome: &Welcome, answer_max: Duration) -> Self {
        let ping_after = Duration::from_millis(welcome.ping_ms.into()).max(PAUSE_MIN);
        let gone_after = Duration::from_millis(welcome.gone_ms.into()).max(ping_after + PAUSE_MIN);
        Self { heard_at: now, ping_after, gone_after, answer_max, owes_since: None, ping: Ping::Quiet }
    }

    /// Bytes have come.
    pub(super) fn handle_heard(&mut self, now: Instant) {
        self.heard_at = now;
        // If the server still owes an answer, the time for it begins anew.
        self.owes_since = None;
    }

    /// The server is to be asked for a sign of life, even if bytes have come just now.
    pub(super) fn ask(&mut self) {
        self.ping = match self.ping {
            Ping::Asked { number, .. } => Ping::Asked { number, again: true },
            Ping::Quiet | Ping::Due => Ping::Due,
        };
    }

    /// Does what is due, and returns whether the server counts as gone. `owes` says whether an own message has not come back.
    pub(super) fn handle_timeout(&mut self, now: Instant, owes: bool) -> bool {
        self.owes_since = if owes { self.owes_since.or(Some(now)) } else { None };
        if self.ping == Ping::Quiet && self.ping_at() <= now {
            self.ping = Ping::Due;
        }
        self.gone_at() <= now
    }

    /// When [`Watch::handle_timeout`] has something to do.
    pub(super) fn deadline(&self, owes: bool) -> Instant {
        match (owes, self.owes_since) {
            // `owes_since` has to be set.
            (true, None) => self.heard_at,
            _ if self.ping == Ping::Quiet => self.ping_at(),
            _ => self.gone_at(),
        }
    }

    /// When the server is asked for a sign of life.
    fn ping_at(&self) -> Instant {
        let usual = self.heard_at + self.ping_after;
        self.owes_since.map_or(usual, |since| usual.min(since + ASK_AFTER))
    }

    /// When the server counts as gone.
    fn gone_at(&self) -> Instant {
        let usual = self.heard_at + self.gone_after;
        self.owes_since.map_or(usual, |since| usual.min(since + self.answer_max))
    }

    /// Returns whether a Ping is to be sent now. `number` is the last message that was sent before it.
    pub(super) fn take_ping(&mut self, number: u32) -> bool {
        let due = self.ping == Ping::Due;
        if due {
            self.ping = Ping::Asked { number, again: false };
        }
        due
    }

    /// The server has answered: returns the number of the last message that was sent before the Ping.
    pub(super) fn handle_pong(&mut self) -> Option<u32> {
        let Ping::Asked { number, again } = self.ping else { return None };
        self.ping = if again { Ping::Due } else { Ping::Quiet };
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::server::fixture;

    const START: Instant = Instant::from_millis(1_000);
    const ANSWER_MAX: Duration = Duration::from_secs(10);

    /// A welcome with these spans.
    fn welcome(ping_ms: u32, gone_ms: u32) -> Welcome {
        Welcome { ping_ms, gone_ms, ..fixture::welcome() }
    }

    fn at(millis: u64) -> Instant {
        START + Duration::from_millis(millis)
    }

    #[test]
    fn silent_server_is_asked_once_and_then_gone() {
        let mut watch = Watch::new(START, &welcome(30_000, 75_000), ANSWER_MAX);
        assert_eq!(watch.deadline(false), at(30_000));
        assert!(!watch.handle_timeout(at(29_999), false));
        assert!(!watch.take_ping(0));
        assert!(!watch.handle_timeout(at(30_000), false));
        assert!(watch.take_ping(0));
        assert!(!watch.take_ping(0));
        assert_eq!(watch.deadline(false), at(75_000));
        assert!(!watch.handle_timeout(at(74_999), false));
        assert!(watch.handle_timeout(at(75_000), false));
    }

    #[test]
    fn server_that_owes_an_answer_is_asked_at_once_and_gone_after_ten_seconds() {
        let mut watch = Watch::new(START, &welcome(30_000, 75_000), ANSWER_MAX);
        assert!(watch.deadline(true) <= at(5_000));
        assert!(!watch.handle_timeout(at(5_000), true));
        assert_eq!(watch.deadline(true), at(6_000));
        assert!(!watch.handle_timeout(at(6_000), true));
        assert!(watch.take_ping(1));
        assert_eq!(watch.deadline(true), at(15_000));
        assert!(!watch.handle_timeout(at(14_999), true));
        assert!(watch.handle_timeout(at(15_000), true));
    }

    #[test]
    fn byte_from_a_server_that_owes_an_answer_begins_the_wait_anew() {
        let mut watch = Watch::new(START, &welcome(30_000, 75_000), ANSWER_MAX);
        watch.handle_timeout(at(0), true);
        watch.handle_heard(at(9_000));
        assert!(!watch.handle_timeout(at(9_000), true));
        assert!(!watch.handle_timeout(at(18_999), true));
        assert!(watch.handle_timeout(at(19_000), true));
        // The server owes no answer any more: the usual spans hold.
        watch.handle_heard(at(19_000));
        assert!(!watch.handle_timeout(at(40_000), false));
    }

    #[test]
    fn any_byte_puts_everything_off() {
        let mut watch = Watch::new(START, &welcome(30_000, 75_000), ANSWER_MAX);
        watch.handle_heard(at(20_000));
        assert_eq!(watch.deadline(false), at(50_000));
        watch.handle_timeout(at(50_000), false);
        assert!(watch.take_ping(0));
        watch.handle_heard(at(60_000));
        assert_eq!(watch.deadline(false), at(135_000));
        assert_eq!(watch.handle_pong(), Some(0));
        assert_eq!(watch.deadline(false), at(90_000));
    }

    #[test]
    fn answer_tells_what_was_read_before_the_question() {
        let mut watch = Watch::new(START, &welcome(30_000, 75_000), ANSWER_MAX);
        assert_eq!(watch.handle_pong(), None);
        watch.ask();
        assert!(watch.take_ping(3));
        // More was said, so that the server is asked again after its answer.
        watch.ask();
        assert!(!watch.take_ping(5));
        assert_eq!(watch.handle_pong(), Some(3));
        assert!(watch.take_ping(5));
        assert_eq!(watch.handle_pong(), Some(5));
        assert_eq!(watch.handle_pong(), None);
    }

    #[test]
    fn server_that_wishes_for_no_pause_gets_one() {
        let mut watch = Watch::new(START, &welcome(0, 0), ANSWER_MAX);
        assert_eq!(watch.deadline(false), at(1_000));
        assert!(!watch.handle_timeout(at(1_000), false));
        assert_eq!(watch.deadline(false), at(2_000));
    }
}
