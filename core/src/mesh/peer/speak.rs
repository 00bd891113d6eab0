//! What is due of the log: messages, requests for those that are missing, and the hand-over.

use super::due::Attempt;
use super::envelope::Ride;
use super::{Peer, Target};
use crate::mesh::gap::{Source, Step};
use crate::mesh::handover;
use crate::mesh::item::{Item, Say};
use crate::mesh::repair;
use crate::mesh::row::Row;
use crate::mesh::walk;
use crate::mesh::{Entry, PeerId, Token};
use crate::time::Instant;

impl Peer<'_> {
    /// That messages of somebody have come.
    pub(super) fn next_took(&mut self, now: Instant) -> Attempt {
        let is_due = |entry: &&mut Entry| entry.took_at.is_some_and(|took_at| took_at <= now);
        let entry = self.log.vector.entries_mut().iter_mut().find(is_due)?;
        entry.took_at = None;
        let (origin, number) = (entry.origin, entry.top());
        Some(self.send(now, origin, &Item::Took { number }))
    }

    /// A request of the hand-over.
    pub(super) fn next_handover(&mut self, now: Instant) -> Attempt {
        let timers = self.config.timers;
        match self.handover.due(now, timers)? {
            handover::Due::Choose(behind) => {
                self.choose_giver(now, behind);
                Some(None)
            }
            handover::Due::Vector(giver, after) => Some(self.send(now, giver, &Item::VectorAsk { after })),
            handover::Due::Recent(giver) => Some(self.send(now, giver, &Item::RecentAsk)),
            handover::Due::Fetch(giver, tries) => {
                let from = if tries <= 3 { Some(giver) } else { self.random_member(&[]) };
                Some(from.and_then(|from| self.send_fetch(now, from)))
            }
        }
    }

    /// Chooses the oldest member behind this seniority to hand over.
    fn choose_giver(&mut self, now: Instant, behind: Option<(u64, PeerId)>) {
        let timers = self.config.timers;
        let is_alone = !self.table.others().any(Row::is_member);
        if is_alone {
            return self.finish_handover();
        }
        let heard_at = self.table.others().filter(|row| row.is_member()).map(|row| row.heard_at).max();
        let giver_silence = timers.giver_silence;
        let is_cut_off = now - self.admitted_at >= giver_silence && heard_at.is_none_or(|at| now - at >= giver_silence);
        let members = self.table.others().filter(|row| row.is_member()).map(Row::seniority);
        let giver = members.filter(|&seniority| behind.is_none_or(|behind| seniority > behind)).min();
        match giver {
            // All were asked, and none has been heard since: the peer is on its own, and its user need not wait.
            None if is_cut_off => return self.finish_handover(),
            None => {}
            Some(_) => {
                self.log.start_handover(now);
                self.sync_log();
            }
        }
        self.handover.handle_giver(now, timers, giver);
    }

    /// Asks for the messages of the history that are missing.
    fn send_fetch(&mut self, now: Instant, from: PeerId) -> Option<Target> {
        let to = self.recipient(now, from)?;
        self.open(to.token);
        // One Ask for each origin, from the lowest of its numbers on.
        for pair in self.handover.missing() {
            let of_origin = || self.handover.missing().filter(|other| other.origin == pair.origin);
            if of_origin().all(|other| other.number >= pair.number) {
                let ahead = of_origin().filter_map(|other| 1_u32.checked_shl(other.number - pair.number));
                let bits = ahead.fold(0, |bits, bit| bits | bit);
                // Ten of them fit.
                let _ = self.datagram.push(&Item::Ask { origin: pair.origin, first: pair.number, bits });
            }
        }
        self.close(now, to, Ride::All, 0)
    }

    /// An own message, to the next member. Others that the same member lacks go with it.
    pub(super) fn next_fan_out(&mut self, now: Instant) -> Attempt {
        let timers = self.config.timers;
        let (index, after) = self.log.flights.fan_out()?;
        let next = self.table.after(after).iter().find(|row| row.is_member() && row.id != self.id()).map(|row| row.id);
        let fanned = self.log.flights.handle_fanned(now, timers, index, next);
        let Some((position, acknowledge)) = fanned else { return Some(None) };
        Some(next.and_then(|id| self.send_say(now, id, position, acknowledge)))
    }

    /// An own message to somebody.
    fn send_say(&mut self, now: Instant, id: PeerId, position: u64, acknowledge: bool) -> Option<Target> {
        let to = self.recipient(now, id)?;
        self.open(to.token);
        let mut say = self.log.message(position)?;
        say.flags |= if acknowledge { Say::ACKNOWLEDGE } else { 0 };
        self.datagram.push(&Item::Say(say)).ok()?;
        if to.token == Token::NONE {
            // It will not be read: the answer to the Ping brings the token with which it is.
            self.datagram.push(&Item::Ping { nonce: self.tokens.ping_nonce(id) }).ok()?;
        }
        self.close(now, to, Ride::All, 0)
    }

    /// Messages that somebody has asked for.
    pub(super) fn next_repair(&mut self, now: Instant) -> Attempt {
        let id = self.log.repairs.next_to()?;
        let Some(to) = self.recipient(now, id) else {
            self.log.repairs.forget(id);
            return Some(None);
        };
        self.open(to.token);
        let empty = self.datagram.as_bytes().len();
        while let Some(due) = self.log.repairs.due(&self.log.ring, id) {
            let pushed = match due {
                repair::Due::None(origin, lowest) => self.datagram.push(&Item::None { origin, lowest }),
                repair::Due::Say(position) => match self.log.message(position) {
                    Some(say) => self.datagram.push(&Item::Say(say)),
                    None => Ok(()),
                },
            };
            if pushed.is_err() {
                break;
            }
            self.log.repairs.handle_sent(id);
        }
        if self.datagram.as_bytes().len() == empty {
            return Some(None);
        }
        Some(self.close(now, to, Ride::All, 0))
    }

    /// An own message that was not acknowledged.
    pub(super) fn next_repetition(&mut self, now: Instant) -> Attempt {
        let timers = self.config.timers;
        let members = self.table.others().filter(|row| row.is_member()).map(|row| row.id);
        let repeated = self.log.flights.repeat(now, timers, &members);
        drop(members);
        let (position, id) = repeated?;
        Some(self.send_say(now, id, position, true))
    }

    /// A request for messages that are missing.
    pub(super) fn next_ask(&mut self, now: Instant) -> Attempt {
        if !self.handover.has_vector() {
            return None;
        }
        let timers = self.config.timers;
        let is_due = |entry: &&Entry| entry.gap.due_at(timers).is_some_and(|due_at| due_at <= now);
        let origin = self.log.vector.entries().iter().find(is_due)?.origin;
        let entry = self.log.vector.get_mut(origin)?;
        let (first, bits) = entry.missing();
        let last = first.saturating_add(u32::BITS - 1 - bits.leading_zeros().min(u32::BITS - 1));
        let (other, step) = (entry.gap.other, entry.gap.step(now, timers, origin, last));
        let asked = match step {
            Step::Wait => return Some(None),
            Step::Lost => {
                let count = self.log.give_up(now, origin);
                self.counters.says_lost = self.counters.says_lost.saturating_add(count);
                return Some(None);
            }
            Step::Ask(Source::Informer(informer), _) => self.member_id(informer),
            Step::Ask(Source::Origin, _) => self.member_id(origin),
            Step::Ask(Source::Other, 0) => self.random_member(&[origin, other]),
            Step::Ask(Source::Other, _) => self.member_id(other),
        };
        let entry = self.log.vector.get_mut(origin)?;
        let Some(asked) = asked else {
            entry.gap.skip_source(now);
            return Some(None);
        };
        if let Step::Ask(Source::Other, _) = step {
            entry.gap.other = asked;
        }
        Some(self.send(now, asked, &Item::Ask { origin, first, bits }))
    }

    /// This peer, if it is a member.
    fn member_id(&self, id: PeerId) -> Option<PeerId> {
        self.table.get(id).filter(|row| row.is_member() && row.id != self.id()).map(|row| row.id)
    }

    /// One of the other members, but for these.
    fn random_member(&mut self, but: &[PeerId]) -> Option<PeerId> {
        let members = || self.table.others().filter(|row| row.is_member() && !but.contains(&row.id));
        let index = self.random.below(members().count());
        members().nth(index).map(|row| row.id)
    }

    /// A request for a page of somebody's vector.
    pub(super) fn next_vector_page(&mut self, now: Instant) -> Attempt {
        let timers = self.config.timers;
        let walk = self.vector_walk.as_mut()?;
        let giver = walk.giver;
        match walk.step(now, timers) {
            walk::Step::Wait => None,
            walk::Step::Ask(after) => Some(self.send(now, giver, &Item::VectorAsk { after })),
            walk::Step::Failed => {
                self.vector_walk = None;
                Some(None)
            }
        }
    }
}
