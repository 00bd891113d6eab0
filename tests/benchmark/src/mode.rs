//! What is measured, one function for each mode; in every round each server has its turn.

use crate::datagram_load::{DatagramLoad, Wire};
use crate::load::Load;
use crate::sample::{Case, Figure, Samples};
use crate::server::{Cpus, Kind, PEERS, Server};
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Bytes of a text, where they are not varied.
const TEXT_BYTES: usize = 128;

/// Part of the measured time that goes before it.
const WARM_UP: u32 = 4;

/// Publishers and their texts in flight, where the server is to be saturated.
const SATURATING: (usize, u32) = (10, 16);

/// Members, where it is only to be shown that everything works.
const SMOKE_MEMBERS: usize = 50;

/// Lone texts are this far apart.
const LONE_PAUSE: Duration = Duration::from_millis(50);

/// How it is measured.
pub(crate) struct Bench {
    /// Where servers and generator run.
    pub(crate) cpus: Cpus,
    /// The folder of our own programs.
    pub(crate) programs: PathBuf,
    /// Where servers may write.
    pub(crate) folder: PathBuf,
    /// How often each server has its turn.
    pub(crate) rounds: usize,
    /// How long each turn is measured.
    pub(crate) duration: Duration,
    /// Only these numbers of members, or of what else is varied; all if it is empty.
    pub(crate) values: Vec<usize>,
    /// Whether it is only to be shown that everything works.
    pub(crate) smoke: bool,
    /// Whether other programs are measured too.
    pub(crate) peers: bool,
    /// What has been measured.
    pub(crate) samples: Samples,
}

/// Figures of one turn, or what went wrong.
type Outcome = Result<Vec<(Figure, f64)>, Box<dyn Error>>;

/// What measures a mode, given its name.
type Measure = fn(&mut Bench, &'static str) -> Result<(), Box<dyn Error>>;

/// A mode: its name on the command line, what it is, and what measures it.
pub(crate) struct Mode {
    /// On the command line and in the results.
    pub(crate) name: &'static str,
    /// In tables.
    pub(crate) title: &'static str,
    /// Measures it.
    pub(crate) measure: Measure,
}

/// What modes vary.
pub(crate) const AXES: [&str; 3] = ["members", "bytes", "texts/s"];

/// All modes, in their order.
pub(crate) const MODES: [Mode; 16] = [
    Mode { name: "saturated", title: "TCP saturated: 10 publishers, 16 texts in flight each", measure: saturated },
    Mode { name: "single", title: "TCP: 100 publishers, 1 text in flight each", measure: single },
    Mode { name: "lone", title: "TCP: one text every 50 ms", measure: lone },
    Mode { name: "storm", title: "TCP: all join at once", measure: storm },
    Mode { name: "idle", title: "TCP: silent members", measure: idle },
    Mode { name: "stalled", title: "TCP saturated: one member does not read", measure: stalled },
    Mode { name: "threads", title: "TCP saturated: two workers, on both CPUs beside the generator", measure: threads },
    Mode { name: "text", title: "TCP saturated: bytes of a text", measure: text },
    Mode { name: "rate", title: "TCP: texts a second", measure: rate },
    Mode { name: "page", title: "TCP and WebSockets saturated", measure: page },
    Mode { name: "page-lone", title: "TCP and WebSockets: one text every 50 ms", measure: page_lone },
    Mode { name: "page-idle", title: "TCP and WebSockets: silent members", measure: page_idle },
    Mode { name: "relay", title: "UDP saturated: 10 publishers, 16 texts in flight each", measure: relay },
    Mode { name: "relay-lone", title: "UDP: one text at a time", measure: relay_lone },
    Mode { name: "relay-rate", title: "UDP: texts a second to 100 members", measure: relay_rate },
    Mode { name: "start", title: "A server with nobody in it", measure: start },
];

impl Bench {
    /// Rounds over these servers for each of these values.
    fn rounds(
        &mut self,
        (mode, axis): (&'static str, &'static str),
        values: &[usize],
        kinds: &[Kind],
        turn: impl Fn(&Self, Kind, usize) -> Outcome,
    ) -> Result<(), Box<dyn Error>> {
        let values = if self.smoke { &values[values.len() - 1..] } else { values };
        for &value in values.iter().filter(|value| self.values.is_empty() || self.values.contains(value)) {
            for round in 1..=self.rounds {
                for &kind in kinds {
                    let mut value = value;
                    if axis == "members" && self.smoke {
                        value = value.min(SMOKE_MEMBERS);
                    } else if axis == "members" && value > kind.members_max() {
                        continue;
                    }
                    eprintln!("{mode}: {value} {axis}, {}, round {round} of {}", kind.title(), self.rounds);
                    let figures = turn(self, kind, value)
                        .map_err(|error| format!("{mode}, {value} {axis}, {}: {error}", kind.title()))?;
                    self.samples.push(Case { mode, axis, value }, kind, &figures);
                }
            }
        }
        Ok(())
    }

    /// These servers, and the programs of others where they are installed.
    fn with_peers(&self, kinds: &[Kind]) -> Vec<Kind> {
        let peers = PEERS.into_iter().filter(|peer| self.peers && peer.is_there());
        kinds.iter().copied().chain(peers).collect()
    }

    /// Starts a server.
    fn start(&self, kind: Kind) -> Result<Server, Box<dyn Error>> {
        Server::start(kind, self.cpus, &self.programs, &self.folder)
    }

    /// Starts a server and lets members join.
    fn loaded(&self, kind: Kind, members: usize, text_bytes: usize) -> Result<(Server, Load), Box<dyn Error>> {
        let server = self.start(kind)?;
        let mut load = Load::new(kind.protocol(), server.address, text_bytes)?;
        load.join(members)?;
        Ok((server, load))
    }

    /// Measures deliveries and their cost while this publishes for a time, after a shorter time that is not measured.
    fn deliveries<L>(
        &self,
        server: &Server,
        load: &mut L,
        count: fn(&L) -> u64,
        mut publish: impl FnMut(&mut L, Duration) -> Result<(), Box<dyn Error>>,
    ) -> Outcome {
        publish(load, self.duration / WARM_UP)?;
        let (start, cpu, deliveries) = (Instant::now(), server.cpu()?, count(load));
        publish(load, self.duration)?;
        let (elapsed, cpu, deliveries) = (start.elapsed(), server.cpu()? - cpu, count(load) - deliveries);
        if deliveries == 0 {
            return Err("nothing was delivered".into());
        }
        Ok(vec![
            (Figure::DeliveriesPerSecond, as_f64(deliveries) / elapsed.as_secs_f64()),
            (Figure::CpuMicrosPerDelivery, cpu.as_secs_f64() * 1e6 / as_f64(deliveries)),
        ])
    }

    /// So many publishers with so many texts in flight each.
    fn saturate(
        &self,
        kind: Kind,
        members: usize,
        text_bytes: usize,
        (publishers, in_flight): (usize, u32),
    ) -> Outcome {
        let (server, mut load) = self.loaded(kind, members, text_bytes)?;
        load.add_publishers(publishers)?;
        let publish = |load: &mut Load, duration| load.publish_for(duration, in_flight);
        let figures = self.deliveries(&server, &mut load, Load::deliveries, publish)?;
        load.drain()?;
        Ok(figures)
    }

    /// One text now and then.
    fn publish_lone(&self, kind: Kind, members: usize) -> Outcome {
        let (server, mut load) = self.loaded(kind, members, TEXT_BYTES)?;
        load.add_publishers(1)?;
        load.publish_lone(self.duration / WARM_UP, LONE_PAUSE)?;
        let (cpu, deliveries) = (server.cpu()?, load.deliveries());
        let last = load.publish_lone(self.duration, LONE_PAUSE)?;
        let (cpu, deliveries) = (server.cpu()? - cpu, load.deliveries() - deliveries);
        Ok(vec![
            (Figure::CpuMicrosPerDelivery, cpu.as_secs_f64() * 1e6 / as_f64(deliveries)),
            (Figure::LastMillis, last.as_secs_f64() * 1e3),
        ])
    }

    /// Members that say nothing.
    fn keep_silent(&self, kind: Kind, members: usize) -> Outcome {
        let server = self.start(kind)?;
        let mut load = Load::new(kind.protocol(), server.address, TEXT_BYTES)?;
        load.join(10)?;
        let own_bytes = server.own_bytes()?;
        load.join(members - 10)?;
        let grown = server.own_bytes()?.saturating_sub(own_bytes);
        let waits = server.waits()?;
        std::thread::sleep(self.duration);
        let wakes = server.waits()? - waits;
        Ok(vec![
            (Figure::BytesPerMember, as_f64(grown) / as_f64(members as u64 - 10)),
            (Figure::WakesPerSecond, as_f64(wakes) / self.duration.as_secs_f64()),
        ])
    }

    /// Starts a server of datagrams and registers members.
    fn datagrams(
        &self,
        kind: Kind,
        members: usize,
        publishers: usize,
    ) -> Result<(Server, DatagramLoad), Box<dyn Error>> {
        let server = self.start(kind)?;
        let wire = if kind == Kind::Relay { Wire::Relay } else { Wire::Bare };
        let load = DatagramLoad::new(wire, server.address, TEXT_BYTES, members, publishers)?;
        Ok((server, load))
    }
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "a figure needs no more than 53 bits")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

/// As much as goes, to more and more members.
fn saturated(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = bench.with_peers(&[Kind::LimitRound, Kind::LimitEach, Kind::Room]);
    bench.rounds((mode, "members"), &[10, 100, 1_000, 10_000], &kinds, |bench, kind, members| {
        bench.saturate(kind, members, TEXT_BYTES, SATURATING)
    })
}

/// Many publishers that each wait for their text to come back.
fn single(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = bench.with_peers(&[Kind::LimitRound, Kind::LimitEach, Kind::Room]);
    bench.rounds((mode, "members"), &[100, 1_000, 10_000], &kinds, |bench, kind, members| {
        bench.saturate(kind, members, TEXT_BYTES, (100.min(members), 1))
    })
}

/// One text now and then: nothing to send together.
fn lone(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = bench.with_peers(&[Kind::LimitEach, Kind::Room]);
    bench.rounds((mode, "members"), &[10, 100, 1_000], &kinds, Bench::publish_lone)
}

/// Everybody comes at once.
fn storm(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = bench.with_peers(&[Kind::LimitEach, Kind::Room]);
    bench.rounds((mode, "members"), &[1_000, 4_000], &kinds, |bench, kind, members| {
        let server = bench.start(kind)?;
        let mut load = Load::new(kind.protocol(), server.address, TEXT_BYTES)?;
        let elapsed = load.join_at_once(members)?;
        Ok(vec![(Figure::JoinsPerSecond, as_f64(members as u64) / elapsed.as_secs_f64())])
    })
}

/// Members that say nothing.
fn idle(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = bench.with_peers(&[Kind::LimitEach, Kind::Room]);
    bench.rounds((mode, "members"), &[1_000, 10_000], &kinds, Bench::keep_silent)
}

/// Members on TCP, and as many on WebSockets.
fn page(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    bench.rounds((mode, "members"), &[500], &[Kind::Room, Kind::Page], |bench, kind, members| {
        bench.saturate(kind, members, TEXT_BYTES, SATURATING)
    })
}

/// The same with nothing to send together.
fn page_lone(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    bench.rounds((mode, "members"), &[500], &[Kind::Room, Kind::Page], Bench::publish_lone)
}

/// The same with nothing to say.
fn page_idle(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    bench.rounds((mode, "members"), &[1_000], &[Kind::Room, Kind::Page], Bench::keep_silent)
}

/// A member stops reading: what that costs the others, and the server.
fn stalled(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = bench.with_peers(&[Kind::LimitRound, Kind::Room]);
    bench.rounds((mode, "members"), &[100, 1_000], &kinds, |bench, kind, members| {
        let (server, mut load) = bench.loaded(kind, members, TEXT_BYTES)?;
        let (publishers, in_flight) = SATURATING;
        load.add_publishers(publishers)?;
        load.publish_for(bench.duration / WARM_UP, in_flight)?;
        load.take_stall();
        load.publish_for(bench.duration, in_flight)?;
        let before = load.take_stall();
        let own_bytes = server.own_bytes()?;
        load.stall_last()?;
        load.publish_for(3 * bench.duration, in_flight)?;
        let beside = load.take_stall();
        let grown = server.own_bytes()?.saturating_sub(own_bytes);
        Ok(vec![
            (Figure::StallMillis, before.as_secs_f64() * 1e3),
            (Figure::StallMillisBeside, beside.as_secs_f64() * 1e3),
            (Figure::BytesBeside, as_f64(grown)),
        ])
    })
}

/// One worker, and two.
fn threads(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    bench.rounds((mode, "members"), &[100, 1_000, 10_000], &[Kind::Room, Kind::RoomOfTwo], |bench, kind, members| {
        bench.saturate(kind, members, TEXT_BYTES, SATURATING)
    })
}

/// Texts of different lengths.
fn text(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = [Kind::LimitRound, Kind::Room];
    bench.rounds((mode, "bytes"), &[16, 64, 256, 1_024], &kinds, |bench, kind, text_bytes| {
        bench.saturate(kind, 1_000, text_bytes, SATURATING)
    })
}

/// More and more texts a second.
fn rate(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = [Kind::LimitEach, Kind::LimitRound, Kind::Room];
    bench.rounds((mode, "texts/s"), &[10, 30, 100, 300, 1_000, 3_000, 10_000], &kinds, |bench, kind, rate| {
        // One send for each is too slow for more.
        let members = if rate > 1_000 { 10 } else { 100 };
        let (server, mut load) = bench.loaded(kind, members, TEXT_BYTES)?;
        load.add_publishers(10)?;
        let publish = |load: &mut Load, duration| load.publish_at(rate, duration);
        let figures = bench.deliveries(&server, &mut load, Load::deliveries, publish)?;
        load.drain()?;
        Ok(figures)
    })
}

/// As many datagrams as go.
fn relay(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = [Kind::LimitUdp, Kind::Relay];
    bench.rounds((mode, "members"), &[10, 100, 1_000], &kinds, |bench, kind, members| {
        let (server, mut load) = bench.datagrams(kind, members, SATURATING.0)?;
        let publish = |load: &mut DatagramLoad, duration| load.publish_for(duration, SATURATING.1);
        bench.deliveries(&server, &mut load, DatagramLoad::deliveries, publish)
    })
}

/// One datagram after the other.
fn relay_lone(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = [Kind::LimitUdp, Kind::Relay];
    bench.rounds((mode, "members"), &[10, 100, 1_000], &kinds, |bench, kind, members| {
        let (server, mut load) = bench.datagrams(kind, members, 1)?;
        let publish = |load: &mut DatagramLoad, duration| load.publish_lone(duration);
        bench.deliveries(&server, &mut load, DatagramLoad::deliveries, publish)
    })
}

/// Faster and faster, until something is lost.
fn relay_rate(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = [Kind::LimitUdp, Kind::Relay];
    bench.rounds(
        (mode, "texts/s"),
        &[1_000, 2_000, 4_000, 8_000, 12_000, 16_000, 20_000],
        &kinds,
        |bench, kind, rate| {
            let (server, mut load) = bench.datagrams(kind, 100, 10)?;
            let publish = |load: &mut DatagramLoad, duration| load.publish_at(u32::try_from(rate)?, duration);
            let mut figures = bench.deliveries(&server, &mut load, DatagramLoad::deliveries, publish)?;
            load.drain()?;
            let (lost, all) = load.lost();
            figures.push((Figure::LostPercent, 100.0 * as_f64(lost) / as_f64(all)));
            Ok(figures)
        },
    )
}

/// What a server takes before anybody comes.
fn start(bench: &mut Bench, mode: &'static str) -> Result<(), Box<dyn Error>> {
    let kinds = bench.with_peers(&[Kind::LimitEach, Kind::Room, Kind::Relay]);
    bench.rounds((mode, "members"), &[0], &kinds, |bench, kind, _| {
        let server = bench.start(kind)?;
        // One connection shows that it serves.
        drop(std::net::TcpStream::connect(server.address));
        Ok(vec![
            (Figure::ResidentBytes, as_f64(server.resident_bytes()?)),
            (Figure::OwnBytes, as_f64(server.own_bytes()?)),
        ])
    })
}
