//! The room's server: one listener, and worker threads that share the connections.

use super::addresses::Addresses;
use super::counters::Counters;
use super::dispatcher::{Dispatcher, Entrance};
use super::listener::{Listener, Unserved};
use super::poller::Poller;
use super::registry::Registry;
use super::roster::GrowingRoster;
use super::stream::{self, Stream};
use super::worker::{self, Setup};
use crate::failure::cause;
use crate::serve::clock_state::Trust;
use chat_core::refusal::RefusalReason;
use chat_core::room::server::{AddressLimits, Config, Counter};
use smol::channel::{Receiver, Sender, unbounded};
use smol::future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;
use std::thread::JoinHandle;

/// The options of a room's server.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Timers and limits of the protocol.
    pub config: Config,
    /// Most members; with `None` only memory and file descriptors limit them.
    pub members_max: Option<u32>,
    /// Worker threads; at least 1.
    pub thread_count: usize,
    /// Bytes of the journal, and of each worker's copy of it.
    pub journal_bytes: usize,
    /// How much one address may take.
    pub address_limits: AddressLimits,
}

/// A running room's server.
#[derive(Debug)]
pub struct Driver {
    /// The listening socket.
    listener: Listener,
    /// Hands connections to the workers.
    dispatcher: Arc<Dispatcher>,
    /// The workers' threads.
    threads: Vec<JoinHandle<()>>,
    /// Receives an error for each worker that fails.
    ends: Receiver<io::Error>,
    /// The room.
    registry: Arc<Registry>,
    /// The server's counters.
    counters: Arc<Counters>,
    /// Whether the clock is to be trusted.
    trust: Trust,
}

impl Driver {
    /// Starts the workers. `epoch` is a random number.
    ///
    /// # Errors
    /// A thread cannot be started, there is no file descriptor left for it to wait with, or no memory for its journal.
    pub fn new(listener: Listener, options: &Options, epoch: u64) -> io::Result<Self> {
        let roster = GrowingRoster::new(options.members_max);
        let thread_count = options.thread_count.max(1);
        check_memory(options.journal_bytes, thread_count)?;
        let registry = Registry::new(options.config, epoch, roster, options.journal_bytes, thread_count);
        let (registry, counters) = (Arc::new(registry), Arc::new(Counters::default()));
        let addresses = Arc::new(Addresses::new(options.address_limits));
        let trust = Trust::new();
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        let (end_sender, ends) = unbounded();
        for index in 0..thread_count {
            let (sender, accepted) = unbounded();
            let (registry, counters) = (Arc::clone(&registry), Arc::clone(&counters));
            let (addresses, trust) = (Arc::clone(&addresses), trust.clone());
            let poller = Poller::new()?;
            let waker = Waker::from(Arc::clone(poller.alarm()));
            let setup = Setup { index, registry, config: options.config, counters, addresses, trust, accepted, poller };
            threads.push(spawn(setup, end_sender.clone())?);
            workers.push(Entrance { sender, waker });
        }
        let dispatcher = Arc::new(Dispatcher::new(workers, addresses));
        Ok(Self { listener, dispatcher, threads, ends, registry, counters, trust })
    }

    /// Serves until something on this machine fails.
    ///
    /// # Errors
    /// The listening socket cannot be used any more, or a worker has failed: its members would hear nothing, and the other members
    /// would soon have to pause for ever.
    pub async fn run(&mut self) -> io::Result<()> {
        let Self { listener, dispatcher, ends, counters, .. } = self;
        let failed = async {
            match ends.recv().await {
                Ok(error) => Err(error),
                // All workers have ended, because `close` was called.
                Err(_) => future::pending().await,
            }
        };
        let serve = |socket, origin| dispatcher.dispatch(Stream::plain(socket), origin);
        future::or(failed, listener.run(dispatcher, |unserved| turn_away(counters, dispatcher, unserved), serve)).await
    }

    /// Puts all connections out with the reason, lets nobody in any more, and ends the workers.
    pub fn close(&mut self) {
        // Who waits to be accepted comes first: a worker that has closed has nobody left to wait for.
        self.listener.turn_all_away(|unserved| turn_away(&self.counters, &self.dispatcher, unserved));
        self.registry.close();
        for thread in self.threads.drain(..) {
            // A worker that failed has nothing left to close.
            let _ = thread.join();
        }
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_address()
    }

    /// Where connections go that were accepted elsewhere.
    pub(crate) const fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.dispatcher
    }

    /// The flag that says whether newcomers are told that the clock is trusted, for the thread that finds out.
    pub(crate) const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// How many members there are, and what was counted.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        std::iter::once(("members", u64::from(self.registry.member_count()))).chain(self.counters.iter())
    }
}

/// Counts a connection that is not served, and tells it why, if it is there.
fn turn_away(counters: &Counters, dispatcher: &Dispatcher, unserved: Unserved) {
    match unserved {
        Unserved::Refused(socket) => {
            counters.add(Counter::ConnectionsRefused, 1);
            dispatcher.turn_away(socket, RefusalReason::AddressConnections);
        }
        Unserved::Shed(socket) => {
            counters.add(Counter::ConnectionsShed, 1);
            stream::turn_away(socket, RefusalReason::Busy);
        }
        // It is served for the moment that is left, and told with all others.
        Unserved::Late(socket) => dispatcher.dispatch(Stream::plain(socket), None),
        Unserved::Failed => counters.add(Counter::AcceptsFailed, 1),
    }
}

/// Reports why a worker has failed, also if it panicked.
struct EndNotice {
    /// The channel to the driver.
    sender: Sender<io::Error>,
    /// The worker's index.
    index: usize,
    /// How the worker has ended. It begins as the error for a panic, which a panic leaves here.
    outcome: io::Result<()>,
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        if let Err(error) = &self.outcome {
            let text = format!("the thread room-{} has failed: {}", self.index, cause(error));
            // This fails when the driver is gone.
            let _ = self.sender.try_send(io::Error::new(error.kind(), text));
        }
    }
}

/// Starts a worker's thread.
fn spawn(setup: Setup, sender: Sender<io::Error>) -> io::Result<JoinHandle<()>> {
    let index = setup.index;
    let work = move || {
        let mut notice = EndNotice { sender, index, outcome: Err(io::Error::other("it panicked")) };
        notice.outcome = worker::run(setup);
    };
    std::thread::Builder::new().name(format!("room-{index}")).spawn(work)
}

/// Memory that a worker needs beside its journal, in bytes: its stack, and its first connections.
const WORKER_BYTES: usize = 4 << 20;

/// Checks that there is memory for a journal and a copy of it for each worker. Linux promises more memory than it has, but no single
/// piece larger than all of it, so the check asks for one piece.
fn check_memory(journal_bytes: usize, thread_count: usize) -> io::Result<()> {
    let each = journal_bytes.checked_add(WORKER_BYTES);
    let bytes = each.and_then(|each| each.checked_mul(thread_count.checked_add(1)?));
    let reserved = bytes.map(|bytes| Vec::<u8>::new().try_reserve_exact(bytes));
    if reserved.is_some_and(|outcome| outcome.is_ok()) { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_larger_than_all_memory_is_refused() {
        assert!(check_memory(1 << 20, 1).is_ok());
        for (journal_bytes, thread_count) in [(usize::MAX / 4, 1), (1 << 30, 1 << 20), (usize::MAX, 2)] {
            assert_eq!(check_memory(journal_bytes, thread_count).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        }
    }

    #[test]
    fn worker_that_fails_ends_the_server_with_the_reason() {
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let options = Options {
            config: Config::DEFAULT,
            members_max: None,
            thread_count: 2,
            journal_bytes: 4_096,
            address_limits: AddressLimits::DEFAULT,
        };
        let mut driver = Driver::new(listener, &options, 1).unwrap();
        let (sender, accepted) = unbounded();
        let setup = Setup {
            index: 7,
            registry: Arc::clone(&driver.registry),
            config: Config::DEFAULT,
            counters: Arc::default(),
            addresses: Arc::new(Addresses::new(AddressLimits::DEFAULT)),
            trust: Trust::new(),
            accepted,
            poller: Poller::broken(),
        };
        let (end_sender, ends) = unbounded();
        driver.ends = ends;
        driver.threads.push(spawn(setup, end_sender).unwrap());
        let error = smol::block_on(driver.run()).unwrap_err();
        assert!(error.to_string().starts_with("the thread room-7 has failed: invalid argument"), "{error}");
        drop(sender);
        driver.close();
    }

    #[test]
    fn panic_of_a_worker_is_told_too() {
        let (sender, ends) = unbounded();
        drop(EndNotice { sender, index: 0, outcome: Err(io::Error::other("it panicked")) });
        assert_eq!(ends.try_recv().unwrap().to_string(), "the thread room-0 has failed: it panicked");
    }
}
