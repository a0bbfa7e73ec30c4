//! Damage met while events are read: reported as it is met, and read on behind it.

use quipu::{Damage, ErrorKind};

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// Damage met on the way.
pub(crate) struct Damages<'o> {
    /// Where it is reported; nowhere, if somebody else is going to.
    output: Option<&'o Output>,
    last: Option<Damage>,
}

impl<'o> Damages<'o> {
    /// Reports damage on standard error.
    pub(crate) fn reported(output: &'o Output) -> Damages<'o> {
        Damages { output: Some(output), last: None }
    }

    /// Says nothing: what is met here will be met again.
    pub(crate) fn silent() -> Damages<'o> {
        Damages { output: None, last: None }
    }

    /// Takes damage behind which the reading goes on, and fails on everything else: on any other error, and
    /// on the same damage again.
    pub(crate) fn pass(&mut self, error: quipu::Error) -> Result<(), Failure> {
        let damage = error.damage().cloned();
        let goes_on = error.kind() == ErrorKind::Damaged && damage.is_some() && damage != self.last;
        let failure = Failure::from(error);
        if !goes_on {
            return Err(failure);
        }
        if let Some(output) = self.output {
            output.failure(&failure);
        }
        self.last = damage;
        Ok(())
    }

    /// Whether there was any.
    pub(crate) fn any(&self) -> bool {
        self.last.is_some()
    }

    pub(crate) fn exit(&self) -> Exit {
        if self.any() { Exit::Found } else { Exit::Done }
    }
}
