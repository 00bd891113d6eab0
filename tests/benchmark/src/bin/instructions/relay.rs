//! What is counted of the relay.

use crate::TEXT;
use chat_core::datagram::Datagram;
use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::relay::server::{FixedRoster, Local, Server, Slot};
use chat_core::relay::{Message, PROTOCOL};
use chat_core::text::Text;
use std::hint::black_box;
use std::net::SocketAddr;

/// Clients of the relay.
const CLIENTS: u16 = 1_000;

/// One datagram of the relay is given to one more client: a thousandth of a MESSAGE to 1,000.
pub(super) fn fan_out(count: u32) {
    let (mut payloads, mut slots) = (vec![[0; DATAGRAM_BYTES_MAX]; 16], vec![Slot::EMPTY; 16]);
    let mut server = Server::new(FixedRoster::<1_024>::new(), &mut payloads, &mut slots);
    let mut datagram = Datagram::EMPTY;
    datagram.begin(PROTOCOL);
    let _ = datagram.push(&Message::Greeting { features: 0 });
    let address = |port| SocketAddr::from(([192, 0, 2, 1], 1_024 + port));
    for client in 0..CLIENTS {
        server.handle_datagram(address(client), Local::default(), datagram.as_bytes());
    }
    datagram.begin(PROTOCOL);
    if let Ok(text) = Text::new(TEXT) {
        let _ = datagram.push(&Message::Message { number: 1, text });
    }
    let mut given = 0;
    while given < count {
        server.handle_datagram(address(0), Local::default(), black_box(datagram.as_bytes()));
        loop {
            let sent = server.outputs().take(64).map(black_box).count();
            if sent == 0 {
                break;
            }
            server.handle_sent(sent);
            given += u32::try_from(sent).unwrap_or(u32::MAX);
        }
    }
}
