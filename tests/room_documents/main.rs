//! Compares docs/room-protocol.md with the code.
#![cfg(not(loom))]

mod limits; // limits and timers
mod messages; // dumps, framing, tags
mod refusals; // what a client does when it is refused
mod requirements; // requirement numbers, stages, sections
mod transcripts; // the worked transcripts

use chat_core::frame::{Decoder, Frame};
use chat_core::room::client::{Client, Config};
use chat_core::room::{Message, Token};
use chat_core::time::Instant;
use chat_core::username::Username;
use tests::room::WELCOME;
use tests::workspace::read;

/// The token of the dumps.
const TOKEN: Token = [0x9d, 0x2f, 0x6b, 0x01, 0xe4, 0xc8, 0x7a, 0x55, 0x08, 0xf3, 0xb1, 0xd0, 0x6e, 0x9a, 0x4c, 0x27];

/// The epoch of the dumps.
const EPOCH: u64 = 2_250_212_641_586_079_240;

/// When the WELCOME of the dumps was written.
const WELCOME_MS: i64 = 1_750_000_005_000;

/// The text of docs/room-protocol.md.
fn document() -> String {
    read("docs/room-protocol.md")
}

/// A message in two forms: as the document dumps it, and as it travels.
fn encode(message: &Message<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut frame = Frame::EMPTY;
    let stuffed = frame.encode(message).unwrap().to_vec();
    (unstuff(&stuffed), stuffed)
}

/// The bytes of the one message of this frame.
fn unstuff(mut stuffed: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new();
    let message = decoder.next_frame(&mut stuffed).unwrap().unwrap().to_vec();
    assert_eq!(decoder.next_frame(&mut stuffed), None);
    message
}

/// The client's engine, whose first connection is open; with `was_in` it was let in, lost that connection, and opened another.
fn client_that_asks(was_in: bool) -> Client {
    let now = Instant::from_millis(0);
    let mut client = Client::new(Config::DEFAULT, now, 1, Username::new("ann").unwrap(), TOKEN);
    let drain = |client: &mut Client| while client.poll_output().is_some() {};
    for connection in 0..=u32::from(was_in) {
        client.handle_timeout(client.poll_timeout().unwrap());
        client.handle_connected(now);
        drain(&mut client);
        if was_in && connection == 0 {
            client.handle_bytes(now, &mut &*encode(&Message::Welcome(WELCOME)).1);
            drain(&mut client);
            client.handle_disconnected(now);
            drain(&mut client);
        }
    }
    client
}
