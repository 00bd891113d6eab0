//! The peer's driver: the engine, the user's side and the sockets, whichever is ready first.

use super::event::Event;
use super::interfaces::Selection;
use super::search::{Pauses, Search};
use super::sockets::Sockets;
use super::targets::Targets;
use super::view::{Refusal, View};
use crate::clock;
use crate::endpoint::Endpoint;
use crate::failure::{Failure, cause};
use crate::script::{Contact, Said, Step, Stop, Talk, Task};
use async_io::Timer;
use chat_core::limits::DATAGRAM_BYTES_MAX;
use chat_core::mesh::{self, Config, HostStorage, Member, Output, Peer, Phase, SayError, State, Target};
use chat_core::text::Text;
use chat_core::time::Instant;
use chat_core::username::Username;
use smol::future;
use std::net::SocketAddr;

/// Datagrams that are taken before the user has his turn.
const DATAGRAMS_MAX: usize = 64;

/// Own addresses that are told to others.
const ADDRESSES_MAX: usize = 4;

/// One peer on its sockets.
struct Driver<'s, 't> {
    /// What to send and to tell.
    peer: Peer<'s>,
    /// The sockets.
    sockets: Sockets,
    /// The search by multicast and broadcast, if there is to be one.
    search: Option<Search>,
    /// Where `--join` leads.
    targets: Targets,
    /// The user's side.
    talk: &'t mut Talk,
    /// What the user is shown.
    view: View,
    /// A line that is said as soon as the engine takes it, and whether it is what the user does.
    pending: Option<(bool, Said)>,
    /// When the engine takes it.
    say_at: Option<Instant>,
    /// When the members are remembered next.
    save_at: Instant,
    /// Time spans.
    pauses: Pauses,
}

/// What has come beside the user.
enum Traffic {
    /// Something to receive.
    Datagrams,
    /// Where `--join` leads, and what is to be told of it.
    Targets(Option<String>),
}

/// Talks with other peers until the end of input or a signal.
///
/// # Errors
/// The members refuse, or have not confirmed every message at the end of input.
pub(super) async fn run(
    name: Username,
    denied: &[Username],
    join: Vec<Endpoint>,
    selection: Option<Selection>,
    mut sockets: Sockets,
    mut talk: Talk,
) -> Result<(), Failure> {
    let address = sockets.address;
    talk.screen.set_name(name.as_str());
    let outcome = async {
        talk.show(&Event::Peer { address })?;
        let pauses = Pauses::DEFAULT;
        let search = open_search(&mut talk, &mut sockets, selection, &pauses)?;
        let targets = find_targets(&mut talk, join, &pauses).await?;
        let addresses = own_addresses(address, search.as_ref());
        let config = Config {
            addresses: &addresses,
            join: targets.addresses.iter().copied().collect(),
            discovery: search.is_some(),
            denied,
            ..Config::new(name.clone())
        };
        let seed = random()?;
        let mut storage = Box::new(HostStorage::EMPTY);
        let now = clock::now();
        let mut driver = Driver {
            peer: Peer::new(storage.memory(), config, now, seed),
            sockets,
            search,
            targets,
            talk: &mut talk,
            view: View::new(name, address),
            pending: None,
            say_at: None,
            save_at: now + pauses.save,
            pauses,
        };
        let outcome = driver.run().await;
        driver.leave().await;
        outcome
    };
    let outcome = outcome.await;
    talk.finish(outcome, &address.to_string())
}

/// Bytes from the operating system's source of randomness.
fn random() -> Result<[u8; 16], Stop> {
    let mut bytes = [0; 16];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Stop::Unreachable(Failure::lost(format!("the system gives no random numbers: {error}")))),
    }
}

/// Begins to listen for others, if the user wants that, and tells what stands in the way.
fn open_search(
    talk: &mut Talk,
    sockets: &mut Sockets,
    selection: Option<Selection>,
    pauses: &Pauses,
) -> Result<Option<Search>, Stop> {
    let Some(selection) = selection else { return Ok(None) };
    let (search, notice) = Search::new(clock::now(), pauses, selection);
    if let Some(notice) = notice {
        talk.screen.fault(&notice)?;
    }
    if let Err(error) = sockets.share() {
        talk.screen.fault(&format!(
            "cannot listen at port {}: {}; another program has it. This peer finds others, and others do not find it",
            mesh::PORT,
            cause(&error)
        ))?;
    }
    sockets.join(search.interfaces());
    for missing in search.missing() {
        talk.screen.fault(&format!(
            "there is no interface {missing} with an address at this moment; it is used once there is"
        ))?;
    }
    if search.interfaces().is_empty() {
        talk.screen.fault("there is no network at this moment; going on as soon as there is one")?;
    }
    Ok(Some(search))
}

/// Looks the hosts of `--join` up for the first time, while the user may leave.
async fn find_targets(talk: &mut Talk, join: Vec<Endpoint>, pauses: &Pauses) -> Result<Targets, Stop> {
    let mut targets = Targets::new(join);
    while !targets.is_ready() {
        let user = async { talk.next(clock::now(), None).await.map(|_| None) };
        let told = future::or(user, async { Ok(targets.next(pauses.look_up_alone).await) }).await?;
        if let Some(told) = told {
            talk.screen.fault(&told)?;
        }
    }
    Ok(targets)
}

/// Under which addresses others reach this peer, as far as it knows itself.
fn own_addresses(bound: SocketAddr, search: Option<&Search>) -> Vec<SocketAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound];
    }
    let interfaces = search.map(Search::interfaces).unwrap_or_default();
    let is_same_kind = |address: &SocketAddr| bound.is_ipv6() || address.is_ipv4();
    let addresses = interfaces.iter().flat_map(super::interfaces::Interface::addresses);
    addresses.map(|ip| SocketAddr::new(ip, bound.port())).filter(is_same_kind).take(ADDRESSES_MAX).collect()
}

impl Driver<'_, '_> {
    /// Serves user and sockets until the end of input, when nothing is under way any more, or a signal.
    async fn run(&mut self) -> Result<(), Stop> {
        let mut buffer = [0; DATAGRAM_BYTES_MAX + 1];
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
            let search_at = self.search.as_ref().map(Search::deadline);
            let deadlines = [self.peer.poll_timeout(), search_at, self.say_at, give_up_at, Some(self.save_at)];
            let deadline = deadlines.into_iter().flatten().min();
            let pause = if self.view.is_alone() { self.pauses.look_up_alone } else { self.pauses.look_up };
            let (talk, sockets, targets) = (&mut *self.talk, &self.sockets, &mut self.targets);
            let user = async { Ok(talk.next(clock::now(), deadline).await) };
            let traffic = future::or(
                async {
                    sockets.readable().await;
                    Traffic::Datagrams
                },
                async { Traffic::Targets(targets.next(pause).await) },
            );
            match future::or(user, async { Err(traffic.await) }).await {
                Ok(Err(stop)) => return Err(stop),
                Ok(Ok(Step::ShowCounters)) => self.show_counters(),
                Ok(Ok(Step::Went)) => {}
                Err(Traffic::Datagrams) => self.receive(&mut buffer)?,
                Err(Traffic::Targets(told)) => {
                    self.peer.set_join(&self.targets.addresses);
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
        if let Some(search) = &mut self.search
            && search.handle_timeout(now, &self.pauses, &self.sockets)
        {
            self.talk.show(&Event::Network { interfaces: &search.names() })?;
        }
        if self.save_at <= now {
            self.save_at = now + self.pauses.save;
            if let Some(change) = self.remember(now) {
                // Told at the end, if it is still so.
                smol::unblock(move || change.write()).detach();
            }
        }
        self.say_pending()
    }

    /// Takes what has come, up to a number after which the user has his turn.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), Stop> {
        for _ in 0..DATAGRAMS_MAX {
            let received = self.sockets.receive(buffer).map_err(|error| {
                Stop::Silent(format!("cannot receive anything any more: {}; start again", cause(&error)))
            })?;
            let Some(received) = received else { break };
            self.peer.handle_datagram(clock::now(), received.source, received.arrival, &buffer[..received.length]);
            self.drain()?;
        }
        Ok(())
    }

    /// Does all that the engine wants done.
    fn drain(&mut self) -> Result<(), Stop> {
        let own = self.peer.id();
        let now = clock::now();
        let unix_ms = clock::unix_ms();
        let mut refused = None;
        while let Some(output) = self.peer.poll_output(now, Some(unix_ms)) {
            match output {
                Output::Send { to: Target::Unicast(to), bytes } => self.sockets.send(to, bytes),
                Output::Send { to: Target::Multicast, bytes } => {
                    if let Some(search) = &self.search {
                        search.send(now, &mut self.sockets, bytes, self.view.is_alone());
                    }
                }
                Output::Event(mesh::Event::Seeking) => {
                    if let Some(search) = &mut self.search {
                        search.handle_seeking(now, &self.pauses);
                    }
                    let interfaces = self.search.as_ref().map(Search::names).unwrap_or_default();
                    self.talk.show(&Event::Looking { interfaces: &interfaces, join: &self.targets.addresses })?;
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

    /// Remembers where the members are. Gives what is to be written.
    fn remember(&mut self, now: Instant) -> Option<super::remembered::Change> {
        let remembered = &mut self.search.as_mut()?.remembered;
        let own = self.peer.id();
        let others = self.peer.members(now).filter(|member| member.state == State::Member && member.id != own);
        others.filter_map(|member| member.address).for_each(|address| remembered.learn(address));
        remembered.take_change()
    }

    /// Leaves the group, so that the name is free at once, and remembers who was there.
    async fn leave(&mut self) {
        let now = clock::now();
        if let Some((_, said)) = self.pending.take() {
            // If nobody reads that, the line about all that were not sent still tells.
            let _ = self.talk.handle_unsaid(&said, "this peer has left before it could be said");
        }
        if let Some(Err(failure)) = self.remember(now).map(|change| change.write()) {
            // It is of no more use than that.
            let _ = self.talk.screen.fault(&failure);
        }
        self.peer.leave(now);
        let until = now + self.pauses.leave_max;
        let mut buffer = [0; DATAGRAM_BYTES_MAX + 1];
        while clock::now() < until {
            self.peer.handle_timeout(clock::now());
            while let Some(output) = self.peer.poll_output(clock::now(), None) {
                if let Output::Send { to: Target::Unicast(to), bytes } = output {
                    self.sockets.send(to, bytes);
                }
            }
            let Some(due) = self.peer.poll_timeout().filter(|_| self.peer.phase() == Phase::Leaving) else { return };
            let pause = async {
                Timer::after(due.min(until) - clock::now()).await;
            };
            future::or(self.sockets.readable(), pause).await;
            if let Ok(Some(received)) = self.sockets.receive(&mut buffer) {
                self.peer.handle_datagram(clock::now(), received.source, received.arrival, &buffer[..received.length]);
            }
        }
    }

    /// Shows what was counted.
    fn show_counters(&mut self) {
        let members = self.peer.members(clock::now()).filter(|member| member.state == State::Member).count();
        let counters: String = self.peer.counters().iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let (unsent, unreceived) = (self.sockets.unsent, self.sockets.unreceived);
        let talk = self.talk.counters();
        Failure::lost(format!("peer: {talk} members={members} unsent={unsent} unreceived={unreceived}{counters}"))
            .report();
    }
}
