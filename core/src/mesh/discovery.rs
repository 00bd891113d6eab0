//! Finding a group, founding one, and answering those who look for one (docs/mesh-protocol.md section 7.1, "Seeking").
//!
//! A newcomer seeks until a Found comes; one that hears of nobody, and of no newcomer with a lower id, founds a group. Seeks of
//! members are beacons: they show one group to another.

use super::random::Random;
use super::{Arrival, Nonce, PeerId, config::Timers};
use crate::address::Address;
use crate::limits::{MESH_FOUNDS_MAX, MESH_SEEK_ANSWERS, MESH_SEEK_WALKS};
use crate::time::Instant;
use core::time::Duration;
use heapless::Vec;

/// Pauses after the first Seeks, in milliseconds: they go out at 0, 200, 500 and 1,000 ms.
const FIRST_PAUSES_MS: [u64; 3] = [200, 300, 500];
/// Pauses before the repetitions of a founder's Found: it goes out at 0, 500, 1,000 and 2,000 ms.
const ANNOUNCE_PAUSES_MS: [u64; 4] = [500, 500, 1_000, 0];

/// Why a peer seeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// It does not.
    Off,
    /// To find a group.
    Newcomer,
    /// To find a group, after it founded one that nobody else is in.
    Lone,
    /// To show its group to others, and to compare tables.
    Member,
}

/// Seeks and is found.
#[derive(Debug)]
pub(super) struct Discovery {
    /// Why it seeks.
    mode: Mode,
    /// The nonce of its Seeks.
    nonce: Nonce,
    /// How many rounds of Seeks have begun.
    rounds: u8,
    /// When the next round begins.
    round_at: Option<Instant>,
    /// How many of the round's destinations are still to come.
    left: u8,
    /// If the last beacon of a member counted more members than were known here: how many, and how many were known. Else zeros.
    behind: (u32, u32),
    /// A stranger that shows a group and is to be asked for it.
    callback: Option<Address>,
    /// When a group is founded, unless something is heard.
    found_at: Option<Instant>,
    /// How many announcements were made of the foundation, and when the next is due.
    announced: Option<(usize, Instant)>,
    /// Seeks that are to be answered.
    founds: Vec<Found, MESH_FOUNDS_MAX>,
}

/// A Seek that is to be answered.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// Who asked, and from where.
    to: (PeerId, Address),
    /// The nonce.
    nonce: Nonce,
    /// When it is due.
    due_at: Instant,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A Seek to the destination of this index of the round, counted down.
    Seek(u8),
    /// A Seek to a stranger.
    Callback(Address),
    /// A Found to all.
    Announce,
    /// An answer.
    Found(PeerId, Address, Nonce),
}

impl Discovery {
    /// It does nothing yet.
    pub(super) const OFF: Self = Self {
        mode: Mode::Off,
        nonce: Nonce(0),
        rounds: 0,
        round_at: None,
        left: 0,
        behind: (0, 0),
        callback: None,
        found_at: None,
        announced: None,
        founds: Vec::new(),
    };

    /// Why it seeks.
    pub(super) const fn mode(&self) -> Mode {
        self.mode
    }

    /// The nonce of its Seeks.
    pub(super) const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// Begins to seek for another reason. A newcomer seeks at once.
    pub(super) fn start(&mut self, now: Instant, timers: &Timers, random: &mut Random, mode: Mode) {
        *self = Self { mode, nonce: Nonce(random.word()), founds: self.founds.clone(), ..Self::OFF };
        match mode {
            Mode::Off => {}
            Mode::Newcomer => (self.round_at, self.found_at) = (Some(now), Some(now + timers.found_after)),
            Mode::Lone => self.round_at = Some(now + timers.lone_seek_pause),
            Mode::Member => self.round_at = Some(now + random.between(timers.beacon_min, timers.beacon_max)),
        }
    }

    /// The peer has founded a group: that is announced.
    pub(super) fn announce(&mut self, now: Instant) {
        self.announced = Some((0, now));
    }

    /// A newcomer with a lower id seeks too, or deadlines start anew: the foundation is put off.
    pub(super) fn put_off(&mut self, now: Instant, timers: &Timers) {
        self.found_at = self.found_at.map(|_| now + timers.found_after);
    }

    /// Another member's beacon was heard: the own is put off.
    pub(super) fn handle_beacon(&mut self, now: Instant, timers: &Timers, random: &mut Random) {
        if self.mode == Mode::Member && self.left == 0 {
            self.round_at = Some(now + random.between(timers.beacon_min, timers.beacon_max));
        }
    }

    /// A member's beacon counted so many members, `own` are known here: whether its sender is to be asked for rows. A few ask at once, because
    /// what is new rides too. Who knows fewer than the beacon before counted, though nobody has gone since, was missed by what rides, and asks.
    pub(super) fn is_left_behind(&mut self, random: &mut Random, members: u32, own: u32) -> bool {
        let is_chosen = random.below(usize::try_from(own).unwrap_or(usize::MAX)) < MESH_SEEK_WALKS;
        let is_behind = own < members;
        let (counted, known) = core::mem::replace(&mut self.behind, if is_behind { (members, own) } else { (0, 0) });
        is_behind && (is_chosen || (known..counted).contains(&own))
    }

    /// A stranger shows a group: it is to be asked for it.
    pub(super) fn call_back(&mut self, address: Address) {
        self.callback = Some(address);
    }

    /// Whether it is time to found a group.
    pub(super) fn may_found(&self, now: Instant) -> bool {
        self.found_at.is_some_and(|found_at| found_at <= now)
    }

    /// A Seek is to be answered by this member of so many. Gives `false` if too many wait.
    pub(super) fn answer(
        &mut self,
        (now, timers): (Instant, &Timers),
        random: &mut Random,
        arrival: Arrival,
        (to, nonce): ((PeerId, Address), Nonce),
        members: usize,
    ) -> bool {
        let (chosen, delay) = match arrival {
            Arrival::Unicast => (true, Duration::ZERO),
            Arrival::Multicast => {
                (random.below(members) < MESH_SEEK_ANSWERS, random.between(Duration::ZERO, timers.found_delay_max))
            }
        };
        let is_same = |found: &&mut Found| found.to == to;
        match self.founds.iter_mut().find(is_same) {
            Some(found) => found.nonce = nonce,
            None if chosen => return self.founds.push(Found { to, nonce, due_at: now + delay }).is_ok(),
            None => {}
        }
        true
    }

    /// What is to be sent now; it counts as sent. A round has so many destinations.
    pub(super) fn due(&mut self, now: Instant, timers: &Timers, random: &mut Random, destinations: u8) -> Option<Due> {
        if let Some(index) = self.founds.iter().position(|found| found.due_at <= now) {
            let Found { to: (id, address), nonce, .. } = self.founds.swap_remove(index);
            return Some(Due::Found(id, address, nonce));
        }
        if let Some((count, due_at)) = self.announced
            && due_at <= now
        {
            let pause = ANNOUNCE_PAUSES_MS.get(count).copied().unwrap_or(0);
            self.announced = (pause > 0).then(|| (count + 1, now + Duration::from_millis(pause)));
            return Some(Due::Announce);
        }
        if self.mode != Mode::Off
            && let Some(address) = self.callback.take()
        {
            return Some(Due::Callback(address));
        }
        if self.round_at.is_some_and(|round_at| round_at <= now) {
            self.round_at = Some(now + self.pause(timers, random));
            self.rounds = self.rounds.saturating_add(1);
            self.left = destinations;
        }
        self.left = self.left.min(destinations);
        self.left.checked_sub(1).map(|left| {
            self.left = left;
            Due::Seek(left)
        })
    }

    /// The pause until the next round.
    fn pause(&self, timers: &Timers, random: &mut Random) -> Duration {
        match self.mode {
            Mode::Newcomer => match FIRST_PAUSES_MS.get(usize::from(self.rounds)) {
                Some(&millis) => Duration::from_millis(millis),
                None => random.between(timers.seek_pause, timers.seek_pause + timers.seek_pause / 5),
            },
            Mode::Off | Mode::Lone => timers.lone_seek_pause,
            Mode::Member => random.between(timers.beacon_min, timers.beacon_max),
        }
    }

    /// When something is due next.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let founds = self.founds.iter().map(|found| found.due_at);
        let announced = self.announced.map(|(_, due_at)| due_at);
        founds.chain(announced).chain(self.round_at).chain(self.found_at).min()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use core::net::SocketAddr;
    use std::vec::Vec;

    const TIMERS: Timers = Timers::DEFAULT;
    const ID: PeerId = PeerId(9);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn address(last: u8) -> Address {
        Address::from(SocketAddr::from(([10, 0, 0, last], 9292)))
    }

    fn started(mode: Mode) -> (Discovery, Random) {
        let (mut discovery, mut random) = (Discovery::OFF, Random::new([4; 16]));
        discovery.start(at(0), &TIMERS, &mut random, mode);
        (discovery, random)
    }

    /// The times until `end` at which something is due.
    fn times(discovery: &mut Discovery, random: &mut Random, end: u64) -> Vec<u64> {
        let mut times = Vec::new();
        for millis in 0..end {
            while discovery.due(at(millis), &TIMERS, random, 1).is_some() {
                times.push(millis);
            }
        }
        times
    }

    #[test]
    fn newcomer_seeks_four_times_in_the_first_second_and_then_each_half_with_jitter() {
        let (mut discovery, mut random) = started(Mode::Newcomer);
        let times = times(&mut discovery, &mut random, 3_000);
        assert_eq!(times[..4], [0, 200, 500, 1_000]);
        assert!(times[3..].windows(2).all(|pair| (500..=600).contains(&(pair[1] - pair[0]))), "{times:?}");
        assert!(!discovery.may_found(at(2_999)));
        assert!(discovery.may_found(at(3_000)));
    }

    #[test]
    fn lower_newcomer_puts_the_foundation_off() {
        let (mut discovery, _) = started(Mode::Newcomer);
        discovery.put_off(at(2_500), &TIMERS);
        assert!(!discovery.may_found(at(5_499)));
        assert!(discovery.may_found(at(5_500)));
    }

    #[test]
    fn founder_announces_four_times_in_two_seconds() {
        let (mut discovery, mut random) = started(Mode::Lone);
        discovery.announce(at(0));
        assert_eq!(times(&mut discovery, &mut random, 4_000), [0, 500, 1_000, 2_000]);
    }

    #[test]
    fn round_goes_to_every_destination() {
        let (mut discovery, mut random) = started(Mode::Newcomer);
        let mut due = || discovery.due(at(0), &TIMERS, &mut random, 3);
        assert_eq!([due(), due(), due(), due()], [Some(Due::Seek(2)), Some(Due::Seek(1)), Some(Due::Seek(0)), None]);
    }

    #[test]
    fn beacon_heard_puts_the_own_off() {
        let (mut discovery, mut random) = started(Mode::Member);
        for second in 1..30 {
            discovery.handle_beacon(at(second * 4_000), &TIMERS, &mut random);
            assert_eq!(discovery.due(at(second * 4_000), &TIMERS, &mut random, 1), None);
        }
        assert!(discovery.due_at().unwrap() <= at(29 * 4_000 + 10_000));
    }

    #[test]
    fn who_stays_behind_what_a_beacon_counted_asks_at_the_next() {
        let mut random = Random::new([7; 16]);
        let mut asked = [0; 6];
        for _ in 0..1_000 {
            let mut discovery = Discovery::OFF;
            // The members that a beacon counts, and those known here: more, again while nobody came, while some came, while others came as
            // fast, while one has gone, and as many.
            let beacons = [(240, 160), (240, 160), (240, 239), (250, 240), (250, 239), (239, 239)];
            for (asked, (members, own)) in asked.iter_mut().zip(beacons) {
                *asked += u32::from(discovery.is_left_behind(&mut random, members, own));
            }
        }
        let [first, again, some, kept_up, fewer, equal] = asked;
        assert!([first, kept_up, fewer].iter().all(|asked| (40..140).contains(asked)), "{asked:?}");
        assert_eq!((again, some, equal), (1_000, 1_000, 0));
    }

    #[test]
    fn seek_by_unicast_is_always_answered_and_by_multicast_by_about_four() {
        let mut random = Random::new([5; 16]);
        let mut answered = 0;
        for _ in 0..1_000 {
            let mut discovery = Discovery::OFF;
            let to = ((ID, address(1)), Nonce(7));
            assert!(discovery.answer((at(0), &TIMERS), &mut random, Arrival::Multicast, to, 40));
            answered += discovery.founds.len();
            assert!(discovery.answer((at(0), &TIMERS), &mut random, Arrival::Unicast, to, 40));
            assert_eq!(discovery.founds.len(), 1);
            assert!(discovery.due(at(100), &TIMERS, &mut random, 0).is_some());
        }
        assert!((60..140).contains(&answered), "{answered}");
    }

    #[test]
    fn seventh_waiting_seek_is_dropped_and_told() {
        let (mut discovery, mut random) = (Discovery::OFF, Random::new([6; 16]));
        for last in 0..7 {
            let to = ((ID, address(last)), Nonce(7));
            assert_eq!(discovery.answer((at(0), &TIMERS), &mut random, Arrival::Unicast, to, 1), last < 6);
        }
    }
}
