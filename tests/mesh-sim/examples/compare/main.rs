//! The mesh's membership against that of `foca`, a library that implements SWIM: on the same virtual network, with the same seeds.
//!
//! `cargo run --profile simulation --package mesh-sim --example compare -- rows ROUNDS SIZE` prints rows of the table of
//! docs/performance.md, `… -- plot docs/performance.md docs/performance/mesh-death.svg` draws them. Each run: a group stands for 40 s on
//! links that lose so much, then one member crashes.
#![allow(clippy::missing_panics_doc, reason = "panicking is how a comparison fails")]

mod mesh;
mod plot;
mod swim;

use mesh_sim::network::{Link, mix};
use mesh_sim::run::Runner;
use std::num::NonZeroU32;
use std::time::Duration;
use swim::Cluster;

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
            Self::Mesh => mesh::sample(runner, size, loss, seed),
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

/// Who crashes.
fn victim(size: usize, seed: u64) -> usize {
    1 + usize::try_from(mix(seed, 1)).unwrap_or(0) % (size - 1)
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
            plot::draw(svg, &plot::read_rows(&document)).expect("the plot can be written");
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
