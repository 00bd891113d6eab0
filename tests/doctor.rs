//! `chat-host doctor` (docs/command-line.md): each of its findings, provoked in network namespaces that the tests make.
#![cfg(not(loom))]

use serde_json::Value;
use std::process::Command;
use tests::namespace::{Machine, Switch, in_namespace, run};
use tests::peer::Peer;
use tests::process::{Finished, Process};
use tests::workspace::program;

/// A folder of this test process alone for what is remembered: each test has its own process.
fn state() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("chat-host-doctor-{}", std::process::id()))
}

/// A command of chat-host on a machine.
fn command(machine: &Machine, arguments: &[&str]) -> Command {
    let mut command = machine.command(program());
    command.env("XDG_STATE_HOME", state()).args(arguments);
    command
}

/// A peer on a machine, once it is a member.
fn peer(machine: &Machine, name: &str) -> Peer {
    let mut peer = Peer::start_command(name, &mut command(machine, &["peer", "--name", name, "--json", "--headless"]));
    peer.find("history_end");
    peer
}

/// What the doctor says on a machine, with its exit code.
fn doctor(machine: &Machine, arguments: &[&str]) -> Finished {
    Process::start_command(&mut command(machine, &[&["doctor"], arguments].concat())).finish()
}

/// The kinds of all that it finds there.
fn kinds(machine: &Machine, arguments: &[&str]) -> Vec<String> {
    let finished = doctor(machine, &[&["--json"], arguments].concat());
    let events = finished.output.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let findings = events.filter(|event| event["event"] == "finding");
    let kinds: Vec<_> = findings.map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(finished.code, Some(i32::from(!kinds.is_empty())), "{finished:?}");
    kinds
}

/// Two machines of one network.
fn two_machines() -> [Machine; 2] {
    let switch = Switch::new("br0", Some("10.1.0.254/24"));
    ["10.1.0.1/24", "10.1.0.2/24"].map(|address| Machine::new(&switch, Some(address), Some("10.1.0.254")))
}

#[test]
fn healthy_network_gives_no_finding() {
    in_namespace("healthy_network_gives_no_finding", || {
        let machines = two_machines();
        let finished = doctor(&machines[1], &["--seconds", "2"]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert_eq!(finished.output[0], "looked on eth0: no peer answers");
        let _ann = peer(&machines[0], "ann");
        let finished = doctor(&machines[1], &[]);
        assert_eq!((finished.code, finished.errors.as_slice()), (Some(0), &[][..]), "{finished:?}");
        assert_eq!(finished.output, ["looked on eth0: 1 peer answers", "  ann at 10.1.0.1:9293", "all is well"]);
        // On the machine of the peer itself, too.
        assert_eq!(kinds(&machines[0], &[]), Vec::<String>::new());
    });
}

#[test]
fn machine_without_a_usable_interface_is_told_so() {
    in_namespace("machine_without_a_usable_interface_is_told_so", || {
        let machines = two_machines();
        assert_eq!(kinds(&machines[0], &["--interface", "usb0"]), ["interface_missing"]);
        machines[0].plug(false);
        let finished = doctor(&machines[0], &[]);
        assert_eq!(finished.code, Some(1));
        assert!(finished.output[0].starts_with("found: no network"), "{finished:?}");
        assert_eq!(finished.output.len(), 2);
        assert_eq!(finished.errors, ["chat-host: 1 thing keeps peers from each other"]);
    });
}

#[test]
fn peer_of_several_addresses_is_told_once_with_its_name() {
    in_namespace("peer_of_several_addresses_is_told_once_with_its_name", || {
        let switch = Switch::new("br0", None);
        // With IPv6's own address of the link too.
        let machines = ["10.1.0.1/24", "10.1.0.2/24"].map(|address| {
            let machine = Machine::new(&switch, None, None);
            machine.run("ip", &format!("address add {address} dev eth0"));
            machine
        });
        let _ann = peer(&machines[0], "ann");
        // Both addresses have answered as a rule once the doctor is content, but one is enough for that.
        let began = std::time::Instant::now();
        loop {
            let finished = doctor(&machines[1], &[]);
            assert_eq!((finished.code, finished.output.len()), (Some(0), 3), "{finished:?}");
            assert_eq!(finished.output[0], "looked on eth0: 1 peer answers");
            assert!(finished.output[1].starts_with("  ann at "), "{finished:?}");
            if finished.output[1].contains("10.1.0.1:9293, [fe80::") {
                break;
            }
            assert!(began.elapsed() < tests::DEADLINE, "{finished:?}");
        }
        let finished = doctor(&machines[1], &["--json"]);
        let events: Vec<Value> = finished.output.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&events[0]["event"], &events[1]["event"]), (&"looked".into(), &"answered".into()), "{events:?}");
        assert_eq!((&events[1]["name"], &events[1]["addresses"]), (&"ann".into(), &events[0]["peers"]), "{events:?}");
        assert_eq!(events.len(), 2, "{events:?}");
    });
}

#[test]
fn what_cannot_be_told_is_a_failure() {
    in_namespace("what_cannot_be_told_is_a_failure", || {
        let machines = two_machines();
        let full = "cannot write standard output: no space left on device";
        let told = |arguments: &[&str]| {
            let disk = std::fs::File::options().write(true).open("/dev/full").unwrap();
            let output = command(&machines[1], &[&["doctor"], arguments].concat()).stdout(disk).output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        for arguments in [&["--seconds", "2"][..], &["--seconds", "2", "--json"]] {
            assert_eq!(told(arguments), (Some(1), format!("chat-host: {full}\n")), "{arguments:?}");
        }
        let found = format!("chat-host: 1 thing keeps peers from each other; {full}\n");
        assert_eq!(told(&["--interface", "usb0"]), (Some(1), found));
    });
}

#[test]
fn multicast_that_does_not_come_back_is_found() {
    in_namespace("multicast_that_does_not_come_back_is_found", || {
        let machines = two_machines();
        machines[0].run("sysctl", "-qw net.ipv4.igmp_max_memberships=0");
        assert_eq!(kinds(&machines[0], &["--seconds", "2"]), ["multicast_lost"]);
    });
}

#[test]
fn port_that_another_program_has_is_found() {
    in_namespace("port_that_another_program_has_is_found", || {
        let machines = two_machines();
        let arguments = ["peer", "--name", "ann", "--json", "--headless", "--no-discovery", "--listen", "0.0.0.0:9292"];
        let mut other = Peer::start_command("ann", &mut command(&machines[0], &arguments));
        other.find("history_end");
        assert_eq!(kinds(&machines[0], &["--seconds", "2"]), ["port_taken"]);
    });
}

#[test]
fn peer_that_is_heard_and_cannot_be_reached_is_found() {
    in_namespace("peer_that_is_heard_and_cannot_be_reached_is_found", || {
        let machines = two_machines();
        let _ann = peer(&machines[0], "ann");
        // As where a wireless network keeps its clients from each other: what is for everybody arrives, what is for one does not.
        for (machine, other) in [(&machines[0], "10.1.0.2"), (&machines[1], "10.1.0.1")] {
            machine.run("ip", &format!("neigh replace {other} lladdr 02:00:00:00:00:99 dev eth0 nud permanent"));
        }
        // Who is alone calls every 5 s.
        assert_eq!(kinds(&machines[1], &["--seconds", "7"]), ["unreachable"]);
    });
}

#[test]
fn peer_that_is_reached_by_ipv4_alone_is_no_finding() {
    in_namespace("peer_that_is_reached_by_ipv4_alone_is_no_finding", || {
        let switch = Switch::new("br0", None);
        let machines = [("10.1.0.1/24", "fe80::1"), ("10.1.0.2/24", "fe80::2")].map(|(ipv4, ipv6)| {
            let machine = Machine::new(&switch, None, None);
            machine.run("ip", "address flush dev eth0");
            machine.run("ip", &format!("address add {ipv4} dev eth0"));
            machine.run("ip", &format!("address add {ipv6}/64 dev eth0"));
            machine
        });
        // As behind a firewall that knows IPv4 alone: of IPv6 arrives what is for everybody, and nothing that is for one.
        for (machine, other) in machines.iter().zip(["fe80::2", "fe80::1"]) {
            machine.run("ip", &format!("neigh replace {other} lladdr 02:00:00:00:00:99 dev eth0 nud permanent"));
        }
        let _ann = peer(&machines[0], "ann");
        let finished = doctor(&machines[1], &["--seconds", "7"]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert_eq!(
            finished.output,
            ["looked on eth0: 1 peer answers", "  ann at 10.1.0.1:9293", "all is well"],
            "{finished:?}"
        );
    });
}

#[test]
fn peer_with_an_address_of_another_network_is_found() {
    in_namespace("peer_with_an_address_of_another_network_is_found", || {
        let switch = Switch::new("br0", None);
        let [near, far] = ["10.1.0.1/24", "10.9.0.1/24"].map(|address| Machine::new(&switch, Some(address), None));
        let _ann = peer(&far, "ann");
        // Who is alone calls every 5 s.
        assert_eq!(kinds(&near, &["--seconds", "7"]), ["foreign_address"]);
    });
}

#[test]
fn doctors_that_look_at_one_time_take_each_other_for_no_peers() {
    in_namespace("doctors_that_look_at_one_time_take_each_other_for_no_peers", || {
        let machines = two_machines();
        let start = |machine| Process::start_command(&mut command(machine, &["doctor", "--seconds", "4"]));
        let looking = machines.each_ref().map(start);
        for mut doctor in looking {
            let finished = doctor.finish();
            assert_eq!(finished.code, Some(0), "{finished:?}");
        }
    });
}

#[test]
fn other_version_of_the_protocol_is_found() {
    in_namespace("other_version_of_the_protocol_is_found", || {
        let machines = two_machines();
        let mut looking = Process::start_command(&mut command(&machines[1], &["doctor", "--json", "--seconds", "4"]));
        // Somebody who calls again and again.
        let call = "for call in 1 2 3 4 5 6 7; do printf 'CHM\\007rest' >/dev/udp/10.1.0.2/9292; sleep 0.5; done";
        let mut caller = machines[0].command("bash").args(["-c", call]).spawn().unwrap();
        let finished = looking.finish();
        assert!(caller.wait().unwrap().success());
        assert_eq!(finished.code, Some(1));
        let finding: Value = serde_json::from_str(finished.output.last().unwrap()).unwrap();
        assert_eq!(finding["kind"], "other_version");
        assert!(finding["text"].as_str().unwrap().contains("version 7"), "{finding}");
    });
}

#[test]
fn server_without_peers_is_found() {
    in_namespace("server_without_peers_is_found", || {
        let machines = two_machines();
        // An IPv6 socket that serves IPv4 too hears the broadcast by another way than one of IPv4 alone.
        for address in ["[::]:9090", "0.0.0.0:9090"] {
            let server = Process::start_command(&mut command(&machines[0], &["serve", "--udp", address]));
            server.output.find("udp ");
            let finished = doctor(&machines[1], &["--seconds", "2"]);
            assert_eq!(finished.code, Some(1), "{address}");
            let remedy = finished.output.last().unwrap();
            assert!(remedy.contains("chat-host client --tcp 10.1.0.1 --name NAME"), "{address}: {finished:?}");
        }
    });
}

#[test]
fn peer_of_another_subnet_is_found() {
    in_namespace("peer_of_another_subnet_is_found", || {
        let [near, _] = two_machines();
        let there = Switch::new("br1", Some("10.2.0.254/24"));
        run("sysctl", "-qw net.ipv4.ip_forward=1");
        let far = Machine::new(&there, Some("10.2.0.1/24"), Some("10.2.0.254"));
        let _ann = peer(&far, "ann");
        // It is known from an earlier run.
        std::fs::create_dir_all(state().join("chat-host")).unwrap();
        std::fs::write(state().join("chat-host/peers"), "chat-host peers 1\n10.2.0.1:9293\n").unwrap();
        assert_eq!(kinds(&near, &["--seconds", "2"]), ["other_subnet"]);
        std::fs::remove_dir_all(state()).unwrap();
    });
}
