//! `quipu verify`: reads everything, and names what is damaged.

use std::path::Path;
use std::time::Instant;

use quipu::{ErrorKind, Finding, Severity, VerifyReport};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::output::{Look, Output, count, per_second, plural};
use crate::strangers;

/// Verifies the store; exit code 1 if it is damaged, else 2 if a newer version is needed to verify all of it.
pub(crate) fn run(path: &Path, output: &Output) -> Result<Exit, Failure> {
    let bar = output.progress(Some(0));
    let started = Instant::now();
    let report = quipu::verify(path, &mut |progress| {
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
    });
    bar.finish_and_clear();
    let report = report?;
    let seconds = started.elapsed().as_secs_f64();
    print(&report, seconds, output);
    output.object(&to_json(&report, seconds));
    match report.worst() {
        Some(Severity::Damage) => Ok(Exit::Found),
        Some(Severity::Unsupported) => {
            let kind = ErrorKind::Unsupported;
            let message =
                "not all of the store could be verified: a newer version wrote some of it";
            Err(Failure::new(kind.code(), message, kind.advice()))
        }
        _ => Ok(Exit::Done),
    }
}

fn print(report: &VerifyReport, seconds: f64, output: &Output) {
    for finding in &report.findings {
        let label = match finding.severity {
            Severity::Damage => output.paint(Look::Red, "damage"),
            Severity::Unsupported => output.paint(Look::Bold, "unsupported"),
            _ => output.paint(Look::Bold, "note"),
        };
        output.line(format_args!("{label}: {}", describe(finding)));
    }
    strangers::print(&report.strangers, output);
    let places = |severity| {
        let found = report.findings.iter().filter(|finding| finding.severity == severity);
        plural(found.count() as u64, "place")
    };
    let verdict = match report.worst() {
        Some(worst @ Severity::Damage) => {
            output.paint(Look::Red, format_args!("damaged in {}", places(worst)))
        }
        Some(worst @ Severity::Unsupported) => {
            output.paint(Look::Bold, format_args!("sound, but for {} not verified", places(worst)))
        }
        _ => output.paint(Look::Green, "sound"),
    };
    output.line(format_args!(
        "{verdict}: {} in {} of {}, {} read in {seconds:.2} s ({} MB/s)",
        plural(report.events, "event"),
        plural(report.commits, "commit"),
        plural(report.streams, "stream"),
        plural(report.bytes, "byte"),
        count(per_second(report.bytes, seconds) / 1_000_000),
    ));
    if report.is_sound() && !report.closed_cleanly {
        output.line("the store is open in another process, or its last writer was killed");
    }
}

/// One finding on one line, with the file, the offset and the positions.
fn describe(finding: &Finding) -> String {
    let positions = &finding.positions;
    let touched = if positions.start >= positions.end {
        "no event".to_owned()
    } else if positions.start.plus(1) == positions.end {
        format!("position {}", positions.start)
    } else {
        format!("positions {} to {}", positions.start, positions.end.0 - 1)
    };
    format!(
        "{} at offset {}, {}, {touched}: {}",
        finding.file.display(),
        finding.offset,
        plural(finding.bytes, "byte"),
        finding.what
    )
}

/// The severity, for scripts.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Damage => "damage",
        Severity::Unsupported => "unsupported",
        _ => "unfinished",
    }
}

fn to_json(report: &VerifyReport, seconds: f64) -> Value {
    let findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "severity": word(finding.severity),
                "file": finding.file.display().to_string(),
                "offset": finding.offset,
                "bytes": finding.bytes,
                "positions": [finding.positions.start.0, finding.positions.end.0],
                "what": finding.what,
            })
        })
        .collect();
    json!({
        "sound": report.is_sound(),
        "segments": report.segments,
        "commits": report.commits,
        "events": report.events,
        "streams": report.streams,
        "bytes": report.bytes,
        "next_position": report.next_position.0,
        "closed_cleanly": report.closed_cleanly,
        "seconds": seconds,
        "strangers": report.strangers,
        "findings": findings,
    })
}
