//! The relay from end to end: real processes on loopback, as their users run them.
#![cfg(not(loom))]

mod client; // `chat-host client --udp`
mod serving; // the server

use tests::process::{Process, Server};

/// A relay on any free port of loopback.
fn relay() -> Server {
    Server::start("127.0.0.1:0", &[])
}

/// A `chat-host client` of this relay whose GREETING the relay has received.
fn client_process(relay: &Server, arguments: &[&str]) -> Process {
    let before = relay.counters()["clients"];
    let client = Process::start(&[&["client", "--udp", &relay.udp.to_string()], arguments].concat());
    relay.wait_for("clients", |count| count > before);
    client
}
