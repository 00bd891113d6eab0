//! Why a request is refused: the status and the sentence that its sender is given, and the counter.

use super::counters::Counter;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The connection ended before the request did; nobody is there to be told.
    Broken,
    /// It did not come in time.
    Late,
    /// Its head is too long.
    Overlong,
    /// It is not HTTP/1.1.
    Malformed,
    /// There is nothing under this path.
    Unknown,
    /// It is neither GET nor HEAD.
    Method,
    /// Its `Host` is not allowed.
    Host,
    /// Its `Origin` is not allowed.
    Origin,
    /// The path is that of the WebSocket, and this is no handshake of version 13.
    Upgrade,
    /// The handshake lacks something else.
    Handshake,
    /// There are too many connections from its address.
    Connections,
    /// There is no file descriptor for it.
    Shed,
    /// Too many others came before it had said anything.
    CrowdedOut,
}

impl Refusal {
    /// The status line's end, header fields of its own, the sentence, and what is counted.
    const fn parts(self) -> (&'static str, &'static str, &'static str, Counter) {
        match self {
            Self::Broken => ("400 Bad Request", "", "the request is not complete", Counter::RequestsBroken),
            Self::Late => ("408 Request Timeout", "", "no whole request came in time", Counter::RequestsLate),
            Self::Overlong => (
                "431 Request Header Fields Too Large",
                "",
                "the head of the request is longer than this server takes",
                Counter::RequestsOverlong,
            ),
            Self::Malformed => ("400 Bad Request", "", "this is no request of HTTP/1.1", Counter::RequestsMalformed),
            Self::Unknown => ("404 Not Found", "", "there is nothing here; the page is at /", Counter::RequestsUnknown),
            Self::Method => (
                "405 Method Not Allowed",
                "Allow: GET, HEAD\r\n",
                "this server answers GET and HEAD alone",
                Counter::RequestsUnknown,
            ),
            Self::Host => (
                "403 Forbidden",
                "",
                "this server does not know itself by this name: open the page by its address, or start the server with --web-origin",
                Counter::HostsRefused,
            ),
            Self::Origin => (
                "403 Forbidden",
                "",
                "another site's page may not talk in this room; its operator can name it with --web-origin",
                Counter::OriginsRefused,
            ),
            Self::Upgrade => (
                "426 Upgrade Required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                "this is where a WebSocket of version 13 begins",
                Counter::HandshakesRefused,
            ),
            Self::Handshake => (
                "400 Bad Request",
                "",
                "the handshake needs the subprotocol chat-host.room.1, a key of 16 bytes, and nothing behind it",
                Counter::HandshakesRefused,
            ),
            Self::Connections => (
                "503 Service Unavailable",
                "",
                "there are too many connections from this address",
                Counter::ConnectionsRefused,
            ),
            Self::Shed => (
                "503 Service Unavailable",
                "",
                "the server has no room for one more connection at this moment",
                Counter::ConnectionsShed,
            ),
            Self::CrowdedOut => (
                "503 Service Unavailable",
                "",
                "too many others came before a request did",
                Counter::ConnectionsCrowdedOut,
            ),
        }
    }

    /// The end of the status line.
    pub(super) const fn status(self) -> &'static str {
        self.parts().0
    }

    /// Header fields of its own.
    pub(super) const fn fields(self) -> &'static str {
        self.parts().1
    }

    /// What its sender is told.
    pub(super) const fn sentence(self) -> &'static str {
        self.parts().2
    }

    /// What is counted.
    pub(super) const fn counter(self) -> Counter {
        self.parts().3
    }
}
