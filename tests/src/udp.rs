//! A relay client for tests: one socket, and the messages of the protocol.

use crate::DEADLINE;
use chat_core::datagram::{Datagram, open};
use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::relay::{Echo, Message, PROTOCOL};
use chat_core::text::Text;
use std::net::{SocketAddr, UdpSocket};

/// A socket connected to a relay.
#[derive(Debug)]
pub struct Client {
    /// The socket.
    pub socket: UdpSocket,
    /// The address at which the relay sees the socket.
    pub address: SocketAddr,
}

/// One INCOMING.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incoming {
    /// The number that the sender chose.
    pub number: u32,
    /// Where the relay saw the sender.
    pub sender: SocketAddr,
    /// What was said.
    pub text: String,
}

/// A datagram of these messages.
pub fn datagram(messages: &[Message<'_>]) -> Vec<u8> {
    let mut datagram = Datagram::EMPTY;
    datagram.begin(PROTOCOL);
    for message in messages {
        datagram.push(message).expect("they fit");
    }
    datagram.as_bytes().to_vec()
}

/// A MESSAGE.
pub fn message(number: u32, text: &str) -> Message<'_> {
    Message::Message { number, text: Text::new(text).expect("the text is allowed") }
}

/// A PROBE with this echo.
pub fn probe(echo: &[u8]) -> Message<'_> {
    Message::Probe { echo: Echo::new(echo).expect("the echo is short") }
}

/// A GREETING.
pub const GREETING: Message<'static> = Message::Greeting { features: 0 };

impl Client {
    /// A socket on this local address (port 0: any) that receives from this relay alone.
    pub fn new(local: &str, relay: SocketAddr) -> Self {
        let socket = UdpSocket::bind(local).unwrap_or_else(|error| panic!("{local}: {error}"));
        socket.connect(relay).expect("there is a way to the relay");
        socket.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
        let address = socket.local_addr().expect("the socket is bound");
        Self { socket, address }
    }

    /// A client that has greeted, once the relay has received its GREETING.
    pub fn greeted(local: &str, relay: SocketAddr) -> Self {
        let client = Self::new(local, relay);
        client.send(&[GREETING, probe(b"greeted")]);
        assert_eq!(client.probed(), b"greeted");
        client
    }

    /// Sends these messages in one datagram.
    pub fn send(&self, messages: &[Message<'_>]) {
        self.send_bytes(&datagram(messages));
    }

    /// Sends these bytes as one datagram.
    pub fn send_bytes(&self, bytes: &[u8]) {
        self.socket.send(bytes).expect("the relay's socket is open");
    }

    /// Waits for the next datagram, and returns its bytes.
    pub fn receive_bytes(&self) -> Vec<u8> {
        let mut buffer = [0; DATAGRAM_BYTES_MAX + 1];
        let length = self.socket.recv(&mut buffer).expect("a datagram within the deadline");
        buffer[..length].to_vec()
    }

    /// Waits for the next datagram, and returns its INCOMINGs; it must hold nothing else.
    pub fn receive(&self) -> Vec<Incoming> {
        incoming(&self.receive_bytes())
    }

    /// The INCOMINGs of all datagrams that are there already.
    pub fn receive_waiting(&self) -> impl Iterator<Item = Incoming> {
        let mut datagrams = Vec::new();
        let mut buffer = [0; DATAGRAM_BYTES_MAX + 1];
        self.socket.set_nonblocking(true).expect("the socket is open");
        while let Ok(length) = self.socket.recv(&mut buffer) {
            datagrams.push(buffer[..length].to_vec());
        }
        self.socket.set_nonblocking(false).expect("the socket is open");
        datagrams.into_iter().flat_map(|bytes| incoming(&bytes))
    }

    /// Waits for this many INCOMINGs, in whatever datagrams.
    pub fn receive_count(&self, count: usize) -> Vec<Incoming> {
        let mut received = Vec::new();
        while received.len() < count {
            received.extend(self.receive());
        }
        assert_eq!(received.len(), count, "more than expected: {received:?}");
        received
    }

    /// Waits for the next datagram, which must hold one PROBED, and returns its echo.
    pub fn probed(&self) -> Vec<u8> {
        let bytes = self.receive_bytes();
        let item = open(PROTOCOL, &bytes).expect("a relay datagram").next().expect("an item").expect("whole");
        match Message::decode(item) {
            Ok(Message::Probed { echo }) => echo.as_bytes().to_vec(),
            other => panic!("PROBED expected, not {other:?}"),
        }
    }

    /// Waits until the relay has handled all earlier datagrams, and checks that it sends nothing but the answer to a PROBE.
    pub fn check_nothing_came(&self) {
        self.send(&[probe(b"barrier")]);
        assert_eq!(self.probed(), b"barrier");
    }
}

/// The INCOMINGs of a datagram, which holds nothing else.
fn incoming(bytes: &[u8]) -> Vec<Incoming> {
    let items = open(PROTOCOL, bytes).expect("the relay sends what the protocol allows");
    let incoming = items.map(|item| match Message::decode(item.expect("items are whole")) {
        Ok(Message::Incoming { number, sender, text }) => Incoming { number, sender, text: text.as_str().to_owned() },
        other => panic!("INCOMING expected, not {other:?}"),
    });
    incoming.collect()
}
