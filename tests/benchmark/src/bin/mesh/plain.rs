//! Members that know each other beforehand, and neither repeat nor remember anything.

use crate::line::{DATAGRAM_BYTES_MAX, Lines, receive, show, wait};
use crate::{PORT_FIRST, address};
use nix::sys::socket::{self, MsgFlags, MultiHeaders, SockaddrIn, setsockopt, sockopt};
use std::error::Error;
use std::io::IoSlice;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd as _;

/// How a line goes to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// To each member, by one `sendmmsg`.
    Each,
    /// By one broadcast.
    Broadcast,
}

/// Runs the member of this number of so many, until the end of its input.
pub(crate) fn run(way: Way, index: u16, members: u16) -> Result<(), Box<dyn Error>> {
    let socket = open(way, index)?;
    let others: Vec<Option<SockaddrIn>> =
        (0..members).filter(|&other| other != index).map(|other| Some(SockaddrIn::from(address(other)))).collect();
    let mut lines = Lines::default();
    let mut buffer = [0; DATAGRAM_BYTES_MAX];
    loop {
        let ready = wait(&socket, None)?;
        if ready.socket {
            while let Some(length) = receive(&socket, &mut buffer)? {
                show(&buffer[..length])?;
            }
        }
        if ready.input {
            let Some(lines) = lines.read()? else { return Ok(()) };
            for line in lines {
                match way {
                    Way::Each => {
                        show(&line)?;
                        send_to_all(&socket, &others, &line)?;
                    }
                    // It comes back to its sender.
                    Way::Broadcast => {
                        socket.send_to(&line, (Ipv4Addr::new(127, 255, 255, 255), PORT_FIRST))?;
                    }
                }
            }
        }
    }
}

/// The member's socket: its own, or at the port that all share.
fn open(way: Way, index: u16) -> Result<UdpSocket, Box<dyn Error>> {
    let socket = match way {
        Way::Each => UdpSocket::bind(address(index))?,
        Way::Broadcast => {
            let kind = socket::SockType::Datagram;
            let shared = socket::socket(socket::AddressFamily::Inet, kind, socket::SockFlag::SOCK_CLOEXEC, None)?;
            setsockopt(&shared, sockopt::ReuseAddr, &true)?;
            setsockopt(&shared, sockopt::Broadcast, &true)?;
            socket::bind(shared.as_raw_fd(), &SockaddrIn::new(0, 0, 0, 0, PORT_FIRST))?;
            shared.into()
        }
    };
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Sends a line to all others by as few system calls as there can be.
fn send_to_all(socket: &UdpSocket, others: &[Option<SockaddrIn>], line: &[u8]) -> nix::Result<()> {
    let slices = vec![[IoSlice::new(line)]; others.len()];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(others.len(), None);
    socket::sendmmsg(socket.as_raw_fd(), &mut headers, &slices, others, [], MsgFlags::empty()).map(|_| ())
}
