//! What happens to a running store, one step after the other.

use std::time::Duration;

use quipu::Store;

use super::appending::Writer;
use super::gauge::Way;
use super::ground::{Ground, Life};
use super::reading::{self, Goes, UnderWay};
use super::source::Manner;
use crate::checker::{Checked, Rule, ensure};
use crate::content::STREAMS;
use crate::flips::asking::Choice;
use crate::random::Random;
use crate::subject::Asked;

/// Longer than a reader takes it for granted that the writer is still the same.
const A_WHILE: Duration = Duration::from_millis(200);
/// Longer than a reader waits before it looks at all of the store again.
const A_LONG_WHILE: Duration = Duration::from_millis(1200);
/// Cursors and subscriptions of each, at most.
const UNDER_WAY_MAX: usize = 3;
/// Pieces that one goes on by.
const PIECES: usize = 12;

/// What happened, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Things done to files.
    pub harms: u64,
    /// Events that were acknowledged.
    pub events: u64,
    /// Events that were harmed at the end.
    pub harmed: u64,
    /// Times that the store was opened for writing.
    pub openings: u64,
    /// Times that it was refused.
    pub refused: u64,
    /// Commits that were sent again.
    pub retries: u64,
    /// Those that got the answer of before.
    pub repeated: u64,
    /// Commits of whatever kind that were told of damage.
    pub damaged: u64,
    /// Times that whoever reads was told of a loss.
    pub told: u64,
    /// Readings of all that was asked for that came to its end.
    pub read: u64,
}

impl Counts {
    /// Each, by its name.
    #[must_use]
    pub fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("harms", self.harms),
            ("events", self.events),
            ("events harmed", self.harmed),
            ("openings", self.openings),
            ("openings refused", self.refused),
            ("retries", self.retries),
            ("retries answered as before", self.repeated),
            ("commits told of damage", self.damaged),
            ("losses told", self.told),
            ("readings that came to their end", self.read),
        ]
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Counts) -> Counts {
        Counts {
            harms: self.harms + other.harms,
            events: self.events + other.events,
            harmed: self.harmed + other.harmed,
            openings: self.openings + other.openings,
            refused: self.refused + other.refused,
            retries: self.retries + other.retries,
            repeated: self.repeated + other.repeated,
            damaged: self.damaged + other.damaged,
            told: self.told + other.told,
            read: self.read + other.read,
        }
    }
}

/// The store, open for reading in another process.
pub(super) struct Reader {
    pub(super) store: Store,
    pub(super) life: Life,
    pub(super) under_way: Vec<UnderWay>,
}

pub(super) struct Run {
    pub(super) ground: Ground,
    pub(super) writer: Option<Writer>,
    /// What the writer reads in its own process.
    pub(super) under_way: Vec<UnderWay>,
    pub(super) readers: Vec<Reader>,
    ids: u64,
    /// How many events there were as the store was closed in order the last time.
    pub(super) closed_at: u64,
    /// From here on events may be gone in silence, by what was there at each attempt to open the store since.
    pub(super) torn: u64,
}

impl Run {
    pub(super) fn new(ground: Ground) -> Run {
        Run {
            ground,
            writer: None,
            under_way: Vec::new(),
            readers: Vec::new(),
            ids: 0,
            closed_at: 0,
            torn: u64::MAX,
        }
    }

    /// The store is made, and something is written to it.
    pub(super) fn begin(&mut self, random: &mut Random) -> Checked {
        self.open(Life::default())?;
        (0..random.between(5, 40)).try_for_each(|_| self.append(random))
    }

    /// All that happens but the end.
    pub(super) fn steps(&mut self, random: &mut Random) -> Checked {
        self.begin(random)?;
        for _ in 0..random.between(20, 80) {
            self.step(random)?;
            if let Some(writer) = &self.writer {
                writer.drain()?;
            }
            self.visible_here()?;
            self.ground.note();
            self.touch();
        }
        Ok(())
    }

    fn step(&mut self, random: &mut Random) -> Checked {
        match random.below(100) {
            0..35 => self.append(random),
            35..47 => self.retry(random),
            47..57 => self.read_here(random),
            57..72 => self.read_elsewhere(random),
            72..76 => self.come_elsewhere(random),
            76..78 => {
                self.readers.pop();
                Ok(())
            }
            78..81 => self.rest(random),
            81..84 => self.verify(),
            84..90 => self.reopen(random),
            90..92 => {
                self.plan(random);
                Ok(())
            }
            _ => {
                self.ground.counts.harms += 1;
                self.ground.harm(random);
                Ok(())
            }
        }
    }

    /// Everybody may notice by now what was harmed.
    pub(super) fn touch(&mut self) {
        let Ground { ledger, disk, .. } = &self.ground;
        let lost = ledger.lost(disk);
        for Reader { life, .. } in &mut self.readers {
            life.harmed.extend(&lost);
            life.harmed.extend(ledger.lost_elsewhere(disk, life.is_outlived));
            life.has_failed |= ledger.is_bad();
        }
        if let Some(Writer { life, .. }) = &mut self.writer {
            life.harmed.extend(self.ground.lost_to(life));
            life.has_failed |= ledger.is_bad();
        }
        self.ground.note_keys(&lost);
    }

    fn plan(&mut self, random: &mut Random) {
        let lives = self.readers.iter().map(|reader| &reader.life);
        let flaws: Vec<_> = lives
            .chain(self.writer.iter().map(|writer| &writer.life))
            .map(|life| life.flaw.clone())
            .collect();
        if let Some(flaw) = random.pick(&flaws) {
            self.ground.plan(random, &flaw);
        }
    }

    pub(super) fn append(&mut self, random: &mut Random) -> Checked {
        for _ in 0..random.between(1, 6) {
            let Some(writer) = &mut self.writer else { return Ok(()) };
            writer.append(&mut self.ground, random, &mut self.ids)?;
            writer.drain()?;
            self.ground.note();
        }
        let nowhere = self.ground.ledger.nowhere();
        ensure(nowhere.is_none() || !self.ground.harmed.unsealed.is_empty(), Rule::Lost, || {
            format!("{nowhere:?} is in no file")
        })?;
        let next = self.ground.ledger.next();
        self.ground.say(|| format!("{next} events"));
        Ok(())
    }

    pub(super) fn retry(&mut self, random: &mut Random) -> Checked {
        for _ in 0..random.between(1, 4) {
            let Some(writer) = &mut self.writer else { return Ok(()) };
            self.ground.counts.retries += 1;
            writer.retry(&mut self.ground, random)?;
        }
        Ok(())
    }

    /// What its writer was told is there is visible to it, and of what nobody knows whether it is, all or nothing.
    pub(super) fn visible_here(&self) -> Checked {
        let Some(writer) = &self.writer else { return Ok(()) };
        let next = writer.stepper.next_position().0;
        let all = self.ground.ledger.next();
        let pending = all + self.ground.pending.len() as u64;
        ensure(next == all || next == pending, Rule::Watermark, || {
            format!("{next} are visible here, {all} or {pending} are there")
        })
    }

    fn read_here(&mut self, random: &mut Random) -> Checked {
        let Some(Writer { stepper, life, .. }) = &mut self.writer else { return Ok(()) };
        look(&mut self.ground, life, stepper, &mut self.under_way, random)
    }

    fn read_elsewhere(&mut self, random: &mut Random) -> Checked {
        self.readers.retain(|reader| !reader.life.is_over);
        let at = random.below(self.readers.len());
        if at >= self.readers.len() {
            return self.come_elsewhere(random);
        }
        // Of a page that is not to be believed a reader finds out when it looks at all of the store.
        let is_calm = self.ground.is_calm(&self.readers[at].life) && self.writer.is_some();
        self.ground.disk.advance(if is_calm { A_WHILE } else { A_LONG_WHILE });
        self.visible_elsewhere(at)?;
        let Some(Reader { store, life, under_way, .. }) = self.readers.get_mut(at) else {
            return Ok(());
        };
        look(&mut self.ground, life, store, under_way, random)
    }

    /// Time passes while nobody writes.
    fn rest(&mut self, random: &mut Random) -> Checked {
        if random.percent(50) {
            self.ground.disk.advance(A_LONG_WHILE);
        }
        let Some(writer) = &self.writer else { return Ok(()) };
        writer.stepper.idle();
        writer.drain()
    }

    /// Everything that can be read is read, by who comes now; and it opens for writing again.
    pub(super) fn end(&mut self, random: &mut Random) -> Checked {
        self.leave(random)?;
        self.ground.note();
        if random.percent(50) {
            self.ground.restore();
        }
        self.touch();
        self.ground.counts.events = self.ground.ledger.next();
        self.ground.counts.harmed = self.ground.ledger.unsound(&self.ground.disk).len() as u64;
        let life = self.new_life(random);
        self.open(life)?;
        if let Some(Writer { stepper, life, .. }) = &mut self.writer {
            reading::read_all(&mut self.ground, life, stepper)?;
        }
        self.readers.clear();
        self.come_elsewhere(random)?;
        if let Some(Reader { store, life, .. }) = self.readers.last_mut() {
            reading::read_all(&mut self.ground, life, store)?;
        }
        self.append(random)?;
        self.retry(random)
    }
}

/// One reads something, or goes on with what is under way.
fn look(
    ground: &mut Ground,
    life: &mut Life,
    store: &impl Asked,
    under_way: &mut Vec<UnderWay>,
    random: &mut Random,
) -> Checked {
    if store.next_position().0 > ground.ledger.next() {
        let asked = (Choice::All, Manner::Read(Way::Forward), ground.ledger.next());
        reading::read(ground, life, store, asked)?;
    }
    for one in std::mem::take(under_way) {
        let mut one = one;
        if one.go_on(ground, life, store, random.between(1, PIECES))? != Goes::Over {
            under_way.push(one);
        }
    }
    let choices = Choice::every();
    for _ in 0..random.between(1, 3) {
        let choice = choices[random.below(choices.len())].clone();
        let ways = [Manner::Read(Way::Forward), Manner::Read(Way::Backward), Manner::Followed];
        let manner = ways[random.below(ways.len())];
        let from = if random.percent(50) { 0 } else { random.below(ground.ledger.next() as usize) };
        let asked = (choice, manner, from as u64);
        if under_way.len() < UNDER_WAY_MAX && random.percent(30) {
            under_way.extend(UnderWay::begin(ground, life, store, asked)?);
        } else {
            reading::read(ground, life, store, asked)?;
        }
    }
    reading::head(ground, life, store, random.below(STREAMS.len()))?;
    if random.percent(30) { reading::names(ground, life, store) } else { Ok(()) }
}
