//! A datagram that came: who sent it, whether its source is proven, and what each item means.

use super::answer::Answer;
use super::envelope::Recipient;
use super::{Arrival, Peer, Phase};
use crate::address::Address;
use crate::datagram::{self, ItemError, Items, Rejected};
use crate::limits::MESH_LAMPORT_AHEAD_MAX;
use crate::mesh::item::{Item, PROTOCOL, Pair, Say};
use crate::mesh::list::Packed;
use crate::mesh::log::Heard;
use crate::mesh::row::{Row, State};
use crate::mesh::walk::Walk;
use crate::mesh::{PeerId, Token};
use crate::time::Instant;
use crate::username::Username;
use core::net::SocketAddr;

/// Who sent an item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    /// Its id.
    pub(super) id: PeerId,
    /// Its incarnation.
    pub(super) incarnation: u32,
    /// Where the datagram came from; not the sender's address, if it came by Via.
    pub(super) address: Address,
    /// How it arrived.
    pub(super) arrival: Arrival,
    /// Whether it has proven that address.
    pub(super) is_proven: bool,
    /// Whether somebody else passed the item on.
    pub(super) is_via: bool,
}

impl Peer<'_> {
    /// Takes one datagram as it came. Work: bounded by its length, times a pass over the rows for each of its items.
    ///
    /// Whatever cannot be used is counted and changes nothing else.
    pub fn handle_datagram(&mut self, now: Instant, source: SocketAddr, arrival: Arrival, bytes: &[u8]) {
        self.wake(now);
        self.counters.datagrams = self.counters.datagrams.saturating_add(1);
        self.counters.received_bytes =
            self.counters.received_bytes.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let address = Address::from(source);
        let counter = match datagram::open(PROTOCOL, bytes) {
            _ if self.phase == Phase::Ended => &mut self.counters.stopped,
            Ok(_) if !address.is_answerable() => &mut self.counters.unanswerable,
            Ok(items) => return self.handle_items(now, address, arrival, bytes.len(), items),
            Err(Rejected::Foreign | Rejected::Empty) => &mut self.counters.foreign,
            Err(Rejected::Version(_)) => &mut self.counters.other_version,
            Err(Rejected::Overlong) => &mut self.counters.overlong,
        };
        *counter = counter.saturating_add(1);
    }

    /// Takes the items of one datagram.
    fn handle_items(&mut self, now: Instant, address: Address, arrival: Arrival, length: usize, mut items: Items<'_>) {
        let Some(Ok(Item::From { id, incarnation, token })) =
            items.next().map(|item| item.map_or(Err(ItemError::Malformed), Item::decode))
        else {
            self.counters.anonymous = self.counters.anonymous.saturating_add(1);
            return;
        };
        if id == self.id() || id == PeerId::ZERO || id == PeerId::LAST {
            self.counters.own = self.counters.own.saturating_add(1);
            return;
        }
        let is_proven = (token != Token::NONE && token == self.tokens.token(id, address))
            || items.clone().flatten().any(|item| Item::decode(item).is_ok_and(|item| self.proves(id, &item)));
        let sender = Sender { id, incarnation, address, arrival, is_proven, is_via: false };
        if is_proven {
            self.handle_proven(now, sender);
        } else {
            self.budget.receive(now, self.config.timers.budget_window, address, length);
            self.check_move(sender, token);
        }
        let token = self.table.get(id).map_or(Token::NONE, |row| row.token);
        let to = Recipient { id, address, token, is_proven, via_for: None };
        let dropped = self.answers.begin(Some(to));
        self.counters.answers_dropped =
            self.counters.answers_dropped.saturating_add(u32::try_from(dropped).unwrap_or(u32::MAX));
        for item in items {
            match item.map(Item::decode) {
                Ok(Ok(item)) => self.handle_item(now, sender, item),
                Ok(Err(error)) => self.count_item(error),
                Err(datagram::Truncated) => {
                    self.counters.items_truncated = self.counters.items_truncated.saturating_add(1);
                }
            }
        }
        self.advance(now);
    }

    /// Counts an item that is skipped.
    pub(super) fn count_item(&mut self, error: ItemError) {
        let counter = match error {
            ItemError::Unknown => &mut self.counters.items_unknown,
            ItemError::Malformed => &mut self.counters.items_malformed,
        };
        *counter = counter.saturating_add(1);
    }

    /// Counts an item that has no place now.
    pub(super) fn count_unexpected(&mut self) {
        self.counters.items_unexpected = self.counters.items_unexpected.saturating_add(1);
    }

    /// Whether an item repeats a nonce that only `id` was sent.
    fn proves(&self, id: PeerId, item: &Item<'_>) -> bool {
        match *item {
            Item::Found { nonce, .. } => nonce == self.discovery.nonce(),
            Item::Welcome { nonce, .. } | Item::Object { nonce, .. } => nonce == self.claim_nonce(id),
            Item::Ack { nonce, .. } => self.prober.target(nonce) == Some(id) || nonce == self.tokens.ping_nonce(id),
            _ => false,
        }
    }

    /// Takes one item.
    pub(super) fn handle_item(&mut self, now: Instant, sender: Sender, item: Item<'_>) {
        match item {
            Item::Seek { nonce, members } if !sender.is_via && self.hears(sender.arrival) => {
                self.handle_seek(now, sender, nonce, members);
            }
            Item::Found { nonce, token, members, capacity_log2, table } if !sender.is_via => {
                self.handle_found(now, sender, (nonce, token), members, (capacity_log2, table));
            }
            Item::Claim { nonce, incarnation, token, name, addresses } => {
                self.handle_claim(now, sender, (nonce, token), (incarnation, name, addresses));
            }
            Item::Welcome { nonce, token, lamport, head: _, members: _, table } => {
                self.handle_welcome(now, sender, (nonce, token), lamport, table);
            }
            Item::Object { nonce, reason, holder } => self.handle_objection(now, sender, nonce, reason, holder),
            Item::Ping { nonce } => {
                self.answer(Answer::Ack(nonce));
                if matches!(self.phase, Phase::Waiting | Phase::Leaving) && !sender.is_via {
                    self.answer(Answer::Left);
                }
            }
            Item::Ack { nonce: _, token } => self.handle_ack(now, sender, token),
            _ if !sender.is_proven || sender.is_via => {
                self.counters.items_unproven = self.counters.items_unproven.saturating_add(1);
            }
            item => self.handle_proven_item(now, sender, &item),
        }
    }

    /// Takes one item of those that only proven sources may send.
    fn handle_proven_item(&mut self, now: Instant, sender: Sender, item: &Item<'_>) {
        let is_member = self.phase == Phase::Member;
        match *item {
            Item::RowsAsk { after, token } if is_member => {
                self.answers.set_token(token);
                self.answer(Answer::Rows(after));
                if after == PeerId::ZERO {
                    self.ask_back(now, sender);
                }
            }
            Item::Rows { after, until, rows } => self.handle_rows(now, sender, after, until, rows),
            Item::Left { incarnation } => self.handle_left(now, sender.id, incarnation),
            Item::Via { target, from, item } => self.handle_via(now, sender, target, from, item),
            Item::Heads { head, vector, pairs } if is_member => {
                // Only members send it: whoever is none here, or had a lower incarnation, was not followed. Who is held dead is told so.
                let row = self.table.get(sender.id).filter(|row| row.incarnation >= sender.incarnation);
                match row.map(|row| row.state) {
                    Some(State::Member) => self.handle_heads(now, sender.id, head, vector, pairs),
                    Some(State::Joining) | None => self.ask_who(now, sender),
                    Some(State::Dead | State::Left) => {}
                }
            }
            Item::Say(ref say) if is_member => self.handle_say(now, sender.id, say),
            Item::Took { number } => self.log.flights.handle_took(sender.id, number),
            Item::Ask { origin, first, bits } if is_member => {
                if bits != 0 && first != 0 && !self.log.repairs.ask(&self.log.ring, sender.id, origin, first, bits) {
                    self.counters.asks_dropped = self.counters.asks_dropped.saturating_add(1);
                }
            }
            Item::None { origin, lowest } if is_member => {
                if let Some(entry) = self.log.vector.get_mut(origin) {
                    let top = entry.top();
                    entry.gap.handle_none(now, sender.id, origin, top, lowest);
                }
            }
            Item::VectorAsk { after } if is_member => {
                self.answer(if self.may_give(now) { Answer::Vector(after) } else { Answer::NoGiver });
            }
            Item::Vector { after, until, pairs } if is_member => {
                self.handle_vector(now, sender.id, (after, until), pairs);
            }
            Item::RecentAsk if is_member => {
                self.answer(if self.may_give(now) { Answer::Recent } else { Answer::NoGiver });
            }
            Item::Recent { no_giver, pairs } if is_member => self.handle_recent(now, sender.id, no_giver, pairs),
            _ => self.count_unexpected(),
        }
    }

    /// Takes an item that was passed on, or passes it on.
    fn handle_via(&mut self, now: Instant, sender: Sender, target: PeerId, from: PeerId, bytes: &[u8]) {
        if target != self.id() {
            let is_known = self.recipient(now, target).is_some();
            // As long as it is a rumour: after a healing, others know better.
            let told_max = self.config.timers.death_told_max;
            let is_news = |row: &Row| !row.is_live() && row.is_rumour && now - row.changed_at <= told_max;
            if self.table.get(target).is_some_and(is_news) {
                self.answer(Answer::Departed(target));
            }
            if !is_known || !self.answers.push_forward(target, from, bytes) {
                self.counters.vias_dropped = self.counters.vias_dropped.saturating_add(1);
            }
            return;
        }
        // What answers it goes back the same way.
        if from == self.id() {
            return;
        }
        match Item::decode(bytes) {
            Ok(
                item @ (Item::Claim { .. }
                | Item::Welcome { .. }
                | Item::Object { .. }
                | Item::Ping { .. }
                | Item::Ack { .. }),
            ) => {
                let to = self.answers.to().map(|to| Recipient { via_for: Some(from), ..to });
                let dropped = self.answers.begin(to);
                self.counters.answers_dropped =
                    self.counters.answers_dropped.saturating_add(u32::try_from(dropped).unwrap_or(u32::MAX));
                let passer = sender;
                let sender = Sender { id: from, is_proven: false, is_via: true, ..sender };
                self.hear_life(now, from);
                if !self.table.get(from).is_some_and(Row::is_live) && !matches!(item, Item::Claim { .. }) {
                    // Whoever passes it on knows somebody who is not known here.
                    self.ask_back(now, passer);
                }
                self.handle_item(now, sender, item);
            }
            Ok(_) => self.count_unexpected(),
            Err(error) => self.count_item(error),
        }
    }

    /// A Lamport value was heard. Gives whether it is possible; the own rises to it.
    pub(super) fn hear_lamport(&mut self, lamport: u64) -> bool {
        let is_possible = lamport <= self.lamport.saturating_add(MESH_LAMPORT_AHEAD_MAX);
        if is_possible {
            self.lamport = self.lamport.max(lamport);
        } else {
            self.counters.lamport_ahead = self.counters.lamport_ahead.saturating_add(1);
        }
        is_possible
    }

    /// A message came.
    fn handle_say(&mut self, now: Instant, from: PeerId, say: &Say<'_>) {
        if say.number == 0 || Username::new(say.name).is_err() {
            return self.count_item(ItemError::Malformed);
        }
        if !self.table.get(from).is_some_and(Row::is_member) {
            return self.count_unexpected();
        }
        if !self.hear_lamport(say.lamport) {
            return;
        }
        let timers = self.config.timers;
        let pair = Pair { origin: say.origin, number: say.number };
        if from == say.origin && self.handover.is_done() {
            // The first contact: what it says from here on is shown.
            self.log.handle_contact(now, pair, self.handover.shown(say.origin));
        }
        let wanted = self.handover.wants(pair);
        let counter = match self.log.handle_say(now, timers, from, say, wanted) {
            Heard::Kept => return self.handover.handle_held(pair),
            Heard::Repeated => &mut self.counters.says_repeated,
            Heard::Unplaced => &mut self.counters.says_unplaced,
            Heard::Unasked => &mut self.counters.items_unexpected,
            Heard::Muted => &mut self.counters.says_muted,
            Heard::Flooded => {
                if let Some(row) = self.table.get_mut(from) {
                    (row.flooded, self.floods) = (true, true);
                }
                &mut self.counters.says_muted
            }
        };
        *counter = counter.saturating_add(1);
    }

    /// A member said what was said so far.
    fn handle_heads(
        &mut self,
        now: Instant,
        from: PeerId,
        head: u32,
        vector: crate::mesh::Digest,
        pairs: Packed<'_, Pair>,
    ) {
        let timers = self.config.timers;
        let is_handed_over = self.handover.is_done();
        let head = head.max(self.handover.shown(from));
        self.log.handle_head(now, timers, from, head, is_handed_over);
        for pair in pairs.iter().take(crate::limits::MESH_HEADS_PAIRS_MAX) {
            match pair {
                Ok(pair) => self.hear_pair(now, from, pair),
                Err(error) => self.count_item(error),
            }
        }
        if is_handed_over && self.log.handle_digest(now, timers, vector) && self.vector_walk.is_none() {
            self.vector_walk = Some(Walk::new(now, from));
        }
    }

    /// Somebody has heard messages up to this number.
    fn hear_pair(&mut self, now: Instant, from: PeerId, pair: Pair) {
        let is_contact = self.handover.is_done() && self.table.get(pair.origin).is_some_and(Row::is_member);
        // What the history has shown of an origin is not shown again.
        let number = if is_contact { pair.number.max(self.handover.shown(pair.origin)) } else { pair.number };
        self.log.handle_pair(now, self.config.timers, from, Pair { number, ..pair }, is_contact);
    }

    /// A page of a vector came.
    fn handle_vector(&mut self, now: Instant, from: PeerId, (after, until): (PeerId, PeerId), pairs: Packed<'_, Pair>) {
        let timers = self.config.timers;
        let is_given = self.handover.handle_vector(now, from, after, until);
        let is_last = self.vector_walk.as_mut().and_then(|walk| walk.handle_page(now, from, after, until));
        if !is_given && is_last.is_none() {
            return self.count_unexpected();
        }
        if is_last == Some(true) {
            self.vector_walk = None;
        }
        for pair in pairs.iter() {
            match pair {
                Ok(pair) if is_given => self.log.handle_given(now, timers, pair),
                Ok(pair) => self.hear_pair(now, from, pair),
                Err(error) => self.count_item(error),
            }
        }
        if is_given {
            self.sync_log();
        }
    }

    /// The giver said which messages are the most recent.
    fn handle_recent(&mut self, now: Instant, from: PeerId, no_giver: bool, pairs: Packed<'_, Pair>) {
        if no_giver {
            if self.vector_walk.is_some_and(|walk| walk.giver == from) {
                self.vector_walk = None;
            }
            return self.handover.handle_refusal(now, from);
        }
        let timers = self.config.timers;
        if !self.handover.handle_recent(now, timers, from, pairs.iter().flatten()) {
            return self.count_unexpected();
        }
        for pair in pairs.iter().flatten() {
            self.hear_pair(now, from, pair);
            if self.log.ring.find(pair.origin, pair.number).is_some() {
                self.handover.handle_held(pair);
            }
        }
    }

    /// Somebody says that it leaves.
    fn handle_left(&mut self, now: Instant, id: PeerId, incarnation: u32) {
        if self.table.get(id).is_some_and(|row| row.incarnation <= incarnation && row.state != State::Left) {
            let told = crate::mesh::WireRow { id, incarnation, standing: crate::mesh::Standing::LeftBare };
            let tells = self.tells();
            self.table.merge(now, &told, tells);
            self.prober.handle_gone(id);
        }
    }
}
