//! A network namespace for a test: nothing leaves the machine, because a namespace has no interface but its own loopback.

use crate::DEADLINE;
use nix::sched::{CloneFlags, setns};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

/// The environment variable that is set if a test already runs in its namespace.
const VARIABLE: &str = "CHAT_HOST_NAMESPACE";

/// The ways to make one: as an administrator of nothing but the namespace, or as the system's.
const WAYS: [&[&str]; 2] = [&["--user", "--map-root-user", "--net"], &["--net"]];

/// Runs the scenario in a new network namespace: starts the test of this name again, in a process of its own.
pub fn in_namespace(test: &str, scenario: impl FnOnce()) {
    if std::env::var_os(VARIABLE).is_some() {
        run("ip", "link set lo up");
        return scenario();
    }
    let way = match possible_way() {
        Ok(way) => way,
        Err(reason) => {
            println!("{test} is skipped: {reason}");
            return;
        }
    };
    // The program is built outside the namespace, where cargo has a network.
    crate::workspace::program();
    let this = std::env::current_exe().expect("a running test has an executable");
    let output = command("unshare")
        .args(way)
        .arg(this)
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(VARIABLE, "1")
        .stderr(Stdio::inherit())
        .output()
        .expect("unshare is part of util-linux");
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    assert!(output.status.success(), "{test} failed in its namespace");
    assert!(told.contains("test result: ok. 1 passed;"), "{test} did not run in its namespace");
}

/// The first way that this system allows, or why it lets nobody make a network namespace. (`tests/run` tells what to do about it.)
fn possible_way() -> Result<&'static [&'static str], String> {
    let refusals = WAYS.map(|way| match command("unshare").args(way).arg("true").output() {
        Ok(output) if output.status.success() => Ok(way),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare: {error}")),
    });
    let [with_user, alone] = refusals;
    with_user.or_else(|refusal| alone.map_err(|_| refusal))
}

/// A switch: whatever is connected to it is one network. Needs a namespace of the test's own.
#[derive(Debug)]
pub struct Switch(&'static str);

impl Switch {
    /// A switch of this name, by which the namespace of the test has an address in the network as well, if one is given.
    pub fn new(name: &'static str, address: Option<&str>) -> Self {
        run("ip", &format!("link add {name} type bridge mcast_snooping 0"));
        run("ip", &format!("link set {name} up"));
        if let Some(address) = address {
            run("ip", &format!("address add {address} dev {name}"));
        }
        Self(name)
    }
}

/// A cable between two switches.
#[derive(Debug)]
pub struct Cable;

impl Cable {
    /// The switches are one network from now on.
    pub fn new(first: &Switch, second: &Switch) -> Self {
        run("ip", "link add cable0 type veth peer name cable1");
        run("ip", &format!("link set cable0 master {} up", first.0));
        run("ip", &format!("link set cable1 master {} up", second.0));
        Self
    }

    /// The cable is pulled, or plugged in.
    pub fn plug(&self, is_in: bool) {
        run("ip", &format!("link set cable0 {}", if is_in { "up" } else { "down" }));
    }
}

/// A machine of its own: a namespace with its loopback and one interface, `eth0`, that is connected to a switch. Gone when dropped.
#[derive(Debug)]
pub struct Machine {
    /// Keeps the namespace.
    holder: Child,
    /// The switch's end of the cable.
    port: String,
}

impl Machine {
    /// A machine with this address, or with IPv6's own address of the link alone, and with this gateway.
    pub fn new(switch: &Switch, address: Option<&str>, gateway: Option<&str>) -> Self {
        let mut holder = command("unshare")
            .args(["--net", "sh", "-c", "echo; read line"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is part of util-linux");
        // It is in its namespace once it says so.
        let ready = holder.stdout.as_mut().expect("it is piped").read_exact(&mut [0]);
        ready.expect("the namespace was made");
        let id = holder.id();
        let port = format!("port{id}");
        run("ip", &format!("link add {port} type veth peer name eth0 netns {id}"));
        run("ip", &format!("link set {port} master {} up", switch.0));
        let machine = Self { holder, port };
        // Two machines never have one address here, so nobody has to wait for the search for another.
        machine.run("sysctl", "-qw net.ipv6.conf.eth0.accept_dad=0");
        if let Some(address) = address {
            machine.run("sysctl", "-qw net.ipv6.conf.eth0.disable_ipv6=1");
            machine.run("ip", &format!("address add {address} dev eth0"));
        }
        machine.run("ip", "link set lo up");
        machine.run("ip", "link set eth0 up");
        if let Some(gateway) = gateway {
            machine.run("ip", &format!("route add default via {gateway}"));
        }
        machine
    }

    /// The switch lets no multicast through to the machine.
    pub fn block_multicast(&self) {
        run("ip", &format!("link set {} type bridge_slave mcast_flood off", self.port));
    }

    /// The cable is pulled, or plugged in.
    pub fn plug(&self, is_in: bool) {
        run("ip", &format!("link set {} {}", self.port, if is_in { "up" } else { "down" }));
        // The kernel tells the machine a moment later.
        let asked_at = Instant::now();
        while self.has_link() != is_in {
            assert!(asked_at.elapsed() < DEADLINE, "the machine has not noticed its cable");
        }
    }

    /// Whether the machine's interface is ready.
    fn has_link(&self) -> bool {
        let output = self.command("ip").args(["-oneline", "link", "show", "eth0"]).output();
        String::from_utf8_lossy(&output.expect("ip runs").stdout).contains(" state UP ")
    }

    /// A command that runs on the machine.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = command("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.holder.id())).arg(program);
        command
    }

    /// What `make` gives in a thread that is on the machine: a socket stays where it was made.
    pub fn make<T: Send>(&self, make: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.holder.id())).expect("the holder runs");
        let there = || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("the namespace is the test's own");
            make()
        };
        thread::scope(|scope| scope.spawn(there).join()).expect("the thread ends")
    }

    /// Runs a command of words on the machine.
    pub fn run(&self, program: &str, arguments: &str) {
        let status = self.command(program).args(arguments.split_whitespace()).status();
        assert!(status.is_ok_and(|status| status.success()), "{program} {arguments}");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A command, which may be an administrator's: a user's `PATH` may lack the folder of these.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
    command
}

/// Runs a program with arguments that are separated by spaces.
pub fn run(program: &str, arguments: &str) {
    let status = command(program).args(arguments.split_whitespace()).status();
    assert!(status.is_ok_and(|status| status.success()), "{program} {arguments}");
}
