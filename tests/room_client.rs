//! `chat-host client --tcp` as its users run it, against a server that sends what the test tells it to send.
#![cfg(not(loom))]

use chat_core::frame::{Decoder, Frame};
use chat_core::refusal::RefusalReason;
use chat_core::room::message::VERSION;
use chat_core::room::{Kind, Message, Names, Seen, Sequence, Token, Welcome};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use tests::DEADLINE;
use tests::process::{Finished, Process, RoomServer};
use tests::terminal::Terminal;
use tests::workspace::program;

/// A server that sends what the test tells it to send.
struct Script {
    listener: TcpListener,
    address: String,
}

/// The server's end of one connection.
struct Peer {
    stream: TcpStream,
    decoder: Decoder,
    unread: Vec<u8>,
}

/// The WELCOME of a room of two members without messages.
const WELCOME: Welcome = Welcome {
    version: VERSION,
    epoch: 77,
    next: Sequence(2),
    messages: 0,
    head: Sequence(2),
    taken: 0,
    history: 0,
    members: 2,
    announced_members_max: 64,
    time_ms: 0,
    time_trusted: true,
    text_bytes_max: 1_024,
    rate_burst: 10,
    rate_per_second: 5,
    ping_ms: 30_000,
    gone_ms: 75_000,
};

/// A time long ago: 2023-11-14 in UTC, and a day later at most in other time zones.
const LONG_AGO_MS: i64 = 1_700_000_000_000;

impl Script {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { listener, address }
    }

    /// Starts a client of this server, with the name ann.
    fn client(&self, arguments: &[&str]) -> Process {
        Process::start(&[&["client", "--tcp", &self.address, "--name", "ann"], arguments].concat())
    }

    /// Accepts the next connection.
    fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Peer { stream, decoder: Decoder::new(), unread: Vec::new() }
    }

    /// Accepts the next connection, reads its Join, and answers with this welcome.
    fn welcome(&self, welcome: Welcome) -> (Peer, Token, Option<Seen>) {
        let mut peer = self.accept();
        let (name, token, seen) = peer.hear_join();
        assert_eq!(name, "ann");
        peer.send(&Message::Welcome(welcome));
        if welcome.history == 0 {
            peer.send(&Message::HistoryEnd);
        }
        (peer, token, seen)
    }

    /// Runs a client, refuses it, and waits for its end.
    fn refuse(&self, reason: RefusalReason, arguments: &[&str]) -> Finished {
        let mut client = self.client(arguments);
        let mut peer = self.accept();
        peer.hear_join();
        peer.send(&Message::Refused { reason });
        client.finish()
    }
}

impl Peer {
    fn send(&mut self, message: &Message<'_>) {
        self.stream.write_all(Frame::EMPTY.clone().encode(message).unwrap()).unwrap();
    }

    /// Sends a SAID of this member.
    fn said(&mut self, sequence: u64, number: u32, name: &str, text: &str) {
        let (sequence, sent_ms, kind) = (Sequence(sequence), LONG_AGO_MS, Kind::Plain);
        self.send(&Message::Said { sequence, sent_ms, number, kind, name, text });
    }

    /// Reads the next frame from the client; `None` at the end.
    fn hear<T>(&mut self, take: impl FnOnce(Option<Message<'_>>) -> T) -> T {
        loop {
            let mut input = self.unread.as_slice();
            let frame = self.decoder.next_frame(&mut input).map(|frame| frame.unwrap().to_vec());
            self.unread = input.to_vec();
            if let Some(frame) = frame {
                return take(Some(Message::decode(&frame).unwrap()));
            }
            let mut buffer = [0; 4_096];
            match self.stream.read(&mut buffer).unwrap() {
                0 => return take(None),
                length => self.unread.extend_from_slice(&buffer[..length]),
            }
        }
    }

    fn hear_join(&mut self) -> (String, Token, Option<Seen>) {
        self.hear(|message| match message {
            Some(Message::Join { version: VERSION, token, seen, name }) => (name.to_owned(), token, seen),
            other => panic!("JOIN expected, not {other:?}"),
        })
    }

    fn hear_say(&mut self) -> (u32, Kind, String) {
        self.hear(|message| match message {
            Some(Message::Say { number, kind, text }) => (number, kind, text.to_owned()),
            other => panic!("SAY expected, not {other:?}"),
        })
    }

    /// Checks that the client sends Leave and closes. Pings that come before are passed over: a client that waits for an answer sends them.
    fn check_leave(mut self) {
        while self.hear(|message| match message {
            Some(Message::Ping) => true,
            other => {
                assert_eq!(other, Some(Message::Leave));
                false
            }
        }) {}
        assert!(self.hear(|message| message.is_none()));
    }
}

/// The next event of a client with `--json`.
fn event(client: &Process) -> Value {
    serde_json::from_str(&client.output.next().expect("the client runs on")).unwrap()
}

/// A line without its stamp, which depends on where and when the test runs.
fn unstamped(line: &str) -> &str {
    let (stamp, rest) = line.split_once("] ").unwrap_or_else(|| panic!("{line:?} has no stamp"));
    assert!(stamp.starts_with("[2023-11-1") && stamp.len() == "[2023-11-14 22:13:20".len(), "{line}");
    rest
}

// --- what is shown ---

#[test]
fn history_messages_joins_and_leaves_are_shown_in_their_places() {
    let script = Script::new();
    let mut client = script.client(&[]);
    let (mut peer, _, seen) = script.welcome(Welcome { history: 2, next: Sequence(9), messages: 5, ..WELCOME });
    assert_eq!(seen, None);
    peer.said(4, 1, "bob", "old");
    peer.said(7, 2, "bob", "older");
    peer.send(&Message::HistoryEnd);
    peer.send(&Message::Joined { sequence: Sequence(9), name: "carl" });
    peer.said(10, 3, "bob", "hi");
    let (sequence, sent_ms, kind) = (Sequence(11), LONG_AGO_MS, Kind::Action);
    peer.send(&Message::Said { sequence, sent_ms, number: 1, kind, name: "carl", text: "waves" });
    peer.send(&Message::Left { sequence: Sequence(12), name: "carl" });
    let shown = [(); 4].map(|()| client.output.next().unwrap());
    assert_eq!(shown.each_ref().map(|line| unstamped(line)), ["bob: old", "bob: older", "bob: hi", "* carl waves"]);
    client.end_input();
    peer.check_leave();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output), (Some(0), vec![]));
    // A member that joins and leaves within two seconds is not shown.
    assert_eq!(finished.errors, ["-- 2 messages before you came; 2 members --"]);
}

#[test]
fn arrival_and_departure_that_last_are_told() {
    let script = Script::new();
    let mut client = script.client(&[]);
    let (mut peer, ..) = script.welcome(WELCOME);
    peer.send(&Message::Joined { sequence: Sequence(2), name: "carl" });
    client.errors.find("-> carl");
    peer.send(&Message::Left { sequence: Sequence(3), name: "carl" });
    client.errors.find("<- carl");
    client.end_input();
    peer.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn message_of_today_is_shown_with_the_time_alone() {
    let script = Script::new();
    let client = script.client(&[]);
    let (mut peer, ..) = script.welcome(WELCOME);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let sent_ms = i64::try_from(now.as_millis()).unwrap();
    peer.send(&Message::Said {
        sequence: Sequence(2),
        sent_ms,
        number: 1,
        kind: Kind::Plain,
        name: "bob",
        text: "now",
    });
    let line = client.output.next().unwrap();
    // Around midnight the stamp may be yesterday's.
    assert!(
        line.len() == "[00:00:00] bob: now".len() || line.len() == "[2000-01-01 00:00:00] bob: now".len(),
        "{line}"
    );
}

#[test]
fn json_has_an_event_for_everything() {
    let script = Script::new();
    let mut client = script.client(&["--json"]);
    let (mut peer, ..) = script.welcome(Welcome { history: 1, messages: 1, time_trusted: false, ..WELCOME });
    peer.said(1, 1, "bob", "old");
    peer.send(&Message::HistoryEnd);
    client.write(b"mine\n");
    assert_eq!(peer.hear_say(), (1, Kind::Plain, "mine".to_owned()));
    peer.said(2, 1, "ann", "mine");
    peer.send(&Message::Joined { sequence: Sequence(3), name: "carl" });
    peer.send(&Message::Left { sequence: Sequence(4), name: "carl" });
    peer.send(&Message::Lagged { messages: 3 });
    peer.said(9, 1, "\x1b\u{202e}", "\u{200b}");
    let server = script.address.as_str();
    let message = |sequence: u64, name: &str, text: &str, own: bool, history: bool| {
        json!({
            "event": "message", "sequence": sequence, "sent_ms": LONG_AGO_MS, "number": 1, "name": name, "text": text,
            "action": false, "own": own, "history": history
        })
    };
    for expected in [
        json!({
            "event": "welcome", "server": server, "name": "ann", "members": 2, "history": 1, "time_ms": 0,
            "time_trusted": false
        }),
        message(1, "bob", "old", false, true),
        json!({ "event": "history_end", "messages": 1, "members": 2 }),
        message(2, "ann", "mine", true, false),
        json!({ "event": "joined", "name": "carl" }),
        json!({ "event": "left", "name": "carl" }),
        json!({ "event": "lagged", "messages": 3 }),
        message(9, "\x1b\u{202e}", "\u{200b}", false, false),
    ] {
        assert_eq!(event(&client), expected);
    }
    client.write(b"no\n");
    let (number, ..) = peer.hear_say();
    peer.send(&Message::Unsaid { number, reason: RefusalReason::TextOverlong });
    assert_eq!(event(&client), json!({ "event": "unsaid", "number": 2, "reason": 31 }));
    drop(peer);
    let (peer, ..) = script.welcome(Welcome { head: Sequence(10), next: Sequence(10), messages: 6, ..WELCOME });
    assert_eq!(event(&client)["event"], "broken");
    let back = event(&client);
    assert_eq!((&back["event"], &back["missed"], &back["restarted"]), (&"back".into(), &0.into(), &false.into()));
    client.end_input();
    peer.check_leave();
    assert_eq!(client.finish().code, Some(1));
}

#[test]
fn what_comes_from_the_network_is_never_shown_raw() {
    let script = Script::new();
    let mut client = script.client(&[]);
    let (mut peer, ..) = script.welcome(WELCOME);
    peer.said(2, 1, "a\x1b[2Jb\n", "\u{202e}evil\x07");
    assert_eq!(unstamped(&client.output.next().unwrap()), "a\u{fffd}[2Jb ⏎ : \u{fffd}evil\u{fffd}");
    peer.send(&Message::Joined { sequence: Sequence(3), name: "\x1b" });
    assert_eq!(client.errors.find("->"), "-> \u{fffd}");
    client.end_input();
    peer.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn clock_that_the_server_does_not_trust_is_told_once() {
    let script = Script::new();
    let mut client = script.client(&[]);
    let untrusted = Welcome { time_trusted: false, ..WELCOME };
    drop(script.welcome(untrusted));
    let (peer, ..) = script.welcome(untrusted);
    let before: Vec<_> =
        std::iter::from_fn(|| client.errors.next()).take_while(|line| !line.contains("back")).collect();
    assert_eq!(before.iter().filter(|line| line.contains("clock")).count(), 1, "{before:?}");
    client.end_input();
    peer.check_leave();
    let errors = client.finish().errors;
    assert!(!errors.iter().any(|line| line.contains("clock")), "{errors:?}");
}

// --- what is said ---

#[test]
fn script_says_its_lines_as_they_are_and_waits_for_the_last_to_come_back() {
    let script = Script::new();
    let mut client = script.client(&[]);
    client.write("/me waves\n\n//x\r\n❤".as_bytes());
    client.end_input();
    let (mut peer, ..) = script.welcome(WELCOME);
    for (sequence, number, text) in [(2, 1, "/me waves"), (3, 2, "//x"), (4, 3, "❤")] {
        assert_eq!(peer.hear_say(), (number, Kind::Plain, text.to_owned()));
        peer.said(sequence, number, "ann", text);
    }
    peer.check_leave();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output.len()), (Some(0), 3));
}

#[test]
fn text_that_is_too_long_for_this_room_is_told_and_not_sent() {
    let script = Script::new();
    let mut client = script.client(&[]);
    let (mut peer, ..) = script.welcome(Welcome { text_bytes_max: 4, ..WELCOME });
    // The client knows the limit once it has shown what came behind the welcome.
    peer.said(2, 1, "bob", "here");
    client.output.find("bob: here");
    client.write(b"hello\nhi\n");
    client.end_input();
    let (number, _, text) = peer.hear_say();
    assert_eq!(text, "hi");
    peer.said(3, number, "ann", &text);
    peer.check_leave();
    let finished = client.finish();
    assert!(finished.errors.iter().any(|line| line.contains("5 bytes") && line.contains("at most 4")), "{finished:?}");
    assert_eq!(finished.code, Some(1));
}

#[test]
fn message_whose_text_the_server_changes_is_known_all_the_same() {
    let script = Script::new();
    let mut client = script.client(&[]);
    client.write(b"damn\n");
    client.end_input();
    let (mut peer, ..) = script.welcome(WELCOME);
    assert_eq!(peer.hear_say().2, "damn");
    peer.said(2, 1, "ann", "****");
    peer.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn message_that_does_not_come_back_is_told_and_ends_with_code_1() {
    let script = Script::new();
    let mut client = script.client(&[]);
    client.write(b"one\ntwo\n");
    client.end_input();
    let (mut peer, ..) = script.welcome(WELCOME);
    peer.hear_say();
    peer.hear_say();
    peer.said(2, 1, "ann", "one");
    // A message of another member confirms nothing.
    peer.said(3, 2, "Ann", "two");
    peer.check_leave();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output.len()), (Some(1), 2));
    let line = finished.errors.last().unwrap();
    assert!(line.contains("1 of 2 lines") && line.contains(&script.address), "{line}");
}

#[test]
fn programs_are_told_how_many_messages_were_not_confirmed() {
    let script = Script::new();
    let mut client = script.client(&["--json"]);
    client.write(b"one\n");
    client.end_input();
    let (mut peer, ..) = script.welcome(WELCOME);
    peer.hear_say();
    peer.check_leave();
    let finished = client.finish();
    let last: Value = serde_json::from_str(finished.output.last().unwrap()).unwrap();
    assert_eq!(
        (finished.code, last),
        (Some(1), json!({ "event": "unconfirmed", "count": 1, "server": script.address }))
    );
}

#[test]
fn at_most_16_messages_are_under_way() {
    let script = Script::new();
    let mut client = script.client(&[]);
    client.write("x\n".repeat(20).as_bytes());
    client.end_input();
    let (mut peer, ..) = script.welcome(WELCOME);
    for number in 1..=16 {
        assert_eq!(peer.hear_say().0, number);
    }
    peer.send(&Message::Ping);
    assert!(peer.hear(|message| message == Some(Message::Pong)));
    peer.said(2, 4, "ann", "x");
    for number in 17..=20 {
        assert_eq!(peer.hear_say().0, number);
    }
    peer.said(3, 20, "ann", "x");
    peer.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn lines_that_cannot_be_sent_are_told_and_the_rest_is_sent() {
    let script = Script::new();
    let mut client = script.client(&[]);
    client.write(&[b"x".repeat(1_025).as_slice(), b"\ngr\xfc\xdfe\nok\n"].concat());
    client.end_input();
    let (mut peer, ..) = script.welcome(WELCOME);
    assert_eq!(peer.hear_say(), (1, Kind::Plain, "ok".to_owned()));
    peer.said(2, 1, "ann", "ok");
    peer.check_leave();
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    for part in ["line 1 was not sent", "line 2 was not sent", "2 of 3 lines"] {
        assert!(finished.errors.iter().any(|line| line.contains(part)), "{part}: {finished:?}");
    }
}

// --- refusals ---

#[test]
fn refused_client_says_why_by_whom_and_what_to_do() {
    let script = Script::new();
    let finished = script.refuse(RefusalReason::NameTaken, &[]);
    let line = format!(
        "chat-host: the room at {} refuses: the name is taken (reason 16); choose another with --name",
        script.address
    );
    assert_eq!((finished.code, finished.errors), (Some(1), vec![line]));
    let finished = script.refuse(RefusalReason::Full, &["--json"]);
    let event: Value = serde_json::from_str(&finished.output[0]).unwrap();
    assert_eq!(event, json!({ "event": "refused", "reason": 20, "server": script.address }));
}

#[test]
fn server_that_is_busy_is_asked_again() {
    let script = Script::new();
    let mut client = script.client(&[]);
    let mut peer = script.accept();
    let (_, first, _) = peer.hear_join();
    peer.send(&Message::Refused { reason: RefusalReason::Busy });
    assert!(client.errors.next().unwrap().contains("no room for one more connection"));
    let (peer, second, seen) = script.welcome(WELCOME);
    assert_eq!((second, seen), (first, None));
    client.end_input();
    peer.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn server_that_is_not_there_or_says_nothing_ends_a_script_with_code_1() {
    let script = Script::new();
    let mut client = script.client(&[]);
    client.write(b"hello?\n");
    let _silent = script.accept();
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors.last().unwrap().contains("does not answer"), "{finished:?}");
    let address = script.address.clone();
    drop(script);
    let finished = Process::start(&["client", "--tcp", &address, "--name", "ann"]).finish();
    assert_eq!((finished.code, finished.errors.len()), (Some(1), 1));
    for part in [address.as_str(), "connection refused", "check the address"] {
        assert!(finished.errors[0].contains(part), "{finished:?}");
    }
}

#[test]
fn server_of_another_protocol_is_given_up() {
    let script = Script::new();
    let mut client = script.client(&[]);
    for _ in 0..3 {
        let mut peer = script.accept();
        peer.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\0").unwrap();
        peer.stream.shutdown(Shutdown::Write).unwrap();
        peer.hear_join();
    }
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    assert!(finished.errors.last().unwrap().contains("cannot be understood"), "{finished:?}");
}

// --- the connection ---

#[test]
fn client_comes_back_with_its_token_and_says_again_only_what_was_not_taken() {
    let script = Script::new();
    let mut client = script.client(&[]);
    client.write(b"one\ntwo\n");
    let (mut peer, token, seen) = script.welcome(WELCOME);
    assert_eq!(seen, None);
    assert_eq!((peer.hear_say().0, peer.hear_say().0), (1, 2));
    peer.said(2, 1, "bob", "hi");
    client.output.find("bob: hi");
    drop(peer);
    let welcome = Welcome { next: Sequence(3), head: Sequence(4), messages: 1, taken: 1, ..WELCOME };
    let (mut peer, again, seen) = script.welcome(welcome);
    assert_eq!(again, token);
    assert_eq!(seen, Some(Seen { epoch: 77, sequence: Sequence(2), messages: 1 }));
    peer.said(3, 1, "ann", "one");
    assert_eq!(peer.hear_say(), (2, Kind::Plain, "two".to_owned()));
    peer.said(4, 2, "ann", "two");
    client.end_input();
    peer.check_leave();
    let finished = client.finish();
    let shown: Vec<_> = finished.output.iter().map(|line| unstamped(line)).collect();
    assert_eq!((finished.code, shown), (Some(0), vec!["ann: one", "ann: two"]));
    assert!(finished.errors[1].contains(&format!("no connection to the room at {}", script.address)), "{finished:?}");
    assert!(finished.errors[2].starts_with("-- back after ") && finished.errors[2].ends_with(", nothing missed --"));
}

#[test]
fn server_that_was_restarted_is_told_and_gets_what_it_did_not_confirm() {
    let script = Script::new();
    let mut client = script.client(&[]);
    client.write(b"one\n");
    let (mut peer, ..) = script.welcome(WELCOME);
    peer.hear_say();
    drop(peer);
    let (mut peer, ..) = script.welcome(Welcome { epoch: 78, ..WELCOME });
    assert_eq!(peer.hear_say(), (1, Kind::Plain, "one".to_owned()));
    peer.said(2, 1, "ann", "one");
    client.end_input();
    peer.check_leave();
    let finished = client.finish();
    assert_eq!(finished.code, Some(0));
    assert!(finished.errors[2].ends_with("the server was restarted: its history is gone --"), "{finished:?}");
}

#[test]
fn end_of_input_and_signals_leave_the_room() {
    let script = Script::new();
    for signal in [None, Some(Signal::SIGINT), Some(Signal::SIGTERM)] {
        let mut client = script.client(&[]);
        let (peer, ..) = script.welcome(WELCOME);
        client.errors.find("2 members");
        match signal {
            Some(signal) => client.signal(signal),
            None => client.end_input(),
        }
        peer.check_leave();
        assert_eq!(client.finish().code, Some(0), "{signal:?}");
    }
}

#[test]
fn reader_that_goes_away_makes_the_client_leave_quietly() {
    let script = Script::new();
    let mut client = Process::start_unread(&["client", "--tcp", &script.address, "--name", "ann"]);
    let (mut peer, ..) = script.welcome(WELCOME);
    client.errors.find("2 members");
    peer.said(2, 1, "bob", "to nobody");
    peer.check_leave();
    let finished = client.finish();
    assert_eq!((finished.code, finished.errors), (Some(0), vec![]));
}

#[test]
fn signal_ends_a_client_that_is_not_in_yet() {
    let script = Script::new();
    let mut client = script.client(&[]);
    let mut peer = script.accept();
    peer.hear_join();
    client.signal(Signal::SIGTERM);
    assert!(peer.hear(|message| message.is_none()));
    drop(peer);
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn name_that_was_taken_meanwhile_is_told_with_the_lines_that_were_not_said() {
    let script = Script::new();
    let mut client = script.client(&[]);
    let (peer, ..) = script.welcome(WELCOME);
    client.errors.find("2 members");
    drop(peer);
    client.errors.find("no connection");
    let mut peer = script.accept();
    client.write(b"important\n");
    peer.hear_join();
    peer.send(&Message::Refused { reason: RefusalReason::Busy });
    let mut peer = script.accept();
    peer.hear_join();
    peer.send(&Message::Refused { reason: RefusalReason::NameTaken });
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    assert_eq!(
        finished.errors,
        [
            "-- not confirmed: important --".to_owned(),
            format!(
                "chat-host: somebody else has taken the name ann in the room at {0} while this client was away; \
                 1 line was not sent, or not confirmed by the room at {0}",
                script.address
            )
        ]
    );
}

// --- usage ---

#[test]
fn name_comes_composed_from_the_option_or_the_environment() {
    let script = Script::new();
    for (arguments, user, expected) in [(&["--name", "Ju\u{308}rgen"][..], "eve", "J\u{fc}rgen"), (&[], "eve", "eve")] {
        let mut command = Command::new(program());
        command.args(["client", "--tcp", &script.address]).args(arguments).env("USER", user);
        let client = Process::start_command(&mut command);
        assert_eq!(script.accept().hear_join().0, expected);
        client.signal(Signal::SIGTERM);
    }
}

#[test]
fn wrong_usage_ends_with_code_2_and_one_line() {
    for (arguments, part) in [
        (&["client"][..], "--tcp HOST"),
        (&["client", "--tcp", "pi", "--udp", "pi"], "not both"),
        (&["client", "--udp", "pi", "--name", "ann"], "--name is for --tcp"),
        (&["client", "--tcp", "pi:0"], "no port"),
        (&["client", "--tcp", "pi", "--name", ""], "--name NAME"),
        (&["client", "--tcp", "pi", "--name", "a b"], "a character that names must not have"),
        (&["client", "--tcp", "pi", "--name", "-a"], "begins"),
        (&["client", "--tcp", "pi", "--name", "Bо\u{62}"], "mixes Latin"),
    ] {
        let finished = Process::start(arguments).finish();
        assert_eq!((finished.code, finished.output.len(), finished.errors.len()), (Some(2), 0, 1), "{arguments:?}");
        assert!(finished.errors[0].contains(part), "{arguments:?}: {finished:?}");
    }
}

// --- at a terminal ---

#[test]
fn person_at_a_terminal_has_commands_and_a_prompt() {
    let script = Script::new();
    let mut terminal = Terminal::start(&["client", "--tcp", &script.address, "--name", "ann"]);
    terminal.find("] ");
    let (mut peer, ..) = script.welcome(WELCOME);
    assert!(peer.hear(|message| message == Some(Message::Who { page: 0 })));
    let names = Names::new(b"\x03ann\x03bob").unwrap();
    peer.send(&Message::Members { page: 0, more: false, names });
    terminal.find("; 2 members: ann, bob; /help lists the commands --");
    terminal.type_keys("/me waves\n");
    assert_eq!(peer.hear_say(), (1, Kind::Action, "waves".to_owned()));
    peer.said(2, 1, "ann", "waves");
    terminal.type_keys("//etc\n");
    assert_eq!(peer.hear_say(), (2, Kind::Plain, "/etc".to_owned()));
    peer.said(3, 2, "ann", "/etc");
    terminal.type_keys("/join x\n");
    terminal.find("-- there is no /join");
    terminal.type_keys("/who\n");
    assert!(peer.hear(|message| message == Some(Message::Who { page: 0 })));
    peer.send(&Message::Members { page: 0, more: true, names });
    assert!(peer.hear(|message| message == Some(Message::Who { page: 1 })));
    peer.send(&Message::Members { page: 1, more: false, names: Names::new(b"").unwrap() });
    terminal.find("-- here: ann, bob --");
    peer.send(&Message::Joined { sequence: Sequence(4), name: "carl" });
    terminal.find("-> carl");
    terminal.type_keys("/quit\n");
    peer.check_leave();
    assert_eq!(terminal.finish(), Some(0));
}

// --- with the real server ---

#[test]
fn echo_in_a_script_reaches_the_room_and_its_history() {
    let server = RoomServer::start("127.0.0.1:0", &[]);
    let tcp = server.tcp.to_string();
    for (name, text) in [("bot", "hi"), ("bot", "hi"), ("ann", "there")] {
        let mut client = Process::start(&["client", "--tcp", &tcp, "--name", name]);
        client.write(format!("{text}\n").as_bytes());
        client.end_input();
        let finished = client.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.output.last().unwrap().ends_with(&format!("] {name}: {text}")), "{finished:?}");
    }
    let mut client = Process::start(&["client", "--tcp", &tcp, "--name", "eve"]);
    client.end_input();
    let finished = client.finish();
    let shown: Vec<_> = finished.output.iter().map(|line| line.split_once("] ").unwrap().1).collect();
    assert_eq!((finished.code, shown), (Some(0), vec!["bot: hi", "bot: hi", "ann: there"]));
    assert_eq!(finished.errors, ["-- 3 messages before you came; 1 member --"]);
}

#[test]
fn client_outlives_its_server() {
    let server = RoomServer::start("127.0.0.1:0", &[]);
    let tcp = server.tcp.to_string();
    let mut client = Process::start(&["client", "--tcp", &tcp, "--name", "ann"]);
    client.write(b"before\n");
    client.output.find("ann: before");
    server.stop(Signal::SIGTERM);
    client.errors.find("no connection");
    client.write(b"between\n");
    let _server = RoomServer::start(&tcp, &[]);
    client.output.find("ann: between");
    client.errors.find("the server was restarted");
    client.end_input();
    assert_eq!(client.finish().code, Some(0));
}
