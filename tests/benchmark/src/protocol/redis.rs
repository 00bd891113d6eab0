//! Redis publish/subscribe (RESP2): a connection that subscribes cannot publish.

use super::{Next, Protocol, line_bytes};

/// What stands before the length of a published text.
const MESSAGE: &[u8] = b"*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$";

/// The answer to a subscription.
const SUBSCRIBED: &[u8] = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n";

/// One channel.
pub(crate) struct Redis;

impl Protocol for Redis {
    fn join(&self, _: usize, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nroom\r\n");
    }

    fn joined(&mut self, bytes: &[u8]) -> Option<usize> {
        bytes.starts_with(SUBSCRIBED).then_some(SUBSCRIBED.len())
    }

    fn join_as_publisher(&self, _: usize, _: &mut Vec<u8>) -> Option<()> {
        Some(())
    }

    fn publish(&mut self, _: u32, text: &[u8], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nroom\r\n${}\r\n", text.len()).as_bytes());
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(b"\r\n");
    }

    fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Next<'a> {
        let Some(rest) = bytes.strip_prefix(MESSAGE) else {
            return if MESSAGE.starts_with(bytes) { Next::Incomplete } else { Next::Other(bytes.len()) };
        };
        let Some(line) = line_bytes(rest) else { return Next::Incomplete };
        let length = std::str::from_utf8(&rest[..line - 2]).ok().and_then(|length| length.parse().ok()).unwrap_or(0);
        let from = MESSAGE.len() + line;
        match bytes.get(from..from + length + 2) {
            Some(text) => Next::Message(from + length + 2, &text[..length]),
            None => Next::Incomplete,
        }
    }
}
