//! Lines that wait to be written to one stream: a bounded number of bytes, and a count in the place of lines that were dropped.

use std::collections::VecDeque;

/// Most bytes that wait: about seventy times the counters of both servers.
pub(super) const QUEUE_BYTES_MAX: usize = 64 << 10;

/// One entry of the queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Whole lines.
    Lines(String),
    /// This many lines were dropped here.
    Lost(u64),
}

/// The lines of one stream, and whether a thread writes them.
#[derive(Debug)]
pub(super) struct Queue {
    /// The entries, oldest first. Two counts never stand beside each other.
    entries: VecDeque<Entry>,
    /// Bytes of the lines that wait.
    bytes: usize,
    /// Lines that are lost, of which the count could not be written when writing ended last.
    untold: u64,
    /// Whether a thread writes.
    writing: bool,
}

impl Queue {
    /// An empty queue.
    pub(super) const fn new() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, untold: 0, writing: false }
    }

    /// Queues lines, or counts them as lost if there is no room. An empty queue takes lines of any length.
    pub(super) fn push(&mut self, lines: String) {
        if self.bytes > 0 && self.bytes + lines.len() > QUEUE_BYTES_MAX {
            match self.entries.back_mut() {
                Some(Entry::Lost(lost)) => *lost += count(&lines),
                _ => self.entries.push_back(Entry::Lost(count(&lines))),
            }
        } else {
            self.bytes += lines.len();
            self.entries.push_back(Entry::Lines(lines));
        }
    }

    /// Takes the oldest entry.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front();
        if let Some(Entry::Lines(lines)) = &entry {
            self.bytes -= lines.len();
        }
        entry
    }

    /// Whether the queue is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether the caller has to write. After true, every call returns false until [`Queue::end_writing`].
    pub(super) const fn begin_writing(&mut self) -> bool {
        !std::mem::replace(&mut self.writing, true)
    }

    /// The writer ends; the count of `untold` lost lines could not be written.
    pub(super) const fn end_writing(&mut self, untold: u64) {
        self.untold += untold;
        self.writing = false;
    }

    /// Takes the count of lost lines that could not be written.
    pub(super) const fn take_untold(&mut self) -> u64 {
        std::mem::replace(&mut self.untold, 0)
    }

    /// Whether a thread writes.
    pub(super) const fn is_writing(&self) -> bool {
        self.writing
    }
}

/// How many lines there are in a text.
pub(super) fn count(lines: &str) -> u64 {
    lines.lines().count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of this many bytes.
    fn line(bytes: usize) -> String {
        "x".repeat(bytes - 1) + "\n"
    }

    /// Whether the next entry is a line of this many bytes.
    fn check_line(queue: &mut Queue, bytes: usize) {
        assert!(matches!(queue.pop(), Some(Entry::Lines(lines)) if lines.len() == bytes));
    }

    #[test]
    fn what_just_fits_is_kept_and_what_does_not_is_counted_in_its_place() {
        let mut queue = Queue::new();
        queue.push(line(QUEUE_BYTES_MAX - 10));
        queue.push(line(10));
        queue.push(line(1));
        queue.push("two\nlines\n".to_owned());
        check_line(&mut queue, QUEUE_BYTES_MAX - 10);
        queue.push(line(7));
        check_line(&mut queue, 10);
        assert_eq!(queue.pop(), Some(Entry::Lost(3)));
        check_line(&mut queue, 7);
        assert_eq!((queue.pop(), queue.bytes), (None, 0));
    }

    #[test]
    fn empty_queue_takes_lines_of_any_length() {
        let mut queue = Queue::new();
        queue.push(line(2 * QUEUE_BYTES_MAX));
        check_line(&mut queue, 2 * QUEUE_BYTES_MAX);
    }

    #[test]
    fn one_writes_at_a_time_and_what_it_could_not_tell_is_left_to_the_next() {
        let mut queue = Queue::new();
        assert!(queue.begin_writing() && !queue.begin_writing() && queue.is_writing());
        queue.end_writing(5);
        assert!(!queue.is_writing() && queue.begin_writing());
        assert_eq!((queue.take_untold(), queue.take_untold()), (5, 0));
    }
}
