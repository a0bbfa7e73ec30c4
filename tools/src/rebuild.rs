//! `quipu rebuild-index`: all index files, made anew from the log.

use std::path::Path;
use std::time::Instant;

use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::output::{Look, Output, plural};

/// Makes the index files; exit code 1 if the log is damaged.
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
        "seconds": seconds,
    }));
    Ok(Exit::Done)
}
