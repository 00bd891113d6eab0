//! A pass over the connections: each is written the bytes that it lacks, and what else the registry tells is done.

use super::{Phase, Setup, Worker, desk};
use crate::clock;
use chat_core::refusal::RefusalReason;
use chat_core::room::server::MemberId;

/// Connections written to before the worker waits for its sockets again.
const PASS_CONNECTIONS: usize = 256;

impl Worker {
    /// Writes to the next connections the bytes that they lack. When all have had their turn, a new pass begins if there are new frames.
    pub(super) fn flush(&mut self) {
        if self.phase == Phase::Closed {
            return;
        }
        let Some(first) = self.pass.take().or_else(|| self.fetch()) else { return };
        let keys = first..self.connections.capacity().min(first + PASS_CONNECTIONS);
        self.pass = (keys.end < self.connections.capacity()).then_some(keys.end);
        let (now, desk) = (clock::now(), desk(&self.setup, &self.ring));
        let mut changed = heapless::Vec::<_, PASS_CONNECTIONS>::new();
        for key in keys {
            let Some(connection) = self.connections.get_mut(key).filter(|connection| connection.lingering.is_none())
            else {
                continue;
            };
            if self.phase == Phase::Closing {
                connection.engine.refuse(RefusalReason::ShuttingDown);
            } else if connection.is_blocked() {
                continue;
            }
            let gone = connection.flush(now, &desk).is_err();
            if gone || connection.is_blocked() || connection.engine.is_ended() {
                // There is room for all connections of one call.
                let _ = changed.push((key, gone));
            }
        }
        for &(key, gone) in &changed {
            if gone { self.end(key) } else { self.settle(key) }
        }
        if self.phase == Phase::Closing && self.pass.is_none() {
            // No connection is left but those that linger: an engine that is put out ends in the same call, also where the socket takes
            // nothing. Such a client cannot be told, and is not waited for.
            self.phase = Phase::Closed;
        }
    }

    /// Copies the new frames of the journal, and does what else the registry tells. Returns the key with which a pass over the
    /// connections begins; `None` if no pass is needed.
    fn fetch(&mut self) -> Option<usize> {
        let Setup { index, registry, .. } = &self.setup;
        let head = self.ring.head();
        let news = registry.fetch(*index, &mut self.ring);
        if news.closing {
            self.phase = Phase::Closing;
        }
        if !news.replaced.is_empty() {
            self.put_out(&news.replaced);
        }
        if news.resumed {
            self.resume();
        }
        (news.closing || self.ring.head() != head).then_some(0)
    }

    /// Lets the publishers that pause go on, one after the other, until they have to pause again.
    fn resume(&mut self) {
        self.pausing = false;
        for key in 0..self.connections.capacity() {
            if self.pausing {
                return;
            }
            if self.connections.get(key).is_some_and(|connection| connection.engine.is_paused()) {
                self.change(key);
            }
        }
    }

    /// Puts out the connections of members that went on from another one.
    fn put_out(&mut self, replaced: &[MemberId]) {
        for key in 0..self.connections.capacity() {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if connection.engine.member().is_some_and(|id| replaced.contains(&id)) {
                connection.engine.handle_replaced();
                self.change(key);
            }
        }
    }
}
