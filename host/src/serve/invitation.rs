//! What an operator at a terminal is told after the start: the commands that users type, with addresses that they can reach, and how
//! to stop the server.
//!
//! It is written only if standard input and output are a terminal, so scripts do not see it.

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// Most addresses that are shown. A machine with more has virtual networks, and the operator who made them knows their addresses.
const ADDRESSES_MAX: usize = 3;

/// How the names of interfaces begin that lead to containers and virtual machines, and of tunnels: phones in the room are elsewhere.
const VIRTUAL: [&str; 9] = ["docker", "br-", "veth", "virbr", "vnet", "lxc", "cni", "tun", "wg"];

/// Addresses of this machine that others can reach: those of interfaces that are up and are no loopback, those of cables and radio before
/// virtual ones, then IPv4 first. One that is valid on its link alone (169.254.0.0/16) is given where cables and radio have no other: in a
/// network without a DHCP server everybody has such a one. IPv6's are never given: no browser takes them, for each machine would have to
/// name its own interface beside them.
pub(super) fn reachable_addresses() -> Vec<IpAddr> {
    let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let addresses = getifaddrs().into_iter().flatten().filter_map(|interface| {
        let is_open = interface.flags.contains(running) && !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let address = interface.address.filter(|_| is_open)?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        let ip = v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))?;
        Some((is_virtual(&interface.interface_name), ip))
    });
    sorted(addresses.collect())
}

/// The best addresses first; whether each is virtual stands beside it.
fn sorted(mut addresses: Vec<(bool, IpAddr)>) -> Vec<IpAddr> {
    addresses.retain(|(_, address)| !(address.is_ipv6() && is_link_local(*address)));
    addresses.sort_by_key(|(is_virtual, address)| (*is_virtual, is_link_local(*address), address.is_ipv6()));
    let mut addresses: Vec<_> = addresses.into_iter().map(|(_, address)| address).collect();
    addresses.dedup();
    if addresses.first().is_some_and(|best| !is_link_local(*best)) {
        addresses.retain(|address| !is_link_local(*address));
    }
    addresses
}

/// Whether an interface leads to no network of cables or radio.
fn is_virtual(interface: &str) -> bool {
    VIRTUAL.iter().any(|begin| interface.starts_with(begin))
}

/// Whether an address is valid on one link alone.
const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The lines for the operator. `room`, `relay` and `web` are the addresses that the servers are bound to, `reachable` those of
/// [`reachable_addresses`].
pub(super) fn invitation(
    room: Option<SocketAddr>,
    relay: Option<SocketAddr>,
    web: &[SocketAddr],
    reachable: &[IpAddr],
) -> String {
    let mut text = String::new();
    for (bound, default_port, option, rest) in
        [(room, chat_core::room::PORT, "--tcp", " --name NAME"), (relay, chat_core::relay::PORT, "--udp", "")]
    {
        let Some(bound) = bound else { continue };
        let addresses = reached(bound, reachable);
        let place =
            if addresses.is_empty() || addresses[0].is_loopback() { "on this machine only" } else { "on the laptops" };
        let addresses = if addresses.is_empty() { vec![IpAddr::from([127, 0, 0, 1])] } else { addresses };
        for address in addresses.iter().take(ADDRESSES_MAX) {
            let host = endpoint(SocketAddr::new(*address, bound.port()), default_port);
            // Writing to a String does not fail.
            let _ = writeln!(text, "{place}: chat-host client {option} {host}{rest}");
        }
    }
    for url in urls(web, reachable) {
        // As above.
        let _ = writeln!(text, "in a browser: {url}");
    }
    text + "Ctrl-C ends the server.\n"
}

/// Where a server that is bound to this address is reached.
fn reached(bound: SocketAddr, reachable: &[IpAddr]) -> Vec<IpAddr> {
    match bound.ip() {
        ip if ip.is_unspecified() => {
            reachable.iter().copied().filter(|address| bound.is_ipv6() || address.is_ipv4()).collect()
        }
        ip => vec![ip],
    }
}

/// Where browsers open the page that is bound to these addresses, the best first.
pub(super) fn urls(web: &[SocketAddr], reachable: &[IpAddr]) -> Vec<String> {
    let urls = web.iter().flat_map(|bound| {
        let addresses = match reached(*bound, reachable) {
            addresses if addresses.is_empty() => vec![IpAddr::from([127, 0, 0, 1])],
            addresses => addresses,
        };
        addresses.into_iter().map(|address| match SocketAddr::new(address, bound.port()) {
            SocketAddr::V4(v4) if v4.port() == 80 => format!("http://{}/", v4.ip()),
            SocketAddr::V6(v6) if v6.port() == 80 => format!("http://[{}]/", v6.ip()),
            address => format!("http://{address}/"),
        })
    });
    urls.take(ADDRESSES_MAX).collect()
}

/// Where others open the page that is bound to these addresses; `None` while this machine has no address that others can reach.
pub(super) fn url_of_others(web: &[SocketAddr], reachable: &[IpAddr]) -> Option<String> {
    let bound = web.iter().find(|bound| !reached(**bound, reachable).is_empty())?;
    urls(&[*bound], reachable).into_iter().next()
}

/// An address for a client's command line, without the port if it is the default.
fn endpoint(address: SocketAddr, default_port: u16) -> String {
    if address.port() == default_port { address.ip().to_string() } else { address.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACHABLE: [IpAddr; 2] = [
        IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 5)),
        IpAddr::V6(std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 5)),
    ];

    fn told(room: Option<&str>, relay: Option<&str>, reachable: &[IpAddr]) -> Vec<String> {
        let address = |text: &str| text.parse().unwrap();
        invitation(room.map(address), relay.map(address), &[], reachable).lines().map(str::to_owned).collect()
    }

    #[test]
    fn server_on_all_addresses_is_told_by_those_that_others_can_reach() {
        let expected = [
            "on the laptops: chat-host client --tcp 192.168.1.5 --name NAME",
            "on the laptops: chat-host client --tcp fd00::5 --name NAME",
            "on the laptops: chat-host client --udp 192.168.1.5:7000",
            "Ctrl-C ends the server.",
        ];
        assert_eq!(told(Some("[::]:9191"), Some("0.0.0.0:7000"), &REACHABLE), expected);
    }

    #[test]
    fn server_on_one_address_is_told_by_that_alone() {
        let expected = ["on the laptops: chat-host client --udp [fd00::7]:7000", "Ctrl-C ends the server."];
        assert_eq!(told(None, Some("[fd00::7]:7000"), &REACHABLE), expected);
    }

    #[test]
    fn server_that_nobody_else_can_reach_says_so() {
        for (bound, reachable) in [("127.0.0.1:9191", &REACHABLE[..]), ("[::]:9191", &[])] {
            let expected = "on this machine only: chat-host client --tcp 127.0.0.1 --name NAME";
            assert_eq!(told(Some(bound), None, reachable)[0], expected);
        }
    }

    #[test]
    fn page_is_told_by_the_addresses_that_phones_can_reach() {
        let told = |web: &[&str]| {
            let web: Vec<_> = web.iter().map(|text| text.parse().unwrap()).collect();
            urls(&web, &REACHABLE)
        };
        assert_eq!(told(&["[::]:9393"]), ["http://192.168.1.5:9393/", "http://[fd00::5]:9393/"]);
        assert_eq!(told(&["0.0.0.0:80", "127.0.0.1:1"]), ["http://192.168.1.5/", "http://127.0.0.1:1/"]);
        assert_eq!(urls(&["[::]:80".parse().unwrap()], &[]), ["http://127.0.0.1/"]);
        let web = ["[::]:80".parse().unwrap(), "127.0.0.1:9393".parse().unwrap()];
        assert_eq!(url_of_others(&web, &REACHABLE).as_deref(), Some("http://192.168.1.5/"));
        assert_eq!(url_of_others(&web[..1], &[]), None);
        assert_eq!(url_of_others(&web[1..], &[]).as_deref(), Some("http://127.0.0.1:9393/"));
    }

    #[test]
    fn networks_of_containers_come_last() {
        let bridge = IpAddr::from([172, 17, 0, 1]);
        let addresses =
            vec![(is_virtual("docker0"), bridge), (is_virtual("eth0"), REACHABLE[1]), (false, REACHABLE[0])];
        assert_eq!(sorted(addresses), [REACHABLE[0], REACHABLE[1], bridge]);
    }

    #[test]
    fn address_of_the_link_alone_is_given_where_cables_and_radio_have_no_other() {
        let (link, bridge) = (IpAddr::from([169, 254, 7, 8]), IpAddr::from([172, 17, 0, 1]));
        let link_v6 = "fe80::1".parse().unwrap();
        assert_eq!(sorted(vec![(false, link_v6), (true, bridge), (false, link)]), [link, bridge]);
        assert_eq!(sorted(vec![(false, link), (false, REACHABLE[1])]), [REACHABLE[1]]);
        assert!(sorted(vec![(false, link_v6)]).is_empty());
    }

    #[test]
    fn loopback_is_not_reachable() {
        let is_of_no_use = |address: &IpAddr| address.is_loopback() || address.is_ipv6() && is_link_local(*address);
        assert!(!reachable_addresses().iter().any(is_of_no_use));
    }
}
