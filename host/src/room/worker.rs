//! A worker: one thread with its share of the connections, its own copy of the journal, and one flusher.
//!
//! A task for each connection waits for its socket and reads. What members say goes into the registry; the flusher wakes once
//! for all that was said in a round of the event loop, copies it, and writes to each connection what it lacks, in one call.

use super::addresses::{Addresses, Origin};
use super::connection::{Connection, Context};
use super::counters::{Counters, count};
use super::peer::{Event, Peer, sleep_until};
use super::registry::{Registry, Ring};
use crate::clock;
use crate::clock_state::Trust;
use chat_core::frame::Decoder;
use chat_core::refusal::RefusalReason;
use chat_core::room::{Config, MemberId};
use chat_core::time::Instant;
use slab::Slab;
use smol::{Async, LocalExecutor, channel::Receiver, future};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Bytes read at once. What a member says too fast waits in memory, so this bounds it.
const READ_BYTES: usize = 4_096;

/// Connections served in one pass before other tasks get their turn.
const PASS_CONNECTIONS: usize = 256;

/// What a worker thread is given.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    /// Which worker it is.
    pub(super) index: usize,
    /// The room.
    pub(super) registry: Arc<Registry>,
    /// Timers and limits.
    pub(super) config: Config,
    /// What is counted.
    pub(super) counters: Arc<Counters>,
    /// What every address has taken.
    pub(super) addresses: Arc<Addresses>,
    /// Whether the clock is to be trusted.
    pub(super) trust: Trust,
    /// Connections to serve.
    pub(super) accepted: Receiver<Accepted>,
}

/// A connection that was accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Its socket.
    pub(super) stream: TcpStream,
    /// Where it comes from.
    pub(super) origin: Option<Origin>,
}

/// A worker on its thread.
struct Worker {
    /// What it was given.
    setup: Setup,
    /// Its copy of the journal.
    ring: RefCell<Ring>,
    /// Finds frames, for all connections.
    decoder: RefCell<Decoder>,
    /// Where is read to, for all connections.
    buffer: RefCell<Box<[u8]>>,
    /// The connections.
    peers: RefCell<Slab<Rc<Peer>>>,
    /// When the timers of the connections are looked at next.
    timers_at: Cell<Option<Instant>>,
    /// Wakes the task that does so.
    timers_waker: Cell<Option<Waker>>,
}

/// Serves until the registry closes. To be called on a thread of its own.
pub(super) fn run(setup: Setup) -> io::Result<()> {
    let executor = LocalExecutor::new();
    let worker = Rc::new(Worker {
        ring: RefCell::new(setup.registry.worker_ring()),
        decoder: RefCell::new(Decoder::new()),
        buffer: RefCell::new(vec![0; READ_BYTES].into_boxed_slice()),
        peers: RefCell::new(Slab::new()),
        timers_at: Cell::new(None),
        timers_waker: Cell::new(None),
        setup,
    });
    let accepting = async {
        while let Ok(Accepted { stream, origin }) = worker.setup.accepted.recv().await {
            match Async::new(stream) {
                Ok(stream) => worker.admit(stream, origin, &executor),
                // A socket that cannot be registered with the reactor is closed; the other side sees that.
                Err(_) => worker.setup.addresses.disconnect(origin, clock::now()),
            }
        }
        future::pending::<()>().await;
    };
    let serving = future::or(worker.flush_until_closing(), future::or(worker.watch_timers(), accepting));
    smol::block_on(executor.run(serving));
    Ok(())
}

impl Worker {
    /// What the connections share at this moment.
    fn context(&self) -> Context<'_> {
        let Setup { index, registry, config, counters, addresses, trust, .. } = &self.setup;
        let wall_time = clock::wall_time(trust);
        Context { registry, config, counters, addresses, worker: *index, now: clock::now(), wall_time }
    }

    /// Takes a connection and starts its task.
    fn admit(self: &Rc<Self>, stream: Async<TcpStream>, origin: Option<Origin>, executor: &LocalExecutor<'_>) {
        count(&self.setup.counters.connections);
        let now = clock::now();
        let connection = Connection::new(&self.setup.config, now, origin);
        let peer = Rc::new(Peer::new(stream, connection));
        let key = self.peers.borrow_mut().insert(Rc::clone(&peer));
        self.watch(&peer);
        let worker = Rc::clone(self);
        executor.spawn(async move { worker.serve(key, &peer).await }).detach();
    }

    /// Serves one connection until it is gone.
    async fn serve(&self, key: usize, peer: &Peer) {
        loop {
            let waits = peer.connection.borrow().waits(&self.setup.config, clock::now());
            let event = peer.wait(waits).await;
            if self.turn(peer, &event).is_err() || peer.connection.borrow_mut().session().is_ended() {
                break;
            }
            if waits.until.is_some() {
                // What was read is worked off piece by piece, and others have their turn in between.
                future::yield_now().await;
            }
        }
        let put_out = peer.connection.borrow_mut().close(self.context());
        self.peers.borrow_mut().remove(key);
        if put_out {
            // Rare, so it costs memory only then.
            Box::pin(peer.linger()).await;
        }
        peer.connection.borrow().forget(self.context());
    }

    /// Reads or goes on, and writes the connection's own frames.
    fn turn(&self, peer: &Peer, event: &Event) -> io::Result<()> {
        let context = self.context();
        let mut connection = peer.connection.borrow_mut();
        let decoder = &mut self.decoder.borrow_mut();
        let stream = peer.stream.get_ref();
        match event {
            Event::Readable => match connection.read(context, decoder, stream, &mut self.buffer.borrow_mut()) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                outcome => outcome?,
            },
            Event::Changed => connection.take_unread(context, decoder),
        }
        connection.flush(context, &self.ring.borrow(), stream)?;
        drop(connection);
        self.watch(peer);
        Ok(())
    }

    /// Writes to all connections what they lack, again and again, until the server ends.
    async fn flush_until_closing(&self) {
        let Setup { index, registry, .. } = &self.setup;
        loop {
            future::poll_fn(|context| registry.poll_news(*index, self.ring.borrow().head(), context)).await;
            let news = registry.fetch(*index, &mut self.ring.borrow_mut());
            if !news.replaced.is_empty() {
                self.put_out(&news.replaced);
            }
            if news.resumed {
                self.resume();
            }
            self.flush_all(news.closing).await;
            if news.closing {
                return;
            }
            // One pass in each round of the event loop, even if other workers publish without a pause.
            future::yield_now().await;
        }
    }

    /// One pass over all connections.
    async fn flush_all(&self, closing: bool) {
        let mut key = 0;
        loop {
            let context = self.context();
            let end = self.peers.borrow().capacity().min(key + PASS_CONNECTIONS);
            while key < end {
                let peer = self.peers.borrow().get(key).cloned();
                if let Some(peer) = peer {
                    self.flush_one(context, &peer, closing);
                }
                key += 1;
            }
            if key >= self.peers.borrow().capacity() {
                return;
            }
            future::yield_now().await;
        }
    }

    /// Writes to one connection what it lacks; its own task does whatever else follows.
    fn flush_one(&self, context: Context<'_>, peer: &Peer, closing: bool) {
        let mut connection = peer.connection.borrow_mut();
        if closing {
            connection.session().refuse(RefusalReason::ShuttingDown);
        }
        if connection.is_blocked() && !closing {
            return;
        }
        let gone = connection.flush(context, &self.ring.borrow(), peer.stream.get_ref()).is_err();
        let changed = gone || connection.is_blocked() || connection.session().is_ended();
        drop(connection);
        if changed {
            self.watch(peer);
            peer.poke();
        }
    }

    /// Lets the publishers that pause go on.
    fn resume(&self) {
        for (_, peer) in self.peers.borrow().iter() {
            if peer.connection.borrow().is_paused() {
                peer.poke();
            }
        }
    }

    /// Puts out the connections of members that went on from another one.
    fn put_out(&self, replaced: &[MemberId]) {
        for (_, peer) in self.peers.borrow().iter() {
            let mut connection = peer.connection.borrow_mut();
            if connection.session().member().is_some_and(|id| replaced.contains(&id)) {
                count(&self.setup.counters.joins_replacing);
                connection.replace();
                drop(connection);
                peer.poke();
            }
        }
    }

    /// Sees to it that this connection's timers are looked at in time.
    fn watch(&self, peer: &Peer) {
        let due = peer.connection.borrow_mut().session().poll_timeout(&self.setup.config);
        if let Some(due) = due
            && self.timers_at.get().is_none_or(|at| due < at)
        {
            self.timers_at.set(Some(due));
            if let Some(waker) = self.timers_waker.take() {
                waker.wake();
            }
        }
    }

    /// Looks at the connections' timers when the earliest is due. Deadlines mostly move away in between, so an idle worker wakes
    /// no more often than one connection would.
    async fn watch_timers(&self) {
        loop {
            match self.timers_at.get() {
                Some(at) if at <= clock::now() => self.look_at_timers(),
                at => future::or(sleep_until(at), self.timers_moved(at)).await,
            }
        }
    }

    /// Waits until the timers are to be looked at at another time than this.
    async fn timers_moved(&self, at: Option<Instant>) {
        future::poll_fn(|context| {
            if self.timers_at.get() != at {
                return Poll::Ready(());
            }
            self.timers_waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Does what is due for every connection, and finds out when that is the case next.
    fn look_at_timers(&self) {
        let context = self.context();
        let mut next: Option<Instant> = None;
        for (_, peer) in self.peers.borrow().iter() {
            let mut connection = peer.connection.borrow_mut();
            let due = connection.session().poll_timeout(context.config);
            if due.is_some_and(|due| due <= context.now) {
                connection.session().handle_timeout(context.config, context.now);
                peer.poke();
            }
            let due = connection.session().poll_timeout(context.config);
            next = [next, due].into_iter().flatten().min();
        }
        self.timers_at.set(next);
    }
}
