//! What can be seen of a peer from outside.

use super::{Peer, Phase};
use crate::mesh::history::recent;
use crate::mesh::row::Row;
use crate::mesh::{Counters, Digest, Entry, Member, Pair, PeerId, rumour};
use crate::time::Instant;

impl Peer<'_> {
    /// On how many datagrams a change is to ride.
    pub(super) fn tells(&self) -> u8 {
        rumour::tells(self.table.live())
    }

    /// The own id.
    pub fn id(&self) -> PeerId {
        self.table.own_id()
    }

    /// The own row.
    pub(super) fn own(&self) -> Option<&Row> {
        self.table.get(self.id())
    }

    /// The own incarnation.
    pub fn incarnation(&self) -> u32 {
        self.own().map_or(0, |own| own.incarnation)
    }

    /// Where the peer stands.
    pub fn phase(&self) -> Phase {
        match self.phase {
            Phase::Member if !self.handover.is_done() => Phase::Admitted,
            phase => phase,
        }
    }

    /// All rows by id, those of the departed too.
    pub fn rows(&self, now: Instant) -> impl Iterator<Item = Member<'_>> {
        self.table.rows().iter().filter_map(move |row| self.member(now, row))
    }

    /// The live rows by id, the own and those of newcomers included.
    pub fn members(&self, now: Instant) -> impl Iterator<Item = Member<'_>> {
        self.rows(now).filter(|member| member.state.is_live())
    }

    /// The digest of the live rows.
    pub fn table_digest(&self) -> Digest {
        self.table.digest()
    }

    /// What was shown, of each origin.
    pub fn vector(&self) -> &[Entry] {
        self.log.vector.entries()
    }

    /// Which messages the peer would hand over as the most recent, the highest last.
    pub fn recent(&self) -> impl Iterator<Item = Pair> {
        recent(&self.log.ring, &self.log.vector).into_iter()
    }

    /// The highest Lamport value that was heard or said.
    pub const fn lamport(&self) -> u64 {
        self.lamport
    }

    /// The number of the last own message.
    pub const fn head(&self) -> u32 {
        self.log.head()
    }

    /// How many own messages have not been acknowledged.
    pub fn under_way(&self) -> usize {
        self.log.flights.count()
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        Counters { tombs_dropped: self.table.tombs_dropped(), ..self.counters }
    }
}
