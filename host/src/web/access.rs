//! Who may open the page and the WebSocket: the rules for `Host` and `Origin` (docs/room-protocol.md, ROOM-WS-7 and 8).
//!
//! They protect a visitor of foreign websites, whose browser reaches this server although the website does not: a foreign page is told
//! by its `Origin`; one whose name was pointed at this server's address (DNS rebinding) has the right `Origin`, and is told by its name.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An origin that the operator names: `http://` or `https://`, a host, and a port unless it is the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOrigin(String);

impl FromStr for WebOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim_end_matches('/').to_ascii_lowercase();
        let authority = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://"));
        if authority.and_then(host_of).is_none() {
            return Err(format!("{text:?} is no origin; write one like https://chat.example.org"));
        }
        Ok(Self(lower))
    }
}

impl WebOrigin {
    /// As a browser writes it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its host, without the port.
    fn host(&self) -> Option<&str> {
        host_of(self.0.split_once("://")?.1)
    }
}

/// The host in a `Host` header's value, without the port and as it stands there; `None` if that is no such value.
pub(super) fn host_of(authority: &str) -> Option<&str> {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, rest) = match authority.find(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_host = match host.strip_prefix('[') {
        Some(literal) => literal.trim_end_matches(']').parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && is_name(host),
    };
    (is_host && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))).then_some(host)
}

/// Whether the page may be opened under this value of `Host`: by an address, a name of one label, one that ends in `.local`, or one
/// that the operator has named. All others are names that anybody may own.
pub(super) fn is_host_allowed(authority: &str, named: &[WebOrigin]) -> bool {
    let Some(host) = host_of(authority) else { return false };
    let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    // A number alone, or with parts that are left out, is an address to some; it has no letter and is no name.
    let is_label = !host.contains('.') && host.bytes().any(|byte| byte.is_ascii_alphabetic());
    let is_local = host.to_ascii_lowercase().strip_suffix(".local").is_some_and(|name| !name.is_empty());
    is_address || is_label || is_local || named_origin(host, named).is_some()
}

/// The origin that the operator has named for this host.
pub(super) fn named_origin<'n>(host: &str, named: &'n [WebOrigin]) -> Option<&'n WebOrigin> {
    named.iter().find(|origin| origin.host().is_some_and(|name| name.eq_ignore_ascii_case(host)))
}

/// Whether a page of this origin may open the WebSocket under this value of `Host`: the server's own page, with or without a proxy that
/// speaks TLS before it, and those that the operator has named.
pub(super) fn is_origin_allowed(origin: &str, authority: &str, named: &[WebOrigin]) -> bool {
    let own = ["http://", "https://"].iter().any(|scheme| {
        origin.len() == scheme.len() + authority.len()
            && origin.starts_with(scheme)
            && origin[scheme.len()..].eq_ignore_ascii_case(authority)
    });
    own || named.iter().any(|named| named.as_str().eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named() -> Vec<WebOrigin> {
        vec!["https://Chat.Example.org/".parse().unwrap(), "http://room.example:8080".parse().unwrap()]
    }

    #[test]
    fn host_is_an_address_or_a_name_that_nobody_else_can_own() {
        for host in [
            "192.168.1.5",
            "192.168.1.5:9393",
            "[::1]",
            "[fd00::5]:9393",
            "localhost:9393",
            "pi",
            "PI:80",
            "pi.local",
            "Pi.Local:9393",
            "chat.example.org",
            "CHAT.example.org:443",
            "room.example",
        ] {
            assert!(is_host_allowed(host, &named()), "{host}");
        }
        for host in [
            "",
            ":",
            ":80",
            "evil.example",
            "pi.local.evil.example",
            ".local",
            "local.",
            "pi.local.",
            "[::1",
            "[::1]x",
            "[pi]",
            "pi:",
            "pi:http",
            "pi:80:90",
            "pi/",
            "a@pi",
            "example.org",
            "1.2.3",
            "0x7f.1",
            "127.1",
            "2130706433",
            "::1",
            "pi pi",
        ] {
            assert!(!is_host_allowed(host, &named()), "{host}");
        }
    }

    #[test]
    fn origin_is_the_own_or_a_named_one() {
        for (origin, host) in [
            ("http://192.168.1.5:9393", "192.168.1.5:9393"),
            ("http://pi.local", "PI.local"),
            ("https://chat.example.org", "chat.example.org"),
            ("https://chat.example.org", "192.168.1.5:9393"),
            ("http://room.example:8080", "pi"),
        ] {
            assert!(is_origin_allowed(origin, host, &named()), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "pi"),
            ("", "pi"),
            ("http://evil.example", "pi"),
            ("http://pi:8000", "pi"),
            ("http://pi", "pi:9393"),
            ("ftp://pi", "pi"),
            ("http://pi.evil.example", "pi"),
            ("http://chat.example.org", "pi"),
            ("https://room.example:8080", "pi"),
        ] {
            assert!(!is_origin_allowed(origin, host, &named()), "{origin} {host}");
        }
    }

    #[test]
    fn what_is_no_origin_cannot_be_named() {
        for text in ["", "chat.example.org", "https://", "https://a/b", "ws://a", "https://a b"] {
            assert!(text.parse::<WebOrigin>().is_err(), "{text}");
        }
    }
}
