//! A peer that nobody sits before, of a program that was built without clients: a machine that never leaves, so that newcomers always
//! find somebody who knows what was said. It says on standard error how it stands to the group, and nothing of what is said there.

use super::network::Network;
use super::tell;
use crate::clock;
use crate::command::Peer as Options;
use crate::failure::Failure;
use crate::log::{self, Level};
use crate::signals::{SignalRequest, SignalRequests};
use chat_core::mesh::{Event, HostStorage, Output, Peer, State};
use chat_core::refusal::RefusalReason;
use chat_core::username::Username;
use std::net::SocketAddr;

/// One peer on its network.
struct Driver<'s> {
    /// What to send and to tell.
    peer: Peer<'s>,
    /// Sockets and search.
    network: Network,
    /// The name that is claimed.
    name: Username,
    /// What stands in the claim's way, as it was told last.
    waiting: Option<RefusalReason>,
}

/// What has come beside datagrams.
enum News {
    /// A signal.
    Signal(SignalRequest),
    /// Where `--join` leads, and what is to be told of it.
    Targets(Option<String>),
}

/// Why it ends although nobody asked for it.
enum Stop {
    /// Nothing can be received any more.
    Silent(String),
    /// A member refuses: why, who, and where that is.
    Refused(RefusalReason, Option<(String, Option<SocketAddr>)>),
}

/// Keeps the group until a signal.
///
/// # Errors
/// The members refuse, or nothing can be received any more.
pub(super) fn run(
    name: &Username,
    denied: &[Username],
    options: &Options,
    mut network: Network,
) -> Result<(), Failure> {
    let mut requests = SignalRequests::new()?;
    log::print(format!("peer {}\n", network.sockets.address));
    network.open_search(options).iter().for_each(|fault| log::say(Level::Warning, fault));
    if !find_targets(&mut requests, &mut network) {
        return Ok(());
    }
    let addresses = network.own_addresses();
    let config = network.config(name, &addresses, denied);
    let seed = super::seed()?;
    let mut storage = Box::new(HostStorage::EMPTY);
    let peer = Peer::new(storage.memory(), config, clock::now(), seed);
    let mut driver = Driver { peer, network, name: name.clone(), waiting: None };
    let outcome = driver.run(&mut requests);
    if let Some(failure) = driver.network.leave(&mut driver.peer) {
        log::say(Level::Warning, failure);
    }
    outcome.map_err(|stop| driver.failure(stop))
}

/// Looks the hosts of `--join` up for the first time. Gives `false` if a signal asks for the end before.
fn find_targets(requests: &mut SignalRequests, network: &mut Network) -> bool {
    loop {
        let signal = async { News::Signal(requests.next().await) };
        match network.wait_for_targets(signal, News::Targets) {
            None => return true,
            Some(News::Signal(SignalRequest::End)) => return false,
            // There is nothing to count yet.
            Some(News::Signal(SignalRequest::ShowCounters | SignalRequest::Continued)) => {}
            Some(News::Targets(told)) => told.iter().for_each(|told| log::say(Level::Warning, told)),
        }
    }
}

impl Driver<'_> {
    /// Serves sockets and signals until one asks for the end.
    fn run(&mut self, requests: &mut SignalRequests) -> Result<(), Stop> {
        loop {
            let now = clock::now();
            self.peer.handle_timeout(now);
            self.drain()?;
            if self.network.handle_timeout(now, &self.peer) {
                match tell::network(&self.network.interfaces()) {
                    Ok(told) => log::say(Level::Information, told),
                    Err(fault) => log::say(Level::Warning, fault),
                }
            }
            let deadline = self.peer.poll_timeout().into_iter().chain([self.network.deadline()]).min();
            let pauses = self.network.pauses;
            let pause = if self.is_alone() { pauses.look_up_alone } else { pauses.look_up };
            let signal = async { News::Signal(requests.next().await) };
            match self.network.wait(deadline, pause, signal, News::Targets) {
                None => {
                    while self.network.receive(&mut self.peer).map_err(Stop::Silent)? {
                        self.drain()?;
                    }
                }
                Some(News::Signal(SignalRequest::End)) => return Ok(()),
                Some(News::Signal(SignalRequest::ShowCounters)) => self.show_counters(),
                Some(News::Signal(SignalRequest::Continued)) => {}
                Some(News::Targets(told)) => {
                    self.peer.set_join(&self.network.targets.addresses);
                    told.iter().for_each(|told| log::say(Level::Warning, told));
                }
            }
        }
    }

    /// Does all that the engine wants done.
    fn drain(&mut self) -> Result<(), Stop> {
        let (now, is_alone) = (clock::now(), self.is_alone());
        let mut refused = None;
        while let Some(output) = self.peer.poll_output(now, None) {
            match output {
                Output::Send { to, bytes } => self.network.send(now, to, bytes, is_alone),
                Output::Event(Event::Seeking) => {
                    self.network.handle_seeking(now);
                    let places = tell::places(&self.network.interfaces(), &self.network.targets.addresses);
                    if !places.is_empty() {
                        log::say(Level::Information, format_args!("looking for others{places}"));
                    }
                }
                Output::Event(Event::Founded) => {
                    log::say(Level::Information, "nobody is there: this peer is the first of a group");
                }
                Output::Event(Event::Admitted { .. }) => {
                    self.waiting = None;
                    log::say(Level::Information, format_args!("in the group as {}", self.name.as_str()));
                }
                Output::Event(Event::Waiting { reason, by }) => {
                    if self.waiting.replace(reason) != Some(reason) {
                        let by = by.map_or_else(|| "a member".to_owned(), |by| by.name.to_string());
                        log::say(Level::Information, format_args!("{by} says: {reason}; trying again"));
                    }
                }
                Output::Event(Event::Refused { reason, by, .. }) => {
                    refused = Some(Stop::Refused(reason, by.map(|by| (by.name.to_string(), by.address))));
                }
                Output::Event(Event::TooMany { members }) => log::say(
                    Level::Warning,
                    format_args!("another group has {members} members: both are too many for one, and stay apart"),
                ),
                // What is said is for people, and who comes and goes too.
                Output::Event(_) => {}
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Whether nobody else is there.
    fn is_alone(&self) -> bool {
        let own = self.peer.id();
        !self.peer.members(clock::now()).any(|member| member.state == State::Member && member.id != own)
    }

    /// Why it ends, in one line, and what to do about it.
    fn failure(&self, stop: Stop) -> Failure {
        match stop {
            Stop::Silent(sentence) => Failure::lost(sentence),
            Stop::Refused(reason, by) => {
                let taken: Vec<_> = self.peer.members(clock::now()).map(|member| member.name.name).collect();
                let free = tell::free_name(&self.name, &taken);
                let by = by.as_ref().map(|(name, address)| (name.as_str(), *address));
                Failure::lost(tell::refusal(reason, self.name.as_str(), by, free.as_ref().map(Username::as_str)))
            }
        }
    }

    /// Shows what was counted.
    fn show_counters(&self) {
        log::print_error(format!("peer: {}\n", self.network.counters(&self.peer)));
    }
}
