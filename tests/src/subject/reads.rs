//! Reading the store under test.

use quipu::stepping::Stepper;
use quipu::{ErrorKind, Events, Position};

use super::Subject;
use crate::checker::{Checked, Rule, ensure};
use crate::content;
use crate::history::{Entry, Seen};

/// A reader on its way.
pub struct Cursor {
    events: Events,
    from: u64,
    visible: u64,
    got: Vec<Seen>,
}

/// All that is visible.
pub(super) fn everything(stepper: &Stepper) -> quipu::Result<Vec<Seen>> {
    let mut events = stepper.all().events()?;
    let mut got = Vec::new();
    while let Some(event) = events.next()? {
        got.push(content::seen(&event));
    }
    Ok(got)
}

impl Subject {
    /// Opens a cursor over what is visible now, from a position on. Nothing, where a planned fault
    /// explains it.
    ///
    /// # Errors
    /// What that breaks.
    pub fn cursor(&mut self, from: u64) -> Checked<Option<Cursor>> {
        let before = self.disk.operations();
        let visible = self.visible()?;
        self.record(Entry::Looked { visible })?;
        match self.stepper()?.all().from(Position(from)).events() {
            Ok(events) => Ok(Some(Cursor { events, from, visible, got: Vec::new() })),
            Err(error) => self.explain_read(before, &error).map(|()| None),
        }
    }

    /// Reads up to `count` events. Gives the cursor back if it did not come to its end.
    ///
    /// # Errors
    /// What was read and should not have been, or the other way round.
    pub fn read(&mut self, mut cursor: Cursor, count: usize) -> Checked<Option<Cursor>> {
        let before = self.disk.operations();
        for _ in 0..count {
            match cursor.events.next() {
                Ok(Some(event)) => cursor.got.push(content::seen(&event)),
                Ok(None) => {
                    self.counts.reads += 1;
                    let Cursor { from, visible, got: events, .. } = cursor;
                    self.record(Entry::Read { from, visible, events })?;
                    return Ok(None);
                }
                Err(error) => {
                    self.let_go(cursor)?;
                    return self.explain_read(before, &error).map(|()| None);
                }
            }
        }
        Ok(Some(cursor))
    }

    /// A cursor comes to no end. What it gave so far is judged all the same.
    ///
    /// # Errors
    /// As [`Subject::read`].
    pub fn let_go(&mut self, cursor: Cursor) -> Checked {
        let Cursor { from, visible, got: events, .. } = cursor;
        if events.is_empty() {
            return Ok(());
        }
        let reached = from + events.len() as u64;
        ensure(reached <= visible, Rule::Reading, || {
            format!("{} events from {from}, where {visible} is visible", events.len())
        })?;
        self.record(Entry::Read { from, visible: reached, events })
    }

    /// Reads from a position to the end of what is visible.
    ///
    /// # Errors
    /// As [`Subject::read`].
    pub fn read_from(&mut self, from: u64) -> Checked {
        match self.cursor(from)? {
            Some(cursor) => self.read(cursor, usize::MAX).map(drop),
            None => Ok(()),
        }
    }

    pub(super) fn explain_read(&self, before: u64, error: &quipu::Error) -> Checked {
        let now = self.disk.operations();
        let explained = match error.kind() {
            ErrorKind::Io => self.may_fail_since(before, error),
            // Who reads takes no room.
            ErrorKind::Full => self.faults.has_told_full_since(before, now),
            ErrorKind::Damaged => self.faults.has_misread(now),
            _ => false,
        };
        ensure(explained, Rule::Error, || format!("reading: {error:?}"))
    }
}
