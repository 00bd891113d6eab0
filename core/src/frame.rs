//! Frames on a stream: consistent overhead byte stuffing (COBS), each frame ended by 0x00 (docs/room-protocol.md section 3).
//!
//! The same framing serves TCP and a serial line. A frame that is too long is reported once, and everything up to the next
//! 0x00 is thrown away: the tail of a frame is never taken for a new one.

use crate::limits::{FRAME_BYTES_MAX, FRAME_STUFFED_BYTES_MAX};
use serde::Serialize;

/// A message as it travels: stuffed, with the 0x00 that ends it.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The frame; the bytes behind it are left over from earlier use.
    bytes: [u8; FRAME_STUFFED_BYTES_MAX + 1],
    /// Length of the frame in bytes.
    len: usize,
}

/// The message is longer than [`FRAME_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlong;

impl Frame {
    /// A frame of no bytes.
    pub const EMPTY: Self = Self { bytes: [0; FRAME_STUFFED_BYTES_MAX + 1], len: 0 };

    /// Encodes a message.
    ///
    /// # Errors
    /// [`Overlong`] when it does not fit into a frame; the frame is empty then.
    pub fn encode(&mut self, message: &impl Serialize) -> Result<&[u8], Overlong> {
        self.len = 0;
        self.len = postcard::to_slice_cobs(message, &mut self.bytes).map_err(|_| Overlong)?.len();
        Ok(self.as_bytes())
    }

    /// Copies the bytes of another frame.
    pub fn copy_from(&mut self, other: &Self) {
        self.bytes[..other.len].copy_from_slice(other.as_bytes());
        self.len = other.len;
    }

    /// The bytes to write to the stream.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Finds the frames in the bytes of a stream, in whatever pieces they come.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// The bytes so far of a frame that has not ended. A whole frame is decoded in place.
    buffer: [u8; FRAME_STUFFED_BYTES_MAX],
    /// How much of the buffer is in use.
    len: usize,
    /// Whether everything is thrown away up to the next 0x00.
    discarding: bool,
}

/// Why a frame is not given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// It is longer than [`FRAME_BYTES_MAX`]. This is reported as soon as it is known; the rest of the frame is thrown away.
    Overlong,
    /// Its stuffing points past its end.
    Malformed,
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub const fn new() -> Self {
        Self { buffer: [0; FRAME_STUFFED_BYTES_MAX], len: 0, discarding: false }
    }

    /// The next frame, unstuffed; takes what it used off `input`. `None` when `input` is used up and a frame is still
    /// incomplete. Frames of no bytes are passed over. Work is bounded by the length of `input`.
    pub fn next_frame(&mut self, input: &mut &[u8]) -> Option<Result<&[u8], FrameError>> {
        loop {
            let (part, ended) = split_at_zero(input)?;
            let kept = self.keep(part);
            let length = if ended { core::mem::take(&mut self.len) } else { 0 };
            match (core::mem::replace(&mut self.discarding, !kept && !ended), kept) {
                // The error was reported when discarding began.
                (true, _) => {}
                (false, false) => return Some(Err(FrameError::Overlong)),
                (false, true) if length > 0 => return Some(self.unstuff(length)),
                (false, true) => {}
            }
        }
    }

    /// Appends `part` to the frame in the buffer. Returns false, and drops the frame, if there is no room.
    fn keep(&mut self, part: &[u8]) -> bool {
        if self.discarding {
            return false;
        }
        let Some(room) = self.buffer.get_mut(self.len..self.len + part.len()) else {
            self.len = 0;
            return false;
        };
        room.copy_from_slice(part);
        self.len += part.len();
        true
    }

    /// Decodes the frame in the first `length` bytes of the buffer.
    fn unstuff(&mut self, length: usize) -> Result<&[u8], FrameError> {
        let decoded = cobs::decode_in_place(&mut self.buffer[..length]).map_err(|_| FrameError::Malformed)?;
        if decoded > FRAME_BYTES_MAX { Err(FrameError::Overlong) } else { Ok(&self.buffer[..decoded]) }
    }

    /// The bytes so far of a frame that has not ended.
    pub fn partial(&self) -> Partial<'_> {
        Partial { bytes: &self.buffer[..self.len], discarding: self.discarding }
    }

    /// Goes on where the decoder that gave `partial` stopped. So one decoder can serve many streams, because most streams are
    /// between two frames most of the time.
    pub fn resume(&mut self, partial: Partial<'_>) {
        let length = partial.bytes.len().min(self.buffer.len());
        self.buffer[..length].copy_from_slice(&partial.bytes[..length]);
        self.len = length;
        self.discarding = partial.discarding;
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Where a decoder stands in its stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Partial<'a> {
    /// The bytes so far of a frame that has not ended.
    pub bytes: &'a [u8],
    /// Whether everything is thrown away up to the next 0x00.
    pub discarding: bool,
}

/// Takes the bytes before the first 0x00 and that 0x00 off `input`; takes all if there is no 0x00. Returns the bytes, and
/// whether a 0x00 ended them. `None` if `input` is empty.
fn split_at_zero<'a>(input: &mut &'a [u8]) -> Option<(&'a [u8], bool)> {
    if input.is_empty() {
        return None;
    }
    let zero = input.iter().position(|&byte| byte == 0);
    let (part, rest) = input.split_at(zero.unwrap_or(input.len()));
    *input = rest.get(1..).unwrap_or_default();
    Some((part, zero.is_some()))
}

impl core::fmt::Display for Overlong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the message is longer than a frame may be")
    }
}

impl core::error::Error for Overlong {}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Overlong => f.write_str("the frame is too long"),
            Self::Malformed => f.write_str("the frame's stuffing points past its end"),
        }
    }
}

impl core::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// Pairs of plain and stuffed bytes: from the paper that describes COBS, and around the block length of 254.
    fn samples() -> Vec<(Vec<u8>, Vec<u8>)> {
        let counted = |range: core::ops::RangeInclusive<u8>| range.collect::<Vec<_>>();
        std::vec![
            (std::vec![0], std::vec![1, 1]),
            (std::vec![0, 0], std::vec![1, 1, 1]),
            (std::vec![0x11, 0x22, 0, 0x33], std::vec![3, 0x11, 0x22, 2, 0x33]),
            (std::vec![0x11, 0, 0, 0], std::vec![2, 0x11, 1, 1, 1]),
            (counted(1..=254), [&[0xff][..], &counted(1..=254)].concat()),
            (counted(1..=255), [&[0xff][..], &counted(1..=254), &[2, 255]].concat()),
            (counted(0..=254), [&[1, 0xff][..], &counted(1..=254)].concat()),
        ]
    }

    /// The frames that a decoder finds in these pieces.
    fn decode(pieces: &[&[u8]]) -> Vec<Result<Vec<u8>, FrameError>> {
        let mut decoder = Decoder::new();
        let mut frames = Vec::new();
        for piece in pieces {
            let mut input = *piece;
            while let Some(frame) = decoder.next_frame(&mut input) {
                frames.push(frame.map(<[u8]>::to_vec));
            }
            assert!(input.is_empty());
        }
        frames
    }

    #[test]
    fn frames_come_out_whole_in_whatever_pieces_they_come() {
        let (plain, mut stream): (Vec<_>, Vec<u8>) =
            (samples().into_iter().map(|(plain, _)| Ok(plain)).collect(), Vec::new());
        for (_, stuffed) in samples() {
            stream.extend_from_slice(&stuffed);
            stream.push(0);
        }
        for length in [1, 2, 3, 7, 255, stream.len()] {
            assert_eq!(decode(&stream.chunks(length).collect::<Vec<_>>()), plain, "pieces of {length}");
        }
    }

    #[test]
    fn messages_are_stuffed_as_the_paper_says() {
        for (plain, stuffed) in samples() {
            let mut frame = Frame::EMPTY;
            let encoded = frame.encode(&Raw(&plain)).unwrap();
            // If the data end with a full block, an empty block behind it is allowed, and the library writes it.
            let full = plain.len() >= 254 && !plain.ends_with(&[255]);
            let expected = [&stuffed[..], if full { &[1, 0] } else { &[0] }].concat();
            assert_eq!(encoded, expected);
            assert_eq!(decode(&[encoded]), [Ok(plain)]);
        }
    }

    /// Bytes that postcard writes without a length.
    struct Raw<'a>(&'a [u8]);

    impl Serialize for Raw<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeTuple as _;
            let mut tuple = serializer.serialize_tuple(self.0.len())?;
            self.0.iter().try_for_each(|byte| tuple.serialize_element(byte))?;
            tuple.end()
        }
    }

    #[test]
    fn empty_frames_are_passed_over() {
        assert_eq!(decode(&[&[0, 0, 2, 7, 0, 0], &[0]]), [Ok(std::vec![7])]);
    }

    #[test]
    fn stuffing_past_the_end_is_malformed_and_the_next_frame_stands() {
        assert_eq!(decode(&[&[5, 1, 2, 0, 2, 7, 0]]), [Err(FrameError::Malformed), Ok(std::vec![7])]);
    }

    #[test]
    fn longest_frame_is_taken_whatever_it_holds() {
        for byte in [0, 1] {
            let plain = std::vec![byte; FRAME_BYTES_MAX];
            let mut frame = Frame::EMPTY;
            let stuffed = frame.encode(&Raw(&plain)).unwrap().to_vec();
            assert_eq!(decode(&[&stuffed]), [Ok(plain)]);
        }
    }

    #[test]
    fn one_byte_too_many_is_overlong_and_the_tail_no_frame() {
        for byte in [0, 1] {
            let mut stuffed = [0; FRAME_BYTES_MAX + 16];
            let length = cobs::encode(&[byte; FRAME_BYTES_MAX + 1], &mut stuffed);
            let stream = [&stuffed[..length], &[0, 2, 7, 0]].concat();
            for pieces in [1, 100, stream.len()] {
                let frames = decode(&stream.chunks(pieces).collect::<Vec<_>>());
                assert_eq!(frames, [Err(FrameError::Overlong), Ok(std::vec![7])], "{byte} in pieces of {pieces}");
            }
        }
    }

    #[test]
    fn endless_frame_is_told_once() {
        let megabyte = std::vec![7; 1 << 20];
        assert_eq!(decode(&[&megabyte, &megabyte, &[0, 2, 7, 0]]), [Err(FrameError::Overlong), Ok(std::vec![7])]);
    }

    #[test]
    fn message_that_does_not_fit_is_refused() {
        let mut frame = Frame::EMPTY;
        assert_eq!(frame.encode(&Raw(&[1; FRAME_BYTES_MAX + 1])).map(<[u8]>::len), Err(Overlong));
        assert!(frame.as_bytes().is_empty());
    }

    #[test]
    fn one_decoder_serves_two_streams_by_turns() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.next_frame(&mut &[3, 7][..]), None);
        let first = decoder.partial().bytes.to_vec();
        decoder.resume(Partial::default());
        assert_eq!(decoder.next_frame(&mut &[2, 9, 0][..]), Some(Ok(&[9][..])));
        decoder.resume(Partial { bytes: &first, discarding: false });
        assert_eq!(decoder.next_frame(&mut &[8, 0][..]), Some(Ok(&[7, 8][..])));
        decoder.resume(Partial { bytes: &[], discarding: true });
        assert_eq!(decoder.next_frame(&mut &[7, 7, 0, 2, 5, 0][..]), Some(Ok(&[5][..])));
    }
}
