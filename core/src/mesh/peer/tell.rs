//! What the user is told, in order: what became of the peer, who comes and goes, what was said.

use super::{Peer, Phase};
use crate::mesh::PeerId;
use crate::mesh::event::{Event, FullName, Member, Message};
use crate::mesh::flight::Landing;
use crate::mesh::item::{Pair, Say};
use crate::mesh::log::Show;
use crate::mesh::row::{Row, State};
use crate::refusal::RefusalReason;
use crate::time::Instant;
use heapless::Deque;

/// Notices that wait at once: more than one call can bring.
const NOTICES_MAX: usize = 6;

/// What became of the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// As [`Event::Seeking`].
    Seeking,
    /// As [`Event::Founded`].
    Founded,
    /// As [`Event::Claiming`].
    Claiming(u32),
    /// As [`Event::Admitted`].
    Admitted(u64),
    /// As [`Event::Refused`]: why, by whom, who holds the name.
    Refused(RefusalReason, Option<PeerId>, Option<PeerId>),
    /// As [`Event::Waiting`].
    Waiting(RefusalReason, PeerId),
    /// As [`Event::HandedOver`].
    HandedOver,
    /// As [`Event::TooMany`].
    TooMany(u32),
    /// As [`Event::Ended`].
    Ended,
}

/// Notices that wait to be told.
#[derive(Debug)]
pub(super) struct Notices(Deque<Notice, NOTICES_MAX>);

impl Notices {
    /// None.
    pub(super) const fn new() -> Self {
        Self(Deque::new())
    }

    /// One more. Where nobody takes them out, the oldest goes.
    pub(super) fn push(&mut self, notice: Notice) {
        if self.0.back() == Some(&notice) {
            return;
        }
        if self.0.is_full() {
            self.0.pop_front();
        }
        // There is room now.
        let _ = self.0.push_back(notice);
    }
}

/// Something to be told, by places in the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tale {
    /// What became of the peer.
    Notice(Notice),
    /// A member has joined.
    Joined(PeerId),
    /// A member has left.
    Left(PeerId),
    /// A member has died.
    Died(PeerId),
    /// A member has another number.
    Renamed(PeerId),
    /// A member said too much.
    Flooded(PeerId),
    /// A message at a position of the ring.
    Message {
        /// The position.
        position: u64,
        /// Whether it belongs to the history.
        history: bool,
        /// Whether it is late.
        late: bool,
    },
    /// Messages were lost.
    Lost(PeerId, u32),
    /// An own message has arrived.
    Confirmed(u32),
    /// An own message was overwritten.
    Unconfirmed(u32),
}

impl Peer<'_> {
    /// What is to be told next; it counts as told. Work: a pass over the rows, the entries and the messages.
    pub(super) fn next_tale(&mut self, now: Instant) -> Option<Tale> {
        if let Some(notice) = self.notices.0.pop_front() {
            return Some(Tale::Notice(notice));
        }
        if !matches!(self.phase, Phase::Member) {
            return None;
        }
        self.next_change().or_else(|| self.next_message(now)).or_else(|| self.next_landing())
    }

    /// Who has come or gone.
    fn next_change(&mut self) -> Option<Tale> {
        if self.told == self.table.version() && !self.floods {
            return None;
        }
        let own = self.id();
        for row in self.table.rows_mut() {
            if core::mem::take(&mut row.flooded) {
                return Some(Tale::Flooded(row.id));
            }
            let told = row.told_number;
            row.told_number = if row.is_member() { row.number } else { 0 };
            match (told, row.told_number) {
                (told, number) if told == number => {}
                (0, _) if row.id == own => {}
                (0, _) => return Some(Tale::Joined(row.id)),
                (_, 0) if row.state == State::Dead => return Some(Tale::Died(row.id)),
                (_, 0) => return Some(Tale::Left(row.id)),
                _ => return Some(Tale::Renamed(row.id)),
            }
        }
        (self.told, self.floods) = (self.table.version(), false);
        None
    }

    /// What was said: the history first, then what is live.
    fn next_message(&mut self, now: Instant) -> Option<Tale> {
        if !self.handover.is_done() {
            return self.next_history(now);
        }
        match self.log.show(now)? {
            Show::Message { position, late } => {
                self.shown = Some(position);
                Some(Tale::Message { position, history: false, late })
            }
            Show::Lost(origin, count) => Some(Tale::Lost(origin, count)),
        }
    }

    /// The oldest of the ten messages that has not been shown; after the last, the hand-over is done.
    fn next_history(&mut self, now: Instant) -> Option<Tale> {
        if !self.handover.may_show(now) {
            return None;
        }
        let mut oldest: Option<((u64, PeerId, u32), u64, Pair)> = None;
        for pair in self.handover.unshown() {
            let is_live = self.log.vector.get(pair.origin).is_some_and(|entry| pair.number > entry.number);
            let position = self.log.ring.find(pair.origin, pair.number).filter(|_| !is_live);
            let Some((position, say)) = position.and_then(|position| Some((position, self.log.message(position)?)))
            else {
                continue;
            };
            let key = (say.lamport, pair.origin, pair.number);
            if oldest.is_none_or(|(other, ..)| key < other) {
                oldest = Some((key, position, pair));
            }
        }
        let Some((_, position, pair)) = oldest else {
            self.finish_handover();
            return self.next_tale(now);
        };
        self.handover.handle_shown(pair);
        let Show::Message { position, late } = self.log.show_at(position) else { return None };
        Some(Tale::Message { position, history: true, late })
    }

    /// An own message that is no longer under way.
    fn next_landing(&mut self) -> Option<Tale> {
        let ring = &self.log.ring;
        Some(match self.log.flights.land(|position| ring.get(position).is_some())? {
            Landing::Confirmed(number) => Tale::Confirmed(number),
            Landing::Overwritten(number) => Tale::Unconfirmed(number),
        })
    }

    /// A row as the user sees it; `None` if only its death is known.
    pub(super) fn member<'a>(&self, now: Instant, row: &'a Row) -> Option<Member<'a>> {
        Some(Member {
            id: row.id,
            incarnation: row.incarnation,
            state: row.state,
            rank: row.rank,
            name: FullName { name: row.name.as_ref()?, number: row.number },
            address: row.contacts.best(now, self.config.timers.address_silence).map(Into::into),
            silent_ms: u64::try_from((now - row.heard_at).as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// The row of a peer as the user sees it.
    fn member_of(&self, now: Instant, id: PeerId) -> Option<Member<'_>> {
        self.table.get(id).and_then(|row| self.member(now, row))
    }

    /// What is told, with all that belongs to it.
    pub(super) fn event(&self, now: Instant, tale: Tale, unix_ms: Option<i64>) -> Event<'_> {
        // Whoever is told of has a name, and a message was found a moment ago: nothing else than that comes of `None`.
        self.event_of(now, tale, unix_ms).unwrap_or(Event::Lost { origin: PeerId::ZERO, name: None, count: 0 })
    }

    /// What is told, with all that belongs to it; `None` if that is gone.
    fn event_of(&self, now: Instant, tale: Tale, unix_ms: Option<i64>) -> Option<Event<'_>> {
        let member = |id| self.member_of(now, id);
        Some(match tale {
            Tale::Notice(notice) => self.notice_event(now, notice),
            Tale::Joined(id) => Event::Joined(member(id)?),
            Tale::Left(id) => Event::Left(member(id)?),
            Tale::Died(id) => Event::Died(member(id)?),
            Tale::Renamed(id) => Event::Renamed(member(id)?),
            Tale::Flooded(id) => Event::Flooded(member(id)?),
            Tale::Lost(origin, count) => {
                Event::Lost { origin, name: self.member_of(now, origin).map(|member| member.name), count }
            }
            Tale::Confirmed(number) => Event::Confirmed { number },
            Tale::Unconfirmed(number) => Event::Unconfirmed { number },
            Tale::Message { position, history, late } => {
                Event::Message(self.message(&self.log.message(position)?, history, late, unix_ms))
            }
        })
    }

    /// What became of the peer, with all that belongs to it.
    fn notice_event(&self, now: Instant, notice: Notice) -> Event<'_> {
        match notice {
            Notice::Seeking => Event::Seeking,
            Notice::Founded => Event::Founded,
            Notice::Claiming(members) => Event::Claiming { members },
            Notice::Admitted(rank) => Event::Admitted { rank },
            Notice::Refused(reason, by, holder) => Event::Refused {
                reason,
                by: by.and_then(|id| self.member_of(now, id)),
                holder: holder.and_then(|id| self.member_of(now, id)),
            },
            Notice::Waiting(reason, by) => Event::Waiting { reason, by: self.member_of(now, by) },
            Notice::HandedOver => Event::HandedOver,
            Notice::TooMany(members) => Event::TooMany { members },
            Notice::Ended => Event::Ended,
        }
    }

    /// A message as the user sees it.
    fn message<'a>(&self, say: &Say<'a>, history: bool, late: bool, unix_ms: Option<i64>) -> Message<'a> {
        let limit = self.config.timers.clock_off.as_millis();
        let is_off = |now_ms: i64| u128::from(now_ms.abs_diff(say.sent_ms)) > limit;
        Message {
            origin: say.origin,
            name: say.name,
            name_number: self.table.get(say.origin).map_or(1, |row| row.number),
            number: say.number,
            lamport: say.lamport,
            sent_ms: say.sent_ms,
            text: say.text,
            action: say.flags & Say::ACTION != 0,
            history,
            late,
            clock_off: !history && !late && unix_ms.is_some_and(is_off),
            own: say.origin == self.id(),
        }
    }
}
