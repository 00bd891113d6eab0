//! Name servers of an IPv6 network (docs/pi-image.md, Time): hears what routers advertise, of which the kernel takes all but this. A
//! script is called with the servers whenever they change.

mod servers;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg};
use servers::Servers;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::process::Command;
use std::time::{Duration, Instant};

/// Asks all routers to advertise (RFC 4861 section 4.1); the kernel fills the checksum in.
const SOLICITATION: [u8; 8] = [133, 0, 0, 0, 0, 0, 0, 0];

/// All routers of a link.
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// What comes from a machine of the link itself, and from no farther, has this hop limit (RFC 4861 section 6.1.2).
const HOP_LIMIT: u8 = 255;

/// How often routers are asked, until one advertises (RFC 4861 section 10).
const SOLICITATIONS_MAX: u32 = 3;

/// Pause between two questions, and before the first: an interface that has just come up has no address to ask from.
const SOLICITATION_INTERVAL: Duration = Duration::from_secs(4);

/// The longest message that is read; an advertisement fits into one frame.
const MESSAGE_BYTES_MAX: usize = 1_500;

/// Hears routers for ever. Fails if there is no such interface, or no IPv6.
pub(crate) fn run(interface: &str, hook: &str) -> Result<(), String> {
    let failure = |error: io::Error| format!("{interface}: IPv6 routers: {error}");
    let socket = open(interface).map_err(failure)?;
    let (begin, mut servers, mut told) = (Instant::now(), Servers::default(), Vec::new());
    let mut questions = 0;
    loop {
        let question_at =
            (questions < SOLICITATIONS_MAX).then(|| SOLICITATION_INTERVAL * questions + Duration::from_secs(1));
        let due_at = question_at.into_iter().chain(servers.poll_timeout()).min();
        let wait = due_at.map(|due_at| due_at.saturating_sub(begin.elapsed()));
        if let Some(message) = receive(&socket, wait).map_err(failure)? {
            servers.handle_message(begin.elapsed(), &message);
        }
        let now = begin.elapsed();
        servers.handle_timeout(now);
        let names = servers.names(interface);
        if !names.is_empty() {
            questions = SOLICITATIONS_MAX;
        } else if question_at.is_some_and(|question_at| question_at <= now) {
            // Without an address to ask from it fails; the next question may succeed, and routers advertise unasked too.
            let _ = ask(&socket, interface);
            questions += 1;
        }
        if names != told {
            let status = Command::new(hook).args(&names).status();
            status.map_err(|error| format!("{hook}: {error}"))?;
            told = names;
        }
    }
}

/// A socket for ICMPv6 on one interface.
fn open(interface: &str) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.set_multicast_hops_v6(HOP_LIMIT.into())?;
    socket.set_recv_hoplimit_v6(true)?;
    Ok(socket)
}

/// Asks all routers once.
fn ask(socket: &Socket, interface: &str) -> io::Result<()> {
    let scope = nix::net::if_::if_nametoindex(interface)?;
    socket.send_to(&SOLICITATION, &SocketAddrV6::new(ALL_ROUTERS, 0, 0, scope).into()).map(|_| ())
}

/// Waits for a message until one comes, or so long; `None` if none came, or one that no machine of the link has sent.
fn receive(socket: &Socket, wait: Option<Duration>) -> io::Result<Option<Vec<u8>>> {
    // A wait that is too long for the system is cut: then nothing has come, and it is waited again.
    let millis = wait.map(|wait| i32::try_from(wait.as_millis() + 1).unwrap_or(i32::MAX));
    let timeout = millis.map_or(PollTimeout::NONE, |millis| PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX));
    let mut sockets = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    match poll(&mut sockets, timeout) {
        Ok(0) | Err(nix::Error::EINTR) => return Ok(None),
        outcome => outcome?,
    };
    let (mut content, mut space) = ([0; MESSAGE_BYTES_MAX], nix::cmsg_space!(i32));
    let mut slices = [IoSliceMut::new(&mut content)];
    let message = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut slices, Some(&mut space), MsgFlags::MSG_DONTWAIT)?;
    let is_near = message.address.is_some_and(|source| source.ip().is_unicast_link_local());
    let has_limit = message
        .cmsgs()?
        .any(|control| matches!(control, ControlMessageOwned::Ipv6HopLimit(limit) if limit == i32::from(HOP_LIMIT)));
    let length = message.bytes;
    Ok((is_near && has_limit).then(|| content[..length].to_vec()))
}
