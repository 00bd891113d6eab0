//! What all connections of a room share: names, members, order, history, journal (docs/room-protocol.md section 6).
//!
//! It has no clock; the caller hands in the time with which messages are stamped, in milliseconds since 1970.
//!
//! Invariants: a newcomer's history and cursor are taken in one step, so that each message is either in the history or behind the
//! cursor. A call for a connection whose generation is not the member's changes nothing.

use super::departed::{Departed, same_token};
use super::{Buffer, Config, Counter, Cursor, History, Journal, Mark, Member, MemberId, Roster};
use crate::frame::Frame;
use crate::limits::{Full, PAGE_BYTES_MAX, PAGE_SLOTS, TEXT_BYTES_MAX};
use crate::refusal::RefusalReason;
use crate::room::{Kind, Message, Seen, Sequence, Token, Welcome, message};
use crate::text::{Text, TextError};
use crate::username::{Username, UsernameError};
use core::ops::Range;
use core::time::Duration;

/// What all connections of a room share: `R` is its roster, `B` and `M` are the journal's storage, `F` is the history's.
#[derive(Debug)]
pub struct Room<R, B, M, F> {
    /// Timers and limits.
    config: Config,
    /// Which run of the server this is.
    epoch: u64,
    /// The members.
    roster: R,
    /// The generation of the next member or takeover.
    generation_next: u64,
    /// The members that left last.
    departed: Departed,
    /// The last messages.
    history: History<F>,
    /// The latest messages, joins and leaves, as many as fit.
    journal: Journal<B, M>,
    /// The buffer in which frames are encoded.
    frame: Frame,
    /// The counts, by [`Counter`].
    counters: [u64; Counter::COUNT],
}

/// Longest WELCOME as it travels, in bytes: 13 varints and 5 single bytes, together at most 88, one of stuffing, and 0x00.
const WELCOME_BYTES_MAX: usize = 90;

/// HISTORY_END as it travels, in bytes.
const HISTORY_END_BYTES: usize = 3;

/// Longest LAGGED as it travels, in bytes: the tag, a varint of 10 bytes, one of stuffing, and 0x00.
const LAGGED_BYTES_MAX: usize = 13;

/// The server's clock, as it is told to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallTime {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub unix_ms: i64,
    /// Whether the server trusts it.
    pub trusted: bool,
}

/// What a client that asks for a name hands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join<'a> {
    /// The name, unchecked.
    pub name: &'a str,
    /// The secret by which the client will prove that it is the same member.
    pub token: Token,
    /// The last frame that the client has seen.
    pub seen: Option<Seen>,
}

/// How a member or observer that is let in begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Where its frames of the journal begin.
    pub cursor: Cursor,
    /// How many messages it has lost. It is told by a LAGGED behind the HISTORY_END.
    pub lagged: u64,
    /// Its first frame; the history comes behind it, if `welcome.history` is not 0.
    pub welcome: Welcome,
    /// Whether a member went on from another connection.
    pub replacing: bool,
}

/// Why a member's message was not taken; nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SayError {
    /// The connection is not the member's any more.
    Stale,
    /// The message was taken before: the client repeats it because it did not know that.
    Doubled,
    /// The text is refused.
    Refused(RefusalReason),
}

impl<R, B, M, F> Room<R, B, M, F>
where
    R: Roster,
    B: AsRef<[u8]> + AsMut<[u8]>,
    M: AsRef<[Mark]> + AsMut<[Mark]>,
    F: AsRef<[Frame]> + AsMut<[Frame]>,
{
    /// An empty room. `epoch` is a random number, so that a client notices that the server was restarted.
    pub const fn new(config: Config, epoch: u64, roster: R, journal: Journal<B, M>, history: History<F>) -> Self {
        Self {
            config,
            epoch,
            roster,
            generation_next: 0,
            departed: Departed::new(),
            history,
            journal,
            frame: Frame::EMPTY,
            counters: [0; Counter::COUNT],
        }
    }

    /// Lets a newcomer in, or lets a member go on from another connection if name and token are the member's. Announces a newcomer
    /// unless the room has more members than `announced_members_max`. Appends to `owed`, which must be empty, the frames that come
    /// before the journal: WELCOME, the last messages (as many of the newest as there is room for, none for a client that has seen
    /// frames of this run of the server), HISTORY_END; LAGGED, if such a client has lost messages, and those of the last messages that
    /// the journal does not hold any more.
    ///
    /// # Errors
    /// The reason when the join is refused; nothing has changed then.
    pub fn join(
        &mut self,
        now: WallTime,
        join: &Join<'_>,
        owed: &mut impl Buffer,
    ) -> Result<(MemberId, Admission), RefusalReason> {
        let name = Username::new(join.name).map_err(name_refusal)?;
        let generation = self.generation_next;
        let member = self.roster.find(&name);
        let (slot, taken) = match member {
            Some(slot) => (slot, self.take_over(slot, join)?),
            None => self.admit(&name, join)?,
        };
        self.generation_next += 1;
        let admission = self.admission(now, join.seen, taken, owed);
        Ok((MemberId { slot, generation }, Admission { replacing: member.is_some(), ..admission }))
    }

    /// The member in this slot goes on from another connection. Returns the highest message number taken of it.
    fn take_over(&mut self, slot: u32, join: &Join<'_>) -> Result<u32, RefusalReason> {
        let generation = self.generation_next;
        match self.roster.get_mut(slot) {
            Some(member) if same_token(&member.token, &join.token) => {
                member.generation = generation;
                Ok(member.taken)
            }
            _ => Err(RefusalReason::NameTaken),
        }
    }

    /// Enters a newcomer and announces it. Returns its slot, and the highest message number taken of it when it was a member before.
    fn admit(&mut self, name: &Username, join: &Join<'_>) -> Result<(u32, u32), RefusalReason> {
        let taken = self.departed.taken(&join.token);
        let member = Member { name: name.clone(), token: join.token, generation: self.generation_next, taken };
        let slot = self.roster.admit(member).map_err(|Full| RefusalReason::Full)?;
        if self.announces() {
            let sequence = self.journal.next_sequence();
            self.append(&Message::Joined { sequence, name: name.as_str() });
        }
        Ok((slot, taken))
    }

    /// Whether joins and leaves are announced at this moment.
    fn announces(&self) -> bool {
        self.roster.count() <= self.config.announced_members_max
    }

    /// Lets an observer in, which has no name and is not announced. `seen` is the last frame that it has seen. The frames before the
    /// journal are appended to `owed` as in [`Room::join`].
    pub fn observe(&mut self, now: WallTime, seen: Option<Seen>, owed: &mut impl Buffer) -> Admission {
        self.admission(now, seen, 0, owed)
    }

    /// Finds where a client that is let in begins: behind the last frame that it has seen, or with the history.
    fn admission(&mut self, now: WallTime, seen: Option<Seen>, taken: u32, owed: &mut impl Buffer) -> Admission {
        let head = self.journal.next_sequence();
        // A frame beyond the head is of another run of the server, whatever epoch the client names.
        let Some(seen) = seen.filter(|seen| seen.epoch == self.epoch && seen.sequence < head) else {
            let history = self.history.fitting(owed.room().saturating_sub(WELCOME_BYTES_MAX + HISTORY_END_BYTES));
            let cursor = self.journal.head();
            let welcome = self.welcome(now, (head, cursor.messages()), taken, history);
            self.owe(&Message::Welcome(welcome), owed);
            self.history.copy_to(self.history.len() - history..self.history.len(), owed);
            self.owe(&Message::HistoryEnd, owed);
            return Admission { cursor, lagged: 0, welcome, replacing: false };
        };
        let wanted = Sequence(seen.sequence.0 + 1);
        let (cursor, next, kept) = match self.journal.find(wanted) {
            Ok(cursor) => (cursor, wanted, 0..0),
            // A room that keeps no journal goes on at the head.
            Err(oldest) if self.journal.is_without_storage() => (oldest.cursor(), oldest.sequence(), 0..0),
            Err(oldest) => {
                let (kept, next) = self.kept_before(oldest, seen.sequence, owed.room());
                (oldest.cursor(), next, kept)
            }
        };
        let messages = cursor.messages().saturating_sub(kept.len() as u64);
        let lagged = if next == wanted { 0 } else { messages.saturating_sub(seen.messages) };
        let welcome = self.welcome(now, (next, messages), taken, 0);
        self.owe(&Message::Welcome(welcome), owed);
        self.owe(&Message::HistoryEnd, owed);
        if lagged > 0 {
            self.owe(&Message::Lagged { messages: lagged }, owed);
        }
        self.history.copy_to(kept, owed);
        Admission { cursor, lagged, welcome, replacing: false }
    }

    /// Which messages of the history come before `oldest`, behind the frame that was seen, and fit with the frames before them into
    /// this many bytes; and the sequence number of the first of them, or that of `oldest`. The journal may have lost messages that a
    /// newcomer is still given, and a returning member is given them too.
    fn kept_before(&self, oldest: Mark, seen: Sequence, bytes: usize) -> (Range<usize>, Sequence) {
        let before = self.journal.head().messages().saturating_sub(oldest.cursor().messages());
        let end = self.history.len().saturating_sub(usize::try_from(before).unwrap_or(usize::MAX));
        let room = bytes.saturating_sub(WELCOME_BYTES_MAX + HISTORY_END_BYTES + LAGGED_BYTES_MAX);
        let (start, next) = self.history.behind(seen, end, room).unwrap_or((end, oldest.sequence()));
        (start..end, next)
    }

    /// Appends a message to `owed`, which has room for it: it was empty before the first.
    fn owe(&mut self, message: &Message<'_>, owed: &mut impl Buffer) {
        if let Ok(frame) = self.frame.encode(message) {
            let _ = owed.extend(frame);
        }
    }

    /// The WELCOME for a client whose frames begin at `next`.
    fn welcome(&self, now: WallTime, (next, messages): (Sequence, u64), taken: u32, history: usize) -> Welcome {
        let Config { rate, ping_after, gone_after, announced_members_max, .. } = self.config;
        Welcome {
            version: message::VERSION,
            epoch: self.epoch,
            next,
            messages,
            head: self.journal.next_sequence(),
            taken,
            // At most HISTORY_MESSAGES_MAX.
            history: u8::try_from(history).unwrap_or(u8::MAX),
            members: self.roster.count(),
            announced_members_max,
            time_ms: now.unix_ms,
            time_trusted: now.trusted,
            text_bytes_max: u16::try_from(TEXT_BYTES_MAX).unwrap_or(u16::MAX),
            rate_burst: rate.map_or(0, |rate| rate.burst),
            rate_per_second: rate.map_or(0, |rate| rate.per_second),
            ping_ms: whole_ms(ping_after),
            gone_ms: whole_ms(gone_after),
        }
    }

    /// A member says something: the message gets the next sequence number and the server's time.
    ///
    /// # Errors
    /// [`SayError`] when the message is not taken.
    pub fn say(
        &mut self,
        now: WallTime,
        id: MemberId,
        number: u32,
        kind: Kind,
        text: &str,
    ) -> Result<Sequence, SayError> {
        let Self { roster, journal, history, frame, .. } = self;
        let member =
            roster.get_mut(id.slot).filter(|member| member.generation == id.generation).ok_or(SayError::Stale)?;
        if number <= member.taken {
            return Err(SayError::Doubled);
        }
        let text = Text::new(text).map_err(|error| SayError::Refused(text_refusal(error)))?.as_str();
        let (sequence, name) = (journal.next_sequence(), member.name.as_str());
        let said = Message::Said { sequence, sent_ms: now.unix_ms, number, kind, name, text };
        // A message with the longest text and name fits (tests of message.rs).
        frame.encode(&said).map_err(|_| SayError::Refused(RefusalReason::Overlong))?;
        member.taken = number;
        journal.append(frame.as_bytes());
        history.push(frame);
        Ok(sequence)
    }

    /// A member leaves, or its connection is gone: the name is free. Says whether the connection was still the member's.
    pub fn leave(&mut self, id: MemberId) -> bool {
        if !self.is_current(id) {
            return false;
        }
        let announced = self.announces();
        let Some(member) = self.roster.remove(id.slot) else { return false };
        self.departed.push(member.token, member.taken);
        if announced {
            let sequence = self.journal.next_sequence();
            self.append(&Message::Left { sequence, name: member.name.as_str() });
        }
        true
    }

    /// The member in a slot, with its generation.
    pub fn current(&self, slot: u32) -> Option<MemberId> {
        self.roster.get(slot).map(|member| MemberId { slot, generation: member.generation })
    }

    /// Whether the connection is still the member's.
    pub fn is_current(&self, id: MemberId) -> bool {
        self.current(id.slot) == Some(id)
    }

    /// Encodes and appends a frame that is no message.
    fn append(&mut self, message: &Message<'_>) {
        // Joins and leaves are far shorter than a frame may be.
        if self.frame.encode(message).is_ok() {
            self.journal.append(self.frame.as_bytes());
        }
    }

    /// Writes a page of the members' names into `buffer`: a length and a name each. Says how many bytes these are, and whether
    /// there are more pages.
    pub fn page(&self, page: u32, buffer: &mut [u8; PAGE_BYTES_MAX]) -> (usize, bool) {
        let first = page.saturating_mul(PAGE_SLOTS);
        let last = first.saturating_add(PAGE_SLOTS).min(self.roster.slot_count());
        let mut length = 0;
        for member in (first..last).filter_map(|slot| self.roster.get(slot)) {
            let name = member.name.as_str().as_bytes();
            if let (Some(room), Ok(name_length)) =
                (buffer.get_mut(length..=length + name.len()), u8::try_from(name.len()))
            {
                room[0] = name_length;
                room[1..].copy_from_slice(name);
                length += 1 + name.len();
            }
        }
        (length, last < self.roster.slot_count())
    }

    /// The last messages.
    pub const fn history(&self) -> &History<F> {
        &self.history
    }

    /// The latest messages, joins and leaves, as many as fit.
    pub const fn journal(&self) -> &Journal<B, M> {
        &self.journal
    }

    /// Adds one to this counter.
    pub fn count(&mut self, counter: Counter) {
        self.counters[counter as usize] += 1;
    }

    /// The value of this counter.
    pub const fn counted(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// How many members there are.
    pub fn member_count(&self) -> u32 {
        self.roster.count()
    }
}

/// A span in whole milliseconds; `u32::MAX` if it does not fit.
fn whole_ms(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

/// The numbered reason for what is wrong with a name.
const fn name_refusal(error: UsernameError) -> RefusalReason {
    match error {
        UsernameError::Empty => RefusalReason::NameEmpty,
        UsernameError::Overlong => RefusalReason::NameOverlong,
        UsernameError::Character => RefusalReason::NameCharacter,
        UsernameError::NotComposed => RefusalReason::NameNotComposed,
        UsernameError::Placement => RefusalReason::NamePlacement,
        UsernameError::MixedScripts => RefusalReason::NameMixedScripts,
    }
}

/// The numbered reason for what is wrong with a text.
const fn text_refusal(error: TextError) -> RefusalReason {
    match error {
        TextError::Empty => RefusalReason::TextEmpty,
        TextError::Overlong => RefusalReason::TextOverlong,
    }
}

impl core::fmt::Display for SayError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Stale => f.write_str("the connection is not the member's any more"),
            Self::Doubled => f.write_str("the number was taken before"),
            Self::Refused(reason) => reason.fmt(f),
        }
    }
}

impl core::error::Error for SayError {}
