//! The program that is built without clients (docs/pi-image.md): its peer, that nobody sits before, finds the group of `--join`.
#![cfg(all(not(loom), unix, feature = "peer", not(feature = "client")))]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader, Read};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(30);

/// One run of `chat-host peer`. Killed when dropped.
struct Peer {
    /// The process.
    process: Child,
    /// Where it is.
    address: String,
    /// Lines of its standard error.
    errors: Receiver<String>,
}

impl Peer {
    /// Starts one that looks for others at these addresses alone.
    fn start(name: &str, join: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-host"));
        command.args(["peer", "--name", name, "--listen", "127.0.0.1:0", "--no-discovery"]);
        command.args(join.iter().flat_map(|address| ["--join", address]));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = lines(process.stdout.take().unwrap());
        let errors = lines(process.stderr.take().unwrap());
        let first = output.recv_timeout(DEADLINE).unwrap();
        let address = first.strip_prefix("peer ").unwrap_or_else(|| panic!("{first}")).to_owned();
        Self { process, address, errors }
    }

    /// What it has counted.
    fn counters(&self) -> String {
        let id = i32::try_from(self.process.id()).unwrap();
        kill(Pid::from_raw(id), Signal::SIGUSR1).unwrap();
        let mut lines = std::iter::repeat_with(|| self.told());
        lines.find(|line| line.starts_with("peer: ")).unwrap()
    }

    /// The next line of its standard error.
    fn told(&self) -> String {
        self.errors.recv_timeout(DEADLINE).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The lines that come, read by a thread of their own.
fn lines(reader: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    let mut lines = BufReader::new(reader).lines().map_while(Result::ok);
    thread::spawn(move || lines.try_for_each(|line| sender.send(line)));
    receiver
}

#[test]
fn peer_looks_at_join_first_and_is_a_member_of_that_group() {
    let ann = Peer::start("ann", &[]);
    assert!(ann.told().ends_with("nobody is there: this peer is the first of a group"));
    assert!(ann.told().ends_with("in the group as ann"));
    let bob = Peer::start("bob", &[&ann.address]);
    let told = bob.told();
    assert!(told.ends_with(&format!("looking for others at {}", ann.address)), "{told}");
    let started_at = Instant::now();
    while !ann.counters().starts_with("peer: members=2 ") {
        assert!(started_at.elapsed() < DEADLINE, "bob is no member");
    }
}

#[test]
fn address_of_join_is_asked_before_a_group_is_founded() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    silent.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let ann = Peer::start("ann", &[&address]);
    let (_, from) = silent.recv_from(&mut [0; 2_048]).unwrap();
    assert_eq!(from.to_string(), ann.address);
    assert!(ann.told().ends_with(&format!("looking for others at {address}")));
    assert!(ann.told().ends_with("nobody is there: this peer is the first of a group"));
}

#[test]
fn name_of_join_that_is_not_found_is_told_before_the_search() {
    let ann = Peer::start("ann", &["no..name"]);
    let told = ann.told();
    assert!(told.contains("no..name") && told.ends_with("going on trying"), "{told}");
}
