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

/// Addresses of this machine that others can reach: those of interfaces that are up and are no loopback, IPv4 first. Link-local
/// addresses are left out: they are of no use without the name of the other machine's interface.
pub(super) fn reachable_addresses() -> Vec<IpAddr> {
    let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let addresses = getifaddrs().into_iter().flatten().filter_map(|interface| {
        let is_open = interface.flags.contains(running) && !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let address = interface.address.filter(|_| is_open)?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::from(address.ip())))
    });
    let mut addresses: Vec<_> = addresses.filter(|address| !is_link_local(*address)).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses.dedup();
    addresses
}

/// Whether an address is valid on one link alone.
const fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The lines for the operator. `room` and `relay` are the addresses that the servers are bound to, `reachable` those of
/// [`reachable_addresses`].
pub(super) fn invitation(room: Option<SocketAddr>, relay: Option<SocketAddr>, reachable: &[IpAddr]) -> String {
    let mut text = String::new();
    for (bound, default_port, option, rest) in
        [(room, chat_core::room::PORT, "--tcp", " --name NAME"), (relay, chat_core::relay::PORT, "--udp", "")]
    {
        let Some(bound) = bound else { continue };
        let addresses = match bound.ip() {
            ip if ip.is_unspecified() => {
                reachable.iter().copied().filter(|address| bound.is_ipv6() || address.is_ipv4()).collect()
            }
            ip => vec![ip],
        };
        let place = if addresses.is_empty() || addresses[0].is_loopback() {
            "on this machine, which alone can reach it"
        } else {
            "on the laptops"
        };
        let addresses = if addresses.is_empty() { vec![IpAddr::from([127, 0, 0, 1])] } else { addresses };
        for address in addresses.iter().take(ADDRESSES_MAX) {
            let host = endpoint(SocketAddr::new(*address, bound.port()), default_port);
            // Writing to a String does not fail.
            let _ = writeln!(text, "{place}: chat-host client {option} {host}{rest}");
        }
    }
    text + "Ctrl-C ends the server.\n"
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
        invitation(room.map(address), relay.map(address), reachable).lines().map(str::to_owned).collect()
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
            let expected = "on this machine, which alone can reach it: chat-host client --tcp 127.0.0.1 --name NAME";
            assert_eq!(told(Some(bound), None, reachable)[0], expected);
        }
    }

    #[test]
    fn loopback_is_not_reachable() {
        assert!(reachable_addresses().iter().all(|address| !address.is_loopback() && !is_link_local(*address)));
    }
}
