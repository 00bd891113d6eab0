//! Clients at a terminal: the whole screen that a person sees, by a terminal emulator.
#![cfg(not(loom))]

use chat_core::room::{Kind, Message};
use nix::sys::signal::Signal;
use tests::process::{Process, RoomServer, Server};
use tests::tcp::Connection;
use tests::terminal::Terminal;
use tests::udp::{Client, message};

/// A room with ann at a terminal of this size, once her first line is on the screen.
fn ann(columns: u16, rows: u16) -> (RoomServer, Terminal) {
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "off"]);
    let address = room.tcp.to_string();
    let mut terminal = Terminal::start_sized(columns, rows, &["client", "--tcp", &address, "--name", "ann"]);
    terminal.rename(&address, "ROOM");
    terminal.find_on_screen("-- you are ann");
    (room, terminal)
}

/// The first line of ann's screen.
const FIRST: &str = "-- you are ann in the room at ROOM; 1 member: ann; /help lists the commands --";

/// A relay with a client at a terminal of this size, once the relay has answered.
fn somebody(columns: u16, rows: u16) -> (Server, Terminal) {
    let relay = Server::start("127.0.0.1:0", &[]);
    let mut terminal = Terminal::start_sized(columns, rows, &["client", "--udp", &relay.udp.to_string()]);
    terminal.find("lists the commands");
    (relay, terminal)
}

/// Says something as another member, which stays in the room.
fn say(connection: &mut Connection, number: u32, text: &str) {
    connection.send(&Message::Say { number, kind: Kind::Plain, text });
}

// --- typing ---

#[test]
fn half_typed_line_stays_whole_while_messages_arrive() {
    let (room, mut terminal) = ann(100, 6);
    terminal.type_keys("see you at eight");
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    say(&mut bob, 1, "hello");
    terminal.expect_screen(&[FIRST, "[time] bob: hello", "] see you at eight"], (2, 18));
    for number in 2..=101 {
        say(&mut bob, number, &format!("line {number}"));
    }
    let last = ["97", "98", "99", "100", "101"].map(|number| format!("[time] bob: line {number}"));
    let mut expected: Vec<&str> = last.iter().map(String::as_str).collect();
    expected.push("] see you at eight");
    terminal.expect_screen(&expected, (5, 18));
    // Every line came once, and no line of the input area is left among them.
    let everything = terminal.everything();
    let lines: Vec<_> = everything.iter().filter(|row| row.contains("bob: line ")).collect();
    assert_eq!(lines.len(), 100, "{everything:#?}");
    assert_eq!(everything.iter().filter(|row| row.contains("see you")).count(), 1);
}

#[test]
fn counters_of_sigusr1_come_above_the_line_that_is_typed() {
    let (_room, mut terminal) = ann(100, 6);
    terminal.type_keys("half");
    terminal.find_on_screen("] half");
    terminal.signal(Signal::SIGUSR1);
    terminal.expect_screen(&[FIRST, "client: lines=0 lost=0 broken=0 ignored=0 malformed=0", "] half"], (2, 6));
}

#[test]
fn own_line_is_replaced_by_what_the_server_made_of_it() {
    let (_room, mut terminal) = ann(100, 6);
    terminal.type_keys("hello\r");
    terminal.expect_screen(&[FIRST, "[time] ann: hello", "]"], (2, 2));
    assert_eq!(terminal.everything().iter().filter(|row| row.contains("hello")).count(), 1);
    terminal.type_keys("/me waves\r");
    terminal.expect_screen(&[FIRST, "[time] ann: hello", "[time] * ann waves", "]"], (3, 2));
}

#[test]
fn keys_edit_the_line_and_never_go_out() {
    let (room, mut terminal) = ann(100, 8);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    for (keys, said) in [
        ("ab\x1b[D\x1b[Dc\r", "cab"),
        ("one two\x17three\x01zero \r", "zero one three"),
        ("abc\x02\x02\x0b\x19\x19\r", "abcbc"),
        ("x\x7fab\x14\r", "ba"),
        ("\x1b[A\r", "ba"),
        ("\x10\x10\x0e\r", "ba"),
    ] {
        terminal.type_keys(keys);
        assert_eq!(bob.hear_journal(), format!("ann: {said}"), "{keys:?}");
    }
    // A slow line delivers the bytes of an arrow key in pieces.
    terminal.type_keys("ab\x1b");
    terminal.type_keys("[Dc\r");
    assert_eq!(bob.hear_journal(), "ann: acb");
    terminal.type_keys("bo\t\thi\r");
    assert_eq!(bob.hear_journal(), "ann: bob: hi");
}

#[test]
fn long_line_of_wide_characters_stands_whole_and_wraps_at_the_border() {
    let (_room, mut terminal) = ann(20, 10);
    terminal.find("commands");
    let above = terminal.screen().len() - 1;
    // 19 cells fit beside the cursor; after 17 of them a wide character does not.
    terminal.type_keys("0123456789123456你好x");
    let rows = move |terminal: &Terminal| terminal.screen()[above..].to_vec();
    terminal.find_on_screen("你好x");
    assert_eq!(rows(&terminal), ["] 0123456789123456", "你好x"]);
    terminal.type_keys("e\u{301}👩\u{200d}👧!");
    terminal.find_on_screen("!");
    assert_eq!(rows(&terminal).len(), 2, "{:?}", rows(&terminal));
    // The cursor goes to the beginning, and back to the end.
    terminal.type_keys("\x01>");
    terminal.find_on_screen("] >0123456789123456");
    assert_eq!(rows(&terminal)[1].chars().next(), Some('你'));
}

#[test]
fn line_longer_than_the_screen_shows_the_part_with_the_cursor() {
    let (_room, mut terminal) = ann(40, 6);
    terminal.type_keys(&"0123456789".repeat(50));
    terminal.type_keys("end");
    terminal.find_on_screen("end");
    let rows = terminal.screen();
    assert_eq!(rows.len(), 6, "{rows:#?}");
    assert!(rows[5].ends_with("end") && rows[1..5].iter().all(|row| row.len() == 39), "{rows:#?}");
}

#[test]
fn resize_in_mid_line_loses_and_doubles_nothing() {
    let (room, mut terminal) = ann(100, 8);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    for number in 1..=12 {
        say(&mut bob, number, &format!("line {number} {}", "x".repeat(30)));
    }
    terminal.find_on_screen("line 12");
    terminal.type_keys("0123456789012345678901234567890123456789");
    terminal.find_on_screen("] 0123456789012345678901234567890123456789");
    terminal.resize(30, 8);
    let (ten, long) = ("x".repeat(30), "0123456789012345678901234567890123456789");
    let wrapped = |number: u32| {
        let line = format!("[00:00:00] bob: line {number} {ten}");
        [line[..30].replace("[00:00:00]", "[time]"), line[30..].to_owned()]
    };
    let lines: Vec<_> = [10, 11, 12].into_iter().flat_map(wrapped).collect();
    let mut expected: Vec<&str> = lines.iter().map(String::as_str).collect();
    let area = [format!("] {}", &long[..27]), long[27..].to_owned()];
    expected.extend(area.iter().map(String::as_str));
    terminal.expect_screen(&expected, (7, 13));
    terminal.resize(100, 8);
    let lines: Vec<_> = (7..=12).map(|number| format!("[time] bob: line {number} {ten}")).collect();
    let mut expected: Vec<&str> = lines.iter().map(String::as_str).collect();
    let typed = format!("] {long}");
    expected.push(&typed);
    terminal.expect_screen(&expected, (6, 42));
}

#[test]
fn line_that_is_too_long_is_counted_and_kept() {
    let (room, mut terminal) = ann(100, 20);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    terminal.type_keys(&"x".repeat(1_025));
    terminal.find_on_screen("1025/1024] x");
    terminal.type_keys("\r");
    terminal.find_on_screen("-- not sent: 1025 bytes, and a message has at most 1024; shorten it --");
    terminal.type_keys("\x7f\r");
    assert_eq!(bob.hear_journal(), format!("ann: {}", "x".repeat(1_024)));
}

// --- pastes ---

#[test]
fn paste_of_many_lines_is_asked_about() {
    let (room, mut terminal) = ann(100, 20);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    let lines = "one\ntwo\nthree\nfour\nfive\nsix";
    terminal.paste(lines);
    terminal.expect_screen(&[FIRST, "send these 6 lines? y/n"], (1, 24));
    terminal.type_keys("n");
    terminal.expect_screen(&[FIRST, "-- 6 lines not sent --", "]"], (2, 2));
    terminal.paste(lines);
    terminal.type_keys("y");
    for line in ["one", "two", "three", "four", "five"] {
        assert_eq!(bob.hear_journal(), format!("ann: {line}"));
    }
    // The last line had no line end.
    terminal.find_on_screen("] six");
}

#[test]
fn paste_of_a_few_lines_is_sent_at_once_and_control_characters_that_it_loses_are_told() {
    let (room, mut terminal) = ann(100, 20);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    terminal.paste("a\x1b[2Jb\x07\r\nc\n");
    assert_eq!(bob.hear_journal(), "ann: a[2Jb");
    assert_eq!(bob.hear_journal(), "ann: c");
    terminal.find_on_screen("-- 2 control characters of the paste left out --");
    // More that is pasted while a paste is asked about is treated alike.
    terminal.paste(&"x\n".repeat(6));
    terminal.find_on_screen("send these 6 lines? y/n");
    terminal.paste("y\x1bz\r\n");
    terminal.find_on_screen("-- 1 control character of the paste left out --");
    terminal.find_on_screen("send these 7 lines? y/n");
    terminal.paste(&"x\n".repeat(1_000));
    terminal.find_on_screen("-- 1007 lines pasted, at most 1000 can be");
}

#[test]
fn paste_that_is_not_bracketed_is_asked_about_too() {
    let (room, mut terminal) = ann(100, 20);
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    terminal.type_keys(&"line\r".repeat(10));
    terminal.find_on_screen("send these 10 lines? y/n");
    terminal.type_keys("y");
    for _ in 0..10 {
        assert_eq!(bob.hear_journal(), "ann: line");
    }
}

#[test]
fn interrupt_ends_a_paste_and_frees_the_name_within_a_second() {
    let room = RoomServer::start("127.0.0.1:0", &[]);
    let mut terminal = Terminal::start(&["client", "--tcp", &room.tcp.to_string(), "--name", "ann"]);
    terminal.find("lists the commands");
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    terminal.paste(&"line\n".repeat(40));
    terminal.find_on_screen("send these 40 lines?");
    terminal.type_keys("y");
    // Beyond the burst five lines a second are sent.
    for _ in 0..10 {
        assert_eq!(bob.hear_journal(), "ann: line");
    }
    let start = std::time::Instant::now();
    terminal.type_keys("\x03");
    let mut said = 10;
    loop {
        match bob.hear_journal().as_str() {
            "ann: line" => said += 1,
            "-ann" => break,
            other => panic!("{other}"),
        }
    }
    assert!(start.elapsed().as_secs_f64() < 1.0, "{:?}", start.elapsed());
    assert_eq!(terminal.wait(), Some(1));
    assert!(said < 13, "{said}");
    terminal.find_on_screen("of 40 lines were not sent, or not confirmed by the room");
}

// --- ends ---

#[test]
fn end_of_input_leaves_at_once_with_the_terminal_as_it_was() {
    let (relay, mut terminal) = somebody(100, 6);
    terminal.type_keys("hello\r");
    terminal.rename(&relay.udp.to_string(), "RELAY");
    terminal.find_on_screen(">: hello");
    assert!(!terminal.is_restored());
    // Ctrl-D.
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait(), Some(0));
    assert!(terminal.is_restored());
    let rows = terminal.screen();
    assert!(rows.len() == 3 && rows[2].ends_with(">: hello"), "{rows:#?}");
}

#[test]
fn signals_end_the_client_with_the_terminal_as_it_was() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let (_room, mut terminal) = ann(100, 6);
        terminal.type_keys("half a line");
        terminal.find_on_screen("half a line");
        terminal.signal(signal);
        assert_eq!(terminal.wait(), Some(0), "{signal}");
        assert!(terminal.is_restored(), "{signal}");
        assert_eq!(terminal.screen(), [FIRST]);
        let end = terminal.find("\x1b[?2004l");
        assert!(!end.contains("chat-host:"), "{end:?}");
    }
}

#[test]
fn lines_that_were_not_confirmed_are_told_at_the_interrupt() {
    let (room, mut terminal) = ann(100, 8);
    room.process.signal(Signal::SIGSTOP);
    terminal.type_keys("important\r");
    terminal.expect_screen(&[FIRST, "] important", "]"], (2, 2));
    assert!(terminal.cell(1, 2).is_some_and(vt100::Cell::dim), "what is on its way is dim");
    terminal.expect_screen(&[FIRST, "] important (not confirmed)", "]"], (2, 2));
    terminal.type_keys("\x03");
    assert_eq!(terminal.wait(), Some(1));
    terminal.expect_screen(
        &[FIRST, "] important (not confirmed)", "chat-host: 1 line was not sent, or not confirmed by the room at ROOM"],
        (3, 0),
    );
    room.process.signal(Signal::SIGCONT);
}

#[test]
fn commands_are_no_lines_that_were_not_sent() {
    let (room, mut terminal) = ann(100, 20);
    terminal.type_keys("/help\r/join x\rfirst\r");
    terminal.find_on_screen("ann: first");
    room.process.signal(Signal::SIGSTOP);
    terminal.type_keys("important\r/who\r");
    terminal.find_on_screen("] important (not confirmed)");
    terminal.type_keys("\x03");
    assert_eq!(terminal.wait(), Some(1));
    terminal.find_on_screen("chat-host: 1 of 2 lines was not sent, or not confirmed by the room at ROOM");
    room.process.signal(Signal::SIGCONT);
}

#[test]
fn line_that_comes_late_is_marked_right() {
    let (room, mut terminal) = ann(100, 8);
    room.process.signal(Signal::SIGSTOP);
    terminal.type_keys("late\r");
    terminal.expect_screen(&[FIRST, "] late (not confirmed)", "]"], (2, 2));
    room.process.signal(Signal::SIGCONT);
    terminal.expect_screen(&[FIRST, "[time] ann: late", "]"], (2, 2));
    terminal.type_keys("\x03");
    assert_eq!(terminal.wait(), Some(0));
}

/// A room with ann under a shell with job control, at a terminal of this size.
fn ann_under_a_shell(columns: u16, rows: u16) -> (RoomServer, Terminal) {
    let room = RoomServer::start("127.0.0.1:0", &["--rate", "off"]);
    let program = tests::workspace::program().display().to_string();
    let mut shell = Terminal::start_shell(columns, rows);
    shell.find("$ ");
    shell.type_keys("set -m\n");
    shell.find("$ ");
    shell.type_keys(&format!("{program} client --tcp {} --name ann\n", room.tcp));
    shell.find("lists the commands");
    (room, shell)
}

/// Types half a line, and stops the client.
fn stop_in_mid_line(shell: &mut Terminal) {
    shell.type_keys("half");
    shell.find("half");
    shell.type_keys("\x1a");
    shell.find("$ ");
}

#[test]
fn stop_and_continue_under_a_shell_keep_the_line_and_the_shell_its_terminal() {
    let (room, mut shell) = ann_under_a_shell(100, 12);
    stop_in_mid_line(&mut shell);
    // The shell has the terminal back: it echoes what is typed.
    shell.type_keys("echo $((40 + 2))\n");
    shell.find("42\r\n");
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    say(&mut bob, 1, "while stopped");
    // In the background the client is stopped again, and draws nothing.
    shell.type_keys("bg\n");
    shell.find("$ ");
    shell.type_keys("fg\n");
    shell.find("while stopped");
    shell.type_keys(" a line\r");
    assert_eq!(bob.hear_journal(), "bob: while stopped");
    assert_eq!(bob.hear_journal(), "ann: half a line");
    shell.find_on_screen("ann: half a line");
    shell.type_keys("\x04");
    shell.find("$ ");
    shell.type_keys("stty -a | grep -c -- '-icanon\\|-echo '\n");
    shell.find("0\r\n");
}

#[test]
fn client_that_was_stopped_for_a_while_comes_back_with_one_prompt() {
    let (_room, mut shell) = ann_under_a_shell(120, 20);
    stop_in_mid_line(&mut shell);
    shell.type_keys("sleep 0.5; fg\n");
    shell.find("] half");
    shell.type_keys(" a line\r");
    shell.find_on_screen("ann: half a line");
    let prompts: Vec<_> = shell.screen().into_iter().filter(|row| row.starts_with(']')).collect();
    assert_eq!(prompts, ["]"], "{:#?}", shell.screen());
}

#[test]
fn stop_without_a_shell_goes_on() {
    let (_room, mut terminal) = ann(100, 6);
    terminal.type_keys("ha\x1alf");
    terminal.expect_screen(&[FIRST, "] half"], (1, 6));
}

#[test]
fn panic_gives_the_terminal_back() {
    let mut terminal = Terminal::start_program(env!("CARGO_BIN_EXE_panic"));
    terminal.find("] ");
    assert!(!terminal.is_restored());
    terminal.type_keys("now\r");
    // Pastes come without brackets again, and the cursor is seen.
    terminal.find("\x1b[?2004l");
    terminal.find("\x1b[?25h");
    terminal.find("a fault that should not be, please report it: as the test wants");
    assert_eq!(terminal.wait(), Some(1));
    assert!(terminal.is_restored());
}

// --- what is shown ---

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
        terminal.find("lists the commands");
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
    terminal.type_keys("/me\r");
    terminal.find_on_screen("-- /me TEXT   say what you do");
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
    terminal.type_keys("hello\n");
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    say(&mut bob, 1, "hi");
    let written = terminal.find("bob: hi\r\n");
    assert!(!written.contains('\x1b'), "{written:?}");
    // The own line is on the screen once, where it was typed.
    assert_eq!(written.matches("hello").count(), 1, "{written:?}");
    terminal.type_keys("/who\n");
    terminal.find("-- here: ann, bob --\r\n");
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait(), Some(0));
}
