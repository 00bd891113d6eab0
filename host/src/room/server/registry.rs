//! The shared registry: the room behind one mutex, with one waker for each worker under the same lock.
//!
//! It is all that the worker threads share, and it is what loom checks: the models in tests/loom.rs call these very functions.
//! It knows nothing of smol, and no lock is held across a system call.

use super::roster::GrowingRoster;
use super::sync::{Mutex, MutexGuard};
use chat_core::frame::Frame;
use chat_core::limits::{HISTORY_MESSAGES_MAX, JOURNAL_MARK_FRAMES, PAGE_BYTES_MAX};
use chat_core::refusal::RefusalReason;
use chat_core::room::server::{
    Admission, Buffer, Config, Cursor, History, Join, Journal, Mark, MemberId, Pace, Room, SayError, WallTime,
};
use chat_core::room::{Kind, Seen};
use std::num::NonZeroU32;
use std::task::{Context, Poll, Waker};

/// A journal on the heap.
pub type Ring = Journal<Vec<u8>, Vec<Mark>>;

/// About the fewest bytes of a usual frame; the number of marks of a ring follows from it.
const FRAME_BYTES_USUAL: usize = 16;

/// A ring of this many bytes, with as many marks as it can need.
pub fn ring(bytes: usize) -> Ring {
    let frames_per_mark = usize::try_from(JOURNAL_MARK_FRAMES).unwrap_or(usize::MAX);
    let mark_count = bytes / (FRAME_BYTES_USUAL * frames_per_mark) + 2;
    Journal::new(vec![0; bytes], vec![Mark::default(); mark_count])
}

/// What the threads of a room's server share.
#[derive(Debug)]
pub struct Registry {
    /// The shared state, behind one lock.
    shared: Mutex<Shared>,
    /// Bytes of the journal.
    ring_bytes: usize,
}

/// The state behind the lock.
#[derive(Debug)]
struct Shared {
    /// The room.
    room: Room<GrowingRoster, Vec<u8>, Vec<Mark>, Vec<Frame>>,
    /// The workers.
    workers: Vec<Worker>,
    /// For each slot of the roster in use, the member in it and the worker whose connection it is.
    owners: Vec<Option<Owner>>,
    /// Whether the server ends.
    closing: bool,
}

/// The connection of a member, in 16 bytes.
#[derive(Debug, Clone, Copy)]
struct Owner {
    /// The member's generation. Its slot is the index in `owners`.
    generation: u64,
    /// One more than the index of the worker that serves the connection.
    worker: NonZeroU32,
}

/// A worker as the others see it.
#[derive(Debug, Default)]
struct Worker {
    /// Wakes the worker; `None` unless it waits for news.
    waker: Option<Waker>,
    /// The position of its own ring's head.
    position: u64,
    /// Members of its connections that went on from another connection.
    replaced: Vec<MemberId>,
    /// Whether publishers among its connections pause.
    paused: bool,
    /// Whether these publishers may go on, and the worker has not been told yet.
    resumed: bool,
}

/// What a worker is told besides the journal.
#[derive(Debug, Default)]
pub struct News {
    /// Members that went on from another connection: their old connections are to be closed.
    pub replaced: Vec<MemberId>,
    /// Whether publishers that were told to pause go on.
    pub resumed: bool,
    /// Whether the server ends.
    pub closing: bool,
}

impl Registry {
    /// A registry for this many workers, with a journal of `ring_bytes`.
    pub fn new(config: Config, epoch: u64, roster: GrowingRoster, ring_bytes: usize, worker_count: usize) -> Self {
        let history = History::new(vec![Frame::EMPTY; HISTORY_MESSAGES_MAX]);
        let shared = Shared {
            room: Room::new(config, epoch, roster, ring(ring_bytes), history),
            workers: (0..worker_count).map(|_| Worker::default()).collect(),
            owners: Vec::new(),
            closing: false,
        };
        Self { shared: Mutex::new(shared), ring_bytes }
    }

    /// A ring for a worker, as large as the journal.
    pub fn worker_ring(&self) -> Ring {
        ring(self.ring_bytes)
    }

    /// Takes the lock. If a thread panicked while it held the lock, the room is as it was between two steps, at worst without one
    /// announcement, so the others go on.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Lets a newcomer in, or a member go on, by a connection of this worker ([`Room::join`]).
    ///
    /// # Errors
    /// The reason when the join is refused.
    pub fn join(
        &self,
        worker: usize,
        now: WallTime,
        join: &Join<'_>,
        owed: &mut impl Buffer,
    ) -> Result<(MemberId, Admission), RefusalReason> {
        let mut shared = self.lock();
        shared.check_open()?;
        let (id, admission) = shared.room.join(now, join, owed)?;
        shared.own(id, worker);
        Ok((id, admission))
    }

    /// Lets an observer in ([`Room::observe`]).
    ///
    /// # Errors
    /// The reason when the server ends.
    pub fn observe(
        &self,
        now: WallTime,
        seen: Option<Seen>,
        owed: &mut impl Buffer,
    ) -> Result<Admission, RefusalReason> {
        let mut shared = self.lock();
        shared.check_open()?;
        Ok(shared.room.observe(now, seen, owed))
    }

    /// A member says something by a connection of this worker ([`Room::say`]).
    ///
    /// # Errors
    /// [`SayError`] when the message is not taken.
    pub fn say(
        &self,
        worker: usize,
        now: WallTime,
        id: MemberId,
        number: u32,
        kind: Kind,
        text: &str,
    ) -> Result<Pace, SayError> {
        let mut shared = self.lock();
        shared.room.say(now, id, number, kind, text)?;
        Ok(shared.pace(worker, self.ring_bytes / 2))
    }

    /// When the next message of a publisher of this worker may be taken.
    pub fn pace(&self, worker: usize) -> Pace {
        self.lock().pace(worker, self.ring_bytes / 2)
    }

    /// A member leaves, or its connection is gone. Says whether the connection was still the member's.
    pub fn leave(&self, id: MemberId) -> bool {
        let mut shared = self.lock();
        let left = shared.room.leave(id);
        if left && let Some(owner) = shared.owners.get_mut(id.slot as usize) {
            *owner = None;
        }
        left
    }

    /// Wakes the workers that wait and have something to fetch. To be called once after any number of joins, messages and leaves.
    pub fn announce(&self) {
        wake(self.lock());
    }

    /// Writes a page of the members' names, as [`Room::page`] does.
    pub fn page(&self, page: u32, buffer: &mut [u8; PAGE_BYTES_MAX]) -> (usize, bool) {
        self.lock().room.page(page, buffer)
    }

    /// How many members there are.
    pub fn member_count(&self) -> u32 {
        self.lock().room.member_count()
    }

    /// Brings a worker's ring up to date, and returns the other news for the worker.
    pub fn fetch(&self, worker: usize, ring: &mut Ring) -> News {
        let mut shared = self.lock();
        ring.copy_from(shared.room.journal());
        if let Some(this) = shared.workers.get_mut(worker) {
            this.position = ring.head().position();
        }
        let told = shared.resume(self.ring_bytes / 2);
        let closing = shared.closing;
        let news = shared.workers.get_mut(worker).map(|this| News {
            replaced: std::mem::take(&mut this.replaced),
            resumed: std::mem::take(&mut this.resumed),
            closing,
        });
        if told {
            wake(shared);
        }
        news.unwrap_or_default()
    }

    /// Whether a worker whose ring has got to `seen` has something to fetch. If not, the worker is woken when it has.
    pub fn poll_news(&self, worker: usize, seen: Cursor, context: &mut Context<'_>) -> Poll<()> {
        let mut shared = self.lock();
        if shared.has_news(worker, seen) {
            return Poll::Ready(());
        }
        if let Some(worker) = shared.workers.get_mut(worker) {
            worker.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Begins the server's end: nobody is let in any more, and all workers are told.
    pub fn close(&self) {
        let mut shared = self.lock();
        shared.closing = true;
        wake(shared);
    }
}

/// Gives the lock back, then wakes the workers that wait and have something to fetch.
fn wake(mut shared: MutexGuard<'_, Shared>) {
    let wakers = shared.take_wakers();
    drop(shared);
    wakers.into_iter().for_each(Waker::wake);
}

impl Shared {
    /// Refuses newcomers once the server ends.
    const fn check_open(&self) -> Result<(), RefusalReason> {
        if self.closing { Err(RefusalReason::ShuttingDown) } else { Ok(()) }
    }

    /// From now on the member's connection is one of this worker; the worker of its connection before is told.
    fn own(&mut self, id: MemberId, worker: usize) {
        let slot = id.slot as usize;
        if self.owners.len() <= slot {
            self.owners.resize(slot + 1, None);
        }
        // There are at most 65,535 workers.
        let number = u32::try_from(worker).unwrap_or(u32::MAX - 1).saturating_add(1);
        let owner = NonZeroU32::new(number).map(|worker| Owner { generation: id.generation, worker });
        if let Some(before) = std::mem::replace(&mut self.owners[slot], owner)
            && let Some(worker) = self.workers.get_mut(before.worker.get() as usize - 1)
        {
            worker.replaced.push(MemberId { slot: id.slot, generation: before.generation });
        }
    }

    /// Whether this worker, whose ring has got to `seen`, has something to fetch.
    fn has_news(&self, worker: usize, seen: Cursor) -> bool {
        let told = self.workers.get(worker).is_none_or(|worker| worker.replaced.is_empty() && !worker.resumed);
        self.closing || !told || self.room.journal().head() != seen
    }

    /// Whether some worker is more than `distance_max` bytes behind the journal.
    fn is_behind(&self, distance_max: usize) -> bool {
        let head = self.room.journal().head().position();
        let distance_max = u64::try_from(distance_max).unwrap_or(u64::MAX);
        self.workers.iter().any(|worker| head - worker.position > distance_max)
    }

    /// When the next message of a publisher of this worker may be taken. After a pause the worker is told that it may go on.
    fn pace(&mut self, worker: usize, distance_max: usize) -> Pace {
        if !self.is_behind(distance_max) {
            return Pace::Go;
        }
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.paused = true;
        }
        Pace::Pause
    }

    /// If no worker is behind any more, marks the workers whose publishers pause as to be told. Returns whether there are any.
    fn resume(&mut self, distance_max: usize) -> bool {
        if self.is_behind(distance_max) {
            return false;
        }
        let mut told = false;
        for worker in &mut self.workers {
            let paused = std::mem::take(&mut worker.paused);
            worker.resumed |= paused;
            told |= paused;
        }
        told
    }

    /// Takes the wakers of all workers that wait and have something to fetch. The caller wakes them when the lock is free again,
    /// because waking may be a system call.
    fn take_wakers(&mut self) -> Vec<Waker> {
        let head = self.room.journal().head().position();
        let closing = self.closing;
        let has_news =
            |worker: &Worker| closing || worker.position != head || worker.resumed || !worker.replaced.is_empty();
        let workers = self.workers.iter_mut().filter(|worker| has_news(worker));
        workers.filter_map(|worker| worker.waker.take()).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::room::server::buffer::GrowingBuffer;

    #[test]
    fn nobody_is_let_in_once_the_end_has_begun() {
        let registry = Registry::new(Config::DEFAULT, 1, GrowingRoster::new(None), 4_096, 1);
        let now = WallTime { unix_ms: 0, trusted: true };
        let join = Join { name: "ann", token: [1; 16], seen: None };
        let mut owed = GrowingBuffer::default();
        assert!(registry.join(0, now, &join, &mut owed).is_ok());
        registry.close();
        assert_eq!(registry.join(0, now, &join, &mut owed).map(|_| ()), Err(RefusalReason::ShuttingDown));
        assert_eq!(registry.observe(now, None, &mut owed).map(|_| ()), Err(RefusalReason::ShuttingDown));
        assert_eq!(registry.member_count(), 1);
    }
}
