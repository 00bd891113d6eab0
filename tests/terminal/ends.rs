//! How a client at a terminal ends, and how it is stopped and continued.

use crate::{FIRST, ann, say, somebody};
use nix::sys::signal::Signal;
use tests::process::RoomServer;
use tests::tcp::Connection;
use tests::terminal::Terminal;

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
fn stop_key_that_is_pressed_twice_stops_once() {
    let (_room, mut shell) = ann_under_a_shell(120, 20);
    shell.type_keys("half");
    shell.find("half");
    // With so much between them the client begins to stop before the second is looked at.
    let between = "x".repeat(60);
    shell.type_keys(&format!("\x1a{between}\x1a"));
    shell.find("$ ");
    shell.type_keys("fg\n");
    shell.find("] half");
    shell.type_keys(" a line\r");
    shell.find_on_screen(&format!("ann: half{between} a line"));
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
