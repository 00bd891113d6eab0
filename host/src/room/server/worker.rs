//! A worker: one thread with its share of the connections and its own copy of the journal.
//!
//! It works in rounds: it waits; reads from its sockets, and puts its members' messages into the registry; wakes the other workers,
//! once; copies the new frames of the journal; and writes to each connection the bytes that it lacks, in one call.

mod pass;
mod turn;

use super::addresses::Addresses;
use super::connection::Connection;
use super::counters::Counters;
use super::desk::Desk;
use super::poller::{Poller, ROUND_EVENTS};
use super::registry::{Registry, Ring};
use super::schedule::Schedule;
use super::stream::Stream;
use crate::clock;
use crate::serve::clock_state::Trust;
use chat_core::frame::Decoder;
use chat_core::refusal::RefusalReason;
use chat_core::room::server::{Config, Context, Origin};
use slab::Slab;
use smol::channel::Receiver;
use std::io;
use std::sync::Arc;
use std::task::{self, Waker};
use std::time::Duration;

/// Bytes read at once. Frames that a member sends too fast wait in memory, so this bounds their bytes.
const READ_BYTES: usize = 4_096;

/// Most connections of a worker that linger, members that were put out among them, so that one more may that was refused: a refused
/// connection counts for no address, so only this bounds them.
pub(super) const REFUSED_MAX: usize = 64;

/// What a worker thread is given.
#[derive(Debug)]
pub(super) struct Setup {
    /// The worker's index.
    pub(super) index: usize,
    /// The room.
    pub(super) registry: Arc<Registry>,
    /// Timers and limits.
    pub(super) config: Config,
    /// The server's counters.
    pub(super) counters: Arc<Counters>,
    /// The allowances of all addresses.
    pub(super) addresses: Arc<Addresses>,
    /// Whether the clock is to be trusted.
    pub(super) trust: Trust,
    /// New connections; the sender rings the poller's alarm for each.
    pub(super) accepted: Receiver<Accepted>,
    /// How it waits for its sockets and its alarm.
    pub(super) poller: Poller,
}

/// A connection that was accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    /// Its socket.
    pub(super) stream: Stream,
    /// The address that it counts for; `None` for the server's own machine, and for one that is refused.
    pub(super) origin: Option<Origin>,
    /// Why it is refused; `None` if it may stay.
    pub(super) refusal: Option<RefusalReason>,
}

/// A worker on its thread.
struct Worker {
    /// What the worker was started with.
    setup: Setup,
    /// The waker that the registry gets.
    waker: Waker,
    /// Its copy of the journal.
    ring: Ring,
    /// The decoder that finds the frames of all connections.
    decoder: Decoder,
    /// The buffer into which all connections are read.
    buffer: Vec<u8>,
    /// The connections.
    connections: Slab<Connection>,
    /// How many of them linger.
    lingering_count: usize,
    /// When the connections have something to do.
    schedule: Schedule,
    /// The key with which the pass over the connections goes on; `None` if none has begun.
    pass: Option<usize>,
    /// Whether all publishers of this worker pause until all workers have caught up.
    pausing: bool,
    /// How far the server's end has got.
    phase: Phase,
}

/// How far the server's end has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It serves.
    Serving,
    /// It ends: the clients are being told.
    Closing,
    /// All clients have been told. A client that has not read it yet may do so for a moment.
    Closed,
}

/// Serves until the registry closes. To be called on a thread of its own.
///
/// # Errors
/// The worker cannot wait for its sockets any more; its connections are gone.
pub(super) fn run(setup: Setup) -> io::Result<()> {
    let mut worker = Worker::new(setup);
    while worker.phase != Phase::Closed || !worker.connections.is_empty() || !worker.setup.accepted.is_empty() {
        worker.round()?;
    }
    Ok(())
}

impl Worker {
    /// A worker without connections.
    fn new(setup: Setup) -> Self {
        Self {
            waker: Waker::from(Arc::clone(setup.poller.alarm())),
            ring: setup.registry.worker_ring(),
            decoder: Decoder::new(),
            buffer: vec![0; READ_BYTES],
            connections: Slab::new(),
            lingering_count: 0,
            schedule: Schedule::default(),
            pass: None,
            pausing: false,
            phase: Phase::Serving,
            setup,
        }
    }

    /// One round: waits, reads, does what is due, and writes.
    fn round(&mut self) -> io::Result<()> {
        let mut ready = heapless::Vec::<_, ROUND_EVENTS>::new();
        let timeout = self.patience();
        // There is room for all events of a round.
        self.setup.poller.wait(timeout, |key, event| _ = ready.push((key, event)))?;
        // By reference: to take the events out would copy the room for all of them.
        for &(key, event) in &ready {
            self.turn(key, event);
        }
        self.admit();
        self.run_due();
        self.setup.registry.announce();
        self.flush();
        Ok(())
    }

    /// How long to wait for the sockets: zero while there is something else to do; `None` without end.
    fn patience(&self) -> Option<Duration> {
        let Setup { index, registry, accepted, poller, .. } = &self.setup;
        let news = || {
            let mut context = task::Context::from_waker(&self.waker);
            // A registry that closes has news for ever.
            let is_closed = self.phase == Phase::Closed;
            !accepted.is_empty() || !is_closed && registry.poll_news(*index, self.ring.head(), &mut context).is_ready()
        };
        if self.pass.is_some() || !poller.alarm().set_unless(news) {
            return Some(Duration::ZERO);
        }
        self.schedule.next().map(|at| Duration::from_millis(at.millis().saturating_sub(clock::now().millis())))
    }

    /// Does what is due by now.
    fn run_due(&mut self) {
        let now = clock::now();
        while let Some(key) = self.schedule.pop(now) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.scheduled = None;
            if connection.lingering.is_some() {
                self.remove(key);
            } else {
                self.change(key);
            }
        }
    }
}

/// The context for a call of an engine now.
fn context(setup: &Setup) -> Context<'_> {
    let wall_time = clock::wall_time(setup.trust.is_given());
    Context { config: &setup.config, now: clock::now(), wall_time }
}

/// The room, as the connections of this worker reach it.
fn desk<'w>(setup: &'w Setup, ring: &'w Ring) -> Desk<'w> {
    let Setup { index, registry, counters, addresses, .. } = setup;
    Desk { worker: *index, registry, ring, counters, addresses }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::server::roster::GrowingRoster;
    use chat_core::frame::Frame;
    use chat_core::room::Message;
    use chat_core::room::server::AddressLimits;
    use smol::channel::{Sender, unbounded};
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    /// A worker, and what hands it connections.
    fn worker(poller: Poller) -> (Worker, Sender<Accepted>) {
        let (sender, accepted) = unbounded();
        let registry = Registry::new(Config::DEFAULT, 1, GrowingRoster::new(None), 4_096, 1);
        let setup = Setup {
            index: 0,
            registry: Arc::new(registry),
            config: Config::DEFAULT,
            counters: Arc::default(),
            addresses: Arc::new(Addresses::new(AddressLimits::DEFAULT)),
            trust: Trust::new(),
            accepted,
            poller,
        };
        (Worker::new(setup), sender)
    }

    /// Hands the worker a connection; the other end.
    fn connect(sender: &Sender<Accepted>) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, origin, refusal) = (Stream::plain(listener.accept().unwrap().0), None, None);
        sender.try_send(Accepted { stream, origin, refusal }).unwrap();
        other
    }

    /// A REFUSED as it travels.
    fn refused(reason: RefusalReason) -> Vec<u8> {
        Frame::EMPTY.clone().encode(&Message::Refused { reason }).unwrap().to_vec()
    }

    fn counted(worker: &Worker, name: &str) -> u64 {
        worker.setup.counters.iter().find(|counter| counter.0 == name).unwrap().1
    }

    #[test]
    fn connection_that_comes_after_the_end_has_begun_is_told_and_not_served() {
        let (mut worker, sender) = worker(Poller::new().unwrap());
        for phase in [Phase::Closing, Phase::Closed] {
            worker.phase = phase;
            let mut other = connect(&sender);
            // Closing a socket with something unread resets the connection.
            other.write_all(b"a JOIN").unwrap();
            worker.admit();
            let mut told = Vec::new();
            other.read_to_end(&mut told).unwrap();
            assert_eq!(told, refused(RefusalReason::ShuttingDown));
            drop(other);
            while !worker.connections.is_empty() {
                worker.round().unwrap();
            }
        }
    }

    #[test]
    fn refused_connections_linger_up_to_the_limit_and_all_are_told_without_a_reset() {
        let (mut worker, sender) = worker(Poller::new().unwrap());
        let (listener, reason) = (TcpListener::bind("127.0.0.1:0").unwrap(), RefusalReason::AddressConnections);
        let address = listener.local_addr().unwrap();
        let others: Vec<_> = (0..REFUSED_MAX + 3)
            .map(|_| {
                let mut other = TcpStream::connect(address).unwrap();
                other.write_all(b"a JOIN").unwrap();
                let stream = Stream::plain(listener.accept().unwrap().0);
                sender.try_send(Accepted { stream, origin: None, refusal: Some(reason) }).unwrap();
                other
            })
            .collect();
        worker.admit();
        assert_eq!((worker.connections.len(), worker.lingering_count), (REFUSED_MAX, REFUSED_MAX));
        for (index, mut other) in others.into_iter().enumerate() {
            if index < REFUSED_MAX {
                other.write_all(b"a SAY that comes behind the refusal").unwrap();
            }
            let mut told = Vec::new();
            other.read_to_end(&mut told).unwrap();
            assert_eq!(told, refused(reason));
        }
        while !worker.connections.is_empty() {
            worker.round().unwrap();
        }
        assert_eq!((worker.lingering_count, counted(&worker, "connections")), (0, 0));
    }

    #[test]
    fn client_that_takes_nothing_is_gone_once_all_have_been_told_of_the_end() {
        let (mut worker, sender) = worker(Poller::new().unwrap());
        let (_taking, _full) = (connect(&sender), connect(&sender));
        worker.admit();
        let mut socket = &worker.connections[1].stream.socket;
        while socket.write(&[1; 4_096]).is_ok() {}
        worker.setup.registry.close();
        while worker.phase != Phase::Closed {
            worker.round().unwrap();
        }
        let left: Vec<_> = worker.connections.iter().map(|(key, left)| (key, left.lingering.is_some())).collect();
        assert_eq!(left, [(0, true)]);
    }

    #[test]
    fn connection_that_cannot_be_waited_for_is_closed_and_counted() {
        let (mut worker, sender) = worker(Poller::broken());
        let mut other = connect(&sender);
        worker.admit();
        assert!(worker.connections.is_empty());
        assert_eq!((counted(&worker, "connections"), counted(&worker, "connections_failed")), (1, 1));
        assert_eq!(other.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn worker_that_cannot_wait_any_more_ends_with_the_reason() {
        assert_eq!(worker(Poller::broken()).0.round().unwrap_err().raw_os_error(), Some(nix::libc::EINVAL));
    }
}
