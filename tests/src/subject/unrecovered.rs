//! The store under test while there is no room to recover it.

use std::path::Path;

use quipu_disk::PAGE_WORDS;

use super::{PATH, Subject};
use crate::checker::Checked;
use crate::history::{Entry, LastWriter, Seen};

impl Subject {
    /// It was opened, which began with the operation `before`.
    pub(super) fn opened_unrecovered(
        &mut self,
        visible: u64,
        events: Vec<Seen>,
        before: u64,
    ) -> Checked {
        self.counts.postponed += 1;
        let has_failed = self.faults.has_failed_since(before, self.disk.operations());
        let writer =
            if has_failed || self.is_off() { LastWriter::Unproven } else { self.last_writer() };
        self.record(Entry::Postponed { visible, events, writer })
    }

    /// Whether a write or sync of the last writer failed, nobody has recovered the store or cut its power since, and
    /// there is no page that may say so: it could not make one, or not store it any more.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.is_doubtful && !self.has_page()
    }

    /// Whether there is a page that can tell other processes something.
    pub(super) fn has_page(&self) -> bool {
        let words = self.disk.page_words(&Path::new(PATH).join("live"));
        // Of one that could not be filled there are none, and one that was filled may never have been stored.
        words.is_ok_and(|words| words != Some([0; PAGE_WORDS]))
    }

    /// Whether an opening that began with the operation `before` has a page of its own: where something has failed, the one
    /// that is there may be the last writer's.
    pub(super) fn can_tell_since(&self, before: u64) -> bool {
        self.has_page() && !self.faults.has_failed_since(before, self.disk.operations())
    }

    /// How the last writer ended that nobody has recovered since.
    pub(super) fn last_writer(&self) -> LastWriter {
        if self.is_doubtful { LastWriter::Failed } else { LastWriter::Sound }
    }

    /// Whether the store is open and could be recovered.
    #[must_use]
    pub fn is_recovered(&self) -> bool {
        self.stepper.as_ref().is_some_and(|stepper| stepper.is_recovered())
    }

    /// The store may have made up for its recovery since the operation `before`: for whoever wanted to write.
    pub(super) fn notice_recovery(&mut self, was_recovered: bool, before: u64) -> Checked {
        if was_recovered || !self.is_recovered() {
            return Ok(());
        }
        self.counts.made_up += 1;
        self.is_doubtful = false;
        let segments = self.stepper()?.segments();
        self.in_flight.segments = segments;
        self.in_flight.tells = self.can_tell_since(before);
        let visible = self.visible()?;
        self.record(Entry::Recovered { visible })
    }
}
