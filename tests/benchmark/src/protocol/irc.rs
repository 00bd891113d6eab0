//! IRC (RFC 2812): one channel; nobody hears what he says himself, so publishers stay outside the channel.

use super::{Next, Protocol, end_of, line_bytes};

/// One channel that takes messages from outside.
pub(crate) struct Irc;

impl Protocol for Irc {
    fn join(&self, index: usize, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(format!("NICK m{index}\r\nUSER m{index} 0 * :m\r\nJOIN #room\r\n").as_bytes());
    }

    fn joined(&mut self, bytes: &[u8]) -> Option<usize> {
        // The end of the list of names.
        let end = end_of(b" 366 ", bytes)?;
        line_bytes(&bytes[end..]).map(|length| end + length)
    }

    fn join_as_publisher(&self, index: usize, bytes: &mut Vec<u8>) -> Option<()> {
        bytes.extend_from_slice(format!("NICK p{index}\r\nUSER p{index} 0 * :p\r\n").as_bytes());
        Some(())
    }

    fn publish(&mut self, _: u32, text: &[u8], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(b"PRIVMSG #room :");
        bytes.extend_from_slice(text);
        bytes.extend_from_slice(b"\r\n");
    }

    fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Next<'a> {
        let Some(length) = line_bytes(bytes) else { return Next::Incomplete };
        let line = &bytes[..length - 2];
        match end_of(b" PRIVMSG #room :", line) {
            Some(from) => Next::Message(length, &line[from..]),
            None => Next::Other(length),
        }
    }
}
