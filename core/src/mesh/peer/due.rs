//! The next datagram: every machine is asked in a fixed order what is due.

use super::envelope::{Recipient, Ride};
use super::{Peer, Phase, Target};
use crate::limits::{MESH_CLAIM_BYTES, MESH_PACE_DATAGRAMS_MAX, MESH_SEEK_BYTES, MESH_UNPROVEN_CLAIMS};
use crate::mesh::item::{Item, Standing, WireRow};
use crate::mesh::list::Packer;
use crate::mesh::row::Row;
use crate::mesh::walk;
use crate::mesh::{Nonce, PeerId, Token};
use crate::time::Instant;

/// One datagram that is due: `None`, nothing is; `Some(None)`, it was due and could not be sent, and counts as lost.
pub(super) type Attempt = Option<Option<Target>>;

impl Peer<'_> {
    /// The next datagram. Work: what could not be sent is passed over, so a pass over the rows at most.
    pub(super) fn next_datagram(&mut self, now: Instant) -> Option<Target> {
        if now - self.paced_at >= self.config.timers.pace {
            (self.paced_at, self.paced) = (now, 0);
        } else if self.paced == MESH_PACE_DATAGRAMS_MAX {
            return None;
        }
        loop {
            if let Some(to) = self.attempt(now)? {
                self.paced += 1;
                return Some(to);
            }
        }
    }

    /// What is due first.
    fn attempt(&mut self, now: Instant) -> Attempt {
        self.next_answer(now)
            .or_else(|| self.next_farewell(now))
            .or_else(|| self.next_ping(now))
            .or_else(|| self.next_discovery(now))
            .or_else(|| self.next_page(now))
            .or_else(|| self.next_claim(now))
            .or_else(|| if self.phase == Phase::Member { self.next_of_log(now) } else { None })
    }

    /// What is due first of the log: only a member speaks.
    fn next_of_log(&mut self, now: Instant) -> Attempt {
        self.next_took(now)
            .or_else(|| self.next_handover(now))
            .or_else(|| self.next_fan_out(now))
            .or_else(|| self.next_repair(now))
            .or_else(|| self.next_repetition(now))
            .or_else(|| self.next_ask(now))
            .or_else(|| self.next_vector_page(now))
    }

    /// One datagram of one item to somebody with a row.
    pub(super) fn send(&mut self, now: Instant, id: PeerId, item: &Item<'_>) -> Option<Target> {
        let to = self.recipient(now, id)?;
        self.send_with(now, to, item, Ride::All)
    }

    /// One item for a recipient, and as much behind it as may ride.
    fn send_with(&mut self, now: Instant, to: Recipient, item: &Item<'_>, ride: Ride) -> Option<Target> {
        self.open(to.token);
        self.push(to, item).ok()?;
        self.close(now, to, ride, 0)
    }

    /// That the peer leaves, or that it is a member.
    fn next_farewell(&mut self, now: Instant) -> Attempt {
        let after = self.farewell.due(now)?;
        let next = self.table.next_other(after).map(|row| row.id);
        let pause = self.config.timers.left_pause;
        self.farewell.handle_told(now, pause, next);
        if self.farewell.is_over() {
            self.advance(now);
        }
        let Some(id) = next else { return Some(None) };
        if self.phase == Phase::Member {
            return Some(self.send_own_row(now, id));
        }
        let incarnation = self.incarnation();
        Some(self.send(now, id, &Item::Left { incarnation }))
    }

    /// The own row to somebody.
    fn send_own_row(&mut self, now: Instant, id: PeerId) -> Option<Target> {
        let to = self.recipient(now, id)?;
        let row = self.own()?.to_wire(to.address, now, self.config.timers.address_silence);
        let mut rows = Packer::<160>::new(160);
        rows.push(&row).ok()?;
        self.open(to.token);
        self.datagram.push(&Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: rows.as_packed() }).ok()?;
        self.close(now, to, Ride::UpTo(0), 0)
    }

    /// A Ping: of a probe, to a suspect, to an address that a peer has moved to, to one of the dead.
    fn next_ping(&mut self, now: Instant) -> Attempt {
        let timers = self.config.timers;
        if let Some(due) = self.prober.due(now, timers) {
            let ping = Item::Ping { nonce: due.nonce };
            let Some(after) = due.via_after else { return Some(self.send_ping(now, due.target, due.nonce)) };
            let is_able = |row: &&Row| row.can_pass_on() && row.id != self.id() && row.id != due.target;
            let via = self.table.after(after).iter().find(is_able).or_else(|| self.table.rows().iter().find(is_able));
            let via = via.map(|row| row.id);
            self.prober.handle_via(due.target, via);
            return Some(via.and_then(|via| self.send_via(now, via, due.target, &ping)));
        }
        if let Some((id, address)) = self.greeted.take() {
            let token = self.table.get(id).map_or(Token::NONE, |row| row.token);
            let to = Recipient { id, address, token, is_proven: self.is_proven(id, address), via_for: None };
            return Some(self.send_ping_to(now, to, self.tokens.ping_nonce(id)));
        }
        if let Some((id, incarnation)) = self.next_doubted() {
            return Some(self.send_doubt(now, id, incarnation));
        }
        let id = self.next_dead_ping(now)?;
        Some(self.send_ping(now, id, self.tokens.ping_nonce(id)))
    }

    /// To somebody that it is held dead elsewhere.
    fn send_doubt(&mut self, now: Instant, id: PeerId, incarnation: u32) -> Option<Target> {
        let mut rows = Packer::<24>::new(24);
        rows.push(&WireRow { id, incarnation, standing: Standing::DeadBare }).ok()?;
        self.send(now, id, &Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: rows.as_packed() })
    }

    /// A Ping to somebody with a row.
    fn send_ping(&mut self, now: Instant, id: PeerId, nonce: Nonce) -> Option<Target> {
        let to = self.recipient(now, id)?;
        self.send_ping_to(now, to, nonce)
    }

    /// A Ping, with what was said so far.
    fn send_ping_to(&mut self, now: Instant, to: Recipient, nonce: Nonce) -> Option<Target> {
        self.open(to.token);
        self.push(to, &Item::Ping { nonce }).ok()?;
        self.push_heads(now);
        // Who has no account for this peer may answer with no more than came.
        let padded = if to.is_proven { 0 } else { MESH_SEEK_BYTES };
        self.close(now, to, Ride::All, padded)
    }

    /// An item that somebody else passes on.
    fn send_via(&mut self, now: Instant, via: PeerId, target: PeerId, item: &Item<'_>) -> Option<Target> {
        let to = self.recipient(now, via)?;
        self.open(to.token);
        self.push(Recipient { via_for: Some(target), ..to }, item).ok()?;
        self.close(now, to, Ride::All, 0)
    }

    /// A request for a page of rows.
    fn next_page(&mut self, now: Instant) -> Attempt {
        let timers = self.config.timers;
        let walk = self.walk.as_mut()?;
        let (giver, is_counting) = (walk.giver, walk.count.is_some());
        match walk.step(now, timers) {
            walk::Step::Wait => None,
            walk::Step::Ask(after) => {
                let Some(to) = self.recipient(now, giver) else { return Some(None) };
                let token = self.tokens.token(giver, to.address);
                // Where the groups may be too large together, none tells the other its rows.
                let ride = if is_counting { Ride::UpTo(0) } else { Ride::All };
                Some(self.send_with(now, to, &Item::RowsAsk { after, token }, ride))
            }
            walk::Step::Failed => {
                (self.walk, self.stranger, self.rises) = (None, None, false);
                if self.phase == Phase::Rows {
                    self.seek(now);
                }
                self.settle(now);
                self.advance(now);
                Some(None)
            }
        }
    }

    /// A Claim.
    fn next_claim(&mut self, now: Instant) -> Attempt {
        if self.phase != Phase::Claiming {
            return None;
        }
        let timers = self.config.timers;
        let due = self.claimant.due(now, timers)?;
        let direct = self.recipient(now, due.via.unwrap_or(due.to));
        let Some(to) = direct.filter(|to| due.via.is_none() || to.token != Token::NONE) else { return Some(None) };
        if due.via.is_none() && !to.is_proven && due.tries >= MESH_UNPROVEN_CLAIMS && self.is_live(due.to) {
            // Of the bytes that an unproven address gets, those of a Claim are good for three Pings; its Ack brings the next Claim.
            return Some(self.send_ping_to(now, to, self.tokens.ping_nonce(due.to)));
        }
        let claim = Item::Claim {
            nonce: self.claim_nonce(due.to),
            incarnation: self.incarnation(),
            token: if due.via.is_some() { Token::NONE } else { self.tokens.token(due.to, to.address) },
            name: self.config.name.clone(),
            addresses: self.own_addresses(now, to.address),
        };
        self.open(to.token);
        let wrapped = Recipient { via_for: due.via.map(|_| due.to), ..to };
        if self.push(wrapped, &claim).is_err() {
            return Some(None);
        }
        if due.tries > 0 && due.via.is_none() && to.token == Token::NONE {
            // Who objects gives no token: without one it would pass nothing on.
            let _ = self.datagram.push(&Item::Ping { nonce: self.tokens.ping_nonce(due.to) });
        }
        Some(self.close(now, to, Ride::UpTo(MESH_CLAIM_BYTES), MESH_CLAIM_BYTES))
    }

    /// When something is due next. Work: a pass over the rows.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let timers = self.config.timers;
        let claiming = (self.phase == Phase::Claiming).then_some(self.sponsor_at);
        let claims = (self.phase == Phase::Claiming).then(|| self.claimant.due_at(self.now, timers)).flatten();
        let log = (self.phase == Phase::Member).then(|| self.log.due_at(timers, self.handover.has_vector())).flatten();
        let handover = (self.phase == Phase::Member).then(|| self.handover.due_at()).flatten();
        [
            self.farewell.due_at(),
            self.prober.due_at(),
            self.discovery.due_at(),
            self.walk.map(|walk| walk.due_at()),
            self.vector_walk.map(|walk| walk.due_at()),
            self.retry_at,
            claiming,
            claims,
            log,
            handover,
            self.dead_due_at(),
            self.table.tomb_due_at(timers.tomb_time),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
