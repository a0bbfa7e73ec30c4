//! Pictures: bars of the figures with their spread, and curves of latencies.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::arm::Runner;
use crate::failure::{Failure, Result};
use crate::report::{Described, Report};
use crate::summary::Summary;
use crate::table::figure;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const PANEL: (u32, u32) = (560, 340);
const COLUMNS: usize = 2;
const FONT: &str = "sans-serif";
/// Room for names at the left of bars, and for figures at their right.
const LEFT: i32 = 176;
const RIGHT: i32 = 100;
const TOP: i32 = 58;
const INK: RGBColor = RGBColor(40, 40, 40);
const FAINT: RGBColor = RGBColor(140, 140, 140);

/// Draws `overview.svg` and one picture for each work.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn draw(report: &Report, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    overview(report, &folder.join("overview.svg"))?;
    for work in &report.works {
        of_work(report, work, &folder.join(format!("{}.svg", work.name)))?;
    }
    Ok(())
}

/// What plotters says of a drawing that failed.
fn words(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("drawing: {error}"))
}

fn overview(report: &Report, path: &Path) -> Result<()> {
    let rows = report.works.len().div_ceil(COLUMNS).max(1);
    let size = (PANEL.0 * COLUMNS as u32, PANEL.1 * rows as u32 + 40);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE).map_err(words)?;
    let (head, below) = root.split_vertically(40);
    text(&head, &report.machine.line(), (12, 12), 17, FAINT)?;
    for (area, work) in below.split_evenly((rows, COLUMNS)).iter().zip(&report.works) {
        bars(area, report, work)?;
    }
    root.present().map_err(words)
}

fn of_work(report: &Report, work: &Described, path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, (PANEL.0 * 2, PANEL.1 + 40)).into_drawing_area();
    root.fill(&WHITE).map_err(words)?;
    let (head, below) = root.split_vertically(40);
    text(&head, &report.machine.line(), (12, 12), 17, FAINT)?;
    let (left, right) = below.split_horizontally(PANEL.0);
    bars(&left, report, work)?;
    curves(&right, report, work)?;
    root.present().map_err(words)
}

fn text(area: &Area<'_>, words_: &str, at: (i32, i32), size: u32, colour: RGBColor) -> Result<()> {
    let style = (FONT, size).into_font().color(&colour);
    area.draw(&Text::new(words_.to_owned(), at, style)).map_err(words)
}

/// A colour for each runner: this project's own stands out, controls are grey.
fn colour(runner: Runner) -> RGBColor {
    let Runner::Store(contestant) = runner else { return RGBColor(170, 170, 170) };
    match contestant.name() {
        "quipu" => RGBColor(178, 34, 52),
        "tephra" => RGBColor(52, 101, 164),
        "umadb" => RGBColor(92, 154, 66),
        "rocksdb" => RGBColor(120, 80, 160),
        "lmdb" => RGBColor(206, 132, 20),
        "redb" => RGBColor(0, 140, 140),
        "fjall" => RGBColor(150, 100, 60),
        _ => RGBColor(100, 120, 140),
    }
}

/// Bars from the left, as long as the median; a line from the least to the most.
fn bars(area: &Area<'_>, report: &Report, work: &Described) -> Result<()> {
    let lines: Vec<&Summary> = report.of_work(&work.name).collect();
    text(area, &format!("{}: {}", work.name, work.title), (12, 8), 20, INK)?;
    let better = match work.unit.better() {
        crate::works::Better::More => "more is better",
        crate::works::Better::Less => "less is better",
    };
    text(
        area,
        &format!("{}, {better}; line: least to most", work.unit.words()),
        (12, 32),
        13,
        FAINT,
    )?;
    let most = lines.iter().map(|line| line.value.max).fold(f64::MIN_POSITIVE, f64::max);
    let width = f64::from(PANEL.0 as i32 - LEFT - RIGHT);
    let place = |value: f64| LEFT + (value / most * width) as i32;
    let height = (PANEL.1 as i32 - TOP - 12) / lines.len().max(1) as i32;
    let height = height.min(34);
    for (line, index) in lines.iter().zip(0..) {
        let (top, bottom) = (TOP + index * height + 3, TOP + (index + 1) * height - 3);
        let middle = i32::midpoint(top, bottom);
        let bar = [(LEFT, top), (place(line.value.median).max(LEFT + 1), bottom)];
        area.draw(&Rectangle::new(bar, colour(line.runner).filled())).map_err(words)?;
        let spread = [(place(line.value.min), middle), (place(line.value.max), middle)];
        area.draw(&PathElement::new(spread, INK.stroke_width(2))).map_err(words)?;
        text(area, line.runner.name(), (8, middle - 7), 16, INK)?;
        let told = figure(line.value.median);
        text(area, &told, (place(line.value.max) + 8, middle - 7), 16, INK)?;
    }
    Ok(())
}

/// Latency against quantile: each step to the right is ten times as rare.
fn curves(area: &Area<'_>, report: &Report, work: &Described) -> Result<()> {
    let lines: Vec<(&Summary, Vec<(f64, f64)>)> = report
        .of_work(&work.name)
        .filter_map(|line| Some((line, nines(&line.middle.latency.as_ref()?.curve))))
        .filter(|(_, curve)| curve.len() > 1)
        .collect();
    if lines.is_empty() {
        return text(area, "no latencies in this work", (60, 60), 16, FAINT);
    }
    let points = || lines.iter().flat_map(|(_, curve)| curve);
    let rarest = points().map(|point| point.0).fold(1.0, f64::max) + 0.05;
    let least = points().map(|point| point.1).fold(f64::MAX, f64::min).max(0.01);
    let most = points().map(|point| point.1).fold(least * 10.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption("latency of an append or a read, by quantile", (FONT, 20))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d(0.0..rarest, (least..most).log_scale())
        .map_err(words)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 15))
        .x_labels(rarest as usize + 1)
        .x_label_formatter(&|nines| quantile_label(*nines))
        .y_label_formatter(&|micros| figure(*micros))
        .x_desc("share of calls that took no longer")
        .y_desc("µs")
        .draw()
        .map_err(words)?;
    for (line, curve) in lines {
        let colour = colour(line.runner);
        let series = LineSeries::new(curve, colour.stroke_width(2));
        let drawn = chart.draw_series(series).map_err(words)?;
        let key = move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2));
        drawn.label(line.runner.name()).legend(key);
    }
    let mut labels = chart.configure_series_labels();
    let labels = labels.position(SeriesLabelPosition::UpperLeft).background_style(WHITE.mix(0.8));
    labels.label_font((FONT, 15)).draw().map_err(words)
}

/// How many nines a quantile has: 0.99 has two.
fn nines(curve: &[(f64, f64)]) -> Vec<(f64, f64)> {
    curve.iter().map(|(quantile, micros)| (-(1.0 - quantile).log10(), micros.max(0.01))).collect()
}

fn quantile_label(nines: f64) -> String {
    let percent = 100.0 * (1.0 - 10_f64.powf(-nines));
    let digits = (nines.round() as usize).saturating_sub(2);
    format!("{percent:.digits$}%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::{Folder, Memory};
    use crate::report;

    #[test]
    fn quantiles_are_told_in_percent() {
        let told = [(0.0, "0%"), (1.0, "90%"), (2.0, "99%"), (3.0, "99.9%"), (4.0, "99.99%")];
        for (nines, label) in told {
            assert_eq!(quantile_label(nines), label);
        }
    }

    #[test]
    fn pictures_name_what_they_show() {
        let parent = Path::new(env!("CARGO_MANIFEST_DIR")).join("target-pictures");
        let folder = Folder::make(Some(&parent), Memory::Allowed).unwrap();
        let pictures = folder.fresh("pictures").unwrap();
        draw(&report::tests::sample(), &pictures).unwrap();
        let picture = |name| std::fs::read_to_string(pictures.join(name)).unwrap();
        let overview = picture("overview.svg");
        for words in ["durable-1", "os-1", "quipu", "tephra", "events/s", "9,050"] {
            assert!(overview.contains(words), "{words} is not in the overview");
        }
        assert!(picture("durable-1.svg").contains("99.9%"));
        assert!(picture("os-1.svg").contains("<svg"));
        drop(folder);
        std::fs::remove_dir(parent).unwrap();
    }
}
