//! The journal: what a room has said, as the bytes that go to every member, in one fixed ring.
//!
//! Positions are bytes since the room began, so they mean the same in every copy of the journal. A reader is a [`Cursor`];
//! the bytes that it lacks are one or two slices, however many frames they hold. Nothing is kept for a reader: one that falls
//! out of the ring is told how many messages it lost ([`Lagged`]) and goes on from the middle.
//!
//! Every 64th frame is marked with its sequence number, so that a search for a frame looks at 64 frames at most. A frame ends
//! with its only 0x00 (frame.rs), by which frames are told apart. The frames before the oldest mark are counted back from it.

use crate::limits::{FRAME_STUFFED_BYTES_MAX, JOURNAL_MARK_FRAMES};
use crate::room::Sequence;
use crate::room::message::SAID_TAG;

/// Most bytes of the frames between two marks.
const MARK_BYTES_MAX: u64 = JOURNAL_MARK_FRAMES * (FRAME_STUFFED_BYTES_MAX as u64 + 1);

/// A ring of encoded frames over storage that is handed in.
#[derive(Debug)]
pub struct Journal<B, M> {
    /// The ring.
    bytes: B,
    /// Marks: the mark with index i stands at i modulo the length of this storage.
    marks: M,
    /// How many marks have been set.
    mark_count: u64,
    /// The place behind the last frame.
    head: Mark,
    /// Position of the first byte that this copy has ever held.
    origin: u64,
}

/// A place between two frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    /// Its position, and the messages before it.
    cursor: Cursor,
    /// How many frames lie before it: the sequence number of the frame behind it.
    frames: u64,
}

impl Mark {
    /// Its position, and the messages before it.
    pub const fn cursor(self) -> Cursor {
        self.cursor
    }

    /// The sequence number of the frame behind it.
    pub const fn sequence(self) -> Sequence {
        Sequence(self.frames)
    }
}

impl Cursor {
    /// How many messages lie before it.
    pub const fn messages(self) -> u64 {
        self.messages
    }

    /// How many bytes lie before it.
    pub const fn position(self) -> u64 {
        self.position
    }
}

/// How far a reader has got: always between two frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Bytes since the room began.
    position: u64,
    /// Messages among the frames before it.
    messages: u64,
}

/// The reader fell out of the ring and goes on at a newer place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    /// How many messages it lost.
    pub messages: u64,
    /// Where the reader goes on.
    pub cursor: Cursor,
}

/// Two slices, of which the second goes on where the first ends.
pub type Slices<'a> = (&'a [u8], &'a [u8]);

impl<B: AsRef<[u8]> + AsMut<[u8]>, M: AsRef<[Mark]> + AsMut<[Mark]>> Journal<B, M> {
    /// An empty journal over this storage. With too few marks for its bytes, old frames are given up sooner.
    pub const fn new(bytes: B, marks: M) -> Self {
        let head = Mark { cursor: Cursor { position: 0, messages: 0 }, frames: 0 };
        Self { bytes, marks, mark_count: 0, head, origin: 0 }
    }

    /// Appends a frame, which ends with 0x00, and returns its sequence number. It overwrites the oldest bytes. Work is bounded by
    /// the frame's length; of a frame longer than the ring only the end is kept.
    pub fn append(&mut self, frame: &[u8]) -> Sequence {
        self.mark_if_due();
        self.write(frame);
        let sequence = self.next_sequence();
        self.head.frames += 1;
        self.head.cursor.messages += u64::from(is_message(frame.get(1).copied()));
        sequence
    }

    /// Sets a mark in front of every 64th frame.
    fn mark_if_due(&mut self) {
        if self.head.frames.is_multiple_of(JOURNAL_MARK_FRAMES) {
            let head = self.head;
            if let Some(place) = ring_index(self.mark_count, self.marks.as_ref().len()) {
                self.marks.as_mut()[place] = head;
            }
            self.mark_count += 1;
        }
    }

    /// Writes bytes behind the last frame.
    fn write(&mut self, bytes: &[u8]) {
        let ring = self.bytes.as_mut();
        let kept = &bytes[bytes.len().saturating_sub(ring.len())..];
        self.head.cursor.position += as_u64(bytes.len());
        let start = self.head.cursor.position - as_u64(kept.len());
        let place = ring_index(start, ring.len()).unwrap_or(0);
        let (first, second) = kept.split_at(kept.len().min(ring.len() - place));
        ring[place..place + first.len()].copy_from_slice(first);
        ring[..second.len()].copy_from_slice(second);
    }

    /// Copies the frames that `source` has and this copy lacks; the oldest are skipped if they do not fit. Work is bounded by the
    /// size of the ring.
    pub fn copy_from<B2: AsRef<[u8]> + AsMut<[u8]>, M2: AsRef<[Mark]> + AsMut<[Mark]>>(
        &mut self,
        source: &Journal<B2, M2>,
    ) {
        if let Some((first, second)) = source.slices(self.head.cursor.position) {
            self.write(first);
            self.write(second);
        } else {
            // This copy is too far behind: it begins anew with what `source` still holds.
            let oldest = source.oldest();
            self.head.cursor.position = oldest;
            self.origin = oldest;
            let (first, second) = source.slices(oldest).unwrap_or_default();
            self.write(first);
            self.write(second);
        }
        let held = as_u64(self.marks.as_ref().len().min(source.marks.as_ref().len()));
        for index in self.mark_count.max(source.mark_count.saturating_sub(held))..source.mark_count {
            let from = ring_index(index, source.marks.as_ref().len());
            let to = ring_index(index, self.marks.as_ref().len());
            if let (Some(from), Some(to)) = (from, to) {
                self.marks.as_mut()[to] = source.marks.as_ref()[from];
            }
        }
        self.mark_count = source.mark_count;
        self.head = source.head;
    }

    /// The place behind the last frame.
    pub const fn head(&self) -> Cursor {
        self.head.cursor
    }

    /// The sequence number that the next frame gets.
    pub const fn next_sequence(&self) -> Sequence {
        Sequence(self.head.frames)
    }

    /// Whether it has no storage, so that it keeps nothing.
    pub(super) fn is_without_storage(&self) -> bool {
        self.bytes.as_ref().is_empty()
    }

    /// Position of the first byte still held, which may lie within a frame.
    fn oldest(&self) -> u64 {
        self.origin.max(self.head.cursor.position.saturating_sub(as_u64(self.bytes.as_ref().len())))
    }

    /// The bytes from `cursor` to the head, in constant time; none if `cursor` is beyond the head of this copy.
    ///
    /// # Errors
    /// [`Lagged`] when the ring does not hold all of these bytes any more.
    pub fn read(&self, cursor: Cursor) -> Result<Slices<'_>, Lagged> {
        self.slices(cursor.position).ok_or_else(|| {
            let middle = self.middle();
            Lagged { messages: middle.messages.saturating_sub(cursor.messages), cursor: middle }
        })
    }

    /// The bytes from a position to the head; `None` if the ring does not hold all of them any more.
    fn slices(&self, position: u64) -> Option<Slices<'_>> {
        let ring = self.bytes.as_ref();
        if position < self.oldest() {
            return None;
        }
        // A position beyond the head was not copied to this journal yet: there is nothing to read.
        let length = as_usize(self.head.cursor.position.saturating_sub(position));
        let place = ring_index(position, ring.len()).unwrap_or(0);
        let first = length.min(ring.len() - place);
        Some((&ring[place..place + first], &ring[..length - first]))
    }

    /// The first mark in the newer half of the ring, or the head if there is none.
    fn middle(&self) -> Cursor {
        let half = as_u64(self.bytes.as_ref().len() / 2);
        let middle = self.head.cursor.position.saturating_sub(half).max(self.oldest());
        self.marks_from(middle).next().map_or(self.head.cursor, |mark| mark.cursor)
    }

    /// The marks that are still held, from a position on, in ascending order.
    fn marks_from(&self, position: u64) -> impl Iterator<Item = Mark> {
        let marks = self.marks.as_ref();
        let first = self.mark_count.saturating_sub(as_u64(marks.len()));
        let held = (first..self.mark_count).filter_map(|index| Some(marks[ring_index(index, marks.len())?]));
        held.skip_while(move |mark| mark.cursor.position < position)
    }

    /// The place in front of the frame with this sequence number, which may be the next one. Work: all marks and 64 frames, and for a
    /// frame before the oldest mark, which few ask for, the bytes of 64 longest frames.
    ///
    /// # Errors
    /// The oldest frame that is held, or the head, when the journal does not hold that frame any more.
    pub fn find(&self, sequence: Sequence) -> Result<Cursor, Mark> {
        let wanted = sequence.0.min(self.head.frames);
        let mut marks = self.marks_from(self.oldest());
        let first = marks.next().unwrap_or(self.head);
        let start = if first.frames > wanted {
            let oldest = self.oldest_before(first);
            if oldest.frames > wanted {
                return Err(oldest);
            }
            oldest
        } else {
            marks.take_while(|mark| mark.frames <= wanted).last().unwrap_or(first)
        };
        let passed = usize::try_from(wanted - start.frames).unwrap_or(usize::MAX);
        Ok(self.frames_from(start.cursor).take(passed).last().unwrap_or(start.cursor))
    }

    /// The oldest frame that is held before the place `behind`, at most `MARK_BYTES_MAX` before it; `behind` if none is. The first byte
    /// of the ring may stand within a frame, so a frame counts as held if the 0x00 before it is.
    fn oldest_before(&self, behind: Mark) -> Mark {
        let start = self.oldest().max(behind.cursor.position.saturating_sub(MARK_BYTES_MAX));
        let (first, second) = self.slices(start).unwrap_or_default();
        let skipped = match start {
            // Nothing was overwritten yet.
            0 => Some(0),
            _ => first.iter().chain(second).position(|&byte| byte == 0).map(|place| as_u64(place) + 1),
        };
        let position = skipped.map_or(behind.cursor.position, |skipped| start + skipped);
        let from = Cursor { position, messages: 0 };
        let ends = self.frames_from(from).take_while(|end| end.position <= behind.cursor.position);
        let (frames, messages) = ends.fold((0, 0), |(frames, _), end| (frames + 1, end.messages));
        if frames == 0 {
            return behind;
        }
        let messages = behind.cursor.messages.saturating_sub(messages);
        Mark { cursor: Cursor { position, messages }, frames: behind.frames.saturating_sub(frames) }
    }

    /// The end of the last frame that lies whole within the `count` bytes behind `cursor`, and how many of these bytes belong to
    /// the next frame. Work: one step for each byte up to the end of that frame.
    pub fn advance(&self, cursor: Cursor, count: usize) -> (Cursor, usize) {
        let sent = cursor.position + as_u64(count);
        let reached = self.frames_from(cursor).take_while(|end| end.position <= sent).last().unwrap_or(cursor);
        (reached, as_usize(sent - reached.position))
    }

    /// The ends of the frames behind a place, one by one.
    fn frames_from(&self, from: Cursor) -> impl Iterator<Item = Cursor> {
        let (first, second) = self.slices(from.position).unwrap_or_default();
        let mut bytes = first.iter().chain(second).copied();
        let mut cursor = from;
        core::iter::from_fn(move || {
            let _code = bytes.next()?;
            let tag = bytes.next();
            // No stuffed byte is 0: a 0 in the place of the tag ends a frame that has no tag.
            let length = if tag == Some(0) { 2 } else { 3 + as_u64(bytes.position(|byte| byte == 0)?) };
            cursor.position += length;
            cursor.messages += u64::from(is_message(tag));
            Some(cursor)
        })
    }
}

/// Whether a frame is a message, by its second byte: the first is the code of COBS, the second the tag, which is not 0.
fn is_message(second_byte: Option<u8>) -> bool {
    second_byte == Some(SAID_TAG)
}

/// Where in a ring of this length the `index`th of all elements stands; `None` in a ring of nothing.
fn ring_index(index: u64, length: usize) -> Option<usize> {
    index.checked_rem(as_u64(length)).map(as_usize)
}

/// A length as a 64-bit number; no machine has longer ones.
fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A distance within the ring as a length. It is at most the ring's length, so it fits.
fn as_usize(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

impl core::fmt::Display for Lagged {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} messages are lost to this reader", self.messages)
    }
}

impl core::error::Error for Lagged {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec::Vec;

    /// A journal of this many bytes.
    fn journal(bytes: usize) -> Journal<Vec<u8>, Vec<Mark>> {
        Journal::new(std::vec![0xa5; bytes], std::vec![Mark::default(); 64])
    }

    /// A message of ten bytes with this content.
    fn said(content: u8) -> [u8; 10] {
        [9, SAID_TAG, content | 1, 1, 1, 1, 1, 1, 1, 0]
    }

    /// A join or leave of five bytes.
    const CHANGE: [u8; 5] = [4, SAID_TAG + 1, 7, 7, 0];

    /// The two slices in one.
    fn joined(slices: Slices<'_>) -> Vec<u8> {
        [slices.0, slices.1].concat()
    }

    #[test]
    fn reader_at_the_head_lacks_nothing() {
        let mut journal = journal(64);
        assert_eq!(journal.read(journal.head()), Ok((&[][..], &[][..])));
        journal.append(&said(1));
        assert_eq!(journal.read(journal.head()), Ok((&[][..], &[][..])));
    }

    #[test]
    fn reader_gets_what_was_appended_across_the_wrap() {
        let mut journal = journal(25);
        for content in 0..100 {
            let before = journal.head();
            assert_eq!(journal.append(&said(content)), Sequence(u64::from(content) * 2));
            journal.append(&CHANGE);
            assert_eq!(joined(journal.read(before).unwrap()), [&said(content)[..], &CHANGE].concat());
        }
    }

    #[test]
    fn reader_is_served_until_the_ring_has_just_passed_it() {
        let mut journal = journal(30);
        let start = journal.head();
        for content in 0..3 {
            journal.append(&said(content));
        }
        assert_eq!(joined(journal.read(start).unwrap()), [said(0), said(1), said(2)].concat());
        journal.append(&CHANGE);
        assert!(journal.read(start).is_err());
    }

    #[test]
    fn lagged_reader_is_told_its_messages_and_goes_on_behind_the_middle() {
        let mut journal = journal(64 * 10);
        let start = journal.head();
        for _ in 0..100 {
            journal.append(&said(1));
            journal.append(&CHANGE);
        }
        // 200 frames of 1,500 bytes; marks in front of frames 0, 64, 128, 192; the newer half begins at byte 1,180.
        let lagged = journal.read(start).unwrap_err();
        assert_eq!(lagged, Lagged { messages: 96, cursor: Cursor { position: 1_440, messages: 96 } });
        assert_eq!(joined(journal.read(lagged.cursor).unwrap()).len(), 60);
    }

    #[test]
    fn lagged_reader_without_a_mark_in_the_newer_half_goes_on_at_the_head() {
        let mut journal = journal(20);
        let start = journal.head();
        for _ in 0..10 {
            journal.append(&said(1));
        }
        assert_eq!(journal.read(start), Err(Lagged { messages: 10, cursor: journal.head() }));
    }

    #[test]
    fn every_sequence_that_is_held_is_found() {
        let mut journal = journal(3_000);
        let mut places = Vec::new();
        for number in 0..1_000_u64 {
            places.push(journal.head());
            let sequence = if number.is_multiple_of(3) { journal.append(&CHANGE) } else { journal.append(&said(2)) };
            assert_eq!(sequence, Sequence(number));
        }
        places.push(journal.head());
        let found: Vec<_> = (0..=1_000).map(|number| journal.find(Sequence(number))).collect();
        let first = found.iter().position(Result::is_ok).unwrap();
        // Frame 640 is marked, and its first byte is the first of the ring.
        assert_eq!((first, places[first].position), (640, journal.head().position - 3_000));
        for (number, (found, place)) in found.iter().zip(&places).enumerate() {
            match found {
                Ok(cursor) => assert_eq!(cursor, place, "{number}"),
                Err(oldest) => assert_eq!(oldest.cursor(), places[first], "{number}"),
            }
        }
        assert_eq!(journal.find(Sequence(u64::MAX)), Ok(journal.head()));
    }

    #[test]
    fn oldest_frame_is_found_without_a_mark_and_after_each_frame() {
        for bytes in [20, 25, 26, 39, 200] {
            let mut journal = journal(bytes);
            let mut places = std::vec![Mark::default()];
            for number in 0..300_u64 {
                if number.is_multiple_of(3) {
                    journal.append(&CHANGE)
                } else {
                    journal.append(&said(2))
                };
                places.push(Mark { cursor: journal.head(), frames: number + 1 });
                let held = journal.head().position.saturating_sub(as_u64(bytes));
                // At the very beginning of the ring only a marked frame is known for one.
                let is_known = |place: &Mark| held == 0 || place.frames.is_multiple_of(JOURNAL_MARK_FRAMES);
                let is_held =
                    |place: &&Mark| place.cursor.position > held || place.cursor.position == held && is_known(place);
                let oldest = *places.iter().find(is_held).unwrap();
                for wanted in 0..=number + 1 {
                    let place = places[as_usize(wanted)];
                    let expected = if wanted < oldest.frames { Err(oldest) } else { Ok(place.cursor) };
                    assert_eq!(journal.find(Sequence(wanted)), expected, "{bytes} {number} {wanted}");
                }
            }
        }
    }

    #[test]
    fn with_too_few_marks_only_so_much_is_looked_at_as_lies_between_two() {
        let mut journal = Journal::new(std::vec![0xa5; 1 << 20], std::vec![Mark::default(); 1]);
        for _ in 0..100_000 {
            journal.append(&said(1));
        }
        // The only mark stands in front of frame 99,968.
        let oldest = journal.find(Sequence(0)).unwrap_err();
        assert_eq!(oldest.frames, 99_968 - MARK_BYTES_MAX / 10);
        assert_eq!(oldest.cursor, Cursor { position: oldest.frames * 10, messages: oldest.frames });
        assert_eq!(journal.find(Sequence(oldest.frames)), Ok(oldest.cursor));
    }

    #[test]
    fn partly_sent_reader_stands_before_the_frame_that_is_not_whole() {
        let mut journal = journal(40);
        for _ in 0..3 {
            journal.append(&said(1));
        }
        let start = journal.head();
        journal.append(&CHANGE);
        journal.append(&said(1));
        for (count, position, messages, beyond) in
            [(0, 30, 3, 0), (4, 30, 3, 4), (5, 35, 3, 0), (14, 35, 3, 9), (15, 45, 4, 0)]
        {
            assert_eq!(journal.advance(start, count), (Cursor { position, messages }, beyond), "{count}");
        }
    }

    #[test]
    fn copy_has_the_same_positions_and_marks() {
        let mut source = journal(1_000);
        let mut copy = journal(1_000);
        for round in 0..=255 {
            let before = copy.head();
            source.append(&said(round));
            source.append(&CHANGE);
            copy.copy_from(&source);
            assert_eq!(copy.head(), source.head());
            assert_eq!(copy.read(before), source.read(before));
            for back in 0..70 {
                let sequence = Sequence(source.next_sequence().0.saturating_sub(back));
                assert_eq!(copy.find(sequence), source.find(sequence));
            }
        }
    }

    #[test]
    fn reader_ahead_of_a_copy_lacks_nothing_there_until_the_copy_has_passed_it() {
        let (mut source, mut copy) = (journal(100), journal(100));
        source.append(&said(1));
        let ahead = source.head();
        assert_eq!(copy.read(ahead), Ok((&[][..], &[][..])));
        source.append(&CHANGE);
        copy.copy_from(&source);
        assert_eq!(joined(copy.read(ahead).unwrap()), CHANGE);
    }

    #[test]
    fn copy_that_is_too_far_behind_begins_anew_and_claims_nothing_that_it_lacks() {
        let mut source = journal(100);
        let mut copy = journal(100);
        source.append(&said(1));
        copy.copy_from(&source);
        let behind = copy.head();
        for _ in 0..50 {
            source.append(&said(2));
        }
        copy.copy_from(&source);
        assert_eq!(copy.head(), source.head());
        assert_eq!(copy.read(behind), source.read(behind));
        let whole = Cursor { position: source.head().position - 100, messages: 41 };
        assert_eq!(joined(copy.read(whole).unwrap()), said(2).repeat(10));
    }

    #[test]
    fn journal_without_storage_holds_nothing_and_counts_all_the_same() {
        let mut journal = Journal::new(Vec::new(), Vec::new());
        let start = journal.head();
        assert_eq!(journal.append(&said(1)), Sequence(0));
        assert_eq!(journal.read(start), Err(Lagged { messages: 1, cursor: journal.head() }));
        assert_eq!(journal.find(Sequence(1)), Ok(journal.head()));
        assert!(journal.find(Sequence(0)).is_err());
    }
}
