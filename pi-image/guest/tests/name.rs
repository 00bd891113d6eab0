//! The name in the local network, answered and asked for over a cable between two network namespaces of the test's own.
#![cfg(not(loom))]

use mdns_sd::{HostnameResolutionEvent, ScopedIp, ServiceDaemon, ServiceEvent};
use socket2::{Domain, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, Stdio};
use std::time::Duration;
use tests::namespace::{Machine, Switch, in_namespace};

/// More than an answer takes, in milliseconds.
const DEADLINE_MS: u64 = 20_000;

/// The address of the responder's machine.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);

/// The group and the port of multicast DNS (RFC 6762 section 3).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;

/// The responder on a machine of its own, ended hard when dropped.
struct Responder {
    child: Child,
    machine: Machine,
    /// The test itself is connected to it too.
    _switch: Switch,
}

impl Responder {
    /// Starts it.
    fn start() -> Self {
        let switch = Switch::new("switch", Some("10.9.8.6/24"));
        let machine = Machine::new(&switch, Some(&format!("{ADDRESS}/24")), None);
        let mut command = machine.command(env!("CARGO_BIN_EXE_pi-guest"));
        let child = command.args(["name", "lab-7", "9191", "9090"]).stdout(Stdio::null()).spawn();
        Self { child: child.expect("nsenter is part of util-linux"), machine, _switch: switch }
    }

    /// A socket on the responder's machine that gets all that is said there by multicast DNS, and for which nobody waits.
    fn listener(&self) -> UdpSocket {
        self.machine.make(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.set_reuse_port(true).unwrap();
            socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT).into()).unwrap();
            socket.join_multicast_v4(&GROUP, &ADDRESS).unwrap();
            socket.set_nonblocking(true).unwrap();
            UdpSocket::from(socket)
        })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until the responder's address is known.
fn find(asker: &ServiceDaemon) {
    let answers = asker.resolve_hostname("lab-7.local.", Some(DEADLINE_MS)).unwrap();
    let address = answers.iter().find_map(|event| match event {
        HostnameResolutionEvent::AddressesFound(_, found) => {
            found.iter().map(ScopedIp::to_ip_addr).find(IpAddr::is_ipv4)
        }
        _ => None,
    });
    assert_eq!(address, Some(ADDRESS.into()));
}

// The responder would take what it has said a moment ago of one address for another machine's, while it probes with a second one.
#[test]
fn what_the_responder_says_does_not_come_back_to_it() {
    in_namespace("what_the_responder_says_does_not_come_back_to_it", || {
        let responder = Responder::start();
        let listener = responder.listener();
        find(&ServiceDaemon::new().unwrap());
        // What comes back does so at once, and before it is on the wire.
        let mut datagram = [0; 9_000];
        let mut heard = 0;
        while let Ok((_, source)) = listener.recv_from(&mut datagram) {
            assert_ne!(source.ip(), IpAddr::from(ADDRESS), "it hears itself");
            heard += 1;
        }
        assert!(heard > 0, "the question at least is heard");
    });
}

#[test]
fn responder_is_asked_for_its_name_and_services_and_tells_its_address() {
    in_namespace("responder_is_asked_for_its_name_and_services_and_tells_its_address", || {
        let _responder = Responder::start();
        let asker = ServiceDaemon::new().unwrap();
        find(&asker);

        let answers = asker.browse("_chat-host._tcp.local.").unwrap();
        let service = loop {
            if let ServiceEvent::ServiceResolved(service) =
                answers.recv_timeout(Duration::from_millis(DEADLINE_MS)).unwrap()
            {
                break service;
            }
        };
        assert_eq!((service.get_hostname(), service.get_port()), ("lab-7.local.", 9191));
        assert_eq!(service.get_property_val_str("udp"), Some("9090"));
    });
}
