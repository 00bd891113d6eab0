//! What others say of who has said how much: claims, heads, pairs, digests (docs/mesh-protocol.md section 9, "The log").

use super::Log;
use crate::limits::MESH_DIFFERENT_HEADS;
use crate::mesh::config::Timers;
use crate::mesh::item::Pair;
use crate::mesh::{Digest, PeerId};
use crate::time::Instant;

impl Log<'_> {
    /// The giver's vector says so: it replaces what is here.
    pub(in crate::mesh) fn handle_given(&mut self, now: Instant, timers: &Timers, pair: Pair) {
        if pair.origin == self.own {
            return;
        }
        if let Some(entry) = self.vector.entry(now, pair.origin, pair.number) {
            if pair.number > entry.number {
                entry.advance_to(now, pair.number);
            }
            let (head, informer) = (entry.head, entry.origin);
            entry.hear_head(now, timers, head, informer);
            entry.gap.handle_found(now, entry.top(), entry.head);
            self.ready = true;
        }
    }

    /// A claim was welcomed: all that its peer says from now on is to be shown.
    pub(in crate::mesh) fn handle_claim(&mut self, now: Instant, origin: PeerId) {
        if self.vector.get(origin).is_none()
            && let Some(entry) = self.vector.entry(now, origin, 0)
        {
            entry.is_claimed = true;
        }
    }

    /// These are the members now, by id.
    pub(in crate::mesh) fn sync(&mut self, mut is_member: impl FnMut(PeerId) -> bool) {
        self.vector.entries_mut().iter_mut().for_each(|entry| entry.is_member = is_member(entry.origin));
    }

    /// A member said what its last message was. `is_handed_over`: a member that is not in the vector is put into it.
    pub(in crate::mesh) fn handle_head(
        &mut self,
        now: Instant,
        timers: &Timers,
        from: PeerId,
        head: u32,
        is_handed_over: bool,
    ) {
        match self.vector.get_mut(from) {
            Some(entry) if entry.flood.is_muted() && entry.flood.is_over(now, timers) => {
                entry.unmute(now, head);
                self.ready = true;
            }
            Some(entry) => entry.hear_head(now, timers, head, from),
            None if is_handed_over => {
                if let Some(entry) = self.vector.entry(now, from, head) {
                    entry.is_member = true;
                }
            }
            None => {}
        }
    }

    /// A member says something itself: if it is not in the vector, it is put into it, so that this message is the first that is shown,
    /// or the first behind what the history has `shown`.
    pub(in crate::mesh) fn handle_contact(&mut self, now: Instant, pair: Pair, shown: u32) {
        if self.vector.get(pair.origin).is_none()
            && let Some(entry) = self.vector.entry(now, pair.origin, pair.number.saturating_sub(1).max(shown))
        {
            entry.is_member = true;
        }
    }

    /// Somebody has heard messages up to this number. `is_contact`: their origin is a member, so that it is put into the vector if it is
    /// not there: others may have heard what does not come here.
    pub(in crate::mesh) fn handle_pair(
        &mut self,
        now: Instant,
        timers: &Timers,
        from: PeerId,
        pair: Pair,
        is_contact: bool,
    ) {
        if pair.origin == self.own {
            return;
        }
        match self.vector.get_mut(pair.origin) {
            Some(entry) if entry.flood.is_muted() => {}
            Some(entry) => entry.hear_head(now, timers, pair.number, from),
            None if is_contact => {
                if let Some(entry) = self.vector.entry(now, pair.origin, pair.number) {
                    entry.is_member = true;
                }
            }
            None => {}
        }
    }

    /// Somebody's vector has this digest. Gives whether its pages are to be asked for.
    pub(in crate::mesh) fn handle_digest(&mut self, now: Instant, timers: &Timers, digest: Digest) -> bool {
        if digest == self.vector.digest(now, timers) {
            self.different_heads = 0;
            return false;
        }
        self.different_heads += 1;
        let is_enough = self.different_heads >= MESH_DIFFERENT_HEADS;
        if is_enough {
            self.different_heads = 0;
        }
        is_enough
    }
}
