//! What keeps a reader from looking for news.

use crate::{Error, Result};

/// So many failures in a row are told to those who wait: what fails only once may be over in a moment.
const TOLD_FROM: u32 = 2;

/// How far it was looked for news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// At what the writer tells, and at no more of the store than that needs.
    AtThePage,
    /// Also whether it is still there, and that is all there is to be looked at.
    Around,
    /// At all of the store.
    Anew,
}

/// What has failed since looking for news last went well.
#[derive(Default)]
pub(super) struct Trouble {
    error: Option<Error>,
    in_a_row: u32,
    /// How often it has failed ever, which is how far everybody has been told.
    ever: u64,
}

impl Trouble {
    pub(super) fn note(&mut self, looked: &Result<Looked>) {
        match looked {
            Ok(Looked::AtThePage) => {}
            Ok(Looked::Around | Looked::Anew) => (self.error, self.in_a_row) = (None, 0),
            Err(error) => {
                self.error = Some(error.clone());
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.ever += 1;
            }
        }
    }

    /// The last failure, if it was not the only one and whoever asks has not been told of it.
    pub(super) fn since(&self, told: &mut u64) -> Option<Error> {
        if self.in_a_row < TOLD_FROM || *told == self.ever {
            return None;
        }
        *told = self.ever;
        self.error.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn what_fails_twice_in_a_row_is_told_once_to_everybody() {
        let mut trouble = Trouble::default();
        let failed = || Err(Error::new(ErrorKind::Io, "it cannot be read"));
        let (mut told, mut other) = (0, 0);
        trouble.note(&failed());
        assert!(trouble.since(&mut told).is_none(), "it may be over in a moment");
        trouble.note(&Ok(Looked::Around));
        trouble.note(&failed());
        assert!(trouble.since(&mut told).is_none(), "one went well in between");
        trouble.note(&Ok(Looked::AtThePage));
        trouble.note(&failed());
        assert!(trouble.since(&mut told).is_some() && trouble.since(&mut other).is_some());
        assert!(trouble.since(&mut told).is_none(), "it has been told");
        trouble.note(&failed());
        assert!(trouble.since(&mut told).is_some(), "it fails again");
        trouble.note(&Ok(Looked::Around));
        assert!(trouble.since(&mut other).is_none(), "it is over");
    }
}
