//! The peer program (docs/command-line.md): real processes on this machine's loopback, which find each other by `--join` alone.
#![cfg(not(loom))]

use nix::sys::signal::Signal;
use std::collections::BTreeSet;
use std::time::Instant;
use tests::DEADLINE;
use tests::peer::Peer;
use tests::process::Process;
use tests::seed::Random;
use tests::terminal::Terminal;

/// A group of peers of these names, the first of which founded it.
fn group(names: &[&str]) -> Vec<Peer> {
    let mut peers: Vec<Peer> = Vec::new();
    for name in names {
        let join: Vec<_> = peers.first().map(|first| first.address).into_iter().collect();
        let mut peer = Peer::start(name, &join);
        peer.find("history_end");
        peers.push(peer);
    }
    peers
}

#[test]
fn twelve_peers_talk_some_crash_and_every_survivor_shows_every_message_once() {
    let mut random = Random::new();
    let names: Vec<String> = (0..12).map(|number| format!("p{number}")).collect();
    let mut peers = group(&names.iter().map(String::as_str).collect::<Vec<_>>());
    // Who came later was told of the others at once.
    for name in &names[1..] {
        peers[0].find_joined(name);
    }
    let mut said = Vec::new();
    let mut say = |peer: &mut Peer, text: String| {
        peer.say(&text);
        said.push(format!("{}: {text}", peer.name));
    };
    for number in 0..36 {
        let index = random.below(peers.len());
        say(&mut peers[index], format!("{number}"));
    }
    for peer in &mut peers {
        said.iter().for_each(|message| peer.find_shown(message));
    }

    // Three crash, each in the middle of saying something.
    let mut lost = BTreeSet::new();
    let mut crashed = Vec::new();
    for number in 0..3 {
        let index = random.below(peers.len());
        let mut victim = peers.swap_remove(index);
        victim.say("last words");
        if number > 0 {
            victim.find_shown(&format!("{}: last words", victim.name));
        }
        victim.process.signal(Signal::SIGKILL);
        lost.insert(format!("{}: last words", victim.name));
        crashed.push((victim.name.clone(), Instant::now()));
    }
    for number in 36..54 {
        let index = random.below(peers.len());
        peers[index].say(&format!("{number}"));
        said.push(format!("{}: {number}", peers[index].name));
    }
    // One comes back under its name.
    let (name, crashed_at) = &crashed[0];
    let mut back = Peer::start(name, &[peers[0].address]);
    back.find("admitted");
    // The document's 15 s are kept in the simulator's time: here they would measure how fast this machine is.
    let took = crashed_at.elapsed();
    assert!(took < DEADLINE, "{name} had its name again after {took:?}");
    back.find("history_end");
    back.say("here again");
    said.push(format!("{name}: here again"));

    for peer in &mut peers {
        said.iter().for_each(|message| peer.find_shown(message));
        for (name, _) in &crashed {
            peer.find_where("left", |event| event["name"] == name.as_str() && event["silent"] == true);
        }
    }
    // Whatever the crashed managed to say to one, all have seen.
    let seen: BTreeSet<String> = peers.iter().flat_map(|peer| &peer.shown).cloned().collect();
    for peer in &mut peers {
        seen.iter().for_each(|message| peer.find_shown(message));
    }
    peers.iter_mut().for_each(|peer| peer.process.end_input());
    for peer in &mut peers {
        let (code, errors) = peer.finish();
        assert_eq!((code, errors), (Some(0), Vec::new()), "{}", peer.name);
        let mut shown = peer.shown.clone();
        shown.sort();
        let mut once = shown.clone();
        once.dedup();
        assert_eq!(shown, once, "{} shows a message twice", peer.name);
        let expected: BTreeSet<String> = said.iter().chain(&lost).cloned().collect();
        assert!(shown.iter().all(|message| expected.contains(message)), "{}: {shown:?}", peer.name);
    }
}

#[test]
fn name_is_free_at_once_after_a_clean_leave() {
    let mut peers = group(&["ann", "bob"]);
    for number in 0..3 {
        let mut bob = peers.pop().unwrap();
        if number == 0 {
            bob.process.signal(Signal::SIGTERM);
            assert_eq!(bob.finish(), (Some(0), Vec::new()));
        } else {
            assert_eq!(bob.leave(), (Some(0), Vec::new()));
        }
        peers[0].find_where("left", |event| event["name"] == "bob" && event["silent"] == false);
        let mut bob = Peer::start("Bob", &[peers[0].address]);
        bob.find("history_end");
        assert!(bob.find_joined("ann")["address"].is_string());
        bob.name = "bob".to_owned();
        let (code, _) = bob.leave();
        assert_eq!(code, Some(0));
        let mut again = Peer::start("bob", &[peers[0].address]);
        again.find("history_end");
        peers.push(again);
    }
}

#[test]
fn refused_newcomer_is_told_who_refuses_why_and_which_name_is_free() {
    let peers = group(&["ann", "ann2"]);
    let (ann, join) = (peers[0].address, peers[1].address.to_string());
    let arguments = ["peer", "--name", "ANN", "--listen", "127.0.0.1:0", "--no-discovery", "--join", join.as_str()];
    let finished = Process::start(&arguments).finish();
    assert_eq!(finished.code, Some(1));
    let told = finished.errors.last().unwrap();
    assert_eq!(
        *told,
        format!("chat-host: ann at {ann} refuses: the name is taken (reason 16): ANN; ANN3 is free: --name ANN3")
    );
    let mut json = Peer::start("Ann2", &[ann]);
    let refused = json.find("refused");
    assert_eq!((refused["reason"].as_u64(), refused["by"].as_str()), (Some(16), Some("ann2")));
    assert_eq!((refused["free"].as_str(), json.finish().0), (Some("Ann3"), Some(1)));
}

#[test]
fn denied_name_is_refused_by_whoever_denies_it() {
    let arguments = ["peer", "--name", "ann", "--listen", "127.0.0.1:0", "--no-discovery", "--deny", "Troll", "--json"];
    let mut command = std::process::Command::new(tests::workspace::program());
    let ann = Peer::start_command("ann", command.args(arguments));
    let mut troll = Peer::start("troll", &[ann.address]);
    let refused = troll.find("refused");
    assert_eq!((refused["reason"].as_u64(), refused["by"].as_str()), (Some(19), Some("ann")));
    let (code, errors) = troll.finish();
    assert_eq!(code, Some(1));
    assert!(errors.last().unwrap().contains("a member does not allow this name"), "{errors:?}");
    let mut other = Peer::start("trolls", &[ann.address]);
    other.find("history_end");
}

#[test]
fn newcomer_is_shown_the_last_ten_messages_and_who_is_here() {
    let mut peers = group(&["ann", "bob"]);
    for number in 0..12 {
        peers[0].say(&number.to_string());
    }
    for number in 0..12 {
        peers[1].find_shown(&format!("ann: {number}"));
    }
    let join = peers[1].address.to_string();
    let mut late =
        Process::start(&["peer", "--name", "cy", "--listen", "127.0.0.1:0", "--no-discovery", "--join", join.as_str()]);
    late.end_input();
    let finished = late.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let address = &finished.output[0];
    assert!(address.starts_with("peer 127.0.0.1:"), "{address}");
    let texts: Vec<_> = finished.output[1..].iter().map(|line| line.split_once("] ").unwrap().1.to_owned()).collect();
    assert_eq!(texts, (2..12).map(|number| format!("ann: {number}")).collect::<Vec<_>>());
    assert_eq!(
        finished.errors,
        [
            format!("-- looking for others ... at {join} --"),
            "-- you are cy; 2 others here: ann, bob --".to_owned(),
            "-- 10 messages before you came --".to_owned(),
        ]
    );
}

#[test]
fn script_says_its_lines_and_ends_when_they_have_arrived() {
    let mut peers = group(&["ann"]);
    let mut bot = Peer::start("bot", &[peers[0].address]);
    // More than may be said at once.
    for number in 0..20 {
        bot.say(&number.to_string());
    }
    assert_eq!(bot.leave(), (Some(0), Vec::new()));
    for number in 0..20 {
        peers[0].find_shown(&format!("bot: {number}"));
    }
    assert_eq!(bot.shown.len(), 20);
}

#[test]
fn wrong_usage_is_told_before_anything_is_sent() {
    for (arguments, part) in [
        (&["peer"][..], "--name"),
        (&["peer", "--name", "a b"], "a space"),
        (&["peer", "--name", "ann", "--deny", "a b"], "--deny"),
        (&["peer", "--name", "ann", "--listen", "9000"], "ADDR:PORT"),
        (&["peer", "--name", "ann", "--listen", "127.0.0.1:9292"], "9292"),
        (&["peer", "--name", "ann", "--no-discovery", "--interface", "lo"], "--interface"),
        (&["peer", "--name", "ann", "--no-discovery", "--join", "127.0.0.1:0"], "no port"),
    ] {
        let finished = Process::start(arguments).finish();
        assert_eq!(finished.code, Some(2), "{arguments:?}");
        assert!(finished.errors.iter().any(|line| line.contains(part)), "{arguments:?}: {finished:?}");
        assert_eq!(finished.output, Vec::<String>::new());
    }
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = Process::start(&["peer", "--name", "ann", "--listen", &address, "--no-discovery"]).finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors[0].contains(&address) && finished.errors[0].contains("--listen"), "{finished:?}");
}

#[test]
fn counters_are_shown_on_sigusr1() {
    let peers = group(&["ann", "bob"]);
    peers[0].process.signal(Signal::SIGUSR1);
    let line = peers[0].process.errors.find("peer: ");
    for part in ["lines=0", "members=2", "unsent=0", "datagrams=", "deaths=0"] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn person_sees_who_is_here_says_what_he_does_and_leaves_by_ctrl_c() {
    let mut peers = group(&["ann"]);
    let join = peers[0].address.to_string();
    let arguments = ["peer", "--name", "bob", "--listen", "127.0.0.1:0", "--no-discovery", "--join", join.as_str()];
    let mut bob = Terminal::start_sized(100, 12, &arguments);
    bob.find_on_screen("-- you are bob; 1 other here: ann; /help lists the commands --");
    bob.type_keys("/me waves\r");
    peers[0].find_where("message", |event| event["text"] == "waves" && event["action"] == true);
    bob.find_on_screen("* bob waves");
    bob.type_keys("/who\r");
    bob.find_on_screen(&format!("-- ann  {join}  here before you, the oldest; last heard "));
    bob.find_on_screen("-- bob (you)  127.0.0.1:");
    peers[0].say("bye");
    bob.find_on_screen("ann: bye");
    bob.type_keys("\x03");
    assert_eq!(bob.wait(), Some(0));
    assert!(bob.is_restored());
    peers[0].find_where("left", |event| event["name"] == "bob" && event["silent"] == false);
}

#[test]
fn person_who_is_alone_is_told_what_finds_out_why() {
    let mut ann =
        Terminal::start_sized(120, 12, &["peer", "--name", "ann", "--listen", "127.0.0.1:0", "--no-discovery"]);
    ann.find_on_screen("-- you are ann; nobody else is here yet, and you are found by whoever comes");
    ann.find_on_screen("-- if somebody should be here, `chat-host doctor` finds out what is in the way --");
    ann.type_keys("\x03");
    assert_eq!(ann.wait(), Some(0));
}

#[test]
fn person_whose_name_is_still_that_of_a_crashed_peer_is_told_why_nothing_happens() {
    let mut peers = group(&["ann", "bob"]);
    let bob = peers.pop().unwrap();
    bob.process.signal(Signal::SIGKILL);
    let join = peers[0].address.to_string();
    let arguments = ["peer", "--name", "bob", "--listen", "127.0.0.1:0", "--no-discovery", "--join", join.as_str()];
    let mut again = Terminal::start_sized(120, 12, &arguments);
    again.find_on_screen("-- others are here; waiting until all agree to the name bob");
    again.find_on_screen("-- you are bob; 1 other here: ann; /help lists the commands --");
    again.type_keys("\x03");
    assert_eq!(again.wait(), Some(0));
}
