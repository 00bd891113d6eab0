//! NATS: one subject; who subscribes may publish and hears itself.

use super::{Next, Protocol, end_of, line_bytes};

/// What stands before the length of a published text.
const MESSAGE: &[u8] = b"MSG room 1 ";

/// One subject.
pub(crate) struct Nats;

impl Protocol for Nats {
    fn join(&self, _: usize, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(
            b"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":true}\r\nSUB room 1\r\nPING\r\n",
        );
    }

    fn joined(&mut self, bytes: &[u8]) -> Option<usize> {
        end_of(b"PONG\r\n", bytes)
    }

    fn join_as_publisher(&self, _: usize, _: &mut Vec<u8>) -> Option<()> {
        None
    }

    fn publish(&mut self, _: u32, text: &[u8], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(format!("PUB room {}\r\n", text.len()).as_bytes());
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(b"\r\n");
    }

    fn has_one_order(&self) -> bool {
        // Only what one connection publishes stays in its order.
        false
    }

    fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Next<'a> {
        let Some(line) = line_bytes(bytes) else { return Next::Incomplete };
        let Some(length) = bytes[..line - 2].strip_prefix(MESSAGE) else { return Next::Other(line) };
        let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok()).unwrap_or(0);
        match bytes.get(line..line + length + 2) {
            Some(text) => Next::Message(line + length + 2, &text[..length]),
            None => Next::Incomplete,
        }
    }
}
