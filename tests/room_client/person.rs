//! A client of a room at a terminal.

use chat_core::room::{Kind, Message, Names, Sequence, Welcome};
use tests::room::{Guest, ScriptedRoom, WELCOME};
use tests::terminal::Terminal;

/// Answers the question who is here: ann and bob.
fn tell_members(guest: &mut Guest) {
    assert!(guest.hear(|message| message == Some(Message::Who { page: 0 })));
    let names = Names::new(b"\x03ann\x03bob").unwrap();
    guest.send(&Message::Members { page: 0, more: false, names });
}

#[test]
fn person_at_a_terminal_has_commands_and_a_prompt() {
    let room = ScriptedRoom::new();
    let mut terminal = Terminal::start_sized(120, 24, &["client", "--tcp", &room.address, "--name", "ann"]);
    terminal.find("] ");
    let (mut guest, ..) = room.welcome(WELCOME);
    tell_members(&mut guest);
    terminal.find("; 2 members: ann, bob; /help lists the commands --");
    terminal.type_keys("/me waves\n");
    assert_eq!(guest.hear_say(), (1, Kind::Action, "waves".to_owned()));
    guest.said(2, 1, "ann", "waves");
    terminal.type_keys("//etc\n");
    assert_eq!(guest.hear_say(), (2, Kind::Plain, "/etc".to_owned()));
    guest.said(3, 2, "ann", "/etc");
    terminal.type_keys("/join x\n");
    terminal.find("-- there is no /join");
    terminal.type_keys("/who\n");
    assert!(guest.hear(|message| message == Some(Message::Who { page: 0 })));
    let names = Names::new(b"\x03ann\x03bob").unwrap();
    guest.send(&Message::Members { page: 0, more: true, names });
    assert!(guest.hear(|message| message == Some(Message::Who { page: 1 })));
    guest.send(&Message::Members { page: 1, more: false, names: Names::new(b"").unwrap() });
    terminal.find("-- here: ann, bob --");
    guest.send(&Message::Joined { sequence: Sequence(4), name: "carl" });
    terminal.find("-> carl");
    terminal.type_keys("/quit\n");
    guest.check_leave();
    assert_eq!(terminal.finish(), Some(0));
}

#[test]
fn line_that_is_too_long_for_this_room_stays_with_the_reason() {
    let room = ScriptedRoom::new();
    let mut terminal = Terminal::start(&["client", "--tcp", &room.address, "--name", "ann"]);
    let (mut guest, ..) = room.welcome(Welcome { text_bytes_max: 4, ..WELCOME });
    tell_members(&mut guest);
    terminal.find_on_screen("2 members: ann, bob");
    terminal.type_keys("hello\rhi\r");
    assert_eq!(guest.hear_say(), (1, Kind::Plain, "hi".to_owned()));
    guest.said(2, 1, "ann", "hi");
    terminal.find_on_screen("] ann: hi");
    terminal.find_on_screen("] hello (not sent)");
    terminal.find_on_screen("-- not sent: it has 5 bytes; ");
    terminal.type_keys("/quit\r");
    guest.check_leave();
    assert_eq!(terminal.wait(), Some(1));
    terminal.find_on_screen("chat-host: 1 of 2 lines was not sent");
}
