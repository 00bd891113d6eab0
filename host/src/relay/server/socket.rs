//! A UDP socket that receives and sends in batches (`recvmmsg`, `sendmmsg`). Only its `readable` and `writable` wait.
//!
//! An IPv6 socket serves IPv4 too. A socket on all addresses answers each client from the own address that the client sends to:
//! otherwise the network would choose the address, and a client that accepts answers from one address alone would hear nothing.

use crate::datagrams::{self, Buffer, to_address};
use crate::serve::dual_stack;
use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::relay::server::{Local, Transmit};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    self, ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockType, SockaddrStorage, sockopt,
};
use smol::Async;
use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

/// Datagrams received by one system call.
pub(super) const RECEIVE_BATCH: usize = 32;

/// Datagrams sent by one system call.
pub(super) const SEND_BATCH: usize = 64;

/// Bytes of receive buffer asked of the kernel, which charges some 800 bytes for a short datagram: a burst of 5,000.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// Bytes of send buffer asked of the kernel. Datagrams to a neighbour that has left wait in it for seconds, up to 200 KB for each
/// neighbour: in the usual buffer of 200 KB they would delay all other clients.
const SEND_BUFFER_BYTES: usize = 4 << 20;

/// Most datagrams for one address that one message of `sendmmsg` holds. In a burst of 16 a datagram costs 0.4 of what it costs
/// alone; in longer bursts it costs hardly less.
const BURST_DATAGRAMS: usize = 16;

/// Bytes of the datagrams that the kernel cuts a burst into.
const SEGMENT_BYTES: u16 = 1_200;

const _: () = assert!(SEGMENT_BYTES as usize == DATAGRAM_BYTES_MAX);

/// Own addresses that are told apart. Clients that send to further own addresses are answered from the one that the network chooses.
const LOCAL_ADDRESSES_MAX: usize = 256;

/// A bound UDP socket.
#[derive(Debug)]
pub struct Socket {
    /// The socket, registered with the reactor.
    inner: Async<UdpSocket>,
    /// Whether it is an IPv6 socket, to which own IPv4 addresses are told in their mapped form.
    is_ipv6: bool,
    /// Own addresses that clients have sent to; the address with number n ([`Local`]) has index n - 1.
    local_addresses: Vec<LocalAddress>,
    /// Buffers for received datagrams.
    buffers: Box<[Buffer]>,
    /// How many datagrams the kernel has dropped by its last count, which wraps.
    dropped_total: u32,
    /// How many datagrams the kernel takes at once for one address.
    burst_max: usize,
}

/// The outcome of receiving one batch.
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
        let socket = dual_stack::open(address, SockType::Datagram)?;
        // The forced size needs a privilege, the other is bounded by net.core.rmem_max. If both fail, the default size will do.
        let _ = socket::setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES)
            .or_else(|_| socket::setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER_BYTES));
        let _ = socket::setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER_BYTES)
            .or_else(|_| socket::setsockopt(&socket, sockopt::SndBuf, &SEND_BUFFER_BYTES));
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => socket::setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?,
            IpAddr::V6(ip) if ip.is_unspecified() => {
                socket::setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
                // Of a broadcast, this alone tells the own address: IPv6's has the one that everybody hears.
                socket::setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
            }
            _ => {}
        }
        socket::setsockopt(&socket, sockopt::RxqOvfl, &1)?;
        socket::bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
        // Linux has this option since 4.18; with 0, each message says its own segment size.
        let segments = socket::setsockopt(&socket, sockopt::UdpGsoSegment, &0).is_ok();
        Ok(Self {
            burst_max: if segments { BURST_DATAGRAMS } else { 1 },
            inner: Async::new(UdpSocket::from(socket))?,
            is_ipv6: address.is_ipv6(),
            local_addresses: Vec::new(),
            buffers: bytemuck::zeroed_slice_box(RECEIVE_BATCH),
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

    /// Most datagrams for one address that [`Socket::send`] takes as one burst.
    pub const fn burst_max(&self) -> usize {
        self.burst_max
    }

    /// Hands up to `RECEIVE_BATCH` datagrams that have arrived to `handle`, without waiting.
    ///
    /// # Errors
    /// What the system says; `EAGAIN` when nothing has arrived.
    pub fn receive(&mut self, mut handle: impl FnMut(SocketAddr, Local, &[u8])) -> Result<Received, Errno> {
        // The headers are made anew each time: the kernel shortens their room for control messages, nix does not restore it, and
        // the count of dropped datagrams would be lost.
        let control = nix::cmsg_space!(u32, libc::in6_pktinfo, libc::in_pktinfo);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(RECEIVE_BATCH, Some(control));
        let Self { inner, buffers, is_ipv6, local_addresses, dropped_total, .. } = self;
        let mut total = *dropped_total;
        let count = datagrams::receive::<RECEIVE_BATCH>(inner, &mut headers, buffers, |message| {
            let mut own = None;
            for control in message.cmsgs().into_iter().flatten() {
                match control {
                    ControlMessageOwned::RxqOvfl(dropped) => total = dropped,
                    ControlMessageOwned::Ipv4PacketInfo(info) if *is_ipv6 => own = Some(LocalAddress::of_mapped(info)),
                    ControlMessageOwned::Ipv4PacketInfo(info) => own = Some(LocalAddress::of_ipv4(info)),
                    ControlMessageOwned::Ipv6PacketInfo(info) => own = own.or(Some(LocalAddress::of_ipv6(info))),
                    _ => {}
                }
            }
            let local = own.map_or_else(Local::default, |own| number_of(local_addresses, own));
            // Linux always gives a source and the bytes; without them, the engine would count the datagram as unusable.
            let source = message.address.as_ref().and_then(to_address).unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into());
            handle(source, local, message.iovs().next().unwrap_or_default());
        })?;
        let dropped = total.wrapping_sub(std::mem::replace(dropped_total, total));
        Ok(Received { count, dropped })
    }

    /// Sends the first of these without waiting: up to `SEND_BATCH` that leave from the same own address and are either all bursts or
    /// all single datagrams. Returns how many were sent.
    ///
    /// # Errors
    /// What the system says of the first; `EAGAIN` when the send buffer is full. An error of a later one shows at the next call.
    pub fn send<'a>(&self, transmits: impl Iterator<Item = Transmit<'a>>) -> Result<usize, Errno> {
        let mut transmits = transmits.peekable();
        let kind = |transmit: &Transmit<'a>| (transmit.local, transmit.bytes.len() > DATAGRAM_BYTES_MAX);
        let Some((local, is_burst)) = transmits.peek().map(kind) else { return Ok(0) };
        let batch = transmits.take_while(|transmit| kind(transmit) == (local, is_burst));
        let (addresses, slices): (heapless::Vec<_, SEND_BATCH>, heapless::Vec<_, SEND_BATCH>) =
            collect(batch.map(|transmit| (Some(SockaddrStorage::from(transmit.to)), [IoSlice::new(transmit.bytes)])));
        let from = usize::from(local.0).checked_sub(1).and_then(|index| self.local_addresses.get(index));
        let from = match from {
            Some(LocalAddress::Ipv4(info)) => Some(ControlMessage::Ipv4PacketInfo(info)),
            Some(LocalAddress::Ipv6(info)) => Some(ControlMessage::Ipv6PacketInfo(info)),
            None => None,
        };
        let segments = is_burst.then_some(ControlMessage::UdpGsoSegments(&SEGMENT_BYTES));
        let control: heapless::Vec<_, 2> = from.into_iter().chain(segments).collect();
        // No more room than is needed: the kernel takes bytes behind the last control message for another one.
        let space = match (from.is_some(), is_burst) {
            (true, true) => Some(nix::cmsg_space!(libc::in6_pktinfo, u16)),
            (true, false) => Some(nix::cmsg_space!(libc::in6_pktinfo)),
            (false, true) => Some(nix::cmsg_space!(u16)),
            (false, false) => None,
        };
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(slices.len(), space);
        let flags = MsgFlags::MSG_DONTWAIT;
        socket::sendmmsg(self.inner.as_raw_fd(), &mut headers, slices.iter(), &addresses, &control, flags)
            .map(Iterator::count)
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

/// One of this machine's own addresses, in the form that the kernel gives and takes with a datagram (`IP_PKTINFO`, `IPV6_PKTINFO`).
#[derive(Debug, Clone, Copy)]
enum LocalAddress {
    /// An address of an IPv4 socket.
    Ipv4(libc::in_pktinfo),
    /// An address of an IPv6 socket; IPv4 in its mapped form.
    Ipv6(libc::in6_pktinfo),
}

impl LocalAddress {
    /// The address to which an IPv4 datagram came. Its interface is left out: the routes choose it.
    fn of_ipv4(info: libc::in_pktinfo) -> Self {
        Self::Ipv4(libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: info.ipi_spec_dst,
            ipi_addr: libc::in_addr { s_addr: 0 },
        })
    }

    /// The address to which an IPv4 datagram came at an IPv6 socket.
    fn of_mapped(info: libc::in_pktinfo) -> Self {
        let address = Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).to_ipv6_mapped();
        Self::Ipv6(libc::in6_pktinfo { ipi6_ifindex: 0, ipi6_addr: libc::in6_addr { s6_addr: address.octets() } })
    }

    /// The address to which a datagram came. Its interface is left out: the routes or the destination's scope choose it.
    fn of_ipv6(info: libc::in6_pktinfo) -> Self {
        Self::Ipv6(libc::in6_pktinfo { ipi6_ifindex: 0, ipi6_addr: info.ipi6_addr })
    }

    /// The IP address, by which own addresses are told apart.
    fn ip(&self) -> IpAddr {
        match self {
            Self::Ipv4(info) => Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into(),
            Self::Ipv6(info) => Ipv6Addr::from(info.ipi6_addr.s6_addr).into(),
        }
    }
}

/// The number of an own address; a new address gets the next number. 0 if nothing can be sent from it, or too many have numbers.
fn number_of(known: &mut Vec<LocalAddress>, address: LocalAddress) -> Local {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if ip.is_multicast() || ip.is_unspecified() || broadcast {
        return Local::default();
    }
    let index = known.iter().position(|known| known.ip() == address.ip()).or_else(|| {
        let vacant = (known.len() < LOCAL_ADDRESSES_MAX).then_some(known.len());
        known.extend(vacant.map(|_| address));
        vacant
    });
    Local(index.and_then(|index| u16::try_from(index + 1).ok()).unwrap_or_default())
}

/// Fills two lists with the parts of pairs.
fn collect<A, B, const N: usize>(pairs: impl Iterator<Item = (A, B)>) -> (heapless::Vec<A, N>, heapless::Vec<B, N>) {
    let mut lists = (heapless::Vec::new(), heapless::Vec::new());
    for (first, second) in pairs.take(N) {
        // No more than N are taken, so neither is full.
        let _ = (lists.0.push(first), lists.1.push(second));
    }
    lists
}
