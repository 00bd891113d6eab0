//! The socket of a relay's client.

use crate::relay::connect_to;
use crate::wait;
use chat_core::limits::DATAGRAM_BYTES_MAX;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// The longest UDP datagram, in bytes. Windows takes none that is longer than the buffer.
const BUFFER_BYTES: usize = 65_536;

/// A socket that sends to one relay and receives from it alone.
pub(super) struct Socket {
    /// The socket.
    socket: wait::Socket,
    /// Room for a datagram.
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket to this relay.
    ///
    /// # Errors
    /// There is no route, or there can be no more files.
    pub(super) fn open(server: SocketAddr) -> io::Result<Self> {
        let socket = connect_to(server)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket: wait::Socket::new(socket)?, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// What the system says, perhaps about an earlier one. `WouldBlock`: it has no room at this moment.
    pub(super) fn send(&self, datagram: &[u8]) -> io::Result<usize> {
        self.socket.get_ref().send(datagram)
    }

    /// Waits for a datagram. Of one that is too long, only a byte more than it may have is given. Cancelling loses nothing.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.socket.get_ref().recv(&mut self.buffer) {
                Ok(length) => return Ok(self.buffer[..length.min(DATAGRAM_BYTES_MAX + 1)].to_vec()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            wait::readable([Some(&self.socket)]).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn datagrams_come_in_their_order_and_one_that_is_too_long_is_cut_behind_its_limit() {
        let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut socket = Socket::open(relay.local_addr().unwrap()).unwrap();
        socket.send(b"hello").unwrap();
        let mut buffer = [0; 8];
        let (length, client) = relay.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hello");
        for datagram in [&b"one"[..], b"", &[b'x'; DATAGRAM_BYTES_MAX + 100]] {
            relay.send_to(datagram, client).unwrap();
        }
        let waiter = wait::Waiter::new().unwrap();
        let mut receive = || waiter.block_on(socket.receive()).unwrap();
        assert_eq!((receive(), receive(), receive().len()), (b"one".to_vec(), Vec::new(), DATAGRAM_BYTES_MAX + 1));
    }
}
