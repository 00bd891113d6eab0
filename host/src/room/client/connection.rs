//! A room client's connection: opening it, reading, and the bytes that are not written yet.

use crate::endpoint::Endpoint;
use crate::failure::{Failure, cause};
use crate::{clock, wait};
use async_io::Async;
use chat_core::room::PORT;
use smol::future;
use socket2::SockRef;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long one address may take to answer.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Frames are added to the unwritten bytes until these are as many.
const WRITE_AHEAD_BYTES: usize = 4_096;

/// Why no connection could be opened.
#[derive(Debug)]
pub(super) struct Unreached {
    /// The address that was tried last; `None` if the host has no address.
    pub(super) server: Option<SocketAddr>,
    /// The reason, in words.
    pub(super) cause: String,
}

impl Unreached {
    /// The failure in one sentence.
    pub(super) fn into_failure(self, endpoint: &Endpoint) -> Failure {
        Failure::lost(match self.server {
            Some(server) => {
                // Who names a port may have taken that of the relay or of the page.
                let usual =
                    if server.port() == PORT { String::new() } else { format!(" (a room has port {PORT} as a rule)") };
                format!(
                    "cannot reach the room at {server}: {}; check the address{usual}, and that the server runs",
                    self.cause
                )
            }
            None if self.cause.contains(&endpoint.host) => self.cause,
            None => format!("cannot reach the room at {}: {}", endpoint.host, self.cause),
        })
    }
}

/// A connection to a room's server.
#[derive(Debug)]
pub(super) struct Connection {
    /// The stream.
    stream: Async<TcpStream>,
    /// The server.
    server: SocketAddr,
    /// The bytes that are not written yet.
    unwritten: Vec<u8>,
}

impl Connection {
    /// Connects to the first of the host's addresses that answers.
    ///
    /// # Errors
    /// No address answers, or there is none.
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Self, Unreached> {
        let addresses = match endpoint.resolve(PORT).await {
            Ok(addresses) => addresses,
            Err(failure) => return Err(Unreached { server: None, cause: failure.to_string() }),
        };
        let mut unreached = Unreached { server: None, cause: "it has no address".to_owned() };
        for server in addresses {
            match connect(server).await {
                Ok(stream) => return Ok(Self { stream, server, unwritten: Vec::new() }),
                Err(error) => unreached = Unreached { server: Some(server), cause: cause(&error) },
            }
        }
        Err(unreached)
    }

    /// The server.
    pub(super) const fn server(&self) -> SocketAddr {
        self.server
    }

    /// Waits until bytes have come or the stream has ended. Cancelling loses nothing.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read_with(|mut stream| stream.read(buffer)).await
    }

    /// Reads what has come without waiting for more: how many bytes; `None` if nothing is there, at the end, and after an error.
    pub(super) fn read_at_once(&self, buffer: &mut [u8]) -> Option<usize> {
        self.stream.get_ref().read(buffer).ok().filter(|&length| length > 0)
    }

    /// Waits until something may be written, for ever if there is nothing to write.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn writable(&self) -> io::Result<()> {
        if self.is_written() { future::pending().await } else { self.stream.writable().await }
    }

    /// Whether everything has been written.
    pub(super) fn is_written(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// Whether one more frame may be added.
    pub(super) fn has_room(&self) -> bool {
        self.unwritten.len() < WRITE_AHEAD_BYTES
    }

    /// Adds a frame to the bytes that are to be written.
    pub(super) fn push(&mut self, frame: &[u8]) {
        self.unwritten.extend_from_slice(frame);
    }

    /// Writes as much as is possible at once.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn write(&mut self) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            match self.stream.get_ref().write(&self.unwritten) {
                Ok(length) => drop(self.unwritten.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Resets the connection: bytes on their way are thrown away here and at the server (RFC 9293, RST), which frees the name.
    pub(super) fn abort(self) {
        // If this fails, the connection is closed in the usual way.
        let _ = SockRef::from(self.stream.get_ref()).set_linger(Some(Duration::ZERO));
    }

    /// Ends the sending side, and reads until the server closes its own, so that nothing that was written is thrown away.
    pub(super) async fn close(self) {
        // If the connection is gone there is nothing to close.
        if self.stream.get_ref().shutdown(Shutdown::Write).is_ok() {
            let mut buffer = [0; 4_096];
            while self.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
        }
    }
}

/// Connects to one address. The system must not hold small frames back (TCP_NODELAY), because people wait for them.
async fn connect(server: SocketAddr) -> io::Result<Async<TcpStream>> {
    let timeout = async {
        wait::until(clock::now() + CONNECT_MAX).await;
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer for {} s", CONNECT_MAX.as_secs())))
    };
    let stream = future::or(Async::<TcpStream>::connect(server), timeout).await?;
    stream.get_ref().set_nodelay(true)?;
    Ok(stream)
}
