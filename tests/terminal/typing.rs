//! A line that is being typed.

use crate::{FIRST, ann, say};
use nix::sys::signal::Signal;
use tests::tcp::Connection;
use tests::terminal::Terminal;

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
    let wrapped = |number: u32| [format!("[time] bob: line {number}"), ten.clone()];
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
