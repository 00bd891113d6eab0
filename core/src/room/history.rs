//! The last messages of a room, for newcomers: as they were sent, stuffed and ended, so that they are only copied.

use crate::frame::Frame;
use crate::limits::HISTORY_MESSAGES_MAX;
use heapless::Deque;

/// The most recent messages, at most [`HISTORY_MESSAGES_MAX`].
#[derive(Debug)]
pub struct History {
    /// Their frames, oldest first.
    frames: Deque<Frame, HISTORY_MESSAGES_MAX>,
}

impl History {
    /// No messages yet.
    pub const fn new() -> Self {
        Self { frames: Deque::new() }
    }

    /// Adds a message; the oldest goes if there are as many as there may be.
    pub fn push(&mut self, frame: &Frame) {
        if self.frames.is_full() {
            self.frames.pop_front();
        }
        // There is room now.
        let _ = self.frames.push_back(frame.clone());
    }

    /// The messages as they travel, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.frames.iter().map(Frame::as_bytes)
    }
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    #[test]
    fn history_holds_the_last_ten_oldest_first() {
        let mut history = History::new();
        assert_eq!(history.iter().len(), 0);
        for count in 1..=25_u8 {
            let mut frame = Frame::EMPTY;
            frame.encode(&count).unwrap();
            history.push(&frame);
            let held: Vec<_> = history.iter().map(|frame| frame[1]).collect();
            let expected: Vec<_> = (count.saturating_sub(10) + 1..=count).collect();
            assert_eq!(held, expected);
        }
    }
}
