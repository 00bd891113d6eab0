//! Destinations that cannot be reached: the relay skips them, and serves all others.
//!
//! Each scenario runs in a network namespace of its own (this executable starts itself anew in one), so that it can take
//! addresses and routes away. Nothing leaves the machine: a namespace has no interface but its own loopback.
#![cfg(not(loom))]

use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket};
use std::io::{Read as _, Write as _};
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};
use std::time::Instant;
use tests::DEADLINE;
use tests::namespace::{in_namespace, run};
use tests::process::Server;
use tests::udp::{Client, GREETING, datagram, message};
use tests::workspace::program;

/// How many clients the relay has, the unreachable one included.
const CLIENTS: usize = 100;

/// Messages that arrive together: more datagrams than one burst holds.
const BURST_MESSAGES: u32 = 100;

/// The loopback address of a client by its index.
fn ip(index: usize) -> String {
    format!("10.9.0.{}", index + 1)
}

/// One client becomes unreachable after its GREETING. All others still get all messages, wherever it stands in the roster.
fn check_others_are_served(make_unreachable: impl Fn(&str)) {
    for bad in [0, CLIENTS / 2, CLIENTS - 1] {
        let relay = Server::start("10.9.1.1:0", &[]);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|index| {
                run("ip", &format!("address replace {}/32 dev lo", ip(index)));
                Client::greeted(&format!("{}:0", ip(index)), relay.udp)
            })
            .collect();
        run("ip", &format!("address del {}/32 dev lo", ip(bad)));
        make_unreachable(&ip(bad));
        let (speaker, _) = others(&clients, bad).next().expect("there are others");
        for number in 0..3 {
            speaker.send(&[message(number, "to all that can be reached")]);
            for (client, index) in others(&clients, bad) {
                let received = client.receive();
                assert_eq!((received.len(), received[0].number), (1, number), "client {index}, bad {bad}");
            }
        }
        let counters = relay.counters();
        assert_eq!((counters["unreachable"], counters["sent"]), (3, 3 * 99 + 100), "{counters:?}");
        run("ip", "route flush root 10.9.0.0/24");
    }
}

/// All clients get messages that arrive together, each once and in order, on a network with this longest packet.
fn check_burst(test: &str, packet_bytes_max: u32) {
    in_namespace(test, || {
        run("ip", &format!("link set lo up mtu {packet_bytes_max}"));
        let relay = Server::start("127.0.0.1:0", &[]);
        let clients: Vec<_> = (0..CLIENTS).map(|_| Client::greeted("127.0.0.1:0", relay.udp)).collect();
        let text = "x".repeat(200);
        // The server is stopped, so that it finds all messages at once.
        relay.process.signal(Signal::SIGSTOP);
        for number in 0..BURST_MESSAGES {
            clients[0].send(&[message(number, &text)]);
        }
        relay.process.signal(Signal::SIGCONT);
        for client in &clients {
            let mut numbers = Vec::new();
            let mut datagrams = 0;
            while numbers.len() < BURST_MESSAGES as usize {
                let received = client.receive();
                assert!(received.iter().all(|incoming| incoming.text == text));
                numbers.extend(received.iter().map(|incoming| incoming.number));
                datagrams += 1;
            }
            assert!(numbers.iter().copied().eq(0..BURST_MESSAGES), "{numbers:?}");
            // A datagram of 1,200 bytes holds five of them.
            assert_eq!(datagrams, BURST_MESSAGES / 5);
        }
        let counters = relay.counters();
        assert_eq!((counters["unreachable"], counters["messages_dropped"]), (0, 0), "{counters:?}");
    });
}

#[test]
fn burst_is_heard_by_all() {
    check_burst("burst_is_heard_by_all", 65_536);
}

#[test]
fn burst_that_the_network_cannot_cut_up_is_heard_by_all() {
    check_burst("burst_that_the_network_cannot_cut_up_is_heard_by_all", 1_000);
}

/// All clients but the unreachable one, with their index.
fn others(clients: &[Client], bad: usize) -> impl Iterator<Item = (&Client, usize)> {
    clients.iter().zip(0..).filter(move |(_, index)| *index != bad)
}

/// Runs in a namespace with the relay's address, and with the unreachable client behind a route of this kind.
fn check_route(test: &str, kind: &str) {
    in_namespace(test, || {
        run("ip", "address add 10.9.1.1/32 dev lo");
        check_others_are_served(|bad| run("ip", &format!("route add {kind} {bad}/32")));
    });
}

#[test]
fn unreachable_route_is_skipped() {
    check_route("unreachable_route_is_skipped", "unreachable");
}

#[test]
fn prohibited_route_is_skipped() {
    check_route("prohibited_route_is_skipped", "prohibit");
}

#[test]
fn blackhole_route_is_skipped() {
    check_route("blackhole_route_is_skipped", "blackhole");
}

#[test]
fn missing_route_is_skipped() {
    in_namespace("missing_route_is_skipped", || {
        run("ip", "address add 10.9.1.1/32 dev lo");
        check_others_are_served(|_| ());
    });
}

#[test]
fn forged_source_port_0_is_not_admitted_and_the_others_are_served() {
    in_namespace("forged_source_port_0_is_not_admitted_and_the_others_are_served", || {
        let relay = Server::start("127.0.0.1:0", &[]);
        let port = relay.udp.port();
        let payload = datagram(&[GREETING]);
        // A UDP header (RFC 768): source port 0, destination port, length, no checksum.
        let length = u16::try_from(8 + payload.len()).unwrap();
        let packet = [&[0, 0][..], &port.to_be_bytes(), &length.to_be_bytes(), &[0, 0], &payload].concat();
        let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Udp).unwrap();
        let to = SockaddrIn::from(SocketAddrV4::new([127, 0, 0, 1].into(), port));
        for _ in 0..3 {
            sendto(raw.as_raw_fd(), &packet, &to, MsgFlags::empty()).unwrap();
            let client = Client::greeted("127.0.0.1:0", relay.udp);
            client.send(&[message(1, "hi")]);
            assert_eq!(client.receive()[0].text, "hi");
        }
        let counters = relay.counters();
        assert_eq!((counters["unanswerable"], counters["clients"], counters["unreachable"]), (3, 3, 0), "{counters:?}");
    });
}

#[test]
fn client_is_answered_from_the_address_that_it_speaks_to() {
    in_namespace("client_is_answered_from_the_address_that_it_speaks_to", || {
        for address in ["10.9.2.1", "10.9.2.2"] {
            run("ip", &format!("address add {address}/32 dev lo"));
        }
        run("ip", "address add fd00::1/128 dev lo nodad");
        run("ip", "address add fd00::2/128 dev lo nodad");
        for wildcard in ["0.0.0.0:0", "[::]:0"] {
            let relay = Server::start(wildcard, &[]);
            let port = relay.udp.port();
            let hosts = ["10.9.2.1", "127.0.0.1", "10.9.2.2", "127.0.1.1"].into_iter();
            let hosts =
                hosts.chain(["[fd00::1]", "[fd00::2]", "[::1]"].into_iter().filter(|_| wildcard.starts_with('[')));
            // All clients bind to the same local address, so that the routes alone would choose one answering address for all of them.
            let clients: Vec<_> = hosts
                .map(|host| {
                    let local = if host.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
                    Client::greeted(local, format!("{host}:{port}").parse().unwrap())
                })
                .collect();
            clients[0].send(&[message(1, "to all")]);
            for client in &clients {
                assert_eq!(client.receive()[0].text, "to all");
            }
        }
    });
}

#[test]
fn full_send_buffer_delays_sending_and_not_receiving() {
    const CLIENTS: usize = 20;
    in_namespace("full_send_buffer_delays_sending_and_not_receiving", || {
        // The server's namespace is held open by a process that waits for its standard input.
        let mut holder = Command::new("unshare");
        let mut holder = holder.args(["--net", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Once the process echoes, it is in its namespace.
        holder.stdin.as_mut().unwrap().write_all(b"!").unwrap();
        holder.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let holder_id = holder.id();
        let there = |words: &str| run("nsenter", &format!("--target {holder_id} --net {words}"));
        run("ip", &format!("link add here type veth peer name there netns {holder_id}"));
        run("ip", "address add 10.9.4.1/24 dev here");
        run("ip", "link set here up");
        there("ip address add 10.9.4.2/24 dev there");
        there("ip link set there up");
        let mut serve = Command::new("nsenter");
        serve.args(["--target", &holder_id.to_string(), "--net"]).arg(program()).args(["serve", "--udp", "10.9.4.2:0"]);
        let relay = Server::start_command(&mut serve);
        let clients: Vec<_> = (0..CLIENTS).map(|_| Client::greeted("10.9.4.1:0", relay.udp)).collect();
        // The link back to the clients becomes slow.
        there("tc qdisc add dev there root tbf rate 1mbit burst 10kb limit 100mb");
        let text = "x".repeat(1_000);
        let (mut number, start) = (0, Instant::now());
        while relay.counters()["messages_dropped"] == 0 {
            assert!(start.elapsed() < DEADLINE, "the ring never gets full: {:?}", relay.counters());
            for _ in 0..10 {
                number += 1;
                clients[0].send(&[message(number, &text)]);
            }
        }
        // Newcomers are still admitted, and no client counts as unreachable.
        let newcomer = Client::new("10.9.4.1:0", relay.udp);
        newcomer.send(&[GREETING]);
        relay.wait_for("clients", |count| count > CLIENTS as u64);
        assert_eq!(relay.counters()["unreachable"], 0);
        // While the server is blocked, it does not spin: in half a second it uses hardly any CPU time. The test waits for datagrams,
        // of which the slow link lets one through every 8 ms.
        let before = relay.process.cpu_ticks();
        (0..20).for_each(|_| drop(clients[CLIENTS - 1].receive_bytes()));
        assert!(relay.process.cpu_ticks() - before < 20);
        // The link is fast again: all clients get what is said from now on.
        there("tc qdisc del dev there root");
        let start = Instant::now();
        let mut waiting: Vec<_> = clients.iter().chain([&newcomer]).map(|client| (client, 0)).collect();
        while !waiting.is_empty() {
            assert!(start.elapsed() < DEADLINE, "{} hear nothing: {:?}", waiting.len(), relay.counters());
            number += 1;
            clients[0].send(&[message(number, "and on")]);
            // Datagrams that came while nobody read may not have fitted into a client's receive buffer.
            waiting.retain_mut(|(client, last)| {
                client.receive_waiting().all(|incoming| {
                    assert!(incoming.number > *last, "{} after {last}", incoming.number);
                    *last = incoming.number;
                    incoming.text != "and on"
                })
            });
        }
        drop(holder.stdin.take());
        holder.wait().unwrap();
    });
}
