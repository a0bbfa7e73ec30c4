//! How much of the input the store holds already, found by the ids of its events.

use quipu::{Store, Uuid};

use super::input::Input;
use super::later::{Later, of_a_line};
use super::lines::Line;
use crate::failure::{Exit, Failure};

/// The code of a failure for a store that has lost lines of the input.
pub(super) const LINES_LOST: &str = "lines-lost";

/// Takes the leading lines of the input that are stored. Both are walked once, side by side: lines were
/// stored in order, so the events that came from them stand in order, maybe with others between. What is stored
/// behind the first line that is not, tells the answer when it is asked.
pub(super) fn skip_stored<'s>(
    store: &'s Store,
    input: &mut Input,
) -> Result<Option<Later<'s>>, Failure> {
    let Some(mut wanted) = next_id(input)? else { return Ok(None) };
    let (mut events, mut highest) = (store.all().events()?, None);
    while let Some(event) = events.next()? {
        if event.id() != Some(wanted) {
            highest = highest.max(of_a_line(event.id()));
            continue;
        }
        input.advance();
        match next_id(input)? {
            Some(id) => wanted = id,
            None => return Ok(None),
        }
    }
    Ok(Some(Later::new(store, wanted, highest)))
}

/// Fails if the first line of the input is stored.
pub(super) fn refuse_if_stored<'s>(
    store: &'s Store,
    input: &mut Input,
) -> Result<Option<Later<'s>>, Failure> {
    let Some(wanted) = next_id(input)? else { return Ok(None) };
    let (mut events, mut highest) = (store.all().events()?, None);
    while let Some(event) = events.next()? {
        highest = highest.max(of_a_line(event.id()));
        if event.id() == Some(wanted) {
            let message = format!(
                "the store holds the first line of this input already, at position {}",
                event.position()
            );
            let advice =
                "go on where that import ended with --resume; nothing is stored twice then";
            return Err(Failure::new("already-imported", message, advice)
                .exit(Exit::Found)
                .detail("position", event.position().0));
        }
    }
    Ok(Some(Later::new(store, wanted, highest)))
}

/// Fails if a line behind the first that is not stored is, where that can be told before anything is written: of an input
/// that can be read a second time. Of another, what is left to be asked as it is read. An input of which the rest cannot
/// be read, and so not be compared, is taken no further.
pub(super) fn refuse_gap<'s>(
    mut later: Later<'s>,
    input: &Input,
) -> Result<Option<Later<'s>>, Failure> {
    if later.is_over()? {
        return Ok(None);
    }
    let Some(mut again) = input.again()? else { return Ok(Some(later)) };
    let missing = input.taken();
    let (mut first, mut last) = (None, 0);
    while let Some(line) = again.peek()? {
        if line.number >= missing {
            if later.holds(line.id)? {
                first = first.or(Some(line.number));
                last = line.number;
            }
            if later.is_over()? {
                break;
            }
        }
        again.advance();
    }
    first.map_or(Ok(None), |first| Err(lines_lost(missing, first).detail("last", last + 1)))
}

/// Fails if a line is stored although one before it is missing.
pub(super) fn refuse_stored(
    later: &mut Later<'_>,
    missing: u64,
    line: Line<'_>,
) -> Result<(), Failure> {
    if later.holds(line.id)? { Err(lines_lost(missing, line.number)) } else { Ok(()) }
}

/// A line is missing, and one that follows is stored. Lines are counted from 1 for people.
fn lines_lost(missing: u64, stored: u64) -> Failure {
    let (missing, stored) = (missing + 1, stored + 1);
    let message = if missing < stored {
        format!("the store holds line {stored} of this input, and not line {missing} before it")
    } else {
        format!("the store holds line {stored} of this input, and not behind the lines before it")
    };
    let message = format!("{message}: events that it held are lost");
    let advice = "lines that are lost cannot be put back where they stood: import all of the input into a new store, \
                  or, to go without them, only the lines behind the last one that is stored, which --json names where \
                  the input is a file";
    Failure::new(LINES_LOST, message, advice)
        .exit(Exit::Found)
        .detail("missing", missing)
        .detail("line", stored)
}

fn next_id(input: &mut Input) -> Result<Option<Uuid>, Failure> {
    Ok(input.peek()?.map(|line| line.id))
}
