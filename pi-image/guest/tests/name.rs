//! The name in the local network, answered and asked for in a network namespace of the test's own.

use mdns_sd::{HostnameResolutionEvent, ScopedIp, ServiceDaemon, ServiceEvent};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Set where the test already runs in its namespace.
const VARIABLE: &str = "CHAT_HOST_NAMESPACE";

/// More than an answer takes, in milliseconds.
const DEADLINE_MS: u64 = 20_000;

/// The address of the namespace's only interface.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 7);

/// The responder, ended hard when dropped.
struct Responder(Child);

impl Drop for Responder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command of words.
fn run(line: &str) {
    let words: Vec<_> = line.split(' ').collect();
    let status = Command::new(words[0]).args(&words[1..]).status();
    assert!(status.is_ok_and(|status| status.success()), "{line}");
}

#[test]
fn responder_is_asked_for_its_name_and_services_and_tells_its_address() {
    const TEST: &str = "responder_is_asked_for_its_name_and_services_and_tells_its_address";
    if std::env::var_os(VARIABLE).is_none() {
        let this = std::env::current_exe().unwrap();
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]).arg(this).args(["--exact", TEST, "--nocapture"]);
        let output =
            command.env(VARIABLE, "1").stderr(Stdio::inherit()).output().expect("unshare is part of util-linux");
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && told.contains("test result: ok. 1 passed;"), "{told}");
        return;
    }
    // A cable with nobody at its other end: what is sent comes back to who listens here.
    run("ip link add name wire0 type veth peer name wire1");
    run("ip link set wire1 up");
    run("ip link set wire0 up");
    run("ip address add 10.9.8.7/24 dev wire0");
    let program = env!("CARGO_BIN_EXE_pi-guest");
    let child = Command::new(program).args(["name", "lab-7", "9191", "9090"]).stdout(Stdio::null()).spawn();
    let _responder = Responder(child.unwrap());

    let asker = ServiceDaemon::new().unwrap();
    let answers = asker.resolve_hostname("lab-7.local.", Some(DEADLINE_MS)).unwrap();
    let address = answers.iter().find_map(|event| match event {
        HostnameResolutionEvent::AddressesFound(_, found) => {
            found.iter().map(ScopedIp::to_ip_addr).find(IpAddr::is_ipv4)
        }
        _ => None,
    });
    assert_eq!(address, Some(ADDRESS.into()));

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
