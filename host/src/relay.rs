//! The relay's drivers: sockets and time around the engines of `chat_core::relay`.

#[cfg(feature = "client")]
pub mod client;
#[cfg(target_os = "linux")]
pub(crate) mod prober;
#[cfg(target_os = "linux")]
pub mod server;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// A socket that receives from this relay alone.
fn connect_to(server: SocketAddr) -> io::Result<UdpSocket> {
    let local: SocketAddr =
        if server.is_ipv6() { (Ipv6Addr::UNSPECIFIED, 0).into() } else { (Ipv4Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(local)?;
    socket.connect(server)?;
    Ok(socket)
}
