//! The results as plots, in SVG.

use crate::mode::MODES;
use crate::sample::{Figure, Samples};
use crate::server::Kind;
use plotters::coord::combinators::IntoLogRange as _;
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

/// Width and height in pixels.
const SIZE: (u32, u32) = (760, 420);

/// The modes and figures that say most as a plot.
const PLOTS: [(&str, Figure); 7] = [
    ("saturated", Figure::CpuMicrosPerDelivery),
    ("single", Figure::CpuMicrosPerDelivery),
    ("lone", Figure::LastMillis),
    ("text", Figure::CpuMicrosPerDelivery),
    ("rate", Figure::CpuMicrosPerDelivery),
    ("relay", Figure::CpuMicrosPerDelivery),
    ("relay-rate", Figure::LostPercent),
];

/// Draws what was measured, one file for each of [`PLOTS`].
pub(crate) fn draw(samples: &Samples, folder: &Path) -> Result<(), Box<dyn Error>> {
    for (mode, figure) in PLOTS {
        let mut lines: BTreeMap<Kind, Vec<(f64, f64)>> = BTreeMap::new();
        let mut axis = "";
        for (case, kind, _) in samples.iter().filter(|(case, ..)| case.mode == mode) {
            if let Some(value) = samples.median(case, kind, figure) {
                axis = case.axis;
                let at = u32::try_from(case.value).map_or(f64::MAX, f64::from);
                lines.entry(kind).or_default().push((at, value));
            }
        }
        let title = MODES.iter().find(|known| known.name == mode).map_or(mode, |known| known.title);
        if lines.values().any(|points| points.len() > 1) {
            draw_one(&folder.join(format!("{mode}.svg")), title, (axis, figure), &lines)?;
        }
    }
    Ok(())
}

/// Draws one plot; both axes are logarithmic but for percentages.
fn draw_one(
    file: &Path,
    title: &str,
    (axis, figure): (&str, Figure),
    lines: &BTreeMap<Kind, Vec<(f64, f64)>>,
) -> Result<(), Box<dyn Error>> {
    let points = || lines.values().flatten();
    let (left, right) = points().fold((f64::MAX, 0.0_f64), |(low, high), at| (low.min(at.0), high.max(at.0)));
    let (low, high) = points().fold((f64::MAX, 0.0_f64), |(low, high), at| (low.min(at.1), high.max(at.1)));
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&area);
    builder.caption(title, ("sans-serif", 18)).margin(12).x_label_area_size(42).y_label_area_size(70);
    // Room for the legend on the right.
    let columns = (left..right * (right / left).powf(0.3)).log_scale();
    // One macro instead of a function: the two kinds of axes are two types.
    macro_rules! fill {
        ($chart:expr) => {{
            let mut chart = $chart;
            let count = |value: &f64| format!("{value:.0}");
            chart
                .configure_mesh()
                .x_desc(axis)
                .y_desc(figure.title())
                .x_label_formatter(&count)
                .light_line_style(WHITE)
                .draw()?;
            for (kind, points) in lines {
                // The same for a server in all plots.
                let colour = Palette99::pick(*kind as usize).to_rgba();
                let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
                chart
                    .draw_series(line)?
                    .label(kind.title())
                    .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            }
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .border_style(BLACK)
                .background_style(WHITE.mix(0.8))
                .draw()?;
        }};
    }
    if figure == Figure::LostPercent {
        fill!(builder.build_cartesian_2d(columns, 0.0..high.max(1.0) * 1.1)?);
    } else {
        fill!(builder.build_cartesian_2d(columns, (low * 0.8..high * 1.2).log_scale())?);
    }
    area.present()?;
    Ok(())
}
