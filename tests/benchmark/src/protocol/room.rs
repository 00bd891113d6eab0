//! The room of chat-host (docs/room-protocol.md).

use super::{Next, Protocol};
use chat_core::frame::{Decoder, Frame};
use chat_core::room::message::VERSION;
use chat_core::room::{Kind, Message};

/// Members with names of their own, who publish.
pub(crate) struct Room {
    /// Undoes the stuffing.
    decoder: Decoder,
}

impl Room {
    /// Nothing heard yet.
    pub(crate) const fn new() -> Self {
        Self { decoder: Decoder::new() }
    }

    /// The first frame and its length.
    fn first<'a>(&'a mut self, bytes: &[u8]) -> Option<(usize, &'a [u8])> {
        let length = bytes.iter().position(|&byte| byte == 0)? + 1;
        self.decoder.next_frame(&mut &bytes[..length]).map(|frame| (length, frame.unwrap_or_default()))
    }
}

/// Adds one frame.
fn push(message: &Message<'_>, bytes: &mut Vec<u8>) {
    let mut frame = Frame::EMPTY;
    bytes.extend_from_slice(frame.encode(message).unwrap_or_default());
}

impl Protocol for Room {
    fn join(&self, index: usize, bytes: &mut Vec<u8>) {
        let (name, token) = (format!("member{index}"), u128::MAX - index as u128);
        push(&Message::Join { version: VERSION, token: token.to_le_bytes(), seen: None, name: &name }, bytes);
    }

    fn joined(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut end = 0;
        while let Some((length, frame)) = self.first(&bytes[end..]) {
            end += length;
            if Message::decode(frame) == Ok(Message::HistoryEnd) {
                return Some(end);
            }
        }
        None
    }

    fn join_as_publisher(&self, _: usize, _: &mut Vec<u8>) -> Option<()> {
        None
    }

    fn publish(&mut self, number: u32, text: &[u8], bytes: &mut Vec<u8>) {
        let text = std::str::from_utf8(text).unwrap_or_default();
        push(&Message::Say { number, kind: Kind::Plain, text }, bytes);
    }

    fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Next<'a> {
        match self.first(bytes) {
            None => Next::Incomplete,
            Some((length, frame)) => match Message::decode(frame) {
                Ok(Message::Said { text, .. }) => Next::Message(length, text.as_bytes()),
                _ => Next::Other(length),
            },
        }
    }
}
