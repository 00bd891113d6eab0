//! The head of a request (RFC 9112), as far as this server looks at it.

use super::accept::accept;
use super::refusal::Refusal;
use chat_core::websocket::SUBPROTOCOL;
use httparse::{EMPTY_HEADER, Error, Header, Status};

/// Most header fields of a request. Browsers send about 20.
const HEADERS_MAX: usize = 64;

/// The version of the WebSocket protocol (RFC 6455).
const WEBSOCKET_VERSION: &str = "13";

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'h> {
    /// Whether the body of the answer is wanted: GET; HEAD wants the head alone.
    pub(super) wants_body: bool,
    /// What is asked for, without a query.
    pub(super) path: &'h str,
    /// The value of `Host`.
    pub(super) host: &'h str,
    /// The value of `Origin`.
    pub(super) origin: Option<&'h str>,
    /// The answer to the key of a WebSocket's handshake, or what is wrong with it.
    pub(super) handshake: Result<String, Refusal>,
}

impl<'h> Request<'h> {
    /// Reads the head, with the empty line at its end.
    ///
    /// # Errors
    /// How the request is refused.
    pub(super) fn parse(head: &'h [u8]) -> Result<Self, Refusal> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(head) {
            Ok(Status::Complete(length)) => length,
            Err(Error::TooManyHeaders) => return Err(Refusal::Overlong),
            Ok(Status::Partial) | Err(_) => return Err(Refusal::Malformed),
        };
        let (Some(method), Some(target)) = (request.method, request.path) else { return Err(Refusal::Malformed) };
        let path = target.split('?').next().unwrap_or_default();
        if !path.starts_with('/') {
            return Err(Refusal::Malformed);
        }
        if !matches!(method, "GET" | "HEAD") {
            return Err(Refusal::Method);
        }
        let fields = Fields(request.headers);
        let host = fields.only("host")?.ok_or(Refusal::Malformed)?;
        let origin = fields.only("origin")?;
        let is_whole = method == "GET" && request.version == Some(1) && length == head.len();
        let handshake = if is_whole { fields.handshake() } else { Err(Refusal::Handshake) };
        Ok(Self { wants_body: method == "GET", path, host, origin, handshake })
    }
}

/// The header fields of a request.
struct Fields<'f, 'h>(&'f [Header<'h>]);

impl<'h> Fields<'_, 'h> {
    /// The values of a field, one for each time it is there; `None` in the place of one that is not text.
    fn values(&self, name: &str) -> impl Iterator<Item = Option<&'h str>> {
        let named = self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| std::str::from_utf8(header.value).ok().map(str::trim))
    }

    /// The value of a field that may be there once.
    fn only(&self, name: &str) -> Result<Option<&'h str>, Refusal> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(Some(value)), None) => Ok(Some(value)),
            _ => Err(Refusal::Malformed),
        }
    }

    /// Whether a word is in the list that a field holds.
    fn has(&self, name: &str, word: &str) -> bool {
        let words = self.values(name).flatten().flat_map(|list| list.split(','));
        words.map(str::trim).any(|listed| listed.eq_ignore_ascii_case(word))
    }

    /// The answer to the key of a WebSocket's handshake (RFC 6455 section 4.2.1).
    fn handshake(&self) -> Result<String, Refusal> {
        if !self.has("upgrade", "websocket") || !self.has("connection", "upgrade") {
            return Err(Refusal::Upgrade);
        }
        if self.only("sec-websocket-version")? != Some(WEBSOCKET_VERSION) {
            return Err(Refusal::Upgrade);
        }
        // Subprotocols are compared byte by byte.
        let mut offered = self.values("sec-websocket-protocol").flatten().flat_map(|list| list.split(','));
        if !offered.any(|listed| listed.trim() == SUBPROTOCOL) {
            return Err(Refusal::Handshake);
        }
        self.only("sec-websocket-key")?.and_then(accept).ok_or(Refusal::Handshake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handshake, with one part of it replaced.
    fn handshake(part: &str, replacement: &str) -> String {
        let head = "GET /room HTTP/1.1\r\nHost: pi:9393\r\nOrigin: http://pi:9393\r\nConnection: keep-alive, Upgrade\r\n\
                    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: other, chat-host.room.1\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        assert!(head.contains(part), "{part}");
        head.replacen(part, replacement, 1)
    }

    #[test]
    fn handshake_of_a_browser_is_taken() {
        let head = handshake("", "");
        let request = Request::parse(head.as_bytes()).unwrap();
        assert_eq!((request.path, request.host, request.origin), ("/room", "pi:9393", Some("http://pi:9393")));
        assert_eq!(request.handshake.as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn handshake_that_lacks_something_is_refused() {
        for (part, replacement, refusal) in [
            ("Upgrade: websocket\r\n", "", Refusal::Upgrade),
            ("Connection: keep-alive, Upgrade", "Connection: close", Refusal::Upgrade),
            ("Version: 13", "Version: 8", Refusal::Upgrade),
            ("other, chat-host.room.1", "other", Refusal::Handshake),
            ("chat-host.room.1", "Chat-Host.Room.1", Refusal::Handshake),
            ("Sec-WebSocket-Protocol: other, chat-host.room.1\r\n", "", Refusal::Handshake),
            ("dGhlIHNhbXBsZSBub25jZQ==", "short", Refusal::Handshake),
            ("HTTP/1.1", "HTTP/1.0", Refusal::Handshake),
            ("GET", "HEAD", Refusal::Handshake),
            ("\r\n\r\n", "\r\n\r\n\u{82}", Refusal::Handshake),
        ] {
            let head = handshake(part, replacement);
            assert_eq!(Request::parse(head.as_bytes()).unwrap().handshake, Err(refusal), "{part}");
        }
    }

    #[test]
    fn head_that_is_not_http_is_refused() {
        let many = "X: y\r\n".repeat(HEADERS_MAX + 1);
        for (head, refusal) in [
            ("GET / HTTP/1.1\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nHost: pi\r\nHost: pi\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/1.1\r\nHost: pi\r\nOrigin: a\r\nOrigin: a\r\n\r\n", Refusal::Malformed),
            ("GET / HTTP/2\r\nHost: pi\r\n\r\n", Refusal::Malformed),
            ("GET http://pi/ HTTP/1.1\r\nHost: pi\r\n\r\n", Refusal::Malformed),
            ("POST / HTTP/1.1\r\nHost: pi\r\n\r\n", Refusal::Method),
            (&format!("GET / HTTP/1.1\r\nHost: pi\r\n{many}\r\n"), Refusal::Overlong),
            ("\r\n\r\n", Refusal::Malformed),
        ] {
            assert_eq!(Request::parse(head.as_bytes()), Err(refusal), "{head}");
        }
    }

    #[test]
    fn query_is_ignored() {
        let request = Request::parse(b"GET /invite?a=/b HTTP/1.0\r\nhost: pi\r\n\r\n").unwrap();
        assert_eq!((request.path, request.origin, request.wants_body), ("/invite", None, true));
    }
}
