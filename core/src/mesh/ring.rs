//! The messages that a peer keeps, for its history and for those who lack one: one ring of encoded Says, in the order in which
//! they came. The oldest are overwritten.

use super::PeerId;
use crate::limits::MESH_SAY_BYTES_MAX;

/// Bytes before a message: its length in two bytes.
const HEADER_BYTES: u64 = 2;
/// The length that says that the rest of the memory is unused and the next message stands at its beginning.
const SKIP: [u8; 2] = [0xff, 0xff];

/// The ring.
#[derive(Debug)]
pub(super) struct Ring<'s> {
    /// The memory.
    bytes: &'s mut [u8],
    /// Where the next message will stand, in bytes since the start.
    head: u64,
    /// How many bytes before that the oldest one begins.
    used: u32,
    /// How many bytes before that the newest one begins; 0 if that is not known.
    newest: u16,
}

/// What the beginning of an encoded Say tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heading {
    /// Who said it.
    pub(super) origin: PeerId,
    /// The origin's number.
    pub(super) number: u32,
    /// Its Lamport value.
    pub(super) lamport: u64,
}

impl Heading {
    /// Reads it; `None` if these bytes are no Say.
    fn read(item: &[u8]) -> Option<Self> {
        let (tag_and_more, _) = postcard::take_from_bytes::<(u32, PeerId, u32, u64)>(item).ok()?;
        let (_, origin, number, lamport) = tag_and_more;
        Some(Self { origin, number, lamport })
    }
}

impl<'s> Ring<'s> {
    /// An empty ring in this memory, of which 4 GiB are used at most.
    pub(super) fn new(bytes: &'s mut [u8]) -> Self {
        let length = bytes.len().min(usize::try_from(u32::MAX).unwrap_or(usize::MAX));
        let bytes = &mut bytes[..length];
        Self { bytes, head: 0, used: 0, newest: 0 }
    }

    /// How many bytes it has.
    const fn capacity(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Where the oldest message stands.
    fn tail(&self) -> u64 {
        self.head - u64::from(self.used)
    }

    /// Where a message of so many bytes would begin and end.
    fn span(&self, length: usize) -> Option<(u64, u64)> {
        let size = HEADER_BYTES + length as u64;
        if length > MESH_SAY_BYTES_MAX || size > self.capacity() {
            return None;
        }
        let rest = self.capacity() - self.head % self.capacity();
        let begin = if size > rest { self.head + rest } else { self.head };
        Some((begin, begin + size))
    }

    /// Whether a message of so many bytes would overwrite the one at `position`, or has no place at all.
    pub(super) fn would_overwrite(&self, length: usize, position: u64) -> bool {
        self.span(length).is_none_or(|(_, end)| end > position + self.capacity())
    }

    /// Whether a message of so many bytes would overwrite another.
    pub(super) fn is_full_for(&self, length: usize) -> bool {
        self.tail() < self.head && self.would_overwrite(length, self.tail())
    }

    /// Appends an encoded Say, and gives where it stands. The oldest messages are overwritten. `None` if it is longer than the ring.
    pub(super) fn append(&mut self, item: &[u8]) -> Option<u64> {
        let (begin, end) = self.span(item.len())?;
        let mut tail = self.tail();
        while tail < self.head && end > tail + self.capacity() {
            tail = self.next(tail);
        }
        if begin > self.head {
            let at = self.offset(self.head);
            if let Some(mark) = self.bytes.get_mut(at..at + 2) {
                mark.copy_from_slice(&SKIP);
            }
        }
        if tail == self.head {
            tail = begin;
        }
        let at = self.offset(begin);
        let length = u16::try_from(item.len()).unwrap_or(0);
        self.bytes[at..at + 2].copy_from_slice(&length.to_le_bytes());
        self.bytes[at + 2..at + 2 + item.len()].copy_from_slice(item);
        self.head = end;
        // Neither is longer than the ring, and a message much shorter.
        self.used = u32::try_from(end - tail).unwrap_or(0);
        self.newest = u16::try_from(end - begin).unwrap_or(0);
        Some(begin)
    }

    /// Takes the message at `position` back, if it is the last.
    pub(super) fn take_back(&mut self, position: u64) {
        if position >= self.tail() && position < self.head && self.next(position) == self.head {
            let tail = self.tail();
            self.head = position;
            (self.used, self.newest) = (u32::try_from(position - tail).unwrap_or(0), 0);
        }
    }

    /// The message at `position`, unless it has been overwritten.
    pub(super) fn get(&self, position: u64) -> Option<&[u8]> {
        (position >= self.tail() && position < self.head).then(|| self.item(position))
    }

    /// Finds a message. Work: a step for each message that is kept.
    pub(super) fn find(&self, origin: PeerId, number: u32) -> Option<u64> {
        self.find_from(self.tail(), origin, number)
    }

    /// Finds a message, looking first at the newest. Work as for [`Ring::find`], but one step for what has just come.
    pub(super) fn find_newest(&self, origin: PeerId, number: u32) -> Option<u64> {
        self.find_from(self.head - u64::from(self.newest), origin, number)
    }

    /// Finds a message, looking first at those from `hint` on: where the one before it was. Work as for [`Ring::find`], but
    /// few steps as a rule.
    pub(super) fn find_from(&self, hint: u64, origin: PeerId, number: u32) -> Option<u64> {
        let hint = if hint < self.tail() || hint >= self.head { self.tail() } else { hint };
        let is_it = |(_, heading): &(u64, Heading)| heading.origin == origin && heading.number == number;
        let found = self.iter_from(hint).find(is_it);
        found
            .or_else(|| self.iter().take_while(|(position, _)| *position < hint).find(is_it))
            .map(|(position, _)| position)
    }

    /// The lowest number of an origin that is kept. Work as for [`Ring::find`].
    pub(super) fn lowest(&self, origin: PeerId) -> Option<u32> {
        self.iter().filter(|(_, heading)| heading.origin == origin).map(|(_, heading)| heading.number).min()
    }

    /// All messages, the oldest first: where they stand and what they begin with.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, Heading)> {
        self.iter_from(self.tail())
    }

    /// The messages from that at `position` on.
    fn iter_from(&self, mut position: u64) -> impl Iterator<Item = (u64, Heading)> {
        core::iter::from_fn(move || {
            while position < self.head {
                let at = self.begin(position);
                if at >= self.head {
                    return None;
                }
                position = self.next(at);
                if let Some(heading) = Heading::read(self.item(at)) {
                    return Some((at, heading));
                }
            }
            None
        })
    }

    /// Where in the memory a position is.
    fn offset(&self, position: u64) -> usize {
        // Less than the length of the memory.
        usize::try_from(position % self.capacity().max(1)).unwrap_or(0)
    }

    /// Where the message at or behind a position begins: behind what was skipped.
    fn begin(&self, position: u64) -> u64 {
        let at = self.offset(position);
        match self.bytes.get(at..at + 2) {
            Some(length) if *length != SKIP => position,
            _ => position + (self.capacity() - at as u64),
        }
    }

    /// The message that begins at a position between tail and head.
    fn item(&self, position: u64) -> &[u8] {
        let at = self.offset(position);
        let rest = self.bytes.get(at..).unwrap_or(&[]);
        let Some((length, rest)) = rest.split_first_chunk::<2>() else { return &[] };
        rest.get(..usize::from(u16::from_le_bytes(*length))).unwrap_or(&[])
    }

    /// Where the message behind that at a position begins.
    fn next(&self, position: u64) -> u64 {
        let end = position + HEADER_BYTES + self.item(position).len() as u64;
        if end < self.head { self.begin(end) } else { end }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::mesh::item::{Item, Say};
    use crate::text::Text;
    use std::string::String;
    use std::vec::Vec;

    fn item(origin: u64, number: u32, text_length: usize) -> Vec<u8> {
        let text = String::from_utf8(std::vec![b'x'; text_length]).unwrap();
        let say = Say {
            origin: PeerId(origin),
            number,
            lamport: u64::from(number),
            sent_ms: 0,
            flags: 0,
            name: "anna",
            text: Text::new(&text).unwrap(),
        };
        let mut bytes = [0xa5; 1_200];
        postcard::to_slice(&Item::Say(say), &mut bytes).unwrap().to_vec()
    }

    fn numbers(ring: &Ring<'_>) -> Vec<u32> {
        ring.iter().map(|(_, heading)| heading.number).collect()
    }

    #[test]
    fn messages_are_found_until_they_are_overwritten() {
        // One message has 1 + 8 + 1 + 1 + 1 + 1 + 5 + 11 + 2 = 31 bytes.
        let mut memory = [0xa5; 100];
        let mut ring = Ring::new(&mut memory);
        assert_eq!(item(7, 1, 10).len(), 29);
        let positions: Vec<_> = (1..=3).map(|number| ring.append(&item(7, number, 10)).unwrap()).collect();
        assert_eq!(numbers(&ring), [1, 2, 3]);
        assert_eq!(ring.get(positions[0]).unwrap(), item(7, 1, 10));
        ring.append(&item(8, 4, 10)).unwrap();
        assert_eq!(numbers(&ring), [2, 3, 4]);
        assert_eq!(ring.get(positions[0]), None);
        assert_eq!(ring.find(PeerId(7), 1), None);
        assert_eq!(ring.find(PeerId(8), 4).and_then(|position| ring.get(position)).unwrap(), item(8, 4, 10));
        assert_eq!((ring.lowest(PeerId(7)), ring.lowest(PeerId(9))), (Some(2), None));
    }

    #[test]
    fn ring_of_any_size_keeps_the_newest_in_order_through_many_rounds() {
        for size in 60..200 {
            let mut memory = std::vec![0xa5; size];
            let mut ring = Ring::new(&mut memory);
            for number in 1..=100 {
                let bytes = item(7, number, 1 + (number as usize * 7) % 31);
                let before = ring.would_overwrite(bytes.len(), ring.tail()) && ring.tail() < ring.head;
                let (tail, is_full) = (ring.tail(), ring.is_full_for(bytes.len()));
                assert_eq!(before, is_full);
                ring.append(&bytes).unwrap();
                assert_eq!(ring.tail() > tail && tail > 0, is_full && tail > 0, "size {size}, number {number}");
                let kept = numbers(&ring);
                assert_eq!(kept.last(), Some(&number), "size {size}");
                assert!(kept.windows(2).all(|pair| pair[1] == pair[0] + 1), "size {size}: {kept:?}");
                let position = ring.find(PeerId(7), number).unwrap();
                assert_eq!(ring.get(position).unwrap(), bytes);
                for &number in &kept {
                    assert_eq!(ring.find_newest(PeerId(7), number), ring.find(PeerId(7), number));
                }
            }
        }
    }

    #[test]
    fn message_longer_than_the_ring_has_no_place() {
        let mut memory = [0xa5; 30];
        let mut ring = Ring::new(&mut memory);
        assert_eq!(ring.append(&item(7, 1, 10)), None);
        assert!(ring.would_overwrite(29, 0));
        assert_eq!(ring.append(&item(7, 1, 9)), Some(0));
    }

    #[test]
    fn last_message_can_be_taken_back_and_others_not() {
        let mut memory = [0xa5; 100];
        let mut ring = Ring::new(&mut memory);
        let first = ring.append(&item(7, 1, 10)).unwrap();
        let second = ring.append(&item(7, 2, 10)).unwrap();
        ring.take_back(first);
        assert_eq!(numbers(&ring), [1, 2]);
        ring.take_back(second);
        assert_eq!(numbers(&ring), [1]);
        ring.append(&item(7, 3, 10)).unwrap();
        assert_eq!(numbers(&ring), [1, 3]);
    }
}
