//! `mesh-sim`: runs many scenarios, replays one, or measures.

use argh::FromArgs;
use mesh_sim::generate::{KINDS, Kind, generate};
use mesh_sim::run::{Runner, catch_panics, run};
use mesh_sim::scenario::Scenario;
use mesh_sim::shrink::shrink;
use mesh_sim::tally::Tally;
use mesh_sim::violation::Violation;
use mesh_sim::{large, measure, seed};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Simulates the mesh: the shipped engine on a virtual network. Ends with 1 if a rule of docs/mesh-protocol.md was broken.
#[derive(FromArgs)]
struct Arguments {
    /// what kind of scenarios: random (the default), race, restart, hand-over, hostile, parts, founders, steady, split, meet, move, asleep,
    /// givers, stale, mtu, or all
    #[argh(option, default = "String::from(\"random\")")]
    kind: String,
    /// how many of each kind (default 100)
    #[argh(option, default = "100")]
    scenarios: u64,
    /// the first seed: a number, `random`, or `commit` (the default): derived from the commit's hash
    #[argh(option, default = "String::from(\"commit\")")]
    seed: String,
    /// stop after so many seconds
    #[argh(option)]
    seconds: Option<u64>,
    /// how many threads (default 1)
    #[argh(option, default = "1")]
    threads: u64,
    /// write all that happens
    #[argh(switch)]
    trace: bool,
    /// go on after a scenario that fails, and print the seed of each instead of shrinking the first
    #[argh(switch)]
    keep_going: bool,
    /// do not shrink what fails
    #[argh(switch)]
    no_shrink: bool,
    /// run the scenarios of these files, or of all files in these folders, instead
    #[argh(option)]
    file: Vec<PathBuf>,
    /// measure joins and messages instead: print the table of docs/performance.md
    #[argh(switch)]
    measure: bool,
    /// measure joins and messages of groups of so many peers alone
    #[argh(option)]
    peers: Option<usize>,
    /// measure groups of up to 250 members instead, and fail if a bound does not hold (minutes)
    #[argh(switch)]
    large: bool,
    /// of --large measure only how long three groups take to become one (seconds)
    #[argh(switch)]
    merge: bool,
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    catch_panics();
    if arguments.measure {
        measure::print_table(arguments.scenarios, arguments.peers);
        return ExitCode::SUCCESS;
    }
    if !arguments.file.is_empty() {
        return replay(&arguments);
    }
    let seed = match arguments.seed.as_str() {
        "commit" => seed::commit(),
        "random" => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            u64::from(now.map_or(0, |now| now.subsec_nanos())) << 32 | u64::from(std::process::id())
        }
        number => match number.parse() {
            Ok(seed) => seed,
            Err(_) => return usage(&format!("--seed {number}: not a number, `random` or `commit`")),
        },
    };
    if arguments.large || arguments.merge {
        let measured = if arguments.merge { large::print_merge(seed) } else { large::print(seed) };
        return match measured {
            Ok(()) => ExitCode::SUCCESS,
            Err(violation) => {
                println!("FAILED: {violation}");
                ExitCode::FAILURE
            }
        };
    }
    let kinds: Vec<(Kind, &str)> =
        KINDS.into_iter().filter(|(_, word)| arguments.kind == "all" || arguments.kind == *word).collect();
    if kinds.is_empty() {
        return usage(&format!("--kind {}: there is no such kind", arguments.kind));
    }
    let failed = kinds.into_iter().any(|(kind, word)| !campaign(&arguments, kind, word, seed));
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Says what is wrong with the arguments.
fn usage(words: &str) -> ExitCode {
    eprintln!("mesh-sim: {words}");
    ExitCode::from(2)
}

/// Runs many scenarios of one kind; whether all went well.
fn campaign(arguments: &Arguments, kind: Kind, word: &str, seed: u64) -> bool {
    let started = Instant::now();
    let (next, done, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let (total, failure) = (Mutex::new(Tally::default()), Mutex::new(None::<(Scenario, Violation)>));
    let timed_out = || arguments.seconds.is_some_and(|seconds| started.elapsed() >= Duration::from_secs(seconds));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.max(1) {
            scope.spawn(|| {
                let mut runner = Runner::default();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let has_failed = !arguments.keep_going && failure.lock().is_ok_and(|failure| failure.is_some());
                    if index >= arguments.scenarios || has_failed || timed_out() {
                        break;
                    }
                    let scenario = generate(kind, seed.wrapping_add(index));
                    match run(&mut runner, &scenario, arguments.trace) {
                        Ok(tally) => total.lock().expect("nobody panics with it").add(&tally),
                        Err(violation) if arguments.keep_going => {
                            println!("  seed {}: {violation}", scenario.seed);
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(violation) => *failure.lock().expect("nobody panics with it") = Some((scenario, violation)),
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let count = done.load(Ordering::Relaxed);
    println!("{word}: {count} scenarios from seed {seed} in {:.1} s", started.elapsed().as_secs_f64());
    let total = total.into_inner().expect("nobody panicked with it");
    println!("  {total}");
    match failure.into_inner().expect("nobody panicked with it") {
        None => match total.check_times() {
            Ok(()) => failed.into_inner() == 0,
            Err(violation) => {
                println!("FAILED: {violation}");
                false
            }
        },
        Some((scenario, violation)) => {
            report(arguments, word, &scenario, violation);
            false
        }
    }
}

/// Tells of a failed scenario, and shrinks it.
fn report(arguments: &Arguments, word: &str, scenario: &Scenario, violation: Violation) {
    println!("FAILED: {violation}");
    println!("replay: tests/simulate --kind {word} --seed {} --scenarios 1 --trace", scenario.seed);
    if arguments.no_shrink {
        return;
    }
    let (small, violation) = shrink(&mut Runner::default(), scenario, violation);
    println!("shrunk to {} steps: {violation}\n{small}", small.steps.len());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("failed");
    let path = folder.join(format!("{word}-{}.scenario", scenario.seed));
    let text = format!("# {}\n{small}", violation.to_string().lines().next().unwrap_or_default());
    match std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, text)) {
        Ok(()) => println!("replay: tests/simulate --file {} --trace", path.display()),
        Err(error) => println!("{}: {error}", path.display()),
    }
}

/// Runs the scenarios of files.
fn replay(arguments: &Arguments) -> ExitCode {
    let mut files = Vec::new();
    for path in &arguments.file {
        match std::fs::read_dir(path) {
            Ok(entries) => files.extend(entries.flatten().map(|entry| entry.path())),
            Err(_) => files.push(path.clone()),
        }
    }
    files.sort();
    let (mut runner, mut failed) = (Runner::default(), false);
    for path in files {
        let scenario = match std::fs::read_to_string(&path) {
            Ok(text) => text.parse::<Scenario>().map_err(|error| format!("not understood: {}", error.0)),
            Err(error) => Err(error.to_string()),
        };
        let outcome = match scenario {
            Ok(scenario) => run(&mut runner, &scenario, arguments.trace).map_err(|violation| violation.to_string()),
            Err(words) => Err(words),
        };
        failed |= outcome.is_err();
        match outcome {
            Ok(tally) => println!("{}: {tally}", path.display()),
            Err(words) => println!("{}: FAILED: {words}", path.display()),
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
