//! One datagram: to whom it goes, what rides on it, and whether the budget allows it.

use super::{Peer, Target};
use crate::address::Address;
use crate::limits::{DATAGRAM_BYTES_MAX, Full, MESH_HEADS_PAIRS_MAX, MESH_VIA_BYTES_MAX};
use crate::mesh::item::{Item, PROTOCOL, Pair};
use crate::mesh::list::Packer;
use crate::mesh::rumour;
use crate::mesh::{PeerId, Token};
use crate::time::Instant;

/// Bytes of a Rows item without its rows: length, tag, both ends, length of the rows.
const ROWS_OVERHEAD_BYTES: usize = 2 + 1 + 8 + 8 + 2;
/// Most bytes of rows or pairs in one item.
pub(super) const LIST_BYTES_MAX: usize = 1_100;
/// Bytes of pairs in Heads.
const HEADS_BYTES_MAX: usize = MESH_HEADS_PAIRS_MAX * 13;

/// To whom a datagram goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipient {
    /// Who; [`PeerId::ZERO`] if that is not known.
    pub(super) id: PeerId,
    /// Where it is.
    pub(super) address: Address,
    /// The token that it gave.
    pub(super) token: Token,
    /// Whether it has just proven that it receives what is sent there, so that no account is kept for it.
    pub(super) is_proven: bool,
    /// For whom the items are, if the recipient is only to pass them on.
    pub(super) via_for: Option<PeerId>,
}

/// How much may ride on a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ride {
    /// Rows, as long as the datagram has no more than so many bytes.
    UpTo(usize),
    /// Rows, as many as fit.
    All,
}

impl Peer<'_> {
    /// How a peer is reached that has a row, or is the stranger who is asked for rows.
    pub(super) fn recipient(&self, now: Instant, id: PeerId) -> Option<Recipient> {
        let row = self.table.get(id).and_then(|row| {
            let address = row.contacts.best(now, self.config.timers.address_silence)?;
            let is_proven = row.contacts.is_proven(address);
            Some(Recipient { id, address, token: row.token, is_proven, via_for: None })
        });
        row.or_else(|| {
            let stranger = self.stranger.filter(|stranger| stranger.id == id)?;
            Some(Recipient { id, address: stranger.address, token: stranger.token, is_proven: true, via_for: None })
        })
    }

    /// Begins a datagram for somebody.
    pub(super) fn open(&mut self, token: Token) {
        self.datagram.begin(PROTOCOL);
        let from = Item::From { id: self.id(), incarnation: self.incarnation(), token };
        // It is the first item.
        let _ = self.datagram.push(&from);
    }

    /// Appends an item for a recipient, wrapped if the recipient is to pass it on.
    ///
    /// # Errors
    /// [`Full`]; nothing has changed then.
    pub(super) fn push(&mut self, to: Recipient, item: &Item<'_>) -> Result<(), Full> {
        let Some(target) = to.via_for else { return self.datagram.push(item) };
        let mut bytes = [0; MESH_VIA_BYTES_MAX];
        let item = postcard::to_slice(item, &mut bytes).map_err(|_| Full)?;
        self.datagram.push(&Item::Via { target, from: self.id(), item })
    }

    /// Appends what was said so far.
    pub(super) fn push_heads(&mut self, now: Instant) {
        if !self.handover.is_done() || self.phase != super::Phase::Member {
            return;
        }
        let timers = self.config.timers;
        let start = self.random.below(self.log.vector.entries().len());
        let mut pairs = Packer::<HEADS_BYTES_MAX>::new(HEADS_BYTES_MAX);
        for pair in self.log.vector.recent(now, timers, self.id(), start).take(MESH_HEADS_PAIRS_MAX) {
            // Each has at most 13 bytes.
            let _ = pairs.push(&pair);
        }
        let vector = self.log.vector.digest(now, timers);
        let heads = Item::Heads { head: self.log.head(), vector, pairs: pairs.as_packed::<Pair>() };
        // Where there is no room, the next Ping tells it.
        let _ = self.datagram.push(&heads);
    }

    /// Ends the datagram: rows ride on it, it is padded, and an unproven address must have bytes left. `None`: it is not sent.
    pub(super) fn close(&mut self, now: Instant, to: Recipient, ride: Ride, padded: usize) -> Option<Target> {
        if to.token != Token::NONE && to.via_for.is_none() {
            self.push_departed(to);
            match ride {
                Ride::UpTo(bytes) => self.push_riding(now, to, bytes),
                Ride::All => self.push_riding(now, to, DATAGRAM_BYTES_MAX),
            }
        }
        self.datagram.pad_to(padded);
        self.allow(now, to).then(|| Target::Unicast(to.address.into()))
    }

    /// Whether the datagram may go to its recipient.
    pub(super) fn allow(&mut self, now: Instant, to: Recipient) -> bool {
        let length = self.datagram.as_bytes().len();
        if to.is_proven || self.budget.take(now, self.config.timers.budget_window, to.address, length) {
            return true;
        }
        self.counters.unproven_spared = self.counters.unproven_spared.saturating_add(1);
        false
    }

    /// Tells somebody who is held dead that it is.
    fn push_departed(&mut self, to: Recipient) {
        if self.table.get(to.id).is_some_and(|row| !row.is_live()) {
            // Where there is no room, the next datagram tells it.
            let _ = self.push_bare(to.id);
        }
    }

    /// Appends that a peer is dead or has left.
    ///
    /// # Errors
    /// [`Full`]; nothing has changed then.
    pub(super) fn push_bare(&mut self, id: PeerId) -> Result<(), Full> {
        let Some(row) = self.table.get(id).filter(|row| !row.is_live()) else { return Ok(()) };
        let mut rows = Packer::<24>::new(24);
        rows.push(&row.to_bare())?;
        self.datagram.push(&Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: rows.as_packed() })
    }

    /// Appends changed rows, the newest first, as long as the datagram has no more than so many bytes.
    fn push_riding(&mut self, now: Instant, to: Recipient, bytes_max: usize) {
        let silence = self.config.timers.address_silence;
        let riding = rumour::riding(self.table.rows(), now, self.config.timers.death_told_max);
        let used = self.datagram.as_bytes().len() + ROWS_OVERHEAD_BYTES;
        let mut rows = Packer::<LIST_BYTES_MAX>::new(bytes_max.saturating_sub(used));
        for index in riding {
            let Some(row) = self.table.rows_mut().get_mut(index) else { continue };
            let wire = if row.is_live() { row.to_wire(to.address, now, silence) } else { row.to_bare() };
            if rows.push(&wire).is_ok() {
                row.tells -= 1;
            }
        }
        if !rows.is_empty() {
            let rows = rows.as_packed();
            // It fits: the room was measured.
            let _ = self.datagram.push(&Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows });
        }
    }
}
