//! What answers the last datagram. It stands here until it is taken out, one datagram after the other.

use super::envelope::{LIST_BYTES_MAX, Recipient, Ride};
use super::{Peer, Target};
use crate::limits::{Full, MESH_CLAIM_BYTES, MESH_VIA_BYTES_MAX};
use crate::mesh::history::recent;
use crate::mesh::item::{Item, Pair};
use crate::mesh::list::Packer;
use crate::mesh::row::{Row, State};
use crate::mesh::{Nonce, PeerId, Token};
use crate::refusal::RefusalReason;
use crate::time::Instant;
use heapless::Vec;

/// Answers to one datagram.
const ANSWERS_MAX: usize = 3;

/// What answers the last datagram.
#[derive(Debug)]
pub(super) struct Answers {
    /// To whom.
    to: Option<Recipient>,
    /// What.
    items: Vec<Answer, ANSWERS_MAX>,
    /// The item of a Via that is passed on.
    item: Vec<u8, MESH_VIA_BYTES_MAX, u8>,
}

/// One answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Answer {
    /// To a Ping.
    Ack(Nonce),
    /// To a Claim: no objection.
    Welcome(Nonce),
    /// To a Claim: an objection, and who holds the name.
    Object(Nonce, RefusalReason, Option<PeerId>),
    /// To a Claim or a Via: that a peer is dead or has left here.
    Departed(PeerId),
    /// To RowsAsk.
    Rows(PeerId),
    /// To VectorAsk.
    Vector(PeerId),
    /// To RecentAsk.
    Recent,
    /// To VectorAsk or RecentAsk: somebody else has to give.
    NoGiver,
    /// The own peer has given up or leaves.
    Left,
    /// A Via that is passed on to its target.
    Forward {
        /// For whom it is.
        target: PeerId,
        /// Who sent it.
        from: PeerId,
    },
}

impl Answers {
    /// None.
    pub(super) const NONE: Self = Self { to: None, items: Vec::new(), item: Vec::new() };

    /// Begins with those to the next datagram; gives how many to the last were not taken out.
    pub(super) fn begin(&mut self, to: Option<Recipient>) -> usize {
        let left = self.items.len();
        *self = Self { to, ..Self::NONE };
        left
    }

    /// To whom they go.
    pub(super) const fn to(&self) -> Option<Recipient> {
        self.to
    }

    /// Whoever is answered gave a token to answer with.
    pub(super) fn set_token(&mut self, token: Token) {
        if let Some(to) = self.to.as_mut().filter(|to| to.via_for.is_none()) {
            to.token = token;
        }
    }

    /// Adds one. Gives `false` if there are too many.
    pub(super) fn push(&mut self, answer: Answer) -> bool {
        self.items.contains(&answer) || self.items.push(answer).is_ok()
    }

    /// Adds an item that is passed on. Gives `false` if there is one already, or it is too long.
    pub(super) fn push_forward(&mut self, target: PeerId, from: PeerId, item: &[u8]) -> bool {
        let is_free = self.item.is_empty() && self.item.extend_from_slice(item).is_ok();
        is_free && self.push(Answer::Forward { target, from })
    }

    /// Takes the first out.
    fn take(&mut self) -> Option<(Recipient, Answer)> {
        let to = self.to?;
        (!self.items.is_empty()).then(|| (to, self.items.remove(0)))
    }
}

impl Peer<'_> {
    /// Adds an answer to the datagram that is being handled.
    pub(super) fn answer(&mut self, answer: Answer) {
        if !self.answers.push(answer) {
            self.counters.answers_dropped = self.counters.answers_dropped.saturating_add(1);
        }
    }

    /// The next answer, as a datagram. `Some(None)`: it was not sent.
    pub(super) fn next_answer(&mut self, now: Instant) -> Option<Option<Target>> {
        let (to, answer) = self.answers.take()?;
        if let Answer::Forward { target, from } = answer {
            return Some(self.forward(now, target, from));
        }
        // What rode behind the claim may say that the claimant is dead: only who has a row is welcomed (MESH-GUARD-2).
        if matches!(answer, Answer::Welcome(_)) && !self.is_live(to.via_for.unwrap_or(to.id)) {
            return Some(None);
        }
        self.open(to.token);
        let ride = match answer {
            Answer::Welcome(_) | Answer::Object(..) | Answer::Departed(_) => Ride::UpTo(MESH_CLAIM_BYTES),
            Answer::Ack(_) if !to.is_proven => Ride::UpTo(0),
            // A stranger may be of a group that is too large to merge, and a newcomer gets all rows by pages.
            Answer::Rows(_) if !self.is_live(to.id) => Ride::UpTo(0),
            _ => Ride::All,
        };
        if self.push_answer(now, to, &answer).is_err() {
            self.counters.answers_dropped = self.counters.answers_dropped.saturating_add(1);
            return Some(None);
        }
        Some(self.close(now, to, ride, 0))
    }

    /// Writes an answer into the datagram.
    fn push_answer(&mut self, now: Instant, to: Recipient, answer: &Answer) -> Result<(), Full> {
        // By Via no address is proven, so no token is given.
        let token = if to.via_for.is_some() { Token::NONE } else { self.tokens.token(to.id, to.address) };
        match *answer {
            Answer::Ack(nonce) => {
                self.push(to, &Item::Ack { nonce, token })?;
                if to.via_for.is_none() && to.is_proven {
                    self.push_heads(now);
                }
                Ok(())
            }
            Answer::Welcome(nonce) => {
                let (members, table) = (self.members_count(), self.table.digest());
                let (lamport, head) = (self.lamport, self.log.head());
                self.push(to, &Item::Welcome { nonce, token, lamport, head, members, table })
            }
            Answer::Object(nonce, reason, holder) => {
                let silence = self.config.timers.address_silence;
                let holder = holder.and_then(|id| self.table.get(id));
                let holder = holder.map(|row| row.to_wire(to.address, now, silence));
                self.push(to, &Item::Object { nonce, reason, holder })
            }
            // It rides on every datagram to whoever is held dead.
            Answer::Departed(id) if id == to.id => Ok(()),
            Answer::Departed(id) => self.push_bare(id),
            Answer::Forward { .. } => Ok(()),
            Answer::Rows(after) => self.push_rows(now, to, after),
            Answer::Vector(after) => self.push_vector(after),
            Answer::Recent | Answer::NoGiver => {
                let no_giver = *answer == Answer::NoGiver;
                let mut pairs = Packer::<130>::new(130);
                for pair in recent(&self.log.ring, &self.log.vector).iter().filter(|_| !no_giver) {
                    pairs.push(pair)?;
                }
                self.datagram.push(&Item::Recent { no_giver, pairs: pairs.as_packed::<Pair>() })
            }
            Answer::Left => {
                let incarnation = self.incarnation();
                self.datagram.push(&Item::Left { incarnation })
            }
        }
    }

    /// Writes a page of rows: of the live and the dead, and to a member those of the left and the lost too, who may live there.
    fn push_rows(&mut self, now: Instant, to: Recipient, after: PeerId) -> Result<(), Full> {
        let silence = self.config.timers.address_silence;
        let mut rows = Packer::<LIST_BYTES_MAX>::new(LIST_BYTES_MAX);
        let mut until = after;
        let is_member = self.table.get(to.id).is_some_and(Row::is_member);
        let is_bare = |row: &Row| row.state == State::Left || row.is_lost;
        let is_told = |row: &&Row| is_member || !is_bare(row);
        let told = self.table.after(after).iter().filter(is_told);
        let mut is_last = true;
        for row in told {
            let wire = if is_bare(row) { row.to_bare() } else { row.to_wire(to.address, now, silence) };
            if rows.push(&wire).is_err() {
                is_last = false;
                break;
            }
            until = row.id;
        }
        let until = if is_last { PeerId::LAST } else { until };
        self.datagram.push(&Item::Rows { after, until, rows: rows.as_packed() })
    }

    /// Writes a page of the vector.
    fn push_vector(&mut self, after: PeerId) -> Result<(), Full> {
        let mut pairs = Packer::<LIST_BYTES_MAX>::new(LIST_BYTES_MAX);
        let mut until = after;
        let mut is_last = true;
        for entry in self.log.vector.after(after) {
            if pairs.push(&Pair { origin: entry.origin, number: entry.number }).is_err() {
                is_last = false;
                break;
            }
            until = entry.origin;
        }
        let until = if is_last { PeerId::LAST } else { until };
        self.datagram.push(&Item::Vector { after, until, pairs: pairs.as_packed::<Pair>() })
    }

    /// Passes a Via on to its target.
    fn forward(&mut self, now: Instant, target: PeerId, from: PeerId) -> Option<Target> {
        let to = self.recipient(now, target)?;
        self.open(to.token);
        self.datagram.push(&Item::Via { target, from, item: &self.answers.item }).ok()?;
        self.close(now, to, Ride::All, 0)
    }

    /// How many members there are, newcomers not counted.
    pub(super) fn members_count(&self) -> u32 {
        let members = self.table.rows().iter().filter(|row| row.is_member()).count();
        u32::try_from(members).unwrap_or(u32::MAX)
    }
}
