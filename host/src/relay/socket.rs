//! A UDP socket that receives and sends in batches (`recvmmsg`, `sendmmsg`), and never waits but where it says so.
//!
//! An IPv6 socket serves IPv4 too; the addresses that it takes and gives are IPv4 ones then.

use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::relay::Transmit;
use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, ControlMessageOwned, MsgFlags, MultiHeaders, SockFlag, SockType, SockaddrStorage, sockopt,
};
use smol::Async;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};

/// Datagrams received by one system call.
pub const RECEIVE_BATCH: usize = 32;

/// Datagrams sent by one system call.
pub const SEND_BATCH: usize = 64;

/// Bytes of receive buffer asked of the kernel, which charges some 800 bytes for a short datagram: a burst of 5,000.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// Room for one received datagram, one byte more than allowed, so that longer ones show.
type Buffer = [u8; DATAGRAM_BYTES_MAX + 1];

/// A bound UDP socket.
#[derive(Debug)]
pub struct Socket {
    /// The socket, registered with the reactor.
    inner: Async<UdpSocket>,
    /// Whether it is an IPv6 socket, which takes IPv4 addresses in their mapped form only.
    mapped: bool,
    /// Where received datagrams are put.
    buffers: Box<[Buffer]>,
    /// What the kernel said last of how many datagrams it dropped; wraps.
    dropped_total: u32,
}

/// What one batch of receiving brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// How many datagrams.
    pub count: usize,
    /// How many more the kernel has dropped before them, because the receive buffer was full.
    pub dropped: u32,
}

impl Socket {
    /// Binds to an address of this machine; port 0 takes any free port.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let socket: OwnedFd = socket::socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
        if address.is_ipv6() {
            socket::setsockopt(&socket, sockopt::Ipv6V6Only, &false)?;
        }
        // The first wants a privilege, the second is bounded by net.core.rmem_max; with neither, the default does.
        let _ = socket::setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES)
            .or_else(|_| socket::setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES));
        socket::setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
        Ok(Self {
            inner: Async::new(UdpSocket::from(socket))?,
            mapped: address.is_ipv6(),
            buffers: vec![[0; DATAGRAM_BYTES_MAX + 1]; RECEIVE_BATCH].into_boxed_slice(),
            dropped_total: 0,
        })
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.inner.get_ref().local_addr()
    }

    /// Takes what has arrived, up to [`RECEIVE_BATCH`] datagrams, without waiting.
    ///
    /// # Errors
    /// What the system says; `EAGAIN` when nothing has arrived.
    pub fn receive(&mut self, mut handle: impl FnMut(SocketAddr, &[u8])) -> Result<Received, Errno> {
        // Made anew each time: nix does not restore the room for control messages that the kernel has shortened, and the
        // count of dropped datagrams would be lost with it.
        let control = nix::cmsg_space!(u32);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(RECEIVE_BATCH, Some(control));
        let mut buffers = self.buffers.iter_mut();
        let mut slices: [_; RECEIVE_BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(buffers.next().map_or(&mut [], |buffer| buffer))]);
        let descriptor = self.inner.as_raw_fd();
        let messages = socket::recvmmsg(descriptor, &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
        let (mut count, mut total) = (0, self.dropped_total);
        for message in messages {
            count += 1;
            for control in message.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::RxqOvfl(dropped) = control {
                    total = dropped;
                }
            }
            // Neither is missing on Linux; were they, the engine would count what it cannot use.
            let source = message.address.as_ref().and_then(to_address).unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into());
            handle(source, message.iovs().next().unwrap_or_default());
        }
        let dropped = total.wrapping_sub(self.dropped_total);
        self.dropped_total = total;
        Ok(Received { count, dropped })
    }

    /// Sends the first of these datagrams, up to [`SEND_BATCH`], without waiting, and says how many.
    ///
    /// # Errors
    /// What the system says of the first; `EAGAIN` when the send buffer is full. Those before a bad one are sent.
    pub fn send<'a>(&self, transmits: impl Iterator<Item = Transmit<'a>>) -> Result<usize, Errno> {
        let (addresses, slices): (heapless::Vec<_, SEND_BATCH>, heapless::Vec<_, SEND_BATCH>) =
            collect(transmits.map(|transmit| (Some(self.to_system(transmit.to)), [IoSlice::new(transmit.bytes)])));
        if slices.is_empty() {
            return Ok(0);
        }
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slices.len(), None);
        let descriptor = self.inner.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        socket::sendmmsg(descriptor, &mut headers, slices.iter(), &addresses, [], flags).map(Iterator::count)
    }

    /// The address as this socket's family wants it.
    fn to_system(&self, address: SocketAddr) -> SockaddrStorage {
        match address {
            SocketAddr::V4(v4) if self.mapped => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
            other => other.into(),
        }
    }

    /// Waits until there may be something to receive. Cancelling loses nothing.
    ///
    /// # Errors
    /// What the reactor says.
    pub async fn readable(&self) -> io::Result<()> {
        self.inner.readable().await
    }

    /// Waits until there may be room to send. Cancelling loses nothing.
    ///
    /// # Errors
    /// What the reactor says.
    pub async fn writable(&self) -> io::Result<()> {
        self.inner.writable().await
    }
}

/// Fills two lists in step.
fn collect<A, B, const N: usize>(pairs: impl Iterator<Item = (A, B)>) -> (heapless::Vec<A, N>, heapless::Vec<B, N>) {
    let mut lists = (heapless::Vec::new(), heapless::Vec::new());
    for (first, second) in pairs.take(N) {
        // No more than N are taken, so neither is full.
        let _ = (lists.0.push(first), lists.1.push(second));
    }
    lists
}

/// The address that the kernel wrote down.
fn to_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()))
}
