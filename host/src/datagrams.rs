//! Several datagrams received by one system call (`recvmmsg`), which Linux has: for the relay's server, and for peers.

use chat_core::limits::DATAGRAM_BYTES_MAX;
use nix::sys::socket::{self, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage};
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// Room for one received datagram: one byte more than is allowed, so that a longer datagram shows.
pub(crate) type Buffer = [u8; DATAGRAM_BYTES_MAX + 1];

/// Receives up to `N` datagrams that have come, without waiting, and hands each to `handle`. Gives how many.
///
/// # Errors
/// What the system says; `EAGAIN` when nothing has come.
pub(crate) fn receive<const N: usize>(
    socket: &impl AsRawFd,
    headers: &mut MultiHeaders<SockaddrStorage>,
    buffers: &mut [Buffer],
    handle: impl FnMut(RecvMsg<'_, '_, SockaddrStorage>),
) -> nix::Result<usize> {
    let mut buffers = buffers.iter_mut();
    let mut slices: [_; N] =
        std::array::from_fn(|_| [IoSliceMut::new(buffers.next().map_or(&mut [], |buffer| buffer))]);
    let flags = MsgFlags::MSG_DONTWAIT;
    let messages = socket::recvmmsg(socket.as_raw_fd(), headers, slices.iter_mut(), flags, None)?;
    Ok(messages.map(handle).count())
}

/// The socket address in the kernel's form as the standard library's.
pub(crate) fn to_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4((*v4).into()));
    }
    address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into()))
}
