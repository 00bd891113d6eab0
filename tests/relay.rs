//! The relay from end to end: real processes on loopback, as their users run them.
#![cfg(not(loom))]

use chat_core::relay::{Message, PROTOCOL};
use nix::sys::signal::Signal;
use std::collections::HashSet;
use std::net::UdpSocket;
use std::time::Duration;
use tests::process::{Process, Server};
use tests::seed::Random;
use tests::udp::{Client, GREETING, Incoming, datagram, message, probe};

/// A relay on any free port of loopback.
fn relay() -> Server {
    Server::start("127.0.0.1:0", &[])
}

/// A `chat-host client` of this relay whose GREETING the relay has received.
fn client_process(relay: &Server, arguments: &[&str]) -> Process {
    let before = relay.counters()["clients"];
    let client = Process::start(&[&["client", "--udp", &relay.udp.to_string()], arguments].concat());
    relay.wait_for("clients", |count| count > before);
    client
}

// --- serving ---

#[test]
fn three_clients_see_each_others_lines_and_their_own() {
    let relay = relay();
    let mut clients = [(); 3].map(|()| client_process(&relay, &[]));
    let lines = ["one", "zwei", "三 ❤"];
    let mut seen: [Vec<String>; 3] = Default::default();
    for (index, line) in lines.iter().enumerate() {
        clients[index].write(format!("{line}\n").as_bytes());
        for (client, seen) in clients.iter().zip(&mut seen) {
            seen.push(client.output.next().expect("the client runs on"));
        }
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    let mut ports = HashSet::new();
    for (seen, line) in seen[0].iter().zip(lines) {
        let (from, text) = seen.split_once(": ").unwrap();
        let port = from.strip_prefix("<From 127.0.0.1:").and_then(|rest| rest.strip_suffix('>')).unwrap();
        assert_eq!(text, line);
        assert!(ports.insert(port.parse::<u16>().unwrap()), "{port} twice");
    }
    for client in &mut clients {
        client.end_input();
        assert_eq!(client.finish().code, Some(0));
    }
}

#[test]
fn two_hundred_clients_get_each_of_a_thousand_messages_once() {
    const CLIENTS: usize = 200;
    const MESSAGES: usize = 1_000;
    const WINDOW: usize = 16;
    let relay = relay();
    let clients: Vec<_> = (0..CLIENTS).map(|_| Client::greeted("127.0.0.1:0", relay.udp)).collect();
    for first in (0..MESSAGES).step_by(WINDOW) {
        let numbers = first..(first + WINDOW).min(MESSAGES);
        let expected: HashSet<_> = numbers
            .map(|number| {
                let sender = &clients[number * 7 % CLIENTS];
                let (number, text) = (u32::try_from(number).unwrap(), format!("message {number}"));
                sender.send(&[message(number, &text)]);
                Incoming { number, sender: sender.address, text }
            })
            .collect();
        for client in &clients {
            let received = client.receive_count(expected.len());
            assert_eq!(received.into_iter().collect::<HashSet<_>>(), expected);
        }
    }
    for client in &clients {
        client.check_nothing_came();
    }
    let (code, counters) = relay.stop(Signal::SIGTERM);
    assert_eq!(code, Some(0));
    assert_eq!((counters["messages"], counters["messages_dropped"], counters["unreachable"]), (1_000, 0, 0));
}

#[test]
fn messages_that_wait_together_travel_together() {
    let relay = relay();
    let client = Client::greeted("127.0.0.1:0", relay.udp);
    let batch: Vec<_> = (0..20).map(|number| message(number, "packed")).collect();
    client.send(&batch);
    assert_eq!(client.receive().len(), 20);
}

#[test]
fn ipv4_and_ipv6_clients_of_one_relay_see_each_other() {
    let relay = Server::start("[::]:0", &[]);
    let port = relay.udp.port();
    let v4 = Client::greeted("127.0.0.1:0", ([127, 0, 0, 1], port).into());
    let v6 = Client::greeted("[::1]:0", format!("[::1]:{port}").parse().unwrap());
    for (number, sender) in [(1, &v4), (2, &v6)] {
        sender.send(&[message(number, "hi")]);
        let expected = Incoming { number, sender: sender.address, text: "hi".to_owned() };
        assert_eq!(v4.receive(), std::slice::from_ref(&expected));
        assert_eq!(v6.receive(), [expected]);
    }
    let mut shown = client_process(&relay, &[]);
    v4.send(&[message(3, "as IPv4")]);
    assert_eq!(shown.output.next(), Some(format!("<From {}>: as IPv4", v4.address)));
    shown.end_input();
    assert_eq!(shown.finish().code, Some(0));
}

#[test]
fn garbage_changes_nothing_but_the_counters() {
    const RANDOM: usize = 10_000;
    let relay = relay();
    let member = Client::greeted("127.0.0.1:0", relay.udp);
    let stranger = Client::new("127.0.0.1:0", relay.udp);
    let mut random = Random::new();
    let mut sent = 0;
    let mut send = |bytes: &[u8]| {
        stranger.send_bytes(bytes);
        sent += 1;
        if sent % 50 == 0 {
            stranger.check_nothing_came();
        }
    };
    for index in 0..RANDOM {
        let length = random.below(1_300);
        let mut bytes = random.bytes(length);
        if index % 2 == 0 {
            bytes.splice(..0, datagram(&[]));
        }
        if !would_be_served(&bytes) {
            send(&bytes);
        }
    }
    for whole in [GREETING, message(7, "text"), probe(b"echo")] {
        let whole = datagram(&[whole]);
        for length in 0..whole.len() {
            send(&whole[..length]);
        }
    }
    stranger.check_nothing_came();
    let counters = relay.counters();
    assert_eq!((counters["clients"], counters["messages"], counters["receive_dropped"]), (1, 0, 0), "{counters:?}");
    for kind in ["foreign", "overlong", "items_unknown", "items_malformed", "items_truncated"] {
        assert!(counters[kind] > 0, "{kind} in {counters:?}");
    }
    member.send(&[message(1, "still here")]);
    assert_eq!(member.receive()[0].text, "still here");
}

/// Whether random bytes happen to be a datagram with something for the server in it.
fn would_be_served(bytes: &[u8]) -> bool {
    let items = chat_core::datagram::open(PROTOCOL, bytes).into_iter().flatten().flatten();
    let mut messages = items.filter_map(|item| Message::decode(item).ok());
    messages
        .any(|message| matches!(message, Message::Greeting { .. } | Message::Message { .. } | Message::Probe { .. }))
}

#[test]
fn what_the_kernel_drops_is_counted() {
    // These are far more datagrams than a receive buffer holds; the kernel charges several hundred bytes for each.
    const DATAGRAMS: u64 = 40_000;
    let relay = relay();
    let client = Client::greeted("127.0.0.1:0", relay.udp);
    let (mut lost, mut sent) = (0, 1);
    for round in 1..=2 {
        relay.process.signal(Signal::SIGSTOP);
        for _ in 0..DATAGRAMS {
            client.send(&[GREETING]);
        }
        sent += DATAGRAMS;
        relay.process.signal(Signal::SIGCONT);
        // A datagram that is read says how many were dropped before it; the first one may find no room yet.
        client.socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        loop {
            client.send(&[probe(b"")]);
            sent += 1;
            if client.socket.recv(&mut [0; 64]).is_ok() {
                break;
            }
        }
        let counters = relay.counters();
        assert!(counters["receive_dropped"] > lost, "round {round}: {counters:?}");
        lost = counters["receive_dropped"];
        assert_eq!(counters["datagrams"] + lost, sent, "round {round}");
    }
}

#[test]
fn signal_ends_the_server_even_under_a_flood() {
    let relay = relay();
    let flood = Client::greeted("127.0.0.1:0", relay.udp);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                // This is refused once the server is gone.
                let _ = flood.socket.send(&datagram(&[message(1, "flood")]));
            }
        });
        let (code, _) = relay.stop(Signal::SIGTERM);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(code, Some(0));
    });
}

#[test]
fn client_that_is_gone_does_not_stop_the_others() {
    let relay = relay();
    let first = Client::greeted("127.0.0.1:0", relay.udp);
    drop(Client::greeted("127.0.0.1:0", relay.udp));
    let last = Client::greeted("127.0.0.1:0", relay.udp);
    for number in 0..50 {
        last.send(&[message(number, "on")]);
        assert_eq!(first.receive()[0].number, number);
        assert_eq!(last.receive()[0].number, number);
    }
}

#[test]
fn client_beyond_the_limit_is_told_and_ends_with_code_1() {
    let relay = Server::start("127.0.0.1:0", &["--max-clients", "1"]);
    let _member = Client::greeted("127.0.0.1:0", relay.udp);
    let finished = Process::start(&["client", "--udp", &relay.udp.to_string()]).finish();
    assert_eq!(finished.code, Some(1));
    let expected = format!("chat-host: the relay at {} refuses: it is full (reason 20)", relay.udp);
    assert_eq!(finished.errors, [expected]);
    let finished = Process::start(&["client", "--json", "--udp", &relay.udp.to_string()]).finish();
    let event: serde_json::Value = serde_json::from_str(&finished.output[0]).unwrap();
    let expected = serde_json::json!({ "event": "refused", "reason": 20, "server": relay.udp.to_string() });
    assert_eq!((finished.code, event), (Some(1), expected));
    assert_eq!(relay.counters()["greetings_refused"], 2);
}

#[test]
fn sigint_and_sigterm_end_the_server_cleanly_with_its_counters() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let relay = relay();
        drop(Client::greeted("127.0.0.1:0", relay.udp));
        let (code, counters) = relay.stop(signal);
        assert_eq!((code, counters["clients"], counters["probes"]), (Some(0), 1, 1));
    }
}

#[test]
fn address_in_use_is_told_in_one_line() {
    let relay = relay();
    let finished = Process::start(&["serve", "--udp", &relay.udp.to_string()]).finish();
    assert_eq!((finished.code, finished.errors.len()), (Some(1), 1));
    assert!(finished.output.is_empty());
    let line = &finished.errors[0];
    for part in [&relay.udp.to_string(), "in use", "--udp"] {
        assert!(line.contains(part), "{line}");
    }
}

// --- the client ---

#[test]
fn piped_lines_are_all_sent_shown_and_confirmed() {
    let relay = relay();
    let lines: Vec<_> = (0..500).map(|index| format!("line {index}")).collect();
    let mut client = client_process(&relay, &[]);
    client.write((lines.join("\n\n") + "\r\n").as_bytes());
    client.end_input();
    let finished = client.finish();
    let texts: Vec<_> = finished.output.iter().map(|line| line.split_once(">: ").unwrap().1.to_owned()).collect();
    assert_eq!((finished.code, finished.errors), (Some(0), vec![]));
    assert_eq!(texts, lines);
}

#[test]
fn last_line_without_line_feed_is_sent() {
    let relay = relay();
    let mut client = client_process(&relay, &[]);
    client.write(b"hi");
    client.end_input();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output.len()), (Some(0), 1));
    assert!(finished.output[0].ends_with(">: hi"));
}

#[test]
fn lines_that_cannot_be_sent_are_refused_with_the_reason_and_the_rest_is_sent() {
    let relay = relay();
    let mut client = client_process(&relay, &[]);
    client.write(&[b"x".repeat(1_025).as_slice(), b"\ngr\xfc\xdfe\n", b"y".repeat(1_024).as_slice(), b"\n"].concat());
    client.end_input();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output.len()), (Some(1), 1));
    assert!(finished.output[0].ends_with(&"y".repeat(1_024)));
    assert!(finished.errors[0].contains("line 1") && finished.errors[0].contains("at most 1024"), "{finished:?}");
    assert!(finished.errors[1].contains("line 2") && finished.errors[1].contains("UTF-8"), "{finished:?}");
    assert!(finished.errors[2].contains("2 of 3 lines"), "{finished:?}");
}

#[test]
fn message_that_does_not_come_back_is_told_and_ends_with_code_1() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut client = Process::start(&["client", "--udp", &deaf.local_addr().unwrap().to_string()]);
    client.write(b"hello?\n");
    client.end_input();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output.len()), (Some(1), 0));
    assert!(finished.errors.iter().any(|line| line.contains("not confirmed")), "{finished:?}");
}

#[test]
fn script_whose_relay_never_answers_ends_soon_and_says_from_where_on_nothing_was_sent() {
    let deaf = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut client = Process::start(&["client", "--udp", &deaf.local_addr().unwrap().to_string()]);
    client.write("line\n".repeat(100).as_bytes());
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors.last().unwrap().contains("line 17 and what follows was not sent; "), "{finished:?}");
}

#[test]
fn script_whose_relay_is_gone_ends_soon_after_its_input() {
    let relay = relay();
    let mut client = client_process(&relay, &[]);
    client.write(b"a\n");
    assert!(client.output.next().unwrap().ends_with(">: a"));
    drop(relay);
    client.write(b"b\n");
    client.errors.find("connection refused");
    client.write(b"c\n");
    client.end_input();
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors.last().unwrap().contains("line 3 and what follows was not sent; "), "{finished:?}");
}

#[test]
fn greeting_goes_with_every_message_until_the_first_incoming() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(tests::DEADLINE)).unwrap();
    let mut client = Process::start(&["client", "--udp", &server.local_addr().unwrap().to_string()]);
    let mut buffer = [0; 1_500];
    // The messages in the order of arrival, each with a flag whether a GREETING came with it.
    let mut next_message = || loop {
        let (length, source) = server.recv_from(&mut buffer).unwrap();
        let items: Vec<_> =
            chat_core::datagram::open(PROTOCOL, &buffer[..length]).unwrap().map(Result::unwrap).collect();
        let messages: Vec<_> = items.iter().map(|item| Message::decode(item).unwrap()).collect();
        if let Some(&Message::Message { number, text }) = messages.last() {
            return (number, text.as_str().to_owned(), messages[0] == GREETING, source);
        }
    };
    client.write(b"first\n");
    let (first_number, text, greeted, source) = next_message();
    assert_eq!((text.as_str(), greeted), ("first", true));
    client.write(b"second\n");
    let (second_number, text, greeted, _) = next_message();
    assert_eq!((text.as_str(), greeted, second_number), ("second", true, first_number.wrapping_add(1)));
    let text = chat_core::text::Text::new("from another").unwrap();
    let sender = "192.0.2.1:9".parse().unwrap();
    server.send_to(&datagram(&[Message::Incoming { number: 0, sender, text }]), source).unwrap();
    assert_eq!(client.output.next().as_deref(), Some("<From 192.0.2.1:9>: from another"));
    client.write(b"third\n");
    let (_, text, greeted, _) = next_message();
    assert_eq!((text.as_str(), greeted), ("third", false));
}

#[test]
fn relay_that_was_not_there_yet_is_found_without_losing_what_is_said_then() {
    let place = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = place.local_addr().unwrap().to_string();
    drop(place);
    let mut client = Process::start(&["client", "--udp", &address]);
    assert!(client.errors.next().unwrap().contains("connection refused"));
    let mut relay = Server::start(&address, &[]);
    assert!(client.errors.find("answers").contains(&address));
    client.write(b"there you are\n");
    assert!(client.output.next().unwrap().ends_with(">: there you are"));
    // A line typed while nobody listens there waits; the messages under way are reported.
    for round in 0..2 {
        drop(relay);
        client.write(b"into the void\n");
        assert!(client.errors.find("no answer").contains("connection refused"), "round {round}");
        client.write(b"waits\n");
        relay = Server::start(&address, &[]);
        assert!(client.errors.find("answers").contains(&address), "round {round}");
        assert!(client.output.next().unwrap().ends_with(">: waits"), "round {round}");
    }
}

#[test]
fn what_comes_from_the_network_is_never_shown_raw() {
    let relay = relay();
    let attacker = Client::greeted("127.0.0.1:0", relay.udp);
    let (plain, json) = (client_process(&relay, &[]), client_process(&relay, &["--json"]));
    let text = "\x1b]0;title\x07\u{202e}evil\u{200b}\r\n<From 1.2.3.4:5>: forged";
    attacker.send(&[message(1, text)]);
    let shown = plain.output.next().unwrap();
    assert_eq!(
        shown,
        format!(
            "<From {}>: \u{fffd}]0;title\u{fffd}\u{fffd}evil\u{fffd}\u{fffd} ⏎ <From 1.2.3.4:5>: forged",
            attacker.address
        )
    );
    let line = json.output.next().unwrap();
    assert!(line.is_ascii(), "{line}");
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    let expected = serde_json::json!({
        "event": "incoming", "from": attacker.address.to_string(), "number": 1, "own": false, "text": text
    });
    assert_eq!(event, expected);
}

#[test]
fn json_marks_own_messages() {
    let relay = relay();
    let mut client = client_process(&relay, &["--json"]);
    client.write(b"mine\n");
    let event: serde_json::Value = serde_json::from_str(&client.output.next().unwrap()).unwrap();
    assert_eq!((&event["own"], &event["text"]), (&true.into(), &"mine".into()));
}

#[test]
fn signals_end_the_client_with_code_0() {
    let relay = relay();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut client = client_process(&relay, &[]);
        client.signal(signal);
        assert_eq!(client.finish().code, Some(0));
    }
}

#[test]
fn reader_that_goes_away_ends_the_client_quietly() {
    let relay = relay();
    let speaker = Client::greeted("127.0.0.1:0", relay.udp);
    let mut client = Process::start_unread(&["client", "--udp", &relay.udp.to_string()]);
    relay.wait_for("clients", |count| count > 1);
    speaker.send(&[message(1, "to nobody")]);
    let finished = client.finish();
    assert_eq!((finished.code, finished.errors), (Some(0), vec![]));
}

#[test]
fn wrong_usage_ends_with_code_2_and_one_line() {
    for (arguments, part) in [
        (&["client"][..], "--udp HOST"),
        (&["client", "--udp", "host:port"], "no port"),
        (&["serve", "--udp", "nowhere"], "ADDR:PORT"),
        (&["serve", "--max-clients", "many"], "max-clients"),
        (&["serve", "--threads", "0"], "1 to 65535"),
        (&["listen"], "listen"),
        (&[], "say what to run"),
    ] {
        let finished = Process::start(arguments).finish();
        assert_eq!((finished.code, finished.output.len()), (Some(2), 0), "{arguments:?}");
        assert!(finished.errors.join(" ").contains(part), "{arguments:?}: {finished:?}");
    }
}

#[test]
fn host_without_address_is_told_with_code_1() {
    // The name is too long for DNS, so no name server is asked.
    let host = "x".repeat(300);
    let finished = Process::start(&["client", "--udp", &host]).finish();
    assert_eq!((finished.code, finished.errors.len()), (Some(1), 1));
    assert!(finished.errors[0].contains(&host), "{finished:?}");
}
