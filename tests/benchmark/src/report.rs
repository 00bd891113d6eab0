//! The results as tables to read and as JSON to keep.

use crate::mode::{AXES, Bench, MODES};
use crate::sample::{Case, Figure, Figures, Samples};
use crate::server::{KINDS, Kind};
use crate::target::{self, Bound, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;

/// Tables of all modes that were run, and of the targets, as Markdown.
pub(crate) fn markdown(samples: &Samples) -> String {
    let mut text = String::new();
    for mode in MODES {
        let cases: BTreeSet<Case> =
            samples.iter().map(|(case, ..)| case).filter(|case| case.mode == mode.name).collect();
        for figure in figures(samples, mode.name) {
            let kinds: BTreeSet<Kind> = samples
                .iter()
                .filter(|(case, _, figures)| case.mode == mode.name && figures.contains_key(&figure))
                .map(|(_, kind, _)| kind)
                .collect();
            let axis = cases.first().map_or("", |case| case.axis);
            // Writing to a string never fails.
            let _ = writeln!(text, "\n**{}: {}**\n", mode.title, figure.title());
            let header = kinds.iter().map(|kind| kind.title()).collect::<Vec<_>>().join(" | ");
            let _ = writeln!(text, "| {axis} | {header} |\n| --: |{}", " --: |".repeat(kinds.len()));
            for &case in &cases {
                let cells = kinds.iter().map(|&kind| cell(samples, case, kind, figure, kinds.first().copied()));
                let _ = writeln!(text, "| {} | {} |", case.value, cells.collect::<Vec<_>>().join(" | "));
            }
        }
    }
    text + &targets(samples)
}

/// Which figures a mode has.
fn figures(samples: &Samples, mode: &str) -> BTreeSet<Figure> {
    samples.iter().filter(|(case, ..)| case.mode == mode).flat_map(|(.., figures)| figures.keys().copied()).collect()
}

/// A median, and its ratio to the first server's.
fn cell(samples: &Samples, case: Case, kind: Kind, figure: Figure, base: Option<Kind>) -> String {
    let Some(value) = samples.median(case, kind, figure) else { return String::new() };
    match base.filter(|&base| base != kind).and_then(|base| samples.ratio(case, kind, base, figure)) {
        Some(ratio) if ratio.is_finite() => format!("{} ({}x)", number(value), number(ratio)),
        _ => number(value),
    }
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 999_500.0 => format!("{}M", number(value / 1e6)),
        size if size >= 9_995.0 => format!("{}k", number(value / 1e3)),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        size if size > 0.0 => format!("{value:.3}"),
        _ => "0".to_owned(),
    }
}

/// The targets that were measured.
fn targets(samples: &Samples) -> String {
    let mut text =
        String::from("\n**Targets**\n\n| what | must | aim | measured | |\n| --- | --: | --: | --: | --- |\n");
    for target in target::all() {
        let Some(value) = target.value(samples) else { continue };
        let verdict = match target.verdict(value) {
            Verdict::Aim => "aim reached",
            Verdict::Met => "met",
            Verdict::Missed => "**missed**",
        };
        let (sign, must, aim) = match target.bound {
            Bound::AtMost(must, aim) => ("≤", must, aim),
            Bound::AtLeast(must, aim) => ("≥", must, aim),
        };
        let (must, aim, value) = (number(must), number(aim), number(value));
        // Writing to a string never fails.
        let _ = writeln!(text, "| {} | {sign} {must} | {sign} {aim} | {value} | {verdict} |", target.what);
    }
    text
}

/// How many targets were missed.
pub(crate) fn missed(samples: &Samples) -> usize {
    let verdict = |target: &target::Target| target.value(samples).map(|value| target.verdict(value));
    target::all().iter().filter(|target| verdict(target) == Some(Verdict::Missed)).count()
}

/// Every sample, and what it was measured on.
pub(crate) fn json(bench: &Bench, machine: &BTreeMap<&'static str, String>) -> Value {
    let rows = bench.samples.iter().map(|(case, kind, figures)| Row {
        mode: case.mode.into(),
        axis: case.axis.into(),
        value: case.value,
        server: kind.title().into(),
        figures: figures.clone(),
    });
    json!({
        "machine": machine,
        "rounds": bench.rounds,
        "seconds": bench.duration.as_secs_f64(),
        "samples": rows.collect::<Vec<_>>(),
    })
}

/// The figures of one case and server.
#[derive(Serialize, Deserialize)]
struct Row {
    /// The mode.
    mode: String,
    /// What is varied.
    axis: String,
    /// Its value.
    value: usize,
    /// The server.
    server: String,
    /// One value for each round.
    figures: Figures,
}

/// Adds the samples of results that were written earlier.
pub(crate) fn read(json: &str, samples: &mut Samples) -> Result<(), Box<dyn Error>> {
    let mut json: Value = serde_json::from_str(json)?;
    let rows: Vec<Row> = serde_json::from_value(json["samples"].take())?;
    for Row { mode, axis, value, server, figures } in rows {
        let mode = MODES.iter().find(|known| known.name == mode).ok_or("there is no such mode")?.name;
        let axis = AXES.into_iter().find(|known| *known == axis).ok_or("nothing of that kind is varied")?;
        let kind = KINDS.into_iter().find(|known| known.title() == server).ok_or("there is no such server")?;
        samples.replace(Case { mode, axis, value }, kind, figures);
    }
    Ok(())
}
