//! `quipu salvage`: a new store from what is left of a damaged one.

use std::path::Path;
use std::time::Instant;

use quipu::{
    Damage, Lost, Position, Renumbered, SalvageProgress, SalvageReport, SalvageStep, Unreadable,
};
use serde_json::{Value, json};

use crate::cli::SalvageArgs;
use crate::failure::{Exit, Failure};
use crate::output::{Look, Output, count, plural};

/// Streams that are named for people; scripts get all that the report holds.
const STREAMS_SHOWN: usize = 20;
/// The same of places that the system cannot read.
const PLACES_SHOWN: usize = 20;

/// Salvages the store; exit code 1 if something is lost.
pub(crate) fn run(path: &Path, args: &SalvageArgs, output: &Output) -> Result<Exit, Failure> {
    let bar = output.progress(Some(0));
    let started = Instant::now();
    let mut tell = |progress: SalvageProgress| {
        bar.set_message(match progress.step {
            SalvageStep::Verifying => "verifying the copy",
            _ => "reading",
        });
        bar.set_length(progress.total_bytes);
        bar.set_position(progress.done_bytes);
    };
    let salvaged = match &args.to {
        Some(to) => quipu::salvage(path, to, &mut tell),
        None => quipu::salvageable(path, &mut tell),
    };
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let tell = |report: &SalvageReport| {
        print(report, args.to.as_deref(), seconds, output);
        output.object(&to_json(report, args.to.as_deref(), seconds));
    };
    match salvaged {
        Ok(report) => {
            tell(&report);
            Ok(if report.is_complete() { Exit::Done } else { Exit::Found })
        }
        Err(error) => {
            // The copy is there all the same.
            error.salvaged().inspect(|report| tell(report));
            // Damage in the copy is not what was looked for.
            Err(Failure::from(error).exit(Exit::Failed))
        }
    }
}

fn print(report: &SalvageReport, to: Option<&Path>, seconds: f64, output: &Output) {
    for lost in &report.lost {
        output.line(format_args!("{}: {}", output.paint(Look::Red, "lost"), describe(lost)));
    }
    if report.more_lost > 0 {
        output.line(format_args!("and {} more", plural(report.more_lost, "piece")));
    }
    for line in notes(report) {
        output.line(format_args!("{}: {line}", output.paint(Look::Bold, "note")));
    }
    let verdict = verdict(report);
    let look = if report.is_complete() { Look::Green } else { Look::Red };
    let verdict = output.paint(look, verdict);
    let kept = match to {
        Some(to) => format!("kept and verified in {}", to.display()),
        None => "could be kept".to_owned(),
    };
    output.line(format_args!(
        "{verdict}; {} in {} of {} {kept}, {seconds:.2} s",
        plural(report.events, "event"),
        plural(report.commits, "commit"),
        plural(report.streams, "stream"),
    ));
}

fn verdict(report: &SalvageReport) -> String {
    if report.is_complete() {
        return "nothing is lost".to_owned();
    }
    match report.lost_events() {
        0 if report.lost.is_empty() => "nothing of what was found is lost".to_owned(),
        0 => "lost an unknown number of events".to_owned(),
        events if is_exact(report) => format!("lost {}", plural(events, "event")),
        events => format!("lost at least {}", plural(events, "event")),
    }
}

/// Whether the list of losses is whole, and tells of each how many events it is.
fn is_exact(report: &SalvageReport) -> bool {
    let is_listed = report.more_lost == 0 && report.manifest.is_none();
    is_listed && report.lost.iter().all(|lost| !lost.positions.is_empty())
}

/// One loss on one line, with the file, the offset and the positions.
fn describe(lost: &Lost) -> String {
    let positions = &lost.positions;
    let touched = if positions.is_empty() {
        format!("an unknown number of events from position {}", positions.start)
    } else if positions.start.plus(1) == positions.end {
        format!("position {}", positions.start)
    } else {
        format!("positions {} to {}", positions.start, positions.end.0 - 1)
    };
    format!(
        "{touched} in {} at offset {}, {}: {}",
        lost.file.display(),
        lost.offset,
        plural(lost.bytes, "byte"),
        lost.what
    )
}

/// What is not certain, and what is not the same in the new store.
fn notes(report: &SalvageReport) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(Damage { file, offset, what, .. }) = &report.manifest {
        notes.push(format!("{} at offset {offset}: {what}", file.display()));
    }
    for Unreadable { file, offset, bytes, error } in report.unreadable.iter().take(PLACES_SHOWN) {
        let (file, bytes) = (file.display(), plural(*bytes, "byte"));
        notes.push(format!("{file} at offset {offset}: {bytes} cannot be read: {error}"));
    }
    let more = report.unreadable.len().saturating_sub(PLACES_SHOWN);
    if more > 0 {
        let places = plural(more as u64, "more place");
        notes.push(format!("nor can {places}; --json names them"));
    }
    if let Some(position) = report.moved_from {
        notes.push(format!("events from position {position} on have lower positions in the copy"));
    }
    for Renumbered { stream, from } in report.renumbered.iter().take(STREAMS_SHOWN) {
        notes.push(format!("stream {stream:?} is numbered anew from version {from} on"));
    }
    let shown = report.renumbered.len().min(STREAMS_SHOWN);
    let named = (report.renumbered.len() - shown) as u64;
    let more = named + report.more_renumbered;
    if more > 0 {
        let names = match report.more_renumbered {
            0 => "--json names them".to_owned(),
            _ => format!("--json names {} of them", count(named)),
        };
        notes.push(format!("so are {}; {names}", plural(more, "more stream")));
    }
    if report.unfinished_bytes > 0 {
        let bytes = plural(report.unfinished_bytes, "byte");
        notes.push(format!("{bytes} of commits that were never finished are left behind"));
    }
    notes
}

fn to_json(report: &SalvageReport, to: Option<&Path>, seconds: f64) -> Value {
    let lost = report.lost.iter().map(|lost| {
        json!({
            "file": lost.file.display().to_string(),
            "offset": lost.offset,
            "bytes": lost.bytes,
            "positions": [lost.positions.start.0, lost.positions.end.0],
            "what": lost.what,
        })
    });
    let manifest = report.manifest.as_ref().map(|damage| {
        json!({
            "file": damage.file.display().to_string(),
            "offset": damage.offset.0,
            "what": damage.what,
        })
    });
    let unreadable = report.unreadable.iter().map(|Unreadable { file, offset, bytes, error }| {
        json!({ "file": file.display().to_string(), "offset": offset, "bytes": bytes, "error": error })
    });
    let renumbered = report
        .renumbered
        .iter()
        .map(|Renumbered { stream, from }| json!({ "stream": stream, "from": from.0 }));
    json!({
        "complete": report.is_complete(),
        "to": to.map(|to| to.display().to_string()),
        "commits": report.commits,
        "events": report.events,
        "streams": report.streams,
        "bytes": report.bytes,
        "unfinished_bytes": report.unfinished_bytes,
        "lost": lost.collect::<Vec<_>>(),
        "more_lost": report.more_lost,
        "manifest": manifest,
        "unreadable": unreadable.collect::<Vec<_>>(),
        "moved_from": report.moved_from.map(|Position(position)| position),
        "renumbered": renumbered.collect::<Vec<_>>(),
        "more_renumbered": report.more_renumbered,
        "seconds": seconds,
    })
}

#[cfg(test)]
mod tests {
    use quipu::Version;

    use super::*;

    #[test]
    fn scripts_are_promised_no_more_streams_than_they_are_told() {
        let one = |number: usize| Renumbered { stream: format!("s-{number}"), from: Version(1) };
        for (listed, beyond, told) in [
            (20, 0, None),
            (25, 0, Some("so are 5 more streams; --json names them")),
            (10_000, 7, Some("so are 9,987 more streams; --json names 9,980 of them")),
        ] {
            let renumbered: Vec<_> = (0..listed).map(one).collect();
            let report =
                SalvageReport { renumbered, more_renumbered: beyond, ..SalvageReport::default() };
            let notes = notes(&report);
            assert_eq!(notes.get(STREAMS_SHOWN).map(String::as_str), told);
        }
    }
}
