//! Peers that look for each other (docs/command-line.md): each on a machine of its own, in network namespaces that the tests make, so
//! that nothing is ever multicast or broadcast outside.
#![cfg(not(loom))]

use tests::namespace::{Machine, Switch, in_namespace, run};
use tests::peer::Peer;
use tests::process::Process;
use tests::workspace::program;

/// A peer on a machine, with a folder for what it remembers.
fn peer(machine: &Machine, name: &str, arguments: &[&str]) -> Peer {
    let mut command = machine.command(program());
    command.env("XDG_STATE_HOME", state()).args(["peer", "--name", name, "--json"]).args(arguments);
    Peer::start_command(name, &mut command)
}

/// A folder of this test process alone: each test has its own process.
fn state() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("chat-host-peer-network-{}", std::process::id()))
}

/// Two machines of one network, with IPv6's own address of the link too.
fn machines_of_both_kinds() -> [Machine; 2] {
    let switch = Switch::new("br0", None);
    ["10.1.0.1/24", "10.1.0.2/24"].map(|address| {
        let machine = Machine::new(&switch, None, None);
        machine.run("ip", &format!("address add {address} broadcast + dev eth0"));
        machine
    })
}

/// What a machine has sent so far, as its kernel counts it: packets of multicast and of broadcast by IPv4, and all datagrams of UDP by
/// IPv6, whose multicast by the kernel itself is not told apart from that of programs.
fn sent_to_all(machine: &Machine) -> [u64; 3] {
    let read = |path: &str| {
        let output = machine.command("cat").arg(path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (ipv4, ipv6) = (read("/proc/net/netstat"), read("/proc/net/snmp6"));
    let mut rows = ipv4.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let of_ipv4 = |name: &str| {
        let index = names.split(' ').position(|it| it == name).unwrap();
        values.split(' ').nth(index).unwrap().parse().unwrap()
    };
    let datagrams = ipv6.lines().find_map(|line| line.strip_prefix("Udp6OutDatagrams")).unwrap();
    [of_ipv4("OutMcastPkts"), of_ipv4("OutBcastPkts"), datagrams.trim().parse().unwrap()]
}

/// All of these know each other, and what one says reaches all.
fn check_group(peers: &mut [Peer]) {
    let names: Vec<String> = peers.iter().map(|peer| peer.name.clone()).collect();
    for (index, peer) in peers.iter_mut().enumerate() {
        for (other, name) in names.iter().enumerate() {
            if other != index {
                peer.find_joined(name);
            }
        }
        peer.say("hello");
    }
    for peer in peers {
        names.iter().for_each(|name| peer.find_shown(&format!("{name}: hello")));
    }
}

#[test]
fn two_peers_find_each_other_by_multicast_alone() {
    in_namespace("two_peers_find_each_other_by_multicast_alone", || {
        let switch = Switch::new("br0", None);
        // A network of two has no broadcast address (RFC 3021).
        let machines = ["10.1.0.0/31", "10.1.0.1/31"].map(|address| Machine::new(&switch, Some(address), None));
        let mut ann = peer(&machines[0], "ann", &[]);
        assert_eq!(ann.find("looking")["interfaces"], serde_json::json!(["eth0"]));
        check_group(&mut [ann, peer(&machines[1], "bob", &[])]);
    });
}

#[test]
fn two_peers_find_each_other_by_ipv6_alone() {
    in_namespace("two_peers_find_each_other_by_ipv6_alone", || {
        let switch = Switch::new("br0", None);
        let machines = [(); 2].map(|()| Machine::new(&switch, None, None));
        check_group(&mut [peer(&machines[0], "ann", &[]), peer(&machines[1], "bob", &[])]);
    });
}

#[test]
fn five_peers_find_each_other_by_multicast() {
    in_namespace("five_peers_find_each_other_by_multicast", || {
        let switch = Switch::new("br0", None);
        let machine = |last: usize| Machine::new(&switch, Some(&format!("10.1.0.{}/24", last + 1)), None);
        let machines: Vec<Machine> = (0..3).map(machine).collect();
        // Two of them have a neighbour on the same machine.
        let places = [("ann", 0), ("bob", 0), ("cy", 1), ("dan", 1), ("eve", 2)];
        check_group(&mut places.map(|(name, place)| peer(&machines[place], name, &[])));
    });
}

#[test]
fn two_peers_find_each_other_by_broadcast_where_multicast_is_blocked() {
    in_namespace("two_peers_find_each_other_by_broadcast_where_multicast_is_blocked", || {
        let switch = Switch::new("br0", None);
        let machines = ["10.1.0.1/24", "10.1.0.2/24"].map(|address| Machine::new(&switch, Some(address), None));
        machines.iter().for_each(Machine::block_multicast);
        check_group(&mut [peer(&machines[0], "ann", &[]), peer(&machines[1], "bob", &[])]);
    });
}

#[test]
fn peers_of_two_subnets_meet_by_join_to_one_of_them_and_again_by_what_is_remembered() {
    in_namespace("peers_of_two_subnets_meet_by_join_to_one_of_them_and_again_by_what_is_remembered", || {
        let (here, there) = (Switch::new("br0", Some("10.1.0.254/24")), Switch::new("br1", Some("10.2.0.254/24")));
        run("sysctl", "-qw net.ipv4.ip_forward=1");
        let near = |last: u8| Machine::new(&here, Some(&format!("10.1.0.{last}/24")), Some("10.1.0.254"));
        let (first, second) = (near(1), near(2));
        let far = Machine::new(&there, Some("10.2.0.1/24"), Some("10.2.0.254"));
        let mut peers = vec![peer(&first, "ann", &[]), peer(&second, "bob", &[])];
        peers[0].find("history_end");
        peers[1].find("history_end");
        // No port is named: that at which all peers hear.
        let mut cy = peer(&far, "cy", &["--join", "10.1.0.1"]);
        assert_eq!(cy.find("looking")["join"], serde_json::json!(["10.1.0.1:9292"]));
        peers.push(cy);
        check_group(&mut peers);
        assert_eq!(peers.pop().unwrap().leave().0, Some(0));
        peers[0].find_where("left", |event| event["name"] == "cy");
        let mut again = peer(&far, "cy", &[]);
        assert_eq!(again.find("looking")["join"], serde_json::json!([]));
        again.find_joined("ann");
        again.find_joined("bob");
        std::fs::remove_dir_all(state()).unwrap();
    });
}

#[test]
fn peer_without_a_network_waits_for_one() {
    in_namespace("peer_without_a_network_waits_for_one", || {
        let switch = Switch::new("br0", None);
        let machines = ["10.1.0.1/24", "10.1.0.2/24"].map(|address| Machine::new(&switch, Some(address), None));
        machines[1].plug(false);
        let mut ann = peer(&machines[0], "ann", &[]);
        ann.find("history_end");
        let mut bob = peer(&machines[1], "bob", &[]);
        // There is nobody but whoever is on the same machine.
        assert_eq!(bob.find("looking")["interfaces"], serde_json::json!(["lo"]));
        bob.find("history_end");
        machines[1].plug(true);
        assert_eq!(bob.find("network")["interfaces"], serde_json::json!(["eth0"]));
        bob.find_joined("ann");
        ann.find_joined("bob");
    });
}

#[test]
fn peer_does_not_wait_for_a_name_that_takes_long_to_be_looked_up() {
    in_namespace("peer_does_not_wait_for_a_name_that_takes_long_to_be_looked_up", || {
        let switch = Switch::new("br0", None);
        let machines = ["10.1.0.1/24", "10.1.0.2/24"].map(|address| Machine::new(&switch, Some(address), None));
        // A server of names that never answers, and is asked for longer than this test waits for anything.
        let silent = Process::start_command(machines[0].command(program()).args(["serve", "--udp", "10.1.0.1:53"]));
        silent.output.find("udp ");
        let resolver = std::env::temp_dir().join(format!("chat-host-resolver-{}", std::process::id()));
        std::fs::write(&resolver, "nameserver 10.1.0.1\noptions timeout:30 attempts:2\n").unwrap();
        let ann = peer(&machines[0], "ann", &[]);
        let mount = format!("mount --bind {} /etc/resolv.conf && exec \"$0\" \"$@\"", resolver.display());
        let mut command = machines[1].command("unshare");
        command.env("XDG_STATE_HOME", state()).args(["--mount", "sh", "-c", &mount]).arg(program());
        command.args(["peer", "--name", "bob", "--json", "--join", "pi.example"]);
        check_group(&mut [ann, Peer::start_command("bob", &mut command)]);
        std::fs::remove_file(resolver).unwrap();
    });
}

#[test]
fn peer_without_discovery_sends_nothing_by_multicast_or_broadcast() {
    in_namespace("peer_without_discovery_sends_nothing_by_multicast_or_broadcast", || {
        let machines = machines_of_both_kinds();
        let mut ann = peer(&machines[0], "ann", &["--no-discovery", "--listen", "10.1.0.1:9300"]);
        ann.find("history_end");
        let bob = peer(&machines[1], "bob", &["--no-discovery", "--join", "10.1.0.1:9300"]);
        let mut peers = [ann, bob];
        check_group(&mut peers);
        peers.iter_mut().rev().for_each(|peer| assert_eq!(peer.leave().0, Some(0)));
        assert_eq!(machines.each_ref().map(sent_to_all), [[0; 3]; 2]);
        // What is counted is what discovery sends: in each of the three ways.
        let mut dan = peer(&machines[0], "dan", &[]);
        dan.find("history_end");
        let sent = sent_to_all(&machines[0]);
        assert!(sent.iter().all(|&count| count > 0), "{sent:?}");
        assert_eq!(sent_to_all(&machines[1]), [0; 3]);
    });
}

#[test]
fn peer_of_join_that_is_not_there_yet_is_found_when_it_comes() {
    in_namespace("peer_of_join_that_is_not_there_yet_is_found_when_it_comes", || {
        let switch = Switch::new("br0", None);
        let machines = ["10.1.0.1/24", "10.1.0.2/24"].map(|address| Machine::new(&switch, Some(address), None));
        let mut bob = peer(&machines[1], "bob", &["--no-discovery", "--join", "10.1.0.1:9300"]);
        assert_eq!(bob.find("looking")["join"], serde_json::json!(["10.1.0.1:9300"]));
        // Bob has asked in vain, and is a group of his own.
        bob.find("history_end");
        check_group(&mut [peer(&machines[0], "ann", &["--no-discovery", "--listen", "10.1.0.1:9300"]), bob]);
    });
}
