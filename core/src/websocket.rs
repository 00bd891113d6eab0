//! The server's end of a WebSocket (RFC 6455): binary messages carry the bytes of the room's stream, in whatever pieces
//! (docs/room-protocol.md section 11). The handshake is HTTP, and not spoken here.
//!
//! [`WebSocket`] stands between a socket and a [`Connection`](crate::room::server::Connection), which sees the bytes of a stream and
//! knows nothing of it. What came is unmasked in place; what goes gets a header before it and is not copied. Nothing is collected:
//! messages have no meaning of their own here, so fragments are passed on as they come. Extensions are not spoken.
//!
//! Drain order: after [`WebSocket::handle_bytes`], and whenever the stream has bytes to be sent, write what [`WebSocket::poll_output`]
//! says and tell [`WebSocket::handle_sent`] how much was written, until nothing is left or not all was written. Once
//! [`WebSocket::end`] is something, [`WebSocket::close`], drain, and close the socket.

mod reader;
mod writer;

pub use writer::Output;

use reader::{Control, Reader};
use writer::Writer;

/// The subprotocol whose binary messages carry the bytes of the room's stream, version 1.
pub const SUBPROTOCOL: &str = "chat-host.room.1";

/// The framing of one WebSocket, in both directions.
#[derive(Debug, Default, Clone)]
pub struct WebSocket {
    /// What comes.
    reader: Reader,
    /// What goes.
    writer: Writer,
    /// Why nothing is taken any more.
    end: Option<End>,
}

/// Why a WebSocket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The other side closes it, and is answered with this code.
    Closed(CloseCode),
    /// The other side does what it must not do, and is told by this code.
    Violated(CloseCode),
}

/// Why a WebSocket is closed, as a number (RFC 6455 section 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// All is done.
    pub const NORMAL: Self = Self(1000);
    /// The other side breaks the protocol's rules.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// A text message: only binary ones are taken.
    pub const UNSUPPORTED: Self = Self(1003);
    /// A reason that is not UTF-8.
    pub const INVALID: Self = Self(1007);
    /// A frame longer than [`WEBSOCKET_FRAME_BYTES_MAX`](crate::limits::WEBSOCKET_FRAME_BYTES_MAX).
    pub const OVERLONG: Self = Self(1009);

    /// Whether it may stand in a close frame.
    const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl WebSocket {
    /// A WebSocket right behind its handshake.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what was read. The stream's bytes stand at the front of `bytes` then; gives how many. Pings are answered in what is
    /// sent next. Behind the end nothing is taken. Work is bounded by the length of `bytes`.
    pub fn handle_bytes(&mut self, bytes: &mut [u8]) -> usize {
        let (mut at, mut length) = (0, 0);
        while at < bytes.len() && self.end.is_none() {
            let (used, kept) = match self.reader.take(&mut bytes[at..]) {
                Ok(taken) => taken,
                Err(code) => {
                    self.end = Some(End::Violated(code));
                    break;
                }
            };
            bytes.copy_within(at + used - kept..at + used, length);
            length += kept;
            at += used;
            match self.reader.poll_control() {
                Some(Control::Ping) => self.answer(),
                Some(Control::Close(reason)) => self.end = Some(reader::closed(reason)),
                None => {}
            }
        }
        length
    }

    /// Answers the ping that was not answered yet, if there is room for that now. Its payload stays with the reader until then: a
    /// second buffer would be a sixth of what an idle member costs.
    fn answer(&mut self) {
        if let Some(echo) = self.reader.ping()
            && self.writer.answer(echo)
        {
            self.reader.forget_ping();
        }
    }

    /// Why nothing is taken any more.
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    /// Ends it from here, or answers the other side's end. Behind it no bytes of the stream are sent any more.
    pub const fn close(&mut self) {
        let code = match self.end {
            Some(End::Closed(code) | End::Violated(code)) => code,
            None => CloseCode::NORMAL,
        };
        self.writer.close(code);
    }

    /// What is to be written next, while the stream offers so many bytes. 0 says that it has nothing at the moment, and stands between
    /// two frames of the room.
    pub fn poll_output(&mut self, offered: usize) -> Output<'_> {
        self.answer();
        self.writer.poll(offered)
    }

    /// This many bytes of what [`WebSocket::poll_output`] gave last were written. Gives how many of them are behind the own bytes.
    pub fn handle_sent(&mut self, count: usize) -> usize {
        self.writer.handle_sent(count)
    }

    /// Whether something is to be written although the stream offers nothing.
    pub fn owes(&self) -> bool {
        self.writer.owes() || (self.writer.is_open() && self.reader.ping().is_some())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::limits::{WEBSOCKET_FRAME_BYTES_MAX, WEBSOCKET_SEND_BYTES_MAX};
    use std::vec::Vec;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// A frame as a client sends it, with this first byte.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = std::vec![first];
        match u16::try_from(payload.len()) {
            Ok(length @ 0..=125) => bytes.push(0x80 | u8::try_from(length).unwrap()),
            Ok(length) => {
                bytes.push(0x80 | 126);
                bytes.extend(length.to_be_bytes());
            }
            Err(_) => {
                bytes.push(0x80 | 127);
                bytes.extend((payload.len() as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(payload.iter().enumerate().map(|(index, byte)| byte ^ MASK[index % 4]));
        bytes
    }

    /// Hands bytes in, in pieces of this length; gives the stream's.
    fn hear(socket: &mut WebSocket, bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        for piece in bytes.chunks(piece) {
            let mut piece = piece.to_vec();
            let length = socket.handle_bytes(&mut piece);
            heard.extend_from_slice(&piece[..length]);
        }
        heard
    }

    /// All that a socket sends of itself and of this stream, while at most `step` bytes are taken at a time.
    fn send(socket: &mut WebSocket, stream: &[u8], step: usize) -> Vec<u8> {
        let (mut bytes, mut sent) = (Vec::new(), 0);
        loop {
            let Output { head, payload, padding } = socket.poll_output(stream.len() - sent);
            let offered = [head, &stream[sent..sent + payload], &std::vec![0; padding]].concat();
            if offered.is_empty() {
                return bytes;
            }
            let count = offered.len().min(step);
            bytes.extend_from_slice(&offered[..count]);
            let behind = socket.handle_sent(count);
            sent += if payload > 0 { behind } else { 0 };
        }
    }

    /// The frames of a server: first byte and payload of each.
    fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut frames = Vec::new();
        while let [first, second, rest @ ..] = bytes {
            let (length, rest) = match *second {
                126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
                length @ 0..=125 => (usize::from(length), rest),
                _ => panic!("no server sends {second:#x}"),
            };
            frames.push((*first, rest[..length].to_vec()));
            bytes = &rest[length..];
        }
        frames
    }

    #[test]
    fn example_of_the_rfc_is_unmasked() {
        // Section 5.7: a masked "Hello", here as a binary message.
        let mut socket = WebSocket::new();
        let bytes = [0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(hear(&mut socket, &bytes, 100), b"Hello");
        assert_eq!(socket.end(), None);
    }

    #[test]
    fn messages_of_all_lengths_are_taken_in_whatever_pieces_they_come() {
        for length in [0, 1, 2, 3, 4, 5, 125, 126, 127, 1_205, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
            let bytes = [frame(0x82, &payload), frame(0x82, b"x")].concat();
            for piece in [1, 2, 7, 4_096, bytes.len()] {
                let heard = hear(&mut WebSocket::new(), &bytes, piece);
                assert_eq!(heard, [&payload[..], b"x"].concat(), "{length} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn fragments_are_passed_on_with_a_ping_between_them() {
        let bytes = [frame(0x02, b"He"), frame(0x89, b"you"), frame(0x00, b""), frame(0x80, b"llo")].concat();
        for piece in 1..bytes.len() {
            let mut socket = WebSocket::new();
            assert_eq!(hear(&mut socket, &bytes, piece), b"Hello");
            assert_eq!(frames(&send(&mut socket, b"", 100)), [(0x8a, b"you".to_vec())]);
        }
    }

    #[test]
    fn what_breaks_the_rules_ends_with_its_code_and_what_came_before_is_kept() {
        let reserved = |first| frame(first, b"");
        let long = |length: u64| [&[0x82, 0xff][..], &length.to_be_bytes(), &MASK].concat();
        let cases = [
            ("unmasked", std::vec![0x82, 0x05, b'H'], 1002),
            ("reserved bit 1", reserved(0xc2), 1002),
            ("reserved bit 2", reserved(0xa2), 1002),
            ("reserved bit 3", reserved(0x92), 1002),
            ("reserved opcode 3", reserved(0x83), 1002),
            ("reserved opcode 11", reserved(0x8b), 1002),
            ("text", frame(0x81, b"hello"), 1003),
            ("continuation of nothing", frame(0x80, b"llo"), 1002),
            ("message in a message", [frame(0x02, b""), frame(0x82, b"llo")].concat(), 1002),
            ("ping in fragments", frame(0x09, b""), 1002),
            ("ping of 126 bytes", frame(0x89, &[0; 126]), 1002),
            ("length in a longer form, 16 bits", std::vec![0x82, 0xfe, 0, 125, 0, 0, 0, 0], 1002),
            ("length in a longer form, 64 bits", long(65_535), 1002),
            ("length with the top bit", long(1 << 63), 1002),
            ("frame too long", long(WEBSOCKET_FRAME_BYTES_MAX as u64 + 1), 1009),
            ("close with half a code", frame(0x88, &[3]), 1002),
            ("close with a code that must not be sent", frame(0x88, &1005_u16.to_be_bytes()), 1002),
            ("close with a reason that is not UTF-8", frame(0x88, &[0x03, 0xe8, 0xff]), 1007),
        ];
        for (name, bytes, code) in cases {
            let bytes = [frame(0x82, b"before"), bytes, frame(0x82, b"behind")].concat();
            for piece in [1, 3, bytes.len()] {
                let mut socket = WebSocket::new();
                assert_eq!(hear(&mut socket, &bytes, piece), b"before", "{name}");
                assert_eq!(socket.end(), Some(End::Violated(CloseCode(code))), "{name}");
                socket.close();
                let sent = frames(&send(&mut socket, b"never", 100));
                assert_eq!(sent, [(0x88, code.to_be_bytes().to_vec())], "{name}");
                assert!(!socket.owes());
            }
        }
    }

    #[test]
    fn close_is_answered_once_with_its_code() {
        let goodbye = [&4000_u16.to_be_bytes()[..], "grüß dich".as_bytes()].concat();
        for (payload, code) in [(&[][..], 1000), (&goodbye, 4000)] {
            let mut socket = WebSocket::new();
            let bytes = [frame(0x89, b"ping"), frame(0x88, payload), frame(0x82, b"behind")].concat();
            assert_eq!(hear(&mut socket, &bytes, 3), b"");
            assert_eq!(socket.end(), Some(End::Closed(CloseCode(code))));
            socket.close();
            socket.close();
            let sent = frames(&send(&mut socket, b"never", 1));
            assert_eq!(sent, [(0x8a, b"ping".to_vec()), (0x88, code.to_be_bytes().to_vec())]);
        }
    }

    #[test]
    fn of_many_pings_the_first_and_the_last_are_answered_and_pongs_are_ignored() {
        let mut socket = WebSocket::new();
        // A pong between them, also behind the last, takes nothing away.
        let ping_and_pong = |index| [frame(0x89, &[index; 125]), frame(0x8a, b"pong")].concat();
        let pings: Vec<u8> = (0..=255).flat_map(ping_and_pong).collect();
        assert_eq!(hear(&mut socket, &[frame(0x8a, b"unasked"), pings].concat(), 50), b"");
        assert!(socket.owes());
        let sent = frames(&send(&mut socket, b"", 100));
        assert_eq!(sent, [(0x8a, [0; 125].to_vec()), (0x8a, [255; 125].to_vec())]);
        assert!(!socket.owes());
    }

    #[test]
    fn ping_that_waits_is_not_answered_behind_a_close_frame() {
        let mut socket = WebSocket::new();
        socket.poll_output(10);
        assert_eq!(socket.handle_sent(1), 0);
        hear(&mut socket, &[frame(0x89, b"late"), frame(0x88, &[])].concat(), 100);
        socket.close();
        let sent = send(&mut socket, b"0123456789", 3);
        // The frame that was begun is filled.
        assert_eq!(frames(&[&[0x82], &*sent].concat()), [(0x82, [0; 10].to_vec()), (0x88, [3, 232].to_vec())]);
        assert!(!socket.owes());
    }

    #[test]
    fn stream_is_cut_into_frames_of_bounded_length_wherever_writing_stops() {
        for length in [1, 125, 126, WEBSOCKET_SEND_BYTES_MAX, WEBSOCKET_SEND_BYTES_MAX + 1] {
            let stream: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
            for step in [1, 2, 3, 4, 5, 1_000, usize::MAX] {
                let mut socket = WebSocket::new();
                let sent = frames(&send(&mut socket, &stream, step));
                assert!(sent.iter().all(|(first, part)| *first == 0x82 && part.len() <= WEBSOCKET_SEND_BYTES_MAX));
                assert_eq!(sent.concat_payloads(), stream, "{length} in steps of {step}");
            }
        }
    }

    /// What frames hold, one behind the other.
    trait ConcatPayloads {
        fn concat_payloads(&self) -> Vec<u8>;
    }

    impl ConcatPayloads for Vec<(u8, Vec<u8>)> {
        fn concat_payloads(&self) -> Vec<u8> {
            self.iter().flat_map(|(_, payload)| payload.iter().copied()).collect()
        }
    }

    #[test]
    fn pong_waits_for_the_end_of_the_frame_that_is_being_sent() {
        for step in 1..12 {
            let mut socket = WebSocket::new();
            // Two bytes of header and 10 of payload: `step` of these 12 are written.
            let Output { head, payload, padding } = socket.poll_output(10);
            assert_eq!((head, payload, padding), (&[0x82, 10][..], 10, 0));
            let head = head.to_vec();
            let behind = socket.handle_sent(step);
            hear(&mut socket, &frame(0x89, b"now"), 100);
            let rest = send(&mut socket, &b"0123456789"[behind..], 100);
            let sent = [&head[..step.min(2)], &b"0123456789"[..behind], &rest].concat();
            assert_eq!(frames(&sent), [(0x82, b"0123456789".to_vec()), (0x8a, b"now".to_vec())], "{step}");
        }
    }

    #[test]
    fn frame_whose_stream_has_nothing_more_is_filled_with_delimiters() {
        let mut socket = WebSocket::new();
        socket.poll_output(10);
        assert_eq!(socket.handle_sent(2 + 4), 4);
        // The reader fell out of the ring: three bytes take the place of the other six.
        let Output { head, payload, padding } = socket.poll_output(3);
        assert_eq!((head, payload, padding), (&[][..], 3, 0));
        assert_eq!(socket.handle_sent(3), 3);
        assert!(socket.owes());
        assert_eq!(send(&mut socket, b"", 1), [0, 0, 0]);
        assert_eq!(frames(&send(&mut socket, b"next", 1)), [(0x82, b"next".to_vec())]);
    }

    #[test]
    fn random_bytes_never_give_more_than_came() {
        let mut state = 0x9e37_79b9_u32;
        for _ in 0..2_000 {
            let mut bytes = [0; 64];
            for byte in &mut bytes {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = state.to_be_bytes()[0];
            }
            // Mostly beginnings that are allowed.
            (bytes[0], bytes[1]) = (0x82, 0x80 | (bytes[1] & 0x1f));
            let mut socket = WebSocket::new();
            assert!(socket.handle_bytes(&mut bytes) <= 64 - 6);
            socket.close();
            assert!(send(&mut socket, b"", 7).len() <= 127 + 4);
        }
    }
}
