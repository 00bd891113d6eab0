//! The relay's server, with clients that are programs or bare sockets.

use crate::{client_process, relay};
use chat_core::relay::{Message, PROTOCOL};
use nix::sys::signal::Signal;
use std::collections::HashSet;
use std::time::Duration;
use tests::process::{Process, Server};
use tests::seed::Random;
use tests::udp::{Client, GREETING, Incoming, datagram, message, probe};

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
