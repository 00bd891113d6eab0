//! What hands connections to the workers, wherever they were accepted: TCP here, WebSockets by `web`.

use super::addresses::Addresses;
use super::stream::{self, Stream};
use super::worker::{Accepted, REFUSED_MAX};
use crate::clock;
use chat_core::refusal::RefusalReason;
use chat_core::room::server::Origin;
use smol::channel::Sender;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

/// The workers' entrance.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    /// Each worker's.
    workers: Vec<Entrance>,
    /// How many connections were handed over; says whose turn it is.
    count: AtomicUsize,
    /// What every address has taken.
    addresses: Arc<Addresses>,
}

/// A worker's entrance.
#[derive(Debug)]
pub(super) struct Entrance {
    /// Where the worker takes connections from.
    pub(super) sender: Sender<Accepted>,
    /// What wakes it.
    pub(super) waker: Waker,
}

impl Dispatcher {
    /// Hands connections to these workers.
    pub(super) const fn new(workers: Vec<Entrance>, addresses: Arc<Addresses>) -> Self {
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
        self.next().hand_over(Accepted { stream, origin, refusal: None });
    }

    /// Hands over a connection that may not stay, so that a worker tells it why and waits until that is read. If [`REFUSED_MAX`] connections
    /// wait for the worker already, it is told here, and closed at once.
    pub(super) fn turn_away(&self, socket: TcpStream, reason: RefusalReason) {
        let entrance = self.next();
        if entrance.sender.len() < REFUSED_MAX {
            entrance.hand_over(Accepted { stream: Stream::plain(socket), origin: None, refusal: Some(reason) });
        } else {
            stream::turn_away(socket, reason);
        }
    }

    /// The worker whose turn it is.
    fn next(&self) -> &Entrance {
        let turn = self.count.fetch_add(1, Ordering::Relaxed);
        // There is at least one worker.
        &self.workers[turn % self.workers.len()]
    }
}

impl Entrance {
    /// Hands a connection to the worker, and wakes it.
    fn hand_over(&self, accepted: Accepted) {
        // A worker that is gone closes the connection, which is all that can be done for it.
        let _ = self.sender.try_send(accepted);
        self.waker.wake_by_ref();
    }
}
