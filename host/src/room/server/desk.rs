//! The room as the connections of one worker reach it: their messages go into the registry, under its lock; the frames that they
//! lack are read from the worker's own ring.

use super::addresses::Addresses;
use super::counters::Counters;
use super::registry::{Registry, Ring};
use chat_core::limits::PAGE_BYTES_MAX;
use chat_core::refusal::RefusalReason;
use chat_core::room::server::{
    Access, Admission, Buffer, Counter, Join, Journal, Mark, MemberId, Origin, Pace, SayError, WallTime,
};
use chat_core::room::{Kind, Seen};
use chat_core::time::Instant;

/// The room for the connections of one worker, borrowed for one call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Desk<'w> {
    /// The worker's index.
    pub(super) worker: usize,
    /// The room.
    pub(super) registry: &'w Registry,
    /// The worker's copy of the journal.
    pub(super) ring: &'w Ring,
    /// The server's counters.
    pub(super) counters: &'w Counters,
    /// The allowances of all addresses.
    pub(super) addresses: &'w Addresses,
}

impl Desk<'_> {
    /// Counts messages that a reader has lost.
    pub(super) fn count_lost(&self, messages: u64) {
        self.counters.add(Counter::MessagesLagged, messages);
    }
}

impl Access for Desk<'_> {
    type Bytes = Vec<u8>;
    type Marks = Vec<Mark>;

    fn admits_join(&mut self, now: Instant, origin: Option<Origin>) -> bool {
        self.addresses.join(origin, now)
    }

    fn join(
        &mut self,
        now: WallTime,
        join: &Join<'_>,
        owed: &mut impl Buffer,
    ) -> Result<(MemberId, Admission), RefusalReason> {
        self.registry.join(self.worker, now, join, owed).inspect(|(_, admission)| self.count_lost(admission.lagged))
    }

    fn observe(
        &mut self,
        now: WallTime,
        seen: Option<Seen>,
        owed: &mut impl Buffer,
    ) -> Result<Admission, RefusalReason> {
        self.registry.observe(now, seen, owed).inspect(|admission| self.count_lost(admission.lagged))
    }

    fn say(&mut self, now: WallTime, id: MemberId, number: u32, kind: Kind, text: &str) -> Result<Pace, SayError> {
        self.registry.say(self.worker, now, id, number, kind, text)
    }

    fn pace(&mut self) -> Pace {
        self.registry.pace(self.worker)
    }

    fn leave(&mut self, id: MemberId) -> bool {
        self.registry.leave(id)
    }

    fn page(&self, page: u32, buffer: &mut [u8; PAGE_BYTES_MAX]) -> (usize, bool) {
        self.registry.page(page, buffer)
    }

    fn journal(&self) -> &Journal<Vec<u8>, Vec<Mark>> {
        self.ring
    }

    fn count(&mut self, counter: Counter) {
        self.counters.add(counter, 1);
    }
}
