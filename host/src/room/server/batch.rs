//! Several frames of a WebSocket that go in one system call.
//!
//! A frame is short, so that a browser on a slow network is given its first messages early. A call for each frame would cost a member of a
//! busy room half as much again as a member on TCP (docs/performance.md).

use chat_core::websocket::{Output, WebSocket};

/// Frames that go in one call: 64 KiB, beside which the cost of a call is small.
const FRAMES_MAX: usize = 4;

/// Slices of one frame: its head, its part of the stream (two slices around the end of the ring), and filling.
const FRAME_SLICES: usize = 4;

/// Slices that one call is given at most.
pub(super) const SLICES_MAX: usize = FRAMES_MAX * FRAME_SLICES;

/// Room for the own bytes of the frames: a pong, a close frame and the headers. Frames whose own bytes do not fit wait for the next call.
const HEADS_BYTES_MAX: usize = 160;

/// What fills a frame whose stream lost what was promised.
static PADDING: [u8; 1_024] = [0; 1_024];

/// The next frames, before it is known how much of them the socket takes.
pub(super) struct Batch<'b> {
    /// The framing's own bytes, those of one frame behind those of the other.
    heads: heapless::Vec<u8, HEADS_BYTES_MAX>,
    /// The frames.
    frames: heapless::Vec<Frame<'b>, FRAMES_MAX>,
    /// Bytes of all of it.
    len: usize,
}

/// A frame of a batch.
struct Frame<'b> {
    /// How many of the own bytes stand before it.
    head: usize,
    /// What follows them: two slices of the stream, and filling.
    rest: [&'b [u8]; 3],
}

impl<'b> Batch<'b> {
    /// The next frames for what these slices hold from `start` on; without any bytes, what the framing has to write of its own.
    pub(super) fn new(framing: &WebSocket, (first, second): (&'b [u8], &'b [u8]), mut start: usize) -> Self {
        // A copy goes on as if each frame had been written.
        let mut framing = framing.clone();
        let offered = first.len() + second.len();
        let mut batch = Self { heads: heapless::Vec::new(), frames: heapless::Vec::new(), len: 0 };
        while !batch.frames.is_full() && (start < offered || offered == 0) {
            let Output { head, payload, padding } = framing.poll_output(offered - start);
            let (begin, end) = part(first, second, start, payload);
            let padding = &PADDING[..padding.min(PADDING.len())];
            let (head_len, len) = (head.len(), head.len() + payload + padding.len());
            if len == 0 || batch.heads.extend_from_slice(head).is_err() {
                break;
            }
            // There is room, as the loop has seen.
            let _ = batch.frames.push(Frame { head: head_len, rest: [begin, end, padding] });
            framing.handle_sent(len);
            start += payload;
            batch.len += len;
        }
        batch
    }

    /// How many bytes it has.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing to write.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its bytes, in their order.
    pub(super) fn slices(&self) -> heapless::Vec<&[u8], SLICES_MAX> {
        let mut heads = &*self.heads;
        let slices = self.frames.iter().flat_map(|frame| {
            let (head, behind) = heads.split_at(frame.head);
            heads = behind;
            let [begin, end, padding] = frame.rest;
            [head, begin, end, padding]
        });
        slices.filter(|slice| !slice.is_empty()).collect()
    }
}

/// `written` bytes of a batch were written that began with byte `start` of `offered` ones. Gives how many of these have been written now.
pub(super) fn handle_sent(framing: &mut WebSocket, offered: usize, mut start: usize, mut written: usize) -> usize {
    while written > 0 {
        let Output { head, payload, padding } = framing.poll_output(offered - start);
        let count = written.min(head.len() + payload + padding.min(PADDING.len()));
        let behind = framing.handle_sent(count);
        start += if payload > 0 { behind } else { 0 };
        written -= count;
    }
    start
}

/// `length` bytes of two slices, from `start` on.
fn part<'b>(first: &'b [u8], second: &'b [u8], start: usize, length: usize) -> (&'b [u8], &'b [u8]) {
    let end = start + length;
    let split = first.len();
    (&first[start.min(split)..end.min(split)], &second[start.max(split) - split..end.max(split) - split])
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::limits::WEBSOCKET_SEND_BYTES_MAX;

    /// A stream that wraps at its 10,000th byte, in three frames and a bit.
    fn stream() -> (Vec<u8>, Vec<u8>) {
        let bytes: Vec<u8> =
            (0..3 * WEBSOCKET_SEND_BYTES_MAX + 7).map(|index| u8::try_from(index % 251).unwrap()).collect();
        (bytes[..10_000].to_vec(), bytes[10_000..].to_vec())
    }

    /// All that is written of a stream, of which the socket takes `pieces[0]` bytes in the first call, and so on, and then all.
    fn written(framing: &mut WebSocket, (first, second): (&[u8], &[u8]), pieces: &[usize]) -> (Vec<u8>, usize) {
        let (mut bytes, mut sent, mut calls) = (Vec::new(), 0, 0);
        let mut pieces = pieces.iter().copied().chain(std::iter::repeat(usize::MAX));
        while sent < first.len() + second.len() {
            let batch = Batch::new(framing, (first, second), sent);
            let count = batch.len().min(pieces.next().unwrap());
            bytes.extend_from_slice(&batch.slices().concat()[..count]);
            sent = handle_sent(framing, first.len() + second.len(), sent, count);
            calls += 1;
        }
        (bytes, calls)
    }

    #[test]
    fn frames_go_in_one_call_and_are_the_same_wherever_the_socket_is_full() {
        let (first, second) = stream();
        let (whole, calls) = written(&mut WebSocket::new(), (&first, &second), &[]);
        assert_eq!((whole.len(), calls), (first.len() + second.len() + 3 * 4 + 2, 1));
        for cut in [1, 3, 4, 5, 9_999, 10_004, 16_387, 16_388, 16_389, 16_391, 16_392, 16_393, whole.len() - 1] {
            for next in [1, 2, 4, 5, 16_388] {
                let (bytes, _) = written(&mut WebSocket::new(), (&first, &second), &[cut, next]);
                assert!(bytes == whole, "{cut}, {next}");
            }
        }
    }

    #[test]
    fn answer_to_a_ping_goes_before_the_frames_in_the_same_call() {
        let mut framing = WebSocket::new();
        framing.handle_bytes(&mut [0x89, 0x82, 0, 0, 0, 0, b'h', b'i']);
        let (bytes, calls) = written(&mut framing, (b"stream", b""), &[]);
        assert_eq!((&*bytes, calls), (&b"\x8a\x02hi\x82\x06stream"[..], 1));
        assert!(Batch::new(&framing, (b"", b""), 0).is_empty());
    }

    #[test]
    fn frame_whose_stream_is_gone_is_filled_and_the_close_frame_follows() {
        let mut framing = WebSocket::new();
        let stream = [7; 3_000];
        let sent = handle_sent(&mut framing, stream.len(), 0, 4 + 100);
        assert_eq!(sent, 100);
        framing.close();
        let batch = Batch::new(&framing, (b"", b""), 0);
        let bytes = batch.slices().concat();
        assert_eq!((bytes.len(), batch.len()), (2_900 + 4, 2_904));
        assert!(bytes[..2_900].iter().all(|&byte| byte == 0) && bytes[2_900..] == [0x88, 2, 3, 232]);
        handle_sent(&mut framing, 0, 0, 2_904);
        assert!(Batch::new(&framing, (b"", b""), 0).is_empty() && !framing.owes());
    }

    #[test]
    fn part_of_two_slices_is_that_of_both_behind_one_another() {
        let (first, second) = (&b"0123"[..], &b"456789"[..]);
        for start in 0..=10 {
            for length in 0..=10 - start {
                let (begin, end) = part(first, second, start, length);
                assert_eq!([begin, end].concat(), b"0123456789"[start..start + length]);
            }
        }
    }
}
