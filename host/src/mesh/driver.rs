//! The peer's driver: the engine, the user's side and the sockets, whichever is ready first.

use super::event::Event;
use super::network::Network;
use super::view::{Refusal, View};
use crate::clock;
use crate::command::Peer as Options;
use crate::failure::Failure;
use crate::script::{Contact, Said, Step, Stop, Talk, Task};
use chat_core::mesh::{self, HostStorage, Member, Output, Peer, Phase, SayError, State};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use std::time::Duration;

/// One peer on its network.
struct Driver<'s, 't> {
    /// What to send and to tell.
    peer: Peer<'s>,
    /// Sockets and search.
    network: Network,
    /// The user's side.
    talk: &'t mut Talk,
    /// What the user is shown.
    view: View,
    /// A line that is said as soon as the engine takes it, and whether it is what the user does.
    pending: Option<(bool, Said)>,
    /// When the engine takes it.
    say_at: Option<Instant>,
}

/// What has come beside datagrams.
enum News {
    /// Something of the user.
    User(Result<Step, Stop>),
    /// Where `--join` leads, and what is to be told of it.
    Targets(Option<String>),
}

/// Talks with other peers until the end of input or a signal.
///
/// # Errors
/// The members refuse, or have not confirmed every message at the end of input.
pub(super) fn run(
    name: Username,
    denied: &[Username],
    options: &Options,
    mut network: Network,
    mut talk: Talk,
) -> Result<(), Failure> {
    let address = network.sockets.address;
    talk.screen.set_name(name.as_str());
    let outcome = (|| {
        talk.show(&Event::Peer { address })?;
        for fault in network.open_search(options) {
            talk.screen.fault(&fault)?;
        }
        find_targets(&mut talk, &mut network)?;
        let addresses = network.own_addresses();
        let config = network.config(&name, &addresses, denied);
        let seed = super::seed().map_err(Stop::Unreachable)?;
        let mut storage = Box::new(HostStorage::EMPTY);
        let mut driver = Driver {
            peer: Peer::new(storage.memory(), config, clock::now(), seed),
            network,
            talk: &mut talk,
            view: View::new(name, address),
            pending: None,
            say_at: None,
        };
        let outcome = driver.run();
        driver.leave();
        outcome
    })();
    talk.finish(outcome, &address.to_string())
}

/// Looks the hosts of `--join` up for the first time, while the user may leave.
fn find_targets(talk: &mut Talk, network: &mut Network) -> Result<(), Stop> {
    loop {
        let user = async { News::User(talk.next_of_user(clock::now()).await) };
        match network.wait_for_targets(user, News::Targets) {
            None => return Ok(()),
            Some(News::User(step)) => drop(step?),
            Some(News::Targets(told)) => told.iter().try_for_each(|told| talk.screen.fault(told))?,
        }
    }
}

/// Waits for what comes next: `None` stands for datagrams and the deadline. Names are looked up again after the pause.
fn next_news(talk: &mut Talk, network: &mut Network, pause: Duration, deadline: Option<Instant>) -> Option<News> {
    let now = clock::now();
    let deadline = deadline.into_iter().chain(talk.deadline(now)).min();
    let user = async { News::User(talk.next_of_user(now).await) };
    network.wait(deadline, pause, user, News::Targets)
}

impl Driver<'_, '_> {
    /// Serves user and sockets until the end of input, when nothing is under way any more, or a signal.
    fn run(&mut self) -> Result<(), Stop> {
        self.talk.handle_progress(clock::now());
        loop {
            self.handle_timeout()?;
            while let Some(task) = self.talk.next_task(clock::now(), self.may_say())? {
                self.handle_task(task)?;
                self.drain()?;
            }
            if self.talk.is_done() && self.pending.is_none() && self.view.is_live() {
                return Ok(());
            }
            let give_up_at = self.talk.give_up_at(self.contact(), self.view.is_live());
            if give_up_at.is_some_and(|due| due <= clock::now()) {
                return Err(Stop::Unconfirmed);
            }
            let network_at = Some(self.network.deadline());
            let deadlines = [self.peer.poll_timeout(), network_at, self.view.deadline(), self.say_at, give_up_at];
            let deadline = deadlines.into_iter().flatten().min();
            let pauses = self.network.pauses;
            let pause = if self.view.is_alone() { pauses.look_up_alone } else { pauses.look_up };
            match next_news(self.talk, &mut self.network, pause, deadline) {
                None => {
                    while self.network.receive(&mut self.peer).map_err(Stop::Silent)? {
                        self.drain()?;
                    }
                }
                Some(News::User(Ok(Step::ShowCounters))) => self.show_counters()?,
                Some(News::User(step)) => drop(step?),
                Some(News::Targets(told)) => {
                    self.peer.set_join(&self.network.targets.addresses);
                    if let Some(told) = told {
                        self.talk.screen.fault(&told)?;
                    }
                }
            }
        }
    }

    /// Does what is due.
    fn handle_timeout(&mut self) -> Result<(), Stop> {
        let now = clock::now();
        self.peer.handle_timeout(now);
        self.drain()?;
        self.talk.handle_timeout(now)?;
        self.view.handle_timeout(self.talk, now)?;
        if self.network.handle_timeout(now, &self.peer) {
            self.talk.show(&Event::Network { interfaces: &self.network.interfaces() })?;
        }
        self.say_pending()
    }

    /// Does all that the engine wants done.
    fn drain(&mut self) -> Result<(), Stop> {
        let own = self.peer.id();
        let now = clock::now();
        let unix_ms = clock::unix_ms();
        let mut refused = None;
        while let Some(output) = self.peer.poll_output(now, Some(unix_ms)) {
            match output {
                Output::Send { to, bytes } => self.network.send(now, to, bytes, self.view.is_alone()),
                Output::Event(mesh::Event::Seeking) => {
                    self.network.handle_seeking(now);
                    self.view.handle_seeking();
                    let (interfaces, join) = (self.network.interfaces(), &self.network.targets.addresses);
                    self.talk.show(&Event::Looking { interfaces: &interfaces, join })?;
                }
                Output::Event(mesh::Event::Refused { reason, by, .. }) => refused = Some(Refusal::new(reason, by)),
                Output::Event(event) => self.view.show(self.talk, now, own, &event)?,
            }
        }
        if let Some(refusal) = refused {
            let taken: Vec<&Username> =
                self.peer.members(now).filter(|it| it.id != own).map(|it| it.name.name).collect();
            return Err(self.view.stop_refused(self.talk, &refusal, &taken));
        }
        Ok(())
    }

    /// Whether a line is said now.
    fn may_say(&self) -> bool {
        self.pending.is_none() && self.peer.phase() == Phase::Member
    }

    /// How the peer stands to the others: until it is a member, the engine knows how long that may take.
    fn contact(&self) -> Contact {
        if self.view.is_live() { Contact::There } else { Contact::Opening }
    }

    /// Does something for the user.
    fn handle_task(&mut self, task: Task) -> Result<(), Stop> {
        match task {
            Task::Say(said) => self.pending = Some((false, said)),
            Task::Act(said) => self.pending = Some((true, said)),
            Task::Who => return self.show_who(),
        }
        self.say_pending()
    }

    /// Says the line that waits, if the engine takes it.
    fn say_pending(&mut self) -> Result<(), Stop> {
        let now = clock::now();
        self.say_at = None;
        let Some((is_action, said)) = self.pending.take() else { return Ok(()) };
        let text = match Text::new(&said.text) {
            Ok(text) => text,
            Err(error) => return Ok(self.talk.handle_unsaid(&said, &error.to_string())?),
        };
        match self.peer.say(now, clock::unix_ms(), is_action, text) {
            Ok(number) => self.talk.handle_said(now, said, number),
            // Whatever ends the wait wakes this driver: time here, a datagram otherwise.
            Err(error) => {
                if let SayError::TooFast(at) = error {
                    self.say_at = Some(at);
                }
                self.pending = Some((is_action, said));
            }
        }
        self.drain()
    }

    /// Shows who is here.
    fn show_who(&mut self) -> Result<(), Stop> {
        let now = clock::now();
        let mut members: Vec<Member<'_>> =
            self.peer.members(now).filter(|member| member.state == State::Member).collect();
        if members.is_empty() {
            return Ok(self.talk.screen.aside("-- still looking for others --")?);
        }
        self.view.show_who(self.talk, now, self.peer.id(), &mut members)
    }

    /// Leaves the group, so that the name is free at once.
    fn leave(&mut self) {
        if let Some((_, said)) = self.pending.take() {
            // If nobody reads that, the line about all that were not sent still tells.
            let _ = self.talk.handle_unsaid(&said, "this peer has left before it could be said");
        }
        if let Some(failure) = self.network.leave(&mut self.peer) {
            // It is of no more use than that.
            let _ = self.talk.screen.fault(&failure);
        }
    }

    /// Shows what was counted.
    fn show_counters(&mut self) -> Result<(), Stop> {
        let counters = self.network.counters(&self.peer);
        Ok(self.talk.show_counters("peer", &counters)?)
    }
}
