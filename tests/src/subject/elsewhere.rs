//! Another process, which reads the store beside its writer.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use quipu::{Delivery, ErrorKind, Mode, Options, Position, Store, Subscription};
use quipu_disk::Disk;

use super::questions::answer;
use super::{PATH, Subject};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::content;
use crate::history::{Entry, Order, Question, Seen, Selection};

/// Longer than a reader takes it for granted that the writer is still the same.
pub(super) const A_WHILE: Duration = Duration::from_millis(200);
/// Longer than a reader waits, beside a writer that tells nothing, before it looks at all of the store again.
pub(super) const A_LONG_WHILE: Duration = Duration::from_millis(1200);

/// Times that a follower looks: what the writer told last may be news, and is doubted only after that.
pub(super) const LOOKS: usize = 3;
/// More than any store under test holds.
const DELIVERIES_MAX: usize = 1 << 20;

/// A store that is open for reading, and who follows it.
pub(super) struct Elsewhere {
    pub(super) store: Store,
    pub(super) all: Box<Subscription<Position>>,
    /// The position of the event that comes next.
    pub(super) next: u64,
    /// It was opened while something could not be read, and has read around it.
    reads_around: bool,
}

/// What later frames call durable, for readers that are told nothing: positions below.
///
/// Each group says how far its segment was durable as its write was begun. A job may be a sync, which says nothing; but
/// of two jobs one after the other one is a write.
#[derive(Clone, Copy, Default)]
pub(super) struct Vouched {
    /// What was durable as the last job was taken.
    pub(super) taken: u64,
    /// What was as the last one was taken that is done.
    finished: u64,
    /// What some frame says at least.
    pub(super) sure: u64,
}

impl Vouched {
    /// The last job that was taken is done.
    pub(super) fn finish(&mut self) {
        self.sure = self.finished;
        self.finished = self.taken;
    }
}

impl Elsewhere {
    pub(super) fn new(store: Store) -> quipu::Result<Elsewhere> {
        let all = Box::new(store.all().subscribe()?);
        Ok(Elsewhere { store, all, next: 0, reads_around: false })
    }

    /// What came since it looked last. It takes its time before each look.
    pub(super) fn look(&mut self, pause: &dyn Fn()) -> quipu::Result<Checked<Vec<Seen>>> {
        let mut events = Vec::new();
        for _ in 0..LOOKS {
            pause();
            let mut left = DELIVERIES_MAX;
            while let Some(delivery) = self.all.try_next()? {
                if let Delivery::Event(event) = delivery {
                    events.push(content::seen(&event));
                }
                left -= 1;
                if left == 0 {
                    let detail = "elsewhere deliveries have no end";
                    return Ok(Err(Violation::new(Rule::Stuck, detail)));
                }
            }
        }
        self.next += events.len() as u64;
        Ok(Ok(events))
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
                let reads_around = self.is_spoiled();
                self.elsewhere = Some(Elsewhere { reads_around, ..elsewhere });
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
        let mut has_waited = false;
        for _ in 0..count {
            let before = self.disk.operations();
            let visible = self.visible()?;
            let Some(Elsewhere { all, next, .. }) = &mut self.elsewhere else { return Ok(()) };
            let event = match all.try_next() {
                Ok(Some(Delivery::Event(event))) => content::seen(&event),
                Ok(Some(Delivery::CaughtUp)) => continue,
                Ok(None) => {
                    let (next, least) = (*next, self.least_elsewhere(before)?);
                    if next < least && self.looks_seldom() && !has_waited {
                        self.disk.advance(A_LONG_WHILE);
                        has_waited = true;
                        continue;
                    }
                    return ensure(next >= least, Rule::Following, || {
                        format!("elsewhere nothing comes from {next} on, {least} must be seen")
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
        let (visible, least) = (self.visible()?, self.least_elsewhere(before)?);
        let Some(Elsewhere { store, .. }) = &self.elsewhere else { return Ok(()) };
        // What the last writer told before it died may be news, and what its successor tells comes after.
        let _ = store.next_position();
        if store.next_position().0 < least && self.looks_seldom() {
            self.disk.advance(A_LONG_WHILE);
        }
        let (seen, events) = match answer_at(store, &question) {
            Ok(answered) => answered,
            Err(error) => return self.elsewhere_failed(before, &error),
        };
        // That the end of the log cannot be read is told to who follows it. Who asks is answered of what was seen before.
        let least = if self.is_spoiled() { 0 } else { self.least_elsewhere(before)? };
        ensure((least..=visible).contains(&seen), Rule::Following, || {
            format!("{seen} seen elsewhere, {visible} here and {least} at least")
        })?;
        self.counts.others.asked += 1;
        if seen == visible {
            self.record(Entry::Looked { visible })?;
            return self.record(Entry::Selected { question, visible, events });
        }
        self.counts.others.lagged += 1;
        self.record(Entry::Glimpsed {
            from: seen,
            events: Vec::new(),
            asked: Some((question, events)),
        })
    }

    /// How much another process sees at least that has looked since `before`: all that is visible, or, where nothing can be
    /// told, what frames vouch for. A writer that has failed may have told that, and a look that fails is made again.
    fn least_elsewhere(&self, before: u64) -> Checked<u64> {
        let has_failed = self.faults.has_failed_since(before, self.disk.operations());
        Ok(match self.in_flight.tells {
            _ if has_failed || self.may_be_poisoned() => 0,
            // Of an end that cannot be read nobody knows what it holds.
            _ if self.is_read_around() => 0,
            true => self.visible()?,
            false => self.in_flight.vouched.sure,
        })
    }

    /// Whether another process may take its time before it looks at all of the store: nothing is told, or a look has failed.
    fn looks_seldom(&self) -> bool {
        let has_failed = self.faults.has_failed(self.disk.operations());
        !self.in_flight.tells || has_failed || self.is_spoiled()
    }

    /// Whether the other process was opened while something could not be read.
    fn is_read_around(&self) -> bool {
        self.elsewhere.as_ref().is_some_and(|reader| reader.reads_around)
    }

    fn elsewhere_failed(&mut self, before: u64, error: &quipu::Error) -> Checked {
        if self.is_read_around() && self.is_up_to_bad_sector(error) {
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

/// An answer, and how far the reader sees that gives it: what it has looked for meanwhile may be news.
fn answer_at(store: &Store, question: &Question) -> quipu::Result<(u64, Vec<Seen>)> {
    let mut seen = store.next_position().0;
    loop {
        let events = answer(store, question)?;
        let before = mem::replace(&mut seen, store.next_position().0);
        // Nobody writes meanwhile, so there is an end to news.
        if seen == before {
            return Ok((seen, events));
        }
    }
}
