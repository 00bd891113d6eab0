//! The table of docs/performance.md as a plot.

use crate::{KINDS, Kind};
use plotters::prelude::*;
use std::collections::BTreeMap;

/// What is drawn: for each kind and size of group, losses in percent and seconds.
type Lines = BTreeMap<(Kind, usize), Vec<(f64, f64)>>;

/// The points of the plot, from the rows of a document's table.
pub(crate) fn read_rows(document: &str) -> Lines {
    let mut lines: Lines = BTreeMap::new();
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
pub(crate) fn draw(path: &str, lines: &Lines) -> Result<(), Box<dyn std::error::Error>> {
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
