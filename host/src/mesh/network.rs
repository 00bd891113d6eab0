//! A peer's side of the network, whoever sits before it: its sockets, the search for others, and where `--join` leads.

use super::interfaces::{Interface, Selection};
use super::remembered::Remembered;
use super::search::{Pauses, Search};
use super::sockets::Sockets;
use super::targets::Targets;
use crate::clock;
use crate::command::Peer as Options;
use crate::failure::{Failure, cause};
use chat_core::mesh::{self, Config, Member, Output, Peer, Phase, State, Target};
use chat_core::time::Instant;
use chat_core::username::Username;
use smol::future;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

/// Datagrams that are taken one after the other, before the user has his turn.
const DATAGRAMS_MAX: u32 = 64;

/// Own addresses that are told to others.
const ADDRESSES_MAX: usize = 4;

/// Sockets, search and targets.
pub(super) struct Network {
    /// The sockets.
    pub(super) sockets: Sockets,
    /// The search by multicast and broadcast, if there is to be one.
    pub(super) search: Option<Search>,
    /// Where `--join` leads.
    pub(super) targets: Targets,
    /// When the members are remembered next.
    save_at: Instant,
    /// Time spans.
    pub(super) pauses: Pauses,
    /// How many datagrams may be taken before the next wait.
    receivable: u32,
}

impl Network {
    /// Opens the sockets.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(super) fn open(options: &Options) -> Result<Self, Failure> {
        let pauses = Pauses::DEFAULT;
        Ok(Self {
            sockets: Sockets::open(options.listen)?,
            search: None,
            targets: Targets::new(options.join.clone()),
            save_at: clock::now() + pauses.save,
            pauses,
            receivable: 0,
        })
    }

    /// Begins to listen for others, if that is wanted. Gives what stands in the way.
    pub(super) fn open_search(&mut self, options: &Options) -> Vec<String> {
        if options.no_discovery {
            return Vec::new();
        }
        let selection = Selection::new(&options.interface, options.listen);
        let (search, notice) = Search::new(clock::now(), &self.pauses, selection);
        let mut faults: Vec<String> = notice.into_iter().collect();
        if let Err(error) = self.sockets.share() {
            faults.push(format!(
                "cannot listen at port {}: {}; another program has it. This peer finds others, and others do not find it",
                mesh::PORT,
                cause(&error)
            ));
        }
        self.sockets.join(search.interfaces());
        faults.extend(search.missing().iter().map(|missing| {
            format!("there is no interface {missing} with an address at this moment; it is used once there is")
        }));
        if search.interfaces().is_empty() {
            faults.push("there is no network at this moment; going on as soon as there is one".to_owned());
        }
        self.search = Some(search);
        faults
    }

    /// Under which addresses others reach this peer, as far as it knows itself.
    pub(super) fn own_addresses(&self) -> Vec<SocketAddr> {
        let bound = self.sockets.address;
        if !bound.ip().is_unspecified() {
            return vec![bound];
        }
        let interfaces = self.search.as_ref().map(Search::interfaces).unwrap_or_default();
        let is_same_kind = |address: &SocketAddr| bound.is_ipv6() || address.is_ipv4();
        let addresses = interfaces.iter().flat_map(Interface::addresses);
        addresses.map(|ip| SocketAddr::new(ip, bound.port())).filter(is_same_kind).take(ADDRESSES_MAX).collect()
    }

    /// The names of the interfaces on which others are looked for.
    pub(super) fn interfaces(&self) -> Vec<&str> {
        self.search.as_ref().map(Search::names).unwrap_or_default()
    }

    /// Waits until the hosts of `--join` are looked up for the first time, or the future is ready: `None` says that the engine may start.
    /// Where others are looked for besides, only what is known at once is waited for: in a network without a server of names it takes
    /// seconds until a look-up fails. Cancelling loses nothing.
    pub(super) fn wait_for_targets<T>(
        &mut self,
        future: impl Future<Output = T>,
        targets: impl FnOnce(Option<String>) -> T,
    ) -> Option<T> {
        if self.targets.is_ready() {
            return None;
        }
        let (deadline, pause) = (self.search.is_some().then(clock::now), self.pauses.look_up_alone);
        let look_up = async { targets(self.targets.next(pause).await) };
        self.sockets.wait_deaf(deadline, future::or(future, look_up))
    }

    /// The engine's settings. `--join` belongs to them: an engine that has nobody to ask founds a group at once.
    pub(super) fn config<'s>(
        &self,
        name: &Username,
        addresses: &'s [SocketAddr],
        denied: &'s [Username],
    ) -> Config<'s> {
        Config {
            addresses,
            join: self.targets.addresses.iter().copied().collect(),
            discovery: self.search.is_some(),
            denied,
            ..Config::new(name.clone())
        }
    }

    /// When [`Network::handle_timeout`] is to be called at the latest. It does what it has to do as soon as it is called for anything
    /// else, which among other members is some times a second.
    pub(super) fn deadline(&self) -> Instant {
        let due = self.search.as_ref().map_or(self.save_at, |search| search.deadline().min(self.save_at));
        due + self.pauses.late_max
    }

    /// Looks at the interfaces and remembers the members, if it is time. Gives whether there are other interfaces than before.
    pub(super) fn handle_timeout(&mut self, now: Instant, peer: &Peer<'_>) -> bool {
        if self.save_at <= now {
            self.save_at = now + self.pauses.save;
            if let Some(change) = self.remember(now, peer).and_then(Remembered::take_change) {
                // What fails is tried again at the end, and told then.
                smol::unblock(move || change.write()).detach();
            }
        }
        let (sockets, pauses) = (&self.sockets, &self.pauses);
        self.search.as_mut().is_some_and(|search| search.handle_timeout(now, pauses, sockets))
    }

    /// The peer begins to look for others.
    pub(super) fn handle_seeking(&mut self, now: Instant) {
        if let Some(search) = &mut self.search {
            search.handle_seeking(now, &self.pauses);
        }
    }

    /// Sends a datagram. `is_alone` says that nobody was found yet.
    pub(super) fn send(&mut self, now: Instant, to: Target, bytes: &[u8], is_alone: bool) {
        match (to, &self.search) {
            (Target::Unicast(to), _) => self.sockets.send(to, bytes),
            (Target::Multicast, Some(search)) => search.send(now, &mut self.sockets, bytes, is_alone),
            (Target::Multicast, None) => {}
        }
    }

    /// Waits until the future is ready, the hosts of `--join` are looked up, there is something to receive, or the deadline has come:
    /// `None` stands for the last two. Hosts are looked up again after `pause`, and `targets` is made of what is to be told of them.
    pub(super) fn wait<T>(
        &mut self,
        deadline: Option<Instant>,
        pause: Duration,
        future: impl Future<Output = T>,
        targets: impl FnOnce(Option<String>) -> T,
    ) -> Option<T> {
        self.receivable = DATAGRAMS_MAX;
        let look_up = async { targets(self.targets.next(pause).await) };
        self.sockets.wait(deadline, future::or(future, look_up))
    }

    /// Hands the next datagram that has come to the peer, and says whether there was one. There is none after so many since the last
    /// wait that it is somebody else's turn. After the last, acknowledgements are due: else this driver would wake for them.
    ///
    /// # Errors
    /// Nothing can be received any more: what, in a sentence.
    pub(super) fn receive(&mut self, peer: &mut Peer<'_>) -> Result<bool, String> {
        // What has been received already shows in no wait.
        if self.receivable == 0 && !self.sockets.has_received() {
            return Ok(false);
        }
        self.receivable = self.receivable.saturating_sub(1);
        let received = self.sockets.receive();
        let received =
            received.map_err(|error| format!("cannot receive anything any more: {}; start again", cause(&error)))?;
        let Some(received) = received else {
            peer.acknowledge(clock::now());
            return Ok(false);
        };
        peer.handle_datagram(clock::now(), received.source, received.arrival, received.bytes);
        Ok(true)
    }

    /// Remembers who is there, and leaves the group, so that the name is free at once. Gives what could not be remembered.
    pub(super) fn leave(&mut self, peer: &mut Peer<'_>) -> Option<String> {
        let now = clock::now();
        let change = self.remember(now, peer).and_then(|remembered| remembered.last_change());
        let failure = change.and_then(|change| change.write().err());
        peer.leave(now);
        let until = now + self.pauses.leave_max;
        loop {
            let now = clock::now();
            peer.handle_timeout(now);
            while let Some(output) = peer.poll_output(now, None) {
                if let Output::Send { to: to @ Target::Unicast(_), bytes } = output {
                    self.send(now, to, bytes, false);
                }
            }
            let due = peer.poll_timeout().filter(|_| now < until && peer.phase() == Phase::Leaving);
            let Some(due) = due else { return failure };
            self.receivable = DATAGRAMS_MAX;
            self.sockets.wait(Some(due.min(until)), future::pending::<()>());
            // What cannot be received is of no more use.
            while self.receive(peer).unwrap_or(false) {}
        }
    }

    /// What was counted, as `name=value` with spaces between.
    pub(super) fn counters(&self, peer: &Peer<'_>) -> String {
        let members = peer.members(clock::now()).filter(|member| member.state == State::Member).count();
        let counters: String = peer.counters().iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let (unsent, unreceived) = (self.sockets.unsent, self.sockets.unreceived);
        format!("members={members} unsent={unsent} unreceived={unreceived}{counters}")
    }

    /// Remembers where the members are, if peers are remembered at all.
    fn remember(&mut self, now: Instant, peer: &Peer<'_>) -> Option<&mut Remembered> {
        let remembered = &mut self.search.as_mut()?.remembered;
        let own = peer.id();
        let others = peer.members(now).filter(|member| member.state == State::Member && member.id != own);
        others.filter_map(|member: Member<'_>| member.address).for_each(|address| remembered.learn(address));
        Some(remembered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argh::FromArgs as _;
    use chat_core::mesh::HostStorage;
    use std::net::UdpSocket;

    /// The network of a peer that looks for others only at these.
    fn network(join: &[&str]) -> Network {
        let arguments = ["--name", "ann", "--no-discovery", "--listen", "127.0.0.1:0"];
        let join = join.iter().flat_map(|host| ["--join", host]);
        let arguments: Vec<&str> = arguments.into_iter().chain(join).collect();
        Network::open(&Options::from_args(&["peer"], &arguments).unwrap()).unwrap()
    }

    /// Waits for the first look-up, with nothing else to wait for. Gives what was told.
    fn look_up(network: &mut Network) -> Vec<Option<String>> {
        std::iter::from_fn(|| network.wait_for_targets(future::pending(), |told| told)).collect()
    }

    /// Everything that an engine with this network does first.
    fn first_outputs(network: &Network) -> (Vec<Target>, Phase) {
        let name = Username::new("ann").unwrap();
        let addresses = network.own_addresses();
        let mut storage = Box::new(HostStorage::EMPTY);
        let config = network.config(&name, &addresses, &[]);
        let mut peer = Peer::new(storage.memory(), config, clock::now(), [7; 16]);
        let now = clock::now();
        peer.handle_timeout(now);
        let mut sent = Vec::new();
        while let Some(output) = peer.poll_output(now, None) {
            if let Output::Send { to, .. } = output {
                sent.push(to);
            }
        }
        (sent, peer.phase())
    }

    #[test]
    fn engine_asks_at_join_before_it_founds_a_group() {
        let mut network = network(&["127.0.0.1:7"]);
        assert_eq!(look_up(&mut network), [None]);
        let asked = Target::Unicast(SocketAddr::from(([127, 0, 0, 1], 7)));
        assert_eq!(first_outputs(&network), (vec![asked], Phase::Seeking));
    }

    #[test]
    fn engine_that_has_nobody_to_ask_founds_a_group_at_once() {
        let mut network = network(&[]);
        assert_eq!(look_up(&mut network), []);
        assert_eq!(first_outputs(&network), (Vec::new(), Phase::Member));
    }

    #[test]
    fn datagram_that_comes_during_the_first_look_up_does_not_end_it() {
        let mut network = network(&["localhost:7"]);
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        other.send_to(b"hi", network.sockets.address).unwrap();
        // A name that is not found ends it too.
        assert_eq!(look_up(&mut network).len(), 1);
        assert!(network.targets.is_ready());
    }

    #[test]
    fn what_else_comes_before_the_first_look_up_is_given() {
        let mut network = network(&["127.0.0.1:7"]);
        assert_eq!(network.wait_for_targets(future::ready(1), |_| 2), Some(1));
        assert_eq!(network.wait_for_targets(future::pending(), |_| 2), Some(2));
    }
}
