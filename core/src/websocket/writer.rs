//! What a server sends on a WebSocket: headers before the stream's bytes, and control frames between two frames.
//!
//! A header promises how many bytes follow. Where the stream loses what was promised (a slow reader falls out of the journal, a member
//! is put out), the frame is filled with the room's delimiter, which may stand any number of times between two frames of the room
//! (ROOM-FRAME-5): a browser is given a message only when it is complete.

use super::CloseCode;
use super::reader::CONTROL_BYTES_MAX;
use crate::limits::WEBSOCKET_SEND_BYTES_MAX;
use heapless::Vec;

/// Longest header of what this side sends, in bytes.
const HEADER_BYTES_MAX: usize = 4;

/// Most own bytes that wait: a pong, and a close frame or a header.
const HEAD_BYTES_MAX: usize = 2 + CONTROL_BYTES_MAX + HEADER_BYTES_MAX;

// A header has 16 bits for the length at most.
const _: () = assert!(WEBSOCKET_SEND_BYTES_MAX <= u16::MAX as usize);

/// What is sent.
#[derive(Debug, Default, Clone)]
pub(super) struct Writer {
    /// Own bytes that are written before anything else.
    head: Vec<u8, HEAD_BYTES_MAX, u8>,
    /// Bytes of the stream that belong to the frame that was begun.
    left: u16,
    /// How far closing has got.
    closing: Closing,
}

/// How far closing has got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Closing {
    /// It is open.
    #[default]
    Open,
    /// A close frame is to be sent.
    Owed(CloseCode),
    /// The close frame is the last of what waits, or is sent.
    Told,
}

/// What is to be written, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output<'a> {
    /// Own bytes.
    pub head: &'a [u8],
    /// Behind them so many of the stream's bytes.
    pub payload: usize,
    /// Or so many bytes 0x00, which are not the stream's.
    pub padding: usize,
}

impl Writer {
    /// Answers a ping, unless something is being sent. Says whether that was possible.
    pub(super) fn answer(&mut self, echo: &[u8]) -> bool {
        let is_free = self.head.is_empty() && self.left == 0 && self.is_open();
        if is_free {
            // There is room for one pong, whose payload has at most 125 bytes.
            let _ = self.head.extend_from_slice(&[0x8a, u8::try_from(echo.len()).unwrap_or(0)]);
            let _ = self.head.extend_from_slice(echo);
        }
        is_free
    }

    /// Whether a close frame may still come behind what is sent.
    pub(super) const fn is_open(&self) -> bool {
        !matches!(self.closing, Closing::Told)
    }

    /// Sends a close frame, once.
    pub(super) const fn close(&mut self, code: CloseCode) {
        if matches!(self.closing, Closing::Open) {
            self.closing = Closing::Owed(code);
        }
    }

    /// What is to be written next.
    pub(super) fn poll(&mut self, offered: usize) -> Output<'_> {
        if self.left == 0 {
            self.push_close();
            self.begin(offered);
        }
        let is_ended = offered == 0 || self.closing != Closing::Open;
        let left = usize::from(self.left);
        let (payload, padding) = if is_ended { (0, left) } else { (left.min(offered), 0) };
        Output { head: &self.head, payload, padding }
    }

    /// Puts a close frame behind what waits, if one is to be sent.
    fn push_close(&mut self) {
        if let Closing::Owed(CloseCode(code)) = self.closing {
            let [high, low] = code.to_be_bytes();
            // There is room for it behind a pong.
            let _ = self.head.extend_from_slice(&[0x88, 2, high, low]);
            self.closing = Closing::Told;
        }
    }

    /// Begins a frame with as much of the stream as it may hold.
    fn begin(&mut self, offered: usize) {
        if offered == 0 || self.closing != Closing::Open {
            return;
        }
        // The maximum fits, as is asserted above.
        self.left = u16::try_from(offered.min(WEBSOCKET_SEND_BYTES_MAX)).unwrap_or(u16::MAX);
        let [high, low] = self.left.to_be_bytes();
        let header: &[u8] = if self.left < 126 { &[0x82, low] } else { &[0x82, 126, high, low] };
        // There is room for it behind a pong.
        let _ = self.head.extend_from_slice(header);
    }

    /// This many bytes were written; gives how many of them stand behind the own ones.
    pub(super) fn handle_sent(&mut self, count: usize) -> usize {
        let own = count.min(self.head.len());
        self.head.drain(..own);
        let behind = (count - own).min(usize::from(self.left));
        // It is `left` at most, which has 16 bits.
        self.left -= u16::try_from(behind).unwrap_or(self.left);
        behind
    }

    /// Whether something is to be written although the stream offers nothing.
    pub(super) fn owes(&self) -> bool {
        let is_closing = matches!(self.closing, Closing::Owed(_));
        !self.head.is_empty() || self.left > 0 || is_closing
    }
}
