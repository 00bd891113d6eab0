//! What hands connections to the workers, wherever they were accepted: TCP here, WebSockets by `web`.

use super::addresses::Addresses;
use super::stream::Stream;
use super::worker::Accepted;
use crate::clock;
use chat_core::room::server::Origin;
use smol::channel::Sender;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

/// The workers' entrance.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    /// Where each worker takes connections from, and what wakes it.
    workers: Vec<(Sender<Accepted>, Waker)>,
    /// How many connections were handed over; says whose turn it is.
    count: AtomicUsize,
    /// What every address has taken.
    addresses: Arc<Addresses>,
}

impl Dispatcher {
    /// Hands connections to these workers.
    pub(super) const fn new(workers: Vec<(Sender<Accepted>, Waker)>, addresses: Arc<Addresses>) -> Self {
        Self { workers, count: AtomicUsize::new(0), addresses }
    }

    /// A connection comes from there; says whether it may stay. One that may is to be dispatched, or [`Dispatcher::disconnect`]ed.
    pub(crate) fn connect(&self, origin: Option<Origin>) -> bool {
        self.addresses.connect(origin)
    }

    /// A connection that may stay is gone, before it was dispatched.
    pub(crate) fn disconnect(&self, origin: Option<Origin>) {
        self.addresses.disconnect(origin, clock::now());
    }

    /// Hands a connection to the worker whose turn it is.
    pub(crate) fn dispatch(&self, stream: Stream, origin: Option<Origin>) {
        let turn = self.count.fetch_add(1, Ordering::Relaxed);
        // There is at least one worker.
        let (accepted, waker) = &self.workers[turn % self.workers.len()];
        // A worker that is gone closes the connection, which is all that can be done for it.
        let _ = accepted.try_send(Accepted { stream, origin });
        waker.wake_by_ref();
    }
}
