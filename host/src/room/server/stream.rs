//! A connection's socket: what comes from it and goes to it are the bytes of the room's stream, whether a WebSocket's framing stands
//! between or nothing.
//!
//! Nothing here waits. The framing's rules are core's; this is where they meet system calls.

use super::batch::{self, Batch, SLICES_MAX};
use super::desk::Desk;
use chat_core::frame::Frame;
use chat_core::refusal::RefusalReason;
use chat_core::room::Message;
use chat_core::room::server::{Access as _, Counter};
use chat_core::websocket::{End, WebSocket};
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

/// So much is copied together rather than handed to the kernel in pieces, in bytes: `send` of one slice is cheaper than `writev`.
const COPIED_BYTES_MAX: usize = 512;

/// So much is read of a newcomer that is turned away at once, in bytes: more than a client sends before it is let in.
const TURNED_AWAY_BYTES: usize = 4_096;

/// A socket that never waits.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The socket.
    pub(super) socket: TcpStream,
    /// The framing between it and the stream. In a box: most connections may have none.
    framing: Option<Box<WebSocket>>,
}

impl Stream {
    /// A socket whose bytes are the stream's.
    pub(crate) const fn plain(socket: TcpStream) -> Self {
        Self { socket, framing: None }
    }

    /// A WebSocket right behind its handshake.
    pub(crate) fn web(socket: TcpStream) -> Self {
        Self { socket, framing: Some(Box::default()) }
    }

    /// Reads once; gives how many bytes of the stream stand in `buffer`, which may be none.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.discard(buffer)?;
        Ok(match &mut self.framing {
            Some(framing) => framing.handle_bytes(&mut buffer[..length]),
            None => length,
        })
    }

    /// Reads once; gives how many bytes came.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn discard(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.socket.read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if is_for_now(&error) => Ok(0),
            outcome => outcome,
        }
    }

    /// Writes what fits of two slices, and says how much of them that is. Without any, the framing's own bytes are written.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn write(&mut self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let Some(framing) = &mut self.framing else {
            return if first.is_empty() { Ok(0) } else { write(&self.socket, &[first, second]) };
        };
        let offered = first.len() + second.len();
        let mut sent = 0;
        loop {
            let batch = Batch::new(framing, (first, second), sent);
            if batch.is_empty() {
                return Ok(sent);
            }
            let written = write(&self.socket, &batch.slices())?;
            sent = batch::handle_sent(framing, offered, sent, written);
            // The stream may have more behind what it offered, so that is not the moment to fill a frame.
            if written < batch.len() || (offered > 0 && sent == offered) {
                return Ok(sent);
            }
        }
    }

    /// Whether the framing has own bytes that the socket did not take.
    pub(super) fn owes(&self) -> bool {
        self.framing.as_ref().is_some_and(|framing| framing.owes())
    }

    /// Whether the other side has closed the WebSocket, or broken its rules.
    pub(super) fn is_ended(&self) -> bool {
        self.framing.as_ref().is_some_and(|framing| framing.end().is_some())
    }

    /// Says goodbye as a WebSocket does, and whether that was possible.
    pub(super) fn close(&mut self, desk: &mut Desk<'_>) -> bool {
        let Some(framing) = &mut self.framing else { return false };
        if let Some(End::Violated(_)) = framing.end() {
            desk.count(Counter::PutOutFraming);
        }
        framing.close();
        self.write(&[], &[]).is_ok() && !self.owes()
    }

    /// Ends what is sent; what comes may still be read.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn end_sending(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }
}

/// Tells a newcomer why it is turned away, and closes the connection without waiting. What has come is read, else the close would be
/// a reset, which may cost the newcomer the reason; what comes later still makes one.
pub(super) fn turn_away(mut socket: TcpStream, reason: RefusalReason) {
    // Its send buffer is empty, so this does not wait; if one of these calls fails, the newcomer is gone.
    let mut frame = Frame::EMPTY;
    let _ = write(&socket, &[frame.encode(&Message::Refused { reason }).unwrap_or_default()]);
    if socket.set_nonblocking(true).is_ok() && socket.shutdown(Shutdown::Write).is_ok() {
        let _ = socket.read(&mut [0; TURNED_AWAY_BYTES]);
    }
}

/// Writes what fits of these slices, in one call, and says how much that is.
fn write(socket: &TcpStream, slices: &[&[u8]]) -> io::Result<usize> {
    let mut socket = socket;
    let written = match slices {
        [first] | [first, []] => socket.write(first),
        _ if slices.iter().map(|slice| slice.len()).sum::<usize>() <= COPIED_BYTES_MAX => {
            let mut bytes = heapless::Vec::<u8, COPIED_BYTES_MAX>::new();
            // They fit: their lengths were added up.
            slices.iter().for_each(|slice| _ = bytes.extend_from_slice(slice));
            socket.write(&bytes)
        }
        _ => {
            let slices: heapless::Vec<_, SLICES_MAX> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
            socket.write_vectored(&slices)
        }
    };
    match written {
        Err(error) if is_for_now(&error) => Ok(0),
        outcome => outcome,
    }
}

/// Whether the same may work later.
fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn newcomer_that_has_sent_something_is_told_why_it_is_turned_away_and_sees_no_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut newcomer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        newcomer.write_all(b"a JOIN").unwrap();
        turn_away(listener.accept().unwrap().0, RefusalReason::Busy);
        let mut told = Vec::new();
        newcomer.read_to_end(&mut told).unwrap();
        let mut refused = Frame::EMPTY;
        assert_eq!(told, refused.encode(&Message::Refused { reason: RefusalReason::Busy }).unwrap());
    }
}
