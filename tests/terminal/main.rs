//! Clients at a terminal: the whole screen that a person sees, by a terminal emulator.
#![cfg(not(loom))]

mod ends; // ends, stops, and what was not confirmed then
mod pastes; // texts that are pasted
mod shown; // what is shown
mod typing; // a line that is being typed

use chat_core::room::{Kind, Message};
use tests::process::{RoomServer, Server};
use tests::tcp::Connection;
use tests::terminal::Terminal;

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
    terminal.find("commands");
    (relay, terminal)
}

/// Says something as another member, which stays in the room.
fn say(connection: &mut Connection, number: u32, text: &str) {
    connection.send(&Message::Say { number, kind: Kind::Plain, text });
}
