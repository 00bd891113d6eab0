//! What a client at a terminal shows.

use crate::{FIRST, ann, say, somebody};
use tests::process::{Process, RoomServer, Server};
use tests::tcp::Connection;
use tests::terminal::Terminal;
use tests::udp::{Client, message};

#[test]
fn colors_are_there_unless_the_user_or_the_environment_does_not_want_them() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let udp = relay.udp.to_string();
    for (variables, options, colored, styled) in [
        (&[][..], &[][..], true, true),
        (&["NO_COLOR=1"], &[], false, true),
        (&["NO_COLOR="], &[], true, true),
        (&["NO_COLOR=1"], &["--color", "always"], true, true),
        (&["NO_COLOR=1"], &["--color=auto"], false, true),
        (&[], &["--color", "never"], false, true),
        (&["TERM=dumb"], &[], false, false),
        (&[], &["--plain"], false, false),
        (&["TERM=dumb"], &["--color", "always"], true, true),
    ] {
        let mut terminal = Terminal::start_in(variables, &[&["client", "--udp", &udp], options].concat());
        terminal.find("commands");
        Client::greeted("127.0.0.1:0", relay.udp).send(&[message(1, "hi")]);
        let written = terminal.find(": hi");
        let found = (written.contains("38;5;"), written.contains("\x1b["));
        assert_eq!(found, (colored, styled), "{variables:?} {options:?}: {written:?}");
    }
    // Without a terminal there are colours only where they are asked for.
    for (options, colored) in [(&[][..], false), (&["--color", "always"], true)] {
        let mut process = Process::start(&[&["client", "--udp", &udp], options].concat());
        process.write(b"hi\n");
        process.end_input();
        let finished = process.finish();
        assert_eq!(finished.output.concat().contains("38;5;"), colored, "{options:?}: {finished:?}");
    }
}

#[test]
fn commands_are_explained_and_not_sent() {
    let (_relay, mut terminal) = somebody(120, 12);
    terminal.type_keys("/join x\r");
    terminal.find_on_screen("-- there is no /join; /help lists the commands, //join says /join --");
    terminal.type_keys("/who\r");
    terminal.find_on_screen("-- a relay does not tell who is here; /who is for rooms --");
    terminal.type_keys("/me waves\r");
    terminal.find_on_screen("-- a relay knows no names, so /me is for rooms; say it in plain words --");
    terminal.find("plain words");
    terminal.type_keys("/me\r");
    terminal.find("-- a relay knows no names, so /me is for rooms; say it in plain words --");
    // What it does not have is not completed either.
    terminal.type_keys("/m\t\t\r");
    terminal.find_on_screen("-- there is no /m; ");
    terminal.type_keys("/h\t\t\r");
    terminal.find_on_screen("-- /quit ");
    terminal.type_keys("//etc\r");
    terminal.find_on_screen(">: /etc");
    terminal.type_keys("\x0c/help\r");
    terminal.find_on_screen("-- Ctrl-A");
    terminal.type_keys("/quit\r");
    assert_eq!(terminal.wait(), Some(0));
    let rows = terminal.screen();
    // The help of a relay has no commands that it would only explain away.
    assert!(!rows.iter().any(|row| row.starts_with("-- /who  ")), "{rows:#?}");
    assert!(!rows.iter().any(|row| row.starts_with(']')), "{rows:#?}");
}

#[test]
fn long_lines_end_between_words_at_every_width() {
    let (room, mut terminal) = ann(40, 16);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    let address = "https://example.org/a/very/long/address/of/a/page";
    say(&mut bob, 1, &format!("the boat leaves at eight 你好世界你好世界 👍🎉 {address} ok"));
    terminal.type_keys("half a word");
    let said = "[time] bob: the boat leaves at eight";
    // Of a word that no row holds the terminal makes rows, as of what is typed.
    let forty = [
        "-- you are ann in the room at",
        "ROOM; 1 member: ann; /help",
        "lists the commands --",
        said,
        "你好世界你好世界 👍🎉 https://example.or",
        "g/a/very/long/address/of/a/page ok",
        "] half a word",
    ];
    terminal.expect_screen(&forty, (6, 13));
    terminal.resize(20, 16);
    let twenty = [
        "-- you are ann in",
        "the room at",
        "ROOM; 1",
        "member: ann; /help",
        "lists the commands",
        "--",
        "[time] bob: the",
        "boat leaves at eight",
        "你好世界你好世界 👍",
        "🎉 https://example.o",
        "rg/a/very/long/addre",
        "ss/of/a/page ok",
        "] half a word",
    ];
    terminal.expect_screen(&twenty, (12, 13));
    terminal.resize(80, 16);
    let (begin, end) = (format!("{said} 你好世界你好世界 👍🎉"), format!("{address} ok"));
    let first = "-- you are ann in the room at ROOM; 1 member: ann; /help lists the";
    terminal.expect_screen(&[first, "commands --", &begin, &end, "] half a word"], (4, 13));
    terminal.resize(200, 16);
    terminal.expect_screen(&[FIRST, &format!("{begin} {end}"), "] half a word"], (2, 13));
    terminal.resize(40, 16);
    terminal.expect_screen(&forty, (6, 13));
}

#[test]
fn what_comes_from_the_network_cannot_act_on_the_terminal() {
    let (relay, mut terminal) = somebody(100, 8);
    let attacker = Client::greeted("127.0.0.1:0", relay.udp);
    attacker.send(&[message(1, "\u{1b}]0;title\u{7}\u{9b}2J\u{202e}end\n\tx")]);
    terminal.find("\x1b[m>: \u{fffd}]0;title\u{fffd}\u{fffd}2J\u{fffd}end ⏎     x\r\n");
}

#[test]
fn visitor_of_a_moment_is_not_shown_and_mentions_ring() {
    let (room, mut terminal) = ann(100, 8);
    let mut process = Process::start(&["client", "--tcp", &room.tcp.to_string(), "--name", "bot"]);
    process.write(b"hi ann\n");
    process.end_input();
    assert_eq!(process.finish().code, Some(0));
    terminal.find("\x07");
    terminal.expect_screen(&[FIRST, "[time] bot: hi ann", "]"], (2, 2));
    assert!(terminal.cell(1, 11).is_some_and(vt100::Cell::inverse), "who mentions ann is set off");
    let _bob = Connection::joined(room.tcp, "bob", 2);
    // The bot has left long before this.
    terminal.expect_screen(&[FIRST, "[time] bot: hi ann", "-> bob", "]"], (3, 2));
}

#[test]
fn who_speaks_at_once_is_not_announced_behind_his_words() {
    let (room, mut terminal) = ann(100, 8);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    say(&mut bob, 1, "hello");
    terminal.find_on_screen("bob: hello");
    let _carl = Connection::joined(room.tcp, "carl", 3);
    terminal.expect_screen(&[FIRST, "[time] bob: hello", "-> carl", "]"], (3, 2));
    drop(bob);
    terminal.expect_screen(&[FIRST, "[time] bob: hello", "-> carl", "<- bob", "]"], (4, 2));
}

#[test]
fn linear_mode_moves_no_cursor() {
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "off"]);
    let mut terminal = Terminal::start(&["client", "--tcp", &room.tcp.to_string(), "--name", "ann", "--plain"]);
    terminal.find("lists the commands --\r\n");
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    terminal.type_keys("hello\n");
    // The system shows what is typed in its own time, so what bob says waits for that.
    let typed = terminal.find("hello\r\n");
    assert_eq!(bob.hear_journal(), "ann: hello");
    say(&mut bob, 1, "hi");
    let written = typed + &terminal.find("bob: hi\r\n");
    assert!(!written.contains('\x1b'), "{written:?}");
    // The own line is on the screen once, where it was typed.
    assert_eq!(written.matches("hello").count(), 1, "{written:?}");
    terminal.type_keys("/who\n");
    terminal.find("-- here: ann, bob --\r\n");
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait(), Some(0));
}
