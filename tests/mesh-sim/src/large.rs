//! Large groups: what they cost at rest, how fast a message gets about, how fast three of them grow together. The figures stand in
//! docs/performance.md; the bounds are those of docs/mesh-protocol.md.

use crate::generate::{PORT, name};
use crate::network::{Link, Slot};
use crate::run::Runner;
use crate::scenario::{Action, Scenario, Start, Step};
use crate::trace::Trace;
use crate::violation::{Violation, check};
use crate::world::World;
use std::collections::BTreeSet;

/// Members of a large group.
const LARGE: usize = 250;

/// Members of an ordinary one.
const ORDINARY: usize = 25;

/// Groups that meet, and members of each.
const MEETING: (usize, usize) = (3, 80);

/// Pause between two newcomers, in milliseconds.
const JOIN_PAUSE_MS: u64 = 150;

/// How long a group stands before others meet it, in milliseconds.
const SETTLED_MS: u64 = 40_000;

/// How long a group of 250 has to tell each that each has joined, 24 times, eight on a datagram, in milliseconds.
const TOLD_MS: u64 = 150_000;

/// Datagrams of a thousand that are lost while a message gets about.
const LOSS: u32 = 50;

/// Most bytes of payload that a member sends in a second at rest.
const COST_BYTES_MAX: u64 = 450;

/// Longest time until a message has reached 99 of 100 members, in milliseconds.
const MESSAGE_MS_MAX: u64 = 1_000;

/// Longest time until groups that meet are one, in milliseconds.
const MERGE_MS_MAX: u64 = 30_000;

/// Prints all figures.
///
/// # Errors
/// The first bound that does not hold.
pub fn print(seed: u64) -> Result<(), Violation> {
    let mut runner = Runner::default();
    let ordinary = rest(&mut runner, ORDINARY, seed)?;
    let large = rest(&mut runner, LARGE, seed)?;
    println!("{ORDINARY} members: {} bytes a second and member at rest", ordinary.bytes);
    println!("{LARGE} members: {} bytes a second and member at rest", large.bytes);
    println!("{LARGE} members, {} of 1,000 datagrams lost: a message reaches 99% after {} ms", LOSS, large.message_ms);
    check("MESH-REST-5", 0, large.bytes <= COST_BYTES_MAX && 2 * large.bytes <= 3 * ordinary.bytes, || {
        format!("{} bytes at rest, {} with {ORDINARY} members", large.bytes, ordinary.bytes)
    })?;
    check("MESH-LIVE-4", 0, large.message_ms <= MESSAGE_MS_MAX, || format!("a message takes {} ms", large.message_ms))?;
    print_merge(seed)
}

/// Prints how long groups that were founded apart take to become one.
///
/// # Errors
/// It takes longer than its bound.
pub fn print_merge(seed: u64) -> Result<(), Violation> {
    let merge_ms = merge(&mut Runner::default(), seed)?;
    let (groups, size) = MEETING;
    println!("{groups} groups of {size}: one group after {merge_ms} ms");
    check("MESH-REST-1", 0, merge_ms <= MERGE_MS_MAX, || format!("{groups} groups of {size} take {merge_ms} ms"))
}

/// What is measured of one group.
struct Rest {
    /// Bytes of payload a second and member.
    bytes: u64,
    /// How long a message took to 99 of 100 members, in milliseconds.
    message_ms: u64,
}

/// A start by multicast.
fn start(slot: Slot, name: String) -> Action {
    Action::Start(Start { slot, name, port: PORT, discovery: true, join: Vec::new(), denied: Vec::new() })
}

/// A scenario of so many hosts with these steps.
fn scenario(seed: u64, slots: usize, steps: Vec<Step>) -> Scenario {
    let link = Link { delay_ms: 1, spread_ms: 10, jitter_ms: 10, loss: 0, duplicates: 0 };
    let mut scenario = Scenario { seed, slots, link, steps, calm_ms: 0, rest_ms: 1, unique: false };
    scenario.sort();
    scenario
}

/// A group at rest, and one message in it.
fn rest(runner: &mut Runner, size: usize, seed: u64) -> Result<Rest, Violation> {
    let begins_ms = |slot: usize| if slot == 0 { 0 } else { 4_500 + JOIN_PAUSE_MS * slot as u64 };
    let mut steps: Vec<Step> =
        (0..size).map(|slot| Step { at_ms: begins_ms(slot), action: start(slot, name(slot)) }).collect();
    let quiet_ms = begins_ms(size) + TOLD_MS;
    let say_ms = quiet_ms + 10_000;
    steps.push(Step { at_ms: say_ms - 1, action: Action::Loss(LOSS) });
    steps.push(Step { at_ms: say_ms, action: Action::Say(0, 40) });
    let scenario = scenario(seed, size, steps);
    let mut world = World::new(&scenario, runner.rooms(&scenario), Trace::OFF);
    world.checks.promises.of_a_crowd();
    let sent = |world: &World<'_>| world.checks.runs().map(|watch| watch.sent_bytes).sum::<u64>();
    world.run_until(quiet_ms)?;
    let before = sent(&world);
    world.run_until(say_ms - 2)?;
    let bytes = (sent(&world) - before) / 10 / size as u64;
    world.run_until(say_ms + 10_000)?;
    let mut times = world.checks.tally.messages_ms.clone();
    times.sort_unstable();
    // The sender has it from the beginning.
    let message_ms = times.get(((size - 1) * 99).div_ceil(100) - 1).copied().unwrap_or(u64::MAX);
    Ok(Rest { bytes, message_ms })
}

/// How long groups that were founded apart take until all tables are equal, in milliseconds.
fn merge(runner: &mut Runner, seed: u64) -> Result<u64, Violation> {
    let (groups, size) = MEETING;
    let slots = groups * size;
    let mut steps = Vec::new();
    for slot in 0..slots {
        let others = (0..slots).filter(|other| other / size != slot / size);
        steps.extend(others.map(|other| Step { at_ms: 0, action: Action::Cut(slot, other) }));
        let place = (slot % size) as u64;
        let at_ms = if place == 0 { 0 } else { 4_500 + JOIN_PAUSE_MS * place };
        steps.push(Step { at_ms, action: start(slot, name(slot)) });
    }
    let meet_ms = 4_500 + JOIN_PAUSE_MS * size as u64 + SETTLED_MS;
    steps.push(Step { at_ms: meet_ms, action: Action::MendAll });
    let scenario = scenario(seed, slots, steps);
    let mut world = World::new(&scenario, runner.rooms(&scenario), Trace::OFF);
    world.checks.promises.of_a_crowd();
    let mut now_ms = meet_ms - 1;
    world.run_until(now_ms)?;
    loop {
        now_ms += 250;
        world.run_until(now_ms)?;
        let tables: BTreeSet<u64> = world.nodes.iter().flatten().map(|node| node.peer.table_digest().0).collect();
        if tables.len() == 1 || now_ms > meet_ms + 4 * MERGE_MS_MAX {
            return Ok(now_ms - meet_ms);
        }
    }
}
