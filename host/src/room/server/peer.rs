//! One connection of a worker with its socket, and how it ends.

use super::connection::Connection;
use super::poller::Interest;
use chat_core::time::Instant;
use std::io::{self, Read as _};
use std::net::{Shutdown, TcpStream};

/// How much a connection that was put out may still send while it reads why.
const LINGER_BYTES: usize = 64 << 10;

/// One connection and its socket.
#[derive(Debug)]
pub(super) struct Peer {
    /// The socket; never waits.
    pub(super) stream: TcpStream,
    /// The connection.
    pub(super) connection: Connection,
    /// What is waited for.
    pub(super) interest: Interest,
    /// When it is looked at.
    pub(super) scheduled: Option<Instant>,
    /// Once it was put out, how many more bytes are read from it before it is closed.
    pub(super) lingering: Option<usize>,
}

impl Peer {
    /// A connection on its socket.
    pub(super) const fn new(stream: TcpStream, connection: Connection) -> Self {
        let interest = Interest { readable: false, writable: false };
        Self { stream, connection, interest, scheduled: None, lingering: None }
    }

    /// Closes in such a way that the other side can read why it was put out: a socket closed with something unread resets the
    /// connection, and what was sent last may be lost. Gives back until when; `None` if it is gone already.
    pub(super) fn linger(&mut self, until: Instant) -> Option<Instant> {
        self.stream.shutdown(Shutdown::Write).ok()?;
        self.lingering = Some(LINGER_BYTES);
        Some(until)
    }

    /// Reads what nobody will hear any more, and says whether there may be more.
    pub(super) fn drain(&mut self, buffer: &mut [u8]) -> bool {
        let left = self.lingering.get_or_insert_default();
        match self.stream.read(buffer) {
            Ok(length) => {
                *left = left.saturating_sub(length);
                length > 0 && *left > 0
            }
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }
}
