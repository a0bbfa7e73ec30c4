//! Damage met while events are read: reported as it is met, and read on behind it.

use std::collections::HashSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use quipu::{Damage, ErrorKind, Mode, Position, Store};

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Most places that are kept in mind; what is met behind them is reported each time.
const TOLD_MAX: usize = 10_000;

/// Damage met on the way.
pub(crate) struct Damages<'o> {
    /// Where it is reported; nowhere, if somebody else is going to.
    output: Option<&'o Output>,
    last: Option<Damage>,
    /// What is lost as a whole, and was reported.
    gone: Vec<Damage>,
    /// What was reported.
    told: HashSet<(PathBuf, u64, Range<Position>)>,
}

/// Opens a store to be read. What is lost as a whole is reported at once, also to who does not read so far, and
/// not again where the reading comes by it.
pub(crate) fn open<'o>(path: &Path, output: &'o Output) -> Result<(Store, Damages<'o>), Failure> {
    let store = Store::builder(path).mode(Mode::ReadOnly).open()?;
    let mut damages = Damages::reported(output);
    for damage in &store.opening().lost {
        damages.take(damage.clone(), &Failure::from(damage));
        damages.gone.push(damage.clone());
    }
    // Where the reading comes by the same, it goes on behind it.
    damages.last = None;
    Ok((store, damages))
}

impl<'o> Damages<'o> {
    /// Reports damage on standard error.
    fn reported(output: &'o Output) -> Damages<'o> {
        Damages { output: Some(output), ..Damages::silent() }
    }

    /// Says nothing: what is met here will be met again.
    pub(crate) fn silent() -> Damages<'o> {
        Damages { output: None, last: None, gone: Vec::new(), told: HashSet::new() }
    }

    /// Takes damage behind which the reading goes on, and fails on everything else: on any other error, and
    /// on the same damage again.
    pub(crate) fn pass(&mut self, error: quipu::Error) -> Result<(), Failure> {
        let damage = error.damage().filter(|_| error.kind() == ErrorKind::Damaged).cloned();
        let failure = Failure::from(error);
        match damage {
            Some(damage) if self.last.as_ref() != Some(&damage) => {
                self.take(damage, &failure);
                Ok(())
            }
            _ => Err(failure),
        }
    }

    /// Takes damage that keeps one question from being answered, as it may keep the next ones.
    pub(crate) fn meet(&mut self, error: quipu::Error) -> Result<(), Failure> {
        self.last = None;
        self.pass(error)
    }

    fn take(&mut self, damage: Damage, failure: &Failure) {
        if let Some(output) = self.output
            && !self.gone.iter().any(|gone| is_within(&damage, gone))
        {
            let is_first = self.told.is_empty();
            let place = (damage.file.clone(), damage.offset.0, damage.positions.clone());
            if self.told.len() >= TOLD_MAX || self.told.insert(place) {
                if is_first { output.failure(failure) } else { output.further(failure) }
            }
        }
        self.last = Some(damage);
    }

    /// Whether there was any.
    pub(crate) fn any(&self) -> bool {
        self.last.is_some() || !self.gone.is_empty()
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.any() { Exit::Found } else { Exit::Done }
    }
}

/// Whether damage is a part of what was told to be lost as a whole.
fn is_within(damage: &Damage, gone: &Damage) -> bool {
    let (part, whole) = (&damage.positions, &gone.positions);
    damage.file == gone.file && whole.start <= part.start && part.end <= whole.end
}
