//! Answering the claims of others.

use super::answer::Answer;
use super::receive::Sender;
use super::{Peer, Phase};
use crate::limits::MESH_JOINING_UNPROVEN_MAX;
use crate::mesh::guard::{self, Facts, Judgement};
use crate::mesh::item::{Body, Standing, WireRow};
use crate::mesh::list::Addresses;
use crate::mesh::row::{Row, State};
use crate::mesh::{Nonce, Token};
use crate::refusal::RefusalReason;
use crate::time::Instant;
use crate::username::Username;
use core::net::SocketAddr;

/// The capacity of a newcomer, which it tells when it is a member.
const CAPACITY_UNKNOWN: u8 = u8::MAX;

impl Peer<'_> {
    /// A newcomer claims a name.
    pub(super) fn handle_claim(
        &mut self,
        now: Instant,
        sender: Sender,
        (nonce, token): (Nonce, Token),
        (incarnation, name, addresses): (u32, Username, Addresses),
    ) {
        self.answers.set_token(token);
        match self.phase {
            Phase::Claiming | Phase::Member => {}
            Phase::Waiting | Phase::Leaving if !sender.is_via => return self.answer(Answer::Left),
            _ => return self.count_unexpected(),
        }
        if let Some(row) = self.table.get_mut(sender.id).filter(|_| !sender.is_via)
            && (sender.is_proven || row.token == Token::NONE)
        {
            // Whatever the answer is: what others have for it is passed on with this token.
            row.token = token;
        }
        let judgement = guard::judge(&self.facts(now, sender, incarnation, &name));
        let admitted = match judgement {
            Judgement::Admit => {
                let body = Body { rank: 0, capacity_log2: CAPACITY_UNKNOWN, name, addresses };
                self.hear_row(now, &WireRow { id: sender.id, incarnation, standing: Standing::Joining(body) });
                self.table.get(sender.id).is_some_and(Row::is_live)
            }
            Judgement::Repeat => true,
            Judgement::Object(reason, holder) => {
                self.probe_next = holder.filter(|_| reason == RefusalReason::NameHeld).or(self.probe_next);
                return self.answer(Answer::Object(nonce, reason, holder));
            }
            Judgement::Departed => return self.answer(Answer::Departed(sender.id)),
            Judgement::Stale => return self.count_unexpected(),
        };
        if !admitted {
            return self.answer(Answer::Object(nonce, RefusalReason::Full, None));
        }
        if let Some(row) = self.table.get_mut(sender.id).filter(|_| !sender.is_via) {
            if sender.is_proven || row.token == Token::NONE {
                row.token = token;
            }
            if sender.is_proven {
                row.contacts.prove(now, sender.address);
            } else {
                row.contacts.learn(now, sender.address);
            }
        }
        self.log.handle_claim(now, sender.id);
        self.answer(Answer::Welcome(nonce));
    }

    /// What is known here of a claim.
    fn facts(&self, now: Instant, sender: Sender, incarnation: u32, name: &Username) -> Facts {
        let ip = SocketAddr::from(sender.address).ip();
        let is_unproven = |row: &&Row| !row.contacts.has_proven();
        let is_from_ip =
            |row: &&Row| is_unproven(row) && row.contacts.iter().any(|address| SocketAddr::from(address).ip() == ip);
        let joining = || self.table.others().filter(|row| row.state == State::Joining && row.id != sender.id);
        let row = self.table.get(sender.id).map(|row| {
            let is_there = sender.is_via || row.contacts.contains(sender.address);
            (row.incarnation, row.state, is_there)
        });
        let hold = self.config.timers.dead_name_hold;
        Facts {
            incarnation,
            row,
            denied: self.config.denied.contains(name),
            holder: self.table.holder(sender.id, name).map(|row| (row.id, row.state)),
            holder_dead: self.table.holder_dead(sender.id, name, now, hold).map(|row| row.id),
            own: self.id(),
            has_room: self.table.live() < self.table.members_max(),
            joining_from_ip: if sender.is_via { 0 } else { joining().filter(is_from_ip).count() },
            joining_unproven: joining().filter(is_unproven).count(),
            joining_unproven_max: MESH_JOINING_UNPROVEN_MAX.min(self.table.members_max() / 4).max(2),
        }
    }
}
