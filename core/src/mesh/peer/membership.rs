//! Who is there: what is heard, told, probed and buried.

use super::receive::Sender;
use super::{Peer, Phase};
use crate::address::Address;
use crate::mesh::discovery::Mode;
use crate::mesh::item::WireRow;
use crate::mesh::list::Packed;
use crate::mesh::prober::Probed;
use crate::mesh::row::State;
use crate::mesh::table::Merged;
use crate::mesh::walk::Walk;
use crate::mesh::{PeerId, Token};
use crate::time::Instant;

impl Peer<'_> {
    /// A datagram came whose source is proven.
    pub(super) fn handle_proven(&mut self, now: Instant, sender: Sender) {
        let Sender { id, address, .. } = sender;
        let is_new = self.table.get(id).is_none_or(|row| !row.contacts.is_proven(address));
        if is_new {
            self.budget.release(address);
            self.end_predecessor(now, id, address);
        }
        if let Some(row) = self.table.get_mut(id) {
            row.contacts.prove(now, address);
            (row.heard_at, row.was_heard, row.is_indirect) = (now, true, false);
            self.prober.handle_heard(id);
        }
    }

    /// Somebody has another's very address: the other has ended there without a word.
    fn end_predecessor(&mut self, now: Instant, id: PeerId, address: Address) {
        let silence = self.config.timers.address_silence;
        let is_there = |other: &&crate::mesh::Row| {
            other.id != id && other.contacts.is_proven(address) && other.contacts.best(now, silence) == Some(address)
        };
        let gone = self.table.others().find(is_there).map(|other| other.id);
        if let Some(gone) = gone {
            let tells = self.tells();
            self.table.bury(now, gone, State::Left, tells);
            self.prober.handle_gone(gone);
        }
    }

    /// A datagram came from an unproven source: with a token that was given for another address of its row, the peer has moved.
    pub(super) fn check_move(&mut self, sender: Sender, token: Token) {
        let Some(row) = self.table.get(sender.id).filter(|_| token != Token::NONE) else { return };
        if row.contacts.iter().any(|address| self.tokens.token(sender.id, address) == token) {
            self.moved = Some((sender.id, sender.address));
        }
    }

    /// Whether a peer has proven an address.
    pub(super) fn is_proven(&self, id: PeerId, address: Address) -> bool {
        self.table.get(id).is_some_and(|row| row.contacts.is_proven(address))
    }

    /// A member without a row was heard, or one whose admission was missed: it is asked for rows. Without its token it is sought first.
    pub(super) fn ask_who(&mut self, now: Instant, sender: Sender) {
        if self.phase != Phase::Member || self.walk.is_some() {
            return;
        }
        if self.table.get(sender.id).is_some_and(|row| row.token != Token::NONE) {
            self.walk = Some(Walk::new(now, sender.id));
        } else {
            self.discovery.call_back(sender.address);
        }
    }

    /// A member asks for rows, because its table differs: it may know more. Who has just walked over a table does not ask back, or two
    /// would ask each other for ever.
    pub(super) fn ask_back(&mut self, now: Instant, id: PeerId) {
        let is_due = self.walk.is_none() && now - self.walked_at >= self.config.timers.beacon_min;
        if is_due && self.table.get(id).is_some_and(crate::mesh::Row::is_member) {
            self.walk = Some(Walk::new(now, id));
        }
    }

    /// A Ping was answered: with the token that came, the own address is proven there. That the peer lives is known by now.
    pub(super) fn handle_ack(&mut self, sender: Sender, token: Token) {
        if sender.is_via {
            return;
        }
        match self.table.get_mut(sender.id) {
            Some(row) if sender.is_proven => row.token = token,
            _ => self.counters.items_unproven = self.counters.items_unproven.saturating_add(1),
        }
    }

    /// A peer is alive: somebody passes on what it says.
    pub(super) fn hear_life(&mut self, now: Instant, id: PeerId) {
        if let Some(row) = self.table.get_mut(id) {
            (row.heard_at, row.was_heard, row.is_indirect) = (now, true, true);
            self.prober.handle_heard(id);
        }
    }

    /// Rows were told: a page that was asked for, or some that ride.
    pub(super) fn handle_rows(
        &mut self,
        now: Instant,
        sender: Sender,
        after: PeerId,
        until: PeerId,
        rows: Packed<'_, WireRow>,
    ) {
        if matches!(self.phase, Phase::Seeking | Phase::Leaving | Phase::Ended) {
            return self.count_unexpected();
        }
        let is_riding = until == PeerId::ZERO;
        let page = self.walk.as_mut().and_then(|walk| walk.handle_page(now, sender.id, after, until));
        if !is_riding && page.is_none() {
            return self.count_unexpected();
        }
        // Only who claims wants to know of the dead: whom else to ask.
        let takes_dead = is_riding || matches!(self.phase, Phase::Rows | Phase::Claiming);
        for row in rows.iter() {
            match row {
                Ok(row) if row.state().is_live() || takes_dead => self.hear_row(now, &row),
                Ok(_) => {}
                Err(error) => self.count_item(error),
            }
        }
        if page == Some(true) {
            (self.walk, self.walked_at) = (None, now);
            self.settle(now);
            if self.phase == Phase::Rows {
                self.start_claim(now);
            }
        }
    }

    /// A row was told.
    pub(super) fn hear_row(&mut self, now: Instant, told: &WireRow) {
        if told.body().is_some_and(|body| !self.hear_lamport(body.rank)) {
            return;
        }
        let tells = self.tells();
        let is_new = self.table.get(told.id).is_none();
        let merged = self.table.merge(now, told, tells);
        if let Some(stranger) = self.stranger.filter(|stranger| is_new && stranger.id == told.id)
            && let Some(row) = self.table.get_mut(told.id)
        {
            // Whoever was asked for rows has proven its address.
            row.token = stranger.token;
            row.contacts.prove(now, stranger.address);
        }
        match merged {
            Merged::Known | Merged::Stale => {}
            Merged::Changed if !told.state().is_live() => self.prober.handle_gone(told.id),
            Merged::Changed => {}
            Merged::Full => {
                self.rows_overflow = true;
                self.counters.rows_dropped = self.counters.rows_dropped.saturating_add(1);
            }
            Merged::Refuted => {
                self.counters.refutations = self.counters.refutations.saturating_add(1);
                if self.phase == Phase::Claiming {
                    // Nobody has welcomed the new incarnation.
                    self.claimant.start(now);
                    self.sync_claimant(now);
                }
            }
        }
    }

    /// Ends the period of probing, and forgets the long dead.
    pub(super) fn run_membership(&mut self, now: Instant) {
        if self.prober.is_period_over(now) {
            // A newcomer that was never heard says nothing about the own network.
            let others = self.table.others().filter(|row| row.is_missed()).count();
            let table = &self.table;
            self.prober.refresh(|id| table.get(id).is_some_and(crate::mesh::Row::is_missed));
            while let Some(dead) = self.prober.next_dead(others) {
                let tells = self.tells();
                self.table.bury(now, dead, State::Dead, tells);
                self.counters.deaths = self.counters.deaths.saturating_add(1);
            }
            let probed = self.choose_probed();
            let probed = probed.and_then(|id| self.table.get(id)).map(|row| Probed {
                id: row.id,
                is_missed: row.is_missed(),
                is_indirect: row.is_indirect || (row.is_member() && !row.was_heard),
            });
            let able = self.table.others().count();
            self.prober.next_period(now, self.config.timers, &mut self.random, (others, able), probed);
        }
        let tomb_time = self.config.timers.tomb_time;
        while self.table.remove_oldest_tomb(now, tomb_time).is_some() {}
    }

    /// Whom to probe: each once a round, in a random order; whose name somebody claims comes first.
    fn choose_probed(&mut self) -> Option<PeerId> {
        let urgent = self.probe_next.take().filter(|&id| self.table.get(id).is_some_and(crate::mesh::Row::is_live));
        let unprobed = |peer: &Self| peer.table.others().filter(|row| !row.probed).count();
        let mut count = unprobed(self);
        if count == 0 {
            self.table.rows_mut().iter_mut().for_each(|row| row.probed = false);
            count = unprobed(self);
        }
        let index = self.random.below(count);
        let id = urgent.or_else(|| self.table.others().filter(|row| !row.probed).nth(index).map(|row| row.id))?;
        if let Some(row) = self.table.get_mut(id) {
            row.probed = true;
        }
        Some(id)
    }

    /// One of the dead or of whoever left without need, who is pinged now.
    pub(super) fn next_dead_ping(&mut self, now: Instant) -> Option<PeerId> {
        let (due_at, after) = self.dead_ping;
        if due_at > now || self.phase != Phase::Member {
            return None;
        }
        let dead = |after| self.table.after(after).iter().find(|row| row.state == State::Dead).map(|row| row.id);
        let id = dead(after).or_else(|| dead(PeerId::ZERO));
        self.dead_ping = (now + self.config.timers.lost_pause, id.unwrap_or(PeerId::ZERO));
        id
    }

    /// Whether somebody is held dead, so that it is pinged.
    pub(super) fn has_dead(&self) -> bool {
        self.phase == Phase::Member && self.table.rows().iter().any(|row| row.state == State::Dead)
    }

    /// Tells the log who is a member.
    pub(super) fn sync_log(&mut self) {
        let (table, own) = (&self.table, self.table.own_id());
        let is_member = |id| table.get(id).is_some_and(crate::mesh::Row::is_member);
        self.log.sync(is_member);
        self.log.flights.retain(|id| id != own && is_member(id));
    }

    /// Tells the other machines who is there, if that has changed.
    pub(super) fn sync(&mut self, now: Instant) {
        if self.synced == self.table.version() {
            return;
        }
        self.synced = self.table.version();
        self.sync_log();
        if self.phase == Phase::Claiming {
            self.sync_claimant(now);
        }
        if self.phase == Phase::Member {
            let is_alone = self.table.others().next().is_none();
            self.is_pristine &= is_alone;
            let mode = if is_alone { Mode::Lone } else { Mode::Member };
            if self.discovery.mode() != mode {
                self.discovery.start(now, self.config.timers, &mut self.random, mode);
            }
        }
    }
}
