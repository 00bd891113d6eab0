//! ARP packets for IPv4 over Ethernet, and the socket that carries them (RFC 826, packet(7)). The socket takes nothing but ARP.

use nix::sys::socket::{LinkAddr, SockaddrLike as _, bind};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read as _};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// The Ethernet type of ARP.
const ETHERTYPE: u16 = 0x0806;

/// What comes before the addresses: Ethernet and IPv4, with addresses of 6 and of 4 bytes.
const HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// The shortest frame that Ethernet carries, without its checksum, in bytes.
const FRAME_BYTES_MIN: usize = 60;

/// Where the packet begins in its frame.
const PACKET_START: usize = 14;

/// Length of a packet in bytes.
const PACKET_BYTES: usize = 28;

/// A hardware address.
pub(super) type HardwareAddress = [u8; 6];

/// An ARP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// Whether it asks; else it answers.
    pub(super) is_request: bool,
    /// The hardware address of the machine that sends it.
    pub(super) sender_hardware: HardwareAddress,
    /// The address of that machine; 0.0.0.0 if it has none yet.
    pub(super) sender: Ipv4Addr,
    /// The address that is asked for, or that of the machine that is answered.
    pub(super) target: Ipv4Addr,
}

impl Packet {
    /// Asks whether anybody has the address, without claiming it (RFC 5227 section 1.1, ARP Probe).
    pub(super) fn probe(hardware: HardwareAddress, address: Ipv4Addr) -> Self {
        Self { is_request: true, sender_hardware: hardware, sender: Ipv4Addr::UNSPECIFIED, target: address }
    }

    /// Claims the address (RFC 5227 section 1.1, ARP Announcement).
    pub(super) fn announcement(hardware: HardwareAddress, address: Ipv4Addr) -> Self {
        Self { is_request: true, sender_hardware: hardware, sender: address, target: address }
    }

    /// The frame that broadcasts the packet.
    fn frame(&self) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend(self.sender_hardware);
        frame.extend(ETHERTYPE.to_be_bytes());
        frame.extend(HEAD);
        frame.extend([0, if self.is_request { 1 } else { 2 }]);
        frame.extend(self.sender_hardware);
        frame.extend(self.sender.octets());
        frame.extend([0; 6]);
        frame.extend(self.target.octets());
        frame.resize(FRAME_BYTES_MIN, 0);
        frame
    }

    /// The packet in a frame; `None` if there is none, or one of other networks.
    fn parse(frame: &[u8]) -> Option<Self> {
        let packet: &[u8; PACKET_BYTES] = frame.get(PACKET_START..)?.first_chunk()?;
        let is_request = match packet[6..8] {
            [0, 1] => true,
            [0, 2] => false,
            _ => return None,
        };
        if frame[12..14] != ETHERTYPE.to_be_bytes() || packet[..6] != HEAD {
            return None;
        }
        Some(Self {
            is_request,
            sender_hardware: *packet[8..].first_chunk()?,
            sender: Ipv4Addr::from(*packet[14..].first_chunk::<4>()?),
            target: Ipv4Addr::from(*packet[24..].first_chunk::<4>()?),
        })
    }
}

/// A socket for ARP on one interface.
#[derive(Debug)]
pub(super) struct ArpSocket {
    /// The socket.
    socket: Socket,
    /// The interface's hardware address.
    pub(super) hardware: HardwareAddress,
}

impl ArpSocket {
    /// Opens it. Fails if there is no such interface, or without the privilege for it.
    pub(super) fn open(interface: &str) -> io::Result<Self> {
        let address = link_address(interface)?;
        let hardware = address.addr().ok_or(io::ErrorKind::Unsupported)?;
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(ETHERTYPE.to_be()))))?;
        bind(socket.as_raw_fd(), &address)?;
        Ok(Self { socket, hardware })
    }

    /// Broadcasts a packet.
    pub(super) fn send(&self, packet: &Packet) -> io::Result<()> {
        self.socket.send(&packet.frame()).map(|_| ())
    }

    /// Waits for a packet until one comes, or so long; `None` if none came, or a frame that holds none.
    pub(super) fn receive(&mut self, wait: Option<Duration>) -> io::Result<Option<Packet>> {
        // Zero would mean for ever.
        self.socket.set_read_timeout(wait.map(|wait| wait.max(Duration::from_millis(1))))?;
        let mut frame = [0; FRAME_BYTES_MIN];
        match self.socket.read(&mut frame) {
            Ok(length) => Ok(Packet::parse(&frame[..length])),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The interface's own address on its link.
fn link_address(interface: &str) -> io::Result<LinkAddr> {
    let addresses = nix::ifaddrs::getifaddrs()?;
    let mut found = addresses.filter(|found| found.interface_name == interface).filter_map(|found| {
        let address = found.address?;
        (address.family() == Some(nix::sys::socket::AddressFamily::Packet)).then_some(address)
    });
    found.find_map(|address| address.as_link_addr().copied()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An announcement of 169.254.1.2 by 02:00:00:00:00:07, in its frame.
    const ANNOUNCEMENT: [u8; 42] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 7, 169, 254,
        1, 2, 0, 0, 0, 0, 0, 0, 169, 254, 1, 2,
    ];

    #[test]
    fn announcement_is_these_bytes_in_both_directions() {
        let packet = Packet::announcement([2, 0, 0, 0, 0, 7], Ipv4Addr::new(169, 254, 1, 2));
        let frame = packet.frame();
        assert_eq!((&frame[..42], frame.len()), (&ANNOUNCEMENT[..], 60));
        assert_eq!(Packet::parse(&ANNOUNCEMENT), Some(packet));
        assert_eq!(Packet::parse(&frame), Some(packet));
    }

    #[test]
    fn probe_has_no_sender() {
        let packet = Packet::probe([2, 0, 0, 0, 0, 7], Ipv4Addr::new(169, 254, 1, 2));
        assert_eq!(Packet::parse(&packet.frame()).unwrap().sender, Ipv4Addr::UNSPECIFIED);
    }

    #[test]
    fn every_truncation_and_every_other_head_is_no_packet() {
        for length in 0..ANNOUNCEMENT.len() {
            assert_eq!(Packet::parse(&ANNOUNCEMENT[..length]), None, "{length}");
        }
        for position in 12..22 {
            let mut frame = ANNOUNCEMENT;
            frame[position] ^= 0x40;
            assert_eq!(Packet::parse(&frame), None, "{position}");
        }
    }
}
