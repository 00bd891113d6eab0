//! Sockets that serve IPv6 and IPv4 alike.

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// A socket for this address, not bound yet. An IPv6 socket serves IPv4 too, whatever the system's default is.
pub(crate) fn open(address: SocketAddr, kind: SockType) -> io::Result<OwnedFd> {
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &false)?;
    }
    Ok(socket)
}
