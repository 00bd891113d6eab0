//! A browser's end of HTTP and WebSockets, of the test's own: requests as bytes, and frames as a hostile client would write them.

use crate::DEADLINE;
use crate::tcp::{self, Heard};
use chat_core::frame::Frame;
use chat_core::room::Message;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// What masks a client's frames; the same for all, because nobody is to be protected here.
pub const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

/// A handshake of a page of the server's own, as a browser sends it.
pub fn handshake(server: SocketAddr) -> String {
    format!(
        "GET /room HTTP/1.1\r\nHost: {server}\r\nOrigin: http://{server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat-host.room.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A connection on which nothing was sent yet.
pub fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    stream.set_write_timeout(Some(DEADLINE)).expect("the deadline is not zero");
    stream.set_nodelay(true).expect("it is TCP");
    stream
}

/// Sends these bytes on a new connection; gives all that is answered until the server closes.
pub fn exchange(server: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(server);
    // A server that refuses early does not read all.
    let _ = stream.write_all(bytes);
    read_to_end(&mut stream)
}

/// All that comes until the server closes.
pub fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the server does not close: {error}"),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A frame of a client with this first byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).expect("it is below 126")),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).expect("it has 16 bits").to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A WebSocket to a room.
#[derive(Debug)]
pub struct WebSocket {
    /// The socket.
    pub stream: TcpStream,
    /// What has come and was not taken.
    unread: Vec<u8>,
    /// Makes words of the stream's bytes.
    words: tcp::Words,
    /// What the room said and was not taken.
    heard: std::collections::VecDeque<Heard>,
}

/// What a server sends on a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// Bytes of the stream.
    Binary(Vec<u8>),
    /// The answer to a ping.
    Pong(Vec<u8>),
    /// It closes, with this code.
    Close(u16),
    /// The connection is closed.
    End,
}

impl WebSocket {
    /// Opens one.
    pub fn open(server: SocketAddr) -> Self {
        let mut stream = connect(server);
        stream.write_all(handshake(server).as_bytes()).expect("the server reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the server answers");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("a head is text");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        assert!(head.contains("Sec-WebSocket-Protocol: chat-host.room.1\r\n"), "{head}");
        Self { stream, unread: Vec::new(), words: tcp::Words::default(), heard: Default::default() }
    }

    /// A member that has joined under this name, with a token made of one byte.
    pub fn joined(server: SocketAddr, name: &str, token: u8) -> Self {
        let mut socket = Self::open(server);
        socket.send(&Message::Join {
            version: chat_core::room::message::VERSION,
            token: [token; 16],
            seen: None,
            name,
        });
        assert!(matches!(socket.hear(), Heard::Welcome(_)));
        while socket.hear() != Heard::Other("history end".to_owned()) {}
        socket
    }

    /// Sends one message of the room in one message of the WebSocket.
    pub fn send(&mut self, message: &Message<'_>) {
        let mut stuffed = Frame::EMPTY;
        let bytes = stuffed.encode(message).expect("the message fits").to_vec();
        self.write(&frame(0x82, &bytes));
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// The next frame of the server.
    pub fn receive(&mut self) -> Received {
        loop {
            if let Some((received, length)) = parse(&self.unread) {
                self.unread.drain(..length);
                return received;
            }
            let mut buffer = [0; 4_096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Received::End,
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Received::End,
                Ok(length) => self.unread.extend_from_slice(&buffer[..length]),
                Err(error) => panic!("the server says nothing: {error}"),
            }
        }
    }

    /// What the room says next.
    pub fn hear(&mut self) -> Heard {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return heard;
            }
            match self.receive() {
                Received::Binary(bytes) => self.heard.extend(self.words.take(&bytes)),
                Received::Pong(_) => {}
                Received::Close(_) | Received::End => return Heard::Closed,
            }
        }
    }

    /// What the journal says next, in words.
    pub fn hear_journal(&mut self) -> String {
        match self.hear() {
            Heard::Journal(_, words) => words,
            other => panic!("a frame of the journal expected, not {other:?}"),
        }
    }
}

/// The frame at the beginning of these bytes, and its length, if it is complete.
fn parse(bytes: &[u8]) -> Option<(Received, usize)> {
    let (&[first, second], rest) = bytes.split_first_chunk()?;
    assert!(second < 0x80, "a server masks nothing");
    let (length, header) = match second {
        126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
        127 => panic!("a server sends short frames"),
        length => (usize::from(length), 2),
    };
    let payload = bytes.get(header..header + length)?.to_vec();
    let received = match first {
        0x82 => Received::Binary(payload),
        0x8a => Received::Pong(payload),
        0x88 => Received::Close(u16::from_be_bytes([payload[0], payload[1]])),
        other => panic!("a server sends no frame that begins with {other:#x}"),
    };
    Some((received, header + length))
}
