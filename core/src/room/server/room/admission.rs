//! How a client is let in: the name, the place of a member that comes back, and the frames with which it begins.
//!
//! Invariant: a newcomer's history and cursor are taken in one step, so that each message is either in the history or behind the cursor.

use super::{Room, WallTime};
use crate::frame::Frame;
use crate::limits::{Full, TEXT_BYTES_MAX};
use crate::refusal::RefusalReason;
use crate::room::server::departed::same_token;
use crate::room::server::{Buffer, Config, Cursor, Mark, Member, MemberId, Roster};
use crate::room::{Message, Seen, Sequence, Token, Welcome, message};
use crate::username::{Username, UsernameError};
use core::ops::Range;
use core::time::Duration;

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

/// Longest WELCOME as it travels, in bytes: 13 varints and 5 single bytes, together at most 88, one of stuffing, and 0x00.
const WELCOME_BYTES_MAX: usize = 90;

/// HISTORY_END as it travels, in bytes.
const HISTORY_END_BYTES: usize = 3;

/// Longest LAGGED as it travels, in bytes: the tag, a varint of 10 bytes, one of stuffing, and 0x00.
const LAGGED_BYTES_MAX: usize = 13;

impl<R, B, M, F> Room<R, B, M, F>
where
    R: Roster,
    B: AsRef<[u8]> + AsMut<[u8]>,
    M: AsRef<[Mark]> + AsMut<[Mark]>,
    F: AsRef<[Frame]> + AsMut<[Frame]>,
{
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
