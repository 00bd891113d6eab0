//! Datagrams that were received together: on Linux several by one system call, elsewhere one.

use chat_core::limits::DATAGRAM_BYTES_MAX;
use heapless::Vec;
use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};

/// Datagrams received by one system call: the acknowledgements of a small group.
#[cfg(target_os = "linux")]
const BATCH: usize = 16;

/// One of them shows whether there is another.
#[cfg(not(target_os = "linux"))]
const BATCH: usize = 1;

/// Datagrams that were received together.
pub(super) struct Batch {
    /// Room for each, and one byte more, so that a longer one shows.
    buffers: Box<[[u8; DATAGRAM_BYTES_MAX + 1]]>,
    /// How many bytes each has, and where it came from.
    received: Vec<(usize, SocketAddr), BATCH>,
    /// How many of them were taken.
    taken: usize,
    /// What the system fills for sockets of IPv4, and of IPv6: it shortens the room for addresses to those of the first kind.
    #[cfg(target_os = "linux")]
    headers: [nix::sys::socket::MultiHeaders<nix::sys::socket::SockaddrStorage>; 2],
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.received[self.taken..]).finish()
    }
}

impl Batch {
    /// Nothing was received yet.
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![[0; DATAGRAM_BYTES_MAX + 1]; BATCH].into_boxed_slice(),
            received: Vec::new(),
            taken: 0,
            #[cfg(target_os = "linux")]
            headers: [0; 2].map(|_| nix::sys::socket::MultiHeaders::preallocate(BATCH, None)),
        }
    }

    /// Whether all were taken.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.received.len()
    }

    /// Takes the next one.
    pub(super) fn next(&mut self) -> Option<(&[u8], SocketAddr)> {
        let &(length, source) = self.received.get(self.taken)?;
        self.taken += 1;
        Some((&self.buffers[self.taken - 1][..length], source))
    }

    /// Receives what has come to a socket of IPv4 or IPv6, once all were taken. Gives whether more may be there.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` when nothing has come.
    #[cfg(target_os = "linux")]
    pub(super) fn receive(&mut self, socket: &UdpSocket, is_ipv6: bool) -> io::Result<bool> {
        use crate::datagrams;
        self.received.clear();
        self.taken = 0;
        let headers = &mut self.headers[usize::from(is_ipv6)];
        let received = &mut self.received;
        datagrams::receive::<BATCH>(socket, headers, &mut self.buffers, |message| {
            // Linux always gives a source; a datagram without one could not be answered.
            let source = message.address.as_ref().and_then(datagrams::to_address);
            // There is room for as many as the system was asked for.
            let _ = received.push((message.bytes, source.unwrap_or(([0; 4], 0).into())));
        })?;
        Ok(self.received.is_full())
    }

    /// Receives what has come to a socket, once all were taken. Gives whether more may be there.
    ///
    /// # Errors
    /// What the system says; `WouldBlock` when nothing has come.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn receive(&mut self, socket: &UdpSocket, _: bool) -> io::Result<bool> {
        self.received.clear();
        self.taken = 0;
        let received = socket.recv_from(&mut self.buffers[0])?;
        // There is room for one.
        let _ = self.received.push(received);
        Ok(true)
    }
}
