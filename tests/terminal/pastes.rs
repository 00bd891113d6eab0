//! Texts that are pasted.

use crate::{FIRST, ann};
use tests::process::RoomServer;
use tests::tcp::Connection;
use tests::terminal::Terminal;

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
    let mut bob = Connection::joined(room.tcp, "bob", 2);
    // One round suffices; on a machine that stands still for a second there are more.
    assert!((0..10).any(|_| is_interrupted_within_a_second(&room, &mut bob)));
}

/// Whether an interrupt frees the name within a second, while the room would take the rest of the paste for six.
fn is_interrupted_within_a_second(room: &RoomServer, bob: &mut Connection) -> bool {
    let mut terminal = Terminal::start(&["client", "--tcp", &room.tcp.to_string(), "--name", "ann"]);
    terminal.find("commands");
    assert_eq!(bob.hear_journal(), "+ann");
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
    let is_early = start.elapsed() < std::time::Duration::from_secs(1) && said < 13;
    assert_eq!(terminal.wait(), Some(1));
    assert!(said < 40, "{said}");
    terminal.find_on_screen("of 40 lines were not sent, or not confirmed by the room");
    is_early
}
