//! Damage met while events are read: reported as it is met, and read on behind it.

use std::path::{Path, PathBuf};

use quipu::{Damage, ErrorKind, Mode, Store};

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Damage met on the way.
pub(crate) struct Damages<'o> {
    /// Where it is reported; nowhere, if somebody else is going to.
    output: Option<&'o Output>,
    last: Option<Damage>,
    /// Files that are lost as a whole, and were reported.
    told: Vec<PathBuf>,
}

/// Opens a store to be read. What is lost as a whole is reported at once, also to who does not read so far, and
/// not again where the reading comes by it.
pub(crate) fn open<'o>(path: &Path, output: &'o Output) -> Result<(Store, Damages<'o>), Failure> {
    let store = Store::builder(path).mode(Mode::ReadOnly).open()?;
    let mut damages = Damages::reported(output);
    for damage in &store.opening().lost {
        damages.take(damage.clone(), &Failure::from(damage));
        damages.told.push(damage.file.clone());
    }
    Ok((store, damages))
}

impl<'o> Damages<'o> {
    /// Reports damage on standard error.
    fn reported(output: &'o Output) -> Damages<'o> {
        Damages { output: Some(output), last: None, told: Vec::new() }
    }

    /// Says nothing: what is met here will be met again.
    pub(crate) fn silent() -> Damages<'o> {
        Damages { output: None, last: None, told: Vec::new() }
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

    fn take(&mut self, damage: Damage, failure: &Failure) {
        if let Some(output) = self.output
            && !self.told.contains(&damage.file)
        {
            output.failure(failure);
        }
        self.last = Some(damage);
    }

    /// Whether there was any.
    pub(crate) fn any(&self) -> bool {
        self.last.is_some()
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.any() { Exit::Found } else { Exit::Done }
    }
}
