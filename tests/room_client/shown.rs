//! What a client of a room shows.

use crate::unstamped;
use chat_core::refusal::RefusalReason;
use chat_core::room::{Kind, Message, Sequence, Welcome};
use serde_json::{Value, json};
use tests::process::Process;
use tests::room::{LONG_AGO_MS, ScriptedRoom, WELCOME};

/// The next event of a client with `--json`.
fn event(client: &Process) -> Value {
    serde_json::from_str(&client.output.next().expect("the client runs on")).unwrap()
}

#[test]
fn history_messages_joins_and_leaves_are_shown_in_their_places() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    let (mut guest, _, seen) = room.welcome(Welcome { history: 2, next: Sequence(9), messages: 5, ..WELCOME });
    assert_eq!(seen, None);
    guest.said(4, 1, "bob", "old");
    guest.said(7, 2, "bob", "older");
    guest.send(&Message::HistoryEnd);
    guest.send(&Message::Joined { sequence: Sequence(9), name: "carl" });
    guest.said(10, 3, "bob", "hi");
    let (sequence, sent_ms, kind) = (Sequence(11), LONG_AGO_MS, Kind::Action);
    guest.send(&Message::Said { sequence, sent_ms, number: 1, kind, name: "carl", text: "waves" });
    guest.send(&Message::Left { sequence: Sequence(12), name: "carl" });
    let shown = [(); 4].map(|()| client.output.next().unwrap());
    assert_eq!(shown.each_ref().map(|line| unstamped(line)), ["bob: old", "bob: older", "bob: hi", "* carl waves"]);
    client.end_input();
    guest.check_leave();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output), (Some(0), vec![]));
    // A member that joins and leaves within two seconds is not shown.
    assert_eq!(finished.errors, ["-- 2 messages before you came; 2 members --"]);
}

#[test]
fn arrival_and_departure_that_last_are_told() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    let (mut guest, ..) = room.welcome(WELCOME);
    guest.send(&Message::Joined { sequence: Sequence(2), name: "carl" });
    client.errors.find("-> carl");
    guest.send(&Message::Left { sequence: Sequence(3), name: "carl" });
    client.errors.find("<- carl");
    client.end_input();
    guest.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn message_of_today_is_shown_with_the_time_alone() {
    let room = ScriptedRoom::new();
    let client = room.client(&[]);
    let (mut guest, ..) = room.welcome(WELCOME);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let sent_ms = i64::try_from(now.as_millis()).unwrap();
    guest.send(&Message::Said {
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
fn kind_of_a_later_version_is_shown_as_plain() {
    let room = ScriptedRoom::new();
    let client = room.client(&[]);
    let (mut guest, ..) = room.welcome(WELCOME);
    let (sequence, sent_ms, kind) = (Sequence(2), LONG_AGO_MS, Kind::Other(200));
    guest.send(&Message::Said { sequence, sent_ms, number: 1, kind, name: "bob", text: "waves" });
    assert!(client.output.next().is_some_and(|line| line.ends_with("] bob: waves")));
}

#[test]
fn json_has_an_event_for_everything() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&["--json"]);
    let (mut guest, ..) = room.welcome(Welcome { history: 1, messages: 1, time_trusted: false, ..WELCOME });
    guest.said(1, 1, "bob", "old");
    guest.send(&Message::HistoryEnd);
    client.write(b"mine\n");
    assert_eq!(guest.hear_say(), (1, Kind::Plain, "mine".to_owned()));
    guest.said(2, 1, "ann", "mine");
    guest.send(&Message::Joined { sequence: Sequence(3), name: "carl" });
    guest.send(&Message::Left { sequence: Sequence(4), name: "carl" });
    guest.send(&Message::Lagged { messages: 3 });
    guest.said(9, 1, "\x1b\u{202e}", "\u{200b}");
    let server = room.address.as_str();
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
    let (number, ..) = guest.hear_say();
    guest.send(&Message::Unsaid { number, reason: RefusalReason::TextOverlong });
    assert_eq!(event(&client), json!({ "event": "unsaid", "number": 2, "reason": 31 }));
    drop(guest);
    let (guest, ..) = room.welcome(Welcome { head: Sequence(10), next: Sequence(10), messages: 6, ..WELCOME });
    assert_eq!(event(&client)["event"], "broken");
    let back = event(&client);
    assert_eq!((&back["event"], &back["missed"], &back["restarted"]), (&"back".into(), &0.into(), &false.into()));
    client.end_input();
    guest.check_leave();
    assert_eq!(client.finish().code, Some(1));
}

#[test]
fn what_comes_from_the_network_is_never_shown_raw() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    let (mut guest, ..) = room.welcome(WELCOME);
    guest.said(2, 1, "a\x1b[2Jb\n", "\u{202e}evil\x07");
    assert_eq!(unstamped(&client.output.next().unwrap()), "a\u{fffd}[2Jb ⏎ : \u{fffd}evil\u{fffd}");
    guest.send(&Message::Joined { sequence: Sequence(3), name: "\x1b" });
    assert_eq!(client.errors.find("->"), "-> \u{fffd}");
    client.end_input();
    guest.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn clock_that_the_server_does_not_trust_is_told_once() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    let untrusted = Welcome { time_trusted: false, ..WELCOME };
    drop(room.welcome(untrusted));
    let (guest, ..) = room.welcome(untrusted);
    let before: Vec<_> =
        std::iter::from_fn(|| client.errors.next()).take_while(|line| !line.contains("back")).collect();
    assert_eq!(before.iter().filter(|line| line.contains("clock")).count(), 1, "{before:?}");
    client.end_input();
    guest.check_leave();
    let errors = client.finish().errors;
    assert!(!errors.iter().any(|line| line.contains("clock")), "{errors:?}");
}
