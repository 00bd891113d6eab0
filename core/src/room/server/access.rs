//! The room as one connection reaches it: directly, or behind a lock.
//!
//! It is a trait because it has two implementors: [`Room`], for a server of one thread, and host's worker, which takes the registry's
//! lock for each call and reads from a journal of its own.

use super::{Admission, Buffer, Counter, Join, Journal, Mark, MemberId, Origin, Room, Roster, SayError, WallTime};
use crate::frame::Frame;
use crate::limits::PAGE_BYTES_MAX;
use crate::refusal::RefusalReason;
use crate::room::{Kind, Seen};
use crate::time::Instant;

/// When a publisher's next message may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Go,
    /// Once the server's other threads have caught up: a copy of the journal is more than half a ring behind.
    Pause,
}

/// What a [`Connection`](super::Connection) asks of the room.
pub trait Access {
    /// Storage of the journal that connections read from.
    type Bytes: AsRef<[u8]> + AsMut<[u8]>;
    /// Storage of that journal's marks.
    type Marks: AsRef<[Mark]> + AsMut<[Mark]>;

    /// Whether a connection from `origin` may join now ([`Allowance::join`](super::Allowance::join)); `None` is the server's own machine.
    fn admits_join(&mut self, now: Instant, origin: Option<Origin>) -> bool;

    /// As [`Room::join`].
    ///
    /// # Errors
    /// The reason when the join is refused; nothing has changed then.
    fn join(
        &mut self,
        now: WallTime,
        join: &Join<'_>,
        owed: &mut impl Buffer,
    ) -> Result<(MemberId, Admission), RefusalReason>;

    /// As [`Room::observe`].
    ///
    /// # Errors
    /// The reason when nobody is let in any more, for example because the server ends; nothing has changed then.
    fn observe(
        &mut self,
        now: WallTime,
        seen: Option<Seen>,
        owed: &mut impl Buffer,
    ) -> Result<Admission, RefusalReason>;

    /// As [`Room::say`]; returns when the publisher's next message may be taken.
    ///
    /// # Errors
    /// [`SayError`] when the message is not taken.
    fn say(&mut self, now: WallTime, id: MemberId, number: u32, kind: Kind, text: &str) -> Result<Pace, SayError>;

    /// When the next message of a publisher that was told to pause may be taken.
    fn pace(&mut self) -> Pace;

    /// As [`Room::leave`].
    fn leave(&mut self, id: MemberId) -> bool;

    /// As [`Room::page`].
    fn page(&self, page: u32, buffer: &mut [u8; PAGE_BYTES_MAX]) -> (usize, bool);

    /// The journal that connections read from.
    fn journal(&self) -> &Journal<Self::Bytes, Self::Marks>;

    /// Adds one to this counter.
    fn count(&mut self, counter: Counter);
}

/// A room that is reached directly limits no addresses: a server of few members on serial lines or radio has no table of them.
impl<R, B, M, F> Access for Room<R, B, M, F>
where
    R: Roster,
    B: AsRef<[u8]> + AsMut<[u8]>,
    M: AsRef<[Mark]> + AsMut<[Mark]>,
    F: AsRef<[Frame]> + AsMut<[Frame]>,
{
    type Bytes = B;
    type Marks = M;

    fn admits_join(&mut self, _now: Instant, _origin: Option<Origin>) -> bool {
        true
    }

    fn join(
        &mut self,
        now: WallTime,
        join: &Join<'_>,
        owed: &mut impl Buffer,
    ) -> Result<(MemberId, Admission), RefusalReason> {
        Self::join(self, now, join, owed)
    }

    fn observe(
        &mut self,
        now: WallTime,
        seen: Option<Seen>,
        owed: &mut impl Buffer,
    ) -> Result<Admission, RefusalReason> {
        Ok(Self::observe(self, now, seen, owed))
    }

    fn say(&mut self, now: WallTime, id: MemberId, number: u32, kind: Kind, text: &str) -> Result<Pace, SayError> {
        Self::say(self, now, id, number, kind, text).map(|_| Pace::Go)
    }

    fn pace(&mut self) -> Pace {
        Pace::Go
    }

    fn leave(&mut self, id: MemberId) -> bool {
        Self::leave(self, id)
    }

    fn page(&self, page: u32, buffer: &mut [u8; PAGE_BYTES_MAX]) -> (usize, bool) {
        Self::page(self, page, buffer)
    }

    fn journal(&self) -> &Journal<B, M> {
        Self::journal(self)
    }

    fn count(&mut self, counter: Counter) {
        Self::count(self, counter);
    }
}
