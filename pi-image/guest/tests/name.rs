//! The name in the local network, answered and asked for over a cable between two network namespaces of the test's own.

use mdns_sd::{HostnameResolutionEvent, ScopedIp, ServiceDaemon, ServiceEvent};
use socket2::{Domain, Socket, Type};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Set where the test already runs in its namespace.
const VARIABLE: &str = "CHAT_HOST_NAMESPACE";

/// More than an answer takes, in milliseconds.
const DEADLINE_MS: u64 = 20_000;

/// The address of the responder's machine.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);

/// The address of the machine at the other end of the cable: the test's.
const ASKER: &str = "10.9.8.6/24";

/// The group and the port of multicast DNS (RFC 6762 section 3).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;

/// The responder on a machine of its own: a namespace with one end of a cable. Ended hard when dropped.
struct Responder {
    child: Child,
    /// What it tells; open as long as it runs.
    told: BufReader<ChildStdout>,
}

impl Responder {
    /// Starts it; the other end of the cable is in the namespace of the test.
    fn start() -> Self {
        // It waits for the cable.
        let script = format!("read -r line && exec {} name lab-7 9191 9090", env!("CARGO_BIN_EXE_pi-guest"));
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", &format!("echo there && {script}")]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare is part of util-linux");
        let told = BufReader::new(child.stdout.take().unwrap());
        let mut responder = Self { child, told };
        responder.told.read_line(&mut String::new()).unwrap();
        let number = responder.child.id();
        run("ip link add name wire0 type veth peer name wire1");
        run(&format!("ip link set wire1 netns {number}"));
        for line in [&format!("address add {ADDRESS}/24 dev wire1"), "link set wire1 up"] {
            run(&format!("nsenter --target {number} --net ip {line}"));
        }
        run(&format!("ip address add {ASKER} dev wire0"));
        run("ip link set wire0 up");
        responder.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        responder
    }

    /// A socket on the responder's machine that gets all that is said there by multicast DNS, and nothing of which is waited for.
    fn listener(&self) -> UdpSocket {
        let namespace = File::open(format!("/proc/{}/ns/net", self.child.id())).unwrap();
        let listen = move || {
            // Of this thread alone; a socket stays where it was made.
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.set_reuse_port(true).unwrap();
            socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT).into()).unwrap();
            socket.join_multicast_v4(&GROUP, &ADDRESS).unwrap();
            socket.set_nonblocking(true).unwrap();
            UdpSocket::from(socket)
        };
        thread::spawn(listen).join().unwrap()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command of words.
fn run(line: &str) {
    let words: Vec<_> = line.split(' ').collect();
    let status = Command::new(words[0]).args(&words[1..]).status();
    assert!(status.is_ok_and(|status| status.success()), "{line}");
}

/// Whether the test runs in a network namespace of its own; if not, it is started in one, and has to pass there.
fn is_in_namespace(test: &str) -> bool {
    if std::env::var_os(VARIABLE).is_some() {
        return true;
    }
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net"]).arg(this).args(["--exact", test, "--nocapture"]);
    let output = command.env(VARIABLE, "1").stderr(Stdio::inherit()).output().expect("unshare is part of util-linux");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("test result: ok. 1 passed;"), "{told}");
    false
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
    if !is_in_namespace("what_the_responder_says_does_not_come_back_to_it") {
        return;
    }
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
}

#[test]
fn responder_is_asked_for_its_name_and_services_and_tells_its_address() {
    if !is_in_namespace("responder_is_asked_for_its_name_and_services_and_tells_its_address") {
        return;
    }
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
}
