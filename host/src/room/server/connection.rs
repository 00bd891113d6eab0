//! One connection of a worker: its engine and its socket, the events that it waits for, and how it ends.
//!
//! Nothing here waits: the socket is non-blocking, and the worker waits for its events.

use super::buffer::GrowingBuffer;
use super::desk::Desk;
use super::poller::Interest;
use chat_core::frame::Decoder;
use chat_core::limits::ROOM_LINGER_BYTES_MAX;
use chat_core::room::server;
use chat_core::room::server::Context;
use chat_core::time::Instant;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

/// The engine of a connection, with buffers that grow.
pub(super) type Engine = server::Connection<GrowingBuffer>;

/// One connection and its socket.
#[derive(Debug)]
pub(super) struct Connection {
    /// The socket, which is non-blocking.
    pub(super) stream: TcpStream,
    /// The protocol's engine.
    pub(super) engine: Engine,
    /// The events that the poller waits for.
    pub(super) interest: Interest,
    /// When the connection is due in the worker's schedule.
    pub(super) scheduled: Option<Instant>,
    /// How many more bytes are read before the connection is closed; `None` until it was put out.
    pub(super) lingering: Option<u32>,
}

impl Connection {
    /// A connection that has just been accepted.
    pub(super) const fn new(stream: TcpStream, engine: Engine) -> Self {
        let interest = Interest { readable: false, writable: false };
        Self { stream, engine, interest, scheduled: None, lingering: None }
    }

    /// Reads once, and hands the bytes to the engine. The end of the stream is a leave.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn read(
        &mut self,
        context: Context<'_>,
        desk: &mut Desk<'_>,
        decoder: &mut Decoder,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let length = self.engine.wants_bytes(context.config, context.now).min(buffer.len());
        if length == 0 {
            return Ok(());
        }
        match self.stream.read(&mut buffer[..length]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                self.engine.handle_bytes(context, desk, decoder, &buffer[..length]);
                Ok(())
            }
            Err(error) if is_for_now(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes the bytes that the client lacks, as many as the socket takes.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn flush(&mut self, now: Instant, desk: &Desk<'_>) -> io::Result<()> {
        loop {
            match self.engine.poll_output(desk) {
                Err(lost) => desk.count_lost(lost),
                Ok((&[], &[])) => return Ok(()),
                Ok((first, second)) => {
                    let length = write(&self.stream, first, second)?;
                    if !self.engine.handle_sent(now, desk, length) {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Closes the sending side only, so that the client can read why it was put out: closing a socket that has unread bytes resets the
    /// connection, and the bytes that were sent last may be lost. Returns `until`; `None` if the connection is gone already.
    pub(super) fn linger(&mut self, until: Instant) -> Option<Instant> {
        self.stream.shutdown(Shutdown::Write).ok()?;
        self.lingering = Some(ROOM_LINGER_BYTES_MAX);
        Some(until)
    }

    /// Reads bytes and throws them away. Returns whether there may be more.
    pub(super) fn drain(&mut self, buffer: &mut [u8]) -> bool {
        let left = self.lingering.get_or_insert_default();
        match self.stream.read(buffer) {
            Ok(length) => {
                *left = left.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
                length > 0 && *left > 0
            }
            Err(error) => is_for_now(&error),
        }
    }
}

/// Writes as much of two slices as the socket takes, and returns how many bytes. `send` of one slice is cheaper than `writev`.
fn write(stream: &TcpStream, first: &[u8], second: &[u8]) -> io::Result<usize> {
    let mut stream = stream;
    let written = match second {
        [] => stream.write(first),
        _ => stream.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]),
    };
    match written {
        Err(error) if is_for_now(&error) => Ok(0),
        outcome => outcome,
    }
}

/// Whether the error is temporary, so that the same call may work later.
fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
