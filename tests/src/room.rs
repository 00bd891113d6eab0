//! A room's server that sends what the test tells it to send.

use crate::DEADLINE;
use crate::process::{Finished, Process};
use chat_core::frame::{Decoder, Frame};
use chat_core::refusal::RefusalReason;
use chat_core::room::message::VERSION;
use chat_core::room::{Kind, Message, Seen, Sequence, Token, Welcome};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// The WELCOME of a room of two members without messages.
pub const WELCOME: Welcome = Welcome {
    version: VERSION,
    epoch: 77,
    next: Sequence(2),
    messages: 0,
    head: Sequence(2),
    taken: 0,
    history: 0,
    members: 2,
    announced_members_max: 64,
    time_ms: 0,
    time_trusted: true,
    text_bytes_max: 1_024,
    rate_burst: 10,
    rate_per_second: 5,
    ping_ms: 30_000,
    gone_ms: 75_000,
};

/// A time long ago: 2023-11-14 in UTC, and a day later at most in other time zones.
pub const LONG_AGO_MS: i64 = 1_700_000_000_000;

/// A server that sends what the test tells it to send.
#[derive(Debug)]
pub struct ScriptedRoom {
    /// Where it listens.
    listener: TcpListener,
    /// The same as text.
    pub address: String,
}

/// The server's end of one connection.
#[derive(Debug)]
pub struct Guest {
    /// The socket.
    pub stream: TcpStream,
    /// Finds the frames.
    decoder: Decoder,
    /// Bytes that were read, with frames that were not taken yet.
    unread: Vec<u8>,
}

impl Default for ScriptedRoom {
    fn default() -> Self {
        Self::new()
    }
}

impl ScriptedRoom {
    /// Listens at a free port.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there are free ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        Self { listener, address }
    }

    /// Starts a client of this server, with the name ann.
    pub fn client(&self, arguments: &[&str]) -> Process {
        Process::start(&[&["client", "--tcp", &self.address, "--name", "ann"], arguments].concat())
    }

    /// Accepts the next connection.
    pub fn accept(&self) -> Guest {
        let (stream, _) = self.listener.accept().expect("the socket is fine");
        stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
        Guest { stream, decoder: Decoder::new(), unread: Vec::new() }
    }

    /// Accepts the next connection, reads its Join, and answers with this welcome.
    pub fn welcome(&self, welcome: Welcome) -> (Guest, Token, Option<Seen>) {
        let mut guest = self.accept();
        let (name, token, seen) = guest.hear_join();
        assert_eq!(name, "ann");
        guest.send(&Message::Welcome(welcome));
        if welcome.history == 0 {
            guest.send(&Message::HistoryEnd);
        }
        (guest, token, seen)
    }

    /// Runs a client, refuses it, and waits for its end.
    pub fn refuse(&self, reason: RefusalReason, arguments: &[&str]) -> Finished {
        let mut client = self.client(arguments);
        let mut guest = self.accept();
        guest.hear_join();
        guest.send(&Message::Refused { reason });
        client.finish()
    }
}

impl Guest {
    /// Sends one message.
    pub fn send(&mut self, message: &Message<'_>) {
        let mut frame = Frame::EMPTY;
        let bytes = frame.encode(message).expect("the message fits");
        self.stream.write_all(bytes).expect("the client reads");
    }

    /// Sends a SAID of this member.
    pub fn said(&mut self, sequence: u64, number: u32, name: &str, text: &str) {
        let (sequence, sent_ms, kind) = (Sequence(sequence), LONG_AGO_MS, Kind::Plain);
        self.send(&Message::Said { sequence, sent_ms, number, kind, name, text });
    }

    /// Reads the next frame from the client; `None` at the end.
    pub fn hear<T>(&mut self, take: impl FnOnce(Option<Message<'_>>) -> T) -> T {
        loop {
            let mut input = self.unread.as_slice();
            let frame = self.decoder.next_frame(&mut input).map(|frame| frame.expect("it sends whole frames").to_vec());
            self.unread = input.to_vec();
            if let Some(frame) = frame {
                return take(Some(Message::decode(&frame).expect("it sends what is known")));
            }
            let mut buffer = [0; 4_096];
            match self.stream.read(&mut buffer).expect("the client says something") {
                0 => return take(None),
                length => self.unread.extend_from_slice(&buffer[..length]),
            }
        }
    }

    /// Reads a Join: its name, its token, and what the client has seen.
    pub fn hear_join(&mut self) -> (String, Token, Option<Seen>) {
        self.hear(|message| match message {
            Some(Message::Join { version: VERSION, token, seen, name }) => (name.to_owned(), token, seen),
            other => panic!("JOIN expected, not {other:?}"),
        })
    }

    /// Reads a Say: its number, its kind and its text.
    pub fn hear_say(&mut self) -> (u32, Kind, String) {
        self.hear(|message| match message {
            Some(Message::Say { number, kind, text }) => (number, kind, text.to_owned()),
            other => panic!("SAY expected, not {other:?}"),
        })
    }

    /// Checks that the client sends Leave and closes. Pings that come before are passed over: a client that waits for an answer sends them.
    pub fn check_leave(mut self) {
        while self.hear(|message| match message {
            Some(Message::Ping) => true,
            other => {
                assert_eq!(other, Some(Message::Leave));
                false
            }
        }) {}
        assert!(self.hear(|message| message.is_none()));
    }
}
