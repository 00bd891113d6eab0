//! The same room over a WebSocket (docs/room-protocol.md section 11), as the page joins it.

use super::{Next, Protocol, Room};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

/// Members of the room whose stream is in binary messages.
pub(crate) struct Page(Room);

impl Page {
    /// Nothing heard yet.
    pub(crate) const fn new() -> Self {
        Self(Room::new())
    }
}

/// Puts what was added behind `from` into a frame of a client. The mask is zeros, which is a mask like any other.
fn wrap(from: usize, bytes: &mut Vec<u8>) {
    let payload = bytes.split_off(from);
    bytes.push(0x82);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => bytes.push(0x80 | length),
        (_, length) => {
            bytes.push(0x80 | 126);
            // No text that is published here is longer.
            bytes.extend(length.unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
}

impl Protocol for Page {
    fn join(&self, index: usize, bytes: &mut Vec<u8>) {
        let from = bytes.len();
        self.0.join(index, bytes);
        wrap(from, bytes);
    }

    fn joined(&mut self, bytes: &[u8]) -> Option<usize> {
        self.0.joined(bytes)
    }

    fn join_as_publisher(&self, _: usize, _: &mut Vec<u8>) -> Option<()> {
        None
    }

    fn publish(&mut self, number: u32, text: &[u8], bytes: &mut Vec<u8>) {
        let from = bytes.len();
        self.0.publish(number, text, bytes);
        wrap(from, bytes);
    }

    fn framing(&self) -> Option<Framing> {
        Some(Framing::default())
    }

    fn next<'a>(&'a mut self, bytes: &'a [u8]) -> Next<'a> {
        self.0.next(bytes)
    }
}

/// Takes the server's framing off what one connection reads.
#[derive(Default)]
pub(crate) struct Framing {
    /// The beginning of a header that is not complete.
    header: Vec<u8>,
    /// Bytes of payload that are still to come.
    left: usize,
}

impl Framing {
    /// Shakes hands, and waits for the answer.
    pub(crate) fn shake_hands(mut stream: &TcpStream) -> io::Result<()> {
        let address = stream.peer_addr()?;
        stream.write_all(
            format!(
                "GET /room HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat-host.room.1\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            .as_bytes(),
        )?;
        let (mut answer, mut byte) = (Vec::new(), [0]);
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            answer.push(byte[0]);
        }
        if answer.starts_with(b"HTTP/1.1 101 ") { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
    }

    /// Moves the payload in these bytes to their front; gives its length.
    pub(crate) fn take_off(&mut self, bytes: &mut [u8]) -> Result<usize, String> {
        let (mut at, mut length) = (0, 0);
        while at < bytes.len() {
            if self.left > 0 {
                let part = self.left.min(bytes.len() - at);
                bytes.copy_within(at..at + part, length);
                (at, length, self.left) = (at + part, length + part, self.left - part);
                continue;
            }
            self.header.push(bytes[at]);
            at += 1;
            self.left = match *self.header {
                [first, ..] if first != 0x82 => return Err(format!("a frame begins with {first:#x}")),
                [_, short @ 0..=125] => usize::from(short),
                [_, 126, high, low] => usize::from(u16::from_be_bytes([high, low])),
                _ => continue,
            };
            self.header.clear();
        }
        Ok(length)
    }
}
