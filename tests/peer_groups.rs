//! Groups of peers that part, meet, sleep and move (docs/mesh-protocol.md section 8.3): real processes, each on a machine of its own, in
//! network namespaces that the tests make.
#![cfg(not(loom))]

use nix::sys::signal::Signal;
use std::time::{Duration, Instant};
use tests::namespace::{Cable, Machine, Switch, in_namespace};
use tests::peer::Peer;
use tests::workspace::program;

/// A machine whose address in the network ends so.
fn machine(switch: &Switch, last: u8) -> Machine {
    Machine::new(switch, Some(&format!("10.1.0.{last}/24")), None)
}

/// A peer on a machine, which remembers nobody from another test.
fn peer(machine: &Machine, name: &str) -> Peer {
    let state = std::env::temp_dir().join(format!("chat-host-peer-groups-{}-{name}", std::process::id()));
    let mut command = machine.command(program());
    command.env("XDG_STATE_HOME", state).args(["peer", "--name", name, "--json"]);
    let mut peer = Peer::start_command(name, &mut command);
    peer.find("history_end");
    peer
}

/// All of these talk with each other, by their full names: what one says now reaches all, under one name.
fn check_talk(peers: &mut [&mut Peer], names: &[&str], words: &str) {
    peers.iter_mut().for_each(|peer| peer.say(words));
    for peer in peers {
        names.iter().for_each(|name| peer.find_shown(&format!("{name}: {words}")));
    }
}

/// All of these hear each other: what one said has been confirmed by all. Whoever is met anew is heard from the first contact on.
fn check_contact(peers: &mut [&mut Peer]) {
    peers.iter_mut().for_each(|peer| peer.say("can you hear me?"));
    for peer in peers {
        let is_own = |line: &String| line.contains("can you hear me?") && line.contains("\"own\":true");
        while !peer.lines.iter().any(is_own) {
            peer.pass();
        }
    }
}

/// Two of these talk for so long. Gives what was said, as it is shown.
fn talk_for(first: &mut Peer, second: &mut Peer, span: Duration) -> Vec<String> {
    let (began_at, mut said) = (Instant::now(), Vec::new());
    while began_at.elapsed() < span {
        let words = format!("word {}", said.len());
        first.say(&words);
        said.push(format!("{}: {words}", first.name));
        second.find_shown(&said[said.len() - 1]);
    }
    said
}

/// Each message stands there once, and nobody has a line of a message that was lost.
fn check_once(peer: &Peer) {
    let mut once = peer.shown.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), peer.shown.len(), "{} shows a message twice: {:?}", peer.name, peer.shown);
    assert!(!peer.lines.iter().any(|line| line.contains("\"event\":\"lost\"")), "{} has lost messages", peer.name);
}

/// Nobody has been told that this one left.
fn check_stayed(peers: &[&Peer], name: &str) {
    for peer in peers {
        let left = |line: &&String| line.contains("\"event\":\"left\"") && line.contains(&format!("\"{name}\""));
        assert_eq!(peer.lines.iter().find(left), None, "{} was told that {name} left", peer.name);
    }
}

#[test]
fn half_that_was_cut_off_for_half_a_minute_grows_together_with_the_other() {
    in_namespace("half_that_was_cut_off_for_half_a_minute_grows_together_with_the_other", || {
        let (here, there) = (Switch::new("br0", None), Switch::new("br1", None));
        let cable = Cable::new(&here, &there);
        let near: Vec<Machine> = (1..=3).map(|last| machine(&here, last)).collect();
        let far: Vec<Machine> = (4..=5).map(|last| machine(&there, last)).collect();
        let (mut ann, mut bob) = (peer(&near[0], "ann"), peer(&near[1], "bob"));
        let mut cy = peer(&far[0], "cy");
        check_talk(&mut [&mut ann, &mut bob, &mut cy], &["ann", "bob", "cy"], "all are here");

        cable.plug(false);
        let cut_at = Instant::now();
        ann.find_where("left", |event| event["name"] == "cy" && event["silent"] == true);
        bob.find_where("left", |event| event["name"] == "cy" && event["silent"] == true);
        // Both halves let somebody in under one name.
        let zoe = peer(&near[2], "zoe");
        let mut other = peer(&far[1], "zoe");
        ann.find_joined("zoe");
        cy.find_joined("zoe");
        cy.say("is anybody there?");
        other.find_shown("cy: is anybody there?");
        let said = talk_for(&mut ann, &mut bob, Duration::from_secs(30).saturating_sub(cut_at.elapsed()));

        cable.plug(true);
        // What was said in the other half comes late, and once.
        said.iter().for_each(|message| cy.find_shown(message));
        for peer in [&mut ann, &mut bob] {
            peer.find_joined("cy");
            peer.find_shown("cy: is anybody there?");
        }
        let late = ann.lines.iter().find(|line| line.contains("is anybody there?")).expect("it was shown");
        assert!(late.contains("\"late\":true"), "{late}");
        // One of the two is the second zoe by now, for all: it and its half are told so, the others see it come so.
        let renamed = |peer: &Peer| peer.lines.iter().any(|line| line.contains("\"event\":\"renamed\""));
        let mut all = [ann, bob, cy, zoe, other];
        for peer in &mut all {
            let is_second = |line: &String| line.contains("\"name\":\"zoe~2\"");
            while !peer.lines.iter().any(is_second) {
                peer.pass();
            }
        }
        let [mut ann, mut bob, mut cy, mut zoe, mut other] = all;
        assert!(renamed(&zoe) != renamed(&other) || renamed(&zoe), "nobody was told");
        let own = |peer: &Peer| peer.lines.iter().any(|line| line.contains("renamed") && line.contains("\"own\":true"));
        assert!(own(&zoe) != own(&other), "one of the two is told that it is the second");
        let all = &mut [&mut ann, &mut bob, &mut cy, &mut zoe, &mut other];
        check_contact(all);
        check_talk(all, &["ann", "bob", "cy", "zoe", "zoe~2"], "together again");
        [ann, bob, cy, zoe, other].iter().for_each(check_once);
    });
}

#[test]
fn groups_that_were_founded_apart_become_one_when_they_are_connected() {
    in_namespace("groups_that_were_founded_apart_become_one_when_they_are_connected", || {
        let (here, there) = (Switch::new("br0", None), Switch::new("br1", None));
        let cable = Cable::new(&here, &there);
        cable.plug(false);
        let near: Vec<Machine> = (1..=2).map(|last| machine(&here, last)).collect();
        let far: Vec<Machine> = (3..=4).map(|last| machine(&there, last)).collect();
        let (mut ann, mut bob) = (peer(&near[0], "ann"), peer(&near[1], "bob"));
        let (mut second, mut dan) = (peer(&far[0], "ann"), peer(&far[1], "dan"));
        check_talk(&mut [&mut ann, &mut bob], &["ann", "bob"], "here");
        check_talk(&mut [&mut second, &mut dan], &["ann", "dan"], "there");
        cable.plug(true);
        for peer in [&mut ann, &mut bob] {
            peer.find_joined("dan");
        }
        for peer in [&mut second, &mut dan] {
            peer.find_joined("bob");
        }
        for peer in [&mut ann, &mut bob, &mut second, &mut dan] {
            while !peer.lines.iter().any(|line| line.contains("\"name\":\"ann~2\"")) {
                peer.pass();
            }
        }
        let all = &mut [&mut ann, &mut bob, &mut second, &mut dan];
        check_contact(all);
        check_talk(all, &["ann", "ann~2", "bob", "dan"], "one group");
        // What was said before they met stays where it was said.
        assert!(!ann.shown.contains(&"dan: there".to_owned()));
        [ann, bob, second, dan].iter().for_each(check_once);
    });
}

/// A peer whose machine sleeps for so long is back with all that it missed, and has buried nobody.
fn sleeps_for(span: Duration) {
    let switch = Switch::new("br0", None);
    let machines: Vec<Machine> = (1..=3).map(|last| machine(&switch, last)).collect();
    let (mut ann, mut bob) = (peer(&machines[0], "ann"), peer(&machines[1], "bob"));
    let mut cy = peer(&machines[2], "cy");
    check_talk(&mut [&mut ann, &mut bob, &mut cy], &["ann", "bob", "cy"], "all are here");
    cy.process.signal(Signal::SIGSTOP);
    let stopped_at = Instant::now();
    ann.find_where("left", |event| event["name"] == "cy" && event["silent"] == true);
    let said = talk_for(&mut ann, &mut bob, span.saturating_sub(stopped_at.elapsed()));
    cy.process.signal(Signal::SIGCONT);
    said.iter().for_each(|message| cy.find_shown(message));
    for peer in [&mut ann, &mut bob] {
        peer.find_joined("cy");
    }
    check_talk(&mut [&mut ann, &mut bob, &mut cy], &["ann", "bob", "cy"], "awake");
    check_stayed(&[&cy], "ann");
    check_stayed(&[&cy], "bob");
    [ann, bob, cy].iter().for_each(check_once);
}

#[test]
fn laptop_that_slept_is_simply_back() {
    in_namespace("laptop_that_slept_is_simply_back", || sleeps_for(Duration::from_secs(20)));
}

#[test]
#[ignore = "it takes two minutes: tests/run --full"]
fn laptop_that_slept_for_two_minutes_is_simply_back() {
    in_namespace("laptop_that_slept_for_two_minutes_is_simply_back", || sleeps_for(Duration::from_secs(120)));
}

#[test]
fn peer_that_changes_its_address_is_not_missed() {
    in_namespace("peer_that_changes_its_address_is_not_missed", || {
        let switch = Switch::new("br0", None);
        let machines: Vec<Machine> = (1..=3).map(|last| machine(&switch, last)).collect();
        let (mut ann, mut bob) = (peer(&machines[0], "ann"), peer(&machines[1], "bob"));
        let mut cy = peer(&machines[2], "cy");
        check_talk(&mut [&mut ann, &mut bob, &mut cy], &["ann", "bob", "cy"], "all are here");
        machines[2].run("ip", "address delete 10.1.0.3/24 dev eth0");
        machines[2].run("ip", "address add 10.1.0.77/24 dev eth0");
        let said = talk_for(&mut ann, &mut bob, Duration::from_secs(12));
        said.iter().for_each(|message| cy.find_shown(message));
        check_talk(&mut [&mut ann, &mut bob, &mut cy], &["ann", "bob", "cy"], "moved");
        check_stayed(&[&ann, &bob], "cy");
        check_stayed(&[&cy], "ann");
        [ann, bob, cy].iter().for_each(check_once);
    });
}
