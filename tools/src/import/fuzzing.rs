//! Lines of any bytes.

use std::io::Cursor;

use quipu::{Event, ExpectedVersion, Store};

use super::event::{self, Parsed};
use super::lines::{self, Block, Cutter};
use crate::print;
use crate::time::Finer;

/// Lines of an input that are looked at.
const LINES_MAX: usize = 16;

/// What is cut from a stream is what is cut from memory; a line that is parsed is taken by a store, and exported it
/// is the same event, with spaces for line ends between its values.
pub(crate) fn import(input: &[u8]) -> Result<(), String> {
    let lines: Vec<&[u8]> = lines::split(input).take(LINES_MAX).collect();
    cut_alike(input, &lines)?;
    let finer = if input.len().is_multiple_of(2) { Finer::Cut } else { Finer::Refused };
    let parsed: Vec<(&[u8], Parsed<'_>)> =
        lines.iter().filter_map(|&line| Some((line, event::parse(line, finer).ok()?))).collect();
    if parsed.is_empty() {
        return Ok(());
    }
    stored_alike(&parsed, finer).map_err(|wrong| format!("a line that was parsed: {wrong}"))
}

fn cut_alike(input: &[u8], lines: &[&[u8]]) -> Result<(), String> {
    let mut cutter = Cutter::new(Box::new(Cursor::new(input.to_vec())), LINES_MAX);
    let block = cutter.cut(Block::default());
    let block = block.map_err(|broken| format!("cutting: {broken:?}"))?;
    let is_same =
        |(at, line): (usize, &&[u8])| block.line(at).is_some_and(|cut| cut.bytes == *line);
    if block.len() == lines.len() && lines.iter().enumerate().all(is_same) {
        return Ok(());
    }
    Err(format!("{} lines are cut, and {} split", block.len(), lines.len()))
}

fn stored_alike(parsed: &[(&[u8], Parsed<'_>)], finer: Finer) -> Result<(), String> {
    let failed = |error: quipu::Error| format!("{error:?}");
    let store = Store::builder("fuzzed").in_memory().open().map_err(failed)?;
    for (_, line) in parsed {
        store.append(line.stream(), ExpectedVersion::Any, [line.event()]).map_err(failed)?;
    }
    let mut events = store.all().events().map_err(failed)?;
    for (bytes, _) in parsed {
        let event = events.next().map_err(failed)?.ok_or("it is not there")?;
        // In a line that was parsed no string holds a line end that is not escaped.
        let spaced = bytes.iter().map(|&byte| if byte == b'\r' { b' ' } else { byte });
        let spaced: Vec<u8> = spaced.collect();
        exported_alike(&event::parse(&spaced, finer)?, &event)?;
    }
    store.close().map_err(failed)
}

fn exported_alike(line: &Parsed<'_>, event: &Event<'_>) -> Result<(), String> {
    let mut exported = Vec::new();
    print::portable(&mut exported, event);
    let again = event::parse(exported.trim_ascii_end(), Finer::Refused)?;
    let mut expected = line.event();
    if event.occurred().is_none() {
        // It is exported with the time at which the store recorded it.
        expected = expected.occurred(event.recorded());
    }
    if line.stream() == again.stream() && expected == again.event() {
        return Ok(());
    }
    Err(format!("{expected:?} was exported as {again:?}"))
}
