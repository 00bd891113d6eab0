//! The peer's sockets: one of its own for each of IPv4 and IPv6, from which everything is sent, and those at the port that all peers
//! of a machine share, which only hear.

use super::batch::Batch;
use super::interfaces::Interface;
use crate::clock;
use crate::failure::{Failure, cause};
use crate::wait::{self, Waiter, readable};
use chat_core::mesh::{Arrival, GROUP_IPV4, GROUP_IPV6, PORT};
use chat_core::time::Instant;
use smol::future;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::RangeInclusive;
use std::pin::pin;
use std::time::Duration;

/// Ports that a peer takes by itself if one is free, so that a firewall's rule can name them.
const USUAL_PORTS: RangeInclusive<u16> = 9_293..=9_308;

/// Failures to receive, one after the other, after which the sockets are given up.
const FAILURES_MAX: u32 = 1_000;

/// IPv4 and IPv6, own ones and shared ones.
const SOCKETS: usize = 4;

/// So many datagrams that are sent one after the other are a message to the members, who answer one by one.
const SENT_TO_MANY: u32 = 4;

/// After a message to the members nothing is received for so long, so that few wake-ups take all answers.
const ANSWERS_PAUSE: Duration = Duration::from_millis(3);

/// A datagram that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received<'b> {
    /// Its bytes; one more than allowed if it has more.
    pub(super) bytes: &'b [u8],
    /// Where it came from.
    pub(super) source: SocketAddr,
    /// At which kind of address it came in.
    pub(super) arrival: Arrival,
}

/// All sockets of a peer.
#[derive(Debug)]
pub(super) struct Sockets {
    /// The own ones: IPv4 and IPv6.
    own: [Option<wait::Socket>; 2],
    /// Those that are shared.
    shared: [Option<wait::Socket>; 2],
    /// How this peer waits for them.
    waiter: Waiter,
    /// Which of all may have something to receive.
    readable: [bool; SOCKETS],
    /// The address that the user is told; `[::]` stands for all of IPv4 too.
    pub(super) address: SocketAddr,
    /// Which socket was read last.
    turn: usize,
    /// What came from it.
    batch: Batch,
    /// Failures to receive since something was received.
    failures: u32,
    /// Datagrams sent since the last wait.
    sent: u32,
    /// Datagrams that were not sent: no way there, or no room at that moment.
    pub(super) unsent: u64,
    /// Failures to receive.
    pub(super) unreceived: u64,
}

impl Sockets {
    /// Binds the own sockets: at this address, or at all addresses and a usual port.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(super) fn open(listen: Option<SocketAddr>) -> Result<Self, Failure> {
        let (own, address) = match listen {
            Some(address) => bind(address).map_err(|error| {
                Failure::lost(format!(
                    "cannot use the address {address}: {}; choose another with --listen",
                    cause(&error)
                ))
            })?,
            None => {
                let any = |port| bind((Ipv6Addr::UNSPECIFIED, port).into());
                let usual = USUAL_PORTS.into_iter().find_map(|port| any(port).ok());
                usual.map_or_else(|| any(0), Ok).map_err(|error| {
                    Failure::lost(format!("cannot open a UDP socket: {}; see what the system allows", cause(&error)))
                })?
            }
        };
        let waiter =
            Waiter::new().map_err(|error| Failure::lost(format!("cannot wait for datagrams: {}", cause(&error))))?;
        Ok(Self {
            own,
            shared: [None, None],
            waiter,
            readable: [false; SOCKETS],
            address,
            turn: 0,
            batch: Batch::new(),
            failures: 0,
            sent: 0,
            unsent: 0,
            unreceived: 0,
        })
    }

    /// Opens the shared sockets, of the kinds of which there are own ones.
    ///
    /// # Errors
    /// Another program has the port for itself. The peer can find others all the same.
    pub(super) fn share(&mut self) -> io::Result<()> {
        let kinds = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        let mut outcome = Ok(());
        for ((shared, own), address) in self.shared.iter_mut().zip(&self.own).zip(kinds) {
            if own.is_some() {
                match shared_socket((address, PORT).into()) {
                    Ok(socket) => *shared = Some(socket),
                    Err(error) => outcome = Err(error),
                }
            }
        }
        outcome
    }

    /// Joins the groups on these interfaces. To be repeated: an interface that went and came again has left them.
    pub(super) fn join(&self, interfaces: &[Interface]) {
        for interface in interfaces {
            // Fails where the socket is in the group already, and where the interface has gone again: then there is nothing to hear.
            if let (Some(socket), Some(subnet)) = (&self.shared[0], interface.ipv4.first()) {
                let _ = SockRef::from(socket.get_ref()).join_multicast_v4(&GROUP_IPV4, &subnet.address);
            }
            if let (Some(socket), false) = (&self.shared[1], interface.ipv6.is_empty()) {
                let _ = SockRef::from(socket.get_ref()).join_multicast_v6(&GROUP_IPV6, interface.index);
            }
        }
    }

    /// Waits until the future is ready, which is given, or there is something to receive, or the deadline has come. The future comes
    /// before datagrams, and is dropped.
    pub(super) fn wait<T>(&mut self, deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(async { Some(future.await) });
        if std::mem::take(&mut self.sent) >= SENT_TO_MANY {
            let answered_at = clock::now() + ANSWERS_PAUSE;
            let pause = async {
                wait::until(deadline.map_or(answered_at, |deadline| deadline.min(answered_at))).await;
                None
            };
            let ready = self.waiter.block_on(future::or(&mut future, pause));
            if ready.is_some() {
                return ready;
            }
        }
        let [own_ipv4, own_ipv6] = self.own.each_ref().map(Option::as_ref);
        let [shared_ipv4, shared_ipv6] = self.shared.each_ref().map(Option::as_ref);
        let readable = async {
            self.readable = readable([own_ipv4, own_ipv6, shared_ipv4, shared_ipv6]).await;
            None
        };
        let due = async {
            wait::until(deadline).await;
            None
        };
        self.waiter.block_on(future::or(future, future::or(readable, due)))
    }

    /// Waits until the future is ready, which is given, or the deadline has come, and lets datagrams wait.
    pub(super) fn wait_deaf<T>(&self, deadline: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
        let due = async {
            wait::until(deadline).await;
            None
        };
        self.waiter.block_on(future::or(async { Some(future.await) }, due))
    }

    /// The next datagram that is there.
    ///
    /// # Errors
    /// Nothing can be received any more.
    pub(super) fn receive(&mut self) -> io::Result<Option<Received<'_>>> {
        if self.batch.is_empty() {
            self.receive_batch()?;
        }
        let arrival = if self.turn < 2 { Arrival::Unicast } else { Arrival::Multicast };
        Ok(self.batch.next().map(|(bytes, source)| Received { bytes, source, arrival }))
    }

    /// Whether the next datagram has been received already.
    pub(super) fn has_received(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Receives from the next socket in turn of those that had something after the last wait.
    fn receive_batch(&mut self) -> io::Result<()> {
        for _ in 0..SOCKETS {
            self.turn = (self.turn + 1) % SOCKETS;
            if !self.readable[self.turn] {
                continue;
            }
            let sockets = if self.turn < 2 { &self.own } else { &self.shared };
            let Some(socket) = &sockets[self.turn % 2] else { continue };
            match self.batch.receive(socket.get_ref(), self.turn % 2 == 1) {
                Ok(may_have_more) => {
                    (self.readable[self.turn], self.failures) = (may_have_more, 0);
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable[self.turn] = false,
                // Windows reports here that an earlier datagram did not arrive, or that this one is too long.
                Err(error) => {
                    self.unreceived += 1;
                    self.failures += 1;
                    if self.failures == FAILURES_MAX {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }

    /// Sends a datagram to one address.
    pub(super) fn send(&mut self, to: SocketAddr, bytes: &[u8]) {
        let Some(socket) = &self.own[usize::from(to.is_ipv6())] else {
            self.unsent += 1;
            return;
        };
        self.sent += 1;
        let socket = socket.get_ref();
        // The first error may be about an earlier datagram; then this one was not sent at all.
        if socket.send_to(bytes, to).or_else(|_| socket.send_to(bytes, to)).is_err() {
            self.unsent += 1;
        }
    }

    /// Sends a datagram to everybody on these interfaces by multicast.
    pub(super) fn multicast(&mut self, interfaces: &[Interface], bytes: &[u8]) {
        for interface in interfaces {
            // Where its interface cannot be set, the datagram would go to another network.
            if let (Some(socket), Some(subnet)) = (&self.own[0], interface.ipv4.first())
                && SockRef::from(socket.get_ref()).set_multicast_if_v4(&subnet.address).is_ok()
            {
                self.send((GROUP_IPV4, PORT).into(), bytes);
            }
            if let (Some(socket), false) = (&self.own[1], interface.ipv6.is_empty())
                && SockRef::from(socket.get_ref()).set_multicast_if_v6(interface.index).is_ok()
            {
                self.send(SocketAddrV6::new(GROUP_IPV6, PORT, 0, interface.index).into(), bytes);
            }
        }
    }

    /// Sends a datagram to this port of everybody in the subnets of these interfaces by broadcast, which some networks let through that
    /// filter multicast.
    pub(super) fn broadcast(&mut self, interfaces: &[Interface], port: u16, bytes: &[u8]) {
        if self.own[0].is_some() {
            let subnets = interfaces.iter().flat_map(|interface| &interface.ipv4);
            subnets
                .filter_map(|subnet| subnet.broadcast())
                .for_each(|address| self.send((address, port).into(), bytes));
        }
    }
}

/// Binds the own sockets. `[::]` stands for all addresses: then one port of IPv4 and IPv6, whichever of them the system has.
fn bind(address: SocketAddr) -> io::Result<([Option<wait::Socket>; 2], SocketAddr)> {
    if address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        let socket = own_socket(address)?;
        let bound = socket.get_ref().local_addr()?;
        return Ok((if address.is_ipv6() { [None, Some(socket)] } else { [Some(socket), None] }, bound));
    }
    let ipv6 = match own_socket(address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
        ipv6 => ipv6.ok(),
    };
    let bound = ipv6.as_ref().and_then(|socket| socket.get_ref().local_addr().ok());
    let port = bound.map_or(address.port(), |bound| bound.port());
    let ipv4 = match own_socket((Ipv4Addr::UNSPECIFIED, port).into()) {
        Err(error) if ipv6.is_none() || error.kind() == ErrorKind::AddrInUse => return Err(error),
        ipv4 => ipv4.ok(),
    };
    let bound =
        bound.map_or_else(|| ipv4.as_ref().map(|socket| socket.get_ref().local_addr()).transpose(), |it| Ok(Some(it)));
    Ok(([ipv4, ipv6], bound?.unwrap_or(address)))
}

/// A socket of IPv4 or IPv6 alone.
fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A socket from which a peer sends.
fn own_socket(address: SocketAddr) -> io::Result<wait::Socket> {
    let socket = socket(address)?;
    // Peers of one machine hear each other too, and nothing leaves the own network.
    if address.is_ipv6() {
        socket.set_multicast_loop_v6(true)?;
        socket.set_multicast_hops_v6(1)?;
    } else {
        socket.set_multicast_loop_v4(true)?;
        socket.set_multicast_ttl_v4(1)?;
        socket.set_broadcast(true)?;
    }
    socket.bind(&address.into())?;
    wait::Socket::new(socket.into())
}

/// A socket that all peers of this machine may have at once.
fn shared_socket(address: SocketAddr) -> io::Result<wait::Socket> {
    let socket = socket(address)?;
    socket.set_reuse_address(true)?;
    // Where the systems of BSD let several sockets have one port, they want this; Linux would keep it to programs of one user.
    #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd", target_os = "openbsd"))]
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    wait::Socket::new(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::limits::DATAGRAM_BYTES_MAX;

    /// Receives the next datagram.
    fn next(sockets: &mut Sockets) -> (Vec<u8>, SocketAddr, Arrival) {
        loop {
            if let Some(Received { bytes, source, arrival }) = sockets.receive().unwrap() {
                return (bytes.to_vec(), source, arrival);
            }
            sockets.wait(None, future::pending::<()>());
        }
    }

    #[test]
    fn datagram_reaches_the_own_socket_of_its_kind_and_shows_where_it_came_from() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let mut ann = Sockets::open(Some(address.parse().unwrap())).unwrap();
            let mut bob = Sockets::open(Some(address.parse().unwrap())).unwrap();
            ann.send(bob.address, b"hi");
            assert_eq!(next(&mut bob), (b"hi".to_vec(), ann.address, Arrival::Unicast));
        }
    }

    #[test]
    fn datagrams_that_came_together_are_received_in_their_order_and_one_that_is_too_long_is_cut_behind_its_limit() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let mut ann = Sockets::open(Some(address.parse().unwrap())).unwrap();
            let mut bob = Sockets::open(Some(address.parse().unwrap())).unwrap();
            // More than are received by one system call anywhere.
            for number in 0..40 {
                ann.send(bob.address, &vec![number; usize::from(number) * 40]);
            }
            for number in 0..40 {
                let length = (usize::from(number) * 40).min(DATAGRAM_BYTES_MAX + 1);
                assert_eq!(next(&mut bob), (vec![number; length], ann.address, Arrival::Unicast));
            }
            assert!(bob.receive().unwrap().is_none());
        }
    }

    #[test]
    fn address_of_the_other_kind_counts_as_unsent() {
        let mut ann = Sockets::open(Some("127.0.0.1:0".parse().unwrap())).unwrap();
        ann.send("[::1]:9".parse().unwrap(), b"hi");
        assert_eq!(ann.unsent, 1);
    }

    #[test]
    fn address_that_is_taken_is_told() {
        let ann = Sockets::open(Some("127.0.0.1:0".parse().unwrap())).unwrap();
        let failure = Sockets::open(Some(ann.address)).unwrap_err().to_string();
        assert!(failure.contains(&ann.address.to_string()) && failure.contains("--listen"), "{failure}");
    }

    #[test]
    fn all_addresses_share_one_port() {
        let both = Sockets::open(Some("[::]:0".parse().unwrap())).unwrap();
        let ports = both.own.iter().flatten().map(|socket| socket.get_ref().local_addr().unwrap().port());
        assert!(ports.clone().count() > 0 && ports.clone().all(|port| port == both.address.port()));
    }
}
