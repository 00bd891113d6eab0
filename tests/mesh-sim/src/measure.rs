//! Joins and messages against the model: the table of docs/performance.md.

use crate::generate::{PORT, name};
use crate::network::Link;
use crate::run::Runner;
use crate::scenario::{Action, Scenario, Start, Step};
use crate::trace::Trace;
use crate::world::World;

/// What one run measures.
#[derive(Debug, Default)]
struct Sample {
    /// How long the join took, in milliseconds.
    join_ms: u64,
    /// Datagrams that were sent while it took place, above what is sent at rest.
    join_datagrams: u64,
    /// How long a message took to 99 of 100 members, in milliseconds.
    message_ms: u64,
    /// Datagrams that were sent for it within 2 s, above what is sent at rest.
    message_datagrams: u64,
    /// Bytes a second and peer at rest.
    rest_bytes: u64,
}

/// How many peers there are behind the join.
const SIZES: [usize; 4] = [2, 10, 40, 250];

/// How many datagrams of a thousand are lost.
const LOSSES: [u32; 3] = [0, 100, 300];

/// Prints the table, each line the medians of so many runs (a tenth of them for 250 peers).
/// Only groups of `peers`, if that is given.
pub fn print_table(rounds: u64, peers: Option<usize>) {
    println!(
        "| peers | lost | join, ms (median / 99%) | datagrams | message to 99% of the peers, ms | datagrams | bytes a second and peer at rest |"
    );
    println!("| --: | --: | --: | --: | --: | --: | --: |");
    let mut runner = Runner::default();
    for size in SIZES.into_iter().filter(|&size| peers.is_none_or(|peers| peers == size)) {
        let rounds = if size > 100 { rounds.div_ceil(10) } else { rounds };
        for loss in LOSSES {
            let taken = (0..rounds).map(|seed| sample(&mut runner, size, loss, seed));
            let (samples, failed): (Vec<_>, Vec<_>) = taken.partition(Result::is_ok);
            let samples: Vec<Sample> = samples.into_iter().flatten().collect();
            let part = |of: fn(&Sample) -> u64, percent: usize| {
                let mut values: Vec<u64> = samples.iter().map(of).collect();
                values.sort_unstable();
                values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(0)
            };
            println!(
                "| {size} | {}% | {} / {} | {} | {} | {} | {} |{}",
                loss / 10,
                part(|sample| sample.join_ms, 50),
                part(|sample| sample.join_ms, 99),
                part(|sample| sample.join_datagrams, 50),
                part(|sample| sample.message_ms, 50),
                part(|sample| sample.message_datagrams, 50),
                part(|sample| sample.rest_bytes, 50),
                failed.first().map_or(String::new(), |first| format!(" {} without a result: {first:?}", failed.len())),
            );
        }
    }
}

/// How long a group that has come together is left alone, in milliseconds: until each member has told each row as often as it tells
/// what is new (docs/mesh-protocol.md), which takes a crowd of hundreds two minutes.
const fn settle_ms(size: usize) -> u64 {
    if size > 100 { 150_000 } else { 20_000 }
}

/// One run: a group of `size` - 1 stands, one more joins, and then one says something.
fn sample(runner: &mut Runner, size: usize, loss: u32, seed: u64) -> Result<Sample, String> {
    let link = Link { delay_ms: 1, spread_ms: 10, jitter_ms: 10, loss: 0, duplicates: 0 };
    let start = |slot: usize| {
        Action::Start(Start {
            slot,
            name: name(slot),
            port: PORT,
            discovery: true,
            join: Vec::new(),
            denied: Vec::new(),
        })
    };
    let mut steps = vec![Step { at_ms: 0, action: start(0) }];
    steps.extend((1..size - 1).map(|slot| Step { at_ms: 4_500 + 60 * slot as u64, action: start(slot) }));
    let join_ms = 4_500 + 60 * size as u64 + settle_ms(size);
    steps.push(Step { at_ms: join_ms - 3_000, action: Action::Loss(loss) });
    steps.push(Step { at_ms: join_ms, action: start(size - 1) });
    let say_ms = join_ms + 40_000;
    steps.push(Step { at_ms: say_ms, action: Action::Say(0, 40) });
    let scenario = Scenario { seed, slots: size, link, steps, calm_ms: say_ms + 12_000, rest_ms: 1, unique: false };
    let rooms = runner.rooms(&scenario);
    let mut world = World::new(&scenario, rooms, Trace::OFF);
    // What a crowd of newcomers does to the group is not what is measured.
    world.checks.promises.of_a_crowd();
    world.run_until(join_ms - 2_000).map_err(|violation| violation.to_string())?;
    let (sent, bytes) = sent(&world);
    world.run_until(join_ms - 1).map_err(|violation| violation.to_string())?;
    let (at_join, at_join_bytes) = self::sent(&world);
    let per_second = (at_join - sent) / 2;
    let rest_bytes = (at_join_bytes - bytes) / 2 / (size as u64 - 1).max(1);
    let joins = world.checks.tally.joins_ms.len();
    let mut now_ms = join_ms;
    while world.checks.tally.joins_ms.len() == joins && now_ms < say_ms {
        now_ms += 10;
        world.run_until(now_ms).map_err(|violation| violation.to_string())?;
    }
    let join_datagrams = (self::sent(&world).0 - at_join).saturating_sub(per_second * (now_ms - join_ms) / 1_000);
    if world.checks.tally.joins_ms.len() == joins {
        return Err("nobody was admitted".to_owned());
    }
    // Of two founders the one with the higher id joins the other, whoever started first: what counts is when they are one group.
    let admitted_ms = world.checks.runs().filter_map(|watch| watch.admitted_ms).max().unwrap_or(join_ms);
    let took_ms = admitted_ms.saturating_sub(join_ms);
    world.run_until(say_ms - 2_000).map_err(|violation| violation.to_string())?;
    let before = self::sent(&world).0;
    world.run_until(say_ms - 1).map_err(|violation| violation.to_string())?;
    let at_say = self::sent(&world).0;
    world.checks.tally.messages_ms.clear();
    world.run_until(say_ms + 2_000).map_err(|violation| violation.to_string())?;
    let message_datagrams = (self::sent(&world).0 - at_say).saturating_sub(at_say - before);
    world.run_until(say_ms + 12_000).map_err(|violation| violation.to_string())?;
    let mut times = world.checks.tally.messages_ms.clone();
    times.sort_unstable();
    let message_ms =
        *times.get(((size - 1) * 99).div_ceil(100).saturating_sub(1)).ok_or("the message did not arrive")?;
    Ok(Sample { join_ms: took_ms, join_datagrams, message_ms, message_datagrams, rest_bytes })
}

/// Datagrams and bytes that all running peers have sent.
fn sent(world: &World<'_>) -> (u64, u64) {
    world.checks.runs().fold((0, 0), |(count, bytes), watch| (count + watch.sent, bytes + watch.sent_bytes))
}
