//! A room client for tests: one connection, and the messages of the protocol.

use crate::DEADLINE;
use chat_core::frame::{Decoder, Frame};
use chat_core::room::message::VERSION;
use chat_core::room::{Kind, Message, Seen, Token, Welcome};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A connection to a room's server.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: TcpStream,
    /// Finds the frames.
    decoder: Decoder,
    /// Bytes that were read, with frames that were not taken yet.
    unread: Vec<u8>,
}

/// A message of a server, in words that tests compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The welcome.
    Welcome(Welcome),
    /// A frame of the journal, with its sequence number: `ann: text`, `* ann text`, `+ann`, `-ann`.
    Journal(u64, String),
    /// Any other message: `history end`, `lagged 3`, `refused 16`, `unsaid 2 30`, `unsupported 9`, `members ann bob`, `ping`, `pong`.
    Other(String),
    /// The server has closed the connection.
    Closed,
}

impl Connection {
    /// Connects, and sends nothing yet.
    pub fn new(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
        stream.set_write_timeout(Some(DEADLINE)).expect("the deadline is not zero");
        stream.set_nodelay(true).expect("it is TCP");
        Self { stream, decoder: Decoder::new(), unread: Vec::new() }
    }

    /// Sends one message.
    pub fn send(&mut self, message: &Message<'_>) {
        let mut frame = Frame::EMPTY;
        let bytes = frame.encode(message).expect("the message fits");
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// Sends a Join with this name.
    pub fn send_join(&mut self, name: &str, token: Token, seen: Option<Seen>) {
        self.send(&Message::Join { version: VERSION, token, seen, name });
    }

    /// Sends a Say with this number.
    pub fn say(&mut self, number: u32, text: &str) {
        self.send(&Message::Say { number, kind: Kind::Plain, text });
    }

    /// Makes the receive buffer small: it takes a few kilobytes that are not read, where the system would take megabytes.
    pub fn take_little(&self) {
        nix::sys::socket::setsockopt(&self.stream, nix::sys::socket::sockopt::RcvBuf, &4_096).expect("it is a socket");
    }

    /// Waits for the next message of the server.
    pub fn hear(&mut self) -> Heard {
        loop {
            let mut input = self.unread.as_slice();
            let heard = self.decoder.next_frame(&mut input).map(|frame| {
                to_words(
                    &Message::decode(frame.expect("the server sends whole frames")).expect("it sends what is known"),
                )
            });
            self.unread = input.to_vec();
            if let Some(heard) = heard {
                return heard;
            }
            let mut buffer = [0; 4_096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Heard::Closed,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Heard::Closed,
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
                Err(error) => panic!("the server says nothing: {error}"),
            }
        }
    }

    /// Waits for the welcome, and for the frames up to the end of the history.
    ///
    /// # Errors
    /// The reason of a refusal.
    pub fn hear_welcome(&mut self) -> Result<(Welcome, Vec<String>), String> {
        let welcome = match self.hear() {
            Heard::Welcome(welcome) => welcome,
            Heard::Other(words) => return Err(words),
            other => panic!("a welcome expected, not {other:?}"),
        };
        let mut history = Vec::new();
        loop {
            match self.hear() {
                Heard::Journal(_, words) => history.push(words),
                Heard::Other(words) if words == "history end" => break,
                other => panic!("history expected, not {other:?}"),
            }
        }
        assert_eq!(history.len(), usize::from(welcome.history));
        Ok((welcome, history))
    }

    /// The connection of a member that has joined with this name; the token is one byte repeated.
    pub fn joined(server: SocketAddr, name: &str, token: u8) -> Self {
        let mut connection = Self::new(server);
        connection.send_join(name, [token; 16], None);
        connection.hear_welcome().unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        connection
    }

    /// Waits for the next frame of the journal, in words. Every other message fails the test.
    pub fn hear_journal(&mut self) -> String {
        match self.hear() {
            Heard::Journal(_, words) => words,
            other => panic!("a frame of the journal expected, not {other:?}"),
        }
    }
}

/// Makes words of a stream's bytes, in whatever pieces they come.
#[derive(Debug, Default)]
pub struct Words(Decoder);

impl Words {
    /// What these bytes complete.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Heard> {
        let (mut input, mut heard) = (bytes, Vec::new());
        while let Some(frame) = self.0.next_frame(&mut input) {
            let frame = frame.expect("the server sends whole frames");
            heard.push(to_words(&Message::decode(frame).expect("it sends what is known")));
        }
        heard
    }
}

/// A message in words.
fn to_words(message: &Message<'_>) -> Heard {
    match *message {
        Message::Welcome(welcome) => Heard::Welcome(welcome),
        Message::Said { sequence, kind: Kind::Plain, name, text, .. } => {
            Heard::Journal(sequence.0, format!("{name}: {text}"))
        }
        Message::Said { sequence, name, text, .. } => Heard::Journal(sequence.0, format!("* {name} {text}")),
        Message::Joined { sequence, name } => Heard::Journal(sequence.0, format!("+{name}")),
        Message::Left { sequence, name } => Heard::Journal(sequence.0, format!("-{name}")),
        Message::HistoryEnd => Heard::Other("history end".to_owned()),
        Message::Lagged { messages } => Heard::Other(format!("lagged {messages}")),
        Message::Refused { reason } => Heard::Other(format!("refused {}", u16::from(reason))),
        Message::Unsaid { number, reason } => Heard::Other(format!("unsaid {number} {}", u16::from(reason))),
        Message::Unsupported { tag } => Heard::Other(format!("unsupported {tag}")),
        Message::Members { names, .. } => {
            Heard::Other(format!("members {}", names.iter().collect::<Vec<_>>().join(" ")))
        }
        Message::Ping => Heard::Other("ping".to_owned()),
        Message::Pong => Heard::Other("pong".to_owned()),
        Message::Join { .. } | Message::Observe { .. } | Message::Say { .. } | Message::Who { .. } | Message::Leave => {
            panic!("a server does not send {message:?}")
        }
    }
}
