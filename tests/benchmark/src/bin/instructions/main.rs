//! How many instructions the core needs for what is done most, counted by valgrind: the same on every run, whatever else the
//! machine does.
//!
//! `instructions check` compares with the record beside this package and fails when one has grown by more than 5%; `instructions
//! record` writes the record anew. Counts of another compiler are not compared. Each is the difference of two runs, divided by how
//! many more operations the longer one has. Each loop keeps the compiler from knowing what goes in and from dropping what comes out.

mod mesh;
mod relay;
mod room;

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Operations of the shorter run; the longer one has twice as many.
const OPERATIONS: u32 = 2_000;

/// How much a count may grow, in percent.
const GROWTH_MAX: f64 = 5.0;

/// A text of 128 bytes.
const TEXT: &str = "The quick brown fox jumps over the lazy dog, and then it does so again, and once more, until 128 bytes \
                    have been filled. .......";

/// Where the counts are kept.
const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

/// What does one thing so many times.
type Operation = fn(u32);

/// What can be counted.
const ALL: [(&str, Operation); 9] = [
    ("encode", room::encode),
    ("decode", room::decode),
    ("journal-append", room::journal_append),
    ("cursor-read", room::cursor_read),
    ("relay-fan-out", relay::fan_out),
    ("room-fan-out", room::fan_out),
    ("mesh-ping", mesh::ping),
    ("mesh-say", mesh::say),
    ("mesh-probe", mesh::probe),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["check"] => check(),
        ["record"] => record(),
        ["run", name, count] => run(name, count),
        _ => Err("usage: instructions check | record".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Does one thing so many times, to be counted.
fn run(name: &str, count: &str) -> Result<(), Box<dyn Error>> {
    let (_, operation) = ALL.iter().find(|known| known.0 == name).ok_or("there is no such operation")?;
    operation(count.parse()?);
    Ok(())
}

/// Writes the counts of this compiler.
fn record() -> Result<(), Box<dyn Error>> {
    let mut text =
        format!("# Instructions for one operation, written by `instructions record`.\ncompiler {}\n", compiler()?);
    for (name, _) in ALL {
        writeln!(text, "{name} {:.1}", count(name)?)?;
    }
    print!("{text}");
    std::fs::write(RECORD, text).map_err(|error| format!("{RECORD}: {error}").into())
}

/// Compares with what was recorded.
fn check() -> Result<(), Box<dyn Error>> {
    let record = std::fs::read_to_string(RECORD).map_err(|error| format!("{RECORD}: {error}"))?;
    let recorded = |name: &str| record.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let (known, compiler) = (recorded("compiler").unwrap_or_default(), compiler()?);
    if known != compiler {
        println!("Not compared: the record is of {known}, this is {compiler}.");
        return Ok(());
    }
    let mut grown = String::new();
    for (name, _) in ALL {
        let before: f64 = recorded(name).ok_or_else(|| format!("{name} is not recorded"))?.parse()?;
        let now = count(name)?;
        let growth = 100.0 * (now / before - 1.0);
        println!("{name:16} {now:10.1} instructions, recorded {before:10.1} ({growth:+.1}%)");
        if growth > GROWTH_MAX {
            write!(grown, " {name} by {growth:.1}%")?;
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    let file = Path::new(RECORD).file_name().unwrap_or_default().display();
    Err(format!(
        "more instructions than recorded:{grown}. If that is meant, `tests/instructions record` writes {file} anew, for the same commit"
    )
    .into())
}

/// The compiler and what it compiles for.
fn compiler() -> Result<String, Box<dyn Error>> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let line = |prefix| text.lines().find_map(|line: &str| line.strip_prefix(prefix)).unwrap_or("unknown");
    Ok(format!("{} {} ({})", line("release: "), line("host: "), line("commit-hash: ")))
}

/// How many instructions one operation needs.
fn count(name: &str) -> Result<f64, Box<dyn Error>> {
    let (shorter, longer) = (count_run(name, OPERATIONS)?, count_run(name, 2 * OPERATIONS)?);
    let more = longer.checked_sub(shorter).ok_or("the longer run needed fewer instructions")?;
    Ok(f64::from(u32::try_from(more)?) / f64::from(OPERATIONS))
}

/// How many instructions a whole run needs.
fn count_run(name: &str, operations: u32) -> Result<u64, Box<dyn Error>> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    let output = command.args(["run", name, &operations.to_string()]).output();
    let output = output.map_err(|error| format!("cannot run valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    collected.filter(|_| output.status.success()).ok_or_else(|| format!("valgrind counted nothing: {text}").into())
}
