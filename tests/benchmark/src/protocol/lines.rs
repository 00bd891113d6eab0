//! The programs that show the limit: a line is a message.

use super::{Next, Protocol, line_bytes};

/// Greets each connection with a line; each further line goes to all.
pub(crate) struct Lines;

impl Protocol for Lines {
    fn join(&self, _: usize, _: &mut Vec<u8>) {}

    fn joined(&mut self, bytes: &[u8]) -> Option<usize> {
        line_bytes(bytes)
    }

    fn join_as_publisher(&self, _: usize, _: &mut Vec<u8>) -> Option<()> {
        None
    }

    fn publish(&mut self, _: u32, text: &[u8], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(text);
        bytes.push(b'\n');
    }

    fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Next<'a> {
        line_bytes(bytes).map_or(Next::Incomplete, |length| Next::Message(length, &bytes[..length - 1]))
    }
}
