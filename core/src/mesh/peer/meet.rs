//! Groups that meet: whether there is room for all of both (docs/mesh-protocol.md section 8.3, "Groups").

use super::receive::Sender;
use super::tell::Notice;
use super::{Peer, Stranger};
use crate::mesh::item::WireRow;
use crate::mesh::list::Packed;
use crate::mesh::row::Row;
use crate::mesh::walk::Walk;
use crate::mesh::{PeerId, Token};
use crate::time::Instant;

impl Peer<'_> {
    /// Asks somebody whose table differs for rows: a member, or a member of another group. If both might be too large together, they are only
    /// counted at first: some may be in both.
    pub(super) fn compare(&mut self, now: Instant, sender: Sender, token: Token, members: u32, capacity_log2: u8) {
        let is_known = self.table.get(sender.id).is_some_and(Row::is_live);
        if !is_known && !self.has_room_for(0, members, capacity_log2) {
            self.notices.push(Notice::TooMany(members));
            return;
        }
        self.stranger = Some(Stranger { id: sender.id, address: sender.address, token });
        let fits = is_known || self.has_room_for(self.table.live(), members, capacity_log2);
        self.walk = Some(if fits { Walk::new(now, sender.id) } else { Walk::counting(now, sender.id, capacity_log2) });
    }

    /// Rows came of somebody whose table is only counted: nothing of it is taken. Behind the last page the walk begins anew to take them, if
    /// there is room for all.
    pub(super) fn count_rows(&mut self, now: Instant, giver: PeerId, rows: Packed<'_, WireRow>, is_last: Option<bool>) {
        let Some(is_last) = is_last else { return self.count_unexpected() };
        let mut new: u16 = 0;
        for row in rows.iter() {
            match row {
                Ok(row) => new += u16::from(row.state().is_live() && !self.is_live(row.id)),
                Err(error) => self.count_item(error),
            }
        }
        let Some(count) = self.walk.as_mut().and_then(|walk| walk.count.as_mut()) else { return };
        count.new = count.new.saturating_add(new);
        let count = *count;
        if is_last {
            let fits = self.has_room_for(self.table.live(), count.new.into(), count.capacity_log2);
            self.walk = fits.then(|| Walk::new(now, giver));
            // Who has come here while the pages came may have been counted as new: then the next beacon brings another walk.
            let pause = self.config.timers.sponsor_pause;
            if !fits && self.table.rows().iter().all(|row| now - row.changed_at >= pause) {
                self.notices.push(Notice::TooMany(count.new.into()));
            }
        }
    }

    /// Whether everybody here, and everybody there, whose least capacity this is, has room for so many of the own group and so many more.
    fn has_room_for(&self, own: usize, others: u32, capacity_log2: u8) -> bool {
        let capacity = |log2: u8| 1_u64.checked_shl(u32::from(log2)).unwrap_or(u64::MAX);
        let least = capacity(self.table.capacity_log2().min(capacity_log2)).min(self.table.members_max() as u64);
        own as u64 + u64::from(others) <= least
    }
}
