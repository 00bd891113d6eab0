//! The table of peers: rows, their merge and their digest (docs/mesh-protocol.md section 5, "Rows, ranks and names").
//!
//! Invariants: the pair (incarnation, state) of a row never falls. Only the own peer raises the own incarnation. There are never
//! more live rows than the table has room for members. The own row is always there.

use super::digest::Digester;
use super::item::WireRow;
use super::names;
use super::row::{Row, State};
use super::sorted::Sorted;
use super::{Digest, PeerId};
use crate::address::Address;
use crate::limits::MESH_LOST_MAX;
use crate::time::Instant;
use crate::username::Username;
use core::time::Duration;

/// On how many datagrams the own row rides when somebody has missed a change.
const TELLS_AGAIN: u8 = 2;

/// All peers that are known.
#[derive(Debug)]
pub(super) struct Table<'s> {
    /// The rows, those of the dead and departed too.
    rows: Sorted<'s, Row>,
    /// The own id.
    own: PeerId,
    /// How many live rows there may be.
    members_max: usize,
    /// How many live rows there are.
    live: usize,
    /// Rises with each change of who is in the table, or of a state.
    version: u32,
    /// Tombs that were dropped before their time.
    tombs_dropped: u32,
}

/// What became of a row that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merged {
    /// Nothing new.
    Known,
    /// What is known here is newer.
    Stale,
    /// The row is new or has changed.
    Changed,
    /// There is no room.
    Full,
    /// It says that the own peer is gone: its incarnation has been raised.
    Refuted,
}

impl<'s> Table<'s> {
    /// A table with the own row alone.
    pub(super) fn new(slots: &'s mut [Row], members_max: usize, own: Row) -> Self {
        let members_max = members_max.min(slots.len() / 2).max(1);
        let mut table =
            Self { rows: Sorted::new(slots), own: own.id, members_max, live: 0, version: 0, tombs_dropped: 0 };
        table.reset(own);
        table
    }

    /// Forgets all but the own row, which may have another id than before.
    pub(super) fn reset(&mut self, own: Row) {
        self.rows.clear();
        self.own = own.id;
        self.live = usize::from(own.is_live());
        // Memory without any row is a wrong configuration: the peer then stays alone and admits nobody.
        let _ = self.rows.insert(own);
        self.version = self.version.wrapping_add(1);
    }

    /// The own id.
    pub(super) const fn own_id(&self) -> PeerId {
        self.own
    }

    /// The row of a peer.
    pub(super) fn get(&self, id: PeerId) -> Option<&Row> {
        self.rows.get(id)
    }

    /// The row of a peer, for everything but id, incarnation, state and name.
    pub(super) fn get_mut(&mut self, id: PeerId) -> Option<&mut Row> {
        self.rows.get_mut(id)
    }

    /// All rows by id.
    pub(super) fn rows(&self) -> &[Row] {
        self.rows.as_slice()
    }

    /// All rows by id, for everything but id, incarnation, state and name.
    pub(super) fn rows_mut(&mut self) -> &mut [Row] {
        self.rows.as_mut_slice()
    }

    /// The rows of higher ids than this, by id.
    pub(super) fn after(&self, id: PeerId) -> &[Row] {
        self.rows.after(id)
    }

    /// The live rows but the own, by id.
    pub(super) fn others(&self) -> impl Iterator<Item = &Row> + Clone {
        self.rows().iter().filter(|row| row.is_live() && row.id != self.own)
    }

    /// The next live row but the own behind this id.
    pub(super) fn next_other(&self, after: PeerId) -> Option<&Row> {
        self.after(after).iter().find(|row| row.is_live() && row.id != self.own)
    }

    /// How many live rows there are.
    pub(super) const fn live(&self) -> usize {
        self.live
    }

    /// How many live rows there may be.
    pub(super) const fn members_max(&self) -> usize {
        self.members_max
    }

    /// Changes whenever somebody comes or goes.
    pub(super) const fn version(&self) -> u32 {
        self.version
    }

    /// How many tombs were dropped before their time.
    pub(super) const fn tombs_dropped(&self) -> u32 {
        self.tombs_dropped
    }

    /// The binary logarithm of the least capacity of the live rows.
    pub(super) fn capacity_log2(&self) -> u8 {
        self.rows().iter().filter(|row| row.is_live()).map(|row| row.capacity_log2).min().unwrap_or(0)
    }

    /// The digest of the live rows. Work: one pass.
    pub(super) fn digest(&self) -> Digest {
        let live = self.rows().iter().filter(|row| row.is_live());
        live.fold(Digester::NEW, |digest, row| {
            digest.bytes(&row.id.0.to_le_bytes()).bytes(&row.incarnation.to_le_bytes()).bytes(&[row.state as u8])
        })
        .finish()
    }

    /// Another live row than that of `id` with this name, a member's before one that is joining.
    pub(super) fn holder(&self, id: PeerId, name: &Username) -> Option<&Row> {
        let key = names::key(name);
        let holders = self.rows().iter().filter(|row| row.is_live() && row.id != id && row.has_name(name, key));
        holders.max_by_key(|row| row.state)
    }

    /// The row of somebody with this name that died less than `hold` ago.
    pub(super) fn holder_dead(&self, id: PeerId, name: &Username, now: Instant, hold: Duration) -> Option<&Row> {
        let key = names::key(name);
        let is_held = |row: &&Row| row.state == State::Dead && row.id != id && now - row.changed_at < hold;
        self.rows().iter().filter(is_held).find(|row| row.was_member && row.has_name(name, key))
    }

    /// Takes a row that was told. Work: one pass over the rows.
    pub(super) fn merge(&mut self, now: Instant, told: &WireRow, tells: u8) -> Merged {
        if told.id == self.own {
            return self.merge_own(now, told, tells);
        }
        if told.id == PeerId::ZERO || told.id == PeerId::LAST {
            return Merged::Stale;
        }
        let rank = (told.incarnation, told.state());
        match self.rows.get_mut(told.id) {
            Some(row) if rank < (row.incarnation, row.state) => Merged::Stale,
            Some(row) if rank == (row.incarnation, row.state) => {
                if let Some(body) = told.body() {
                    body.addresses.0.iter().for_each(|&address| row.contacts.learn(now, address.into()));
                }
                Merged::Known
            }
            Some(row) if told.state().is_live() && !row.is_live() && self.live >= self.members_max => Merged::Full,
            Some(_) => self.change(now, told, tells),
            None => self.add(now, told, tells),
        }
    }

    /// Takes what somebody says of the own row.
    fn merge_own(&mut self, now: Instant, told: &WireRow, tells: u8) -> Merged {
        let Some(own) = self.rows.get_mut(self.own) else { return Merged::Known };
        if !own.is_live() || (told.state().is_live() && told.incarnation <= own.incarnation) {
            return Merged::Known;
        }
        if told.incarnation < own.incarnation {
            // Whoever says so has missed the refutation: it is told again.
            (own.changed_at, own.tells) = (now, own.tells.max(TELLS_AGAIN));
            return Merged::Known;
        }
        own.incarnation = told.incarnation.saturating_add(1);
        (own.changed_at, own.tells) = (now, tells);
        self.version = self.version.wrapping_add(1);
        Merged::Refuted
    }

    /// Puts a row in that was not there.
    fn add(&mut self, now: Instant, told: &WireRow, tells: u8) -> Merged {
        if told.state().is_live() && self.live >= self.members_max {
            return Merged::Full;
        }
        if self.rows.is_full() {
            self.drop_oldest_tomb();
        }
        let row = Row { id: told.id, state: State::Left, number: 1, heard_at: now, ..Row::EMPTY };
        if self.rows.insert(row).is_err() {
            return Merged::Full;
        }
        self.change(now, told, tells)
    }

    /// Writes what was told into a row that is there.
    fn change(&mut self, now: Instant, told: &WireRow, tells: u8) -> Merged {
        let Some(row) = self.rows.get_mut(told.id) else { return Merged::Full };
        self.live -= usize::from(row.is_live());
        row.was_member = row.is_member() || (row.was_member && !told.state().is_live());
        // What comes back to life is heard.
        if told.state().is_live() && !row.is_live() {
            row.heard_at = now;
        }
        row.is_rumour = told.state().is_live() || told.body().is_none();
        row.is_lost = false;
        let tells = if row.is_rumour { tells } else { 0 };
        (row.incarnation, row.state, row.changed_at, row.tells) = (told.incarnation, told.state(), now, tells);
        self.live += usize::from(row.is_live());
        if let Some(body) = told.body() {
            (row.rank, row.capacity_log2) = (body.rank, body.capacity_log2);
            row.key = names::key(&body.name);
            row.name = Some(body.name.clone());
            row.contacts.replace_unproven(now, &body.addresses);
        }
        let key = row.key;
        self.version = self.version.wrapping_add(1);
        names::number(self.rows.as_mut_slice(), key);
        Merged::Changed
    }

    /// The peer is gone, as of the incarnation that is known.
    pub(super) fn bury(&mut self, now: Instant, id: PeerId, state: State, tells: u8) {
        if let Some(row) = self.rows.get_mut(id)
            && row.is_live()
            && !state.is_live()
        {
            (row.was_member, row.is_lost) = (row.is_member(), false);
            (row.state, row.changed_at, row.tells, row.is_rumour) = (state, now, tells, true);
            self.live -= 1;
            let key = row.key;
            self.version = self.version.wrapping_add(1);
            names::number(self.rows.as_mut_slice(), key);
        }
    }

    /// No death is told any more that was told so far.
    pub(super) fn hush_deaths(&mut self) {
        let dead = self.rows.as_mut_slice().iter_mut().filter(|row| row.state == State::Dead);
        dead.for_each(|row| (row.tells, row.is_rumour) = (0, false));
    }

    /// Changes the own row: its state and rank, and its incarnation if `raise`d.
    pub(super) fn set_own(&mut self, now: Instant, state: State, rank: u64, incarnation: u32, tells: u8) {
        if let Some(own) = self.rows.get_mut(self.own) {
            self.live -= usize::from(own.is_live());
            (own.state, own.rank, own.changed_at, own.tells) = (state, rank, now, tells);
            own.incarnation = own.incarnation.max(incarnation);
            self.live += usize::from(own.is_live());
            let key = own.key;
            self.version = self.version.wrapping_add(1);
            names::number(self.rows.as_mut_slice(), key);
        }
    }

    /// Ends a tomb whose time is over: a member that died is lost from then on, others are removed. Gives whether there was one.
    /// Work: a pass over the rows.
    pub(super) fn end_tomb(&mut self, now: Instant, tomb_time: Duration) -> bool {
        let Some(id) = self.tombs().find(|row| now - row.changed_at >= tomb_time).map(|row| row.id) else {
            return false;
        };
        self.version = self.version.wrapping_add(1);
        match self.rows.get_mut(id).filter(|row| row.state == State::Dead && row.was_member) {
            Some(row) => row.is_lost = true,
            None => {
                self.rows.remove(id);
            }
        }
        let lost = self.rows().iter().filter(|row| row.is_lost);
        if lost.clone().count() > MESH_LOST_MAX.min(self.members_max / 2)
            && let Some(oldest) = lost.min_by_key(|row| row.changed_at).map(|row| row.id)
        {
            self.rows.remove(oldest);
        }
        true
    }

    /// The rows of those who died or left a while ago.
    fn tombs(&self) -> impl Iterator<Item = &Row> {
        self.rows().iter().filter(|row| !row.is_live() && !row.is_lost && row.id != self.own)
    }

    /// When the next tomb's time is over.
    pub(super) fn tomb_due_at(&self, tomb_time: Duration) -> Option<Instant> {
        self.tombs().map(|row| row.changed_at).min().map(|oldest| oldest + tomb_time)
    }

    /// Whether somebody who is gone was at this address, which belongs to somebody else by now: it is not looked for any more.
    pub(super) fn forget_dead_at(&mut self, address: Address) {
        for row in self.rows.as_mut_slice().iter_mut().filter(|row| row.state == State::Dead) {
            if row.contacts.is_only_at(address) {
                (row.state, row.is_lost) = (State::Left, false);
            }
        }
    }

    /// Makes room for a row.
    fn drop_oldest_tomb(&mut self) {
        let tombs = self.rows().iter().filter(|row| !row.is_live() && row.id != self.own);
        if let Some(id) = tombs.min_by_key(|row| row.changed_at).map(|row| row.id) {
            self.rows.remove(id);
            self.tombs_dropped = self.tombs_dropped.saturating_add(1);
        }
    }
}
