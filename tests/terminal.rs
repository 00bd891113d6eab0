//! The relay client at a terminal: what a person sees, byte by byte.
#![cfg(not(loom))]

use tests::process::Server;
use tests::terminal::Terminal;
use tests::udp::{Client, message};

/// A client of this relay at a terminal, when it has said that the relay answers.
fn client(relay: &Server) -> Terminal {
    let mut terminal = Terminal::start(&["client", "--udp", &relay.udp.to_string()]);
    terminal.find(" answers\r\n] ");
    terminal
}

#[test]
fn prompt_invites_and_messages_come_above_it() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let mut terminal = client(&relay);
    terminal.type_keys("hello\n");
    // The terminal echoes what is typed; then the prompt comes, and then the message takes its place.
    let seen = terminal.find(">: hello\r\n] ");
    assert!(seen.starts_with("hello\r\n] \r\u{1b}[K<From 127.0.0.1:"), "{seen:?}");
    terminal.type_keys(&format!("{}\n", "x".repeat(1_025)));
    terminal.find("at most 1024\r\n] ");
    // Nothing but the echo of what is typed next stands behind the one prompt.
    terminal.type_keys("again\n");
    assert_eq!(terminal.find("again\r\n"), "again\r\n");
}

#[test]
fn what_comes_from_the_network_cannot_act_on_the_terminal() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let mut terminal = client(&relay);
    let attacker = Client::greeted("127.0.0.1:0", relay.udp);
    attacker.send(&[message(1, "\u{1b}]0;title\u{7}\u{9b}2J\u{202e}end")]);
    terminal.find(">: \u{fffd}]0;title\u{fffd}\u{fffd}2J\u{fffd}end\r\n] ");
}

#[test]
fn end_of_input_leaves_at_once_even_after_something_was_typed() {
    let relay = Server::start("127.0.0.1:0", &[]);
    let mut terminal = client(&relay);
    terminal.type_keys("hello\n");
    terminal.find(">: hello\r\n] ");
    // Ctrl-D.
    terminal.type_keys("\u{4}");
    assert_eq!(terminal.finish(), Some(0));
}
