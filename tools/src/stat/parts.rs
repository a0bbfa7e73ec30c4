//! The bytes of a store, part by part.

use quipu::{FileBytes, Layout, RecordBytes};
use serde_json::{Map, Value};

use crate::output::{Look, Output, count};

/// A part: a word for scripts that never changes, the same for people, and its bytes.
type Line = (&'static str, &'static str, u64);

/// The parts; together they are all that there is.
fn of(layout: &Layout) -> Vec<Line> {
    let log = match &layout.records {
        Some(records) => log(records),
        None => vec![("log", "log", layout.files.frames)],
    };
    log.into_iter().chain(files(&layout.files)).collect()
}

/// The bytes of each part.
pub(super) fn to_json(layout: &Layout) -> Value {
    let fields = of(layout).into_iter().map(|(name, _, bytes)| (name.to_owned(), bytes.into()));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// The bytes that each event takes of each part; null where there are no events.
pub(super) fn each_to_json(layout: &Layout) -> Value {
    let events = layout.next_position.0;
    if events == 0 {
        return Value::Null;
    }
    let each = |bytes: u64| Value::from(bytes as f64 / events as f64);
    let fields = of(layout).into_iter().map(|(name, _, bytes)| (name.to_owned(), each(bytes)));
    Value::Object(fields.chain([("all".to_owned(), each(layout.files.total()))]).collect())
}

fn log(records: &RecordBytes) -> Vec<Line> {
    vec![
        ("payload", "payload", records.payload),
        ("metadata", "metadata", records.metadata),
        ("tags", "tags", records.tags),
        ("names", "names of streams and types", records.names),
        ("ids_and_times", "ids, times of occurrence", records.ids_and_times),
        ("event_headers", "headers of events", records.event_headers),
        ("commit_headers", "headers of commits", records.commit_headers),
        ("padding", "padding", records.padding),
        ("entries", "links, marks, seals", records.entries),
        ("unreadable", "unreadable: damaged", records.unreadable),
    ]
}

fn files(files: &FileBytes) -> [Line; 9] {
    [
        ("segment_headers", "headers of segments", files.segment_headers),
        ("indexes", "indexes of segments", files.indexes),
        ("runs", "runs", files.runs),
        ("manifest", "manifest", files.manifest),
        ("left", "left behind in full segments", files.left),
        ("free", "free in segments", files.free),
        ("ballast", "ballast", files.ballast),
        ("live", "page for followers", files.live),
        ("other", "other files", files.other),
    ]
}

/// The parts as a table, with the bytes that each event takes of them. What is nothing is left out.
pub(super) fn table(layout: &Layout, output: &Output) -> Vec<String> {
    let events = layout.next_position.0;
    let row = |title: &str, bytes: u64| {
        format!("  {title:<32}{:>18}{:>16}", count(bytes), each(bytes, events))
    };
    let rows = |lines: &[Line], indent: &str| {
        let filled = lines.iter().filter(|(.., bytes)| *bytes > 0);
        filled.map(|(_, title, bytes)| row(&format!("{indent}{title}"), *bytes)).collect::<Vec<_>>()
    };
    let consists_of = layout.records.as_ref().map(log).unwrap_or_default();
    let mut lines = vec![format!("  {:<32}{:>18}{:>16}", "", "bytes", "an event")];
    lines.push(row("log", layout.files.frames));
    lines.extend(rows(&consists_of, "  "));
    lines.extend(rows(&files(&layout.files), ""));
    lines.push(output.paint(Look::Bold, row("in all", layout.files.total())));
    lines
}

/// Bytes for each event, to a tenth.
fn each(bytes: u64, events: u64) -> String {
    if events == 0 { String::new() } else { format!("{:.1}", bytes as f64 / events as f64) }
}
