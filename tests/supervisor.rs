//! What a server tells its service manager (sd_notify): that it is ready, that it answers, that it ends.
#![cfg(not(loom))]

use chat_core::room::Message;
use chat_core::room::message::VERSION;
use nix::sys::signal::Signal;
use std::net::SocketAddr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use tests::DEADLINE;
use tests::namespace::{in_namespace, run};
use tests::process::Process;
use tests::tcp::Connection;
use tests::udp::Client;
use tests::workspace::program;

/// A service manager: the socket on which it receives messages.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

/// A watchdog that waits for 300 ms, so it is told every 100 ms.
const PATIENCE: (&str, &str) = ("WATCHDOG_USEC", "300000");

impl Manager {
    fn new() -> Self {
        // The socket does not lie in the build folder, because its path may have 107 bytes at most.
        let path = std::env::temp_dir().join(unique_name());
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, path }
    }

    /// A manager whose socket is no file (unix(7), abstract).
    fn without_file() -> Self {
        let name = unique_name();
        let socket = UnixDatagram::bind_addr(&UnixAddress::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, path: format!("@{name}").into() }
    }

    /// Starts a server as this manager's service.
    fn start(&self, mut command: Command, arguments: &[&str], environment: &[(&str, &str)]) -> Process {
        command.arg("serve").args(arguments).env("NOTIFY_SOCKET", &self.path).envs(environment.iter().copied());
        Process::start_command(&mut command)
    }

    /// Starts a relay and a room as this manager's services.
    fn start_both(&self, environment: &[(&str, &str)]) -> Process {
        self.start(Command::new(program()), &["--udp", "127.0.0.1:0", "--tcp", "127.0.0.1:0"], environment)
    }

    /// Waits for the next message.
    fn hear(&self) -> String {
        let mut buffer = [0; 256];
        let length = self.socket.recv(&mut buffer).expect("something is told within the deadline");
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    fn check_hears(&self, expected: &str) {
        assert_eq!(self.hear(), expected);
    }

    /// Checks that no message waits.
    fn check_silence(&self) {
        self.socket.set_nonblocking(true).unwrap();
        assert!(self.socket.recv(&mut [0; 256]).is_err());
        self.socket.set_nonblocking(false).unwrap();
    }

    /// Ends the service, and checks that it says so once. A message for the watchdog may come at the same moment.
    fn check_end(&self, mut process: Process) {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.finish().code, Some(0));
        self.socket.set_nonblocking(true).unwrap();
        let mut told = Vec::new();
        let mut buffer = [0; 256];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            told.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        told.retain(|told| told != "WATCHDOG=1");
        assert_eq!(told, ["STOPPING=1"]);
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A name that no other socket has.
fn unique_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("chat-host-notify-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The address that the process listens on.
fn bound(process: &Process, protocol: &str) -> SocketAddr {
    process.output.find(protocol)[protocol.len()..].parse().unwrap()
}

#[test]
fn server_is_ready_then_answers_again_and_again_then_stops() {
    for manager in [Manager::new(), Manager::without_file()] {
        let process = manager.start_both(&[PATIENCE]);
        manager.check_hears("READY=1");
        // A program that waits for READY finds the relay there.
        Client::greeted("127.0.0.1:0", bound(&process, "udp "));
        Connection::joined(bound(&process, "tcp "), "ann", 1);
        (0..4).for_each(|_| manager.check_hears("WATCHDOG=1"));
        manager.check_end(process);
    }
}

#[test]
fn server_that_nobody_watches_says_only_that_it_runs_and_ends() {
    let other = std::process::id().to_string();
    for environment in [&[][..], &[PATIENCE, ("WATCHDOG_PID", &other)], &[("WATCHDOG_USEC", "0")]] {
        let manager = Manager::new();
        let mut process = manager.start_both(environment);
        manager.check_hears("READY=1");
        Client::greeted("127.0.0.1:0", bound(&process, "udp "));
        // One that is watched is told of in the time that passes here.
        let watched = Manager::new();
        let other = watched.start_both(&[PATIENCE]);
        watched.check_hears("READY=1");
        (0..3).for_each(|_| watched.check_hears("WATCHDOG=1"));
        watched.check_end(other);
        process.signal(Signal::SIGTERM);
        manager.check_hears("STOPPING=1");
        let finished = process.finish();
        assert!(finished.errors[0].contains(" probes=1 "), "{finished:?}");
        assert!(finished.errors[1].contains(" connections=0 "), "{finished:?}");
        manager.check_silence();
    }
}

#[test]
fn server_that_cannot_bind_is_never_ready_and_one_without_a_manager_runs() {
    let manager = Manager::new();
    let taken = manager.start_both(&[]);
    manager.check_hears("READY=1");
    let tcp = bound(&taken, "tcp ").to_string();
    let mut process = manager.start(Command::new(program()), &["--udp", "127.0.0.1:0", "--tcp", &tcp], &[PATIENCE]);
    assert_eq!(process.finish().code, Some(1));
    manager.check_silence();
    std::fs::remove_file(&manager.path).unwrap();
    let process = manager.start_both(&[PATIENCE]);
    assert!(process.errors.next().unwrap().contains("cannot tell the service manager"));
    Client::greeted("127.0.0.1:0", bound(&process, "udp "));
}

#[test]
fn watchdog_is_told_nothing_while_the_servers_do_not_answer() {
    in_namespace("watchdog_is_told_nothing_while_the_servers_do_not_answer", || {
        // The servers are bound to all addresses, so the watchdog asks at the loopback addresses.
        for addresses in [["--udp", "[::]:0", "--tcp", "0.0.0.0:0"], ["--udp", "0.0.0.0:0", "--tcp", "[::]:0"]] {
            let manager = Manager::new();
            let process = manager.start(Command::new(program()), &addresses, &[PATIENCE]);
            manager.check_hears("READY=1");
            (0..2).for_each(|_| manager.check_hears("WATCHDOG=1"));
            // The servers are well, but nothing gets through to them: for clients this is the same as servers that hang.
            run("ip", "link set lo down");
            let line = process.errors.find("the watchdog is not told that all is well");
            assert!(line.contains("udp ") && line.contains("; tcp ") && line.contains("does not answer"), "{line}");
            // Messages from before are read first.
            manager.socket.set_nonblocking(true).unwrap();
            while manager.socket.recv(&mut [0; 256]).is_ok() {}
            // Four checks take longer than the watchdog waits.
            (0..4).for_each(|_| drop(process.errors.find("the watchdog is not told")));
            manager.check_silence();
            run("ip", "link set lo up");
            manager.check_hears("WATCHDOG=1");
            manager.check_end(process);
        }
    });
}

#[test]
fn server_that_is_full_is_not_taken_for_hung() {
    let manager = Manager::new();
    let mut limited = Command::new("sh");
    limited.arg("-c").arg("ulimit -n 40 && exec \"$0\" \"$@\"").arg(program());
    let process = manager.start(limited, &["--tcp", "127.0.0.1:0", "--threads", "1"], &[PATIENCE]);
    manager.check_hears("READY=1");
    let tcp = bound(&process, "tcp ");
    // The members stay, so that the room stays full.
    let mut members = Vec::new();
    loop {
        let mut connection = Connection::new(tcp);
        connection.send(&Message::Observe { version: VERSION, seen: None });
        match connection.hear_welcome() {
            Ok(_) => members.push(connection),
            Err(refusal) => break assert_eq!(refusal, "refused 23"),
        }
    }
    // Messages from before do not count.
    manager.socket.set_nonblocking(true).unwrap();
    while manager.socket.recv(&mut [0; 256]).is_ok() {}
    manager.socket.set_nonblocking(false).unwrap();
    (0..3).for_each(|_| manager.check_hears("WATCHDOG=1"));
    manager.check_end(process);
}

#[test]
fn server_waits_for_an_address_that_comes_late_and_only_under_a_manager() {
    in_namespace("server_waits_for_an_address_that_comes_late_and_only_under_a_manager", || {
        let addresses = ["--udp", "192.0.2.7:0", "--tcp", "192.0.2.7:0"];
        let mut alone = Process::start(&["serve", "--udp", "192.0.2.7:0", "--tcp", "192.0.2.7:0"]);
        let finished = alone.finish();
        assert_eq!(finished.code, Some(1));
        assert!(finished.errors[0].contains("this machine does not have that address"), "{finished:?}");

        let manager = Manager::new();
        let process = manager.start(Command::new(program()), &addresses, &[PATIENCE]);
        manager.check_hears("READY=1\nSTATUS=waiting for the address 192.0.2.7, which this machine does not have yet");
        process.errors.find("waiting for the address 192.0.2.7, which this machine does not have yet");
        (0..4).for_each(|_| manager.check_hears("WATCHDOG=1"));
        run("ip", "address add 192.0.2.7/32 dev lo");
        process.output.find("Server Initialized...");
        Client::greeted("192.0.2.7:0", bound(&process, "udp "));
        let mut told = Vec::new();
        while told.last().is_none_or(|last| last != "READY=1") {
            told.push(manager.hear());
        }
        told.retain(|told| told != "WATCHDOG=1");
        assert_eq!(told, ["STATUS=", "READY=1"]);
        manager.check_hears("WATCHDOG=1");
        manager.check_end(process);

        // Whoever waits can be ended.
        run("ip", "address del 192.0.2.7/32 dev lo");
        let mut process = manager.start(Command::new(program()), &addresses, &[]);
        process.errors.find("waiting for the address");
        process.signal(Signal::SIGTERM);
        assert_eq!(process.finish().code, Some(0));
    });
}
