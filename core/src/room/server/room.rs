//! What all connections of a room share: names, members, order, history, journal (docs/room-protocol.md section 6).
//!
//! It has no clock; the caller hands in the time with which messages are stamped, in milliseconds since 1970.
//!
//! Invariant: a call for a connection whose generation is not the member's changes nothing.

mod admission;

use super::departed::Departed;
use super::{Config, Counter, History, Journal, Mark, MemberId, Roster};
use crate::frame::Frame;
use crate::limits::{PAGE_BYTES_MAX, PAGE_SLOTS};
use crate::refusal::RefusalReason;
use crate::room::{Kind, Message, Sequence};
use crate::text::{Text, TextError};
pub use admission::{Admission, Join};

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

/// The server's clock, as it is told to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallTime {
    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub unix_ms: i64,
    /// Whether the server trusts it.
    pub trusted: bool,
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

    /// Whether joins and leaves are announced at this moment.
    fn announces(&self) -> bool {
        self.roster.count() <= self.config.announced_members_max
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
