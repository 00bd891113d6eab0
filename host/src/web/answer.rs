//! Answers: the head that all of them have, and what stands behind it.
//!
//! No cookie, nothing inline, nothing from elsewhere: what a browser may do with the page stands in its Content-Security-Policy.

use super::access::host_of;
use super::refusal::Refusal;
use chat_core::websocket::SUBPROTOCOL;

/// What goes with every answer: what it is, is what it says; no other site shows it or is told where a link was; nothing is kept.
const FIELDS: &str = "Connection: close\r\nCache-Control: no-cache\r\nX-Content-Type-Options: nosniff\r\n\
                      Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\nCross-Origin-Resource-Policy: same-origin\r\n";

/// An answer with a body of this type. `authority` is the value of `Host`, which is allowed: browsers that do not take `'self'` for
/// WebSockets too (Safari before 16) are told their address in full.
pub(super) fn answer(content_type: &str, body: &str, wants_body: bool, authority: &str) -> Vec<u8> {
    let is_name = host_of(authority).is_some_and(|host| !host.starts_with('['));
    // The policy's grammar has no IPv6 addresses.
    let own = if is_name { format!(" ws://{authority} wss://{authority}") } else { String::new() };
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'{own}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\n{FIELDS}Content-Security-Policy: {policy}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    if wants_body {
        answer += body;
    }
    answer.into_bytes()
}

/// A refusal, for people.
pub(super) fn refusal(refusal: Refusal) -> Vec<u8> {
    let body = format!("{}\n", refusal.sentence());
    format!(
        "HTTP/1.1 {}\r\n{FIELDS}{}Content-Security-Policy: default-src 'none'\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {}\r\n\r\n{body}",
        refusal.status(),
        refusal.fields(),
        body.len()
    )
    .into_bytes()
}

/// The answer to a WebSocket's handshake with this key.
pub(super) fn switching(accepted: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accepted}\r\n\
         Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
    .into_bytes()
}
