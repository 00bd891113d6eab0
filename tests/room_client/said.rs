//! What a client of a room says, and what becomes of it.

use chat_core::room::{Kind, Message, Welcome};
use serde_json::{Value, json};
use tests::room::{ScriptedRoom, WELCOME};

#[test]
fn script_says_its_lines_as_they_are_and_waits_for_the_last_to_come_back() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    client.write("/me waves\n\n//x\r\n❤".as_bytes());
    client.end_input();
    let (mut guest, ..) = room.welcome(WELCOME);
    for (sequence, number, text) in [(2, 1, "/me waves"), (3, 2, "//x"), (4, 3, "❤")] {
        assert_eq!(guest.hear_say(), (number, Kind::Plain, text.to_owned()));
        guest.said(sequence, number, "ann", text);
    }
    guest.check_leave();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output.len()), (Some(0), 3));
}

#[test]
fn text_that_is_too_long_for_this_room_is_told_and_not_sent() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    let (mut guest, ..) = room.welcome(Welcome { text_bytes_max: 4, ..WELCOME });
    // The client knows the limit once it has shown what came behind the welcome.
    guest.said(2, 1, "bob", "here");
    client.output.find("bob: here");
    client.write(b"hello\nhi\n");
    client.end_input();
    let (number, _, text) = guest.hear_say();
    assert_eq!(text, "hi");
    guest.said(3, number, "ann", &text);
    guest.check_leave();
    let finished = client.finish();
    assert!(finished.errors.iter().any(|line| line.contains("5 bytes") && line.contains("at most 4")), "{finished:?}");
    assert_eq!(finished.code, Some(1));
}

#[test]
fn message_whose_text_the_server_changes_is_known_all_the_same() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    client.write(b"damn\n");
    client.end_input();
    let (mut guest, ..) = room.welcome(WELCOME);
    assert_eq!(guest.hear_say().2, "damn");
    guest.said(2, 1, "ann", "****");
    guest.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn message_that_does_not_come_back_is_told_and_ends_with_code_1() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    client.write(b"one\ntwo\n");
    client.end_input();
    let (mut guest, ..) = room.welcome(WELCOME);
    guest.hear_say();
    guest.hear_say();
    guest.said(2, 1, "ann", "one");
    // A message of another member confirms nothing.
    guest.said(3, 2, "Ann", "two");
    guest.check_leave();
    let finished = client.finish();
    assert_eq!((finished.code, finished.output.len()), (Some(1), 2));
    let line = finished.errors.last().unwrap();
    assert!(line.contains("1 of 2 lines") && line.contains(&room.address), "{line}");
}

#[test]
fn programs_are_told_how_many_messages_were_not_confirmed() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&["--json"]);
    client.write(b"one\n");
    client.end_input();
    let (mut guest, ..) = room.welcome(WELCOME);
    guest.hear_say();
    guest.check_leave();
    let finished = client.finish();
    let last: Value = serde_json::from_str(finished.output.last().unwrap()).unwrap();
    assert_eq!((finished.code, last), (Some(1), json!({ "event": "unconfirmed", "count": 1, "server": room.address })));
}

#[test]
fn at_most_16_messages_are_under_way() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    client.write("x\n".repeat(20).as_bytes());
    client.end_input();
    let (mut guest, ..) = room.welcome(WELCOME);
    for number in 1..=16 {
        assert_eq!(guest.hear_say().0, number);
    }
    guest.send(&Message::Ping);
    assert!(guest.hear(|message| message == Some(Message::Pong)));
    guest.said(2, 4, "ann", "x");
    for number in 17..=20 {
        assert_eq!(guest.hear_say().0, number);
    }
    guest.said(3, 20, "ann", "x");
    guest.check_leave();
    assert_eq!(client.finish().code, Some(0));
}

#[test]
fn lines_that_cannot_be_sent_are_told_and_the_rest_is_sent() {
    let room = ScriptedRoom::new();
    let mut client = room.client(&[]);
    client.write(&[b"x".repeat(1_025).as_slice(), b"\ngr\xfc\xdfe\nok\n"].concat());
    client.end_input();
    let (mut guest, ..) = room.welcome(WELCOME);
    assert_eq!(guest.hear_say(), (1, Kind::Plain, "ok".to_owned()));
    guest.said(2, 1, "ann", "ok");
    guest.check_leave();
    let finished = client.finish();
    assert_eq!(finished.code, Some(1));
    for part in ["line 1 was not sent", "line 2 was not sent", "2 of 3 lines"] {
        assert!(finished.errors.iter().any(|line| line.contains(part)), "{part}: {finished:?}");
    }
}
