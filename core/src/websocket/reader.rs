//! What a client sends on a WebSocket: headers and masked payload (RFC 6455 section 5).
//!
//! Payload of data frames is unmasked in place and kept nowhere; that of a control frame, at most 125 bytes, is collected.

use super::{CloseCode, End};
use crate::limits::WEBSOCKET_FRAME_BYTES_MAX;
use heapless::Vec;

/// Longest payload of a control frame, in bytes (RFC 6455 section 5.5).
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// Longest header of a client: two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

/// Finds the frames in what comes, in whatever pieces.
#[derive(Debug, Default, Clone)]
pub(super) struct Reader {
    /// The beginning of a header that is not complete.
    header: Vec<u8, HEADER_BYTES_MAX, u8>,
    /// The frame whose payload comes.
    frame: Option<Incoming>,
    /// Whether the last data frame was not the last of its message.
    is_fragmented: bool,
    /// What has come of the payload of a control frame.
    control: Vec<u8, CONTROL_BYTES_MAX, u8>,
    /// The control frame that has come and was not taken.
    complete: Option<Opcode>,
    /// Whether `control` is the payload of a ping that was not answered.
    is_ping: bool,
}

/// A frame whose payload comes.
#[derive(Debug, Clone, Copy)]
struct Incoming {
    /// What it is.
    opcode: Opcode,
    /// What the next bytes are masked with.
    mask: [u8; 4],
    /// Bytes of payload that are still to come.
    left: usize,
}

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opcode {
    /// A part of a message.
    Data,
    /// The other side closes.
    Close,
    /// It asks for a PONG.
    Ping,
    /// It answers, or gives a sign of life.
    Pong,
}

/// A control frame that is to be answered, with its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control<'a> {
    /// It asks for a PONG with the same payload, which is [`Reader::ping`].
    Ping,
    /// The other side closes, with a code and a reason, or without.
    Close(&'a [u8]),
}

impl Reader {
    /// Takes a header or a part of one, or payload. Gives how many bytes were used, and how many of these, the last ones, are now
    /// the stream's. [`Reader::poll_control`] is to be asked behind each call.
    pub(super) fn take(&mut self, bytes: &mut [u8]) -> Result<(usize, usize), CloseCode> {
        let Some(frame) = &mut self.frame else { return Ok((self.take_header(bytes)?, 0)) };
        let used = frame.left.min(bytes.len());
        let payload = &mut bytes[..used];
        unmask(payload, &mut frame.mask);
        frame.left -= used;
        let opcode = frame.opcode;
        if frame.left == 0 {
            self.finish(opcode);
        }
        if opcode == Opcode::Data {
            return Ok((used, used));
        }
        if opcode != Opcode::Pong {
            // The header has been checked: no control frame is longer.
            let _ = self.control.extend_from_slice(payload);
        }
        Ok((used, 0))
    }

    /// Takes bytes of a header, and begins with the frame once it is complete.
    fn take_header(&mut self, bytes: &[u8]) -> Result<usize, CloseCode> {
        for (index, &byte) in bytes.iter().enumerate() {
            // A header that is complete does not get here.
            let _ = self.header.push(byte);
            let &[first, second, ref rest @ ..] = self.header.as_slice() else { continue };
            if rest.is_empty() {
                self.check(first, second)?;
            }
            let length_bytes = match second & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            let Some((length, mask)) = rest.split_at_checked(length_bytes) else { continue };
            let Ok(mask) = <[u8; 4]>::try_from(mask) else { continue };
            let opcode = opcode(first)?;
            let frame = Incoming { opcode, mask, left: payload_length(second, length)? };
            if opcode == Opcode::Data {
                self.is_fragmented = first & 0x80 == 0;
            } else if opcode != Opcode::Pong {
                // Of several pings the last is answered (RFC 6455 section 5.5.3), and none behind a close frame (section 5.5.2).
                self.control.clear();
                self.is_ping = false;
            }
            self.header.clear();
            self.frame = Some(frame);
            if frame.left == 0 {
                self.finish(opcode);
            }
            return Ok(index + 1);
        }
        Ok(bytes.len())
    }

    /// Checks the first two bytes of a header: a client that breaks the rules is told before the rest comes.
    fn check(&self, first: u8, second: u8) -> Result<(), CloseCode> {
        let (is_final, is_masked, length) = (first & 0x80 != 0, second & 0x80 != 0, second & 0x7f);
        let is_allowed = match opcode(first)? {
            // A message begins where none is under way, and is continued where one is.
            Opcode::Data => (first & 0x0f == 0) == self.is_fragmented,
            _ => is_final && usize::from(length) <= CONTROL_BYTES_MAX,
        };
        // The three bits behind the first are for extensions.
        if is_masked && is_allowed && first & 0x70 == 0 { Ok(()) } else { Err(CloseCode::PROTOCOL_ERROR) }
    }

    /// The payload is complete.
    fn finish(&mut self, opcode: Opcode) {
        self.frame = None;
        self.complete = (opcode != Opcode::Data).then_some(opcode);
    }

    /// The payload of the ping that is to be answered. The next ping takes its place, and so does a close frame.
    pub(super) fn ping(&self) -> Option<&[u8]> {
        self.is_ping.then_some(&*self.control)
    }

    /// The ping was answered.
    pub(super) const fn forget_ping(&mut self) {
        self.is_ping = false;
    }

    /// The control frame that has just come, if it is to be answered.
    pub(super) fn poll_control(&mut self) -> Option<Control<'_>> {
        match self.complete.take()? {
            Opcode::Ping => {
                self.is_ping = true;
                Some(Control::Ping)
            }
            Opcode::Close => Some(Control::Close(&self.control)),
            Opcode::Pong | Opcode::Data => None,
        }
    }
}

/// What the payload of a close frame means.
pub(super) fn closed(payload: &[u8]) -> End {
    match *payload {
        [] => End::Closed(CloseCode::NORMAL),
        [high, low, ref reason @ ..] => match CloseCode(u16::from_be_bytes([high, low])) {
            code if !code.may_be_sent() => End::Violated(CloseCode::PROTOCOL_ERROR),
            _ if core::str::from_utf8(reason).is_err() => End::Violated(CloseCode::INVALID),
            code => End::Closed(code),
        },
        [_] => End::Violated(CloseCode::PROTOCOL_ERROR),
    }
}

/// What a frame with this first byte is.
const fn opcode(first: u8) -> Result<Opcode, CloseCode> {
    match first & 0x0f {
        0 | 2 => Ok(Opcode::Data),
        1 => Err(CloseCode::UNSUPPORTED),
        8 => Ok(Opcode::Close),
        9 => Ok(Opcode::Ping),
        10 => Ok(Opcode::Pong),
        _ => Err(CloseCode::PROTOCOL_ERROR),
    }
}

/// The length of a payload: in the second byte, or in the bytes behind it, in the shortest form that has room for it.
fn payload_length(second: u8, further: &[u8]) -> Result<usize, CloseCode> {
    let length = further.iter().fold(0, |length, &byte| length << 8 | u64::from(byte));
    let (length, min, max) = match further.len() {
        0 => (u64::from(second & 0x7f), 0, 125),
        2 => (length, 126, u64::from(u16::MAX)),
        _ => (length, 1 << 16, i64::MAX.unsigned_abs()),
    };
    if length < min || length > max {
        return Err(CloseCode::PROTOCOL_ERROR);
    }
    usize::try_from(length).ok().filter(|&length| length <= WEBSOCKET_FRAME_BYTES_MAX).ok_or(CloseCode::OVERLONG)
}

/// Takes the mask off, and turns it to where the next bytes need it.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let mut words = bytes.chunks_exact_mut(4);
    for word in &mut words {
        word.iter_mut().zip(*mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    let rest = words.into_remainder();
    rest.iter_mut().zip(*mask).for_each(|(byte, mask)| *byte ^= mask);
    mask.rotate_left(rest.len());
}
