//! What is shown next, and what is given up (docs/mesh-protocol.md section 9, "The log").

use super::Log;
use crate::mesh::vector::Entry;
use crate::mesh::{PeerId, gap};
use crate::time::Instant;

/// What is to be shown next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) enum Show {
    /// The message at this position of the ring.
    Message {
        /// The position.
        position: u64,
        /// Whether a message with a higher Lamport value was shown before.
        late: bool,
    },
    /// So many messages of an origin were lost.
    Lost(PeerId, u32),
}

impl Log<'_> {
    /// What is to be shown next; it counts as shown. Work: one pass over the entries, and one over the ring.
    pub(in crate::mesh) fn show(&mut self, now: Instant) -> Option<Show> {
        while self.ready {
            let is_ready = |entry: &&mut Entry| entry.lost > 0 || entry.held & 1 != 0;
            let Some(entry) = self.vector.entries_mut().iter_mut().find(is_ready) else {
                self.ready = false;
                break;
            };
            if entry.lost > 0 {
                return Some(Show::Lost(entry.origin, core::mem::take(&mut entry.lost)));
            }
            let (origin, number) = (entry.origin, entry.number.saturating_add(1));
            entry.advance_to(now, number);
            match self.ring.find_newest(origin, number) {
                Some(position) => return Some(self.show_at(position)),
                // It was overwritten before it could be shown.
                None => entry.lost = 1,
            }
        }
        None
    }

    /// The message at a position is shown.
    pub(in crate::mesh) fn show_at(&mut self, position: u64) -> Show {
        let lamport = self.message(position).map_or(0, |say| say.lamport);
        let late = lamport < self.lamport_shown;
        self.lamport_shown = self.lamport_shown.max(lamport);
        Show::Message { position, late }
    }

    /// What was shown last has been shown: if it was not to be kept, its place is free again.
    pub(in crate::mesh) fn handle_shown(&mut self, position: u64) {
        if self.passing == Some(position) {
            self.ring.take_back(position);
            self.passing = None;
        }
    }

    /// Gives up what is missing and has been asked for long enough, and gives how many messages that were. Work: one pass.
    pub(in crate::mesh) fn give_up(&mut self, now: Instant, origin: PeerId) -> u32 {
        let Some(entry) = self.vector.get_mut(origin) else { return 0 };
        let top = entry.top();
        if top > entry.number || !entry.is_missing() {
            // What is held is shown first.
            entry.gap.restart(now);
            return 0;
        }
        let held = (entry.held != 0).then(|| top + entry.held.trailing_zeros() + 1);
        let lowest = held.into_iter().chain(entry.gap.lowest_behind(top)).min();
        let target = lowest.map_or(entry.head, |lowest| lowest - 1).min(entry.head);
        let count = target - entry.number;
        entry.advance_to(now, target);
        entry.lost = entry.lost.saturating_add(count);
        entry.gap = gap::Gap::NONE;
        self.ready = true;
        count
    }
}
