//! Who is there: what is heard, told, probed and buried.

use super::receive::Sender;
use super::{Peer, Phase};
use crate::address::Address;
use crate::limits::MESH_NEW_ROWS;
use crate::mesh::discovery::Mode;
use crate::mesh::item::WireRow;
use crate::mesh::list::Packed;
use crate::mesh::prober::Probed;
use crate::mesh::row::{Doubt, Row, State};
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
            row.hear(now, false);
            self.prober.handle_heard(id);
        }
    }

    /// Somebody has another's very address: the other has ended there without a word.
    fn end_predecessor(&mut self, now: Instant, id: PeerId, address: Address) {
        let silence = self.config.timers.address_silence;
        let is_there = |other: &&Row| {
            other.id != id && other.contacts.is_proven(address) && other.contacts.best(now, silence) == Some(address)
        };
        let gone = self.table.others().find(is_there).map(|other| other.id);
        self.table.forget_dead_at(address);
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
            self.greeted = Some((sender.id, sender.address));
        }
    }

    /// Whether a peer is there.
    pub(super) fn is_live(&self, id: PeerId) -> bool {
        self.table.get(id).is_some_and(Row::is_live)
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

    /// A member asks for rows because its table differs, or passes on what somebody says who is not known here: it may know more. Who has just
    /// walked over a table does not ask back, or two would ask each other for ever. Without its token it is sought first.
    pub(super) fn ask_back(&mut self, now: Instant, sender: Sender) {
        let is_due = self.phase == Phase::Member
            && self.walk.is_none()
            && now - self.walked_at >= self.config.timers.sponsor_pause;
        if is_due && self.table.get(sender.id).is_some_and(Row::is_member) {
            self.ask_who(now, sender);
        }
    }

    /// A Ping was answered: with the token that came, the own address is proven there. That the peer lives is known by now.
    pub(super) fn handle_ack(&mut self, now: Instant, sender: Sender, token: Token) {
        if sender.is_via {
            return;
        }
        match self.table.get_mut(sender.id) {
            Some(row) if sender.is_proven => {
                // Only now can that one be told who is here; it may not know this peer.
                if row.token == Token::NONE && row.is_live() {
                    self.greeted = Some((sender.id, sender.address));
                }
                row.token = token;
                self.claimant.handle_reached(now, sender.id);
            }
            _ => self.counters.items_unproven = self.counters.items_unproven.saturating_add(1),
        }
    }

    /// A peer is alive: somebody passes on what it says.
    pub(super) fn hear_life(&mut self, now: Instant, id: PeerId) {
        if let Some(row) = self.table.get_mut(id) {
            row.hear(now, true);
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
        if self.walk.is_some_and(|walk| walk.giver == sender.id && walk.count.is_some()) {
            return self.count_rows(now, sender.id, rows, page);
        }
        if !is_riding && page.is_none() {
            return self.count_unexpected();
        }
        let was_alone = self.phase == Phase::Member && self.table.others().next().is_none();
        let live = self.table.live();
        for row in rows.iter() {
            match row {
                Ok(row) if row.state().is_live() || self.takes_departure(sender.id, is_riding, &row) => {
                    self.hear_row(now, &row);
                }
                Ok(row) => self.doubt(&row),
                Err(error) => self.count_item(error),
            }
        }
        // A newcomer that claims is no group.
        if was_alone && !self.is_pristine && self.table.others().any(Row::is_member) {
            // All their ranks are heard first.
            self.rises = true;
            self.walk.get_or_insert(Walk::new(now, sender.id));
        }
        if is_riding && self.table.live() >= live + MESH_NEW_ROWS {
            // So many at once are another group: its other rows would take long to ride here.
            self.ask_back(now, sender);
        }
        if page == Some(true) {
            self.end_walk(now, sender);
        }
    }

    /// The last page of a giver's table has come.
    fn end_walk(&mut self, now: Instant, giver: Sender) {
        (self.walk, self.walked_at) = (None, now);
        // The giver may not know this peer.
        if self.phase == Phase::Member {
            self.greeted = Some((giver.id, giver.address));
        }
        if core::mem::take(&mut self.rises) {
            self.rise_behind(now);
        }
        self.settle(now);
        if self.phase == Phase::Rows {
            self.start_claim(now);
        }
    }

    /// Whether it is believed that somebody is gone. A death that rides: if its teller is live here, because who was parted from here may call
    /// all dead that live here. A page: only who claims wants to know of the dead, and of those who are not live here: whom else to ask.
    fn takes_departure(&self, teller: PeerId, is_riding: bool, told: &WireRow) -> bool {
        if told.id == self.id() {
            return true;
        }
        if is_riding {
            told.state() == State::Left || self.is_live(teller)
        } else {
            matches!(self.phase, Phase::Rows | Phase::Claiming) && !self.is_live(told.id)
        }
    }

    /// A member holds somebody gone who lives here: that one is told, because the two may have no way to each other. It refutes it.
    fn doubt(&mut self, told: &WireRow) {
        let own = self.id();
        if !told.state().is_live()
            && told.id != own
            && let Some(row) = self.table.get_mut(told.id)
            && row.is_live()
            && row.incarnation == told.incarnation
        {
            (row.doubt, self.doubts) = (Doubt::Untold, true);
        }
    }

    /// Somebody who is to be told that it is held dead, with the incarnation that is. Work: a pass over the rows.
    pub(super) fn next_doubted(&mut self) -> Option<(PeerId, u32)> {
        if !self.doubts {
            return None;
        }
        let row = self.table.rows_mut().iter_mut().find(|row| row.doubt == Doubt::Untold);
        self.doubts = row.is_some();
        row.map(|row| {
            row.doubt = Doubt::Unprobed;
            (row.id, row.incarnation)
        })
    }

    /// A member that was left alone has met others: it takes a new rank behind all of theirs, so that the oldest is somebody who was
    /// not alone.
    fn rise_behind(&mut self, now: Instant) {
        self.lamport = self.lamport.saturating_add(1);
        let (rank, incarnation, tells) = (self.lamport, self.incarnation().saturating_add(1), self.tells());
        self.table.set_own(now, State::Member, rank, incarnation, tells);
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
                // Whoever is held dead was parted from others: whom it holds dead or suspects may live there.
                self.table.hush_deaths();
                self.prober.restart(now);
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
            self.prober.refresh(|id| table.get(id).is_some_and(Row::is_missed));
            while let Some(dead) = self.prober.next_dead(others) {
                let tells = self.tells();
                self.table.bury(now, dead, State::Dead, tells);
                self.counters.deaths = self.counters.deaths.saturating_add(1);
            }
            let probed = if self.prober.has_room() { self.choose_probed() } else { None };
            let probed = probed.and_then(|id| self.table.get(id)).map(|row| Probed {
                id: row.id,
                is_missed: row.is_missed(),
                is_indirect: row.is_indirect || (row.is_member() && !row.was_heard),
            });
            let table = &self.table;
            let able = |id| table.others().filter(|row| row.can_pass_on() && row.id != id).count();
            self.prober.next_period(now, self.config.timers, &mut self.random, (others, able), probed);
        }
        let tomb_time = self.config.timers.tomb_time;
        while self.table.end_tomb(now, tomb_time) {}
    }

    /// Whom to probe: each once a round, in a random order. Whose name somebody claims comes first, then in every other case who has given
    /// no token yet, because until then the two cannot talk; then whom a member's table has dead or left. A suspect takes no turn: it is
    /// pinged anyway, and its silence counts only where the turn brings a sign of life from somebody else.
    pub(super) fn choose_probed(&mut self) -> Option<PeerId> {
        let (table, prober) = (&mut self.table, &self.prober);
        for suspect in table.rows_mut().iter_mut().filter(|row| prober.is_on_trial(row.id)) {
            suspect.handle_probed();
        }
        let urgent =
            self.probe_next.take().filter(|&id| table.get(id).is_some_and(Row::is_live) && !prober.is_on_trial(id));
        if table.others().all(|row| row.probed) {
            table.rows_mut().iter_mut().for_each(|row| row.probed = prober.is_on_trial(row.id));
        }
        let is_new = |row: &&Row| !row.probed && row.token == Token::NONE;
        let new = self.table.others().find(is_new).filter(|_| self.random.below(2) == 0).map(|row| row.id);
        let chosen = urgent.or(new);
        let chosen = chosen.or_else(|| self.random_other(|row| row.doubt == Doubt::Unprobed));
        let id = chosen.or_else(|| self.random_other(|row| !row.probed))?;
        if let Some(row) = self.table.get_mut(id) {
            row.handle_probed();
        }
        Some(id)
    }

    /// One of the live rows for which this holds. Work: two passes over the rows.
    fn random_other(&mut self, is_wanted: fn(&Row) -> bool) -> Option<PeerId> {
        let wanted = self.table.others().filter(|row| is_wanted(row));
        let index = self.random.below(wanted.clone().count());
        let mut wanted = self.table.others().filter(|row| is_wanted(row));
        wanted.nth(index).map(|row| row.id)
    }

    /// One of the dead and lost, who is pinged now. Work: two passes over the rows.
    pub(super) fn next_dead_ping(&mut self, now: Instant) -> Option<PeerId> {
        if self.dead_due_at().is_none_or(|due_at| due_at > now) {
            return None;
        }
        let (_, after) = self.dead_ping;
        let dead = |after| self.table.after(after).iter().find(|row| row.state == State::Dead).map(|row| row.id);
        let id = dead(after).or_else(|| dead(PeerId::ZERO));
        self.dead_ping = (now, id.unwrap_or(PeerId::ZERO));
        id
    }

    /// When one of the dead and lost is pinged next: seldom once the last death is long ago. Work: a pass over the rows.
    pub(super) fn dead_due_at(&self) -> Option<Instant> {
        if self.phase != Phase::Member {
            return None;
        }
        let timers = self.config.timers;
        let dead = self.table.rows().iter().filter(|row| row.state == State::Dead);
        let died_at = dead.map(|row| row.changed_at).max()?;
        let is_recent = self.now - died_at < timers.lost_slow_after;
        Some(self.dead_ping.0 + if is_recent { timers.lost_pause } else { timers.lost_slow_pause })
    }

    /// Tells the log who is a member.
    pub(super) fn sync_log(&mut self) {
        let (table, own) = (&self.table, self.table.own_id());
        let is_member = |id| table.get(id).is_some_and(Row::is_member);
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
