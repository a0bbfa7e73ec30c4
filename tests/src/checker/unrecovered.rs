//! What is shown of a store before anybody has recovered it, and what the recovery finds then.

use quipu::Durability;

use super::{Checked, Checker, Rule, ensure};
use crate::history::{LastWriter, Seen};

impl Checker {
    /// The store was opened, and shows this as long as there is no room to recover it. More may be found then.
    pub(super) fn postponed(
        &mut self,
        visible: u64,
        events: &[Seen],
        writer: LastWriter,
    ) -> Checked {
        self.shown(0, events, writer)?;
        let found = events.len() as u64;
        ensure(found == visible, Rule::Reading, || format!("{found} events, {visible} visible"))?;
        self.begin_life();
        self.visible = found;
        Ok(())
    }

    /// A recovery that was made up for finds all that was promised, and all that was shown before it.
    pub(super) fn recovered(&mut self, found: u64) -> Checked {
        ensure(found >= self.written, Rule::Lost, || {
            format!("{found} events were recovered, {} were promised", self.written)
        })?;
        ensure(found <= self.log.len() && self.log.is_boundary(found), Rule::Torn, || {
            format!("{found} events were recovered, of {}", self.log.len())
        })?;
        self.made_up = Some(found);
        self.settled(found)
    }

    /// Where nobody writes, nobody but the reader vouches for what it shows: it is there for ever. After a writer that
    /// has failed it shows what readers saw before: of a store that promises less than a sync no more than that stays.
    pub(super) fn shown(&mut self, from: u64, events: &[Seen], writer: LastWriter) -> Checked {
        let found = from + events.len() as u64;
        let least = match writer {
            LastWriter::Sound => self.written,
            LastWriter::Failed => self.written.min(self.visible),
            LastWriter::Unproven => 0,
        };
        ensure(found >= least, Rule::Lost, || {
            format!("{found} events are shown, {least} were promised")
        })?;
        self.whole(from, events)?;
        let unwritten = self.log.first_unwritten();
        ensure(unwritten.is_none_or(|(first, _)| first >= found), Rule::Unwritten, || {
            format!("{found} events are shown, and some of them were not written: {unwritten:?}")
        })?;
        self.written = self.written.max(found);
        if writer == LastWriter::Sound || self.store != Durability::Os {
            self.durable = self.durable.max(found);
        }
        Ok(())
    }
}
