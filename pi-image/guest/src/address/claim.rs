//! The rules by which a machine takes an IPv4 address and keeps it among others that may have it too: RFC 5227, and RFC 3927 for
//! addresses of its own choice. No socket and no clock is inside: packets and times come in, and what is to be done comes out.

use super::arp::{HardwareAddress, Packet};
use std::net::Ipv4Addr;
use std::time::Duration;

// RFC 3927 section 9 and RFC 5227 section 1.1 have the same values under the same names.
/// Longest wait before the first probe.
const PROBE_WAIT: Duration = Duration::from_secs(1);
/// Probes before an address is taken.
const PROBE_NUM: u8 = 3;
/// Shortest pause between two probes; the longest is twice as long.
const PROBE_MIN: Duration = Duration::from_secs(1);
/// Pause between the last probe and the first announcement.
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
/// Announcements of an address that is taken.
const ANNOUNCE_NUM: u8 = 2;
/// Pause between two announcements.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// Conflicts after which addresses are tried more slowly.
const MAX_CONFLICTS: u32 = 10;
/// Pause before each further address then.
const RATE_LIMIT_INTERVAL: Duration = Duration::from_secs(60);
/// An address is defended once in this time; a second conflict within it ends its use.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// The address of the settings is probed for so many times faster than RFC 5227 has it, which takes up to 7 s: within 1 to 1.75 s. Its
/// section 2.2 foresees shorter pauses for faster links; systemd-networkd and NetworkManager take 0.2 s for all of it. A machine that
/// answers later than that is told of when it is heard. Link-local addresses keep the pauses that RFC 3927 demands of them.
const SETTINGS_SPEED: u32 = 4;
/// Shortest pause before the address of the settings is probed for again, while another machine has it; the longest is twice as long.
const RETRY_MIN: Duration = Duration::from_secs(10);
/// A conflict that lasts is told once in this time, and asked about where nothing is heard of it.
const TELL_INTERVAL: Duration = Duration::from_secs(60);

/// The addresses that RFC 3927 section 2.1 gives to choose from: 169.254.1.0 and the following.
const LINK_LOCAL_FIRST: u32 = 0xa9fe_0100;
/// How many they are: up to 169.254.254.255.
const LINK_LOCAL_COUNT: u64 = 254 * 256;

/// Where an address comes from, which says what happens if another machine has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The machine's own choice: probed for, defended once, and then another one is chosen.
    LinkLocal,
    /// A DHCP server, whose client has probed for it: defended once, and then given up, so that the client asks anew and declines it.
    Leased(Ipv4Addr),
    /// The settings: taken only while nobody else has it, and never given up.
    Settings(Ipv4Addr),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    /// Broadcast the packet.
    Send(Packet),
    /// Give the interface this address.
    Take(Ipv4Addr),
    /// Take this address from the interface.
    Drop(Ipv4Addr),
    /// The lease cannot be used: ask for another one. Nothing comes after it.
    Lost(Ipv4Addr),
    /// Tell this to the person at the console.
    Tell(String),
}

/// How far an address has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not taken.
    Probing {
        /// Probes that have been sent.
        sent: u8,
    },
    /// Taken.
    Held {
        /// Announcements that have been sent.
        announced: u8,
        /// When it was defended last.
        defended_at: Option<Duration>,
    },
    /// Given up for good.
    Lost,
}

/// One address of one interface. Times are since an arbitrary zero.
#[derive(Debug)]
pub(super) struct Claim {
    /// The interface's hardware address.
    hardware: HardwareAddress,
    /// Where the address comes from.
    origin: Origin,
    /// The address.
    address: Ipv4Addr,
    /// How far it has got.
    state: State,
    /// When `handle_timeout` is due.
    due_at: Option<Duration>,
    /// Link-local addresses that another machine had.
    conflict_count: u32,
    /// When a conflict was told last.
    told_at: Option<Duration>,
    /// Chooses link-local addresses: from the hardware address, so that a machine tries the same ones each time.
    choices: Random,
    /// Chooses pauses, for which two machines that start together must not agree.
    pauses: Random,
}

impl Claim {
    /// An address to be taken, or one that is leased already. `seed` is for the pauses.
    pub(super) fn new(origin: Origin, hardware: HardwareAddress, now: Duration, seed: u64) -> Self {
        let number = hardware.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let mut claim = Self {
            hardware,
            origin,
            address: Ipv4Addr::UNSPECIFIED,
            state: State::Probing { sent: 0 },
            due_at: None,
            conflict_count: 0,
            told_at: None,
            choices: Random(number),
            pauses: Random(seed),
        };
        match origin {
            Origin::LinkLocal => claim.choose(),
            Origin::Leased(address) | Origin::Settings(address) => claim.address = address,
        }
        claim.due_at = Some(if let Origin::Leased(_) = origin {
            claim.state = State::Held { announced: 0, defended_at: None };
            now
        } else {
            let wait = claim.pauses.below(PROBE_WAIT);
            now + claim.paced(wait)
        });
        claim
    }

    /// A pause of the RFCs before the address is taken, as this address has it.
    fn paced(&self, pause: Duration) -> Duration {
        if let Origin::Settings(_) = self.origin { pause / SETTINGS_SPEED } else { pause }
    }

    /// When `handle_timeout` is due; every call of a `handle_` function may change it.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.due_at
    }

    /// Does what is due at this time: at most one packet.
    pub(super) fn handle_timeout(&mut self, now: Duration) -> Vec<Output> {
        if self.due_at.is_none_or(|due_at| now < due_at) {
            return Vec::new();
        }
        match self.state {
            State::Probing { sent } if sent < PROBE_NUM => {
                self.state = State::Probing { sent: sent + 1 };
                let is_last = sent + 1 == PROBE_NUM;
                let pause = if is_last { ANNOUNCE_WAIT } else { PROBE_MIN + self.pauses.below(PROBE_MIN) };
                self.due_at = Some(now + self.paced(pause));
                vec![Output::Send(Packet::probe(self.hardware, self.address))]
            }
            State::Probing { .. } => {
                self.state = State::Held { announced: 0, defended_at: None };
                let announcement = self.announce(now, 0);
                vec![Output::Take(self.address), announcement]
            }
            State::Held { announced, .. } if announced < ANNOUNCE_NUM => vec![self.announce(now, announced)],
            // The address of the settings, which another machine had a minute ago: if it has it still, it answers.
            State::Held { .. } => {
                self.due_at = None;
                vec![Output::Send(Packet::probe(self.hardware, self.address))]
            }
            State::Lost => {
                self.due_at = None;
                Vec::new()
            }
        }
    }

    /// Announces the address once more than `announced` times.
    fn announce(&mut self, now: Duration, announced: u8) -> Output {
        if let State::Held { announced: count, .. } = &mut self.state {
            *count = announced + 1;
        }
        self.due_at = (announced + 1 < ANNOUNCE_NUM).then(|| now + ANNOUNCE_INTERVAL);
        Output::Send(Packet::announcement(self.hardware, self.address))
    }

    /// Takes a packet that came.
    pub(super) fn handle_packet(&mut self, now: Duration, packet: &Packet) -> Vec<Output> {
        let is_foreign = packet.sender_hardware != self.hardware;
        let has_address = is_foreign && packet.sender == self.address;
        // Another machine probes for the same address at the same time (RFC 5227 section 2.1.1).
        let wants_address =
            is_foreign && packet.is_request && packet.sender.is_unspecified() && packet.target == self.address;
        match self.state {
            State::Probing { sent } if has_address || wants_address => self.pass_over(now, sent, packet),
            State::Held { defended_at, .. } if has_address => self.defend(now, defended_at, packet),
            _ => Vec::new(),
        }
    }

    /// Another machine has, or wants, the address that is probed for.
    fn pass_over(&mut self, now: Duration, sent: u8, packet: &Packet) -> Vec<Output> {
        self.state = State::Probing { sent: 0 };
        if self.origin == Origin::LinkLocal {
            self.choose_another(now);
            return Vec::new();
        }
        // What is heard in the pause before the next probes makes it no longer.
        if sent > 0 {
            self.due_at = Some(now + RETRY_MIN + self.pauses.below(RETRY_MIN));
        }
        let what = format!("another machine ({}) has the address {}", shown(packet.sender_hardware), self.address);
        self.tell(now, format!("{what} of settings.txt: this one does not take it, and asks again"))
    }

    /// Another machine uses the address that is held.
    fn defend(&mut self, now: Duration, defended_at: Option<Duration>, packet: &Packet) -> Vec<Output> {
        let other = shown(packet.sender_hardware);
        let is_again = defended_at.is_some_and(|defended_at| now < defended_at + DEFEND_INTERVAL);
        if let Origin::Settings(address) = self.origin {
            let what =
                format!("another machine ({other}) uses the address {address} of this one too: change one of them");
            let mut outputs = self.tell(now, what);
            if !is_again {
                outputs.push(self.defence(now));
            }
            self.due_at = Some(self.due_at.unwrap_or(now + TELL_INTERVAL));
            return outputs;
        }
        let address = self.address;
        if !is_again {
            let what = format!("another machine ({other}) uses the address {address} of this one too");
            let mut outputs = self.tell(now, what);
            outputs.push(self.defence(now));
            return outputs;
        }
        let told = Output::Tell(format!("another machine ({other}) keeps the address {address}: this one gives it up"));
        if self.origin == Origin::LinkLocal {
            self.state = State::Probing { sent: 0 };
            self.choose_another(now);
            vec![told, Output::Drop(address)]
        } else {
            (self.state, self.due_at) = (State::Lost, None);
            vec![told, Output::Lost(address)]
        }
    }

    /// Claims the address against another machine.
    fn defence(&mut self, now: Duration) -> Output {
        if let State::Held { defended_at, .. } = &mut self.state {
            *defended_at = Some(now);
        }
        Output::Send(Packet::announcement(self.hardware, self.address))
    }

    /// Tells something of a conflict, unless a conflict was told less than a minute ago.
    fn tell(&mut self, now: Duration, what: String) -> Vec<Output> {
        if self.told_at.is_some_and(|told_at| now < told_at + TELL_INTERVAL) {
            return Vec::new();
        }
        self.told_at = Some(now);
        vec![Output::Tell(what)]
    }

    /// Chooses the next link-local address after a conflict; slowly after many.
    fn choose_another(&mut self, now: Duration) {
        self.choose();
        self.conflict_count += 1;
        let is_slow = self.conflict_count >= MAX_CONFLICTS;
        self.due_at = Some(now + if is_slow { RATE_LIMIT_INTERVAL } else { self.pauses.below(PROBE_WAIT) });
    }

    /// Chooses the next link-local address.
    fn choose(&mut self) {
        let offset = (self.choices.next() % LINK_LOCAL_COUNT) as u32;
        self.address = Ipv4Addr::from(LINK_LOCAL_FIRST + offset);
    }
}

/// A hardware address as people write it.
fn shown(hardware: HardwareAddress) -> String {
    hardware.map(|byte| format!("{byte:02x}")).join(":")
}

/// Numbers that follow from a seed (SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// The next number.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ number >> 31
    }

    /// A time shorter than this one, which is a second at least.
    fn below(&mut self, time: Duration) -> Duration {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.next() % millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: HardwareAddress = [2, 0, 0, 0, 0, 1];
    const THEIRS: HardwareAddress = [2, 0, 0, 0, 0, 2];
    const FIXED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 5);

    /// Some claims on one cable: each hears what the others send.
    struct Cable {
        now: Duration,
        claims: Vec<Claim>,
        outputs: Vec<(Duration, usize, Output)>,
    }

    impl Cable {
        fn new(claims: Vec<Claim>) -> Self {
            Self { now: Duration::ZERO, claims, outputs: Vec::new() }
        }

        /// Runs until so many seconds.
        fn run(&mut self, seconds: u64) {
            self.run_until(Duration::from_secs(seconds));
        }

        fn run_until(&mut self, end: Duration) {
            while let Some(due_at) =
                self.claims.iter().filter_map(Claim::poll_timeout).min().filter(|due_at| *due_at <= end)
            {
                self.now = due_at;
                for index in 0..self.claims.len() {
                    let outputs = self.claims[index].handle_timeout(due_at);
                    self.take(index, outputs);
                }
            }
            self.now = end;
        }

        /// Carries out what a claim wants.
        fn take(&mut self, index: usize, outputs: Vec<Output>) {
            for output in outputs {
                self.outputs.push((self.now, index, output.clone()));
                if let Output::Send(packet) = output {
                    for other in (0..self.claims.len()).filter(|other| *other != index) {
                        let outputs = self.claims[other].handle_packet(self.now, &packet);
                        self.take(other, outputs);
                    }
                }
            }
        }

        /// A packet of a machine that is no claim.
        fn hear(&mut self, packet: &Packet) {
            for index in 0..self.claims.len() {
                let outputs = self.claims[index].handle_packet(self.now, packet);
                self.take(index, outputs);
            }
        }

        /// What a claim has done besides packets.
        fn done(&self, index: usize) -> Vec<&Output> {
            let all = self.outputs.iter().filter(|(_, of, output)| *of == index && !matches!(output, Output::Send(_)));
            all.map(|(_, _, output)| output).collect()
        }

        fn sent(&self, index: usize) -> Vec<(Duration, Packet)> {
            let packets = self.outputs.iter().filter_map(|(at, of, output)| match output {
                Output::Send(packet) if *of == index => Some((*at, *packet)),
                _ => None,
            });
            packets.collect()
        }

        /// The address that a claim has taken last and not dropped since.
        fn held(&self, index: usize) -> Option<Ipv4Addr> {
            self.done(index).iter().fold(None, |held, output| match output {
                Output::Take(address) => Some(*address),
                Output::Drop(_) | Output::Lost(_) => None,
                _ => held,
            })
        }
    }

    fn claim(origin: Origin, hardware: HardwareAddress, seed: u64) -> Claim {
        Claim::new(origin, hardware, Duration::ZERO, seed)
    }

    /// A claim by one machine alone on the cable, of an address that it holds since long.
    fn held(origin: Origin) -> Cable {
        let mut cable = Cable::new(vec![claim(origin, OURS, 1)]);
        cable.run(100);
        cable
    }

    #[test]
    fn address_that_nobody_has_is_probed_for_three_times_taken_and_announced_twice() {
        let cable = held(Origin::LinkLocal);
        let address = cable.held(0).unwrap();
        let sent = cable.sent(0);
        let packets: Vec<_> = sent.iter().map(|(_, packet)| *packet).collect();
        let (probe, announcement) = (Packet::probe(OURS, address), Packet::announcement(OURS, address));
        assert_eq!(packets, [probe, probe, probe, announcement, announcement]);
        let pauses: Vec<_> = sent.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis()).collect();
        assert!(sent[0].0 < PROBE_WAIT && pauses[..2].iter().all(|pause| (1_000..2_000).contains(pause)), "{sent:?}");
        assert_eq!(pauses[2..], [2_000, 2_000]);
    }

    #[test]
    fn address_of_the_settings_is_probed_for_three_times_and_taken_within_two_seconds() {
        for seed in 0..200 {
            let mut cable = Cable::new(vec![claim(Origin::Settings(FIXED), OURS, seed)]);
            cable.run(100);
            let sent = cable.sent(0);
            let packets: Vec<_> = sent.iter().map(|(_, packet)| *packet).collect();
            let (probe, announcement) = (Packet::probe(OURS, FIXED), Packet::announcement(OURS, FIXED));
            assert_eq!(packets, [probe, probe, probe, announcement, announcement]);
            // From the first probe to the address there is time for an answer, whatever was drawn.
            let (first_at, taken_at) = (sent[0].0, sent[3].0);
            assert!(taken_at - first_at >= Duration::from_secs(1), "{seed}: {sent:?}");
            assert!(taken_at < Duration::from_millis(1_750), "{seed}: {sent:?}");
            assert_eq!(sent[4].0 - taken_at, ANNOUNCE_INTERVAL);
        }
    }

    #[test]
    fn choices_differ_between_machines_stay_the_same_and_are_in_range() {
        let mut seen = std::collections::HashSet::new();
        for last in 0..=255 {
            let hardware = [0xb8, 0x27, 0xeb, 0, 0, last];
            let address = claim(Origin::LinkLocal, hardware, u64::from(last)).address;
            assert_eq!(claim(Origin::LinkLocal, hardware, 7).address, address);
            assert!(
                (Ipv4Addr::new(169, 254, 1, 0)..=Ipv4Addr::new(169, 254, 254, 255)).contains(&address),
                "{address}"
            );
            seen.insert(address);
        }
        // Of 256 drawn from 65,024, one pair agrees by chance two times in five.
        assert!(seen.len() >= 252, "{}", seen.len());
    }

    #[test]
    fn two_machines_that_probe_for_the_same_address_at_once_take_two() {
        for seed in 0..200 {
            // The same hardware address in their choices, not in their packets.
            let mut claims = vec![claim(Origin::LinkLocal, OURS, seed), claim(Origin::LinkLocal, THEIRS, seed + 1_000)];
            claims[1].choices = Random(claims[0].choices.0);
            claims[1].address = claims[0].address;
            let mut cable = Cable::new(claims);
            cable.run(60);
            let addresses = [cable.held(0), cable.held(1)];
            assert!(addresses.iter().all(Option::is_some) && addresses[0] != addresses[1], "{seed}: {addresses:?}");
        }
    }

    #[test]
    fn address_in_use_is_passed_over_and_slowly_after_ten() {
        let mut cable = Cable::new(vec![claim(Origin::LinkLocal, OURS, 1)]);
        let mut before = Vec::new();
        for _ in 0..12 {
            let address = cable.claims[0].address;
            before.push((cable.now, address));
            let due_at = cable.claims[0].poll_timeout().unwrap();
            cable.run(due_at.as_secs() + 1);
            cable.hear(&Packet { is_request: false, sender_hardware: THEIRS, sender: address, target: address });
            assert_ne!(cable.claims[0].address, address);
        }
        let pauses: Vec<_> = before.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs()).collect();
        assert!(pauses[..10].iter().all(|pause| *pause <= 3) && pauses[10] >= 60, "{pauses:?}");
        assert_eq!(cable.held(0), None);
    }

    #[test]
    fn held_address_is_defended_once_and_then_another_one_taken() {
        let mut cable = held(Origin::LinkLocal);
        let address = cable.held(0).unwrap();
        let theirs = Packet::announcement(THEIRS, address);
        let sent = cable.sent(0).len();
        cable.hear(&theirs);
        assert_eq!(cable.sent(0)[sent..], [(cable.now, Packet::announcement(OURS, address))]);
        assert_eq!(cable.held(0), Some(address));
        cable.run(109);
        cable.hear(&theirs);
        assert_eq!(cable.done(0).last(), Some(&&Output::Drop(address)));
        cable.run(120);
        assert!(cable.held(0).is_some_and(|other| other != address));
    }

    #[test]
    fn conflict_after_the_defence_interval_is_defended_again() {
        let mut cable = held(Origin::LinkLocal);
        let address = cable.held(0).unwrap();
        for seconds in [110, 120, 130] {
            cable.run(seconds);
            cable.hear(&Packet::announcement(THEIRS, address));
        }
        assert_eq!(cable.held(0), Some(address));
        assert_eq!(cable.sent(0).len(), 5 + 3);
    }

    #[test]
    fn two_machines_joined_later_with_the_same_address_end_with_two() {
        let (one, mut two) = (held(Origin::LinkLocal), held(Origin::LinkLocal));
        let address = one.held(0).unwrap();
        let (mut first, mut second) = (one.claims, two.claims.drain(..).collect::<Vec<_>>());
        second[0].hardware = THEIRS;
        first.append(&mut second);
        let mut cable = Cable::new(first);
        cable.now = Duration::from_secs(100);
        cable.outputs = vec![(cable.now, 0, Output::Take(address)), (cable.now, 1, Output::Take(address))];
        // The first of them asks for somebody, as machines do.
        let question = Packet { is_request: true, sender_hardware: OURS, sender: address, target: FIXED };
        let outputs = cable.claims[1].handle_packet(cable.now, &question);
        cable.take(1, outputs);
        cable.run(120);
        assert_ne!(cable.held(0) == Some(address), cable.held(1) == Some(address));
        assert!(cable.held(0).is_some() && cable.held(1).is_some());
    }

    #[test]
    fn leased_address_is_announced_defended_and_given_up_for_good() {
        let mut cable = held(Origin::Leased(FIXED));
        let announcement = Packet::announcement(OURS, FIXED);
        assert_eq!(cable.sent(0), [(Duration::ZERO, announcement), (ANNOUNCE_INTERVAL, announcement)]);
        for _ in 0..3 {
            cable.hear(&Packet::announcement(THEIRS, FIXED));
        }
        let [Output::Tell(first), Output::Tell(second), Output::Lost(FIXED)] = cable.done(0)[..] else {
            panic!("{:?}", cable.done(0));
        };
        assert!(first.contains("02:00:00:00:00:02) uses the address 192.0.2.5"), "{first}");
        assert!(second.contains("gives it up"), "{second}");
        assert_eq!(cable.claims[0].poll_timeout(), None);
    }

    #[test]
    fn address_of_the_settings_that_another_has_is_told_each_minute_and_taken_when_it_is_free() {
        let mut cable = Cable::new(vec![claim(Origin::Settings(FIXED), OURS, 1)]);
        let mut probes = 0;
        // The other one answers each probe, for five minutes.
        for tenth in 1..=3_000 {
            cable.run_until(Duration::from_millis(tenth * 100));
            let sent = cable.sent(0).len();
            if sent > probes {
                probes = sent;
                cable.hear(&Packet { is_request: false, sender_hardware: THEIRS, sender: FIXED, target: FIXED });
            }
        }
        let told = cable.done(0).len();
        assert!((4..=5).contains(&told) && cable.held(0).is_none(), "{:?}", cable.done(0));
        assert!((15..=30).contains(&probes), "{probes}");
        cable.run(330);
        assert_eq!(cable.held(0), Some(FIXED));
    }

    #[test]
    fn address_of_the_settings_is_kept_and_a_conflict_that_lasts_is_told_again() {
        let mut cable = held(Origin::Settings(FIXED));
        let begin = cable.sent(0).len();
        cable.hear(&Packet::announcement(THEIRS, FIXED));
        // From now on the other one only answers.
        for second in 101..=280 {
            let sent = cable.sent(0).len();
            cable.run(second);
            if cable.sent(0).len() > sent {
                cable.hear(&Packet { is_request: false, sender_hardware: THEIRS, sender: FIXED, target: FIXED });
            }
        }
        let told = cable.done(0).iter().filter(|output| matches!(output, Output::Tell(_))).count();
        assert_eq!((told, cable.held(0)), (4, Some(FIXED)));
        // The conflict ends: one more question, and silence.
        cable.run(1_000);
        let packets = cable.sent(0).len() - begin;
        assert!(packets <= 8, "{packets}");
        assert_eq!(cable.claims[0].poll_timeout(), None);
    }

    #[test]
    fn own_packets_that_come_back_are_no_conflict() {
        let mut cable = held(Origin::Leased(FIXED));
        cable.hear(&Packet::announcement(OURS, FIXED));
        cable.hear(&Packet::probe(OURS, FIXED));
        // A machine that probes for a held address is answered by the kernel.
        cable.hear(&Packet::probe(THEIRS, FIXED));
        assert_eq!(cable.done(0), [] as [&Output; 0]);
    }
}
