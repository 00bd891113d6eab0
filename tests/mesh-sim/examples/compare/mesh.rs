//! What one run of the mesh measures, in the simulator.

use crate::{CRASHED_MS, LINK, QUIET_MS, SETTLED_MS, Sample, victim};
use mesh_sim::generate::{PORT, name};
use mesh_sim::run::Runner;
use mesh_sim::scenario::{Action, Scenario, Start, Step};
use mesh_sim::trace::Trace;
use mesh_sim::world::World;

/// One run of the mesh.
pub(crate) fn sample(runner: &mut Runner, size: usize, loss: u32, seed: u64) -> Sample {
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
