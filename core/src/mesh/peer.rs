//! One peer of the mesh: the composition of admission, membership and log (docs/mesh-protocol.md).
//!
//! Drain order: after every `handle_*`, [`Peer::say`] and [`Peer::leave`], take [`Peer::poll_output`] until it gives `None`; then
//! [`Peer::poll_timeout`] says when [`Peer::handle_timeout`] is to be called. There is no queue of datagrams: each machine says what
//! is due, the peer asks them in a fixed order and encodes one datagram. What answers one datagram stands in one place, and is
//! dropped and counted if the next comes before it was taken out.

mod admission;
mod answer;
mod due;
mod envelope;
mod membership;
mod receive;
mod seek;
mod speak;
mod tell;
mod view;
mod welcome;

use super::budget::Budget;
use super::claimant::Claimant;
use super::discovery::{Discovery, Mode};
use super::farewell::Farewell;
use super::handover::Handover;
use super::item::Say;
use super::list::Addresses;
use super::log::Log;
use super::prober::Prober;
use super::random::Random;
use super::row::{Row, State};
use super::table::Table;
use super::token::Tokens;
use super::walk::Walk;
use super::{Config, Counters, Event, Memory, PeerId, Token, names};
use crate::address::Address;
use crate::bucket::{Bucket, Rate};
use crate::datagram::Datagram;
use crate::limits::{MESH_PACE_DATAGRAMS_MAX, MESH_SAY_BURST, MESH_SAY_PER_SECOND};
use crate::text::Text;
use crate::time::Instant;
use answer::Answers;
use core::fmt;
use core::net::SocketAddr;
use tell::Notices;

/// How fast a peer may speak.
const SAY_RATE: Rate = Rate { burst: MESH_SAY_BURST, per_second: MESH_SAY_PER_SECOND };

/// How a datagram arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// At an own address.
    Unicast,
    /// At the group's address.
    Multicast,
}

/// Where a datagram goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To this address.
    Unicast(SocketAddr),
    /// To the group's address, on every interface.
    Multicast,
}

/// What a peer wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output<'a> {
    /// This datagram is to be sent.
    Send {
        /// Where to.
        to: Target,
        /// The UDP payload.
        bytes: &'a [u8],
    },
    /// The user is to know this.
    Event(Event<'a>),
}

/// Where a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It looks for a group.
    Seeking,
    /// It asks a sponsor who the members are.
    Rows,
    /// It asks all of them for its name.
    Claiming,
    /// It makes its claim again soon.
    Waiting,
    /// It is a member, and is being handed the history.
    Admitted,
    /// It is a member.
    Member,
    /// It tells the others that it leaves.
    Leaving,
    /// It has stopped.
    Ended,
}

/// Why a message is not said; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SayError {
    /// The peer is no member yet, or no longer, or the hand-over is not done.
    NotMember,
    /// Too many messages were said; the next may be said then.
    TooFast(Instant),
    /// Too many own messages have not been acknowledged.
    UnderWay,
}

impl fmt::Display for SayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotMember => "this peer is no member of a group",
            Self::TooFast(_) => "too many messages in a short time",
            Self::UnderWay => "too many messages have not arrived yet",
        })
    }
}

impl core::error::Error for SayError {}

/// One peer.
#[derive(Debug)]
pub struct Peer<'s> {
    /// What its owner decided.
    config: Config<'s>,
    /// Random numbers.
    random: Random,
    /// Tokens for others.
    tokens: Tokens,
    /// Where it stands; Member stands for Admitted too.
    phase: Phase,
    /// The highest Lamport value that it has heard or said.
    lamport: u64,
    /// Who is there.
    table: Table<'s>,
    /// Probes them.
    prober: Prober,
    /// What unproven addresses get.
    budget: Budget<'s>,
    /// Seeks and is found.
    discovery: Discovery,
    /// Claims the name.
    claimant: Claimant<'s>,
    /// What was said.
    log: Log<'s>,
    /// What is handed over.
    handover: Handover,
    /// How fast it speaks.
    bucket: Bucket,
    /// Somebody without a row who is asked for rows.
    stranger: Option<Stranger>,
    /// Who showed the group.
    sponsor: PeerId,
    /// When the sponsor is asked for rows again.
    sponsor_at: Instant,
    /// The walk over somebody's table.
    walk: Option<Walk>,
    /// Whose table differed from the own when it welcomed the claim.
    unsettled: Option<PeerId>,
    /// When the last walk over a table ended.
    walked_at: Instant,
    /// The walk over somebody's vector.
    vector_walk: Option<Walk>,
    /// What is told to everybody: that the peer leaves, or that it is a member.
    farewell: Farewell,
    /// When the claim is made again.
    retry_at: Option<Instant>,
    /// When it was admitted.
    admitted_at: Instant,
    /// Whether it founded its group, nobody has joined and it has said nothing.
    is_pristine: bool,
    /// Whether a page of rows had more of them than there is room for.
    rows_overflow: bool,
    /// When one of the dead is pinged next, and behind which id it stands.
    dead_ping: (Instant, PeerId),
    /// Whom to probe next: somebody else claims its name.
    probe_next: Option<PeerId>,
    /// Where a peer may have moved to: it is pinged there.
    moved: Option<(PeerId, Address)>,
    /// When the peer was called last.
    now: Instant,
    /// What answers the last datagram.
    answers: Answers,
    /// What the user is to be told.
    notices: Notices,
    /// The version of the table that claimant and log know.
    synced: u32,
    /// The version of the table that the user knows.
    told: u32,
    /// Whether the user is to be told of a flood.
    floods: bool,
    /// A message that the user has been given.
    shown: Option<u64>,
    /// The datagram in the making.
    datagram: Datagram,
    /// Since when datagrams are counted for the pace, and how many there were.
    pace: (Instant, u8),
    /// When [`Peer::handle_timeout`] was to be called.
    expected_at: Option<Instant>,
    /// What has happened so far.
    counters: Counters,
}

/// Somebody without a row.
#[derive(Debug, Clone, Copy)]
struct Stranger {
    /// Its id.
    id: PeerId,
    /// Where it is.
    address: Address,
    /// The token that it gave.
    token: Token,
}

impl<'s> Peer<'s> {
    /// A peer that begins to look for a group at once. Whoever knows the seed can pass for it: it is 128 bits of randomness, others
    /// at each start.
    pub fn new(memory: Memory<'s>, config: Config<'s>, now: Instant, seed: [u8; 16]) -> Self {
        let Memory { rows, asks, entries, accounts, flights, ring } = memory;
        let mut random = Random::new(seed);
        let tokens = Tokens::new(&mut random);
        let own = Self::own_row(&config, now, PeerId(random.word()), rows.len());
        let id = own.id;
        let table = Table::new(rows, config.members_max, own);
        let mut peer = Self {
            random,
            tokens,
            phase: Phase::Seeking,
            lamport: 0,
            synced: table.version(),
            told: table.version(),
            table,
            prober: Prober::IDLE,
            budget: Budget::new(accounts, now),
            discovery: Discovery::OFF,
            claimant: Claimant::new(asks),
            log: Log::new(id, entries, flights, ring),
            handover: Handover::NEW,
            bucket: Bucket::FULL,
            stranger: None,
            sponsor: PeerId::ZERO,
            sponsor_at: now,
            walk: None,
            unsettled: None,
            walked_at: now,
            vector_walk: None,
            farewell: Farewell::NONE,
            retry_at: None,
            admitted_at: now,
            is_pristine: false,
            rows_overflow: false,
            dead_ping: (now, PeerId::ZERO),
            probe_next: None,
            moved: None,
            now,
            answers: Answers::NONE,
            notices: Notices::new(),
            floods: false,
            shown: None,
            datagram: Datagram::EMPTY,
            pace: (now, 0),
            expected_at: None,
            counters: Counters::ZERO,
            config,
        };
        peer.seek(now);
        peer.advance(now);
        peer
    }

    /// The own row under an id, before anybody knows it.
    fn own_row(config: &Config<'_>, now: Instant, id: PeerId, rows: usize) -> Row {
        let capacity = config.members_max.min(rows / 2).max(1);
        let mut row = Row {
            id,
            state: State::Left,
            number: 1,
            capacity_log2: u8::try_from(capacity.ilog2()).unwrap_or(u8::MAX),
            key: names::key(&config.name),
            name: Some(config.name.clone()),
            heard_at: now,
            changed_at: now,
            ..Row::EMPTY
        };
        for &address in config.addresses {
            row.contacts.learn(now, address.into());
        }
        row
    }

    /// Says something to all members. Gives the own number of the message, which [`Event::Confirmed`] repeats. `sent_ms` is the own
    /// wall clock in Unix milliseconds. Work: one pass over the rows and one copy of the text.
    ///
    /// # Errors
    /// [`SayError`]; nothing has changed then.
    pub fn say(&mut self, now: Instant, sent_ms: i64, action: bool, text: Text<'_>) -> Result<u32, SayError> {
        if self.phase() != Phase::Member {
            return Err(SayError::NotMember);
        }
        self.bucket.has_token(SAY_RATE, now).map_err(SayError::TooFast)?;
        let number = self.log.head().saturating_add(1);
        let say = Say {
            origin: self.id(),
            number,
            lamport: self.lamport.saturating_add(1),
            sent_ms,
            flags: if action { Say::ACTION } else { 0 },
            name: self.config.name.as_str(),
            text,
        };
        let members = self.table.others().filter(|row| row.is_member()).map(|row| row.id);
        let count = members.clone().count();
        if !self.log.say(&say, members, count) {
            return Err(SayError::UnderWay);
        }
        self.lamport = say.lamport;
        self.bucket.take(SAY_RATE, now);
        self.is_pristine = false;
        Ok(number)
    }

    /// The peer leaves: it tells all members three times within a second, then comes [`Event::Ended`].
    pub fn leave(&mut self, now: Instant) {
        match self.phase {
            Phase::Leaving | Phase::Ended => {}
            _ => self.stop(now),
        }
    }

    /// Does what the time brings. To be called when [`Peer::poll_timeout`] says so; earlier it does nothing. Work: a pass over the rows.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wake(now);
        self.run_admission(now);
        self.run_membership(now);
        self.advance(now);
    }

    /// When [`Peer::handle_timeout`] is to be called; `None` when the peer has stopped. Work: a pass over the rows.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (since, count) = self.pace;
        let paced_until = (count == MESH_PACE_DATAGRAMS_MAX).then(|| since + self.config.timers.pace);
        self.due_at().map(|due_at| paced_until.map_or(due_at, |paced_until| due_at.max(paced_until)))
    }

    /// What is to be done next: sending a datagram, or telling the user something. `unix_ms` is the own wall clock, if there is one:
    /// messages whose time is far from it are marked. `None` until the next call of something else. Work: one datagram, and a pass over
    /// rows and messages.
    pub fn poll_output(&mut self, now: Instant, unix_ms: Option<i64>) -> Option<Output<'_>> {
        self.now = now;
        if let Some(position) = self.shown.take() {
            self.log.handle_shown(position);
        }
        if let Some(tale) = self.next_tale(now) {
            return Some(Output::Event(self.event(now, tale, unix_ms)));
        }
        if let Some(to) = self.next_datagram(now) {
            self.counters.sent = self.counters.sent.saturating_add(1);
            let length = u32::try_from(self.datagram.as_bytes().len()).unwrap_or(u32::MAX);
            self.counters.sent_bytes = self.counters.sent_bytes.saturating_add(length);
            return Some(Output::Send { to, bytes: self.datagram.as_bytes() });
        }
        // What could not be sent may have led on: to the end of a farewell, or of a walk.
        if let Some(tale) = self.next_tale(now) {
            return Some(Output::Event(self.event(now, tale, unix_ms)));
        }
        self.expected_at = self.poll_timeout();
        None
    }

    /// A timer that is much too late means that the machine slept: all deadlines start anew, and nobody is blamed for the time.
    fn wake(&mut self, now: Instant) {
        let timers = self.config.timers;
        if self.expected_at.is_some_and(|expected_at| now - expected_at > timers.sleep_min) {
            self.counters.sleeps = self.counters.sleeps.saturating_add(1);
            if matches!(self.phase, Phase::Claiming | Phase::Member) {
                self.prober.start(now);
            }
            self.claimant.restart(now);
            self.discovery.put_off(now, timers);
            self.handover.restart(now, timers);
            self.log.restart(now);
            self.walk.iter_mut().chain(&mut self.vector_walk).for_each(|walk| walk.restart(now));
        }
        self.expected_at = None;
        self.now = now;
    }

    /// The addresses to tell somebody who is reached at `to`.
    fn own_addresses(&self, now: Instant, to: Address) -> Addresses {
        let silence = self.config.timers.address_silence;
        self.own().map_or_else(Addresses::default, |own| own.contacts.told_to(to, now, silence))
    }

    /// Begins to look for a group, alone.
    fn seek(&mut self, now: Instant) {
        self.phase = Phase::Seeking;
        if let Some(own) = self.own().cloned() {
            self.table.reset(own);
        }
        self.discovery.start(now, self.config.timers, &mut self.random, Mode::Newcomer);
        self.notices.push(tell::Notice::Seeking);
    }
}

#[cfg(test)]
mod tests;
