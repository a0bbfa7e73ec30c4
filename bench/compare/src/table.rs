//! What a person reads: a block for each work, a line for each store.

use std::fmt::Write as _;

use crate::arm::{Outcome, Runner};
use crate::report::{Described, Report};
use crate::summary::{Came, Spread, Summary, between, is_peer};

const ABSENT: &str = "–";
const HEADS: [&str; 14] = [
    "",
    "median",
    "least",
    "most",
    "× control",
    "× best peer",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "max µs",
    "CPU s/M",
    "written B",
    "kept B",
    "memory MB",
];

/// The whole report.
pub(crate) fn render(report: &Report) -> String {
    let mut text = format!("{}\n", report.machine.line());
    if let Some(warning) = report.machine.warning() {
        let _ = writeln!(text, "{warning}");
    }
    for work in &report.works {
        let _ = write!(text, "\n{}", block(report, work));
    }
    text + &pairs(report)
}

/// Works of which the one is to be held against the other, and what that shows.
const PAIRS: [(&str, &str, &str); 4] = [
    ("many-streams-sync", "few-streams-sync", "durable, very many streams against a thousand"),
    (
        "many-streams-os",
        "few-streams-os",
        "written to the system, very many streams against a thousand",
    ),
    ("open-10x", "open", "opening, ten times the events"),
    ("open-killed-10x", "open-killed", "opening after a kill, ten times the events"),
];

/// A line for each pair that ran: 1 where the two are the same, less where the first one is worse.
fn pairs(report: &Report) -> String {
    let mut text = String::new();
    for (work, other, title) in PAIRS {
        let Some(described) = report.works.iter().find(|known| known.name == work) else {
            continue;
        };
        let told = report.of_work(work).filter_map(|line| {
            let better = described.unit.better();
            let ratio = between(&report.rounds, line.runner, (work, other), better)?;
            let is_store = matches!(line.runner, Runner::Store(_));
            is_store.then(|| format!("{} {}", line.runner.name(), times(&Some(ratio))))
        });
        let told: Vec<String> = told.collect();
        if !told.is_empty() {
            let _ = writeln!(text, "{title}, times as good: {}", told.join(", "));
        }
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// One work.
fn block(report: &Report, work: &Described) -> String {
    let mut rows = vec![HEADS.map(str::to_owned).to_vec()];
    let mut lines: Vec<&Summary> = report.of_work(&work.name).collect();
    // This project, then its peers, the best one first, then the controls.
    lines.sort_by(|one, other| {
        let place =
            |line: &Summary| (matches!(line.runner, Runner::Control(_)), is_peer(line.runner));
        let by_value = match work.unit.better() {
            crate::works::Better::More => other.value.median.total_cmp(&one.value.median),
            crate::works::Better::Less => one.value.median.total_cmp(&other.value.median),
        };
        place(one).cmp(&place(other)).then(by_value)
    });
    rows.extend(lines.into_iter().map(row));
    for (runner, came) in not_run(report, work) {
        let mut cells = vec![ABSENT.to_owned(); HEADS.len()];
        cells[0] = runner.name().to_owned();
        if matches!(came, Came::Failed(_)) {
            cells[1] = "FAILED".to_owned();
        }
        rows.push(cells);
    }
    let remarks = remarks(report, work);
    let head = format!("{}: {}, {}\n", work.name, work.title, work.unit.words());
    format!("{head}{}{remarks}", aligned(&rows))
}

/// What is to be said of single stores; of those of which the same is to be said, at once.
fn remarks(report: &Report, work: &Described) -> String {
    let mut remarks: Vec<(String, Vec<&str>)> = Vec::new();
    let mut remark = |runner: Runner, words: String| {
        match remarks.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) => names.push(runner.name()),
            None => remarks.push((words, vec![runner.name()])),
        };
    };
    for (runner, came) in not_run(report, work) {
        match came {
            Came::Failed(how) => remark(runner, format!("FAILED: {how}")),
            Came::Absent(why) => remark(runner, why.clone()),
            Came::Ran(_) => {}
        }
    }
    for line in report.of_work(&work.name).filter(|line| !line.middle.notes.is_empty()) {
        remark(line.runner, line.middle.notes.join("; "));
    }
    let lines = remarks.iter().map(|(words, names)| format!("  {}: {words}\n", names.join(", ")));
    lines.collect()
}

/// Who did not come to a figure in any round, or failed in one.
fn not_run<'r>(report: &'r Report, work: &Described) -> Vec<(Runner, &'r Came)> {
    let mut found: Vec<(Runner, &Came)> = Vec::new();
    for round in report.rounds.iter().filter(|round| round.work == work.name) {
        let known = found.iter().any(|(runner, _)| *runner == round.runner);
        if !matches!(round.came, Came::Ran(_)) && !known {
            found.push((round.runner, &round.came));
        }
    }
    found
}

fn row(line: &Summary) -> Vec<String> {
    let Summary { runner, value, to_control, to_peer, middle, .. } = line;
    let mut cells = vec![runner.name().to_owned()];
    cells.extend([value.median, value.min, value.max].map(figure));
    cells.extend([to_control, to_peer].map(times));
    let latency = middle.latency.as_ref();
    let latencies = [
        latency.map(|latency| latency.p50),
        latency.map(|latency| latency.p99),
        latency.map(|latency| latency.p999),
        latency.map(|latency| latency.max),
    ];
    cells.extend(latencies.map(|micros| micros.map_or(ABSENT.to_owned(), figure)));
    cells.extend(costs(middle));
    cells
}

/// CPU a million, bytes written and kept an event, memory.
fn costs(outcome: &Outcome) -> [String; 4] {
    let per = |bytes: u64, events: u64| match (bytes, events) {
        (0, _) | (_, 0) => ABSENT.to_owned(),
        (bytes, events) => figure(bytes as f64 / events as f64),
    };
    let cpu = match outcome.count {
        0 | 1 => ABSENT.to_owned(),
        count => figure(outcome.usage.cpu_seconds * 1e6 / count as f64),
    };
    let memory = match outcome.usage.anonymous_bytes {
        0 => ABSENT.to_owned(),
        bytes => figure(bytes as f64 / 1e6),
    };
    let written = match outcome.count {
        0 | 1 => ABSENT.to_owned(),
        count => per(outcome.usage.written_bytes, count),
    };
    [cpu, written, per(outcome.kept_bytes, outcome.stored), memory]
}

fn times(ratio: &Option<Spread>) -> String {
    ratio.map_or(ABSENT.to_owned(), |ratio| {
        let digits = if ratio.median < 0.1 { 3 } else { 2 };
        format!("{:.digits$}", ratio.median)
    })
}

/// A figure with as many digits as mean something, thousands apart.
pub(crate) fn figure(value: f64) -> String {
    if value < 100.0 {
        return if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") };
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Columns, the first to the left and all others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = format!("  {:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            let _ = write!(line, "  {cell:>width$}");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report;

    #[test]
    fn figures_have_the_digits_that_mean_something() {
        let told = [(0.123, "0.12"), (12.34, "12.3"), (999.6, "1,000"), (1_234_567.0, "1,234,567")];
        for (value, text) in told {
            assert_eq!(figure(value), text);
        }
    }

    #[test]
    fn a_table_names_every_store_and_says_why_one_has_no_figure() {
        let text = render(&report::tests::sample());
        for words in [
            "durable-1: durable, 1 thread, 1 event a commit, events/s",
            "9,050",
            "1.12",
            "tephra: it has nothing between memory and disk",
            "lmdb: FAILED: position 7 comes where 6 must",
        ] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
        let heads = text.lines().find(|line| line.contains("median")).unwrap();
        let quipu = text.lines().find(|line| line.trim_start().starts_with("quipu")).unwrap();
        assert_eq!(heads.chars().count(), quipu.chars().count(), "{text}");
    }
}
