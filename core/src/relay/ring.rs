//! What waits to be sent: one fixed ring of datagrams, each encoded once, whatever the number of those who get it.
//!
//! Because the roster never forgets, those who get a datagram are the first so many of the roster, and how far it has got
//! is one position. Items are appended to the last datagram until it is full, its sending has begun, or somebody has been
//! admitted in between: so what arrives while others are being served goes out in as few datagrams as it fits in.

use super::message::{Message, PROTOCOL};
use crate::datagram::Datagram;

/// Room for one datagram that waits, and the number of those who get it.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The datagram.
    datagram: Datagram,
    /// It goes to this many addresses, the first of the roster.
    audience: u32,
}

impl Slot {
    /// A slot with nothing in it, for static storage.
    pub const EMPTY: Self = Self { datagram: Datagram::EMPTY, audience: 0 };
}

/// Every slot holds a datagram that still has to be sent, and the item does not fit into the last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Datagrams in the order in which they are to be sent.
#[derive(Debug)]
pub(super) struct Ring<'r> {
    /// Storage, as many slots as the ring can hold.
    slots: &'r mut [Slot],
    /// Index of the first slot in use.
    head: usize,
    /// How many slots are in use.
    len: usize,
    /// How many have got the first datagram already.
    position: u32,
}

impl<'r> Ring<'r> {
    /// An empty ring over this storage, whatever it holds.
    pub(super) const fn new(slots: &'r mut [Slot]) -> Self {
        Self { slots, head: 0, len: 0, position: 0 }
    }

    /// How many datagrams more there is room for.
    pub(super) const fn vacancy(&self) -> usize {
        self.slots.len() - self.len
    }

    /// Appends an item for the first `audience` of the roster; for nobody, nothing is done. Constant time.
    ///
    /// # Errors
    /// [`Full`], then nothing has changed.
    pub(super) fn append(&mut self, item: &Message<'_>, audience: u32) -> Result<(), Full> {
        if audience == 0 || self.append_to_last(item, audience) {
            return Ok(());
        }
        if self.len == self.slots.len() {
            return Err(Full);
        }
        let slot = &mut self.slots[(self.head + self.len) % self.slots.len()];
        slot.audience = audience;
        slot.datagram.begin(PROTOCOL);
        // Any message fits into an empty datagram (limits.rs), so this refuses nothing.
        slot.datagram.push(item).map_err(|_| Full)?;
        self.len += 1;
        Ok(())
    }

    /// Appends the item to the last datagram, if that is still open, has the same audience, and has room.
    fn append_to_last(&mut self, item: &Message<'_>, audience: u32) -> bool {
        let open = self.len > 1 || (self.len == 1 && self.position == 0);
        if !open {
            return false;
        }
        let last = &mut self.slots[(self.head + self.len - 1) % self.slots.len()];
        last.audience == audience && last.datagram.push(item).is_ok()
    }

    /// The datagram at a place and the recipient's position in the roster; `None` behind the last.
    pub(super) fn get(&self, cursor: Cursor) -> Option<(&[u8], u32)> {
        if cursor.index >= self.len {
            return None;
        }
        let slot = &self.slots[(self.head + cursor.index) % self.slots.len()];
        Some((slot.datagram.as_bytes(), cursor.position))
    }

    /// Where sending has got to.
    pub(super) const fn cursor(&self) -> Cursor {
        Cursor { index: 0, position: self.position }
    }

    /// The place after this one: the next recipient, or the first of the next datagram.
    pub(super) fn after(&self, cursor: Cursor) -> Cursor {
        let slot = &self.slots[(self.head + cursor.index) % self.slots.len()];
        if cursor.position + 1 < slot.audience {
            Cursor { position: cursor.position + 1, ..cursor }
        } else {
            Cursor { index: cursor.index + 1, position: 0 }
        }
    }

    /// Takes the next `count` pairs of datagram and recipient as done, or all if there are fewer. Work: one step for each
    /// datagram.
    pub(super) fn advance(&mut self, mut count: usize) {
        while self.len > 0 && count > 0 {
            let left = self.slots[self.head].audience - self.position;
            match u32::try_from(count) {
                Ok(few) if few < left => {
                    self.position += few;
                    return;
                }
                // As many as are left, which is no more than `count`.
                _ => count -= usize::try_from(left).unwrap_or(count),
            }
            self.head = (self.head + 1) % self.slots.len();
            self.len -= 1;
            self.position = 0;
        }
    }
}

/// A place in the ring: which datagram, and which recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Which of the datagrams in use, 0 the first.
    index: usize,
    /// Position of the recipient in the roster.
    position: u32,
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::text::Text;
    use std::vec::Vec;

    /// An item of 1,024 bytes of text, of which a datagram holds one.
    fn long(number: u32) -> Message<'static> {
        const TEXT: &str = match core::str::from_utf8(&[b'x'; 1_024]) {
            Ok(text) => text,
            Err(_) => "",
        };
        Message::Message { number, text: Text::new(TEXT).unwrap() }
    }

    /// A short item, of which a datagram holds many.
    fn short(number: u32) -> Message<'static> {
        Message::Message { number, text: Text::new("s").unwrap() }
    }

    /// Recipient and numbers of what is to be sent, in order.
    fn waiting(ring: &Ring<'_>) -> Vec<(u32, Vec<u32>)> {
        let mut waiting = Vec::new();
        let mut cursor = ring.cursor();
        while let Some((bytes, position)) = ring.get(cursor) {
            let numbers = crate::datagram::open(PROTOCOL, bytes).unwrap().map(|item| {
                match Message::decode(item.unwrap()).unwrap() {
                    Message::Message { number, .. } => number,
                    other => panic!("{other:?}"),
                }
            });
            waiting.push((position, numbers.collect()));
            cursor = ring.after(cursor);
        }
        waiting
    }

    #[test]
    fn ring_without_slots_is_always_full() {
        let mut ring = Ring::new(&mut []);
        assert_eq!(ring.append(&short(1), 1), Err(Full));
        ring.advance(9);
        assert!(waiting(&ring).is_empty());
    }

    #[test]
    fn items_of_one_round_share_a_datagram() {
        let mut slots = [Slot::EMPTY, Slot::EMPTY];
        let mut ring = Ring::new(&mut slots);
        for number in 1..=3 {
            ring.append(&short(number), 2).unwrap();
        }
        assert_eq!(waiting(&ring), [(0, std::vec![1, 2, 3]), (1, std::vec![1, 2, 3])]);
    }

    #[test]
    fn datagram_whose_sending_has_begun_takes_no_more() {
        let mut slots = [Slot::EMPTY, Slot::EMPTY];
        let mut ring = Ring::new(&mut slots);
        ring.append(&short(1), 2).unwrap();
        ring.advance(1);
        ring.append(&short(2), 2).unwrap();
        assert_eq!(waiting(&ring), [(1, std::vec![1]), (0, std::vec![2]), (1, std::vec![2])]);
    }

    #[test]
    fn newcomer_gets_nothing_from_before() {
        let mut slots = [Slot::EMPTY, Slot::EMPTY];
        let mut ring = Ring::new(&mut slots);
        ring.append(&short(1), 1).unwrap();
        ring.append(&short(2), 2).unwrap();
        assert_eq!(waiting(&ring), [(0, std::vec![1]), (0, std::vec![2]), (1, std::vec![2])]);
    }

    #[test]
    fn full_ring_refuses_until_a_datagram_is_done_and_again_after_the_wrap() {
        let mut slots = [Slot::EMPTY, Slot::EMPTY, Slot::EMPTY];
        let mut ring = Ring::new(&mut slots);
        for number in 0..3 {
            ring.append(&long(number), 2).unwrap();
        }
        for round in 0..7 {
            assert_eq!(ring.append(&long(99), 2), Err(Full));
            ring.advance(1);
            assert_eq!(ring.append(&long(99), 2), Err(Full));
            ring.advance(1);
            ring.append(&long(round + 3), 2).unwrap();
            let numbers: Vec<_> = waiting(&ring).into_iter().map(|(_, numbers)| numbers[0]).collect();
            assert_eq!(numbers, [round + 1, round + 1, round + 2, round + 2, round + 3, round + 3]);
        }
    }

    #[test]
    fn more_done_than_waits_leaves_the_ring_empty() {
        let mut slots = [Slot::EMPTY, Slot::EMPTY];
        let mut ring = Ring::new(&mut slots);
        ring.append(&long(1), 3).unwrap();
        ring.append(&long(2), 3).unwrap();
        ring.advance(4);
        assert_eq!(waiting(&ring).len(), 2);
        ring.advance(usize::MAX);
        assert!(waiting(&ring).is_empty());
    }
}
