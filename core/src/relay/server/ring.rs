//! The INCOMINGs that wait to be sent: one fixed ring of datagrams, each encoded once, whatever the number of its recipients.
//!
//! The recipients of a datagram, its *audience*, are the first N clients of the roster, because the roster never forgets a
//! client. So one position says how many of them have got the datagram. Items are appended to the last datagram until it is
//! full, its sending has begun, or another client is admitted: messages that arrive during sending go out in few datagrams.

use crate::datagram::{self, Payload};
use crate::limits::{DATAGRAM_BYTES_MAX, Full};
use crate::relay::message::{Message, PROTOCOL};

/// Length and audience of a datagram that waits.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The datagram's length in bytes.
    len: usize,
    /// The datagram goes to this many clients, the first of the roster.
    audience: u32,
    /// Position of the client with which its sending begins: 0, or where the burst was split that it was part of.
    first: u32,
}

impl Slot {
    /// A slot for no datagram, for static storage.
    pub const EMPTY: Self = Self { len: 0, audience: 0, first: 0 };
}

/// Datagrams in the order in which they are to be sent.
///
/// Several datagrams that stand in a row in storage and have the same audience make a *burst*, which is sent as one: all but the
/// last have [`DATAGRAM_BYTES_MAX`] bytes, so that the network stack can cut the burst up again.
#[derive(Debug)]
pub(super) struct Ring<'r> {
    /// The datagrams' bytes.
    payloads: &'r mut [Payload],
    /// Their slots, by the same index.
    slots: &'r mut [Slot],
    /// Index of the first slot in use.
    head: usize,
    /// How many slots are in use.
    len: usize,
    /// How many clients have got the first datagram: the position of the next one.
    position: u32,
    /// Datagrams of the burst whose sending has begun; 0 if none has.
    begun: usize,
    /// Most datagrams of a burst.
    burst_max: usize,
}

impl<'r> Ring<'r> {
    /// An empty ring over this storage, for as many datagrams as both slices have room for.
    pub(super) const fn new(payloads: &'r mut [Payload], slots: &'r mut [Slot]) -> Self {
        Self { payloads, slots, head: 0, len: 0, position: 0, begun: 0, burst_max: 1 }
    }

    /// Makes bursts of up to `burst_max` datagrams from now on.
    pub(super) const fn set_burst_max(&mut self, burst_max: usize) {
        self.burst_max = if burst_max == 0 { 1 } else { burst_max };
    }

    /// How many datagrams it has room for.
    const fn capacity(&self) -> usize {
        if self.slots.len() < self.payloads.len() { self.slots.len() } else { self.payloads.len() }
    }

    /// How many datagrams more there is room for.
    pub(super) const fn vacancy(&self) -> usize {
        self.capacity() - self.len
    }

    /// The storage index of the datagram with this index in the order of sending.
    const fn place(&self, index: usize) -> usize {
        let place = self.head + index;
        if place < self.capacity() { place } else { place - self.capacity() }
    }

    /// Appends an item for the first `audience` clients of the roster; does nothing if that is 0. Work is bounded by a datagram's length.
    ///
    /// # Errors
    /// [`Full`], then nothing has changed.
    pub(super) fn append(&mut self, item: &Message<'_>, audience: u32) -> Result<(), Full> {
        if audience == 0 || self.append_to_last(item, audience) {
            return Ok(());
        }
        if self.vacancy() == 0 {
            return Err(Full);
        }
        self.pad_last(audience);
        let place = self.place(self.len);
        let payload = &mut self.payloads[place];
        let begun = datagram::begin(payload, PROTOCOL);
        // Any message fits into an empty datagram (limits.rs), so this refuses nothing.
        let len = datagram::push(payload, begun, item).map_err(|_| Full)?;
        self.slots[place] = Slot { len, audience, first: 0 };
        self.len += 1;
        Ok(())
    }

    /// Appends the item to the last datagram, if that is open for this audience and has room. Returns whether it did.
    fn append_to_last(&mut self, item: &Message<'_>, audience: u32) -> bool {
        let Some(place) = self.open_place(audience) else { return false };
        let slot = &mut self.slots[place];
        let len = datagram::push(&mut self.payloads[place], slot.len, item);
        slot.len = len.unwrap_or(slot.len);
        len.is_ok()
    }

    /// Pads the last datagram to full length if it is open for this audience and bursts are made: the next datagram joins its burst.
    fn pad_last(&mut self, audience: u32) {
        if self.burst_max > 1
            && let Some(place) = self.open_place(audience)
        {
            let slot = &mut self.slots[place];
            self.payloads[place][slot.len..].fill(0);
            slot.len = DATAGRAM_BYTES_MAX;
        }
    }

    /// The storage index of the last datagram if it is open: it has this audience, and nobody has got it yet, not even as part of a
    /// burst that was split.
    fn open_place(&self, audience: u32) -> Option<usize> {
        let place = self.place(self.len.checked_sub(1).filter(|_| self.len > self.begun)?);
        (self.slots[place].audience == audience && self.slots[place].first == 0).then_some(place)
    }

    /// How many datagrams the burst has that begins with the datagram at `index`.
    fn burst(&self, index: usize) -> usize {
        if index == 0 && self.begun > 0 {
            return self.begun;
        }
        let start = self.place(index);
        let Slot { audience, first, .. } = self.slots[start];
        let most = self.burst_max.min(self.len - index).min(self.capacity() - start);
        let follows = |count: &usize| {
            let (before, slot) = (&self.slots[start + count - 1], &self.slots[start + count]);
            before.len == DATAGRAM_BYTES_MAX && slot.audience == audience && slot.first == first
        };
        1 + (1..most).take_while(follows).count()
    }

    /// The bytes of the burst at `cursor`, and the recipient's position in the roster; `None` behind the last burst.
    pub(super) fn get(&self, cursor: Cursor) -> Option<(&[u8], u32)> {
        if cursor.index >= self.len {
            return None;
        }
        let start = self.place(cursor.index);
        let last = start + cursor.burst - 1;
        let bytes = self.payloads[start..=last].as_flattened();
        Some((&bytes[..(last - start) * DATAGRAM_BYTES_MAX + self.slots[last].len], cursor.position))
    }

    /// The burst and recipient that come next.
    pub(super) fn cursor(&self) -> Cursor {
        self.cursor_at(0, self.position)
    }

    /// The cursor for the burst at `index` and the recipient at `position`.
    fn cursor_at(&self, index: usize, position: u32) -> Cursor {
        Cursor { index, position, burst: if index < self.len { self.burst(index) } else { 0 } }
    }

    /// The cursor after this one: the next recipient of the burst, or the first recipient of the next burst.
    pub(super) fn after(&self, cursor: Cursor) -> Cursor {
        if cursor.position + 1 < self.slots[self.place(cursor.index)].audience {
            return Cursor { position: cursor.position + 1, ..cursor };
        }
        let index = cursor.index + cursor.burst;
        self.cursor_at(index, self.slots[self.place(index)].first)
    }

    /// Marks the next `count` pairs of burst and recipient as sent, or all if there are fewer. Returns how many datagrams they were.
    /// Work: one step for each datagram.
    pub(super) fn advance(&mut self, mut count: usize) -> usize {
        let mut datagrams = 0;
        while self.len > 0 && count > 0 {
            let burst = self.burst(0);
            let left = self.slots[self.head].audience - self.position;
            match u32::try_from(count) {
                Ok(few) if few < left => {
                    self.position += few;
                    self.begun = burst;
                    return datagrams + count * burst;
                }
                _ => {
                    // `left` is at most `count` here, so it fits.
                    let left = usize::try_from(left).unwrap_or(count);
                    count -= left;
                    datagrams += left * burst;
                }
            }
            self.head = self.place(burst);
            self.len -= burst;
            self.begun = 0;
            self.position = if self.len > 0 { self.slots[self.head].first } else { 0 };
        }
        datagrams
    }

    /// Splits the first burst: its datagrams are sent one by one from here on. Returns false if it is a single datagram.
    pub(super) fn split(&mut self) -> bool {
        let burst = if self.len > 0 { self.burst(0) } else { 0 };
        if burst < 2 {
            return false;
        }
        for index in 1..burst {
            let place = self.place(index);
            self.slots[place].first = self.position;
        }
        self.begun = 1;
        true
    }
}

/// One pair of a burst in the ring and a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Index of the burst's first datagram in the order of sending.
    index: usize,
    /// How many datagrams the burst has.
    burst: usize,
    /// Position of the recipient in the roster.
    position: u32,
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::text::Text;
    use std::vec::Vec;

    /// Storage for `N` datagrams, filled with bytes that must not show.
    fn storage<const N: usize>() -> ([Payload; N], [Slot; N]) {
        ([[0xa5; DATAGRAM_BYTES_MAX]; N], [const { Slot::EMPTY }; N])
    }

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

    /// A datagram: its length in bytes, and the numbers of its items.
    type Sent = (usize, Vec<u32>);

    /// Recipient and datagrams of each burst that is to be sent, in order.
    fn bursts(ring: &Ring<'_>) -> Vec<(u32, Vec<Sent>)> {
        let mut waiting = Vec::new();
        let mut cursor = ring.cursor();
        while let Some((bytes, position)) = ring.get(cursor) {
            let datagrams = bytes.chunks(DATAGRAM_BYTES_MAX).map(|bytes| {
                let numbers = datagram::open(PROTOCOL, bytes).unwrap().map(|item| {
                    match Message::decode(item.unwrap()).unwrap() {
                        Message::Message { number, .. } => number,
                        other => panic!("{other:?}"),
                    }
                });
                (bytes.len(), numbers.collect())
            });
            waiting.push((position, datagrams.collect()));
            cursor = ring.after(cursor);
        }
        waiting
    }

    /// Recipient and item numbers of each datagram that is to be sent, where each burst is one datagram.
    fn waiting(ring: &Ring<'_>) -> Vec<(u32, Vec<u32>)> {
        let single = |mut datagrams: Vec<Sent>| {
            assert_eq!(datagrams.len(), 1);
            datagrams.remove(0).1
        };
        bursts(ring).into_iter().map(|(position, datagrams)| (position, single(datagrams))).collect()
    }

    #[test]
    fn ring_without_slots_is_always_full() {
        let mut ring = Ring::new(&mut [], &mut []);
        assert_eq!(ring.append(&short(1), 1), Err(Full));
        ring.advance(9);
        assert!(waiting(&ring).is_empty());
    }

    #[test]
    fn items_of_one_round_share_a_datagram() {
        let (mut payloads, mut slots) = storage::<2>();
        let mut ring = Ring::new(&mut payloads, &mut slots);
        for number in 1..=3 {
            ring.append(&short(number), 2).unwrap();
        }
        assert_eq!(waiting(&ring), [(0, std::vec![1, 2, 3]), (1, std::vec![1, 2, 3])]);
    }

    #[test]
    fn datagram_whose_sending_has_begun_takes_no_more() {
        let (mut payloads, mut slots) = storage::<2>();
        let mut ring = Ring::new(&mut payloads, &mut slots);
        ring.append(&short(1), 2).unwrap();
        ring.advance(1);
        ring.append(&short(2), 2).unwrap();
        assert_eq!(waiting(&ring), [(1, std::vec![1]), (0, std::vec![2]), (1, std::vec![2])]);
    }

    #[test]
    fn newcomer_gets_nothing_from_before() {
        let (mut payloads, mut slots) = storage::<2>();
        let mut ring = Ring::new(&mut payloads, &mut slots);
        ring.append(&short(1), 1).unwrap();
        ring.append(&short(2), 2).unwrap();
        assert_eq!(waiting(&ring), [(0, std::vec![1]), (0, std::vec![2]), (1, std::vec![2])]);
    }

    #[test]
    fn full_ring_refuses_until_a_datagram_is_done_and_again_after_the_wrap() {
        let (mut payloads, mut slots) = storage::<3>();
        let mut ring = Ring::new(&mut payloads, &mut slots);
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
        let (mut payloads, mut slots) = storage::<2>();
        let mut ring = Ring::new(&mut payloads, &mut slots);
        ring.append(&long(1), 3).unwrap();
        ring.append(&long(2), 3).unwrap();
        ring.advance(4);
        assert_eq!(waiting(&ring).len(), 2);
        ring.advance(usize::MAX);
        assert!(waiting(&ring).is_empty());
    }

    /// A ring with room for bursts, and datagrams 0 to `count` - 1 for two addresses; each but the last is filled up.
    fn long_burst<'r>(payloads: &'r mut [Payload], slots: &'r mut [Slot], count: u32) -> Ring<'r> {
        let mut ring = Ring::new(payloads, slots);
        ring.set_burst_max(3);
        for number in 0..count {
            ring.append(&long(number), 2).unwrap();
        }
        ring
    }

    /// Bytes of a datagram with one long item that is not filled up.
    const LONG_BYTES: usize = 4 + 2 + 1 + 1 + 2 + 1_024;

    /// A datagram that is filled up, with this item.
    fn filled(number: u32) -> Sent {
        (DATAGRAM_BYTES_MAX, std::vec![number])
    }

    /// A datagram that is not filled up, with this item.
    fn unfilled(number: u32) -> Sent {
        (LONG_BYTES, std::vec![number])
    }

    #[test]
    fn datagrams_for_the_same_addresses_go_as_one_burst_up_to_its_maximum() {
        let (mut payloads, mut slots) = storage::<5>();
        let ring = long_burst(&mut payloads, &mut slots, 5);
        let (first, second) = (std::vec![filled(0), filled(1), filled(2)], std::vec![filled(3), unfilled(4)]);
        assert_eq!(bursts(&ring), [(0, first.clone()), (1, first), (0, second.clone()), (1, second)]);
    }

    #[test]
    fn burst_that_has_begun_is_finished_as_it_began() {
        let (mut payloads, mut slots) = storage::<5>();
        let mut ring = long_burst(&mut payloads, &mut slots, 2);
        assert_eq!(ring.advance(1), 2);
        ring.append(&short(7), 2).unwrap();
        let next = (7 + 4 - 2, std::vec![7]);
        assert_eq!(bursts(&ring)[0], (1, std::vec![filled(0), unfilled(1)]));
        assert_eq!(bursts(&ring)[1..], [(0, std::vec![next.clone()]), (1, std::vec![next])]);
        assert_eq!(ring.advance(usize::MAX), 2 + 2);
    }

    #[test]
    fn burst_ends_where_the_audience_changes_and_at_the_wrap() {
        let (mut payloads, mut slots) = storage::<4>();
        let mut ring = long_burst(&mut payloads, &mut slots, 2);
        ring.append(&long(2), 3).unwrap();
        assert_eq!(bursts(&ring)[0], (0, std::vec![filled(0), unfilled(1)]));
        assert_eq!(bursts(&ring)[2], (0, std::vec![unfilled(2)]));
        assert_eq!(ring.advance(2), 4);
        for number in 3..6 {
            ring.append(&long(number), 3).unwrap();
        }
        // Two places are left before the storage's end.
        let places: Vec<_> = bursts(&ring).iter().map(|(_, datagrams)| datagrams.len()).collect();
        assert_eq!(places, [2, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn split_burst_gives_each_datagram_once_to_each_address() {
        let (mut payloads, mut slots) = storage::<3>();
        let mut ring = long_burst(&mut payloads, &mut slots, 3);
        assert_eq!(ring.advance(1), 3);
        assert!(ring.split());
        assert!(!ring.split());
        let rest = |datagrams: &[Sent]| (1, datagrams.to_vec());
        assert_eq!(bursts(&ring), [rest(&[filled(0)]), rest(&[filled(1), unfilled(2)])]);
        assert_eq!(ring.advance(1), 1);
        assert!(ring.split());
        assert_eq!(bursts(&ring), [rest(&[filled(1)]), rest(&[unfilled(2)])]);
        assert_eq!(ring.advance(2), 2);
        assert!(!ring.split());
        ring.append(&short(9), 2).unwrap();
        assert_eq!(bursts(&ring)[0].0, 0);
    }

    #[test]
    fn what_is_said_after_a_split_goes_to_everybody() {
        let (mut payloads, mut slots) = storage::<4>();
        let mut ring = long_burst(&mut payloads, &mut slots, 2);
        ring.advance(1);
        assert!(ring.split());
        ring.append(&short(9), 2).unwrap();
        let nine = std::vec![(7 + 4 - 2, std::vec![9])];
        let rest = [(1, std::vec![filled(0)]), (1, std::vec![unfilled(1)]), (0, nine.clone()), (1, nine)];
        assert_eq!(bursts(&ring), rest);
    }

    #[test]
    fn without_bursts_nothing_is_filled_up() {
        let (mut payloads, mut slots) = storage::<3>();
        let mut ring = long_burst(&mut payloads, &mut slots, 0);
        ring.set_burst_max(0);
        for number in 0..2 {
            ring.append(&long(number), 1).unwrap();
        }
        assert_eq!(bursts(&ring), [(0, std::vec![unfilled(0)]), (0, std::vec![unfilled(1)])]);
    }
}
