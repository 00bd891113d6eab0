//! What keeps peers from each other, in plain words, each with its remedy (docs/command-line.md).

use crate::mesh::interfaces::{Interface, Selection};
use chat_core::mesh::PORT;
use std::net::SocketAddr;

/// A time before this version of the program: 2025-01-01 00:00 UTC, in Unix milliseconds.
const CLOCK_MIN_MS: i64 = 1_735_689_600_000;

/// Something that keeps peers from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// There is nothing to look on.
    NoInterface,
    /// An interface that the user names is not there.
    InterfaceMissing {
        /// Its name.
        name: String,
    },
    /// Another program has the port at which all peers hear.
    PortTaken,
    /// The clock was never set.
    ClockUnset,
    /// What is multicast on an interface does not come back to its own sender.
    MulticastLost {
        /// The name of the interface.
        interface: String,
    },
    /// A peer is heard, and does not answer.
    Unreachable {
        /// Where it is.
        peer: SocketAddr,
    },
    /// A peer is heard, does not answer, and has an address of another network.
    ForeignAddress {
        /// Where it is.
        peer: SocketAddr,
    },
    /// Somebody speaks another version of the protocol, and nobody this one.
    OtherVersion {
        /// Where it is.
        peer: SocketAddr,
        /// The version that it speaks.
        version: u8,
    },
    /// A peer of another subnet answers.
    OtherSubnet {
        /// Where it is.
        peer: SocketAddr,
    },
    /// There is a server, and no peer.
    ServerOnly {
        /// Its relay.
        relay: SocketAddr,
    },
}

/// What is wrong with the machine itself.
pub(super) fn of_machine(selection: &Selection, interfaces: &[Interface], unix_ms: i64) -> Vec<Finding> {
    let missing = selection.missing(interfaces);
    let mut findings: Vec<Finding> = missing.into_iter().map(|name| Finding::InterfaceMissing { name }).collect();
    if findings.is_empty() && interfaces.iter().all(Interface::is_loopback) {
        findings.push(Finding::NoInterface);
    }
    findings.extend((unix_ms < CLOCK_MIN_MS).then_some(Finding::ClockUnset));
    findings
}

impl Finding {
    /// Its name for programs.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::NoInterface => "no_interface",
            Self::InterfaceMissing { .. } => "interface_missing",
            Self::PortTaken => "port_taken",
            Self::ClockUnset => "clock_unset",
            Self::MulticastLost { .. } => "multicast_lost",
            Self::Unreachable { .. } => "unreachable",
            Self::ForeignAddress { .. } => "foreign_address",
            Self::OtherVersion { .. } => "other_version",
            Self::OtherSubnet { .. } => "other_subnet",
            Self::ServerOnly { .. } => "server_only",
        }
    }

    /// What it is, and what to do about it.
    pub(super) fn told(&self) -> (String, String) {
        let (text, remedy) = match self {
            Self::NoInterface => (
                "no network: every interface is down, without an address, or virtual".to_owned(),
                "join a network or plug in a cable; a virtual interface is used if it is named: --interface NAME".to_owned(),
            ),
            Self::InterfaceMissing { name } => (
                format!("there is no interface {name} that is up and has an address"),
                "see what your system calls it (Linux: ip address; macOS: ifconfig; Windows: ipconfig)".to_owned(),
            ),
            Self::PortTaken => (
                format!("another program has UDP port {PORT} for itself, so this machine does not hear other peers"),
                format!("end that program (Linux: ss -ulpn 'sport = {PORT}' shows it), or name a peer: --join HOST"),
            ),
            Self::ClockUnset => (
                "the clock of this machine was never set, so others see wrong times at what you say".to_owned(),
                "set it (Linux: timedatectl set-ntp true)".to_owned(),
            ),
            Self::MulticastLost { interface } => (
                format!("what is multicast on {interface} does not come back to this machine itself"),
                "a firewall here drops it: let UDP in at ports 9292 to 9308; or the interface has no multicast: name a peer, --join HOST"
                    .to_owned(),
            ),
            Self::Unreachable { peer } => (
                format!("a peer at {peer} is heard, but nothing gets through between it and this machine directly"),
                "a firewall on one of the two drops UDP: let it in at ports 9292 to 9308; or the wireless network keeps its clients from \
                 each other (client isolation, usual for guests): only its owner can allow it"
                    .to_owned(),
            ),
            Self::ForeignAddress { peer } => (
                format!("a peer is heard on the same cable or wireless network, but its address, {peer}, is of another subnet"),
                "one of the two machines has a wrong address: let both get theirs from the same router (DHCP), or give both one of the same subnet"
                    .to_owned(),
            ),
            Self::OtherVersion { peer, version } => (
                format!("at {peer} somebody speaks version {version} of the protocol, which this release does not"),
                "all peers want the same release: chat-host --version shows it".to_owned(),
            ),
            Self::OtherSubnet { peer } => (
                format!("a peer of another subnet answers, at {peer}; those there are not found by themselves"),
                format!("name it: --join {peer}"),
            ),
            Self::ServerOnly { relay } => (
                format!("there is a server at {relay}, and no peer"),
                format!("the others may be there: chat-host client --tcp {0} --name NAME, or chat-host client --udp {0}", relay.ip()),
            ),
        };
        (text, remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::interfaces::Subnet;

    #[test]
    fn machine_without_a_network_or_with_a_clock_that_was_never_set_is_told_so() {
        let interface = |name: &str, address: [u8; 4]| Interface {
            name: name.to_owned(),
            index: 1,
            ipv4: vec![Subnet { address: address.into(), mask: [255, 0, 0, 0].into() }],
            ipv6: Vec::new(),
        };
        let of = |interfaces: &[Interface]| of_machine(&Selection::default(), interfaces, CLOCK_MIN_MS);
        assert_eq!(of(&[]), [Finding::NoInterface]);
        assert_eq!(of(&[interface("lo", [127, 0, 0, 1])]), [Finding::NoInterface]);
        assert!(of(&[interface("eth0", [10, 0, 0, 1])]).is_empty());
        let named = Selection::new(&["usb0".to_owned()], None);
        let usb = Finding::InterfaceMissing { name: "usb0".to_owned() };
        assert_eq!(of_machine(&named, &[], CLOCK_MIN_MS - 1), [usb, Finding::ClockUnset]);
    }
}
