//! What is measured: CPU time for each message that is delivered, beside that of a silent group; memory; and how soon two find each other.

use crate::group::{Group, Kind};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Members that say something.
const SPEAKERS: usize = 10;

/// Lines of each in a second: the mesh allows five.
const LINES_PER_SECOND: usize = 4;

/// Bytes of a text.
const TEXT_BYTES: usize = 128;

/// How it is measured.
pub(crate) struct Plan {
    /// Members of a group.
    members: &'static [u16],
    /// How often each kind has its turn.
    rounds: usize,
    /// Seconds of silence, and of talk.
    seconds: u16,
    /// How many newcomers are timed.
    newcomers: usize,
}

/// What docs/performance.md has.
pub(crate) const FULL: Plan = Plan { members: &[10, 40, 100], rounds: 3, seconds: 5, newcomers: 10 };

/// Only to see that it works.
pub(crate) const SMOKE: Plan = Plan { members: &[5], rounds: 1, seconds: 1, newcomers: 1 };

/// The figures of one turn.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// CPU time of all members for each message that one of them shows, without that of silence, in microseconds.
    message_us: f64,
    /// CPU time of a silent member in a second, in microseconds.
    silence_us: f64,
    /// How many of the messages were shown, of 1.
    shown: f64,
    /// Memory of a member that is its own, in kilobytes.
    own_kb: f64,
    /// Memory of a member, in kilobytes.
    resident_kb: f64,
}

/// Measures all kinds, and prints tables as Markdown.
pub(crate) fn run(program: &Path, plan: &Plan) -> Result<(), Box<dyn Error>> {
    let mut all: BTreeMap<(u16, usize), Vec<Figures>> = BTreeMap::new();
    for &members in plan.members {
        for round in 1..=plan.rounds {
            for (index, kind) in Kind::ALL.into_iter().enumerate() {
                eprintln!("{members} members, {}, round {round} of {}", kind.title(), plan.rounds);
                all.entry((members, index)).or_default().push(turn(kind, program, members, plan.seconds)?);
            }
        }
    }
    print(&all);
    let mut seconds = (0..plan.newcomers).map(|_| newcomer(program)).collect::<Result<Vec<_>, _>>()?;
    seconds.sort_by(f64::total_cmp);
    let (median, last) = (seconds[seconds.len() / 2], seconds[seconds.len() - 1]);
    println!(
        "\nStart of `chat-host peer` until it knows of another, by multicast: {median:.2} s (median of {}), {last:.2} s at most.",
        seconds.len()
    );
    Ok(())
}

/// One group: silence, then talk.
fn turn(kind: Kind, program: &Path, members: u16, seconds: u16) -> Result<Figures, Box<dyn Error>> {
    let mut group = Group::start(kind, program, members)?;
    let time = Duration::from_secs(seconds.into());
    // What newcomers have still to do is not what silence costs.
    std::thread::sleep(time / 2);
    let before = group.cpu()?;
    std::thread::sleep(time);
    let silence = (group.cpu()? - before).as_secs_f64();
    let memory = group.memory()?;
    let speakers = SPEAKERS.min(members.into());
    let lines = LINES_PER_SECOND * usize::from(seconds);
    let (before, begin) = (group.cpu()?, Instant::now());
    let shown = group.talk(speakers, lines, TEXT_BYTES, time)?;
    let silence_meanwhile = silence * begin.elapsed().as_secs_f64() / time.as_secs_f64();
    let talk = (group.cpu()? - before).as_secs_f64() - silence_meanwhile;
    let wanted = usize::from(members) * speakers * lines;
    let figure = |value: usize| f64::from(u32::try_from(value).unwrap_or(u32::MAX));
    let kilobytes = memory.map(|bytes| figure(usize::try_from(bytes >> 10).unwrap_or(usize::MAX)));
    Ok(Figures {
        message_us: talk * 1e6 / figure(shown.max(1)),
        silence_us: silence * 1e6 / f64::from(members) / time.as_secs_f64(),
        shown: figure(shown) / figure(wanted),
        own_kb: kilobytes[0],
        resident_kb: kilobytes[1],
    })
}

/// Prints medians, with the ratio to the limit in the same round.
fn print(all: &BTreeMap<(u16, usize), Vec<Figures>>) {
    println!(
        "| members | program | CPU for a message delivered, µs | times the limit | shown | CPU of a silent member, µs a second | memory of its own, kB | resident, kB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (&(members, index), turns) in all {
        let limits = &all[&(members, 0)];
        let of = |figure: fn(&Figures) -> f64| median(turns.iter().map(figure).collect());
        let ratio = median(turns.iter().zip(limits).map(|(turn, limit)| turn.message_us / limit.message_us).collect());
        println!(
            "| {members} | {} | {:.1} | {ratio:.2} | {:.1}% | {:.0} | {:.0} | {:.0} |",
            Kind::ALL[index].title(),
            of(|turn| turn.message_us),
            of(|turn| turn.shown) * 100.0,
            of(|turn| turn.silence_us),
            of(|turn| turn.own_kb),
            of(|turn| turn.resident_kb),
        );
    }
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The seconds from the start of a second peer until it knows of the first.
fn newcomer(program: &Path) -> Result<f64, Box<dyn Error>> {
    let mut first = peer(program, "ann")?;
    let outcome = (|| {
        find(&mut first, "history_end")?;
        let begin = Instant::now();
        let mut second = peer(program, "bob")?;
        let found = find(&mut second, "joined");
        let seconds = begin.elapsed().as_secs_f64();
        end(&mut second);
        found.map(|()| seconds)
    })();
    end(&mut first);
    outcome
}

/// Starts a peer that finds others by multicast.
fn peer(program: &Path, name: &str) -> Result<Child, Box<dyn Error>> {
    let mut command = Command::new(program);
    command.args(["peer", "--json", "--headless", "--name", name]).env("XDG_STATE_HOME", "/nowhere");
    Ok(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?)
}

/// Waits for an event.
fn find(peer: &mut Child, event: &str) -> Result<(), Box<dyn Error>> {
    let output = peer.stdout.as_mut().ok_or("its output is closed")?;
    let wanted = format!("\"event\":\"{event}\"");
    let mut lines = BufReader::new(output).lines();
    match lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(&wanted))) {
        Some(_) => Ok(()),
        None => Err(format!("a peer has ended without {event}").into()),
    }
}

/// Ends a process.
fn end(peer: &mut Child) {
    // It may have ended by itself.
    let _ = peer.kill();
    let _ = peer.wait();
}
