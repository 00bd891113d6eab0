//! Becoming a member, and answering those who want to become one.

use super::answer::Answer;
use super::receive::Sender;
use super::tell::Notice;
use super::{Peer, Phase, Stranger};
use crate::limits::MESH_LEFT_ROUNDS;
use crate::mesh::claimant::{Claimant, Verdict};
use crate::mesh::discovery::Mode;
use crate::mesh::farewell::Farewell;
use crate::mesh::handover::Handover;
use crate::mesh::item::WireRow;
use crate::mesh::row::{Row, State};
use crate::mesh::walk::Walk;
use crate::mesh::{Arrival, Digest, Nonce, PeerId, Token};
use crate::refusal::RefusalReason;
use crate::time::Instant;

impl Peer<'_> {
    /// The nonce of the own Claims to a peer.
    pub(super) fn claim_nonce(&self, to: PeerId) -> Nonce {
        self.tokens.claim_nonce(to, self.incarnation())
    }

    /// Somebody looks for a group, or shows its own.
    pub(super) fn handle_seek(&mut self, now: Instant, sender: Sender, nonce: Nonce, members: u32) {
        let timers = self.config.timers;
        match self.phase {
            Phase::Seeking if members > 0 => self.discovery.call_back(sender.address),
            Phase::Seeking if sender.id < self.id() => self.discovery.put_off(now, timers),
            Phase::Member => {
                if members > 0 && self.table.get(sender.id).is_some_and(Row::is_live) {
                    self.discovery.handle_beacon(now, timers, &mut self.random);
                    let own = self.members_count();
                    if self.discovery.is_left_behind(&mut self.random, members, own) {
                        self.ask_back(now, sender);
                    }
                } else if self.is_pristine && (members > 1 || (members == 1 && sender.id < self.id())) {
                    self.discovery.call_back(sender.address);
                }
                let to = ((sender.id, sender.address), nonce);
                let count = usize::try_from(self.members_count()).unwrap_or(usize::MAX);
                if !self.discovery.answer((now, timers), &mut self.random, sender.arrival, to, count) {
                    self.counters.founds_dropped = self.counters.founds_dropped.saturating_add(1);
                }
            }
            _ => {}
        }
    }

    /// A group was found, or shows itself.
    pub(super) fn handle_found(
        &mut self,
        now: Instant,
        sender: Sender,
        (nonce, token): (Nonce, Token),
        members: u32,
        (capacity_log2, table): (u8, Digest),
    ) {
        let is_asked = nonce == self.discovery.nonce() && self.discovery.mode() != Mode::Off;
        let is_better = members > 1 || sender.id < self.id();
        if let Some(row) = self.table.get_mut(sender.id).filter(|row| is_asked && row.token == Token::NONE) {
            row.token = token;
        }
        match self.phase {
            Phase::Seeking | Phase::Member
                if !is_asked && (self.phase == Phase::Seeking || (self.is_pristine && is_better)) =>
            {
                self.discovery.call_back(sender.address);
            }
            Phase::Seeking => self.follow(now, sender, token, members),
            Phase::Member if self.is_pristine && is_better => {
                // Nobody will miss this group.
                let incarnation = self.incarnation().saturating_add(1);
                self.table.set_own(now, State::Left, 0, incarnation, 0);
                self.is_pristine = false;
                self.prober.stop();
                self.log.vector.clear();
                self.handover = Handover::NEW;
                self.follow(now, sender, token, members);
            }
            // A lone founder comes by itself. Whoever shows itself unasked has proven no address: its answer to a Seek does.
            Phase::Member if !self.is_pristine && self.walk.is_none() && table != self.table.digest() => {
                if sender.is_proven {
                    self.compare(now, sender, token, members, capacity_log2);
                } else {
                    self.discovery.call_back(sender.address);
                }
            }
            _ => {}
        }
    }

    /// Asks a sponsor who the members of its group are.
    fn follow(&mut self, now: Instant, sender: Sender, token: Token, members: u32) {
        self.sponsor = sender.id;
        self.stranger = Some(Stranger { id: sender.id, address: sender.address, token });
        self.walk = Some(Walk::new(now, sender.id));
        self.rows_overflow = usize::try_from(members).unwrap_or(usize::MAX) >= self.table.members_max();
        self.phase = Phase::Rows;
        self.discovery.start(now, self.config.timers, &mut self.random, Mode::Off);
    }

    /// All rows of the group are here: they are asked for the name.
    pub(super) fn start_claim(&mut self, now: Instant) {
        let tells = self.tells();
        let incarnation = self.incarnation();
        self.table.set_own(now, State::Joining, 0, incarnation, tells);
        self.phase = Phase::Claiming;
        self.claimant.start(now);
        self.sync_claimant(now);
        if self.rows_overflow || self.table.live() > self.table.members_max() {
            return self.refuse(now, RefusalReason::Full, None, None);
        }
        self.prober.start(now);
        self.sponsor_at = now + self.config.timers.sponsor_pause;
        self.notices.push(Notice::Claiming(u32::try_from(self.table.live() - 1).unwrap_or(u32::MAX)));
    }

    /// Whoever has slept claims anew: others may have been admitted meanwhile, by those who welcomed it before.
    pub(super) fn claim_anew(&mut self, now: Instant) {
        let (incarnation, tells) = (self.incarnation().saturating_add(1), self.tells());
        self.table.set_own(now, State::Joining, 0, incarnation, tells);
        self.claimant.start(now);
        self.sync_claimant(now);
    }

    /// Tells the claimant whom to ask.
    pub(super) fn sync_claimant(&mut self, now: Instant) {
        let own = self.id();
        let asked = self.table.rows().iter().filter(|row| row.id != own && row.state != State::Left);
        if !self.claimant.sync(now, asked.map(|row| (row.id, row.state == State::Dead))) {
            self.counters.rows_dropped = self.counters.rows_dropped.saturating_add(1);
        }
    }

    /// A row welcomes the own claim.
    pub(super) fn handle_welcome(
        &mut self,
        now: Instant,
        sender: Sender,
        (nonce, token): (Nonce, Token),
        lamport: u64,
        table: Digest,
    ) {
        let is_asked = self.phase == Phase::Claiming && nonce == self.claim_nonce(sender.id);
        if !is_asked || !self.hear_lamport(lamport) || !self.claimant.handle_welcome(sender.id) {
            self.counters.items_stale = self.counters.items_stale.saturating_add(1);
            return;
        }
        if let Some(row) = self.table.get_mut(sender.id).filter(|_| !sender.is_via) {
            row.token = token;
            // With the token that came the own address is proven there.
            self.answers.set_token(token);
            self.answer(Answer::Ack(nonce));
        }
        if table != self.table.digest() {
            // Somebody is known there who is not here: the claim is not settled before that is cleared. Only members tell rows.
            let is_member = self.table.get(sender.id).is_some_and(Row::is_member) && !sender.is_via;
            self.unsettled = Some(if is_member { sender.id } else { self.sponsor });
            self.settle(now);
        }
    }

    /// Walks over the table that differed, unless another walk is under way: then that comes first.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.phase != Phase::Claiming {
            self.unsettled = None;
        } else if self.walk.is_none()
            && let Some(id) = self.unsettled.take().filter(|&id| self.table.get(id).is_some_and(Row::is_live))
        {
            self.walk = Some(Walk::new(now, id));
        }
    }

    /// A row objects to the own claim.
    pub(super) fn handle_objection(
        &mut self,
        now: Instant,
        sender: Sender,
        nonce: Nonce,
        reason: RefusalReason,
        holder: Option<WireRow>,
    ) {
        let by = self.table.get(sender.id);
        // Only who has the name says that it is taken.
        let may_say = reason != RefusalReason::NameTaken
            || self.own().and_then(|own| Some(by?.has_name(own.name.as_ref()?, own.key))) == Some(true);
        if self.phase != Phase::Claiming || nonce != self.claim_nonce(sender.id) || !may_say {
            self.counters.items_stale = self.counters.items_stale.saturating_add(1);
            return;
        }
        let holder_id = holder.as_ref().map(|holder| holder.id);
        let verdict = self.claimant.handle_objection(now, self.id(), sender.id, reason, holder_id);
        if verdict != Verdict::Ignored
            && let Some(holder) = holder.filter(|holder| holder.id != self.id() && holder.state() != State::Left)
        {
            self.hear_row(now, &holder);
        }
        match verdict {
            Verdict::Ignored => self.counters.items_stale = self.counters.items_stale.saturating_add(1),
            Verdict::Continue => {}
            Verdict::Refused => self.refuse(now, reason, Some(sender.id), holder_id),
            Verdict::Retry => self.wait(now, reason, sender.id),
            Verdict::NewId => self.change_id(now),
        }
    }

    /// Gives the claim up for a while.
    fn wait(&mut self, now: Instant, reason: RefusalReason, by: PeerId) {
        self.notices.push(Notice::Waiting(reason, by));
        self.phase = Phase::Waiting;
        self.retry_at = Some(Claimant::retry_at(now, self.config.timers, &mut self.random));
        self.depart(now);
    }

    /// Claims under another id: this one belongs to somebody else.
    fn change_id(&mut self, now: Instant) {
        let id = PeerId(self.random.word());
        let own = Self::own_row(&self.config, now, id, self.table.members_max() * 2);
        self.table.reset(own);
        self.log.set_own(id);
        self.log.vector.clear();
        self.prober.stop();
        (self.walk, self.stranger) = (None, None);
        self.seek(now);
    }

    /// The claim has failed, and why.
    fn refuse(&mut self, now: Instant, reason: RefusalReason, by: Option<PeerId>, holder: Option<PeerId>) {
        self.notices.push(Notice::Refused(reason, by, holder));
        self.stop(now);
    }

    /// Stops: whoever may know of this peer is told.
    pub(super) fn stop(&mut self, now: Instant) {
        self.phase = Phase::Leaving;
        self.retry_at = None;
        self.claimant.stop();
        self.discovery.start(now, self.config.timers, &mut self.random, Mode::Off);
        self.depart(now);
    }

    /// Tells everybody three times that the own row has left.
    fn depart(&mut self, now: Instant) {
        let incarnation = self.incarnation();
        self.table.set_own(now, State::Left, 0, incarnation, 0);
        (self.walk, self.vector_walk) = (None, None);
        self.prober.stop();
        self.farewell = Farewell::new(now, MESH_LEFT_ROUNDS);
    }

    /// Founds a group.
    fn found(&mut self, now: Instant) {
        self.notices.push(Notice::Founded);
        self.become_member(now);
        self.discovery.announce(now);
        self.is_pristine = true;
        self.finish_handover();
    }

    /// The name is this peer's.
    fn become_member(&mut self, now: Instant) {
        let rank = self.lamport.saturating_add(1);
        self.lamport = rank;
        let (tells, incarnation) = (self.tells(), self.incarnation());
        self.table.set_own(now, State::Member, rank, incarnation, tells);
        self.phase = Phase::Member;
        self.admitted_at = now;
        self.claimant.stop();
        self.log.start_handover(now);
        self.sync_log();
        self.handover = Handover::start(now);
        if let Some(own) = self.table.get_mut(self.table.own_id()) {
            own.told_number = own.number;
        }
        let mode = if self.table.others().next().is_none() { Mode::Lone } else { Mode::Member };
        self.discovery.start(now, self.config.timers, &mut self.random, mode);
        self.prober.start(now);
        self.farewell = Farewell::new(now, 1);
        self.notices.push(Notice::Admitted(rank));
    }

    /// Nothing more is handed over: from now on everything is shown.
    pub(super) fn finish_handover(&mut self) {
        self.handover.finish();
        self.log.set_ready();
        self.notices.push(Notice::HandedOver);
    }

    /// Does what the time brings for a newcomer.
    pub(super) fn run_admission(&mut self, now: Instant) {
        if self.phase == Phase::Seeking && (self.discovery.may_found(now) || self.has_nobody_to_ask()) {
            self.found(now);
        }
        if self.phase == Phase::Waiting && self.retry_at.is_some_and(|retry_at| retry_at <= now) {
            let incarnation = self.incarnation().saturating_add(1);
            self.table.set_own(now, State::Left, 0, incarnation, 0);
            (self.retry_at, self.farewell) = (None, Farewell::NONE);
            (self.phase, self.rows_overflow) = (Phase::Rows, false);
            self.walk = Some(Walk::new(now, self.sponsor));
        }
        if self.phase == Phase::Claiming && self.sponsor_at <= now {
            self.sponsor_at = now + self.config.timers.sponsor_pause;
            if self.walk.is_none() && self.table.get(self.sponsor).is_some_and(Row::is_live) {
                self.walk = Some(Walk::new(now, self.sponsor));
            }
        }
    }

    /// Where the sponsor has gone, another member is asked for its rows before anybody is admitted: the sponsor may have gone before it told
    /// of somebody. Whether there is one to ask.
    fn replace_sponsor(&mut self, now: Instant) -> bool {
        let is_gone = !self.table.get(self.sponsor).is_some_and(Row::is_live);
        let member = self.table.others().find(|row| row.is_member()).map(|row| row.id);
        let Some(id) = member.filter(|_| is_gone) else { return false };
        self.sponsor = id;
        self.walk = Some(Walk::new(now, id));
        true
    }

    /// Whether there is no way to find anybody.
    fn has_nobody_to_ask(&self) -> bool {
        !self.config.discovery && self.config.join.is_empty()
    }

    /// Moves on to where what is known leads.
    pub(super) fn advance(&mut self, now: Instant) {
        self.sync(now);
        match self.phase {
            Phase::Seeking if self.has_nobody_to_ask() => self.found(now),
            Phase::Claiming => {
                if let Some((reason, by)) = self.claimant.expired(now, self.config.timers) {
                    let holder = self.own().and_then(|own| self.table.holder(own.id, own.name.as_ref()?));
                    let holder = holder.map(|row| row.id).filter(|_| reason == RefusalReason::NameHeld);
                    self.refuse(now, reason, by, holder);
                } else if self.claimant.is_admitted(now)
                    && self.walk.is_none()
                    && self.unsettled.is_none()
                    && !self.replace_sponsor(now)
                {
                    self.become_member(now);
                } else if self.claimant.is_alone(now) {
                    self.prober.stop();
                    self.claimant.stop();
                    let incarnation = self.incarnation();
                    self.table.set_own(now, State::Left, 0, incarnation, 0);
                    self.seek(now);
                }
            }
            Phase::Leaving if self.table.others().next().is_none() || self.farewell.is_over() => {
                self.phase = Phase::Ended;
                self.notices.push(Notice::Ended);
            }
            _ => {}
        }
        self.sync(now);
        if self.prober.is_period_over(now) {
            self.run_membership(now);
        }
    }

    /// How a Seek is announced: as a newcomer's, or with the members of the group.
    pub(super) fn members_told(&self) -> u32 {
        if self.phase == Phase::Member { self.members_count() } else { 0 }
    }

    /// Whether a Seek of this arrival is looked at.
    pub(super) const fn hears(&self, arrival: Arrival) -> bool {
        matches!(arrival, Arrival::Unicast) || self.config.discovery
    }

    /// Whether this peer hands over: its own hand-over is done, or it was admitted a while ago.
    pub(super) fn may_give(&self, now: Instant) -> bool {
        self.handover.is_done() || now - self.admitted_at >= self.config.timers.giver_age
    }
}
