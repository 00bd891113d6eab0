//! One peer of the mesh: the composition of admission, membership and log (docs/mesh-protocol.md).
//!
//! Drain order: after every `handle_*`, [`Peer::say`] and [`Peer::leave`], take [`Peer::poll_output`] until it gives `None`; then
//! [`Peer::poll_timeout`] says when [`Peer::handle_timeout`] is to be called. There is no queue of datagrams: each machine says what
//! is due, the peer asks them in a fixed order and encodes one datagram. What answers one datagram stands in one place, and is
//! dropped and counted if the next comes before it was taken out.

mod admission;
mod answer;
mod due;
mod envelope;
mod meet;
mod membership;
mod output;
mod receive;
mod seek;
mod speak;
mod tell;
mod view;
mod welcome;

use super::budget::Budget;
use super::claimant::Claimant;
use super::discovery::{Discovery, Mode};
use super::farewell::Farewell;
use super::handover::Handover;
use super::item::Say;
use super::list::Addresses;
use super::log::Log;
use super::prober::Prober;
use super::random::Random;
use super::row::{Row, State};
use super::table::Table;
use super::token::Tokens;
use super::walk::Walk;
use super::{Config, Counters, Memory, PeerId, Token, names};
use crate::address::Address;
use crate::bucket::{Bucket, Rate};
use crate::datagram::Datagram;
use crate::limits::{MESH_PACE_DATAGRAMS_MAX, MESH_SAY_BURST, MESH_SAY_PER_SECOND};
use crate::text::Text;
use crate::time::Instant;
use answer::Answers;
pub use output::{Arrival, Output, Phase, SayError, Target};
use tell::Notices;

/// How fast a peer may speak.
const SAY_RATE: Rate = Rate { burst: MESH_SAY_BURST, per_second: MESH_SAY_PER_SECOND };

/// One peer.
#[derive(Debug)]
pub struct Peer<'s> {
    /// What its owner decided.
    config: Config<'s>,
    /// Random numbers.
    random: Random,
    /// Tokens for others.
    tokens: Tokens,
    /// Where it stands; Member stands for Admitted too.
    phase: Phase,
    /// The highest Lamport value that it has heard or said.
    lamport: u64,
    /// Who is there.
    table: Table<'s>,
    /// Probes them.
    prober: Prober,
    /// What unproven addresses get.
    budget: Budget<'s>,
    /// Seeks and is found.
    discovery: Discovery,
    /// Claims the name.
    claimant: Claimant<'s>,
    /// What was said.
    log: Log<'s>,
    /// What is handed over.
    handover: Handover,
    /// How fast it speaks.
    bucket: Bucket,
    /// Somebody without a row who is asked for rows.
    stranger: Option<Stranger>,
    /// Who showed the group.
    sponsor: PeerId,
    /// When the sponsor is asked for rows again.
    sponsor_at: Instant,
    /// The walk over somebody's table.
    walk: Option<Walk>,
    /// Whose table differed from the own when it welcomed the claim.
    unsettled: Option<PeerId>,
    /// When the last walk over a table ended.
    walked_at: Instant,
    /// The walk over somebody's vector.
    vector_walk: Option<Walk>,
    /// What is told to everybody: that the peer leaves, or that it is a member.
    farewell: Farewell,
    /// When the claim is made again.
    retry_at: Option<Instant>,
    /// When it was admitted.
    admitted_at: Instant,
    /// Whether it founded its group, nobody has joined and it has said nothing.
    is_pristine: bool,
    /// Whether it was left alone and has met others, so that it takes a new rank once it knows theirs.
    rises: bool,
    /// Whether a page of rows had more of them than there is room for.
    rows_overflow: bool,
    /// When one of the dead was pinged last, and which one.
    dead_ping: (Instant, PeerId),
    /// Whom to probe next: somebody else claims its name.
    probe_next: Option<PeerId>,
    /// Whether somebody is to be told that it is held dead elsewhere.
    doubts: bool,
    /// Who is pinged at once, and where: a peer may have moved there, or has just given its first token, or may not know this peer.
    greeted: Option<(PeerId, Address)>,
    /// When the peer was called last.
    now: Instant,
    /// What answers the last datagram.
    answers: Answers,
    /// What the user is to be told.
    notices: Notices,
    /// The version of the table that claimant and log know.
    synced: u32,
    /// The version of the table that the user knows.
    told: u32,
    /// Whether the user is to be told of a flood.
    floods: bool,
    /// A message that the user has been given.
    shown: Option<u64>,
    /// The datagram in the making.
    datagram: Datagram,
    /// Since when datagrams are counted for the pace.
    paced_at: Instant,
    /// How many there were.
    paced: u8,
    /// When [`Peer::handle_timeout`] was to be called.
    expected_at: Option<Instant>,
    /// What has happened so far.
    counters: Counters,
}

/// Somebody without a row.
#[derive(Debug, Clone, Copy)]
struct Stranger {
    /// Its id.
    id: PeerId,
    /// Where it is.
    address: Address,
    /// The token that it gave.
    token: Token,
}

impl<'s> Peer<'s> {
    /// A peer that begins to look for a group at once. Whoever knows the seed can pass for it: it is 128 bits of randomness, others
    /// at each start.
    pub fn new(memory: Memory<'s>, config: Config<'s>, now: Instant, seed: [u8; 16]) -> Self {
        let Memory { rows, asks, entries, accounts, flights, ring } = memory;
        let mut random = Random::new(seed);
        let tokens = Tokens::new(&mut random);
        let own = Self::own_row(&config, now, PeerId(random.word()), rows.len());
        let id = own.id;
        let table = Table::new(rows, config.members_max, own);
        let mut peer = Self {
            random,
            tokens,
            phase: Phase::Seeking,
            lamport: 0,
            synced: table.version(),
            told: table.version(),
            table,
            prober: Prober::IDLE,
            budget: Budget::new(accounts, now),
            discovery: Discovery::OFF,
            claimant: Claimant::new(asks),
            log: Log::new(id, entries, flights, ring),
            handover: Handover::NEW,
            bucket: Bucket::FULL,
            stranger: None,
            sponsor: PeerId::ZERO,
            sponsor_at: now,
            walk: None,
            unsettled: None,
            walked_at: now,
            vector_walk: None,
            farewell: Farewell::NONE,
            retry_at: None,
            admitted_at: now,
            is_pristine: false,
            rises: false,
            rows_overflow: false,
            dead_ping: (now, PeerId::ZERO),
            probe_next: None,
            doubts: false,
            greeted: None,
            now,
            answers: Answers::NONE,
            notices: Notices::new(),
            floods: false,
            shown: None,
            datagram: Datagram::EMPTY,
            paced_at: now,
            paced: 0,
            expected_at: None,
            counters: Counters::ZERO,
            config,
        };
        peer.seek(now);
        peer.advance(now);
        peer
    }

    /// The own row under an id, before anybody knows it.
    fn own_row(config: &Config<'_>, now: Instant, id: PeerId, rows: usize) -> Row {
        let capacity = config.members_max.min(rows / 2).max(1);
        let mut row = Row {
            id,
            incarnation: 1,
            state: State::Left,
            number: 1,
            capacity_log2: u8::try_from(capacity.ilog2()).unwrap_or(u8::MAX),
            key: names::key(&config.name),
            name: Some(config.name.clone()),
            heard_at: now,
            changed_at: now,
            ..Row::EMPTY
        };
        for &address in config.addresses {
            row.contacts.learn(now, address.into());
        }
        row
    }

    /// Says something to all members. Gives the own number of the message, which [`super::Event::Confirmed`] repeats. `sent_ms` is the own
    /// wall clock in Unix milliseconds. Work: one pass over the rows and one copy of the text.
    ///
    /// # Errors
    /// [`SayError`]; nothing has changed then.
    pub fn say(&mut self, now: Instant, sent_ms: i64, action: bool, text: Text<'_>) -> Result<u32, SayError> {
        if self.phase() != Phase::Member {
            return Err(SayError::NotMember);
        }
        self.bucket.has_token(SAY_RATE, now).map_err(SayError::TooFast)?;
        self.wake(now);
        let number = self.log.head().saturating_add(1);
        let say = Say {
            origin: self.id(),
            number,
            lamport: self.lamport.saturating_add(1),
            sent_ms,
            flags: if action { Say::ACTION } else { 0 },
            name: self.config.name.as_str(),
            text,
        };
        let members = self.table.others().filter(|row| row.is_member()).map(|row| row.id);
        let count = members.clone().count();
        if !self.log.say(&say, members, count) {
            return Err(SayError::UnderWay);
        }
        self.lamport = say.lamport;
        self.bucket.take(SAY_RATE, now);
        self.is_pristine = false;
        Ok(number)
    }

    /// The peer leaves: it tells all members three times within a second, then comes [`super::Event::Ended`].
    pub fn leave(&mut self, now: Instant) {
        self.wake(now);
        match self.phase {
            Phase::Leaving | Phase::Ended => {}
            _ => self.stop(now),
        }
    }

    /// Does what the time brings. To be called when [`Peer::poll_timeout`] says so; earlier it does nothing. Work: a pass over the rows.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wake(now);
        self.run_admission(now);
        self.run_membership(now);
        self.advance(now);
    }

    /// When [`Peer::handle_timeout`] is to be called; `None` when the peer has stopped. Work: a pass over the rows.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let paced_until = (self.paced == MESH_PACE_DATAGRAMS_MAX).then(|| self.paced_at + self.config.timers.pace);
        self.due_at().map(|due_at| paced_until.map_or(due_at, |paced_until| due_at.max(paced_until)))
    }

    /// Acknowledgements that wait for more to acknowledge are due now. For a driver that has handed over all datagrams that were there:
    /// it need not wake again for them. Work: a pass over the members.
    pub fn acknowledge(&mut self, now: Instant) {
        self.log.acknowledge(now);
    }

    /// What is to be done next: sending a datagram, or telling the user something. `unix_ms` is the own wall clock, if there is one:
    /// messages whose time is far from it are marked. `None` until the next call of something else. Work: one datagram, and a pass over
    /// rows and messages.
    pub fn poll_output(&mut self, now: Instant, unix_ms: Option<i64>) -> Option<Output<'_>> {
        self.wake(now);
        if let Some(position) = self.shown.take() {
            self.log.handle_shown(position);
        }
        if let Some(tale) = self.next_tale(now) {
            return Some(Output::Event(self.event(now, tale, unix_ms)));
        }
        if let Some(to) = self.next_datagram(now) {
            self.counters.sent = self.counters.sent.saturating_add(1);
            let length = u32::try_from(self.datagram.as_bytes().len()).unwrap_or(u32::MAX);
            self.counters.sent_bytes = self.counters.sent_bytes.saturating_add(length);
            return Some(Output::Send { to, bytes: self.datagram.as_bytes() });
        }
        // What could not be sent may have led on: to the end of a farewell, or of a walk.
        if let Some(tale) = self.next_tale(now) {
            return Some(Output::Event(self.event(now, tale, unix_ms)));
        }
        self.expected_at = self.poll_timeout();
        None
    }

    /// What each call begins with, because any may be the first after a sleep.
    ///
    /// A timer that is much too late means that the machine slept: all deadlines start anew, and nobody is blamed for the time.
    fn wake(&mut self, now: Instant) {
        let timers = self.config.timers;
        if self.expected_at.is_some_and(|expected_at| now - expected_at > timers.sleep_min) {
            self.counters.sleeps = self.counters.sleeps.saturating_add(1);
            if matches!(self.phase, Phase::Claiming | Phase::Member) {
                self.prober.start(now);
            }
            if self.phase == Phase::Claiming {
                self.claim_anew(now);
            } else {
                self.claimant.restart(now);
            }
            self.discovery.put_off(now, timers);
            self.handover.restart(now, timers);
            self.log.restart(now);
            self.walk.iter_mut().chain(&mut self.vector_walk).for_each(|walk| walk.restart(now));
            self.expected_at = Some(now);
        }
        self.now = now;
    }

    /// The addresses to tell somebody who is reached at `to`.
    fn own_addresses(&self, now: Instant, to: Address) -> Addresses {
        let silence = self.config.timers.address_silence;
        self.own().map_or_else(Addresses::default, |own| own.contacts.told_to(to, now, silence))
    }

    /// Begins to look for a group, alone.
    fn seek(&mut self, now: Instant) {
        self.phase = Phase::Seeking;
        if let Some(own) = self.own().cloned() {
            self.table.reset(own);
        }
        self.discovery.start(now, self.config.timers, &mut self.random, Mode::Newcomer);
        self.notices.push(tell::Notice::Seeking);
    }
}

#[cfg(test)]
mod tests {
    // Peers on a network of lists: each datagram arrives ten milliseconds later, unless a test holds it back.

    extern crate std;
    use super::*;
    use crate::mesh::Event;
    use crate::mesh::item::{Body, Item, PROTOCOL, Standing, WireRow};
    use crate::mesh::list::Packer;
    use crate::mesh::{Nonce, SmallStorage, Token};
    use crate::refusal::RefusalReason;
    use crate::username::Username;
    use core::net::SocketAddr;
    use core::time::Duration;
    use std::boxed::Box;
    use std::format;
    use std::string::String;
    use std::vec::Vec;

    /// One step of the network, in milliseconds.
    const STEP_MS: u64 = 10;

    /// Peers, what is under way between them, and what each has told its user.
    struct Network {
        now: Instant,
        peers: Vec<Option<Peer<'static>>>,
        flying: Vec<(usize, Target, Vec<u8>)>,
        told: Vec<Vec<String>>,
        /// Datagrams between these do not arrive.
        cut: fn(usize, usize) -> bool,
    }

    impl Network {
        /// A network with these members, who joined one after the other.
        fn of(names: &[&str]) -> Self {
            let mut network = Self {
                now: Instant::from_millis(1_000),
                peers: Vec::new(),
                flying: Vec::new(),
                told: Vec::new(),
                cut: |_, _| false,
            };
            for name in names {
                network.start(Config::new(Username::new(name).unwrap()));
                network.run(5_000);
            }
            network
        }

        /// Starts a peer and gives its place.
        fn start(&mut self, config: Config<'static>) -> usize {
            let index = self.peers.len();
            let storage: &'static mut SmallStorage = Box::leak(Box::new(SmallStorage::EMPTY));
            let seed = [u8::try_from(index).unwrap() + 1; 16];
            self.peers.push(Some(Peer::new(storage.memory(), config, self.now, seed)));
            self.told.push(Vec::new());
            self.drain(index);
            index
        }

        fn peer(&mut self, index: usize) -> &mut Peer<'static> {
            self.peers[index].as_mut().unwrap()
        }

        fn address(index: usize) -> SocketAddr {
            SocketAddr::from(([192, 0, 2, u8::try_from(index).unwrap() + 1], 9292))
        }

        /// Takes out all that a peer wants done.
        fn drain(&mut self, index: usize) {
            let Some(peer) = &mut self.peers[index] else { return };
            while let Some(output) = peer.poll_output(self.now, Some(0)) {
                match output {
                    Output::Send { to, bytes } => self.flying.push((index, to, bytes.to_vec())),
                    Output::Event(event) => self.told[index].push(sentence(&event)),
                }
            }
            let due_at = peer.poll_timeout();
            assert!(due_at.is_none_or(|due_at| due_at > self.now), "{due_at:?} is not after {:?}", self.now);
        }

        /// Lets so many milliseconds pass.
        fn run(&mut self, millis: u64) {
            for _ in 0..millis / STEP_MS {
                self.now = self.now + Duration::from_millis(STEP_MS);
                for (from, to, bytes) in core::mem::take(&mut self.flying) {
                    for index in 0..self.peers.len() {
                        let (is_for, arrival) = match to {
                            Target::Multicast => (index != from, Arrival::Multicast),
                            Target::Unicast(address) => (address == Self::address(index), Arrival::Unicast),
                        };
                        if is_for && !(self.cut)(from, index) {
                            self.deliver(index, Self::address(from), arrival, &bytes);
                        }
                    }
                }
                for index in 0..self.peers.len() {
                    let now = self.now;
                    if let Some(peer) =
                        self.peers[index].as_mut().filter(|peer| peer.poll_timeout().is_some_and(|at| at <= now))
                    {
                        peer.handle_timeout(now);
                        self.drain(index);
                    }
                }
            }
        }

        fn deliver(&mut self, index: usize, source: SocketAddr, arrival: Arrival, bytes: &[u8]) {
            let now = self.now;
            if let Some(peer) = &mut self.peers[index] {
                peer.handle_datagram(now, source, arrival, bytes);
                self.drain(index);
            }
        }

        fn say(&mut self, index: usize, text: &str) -> Result<u32, SayError> {
            let now = self.now;
            let said = self.peer(index).say(now, 0, false, Text::new(text).unwrap());
            self.drain(index);
            said
        }

        /// What a peer has told since this was asked last.
        fn told(&mut self, index: usize) -> Vec<String> {
            core::mem::take(&mut self.told[index])
        }

        fn members(&mut self, index: usize) -> Vec<String> {
            let now = self.now;
            let mut names: Vec<_> = self.peer(index).members(now).map(|member| format!("{}", member.name)).collect();
            names.sort();
            names
        }
    }

    /// An event in a few words.
    fn sentence(event: &Event<'_>) -> String {
        match event {
            Event::Joined(member) => format!("+{}", member.name),
            Event::Left(member) => format!("-{}", member.name),
            Event::Died(member) => format!("!{}", member.name),
            Event::Message(message) => {
                format!("{}{}: {}", if message.history { "(" } else { "" }, message.name, message.text.as_str())
            }
            Event::Confirmed { number } => format!("confirmed {number}"),
            Event::Lost { count, .. } => format!("lost {count}"),
            Event::Refused { reason, by, holder } => {
                let name = |member: &Option<crate::mesh::Member<'_>>| {
                    member.map_or(String::new(), |member| format!("{}", member.name))
                };
                format!("refused: {}, {}, {}", u16::from(*reason), name(by), name(holder))
            }
            Event::Admitted { .. } => "admitted".into(),
            Event::Founded => "founded".into(),
            Event::HandedOver => "handed over".into(),
            Event::Ended => "ended".into(),
            other => format!("{other:?}"),
        }
    }

    fn config(name: &str) -> Config<'static> {
        Config::new(Username::new(name).unwrap())
    }

    #[test]
    fn lone_peer_founds_and_the_next_joins_and_hears_the_history() {
        let mut network = Network::of(&["anna"]);
        assert_eq!(network.told(0), ["Seeking", "founded", "admitted", "handed over"]);
        network.say(0, "good morning").unwrap();
        network.start(config("bert"));
        network.run(2_000);
        assert_eq!(
            network.told(1),
            ["Seeking", "Claiming { members: 1 }", "admitted", "+anna", "(anna: good morning", "handed over"]
        );
        assert_eq!(network.told(0), ["anna: good morning", "confirmed 1", "+bert"]);
        assert_eq!(network.peer(0).table_digest(), network.peer(1).table_digest());
    }

    #[test]
    fn sleep_is_noticed_whatever_is_asked_first_after_it() {
        let mut network = Network::of(&["anna", "bert"]);
        network.now = network.now + Duration::from_secs(3_600);
        let now = network.now;
        let anna = network.peer(0);
        while anna.poll_output(now, Some(0)).is_some() {}
        anna.handle_timeout(now);
        assert_eq!(anna.counters().sleeps, 1);
    }

    #[test]
    fn message_reaches_all_once_and_is_confirmed() {
        let mut network = Network::of(&["anna", "bert", "cleo"]);
        (0..3).for_each(|index| _ = network.told(index));
        assert_eq!(network.say(1, "hello"), Ok(1));
        network.run(100);
        assert_eq!(network.told(0), ["bert: hello"]);
        assert_eq!(network.told(1), ["bert: hello", "confirmed 1"]);
        assert_eq!(network.told(2), ["bert: hello"]);
        network.run(10_000);
        assert_eq!([network.told(0), network.told(1), network.told(2)], [[""; 0]; 3]);
    }

    #[test]
    fn name_that_is_taken_is_refused_by_its_member() {
        let mut network = Network::of(&["anna", "bert"]);
        network.start(config("ANNA"));
        network.run(4_000);
        let taken = u16::from(RefusalReason::NameTaken);
        assert_eq!(network.told(2)[2..], [format!("refused: {taken}, anna, anna"), "ended".into()]);
        assert_eq!(network.members(0), ["anna", "bert"]);
        assert_eq!(network.peer(2).phase(), Phase::Ended);
        assert_eq!(network.peer(2).poll_timeout(), None);
    }

    #[test]
    fn denied_name_is_refused_by_who_denies_it() {
        let denied: &'static [Username] = Box::leak(Box::new([Username::new("Eve").unwrap()]));
        let mut network = Network::of(&["anna"]);
        network.start(Config { denied, ..config("bert") });
        network.run(2_000);
        network.start(config("eve"));
        network.run(4_000);
        assert!(network.told(2).contains(&format!("refused: {}, bert, ", u16::from(RefusalReason::NameDenied))));
    }

    #[test]
    fn ninth_member_of_a_small_room_is_refused() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut network = Network::of(&names);
        assert_eq!(network.members(0), names);
        network.start(config("i"));
        network.run(4_000);
        assert!(network.told(8).contains(&format!("refused: {}, , ", u16::from(RefusalReason::Full))));
        assert_eq!(network.members(0), names);
    }

    #[test]
    fn who_leaves_is_gone_at_once_and_its_name_is_free() {
        let mut network = Network::of(&["anna", "bert", "cleo"]);
        network.told(0);
        let now = network.now;
        network.peer(1).leave(now);
        network.drain(1);
        network.run(50);
        assert_eq!(network.told(0), ["-bert"]);
        network.run(1_000);
        assert_eq!(network.told(1).last().unwrap(), "ended");
        let bert = network.start(config("bert"));
        network.run(2_000);
        assert!(network.told(bert).contains(&"admitted".into()));
    }

    #[test]
    fn crash_is_noticed_within_ten_seconds_and_its_name_is_free_again() {
        let mut network = Network::of(&["anna", "bert", "cleo"]);
        network.peers[1] = None;
        network.run(10_000);
        assert!(network.told(0).contains(&"!bert".into()));
        assert_eq!(network.members(2), ["anna", "cleo"]);
        let bert = network.start(config("bert"));
        network.run(8_000);
        assert!(network.told(bert).contains(&"admitted".into()));
    }

    #[test]
    fn peers_that_are_cut_find_each_other_again_and_nobody_is_lost() {
        let mut network = Network::of(&["anna", "bert", "cleo", "dora"]);
        network.cut = |from, to| (from < 2) != (to < 2);
        network.run(12_000);
        assert_eq!(network.members(0), ["anna", "bert"]);
        network.cut = |_, _| false;
        network.run(15_000);
        for index in 0..4 {
            assert_eq!(network.members(index), ["anna", "bert", "cleo", "dora"], "{index}");
        }
    }

    /// Two members that share neither multicast nor a join target, cut off from each other for so long.
    fn pair_cut_for(millis: u64) -> Network {
        let mut network = Network::of(&["anna"]);
        let mut config = config("bert");
        config.join.push(Network::address(0)).unwrap();
        network.start(config);
        network.run(5_000);
        // From here on nobody seeks anywhere.
        (0..2).for_each(|index| network.peer(index).config.discovery = false);
        network.peer(1).set_join(&[]);
        network.cut = |_, _| true;
        network.run(millis);
        network
    }

    #[test]
    fn members_that_were_dead_to_each_other_for_minutes_meet_again_because_the_lost_are_pinged() {
        let mut network = pair_cut_for(200_000);
        assert_eq!([network.members(0), network.members(1)], [["anna"], ["bert"]]);
        network.cut = |_, _| false;
        network.run(3_000);
        assert_eq!([network.members(0), network.members(1)], [["anna", "bert"], ["anna", "bert"]]);
        assert_eq!(network.peer(0).table_digest(), network.peer(1).table_digest());
    }

    #[test]
    fn lost_are_pinged_each_half_second_and_after_ten_minutes_each_half_minute() {
        let mut network = pair_cut_for(100_000);
        let mut sent_in = |millis: u64| {
            let before = network.peer(0).counters().sent;
            network.run(millis);
            network.peer(0).counters().sent - before
        };
        assert!((110..=125).contains(&sent_in(60_000)));
        sent_in(600_000);
        assert_eq!(sent_in(60_000), 2);
    }

    #[test]
    fn member_that_was_left_alone_takes_a_new_rank_behind_the_others() {
        let mut network = Network::of(&["anna", "bert"]);
        network.say(0, "one").unwrap();
        network.cut = |from, to| (from < 1) != (to < 1);
        network.run(12_000);
        let cleo = network.start(config("cleo"));
        network.run(5_000);
        assert_eq!(network.members(cleo), ["bert", "cleo"]);
        network.cut = |_, _| false;
        network.run(15_000);
        let now = network.now;
        let mut ranked: Vec<_> =
            network.peer(1).members(now).map(|member| (member.rank, format!("{}", member.name))).collect();
        ranked.sort();
        let names: Vec<_> = ranked.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["bert", "cleo", "anna"]);
        assert_eq!(network.peer(0).table_digest(), network.peer(cleo).table_digest());
    }

    #[test]
    fn groups_that_are_too_large_together_stay_apart_and_say_so() {
        let mut network = Network::of(&[]);
        network.cut = |from, to| (from < 4) != (to < 4);
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i"] {
            network.start(config(name));
            network.run(5_000);
        }
        network.cut = |_, _| false;
        network.run(30_000);
        assert_eq!(network.members(0), ["a", "b", "c", "d"]);
        assert_eq!(network.members(8), ["e", "f", "g", "h", "i"]);
        let told: Vec<_> = (0..9).flat_map(|index| network.told(index)).collect();
        assert!(told.iter().any(|told| ["TooMany { members: 4 }", "TooMany { members: 5 }"].contains(&told.as_str())));
    }

    /// What a, of a group of five with room for eight, is told when it meets somebody who knows six members, so many of them of the same group.
    fn told_after_meeting(shared: usize) -> Vec<String> {
        let mut network = Network::of(&["a", "b", "c", "d", "e"]);
        network.told(0);
        let (own, stranger) = (network.peer(0).id(), PeerId(77));
        let name = |index: u64| Username::new(&format!("s{index}")).unwrap();
        let body = |index| Body { rank: 1, capacity_log2: 3, name: name(index), addresses: Addresses::default() };
        let known: Vec<_> =
            network.peer(0).table.rows().iter().map(|row| row.to_wire_with(Addresses::default())).collect();
        let known = known.into_iter().filter(|row| row.id != own).take(shared);
        let new = (77..).map(|id| WireRow { id: PeerId(id), incarnation: 1, standing: Standing::Member(body(id)) });
        let mut rows: Vec<_> = known.chain(new).take(6).collect();
        rows.sort_by_key(|row| row.id);
        let mut page = Packer::<600>::new(600);
        rows.iter().for_each(|row| page.push(row).unwrap());
        let page = Item::Rows { after: PeerId::ZERO, until: PeerId::LAST, rows: page.as_packed() };
        let riding = WireRow { id: PeerId(77), incarnation: 1, standing: Standing::Member(body(77)) };
        let mut ridden = Packer::<200>::new(200);
        ridden.push(&riding).unwrap();
        let ridden = Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: ridden.as_packed() };
        let nonce = network.peer(0).discovery.nonce();
        let (members, table) = (6, crate::mesh::Digest(1));
        let found = Item::Found { nonce, token: Token(9), members, capacity_log2: 3, table };
        network.deliver(0, Network::address(9), Arrival::Unicast, &datagram(stranger, Token::NONE, &[found]));
        let token = network.peer(0).tokens.token(stranger, Network::address(9).into());
        network.flying.clear();
        // Nothing that rides is taken while the rows are counted. Then they are asked for once more, if there is room.
        for items in [&[ridden, page.clone()][..], &[page]] {
            network.deliver(0, Network::address(9), Arrival::Unicast, &datagram(stranger, token, items));
            network.now = network.now + Duration::from_millis(1);
        }
        network.told(0)
    }

    #[test]
    fn who_is_in_both_groups_that_meet_counts_once() {
        assert_eq!(told_after_meeting(3), ["+s77", "+s78", "+s79"]);
        assert_eq!(told_after_meeting(2), ["TooMany { members: 4 }"]);
    }

    #[test]
    fn message_that_was_lost_on_the_way_is_repaired_in_order() {
        let mut network = Network::of(&["anna", "bert", "cleo"]);
        network.told(2);
        network.cut = |from, to| (from, to) == (0, 2);
        network.say(0, "one").unwrap();
        network.run(200);
        network.cut = |_, _| false;
        network.say(0, "two").unwrap();
        network.run(1_000);
        assert_eq!(network.told(2), ["anna: one", "anna: two"]);
    }

    #[test]
    fn pair_that_cannot_reach_each_other_lives_by_the_third() {
        let mut network = Network::of(&["anna", "bert", "cleo"]);
        network.cut = |from, to| from + to == 2 && from != to;
        network.told(2);
        network.run(30_000);
        assert_eq!(network.members(0), ["anna", "bert", "cleo"]);
        network.say(0, "by bert").unwrap();
        network.run(2_000);
        assert_eq!(network.told(2), ["anna: by bert"]);
    }

    #[test]
    fn late_timer_declares_nobody_dead() {
        let mut network = Network::of(&["anna", "bert", "cleo"]);
        network.told(0);
        network.flying.clear();
        network.now = network.now + Duration::from_secs(3_600);
        network.run(20_000);
        assert_eq!(network.told(0), [""; 0]);
        assert_eq!(network.peer(0).counters().sleeps, 1);
    }

    #[test]
    fn first_words_after_a_sleep_notice_that_it_was_one() {
        let mut network = Network::of(&["anna", "bert", "cleo"]);
        network.now = network.now + Duration::from_secs(3_600);
        let now = network.now;
        network.peer(0).say(now, 0, false, Text::new("good morning").unwrap()).unwrap();
        assert_eq!(network.peer(0).counters().sleeps, 1);
    }

    /// What anna probes next once she has walked over the table of bert, who holds cleo dead; anna has probed cleo in this round already.
    fn probed_after_walk(is_lost: bool) -> (PeerId, Option<PeerId>) {
        let mut network = Network::of(&["anna", "bert", "cleo", "dora"]);
        network.peers[2].take();
        let (now, cleo) = (
            network.now,
            network.peer(0).table.others().find(|row| row.name == Some(Username::new("cleo").unwrap())).unwrap().id,
        );
        network.peer(1).table.bury(now, cleo, State::Dead, 0);
        network.peer(1).table.get_mut(cleo).unwrap().is_lost = is_lost;
        let bert = network.peer(1).id();
        let anna = network.peer(0);
        anna.table.rows_mut().iter_mut().for_each(|row| row.probed = row.id == cleo);
        anna.walk = Some(Walk::new(now, bert));
        network.drain(0);
        network.run(2 * STEP_MS);
        (cleo, network.peer(0).choose_probed())
    }

    #[test]
    fn member_that_is_dead_in_the_table_of_another_is_probed_next() {
        for is_lost in [false, true] {
            let (cleo, probed) = probed_after_walk(is_lost);
            assert_eq!(probed, Some(cleo), "{is_lost}");
        }
    }

    #[test]
    fn suspect_takes_no_turn_of_the_living() {
        let mut network = Network::of(&["anna", "bert", "cleo"]);
        let (bert, cleo) = (network.peer(1).id(), network.peer(2).id());
        network.peers[2].take();
        let anna = network.peer(0);
        // Cleo's turn comes, and Cleo is silent.
        anna.table.rows_mut().iter_mut().for_each(|row| row.probed = row.id == bert);
        let now = anna.now;
        anna.prober.start(now);
        anna.run_membership(now);
        assert!(anna.prober.is_on_trial(cleo));
        assert_eq!([(); 6].map(|()| anna.choose_probed()), [Some(bert); 6]);
    }

    /// A datagram that says it comes from a peer, with this token.
    fn datagram(id: PeerId, token: Token, items: &[Item<'_>]) -> Vec<u8> {
        let mut datagram = Datagram::EMPTY;
        datagram.begin(PROTOCOL);
        datagram.push(&Item::From { id, incarnation: 1, token }).unwrap();
        items.iter().for_each(|item| datagram.push(item).unwrap());
        datagram.as_bytes().to_vec()
    }

    #[test]
    fn member_whose_token_is_missing_is_sought_before_it_is_asked_for_rows() {
        let mut network = Network::of(&["anna", "bert"]);
        let (bert, walked_at) = (network.peer(1).id(), network.peer(0).walked_at);
        network.peer(0).table.get_mut(bert).unwrap().token = Token::NONE;
        let beacon = datagram(bert, Token::NONE, &[Item::Seek { nonce: Nonce(9), members: 3 }]);
        // Bert knows somebody whom Anna does not, and of whom he tells nothing any more.
        let (now, name) = (network.now, Username::new("cleo").unwrap());
        let body = Body { rank: 0, capacity_log2: 3, name, addresses: Addresses::default() };
        network.peer(1).hear_row(now, &WireRow { id: PeerId(7), incarnation: 1, standing: Standing::Joining(body) });
        network.peer(1).table.get_mut(PeerId(7)).unwrap().tells = 0;
        network.deliver(0, Network::address(1), Arrival::Multicast, &beacon);
        network.run(200);
        assert!(network.peer(0).walked_at > walked_at);
    }

    #[test]
    fn forged_datagrams_change_nothing_and_are_counted() {
        let mut network = Network::of(&["anna", "bert"]);
        network.told(0);
        let bert = network.peer(1).id();
        for token in [Token::NONE, Token(7)] {
            let forged = datagram(bert, token, &[Item::Left { incarnation: 1 }, Item::Took { number: 9 }]);
            network.deliver(0, Network::address(1), Arrival::Unicast, &forged);
            network.deliver(0, Network::address(5), Arrival::Unicast, &forged);
        }
        assert_eq!(network.told(0), [""; 0]);
        assert_eq!(network.peer(0).counters().items_unproven, 8);
        network.deliver(0, Network::address(1), Arrival::Unicast, b"CHM\x01\x01\x09");
        network.deliver(0, Network::address(1), Arrival::Unicast, b"GET / HTTP/1.1");
        let counters = network.peer(0).counters();
        assert_eq!((counters.anonymous, counters.foreign), (1, 1));
    }

    #[test]
    fn death_that_rides_is_believed_only_of_whom_is_live_here() {
        for is_dead in [false, true] {
            let mut network = Network::of(&["anna", "bert", "cleo"]);
            let (now, bert, cleo) = (network.now, network.peer(1).id(), network.peer(2).id());
            let anna = network.peer(0);
            if is_dead {
                anna.table.bury(now, bert, State::Dead, 0);
            }
            let token = anna.tokens.token(bert, Network::address(1).into());
            let mut rows = Packer::<64>::new(64);
            rows.push(&WireRow { id: cleo, incarnation: 1, standing: Standing::DeadBare }).unwrap();
            let rows = Item::Rows { after: PeerId::ZERO, until: PeerId::ZERO, rows: rows.as_packed() };
            network.deliver(0, Network::address(1), Arrival::Unicast, &datagram(bert, token, &[rows]));
            assert_eq!(network.peer(0).is_live(cleo), is_dead);
        }
    }

    /// Sends `forged` 200 times from one address to a peer of a group of two, and checks what goes back there.
    fn check_spared(forged: &[u8]) {
        let mut network = Network::of(&["anna", "bert"]);
        let mut sent = 0;
        for _ in 0..200 {
            network.deliver(0, Network::address(9), Arrival::Unicast, forged);
            let to = Target::Unicast(Network::address(9));
            sent +=
                network.flying.drain(..).filter(|flying| flying.1 == to).map(|flying| flying.2.len()).sum::<usize>();
            network.now = network.now + Duration::from_millis(STEP_MS);
            let now = network.now;
            network.peer(0).handle_timeout(now);
            network.drain(0);
        }
        let received = 200 * forged.len();
        assert!((1..=received + 1_000).contains(&sent), "{sent} for {received}");
    }

    #[test]
    fn unproven_address_gets_what_it_sent_and_a_thousand_bytes() {
        let nonce = Nonce(1);
        check_spared(&datagram(PeerId(77), Token::NONE, &[Item::Ping { nonce }]));
        let (token, table) = (Token(9), crate::mesh::Digest(1));
        let found = Item::Found { nonce, token, members: 3, capacity_log2: 8, table };
        check_spared(&datagram(PeerId(77), Token::NONE, core::slice::from_ref(&found)));
        let (name, addresses) = (Username::new("mallory").unwrap(), Addresses::default());
        let claim = Item::Claim { nonce, incarnation: 1, token, name, addresses };
        check_spared(&datagram(PeerId(77), Token::NONE, &[found, claim]));
    }

    #[test]
    fn too_many_messages_at_once_are_refused_and_say_when() {
        let mut network = Network::of(&["anna", "bert"]);
        assert_eq!(network.say(0, "1"), Ok(1));
        assert_eq!(network.say(0, "2"), Ok(2));
        assert_eq!(network.say(0, "3"), Err(SayError::UnderWay));
        network.run(1_000);
        let refused = (0..20).find_map(|_| {
            network.run(40);
            network.say(0, "x").err()
        });
        let Some(SayError::TooFast(at)) = refused else { panic!("{refused:?}") };
        assert!(at > network.now && at - network.now <= Duration::from_millis(200));
        let seeking = network.start(config("cleo"));
        assert_eq!(network.say(seeking, "z"), Err(SayError::NotMember));
    }
}
