//! The source address of a datagram, in the one form in which relay and mesh compare and show addresses.

use core::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// An IP address and UDP port, in 24 bytes.
///
/// An IPv4-mapped IPv6 address equals the IPv4 address (RFC 4291 section 2.5.5.2), and the flow label of IPv6 is left out: two
/// datagrams from one socket always have equal addresses. Link-local addresses with different scopes are different.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address {
    /// The address; IPv4 in its mapped form.
    octets: [u8; 16],
    /// The interface of a link-local address, else 0.
    scope: u32,
    /// The UDP port.
    port: u16,
}

impl Address {
    /// Whether a datagram to this address can arrive at one client: the port is not 0, and the IP address is neither
    /// unspecified, multicast nor broadcast. A datagram whose source address is not answerable is forged.
    pub fn is_answerable(&self) -> bool {
        let several = match self.ip() {
            IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_multicast(),
        };
        self.port != 0 && !self.ip().is_unspecified() && !several
    }

    /// The IP address; an IPv4-mapped one is given as IPv4.
    fn ip(&self) -> IpAddr {
        Ipv6Addr::from(self.octets).to_canonical()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let (ip, scope) = match address {
            SocketAddr::V4(address) => (address.ip().to_ipv6_mapped(), 0),
            SocketAddr::V6(address) => (*address.ip(), address.scope_id()),
        };
        Self { octets: ip.octets(), scope, port: address.port() }
    }
}

impl From<Address> for SocketAddr {
    fn from(address: Address) -> Self {
        match address.ip() {
            IpAddr::V4(ip) => (ip, address.port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, address.port, 0, address.scope).into(),
        }
    }
}

impl core::fmt::Debug for Address {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    fn address(text: &str) -> Address {
        Address::from(text.parse::<SocketAddr>().unwrap())
    }

    #[test]
    fn address_takes_24_bytes() {
        assert_eq!(size_of::<Address>(), 24);
    }

    #[test]
    fn mapped_ipv4_is_ipv4() {
        assert_eq!(address("[::ffff:10.1.2.3]:80"), address("10.1.2.3:80"));
        assert_eq!(std::format!("{:?}", address("[::ffff:10.1.2.3]:80")), "10.1.2.3:80");
    }

    #[test]
    fn flow_label_is_left_out_and_scope_kept() {
        let ip = "fe80::1".parse().unwrap();
        let labelled = SocketAddr::V6(SocketAddrV6::new(ip, 9, 77, 3));
        assert_eq!(SocketAddr::from(Address::from(labelled)), SocketAddr::V6(SocketAddrV6::new(ip, 9, 0, 3)));
        assert_ne!(Address::from(labelled), address("[fe80::1]:9"));
    }

    #[test]
    fn forged_sources_are_not_answerable() {
        for forged in [
            "10.0.0.1:0",
            "0.0.0.0:9",
            "[::]:9",
            "224.0.0.1:9",
            "255.255.255.255:9",
            "[ff02::1]:9",
            "[::ffff:239.0.0.1]:9",
        ] {
            assert!(!address(forged).is_answerable(), "{forged}");
        }
        for real in ["10.0.0.1:1", "127.0.0.1:9", "[::1]:9", "[fe80::1]:65535"] {
            assert!(address(real).is_answerable(), "{real}");
        }
    }
}
