//! The interfaces on which others are looked for: those with a real network behind them, unless the user names them.

use if_addrs::{IfAddr, IfOperStatus};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Most interfaces that are used: some systems let one socket be in 20 groups.
const INTERFACES_MAX: usize = 16;

/// Names of interfaces that lead to virtual machines, containers and VPNs: chatting there is not what people mean by their network.
const VIRTUAL: &[&str] = &[
    "awdl",
    "br-",
    "cali",
    "cni",
    "docker",
    "flannel",
    "gif",
    "ipsec",
    "llw",
    "lxc",
    "lxd",
    "podman",
    "ppp",
    "stf",
    "tailscale",
    "tap",
    "tun",
    "utun",
    "vEthernet",
    "vboxnet",
    "veth",
    "virbr",
    "vmnet",
    "wg",
    "zt",
];

/// An interface on which others are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: String,
    /// Its number, which IPv6 takes.
    pub(super) index: u32,
    /// Its IPv4 addresses.
    pub(super) ipv4: Vec<Subnet>,
    /// Its IPv6 addresses.
    pub(super) ipv6: Vec<Ipv6Addr>,
}

/// An own IPv4 address and the subnet that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subnet {
    /// The address.
    pub(super) address: Ipv4Addr,
    /// The mask of the subnet.
    pub(super) mask: Ipv4Addr,
}

impl Subnet {
    /// The address that reaches everybody in the subnet; one of two addresses has none (RFC 3021).
    pub(super) fn broadcast(self) -> Option<Ipv4Addr> {
        let broadcast = Ipv4Addr::from_bits(self.address.to_bits() | !self.mask.to_bits());
        (1..=30).contains(&self.mask.to_bits().count_ones()).then_some(broadcast)
    }

    /// Whether an address is in the subnet.
    #[cfg(any(test, feature = "client"))]
    pub(super) fn contains(self, address: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ address.to_bits()) & self.mask.to_bits() == 0
    }
}

/// Which interfaces are usable.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection {
    /// The names that the user gives; empty: all but the virtual ones.
    named: Vec<String>,
    /// The one address that the peer is bound to, if it is: only the interface that has it.
    bound: Option<IpAddr>,
}

impl Interface {
    /// Whether it is the loopback.
    #[cfg(feature = "client")]
    pub(super) fn is_loopback(&self) -> bool {
        self.ipv4.iter().all(|subnet| subnet.address.is_loopback()) && self.ipv6.iter().all(Ipv6Addr::is_loopback)
    }

    /// The addresses under which a peer on this interface is reached from elsewhere too.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let ipv6 = self.ipv6.iter().copied().filter(|address| !address.is_unicast_link_local());
        self.ipv4.iter().map(|subnet| IpAddr::V4(subnet.address)).chain(ipv6.map(IpAddr::V6))
    }
}

impl Selection {
    /// The interfaces of these names, or all real ones; and with a bound address only that which has it.
    pub(super) fn new(named: &[String], listen: Option<SocketAddr>) -> Self {
        let bound = listen.map(|address| address.ip().to_canonical()).filter(|address| !address.is_unspecified());
        Self { named: named.to_vec(), bound }
    }

    /// The names that the user gives and that no interface has at this moment.
    pub(super) fn missing(&self, interfaces: &[Interface]) -> Vec<String> {
        let is_there = |name: &String| interfaces.iter().any(|interface| interface.name == *name);
        self.named.iter().filter(|name| !is_there(name)).cloned().collect()
    }

    /// The usable interfaces at this moment.
    ///
    /// # Errors
    /// The system does not tell.
    pub(super) fn look(&self) -> io::Result<Vec<Interface>> {
        if_addrs::get_if_addrs().map(|found| self.usable(&found))
    }

    /// The usable ones of these. Where there is no other, the loopback: peers of one machine can meet without a network.
    fn usable(&self, found: &[if_addrs::Interface]) -> Vec<Interface> {
        let is_real = |found: &&if_addrs::Interface| {
            !found.is_p2p
                && !found.is_loopback()
                && !VIRTUAL.iter().any(|virtual_name| found.name.starts_with(virtual_name))
        };
        let is_up = |found: &&if_addrs::Interface| found.oper_status == IfOperStatus::Up;
        let is_bound = |found: &&if_addrs::Interface| Some(found.ip()) == self.bound;
        let up = found.iter().filter(is_up);
        if self.bound.is_some() {
            return collect(up.filter(is_bound));
        }
        if !self.named.is_empty() {
            return collect(up.filter(|found| self.named.contains(&found.name)));
        }
        let real = collect(up.clone().filter(is_real));
        if real.is_empty() { collect(up.filter(|found| found.is_loopback())) } else { real }
    }
}

/// One entry for each interface: the system gives one for each address.
fn collect<'i>(found: impl Iterator<Item = &'i if_addrs::Interface>) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for found in found {
        let known = interfaces.iter().position(|interface| interface.name == found.name);
        let index = known.unwrap_or(interfaces.len());
        if index == INTERFACES_MAX {
            continue;
        }
        if known.is_none() {
            let (name, index) = (found.name.clone(), found.index.unwrap_or(0));
            interfaces.push(Interface { name, index, ipv4: Vec::new(), ipv6: Vec::new() });
        }
        match &found.addr {
            IfAddr::V4(address) => interfaces[index].ipv4.push(Subnet { address: address.ip, mask: address.netmask }),
            IfAddr::V6(address) => interfaces[index].ipv6.push(address.ip),
        }
    }
    interfaces
}

#[cfg(test)]
mod tests {
    use super::*;
    use if_addrs::{Ifv4Addr, Ifv6Addr};

    /// An interface with an IPv4 address in a subnet of 256, as the system tells it.
    fn ipv4(name: &str, ip: [u8; 4]) -> if_addrs::Interface {
        let (ip, netmask) = (Ipv4Addr::from(ip), Ipv4Addr::new(255, 255, 255, 0));
        let addr = IfAddr::V4(Ifv4Addr { ip, netmask, prefixlen: 24, broadcast: None });
        interface(name, addr)
    }

    /// An interface with an address.
    fn interface(name: &str, addr: IfAddr) -> if_addrs::Interface {
        if_addrs::Interface {
            name: name.to_owned(),
            addr,
            index: Some(2),
            oper_status: IfOperStatus::Up,
            is_p2p: name.starts_with("p2p"),
            #[cfg(windows)]
            adapter_name: String::new(),
        }
    }

    /// The names of what is usable.
    fn names(selection: &Selection, found: &[if_addrs::Interface]) -> Vec<String> {
        selection.usable(found).into_iter().map(|interface| interface.name).collect()
    }

    /// A laptop: loopback, wireless, a container's bridge, a VPN, a direct link, and a cable that is not plugged in.
    fn laptop() -> Vec<if_addrs::Interface> {
        let mut unplugged = ipv4("eth0", [10, 1, 0, 1]);
        unplugged.oper_status = IfOperStatus::Unknown;
        let (ip, netmask) = ("fe80::1".parse().unwrap(), "ffff:ffff:ffff:ffff::".parse().unwrap());
        let link_local = IfAddr::V6(Ifv6Addr { ip, netmask, prefixlen: 64, broadcast: None });
        vec![
            ipv4("lo", [127, 0, 0, 1]),
            ipv4("wlan0", [192, 168, 1, 7]),
            interface("wlan0", link_local),
            ipv4("docker0", [172, 17, 0, 1]),
            ipv4("tun0", [10, 8, 0, 2]),
            ipv4("p2p0", [10, 9, 0, 2]),
            unplugged,
        ]
    }

    #[test]
    fn virtual_and_direct_interfaces_are_skipped_unless_named() {
        assert_eq!(names(&Selection::default(), &laptop()), ["wlan0"]);
        let named = Selection::new(&["tun0".to_owned(), "p2p0".to_owned(), "usb0".to_owned()], None);
        assert_eq!(names(&named, &laptop()), ["tun0", "p2p0"]);
        assert_eq!(named.missing(&named.usable(&laptop())), ["usb0"]);
    }

    #[test]
    fn addresses_of_one_interface_are_one_entry_with_the_broadcast_address_of_its_subnet() {
        let usable = Selection::default().usable(&laptop());
        let subnet = usable[0].ipv4[0];
        assert_eq!((usable[0].ipv4.len(), subnet.broadcast()), (1, Some([192, 168, 1, 255].into())));
        assert!(subnet.contains([192, 168, 1, 200].into()) && !subnet.contains([192, 168, 2, 7].into()));
        let pair = Subnet { mask: [255, 255, 255, 254].into(), ..subnet };
        assert_eq!(pair.broadcast(), None);
        assert_eq!(usable[0].ipv6.len(), 1);
        assert_eq!(usable[0].addresses().collect::<Vec<_>>(), [IpAddr::from([192, 168, 1, 7])]);
    }

    #[test]
    fn loopback_is_used_where_there_is_no_network_or_the_peer_is_bound_to_it() {
        assert_eq!(names(&Selection::default(), &laptop()[..1]), ["lo"]);
        let bound = |listen: &str| Selection::new(&[], Some(listen.parse().unwrap()));
        assert_eq!(names(&bound("127.0.0.1:0"), &laptop()), ["lo"]);
        assert_eq!(names(&bound("192.168.1.7:0"), &laptop()), ["wlan0"]);
        assert_eq!(names(&bound("0.0.0.0:0"), &laptop()), ["wlan0"]);
        assert!(names(&bound("10.99.0.1:0"), &laptop()).is_empty());
    }

    #[test]
    fn interfaces_beyond_sixteen_are_left_out() {
        let many: Vec<_> = (0..20).map(|last| ipv4(&format!("eth{last}"), [10, 0, last, 1])).collect();
        assert_eq!(names(&Selection::default(), &many).len(), INTERFACES_MAX);
    }
}
