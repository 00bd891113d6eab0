//! What the page's server has counted since it began.

use std::cell::Cell;

/// Declares [`Counter`] and the order in which counters are shown.
macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// What is counted. docs/command-line.md explains the counters to operators.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Counter {
            $($(#[doc = $doc])+ $variant,)+
        }

        /// Names of all, in the order in which they are shown.
        const NAMES: &[&str] = &[$($name),+];
    };
}

counters! {
    /// Connections accepted.
    Connections = "connections",
    /// Connections turned away for want of a file descriptor.
    ConnectionsShed = "connections_shed",
    /// Connections turned away: too many from one address.
    ConnectionsRefused = "connections_refused",
    /// Connections that were gone before they were accepted.
    AcceptsFailed = "accepts_failed",
    /// Connections closed unanswered, because too many others came.
    ConnectionsCrowdedOut = "connections_crowded_out",
    /// Requests answered with the page or a part of it.
    Answers = "answers",
    /// WebSockets handed to the room.
    WebSockets = "websockets",
    /// Connections that were closed, or broke, before a whole request had come.
    RequestsBroken = "requests_broken",
    /// Requests that did not come in time.
    RequestsLate = "requests_late",
    /// Requests with too long a head.
    RequestsOverlong = "requests_overlong",
    /// Requests that are not HTTP/1.1.
    RequestsMalformed = "requests_malformed",
    /// Requests for something that is not there.
    RequestsUnknown = "requests_unknown",
    /// Requests whose `Host` is not allowed.
    HostsRefused = "hosts_refused",
    /// Handshakes whose `Origin` is not allowed.
    OriginsRefused = "origins_refused",
    /// Handshakes that lack something.
    HandshakesRefused = "handshakes_refused",
}

/// Counters of the page's server. They only grow.
#[derive(Debug, Default)]
pub struct Counters([Cell<u64>; NAMES.len()]);

impl Counters {
    /// Counts one.
    pub(super) fn count(&self, counter: Counter) {
        let cell = &self.0[counter as usize];
        cell.set(cell.get() + 1);
    }

    /// Name and value of each, in the order in which they are shown.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.iter().zip(&self.0).map(|(name, cell)| (*name, cell.get()))
    }
}
