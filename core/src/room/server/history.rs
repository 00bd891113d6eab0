//! The last messages of a room, for newcomers. They are kept as the frames that were sent, so that they only have to be copied.

use super::Buffer;
use crate::frame::{Decoder, Frame};
use crate::room::{Message, Sequence};
use core::ops::Range;

/// The most recent messages, at most as many as the storage has frames: `HISTORY_MESSAGES_MAX` by the protocol.
#[derive(Debug)]
pub struct History<F> {
    /// The frames; a ring.
    frames: F,
    /// Index of the oldest frame.
    oldest: usize,
    /// How many messages there are.
    len: usize,
}

impl<F: AsRef<[Frame]> + AsMut<[Frame]>> History<F> {
    /// A history without messages over this storage.
    pub const fn new(frames: F) -> Self {
        Self { frames, oldest: 0, len: 0 }
    }

    /// Adds a message. If the storage is full, the oldest message is dropped.
    pub fn push(&mut self, frame: &Frame) {
        let frames = self.frames.as_mut();
        let capacity = frames.len();
        if let Some(place) = (self.oldest + self.len).checked_rem(capacity) {
            frames[place].copy_from(frame);
            if self.len < capacity {
                self.len += 1;
            } else {
                self.oldest = (self.oldest + 1) % capacity;
            }
        }
    }

    /// How many messages there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no message.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The messages as they travel, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        let frames = self.frames.as_ref();
        (0..self.len).map(move |index| frames[(self.oldest + index) % frames.len()].as_bytes())
    }

    /// How many of the newest messages fit into this many bytes.
    pub(super) fn fitting(&self, bytes: usize) -> usize {
        let mut left = bytes;
        let fits = |frame: &&[u8]| left.checked_sub(frame.len()).inspect(|&rest| left = rest).is_some();
        self.iter().rev().take_while(fits).count()
    }

    /// Of the messages before the one with index `end`, the newest behind the frame `seen` that fit into this many bytes: the index of
    /// the first of them, and its sequence number; `None` if there are none.
    pub(super) fn behind(&self, seen: Sequence, end: usize, bytes: usize) -> Option<(usize, Sequence)> {
        let (mut first, mut left) = (None, bytes);
        for (index, frame) in self.iter().enumerate().take(end).rev() {
            let sequence = said_sequence(frame).filter(|&sequence| sequence > seen);
            let (Some(sequence), Some(rest)) = (sequence, left.checked_sub(frame.len())) else { break };
            (first, left) = (Some((index, sequence)), rest);
        }
        first
    }

    /// Appends these messages to `owed`, by whose room they were chosen.
    pub(super) fn copy_to(&self, messages: Range<usize>, owed: &mut impl Buffer) {
        for frame in self.iter().skip(messages.start).take(messages.len()) {
            let _ = owed.extend(frame);
        }
    }
}

/// The sequence number of a message as it travels.
fn said_sequence(frame: &[u8]) -> Option<Sequence> {
    let (mut decoder, mut input) = (Decoder::new(), frame);
    match Message::decode(decoder.next_frame(&mut input)?.ok()?) {
        Ok(Message::Said { sequence, .. }) => Some(sequence),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn history_holds_the_last_ten_oldest_first() {
        let mut history = History::new(std::vec![Frame::EMPTY; 10]);
        assert!(history.is_empty());
        for count in 1..=25_u8 {
            let mut frame = Frame::EMPTY;
            frame.encode(&count).unwrap();
            history.push(&frame);
            let held: Vec<_> = history.iter().map(|frame| frame[1]).collect();
            let expected: Vec<_> = (count.saturating_sub(10) + 1..=count).collect();
            assert_eq!((held, history.len()), (expected.clone(), expected.len()));
        }
    }

    #[test]
    fn newest_messages_that_just_fit_are_given_and_not_one_more() {
        let mut history = History::new(std::vec![Frame::EMPTY; 3]);
        for count in 1..=5_u8 {
            let mut frame = Frame::EMPTY;
            frame.encode(&count).unwrap();
            history.push(&frame);
        }
        // Each frame has three bytes.
        for (bytes, count) in [(0, 0), (2, 0), (3, 1), (8, 2), (9, 3), (usize::MAX, 3)] {
            assert_eq!(history.fitting(bytes), count, "{bytes}");
            let newest: Vec<_> = history.iter().skip(3 - count).map(|frame| frame[1]).collect();
            assert_eq!(newest, (6 - u8::try_from(count).unwrap()..=5).collect::<Vec<_>>());
        }
    }

    #[test]
    fn history_without_storage_holds_nothing() {
        let mut history = History::new(Vec::new());
        history.push(&Frame::EMPTY);
        assert_eq!(history.iter().count(), 0);
    }
}
