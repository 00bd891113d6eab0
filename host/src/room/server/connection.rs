//! One connection of a worker: its engine and its socket, the events that it waits for, and how it ends.
//!
//! Nothing here waits: the socket is non-blocking, and the worker waits for its events.

use super::buffer::GrowingBuffer;
use super::desk::Desk;
use super::poller::Interest;
use super::stream::Stream;
use chat_core::frame::Decoder;
use chat_core::limits::ROOM_LINGER_BYTES_MAX;
use chat_core::room::server;
use chat_core::room::server::Context;
use chat_core::time::Instant;
use std::io;

/// The engine of a connection, with buffers that grow.
pub(super) type Engine = server::Connection<GrowingBuffer>;

/// One connection and its socket.
#[derive(Debug)]
pub(super) struct Connection {
    /// The socket, which is non-blocking, with the framing of a WebSocket if it is one.
    pub(super) stream: Stream,
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
    /// A connection that has just been accepted, and is waited for to be readable.
    pub(super) const fn new(stream: Stream, engine: Engine) -> Self {
        Self { stream, engine, interest: Interest::READABLE, scheduled: None, lingering: None }
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
        let length = self.engine.wants_bytes().min(buffer.len());
        if length == 0 {
            return Ok(());
        }
        let length = self.stream.read(&mut buffer[..length])?;
        if length > 0 {
            self.engine.handle_bytes(context, desk, decoder, &buffer[..length]);
        }
        if self.stream.is_ended() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// Writes the bytes that the client lacks, as many as the socket takes.
    ///
    /// # Errors
    /// The connection is gone.
    pub(super) fn flush(&mut self, now: Instant, desk: &Desk<'_>) -> io::Result<()> {
        loop {
            match self.engine.poll_output(desk) {
                Err(lost) => desk.count_lost(lost),
                Ok((first, second)) => {
                    let offered = first.len() + second.len();
                    let length = self.stream.write(first, second)?;
                    if offered == 0 {
                        return Ok(());
                    }
                    if !self.engine.handle_sent(now, desk, length) {
                        // A WebSocket's own bytes go where the stream has nothing more.
                        if self.stream.owes() && !self.engine.is_blocked() {
                            self.stream.write(&[], &[])?;
                        }
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether its socket took less than it was given: there is nothing to write before it takes more.
    pub(super) fn is_blocked(&self) -> bool {
        self.engine.is_blocked() || self.stream.owes()
    }

    /// The connection is gone or is closed now: its member's name is free. Says whether the other side may still read something that
    /// it should.
    pub(super) fn close(&mut self, desk: &mut Desk<'_>) -> bool {
        let was_told_why = self.engine.close(desk);
        let was_told_goodbye = self.stream.close(desk);
        was_told_why || was_told_goodbye
    }

    /// Closes the sending side only, so that the client can read why it was put out: closing a socket that has unread bytes resets the
    /// connection, and the bytes that were sent last may be lost. Returns `until`; `None` if the connection is gone already.
    pub(super) fn linger(&mut self, until: Instant) -> Option<Instant> {
        self.stream.end_sending().ok()?;
        self.lingering = Some(ROOM_LINGER_BYTES_MAX);
        Some(until)
    }

    /// Reads bytes and throws them away. Returns whether there may be more.
    pub(super) fn drain(&mut self, buffer: &mut [u8]) -> bool {
        let left = self.lingering.get_or_insert_default();
        match self.stream.discard(buffer) {
            Ok(length) => {
                *left = left.saturating_sub(u32::try_from(length).unwrap_or(u32::MAX));
                *left > 0
            }
            Err(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn client_that_was_put_out_and_goes_on_sending_is_read_no_further_than_the_limit() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = Stream::plain(listener.accept().unwrap().0);
        let mut connection = Connection::new(stream, Engine::new(clock::now(), None));
        let until = clock::now();
        assert_eq!(connection.linger(until), Some(until));
        let sent = vec![1; ROOM_LINGER_BYTES_MAX as usize + 10_000];
        let sending = std::thread::spawn(move || client.write_all(&sent));
        let mut buffer = [0; 1_000];
        while connection.drain(&mut buffer) {}
        // The rest is still there.
        assert_eq!(connection.stream.socket.peek(&mut buffer).unwrap().min(1), 1);
        sending.join().unwrap().unwrap();
    }
}
