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

/// How a publisher is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// At once.
    Go,
    /// Not before the server's other threads have caught up: some copy of the journal is more than half a ring behind.
    Pause,
}

/// What a [`Connection`](super::Connection) asks of the room.
pub trait Access {
    /// Storage of the journal that connections read from.
    type Bytes: AsRef<[u8]> + AsMut<[u8]>;
    /// Storage of its marks.
    type Marks: AsRef<[Mark]> + AsMut<[Mark]>;

    /// Whether an address that joins now may do so ([`Allowance::join`](super::Allowance::join)); `None` is the server's own machine.
    fn admits_join(&mut self, now: Instant, origin: Option<Origin>) -> bool;

    /// As [`Room::join`].
    ///
    /// # Errors
    /// The reason when it is refused; nothing has changed then.
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

    /// As [`Room::say`]; also says how the publisher is to go on.
    ///
    /// # Errors
    /// [`SayError`] when it is not taken.
    fn say(&mut self, now: WallTime, id: MemberId, number: u32, kind: Kind, text: &str) -> Result<Pace, SayError>;

    /// How a publisher that was told to pause is to go on.
    fn pace(&mut self) -> Pace;

    /// As [`Room::leave`].
    fn leave(&mut self, id: MemberId) -> bool;

    /// As [`Room::page`].
    fn page(&self, page: u32, buffer: &mut [u8; PAGE_BYTES_MAX]) -> (usize, bool);

    /// The journal that connections read from.
    fn journal(&self) -> &Journal<Self::Bytes, Self::Marks>;

    /// Counts one.
    fn count(&mut self, counter: Counter);
}

/// Addresses are not limited: who serves few members over a serial line or a radio has no table of them.
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
