//! `chat-host client --udp`.

use crate::{client_process, relay};
use chat_core::relay::{Message, PROTOCOL};
use nix::sys::signal::Signal;
use std::net::UdpSocket;
use tests::process::{Process, Server};
use tests::udp::{Client, GREETING, datagram, message};

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

/// A client that has said one line to a relay from which it hears what another says, and then nothing. (Where nothing is heard at all,
/// the client ends because nobody answers, at about the same time.)
fn unanswered(arguments: &[&str]) -> (UdpSocket, Process) {
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    relay.set_read_timeout(Some(tests::DEADLINE)).unwrap();
    let place = relay.local_addr().unwrap().to_string();
    let mut client = Process::start(&[&["client", "--udp", &place], arguments].concat());
    let (_, source) = relay.recv_from(&mut [0; 1_500]).unwrap();
    let text = chat_core::text::Text::new("from another").unwrap();
    let sender = "192.0.2.1:9".parse().unwrap();
    relay.send_to(&datagram(&[Message::Incoming { number: 0, sender, text }]), source).unwrap();
    client.output.find("from another");
    client.write(b"hello?\n");
    (relay, client)
}

#[test]
fn message_that_does_not_come_back_is_told_and_ends_with_code_1() {
    let (_relay, mut client) = unanswered(&[]);
    client.end_input();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output.len()), (Some(1), 0));
    // Once, by the line with which the client ends.
    let told: Vec<_> = finished.errors.iter().filter(|line| line.contains("confirmed")).collect();
    assert!(told.len() == 1 && told[0].starts_with("chat-host: 1 line was not sent, or not confirmed"), "{finished:?}");
}

#[test]
fn message_that_does_not_come_back_is_told_at_once_while_more_may_be_said() {
    let (_relay, mut client) = unanswered(&[]);
    client.errors.find("warning: 1 message was not confirmed");
    client.end_input();
    assert_eq!(client.finish().code, Some(1));
    // A program is told of each once, whenever it is.
    let (_relay, mut client) = unanswered(&["--json"]);
    client.end_input();
    let finished = client.finish();
    let told = finished.output.iter().filter(|line| line.contains(r#""event":"unconfirmed""#)).count();
    assert_eq!((finished.code, told, finished.errors.len()), (Some(1), 1, 1), "{finished:?}");
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
