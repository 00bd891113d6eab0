//! Answering those who lack messages: what they asked for waits here, and goes out one datagram after the other.

use super::PeerId;
use super::ring::Ring;
use crate::limits::MESH_REPAIRS_MAX;
use heapless::Vec;

/// What one asked for.
#[derive(Debug, Clone, Copy)]
struct Repair {
    /// Who.
    to: PeerId,
    /// Whose messages.
    origin: PeerId,
    /// The first number that is still to be sent.
    first: u32,
    /// Which: bit i stands for `first + i`.
    bits: u32,
    /// Whether the first one asked for is not here, and that is to be told.
    none: bool,
    /// Where the last one sent stands in the ring.
    hint: u64,
}

/// All that wait.
#[derive(Debug)]
pub(super) struct Repairs(Vec<Repair, MESH_REPAIRS_MAX>);

/// What is to be sent to somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The message at this position of the ring.
    Say(u64),
    /// That messages of this origin are not here, and the lowest number that is (0: none).
    None(PeerId, u32),
}

impl Repairs {
    /// Nobody waits.
    pub(super) const NONE: Self = Self(Vec::new());

    /// Somebody asks. Gives `false` if too many wait.
    pub(super) fn ask(&mut self, ring: &Ring<'_>, to: PeerId, origin: PeerId, first: u32, bits: u32) -> bool {
        let none = ring.find(origin, first).is_none();
        let repair = Repair { to, origin, first, bits, none, hint: 0 };
        // Who asks again has not got the answer to its last question.
        if let Some(waiting) = self.0.iter_mut().find(|waiting| waiting.to == to && waiting.origin == origin) {
            *waiting = repair;
            return true;
        }
        self.0.push(repair).is_ok()
    }

    /// For whom the next datagram is.
    pub(super) fn next_to(&self) -> Option<PeerId> {
        self.0.first().map(|repair| repair.to)
    }

    /// What is to be sent to `to` next; it stays due until [`Repairs::handle_sent`]. What is no longer in the ring is left out.
    pub(super) fn due(&mut self, ring: &Ring<'_>, to: PeerId) -> Option<Due> {
        loop {
            let repair = self.0.iter_mut().find(|repair| repair.to == to)?;
            if repair.none {
                return Some(Due::None(repair.origin, ring.lowest(repair.origin).unwrap_or(0)));
            }
            while repair.bits != 0 {
                repair.skip(repair.bits.trailing_zeros());
                if let Some(position) = ring.find_from(repair.hint, repair.origin, repair.first) {
                    repair.hint = position;
                    return Some(Due::Say(position));
                }
                repair.skip(1);
            }
            let origin = repair.origin;
            self.0.retain(|repair| (repair.to, repair.origin) != (to, origin));
        }
    }

    /// What [`Repairs::due`] gave has been put into a datagram.
    pub(super) fn handle_sent(&mut self, to: PeerId) {
        if let Some(repair) = self.0.iter_mut().find(|repair| repair.to == to) {
            match repair.none {
                true => repair.none = false,
                false => repair.skip(1),
            }
        }
    }

    /// Somebody cannot be answered.
    pub(super) fn forget(&mut self, to: PeerId) {
        self.0.retain(|repair| repair.to != to);
    }
}

impl Repair {
    /// Leaves so many numbers out.
    fn skip(&mut self, count: u32) {
        self.bits = self.bits.checked_shr(count).unwrap_or(0);
        self.first = self.first.saturating_add(count);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::mesh::item::{Item, Say};
    use crate::text::Text;
    use std::vec::Vec;

    const ASKER: PeerId = PeerId(3);
    const ORIGIN: PeerId = PeerId(7);

    /// A ring with these messages of ORIGIN.
    fn ring<'s>(memory: &'s mut [u8], numbers: &[u32]) -> Ring<'s> {
        let mut ring = Ring::new(memory);
        for &number in numbers {
            let text = Text::new("hi").unwrap();
            let say = Say { origin: ORIGIN, number, lamport: 1, sent_ms: 0, flags: 0, name: "a", text };
            let mut bytes = [0; 64];
            ring.append(postcard::to_slice(&Item::Say(say), &mut bytes).unwrap()).unwrap();
        }
        ring
    }

    fn drain(repairs: &mut Repairs, ring: &Ring<'_>) -> Vec<Due> {
        core::iter::from_fn(|| {
            let due = repairs.due(ring, ASKER);
            repairs.handle_sent(ASKER);
            due
        })
        .collect()
    }

    #[test]
    fn what_is_here_is_sent_in_order() {
        let mut memory = [0; 512];
        let ring = ring(&mut memory, &[4, 6, 5, 9]);
        let mut repairs = Repairs::NONE;
        assert!(repairs.ask(&ring, ASKER, ORIGIN, 4, 0b11011));
        let due = |number| Due::Say(ring.find(ORIGIN, number).unwrap());
        assert_eq!(drain(&mut repairs, &ring), [due(4), due(5)]);
        assert_eq!(repairs.next_to(), None);
    }

    #[test]
    fn what_is_not_here_is_told_with_the_lowest_that_is() {
        let mut memory = [0; 512];
        let ring = ring(&mut memory, &[6, 5]);
        let mut repairs = Repairs::NONE;
        repairs.ask(&ring, ASKER, ORIGIN, 4, 0b111);
        let due = |number| Due::Say(ring.find(ORIGIN, number).unwrap());
        assert_eq!(drain(&mut repairs, &ring), [Due::None(ORIGIN, 5), due(5), due(6)]);
        repairs.ask(&ring, ASKER, PeerId(8), 1, 1);
        assert_eq!(drain(&mut repairs, &ring), [Due::None(PeerId(8), 0)]);
    }

    #[test]
    fn eleventh_waiting_request_is_dropped_and_a_repeated_one_replaces() {
        let mut memory = [0; 64];
        let ring = ring(&mut memory, &[1]);
        let mut repairs = Repairs::NONE;
        for origin in 0..=10 {
            assert_eq!(repairs.ask(&ring, ASKER, PeerId(origin), 1, 1), origin < 10);
        }
        assert!(repairs.ask(&ring, ASKER, PeerId(5), 1, 1));
        repairs.forget(ASKER);
        assert_eq!(repairs.next_to(), None);
    }
}
