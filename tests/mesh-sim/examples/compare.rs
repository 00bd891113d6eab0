//! The mesh's membership against that of `foca`, a library that implements SWIM: on the same virtual network, with the same seeds.
//!
//! `cargo run --profile simulation --package mesh-sim --example compare -- rows ROUNDS SIZE` prints rows of the table of
//! docs/performance.md, `… -- plot docs/performance.md docs/performance/mesh-death.svg` draws them. Each run: a group stands for 40 s on
//! links that lose so much, then one member crashes.
#![allow(clippy::missing_panics_doc, reason = "panicking is how a comparison fails")]

use foca::{Foca, Identity, Notification, PostcardCodec, Runtime, Timer};
use mesh_sim::generate::{PORT, name};
use mesh_sim::network::{Flight, Link, Network, mix};
use mesh_sim::node::{address, host};
use mesh_sim::run::Runner;
use mesh_sim::scenario::{Action, Scenario, Start, Step};
use mesh_sim::trace::Trace;
use mesh_sim::world::World;
use plotters::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

/// How many datagrams of a thousand are lost.
const LOSSES: [u32; 3] = [0, 100, 300];

/// The links, which the same seed makes alike for all.
const LINK: Link = Link { delay_ms: 1, spread_ms: 10, jitter_ms: 10, loss: 0, duplicates: 0 };

/// How long the group stands before it is measured, once datagrams are lost.
const SETTLED_MS: u64 = 10_000;

/// How long it is measured before the crash.
const QUIET_MS: u64 = 30_000;

/// How long it is measured behind the crash.
const CRASHED_MS: u64 = 60_000;

/// What one run measures.
#[derive(Debug, Default, Clone)]
struct Sample {
    /// How long after the crash each table was rid of the dead member.
    died_ms: Vec<u64>,
    /// How many members never were rid of it.
    unaware: usize,
    /// How often a member took another for dead that lived.
    false_deaths: usize,
    /// Milliseconds for which all members together were watched for that.
    member_ms: u64,
    /// Bytes of payload that a member sent in a second before the crash.
    bytes: u64,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The engine of the mesh, which carries a chat besides.
    Mesh,
    /// foca with its settings for a local network.
    Lan,
    /// foca with the mesh's period and time to death, and without its gossip between probes.
    Tuned,
}

/// All of them.
const KINDS: [Kind; 3] = [Kind::Mesh, Kind::Lan, Kind::Tuned];

impl Kind {
    /// Its name.
    const fn title(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::Lan => "foca, LAN",
            Self::Tuned => "foca, like the mesh",
        }
    }

    /// One run.
    fn sample(self, runner: &mut Runner, size: usize, loss: u32, seed: u64) -> Sample {
        let members = NonZeroU32::new(u32::try_from(size).expect("it is small")).expect("it is not 0");
        let lan = foca::Config::new_lan(members);
        match self {
            Self::Mesh => mesh(runner, size, loss, seed),
            Self::Lan => Cluster::new(size, seed, &lan).run(loss, seed),
            Self::Tuned => {
                let config = foca::Config {
                    probe_period: Duration::from_millis(500),
                    probe_rtt: Duration::from_millis(150),
                    suspect_to_down_after: Duration::from_secs(4),
                    periodic_gossip: None,
                    ..lan
                };
                Cluster::new(size, seed, &config).run(loss, seed)
            }
        }
    }
}

/// One run of the mesh.
fn mesh(runner: &mut Runner, size: usize, loss: u32, seed: u64) -> Sample {
    let start = |slot: usize| {
        let (join, denied) = (Vec::new(), Vec::new());
        Action::Start(Start { slot, name: name(slot), port: PORT, discovery: true, join, denied })
    };
    let mut steps = vec![Step { at_ms: 0, action: start(0) }];
    steps.extend((1..size).map(|slot| Step { at_ms: 4_500 + 120 * slot as u64, action: start(slot) }));
    // News of the joins ride no more by then: 24 times each in a large group, eight on a datagram.
    let lossy_ms = 4_500 + 120 * size as u64 + if size > 100 { 150_000 } else { 40_000 };
    let crash_ms = lossy_ms + SETTLED_MS + QUIET_MS;
    steps.push(Step { at_ms: lossy_ms, action: Action::Loss(loss) });
    steps.push(Step { at_ms: crash_ms, action: Action::Crash(victim(size, seed)) });
    let calm_ms = crash_ms + CRASHED_MS;
    let scenario = Scenario { seed, slots: size, link: LINK, steps, calm_ms, rest_ms: 1, unique: false };
    let mut world = World::new(&scenario, runner.rooms(&scenario), Trace::OFF);
    world.checks.promises.of_a_crowd();
    let sent = |world: &World<'_>| world.checks.runs().map(|watch| watch.sent_bytes).sum::<u64>();
    let go = |world: &mut World<'_>, at_ms| world.run_until(at_ms).unwrap_or_else(|violation| panic!("{violation}"));
    go(&mut world, lossy_ms + SETTLED_MS);
    let before = sent(&world);
    world.checks.tally.false_views = 0;
    go(&mut world, crash_ms - 1);
    let bytes = (sent(&world) - before) / (QUIET_MS / 1_000) / size as u64;
    world.checks.tally.died_ms.clear();
    go(&mut world, calm_ms);
    let tally = &world.checks.tally;
    Sample {
        unaware: (size - 1).saturating_sub(tally.died_ms.len()),
        died_ms: tally.died_ms.clone(),
        false_deaths: tally.false_views,
        member_ms: (QUIET_MS + CRASHED_MS) * size as u64,
        bytes,
    }
}

/// Who crashes.
fn victim(size: usize, seed: u64) -> usize {
    1 + usize::try_from(mix(seed, 1)).unwrap_or(0) % (size - 1)
}

/// A member of foca's cluster: its host, and how often it had to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Member {
    /// IPv4 address and port, in the size that others send it in too.
    address: ([u8; 4], u16),
    /// How often it was called dead and came back.
    life: u16,
}

impl Member {
    /// The member of a host.
    fn of(slot: usize) -> Self {
        let std::net::SocketAddr::V4(socket) = address(slot, PORT) else { panic!("hosts have IPv4 addresses") };
        Self { address: (socket.ip().octets(), socket.port()), life: 0 }
    }

    /// Its host.
    fn slot(self) -> usize {
        host((self.address.0, self.address.1).into()).expect("it is a host's").0
    }
}

impl Identity for Member {
    type Addr = ([u8; 4], u16);

    fn renew(&self) -> Option<Self> {
        Some(Self { life: self.life + 1, ..*self })
    }

    fn addr(&self) -> Self::Addr {
        self.address
    }

    fn win_addr_conflict(&self, other: &Self) -> bool {
        self.life > other.life
    }
}

/// What one member of the cluster wants done.
#[derive(Debug, Default)]
struct Wishes {
    /// Datagrams.
    datagrams: Vec<(usize, Vec<u8>)>,
    /// Timers, and after how many milliseconds.
    timers: Vec<(u64, Timer<Member>)>,
    /// Members that are dead now.
    dead: Vec<usize>,
}

impl Runtime<Member> for Wishes {
    fn notify(&mut self, notification: Notification<'_, Member>) {
        if let Notification::MemberDown(member) = notification {
            self.dead.push(member.slot());
        }
    }

    fn send_to(&mut self, to: Member, bytes: &[u8]) {
        self.datagrams.push((to.slot(), bytes.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<Member>, after: Duration) {
        self.timers.push((u64::try_from(after.as_millis()).expect("it is short"), timer));
    }
}

/// A cluster of foca's members on the simulator's network.
struct Cluster {
    /// Its members, by host.
    members: Vec<Option<Foca<Member, PostcardCodec, SmallRng, foca::NoCustomBroadcast>>>,
    /// The network.
    network: Network,
    /// Timers by when they are due and, for equal times, in the order of their making.
    timers: BTreeMap<(u64, u64), (usize, Timer<Member>)>,
    /// Timers made so far.
    count: u64,
    /// The time.
    now_ms: u64,
    /// Who has crashed, and when.
    crashed: Option<(usize, u64)>,
    /// Bytes sent so far.
    sent: u64,
    /// What is measured.
    sample: Sample,
}

impl Cluster {
    /// A cluster whose members know each other from the beginning.
    fn new(size: usize, seed: u64, config: &foca::Config) -> Self {
        let mut cluster = Self {
            members: Vec::new(),
            network: Network::new(seed, LINK),
            timers: BTreeMap::new(),
            count: 0,
            now_ms: 0,
            crashed: None,
            sent: 0,
            sample: Sample::default(),
        };
        for slot in 0..size {
            let random = SmallRng::seed_from_u64(mix(seed, slot as u64));
            cluster.members.push(Some(Foca::new(Member::of(slot), config.clone(), random, PostcardCodec)));
        }
        for slot in 0..size {
            let others = (0..size).filter(|&other| other != slot);
            let others = others.map(|other| foca::Member::alive(Member::of(other)));
            let mut wishes = Wishes::default();
            let member = cluster.members[slot].as_mut().expect("it runs");
            member.apply_many(others, false, &mut wishes).expect("nothing is wrong with them");
            cluster.fulfil(slot, wishes);
        }
        cluster
    }

    /// Measures it.
    fn run(mut self, loss: u32, seed: u64) -> Sample {
        let size = self.members.len();
        self.run_until(30_000);
        self.network.link.loss = loss;
        self.run_until(30_000 + SETTLED_MS);
        (self.sent, self.sample) = (0, Sample::default());
        self.run_until(30_000 + SETTLED_MS + QUIET_MS);
        self.sample.bytes = self.sent / (QUIET_MS / 1_000) / size as u64;
        let victim = victim(size, seed);
        self.members[victim] = None;
        self.crashed = Some((victim, self.now_ms));
        self.run_until(30_000 + SETTLED_MS + QUIET_MS + CRASHED_MS);
        self.sample.member_ms = (QUIET_MS + CRASHED_MS) * size as u64;
        self.sample.unaware = (size - 1).saturating_sub(self.sample.died_ms.len());
        self.sample
    }

    /// Lets everything happen up to this time.
    fn run_until(&mut self, until_ms: u64) {
        loop {
            let timer_ms = self.timers.first_key_value().map(|((at_ms, _), _)| *at_ms);
            let flight_ms = self.network.next_ms();
            let Some(at_ms) = timer_ms.into_iter().chain(flight_ms).min().filter(|&at_ms| at_ms <= until_ms) else {
                break;
            };
            self.now_ms = at_ms;
            let mut wishes = Wishes::default();
            let slot = if flight_ms == Some(at_ms) {
                let flight = self.network.take().expect("there is one");
                if let Some(member) = &mut self.members[flight.to] {
                    // What it does not take it ignores.
                    let _ = member.handle_data(&flight.bytes, &mut wishes);
                }
                flight.to
            } else {
                let (_, (slot, timer)) = self.timers.pop_first().expect("there is one");
                if let Some(member) = &mut self.members[slot] {
                    let _ = member.handle_timer(timer, &mut wishes);
                }
                slot
            };
            self.fulfil(slot, wishes);
        }
        self.now_ms = until_ms;
    }

    /// Does what a member wants done.
    fn fulfil(&mut self, slot: usize, wishes: Wishes) {
        for (to, bytes) in wishes.datagrams {
            self.sent += bytes.len() as u64;
            let (source, at) = (address(slot, PORT), Some(address(to, PORT)));
            self.network.send(self.now_ms, slot, &Flight { source, to, at, bytes });
        }
        for (after_ms, timer) in wishes.timers {
            self.count += 1;
            self.timers.insert((self.now_ms + after_ms, self.count), (slot, timer));
        }
        for dead in wishes.dead {
            match self.crashed.filter(|(victim, _)| *victim == dead) {
                Some((_, crash_ms)) => self.sample.died_ms.push(self.now_ms - crash_ms),
                None => self.sample.false_deaths += 1,
            }
        }
    }
}

/// The value below which so many of a hundred lie.
fn part(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(0)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["rows", rounds, size] => {
            print_rows(rounds.parse().expect("ROUNDS is a number"), size.parse().expect("SIZE is a number"));
        }
        ["plot", document, svg] => {
            let document = std::fs::read_to_string(document).expect("the document can be read");
            draw(svg, &read_rows(&document)).expect("the plot can be written");
        }
        _ => eprintln!("compare rows ROUNDS SIZE, or compare plot DOCUMENT SVG"),
    }
}

/// Measures a size of group, and prints its rows of the table.
fn print_rows(rounds: u64, size: usize) {
    let mut runner = Runner::default();
    for loss in LOSSES {
        for kind in KINDS {
            let mut all = Sample::default();
            for seed in 0..rounds {
                let one = kind.sample(&mut runner, size, loss, seed);
                all.died_ms.extend(one.died_ms);
                (all.unaware, all.bytes) = (all.unaware + one.unaware, all.bytes + one.bytes);
                all.false_deaths += one.false_deaths;
                all.member_ms += one.member_ms;
            }
            let [median, most, last] = [50, 99, 100].map(|percent| part(&mut all.died_ms, percent));
            let false_deaths = all.false_deaths as u64 * 60_000_000 / all.member_ms;
            let (title, unaware, bytes) = (kind.title(), all.unaware, all.bytes / rounds);
            let loss = loss / 10;
            println!(
                "| {size} | {loss}% | {title} | {median}, {most}, {last} | {unaware} | {false_deaths} | {bytes} |"
            );
        }
    }
}

/// The points of the plot, from the rows of a document's table.
fn read_rows(document: &str) -> BTreeMap<(Kind, usize), Vec<(f64, f64)>> {
    let mut lines: BTreeMap<(Kind, usize), Vec<(f64, f64)>> = BTreeMap::new();
    for line in document.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let kind = cells.get(2).and_then(|title| KINDS.into_iter().find(|kind| kind.title() == *title));
        let (Some(kind), [size, loss, _, times, ..]) = (kind, &cells[..]) else { continue };
        let most = times.split(", ").nth(1).and_then(|most| most.parse::<f64>().ok()).expect("there are three times");
        let loss = loss.trim_end_matches('%').parse().expect("it is a percentage");
        lines.entry((kind, size.parse().expect("it is a number"))).or_default().push((loss, most / 1_000.0));
    }
    lines
}

/// Draws how long a death takes until it is off 99 of 100 tables.
fn draw(path: &str, lines: &BTreeMap<(Kind, usize), Vec<(f64, f64)>>) -> Result<(), Box<dyn std::error::Error>> {
    let most = lines.values().flatten().fold(0.0_f64, |most, (_, seconds)| most.max(*seconds));
    let area = SVGBackend::new(path, (760, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&area);
    builder.caption("A member crashes", ("sans-serif", 18)).margin(12).x_label_area_size(42).y_label_area_size(60);
    let mut chart = builder.build_cartesian_2d(0.0..48.0, 0.0..most * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("datagrams lost, in percent")
        .y_desc("until it is off 99% of the tables, in seconds")
        .light_line_style(WHITE)
        .draw()?;
    for ((kind, size), points) in lines {
        let colour = Palette99::pick(*kind as usize).to_rgba();
        let width = match size {
            10 => 1,
            40 => 2,
            _ => 4,
        };
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)).point_size(3))?
            .label(format!("{}, {size}", kind.title()))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .border_style(BLACK)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    area.present()?;
    Ok(())
}
