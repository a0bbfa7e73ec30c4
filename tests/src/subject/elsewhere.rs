//! Another process, which reads the store beside its writer.

use std::sync::Arc;
use std::time::Duration;

use quipu::{Delivery, ErrorKind, Mode, Options, Position, Store, Subscription};
use quipu_disk::Disk;

use super::questions::answer;
use super::{PATH, Subject};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content;
use crate::history::{Entry, Order, Question, Selection};

/// Longer than a reader takes it for granted that the writer is still the same.
pub(super) const A_WHILE: Duration = Duration::from_millis(200);

/// A store that is open for reading, and who follows it.
pub(super) struct Elsewhere {
    pub(super) store: Store,
    pub(super) all: Box<Subscription<Position>>,
    /// The position of the event that comes next.
    pub(super) next: u64,
}

impl Elsewhere {
    pub(super) fn new(store: Store) -> quipu::Result<Elsewhere> {
        let all = Box::new(store.all().subscribe()?);
        Ok(Elsewhere { store, all, next: 0 })
    }
}

pub(super) fn open_for_reading(
    disk: &(impl Disk + Clone + 'static),
    options: &Options,
) -> quipu::Result<Store> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = Options { mode: Mode::ReadOnly, ..options.clone() };
    Store::builder(PATH).disk(disk).options(options).open()
}

impl Subject {
    /// Opens the store in another process too, for reading. Not if a planned fault is in the way.
    ///
    /// # Errors
    /// What that breaks.
    pub fn open_elsewhere(&mut self) -> Checked {
        let before = self.disk.operations();
        let opened = self.open_for_reading().and_then(Elsewhere::new);
        match opened {
            Ok(elsewhere) => {
                self.elsewhere = Some(elsewhere);
                Ok(())
            }
            Err(error) => self.explain_read(before, &error),
        }
    }

    pub(super) fn open_for_reading(&self) -> quipu::Result<Store> {
        open_for_reading(&self.disk, &self.options)
    }

    /// Whether another process reads the store.
    #[must_use]
    pub fn is_read_elsewhere(&self) -> bool {
        self.elsewhere.is_some()
    }

    /// The other process is gone.
    pub fn leave_elsewhere(&mut self) {
        self.elsewhere = None;
    }

    /// Delivers up to `count` events to the other process, each of which must be the next one, and the same as
    /// here.
    ///
    /// # Errors
    /// What it gets and should not, or the other way round.
    pub fn deliver_elsewhere(&mut self, count: usize) -> Checked {
        self.disk.advance(A_WHILE);
        for _ in 0..count {
            let before = self.disk.operations();
            let visible = self.visible()?;
            let Some(Elsewhere { all, next, .. }) = &mut self.elsewhere else { return Ok(()) };
            let event = match all.try_next() {
                Ok(Some(Delivery::Event(event))) => content::seen(&event),
                Ok(Some(Delivery::CaughtUp)) => continue,
                Ok(None) => {
                    let (next, lags) = (*next, self.may_lag());
                    return ensure(next == visible || lags, Rule::Following, || {
                        format!("elsewhere nothing comes from {next} on, {visible} are visible")
                    });
                }
                Err(error) => return self.elsewhere_failed(before, &error),
            };
            let wanted = *next;
            *next += 1;
            ensure(event.position == wanted && wanted < visible, Rule::Following, || {
                format!("elsewhere came {event:?} instead of {wanted}, {visible} are visible")
            })?;
            self.counts.others.delivered += 1;
            let (selection, order) = (Selection::All, Order::Forward);
            let here = Question { selection, order, from: Some(wanted), limit: 1 };
            match answer(self.stepper()?, &here) {
                Ok(here) => ensure(here == [event], Rule::Following, || {
                    format!("elsewhere came {event:?}, and here {here:?}")
                })?,
                Err(error) => self.explain_read(before, &error)?,
            }
        }
        Ok(())
    }

    /// Asks a question in the other process; the answer must be the same as here.
    ///
    /// # Errors
    /// What the answer breaks.
    pub fn ask_elsewhere(&mut self, question: Question) -> Checked {
        self.disk.advance(A_WHILE);
        let before = self.disk.operations();
        let visible = self.visible()?;
        let Some(Elsewhere { store, .. }) = &self.elsewhere else { return Ok(()) };
        // What the last writer told before it died may be news, and what its successor tells comes after.
        let _ = store.next_position();
        let _ = store.next_position();
        let (answered, seen) = (answer(store, &question), store.next_position().0);
        match answered {
            Ok(events) if seen == visible => {
                self.record(Entry::Looked { visible })?;
                self.counts.others.asked += 1;
                self.record(Entry::Selected { question, visible, events })
            }
            Ok(_) => {
                let lags = seen < visible && self.may_lag();
                ensure(lags, Rule::Following, || format!("{seen} seen elsewhere, {visible} here"))
            }
            Err(error) => self.elsewhere_failed(before, &error),
        }
    }

    /// Whether what is told to other processes may have failed: then they see less than there is.
    fn may_lag(&self) -> bool {
        self.is_silent
            || self.is_off()
            || self.faults.was_full()
            || self.faults.has_failed(self.disk.operations())
            // Of an end that cannot be read nobody knows what it holds.
            || self.is_spoiled()
    }

    fn elsewhere_failed(&mut self, before: u64, error: &quipu::Error) -> Checked {
        if error.kind() == ErrorKind::Damaged && self.is_spoiled() {
            // What cannot be read is read around, and what stands there is told as lost. Behind it there is more.
            self.elsewhere = None;
            return Ok(());
        }
        if error.kind() != ErrorKind::Poisoned {
            return self.explain_read(before, error);
        }
        // What was seen there is lost: so is what had not been synced here.
        self.elsewhere = None;
        if self.lost_unsynced {
            Ok(())
        } else {
            Err(Violation::new(Rule::Following, format!("elsewhere: {error:?}")))
        }
    }
}
