//! The room's server: one listener, and worker threads that share the connections.

use super::addresses::Addresses;
use super::counters::Counters;
use super::listener::Listener;
use super::poller::Poller;
use super::registry::Registry;
use super::roster::GrowingRoster;
use super::worker::{self, Accepted, Setup};
use crate::serve::clock_state::Trust;
use chat_core::room::server::{AddressLimits, Config};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use smol::channel::{Sender, unbounded};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;
use std::thread::JoinHandle;

/// What an operator may set.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Timers and limits of the protocol.
    pub config: Config,
    /// Most members; `None` without a limit but memory and file descriptors.
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
    /// Where connections come from.
    listener: Listener,
    /// Hands connections to the workers, by turns, and wakes them.
    workers: Vec<(Sender<Accepted>, Waker)>,
    /// Whose turn it is.
    turn: usize,
    /// The workers' threads.
    threads: Vec<JoinHandle<io::Result<()>>>,
    /// The room.
    registry: Arc<Registry>,
    /// What is counted.
    counters: Arc<Counters>,
    /// What every address has taken.
    addresses: Arc<Addresses>,
    /// Whether the clock is to be trusted.
    trust: Trust,
}

impl Driver {
    /// Starts the workers. `epoch` is a random number.
    ///
    /// # Errors
    /// A thread cannot be started, or there is no file descriptor left for it to wait with.
    pub fn new(listener: Listener, options: &Options, epoch: u64) -> io::Result<Self> {
        raise_file_limit();
        let roster = GrowingRoster::new(options.members_max);
        let thread_count = options.thread_count.max(1);
        let registry = Registry::new(options.config, epoch, roster, options.journal_bytes, thread_count);
        let (registry, counters) = (Arc::new(registry), Arc::new(Counters::default()));
        let addresses = Arc::new(Addresses::new(options.address_limits));
        let trust = Trust::new();
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        for index in 0..thread_count {
            let (sender, accepted) = unbounded();
            let (registry, counters) = (Arc::clone(&registry), Arc::clone(&counters));
            let (addresses, trust) = (Arc::clone(&addresses), trust.clone());
            let poller = Poller::new()?;
            let waker = Waker::from(Arc::clone(poller.alarm()));
            let setup = Setup { index, registry, config: options.config, counters, addresses, trust, accepted, poller };
            threads.push(std::thread::Builder::new().name(format!("room-{index}")).spawn(|| worker::run(setup))?);
            workers.push((sender, waker));
        }
        Ok(Self { listener, workers, turn: 0, threads, registry, counters, addresses, trust })
    }

    /// Serves until something on this machine fails.
    ///
    /// # Errors
    /// The listening socket cannot be used any more.
    pub async fn run(&mut self) -> io::Result<()> {
        let Self { listener, workers, turn, counters, addresses, .. } = self;
        let serve = |stream, origin| {
            *turn = (*turn + 1) % workers.len();
            let (accepted, waker) = &workers[*turn];
            // A worker that is gone closes the connection, which is all that can be done for it.
            let _ = accepted.try_send(Accepted { stream, origin });
            waker.wake_by_ref();
        };
        listener.run(counters, addresses, serve).await
    }

    /// Puts everybody out with the reason, and ends the workers.
    pub fn close(&mut self) {
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

    /// Whether newcomers are told that the clock is to be trusted, for whoever knows.
    pub(crate) const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// How many members there are, and what was counted.
    pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        std::iter::once(("members", u64::from(self.registry.member_count()))).chain(self.counters.iter())
    }
}

/// Raises the number of files that may be open to the most that is allowed: each connection is one.
fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // If that is refused, the server sheds connections sooner.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
