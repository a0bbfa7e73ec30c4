//! Readers of the store under test while nobody writes it: its writer was killed.

use std::path::Path;

use quipu::ErrorKind;
use quipu_disk::Disk;

use super::elsewhere::A_WHILE;
use super::questions::answer;
use super::{PATH, Subject};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::history::{Entry, Order, Question, Selection};

impl Subject {
    /// From now on the store can tell other processes nothing: something else stands where its page should.
    ///
    /// # Errors
    /// What that breaks.
    pub fn silence(&mut self) -> Checked {
        let made = self.disk.create_directory(&Path::new(PATH).join("live"));
        made.map_err(|error| Violation::new(Rule::Nonsense, error.to_string()))
    }

    /// Somebody reads all there is, and goes again. No fault is planned.
    ///
    /// # Errors
    /// What was read and should not have been, or the other way round.
    pub fn read_unwritten(&mut self) -> Checked {
        let (selection, order) = (Selection::All, Order::Forward);
        let everything = Question { selection, order, from: None, limit: usize::MAX };
        match self.open_for_reading().and_then(|store| answer(&store, &everything)) {
            Ok(events) => {
                let writer = self.last_writer();
                self.counts.others.read_unwritten += 1;
                self.record(Entry::Shown { from: 0, events, writer })
            }
            Err(error) if error.kind() == ErrorKind::NoStore => {
                ensure(self.checker.next_position() == 0, Rule::Lost, || format!("{error:?}"))
            }
            Err(error) => Err(Violation::new(Rule::Opening, format!("for reading: {error:?}"))),
        }
    }

    /// Whoever follows in another process gets what the writer has left. No fault is planned.
    ///
    /// # Errors
    /// As [`Subject::read_unwritten`].
    pub fn deliver_unwritten(&mut self) -> Checked {
        let Some(elsewhere) = &mut self.elsewhere else { return Ok(()) };
        let from = elsewhere.next;
        let events = elsewhere.look(&|| self.disk.advance(A_WHILE)).map_err(|error| {
            Violation::new(Rule::Following, format!("while nobody writes: {error:?}"))
        })??;
        let writer = self.last_writer();
        self.counts.others.outlived += 1;
        self.record(Entry::Shown { from, events, writer })
    }
}
