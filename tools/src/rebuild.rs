//! `quipu rebuild-index`: all index files, made anew from the log.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::output::{Look, Output, plural};

/// Makes the index files; exit code 1 if the log is damaged: then those are left that may know more than it.
pub(crate) fn run(path: &Path, output: &Output) -> Result<Exit, Failure> {
    let bar = output.progress(Some(0));
    let started = Instant::now();
    let report = quipu::rebuild_index(path, &mut |progress| {
        bar.set_length(progress.total_segments);
        bar.set_position(progress.done_segments);
    });
    bar.finish_and_clear();
    let report = report?;
    let seconds = started.elapsed().as_secs_f64();
    for damage in &report.damage {
        output.failure(&Failure::from(damage.clone()));
    }
    output.line(format_args!(
        "{}: the index of {}, {} in {}, in {seconds:.2} s",
        output.paint(Look::Green, "made anew"),
        plural(report.segments, "segment"),
        plural(report.keys, "key"),
        plural(report.bytes, "byte"),
    ));
    output.object(&json!({
        "segments": report.segments,
        "keys": report.keys,
        "bytes": report.bytes,
        "damaged_segments": report.damage.len(),
        "left_segments": report.left_segments,
        "seconds": seconds,
    }));
    if report.damage.is_empty() {
        return Ok(Exit::Done);
    }
    let damaged = report.damage.len() as u64;
    output.remark(format_args!(
        "left as they are: the index of {} with lost events, of {} behind, and the runs over any of these",
        plural(damaged, "segment"),
        plural(report.left_segments, "segment"),
    ));
    Ok(Exit::Found)
}
