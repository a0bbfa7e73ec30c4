//! How the store is opened and left, by its writer and by others.

use std::path::Path;
use std::sync::Arc;

use quipu::{Durability, ErrorKind, Mode, Options, ReadMode, Store};
use quipu_disk::PowerCut;

use super::ALL_SEGMENTS;
use super::appending::Writer;
use super::gauge::Way;
use super::ground::{Ground, Life};
use super::source::{Manner, Source};
use super::steps::{Reader, Run};
use crate::checker::{Checked, Rule, Violation, ensure};
use crate::flips::asking::Choice;
use crate::history::Seen;
use crate::random::Random;
use crate::subject::PATH;

/// Those who read the store elsewhere, at most.
const READERS_MAX: usize = 2;

impl Run {
    /// The writer closes or dies, and comes back, perhaps with another mind about ids.
    pub(super) fn reopen(&mut self, random: &mut Random) -> Checked {
        self.leave(random)?;
        if random.percent(20) {
            let options = &mut self.ground.options;
            options.id_segments = if options.id_segments > 0 { 0 } else { ALL_SEGMENTS };
        }
        self.ground.note();
        self.touch();
        if random.percent(30) {
            self.ground.counts.harms += 1;
            self.ground.harm(random);
            self.ground.note();
            self.touch();
        }
        let life = self.new_life(random);
        self.open(life)
    }

    pub(super) fn leave(&mut self, random: &mut Random) -> Checked {
        let Some(mut writer) = self.writer.take() else { return Ok(()) };
        self.under_way.clear();
        if random.percent(50) {
            writer.life.fails_now = false;
            let closed = writer.stepper.close();
            self.ground.catch_up(&mut writer.life);
            if closed.is_ok() {
                self.closed_at = self.ground.ledger.next();
            }
            self.ground.say(|| format!("closed: {closed:?}"));
            return match closed {
                Err(error) => {
                    let is_poison = error.kind() == ErrorKind::Poisoned;
                    let explained = writer.is_poisoned || self.ground.may_be_poisoned();
                    ensure(is_poison && explained, Rule::Error, || format!("closing: {error:?}"))
                }
                Ok(()) => Ok(()),
            };
        }
        if random.percent(80) || self.ground.options.durability == Durability::Os {
            writer.stepper.idle();
            writer.drain()?;
        }
        self.ground.note();
        let is_cut = random.percent(40) && !writer.is_poisoned;
        drop(writer);
        self.ground.say(|| format!("killed, power cut: {is_cut}"));
        if is_cut {
            self.readers.clear();
            self.ground.disk = self.ground.disk.power_cut(PowerCut::Random);
        }
        Ok(())
    }

    pub(super) fn open(&mut self, life: Life) -> Checked {
        // What is torn may be dropped by an opening that fails after that.
        self.torn = self.torn.min(self.torn());
        let torn = self.torn;
        match Writer::open(&self.ground, life) {
            Ok(mut writer) => {
                self.ground.catch_up(&mut writer.life);
                self.ground.counts.openings += 1;
                let next = writer.stepper.next_position().0;
                self.ground.say(|| format!("opened at {next}"));
                if self.ground.is_unlisted() {
                    // It goes on without what it says of a close.
                    self.closed_at = 0;
                }
                let Ground { ledger, disk, options, .. } = &self.ground;
                let is_unread =
                    ledger.is_bad() || writer.life.has_failed || !ledger.cut(disk).is_empty();
                writer.life.lacks_ids = is_unread && options.id_segments > 0;
                self.opened(&writer, torn)?;
                self.readers.iter_mut().for_each(|reader| reader.life.is_outlived = true);
                let last = self.ground.ledger.last_file().map(Path::to_owned);
                if let Some(last) = last.filter(|last| !self.ground.is_indexed(last)) {
                    // What stands in the segment that is not sealed only its index would know.
                    let own = self.ground.ledger.standing(&last, &(0..u64::MAX));
                    self.ground.harmed.keys.extend(own.intersection(&writer.life.harmed));
                }
                self.torn = u64::MAX;
                self.ground.harmed.live = false;
                self.writer = Some(writer);
                Ok(())
            }
            Err((error, mut life)) if error.kind() == ErrorKind::Damaged => {
                self.ground.catch_up(&mut life);
                self.ground.counts.refused += 1;
                self.ground.say(|| format!("refused: {error:?}"));
                ensure(self.ground.may_be_refused(), Rule::Opening, || {
                    format!("what was harmed is known by an index: {error:?}")
                })
            }
            Err((error, mut life)) => self.ground.explain(&mut life, &error),
        }
    }

    /// From here on events may be gone in silence: never those that were there as the store was closed, whoever has opened
    /// it since, as long as the manifest says so.
    pub(super) fn torn(&self) -> u64 {
        let closed_at = if self.ground.is_unlisted() { 0 } else { self.closed_at };
        let torn = self.ground.ledger.torn(&self.ground.disk).map(|torn| torn.max(closed_at));
        torn.filter(|&torn| torn < self.ground.ledger.next()).unwrap_or(u64::MAX)
    }

    /// It goes on where it was, but for what was torn, or what nobody knew about.
    fn opened(&mut self, writer: &Writer, torn: u64) -> Checked {
        let next = writer.stepper.next_position().0;
        let all = self.ground.ledger.next();
        let pending = std::mem::take(&mut self.ground.pending);
        if next == all + pending.len() as u64 {
            if let Some(recorded) = recorded(writer, all)?.filter(|_| next > all) {
                let events = pending.into_iter().map(|event| Seen { recorded, ..event });
                self.ground.add(events.collect());
            }
            self.ground.note();
            return Ok(());
        }
        ensure(next <= all && next >= torn.min(all), Rule::Lost, || {
            format!("it goes on at {next}, {all} were acknowledged, and torn at {torn}")
        })?;
        if next < all {
            self.ground.words.push(format!("torn at {next} of {all}"));
            self.readers.clear();
            self.ground.ledger.truncate(next);
            self.closed_at = self.closed_at.min(next);
        }
        self.ground.note();
        Ok(())
    }

    /// Opens the store in another process.
    pub(super) fn come_elsewhere(&mut self, random: &mut Random) -> Checked {
        if self.readers.len() >= READERS_MAX {
            return Ok(());
        }
        let mut life = self.new_life(random);
        let Ground { ledger, disk, .. } = &self.ground;
        life.harmed.extend(ledger.lost_elsewhere(disk, life.is_outlived));
        let read_mode = if random.percent(50) { ReadMode::Map } else { ReadMode::Pread };
        let options = Options { mode: Mode::ReadOnly, read_mode, ..self.ground.options.clone() };
        let disk = Arc::new(self.ground.seen_by(&life));
        match Store::builder(PATH).disk(disk).options(options).open() {
            Ok(store) => {
                self.ground.say(|| "a reader comes".to_owned());
                self.ground.catch_up(&mut life);
                self.ground.say(|| format!("a reader of {}", store.next_position().0));
                self.readers.push(Reader { store, life, under_way: Vec::new() });
                self.visible_elsewhere(self.readers.len() - 1)
            }
            Err(error) => self.ground.explain(&mut life, &error),
        }
    }

    /// A reader sees as much as is there, and never less than before, or its opening has told of losses.
    pub(super) fn visible_elsewhere(&mut self, at: usize) -> Checked {
        let torn = self.torn.min(self.torn());
        let is_left = self.writer.is_none();
        let Some(Reader { store, life, .. }) = self.readers.get_mut(at) else { return Ok(()) };
        // One that comes has looked already.
        life.fails_now &= life.seen.is_none();
        let next = store.next_position().0;
        self.ground.catch_up(life);
        let all = self.ground.ledger.next();
        let may_be = life.seen.unwrap_or(0)..=all + self.ground.pending.len() as u64;
        ensure(may_be.contains(&next), Rule::Watermark, || {
            format!("elsewhere {next} are visible, {may_be:?} may be")
        })?;
        let least = match () {
            () if !store.opening().lost.is_empty() => 0,
            () if life.fails_now || life.seen.is_some() && self.ground.may_be_deaf(life) => 0,
            () if is_left => torn.min(all),
            () if self.ground.is_calm(life) => all,
            // Of a writer that does not tell, or is not believed, what later frames call durable.
            () if life.seen.is_none() => self.ground.ledger.vouched_for(&self.ground.disk).min(all),
            () => 0,
        };
        if next < least && is_told(&mut self.ground, life, store)? {
            return Ok(());
        }
        ensure(next >= least, Rule::Following, || {
            format!("elsewhere {next} are seen of {all}, at least {least} are there")
        })?;
        life.seen = Some(next);
        Ok(())
    }

    pub(super) fn new_life(&mut self, random: &mut Random) -> Life {
        let harmed = self.ground.ledger.lost(&self.ground.disk);
        let life = Life { harmed, ..Life::default() };
        if random.percent(5) {
            self.ground.plan(random, &life.flaw);
        }
        life
    }
}

/// Whether who follows the store is told why no more of it is seen.
fn is_told(ground: &mut Ground, life: &mut Life, store: &Store) -> Checked<bool> {
    let next = store.next_position().0;
    let followed = Source::new(store, &Choice::All, Manner::Followed, next);
    let told = followed.and_then(|mut followed| followed.next());
    told.map_or_else(|error| ground.explain(life, &error).map(|()| true), |_| Ok(false))
}

/// When the event at a position was recorded, of which that was not known.
fn recorded(writer: &Writer, position: u64) -> Checked<Option<i64>> {
    let manner = Manner::Read(Way::Forward);
    let source = Source::new(&writer.stepper, &Choice::All, manner, position);
    let seen = source.and_then(|mut source| source.next());
    let told = seen.map_err(|error| Violation::new(Rule::Lost, format!("{error:?}")))?;
    Ok(told.map(|told| told.recorded))
}
