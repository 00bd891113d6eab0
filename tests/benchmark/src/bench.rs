//! The command line: what is measured, how often, and where the results go.

use crate::mode::{Bench, MODES};
use crate::sample::Samples;
use crate::server::Cpus;
use crate::{plot, report};
use argh::FromArgs;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Measures the servers of chat-host, against the bare system calls, other programs that are installed, and the targets. Prints
/// tables as Markdown and writes them with all samples and plots to a folder.
#[derive(FromArgs)]
struct Arguments {
    /// measure only this mode; may be given several times
    #[argh(option, arg_name = "MODE")]
    mode: Vec<String>,

    /// measure only with this number of members, or of what else a mode varies; may be given several times
    #[argh(option, arg_name = "N")]
    value: Vec<usize>,

    /// how often each server has its turn, default 3
    #[argh(option, default = "3", arg_name = "N")]
    rounds: usize,

    /// how long each turn is measured, default 2
    #[argh(option, default = "2.0", arg_name = "S")]
    seconds: f64,

    /// add the samples of a results.json that was written earlier; may be given several times; with this, nothing is measured but what
    /// --mode names
    #[argh(option, arg_name = "FILE")]
    from: Vec<PathBuf>,

    /// leave other programs out
    #[argh(switch)]
    no_peers: bool,

    /// shows only that everything works: every mode, short, with few members
    #[argh(switch)]
    smoke: bool,

    /// where the results go, default target/bench
    #[argh(option, default = "PathBuf::from(\"target/bench\")", arg_name = "FOLDER")]
    folder: PathBuf,
}

/// Runs it.
pub(crate) fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmark: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and writes what came of it.
fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if let Some(unknown) = arguments.mode.iter().find(|name| !MODES.iter().any(|mode| mode.name == **name)) {
        let known = MODES.map(|mode| mode.name).join(", ");
        return Err(format!("there is no mode {unknown}; there are {known}").into());
    }
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    std::fs::create_dir_all(&arguments.folder)?;
    let programs = std::env::current_exe()?.parent().map(Path::to_owned).ok_or("this program is nowhere")?;
    let duration = Duration::try_from_secs_f64(arguments.seconds).map_err(|error| format!("--seconds: {error}"))?;
    let mut bench = Bench {
        cpus: Cpus::find()?,
        programs,
        folder: arguments.folder.clone(),
        rounds: if arguments.smoke { 1 } else { arguments.rounds.max(1) },
        duration: if arguments.smoke { Duration::from_millis(100) } else { duration },
        values: arguments.value.clone(),
        smoke: arguments.smoke,
        peers: !arguments.no_peers,
        samples: Samples::default(),
    };
    for file in &arguments.from {
        let failure = |error: Box<dyn Error>| format!("{}: {error}", file.display());
        let json = std::fs::read_to_string(file).map_err(|error| failure(error.into()))?;
        report::read(&json, &mut bench.samples).map_err(failure)?;
    }
    let is_wanted = |name| {
        let all = arguments.mode.is_empty() && arguments.from.is_empty();
        all || arguments.mode.iter().any(|wanted| wanted == name)
    };
    for mode in MODES.iter().filter(|mode| is_wanted(mode.name)) {
        (mode.measure)(&mut bench, mode.name)?;
    }
    let machine = machine(bench.cpus);
    let tables = report::markdown(&bench.samples);
    print!("{tables}");
    std::fs::write(arguments.folder.join("results.md"), &tables)?;
    std::fs::write(arguments.folder.join("results.json"), format!("{:#}\n", report::json(&bench, &machine)))?;
    plot::draw(&bench.samples, &arguments.folder)?;
    let missed = report::missed(&bench.samples);
    eprintln!("{missed} targets missed. Tables, samples and plots are in {}.", arguments.folder.display());
    Ok(())
}

/// What it is measured on.
fn machine(cpus: Cpus) -> BTreeMap<&'static str, String> {
    let first_line = |program: &str, option: &str| {
        let output = Command::new(program).arg(option).output().ok()?;
        String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
    };
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    BTreeMap::from([
        ("processor", model.map_or_else(|| "unknown".to_owned(), |(_, model)| model.to_owned())),
        ("kernel", first_line("uname", "-sr").unwrap_or_default()),
        ("compiler", first_line("rustc", "--version").unwrap_or_default()),
        ("cpus", format!("{}; server on {}, generator on {}", cpus.count, cpus.server, cpus.load)),
    ])
}
