//! How much of the input the store holds already, found by the ids of its events.

use quipu::{Store, Uuid};

use super::input::Input;
use crate::failure::{Exit, Failure};

/// Takes the leading lines of the input that are stored. Both are walked once, side by side: lines were
/// stored in order, so the events that came from them stand in order, maybe with others between.
pub(super) fn skip_stored(store: &Store, input: &mut Input) -> Result<(), Failure> {
    let Some(mut wanted) = next_id(input)? else { return Ok(()) };
    let mut events = store.all().events()?;
    while let Some(event) = events.next()? {
        if event.id() != Some(wanted) {
            continue;
        }
        input.advance();
        match next_id(input)? {
            Some(id) => wanted = id,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Fails if the first line of the input is stored.
pub(super) fn refuse_if_stored(store: &Store, input: &mut Input) -> Result<(), Failure> {
    let Some(wanted) = next_id(input)? else { return Ok(()) };
    let mut events = store.all().events()?;
    while let Some(event) = events.next()? {
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
    Ok(())
}

fn next_id(input: &mut Input) -> Result<Option<Uuid>, Failure> {
    Ok(input.peek()?.map(|line| line.id))
}
