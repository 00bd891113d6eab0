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
    /// The end of the status line.
    pub(super) const fn status(self) -> &'static str {
        match self {
            Self::Broken | Self::Malformed | Self::Handshake => "400 Bad Request",
            Self::Host | Self::Origin => "403 Forbidden",
            Self::Unknown => "404 Not Found",
            Self::Method => "405 Method Not Allowed",
            Self::Late => "408 Request Timeout",
            Self::Upgrade => "426 Upgrade Required",
            Self::Overlong => "431 Request Header Fields Too Large",
            Self::Connections | Self::Shed | Self::CrowdedOut => "503 Service Unavailable",
        }
    }

    /// Header fields of its own.
    pub(super) const fn fields(self) -> &'static str {
        match self {
            Self::Method => "Allow: GET, HEAD\r\n",
            Self::Upgrade => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            _ => "",
        }
    }

    /// What its sender is told.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Broken => "the request is not complete",
            Self::Late => "no whole request came in time",
            Self::Overlong => "the head of the request is longer than this server takes",
            Self::Malformed => "this is no request of HTTP/1.1",
            Self::Unknown => "there is nothing here; the page is at /",
            Self::Method => "this server answers GET and HEAD alone",
            Self::Host => {
                "this server does not know itself by this name: open the page by its address, or start the server with --web-origin"
            }
            Self::Origin => "another site's page may not talk in this room; its operator can name it with --web-origin",
            Self::Upgrade => "this is where a WebSocket of version 13 begins",
            Self::Handshake => {
                "the handshake needs the subprotocol chat-host.room.1, a key of 16 bytes, and nothing behind it"
            }
            Self::Connections => "there are too many connections from this address",
            Self::Shed => "the server has no room for one more connection at this moment",
            Self::CrowdedOut => "too many others came before a request did",
        }
    }

    /// What is counted.
    pub(super) const fn counter(self) -> Counter {
        match self {
            Self::Broken => Counter::RequestsBroken,
            Self::Late => Counter::RequestsLate,
            Self::Overlong => Counter::RequestsOverlong,
            Self::Malformed => Counter::RequestsMalformed,
            Self::Unknown | Self::Method => Counter::RequestsUnknown,
            Self::Host => Counter::HostsRefused,
            Self::Origin => Counter::OriginsRefused,
            Self::Upgrade | Self::Handshake => Counter::HandshakesRefused,
            Self::Connections => Counter::ConnectionsRefused,
            Self::Shed => Counter::ConnectionsShed,
            Self::CrowdedOut => Counter::ConnectionsCrowdedOut,
        }
    }
}
